/* SPDX-License-Identifier: MIT */
/* A library for LD_PRELOAD that makes memory and disks fail at a chosen moment.
 *
 * Environment, read once when the process starts:
 *   FAIL_PROGRAM      only a process of this name counts and fails (a child that it starts does
 * not) FAIL_ALLOC=N      the N-th allocation fails (from 1) FAIL_ALLOC_EVERY=K  and from there each
 * K-th; 1: all FAIL_WRITE=N      the N-th write, pwrite, fsync, fdatasync, ftruncate or rename of a
 * regular file fails: writes with ENOSPC, fsync and rename with EIO FAIL_WRITE_EVERY=K
 *   FAIL_COUNT_FILE   gets "allocations N" and "writes N" when the process ends in order
 *   FAIL_SITES_FILE   gets a line for each that is counted: what, its number, a hash of its stack
 *   FAIL_TRACE_FILE   gets the stack of each failure, and of a crash or an abort()
 *
 * Allocations are malloc, calloc, realloc, memalign and their kin, and mmap of anonymous memory by
 * anybody but libc itself; what libc allocates (strdup, fopen, getline) comes through malloc. Those
 * before main, of other libraries' constructors, are not counted. glibc only: the real functions
 * are taken by their second names, since dlsym allocates. */
#undef _FILE_OFFSET_BITS /* else pwrite and pwrite64 would be one name */

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT void *__libc_malloc(size_t size);
EXPORT void *__libc_calloc(size_t n, size_t size);
EXPORT void *__libc_realloc(void *p, size_t size);
EXPORT void *__libc_memalign(size_t alignment, size_t size);

enum { FRAMES_MAX = 40 };

struct counter {
    atomic_ulong n;
    unsigned long fail, every; /* 0: never */
};

static struct counter allocations, writes;
static bool active; /* set once, before main */
static int count_fd = -1, trace_fd = -1, sites_fd = -1;
static _Thread_local bool inside; /* our own calls are not counted */

/* ---- counting ---- */

static void say(int fd, const char *text)
{
    (void)!syscall(SYS_write, fd, text, strlen(text));
}

static void trace(const char *what)
{
    void *frames[FRAMES_MAX];
    if (trace_fd < 0)
        return;
    inside = true;
    int n = backtrace(frames, FRAMES_MAX);
    say(trace_fd, what);
    backtrace_symbols_fd(frames, n, trace_fd);
    inside = false;
}

/* The same place in the program, reached in the same way, gives the same hash in one process. */
static void note_site(const char *what, unsigned long n)
{
    void *frames[FRAMES_MAX];
    char text[80];
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    inside = true;
    int depth = backtrace(frames, FRAMES_MAX);
    for (int i = 0; i < depth; i++)
        hash = (hash ^ (uintptr_t)frames[i]) * 1099511628211u;
    snprintf(text, sizeof text, "%c %lu %016" PRIx64 "\n", *what, n, hash);
    say(sites_fd, text);
    inside = false;
}

static bool fails(struct counter *c, const char *what)
{
    if (!active || inside)
        return false;
    unsigned long n = atomic_fetch_add(&c->n, 1) + 1;
    bool now =
        c->fail && (n == c->fail || (c->every && n > c->fail && (n - c->fail) % c->every == 0));
    int kept = errno;
    if (sites_fd >= 0)
        note_site(c == &writes ? "write" : "allocation", n);
    if (now)
        trace(what);
    errno = kept;
    return now;
}

static bool no_memory(const char *what)
{
    if (!fails(&allocations, what))
        return false;
    errno = ENOMEM;
    return true;
}

static bool no_disk(int fd, int error, const char *what)
{
    struct stat st;
    if (!active || inside || (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))))
        return false;
    if (!fails(&writes, what))
        return false;
    errno = error;
    return true;
}

/* ---- memory ---- */

EXPORT void *malloc(size_t size)
{
    return no_memory("malloc\n") ? NULL : __libc_malloc(size);
}

EXPORT void *calloc(size_t n, size_t size)
{
    return no_memory("calloc\n") ? NULL : __libc_calloc(n, size);
}

EXPORT void *realloc(void *p, size_t size)
{
    return no_memory("realloc\n") ? NULL : __libc_realloc(p, size);
}

EXPORT void *reallocarray(void *p, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return no_memory("reallocarray\n") ? NULL : __libc_realloc(p, bytes);
}

EXPORT void *memalign(size_t alignment, size_t size)
{
    return no_memory("memalign\n") ? NULL : __libc_memalign(alignment, size);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    return no_memory("aligned_alloc\n") ? NULL : __libc_memalign(alignment, size);
}

EXPORT int posix_memalign(void **out, size_t alignment, size_t size)
{
    int kept = errno;
    void *p = no_memory("posix_memalign\n") ? NULL : __libc_memalign(alignment, size);
    errno = kept;
    if (!p)
        return ENOMEM;
    *out = p;
    return 0;
}

EXPORT void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if ((flags & MAP_ANONYMOUS) && no_memory("mmap\n"))
        return MAP_FAILED;
    return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

/* ---- disks ---- */

EXPORT ssize_t write(int fd, const void *p, size_t n)
{
    return no_disk(fd, ENOSPC, "write\n") ? -1 : (ssize_t)syscall(SYS_write, fd, p, n);
}

EXPORT ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    return no_disk(fd, ENOSPC, "pwrite\n") ? -1 : (ssize_t)syscall(SYS_pwrite64, fd, p, n, at);
}

EXPORT ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
    return no_disk(fd, ENOSPC, "pwrite64\n") ? -1 : (ssize_t)syscall(SYS_pwrite64, fd, p, n, at);
}

EXPORT ssize_t writev(int fd, const struct iovec *v, int n)
{
    return no_disk(fd, ENOSPC, "writev\n") ? -1 : (ssize_t)syscall(SYS_writev, fd, v, n);
}

EXPORT int fsync(int fd)
{
    return no_disk(fd, EIO, "fsync\n") ? -1 : (int)syscall(SYS_fsync, fd);
}

EXPORT int fdatasync(int fd)
{
    return no_disk(fd, EIO, "fdatasync\n") ? -1 : (int)syscall(SYS_fdatasync, fd);
}

EXPORT int ftruncate(int fd, off_t size)
{
    return no_disk(fd, EIO, "ftruncate\n") ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

EXPORT int ftruncate64(int fd, off64_t size)
{
    return no_disk(fd, EIO, "ftruncate64\n") ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

EXPORT int rename(const char *from, const char *to)
{
    if (no_disk(-1, EIO, "rename\n"))
        return -1;
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

EXPORT int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    if (no_disk(-1, EIO, "renameat2\n"))
        return -1;
    return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

/* ---- the process ---- */

/* Whose abort it was: a library that gives up without memory is not a fault of ours. */
EXPORT void abort(void)
{
    trace("abort\n");
    signal(SIGABRT, SIG_DFL);
    raise(SIGABRT);
    _exit(134);
}

static void on_crash(int number)
{
    trace("crash\n");
    signal(number, SIG_DFL);
    raise(number);
}

static unsigned long number(const char *name)
{
    const char *text = getenv(name);
    unsigned long n = 0;
    for (; text && *text >= '0' && *text <= '9'; text++)
        n = n * 10 + (unsigned long)(*text - '0');
    return n;
}

static int open_report(const char *name)
{
    const char *path = getenv(name);
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
    /* out of the way: programs and tests count on low numbers being theirs */
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 200);
    if (fd >= 0)
        close(fd);
    return high;
}

__attribute__((constructor)) static void begin(void)
{
    const char *program = getenv("FAIL_PROGRAM");
    void *frames[1];
    if (program && strcmp(program, program_invocation_short_name) != 0)
        return;
    count_fd = open_report("FAIL_COUNT_FILE");
    trace_fd = open_report("FAIL_TRACE_FILE");
    sites_fd = open_report("FAIL_SITES_FILE");
    backtrace(frames, 1); /* loads what it needs now */
    if (trace_fd >= 0) {
        signal(SIGSEGV, on_crash);
        signal(SIGBUS, on_crash);
    }
    allocations.fail = number("FAIL_ALLOC");
    allocations.every = number("FAIL_ALLOC_EVERY");
    writes.fail = number("FAIL_WRITE");
    writes.every = number("FAIL_WRITE_EVERY");
    active = true;
}

__attribute__((destructor)) static void end(void)
{
    char text[80];
    if (count_fd < 0)
        return;
    active = false;
    snprintf(text, sizeof text, "allocations %lu\nwrites %lu\n", atomic_load(&allocations.n),
             atomic_load(&writes.n));
    say(count_fd, text);
}
