/* SPDX-License-Identifier: MIT */
/* First come, first served; who gives up leaves the others in order. */
#include "engine/queue.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { CALLERS = 6 };

struct caller {
    struct queue *q;
    pthread_t thread;
    bool asks; /* has a keep_going */
    atomic_bool go_on;
    int rc;
    int place; /* the how-manieth it was served */
};

static atomic_int served;

static bool keep_going(void *ctx)
{
    return atomic_load(&((struct caller *)ctx)->go_on);
}

static void *call(void *ctx)
{
    struct caller *c = ctx;
    c->rc = queue_enter(c->q, c->asks ? keep_going : NULL, c, NULL);
    if (c->rc == 0) {
        c->place = atomic_fetch_add(&served, 1);
        queue_leave(c->q);
    }
    return NULL;
}

static struct queue_waiter *last_waiter(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    struct queue_waiter *w = q->tail;
    pthread_mutex_unlock(&q->lock);
    return w;
}

/* Starts a caller and waits until it stands in the queue. */
static void start(struct queue *q, struct caller *c, bool asks)
{
    struct queue_waiter *before = last_waiter(q);
    *c = (struct caller){.q = q, .asks = asks, .place = -1};
    atomic_store(&c->go_on, true);
    assert_int_equal(pthread_create(&c->thread, NULL, call, c), 0);
    while (last_waiter(q) == before)
        sched_yield();
}

static void test_order(void **state)
{
    (void)state;
    struct queue q;
    struct caller callers[CALLERS];
    struct err e = {""};
    assert_int_equal(queue_init(&q, &e), 0);
    atomic_store(&served, 0);
    assert_int_equal(queue_enter(&q, NULL, NULL, &e), 0);
    for (int i = 0; i < CALLERS; i++)
        start(&q, &callers[i], i % 2);
    assert_int_equal(atomic_load(&served), 0);
    queue_leave(&q);
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].rc, 0);
        assert_int_equal(callers[i].place, i);
    }
    queue_release(&q);
}

/* Every position: the first, one in the middle, the last. */
static void test_giving_up(void **state)
{
    (void)state;
    static const int quitters[] = {0, 2, CALLERS - 1};
    for (size_t k = 0; k < 3; k++) {
        struct queue q;
        struct caller callers[CALLERS];
        struct err e = {""};
        assert_int_equal(queue_init(&q, &e), 0);
        atomic_store(&served, 0);
        assert_int_equal(queue_enter(&q, NULL, NULL, &e), 0);
        for (int i = 0; i < CALLERS; i++)
            start(&q, &callers[i], true);
        uint64_t asked = clock_mono_ns();
        atomic_store(&callers[quitters[k]].go_on, false);
        pthread_join(callers[quitters[k]].thread, NULL);
        uint64_t took = clock_mono_ns() - asked;
        assert_int_equal(callers[quitters[k]].rc, ERR_CANCELLED);
        assert_true(took < 2000000000); /* 50 ms promised; a loaded machine may be late */
        queue_leave(&q);
        int place = 0;
        for (int i = 0; i < CALLERS; i++) {
            if (i == quitters[k])
                continue;
            pthread_join(callers[i].thread, NULL);
            assert_int_equal(callers[i].rc, 0);
            assert_int_equal(callers[i].place, place++);
        }
        queue_release(&q);
    }
}

static void test_no_from_the_start(void **state)
{
    (void)state;
    struct queue q;
    struct err e = {""};
    struct caller c = {.q = &q};
    assert_int_equal(queue_init(&q, &e), 0);
    assert_int_equal(queue_enter(&q, keep_going, &c, &e), ERR_CANCELLED);
    assert_non_null(strstr(e.text, "cancelled"));
    assert_int_equal(queue_enter(&q, NULL, NULL, &e), 0);
    queue_leave(&q);
    queue_release(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_giving_up),
        cmocka_unit_test(test_no_from_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
