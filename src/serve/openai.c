/* SPDX-License-Identifier: MIT */
/* The engine's routes. Format: OpenAI's API reference; errors as theirs. */
#include "serve/openai.h"

#include "codec/codec.h"
#include "net/net.h"
#include "serve/chat.h"
#include "serve/chat_request.h"

#include <stdatomic.h>
#include <stdlib.h>

struct engine_server {
    struct chat *chat;
    struct http_server *http;
    const char *name;
    uint64_t created_s;
    atomic_bool stopping;
};

static bool keep_going(void *ctx)
{
    return !atomic_load(&((struct engine_server *)ctx)->stopping);
}

static void write_models(struct buf *out, const struct engine_server *s)
{
    struct json_writer w;
    json_write_init(&w, out, 0);
    json_write_object(&w);
    json_put_str(&w, "object", "list");
    json_put_array(&w, "data");
    json_write_object(&w);
    json_put_str(&w, "id", s->name);
    json_put_str(&w, "object", "model");
    json_put_u64(&w, "created", s->created_s);
    json_put_str(&w, "owned_by", "wattle");
    json_write_object_end(&w);
    json_write_array_end(&w);
    json_write_object_end(&w);
}

static int answer_get(struct engine_server *s, const struct http_visit *q, struct buf *body)
{
    if (span_is(q->path, "/health")) {
        buf_str(body, "{\"status\":\"ok\"}");
        return 200;
    }
    if (span_is(q->path, "/v1/models")) {
        write_models(body, s);
        return 200;
    }
    bool known = span_is(q->path, "/v1/chat/completions");
    chat_write_error(body, known ? 405 : 404,
                     known ? "method: expected POST"
                           : "no such path, expected /v1/models, "
                             "/v1/chat/completions or /health");
    return known ? 405 : 404;
}

static void answer(void *ctx, const struct http_visit *q, struct http_reply *r)
{
    struct engine_server *s = ctx;
    struct chat_caller caller = {keep_going, s};
    r->type = "application/json";
    if (q->post && span_is(q->path, "/v1/chat/completions")) {
        r->status = chat_complete(s->chat, q->body, &caller, &r->body);
        if (r->status == CHAT_CANCELLED)
            r->status = 503;
    } else if (q->post) {
        r->status = 404;
        chat_write_error(&r->body, 404, "no such path, expected /v1/chat/completions");
    } else {
        r->status = answer_get(s, q, &r->body);
    }
}

static bool is_open(void *ctx, struct span path)
{
    (void)ctx;
    return span_is(path, "/health");
}

int engine_server_open(struct engine_server **out, const struct engine_server_options *o,
                       struct err *e)
{
    struct engine_server *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_NOMEM, "no memory for the server");
    s->name = o->name;
    s->created_s = clock_utc_us() / 1000000;
    atomic_init(&s->stopping, false);
    int rc = chat_open(&s->chat,
                       &(struct chat_options){.model = o->model,
                                              .name = o->name,
                                              .meter = o->meter,
                                              .queue_max = o->queue_max,
                                              .request = o->request},
                       e);
    if (!rc)
        rc = http_server_open(&s->http,
                              &(struct http_server_options){.address = o->address,
                                                            .port = o->port,
                                                            .token = o->api_key,
                                                            .body_max = CHAT_BODY_MAX,
                                                            .slow = true,
                                                            .is_open = is_open,
                                                            .answer = answer,
                                                            .ctx = s},
                              e);
    if (rc == ERR_USAGE)
        err_wrap(e, rc, "SERVE_ADDRESS, LLM_API_KEY");
    if (rc) {
        engine_server_close(&s);
        return rc;
    }
    *out = s;
    return 0;
}

const char *engine_server_url(const struct engine_server *s)
{
    return http_server_url(s->http);
}

void engine_server_close(struct engine_server **s)
{
    if (!*s)
        return;
    atomic_store(&(*s)->stopping, true);
    http_server_close(&(*s)->http);
    chat_close(&(*s)->chat);
    free(*s);
    *s = NULL;
}
