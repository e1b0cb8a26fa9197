/* SPDX-License-Identifier: MIT */
/* The thread that runs inferences, one after the other, beside the event loop. Private to fleet/.
 */
#ifndef WATTLE_FLEET_WORKER_H
#define WATTLE_FLEET_WORKER_H

#include "fleet/inference.h"
#include "net/net.h"

struct worker;

struct worker_options {
    struct inference_shared *shared;
    struct loop *loop;
    /* On the loop's thread, in the order of worker_add: the job is the caller's again. */
    void (*on_done)(void *ctx, struct job *j);
    /* On the worker's thread, as its last act: what must be saved. */
    void (*on_exit)(void *ctx);
    /* On the loop's thread, after the last on_done: nothing comes any more. */
    void (*on_stopped)(void *ctx);
    void *ctx;
};

int worker_open(struct worker **out, const struct worker_options *o, struct err *e);
/* All on the loop's thread. A job waits in line; its number is bounded by there being one a device.
 */
void worker_add(struct worker *w, struct job *j);
/* Cancels what runs and what waits; returns at once. */
void worker_stop(struct worker *w);
void worker_close(struct worker **w); /* stops, and waits for the thread */

#endif
