/* SPDX-License-Identifier: MIT */
/* The program: finds the command, has its arguments parsed, calls it, and turns what it says into
 * an exit code. Whatever the command, output that could not be written is a failure: a script that
 * reads a file of ours must not take half of it for the whole. Only a reader that has had enough is
 * none. */
#include "cli/cli.h"

#include "cli/help.h"

#include <wattle.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern char **environ;

/* In the order of `wattle help`: the main job first. */
static const struct command *const commands[] = {
    &command_run,      &command_device,     &command_compose,  &command_report,   &command_compare,
    &command_consume,  &command_dashboard,  &command_health,   &command_serve,    &command_generate,
    &command_tokenize, &command_detokenize, &command_template, &command_logits,   &command_eval,
    &command_pull,     &command_models,     &command_synth,    &command_quantize, &command_bench,
};
static const struct command_list all = {commands, sizeof commands / sizeof commands[0]};

enum { HELP_BYTES_MAX = 1 << 20 };

int exit_code_of(int code)
{
    if (code == 0)
        return EXIT_DONE;
    if (code == ERR_USAGE)
        return EXIT_USAGE;
    return code == ERR_CANCELLED ? EXIT_INTERRUPTED : EXIT_FAILED;
}

/* ---- output ---- */

/* Without a descriptor 0, 1 or 2 the next file that is opened would get it, and be written to by
 * mistake. Read-only, so that writing to a closed stdout still fails. */
static void fill_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", O_RDONLY);
}

bool reader_has_gone(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO};
    /* Of a pipe or socket only: a full disk has no such event. */
    return ferror(stdout) && poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP));
}

/* As `ls | head` does; the code is for where the signal is not let through. */
static int end_by_sigpipe(void)
{
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
    sigprocmask(SIG_UNBLOCK, &pipe, NULL);
    return 128 + SIGPIPE;
}

static int flush_output(const char *prefix, int code)
{
    errno = 0;
    if ((fflush(stdout) == 0 && !ferror(stdout)) || code == EXIT_FAILED)
        return code; /* a failure has been told: often this very one */
    int error_number = errno;
    if (reader_has_gone())
        return end_by_sigpipe();
    errno = error_number;
    fprintf(stderr, "%s: cannot write to the standard output: %s\n", prefix,
            errno ? strerror(errno) : "an earlier write failed");
    return code == EXIT_DONE ? EXIT_FAILED : code;
}

static void write_log(void *ctx, enum log_level level, const char *line)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    FILE *out = ctx;
    char stamp[CLOCK_ISO_SIZE];
    clock_iso(clock_utc_us(), stamp);
    fprintf(out, "%s %s: %s\n", stamp, names[level], line);
    fflush(out);
}

static enum log_level level_of(const char *name)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    int level = LOG_LEVEL_DEBUG;
    while (level < LOG_LEVEL_ERROR && strcmp(name, names[level]) != 0)
        level++;
    return (enum log_level)level;
}

/* ---- one command ---- */

/* What --print-config prints may be read by a program: no log line goes between. */
static bool has_word(int argc, char **argv, const char *word)
{
    int i = 0;
    while (i < argc && strcmp(argv[i], word) != 0)
        i++;
    return i < argc;
}

static int run_command(const struct command *c, int argc, char **argv)
{
    struct settings *s = NULL;
    struct err e = {""};
    struct buf text;
    FILE *log = c->log_on_stdout ? stdout : stderr;
    buf_init(&text, HELP_BYTES_MAX);
    log_set_sink(write_log, has_word(argc, argv, "--print-config") ? stderr : log, LOG_LEVEL_INFO);
    int code = EXIT_DONE;
    int r = settings_parse(&s, c->spec, argc, argv, environ, &text, &e);
    if (r == SETTINGS_GO) {
        log_set_sink(write_log, log, level_of(settings_text(s, SET_LOG_LEVEL)));
        code = c->run(s, &e);
        settings_say_where(s, &e);
    } else if (r == SETTINGS_DONE) {
        fwrite(text.p, 1, text.n, stdout);
    } else {
        code = exit_code_of(r);
    }
    if ((code == EXIT_FAILED || code == EXIT_USAGE) && e.text[0])
        fprintf(stderr, "wattle %s: %s\n", c->spec->name, e.text);
    settings_free(&s);
    buf_release(&text);
    log_set_sink(NULL, NULL, LOG_LEVEL_ERROR);
    return code;
}

static bool is_one_of(const char *word, const char *a, const char *b)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

/* Model files are mapped: what somebody cuts off while we read it is no longer there. */
static void on_lost_page(int number, siginfo_t *info, void *context)
{
    static const char text[] = "wattle: a file that is being read became shorter, or its disk "
                               "failed: download the model again, or check the disk\n";
    (void)context;
    if (info->si_code != BUS_ADRERR) { /* a fault of our own: ends as it would have */
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    ssize_t told = write(STDERR_FILENO, text, sizeof text - 1);
    (void)told; /* there is nobody else to tell */
    _exit(EXIT_FAILED);
}

static void tell_of_lost_pages(void)
{
    struct sigaction sa = {.sa_sigaction = on_lost_page, .sa_flags = SA_SIGINFO};
    sigemptyset(&sa.sa_mask);
    sigaction(SIGBUS, &sa, NULL);
}

int main(int argc, char **argv)
{
    fill_standard_descriptors();
    tell_of_lost_pages();
    /* Not before everything is saved and closed: `wattle run | head` has a broker to stop. */
    signal(SIGPIPE, SIG_IGN);
    char prefix[64] = "wattle";
    int code;
    const struct command *c = argc > 1 ? command_find(&all, argv[1]) : NULL;
    if (c) {
        snprintf(prefix, sizeof prefix, "wattle %s", c->spec->name);
        code = run_command(c, argc - 2, argv + 2);
    } else if (argc < 2) {
        help_commands(stderr, &all);
        code = EXIT_USAGE; /* like every command that lacks what it needs */
    } else if (is_one_of(argv[1], "--help", "-h")) {
        code = help_run(&all, 0, NULL);
    } else if (strcmp(argv[1], "help") == 0) {
        code = help_run(&all, argc - 2, argv + 2);
    } else if (strcmp(argv[1], "--version") == 0) {
        printf("wattle %s\n", wattle_version());
        code = EXIT_DONE;
    } else {
        code = command_unknown(&all, argv[1]);
    }
    return flush_output(prefix, code);
}
