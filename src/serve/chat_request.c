/* SPDX-License-Identifier: MIT */
/* Reads what we know of OpenAI's chat completion and refuses, by name, what would change the answer
 * and is not ours: silently another answer would be worse than none. Members that concern only
 * their service (user, store, metadata, …) are passed over. */
#include "serve/chat_request.h"

#include <stdlib.h>

static int wrong(struct err *e, const char *member, const char *expected)
{
    return err_set(e, ERR_USAGE, "%s: expected %s", member, expected);
}

/* ---- numbers ---- */

static int read_float(const struct json *v, const char *member, double min, double max, float *out,
                      struct err *e)
{
    const struct json *m = json_get(v, member);
    double x = json_number(m);
    if (json_type_of(m) == JSON_NULL)
        return 0;
    if (!json_is_number(m) || !(x >= min && x <= max))
        return err_set(e, ERR_USAGE, "%s: expected a number from %g to %g", member, min, max);
    *out = (float)x;
    return 0;
}

static int read_count(const struct json *v, const char *member, int32_t min, int32_t *out,
                      struct err *e)
{
    const struct json *m = json_get(v, member);
    int64_t x = json_int(m);
    if (json_type_of(m) == JSON_NULL)
        return 0;
    if (json_type_of(m) != JSON_INT || x < min || x > INT32_MAX)
        return err_set(e, ERR_USAGE, "%s: expected a whole number from %d", member, min);
    *out = (int32_t)x;
    return 0;
}

static int read_numbers(struct wattle_request *q, const struct json *v, struct err *e)
{
    int32_t most = 0;
    int rc = read_float(v, "temperature", 0, 100, &q->sampling.temperature, e);
    if (!rc)
        rc = read_float(v, "top_p", 0, 1, &q->sampling.top_p, e);
    if (!rc)
        rc = read_float(v, "min_p", 0, 1, &q->sampling.min_p, e);
    if (!rc)
        rc = read_float(v, "repetition_penalty", 0.01, 10, &q->sampling.repetition_penalty, e);
    if (!rc)
        rc = read_count(v, "top_k", 0, &q->sampling.top_k, e);
    if (!rc)
        rc = read_count(v, "max_tokens", 1, &most, e);
    if (!rc)
        rc = read_count(v, "max_completion_tokens", 1, &most, e); /* the newer name */
    if (!rc)
        rc = read_count(v, "max_length", 1, &q->max_length, e); /* ours: with the prompt */
    if (most)
        q->max_new_tokens = most;
    const struct json *seed = json_get(v, "seed");
    if (!rc && json_type_of(seed) != JSON_NULL) {
        if (json_type_of(seed) != JSON_INT)
            return wrong(e, "seed", "a whole number");
        q->seed = (uint64_t)json_int(seed);
    }
    return rc;
}

/* ---- texts ---- */

static int read_stops(struct chat_request *r, const struct json *v, struct err *e)
{
    const struct json *m = json_get(v, "stop");
    bool list = json_type_of(m) == JSON_ARRAY;
    size_t n = list ? json_size(m) : json_type_of(m) != JSON_NULL;
    if (n > CHAT_STOPS_MAX)
        return err_set(e, ERR_USAGE, "stop: %zu texts, expected at most %d", n, CHAT_STOPS_MAX);
    if (n)
        r->request.n_stop = 0;
    for (size_t i = 0; i < n; i++) {
        struct span s = json_string(list ? json_at(m, i) : m);
        if (s.n == 0 || s.n > 256)
            return wrong(e, "stop", "texts of 1 to 256 bytes");
        r->stops[r->request.n_stop++] = (const char *)s.p;
    }
    if (n)
        r->request.stop = r->stops;
    return 0;
}

/* A content in parts: where its text begins in texts. */
static int join_parts(struct chat_request *r, const struct json *parts, size_t *at, struct err *e)
{
    *at = r->texts.n;
    for (size_t i = 0; i < json_size(parts); i++) {
        const struct json *part = json_at(parts, i);
        if (!span_is(json_string(json_get(part, "type")), "text"))
            return wrong(e, "messages: content: type", "\"text\"");
        buf_span(&r->texts, json_string(json_get(part, "text")));
    }
    buf_char(&r->texts, '\0');
    return buf_check(&r->texts, "messages", e);
}

static int read_messages(struct chat_request *r, const struct json *v, struct err *e)
{
    const struct json *list = json_get(v, "messages");
    size_t n = json_size(list), starts[CHAT_MESSAGES_MAX];
    if (json_type_of(list) != JSON_ARRAY || n == 0 || n > CHAT_MESSAGES_MAX)
        return err_set(e, ERR_USAGE, "messages: expected an array of 1 to %d", CHAT_MESSAGES_MAX);
    r->messages = calloc(n, sizeof *r->messages);
    if (!r->messages)
        return err_set(e, ERR_NOMEM, "no memory for %zu messages", n);
    for (size_t i = 0; i < n; i++) {
        const struct json *m = json_at(list, i), *content = json_get(m, "content");
        struct span role = json_string(json_get(m, "role"));
        if (!span_is(role, "system") && !span_is(role, "user") && !span_is(role, "assistant") &&
            !span_is(role, "tool"))
            return wrong(e, "messages: role", "system, user, assistant or tool");
        r->messages[i].role = (const char *)role.p;
        if (json_type_of(content) == JSON_STRING) {
            r->messages[i].content = (const char *)json_string(content).p;
        } else if (json_type_of(content) == JSON_ARRAY) {
            int rc = join_parts(r, content, &starts[i], e);
            if (rc)
                return rc;
        } else {
            return wrong(e, "messages: content", "a text or parts of text");
        }
    }
    for (size_t i = 0; i < n; i++) /* now that texts moves no more */
        if (!r->messages[i].content)
            r->messages[i].content = r->texts.p + starts[i];
    r->request.messages = r->messages;
    r->request.n_messages = n;
    return 0;
}

/* ---- what is not ours ---- */

static int refuse_others(const struct json *v, struct err *e)
{
    static const char *const others[] = {
        "tools",      "functions",        "response_format",  "logit_bias",
        "logprobs",   "top_logprobs",     "modalities",       "audio",
        "prediction", "presence_penalty", "frequency_penalty"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const struct json *m = json_get(v, others[i]);
        bool empty = json_type_of(m) == JSON_NULL ||
                     (json_type_of(m) == JSON_BOOL && !json_bool(m)) ||
                     (json_is_number(m) && json_number(m) == 0) ||
                     span_is(json_string(json_get(m, "type")), "text") ||
                     ((json_type_of(m) == JSON_ARRAY || json_type_of(m) == JSON_OBJECT) &&
                      json_size(m) == 0);
        if (!empty)
            return err_set(e, ERR_USAGE, "%s: not supported", others[i]);
    }
    if (json_bool(json_get(v, "stream")))
        return err_set(e, ERR_USAGE, "stream: not supported, expected false");
    const struct json *n = json_get(v, "n");
    return json_type_of(n) == JSON_NULL || json_int(n) == 1
               ? 0
               : err_set(e, ERR_USAGE, "n: not supported, expected 1");
}

int chat_request_read(struct chat_request *r, struct span body,
                      const struct wattle_request *defaults, struct err *e)
{
    *r = (struct chat_request){.request = *defaults};
    buf_init(&r->texts, CHAT_BODY_MAX);
    int rc = json_parse(&r->doc, body, CHAT_BODY_MAX, "body", e);
    if (rc)
        return rc;
    if (json_type_of(r->doc) != JSON_OBJECT)
        return err_set(e, ERR_USAGE, "body: %s, expected an object",
                       json_type_name(json_type_of(r->doc)));
    rc = refuse_others(r->doc, e);
    if (!rc)
        rc = read_numbers(&r->request, r->doc, e);
    if (!rc)
        rc = read_stops(r, r->doc, e);
    return rc ? rc : read_messages(r, r->doc, e);
}

void chat_request_release(struct chat_request *r)
{
    free(r->messages);
    buf_release(&r->texts);
    if (r->doc)
        json_close(&r->doc);
}
