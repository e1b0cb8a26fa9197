/* SPDX-License-Identifier: MIT */
/* The program itself: which words it knows, what it exits with, where its lines go. */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const commands[] = {"run",      "device",   "report", "consume",   "generate",
                                       "tokenize", "template", "logits", "detokenize"};
enum { N_COMMANDS = sizeof commands / sizeof commands[0], OUTPUT_MAX = 1 << 20 };

struct result {
    int code; /* -N: ended by signal N */
    char *out, *err;
};

static void result_release(struct result *r)
{
    free(r->out);
    free(r->err);
}

static char *whole(FILE *f)
{
    char *text = calloc(1, OUTPUT_MAX);
    assert_non_null(text);
    rewind(f);
    size_t n = fread(text, 1, OUTPUT_MAX - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

/* argv begins with "wattle"; variable: "NAME=value" or NULL. stdout goes to out_fd, or is kept if
 * that is -1, or is closed if it is -2. */
static struct result run_to(int out_fd, const char *variable, const char *const *argv)
{
    char program[1024];
    snprintf(program, sizeof program, "%s/wattle", getenv("WATTLE_BUILD"));
    FILE *out = tmpfile(), *err = tmpfile();
    assert_true(out && err);
    const char *environment[] = {"PATH=/usr/bin:/bin", variable, NULL};
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(fileno(err), 2);
        if (out_fd == -2)
            close(1);
        else
            dup2(out_fd >= 0 ? out_fd : fileno(out), 1);
        execve(program, (char **)argv, (char **)environment);
        _exit(126);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    struct result r = {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), whole(out),
                       whole(err)};
    if (r.code == 126)
        fail_msg("cannot run %s", program);
    return r;
}

static struct result run(const char *const *argv)
{
    return run_to(-1, NULL, argv);
}

static void test_help_lists_every_command(void **state)
{
    (void)state;
    static const char *const forms[][4] = {{"wattle", "help", NULL},
                                           {"wattle", "--help", NULL},
                                           {"wattle", "help", "--format=text", NULL},
                                           {"wattle", NULL}};
    for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
        struct result r = run(forms[f]);
        if (!forms[f][1]) { /* nothing asked for is wrong use: nothing on standard output */
            assert_int_equal(r.code, 2);
            assert_string_equal(r.out, "");
            char *swap = r.out;
            r.out = r.err;
            r.err = swap;
        } else {
            assert_int_equal(r.code, 0);
        }
        assert_string_equal(r.err, "");
        for (size_t i = 0; i < N_COMMANDS; i++) {
            char line[64];
            snprintf(line, sizeof line, "\n  %-12s", commands[i]);
            if (!strstr(r.out, line))
                fail_msg("'%s' is not in the list", commands[i]);
        }
        result_release(&r);
    }
}

static void check_lines(const char *text)
{
    for (const char *line = text; *line;) {
        const char *end = strchr(line, '\n');
        assert_non_null(end);
        size_t width = utf8_length(span_of(line, (size_t)(end - line)));
        if (width > 100)
            fail_msg("%zu columns: %.*s", width, (int)(end - line), line);
        line = end + 1;
    }
}

static void test_help_of_each_command(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_COMMANDS; i++) {
        char first[64];
        struct result a = run((const char *[]){"wattle", "help", commands[i], NULL});
        struct result b = run((const char *[]){"wattle", commands[i], "--help", NULL});
        assert_int_equal(a.code, 0);
        assert_int_equal(b.code, 0);
        assert_string_equal(a.out, b.out);
        snprintf(first, sizeof first, "wattle %s: ", commands[i]);
        assert_true(strncmp(a.out, first, strlen(first)) == 0);
        assert_non_null(strstr(a.out, "\nUsage\n  wattle "));
        assert_non_null(strstr(a.out, "  --help"));
        check_lines(a.out);
        result_release(&a);
        result_release(&b);
    }
}

static void test_version(void **state)
{
    (void)state;
    struct result r = run((const char *[]){"wattle", "--version", NULL});
    assert_int_equal(r.code, 0);
    assert_string_equal(r.out, "wattle " WATTLE_VERSION "\n");
    result_release(&r);
}

static void test_wrong_use_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *variable;
        const char *argv[6];
        const char *line;
    } rows[] = {
        {NULL, {"wattle", "rum"}, "wattle: 'rum' is no command, the nearest is 'run'\n"},
        {NULL, {"wattle", "reprot"}, "wattle: 'reprot' is no command, the nearest is 'report'\n"},
        {NULL,
         {"wattle", "frobnicate"},
         "wattle: 'frobnicate' is no command, 'wattle help' shows those there are\n"},
        {NULL,
         {"wattle", "--verson"},
         "wattle: '--verson' is no option, the nearest is "
         "'--version'\n"},
        {NULL, {"wattle", ""}, "wattle: '' is no command, 'wattle help' shows those there are\n"},
        {NULL,
         {"wattle", "a\x1b[31m\n"},
         "wattle: 'a\\x1b[31m\\x0a' is no command, 'wattle help' shows those there are\n"},
        {NULL, {"wattle", "help", "rum"}, "wattle: 'rum' is no command, the nearest is 'run'\n"},
        {NULL,
         {"wattle", "help", "run", "device"},
         "wattle help: 'device': one word too many, expected wattle help [--format "
         "text|markdown|man] "
         "[COMMAND]\n"},
        {"ENABLE_LLM=maybe",
         {"wattle", "device"},
         "wattle device: ENABLE_LLM: 'maybe' is neither true nor false, expected true, 1, yes, "
         "false, 0 or no\n"},
        {"LLM_TEMPERATURE=hot",
         {"wattle", "device"},
         "wattle device: LLM_TEMPERATURE: 'hot' is no number, expected 0 to 100\n"},
        {"MQTT_PORT=99999",
         {"wattle", "device"},
         "wattle device: MQTT_PORT: '99999' is out of range, expected 1 to 65535\n"},
        {"LLM_TEMPERATURE=hot",
         {"wattle", "run", "--devices", "2"},
         "wattle run: LLM_TEMPERATURE: 'hot' is no number, expected 0 to 100\n"},
        {NULL,
         {"wattle", "run", "--deivces", "3"},
         "wattle run: --deivces: unknown option, the nearest is --devices\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct result r = run_to(-1, rows[i].variable, rows[i].argv);
        assert_string_equal(r.err, rows[i].line);
        assert_string_equal(r.out, "");
        assert_int_equal(r.code, 2);
        result_release(&r);
    }
}

static void test_print_config(void **state)
{
    (void)state;
    const char *argv[] = {"wattle", "device", "--print-config", NULL};
    struct result r = run_to(-1, "DEVICE_ID=b8:27:eb:bf:9d:51", argv);
    assert_int_equal(r.code, 0);
    assert_string_equal(r.err, "");
    const char *line = strstr(r.out, "\nDEVICE_ID ");
    assert_non_null(line);
    line = strstr(line, " b8:27:eb:bf:9d:51 ");
    assert_non_null(line);
    assert_non_null(strstr(line, " environment\n"));
    result_release(&r);
}

static void test_output_that_cannot_be_written_is_a_failure(void **state)
{
    (void)state;
    const char *argv[] = {"wattle", "help", NULL};
    int full = open("/dev/full", O_WRONLY);
    assert_true(full >= 0);
    struct result r = run_to(full, NULL, argv);
    assert_int_equal(r.code, 1);
    assert_string_equal(r.err,
                        "wattle: cannot write to the standard output: No space left on device\n");
    result_release(&r);
    close(full);

    r = run_to(-2, NULL, argv);
    assert_int_equal(r.code, 1);
    result_release(&r);
}

/* `wattle help | head -1`. */
static void test_a_reader_that_has_gone_is_no_failure(void **state)
{
    (void)state;
    static const char *const ways[][8] = {
        {"wattle", "help", NULL},
        {"wattle", "--help", NULL},
        {"wattle", "--version", NULL},
        {"wattle", "help", "run", NULL},
        {"wattle", "help", "--format", "markdown", "run", NULL},
        {"wattle", "models", "--hf-home", "/nonexistent", NULL},
        {"wattle", "models", "--hf-home", "/nonexistent", "--json", NULL},
        {"wattle", "compose", "--devices", "500", "--output", "-", NULL},
    };
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        bool compose = strcmp(ways[i][1], "compose") == 0;
        struct result r = run_to(ends[1], "XDG_CACHE_HOME=/nonexistent", ways[i]);
        assert_int_equal(r.code, -SIGPIPE);
        if (!compose) /* that has notes */
            assert_string_equal(r.err, "");
        assert_null(strstr(r.err, "standard output"));
        result_release(&r);
    }
    for (size_t i = 0; i < N_COMMANDS; i++) {
        const char *help[] = {"wattle", commands[i], "--help", NULL};
        struct result r = run_to(ends[1], NULL, help);
        assert_int_equal(r.code, -SIGPIPE);
        assert_string_equal(r.err, "");
        result_release(&r);
        const char *print[] = {"wattle", commands[i], "--print-config", NULL};
        r = run_to(ends[1], NULL, print);
        assert_true(r.code == -SIGPIPE || r.code == 2); /* one that takes no settings */
        assert_null(strstr(r.err, "standard output"));
        result_release(&r);
    }
    close(ends[1]);
}

static void test_device_logs_to_its_output(void **state)
{
    (void)state;
    /* What `docker logs NAME | grep` sees. */
    static const char warning[] = " warning: environment: LLM_TEMPERATUR is no setting";
    const char *argv[] = {"wattle", "device", "--dataset-path", "/nonexistent", NULL};
    struct result r = run_to(-1, "LLM_TEMPERATUR=1", argv);
    assert_int_equal(r.code, 1);
    assert_non_null(strstr(r.out, warning));
    assert_null(strstr(r.err, warning));
    result_release(&r);
    /* But what a program may read has no log line in it. */
    const char *print[] = {"wattle", "device", "--print-config", NULL};
    r = run_to(-1, "LLM_TEMPERATUR=1", print);
    assert_int_equal(r.code, 0);
    assert_null(strstr(r.out, warning));
    assert_non_null(strstr(r.err, warning));
    result_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help_lists_every_command),
        cmocka_unit_test(test_help_of_each_command),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_wrong_use_is_named),
        cmocka_unit_test(test_print_config),
        cmocka_unit_test(test_output_that_cannot_be_written_is_a_failure),
        cmocka_unit_test(test_a_reader_that_has_gone_is_no_failure),
        cmocka_unit_test(test_device_logs_to_its_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
