/* SPDX-License-Identifier: MIT */
/* The model of tokenizer.json: BPE or Unigram, with the vocabulary. Its lists are walked. */
#include "text/library_number.h"
#include "text/pipeline.h"
#include "text/tokenizer_parts.h"

#include <math.h>
#include <stdlib.h>

enum {
    TOKENS_MAX = 4 << 20,
    MERGES_MAX = 4 << 20,
    SETTING_MAX = 1 << 16, /* bytes of a setting */
};

static const char blank[] = "\xe2\x96\x81"; /* U+2581 */

/* The model's members. */
struct members {
    struct span vocab, merges;
    struct span type, unk_token, unk_id, prefix, suffix, fuse_unk, byte_fallback, ignore_merges,
        dropout;
};

static int find_members(struct span json, struct members *m, struct err *e)
{
    const struct {
        const char *key;
        struct span *to;
    } rows[] = {
        {"\"vocab\"", &m->vocab},
        {"\"merges\"", &m->merges},
        {"\"type\"", &m->type},
        {"\"unk_token\"", &m->unk_token},
        {"\"unk_id\"", &m->unk_id},
        {"\"continuing_subword_prefix\"", &m->prefix},
        {"\"end_of_word_suffix\"", &m->suffix},
        {"\"fuse_unk\"", &m->fuse_unk},
        {"\"byte_fallback\"", &m->byte_fallback},
        {"\"ignore_merges\"", &m->ignore_merges},
        {"\"dropout\"", &m->dropout},
    };
    struct json_walk w;
    struct span key;
    struct span value;
    int got = json_walk_init(&w, json, JSON_OBJECT, "model", e);
    if (got)
        return got;
    while ((got = json_walk_next(&w, &key, &value, e)) > 0) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
            if (!span_is(key, rows[i].key))
                continue;
            if (rows[i].to->n)
                return err_set(e, ERR_FORMAT, "model: %s is there twice", rows[i].key);
            *rows[i].to = value;
        }
    }
    return got;
}

/* ---- settings ---- */

static int read_flag(struct span v, const char *name, bool *out, struct err *e)
{
    if (v.n == 0 || span_is(v, "null") || span_is(v, "false"))
        return 0;
    if (!span_is(v, "true"))
        return err_set(e, ERR_FORMAT, "model: %s: '%.*s', expected true or false", name,
                       SPAN_FMT(v));
    *out = true;
    return 0;
}

/* A string or null. */
static int read_text(struct pipeline *p, struct span v, const char *name, struct span *out,
                     struct err *e)
{
    const struct json *text;
    if (v.n == 0 || span_is(v, "null"))
        return 0;
    if (v.p[0] != '"')
        return err_set(e, ERR_FORMAT, "model: %s: '%.*s', expected a string", name, SPAN_FMT(v));
    int rc = pipeline_doc(p, v, name, &text, e);
    if (!rc)
        *out = json_string(text);
    return rc;
}

/* ---- texts ---- */

/* Appends what a string in quotes stands for. Most have no escapes, and need no second look. */
static int unquote(struct span quoted, const char *what, struct buf *scratch, struct span *out,
                   struct err *e)
{
    if (quoted.n >= 2 && quoted.p[0] == '"' && !span_find(quoted, '\\')) {
        bool plain = true;
        struct span inner = span_sub(quoted, 1, quoted.n - 2);
        for (size_t i = 0; i < inner.n && plain; i++)
            plain = inner.p[i] >= ' ';
        if (plain && utf8_valid(inner)) {
            *out = inner;
            return 0;
        }
    }
    buf_clear(scratch);
    int rc = json_unescape(quoted, scratch, what, e);
    *out = buf_view(scratch);
    return rc;
}

/* Copies a token's text behind those that have come; no text is longer than its quoted form. */
static struct span keep(struct pipeline *p, size_t *used, struct span text)
{
    struct span kept = {p->texts + *used, text.n};
    if (text.n)
        span_copy(p->texts + *used, text);
    *used += text.n;
    return kept;
}

/* Room for the texts of a vocabulary that takes so many bytes in the file. */
static int texts_open(struct pipeline *p, size_t bytes, struct err *e)
{
    p->texts = malloc(bytes + 1);
    return p->texts ? 0 : err_set(e, ERR_NOMEM, "model: vocab: no memory for %zu bytes", bytes);
}

static int reserve(struct pipeline *p, size_t *cap, size_t n, struct err *e)
{
    if (n <= *cap)
        return 0;
    size_t more = *cap * 2 > n ? *cap * 2 : n + 1024;
    struct span *tokens = realloc(p->model_tokens, more * sizeof(*tokens));
    if (!tokens)
        return err_set(e, ERR_NOMEM, "model: vocab: no memory for %zu tokens", more);
    memset(tokens + *cap, 0, (more - *cap) * sizeof(*tokens));
    p->model_tokens = tokens;
    *cap = more;
    return 0;
}

static int index_tokens(struct pipeline *p, bool repeats, struct err *e)
{
    if (p->n == 0)
        return err_set(e, ERR_FORMAT, "model: vocab: empty, expected tokens");
    int rc = vocab_index_init(&p->index, p->model_tokens, p->n, e);
    for (size_t i = 0; i < p->n && !rc; i++) {
        if (p->model_tokens[i].n == 0)
            continue;
        int32_t same = vocab_index_add(&p->index, (int32_t)i);
        if (same >= 0 && !repeats)
            rc = err_set(e, ERR_FORMAT, "model: vocab: '%.*s' is token %d and %zu",
                         SPAN_FMT(p->model_tokens[i]), same, i);
    }
    return rc;
}

/* ---- BPE ---- */

/* {"text": id}. An id without a text is a hole. */
static int read_vocab(struct pipeline *p, struct span json, struct buf *scratch, struct err *e)
{
    struct json_walk w;
    struct span key;
    struct span value;
    size_t cap = 0;
    size_t used = 0;
    int got = texts_open(p, json.n, e);
    if (!got)
        got = json_walk_init(&w, json, JSON_OBJECT, "model: vocab", e);
    while (got == 0 && (got = json_walk_next(&w, &key, &value, e)) > 0) {
        uint64_t id;
        struct span text;
        got = unquote(key, "model: vocab: a token", scratch, &text, e);
        if (got)
            return got;
        if (!num_parse_u64(value, &id) || id >= TOKENS_MAX)
            return err_set(e, ERR_FORMAT, "model: vocab: '%.*s': '%.*s', expected an id below %d",
                           SPAN_FMT(text), SPAN_FMT(value), TOKENS_MAX);
        got = reserve(p, &cap, (size_t)id + 1, e);
        if (got)
            return got;
        if (p->model_tokens[id].p)
            return err_set(e, ERR_FORMAT, "model: vocab: '%.*s': id %zu is '%.*s' already",
                           SPAN_FMT(text), (size_t)id, SPAN_FMT(p->model_tokens[id]));
        p->model_tokens[id] = keep(p, &used, text);
        p->n = id + 1 > p->n ? (size_t)id + 1 : p->n;
    }
    return got ? got : index_tokens(p, false, e);
}

/* "left right", or ["left", "right"]. */
static int read_merge(struct span v, size_t rank, struct buf scratch[2], struct span pair[2],
                      struct err *e)
{
    if (v.p[0] == '[') {
        struct json_walk w;
        struct span part;
        struct span more;
        int got = json_walk_init(&w, v, JSON_ARRAY, "model: merges", e);
        for (size_t i = 0; i < 2 && !got; i++) {
            got = json_walk_next(&w, NULL, &part, e);
            if (got > 0)
                got = unquote(part, "model: merges", &scratch[i], &pair[i], e);
            else if (got == 0)
                got =
                    err_set(e, ERR_FORMAT, "model: merges: merge %zu: '%.*s', expected two tokens",
                            rank, SPAN_FMT(v));
        }
        if (!got && (got = json_walk_next(&w, NULL, &more, e)) > 0)
            got = err_set(e, ERR_FORMAT, "model: merges: merge %zu: '%.*s', expected two tokens",
                          rank, SPAN_FMT(v));
        return got;
    }
    struct span text;
    int rc = unquote(v, "model: merges", &scratch[0], &text, e);
    if (rc)
        return rc;
    const uint8_t *at = span_find(text, ' ');
    size_t left = at ? (size_t)(at - text.p) : 0;
    if (!at || memchr(at + 1, ' ', text.n - left - 1))
        return err_set(e, ERR_FORMAT,
                       "model: merges: merge %zu: '%.*s', expected two tokens with a blank between",
                       rank, SPAN_FMT(text));
    pair[0] = span_sub(text, 0, left);
    pair[1] = span_sub(text, left + 1, SIZE_MAX);
    return 0;
}

/* Whether a blank stands behind something else in the two parts' text. */
static bool blank_inside(struct span left, struct span right)
{
    bool other = false;
    struct span parts[2] = {left, right};
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < parts[k].n; i++) {
            bool is_blank = i + 3 <= parts[k].n && memcmp(parts[k].p + i, blank, 3) == 0;
            if (is_blank && other)
                return true;
            if (is_blank)
                i += 2;
            else
                other = true;
        }
    }
    return false;
}

static int add_merge(struct pipeline *p, struct span left, struct span right, size_t rank,
                     struct err *e)
{
    struct bpe_model *m = &p->bpe;
    /* What continues a word loses its mark when it is joined. */
    if (m->prefix.n > right.n)
        return err_set(e, ERR_FORMAT,
                       "model: merges: merge %zu: '%.*s', expected it to begin with '%.*s'", rank,
                       SPAN_FMT(right), SPAN_FMT(m->prefix));
    int32_t a = vocab_index_find(&p->index, left);
    int32_t b = vocab_index_find(&p->index, right);
    int32_t both = vocab_index_find_joined(&p->index, left, span_sub(right, m->prefix.n, SIZE_MAX));
    if (a < 0 || b < 0 || both < 0) {
        const char *which = a < 0 ? "its left part" : b < 0 ? "its right part" : "its result";
        return err_set(e, ERR_FORMAT, "model: merges: merge %zu: '%.*s' and '%.*s': %s is no token",
                       rank, SPAN_FMT(left), SPAN_FMT(right), which);
    }
    pair_table_add(m->pairs, a, b, (struct merge){(uint32_t)rank, both});
    m->blanks_begin = m->blanks_begin && !blank_inside(left, right);
    return 0;
}

static int count_merges(struct span json, size_t *n, struct err *e)
{
    struct json_walk w;
    struct span value;
    int got = json_walk_init(&w, json, JSON_ARRAY, "model: merges", e);
    for (*n = 0; got == 0; ++*n) {
        got = json_walk_next(&w, NULL, &value, e);
        if (got <= 0)
            return got;
        if (*n >= MERGES_MAX)
            return err_set(e, ERR_LIMIT, "model: merges: more than %d", MERGES_MAX);
        got = 0;
    }
    return got;
}

static int read_merges(struct pipeline *p, struct span json, struct buf scratch[2], struct err *e)
{
    struct json_walk w;
    struct span value;
    size_t n = 0;
    int got = count_merges(json, &n, e);
    if (!got)
        got = pair_table_open(&p->bpe.pairs, n, e);
    if (!got)
        got = json_walk_init(&w, json, JSON_ARRAY, "model: merges", e);
    for (size_t rank = 0; got == 0 && (got = json_walk_next(&w, NULL, &value, e)) > 0;) {
        struct span pair[2];
        got = read_merge(value, rank, scratch, pair, e);
        /* The first line of a merges.txt, which some files have kept. */
        if (!got && value.p[0] == '"' && span_is(span_sub(value, 1, 8), "#version"))
            continue;
        if (!got)
            got = add_merge(p, pair[0], pair[1], rank++, e);
    }
    return got;
}

static int read_bpe(struct pipeline *p, const struct members *m, struct err *e)
{
    struct bpe_model *bpe = &p->bpe;
    struct buf scratch[2];
    struct span unk = {NULL, 0};
    double dropout = 0;
    buf_init(&scratch[0], 1 << 20);
    buf_init(&scratch[1], 1 << 20);
    bpe->index = &p->index;
    bpe->unk = UNK_NONE;
    int rc = read_text(p, m->unk_token, "unk_token", &unk, e);
    if (!rc)
        rc = read_text(p, m->prefix, "continuing_subword_prefix", &bpe->prefix, e);
    if (!rc)
        rc = read_text(p, m->suffix, "end_of_word_suffix", &bpe->suffix, e);
    if (!rc)
        rc = read_flag(m->fuse_unk, "fuse_unk", &bpe->fuse_unk, e);
    if (!rc)
        rc = read_flag(m->byte_fallback, "byte_fallback", &bpe->byte_fallback, e);
    if (!rc)
        rc = read_flag(m->ignore_merges, "ignore_merges", &bpe->ignore_merges, e);
    if (!rc && m->dropout.n && !span_is(m->dropout, "null") &&
        (!num_parse_f64(m->dropout, &dropout) || dropout != 0))
        rc = err_set(e, ERR_UNSUPPORTED, "model: dropout: '%.*s', expected null",
                     SPAN_FMT(m->dropout));
    if (!rc)
        rc = read_vocab(p, m->vocab, &scratch[0], e);
    bpe->blanks_begin = !rc && vocab_index_find(&p->index, span_str(blank)) >= 0 &&
                        !bpe->prefix.n && !bpe->suffix.n && !bpe->ignore_merges;
    if (!rc)
        rc = read_merges(p, m->merges.n ? m->merges : span_str("[]"), scratch, e);
    if (!rc && unk.p) {
        bpe->unk = vocab_index_find(&p->index, unk);
        if (bpe->unk < 0)
            bpe->unk = UNK_MISSING;
    }
    buf_release(&scratch[0]);
    buf_release(&scratch[1]);
    return rc;
}

/* ---- Unigram ---- */

/* ["text", score] */
static int read_scored(struct pipeline *p, struct span v, struct buf *scratch, size_t *used,
                       struct err *e)
{
    struct json_walk w;
    struct span parts[2];
    struct span text;
    struct span more;
    int got = json_walk_init(&w, v, JSON_ARRAY, "model: vocab", e);
    for (size_t i = 0; i < 2 && !got; i++) {
        got = json_walk_next(&w, NULL, &parts[i], e);
        got = got > 0 ? 0 : got < 0 ? got : 1;
    }
    if (!got)
        got = json_walk_next(&w, NULL, &more, e);
    bool (*const number)(struct span, double *) = p->by_library ? library_number : num_parse_f64;
    if (got > 0 || (!got && !number(parts[1], &p->scores[p->n])))
        return err_set(e, ERR_FORMAT,
                       "model: vocab: token %zu: '%.*s', expected a text and a score", p->n,
                       SPAN_FMT(v));
    if (!got)
        got = unquote(parts[0], "model: vocab: a token", scratch, &text, e);
    if (!got)
        p->model_tokens[p->n++] = keep(p, used, text);
    return got;
}

static int read_scored_vocab(struct pipeline *p, struct span json, struct buf *scratch,
                             struct err *e)
{
    struct json_walk w;
    struct span value;
    size_t n = 0;
    size_t used = 0;
    int got = count_merges(json, &n, e);
    if (!got)
        got = texts_open(p, json.n, e);
    if (got)
        return got;
    p->model_tokens = calloc(n + 1, sizeof(*p->model_tokens));
    p->scores = calloc(n + 1, sizeof(*p->scores));
    if (!p->model_tokens || !p->scores)
        return err_set(e, ERR_NOMEM, "model: vocab: no memory for %zu tokens", n);
    got = json_walk_init(&w, json, JSON_ARRAY, "model: vocab", e);
    while (got == 0 && (got = json_walk_next(&w, NULL, &value, e)) > 0)
        got = read_scored(p, value, scratch, &used, e);
    return got ? got : index_tokens(p, true, e);
}

static int read_unigram(struct pipeline *p, const struct members *m, struct err *e)
{
    struct buf scratch;
    bool byte_fallback = false;
    uint64_t unk = 0;
    bool has_unk = m->unk_id.n && !span_is(m->unk_id, "null");
    buf_init(&scratch, 1 << 20);
    p->is_unigram = true;
    int rc = read_flag(m->byte_fallback, "byte_fallback", &byte_fallback, e);
    if (!rc)
        rc = read_scored_vocab(p, m->vocab, &scratch, e);
    if (!rc && has_unk && (!num_parse_u64(m->unk_id, &unk) || unk >= p->n))
        rc = err_set(e, ERR_FORMAT, "model: unk_id: '%.*s', expected one of %zu tokens",
                     SPAN_FMT(m->unk_id), p->n);
    if (!rc)
        rc = unigram_open(&p->unigram, p->model_tokens, p->scores, p->n,
                          has_unk ? (int32_t)unk : -1, byte_fallback, e);
    buf_release(&scratch);
    return rc;
}

int read_model(struct pipeline *p, struct span json, struct err *e)
{
    struct members m = {{NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0},
                        {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}};
    int rc = find_members(json, &m, e);
    if (rc)
        return rc;
    if (!m.vocab.n)
        return err_set(e, ERR_FORMAT, "model: vocab: missing");
    /* Old files have no type: the shape of the vocabulary tells. */
    bool unigram = m.type.n ? span_is(m.type, "\"Unigram\"") : m.vocab.p[0] == '[';
    bool bpe = m.type.n ? span_is(m.type, "\"BPE\"") : !unigram && m.merges.n;
    if (bpe)
        return read_bpe(p, &m, e);
    if (unigram)
        return read_unigram(p, &m, e);
    return err_set(e, ERR_UNSUPPORTED,
                   "model: type '%.*s' is not supported, expected BPE or Unigram",
                   SPAN_FMT(m.type));
}
