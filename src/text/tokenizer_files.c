/* SPDX-License-Identifier: MIT */
/* Opens a tokenizer from the files of a Hugging Face folder, as transformers' AutoTokenizer does
 * (5.24, established by experiments): tokenizer.json says how text is cut and encoded, and what is
 * put around it; the configuration says which tokens are special. */
#include "text/pipeline.h"
#include "text/sentencepiece.h"
#include "text/tokenizer_parts.h"

#include <stdlib.h>

enum {
    CONFIG_MAX = 8 << 20,
    JSON_MAX = 512 << 20, /* of a tokenizer.json that is made of other files */
    LISTED_MAX = 1 << 20,
};

enum { NAMED_BOS, NAMED_EOS, NAMED_UNK, NAMED = 7 };
static const char *const named_keys[NAMED] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                              "pad_token", "cls_token", "mask_token"};

/* The configuration files; NULL: not there. */
struct settings {
    struct json *config, *map, *added;
    const struct json *decoder; /* added_tokens_decoder */
    struct span named[NAMED];
    bool byte_level; /* vocab.json and merges.txt: GPT-2's names where none are given */
};

static int parse(struct json **out, struct span text, const char *what, struct err *e)
{
    return text.n ? json_parse_object(out, text, CONFIG_MAX, what, e) : 0;
}

static void settings_release(struct settings *s)
{
    json_close(&s->config);
    json_close(&s->map);
    json_close(&s->added);
}

/* ---- tokens of the configuration ---- */

/* A token as the files have it: its text, or an object with flags. False: neither, or none. */
static bool token_of(const struct json *v, struct listed_token *out)
{
    const struct json *text = json_type_of(v) == JSON_OBJECT ? json_get(v, "content") : v;
    *out = (struct listed_token){.text = json_string(text), .special = true};
    if (out->text.n == 0 || text == v)
        return out->text.n > 0;
    const struct json *normalized = json_get(v, "normalized");
    out->special = json_bool(json_get(v, "special"));
    out->lstrip = json_bool(json_get(v, "lstrip"));
    out->rstrip = json_bool(json_get(v, "rstrip"));
    out->single_word = json_bool(json_get(v, "single_word"));
    out->normalized = normalized ? json_bool(normalized) : !out->special;
    return true;
}

static int push(struct pipeline *p, struct listed_token t, struct err *e)
{
    if (p->n_listed >= LISTED_MAX)
        return err_set(e, ERR_LIMIT, "added_tokens: more than %d", LISTED_MAX);
    if (p->n_listed == p->listed_cap) {
        size_t cap = p->listed_cap * 2 + 64;
        struct listed_token *listed = realloc(p->listed, cap * sizeof(*listed));
        if (!listed)
            return err_set(e, ERR_NOMEM, "added_tokens: no memory for %zu", cap);
        p->listed = listed;
        p->listed_cap = cap;
    }
    p->listed[p->n_listed++] = t;
    return 0;
}

struct numbered {
    uint64_t id;
    struct listed_token token;
};

static int by_id(const void *a, const void *b)
{
    const struct numbered *x = a;
    const struct numbered *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* "added_tokens_decoder": {"32000": {"content": …}}, in the order of the ids. */
static int push_decoder_tokens(struct pipeline *p, const struct settings *s, struct err *e)
{
    size_t n = json_size(s->decoder);
    size_t kept = 0;
    struct numbered *list = calloc(n ? n : 1, sizeof(*list));
    int rc = list ? 0 : err_set(e, ERR_NOMEM, "added_tokens_decoder: no memory for %zu", n);
    for (void *it = list ? json_first(s->decoder) : NULL; it && !rc;
         it = json_next(s->decoder, it)) {
        struct numbered *to = &list[kept];
        if (!num_parse_u64(span_str(json_key(it)), &to->id) ||
            json_type_of(json_value(it)) != JSON_OBJECT)
            rc = err_set(e, ERR_FORMAT, "added_tokens_decoder: '%s': expected an id and an object",
                         json_key(it));
        else
            kept += token_of(json_value(it), &to->token);
    }
    if (!rc && kept)
        qsort(list, kept, sizeof(*list), by_id);
    for (size_t i = 0; i < kept && !rc; i++)
        rc = push(p, list[i].token, e);
    free(list);
    return rc;
}

/* Some of the listed tokens by their texts. */
struct by_text {
    size_t from; /* in the list */
    struct span *texts;
    struct vocab_index index;
};

static int by_text_open(struct by_text *x, const struct pipeline *p, size_t from, struct err *e)
{
    size_t n = p->n_listed - from;
    *x = (struct by_text){.from = from, .texts = calloc(n + 1, sizeof(*x->texts))};
    int rc = x->texts ? vocab_index_init(&x->index, x->texts, n, e)
                      : err_set(e, ERR_NOMEM, "added_tokens: no memory for %zu", n);
    for (size_t i = 0; i < n && !rc; i++) {
        x->texts[i] = p->listed[from + i].text;
        vocab_index_add(&x->index, (int32_t)i);
    }
    return rc;
}

static void by_text_release(struct by_text *x)
{
    vocab_index_release(&x->index);
    free(x->texts);
}

/* The flags of a token that is given by its text alone are those of added_tokens_decoder (known;
 * NULL: there is none). */
static int push_special(struct pipeline *p, const struct by_text *known, const struct json *v,
                        struct err *e)
{
    struct listed_token t;
    if (!token_of(v, &t))
        return 0;
    if (known && json_type_of(v) == JSON_STRING) {
        int32_t at = vocab_index_find(&known->index, t.text);
        t = at >= 0 ? p->listed[known->from + (size_t)at] : t;
    }
    t.special = true;
    return push(p, t, e);
}

/* Where a name is given; special_tokens_map.json counts for configurations of the older kind. */
static const struct json *named_token(const struct settings *s, size_t i)
{
    const struct json *v = s->decoder ? NULL : json_get(s->map, named_keys[i]);
    return v ? v : json_get(s->config, named_keys[i]);
}

static int push_lists(struct pipeline *p, const struct settings *s, const struct by_text *known,
                      struct err *e)
{
    static const char *const keys[] = {"extra_special_tokens", "additional_special_tokens"};
    int rc = 0;
    for (size_t k = 0; k < sizeof(keys) / sizeof(*keys); k++) {
        const struct json *list = json_get(s->config, keys[k]);
        for (size_t i = 0; i < json_size(list) && json_type_of(list) == JSON_ARRAY && !rc; i++)
            rc = push_special(p, known, json_at(list, i), e);
    }
    return rc;
}

static int push_added_json(struct pipeline *p, const struct settings *s,
                           const struct by_text *there, struct err *e)
{
    int rc = 0;
    for (void *it = json_first(s->added); it && !rc; it = json_next(s->added, it)) {
        struct listed_token t = {.text = span_str(json_key(it)), .normalized = true};
        if (t.text.n && vocab_index_find(&there->index, t.text) < 0)
            rc = push(p, t, e);
    }
    return rc;
}

/* What comes later changes what is there already, or is added behind it. */
int pipeline_settings(struct pipeline *p, const struct settings *s, struct err *e)
{
    struct by_text known = {0};
    size_t from = s->decoder ? p->n_listed : 0;
    int rc = push_decoder_tokens(p, s, e);
    if (!rc)
        rc = by_text_open(&known, p, from, e);
    if (!rc && !s->decoder)
        rc = push_added_json(p, s, &known, e);
    for (size_t i = 0; i < NAMED && !rc; i++)
        rc = push_special(p, s->decoder ? &known : NULL, named_token(s, i), e);
    if (!rc)
        rc = push_lists(p, s, s->decoder ? &known : NULL, e);
    by_text_release(&known);
    return rc;
}

/* ---- beginning and end ---- */

static int32_t named_id(const struct pipeline *p, const struct settings *s, size_t i)
{
    struct listed_token t;
    if (token_of(named_token(s, i), &t))
        return pipeline_find(p, t.text);
    /* GPT-2's one special token. */
    return s->byte_level && i < 2 && !json_get(s->config, named_keys[i])
               ? pipeline_find(p, span_str("<|endoftext|>"))
               : -1;
}

/* Without tokenizer.json, whose post-processor is the last word on it, the configuration says
 * whether a text begins and ends with special tokens. */
static void surround(struct tokenizer *t, const struct settings *s)
{
    struct pipeline *p = t->pipeline;
    const struct json *bos = json_get(s->config, "add_bos_token");
    const struct json *eos = json_get(s->config, "add_eos_token");
    if (json_bool(bos) && t->v.bos >= 0)
        p->prefix[p->n_prefix++] = t->v.bos;
    if (json_bool(eos) && t->v.eos >= 0)
        p->suffix[p->n_suffix++] = t->v.eos;
}

/* ---- vocab.json and merges.txt ---- */

static void put_merges(struct buf *out, struct span text)
{
    bool first = true;
    for (size_t at = 0; at < text.n;) {
        const uint8_t *end = memchr(text.p + at, '\n', text.n - at);
        size_t n = end ? (size_t)(end - text.p) - at : text.n - at;
        struct span line = span_sub(text, at, n);
        at += n + 1;
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        if (line.n == 0 || span_is(span_sub(line, 0, 8), "#version"))
            continue;
        if (!first)
            buf_char(out, ',');
        first = false;
        json_quote(out, line);
    }
}

/* The tokenizer.json that they stand for: GPT-2's, or Qwen2's. */
static int byte_level_json(const struct tokenizer_files *f, const struct settings *s,
                           struct buf *out, struct err *e)
{
    static const char qwen2[] =
        "\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":\"Sequence\","
        "\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?i:'s|'t|'re|'ve|'m|'ll|"
        "'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| ?[^\\\\s\\\\p{L}\\\\p{N}]+"
        "[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"},\"behavior\":\"Isolated\","
        "\"invert\":false},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}"
        "]}";
    struct span name = json_string(json_get(s->config, "tokenizer_class"));
    bool prefix = json_bool(json_get(s->config, "add_prefix_space"));
    if (!utf8_valid(f->merges_txt))
        return err_set(e, ERR_FORMAT, "merges.txt: invalid UTF-8");
    buf_str(out, "{\"decoder\":{\"type\":\"ByteLevel\"},");
    if (span_is(name, "Qwen2Tokenizer") || span_is(name, "Qwen2TokenizerFast"))
        buf_str(out, qwen2);
    else
        buf_printf(out, "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":%s}",
                   prefix ? "true" : "false");
    if (!json_get(s->config, "eos_token"))
        buf_str(out, ",\"added_tokens\":[{\"content\":\"<|endoftext|>\",\"special\":true}]");
    buf_str(out, ",\"model\":{\"type\":\"BPE\",\"vocab\":");
    buf_span(out, f->vocab_json);
    buf_str(out, ",\"merges\":[");
    put_merges(out, f->merges_txt);
    buf_str(out, "]}}");
    return buf_check(out, "vocab.json and merges.txt", e);
}

/* ---- open ---- */

/* special is set where the model itself says it. */
static int open_pipeline(struct pipeline **out, const struct tokenizer_files *f, struct settings *s,
                         struct sp_special *special, struct err *e)
{
    struct buf json;
    if (f->tokenizer_json.n)
        return pipeline_from_json(out, f->tokenizer_json, "tokenizer.json", s, e);
    buf_init(&json, JSON_MAX);
    int rc = 0;
    if (f->sentencepiece.n) {
        rc = sentencepiece_json(f, f->model_type, &json, special, e);
        if (!rc)
            rc = pipeline_from_json(out, buf_view(&json), "tokenizer.model", NULL, e);
    } else if (f->vocab_json.n && f->merges_txt.n) {
        s->byte_level = true;
        rc = byte_level_json(f, s, &json, e);
        if (!rc)
            rc = pipeline_from_json(out, buf_view(&json), "vocab.json and merges.txt", s, e);
    } else {
        rc = err_set(e, ERR_NOTFOUND,
                     "tokenizer: no tokenizer.json, no tokenizer.model, and no vocab.json with "
                     "merges.txt");
    }
    buf_release(&json);
    return rc;
}

/* The tokens of the configuration outlive it. */
static int keep_texts(struct pipeline *p, struct settings *s, struct err *e)
{
    struct json **const docs[] = {&s->config, &s->map, &s->added};
    for (size_t i = 0; i < 3; i++) {
        if (!*docs[i])
            continue;
        if (p->n_docs == PIPELINE_DOCS)
            return err_set(e, ERR_LIMIT, "tokenizer: too many parts");
        p->docs[p->n_docs++] = *docs[i];
        *docs[i] = NULL;
    }
    return 0;
}

int tokenizer_open_files(struct tokenizer **out, const struct tokenizer_files *f, struct err *e)
{
    struct settings s = {.config = NULL};
    struct sp_special special = {-1, -1, -1};
    struct tokenizer *t = calloc(1, sizeof(*t));
    int rc = t ? 0 : err_set(e, ERR_NOMEM, "tokenizer: no memory");
    if (!rc)
        rc = parse(&s.config, f->tokenizer_config, "tokenizer_config.json", e);
    if (!rc)
        rc = parse(&s.map, f->special_tokens_map, "special_tokens_map.json", e);
    if (!rc)
        rc = parse(&s.added, f->added_tokens, "added_tokens.json", e);
    s.decoder = json_type_of(json_get(s.config, "added_tokens_decoder")) == JSON_OBJECT
                    ? json_get(s.config, "added_tokens_decoder")
                    : NULL;
    if (!rc)
        rc = open_pipeline(&t->pipeline, f, &s, &special, e);
    if (!rc) {
        struct pipeline *p = t->pipeline;
        t->v.n = p->n;
        t->v.tokens = p->tokens;
        t->v.types = p->types;
        bool model_says = !f->tokenizer_json.n && f->sentencepiece.n;
        t->v.bos = model_says ? special.bos : named_id(p, &s, NAMED_BOS);
        t->v.eos = model_says ? special.eos : named_id(p, &s, NAMED_EOS);
        t->v.unk = model_says ? special.unk : named_id(p, &s, NAMED_UNK);
        if (s.byte_level)
            surround(t, &s);
        least_init_pipeline(t);
        rc = keep_texts(p, &s, e);
    }
    if (!rc) {
        *out = t;
        t = NULL;
    }
    settings_release(&s);
    tokenizer_close(&t);
    return rc;
}
