/* SPDX-License-Identifier: MIT */
/* The dashboard from feed to socket: what is put in comes out as state, events and metrics. */
#include "http_client.h"

#include "serve/serve.h"

static const enum setting_id concerned[] = {SET_DASHBOARD_ADDRESS, SET_DASHBOARD_PORT,
                                            SET_DASHBOARD_TOKEN,   SET_DASHBOARD_TOKEN_FILE,
                                            SET_MQTT_TOPIC_PREFIX, SET_N};
static const struct command_spec spec = {
    .name = "test", .usage = "test", .summary = "test", .settings = concerned};

struct page {
    struct settings *settings;
    struct feed *feed;
    struct dashboard *dashboard;
    const char *url;
};

static int try_page(struct page *p, struct err *e, int argc, char **argv)
{
    struct buf out;
    char *none[] = {NULL};
    *p = (struct page){.url = NULL};
    buf_init(&out, 1 << 20);
    assert_int_equal(settings_parse(&p->settings, &spec, argc, argv, none, &out, e), SETTINGS_GO);
    assert_int_equal(feed_open(&p->feed, FEED_BYTES_MAX, e), 0);
    struct dashboard_options o = {.settings = p->settings, .feed = p->feed, .source = "run"};
    int rc = dashboard_open(&p->dashboard, &o, e);
    p->url = rc ? NULL : dashboard_url(p->dashboard);
    buf_release(&out);
    return rc;
}

static void close_page(struct page *p)
{
    dashboard_close(&p->dashboard);
    feed_close(&p->feed);
    settings_free(&p->settings);
}

static void open_page(struct page *p)
{
    struct err e = {""};
    char *argv[] = {(char *)"--dashboard-port", (char *)"0", NULL};
    if (try_page(p, &e, 2, argv))
        fail_msg("%s", e.text);
}

static int get(const struct page *p, const char *path, struct buf *in)
{
    struct buf request;
    buf_init(&request, 1 << 16);
    buf_printf(&request, "GET %s HTTP/1.1\r\n" HOST "\r\n", path);
    buf_clear(in);
    int status = ask_raw_url(p->url, request.p, request.n, in);
    buf_release(&request);
    return status;
}

static int watch(const struct page *p, struct buf *in)
{
    static const char request[] = "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    int fd = dial_url(p->url);
    say(fd, request, sizeof request - 1);
    hear_until(fd, in, "retry: ");
    return fd;
}

#define TELEMETRY "{\"data\":{\"temp\":21.5,\"light\":true},\"seq\":4}"

static void what_goes_in_comes_out(void **state)
{
    (void)state;
    struct page p;
    struct buf in, events;
    buf_init(&in, ANSWER_MAX);
    buf_init(&events, ANSWER_MAX);
    open_page(&p);
    int fd = watch(&p, &events);
    feed_device(p.feed, "d1", "edge-device-01");
    feed_message(p.feed, "iot/telemetry/d1", span_str(TELEMETRY));
    hear_until(fd, &events, "event: tick\nid: ");
    hear_until(fd, &events, "\"temp\":21.5");
    feed_token(p.feed, "d1", span_str("a\nb</script>"), true);
    hear_until(fd, &events,
               "data: {\"device_id\":\"d1\",\"text\":\"a\\nb</script>\",\"start\":true}\n\n");
    feed_message(p.feed, "iot/analysis/d1", span_str("{\"analysis\":\"all is well\"}"));
    hear_until(fd, &events, "event: analysis\n");
    hear_until(fd, &events, "\"text\":\"all is well\"}\n\n");
    feed_message(p.feed, "iot/anomaly/d1", span_str("{\"verdict\":\"anomaly\",\"severity\":3}"));
    hear_until(fd, &events, "event: anomaly\n");
    assert_int_equal(get(&p, "/api/state", &in), 200);
    assert_true(has(&in, "\"name\":\"edge-device-01\"") && has(&in, "\"alarm\":true"));
    assert_int_equal(get(&p, "/api/device?id=d1", &in), 200);
    assert_true(has(&in, "\"text\":\"all is well\""));
    assert_int_equal(get(&p, "/api/history?id=d1&field=temp,light", &in), 200);
    assert_true(has(&in, ",21.5]]") && has(&in, "\"source\":\"memory\""));
    assert_int_equal(get(&p, "/metrics", &in), 200);
    assert_true(has(&in, "wattle_telemetry_messages_total{device_id=\"d1\"} 1"));
    assert_int_equal(get(&p, "/", &in), 200);
    assert_true(has(&in, "<!doctype html>"));
    dashboard_close(&p.dashboard); /* the stream ends as it should */
    while (hear(fd, &events))
        ;
    assert_true(str_ends_with(buf_cstr(&events), "0\r\n\r\n"));
    close(fd);
    close_page(&p);
    buf_release(&in);
    buf_release(&events);
}

static void health_is_that_of_the_broker(void **state)
{
    (void)state;
    struct page p;
    struct buf in, events;
    buf_init(&in, ANSWER_MAX);
    buf_init(&events, ANSWER_MAX);
    open_page(&p);
    int fd = watch(&p, &events);
    assert_int_equal(get(&p, "/healthz", &in), 503);
    assert_true(has(&in, "broker (none yet): not connected"));
    feed_broker(p.feed, "host:1883", true, 0);
    hear_until(fd, &events, "\"connected\":true");
    assert_int_equal(get(&p, "/healthz", &in), 200);
    feed_broker(p.feed, "host:1883", false, 0);
    hear_until(fd, &events, "\"connected\":false");
    assert_int_equal(get(&p, "/healthz", &in), 503);
    assert_true(has(&in, "broker host:1883: not connected"));
    close(fd);
    close_page(&p);
    buf_release(&in);
    buf_release(&events);
}

static void what_may_not_be_opened(void **state)
{
    static const struct {
        const char *flag, *value, *error;
    } cases[] = {
        {"--dashboard-address", "0.0.0.0", "can be reached from other machines"},
        {"--dashboard-token", "short", "the token has 5 characters"},
        {"--dashboard-token-file", "/nonexistent", "DASHBOARD_TOKEN_FILE: "},
        {"--dashboard-token-file", "/dev/null", "'/dev/null' holds no token"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct page p;
        struct err e = {""};
        char *argv[] = {(char *)"--dashboard-port", (char *)"0", (char *)(uintptr_t)cases[i].flag,
                        (char *)(uintptr_t)cases[i].value, NULL};
        assert_true(try_page(&p, &e, 4, argv) < 0);
        if (!strstr(e.text, cases[i].error))
            fail_msg("%s", e.text);
        close_page(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(health_is_that_of_the_broker),
        cmocka_unit_test(what_may_not_be_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
