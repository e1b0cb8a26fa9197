/* SPDX-License-Identifier: MIT */
/* compare: verdicts, warnings and documents of comparisons made by hand. */
#include "report/report.h"

#include "codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <math.h>

static struct compared_sample sample(size_t i, double ms)
{
    return (struct compared_sample){
        .request = i + 1,
        .time_ms = ms + (double)(i * 7 % 11),
        .first_token_ms = NAN,
        .tokens_per_second = 20,
        .energy_j = ms / 100 + (double)(i * 5 % 7) / 100,
        .joules_per_token = NAN,
        .memory_mb = 10,
        .memory_peak_mb = ms / 2 + (double)(i % 3),
        .cpu_percent = 50 + (double)(i % 5),
        .prompt_tokens = 100,
        .completion_tokens = 20,
        .throttled_ms = 0,
        .frequency_mhz = NAN,
        .temperature_c = NAN,
        .valid_verdict = NAN,
        .agreement = NAN,
    };
}

static struct compared *add(struct comparison *c, const char *name, size_t n, double ms,
                            double quality)
{
    struct compared *m = NULL;
    struct err e;
    assert_int_equal(comparison_add(c, &m, name, name, &e), 0);
    snprintf(m->energy_source, sizeof m->energy_source, "rapl");
    m->threads = 2;
    for (size_t i = 0; i < n; i++) {
        struct compared_sample s = sample(i, ms);
        s.valid_verdict = isnan(quality) ? NAN : (double)(i < quality * (double)n);
        assert_int_equal(compared_add(m, &s, &e), 0);
    }
    return m;
}

typedef void writer(const struct compare_result *a, struct buf *out);

/* free() it. */
static char *written(const struct comparison *c, writer *write)
{
    struct compare_result *a = NULL;
    struct err e = {""};
    struct buf b;
    buf_init(&b, 1 << 22);
    if (compare_open(&a, c, &e) != 0)
        fail_msg("%s", e.text);
    write(a, &b);
    compare_close(&a);
    assert_null(a);
    assert_false(b.failed);
    char *s = buf_steal(&b);
    assert_non_null(s);
    return s;
}

static void has(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("no '%s' in:\n%s", part, text ? text : "(nothing)");
}

static void lacks(const char *text, const char *part)
{
    if (!text || strstr(text, part))
        fail_msg("'%s' in:\n%s", part, text ? text : "(nothing)");
}

static void test_clear(void **state)
{
    (void)state;
    struct comparison c;
    comparison_init(&c);
    c.alternated = true;
    add(&c, "slow", 40, 400, 1);
    add(&c, "fast", 40, 200, 0.5);
    add(&c, "bad", 40, 500, 0.5);
    char *s = written(&c, compare_text);
    has(s, "fast for speed, energy and memory; slow for quality\n");
    has(s, "Fastest: fast, 205 ms an analysis; 49.4 % less than the next, slow");
    has(s, "bad is beaten by slow");
    has(s, "fast from 2.0");
    lacks(s, "Mind");
    lacks(s, "nan");
    free(s);
    comparison_release(&c);
}

static void test_tie(void **state)
{
    (void)state;
    struct comparison c;
    comparison_init(&c);
    c.alternated = true;
    struct compared *a = add(&c, "a", 12, 400, NAN), *b = add(&c, "b", 12, 400, NAN);
    for (size_t i = 0; i < 12; i++) {
        a->samples[i].time_ms += (double)(i % 4) * 10;
        b->samples[i].time_ms += (double)(i / 4) * 15 + 1;
        b->samples[i].energy_j = a->samples[i].energy_j;
        b->samples[i].memory_peak_mb = a->samples[i].memory_peak_mb;
    }
    char *s = written(&c, compare_text);
    has(s, "No difference between the models can be told from chance yet");
    has(s, "No difference in speed can be told between a (4");
    has(s, "more inferences of each may tell");
    has(s, "a: only 12 inferences");
    free(s);
    comparison_release(&c);
}

static void test_warnings(void **state)
{
    (void)state;
    struct comparison c;
    comparison_init(&c);
    struct compared *a = add(&c, "a", 9, 100, NAN), *b = add(&c, "b", 40, 200, NAN);
    comparison_warn(&c, "told while measuring");
    c.noise_percent = 8.25;
    b->threads = 4;
    snprintf(b->energy_source, sizeof b->energy_source, "estimate");
    a->samples[3].failed = true;
    a->samples[3].time_ms = 1e9; /* counts nowhere */
    a->samples[4].throttled_ms = 500;
    for (size_t i = 0; i < b->n; i++)
        b->samples[i].prompt_tokens = 150;
    char *s = written(&c, compare_text);
    static const char *const expected[] = {
        "told while measuring",
        "did not run in turns",
        "noisy machine",
        "varied by 8.25 %",
        "different numbers of threads",
        "a: 1 of 9 inferences failed",
        "a: 8 inferences are too few",
        "a: held back by its CPU quota for 500 ms",
        "energy is from different sources (a: rapl, b: estimate)",
        "different workloads",
        "(a 100 tokens, b 150)",
    };
    /* lines are broken where they are long */
    for (char *p = s; (p = strchr(p, '\n')) != NULL;)
        if (p[1] == ' ' && p[2] == ' ')
            memmove(p, p + 2, strlen(p + 2) + 1);
        else
            p++;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        has(s, expected[i]);
    free(s);
    comparison_release(&c);
}

/* Of a clock that falls from its first third to its last, and of heat; not of what is steady. */
static void test_heat(void **state)
{
    (void)state;
    static const struct {
        double first_mhz, last_mhz, hottest_c;
        const char *clock, *heat; /* NULL: not warned of */
    } rows[] = {
        {1500, 1500, 60, NULL, NULL},
        {1500, 1440, 79.9, NULL, NULL}, /* 4 % */
        {1500, 1400, 60, "clock fell from 1500 to 1400 MHz", NULL},
        {1400, 1500, 60, NULL, NULL},
        {NAN, NAN, 83, NULL, "reached 83 °C"},
        {1500, 600, 85, "clock fell from 1500 to 600 MHz", "reached 85 °C"},
        {NAN, NAN, NAN, NULL, NULL},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        struct comparison c;
        comparison_init(&c);
        struct compared *a = add(&c, "a", 30, 100, NAN);
        add(&c, "b", 30, 200, NAN);
        for (size_t i = 0; i < a->n; i++) {
            a->samples[i].frequency_mhz = i < 15 ? rows[r].first_mhz : rows[r].last_mhz;
            a->samples[i].temperature_c = i == 17 ? rows[r].hottest_c : 50;
        }
        char *s = written(&c, compare_json);
        if (rows[r].clock)
            has(s, rows[r].clock);
        else
            assert_null(strstr(s, "clock fell"));
        if (rows[r].heat)
            has(s, rows[r].heat);
        else
            assert_null(strstr(s, "reached"));
        free(s);
        comparison_release(&c);
    }
}

/* Estimates that were made with other watts are found out. */
static void test_watts(void **state)
{
    (void)state;
    struct comparison c;
    comparison_init(&c);
    add(&c, "a", 40, 100, NAN);
    add(&c, "b", 40, 200, NAN);
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < 40; i++) {
            struct compared_sample *s = &c.models[k].samples[i];
            snprintf(c.models[k].energy_source, sizeof c.models[k].energy_source, "estimate");
            s->energy_j = ((k ? 2 : 5) + 10 * s->cpu_percent / 100) * s->time_ms / 1000;
        }
    char *s = written(&c, compare_markdown);
    has(s, "is estimated with about 5.0 to 15.0 W, that of b with 2.0 to 12.0 W");
    free(s);
    comparison_use_power(&c, "pi5", 2, 12);
    assert_true(fabs(c.models[0].samples[0].energy_j - 0.7) < 1e-12); /* 7 W at 50 %, 100 ms */
    s = written(&c, compare_markdown);
    lacks(s, "different power settings");
    has(s, "for 'pi5' (2.00 W idle, 12.00 W at full load)");
    free(s);
    comparison_release(&c);
}

static void test_hostile(void **state)
{
    (void)state;
    static const char name[] = "=<script>alert('1')</script>&\"|*x*\x1b[31m\xff,\n\xe2\x80\xae";
    struct comparison c;
    comparison_init(&c);
    add(&c, name, 20, 100, 0.5);
    add(&c, name, 20, 300, 0.9);
    c.machine = strdup(name);
    char *s = written(&c, compare_html);
    lacks(s, "<script");
    lacks(s, "\x1b");
    lacks(s, "\xff");
    lacks(s, "\xe2\x80\xae");
    lacks(s, "nan");
    has(s, "=&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;|*x*?[31m?,??");
    has(s, "default-src 'none'");
    free(s);
    s = written(&c, compare_markdown);
    lacks(s, "<script");
    has(s, "&lt;script&gt;");
    has(s, "\\|\\*x\\*");
    free(s);
    s = written(&c, compare_text);
    lacks(s, "\x1b");
    free(s);
    s = written(&c, compare_csv);
    has(s, "\n\"'=<script>alert('1')</script>&\"\"|*x*");
    free(s);
    comparison_release(&c);
}

static void test_json(void **state)
{
    (void)state;
    struct comparison c;
    struct json *doc = NULL;
    struct err e = {""};
    comparison_init(&c);
    add(&c, "a", 20, 100, 0.5);
    add(&c, "b", 20, 300, 0.9);
    add(&c, "none", 0, 300, NAN);
    char *s = written(&c, compare_json);
    if (json_parse(&doc, span_str(s), 1 << 22, "json", &e) != 0)
        fail_msg("%s", e.text);
    const struct json *best = json_get(doc, "best"), *models = json_get(doc, "models");
    assert_int_equal(json_size(models), 3);
    assert_true(span_is(json_string(json_get(json_get(best, "speed"), "best")), "a"));
    assert_true(json_bool(json_get(json_get(best, "speed"), "told")));
    const struct json *b = json_get(json_get(json_at(models, 1), "metrics"), "inference_time_ms");
    const struct json *d = json_get(b, "versus_baseline");
    assert_true(json_bool(json_get(d, "paired")));
    assert_true(fabs(json_number(json_get(d, "mean")) - 200) < 1e-9);
    assert_true(json_number(json_get(json_get(d, "mean_ci95"), "x")) == 0);
    assert_int_equal(json_type_of(json_get(json_at(models, 2), "energy_total_j")), JSON_NULL);
    json_close(&doc);
    free(s);
    comparison_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clear), cmocka_unit_test(test_tie),   cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_heat),  cmocka_unit_test(test_watts), cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
