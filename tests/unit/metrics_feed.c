/* SPDX-License-Identifier: MIT */
/* The live feed and the board: order and bounds, what messages make of devices and models, series
 * that are thinned, and the same series from a store. */
#include "metrics/metrics.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { TEXT_MAX = 64 << 20 };

/* ---- the feed ---- */

struct seen {
    size_t n;
    int64_t last;
    bool ordered;
};

static void see(void *ctx, const struct feed_event *ev)
{
    struct seen *s = (struct seen *)ctx;
    int64_t number = -1;
    assert_true(num_parse_i64(ev->text, &number));
    s->ordered = s->ordered && number > s->last;
    s->last = number;
    s->n++;
}

static void put_numbers(struct feed *f, int from, int to)
{
    char text[32];
    for (int i = from; i < to; i++) {
        int n = snprintf(text, sizeof text, "%d", i);
        feed_message(f, "iot/x/y", span_of(text, (size_t)n));
    }
}

static void the_feed_drops_its_oldest(void **state)
{
    (void)state;
    struct feed *f = NULL;
    struct seen s = {.last = -1, .ordered = true};
    assert_int_equal(feed_open(&f, 10000, NULL), 0);
    put_numbers(f, 0, 20);
    assert_int_equal(feed_take(f, see, &s), 20);
    assert_int_equal(feed_take(f, see, &s), 0);
    put_numbers(f, 20, 5000);
    size_t n = feed_take(f, see, &s);
    assert_in_range(n, 20, 200);
    assert_true(s.ordered && s.last == 4999);
    assert_int_equal(feed_dropped(f), 4980 - n);
    char *huge = (char *)calloc(1, 20000);
    feed_message(f, "iot/x/y", span_of(huge, 20000)); /* more than all: only that is dropped */
    assert_int_equal(feed_dropped(f), 4981 - n);
    free(huge);
    feed_message(NULL, "iot/x/y", span_str("nobody watches"));
    feed_close(&f);
    feed_close(&f);
}

static void *produce(void *ctx)
{
    put_numbers((struct feed *)ctx, 0, 20000);
    return NULL;
}

static void count(void *ctx, const struct feed_event *ev)
{
    (void)ev;
    ++*(size_t *)ctx;
}

static void several_threads_fill_it(void **state)
{
    (void)state;
    struct feed *f = NULL;
    pthread_t t[3];
    size_t n = 0;
    assert_int_equal(feed_open(&f, FEED_BYTES_MAX, NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&t[i], NULL, produce, f), 0);
    while (n < 30000)
        feed_take(f, count, &n);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    feed_take(f, count, &n);
    assert_int_equal(n + feed_dropped(f), 60000);
    assert_int_equal(n, 60000);
    feed_close(&f);
}

/* ---- the board ---- */

static struct board *make_board(void)
{
    struct board *b = NULL;
    struct board_options o = {.prefix = "site/a", .source = "broker", .machine = "a machine"};
    assert_int_equal(board_open(&b, &o, NULL), 0);
    return b;
}

static enum board_news apply_at(struct board *b, uint64_t utc_us, const char *topic,
                                const char *payload)
{
    struct buf news;
    struct feed_event ev = {.kind = FEED_MESSAGE,
                            .utc_us = utc_us ? utc_us : clock_utc_us(),
                            .name = topic,
                            .text = span_str(payload)};
    buf_init(&news, TEXT_MAX);
    enum board_news result = board_apply(b, &ev, &news);
    assert_int_equal(news.n > 0, result != BOARD_NOTHING);
    buf_release(&news);
    return result;
}

static enum board_news apply(struct board *b, const char *topic, const char *payload)
{
    return apply_at(b, 0, topic, payload);
}

static struct json *parsed(struct buf *text)
{
    struct json *doc = NULL;
    struct err e;
    if (json_parse(&doc, buf_view(text), TEXT_MAX, "board", &e))
        fail_msg("%s: %s", e.text, buf_cstr(text));
    buf_clear(text);
    return doc;
}

static struct json *state_of(struct board *b)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    board_write_state(b, &text);
    struct json *doc = parsed(&text);
    buf_release(&text);
    return doc;
}

static double at(const struct json *o, const char *a, const char *b)
{
    const struct json *v = json_get(o, a);
    v = b ? json_get(v, b) : v;
    return json_is_number(v) ? json_number(v) : NAN;
}

#define READING(seq, temp)                                                                   \
    "{\"data\":{\"co\":0.004,\"humidity\":51,\"light\":true,\"lpg\":0.007,\"motion\":false," \
    "\"smoke\":0.02,\"temp\":" #temp "},\"device_id\":\"d\",\"ts\":1594512094.5,\"seq\":" #seq "}"

static void messages_make_devices(void **state)
{
    (void)state;
    struct board *b = make_board();
    assert_int_equal(apply(b, "site/a/telemetry/d", READING(1, 20.5)), BOARD_NOTHING);
    assert_int_equal(apply(b, "site/a/telemetry/d", READING(2, 21.5)), BOARD_NOTHING);
    assert_int_equal(apply(b, "site/a/status/d", "online"), BOARD_NOTHING);
    assert_int_equal(apply(b, "site/a/analysis/d", "{\"analysis\":\"fine\"}"), BOARD_ANALYSIS);
    assert_int_equal(apply(b, "site/a/anomaly/d", "{\"verdict\":\"anomaly\",\"reason\":\"r\"}"),
                     BOARD_ANOMALY);
    apply(b, "site/a/metrics/d/summary", "{\"model_name\":\"m\"}"); /* another kind */
    apply(b, "site/b/telemetry/x", READING(1, 1));
    apply(b, "iot/telemetry/x", READING(1, 1));
    struct json *doc = state_of(b);
    assert_int_equal(json_size(json_get(doc, "devices")), 1);
    const struct json *d = json_at(json_get(doc, "devices"), 0);
    assert_true(span_is(json_string(json_get(d, "id")), "d"));
    assert_true(span_is(json_string(json_get(d, "status")), "online"));
    assert_true(at(d, "telemetry", "temp") == 21.5 && at(d, "telemetry", "seq") == 2);
    assert_true(json_bool(json_get(json_get(d, "telemetry"), "light")));
    assert_int_equal(json_type_of(json_get(json_get(d, "telemetry"), "motion")), JSON_BOOL);
    assert_true(json_bool(json_get(d, "alarm")));
    assert_true(at(d, "counts", "telemetry") == 2 && at(d, "counts", "anomalies") == 1);
    assert_true(at(doc, "counters", "telemetry") == 2 && at(doc, "counters", "bad") == 0);
    assert_int_equal(json_size(json_get(doc, "anomalies")), 1);
    json_close(&doc);
    static const char *const ends[][2] = {
        {"site/a/anomaly/d", "{\"verdict\":\"normal\"}"},
        {"site/a/telemetry/d", READING(1, 20)}, /* a new start */
    };
    for (size_t i = 0; i < 2; i++) {
        apply(b, "site/a/anomaly/d", "{\"verdict\":\"anomaly\",\"reason\":\"r\"}");
        apply(b, "site/a/telemetry/d", READING(9, 20));
        doc = state_of(b);
        assert_true(json_bool(json_get(json_at(json_get(doc, "devices"), 0), "alarm")));
        json_close(&doc);
        apply(b, ends[i][0], ends[i][1]);
        doc = state_of(b);
        assert_false(json_bool(json_get(json_at(json_get(doc, "devices"), 0), "alarm")));
        json_close(&doc);
    }
    board_close(&b);
}

static void bad_messages_change_nothing(void **state)
{
    static const char *const kinds[] = {"telemetry", "analysis", "metrics", "anomaly", "status"};
    static const char *const payloads[] = {"",
                                           "{",
                                           "[]",
                                           "7",
                                           "null",
                                           "\xff",
                                           "{\"a\":}",
                                           "{\"data\":1}",
                                           "{\"analysis\":1}",
                                           "{\"verdict\":[]}",
                                           "{\"model_name\":7}"};
    (void)state;
    struct board *b = make_board();
    char topic[300];
    double bad = 0;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++, bad++) {
            snprintf(topic, sizeof topic, "site/a/%s/d", kinds[k]);
            assert_int_equal(apply(b, topic, payloads[i]), BOARD_NOTHING);
        }
    }
    memset(topic, 'x', sizeof topic);
    memcpy(topic, "site/a/telemetry/", 17);
    topic[17 + 129] = '\0';
    apply(b, topic, READING(1, 1));
    apply(b, "site/a/telemetry/\x01", READING(1, 1));
    apply(b, "site/a/telemetry/\xff", READING(1, 1));
    struct json *doc = state_of(b);
    assert_true(at(doc, "counters", "bad") == bad + 3);
    assert_true(at(doc, "counters", "telemetry") == 0 && at(doc, "counters", "inferences") == 0);
    json_close(&doc);
    board_close(&b);
}

static void models_are_added_up(void **state)
{
    (void)state;
    struct board *b = make_board();
    char text[300];
    for (int i = 1; i <= 100; i++) {
        snprintf(text, sizeof text,
                 "{\"model_name\":\"m\",\"inference_time_ms\":%d,\"energy_consumed_j\":2,"
                 "\"tokens_per_second\":%d,\"energy_source\":\"%s\",\"error\":%s}",
                 i * 10, i, i < 51 ? "rapl" : "estimate", i == 3 ? "\"no memory\"" : "null");
        apply(b, i % 2 ? "site/a/metrics/d1" : "site/a/metrics/d2", text);
    }
    struct json *doc = state_of(b);
    const struct json *m = json_at(json_get(doc, "models"), 0);
    assert_true(at(m, "inferences", NULL) == 100 && at(m, "errors", NULL) == 1);
    assert_true(at(m, "time_ms", "avg") == 505 && at(m, "time_ms", "p50") == 505);
    assert_true(fabs(at(m, "time_ms", "p95") - 950.5) < 0.01);
    assert_true(at(m, "joules_total", NULL) == 200 && at(m, "joules_per_analysis", NULL) == 2);
    assert_true(fabs(at(m, "power_w", NULL) - 200 / 50.5) < 0.001);
    assert_true(at(m, "tokens_per_second", NULL) == 50.5);
    assert_int_equal(json_type_of(json_get(m, "memory_mb")), JSON_NULL);
    assert_true(span_is(json_string(json_get(m, "energy_source")), "mixed"));
    json_close(&doc);
    board_close(&b);
}

static void changes_come_once(void **state)
{
    (void)state;
    struct board *b = make_board();
    struct buf text;
    char topic[64];
    buf_init(&text, TEXT_MAX);
    assert_false(board_write_changes(b, &text));
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 1000; i++) {
            snprintf(topic, sizeof topic, "site/a/telemetry/d%d", i);
            apply(b, topic, READING(1, 20.5));
        }
    assert_true(board_write_changes(b, &text));
    struct json *doc = parsed(&text);
    assert_int_equal(json_size(json_get(doc, "devices")), 1000);
    assert_true(at(doc, "counters", "telemetry") == 3000);
    json_close(&doc);
    assert_false(board_write_changes(b, &text));
    apply(b, "site/a/telemetry/d7", READING(2, 20.5));
    assert_true(board_write_changes(b, &text));
    doc = parsed(&text);
    assert_int_equal(json_size(json_get(doc, "devices")), 1);
    json_close(&doc);
    buf_release(&text);
    board_close(&b);
}

/* As many as anybody likes to make up. */
static void the_board_is_bounded(void **state)
{
    (void)state;
    struct board *b = make_board();
    struct buf text, long_text;
    char topic[64];
    for (int i = 0; i < 12000; i++) {
        snprintf(topic, sizeof topic, "site/a/telemetry/%d", i);
        apply(b, topic, READING(1, 20.5));
    }
    for (int i = 0; i < 100; i++) {
        snprintf(topic, sizeof topic, "{\"model_name\":\"m%d\"}", i);
        apply(b, "site/a/metrics/0", topic);
    }
    buf_init(&long_text, TEXT_MAX);
    buf_str(&long_text, "{\"verdict\":\"anomaly\",\"analysis\":\"");
    for (int i = 0; i < 100000; i++)
        buf_str(&long_text, "\xc3\xa9");
    buf_str(&long_text, "\"}");
    for (int i = 0; i < 500; i++) {
        apply(b, "site/a/analysis/0", buf_cstr(&long_text));
        apply(b, "site/a/anomaly/0", buf_cstr(&long_text));
    }
    struct json *doc = state_of(b);
    assert_int_equal(json_size(json_get(doc, "devices")), 10000);
    assert_int_equal(json_size(json_get(doc, "models")), 64);
    assert_int_equal(json_size(json_get(doc, "anomalies")), 200);
    assert_true(at(doc, "counters", "left_out") == 2000 + 36);
    json_close(&doc);
    buf_init(&text, TEXT_MAX);
    assert_int_equal(board_write_device(b, "0", &text, NULL), 0);
    doc = parsed(&text);
    assert_int_equal(json_size(json_get(doc, "analyses")), 50);
    assert_int_equal(json_size(json_get(doc, "inferences")), 50);
    assert_int_equal(json_size(json_get(doc, "anomalies")), 50);
    assert_in_range(json_string(json_get(json_at(json_get(doc, "analyses"), 0), "text")).n, 16000,
                    16384);
    json_close(&doc);
    assert_int_equal(board_write_device(b, "none", &text, NULL), ERR_NOTFOUND);
    buf_release(&text);
    buf_release(&long_text);
    board_close(&b);
}

/* ---- series ---- */

enum { START_S = 1700000000 };

static void write_series(struct board *b, struct store *s, int n)
{
    char text[300];
    for (int i = 0; i < n; i++) {
        double temp = i == n / 3 ? 0.5 : 20 + (i % 7); /* one glitch */
        uint64_t utc_us = ((uint64_t)START_S + (uint64_t)i) * 1000000;
        snprintf(text, sizeof text, "{\"data\":{\"temp\":%g,\"light\":true},\"seq\":%d}", temp,
                 i + 1);
        if (b)
            apply_at(b, utc_us, "site/a/telemetry/d", text);
        if (s) {
            assert_int_equal(store_add(s, utc_us, "site/a/telemetry/d", span_str(text), NULL), 0);
            assert_int_equal(store_add(s, utc_us, "site/a/telemetry/e", span_str("{]"), NULL), 0);
            assert_int_equal(store_add(s, utc_us, "site/a/metrics/d",
                                       span_str("{\"model_name\":\"m\",\"inference_time_ms\":500,"
                                                "\"energy_consumed_j\":4}"),
                                       NULL),
                             0);
        }
    }
}

static const struct json *series(const struct json *doc, const char *field)
{
    return json_get(json_get(doc, "series"), field);
}

static void check_glitch(const struct json *s, double expected)
{
    double least = INFINITY, before = 0;
    for (size_t i = 0; i < json_size(s); i++) {
        double t = json_number(json_at(json_at(s, i), 0)),
               v = json_number(json_at(json_at(s, i), 1));
        assert_true(t >= before);
        before = t;
        least = v < least ? v : least;
    }
    assert_true(least == expected);
}

static void series_are_thinned(void **state)
{
    (void)state;
    struct board *b = make_board();
    struct buf text;
    struct history_query q = {.id = "d",
                              .fields = {"temp", "light"},
                              .n_fields = 2,
                              .from_s = 0,
                              .to_s = START_S + 1e6,
                              .points = 1200};
    buf_init(&text, TEXT_MAX);
    write_series(b, NULL, 300);
    q.to_s = START_S + 299;
    assert_int_equal(board_write_history(b, &q, &text, NULL), 0);
    struct json *doc = parsed(&text);
    assert_int_equal(json_size(series(doc, "temp")), 300); /* whole */
    assert_int_equal(json_size(series(doc, "light")), 300);
    check_glitch(series(doc, "temp"), 0.5);
    json_close(&doc);
    q.points = 20;
    assert_int_equal(board_write_history(b, &q, &text, NULL), 0);
    doc = parsed(&text);
    assert_in_range(json_size(series(doc, "temp")), 10, 20);
    check_glitch(series(doc, "temp"), 0.5); /* still there */
    json_close(&doc);
    q.from_s = START_S + 200;
    q.to_s = START_S + 210;
    q.points = 600;
    assert_int_equal(board_write_history(b, &q, &text, NULL), 0);
    doc = parsed(&text);
    assert_int_equal(json_size(series(doc, "temp")), 11);
    json_close(&doc);
    q.id = "none";
    assert_int_equal(board_write_history(b, &q, &text, NULL), ERR_NOTFOUND);
    q.fields[1] = "nonsense";
    assert_int_equal(board_write_history(b, &q, &text, NULL), ERR_USAGE);
    buf_release(&text);
    board_close(&b);
}

static void the_board_forgets_and_the_store_does_not(void **state)
{
    (void)state;
    char path[] = "/tmp/wattle-feed-XXXXXX";
    struct board *b = make_board();
    struct store *s = NULL;
    struct buf text;
    struct err e;
    struct history_query q = {.id = "d",
                              .fields = {"temp"},
                              .n_fields = 1,
                              .from_s = START_S,
                              .to_s = START_S + 1999,
                              .points = 4000};
    close(mkstemp(path));
    buf_init(&text, TEXT_MAX);
    assert_int_equal(store_open(&s, path, &e), 0);
    write_series(b, s, 2000);
    assert_false(board_reaches(b, &q));
    assert_int_equal(board_write_history(b, &q, &text, &e), 0);
    struct json *doc = parsed(&text);
    assert_int_equal(json_size(series(doc, "temp")), 600);
    json_close(&doc);
    assert_int_equal(store_flush(s, &e), 0); /* it stays open for writing meanwhile */
    assert_int_equal(store_write_history(path, "site/a", &q, &text, &e), 0);
    doc = parsed(&text);
    assert_int_equal(json_size(series(doc, "temp")), 2000);
    check_glitch(series(doc, "temp"), 0.5);
    assert_true(json_bool(json_get(doc, "complete")));
    json_close(&doc);
    q.from_s = START_S + 500;
    q.to_s = START_S + 599;
    assert_int_equal(store_write_history(path, "site/a", &q, &text, &e), 0);
    doc = parsed(&text);
    assert_int_equal(json_size(series(doc, "temp")), 100);
    json_close(&doc);
    assert_true(board_reaches(b, &(struct history_query){.id = "d", .from_s = START_S + 1500}));
    q.id = NULL;
    q.model = "m";
    q.fields[0] = "power_w";
    assert_int_equal(store_write_history(path, "site/a", &q, &text, &e), 0);
    doc = parsed(&text);
    assert_int_equal(json_size(series(doc, "power_w")), 100);
    check_glitch(series(doc, "power_w"), 8);
    json_close(&doc);
    assert_int_equal(store_write_history("/nonexistent/x.db", "site/a", &q, &text, &e), ERR_IO);
    store_close(&s);
    unlink(path);
    buf_release(&text);
    board_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_feed_drops_its_oldest),
        cmocka_unit_test(several_threads_fill_it),
        cmocka_unit_test(messages_make_devices),
        cmocka_unit_test(bad_messages_change_nothing),
        cmocka_unit_test(models_are_added_up),
        cmocka_unit_test(changes_come_once),
        cmocka_unit_test(the_board_is_bounded),
        cmocka_unit_test(series_are_thinned),
        cmocka_unit_test(the_board_forgets_and_the_store_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
