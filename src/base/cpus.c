/* SPDX-License-Identifier: MIT */
#include "base/cpus.h"
#include "base/file.h"
#include "base/num.h"

#include <sched.h>
#include <stdio.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

/* The first line of dir/name, without blanks at its end; empty if there is none. */
static struct span read_line(struct buf *b, const char *dir, const char *name)
{
    char path[PATH_SIZE];
    buf_clear(b);
    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >= sizeof path)
        return (struct span){NULL, 0};
    if (file_read(path, b, NULL) != 0)
        return (struct span){NULL, 0};
    struct span s = buf_view(b);
    const uint8_t *end = span_find(s, '\n');
    if (end)
        s.n = (size_t)(end - s.p);
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\r'))
        s.n--;
    return s;
}

/* "0-3,8,10-11" → 7; 0 if it makes no sense. */
static int count_cpu_list(struct span s)
{
    uint64_t count = 0;
    while (s.n > 0) {
        const uint8_t *comma = span_find(s, ',');
        size_t n = comma ? (size_t)(comma - s.p) : s.n;
        struct span item = {s.p, n};
        const uint8_t *dash = memchr(s.p, '-', n);
        size_t left = dash ? (size_t)(dash - s.p) : n;
        uint64_t from, to;
        if (!num_parse_u64(span_sub(item, 0, left), &from))
            return 0;
        to = from;
        if (dash && !num_parse_u64(span_sub(item, left + 1, n), &to))
            return 0;
        if (to < from || to > 1 << 20)
            return 0;
        count += to - from + 1;
        s = comma ? span_sub(s, n + 1, s.n) : (struct span){NULL, 0};
    }
    return count > 1 << 20 ? 0 : (int)count;
}

static void limit_cpus(struct cpu_limits *l, int count)
{
    if (count > 0 && count < l->online)
        l->online = count;
}

static void limit_quota(struct cpu_limits *l, double quota_us, double period_us)
{
    if (quota_us <= 0 || period_us <= 0)
        return;
    double q = quota_us / period_us;
    if (l->quota == 0 || q < l->quota)
        l->quota = q;
}

/* Kernels write "no limit" as "max", or as the largest multiple of a page below 2^63. */
static void limit_memory(struct cpu_limits *l, struct span s)
{
    uint64_t v;
    if (!num_parse_u64(s, &v) || v == 0 || v >= (uint64_t)1 << 62)
        return;
    if (l->memory_bytes == 0 || v < l->memory_bytes)
        l->memory_bytes = v;
}

static void apply_v2(struct cpu_limits *l, const char *dir, struct buf *b)
{
    struct span s = read_line(b, dir, "cpu.max"); /* "QUOTA PERIOD" or "max PERIOD" */
    const uint8_t *blank = span_find(s, ' ');
    if (blank) {
        size_t left = (size_t)(blank - s.p);
        uint64_t quota, period;
        if (num_parse_u64(span_sub(s, 0, left), &quota) &&
            num_parse_u64(span_sub(s, left + 1, s.n), &period))
            limit_quota(l, (double)quota, (double)period);
    }
    limit_cpus(l, count_cpu_list(read_line(b, dir, "cpuset.cpus.effective")));
    limit_memory(l, read_line(b, dir, "memory.max"));
}

static void apply_v1_cpu(struct cpu_limits *l, const char *dir, struct buf *b)
{
    int64_t quota, period;
    if (!num_parse_i64(read_line(b, dir, "cpu.cfs_quota_us"), &quota))
        return;
    if (num_parse_i64(read_line(b, dir, "cpu.cfs_period_us"), &period))
        limit_quota(l, (double)quota, (double)period);
}

static void apply_v1_cpuset(struct cpu_limits *l, const char *dir, struct buf *b)
{
    limit_cpus(l, count_cpu_list(read_line(b, dir, "cpuset.cpus")));
}

static void apply_v1_memory(struct cpu_limits *l, const char *dir, struct buf *b)
{
    limit_memory(l, read_line(b, dir, "memory.limit_in_bytes"));
}

typedef void (*apply_fn)(struct cpu_limits *l, const char *dir, struct buf *b);

/* Every level from mount/path up to mount: a limit of a parent holds for its children. A path that
 * the mount does not show (a container that sees its own cgroup as the root) costs nothing: absent
 * files mean no limit. */
static void apply_levels(struct cpu_limits *l, const char *mount, struct span path, apply_fn apply,
                         struct buf *b)
{
    char dir[PATH_SIZE];
    for (;;) {
        if ((size_t)snprintf(dir, sizeof dir, "%s%.*s", mount,
                             (int)(path.n < PATH_SIZE ? path.n : PATH_SIZE),
                             path.n ? (const char *)path.p : "") < sizeof dir)
            apply(l, dir, b);
        while (path.n > 0 && path.p[path.n - 1] != '/')
            path.n--;
        if (path.n == 0)
            return;
        path.n--;
    }
}

/* Whether the comma-separated list has the word. */
static bool list_has(struct span list, const char *word)
{
    while (list.n > 0) {
        const uint8_t *comma = span_find(list, ',');
        size_t n = comma ? (size_t)(comma - list.p) : list.n;
        if (span_is(span_sub(list, 0, n), word))
            return true;
        list = comma ? span_sub(list, n + 1, list.n) : (struct span){NULL, 0};
    }
    return false;
}

/* One line of /proc/self/cgroup: "ID:CONTROLLERS:PATH". */
static void apply_line(struct cpu_limits *l, const char *sysroot, struct span line, struct buf *b)
{
    static const struct {
        const char *controller, *mount;
        apply_fn apply;
    } v1[] = {
        {"cpu", "sys/fs/cgroup/cpu", apply_v1_cpu},
        {"cpu", "sys/fs/cgroup/cpu,cpuacct", apply_v1_cpu},
        {"cpuset", "sys/fs/cgroup/cpuset", apply_v1_cpuset},
        {"memory", "sys/fs/cgroup/memory", apply_v1_memory},
    };
    const uint8_t *first = span_find(line, ':');
    if (!first)
        return;
    struct span rest = span_sub(line, (size_t)(first - line.p) + 1, line.n);
    const uint8_t *second = span_find(rest, ':');
    if (!second)
        return;
    struct span controllers = span_sub(rest, 0, (size_t)(second - rest.p));
    struct span path = span_sub(rest, controllers.n + 1, rest.n);
    if (path.n > 0 && path.p[path.n - 1] == '/')
        path.n--; /* "/" is the mount itself */
    char mount[PATH_SIZE];
    if (controllers.n == 0) {
        snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", sysroot);
        apply_levels(l, mount, path, apply_v2, b);
        snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/unified", sysroot);
        apply_levels(l, mount, path, apply_v2, b);
    }
    for (size_t i = 0; i < sizeof v1 / sizeof *v1; i++) {
        if (!list_has(controllers, v1[i].controller))
            continue;
        snprintf(mount, sizeof mount, "%s/%s", sysroot, v1[i].mount);
        apply_levels(l, mount, path, v1[i].apply, b);
    }
}

static void finish(struct cpu_limits *l)
{
    l->usable = l->online;
    if (l->quota > 0 && l->quota < l->usable)
        l->usable = l->quota;
    l->threads = l->usable < 1 ? 1 : (int)l->usable;
}

static int host_cpus(const char *sysroot)
{
    cpu_set_t set;
    if (strcmp(sysroot, "/") == 0) {
        if (sched_getaffinity(0, sizeof set, &set) == 0)
            return CPU_COUNT(&set);
    } else {
        struct buf b;
        buf_init(&b, 64 << 10);
        int n = count_cpu_list(read_line(&b, sysroot, "sys/devices/system/cpu/online"));
        buf_release(&b);
        if (n > 0)
            return n;
    }
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

void cpu_limits_read(struct cpu_limits *out, const char *sysroot)
{
    struct cpu_limits l = {.online = host_cpus(sysroot)};
    struct buf text, scratch;
    buf_init(&text, 256 << 10);
    buf_init(&scratch, 64 << 10);
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/proc/self/cgroup", sysroot);
    if (file_read(path, &text, NULL) == 0) {
        struct span s = buf_view(&text);
        while (s.n > 0) {
            const uint8_t *end = span_find(s, '\n');
            size_t n = end ? (size_t)(end - s.p) : s.n;
            apply_line(&l, sysroot, span_sub(s, 0, n), &scratch);
            s = span_sub(s, n + 1, s.n);
        }
    }
    buf_release(&text);
    buf_release(&scratch);
    finish(&l);
    *out = l;
}

void cpu_limits_read_cgroup(struct cpu_limits *out, const char *cgroup_dir, int online)
{
    struct cpu_limits l = {.online = online};
    struct buf scratch;
    char dir[PATH_SIZE];
    buf_init(&scratch, 64 << 10);
    apply_v2(&l, cgroup_dir, &scratch);
    snprintf(dir, sizeof dir, "%s/cpu", cgroup_dir);
    apply_v1_cpu(&l, dir, &scratch);
    snprintf(dir, sizeof dir, "%s/cpuset", cgroup_dir);
    apply_v1_cpuset(&l, dir, &scratch);
    snprintf(dir, sizeof dir, "%s/memory", cgroup_dir);
    apply_v1_memory(&l, dir, &scratch);
    buf_release(&scratch);
    finish(&l);
    *out = l;
}
