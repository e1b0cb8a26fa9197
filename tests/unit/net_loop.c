/* SPDX-License-Identifier: MIT */
/* The event loop: posts from other threads, timers, signals, host names. */
#include "net/resolve.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include <cmocka.h>

enum { THREADS = 4, POSTS = 500 };

struct poster {
    struct loop *l;
    int expected;
    int *left;
    struct item {
        struct poster *poster;
        int number;
    } items[POSTS];
};

static void on_post(void *ctx)
{
    struct item *i = (struct item *)ctx;
    assert_int_equal(i->number, i->poster->expected);
    i->poster->expected++;
    if (--*i->poster->left == 0)
        loop_stop(i->poster->l);
}

static void *post_all(void *ctx)
{
    struct poster *p = (struct poster *)ctx;
    for (int i = 0; i < POSTS; i++) {
        p->items[i] = (struct item){p, i};
        loop_post(p->l, on_post, &p->items[i]);
    }
    return NULL;
}

static void posts_come_in_order(void **state)
{
    (void)state;
    static struct poster posters[THREADS];
    pthread_t threads[THREADS];
    int left = THREADS * POSTS;
    struct loop *l = NULL;
    assert_int_equal(loop_open(&l, NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        posters[i].l = l;
        posters[i].left = &left;
        pthread_create(&threads[i], NULL, post_all, &posters[i]);
    }
    loop_run(l);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(left, 0);
    loop_post(l, on_post, NULL); /* never run, and not leaked */
    loop_close(&l);
    assert_null(l);
    loop_close(&l);
}

struct ticks {
    struct loop *l;
    struct timer *a, *b;
    char order[8];
    int n;
};

static void on_a(void *ctx)
{
    struct ticks *t = (struct ticks *)ctx;
    t->order[t->n++] = 'a';
    if (t->n < 4)
        timer_start(t->a, 1);
    else
        timer_start(t->b, 0);
}

static void on_b(void *ctx)
{
    struct ticks *t = (struct ticks *)ctx;
    t->order[t->n++] = 'b';
    loop_stop(t->l);
}

static void timers_fire_and_move(void **state)
{
    (void)state;
    struct ticks t = {0};
    assert_int_equal(loop_open(&t.l, NULL), 0);
    assert_int_equal(timer_open(&t.a, t.l, on_a, &t, NULL), 0);
    assert_int_equal(timer_open(&t.b, t.l, on_b, &t, NULL), 0);
    timer_start(t.b, 1); /* moved, then stopped: fires by on_a alone */
    timer_start(t.b, 100000);
    timer_stop(t.b);
    timer_start(t.a, 0);
    loop_run(t.l);
    assert_string_equal(t.order, "aaaab");
    timer_close(&t.a);
    timer_close(&t.b);
    timer_close(&t.b);
    loop_close(&t.l);
}

struct seen {
    struct loop *l;
    int numbers[2], n;
};

static void on_signal(void *ctx, int number)
{
    struct seen *s = (struct seen *)ctx;
    s->numbers[s->n++] = number;
    if (s->n == 1)
        raise(SIGINT);
    else
        loop_stop(s->l);
}

static void send_term(void *ctx)
{
    (void)ctx;
    raise(SIGTERM);
}

static void signals_are_events(void **state)
{
    (void)state;
    struct seen s = {0};
    assert_int_equal(loop_open(&s.l, NULL), 0);
    assert_int_equal(loop_signals(s.l, on_signal, &s, NULL), 0);
    loop_post(s.l, send_term, NULL);
    loop_run(s.l);
    assert_int_equal(s.numbers[0], SIGTERM);
    assert_int_equal(s.numbers[1], SIGINT);
    loop_close(&s.l);
}

struct found {
    struct loop *l;
    struct addresses a;
    char problem[128];
    int calls;
};

static void on_found(void *ctx, const struct addresses *a, const char *problem)
{
    struct found *f = (struct found *)ctx;
    if (!problem)
        f->a = *a;
    if (++f->calls == 2)
        loop_stop(f->l);
}

static void names_are_resolved_beside_the_loop(void **state)
{
    (void)state;
    struct found f = {0};
    struct resolve_wait a = {.fn = on_found, .ctx = &f}, b = a, c = a;
    assert_int_equal(loop_open(&f.l, NULL), 0);
    assert_int_equal(resolve_start(f.l, "127.0.0.1", &a, NULL), 0);
    assert_int_equal(f.calls, 1);
    assert_string_equal(f.a.text[0], "127.0.0.1");
    f.calls = 0;
    assert_int_equal(resolve_start(f.l, "localhost", &a, NULL), 0);
    assert_int_equal(resolve_start(f.l, "localhost", &b, NULL), 0);
    assert_int_equal(resolve_start(f.l, "localhost", &c, NULL), 0);
    assert_ptr_equal(a.lookup, b.lookup); /* one thread for all */
    resolve_cancel(&c);
    resolve_cancel(&c);
    loop_run(f.l);
    assert_int_equal(f.calls, 2);
    assert_true(f.a.n >= 1);
    /* Left alone while it looks: nothing is called, nothing waits for it. */
    assert_int_equal(resolve_start(f.l, "name.invalid", &a, NULL), 0);
    resolve_cancel(&a);
    loop_close(&f.l);
    assert_int_equal(f.calls, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_come_in_order),
        cmocka_unit_test(timers_fire_and_move),
        cmocka_unit_test(signals_are_events),
        cmocka_unit_test(names_are_resolved_beside_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
