/* SPDX-License-Identifier: MIT */
/* The MQTT client against the real mosquitto, and against a broker made here that loses
 * acknowledgements, refuses, or talks nonsense. */
#include "net/net.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { MESSAGES = 60 };

struct side {
    struct loop *l;
    struct mqtt *m;
    int connects, disconnects, received, stop_after;
    bool in_order, done, lasting;
    char reason[256], last[64], refused[32];
    void (*on_first_connect)(struct side *s);
};

static void on_connect(void *ctx)
{
    struct side *s = (struct side *)ctx;
    if (s->connects++ == 0 && s->on_first_connect)
        s->on_first_connect(s);
}

static void on_disconnect(void *ctx, const char *reason, bool lasting)
{
    struct side *s = (struct side *)ctx;
    s->lasting = lasting;
    s->disconnects++;
    snprintf(s->reason, sizeof s->reason, "%s", reason);
    if (s->stop_after < 0 && ++s->stop_after == 0)
        loop_stop(s->l);
}

static void on_message(void *ctx, const char *topic, struct span payload, bool retained)
{
    struct side *s = (struct side *)ctx;
    char wanted[32];
    (void)retained;
    (void)topic;
    snprintf(wanted, sizeof wanted, "m%d", s->received);
    s->in_order = (s->received == 0 || s->in_order) && span_is(payload, wanted);
    snprintf(s->last, sizeof s->last, "%.*s", SPAN_FMT(payload));
    if (++s->received == s->stop_after)
        loop_stop(s->l);
}

static void on_refused(void *ctx, const char *filter, const char *reason)
{
    struct side *s = (struct side *)ctx;
    assert_true(reason[0]);
    snprintf(s->refused, sizeof s->refused, "%s", filter);
    loop_stop(s->l);
}

static void on_done(void *ctx)
{
    struct side *s = (struct side *)ctx;
    s->done = true;
    loop_stop(s->l);
}

static struct mqtt_options options(struct side *s, int port, const char *id)
{
    return (struct mqtt_options){.host = "127.0.0.1",
                                 .port = port,
                                 .client_id = id,
                                 .version = MQTT_VERSION_311, /* what the broker made here speaks */
                                 .queue_max = 1000,
                                 .backoff_min_ms = 2,
                                 .backoff_max_ms = 10,
                                 .on_connect = on_connect,
                                 .on_disconnect = on_disconnect,
                                 .on_message = on_message,
                                 .on_refused = on_refused,
                                 .ctx = s};
}

static void publish(struct side *s, int from, int to)
{
    char text[16];
    for (int i = from; i < to; i++) {
        int n = snprintf(text, sizeof text, "m%d", i);
        assert_int_equal(mqtt_publish(s->m, "t/1", span_of(text, (size_t)n), false, NULL), 0);
    }
}

static void stop_loop(struct side *s)
{
    loop_stop(s->l);
}

/* ---- the real one ---- */

static void delivers_in_order(void **state)
{
    (void)state;
    struct broker *b = NULL;
    if (broker_open(&b, NULL) == ERR_NOTFOUND)
        skip();
    struct loop *l = NULL;
    assert_int_equal(loop_open(&l, NULL), 0);
    struct side in = {.l = l, .on_first_connect = stop_loop}, out = {.l = l};
    struct mqtt_options o = options(&in, broker_port(b), "küche_in");
    assert_int_equal(mqtt_open(&in.m, l, &o, NULL), 0);
    assert_int_equal(mqtt_subscribe(in.m, "t/+", NULL), 0);
    loop_run(l); /* connected, and SUBSCRIBE goes out before anything of the other can come */

    o = options(&out, broker_port(b), "out");
    o.host = "localhost"; /* ::1 first where there is one: nobody listens there */
    o.will_topic = "t/will";
    o.will_payload = "dead";
    assert_int_equal(mqtt_open(&out.m, l, &o, NULL), 0);
    publish(&out, 0, MESSAGES); /* before there is a connection: kept */
    in.stop_after = MESSAGES;
    loop_run(l);
    assert_true(in.in_order);
    assert_int_equal(in.received, MESSAGES);

    publish(&out, MESSAGES, 2 * MESSAGES);
    mqtt_finish(out.m, 5000, on_done, &out);
    assert_false(out.done); /* never from inside of the call */
    in.stop_after = 2 * MESSAGES;
    while (!out.done || in.received < 2 * MESSAGES)
        loop_run(l);
    assert_true(in.in_order);
    struct mqtt_counters c;
    mqtt_counters(out.m, &c);
    assert_int_equal(c.published, 2 * MESSAGES);
    assert_int_equal(c.acknowledged, 2 * MESSAGES);
    assert_int_equal(c.waiting, 0);
    assert_int_equal(c.dropped + c.resent + c.reconnects, 0);
    assert_int_equal(mqtt_publish(out.m, "t", span_str(""), false, NULL), ERR_USAGE);
    mqtt_close(&out.m);

    /* After DISCONNECT there was no will: the next message is one of a client that dies. */
    out = (struct side){.l = l, .on_first_connect = stop_loop};
    o.ctx = &out;
    assert_int_equal(mqtt_open(&out.m, l, &o, NULL), 0);
    loop_run(l);
    assert_int_equal(in.received, 2 * MESSAGES);
    mqtt_close(&out.m);
    in.stop_after = 2 * MESSAGES + 1;
    loop_run(l);
    assert_string_equal(in.last, "dead");
    mqtt_close(&in.m);
    loop_close(&l);
    broker_close(&b);
}

/* ---- one made here ---- */

struct fake {
    int listener, port, connection;
    int acknowledge_first; /* PUBACKs on the first connection; then silence until it has … */
    int hang_up_at;        /* … this many PUBLISHes, and hangs up */
    int code;              /* of CONNACK */
    struct span nonsense;  /* instead of CONNACK */
    enum { SERVES, HANGS_UP, RESETS, ANSWERS_ONCE } manner;
    int got[2][2 * MESSAGES], n[2];
    pthread_t thread;
};

static bool read_all(int fd, void *p, size_t n)
{
    return recv(fd, p, n, MSG_WAITALL) == (ssize_t)n;
}

/* First byte, body; the length is one or two bytes long. */
static bool read_packet(int fd, unsigned char *type, unsigned char *body, size_t *n)
{
    unsigned char a = 0, b = 0;
    if (!read_all(fd, type, 1) || !read_all(fd, &a, 1) || (a >= 128 && !read_all(fd, &b, 1)))
        return false;
    *n = (size_t)(a & 127) + 128U * b;
    return read_all(fd, body, *n);
}

static void reply(int fd, const void *p, size_t n)
{
    if (send(fd, p, n, MSG_NOSIGNAL) < 0)
        return; /* the client hung up: the next read shows it */
}

static void serve(struct fake *f, int fd)
{
    unsigned char type, body[20000];
    size_t n;
    int c = f->connection < 2 ? f->connection : 1;
    while (read_packet(fd, &type, body, &n)) {
        if (type >> 4 == 1) {
            unsigned char ack[4] = {0x20, 2, 0, (unsigned char)f->code};
            if (f->nonsense.n)
                reply(fd, f->nonsense.p, f->nonsense.n);
            else
                reply(fd, ack, 4);
        } else if (type >> 4 == 8) {
            const char *refused = "secret/#";
            bool is = n > 4 && span_is(span_of(body + 4, n - 5), refused);
            unsigned char ack[5] = {0x90, 3, body[0], body[1], is ? 0x80 : 1};
            reply(fd, ack, 5);
        } else if (type >> 4 == 3) {
            size_t topic = (size_t)body[0] << 8 | body[1];
            unsigned char ack[4] = {0x40, 2, body[2 + topic], body[3 + topic]};
            int number = 0;
            for (size_t i = 2 + topic + 2 + 1; i < n; i++)
                number = number * 10 + (body[i] - '0');
            f->got[c][f->n[c]++] = number;
            if (c == 1 || f->n[0] <= f->acknowledge_first)
                reply(fd, ack, 4);
            if (c == 0 && f->n[0] == f->hang_up_at)
                return;
        }
    }
}

static void *fake_thread(void *ctx)
{
    struct fake *f = (struct fake *)ctx;
    for (int fd; (fd = accept(f->listener, NULL, NULL)) >= 0; f->connection++) {
        const struct linger at_once = {1, 0};
        unsigned char type, body[20000];
        size_t n;
        if (f->manner != SERVES)
            read_packet(fd, &type, body, &n);
        if (f->manner == RESETS)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        if (f->manner == ANSWERS_ONCE)
            reply(fd, f->nonsense.p, f->nonsense.n);
        if (f->manner == SERVES)
            serve(f, fd);
        close(fd);
    }
    return NULL;
}

static void fake_start(struct fake *f)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t n = sizeof a;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    f->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&a, n), 0);
    assert_int_equal(listen(f->listener, 8), 0);
    getsockname(f->listener, (struct sockaddr *)&a, &n);
    f->port = ntohs(a.sin_port);
    pthread_create(&f->thread, NULL, fake_thread, f);
}

static void fake_stop(struct fake *f)
{
    shutdown(f->listener, SHUT_RDWR);
    pthread_join(f->thread, NULL);
    close(f->listener);
}

static void tells_which_subscription_is_refused(void **state)
{
    (void)state;
    struct fake f = {0};
    struct loop *l = NULL;
    fake_start(&f);
    assert_int_equal(loop_open(&l, NULL), 0);
    struct side s = {.l = l};
    struct mqtt_options o = options(&s, f.port, "curious");
    assert_int_equal(mqtt_open(&s.m, l, &o, NULL), 0);
    assert_int_equal(mqtt_subscribe(s.m, "open/#", NULL), 0);
    assert_int_equal(mqtt_subscribe(s.m, "secret/#", NULL), 0);
    assert_int_equal(mqtt_subscribe(s.m, "open/too", NULL), 0);
    loop_run(l);
    assert_string_equal(s.refused, "secret/#");
    mqtt_close(&s.m);
    loop_close(&l);
    fake_stop(&f);
}

static void sends_again_what_was_not_acknowledged(void **state)
{
    (void)state;
    struct fake f = {.acknowledge_first = 5, .hang_up_at = 25};
    struct loop *l = NULL;
    struct mqtt_counters c;
    fake_start(&f);
    assert_int_equal(loop_open(&l, NULL), 0);
    struct side s = {.l = l};
    struct mqtt_options o = options(&s, f.port, "again");
    assert_int_equal(mqtt_open(&s.m, l, &o, NULL), 0);
    publish(&s, 0, MESSAGES);
    mqtt_finish(s.m, 20000, on_done, &s);
    loop_run(l);
    mqtt_counters(s.m, &c);
    mqtt_close(&s.m);
    loop_close(&l);
    fake_stop(&f);
    assert_int_equal(s.connects, 2);
    assert_int_equal(s.disconnects, 1);
    assert_int_equal(c.reconnects, 1);
    assert_int_equal(c.acknowledged, MESSAGES);
    assert_int_equal(c.dropped, 0);
    assert_int_equal(c.waiting, 0);
    assert_int_equal(c.resent, 20); /* the window: 5 to 24 were on their way */
    assert_int_equal(f.n[0], 25);
    for (int i = 0; i < 25; i++)
        assert_int_equal(f.got[0][i], i);
    assert_int_equal(f.n[1], MESSAGES - 5);
    for (int i = 0; i < f.n[1]; i++)
        assert_int_equal(f.got[1][i], i + 5);
}

static void keeps_trying_and_says_why(void **state)
{
    (void)state;
    static const unsigned char zeros[64] = {0};
    static const unsigned char endless[] = {0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const unsigned char not_connack[] = {0x30, 4, 0, 9, 'a', 'b'};
    const struct {
        int code;
        struct span nonsense;
        const char *reason;
    } cases[] = {
        {5, {NULL, 0}, "the broker refuses the connection: not authorized"},
        {2, {NULL, 0}, "the broker refuses the connection: the client id is not accepted"},
        {0, {zeros, sizeof zeros}, NULL},
        {0, {endless, sizeof endless}, NULL},
        {0, {not_connack, sizeof not_connack}, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake f = {.code = cases[i].code, .nonsense = cases[i].nonsense};
        struct loop *l = NULL;
        fake_start(&f);
        assert_int_equal(loop_open(&l, NULL), 0);
        struct side s = {.l = l, .stop_after = -3};
        struct mqtt_options o = options(&s, f.port, "trying");
        assert_int_equal(mqtt_open(&s.m, l, &o, NULL), 0);
        loop_run(l); /* three attempts */
        assert_int_equal(s.connects, 0);
        assert_false(mqtt_connected(s.m));
        assert_true(s.reason[0]);
        if (cases[i].reason)
            assert_string_equal(s.reason, cases[i].reason);
        mqtt_close(&s.m);
        loop_close(&l);
        fake_stop(&f);
    }
}

/* Whatever moment the peer hangs up at, the reason is one: neither "Success" nor an error of our
 * own descriptors. */
static void names_a_lost_connection(void **state)
{
    (void)state;
    static const char http[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    static const int manners[] = {HANGS_UP, RESETS, ANSWERS_ONCE};
    for (size_t i = 0; i < sizeof manners / sizeof *manners; i++) {
        for (int k = 0; k < 5; k++) {
            struct fake f = {.nonsense = {(const uint8_t *)http, sizeof http - 1}};
            struct loop *l = NULL;
            f.manner = manners[i];
            fake_start(&f);
            assert_int_equal(loop_open(&l, NULL), 0);
            struct side s = {.l = l, .stop_after = -4};
            struct mqtt_options o = options(&s, f.port, "lost");
            assert_int_equal(mqtt_open(&s.m, l, &o, NULL), 0);
            loop_run(l);
            assert_true(s.reason[0]);
            assert_null(strstr(s.reason, "Success"));
            assert_null(strstr(s.reason, "descriptor"));
            mqtt_close(&s.m);
            loop_close(&l);
            fake_stop(&f);
        }
    }
}

static void drops_the_oldest_while_away(void **state)
{
    (void)state;
    struct fake f = {0};
    struct loop *l = NULL;
    struct mqtt_counters c;
    fake_start(&f);
    fake_stop(&f); /* its port is closed now */
    assert_int_equal(loop_open(&l, NULL), 0);
    struct side s = {.l = l, .stop_after = -2};
    struct mqtt_options o = options(&s, f.port, "away");
    o.queue_max = 4;
    assert_int_equal(mqtt_open(&s.m, l, &o, NULL), 0);
    publish(&s, 0, 10);
    loop_run(l);
    assert_string_equal(s.reason, "Connection refused");
    mqtt_counters(s.m, &c);
    assert_int_equal(c.published, 10);
    assert_int_equal(c.dropped, 6);
    assert_int_equal(c.waiting, 4);
    mqtt_finish(s.m, 30, on_done, &s);
    loop_run(l);
    assert_true(s.done);
    mqtt_close(&s.m);
    /* With nothing to send there is nothing to wait for. */
    s = (struct side){.l = l};
    o.ctx = &s;
    assert_int_equal(mqtt_open(&s.m, l, &o, NULL), 0);
    mqtt_finish(s.m, 1000000, on_done, &s);
    loop_run(l);
    assert_true(s.done);
    mqtt_close(&s.m);
    loop_close(&l);
}

static void close_in_callback(void *ctx, const char *reason, bool lasting)
{
    struct side *s = (struct side *)ctx;
    (void)lasting;
    (void)reason;
    mqtt_close(&s->m);
    loop_stop(s->l);
}

static void may_be_closed_anywhere(void **state)
{
    (void)state;
    struct loop *l = NULL;
    assert_int_equal(loop_open(&l, NULL), 0);
    struct side s = {.l = l};
    struct mqtt_options o = options(&s, 1, "close");
    o.on_disconnect = close_in_callback;
    assert_int_equal(mqtt_open(&s.m, l, &o, NULL), 0);
    loop_run(l);
    assert_null(s.m);
    /* While its name is being looked up. */
    o.host = "name.invalid";
    assert_int_equal(mqtt_open(&s.m, l, &o, NULL), 0);
    loop_post(l, on_done, &s);
    loop_run(l);
    mqtt_close(&s.m);
    loop_close(&l);
}

static void refuses_wrong_options(void **state)
{
    (void)state;
    struct loop *l = NULL;
    struct err e = {""};
    assert_int_equal(loop_open(&l, NULL), 0);
    struct side s = {.l = l};
    char long_host[400];
    memset(long_host, 'h', sizeof long_host - 1);
    long_host[sizeof long_host - 1] = '\0';
    for (int i = 0; i < 7; i++) {
        struct mqtt_options o = options(&s, 1883, "id");
        o.host = i == 0 ? "" : i == 1 ? long_host : o.host;
        o.port = i == 2 ? 99999 : o.port;
        o.client_id = i == 3 ? "" : o.client_id;
        o.queue_max = i == 4 ? 0 : o.queue_max;
        o.ca_file = i == 5 ? "/nonexistent/ca.pem" : NULL;
        o.cert_file = i == 6 ? "/nonexistent/cert.pem" : NULL;
        e.text[0] = '\0';
        assert_int_equal(mqtt_open(&s.m, l, &o, &e), ERR_USAGE);
        assert_true(strncmp(e.text, "MQTT", 4) == 0);
        assert_null(s.m);
    }
    struct mqtt_options o = options(&s, 1, "id");
    assert_int_equal(mqtt_open(&s.m, l, &o, NULL), 0);
    static const char *const topics[] = {"", "a/+", "#", "\xff\xfe"};
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
        assert_int_equal(mqtt_publish(s.m, topics[i], span_str("x"), false, &e), ERR_USAGE);
    assert_int_equal(mqtt_subscribe(s.m, "a/#/b", &e), ERR_USAGE);
    assert_int_equal(mqtt_subscribe(s.m, "", &e), ERR_USAGE);
    mqtt_close(&s.m);
    loop_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delivers_in_order),
        cmocka_unit_test(sends_again_what_was_not_acknowledged),
        cmocka_unit_test(tells_which_subscription_is_refused),
        cmocka_unit_test(keeps_trying_and_says_why),
        cmocka_unit_test(names_a_lost_connection),
        cmocka_unit_test(drops_the_oldest_while_away),
        cmocka_unit_test(may_be_closed_anywhere),
        cmocka_unit_test(refuses_wrong_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
