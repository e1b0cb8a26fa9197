/* SPDX-License-Identifier: MIT */
/* What is refused before a model computes anything: options, ranges, a file without vocabulary. */
#include <wattle.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char path[4096]; /* a small model without vocabulary */

static void test_options(void **state)
{
    (void)state;
    const struct {
        struct wattle_model_options o;
        int code;
        const char *error;
    } cases[] = {
        {{.path = NULL}, WATTLE_EUSAGE, "path"},
        {{.path = ""}, WATTLE_EUSAGE, "path"},
        {{.path = path, .threads = -1}, WATTLE_ERANGE, "threads: -1"},
        {{.path = path, .threads = 257}, WATTLE_ERANGE, "threads: 257"},
        {{.path = path, .context = -5}, WATTLE_ERANGE, "context: -5"},
        {{.path = "/nowhere/m.gguf"}, WATTLE_ENOTFOUND, "/nowhere/m.gguf"},
        {{.path = "/"}, WATTLE_ENOTFOUND, "'/'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wattle_model *m = (struct wattle_model *)path, *before = m;
        char error[256] = "";
        int code = wattle_model_open(&m, &cases[i].o, error, sizeof error);
        print_message("%d %s\n", code, error);
        assert_int_equal(code, cases[i].code);
        assert_non_null(strstr(error, cases[i].error));
        assert_ptr_equal(m, before);
    }
    wattle_model_close(NULL);
    struct wattle_model *none = NULL;
    wattle_model_close(&none);
}

static void test_requests(void **state)
{
    (void)state;
    const char *no_stop[] = {""};
    char long_stop[300];
    memset(long_stop, 'x', sizeof long_stop - 1);
    long_stop[sizeof long_stop - 1] = '\0';
    const char *too_long[] = {long_stop};
    struct wattle_model *m = NULL;
    struct wattle_model_options o = {.path = path, .threads = 1};
    char error[256];
    if (wattle_model_open(&m, &o, error, sizeof error))
        fail_msg("%s", error);
    struct {
        struct wattle_request r;
        const char *error;
    } cases[] = {
        {{.sampling.temperature = -2}, "temperature"},
        {{.sampling.temperature = NAN}, "temperature"},
        {{.sampling.top_p = 1.5F}, "top_p"},
        {{.sampling.top_k = -2}, "top_k"},
        {{.sampling.min_p = 2}, "min_p"},
        {{.sampling.repetition_penalty = 11}, "repetition_penalty"},
        {{.max_length = -1}, "max_length"},
        {{.max_new_tokens = -1}, "max_new_tokens"},
        {{.n_stop = 17, .stop = too_long}, "n_stop"},
        {{.n_stop = 1, .stop = NULL}, "n_stop"},
        {{.n_stop = 1, .stop = no_stop}, "stop 1"},
        {{.n_stop = 1, .stop = too_long}, "stop 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wattle_result r;
        if (cases[i].r.sampling.repetition_penalty == 0)
            cases[i].r.sampling.repetition_penalty = 1;
        cases[i].r.prompt = "x";
        assert_int_equal(wattle_generate(m, &cases[i].r, &r, error, sizeof error), WATTLE_ERANGE);
        assert_non_null(strstr(error, cases[i].error));
        assert_null(r.text);
    }
    wattle_model_close(&m);
    assert_null(m);
}

static void test_no_vocabulary(void **state)
{
    (void)state;
    struct wattle_model *m = NULL;
    struct wattle_model_options o = {.path = path, .threads = 1};
    char error[256];
    struct wattle_model_info info;
    struct wattle_request q;
    struct wattle_result r;
    int32_t n = -1;
    if (wattle_model_open(&m, &o, error, sizeof error))
        fail_msg("%s", error);
    wattle_model_info(m, &info);
    assert_string_equal(info.architecture, "llama");
    assert_string_equal(info.device, "cpu");
    assert_false(info.has_template);
    assert_true(info.context > 0 && info.context <= 4096);
    wattle_request_init(&q);
    q.prompt = "x";
    assert_int_equal(wattle_generate(m, &q, &r, error, sizeof error), WATTLE_EUNSUPPORTED);
    assert_non_null(strstr(error, "vocabulary"));
    assert_int_equal(wattle_count_tokens(m, &q, &n, error, sizeof error), WATTLE_EUNSUPPORTED);
    assert_int_equal(n, -1);
    wattle_model_close(&m);
}

static void count_line(void *context, int level, const char *line)
{
    assert_true(level >= 0 && level <= 3);
    assert_null(strchr(line, '\n'));
    ++*(int *)context;
}

static void test_log(void **state)
{
    (void)state;
    int lines = 0;
    struct wattle_model *m = NULL;
    struct wattle_model_options o = {.path = path, .threads = 1};
    wattle_log_to(count_line, &lines, -7);
    assert_int_equal(wattle_model_open(&m, &o, NULL, 0), 0);
    wattle_model_close(&m);
    int heard = lines;
    wattle_log_to(NULL, NULL, 0);
    assert_int_equal(wattle_model_open(&m, &o, NULL, 0), 0);
    wattle_model_close(&m);
    assert_int_equal(lines, heard);
    assert_non_null(strchr(wattle_version(), '.'));
}

int main(void)
{
    const char *source = getenv("WATTLE_SOURCE");
    snprintf(path, sizeof path, "%s/tests/golden/gguf/llama-gqa-tied-f32.gguf",
             source ? source : ".");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_no_vocabulary),
        cmocka_unit_test(test_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
