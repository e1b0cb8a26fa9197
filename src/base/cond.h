/* SPDX-License-Identifier: MIT */
/* Condition variables that wait by clock_mono_ns: a clock that is set wakes and holds up nobody. */
#ifndef WATTLE_BASE_COND_H
#define WATTLE_BASE_COND_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* 0 or an errno. pthread_cond_destroy ends it. */
int cond_init(pthread_cond_t *c);
/* With the lock held, which is given up meanwhile. False: clock_mono_ns() has come to until_ns;
 * true: woken, perhaps for nothing. */
bool cond_wait_until(pthread_cond_t *c, pthread_mutex_t *lock, uint64_t until_ns);

#endif
