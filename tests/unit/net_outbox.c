/* SPDX-License-Identifier: MIT */
/* What an MQTT client keeps until it is acknowledged: order, bound, what goes first. */
#include "net/outbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bool push(struct outbox *q, const char *topic)
{
    size_t dropped = 0;
    assert_int_equal(outbox_push(q, topic, span_str(topic), false, &dropped), 0);
    return dropped > 0;
}

/* Topics from old to new, those in flight in brackets. */
static void expect(const struct outbox *q, const char *wanted)
{
    char text[256] = "";
    size_t n = 0;
    for (const struct message *m = q->oldest; m; m = m->newer) {
        n += (size_t)snprintf(text + n, sizeof text - n, m->mid ? "[%s]" : "%s", m->topic);
        assert_ptr_equal(m->newer ? m->newer->older : q->newest, m);
        assert_string_equal(m->topic, (const char *)m->topic);
        assert_true(span_is(m->payload, m->topic));
    }
    assert_string_equal(text, wanted);
}

static void keeps_order_and_window(void **state)
{
    (void)state;
    struct outbox q;
    outbox_init(&q, 10, 1000);
    for (const char *t = "a\0b\0c\0d\0"; *t; t += 2)
        assert_false(push(&q, t));
    outbox_sent(&q, 7);
    outbox_sent(&q, 8);
    outbox_sent(&q, 9);
    expect(&q, "[a][b][c]d");
    assert_false(outbox_acknowledge(&q, 6));
    assert_true(outbox_acknowledge(&q, 8));
    assert_false(outbox_acknowledge(&q, 8));
    expect(&q, "[a][c]d");
    assert_int_equal(q.in_flight, 2);
    outbox_rewind(&q);
    expect(&q, "acd");
    assert_int_equal(q.in_flight, 0);
    assert_true(q.next == q.oldest && q.next->sent_before);
    assert_false(q.newest->sent_before);
    outbox_sent(&q, 1);
    outbox_drop_next(&q);
    expect(&q, "[a]d");
    outbox_release(&q);
    assert_int_equal(q.n, 0);
}

static void drops_the_oldest_that_waits(void **state)
{
    (void)state;
    struct outbox q;
    outbox_init(&q, 3, 1000);
    push(&q, "a");
    push(&q, "b");
    push(&q, "c");
    outbox_sent(&q, 1);
    assert_true(push(&q, "d"));
    expect(&q, "[a]cd"); /* a may be delivered already */
    outbox_sent(&q, 2);
    outbox_sent(&q, 3);
    assert_true(push(&q, "e"));
    expect(&q, "[c][d]e"); /* nothing waits: the oldest of all */
    assert_int_equal(q.in_flight, 2);
    assert_true(push(&q, "f"));
    expect(&q, "[c][d]f");
    assert_string_equal(q.next->topic, "f");
    outbox_release(&q);

    outbox_init(&q, 1, 1000);
    push(&q, "a");
    outbox_sent(&q, 1);
    assert_true(push(&q, "b"));
    expect(&q, "b");
    assert_int_equal(q.in_flight, 0);
    assert_true(q.next == q.oldest);
    outbox_release(&q);
}

static void takes_any_bytes(void **state)
{
    (void)state;
    struct outbox q;
    size_t dropped;
    outbox_init(&q, 2, 1000);
    assert_int_equal(outbox_push(&q, "t", span_of(NULL, 0), true, &dropped), 0);
    assert_int_equal(outbox_push(&q, "t", span_of("a\0b", 3), false, &dropped), 0);
    assert_true(q.oldest->retain && q.oldest->payload.n == 0);
    assert_memory_equal(q.newest->payload.p, "a\0b", 3);
    outbox_release(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_order_and_window),
        cmocka_unit_test(drops_the_oldest_that_waits),
        cmocka_unit_test(takes_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
