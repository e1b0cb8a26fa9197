/* SPDX-License-Identifier: MIT */
/* One request, from its check to its result.
 *
 * What concerns the request alone (checks, template, tokens) happens before its turn; then it has
 * the KV cache, the scratch and the threads for itself. The cache keeps what the last request left:
 * the new one recomputes only from where its tokens begin to differ. That changes no answer, since
 * the forward pass gives the same values however tokens are cut into calls. */
#include "engine/answer.h"
#include "engine/handle.h"

#include <stdlib.h>
#include <string.h>

enum {
    STOPS_MAX = 16,
    /* No token's text is longer in published vocabularies; it bounds what a hostile one can cost.
     */
    BYTES_A_TOKEN_MAX = 1024,
};

void wattle_request_init(struct wattle_request *request)
{
    *request = (struct wattle_request){
        .max_length = 512,
        .sampling = {WATTLE_UNSET, WATTLE_UNSET, WATTLE_UNSET, WATTLE_UNSET, WATTLE_UNSET},
    };
}

static float given_or(float value, float otherwise)
{
    return value == (float)WATTLE_UNSET ? otherwise : value;
}

void wattle_request_sampling(const struct wattle_model *model, const struct wattle_request *request,
                             struct wattle_sampling *out)
{
    const struct wattle_sampling *own = &request->sampling, *published = &model->info.sampling;
    *out = (struct wattle_sampling){
        .temperature = given_or(own->temperature, published->temperature),
        .top_k = own->top_k == WATTLE_UNSET ? published->top_k : own->top_k,
        .top_p = given_or(own->top_p, published->top_p),
        .min_p = given_or(own->min_p, published->min_p),
        .repetition_penalty = given_or(own->repetition_penalty, published->repetition_penalty),
    };
}

static struct sampler_options sampling_of(const struct wattle_model *m,
                                          const struct wattle_request *r)
{
    struct wattle_sampling s;
    wattle_request_sampling(m, r, &s);
    return (struct sampler_options){
        .temperature = s.temperature,
        .top_k = s.top_k,
        .top_p = s.top_p,
        .min_p = s.min_p,
        .repetition_penalty = s.repetition_penalty,
        .seed = r->seed,
    };
}

static int check_stops(const struct wattle_request *r, struct err *e)
{
    if (r->n_stop > STOPS_MAX || (r->n_stop && !r->stop))
        return err_set(e, ERR_RANGE, "request: n_stop: %zu, expected 0 to %d texts", r->n_stop,
                       STOPS_MAX);
    for (size_t i = 0; i < r->n_stop; i++) {
        struct span s = span_str(r->stop[i]);
        if (s.n == 0 || s.n > ANSWER_STOP_BYTES_MAX || !utf8_valid(s))
            return err_set(e, ERR_RANGE,
                           "request: stop %zu: %zu bytes, expected 1 to %d bytes of UTF-8", i + 1,
                           s.n, (int)ANSWER_STOP_BYTES_MAX);
    }
    return 0;
}

static int check_request(const struct wattle_model *m, const struct wattle_request *r,
                         struct err *e)
{
    if (r->max_length < 0)
        return err_set(e, ERR_RANGE, "request: max_length: %d, expected 0 or more",
                       (int)r->max_length);
    if (r->max_new_tokens < 0)
        return err_set(e, ERR_RANGE, "request: max_new_tokens: %d, expected 0 or more",
                       (int)r->max_new_tokens);
    struct sampler_options o = sampling_of(m, r);
    int rc = sampler_check(&o, e);
    return rc ? rc : check_stops(r, e);
}

static int make_prompt(const struct wattle_model *m, const struct wattle_request *r,
                       const struct prompt_limit *limit, struct prompt *out, struct err *e)
{
    if (!m->has_vocabulary)
        return err_set(e, ERR_UNSUPPORTED,
                       "model '%s': it has no tokenizer, text needs a vocabulary", m->info.name);
    return prompt_make(&m->prompt_maker, r, limit, out, e);
}

static struct prompt_limit limit_of(const struct wattle_model *m, const struct wattle_request *r)
{
    bool by_context = r->max_length == 0 || r->max_length > m->info.context;
    return (struct prompt_limit){
        .tokens = (size_t)(by_context ? m->info.context : r->max_length),
        .name = by_context ? "the context" : "max_length",
    };
}

/* How many tokens the answer may have. */
static int room_for_answer(const struct wattle_request *r, const struct prompt_limit *limit,
                           size_t n_prompt, int32_t *room, struct err *e)
{
    int rc = prompt_limit_check(limit, n_prompt, false, e);
    if (rc)
        return rc;
    *room = (int32_t)(limit->tokens - n_prompt);
    if (r->max_new_tokens > 0 && r->max_new_tokens < *room)
        *room = r->max_new_tokens;
    return 0;
}

/* A request that has its turn. */
struct turn {
    struct wattle_model *m;
    const struct wattle_request *r;
    const struct prompt *prompt;
    int32_t room;
    uint64_t began_ns;
    struct forward_work work;
    struct answer answer;
    struct detokenizer detokenizer;
    struct buf piece;
    struct wattle_usage usage;
    enum wattle_finish finish;
};

/* Appends ids to the sequence; logits of the last one if wanted. */
static int forward_ids(struct turn *t, const int32_t *ids, int32_t n, bool want_logits,
                       struct err *e)
{
    struct wattle_model *m = t->m;
    memcpy(m->kv_ids + kv_length(m->kv), ids, (size_t)n * sizeof *ids);
    return model_forward(m->model, m->forward, m->kv, ids, n, want_logits, m->logits,
                         t->r->keep_going, t->r->context, &t->work, e);
}

/* Length of what the cache has of the prompt already. The last token is always computed: its logits
 * are needed. */
static int32_t reusable(const struct wattle_model *m, const struct prompt *p)
{
    int32_t known = kv_length(m->kv), n = 0;
    while (n < known && (size_t)n + 1 < p->ids.n && m->kv_ids[n] == p->ids.ids[n])
        n++;
    return n;
}

static int prefill(struct turn *t, struct err *e)
{
    struct wattle_model *m = t->m;
    int32_t total = (int32_t)t->prompt->ids.n, batch = forward_batch(m->forward);
    int32_t at = reusable(m, t->prompt);
    kv_truncate(m->kv, at);
    t->usage.prompt_tokens = total;
    t->usage.cached_tokens = at;
    /* Where the rotation depends on the length: the prompt as one pass, each later token as the end
     * of its own. */
    kv_expect(m->kv, total);
    while (at < total) {
        int32_t n = total - at < batch ? total - at : batch;
        int rc = forward_ids(t, t->prompt->ids.ids + at, n, at + n == total, e);
        if (rc)
            return rc;
        at += n;
    }
    kv_expect(m->kv, 0);
    t->usage.prefill_ns = clock_mono_ns() - t->began_ns;
    return 0;
}

static int take_token(struct turn *t, int32_t id, struct err *e)
{
    sampler_saw(t->m->sampler, id);
    t->usage.completion_tokens++;
    buf_clear(&t->piece);
    int rc = detokenizer_push(&t->detokenizer, id, &t->piece, e);
    if (rc == 0)
        rc = buf_check(&t->piece, "token", e);
    return rc ? rc : answer_add(&t->answer, buf_view(&t->piece), e);
}

static int decode(struct turn *t, struct err *e)
{
    struct wattle_model *m = t->m;
    for (;;) {
        int32_t id;
        int rc = sampler_next(m->sampler, m->logits, &id, e);
        if (rc)
            return rc;
        if (t->usage.first_token_ns == 0)
            t->usage.first_token_ns = clock_mono_ns() - t->began_ns;
        if (model_text_is_end(m->text, id)) {
            t->finish = WATTLE_FINISH_STOP;
            return 0;
        }
        rc = take_token(t, id, e);
        if (rc)
            return rc;
        if (t->answer.stopped) {
            t->finish = WATTLE_FINISH_STOP;
            return 0;
        }
        if (t->usage.completion_tokens == t->room) {
            t->finish = WATTLE_FINISH_LENGTH;
            return 0;
        }
        rc = forward_ids(t, &id, 1, true, e);
        if (rc)
            return rc;
    }
}

static int finish_text(struct turn *t, struct err *e)
{
    buf_clear(&t->piece);
    detokenizer_finish(&t->detokenizer, &t->piece);
    int rc = buf_check(&t->piece, "token", e);
    if (rc == 0)
        rc = answer_add(&t->answer, buf_view(&t->piece), e);
    if (rc == 0)
        answer_finish(&t->answer);
    return rc;
}

static int generate(struct turn *t, struct err *e)
{
    struct sampler_options o = sampling_of(t->m, t->r);
    sampler_begin(t->m->sampler, &o);
    int rc = prefill(t, e);
    if (rc)
        return rc;
    for (size_t i = 0; i < t->prompt->ids.n; i++)
        sampler_saw(t->m->sampler, t->prompt->ids.ids[i]);
    rc = decode(t, e);
    if (rc == 0)
        rc = finish_text(t, e);
    if (rc)
        return rc;
    struct wattle_usage *u = &t->usage;
    u->total_ns = clock_mono_ns() - t->began_ns;
    u->decode_ns = u->total_ns - u->prefill_ns;
    u->multiply_adds = t->work.multiply_adds;
    u->bytes_read = t->work.bytes_read;
    u->kv_bytes = (uint64_t)kv_length(t->m->kv) * t->m->kv_bytes_per_position;
    u->scratch_bytes = t->m->info.scratch_bytes;
    u->threads = t->m->info.threads;
    return 0;
}

static int take_result(struct turn *t, struct wattle_result *result, struct err *e)
{
    struct wattle_result r = {
        .text_bytes = t->answer.text.n,
        .text_characters = utf8_length(buf_view(&t->answer.text)),
        .prompt_characters = t->prompt->characters,
        .finish = t->finish,
        .usage = t->usage,
    };
    r.text = t->answer.text.n ? buf_steal(&t->answer.text) : calloc(1, 1);
    if (!r.text)
        return err_set(e, ERR_NOMEM, "no memory for the answer");
    *result = r;
    return 0;
}

static void turn_init(struct turn *t, struct wattle_model *m, const struct wattle_request *r,
                      const struct prompt *prompt, int32_t room)
{
    *t = (struct turn){.m = m, .r = r, .prompt = prompt, .room = room};
    detokenizer_init(&t->detokenizer, m->prompt_maker.tokenizer, true);
    buf_init(&t->piece, BYTES_A_TOKEN_MAX * 4);
    answer_init(&t->answer, (size_t)room * BYTES_A_TOKEN_MAX, r->on_text, r->context);
    for (size_t i = 0; i < r->n_stop; i++)
        answer_stop_at(&t->answer, span_str(r->stop[i]));
    if (r->messages && !m->prompt_maker.template)
        answer_stop_at(&t->answer, span_str(PROMPT_PLAIN_STOP));
}

static void turn_release(struct turn *t)
{
    detokenizer_release(&t->detokenizer);
    buf_release(&t->piece);
    answer_release(&t->answer);
}

static int run_request(struct wattle_model *m, const struct wattle_request *r,
                       struct wattle_result *result, struct err *e)
{
    int rc = check_request(m, r, e);
    if (rc)
        return rc;
    struct prompt prompt = {.characters = 0};
    struct prompt_limit limit = limit_of(m, r);
    int32_t room = 0;
    rc = make_prompt(m, r, &limit, &prompt, e);
    if (rc)
        return rc;
    struct turn t;
    uint64_t queued = clock_mono_ns();
    rc = room_for_answer(r, &limit, prompt.ids.n, &room, e);
    if (rc == 0)
        rc = queue_enter(&m->queue, r->keep_going, r->context, e);
    if (rc)
        goto done;
    turn_init(&t, m, r, &prompt, room);
    t.usage.queue_ns = clock_mono_ns() - queued;
    if (r->on_start)
        r->on_start(r->context);
    t.began_ns = clock_mono_ns();
    rc = generate(&t, e);
    queue_leave(&m->queue);
    if (rc == 0)
        rc = take_result(&t, result, e);
    turn_release(&t);
done:
    prompt_release(&prompt);
    return rc;
}

int wattle_generate(struct wattle_model *model, const struct wattle_request *request,
                    struct wattle_result *result, char *error, size_t error_size)
{
    struct err e = {""};
    *result = (struct wattle_result){.text = NULL};
    int rc = run_request(model, request, result, &e);
    return rc ? handle_error(&e, rc, error, error_size) : 0;
}

void wattle_result_release(struct wattle_result *result)
{
    free(result->text);
    *result = (struct wattle_result){.text = NULL};
}

int wattle_count_tokens(struct wattle_model *model, const struct wattle_request *request,
                        int32_t *out, char *error, size_t error_size)
{
    struct err e = {""};
    struct prompt prompt = {.characters = 0};
    int rc = make_prompt(model, request, NULL, &prompt, &e);
    if (rc)
        return handle_error(&e, rc, error, error_size);
    *out = (int32_t)prompt.ids.n; /* at most the text's bytes, 16 Mi, and one */
    prompt_release(&prompt);
    return 0;
}
