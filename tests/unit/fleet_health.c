/* SPDX-License-Identifier: MIT */
/* The health file: what is written is what is read, what counts as alive and as ready, and that
 * nothing else is taken for one. */
#include "fleet/fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { NOW = 10000000 }; /* ms */

static void judged(void **state)
{
    (void)state;
    const struct health well = {
        .pid = 1,
        .state = HEALTH_RUNNING,
        .written_ms = NOW - 900,
        .devices = 2,
        .connected = 2,
        .telemetry = 5,
        .telemetry_ms = NOW - 4000,
        .due_ms = NOW + 1000,
        .inferences = 3,
        .errors = 1,
        .inference_ms = NOW - 61000,
        .broker = "b:1883",
    };
    struct health starting = {.state = HEALTH_STARTING, .written_ms = NOW - 3600000};
    struct health ending = well, away = well, silent = well, late = well, idle = well,
                  rebooted = well;
    ending.state = HEALTH_ENDING;
    away.connected = 1;
    snprintf(away.why_away, sizeof away.why_away, "Connection refused");
    silent.written_ms = NOW - 30100;
    late.due_ms = NOW - 30100;
    idle.due_ms = NOW + 86400000; /* one message a day */
    idle.telemetry_ms = NOW - 999000;
    rebooted.written_ms = NOW + 500000;
    const struct {
        const struct health *h;
        const char *alive, *ready; /* what the line holds; with '!' first: the refusal */
    } cases[] = {
        {&well,
         "running: 2 of 2 devices connected, last telemetry 4 s ago, last inference 61 s ago, 1 of "
         "3 inferences failed",
         "running"},
        {&starting, "starting for 3600 s", "!not ready: starting"},
        {&ending, "ending", "!not ready: ending"},
        {&away, "1 of 2 devices connected",
         "!not ready: 1 of 2 devices connected to b:1883: Connection refused"},
        {&silent, "!not alive: no sign of it for 30 s", "!not alive"},
        {&late, "!not alive: a message of telemetry is overdue for 30 s", "!not alive"},
        {&idle, "last telemetry 999 s ago", "running"},
        {&rebooted, "!before the machine started", "!before the machine started"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int ready = 0; ready <= 1; ready++) {
            const struct health_rule rule = {.max_age_s = 30, .ready = ready == 1};
            const char *expected = ready ? cases[i].ready : cases[i].alive;
            struct err e = {""};
            char line[HEALTH_LINE_SIZE] = "";
            int rc = health_check(cases[i].h, &rule, NOW, line, &e);
            assert_int_equal(rc, expected[0] == '!' ? ERR_RANGE : 0);
            if (rc)
                assert_non_null(strstr(e.text, expected + 1));
            else
                assert_non_null(strstr(line, expected));
        }
    }
}

static void written_and_read(void **state)
{
    (void)state;
    char dir[] = "/tmp/wattle-health-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/health", dir);
    struct health h = {.state = HEALTH_RUNNING,
                       .devices = 7,
                       .connected = 3,
                       .telemetry = UINT32_MAX,
                       .telemetry_ms = 5,
                       .due_ms = 6,
                       .inferences = 8,
                       .errors = 9,
                       .inference_ms = 10};
    struct health back;
    struct err e = {""};
    snprintf(h.broker, sizeof h.broker, "[::1]:1883");
    memset(h.why_away, '"', sizeof h.why_away - 1);
    assert_int_equal(health_write(path, &h, &e), 0);
    assert_int_equal(health_read(&back, path, &e), 0);
    assert_int_equal(back.pid, getpid());
    assert_true(back.written_ms > 0);
    assert_int_equal(health_alive(&back, &e), 0);
    h.pid = back.pid;
    h.written_ms = back.written_ms;
    assert_memory_equal(&h, &back, sizeof h);

    assert_int_equal(health_begin("", &e), 0); /* not wanted */
    health_end("");
    assert_int_equal(health_begin(path, &e), 0);
    assert_int_equal(health_read(&back, path, &e), 0);
    assert_int_equal(back.state, HEALTH_STARTING);
    health_end(path);
    assert_int_equal(health_read(&back, path, &e), ERR_NOTFOUND);
    assert_int_equal(file_write_atomic(path, span_str("my notes\n"), &e), 0);
    assert_int_equal(health_begin(path, &e), ERR_USAGE); /* somebody's */
    assert_non_null(strstr(e.text, "no health file"));
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(health_begin(path, &e), 0);
    assert_int_equal(health_begin(path, &e), 0); /* ours, of a run that was killed */
    health_end(path);
    assert_int_equal(rmdir(dir), 0);
    assert_int_not_equal(health_begin(path, &e), 0);
    assert_non_null(strstr(e.text, "HEALTH_FILE"));
}

static void process_gone(void **state)
{
    (void)state;
    struct err e = {""};
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    const struct health h = {.pid = child};
    assert_int_equal(health_alive(&h, &e), ERR_NOTFOUND);
    assert_non_null(strstr(e.text, "is gone"));
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *names;
    } cases[] = {
        {"", "f"},
        {"[]", "an object"},
        {"{}", "state ''"},
        {"{\"pid\":1,\"state\":\"Running\"}", "state 'Running'"},
        {"{\"pid\":1,\"state\":1}", "state ''"},
        {"{\"state\":\"running\"}", "pid 0"},
        {"{\"state\":\"running\",\"pid\":-1}", "pid"}, /* kill(-1) would ask for everybody */
        {"{\"state\":\"running\",\"pid\":4294967295}", "pid 4294967295"},
        {"{\"state\":\"running\",\"pid\":1,\"due_ms\":-1}", "due_ms"},
        {"{\"state\":\"running\",\"pid\":1,\"due_ms\":1.5}", "due_ms"},
        {"{\"state\":\"running\",\"pid\":1,\"broker\":1}", "broker"},
        {"{\"state\":\"running\",\"pid\":1} x", "f"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct health h;
        struct err e = {""};
        assert_int_not_equal(health_parse(&h, span_str(cases[i].text), "f", &e), 0);
        assert_non_null(strstr(e.text, cases[i].names));
    }
    char longer[1024];
    struct health h;
    struct err e = {""};
    snprintf(longer, sizeof longer, "{\"state\":\"running\",\"pid\":1,\"broker\":\"%0400d\"}", 0);
    assert_int_equal(health_parse(&h, span_str(longer), "f", &e), ERR_FORMAT);
    assert_non_null(strstr(e.text, "broker: 400 bytes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(judged), cmocka_unit_test(written_and_read),
                                       cmocka_unit_test(process_gone), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
