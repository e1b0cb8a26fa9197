/* SPDX-License-Identifier: MIT */
/* Waiting ends when its time has come, not before, and at once when somebody wakes. */
#include "base/clock.h"
#include "base/cond.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct shared {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool set;
};

static void *wake(void *ctx)
{
    struct shared *s = (struct shared *)ctx;
    pthread_mutex_lock(&s->lock);
    s->set = true;
    pthread_cond_broadcast(&s->cond);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void waits_by_the_monotonic_clock(void **state)
{
    (void)state;
    static const uint64_t second = 1000000000;
    struct shared s = {.set = false};
    pthread_t thread;
    assert_int_equal(pthread_mutex_init(&s.lock, NULL), 0);
    assert_int_equal(cond_init(&s.cond), 0);
    pthread_mutex_lock(&s.lock);
    assert_false(cond_wait_until(&s.cond, &s.lock, clock_mono_ns())); /* it has come already */
    uint64_t until = clock_mono_ns() + second / 50;
    while (cond_wait_until(&s.cond, &s.lock, until))
        ;
    assert_true(clock_mono_ns() >= until);
    until = clock_mono_ns() + 60 * second;
    assert_int_equal(pthread_create(&thread, NULL, wake, &s), 0);
    while (!s.set)
        assert_true(cond_wait_until(&s.cond, &s.lock, until));
    pthread_mutex_unlock(&s.lock);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_cond_destroy(&s.cond);
    pthread_mutex_destroy(&s.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(waits_by_the_monotonic_clock)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
