/* SPDX-License-Identifier: MIT */
/* The prompt: built in, from a file, and files that are refused. */
#include "telemetry/telemetry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static const struct reading sample = {
    .ts = "1594512094.3859746",
    .co = 0.004955938648391245,
    .humidity = 51.0,
    .lpg = 0.00765082227055719,
    .smoke = 0.02041127012241292,
    .temp = 18.899999618530273,
    .light = true,
};

struct texts {
    struct buf system, user;
};

static struct texts render(const struct prompt *p, const struct reading *r, const char *id)
{
    struct texts t;
    struct err e = {""};
    buf_init(&t.system, 1 << 20);
    buf_init(&t.user, 1 << 20);
    if (prompt_render(p, r, id, NULL, &t.system, &t.user, &e))
        fail_msg("%s", e.text);
    return t;
}

static void release(struct texts *t)
{
    buf_release(&t->system);
    buf_release(&t->user);
}

static int open_text(struct prompt **p, const char *text, size_t n, struct err *e)
{
    char path[] = "/tmp/wattle-prompt-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, n), (ssize_t)n);
    close(fd);
    int rc = prompt_open(p, path, e);
    unlink(path);
    return rc;
}

static void test_built_in(void **state)
{
    (void)state;
    struct prompt *p = NULL;
    struct err e = {""};
    struct reading other = sample;
    other.temp = -0.04;
    other.co = 1e300;
    assert_int_equal(prompt_open(&p, NULL, &e), 0);
    struct texts a = render(p, &sample, "00:0f:00:70:91:0a");
    struct texts b = render(p, &other, "other");
    assert_string_equal(buf_cstr(&a.system), buf_cstr(&b.system));
    assert_non_null(strstr(buf_cstr(&a.system), "sensor analyst"));
    assert_non_null(strstr(buf_cstr(&a.system), "two or three sentences"));
    assert_string_equal(buf_cstr(&a.user),
                        "Analyze this telemetry.\nDevice: 00:0f:00:70:91:0a\n"
                        "Reading: temperature 18.9 °C, humidity 51.0 %, CO 0.0050, LPG 0.0077, "
                        "smoke 0.0204, light on, motion no");
    assert_non_null(strstr(buf_cstr(&b.user), "temperature 0.0 °C"));
    assert_non_null(strstr(buf_cstr(&b.user), "CO 1e+300,"));
    release(&a);
    release(&b);
    prompt_close(&p);
    assert_null(p);
}

static void test_file(void **state)
{
    (void)state;
    static const struct {
        const char *file, *system, *user;
    } cases[] = {
        {"Hi {{device_id}} {{ temp }}.\n", "", "Hi a{{b 18.899999618530273."},
        {"Be brief.\n---\n{{ts}} {{light}} {{motion}}\n", "Be brief.",
         "1594512094.3859746 true false"},
        {"\xef\xbb\xbf"
         "S {{device_id}}\r\n---\r\nline\r\n---\r\n{{co}}\r\n",
         "S a{{b", "line\r\n---\r\n0.004955938648391245"},
        {"---\nonly user", "", "only user"},
        {"{ {x} }} {{humidity}}%{{lpg}}{{smoke}}", "",
         "{ {x} }} 51.0%0.007650822270557190.02041127012241292"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct prompt *p = NULL;
        struct err e = {""};
        if (open_text(&p, cases[i].file, strlen(cases[i].file), &e))
            fail_msg("%s", e.text);
        struct texts t = render(p, &sample, "a{{b");
        assert_string_equal(buf_cstr(&t.system), cases[i].system);
        assert_string_equal(buf_cstr(&t.user), cases[i].user);
        release(&t);
        prompt_close(&p);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *file, *message;
        size_t n; /* 0: strlen */
    } cases[] = {
        {"a\nb {{pressure}}", "line 2: unknown placeholder '{{pressure}}'", 0},
        {"{{Temp}}", "'{{Temp}}'", 0},
        {"{{}}", "'{{}}'", 0},
        {"s {{nope}}\n---\nu", "line 1: unknown placeholder '{{nope}}'", 0},
        {"a\n\n{{temp", "line 3: '{{' without '}}'", 0},
        {"{{", "line 1: '{{' without", 0},
        {"", "has no user text", 0},
        {"system\n---\n\n", "has no user text", 0},
        {"a\xff", "is not UTF-8", 0},
        {"a\0b", "is not UTF-8", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct prompt *p = NULL;
        struct err e = {""};
        size_t n = cases[i].n ? cases[i].n : strlen(cases[i].file);
        assert_int_equal(open_text(&p, cases[i].file, n, &e), ERR_USAGE);
        assert_null(p);
        if (!strstr(e.text, cases[i].message) || !strstr(e.text, "/tmp/wattle-prompt-"))
            fail_msg("case %zu: '%s' lacks '%s'", i, e.text, cases[i].message);
    }
    struct prompt *p = NULL;
    struct err e = {""};
    char *big = malloc(70000);
    assert_non_null(big);
    memset(big, 'x', 70000);
    assert_int_equal(open_text(&p, big, 70000, &e), ERR_LIMIT);
    free(big);
    assert_int_equal(prompt_open(&p, "/nonexistent/p.txt", &e), ERR_NOTFOUND);
}

static void test_bounded(void **state)
{
    (void)state;
    struct prompt *p = NULL;
    struct err e = {""};
    struct buf system, user;
    buf_init(&system, 1 << 16);
    buf_init(&user, 16);
    assert_int_equal(prompt_open(&p, "", &e), 0);
    assert_int_equal(prompt_render(p, &sample, "x", NULL, &system, &user, &e), ERR_LIMIT);
    prompt_close(&p);
    buf_release(&system);
    buf_release(&user);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_built_in),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
