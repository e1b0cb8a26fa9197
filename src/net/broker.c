/* SPDX-License-Identifier: MIT */
/* Owns the private mosquitto: its folder, its port, its life.
 *
 * Between us and mosquitto stands a keeper, a forked process of a few system calls that holds the
 * read end of a pipe whose write end is ours. Whatever ends us, SIGKILL included, closes the pipe;
 * then the keeper ends mosquitto, which is its own child and so can be neither missed nor mistaken,
 * and removes the folder. If the keeper itself is killed, PR_SET_PDEATHSIG ends mosquitto. Both are
 * in a session of their own, so that Ctrl-C in our terminal does not reach them, and hold none of
 * our descriptors.
 *
 * Readiness and ownership of the port are read from a second listener, a unix socket in the private
 * folder: mosquitto opens its listeners in the order of its configuration, so the socket's file is
 * there only if the TCP port before it was really ours; another program that takes the port between
 * our look and mosquitto's bind makes mosquitto end, and we take another port. */
#include "net/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TRIES = 5, /* each with another port */
    START_MS = 10000,
    STOP_MS = 2000, /* from SIGTERM to SIGKILL */
    LOOK_MS = 5,
    PATH_SIZE = 4096 - 32,
};

#define CONFIG_NAME "mosquitto.conf"
#define LOG_NAME    "mosquitto.log"
#define READY_NAME  "ready"

struct broker {
    pid_t keeper;
    int life;  /* write end: closes with us, and the keeper sees it */
    int alive; /* read end: closes with mosquitto */
    int port;
    char folder[PATH_SIZE];
};

struct pipes {
    int life[2];  /* write end ours, read end the keeper's */
    int alive[2]; /* write end mosquitto's alone, read ends ours and the keeper's */
};

/* ---- the keeper: after fork, async-signal-safe calls only ---- */

static void close_from(int first)
{
    if (close_range((unsigned)first, ~0U, 0) == 0)
        return;
    long max = sysconf(_SC_OPEN_MAX);
    if (max < 0 || max > 1 << 20)
        max = 1 << 20;
    for (int fd = first; fd < max; fd++)
        close(fd);
}

static void default_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT, SIGCHLD};
    sigset_t none;
    sigemptyset(&none);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        signal(numbers[i], SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void become_broker(const char *program, pid_t keeper)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != keeper) /* it went before prctl */
        _exit(1);
    default_signals();
    execl(program, "mosquitto", "-c", CONFIG_NAME, (char *)NULL);
    _exit(127);
}

/* Waits until the pipe's other end closes, or ms are over (-1: no limit); true: it closed. */
static bool wait_closed(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int rc;
    do
        rc = poll(&p, 1, ms);
    while (rc < 0 && errno == EINTR);
    return rc != 0;
}

/* Puts the keeper's descriptors where they are known to be, and closes all others of ours. */
enum { KEEPER_LIFE = 3, KEEPER_ALIVE = 4, BROKER_ALIVE = 5, KEEPER_FREE = 6 };

static bool arrange_descriptors(const struct pipes *p)
{
    /* Moved up first: an end may itself have one of the low numbers. */
    int null = fcntl(open("/dev/null", O_RDWR), F_DUPFD, 10);
    int log = fcntl(open(LOG_NAME, O_WRONLY | O_CREAT | O_APPEND, 0600), F_DUPFD, 10);
    int life = fcntl(p->life[0], F_DUPFD, 10);
    int alive = fcntl(p->alive[0], F_DUPFD, 10);
    int broker = fcntl(p->alive[1], F_DUPFD, 10);
    if (null < 0 || log < 0 || life < 0 || alive < 0 || broker < 0)
        return false;
    dup2(null, 0);
    dup2(null, 1);
    dup2(log, 2);
    dup2(life, KEEPER_LIFE);
    dup2(alive, KEEPER_ALIVE);
    dup2(broker, BROKER_ALIVE);
    close_from(KEEPER_FREE);
    fcntl(KEEPER_LIFE, F_SETFD, FD_CLOEXEC);
    fcntl(KEEPER_ALIVE, F_SETFD, FD_CLOEXEC);
    return true;
}

static _Noreturn void keep(const char *program, const char *folder, const struct pipes *p)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT};
    setsid();
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i], SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    pid_t self = getpid(), child = -1;
    if (chdir(folder) == 0 && arrange_descriptors(p))
        child = fork();
    if (child == 0)
        become_broker(program, self);
    close(BROKER_ALIVE);
    /* When mosquitto ends by itself, our parent sees that as we do, may want to read its log, and
     * then closes its end. */
    wait_closed(KEEPER_LIFE, -1);
    if (child > 0) {
        kill(child, SIGTERM);
        if (!wait_closed(KEEPER_ALIVE, STOP_MS))
            kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    unlink(CONFIG_NAME);
    unlink(LOG_NAME);
    unlink(READY_NAME);
    rmdir(folder);
    _exit(0);
}

/* ---- our side ---- */

static int find_program(char *out, size_t size, struct err *e)
{
    static const char *const usual = "/usr/sbin:/usr/local/sbin:/sbin:/usr/bin:/usr/local/bin";
    const char *path = getenv("PATH");
    const char *lists[2] = {path ? path : "", usual};
    for (int i = 0; i < 2; i++) {
        for (const char *at = lists[i]; *at;) {
            size_t n = strcspn(at, ":");
            int length = snprintf(out, size, "%.*s/mosquitto", (int)n, at);
            if (n > 0 && length > 0 && (size_t)length < size && access(out, X_OK) == 0)
                return 0;
            at += n + (at[n] == ':');
        }
    }
    return err_set(e, ERR_NOTFOUND,
                   "private broker: 'mosquitto' is neither in PATH nor in /usr/sbin or "
                   "/usr/local/sbin; install it (apt-get install mosquitto) or name a broker with "
                   "MQTT_BROKER");
}

static int free_port(int *out, struct err *e)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t n = sizeof a;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_errno(e, errno, "private broker: no socket");
    int rc = 0;
    if (bind(fd, (struct sockaddr *)&a, n) || getsockname(fd, (struct sockaddr *)&a, &n))
        rc = err_errno(e, errno, "private broker: no free loopback port");
    else
        *out = ntohs(a.sin_port);
    close(fd);
    return rc;
}

static int write_config(const struct broker *b, struct err *e)
{
    char path[PATH_SIZE + 32], text[1024];
    /* Bounded: a subscriber that does not keep up loses messages before the broker loses itself. */
    int n = snprintf(text, sizeof text,
                     "listener %d 127.0.0.1\n"
                     "listener 0 " READY_NAME "\n"
                     "allow_anonymous true\n"
                     "persistence false\n"
                     "max_queued_messages 1000000\n"
                     "set_tcp_nodelay true\n"
                     "connection_messages false\n"
                     "log_dest stderr\n"
                     "log_type error\n"
                     "log_type warning\n"
                     "%s",
                     b->port,
                     /* else it would become the user mosquitto, who may not enter the folder */
                     geteuid() == 0 ? "user root\n" : "");
    snprintf(path, sizeof path, "%s/" CONFIG_NAME, b->folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, (size_t)n) != n) {
        int rc = err_errno(e, errno, "private broker: cannot write '%s'", path);
        if (fd >= 0)
            close(fd);
        return rc;
    }
    close(fd);
    return 0;
}

static int make_folder(struct broker *b, struct err *e)
{
    char base[PATH_SIZE - 32];
    const char *tmp = getenv("TMPDIR");
    if (!tmp || !tmp[0])
        tmp = "/tmp";
    /* Absolute, for the keeper leaves our working folder. */
    char *real = realpath(tmp, NULL);
    if (!real)
        return err_errno(e, errno, "private broker: TMPDIR '%s'", tmp);
    int n = snprintf(base, sizeof base, "%s", real);
    free(real);
    if (n < 0 || (size_t)n >= sizeof base)
        return err_set(e, ERR_LIMIT, "private broker: TMPDIR is longer than %zu bytes",
                       sizeof base);
    snprintf(b->folder, sizeof b->folder, "%s/wattle-broker-XXXXXX", base);
    if (!mkdtemp(b->folder)) /* 0700 */
        return err_errno(e, errno, "private broker: cannot make a folder in '%s'", base);
    return 0;
}

static void remove_folder(const struct broker *b)
{
    static const char *const names[] = {CONFIG_NAME, LOG_NAME, READY_NAME};
    char path[PATH_SIZE + 32];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", b->folder, names[i]);
        unlink(path);
    }
    rmdir(b->folder);
}

static void close_both(int fd[2])
{
    for (int i = 0; i < 2; i++) {
        if (fd[i] >= 0)
            close(fd[i]);
        fd[i] = -1;
    }
}

static int start_keeper(struct broker *b, const char *program, struct err *e)
{
    struct pipes p = {{-1, -1}, {-1, -1}};
    if (pipe2(p.life, O_CLOEXEC) || pipe2(p.alive, O_CLOEXEC)) {
        int rc = err_errno(e, errno, "private broker: no pipe");
        close_both(p.life);
        close_both(p.alive);
        return rc;
    }
    b->keeper = fork();
    if (b->keeper == 0)
        keep(program, b->folder, &p);
    if (b->keeper < 0) {
        int rc = err_errno(e, errno, "private broker: cannot start a process");
        close_both(p.life);
        close_both(p.alive);
        return rc;
    }
    close(p.life[0]);
    close(p.alive[1]);
    b->life = p.life[1];
    b->alive = p.alive[0];
    return 0;
}

/* The log's last line, for a broker that did not come up. */
static void last_words(const struct broker *b, char *out, size_t size)
{
    char path[PATH_SIZE + 32];
    struct buf text;
    buf_init(&text, 1 << 20);
    snprintf(path, sizeof path, "%s/" LOG_NAME, b->folder);
    snprintf(out, size, "it left no message");
    if (file_read(path, &text, NULL) == 0 && text.n > 1) {
        size_t end = text.n;
        while (end > 0 && text.p[end - 1] == '\n')
            end--;
        size_t from = end;
        while (from > 0 && text.p[from - 1] != '\n')
            from--;
        snprintf(out, size, "%.*s", (int)(end - from < size ? end - from : size - 1),
                 text.p + from);
    }
    buf_release(&text);
}

static int wait_ready(struct broker *b, struct err *e)
{
    char path[PATH_SIZE + 32], words[256];
    uint64_t until = clock_mono_ns() + (uint64_t)START_MS * 1000000;
    struct stat st;
    snprintf(path, sizeof path, "%s/" READY_NAME, b->folder);
    while (stat(path, &st) != 0) {
        if (wait_closed(b->alive, LOOK_MS)) {
            last_words(b, words, sizeof words);
            return err_set(e, ERR_IO, "private broker: mosquitto ended at once: %s", words);
        }
        if (clock_mono_ns() > until)
            return err_set(e, ERR_IO, "private broker: mosquitto is not ready after %d s",
                           START_MS / 1000);
    }
    return 0;
}

static void stop(struct broker *b)
{
    close(b->life);
    while (waitpid(b->keeper, NULL, 0) < 0 && errno == EINTR)
        ;
    close(b->alive);
    remove_folder(b); /* the keeper did, unless somebody killed it */
}

/* The folder and the keeper that will remove it. Signals that end us wait meanwhile: between the
 * two the folder would be left behind. */
static int prepare(struct broker *b, const char *program, struct err *e)
{
    static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    sigset_t wait, before;
    sigemptyset(&wait);
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
        sigaddset(&wait, ending[i]);
    pthread_sigmask(SIG_BLOCK, &wait, &before);
    int rc = make_folder(b, e);
    if (!rc) {
        rc = write_config(b, e);
        if (!rc)
            rc = start_keeper(b, program, e);
        if (rc)
            remove_folder(b);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static int open_once(struct broker *b, const char *program, struct err *e)
{
    int rc = free_port(&b->port, e);
    if (!rc)
        rc = prepare(b, program, e);
    if (rc)
        return rc;
    rc = wait_ready(b, e);
    if (rc)
        stop(b);
    return rc;
}

int broker_open(struct broker **out, struct err *e)
{
    char program[PATH_SIZE];
    int rc = find_program(program, sizeof program, e);
    if (rc)
        return rc;
    struct broker *b = (struct broker *)calloc(1, sizeof *b);
    if (!b)
        return err_set(e, ERR_NOMEM, "private broker: no memory");
    for (int i = 0; i < TRIES; i++) {
        rc = open_once(b, program, e);
        if (!rc) {
            *out = b;
            return 0;
        }
    }
    free(b);
    return rc;
}

int broker_port(const struct broker *b)
{
    return b->port;
}

void broker_close(struct broker **bp)
{
    struct broker *b = *bp;
    if (!b)
        return;
    *bp = NULL;
    stop(b);
    free(b);
}
