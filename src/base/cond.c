/* SPDX-License-Identifier: MIT */
#include "base/cond.h"

#include <time.h>

int cond_init(pthread_cond_t *c)
{
    pthread_condattr_t a;
    int code = pthread_condattr_init(&a);
    if (code)
        return code;
    code = pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    if (!code)
        code = pthread_cond_init(c, &a);
    pthread_condattr_destroy(&a);
    return code;
}

bool cond_wait_until(pthread_cond_t *c, pthread_mutex_t *lock, uint64_t until_ns)
{
    struct timespec t = {(time_t)(until_ns / 1000000000), (long)(until_ns % 1000000000)};
    return pthread_cond_timedwait(c, lock, &t) == 0;
}
