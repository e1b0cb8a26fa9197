/* SPDX-License-Identifier: MIT */
/* A conversation goes through the model's template (or the plain form), with the markup in its
 * contents marked as data (markup.h), then through the tokenizer. BOS comes exactly once: it is put
 * before the ids when the vocabulary wants it and the template's text did not bring it. EOS is
 * never added: the answer is what ends. */
#include "engine/prompt.h"

#include <string.h>

enum {
    MESSAGES_MAX = 4096,
    TEXT_BYTES_MAX = 16 << 20,      /* what tokenizer_encode takes */
    RENDERED_BYTES_MAX = 32 << 20,  /* the same with marks */
    JSON_BYTES_MAX = 6 * (16 << 20) /* \u00XX for each byte */
};

int prompt_maker_init(struct prompt_maker *m, const struct tokenizer *tokenizer,
                      const struct template *template, struct err *e)
{
    *m = (struct prompt_maker){.tokenizer = tokenizer, .template = template};
    int rc = markup_open(&m->markup, tokenizer, e);
    if (rc)
        return rc;
    struct token_list nothing = {NULL, 0, 0};
    struct encode_options o = {.add_special = true};
    rc = tokenizer_encode(tokenizer, span_str(""), &o, &nothing, e);
    m->adds_bos = rc == 0 && nothing.n > 0 && nothing.ids[0] == tokenizer_bos(tokenizer);
    token_list_release(&nothing);
    if (rc)
        prompt_maker_release(m);
    return rc;
}

void prompt_maker_release(struct prompt_maker *m)
{
    markup_close(&m->markup);
}

void prompt_release(struct prompt *p)
{
    token_list_release(&p->ids);
    p->characters = 0;
}

static bool role_is_known(const char *role)
{
    static const char *const known[] = {"system", "user", "assistant", "tool"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(role, known[i]) == 0)
            return true;
    return false;
}

static int check_messages(const struct wattle_request *r, struct err *e)
{
    if (r->n_messages == 0 || r->n_messages > MESSAGES_MAX)
        return err_set(e, ERR_USAGE, "request: n_messages: %zu, expected 1 to %d", r->n_messages,
                       MESSAGES_MAX);
    size_t bytes = 0;
    for (size_t i = 0; i < r->n_messages; i++) {
        const struct wattle_message *m = &r->messages[i];
        if (!m->role || !role_is_known(m->role))
            return err_set(e, ERR_USAGE,
                           "request: message %zu: role: '%.40s', expected system, user, assistant "
                           "or tool",
                           i + 1, m->role ? m->role : "");
        if (!m->content || !utf8_valid(span_str(m->content)))
            return err_set(e, ERR_FORMAT, "request: message %zu: content: expected UTF-8 text",
                           i + 1);
        bytes += strlen(m->content);
        if (bytes > TEXT_BYTES_MAX)
            return err_set(e, ERR_LIMIT, "request: messages: more than %d bytes",
                           (int)TEXT_BYTES_MAX);
    }
    return 0;
}

static void write_message(struct json_writer *w, const char *role, struct span content)
{
    json_write_object(w);
    json_put_str(w, "role", role);
    json_put_span(w, "content", content);
    json_write_object_end(w);
}

/* The contents as the template sees them. */
struct conversation {
    const struct wattle_message *messages;
    struct buf *contents; /* [n], marked */
    size_t n;
};

static bool has_system(const struct conversation *c)
{
    return c->n > 1 && strcmp(c->messages[0].role, "system") == 0 &&
           strcmp(c->messages[1].role, "user") == 0;
}

/* merged: the system text is the beginning of the first user turn. */
static int conversation_json(const struct conversation *c, bool merged, struct json **out,
                             struct err *e)
{
    struct buf text, first;
    buf_init(&text, JSON_BYTES_MAX);
    buf_init(&first, RENDERED_BYTES_MAX);
    struct json_writer w;
    json_write_init(&w, &text, 0);
    json_write_array(&w);
    size_t i = 0;
    if (merged) {
        buf_span(&first, buf_view(&c->contents[0]));
        buf_str(&first, "\n\n");
        buf_span(&first, buf_view(&c->contents[1]));
        write_message(&w, "user", buf_view(&first));
        i = 2;
    }
    for (; i < c->n; i++)
        write_message(&w, c->messages[i].role, buf_view(&c->contents[i]));
    json_write_array_end(&w);
    int rc = buf_check(&first, "messages", e);
    if (rc == 0)
        rc = buf_check(&text, "messages", e);
    if (rc == 0)
        rc = json_parse(out, buf_view(&text), JSON_BYTES_MAX, "messages", e);
    buf_release(&first);
    buf_release(&text);
    return rc;
}

static struct span special_text(const struct tokenizer *t, int32_t id)
{
    return id < 0 ? (struct span){NULL, 0} : tokenizer_special_text(t, id);
}

static int render(const struct prompt_maker *m, const struct conversation *c, bool merged,
                  struct buf *out, struct err *e)
{
    struct json *messages = NULL;
    int rc = conversation_json(c, merged, &messages, e);
    if (rc)
        return rc;
    struct template_input in = {
        .messages = messages,
        .add_generation_prompt = true,
        .bos_token = special_text(m->tokenizer, tokenizer_bos(m->tokenizer)),
        .eos_token = special_text(m->tokenizer, tokenizer_eos(m->tokenizer)),
        /* UTC: the time zone's rules are an environment variable and files, which are not ours. */
        .now_seconds = (int64_t)(clock_utc_us() / 1000000),
    };
    rc = template_render(m->template, &in, out, e);
    if (rc == 0)
        rc = buf_check(out, "rendered prompt", e);
    json_close(&messages);
    return rc;
}

/* Some templates refuse a system message: theirs was never trained on. Then it goes where the
 * publishers put it, before the first user text. */
static int render_chat(const struct prompt_maker *m, const struct conversation *c, struct buf *out,
                       struct err *e)
{
    int rc = render(m, c, false, out, e);
    if (rc == 0 || rc == ERR_NOMEM || !has_system(c))
        return rc;
    buf_clear(out);
    struct err ignored; /* the first complaint is the one that fits what the caller wrote */
    return render(m, c, true, out, &ignored) == 0 ? 0 : rc;
}

static void render_plain(const struct conversation *c, struct buf *out)
{
    for (size_t i = 0; i < c->n; i++) {
        const char *role = c->messages[i].role;
        if (strcmp(role, "user") == 0)
            buf_str(out, "User: ");
        else if (strcmp(role, "assistant") == 0)
            buf_str(out, "Assistant: ");
        buf_span(out, buf_view(&c->contents[i]));
        buf_str(out, "\n\n");
    }
    buf_str(out, "Assistant:");
}

static int mark_contents(const struct prompt_maker *m, const struct wattle_request *r,
                         struct conversation *c, struct mark *mark, struct arena *arena,
                         struct err *e)
{
    struct span *texts = arena_array(arena, r->n_messages, sizeof *texts);
    c->contents = arena_array(arena, r->n_messages, sizeof *c->contents);
    if (!texts || !c->contents)
        return err_set(e, ERR_NOMEM, "no memory for %zu messages", r->n_messages);
    c->messages = r->messages;
    c->n = r->n_messages;
    for (size_t i = 0; i < c->n; i++) {
        texts[i] = span_str(r->messages[i].content);
        buf_init(&c->contents[i], RENDERED_BYTES_MAX);
    }
    int rc = markup_choose(mark, texts, c->n, e);
    for (size_t i = 0; rc == 0 && i < c->n; i++) {
        markup_add(m->markup, *mark, texts[i], &c->contents[i]);
        rc = buf_check(&c->contents[i], "message", e);
    }
    return rc;
}

static int chat_text(const struct prompt_maker *m, const struct wattle_request *r, struct buf *text,
                     struct break_list *breaks, struct err *e)
{
    int rc = check_messages(r, e);
    if (rc)
        return rc;
    struct arena arena;
    arena_init(&arena, (MESSAGES_MAX + 1) * (sizeof(struct span) + sizeof(struct buf)) + 4096);
    struct conversation c = {.n = 0};
    struct mark mark;
    rc = mark_contents(m, r, &c, &mark, &arena, e);
    if (rc == 0 && m->template)
        rc = render_chat(m, &c, text, e);
    else if (rc == 0)
        render_plain(&c, text);
    if (rc == 0)
        rc = buf_check(text, "prompt", e);
    if (rc == 0)
        rc = markup_strip(mark, text, breaks, e);
    for (size_t i = 0; i < c.n; i++)
        buf_release(&c.contents[i]);
    arena_release(&arena);
    return rc;
}

static int raw_text(const struct wattle_request *r, struct buf *text, struct err *e)
{
    if (!r->prompt)
        return err_set(e, ERR_USAGE, "request: expected messages or a prompt, both are NULL");
    if (!utf8_valid(span_str(r->prompt)))
        return err_set(e, ERR_FORMAT, "request: prompt: expected UTF-8 text");
    buf_str(text, r->prompt);
    return buf_check(text, "request: prompt", e);
}

static int put_bos_first(const struct prompt_maker *m, struct token_list *ids, struct err *e)
{
    int32_t bos = tokenizer_bos(m->tokenizer);
    if (!m->adds_bos || (ids->n > 0 && ids->ids[0] == bos))
        return 0;
    int rc = token_list_push(ids, bos, e);
    if (rc)
        return rc;
    memmove(ids->ids + 1, ids->ids, (ids->n - 1) * sizeof *ids->ids);
    ids->ids[0] = bos;
    return 0;
}

int prompt_limit_check(const struct prompt_limit *limit, size_t n, bool at_least, struct err *e)
{
    if (n < limit->tokens)
        return 0;
    bool exactly = n == limit->tokens && !at_least;
    return err_set(e, ERR_LIMIT, "prompt has %s%zu %s, %s is %zu%s", at_least ? "at least " : "", n,
                   plural(n, "token", "tokens"), limit->name, limit->tokens,
                   exactly ? ": no room for an answer" : "");
}

static bool is_blank(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] > ' ')
            return false;
    return true;
}

/* An answer to nothing would be about nothing. Only a raw prompt may be BOS alone: it was asked
 * for. */
static int check_not_empty(const struct prompt_maker *m, const struct wattle_request *r,
                           struct span text, const struct token_list *ids, struct err *e)
{
    bool none = ids->n == 0 || (ids->n == 1 && ids->ids[0] == tokenizer_bos(m->tokenizer));
    if (r->messages && (none || is_blank(text)))
        return err_set(e, ERR_FORMAT,
                       "chat template: the prompt it makes is empty (%zu bytes, %zu tokens), "
                       "expected the messages' text",
                       text.n, ids->n);
    if (ids->n == 0)
        return err_set(e, ERR_USAGE, "request: prompt: no tokens, expected some text");
    return 0;
}

int prompt_make(const struct prompt_maker *m, const struct wattle_request *request,
                const struct prompt_limit *limit, struct prompt *out, struct err *e)
{
    struct prompt p = {.characters = 0};
    struct break_list breaks = {NULL, 0, 0};
    struct buf text;
    buf_init(&text, RENDERED_BYTES_MAX);
    int rc =
        request->messages ? chat_text(m, request, &text, &breaks, e) : raw_text(request, &text, e);
    if (rc)
        goto done;
    struct encode_options o = {
        /* The plain form has no markup of its own. */
        .parse_special = !request->messages || m->template,
        .breaks = breaks.at,
        .n_breaks = breaks.n,
    };
    if (limit)
        rc = prompt_limit_check(limit, tokenizer_least(m->tokenizer, buf_view(&text)), true, e);
    if (rc == 0)
        rc = tokenizer_encode(m->tokenizer, buf_view(&text), &o, &p.ids, e);
    if (rc == 0)
        rc = put_bos_first(m, &p.ids, e);
    if (rc == 0)
        rc = check_not_empty(m, request, buf_view(&text), &p.ids, e);
    if (rc)
        goto done;
    p.characters = utf8_length(buf_view(&text));
    *out = p;
    p = (struct prompt){.characters = 0};
done:
    prompt_release(&p);
    break_list_release(&breaks);
    buf_release(&text);
    return rc;
}
