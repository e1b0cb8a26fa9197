/* SPDX-License-Identifier: MIT */
/* Opens a vocabulary, and encodes: added tokens are found first, what lies between them goes to BPE
 * or SentencePiece. A tokenizer does not change once it is open; what a call needs is its own. */
#include "text/pipeline.h"
#include "text/sentencepiece.h"
#include "text/tokenizer_parts.h"
#include "text/unicode.h"

#include <stdlib.h>

#define MAX_TOKENS ((size_t)4 << 20)
#define MAX_TEXT   ((size_t)16 << 20)

enum { UNIGRAM_JSON_MAX = 512 << 20 };

/* ---- lists ---- */

void token_list_release(struct token_list *l)
{
    free(l->ids);
    *l = (struct token_list){0};
}

int token_list_reserve(struct token_list *l, size_t n, struct err *e)
{
    if (n <= l->cap - l->n)
        return 0;
    size_t need;
    size_t bytes;
    if (!size_add(l->n, n, &need) || !size_add(need, need / 2 + 64, &need) ||
        !size_mul(need, sizeof(*l->ids), &bytes))
        return err_set(e, ERR_LIMIT, "tokens: %zu more are too many", n);
    int32_t *ids = realloc(l->ids, bytes);
    if (!ids)
        return err_set(e, ERR_NOMEM, "tokens: no memory for %zu", need);
    l->ids = ids;
    l->cap = need;
    return 0;
}

int token_list_push(struct token_list *l, int32_t id, struct err *e)
{
    int rc = token_list_reserve(l, 1, e);
    if (!rc)
        l->ids[l->n++] = id;
    return rc;
}

int token_list_repeat(struct token_list *l, size_t from, size_t n, struct err *e)
{
    int rc = token_list_reserve(l, n, e);
    if (rc)
        return rc;
    if (n)
        memcpy(l->ids + l->n, l->ids + from, n * sizeof(*l->ids));
    l->n += n;
    return 0;
}

/* ---- kinds of tokens ---- */

enum token_type token_type_of(const struct tokenizer *t, int32_t id)
{
    return t->v.types ? (enum token_type)t->v.types[id] : TOKEN_NORMAL;
}

bool token_is_control(const struct tokenizer *t, int32_t id)
{
    enum token_type type = token_type_of(t, id);
    /* Padding of some vocabularies is of the unknown type too; it has no spelling of its own. */
    return type == TOKEN_CONTROL || (type == TOKEN_UNKNOWN && id == t->v.unk);
}

int32_t tokenizer_find(const struct tokenizer *t, struct span text)
{
    return t->pipeline ? pipeline_find(t->pipeline, text) : vocab_index_find(&t->index, text);
}

size_t tokenizer_size(const struct tokenizer *t)
{
    return t->v.n;
}

int32_t tokenizer_bos(const struct tokenizer *t)
{
    return t->v.bos;
}

int32_t tokenizer_eos(const struct tokenizer *t)
{
    return t->v.eos;
}

bool tokenizer_is_end(const struct tokenizer *t, int32_t id)
{
    static const char *const ends[] = {
        "</s>",
        "<eos>",
        "<|im_end|>",
        "<|eot_id|>",
        "<|eom_id|>",
        "<|end_of_text|>",
        "<|endoftext|>",
        "<end_of_turn>",
        "<|end|>",
        "<|eot|>",
        "<|EOT|>",
        "<|end_of_turn|>",
        "<|endofturn|>",
        "[|endofturn|]",
        "<|END_OF_TURN_TOKEN|>",
        "<|return|>",
        "<EOT>",
        "<_EOT>",
        "<end_of_utterance>",
        "<｜end▁of▁sentence｜>",
    };
    if (id < 0 || (size_t)id >= t->v.n)
        return false;
    if (id == t->v.eos)
        return true;
    if (!token_is_control(t, id))
        return false;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (span_is(t->v.tokens[id], ends[i]))
            return true;
    return false;
}

struct span tokenizer_special_text(const struct tokenizer *t, int32_t id)
{
    if (id < 0 || (size_t)id >= t->v.n)
        return (struct span){NULL, 0};
    if (!token_is_control(t, id) && token_type_of(t, id) != TOKEN_USER_DEFINED)
        return (struct span){NULL, 0};
    return t->v.tokens[id];
}

/* ---- open ---- */

static int check_id(const char *what, int32_t id, size_t n, struct err *e)
{
    if (id >= -1 && (id < 0 || (size_t)id < n))
        return 0;
    return err_set(e, ERR_FORMAT, "vocabulary: %s: token %d, expected 0 to %zu", what, id, n - 1);
}

static int check_vocab(const struct vocab *v, struct err *e)
{
    if (v->n < 1 || v->n > MAX_TOKENS)
        return err_set(e, ERR_FORMAT, "vocabulary: %zu tokens, expected 1 to %zu", v->n,
                       MAX_TOKENS);
    if (v->n_merges > MAX_TOKENS)
        return err_set(e, ERR_FORMAT, "vocabulary: %zu merges, expected at most %zu", v->n_merges,
                       MAX_TOKENS);
    int rc = check_id("beginning of text", v->bos, v->n, e);
    if (!rc)
        rc = check_id("end of text", v->eos, v->n, e);
    if (!rc)
        rc = check_id("unknown", v->unk, v->n, e);
    for (size_t i = 0; v->types && i < v->n && !rc; i++)
        if (v->types[i] < TOKEN_NORMAL || v->types[i] > TOKEN_BYTE)
            rc = err_set(e, ERR_FORMAT, "vocabulary: token %zu: type %d, expected %d to %d", i,
                         v->types[i], TOKEN_NORMAL, TOKEN_BYTE);
    return rc;
}

static int index_tokens(struct tokenizer *t, struct err *e)
{
    int rc = vocab_index_init(&t->index, t->v.tokens, t->v.n, e);
    for (size_t i = 0; i < t->v.n && !rc; i++) {
        if (t->v.tokens[i].n == 0)
            continue; /* padding: stands for nothing */
        int32_t same = vocab_index_add(&t->index, (int32_t)i);
        if (same >= 0)
            rc = err_set(e, ERR_FORMAT, "vocabulary: token %zu: '%.*s' is token %d already", i,
                         SPAN_FMT(t->v.tokens[i]), same);
    }
    return rc;
}

/* Whether the token is found in texts by its spelling. One that is no UTF-8 is not: it could match
 * the inside of a character and leave two halves. */
static bool is_added(const struct tokenizer *t, size_t id)
{
    struct span text = tokenizer_special_text(t, (int32_t)id);
    return text.n > 0 && utf8_valid(text);
}

static int gather_added(struct tokenizer *t, struct err *e)
{
    size_t n = 0;
    for (size_t i = 0; i < t->v.n; i++) {
        n += is_added(t, i);
        if (is_added(t, i) && t->v.tokens[i].n > ADDED_MAX_BYTES)
            return err_set(
                e, ERR_UNSUPPORTED,
                "vocabulary: token %zu: an added token of %zu bytes, expected at most %d", i,
                t->v.tokens[i].n, ADDED_MAX_BYTES);
    }
    struct added_token *tokens = calloc(n ? n : 1, sizeof(*tokens));
    if (!tokens)
        return err_set(e, ERR_NOMEM, "vocabulary: no memory for %zu added tokens", n);
    size_t k = 0;
    for (size_t i = 0; i < t->v.n; i++)
        if (is_added(t, i))
            tokens[k++] = (struct added_token){.text = t->v.tokens[i],
                                               .id = (int32_t)i,
                                               .control = token_is_control(t, (int32_t)i)};
    added_init(&t->added, tokens, n);
    return 0;
}

/* Unigram out of GGUF takes the way of a tokenizer.json. */
static int open_unigram(struct tokenizer *t, struct err *e)
{
    struct buf json;
    buf_init(&json, UNIGRAM_JSON_MAX);
    int rc = sentencepiece_json_of_vocab(&t->v, &json, e);
    if (!rc)
        rc = pipeline_from_json(&t->pipeline, buf_view(&json), "vocabulary", NULL, e);
    buf_release(&json);
    if (rc)
        return rc;
    t->v.n = t->pipeline->n;
    t->v.tokens = t->pipeline->tokens;
    t->v.types = t->pipeline->types;
    least_init_pipeline(t);
    return 0;
}

int tokenizer_open(struct tokenizer **out, const struct vocab *v, struct err *e)
{
    int rc = check_vocab(v, e);
    if (rc)
        return rc;
    struct tokenizer *t = calloc(1, sizeof(*t));
    if (!t)
        return err_set(e, ERR_NOMEM, "vocabulary: no memory");
    t->v = *v;
    if (v->kind == VOCAB_UNIGRAM) {
        rc = open_unigram(t, e);
    } else {
        rc = index_tokens(t, e);
        if (!rc)
            rc = gather_added(t, e);
        if (!rc)
            rc = v->kind == VOCAB_BPE ? bpe_open(t, e) : spm_open(t, e);
        if (!rc)
            least_init(t);
    }
    if (rc) {
        tokenizer_close(&t);
        return rc;
    }
    *out = t;
    return 0;
}

void tokenizer_close(struct tokenizer **t)
{
    if (!*t)
        return;
    vocab_index_release(&(*t)->index);
    added_release(&(*t)->added);
    bpe_close(*t);
    pipeline_close(&(*t)->pipeline);
    free(*t);
    *t = NULL;
}

/* ---- encode ---- */

struct cached_word *word_cache_slot(const struct word_cache *c, struct span word)
{
    uint64_t h = span_hash(word);
    return &c->words[(h ^ h >> 32) & c->mask];
}

/* A text that is taken as it is, or its copy with U+FFFD for what is invalid, and the breaks where
 * they came to stand in it. */
struct clean_text {
    struct span text;
    const size_t *breaks;
    struct buf copy;
    size_t *moved;
};

static int clean_breaks(struct clean_text *c, struct span text, const struct encode_options *o,
                        struct err *e)
{
    c->moved = calloc(o->n_breaks ? o->n_breaks : 1, sizeof(*c->moved));
    if (!c->moved)
        return err_set(e, ERR_NOMEM, "text: no memory for %zu breaks", o->n_breaks);
    size_t at = 0;
    for (size_t b = 0; b < o->n_breaks; b++) {
        size_t to = o->breaks[b] < text.n ? o->breaks[b] : text.n;
        /* A character that a break cuts through is no character on either side. */
        if (to > at)
            utf8_append_lossy(&c->copy, span_sub(text, at, to - at));
        c->moved[b] = c->copy.n;
        at = to > at ? to : at;
    }
    utf8_append_lossy(&c->copy, span_sub(text, at, text.n - at));
    c->breaks = c->moved;
    c->text = buf_view(&c->copy);
    return buf_check(&c->copy, "text", e);
}

/* Whether the ids of a run of text are worth remembering word by word. */
static int open_cache(struct word_cache *cache, size_t text_bytes, struct err *e)
{
    size_t n = 256;
    while (n < text_bytes / 64 && n < 8192)
        n *= 2;
    cache->words = calloc(n, sizeof(*cache->words));
    cache->mask = n - 1;
    return cache->words ? 0 : err_set(e, ERR_NOMEM, "text: no memory for a table of words");
}

static int encode_plain(struct encoding *c, struct span text, struct err *e)
{
    if (text.n == 0)
        return 0;
    return c->t->v.kind == VOCAB_BPE ? bpe_encode(c, text, e) : spm_encode(c, text, e);
}

/* Bytes of white space at the front of text from `at` on. */
static size_t leading_space(struct span text, size_t at)
{
    size_t from = at;
    for (;;) {
        uint32_t cp;
        size_t length = utf8_decode(span_sub(text, at, 4), &cp);
        if (length == 0 || !unicode_is_space(cp))
            return at - from;
        at += length;
    }
}

static int encode_text(struct encoding *c, const struct clean_text *clean,
                       const struct encode_options *o, struct err *e)
{
    const struct tokenizer *t = c->t;
    struct span text = clean->text;
    struct added_match m;
    size_t next_break = 0;
    size_t from = 0;
    int rc = 0;
    while (!rc && added_find(&t->added, text, from, o->parse_special, clean->breaks, o->n_breaks,
                             &next_break, &m)) {
        rc = encode_plain(c, span_sub(text, from, m.from - from), e);
        if (!rc)
            rc = token_list_push(c->out, m.id, e);
        from = m.from + m.n;
        if (spm_token_eats_space(t, m.id))
            from += leading_space(text, from);
    }
    return rc ? rc : encode_plain(c, span_sub(text, from, text.n - from), e);
}

/* The same for a tokenizer of files. */
static int encode_pipeline(const struct pipeline *p, const struct clean_text *clean,
                           const struct encode_options *o, struct token_list *out, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; o->add_special && i < p->n_prefix && !rc; i++)
        rc = token_list_push(out, p->prefix[i], e);
    if (!rc)
        rc = pipeline_encode(p, clean->text, o, clean->breaks, out, e);
    for (size_t i = 0; o->add_special && i < p->n_suffix && !rc; i++)
        rc = token_list_push(out, p->suffix[i], e);
    return rc;
}

int tokenizer_encode(const struct tokenizer *t, struct span text, const struct encode_options *o,
                     struct token_list *out, struct err *e)
{
    if (text.n > MAX_TEXT)
        return err_set(e, ERR_LIMIT, "text: %zu bytes, expected at most %zu", text.n, MAX_TEXT);
    struct encoding c = {.t = t, .out = out};
    struct clean_text clean = {.text = text, .breaks = o->breaks};
    struct word_cache cache = {0};
    size_t began = out->n;
    int rc = 0;
    buf_init(&clean.copy, text.n * 3); /* a byte becomes at most the three of U+FFFD */
    if (!utf8_valid(text))
        rc = clean_breaks(&clean, text, o, e);
    if (t->pipeline) {
        rc = rc ? rc : encode_pipeline(t->pipeline, &clean, o, out, e);
        goto done;
    }
    if (!rc && t->pre)
        rc = pre_walk_open(&c.walk, t->pre, e);
    if (!rc && t->pre && text.n > 2048) { /* below it the table costs more than it saves */
        rc = open_cache(&cache, text.n, e);
        c.cache = &cache;
    }
    if (!rc && o->add_special && t->v.add_bos && t->v.bos >= 0)
        rc = token_list_push(out, t->v.bos, e);
    if (!rc)
        rc = encode_text(&c, &clean, o, e);
    if (!rc && o->add_special && t->v.add_eos && t->v.eos >= 0)
        rc = token_list_push(out, t->v.eos, e);
done:
    if (rc)
        out->n = began;
    pre_walk_close(&c.walk);
    merger_release(&c.merger);
    token_list_release(&c.symbols);
    free(cache.words);
    free(clean.moved);
    buf_release(&clean.copy);
    return rc;
}
