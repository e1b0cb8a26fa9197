/* SPDX-License-Identifier: MIT */
/* Owns what happens between a due message and its record: prompt, generation between two readings
 * of the meter, the record, the payloads. Runs on the worker's thread, and so do the files of a
 * metric_log: a slow disk holds up analyses, never telemetry. */
#include "fleet/inference.h"

#include <math.h>
#include <stdio.h>

#define MIB 1048576.0

enum { PROMPT_MAX = 1 << 20 };

int analysis_open(struct analysis *a, const struct settings *s, const struct alarm_limits *limits,
                  struct err *e)
{
    const char *file = settings_text(s, SET_LLM_PROMPT_FILE);
    *a = (struct analysis){.limits = *limits};
    wattle_request_init(&a->request);
    int rc = request_configure(&a->request, &a->stops, s, e);
    if (!rc && !file[0])
        rc = prompt_open_texts(&a->prompt, settings_text(s, SET_LLM_PROMPT_SYSTEM),
                               settings_text(s, SET_LLM_PROMPT_USER), alarm_limits_any(limits), e);
    if (!rc && file[0]) {
        rc = prompt_open(&a->prompt, file, e);
        if (rc) /* a file that is not there is a wrong value, as everywhere */
            rc = err_wrap(e, rc == ERR_NOMEM ? rc : ERR_USAGE, "LLM_PROMPT_FILE");
    }
    if (rc) /* s may be one device's, whose values the caller does not see */
        settings_say_where(s, e);
    return rc;
}

void analysis_release(struct analysis *a)
{
    prompt_close(&a->prompt);
    request_stops_release(&a->stops);
}

void job_init(struct job *j)
{
    *j = (struct job){.busy = false};
    buf_init(&j->telemetry, PAYLOAD_MAX);
    buf_init(&j->analysis, PAYLOAD_MAX);
    buf_init(&j->metrics, PAYLOAD_MAX);
    buf_init(&j->summary, PAYLOAD_MAX);
    buf_init(&j->text, PAYLOAD_MAX);
}

void job_release(struct job *j)
{
    buf_release(&j->telemetry);
    buf_release(&j->analysis);
    buf_release(&j->metrics);
    buf_release(&j->summary);
    buf_release(&j->text);
}

/* ---- the measured part ---- */

struct span_of_work {
    struct inference_shared *shared;
    uint64_t start_ns; /* 0: its turn has not come */
    const char *device_id;
    bool spoke; /* some of the answer has come */
};

static void on_start(void *ctx)
{
    struct span_of_work *w = (struct span_of_work *)ctx;
    w->start_ns = clock_mono_ns();
    meter_begin(w->shared->meter);
}

static void on_text(void *ctx, const char *text, size_t bytes)
{
    struct span_of_work *w = (struct span_of_work *)ctx;
    feed_token(w->shared->feed, w->device_id, span_of(text, bytes), !w->spoke);
    w->spoke = true;
}

static bool keep_going(void *ctx)
{
    return !atomic_load(&((struct span_of_work *)ctx)->shared->cancelled);
}

/* The same device, message and LLM_SEED give the same answer; two messages don't share one. */
static uint64_t seed_of(const struct job *j)
{
    struct rng r;
    uint64_t id = 14695981039346656037ULL; /* FNV-1a */
    for (const char *p = j->device_id; *p; p++)
        id = (id ^ (unsigned char)*p) * 1099511628211ULL;
    rng_seed(&r, j->how->request.seed ^ id ^ (j->seq << 32 | j->seq >> 32));
    return rng_u64(&r);
}

struct outcome {
    int rc;
    struct err e;
    struct wattle_result result;
    struct meter_sample sample;
    bool measured;
    double queue_ms;
    bool away; /* answered elsewhere: result and sample are what the server said */
    struct remote_answer *answer; /* the job's */
};

static void generate_away(struct inference_shared *s, const struct job *j,
                          const struct wattle_request *r, struct outcome *o)
{
    uint64_t start_ns = clock_mono_ns();
    o->away = true;
    o->rc = remote_generate(s->remote, r, o->answer, &o->e);
    o->result = o->answer->result;
    o->sample = o->answer->sample;
    o->sample.seconds = o->answer->seconds;
    o->measured = true; /* time at least */
    o->queue_ms = (double)(start_ns - j->due_ns) / 1e6 +
                  (isnan(o->answer->queue_ms) ? 0 : o->answer->queue_ms);
}

static void generate(struct inference_shared *s, const struct job *j, struct outcome *o)
{
    struct buf system, user;
    struct span_of_work work = {.shared = s, .device_id = j->device_id};
    struct wattle_message messages[2];
    struct wattle_request r = j->how->request;
    buf_init(&system, PROMPT_MAX);
    buf_init(&user, PROMPT_MAX);
    o->rc = prompt_render(j->how->prompt, &j->reading, j->device_id, &j->how->limits, &system,
                          &user, &o->e);
    if (o->rc)
        goto done;
    r.messages = messages;
    if (system.n)
        messages[r.n_messages++] = (struct wattle_message){"system", buf_cstr(&system)};
    messages[r.n_messages++] = (struct wattle_message){"user", buf_cstr(&user)};
    r.seed = seed_of(j);
    r.on_start = on_start;
    r.keep_going = keep_going;
    r.on_text = s->feed ? on_text : NULL;
    r.context = &work;
    if (s->remote) {
        generate_away(s, j, &r, o);
        goto done;
    }
    o->rc = wattle_generate(s->model, &r, &o->result, o->e.text, sizeof o->e.text);
    if (work.start_ns) {
        meter_end(s->meter, &o->sample);
        o->measured = true;
        o->queue_ms = (double)(work.start_ns - j->due_ns) / 1e6;
    }
done:
    buf_release(&system);
    buf_release(&user);
}

/* ---- the record ---- */

static void record_begin(struct metric_record *m, const struct inference_shared *s,
                         const struct job *j)
{
    *m = (struct metric_record){
        .utc_us = clock_utc_us(),
        .device_id = j->device_id,
        .model_name = s->model_name,
        .inference_time_s = NAN,
        .memory_used_mb = NAN,
        .memory_total_mb = NAN,
        .memory_private_mb = NAN,
        .memory_shared_mb = NAN,
        .cpu_percent_avg = NAN,
        .energy_mj = NAN,
        .energy_source = s->meter ? energy_source_name(meter_energy_source(s->meter)) : NULL,
        .compute_device = s->info.device[0] ? s->info.device : NULL,
        .time_to_first_token_ms = NAN,
        .prefill_ms = NAN,
        .decode_ms = NAN,
        .queue_ms = NAN,
        .tokens_per_second = NAN,
        .joules_per_token = NAN,
        .quantization = s->info.quantization[0] ? s->info.quantization : NULL,
        .threads = s->info.threads,
        .batch_size = 1,
        .finish_reason = "error",
        .throttled_ms = NAN,
        .frequency_mhz = NAN,
        .temperature_c = NAN,
        .request = j->request,
    };
}

/* Keys, values and scratch, and what else the heap grew by. The engine's memory becomes resident
 * when it is first written, which shows as growth too: that part of it counts once. */
static uint64_t occupied_bytes(struct inference_shared *s, const struct outcome *o)
{
    uint64_t engine = o->result.usage.kv_bytes + o->result.usage.scratch_bytes;
    uint64_t fresh = engine > s->touched_bytes ? engine - s->touched_bytes : 0;
    uint64_t growth = o->sample.peak_growth_bytes;
    s->touched_bytes += fresh;
    return engine + (growth > fresh ? growth - fresh : 0);
}

static double without(uint64_t bytes, uint64_t others)
{
    return bytes > others ? (double)(bytes - others) / MIB : 0;
}

/* Time is the meter's, so that the estimate's formula holds on the fields that are published. */
static void record_measured(struct metric_record *m, const struct inference_shared *s,
                            const struct outcome *o, uint64_t occupied)
{
    const struct meter_sample *p = &o->sample;
    const struct wattle_result *r = &o->result;
    const struct wattle_usage *u = &r->usage;
    m->inference_time_s = p->seconds;
    m->memory_used_mb = (double)occupied / MIB;
    m->memory_private_mb = without(p->private_bytes, s->others_private);
    m->memory_shared_mb = without(p->shared_bytes, s->others_shared);
    m->memory_total_mb = without(p->rss_bytes, s->others_private + s->others_shared);
    m->cpu_percent_avg = p->cpu_percent_avg;
    m->cpu_percent_samples = p->cpu_percent_samples;
    m->energy_mj = p->energy_j * 1e3;
    m->energy_source = energy_source_name(p->energy_source);
    m->prompt_length = r->prompt_characters;
    m->response_length = r->text_characters;
    m->prompt_tokens = u->prompt_tokens;
    m->cached_tokens = u->cached_tokens;
    m->completion_tokens = u->completion_tokens;
    m->time_to_first_token_ms = (double)u->first_token_ns / 1e6;
    m->prefill_ms = (double)u->prefill_ns / 1e6;
    m->decode_ms = (double)u->decode_ns / 1e6;
    m->queue_ms = o->queue_ms;
    /* The first token is prefill's work. */
    if (u->decode_ns && u->completion_tokens > 1)
        m->tokens_per_second = (double)(u->completion_tokens - 1) / ((double)u->decode_ns / 1e9);
    if (u->completion_tokens)
        m->joules_per_token = p->energy_j / u->completion_tokens;
    m->threads = u->threads;
    m->finish_reason = r->finish == WATTLE_FINISH_STOP ? "stop" : "length";
    m->throttled_ms = p->throttled_ms;
    m->frequency_mhz = p->frequency_mhz;
    m->temperature_c = p->temperature_c;
}

/* What was measured elsewhere, and nothing where it was not: this machine did no work. */
static void record_away(struct metric_record *m, const struct remote_answer *a)
{
    m->memory_used_mb = a->memory_used_mb;
    m->energy_source = a->energy_source[0] ? a->energy_source : NULL;
    m->quantization = a->quantization[0] ? a->quantization : NULL;
    m->compute_device = a->device[0] ? a->device : NULL;
    if (a->measured)
        return;
    m->memory_total_mb = m->memory_private_mb = m->memory_shared_mb = NAN;
    m->cpu_percent_avg = m->energy_mj = m->joules_per_token = m->throttled_ms = NAN;
    m->time_to_first_token_ms = m->prefill_ms = m->decode_ms = NAN;
    m->temperature_c = NAN;
}

/* ---- the payloads ---- */

/* The telemetry goes in as it was sent, byte for byte: hence no json_writer. */
static void write_analysis(struct job *j, uint64_t utc_us)
{
    char stamp[CLOCK_ISO_SIZE];
    struct buf *b = &j->analysis;
    clock_iso(utc_us, stamp);
    buf_str(b, "{\"device_id\":");
    json_quote(b, span_str(j->device_id));
    buf_printf(b, ",\"timestamp\":\"%s\",\"analysis\":", stamp);
    json_quote(b, buf_view(&j->text));
    buf_str(b, ",\"telemetry\":");
    buf_append(b, &j->telemetry);
    buf_char(b, '}');
    if (j->text.failed)
        b->failed = true;
}

static void write_metrics(struct job *j, const struct metric_record *m)
{
    struct json_writer w;
    json_write_init(&w, &j->metrics, 0);
    metric_record_write(&w, m);
    json_write_init(&w, &j->summary, 0);
    metric_log_summary(j->log, &w);
}

void inference_run(struct inference_shared *s, struct job *j)
{
    struct outcome o = {.answer = &j->answer};
    struct metric_record m;
    struct err e;
    buf_clear(&j->analysis);
    buf_clear(&j->metrics);
    buf_clear(&j->summary);
    buf_clear(&j->text);
    j->seconds = j->tokens_per_second = j->energy_j = 0;
    j->tokens = 0;
    j->error.text[0] = '\0';
    j->verdict = VERDICT_NONE;
    if (atomic_load(&s->cancelled)) {
        j->outcome = JOB_CANCELLED;
        return;
    }
    generate(s, j, &o);
    if (o.rc == WATTLE_ECANCELLED) {
        j->outcome = JOB_CANCELLED;
        goto done;
    }
    record_begin(&m, s, j);
    if (o.rc == 0 && o.measured) {
        record_measured(&m, s, &o, o.away ? 0 : occupied_bytes(s, &o));
        if (o.away)
            record_away(&m, o.answer);
        buf_put(&j->text, o.result.text, o.result.text_bytes);
        if (j->request) {
            j->verdict = verdict_read(buf_view(&j->text));
            m.verdict = verdict_name(j->verdict);
        }
        write_analysis(j, m.utc_us);
        j->seconds = m.inference_time_s;
        j->tokens = m.completion_tokens;
        j->tokens_per_second = isfinite(m.tokens_per_second) ? m.tokens_per_second : 0;
        j->energy_j = o.sample.energy_j;
        snprintf(j->energy_source, sizeof j->energy_source, "%s",
                 m.energy_source ? m.energy_source : "");
        j->outcome = JOB_GOOD;
    } else {
        j->error = o.e;
        m.error = j->error.text;
        j->outcome = JOB_FAILED;
    }
    j->record = m;
    if (!j->log)
        goto done;
    if (metric_log_add(j->log, &m, &e))
        log_error("metrics of %s: %s", j->device_id, e.text);
    write_metrics(j, &m);
done:
    wattle_result_release(&o.result);
}
