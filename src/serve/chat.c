/* SPDX-License-Identifier: MIT */
/* One answer after the other: the meter can only say what one of them cost. Requests take a number
 * and are served in that order; who has gone away meanwhile gives its turn on. */
#include "serve/chat.h"

#include "meter/meter.h"
#include "serve/chat_request.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define MIB 1048576.0

struct chat {
    struct chat_options o;
    pthread_mutex_t lock; /* next, serving */
    pthread_cond_t turn;
    uint64_t next, serving; /* numbers: next - serving requests are here */
    uint64_t made;          /* answers so far, for their ids; lock */
    atomic_uint_fast64_t asked;
};

int chat_open(struct chat **out, const struct chat_options *o, struct err *e)
{
    struct chat *c = calloc(1, sizeof *c);
    if (!c)
        return err_set(e, ERR_NOMEM, "no memory for the server");
    c->o = *o;
    int rc = pthread_mutex_init(&c->lock, NULL);
    if (rc == 0 && (rc = pthread_cond_init(&c->turn, NULL)) != 0)
        pthread_mutex_destroy(&c->lock);
    if (rc) {
        free(c);
        return err_errno(e, rc, "cannot make a lock");
    }
    *out = c;
    return 0;
}

void chat_close(struct chat **c)
{
    if (!*c)
        return;
    pthread_cond_destroy(&(*c)->turn);
    pthread_mutex_destroy(&(*c)->lock);
    free(*c);
    *c = NULL;
}

/* ---- turns ---- */

/* False: too many wait already. */
static bool take_turn(struct chat *c)
{
    pthread_mutex_lock(&c->lock);
    bool room = c->next - c->serving <= c->o.queue_max;
    if (room) {
        uint64_t mine = c->next++;
        while (c->serving != mine)
            pthread_cond_wait(&c->turn, &c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    return room;
}

static uint64_t give_turn(struct chat *c)
{
    pthread_mutex_lock(&c->lock);
    c->serving++;
    uint64_t number = ++c->made;
    pthread_cond_broadcast(&c->turn);
    pthread_mutex_unlock(&c->lock);
    return number;
}

/* ---- the answer ---- */

void chat_write_error(struct buf *answer, int status, const char *message)
{
    struct json_writer w;
    json_write_init(&w, answer, 0);
    json_write_object(&w);
    json_put_object(&w, "error");
    json_put_str(&w, "message", message);
    json_put_str(&w, "type", status < 500 ? "invalid_request_error" : "server_error");
    json_put_int(&w, "code", status);
    json_write_object_end(&w);
    json_write_object_end(&w);
}

static int refuse(struct buf *answer, int status, const char *message)
{
    buf_clear(answer);
    chat_write_error(answer, status, message);
    return status;
}

struct outcome {
    struct wattle_result result;
    struct meter_sample sample;
    uint64_t came_ns, start_ns; /* start_ns 0: its turn has not come */
};

static void put(struct json_writer *w, const char *key, double v)
{
    json_put_fixed(w, key, v, 4);
}

/* The same names and units as in a metrics record. */
static void write_cost(struct json_writer *w, const struct chat *c, const struct outcome *o)
{
    const struct wattle_usage *u = &o->result.usage;
    const struct meter_sample *p = &o->sample;
    struct wattle_model_info info;
    wattle_model_info(c->o.model, &info);
    json_put_object(w, "wattle");
    put(w, "inference_time_ms", p->seconds * 1e3);
    put(w, "queue_ms", (double)(o->start_ns - o->came_ns) / 1e6);
    put(w, "prefill_ms", (double)u->prefill_ns / 1e6);
    put(w, "decode_ms", (double)u->decode_ns / 1e6);
    put(w, "time_to_first_token_ms", (double)u->first_token_ns / 1e6);
    put(w, "memory_used_mb", (double)(u->kv_bytes + u->scratch_bytes) / MIB);
    put(w, "memory_total_mb", (double)p->rss_bytes / MIB);
    put(w, "memory_private_mb", (double)p->private_bytes / MIB);
    put(w, "memory_shared_mb", (double)p->shared_bytes / MIB);
    put(w, "cpu_percent_avg", p->cpu_percent_avg);
    put(w, "cpu_percent_samples", p->cpu_percent_samples);
    put(w, "energy_consumed_mj", p->energy_j * 1e3);
    put(w, "throttled_ms", p->throttled_ms);
    put(w, "prompt_length", (double)o->result.prompt_characters);
    put(w, "response_length", (double)o->result.text_characters);
    put(w, "threads", u->threads);
    json_put_str(w, "energy_source", energy_source_name(p->energy_source));
    json_put_str(w, "quantization", info.quantization);
    json_put_str(w, "compute_device", info.device);
    json_write_object_end(w);
}

static void write_usage(struct json_writer *w, const struct wattle_usage *u)
{
    json_put_object(w, "usage");
    json_put_int(w, "prompt_tokens", u->prompt_tokens);
    json_put_int(w, "completion_tokens", u->completion_tokens);
    json_put_int(w, "total_tokens", (int64_t)u->prompt_tokens + u->completion_tokens);
    json_put_object(w, "prompt_tokens_details");
    json_put_int(w, "cached_tokens", u->cached_tokens);
    json_write_object_end(w);
    json_write_object_end(w);
}

static void write_answer(struct buf *answer, const struct chat *c, const struct outcome *o,
                         uint64_t number)
{
    struct json_writer w;
    char id[64];
    snprintf(id, sizeof id, "chatcmpl-%llu", (unsigned long long)number);
    json_write_init(&w, answer, 0);
    json_write_object(&w);
    json_put_str(&w, "id", id);
    json_put_str(&w, "object", "chat.completion");
    json_put_u64(&w, "created", clock_utc_us() / 1000000);
    json_put_str(&w, "model", c->o.name);
    json_put_array(&w, "choices");
    json_write_object(&w);
    json_put_int(&w, "index", 0);
    json_put_object(&w, "message");
    json_put_str(&w, "role", "assistant");
    json_put_span(&w, "content", span_of(o->result.text, o->result.text_bytes));
    json_write_object_end(&w);
    json_put_null(&w, "logprobs");
    json_put_str(&w, "finish_reason", o->result.finish == WATTLE_FINISH_STOP ? "stop" : "length");
    json_write_object_end(&w);
    json_write_array_end(&w);
    write_usage(&w, &o->result.usage);
    write_cost(&w, c, o);
    json_write_object_end(&w);
}

/* ---- a request ---- */

struct turn {
    const struct chat *chat;
    struct outcome *outcome;
    const struct chat_caller *caller;
};

static void on_start(void *ctx)
{
    struct turn *t = ctx;
    t->outcome->start_ns = clock_mono_ns();
    meter_begin(t->chat->o.meter);
}

static bool keep_going(void *ctx)
{
    const struct turn *t = ctx;
    return !t->caller->keep_going || t->caller->keep_going(t->caller->ctx);
}

static int status_of(int rc)
{
    switch (rc) {
    case WATTLE_ECANCELLED:
        return CHAT_CANCELLED;
    case WATTLE_ENOMEM:
        return 503;
    case WATTLE_EUSAGE:
    case WATTLE_ERANGE:
    case WATTLE_ELIMIT:
    case WATTLE_EUNSUPPORTED:
        return 400;
    default:
        return 500;
    }
}

int chat_complete(struct chat *c, struct span body, const struct chat_caller *caller,
                  struct buf *answer)
{
    struct chat_request r;
    struct outcome o = {.came_ns = clock_mono_ns()};
    struct err e = {""};
    struct wattle_request defaults = c->o.request;
    /* Who asks for no seed asks for an answer of its own. */
    defaults.seed += 0x9e3779b97f4a7c15u * atomic_fetch_add(&c->asked, 1);
    int status = 200, rc = chat_request_read(&r, body, &defaults, &e);
    if (rc) {
        status = refuse(answer, rc == ERR_NOMEM ? 503 : 400, e.text);
    } else if (!take_turn(c)) {
        status = refuse(answer, 429, "too many requests wait already");
    } else {
        struct turn t = {c, &o, caller};
        r.request.on_start = on_start;
        r.request.keep_going = keep_going;
        r.request.context = &t;
        rc = keep_going(&t)
                 ? wattle_generate(c->o.model, &r.request, &o.result, e.text, sizeof e.text)
                 : WATTLE_ECANCELLED;
        if (o.start_ns)
            meter_end(c->o.meter, &o.sample);
        uint64_t number = give_turn(c);
        if (rc == 0)
            write_answer(answer, c, &o, number);
        else
            status = refuse(answer, status_of(rc), rc == WATTLE_ECANCELLED ? "cancelled" : e.text);
    }
    if (answer->failed)
        status = refuse(answer, 500, "the answer is too long");
    wattle_result_release(&o.result);
    chat_request_release(&r);
    return status;
}
