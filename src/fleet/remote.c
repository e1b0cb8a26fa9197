/* SPDX-License-Identifier: MIT */
/* Request and answer of OpenAI's chat completions, with the member "wattle" of our own server. All
 * that comes back is checked: numbers that are none are not known, texts are bounded. */
#include "fleet/remote.h"

#include "codec/codec.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ANSWER_MAX = 4 << 20, REQUEST_MAX = 4 << 20, TRIES = 4, WAIT_MAX_MS = 30000 };

struct remote {
    struct remote_options o; /* model is borrowed */
    struct http_poster *poster;
};

/* Where chat completions are: the endpoint may name the server, its /v1 or the whole. */
static void write_url(struct buf *out, const char *endpoint)
{
    size_t n = strlen(endpoint);
    while (n && endpoint[n - 1] == '/')
        n--;
    struct span s = span_of(endpoint, n);
    buf_span(out, s);
    if (n >= 17 && span_is(span_sub(s, n - 17, 17), "/chat/completions"))
        return;
    if (n < 3 || !span_is(span_sub(s, n - 3, 3), "/v1"))
        buf_str(out, "/v1");
    buf_str(out, "/chat/completions");
}

int remote_open(struct remote **out, const struct remote_options *o, struct err *e)
{
    struct buf url;
    struct remote *r = calloc(1, sizeof *r);
    if (!r)
        return err_set(e, ERR_NOMEM, "no memory for a connection to '%s'", o->endpoint);
    r->o = *o;
    buf_init(&url, 8192);
    write_url(&url, o->endpoint);
    int rc = http_check_url(o->endpoint, e);
    if (!rc)
        rc = buf_check(&url, "its URL", e);
    if (!rc)
        rc = http_poster_open(&r->poster,
                              &(struct http_post_options){.url = buf_cstr(&url),
                                                          .bearer = o->api_key,
                                                          .ca_file = o->ca_file,
                                                          .keep_going = o->keep_going,
                                                          .ctx = o->ctx},
                              e);
    if (rc)
        err_wrap(e, rc, "LLM_ENDPOINT");
    buf_release(&url);
    if (rc) {
        free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void remote_close(struct remote **r)
{
    if (!*r)
        return;
    http_poster_close(&(*r)->poster);
    free(*r);
    *r = NULL;
}

/* ---- the request ---- */

static void put_float(struct json_writer *w, const char *key, float v)
{
    if (v == WATTLE_UNSET)
        return;
    json_put_f64(w, key, (double)v);
}

static void put_count(struct json_writer *w, const char *key, int32_t v)
{
    if (v <= 0)
        return;
    json_put_int(w, key, v);
}

static void write_request(struct buf *out, const struct remote *r, const struct wattle_request *q)
{
    struct json_writer w;
    json_write_init(&w, out, 0);
    json_write_object(&w);
    json_put_str(&w, "model", r->o.model);
    json_put_array(&w, "messages");
    for (size_t i = 0; i < q->n_messages; i++) {
        json_write_object(&w);
        json_put_str(&w, "role", q->messages[i].role);
        json_put_str(&w, "content", q->messages[i].content);
        json_write_object_end(&w);
    }
    json_write_array_end(&w);
    put_count(&w, "max_tokens", q->max_new_tokens);
    put_count(&w, "max_length", q->max_length);
    put_float(&w, "temperature", q->sampling.temperature);
    put_float(&w, "top_p", q->sampling.top_p);
    put_float(&w, "min_p", q->sampling.min_p);
    put_float(&w, "repetition_penalty", q->sampling.repetition_penalty);
    if (q->sampling.top_k != WATTLE_UNSET)
        json_put_int(&w, "top_k", q->sampling.top_k);
    /* Other servers take no unsigned seeds. */
    json_put_int(&w, "seed", (int64_t)(q->seed & INT64_MAX));
    if (q->n_stop) {
        json_put_array(&w, "stop");
        for (size_t i = 0; i < q->n_stop; i++)
            json_write_str(&w, q->stop[i]);
        json_write_array_end(&w);
    }
    json_write_object_end(&w);
}

/* ---- the answer ---- */

static double number(const struct json *v, const char *key)
{
    const struct json *m = json_get(v, key);
    double x = json_number(m);
    return json_is_number(m) && isfinite(x) && x >= 0 ? x : NAN;
}

static int32_t count(const struct json *v, const char *key)
{
    int64_t x = json_int(json_get(v, key));
    return x < 0 ? 0 : x > INT32_MAX ? INT32_MAX : (int32_t)x;
}

static uint64_t bytes_of_mb(double mb)
{
    return mb < 1e9 ? (uint64_t)(mb * 1048576.0) : 0; /* NAN too */
}

static uint64_t ns_of_ms(double ms)
{
    return ms < 1e9 ? (uint64_t)(ms * 1e6) : 0;
}

static void word(char *out, size_t size, const struct json *v, const char *key)
{
    struct span s = json_string(json_get(v, key));
    bool fits = s.n < size && utf8_valid(s);
    snprintf(out, size, "%.*s", fits ? (int)s.n : 0, fits && s.n ? (const char *)s.p : "");
}

static void read_cost(struct remote_answer *out, const struct json *cost)
{
    struct meter_sample *p = &out->sample;
    struct wattle_usage *u = &out->result.usage;
    double ms = number(cost, "inference_time_ms"), energy = number(cost, "energy_consumed_mj");
    if (!(ms > 0) || !(energy >= 0))
        return;
    out->measured = true;
    out->seconds = p->seconds = ms / 1e3;
    out->queue_ms = number(cost, "queue_ms");
    out->memory_used_mb = number(cost, "memory_used_mb");
    p->energy_j = energy / 1e3;
    p->cpu_percent_avg = number(cost, "cpu_percent_avg");
    p->cpu_percent_samples = count(cost, "cpu_percent_samples");
    p->rss_bytes = bytes_of_mb(number(cost, "memory_total_mb"));
    p->private_bytes = bytes_of_mb(number(cost, "memory_private_mb"));
    p->shared_bytes = bytes_of_mb(number(cost, "memory_shared_mb"));
    p->throttled_ms = number(cost, "throttled_ms");
    p->temperature_c = NAN;
    u->prefill_ns = ns_of_ms(number(cost, "prefill_ms"));
    u->decode_ns = ns_of_ms(number(cost, "decode_ms"));
    u->first_token_ns = ns_of_ms(number(cost, "time_to_first_token_ms"));
    u->threads = count(cost, "threads");
    out->result.prompt_characters = (size_t)count(cost, "prompt_length");
    word(out->energy_source, sizeof out->energy_source, cost, "energy_source");
    word(out->quantization, sizeof out->quantization, cost, "quantization");
    word(out->device, sizeof out->device, cost, "compute_device");
}

/* v is what the answer has at path. */
static int expect(const struct json *v, const char *path, enum json_type type, struct err *e)
{
    enum json_type got = json_type_of(v);
    if (v && got == type)
        return 0;
    return err_set(e, ERR_FORMAT,
                   "its answer: %s: %s%s, expected %s, as chat completions of OpenAI have it", path,
                   v ? "is " : "is missing", v ? json_type_name(got) : "", json_type_name(type));
}

static int find_content(const struct json *doc, const struct json **choice,
                        const struct json **content, struct err *e)
{
    const struct json *choices = json_get(doc, "choices");
    int rc = expect(doc, "the whole", JSON_OBJECT, e);
    if (!rc)
        rc = expect(choices, "choices", JSON_ARRAY, e);
    *choice = json_at(choices, 0);
    if (!rc)
        rc = expect(*choice, "choices[0]", JSON_OBJECT, e);
    const struct json *message = json_get(*choice, "message");
    if (!rc)
        rc = expect(message, "choices[0].message", JSON_OBJECT, e);
    *content = json_get(message, "content");
    return rc ? rc : expect(*content, "choices[0].message.content", JSON_STRING, e);
}

static int read_answer(struct remote_answer *out, const struct json *doc, struct err *e)
{
    const struct json *choice, *content, *usage = json_get(doc, "usage");
    int rc = find_content(doc, &choice, &content, e);
    struct span text = json_string(content);
    if (rc)
        return rc;
    out->result.text = malloc(text.n + 1);
    if (!out->result.text)
        return err_set(e, ERR_NOMEM, "no memory for an answer of %zu bytes", text.n);
    span_copy(out->result.text, text);
    out->result.text[text.n] = '\0';
    out->result.text_bytes = text.n;
    out->result.text_characters = utf8_length(text);
    out->result.finish = span_is(json_string(json_get(choice, "finish_reason")), "length")
                             ? WATTLE_FINISH_LENGTH
                             : WATTLE_FINISH_STOP;
    out->result.usage.prompt_tokens = count(usage, "prompt_tokens");
    out->result.usage.completion_tokens = count(usage, "completion_tokens");
    out->result.usage.cached_tokens =
        count(json_get(usage, "prompt_tokens_details"), "cached_tokens");
    read_cost(out, json_get(doc, "wattle"));
    return 0;
}

/* ---- a call ---- */

static int refused(int status, struct span body, struct err *e)
{
    struct json *doc = NULL;
    struct err ignored;
    char why[LIBRARY_WORDS_SIZE] = "";
    if (json_parse(&doc, body, ANSWER_MAX, "answer", &ignored) == 0) {
        const struct json *error = json_get(doc, "error"); /* some servers have the text alone */
        struct span said =
            json_string(json_type_of(error) == JSON_STRING ? error : json_get(error, "message"));
        if (said.n)
            library_words(why, (const char *)said.p);
    }
    json_close(&doc);
    if (why[0])
        return err_set(e, ERR_IO, "HTTP status %d: %s", status, why);
    return err_set(e, ERR_IO, "HTTP status %d for POST …/chat/completions, expected 200", status);
}

/* False: told to stop. */
static bool pause_ms(const struct remote *r, uint64_t ms)
{
    static const struct timespec slice = {.tv_nsec = 50000000};
    uint64_t end_ns = clock_mono_ns() + ms * 1000000;
    while (clock_mono_ns() < end_ns) {
        if (r->o.keep_going && !r->o.keep_going(r->o.ctx))
            return false;
        nanosleep(&slice, NULL);
    }
    return true;
}

static int post(struct remote *r, struct span request, struct buf *text, int *status, struct err *e)
{
    for (int i = 1;; i++) {
        struct http_answer answer;
        buf_clear(text);
        int rc = http_post_json(r->poster, request, &answer, text, e);
        if (rc)
            return rc;
        *status = answer.status;
        if ((answer.status != 429 && answer.status != 503) || i == TRIES)
            return 0;
        uint64_t wait_ms = answer.retry_after_ms ? answer.retry_after_ms : 1000;
        if (!pause_ms(r, wait_ms < WAIT_MAX_MS ? wait_ms : WAIT_MAX_MS))
            return err_set(e, ERR_CANCELLED, "cancelled");
    }
}

int remote_generate(struct remote *r, const struct wattle_request *q, struct remote_answer *out,
                    struct err *e)
{
    struct buf request, text;
    struct json *doc = NULL;
    int status = 0;
    uint64_t start_ns = clock_mono_ns();
    *out = (struct remote_answer){.queue_ms = NAN, .memory_used_mb = NAN};
    buf_init(&request, REQUEST_MAX);
    buf_init(&text, ANSWER_MAX);
    write_request(&request, r, q);
    int rc = buf_check(&request, "request", e);
    if (!rc)
        rc = post(r, buf_view(&request), &text, &status, e);
    if (!rc && status != 200)
        rc = refused(status, buf_view(&text), e);
    else if (!rc)
        rc = json_parse_nul(&doc, buf_view(&text), ANSWER_MAX, "its answer", e);
    if (!rc) {
        out->seconds = (double)(clock_mono_ns() - start_ns) / 1e9;
        rc = read_answer(out, doc, e);
    }
    if (rc && rc != ERR_CANCELLED)
        err_wrap(e, rc, "LLM_ENDPOINT '%s'", r->o.endpoint);
    json_close(&doc);
    buf_release(&text);
    buf_release(&request);
    return rc;
}
