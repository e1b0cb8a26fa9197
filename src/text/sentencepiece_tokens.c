/* SPDX-License-Identifier: MIT */
/* What tokenizer_config.json, special_tokens_map.json and added_tokens.json say to a SentencePiece
 * model: the class that reads it, its special tokens, and the tokens that are added to it.
 *
 * Source: the behaviour of transformers 5.24 (AutoTokenizer, TokenizersBackend), established by
 * experiments. Tokens are added in the order: those that the configuration lists with their ids
 * (in the order of the ids), the named ones (bos_token, …), the extra ones, which are the model's
 * control and user-defined pieces unless the configuration has a list of its own. */
#include "text/sentencepiece_parts.h"

#include <stdlib.h>

enum {
    CONFIG_MAX = 16 << 20, /* bytes of each file: they hold templates and lists of tokens */
    ADDED_TOKENS_MAX = 1 << 20,
};

static const char *const named_keys[SP_NAMED] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                 "pad_token", "cls_token", "mask_token"};

static bool truth(const struct json *v, bool otherwise)
{
    return v ? json_bool(v) || json_int(v) != 0 : otherwise;
}

static int parse(struct json **out, struct span text, const char *what, struct err *e)
{
    return text.n ? json_parse_object(out, text, CONFIG_MAX, what, e) : 0;
}

/* ---- the class ---- */

/* Model types for which AutoTokenizer takes no class of the configuration at its word, and reads
 * the model by its own settings. */
static bool reads_by_settings(struct span model_type)
{
    static const char *const types[] = {
        "glm",       "glm4",       "glm4_moe",  "gpt_bigcode",      "granite",     "granitemoe",
        "ministral", "ministral3", "mistral",   "mistral3",         "mixtral",     "olmo2",
        "olmo3",     "persimmon",  "pixtral",   "stablelm",         "fuyu",        "phi3",
        "minicpm3",  "ernie4_5",   "internlm3", "phi3_v",           "phimoe",      "arctic",
        "internlm2", "jamba",      "nemotron",  "granitemoehybrid", "hyperclovax", "minicpmv",
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (span_is(model_type, types[i]))
            return true;
    return false;
}

static bool is_gemma(struct span model_type)
{
    static const char *const types[] = {"gemma",   "gemma2",       "gemma3",         "gemma3_text",
                                        "gemma3n", "gemma3n_text", "recurrent_gemma"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (span_is(model_type, types[i]))
            return true;
    return false;
}

static enum sp_class class_of(const struct json *config, struct span model_type)
{
    struct span name = json_string(json_get(config, "tokenizer_class"));
    if (name.n > 4 && span_is(span_sub(name, name.n - 4, 4), "Fast"))
        name.n -= 4;
    if (reads_by_settings(model_type))
        return SP_CLASS_ANY;
    if (name.n == 0)
        return is_gemma(model_type) ? SP_CLASS_GEMMA : SP_CLASS_ANY;
    if (span_is(name, "GemmaTokenizer"))
        return SP_CLASS_GEMMA;
    return span_is(name, "LlamaTokenizer") ? SP_CLASS_LLAMA : SP_CLASS_ANY;
}

/* ---- tokens ---- */

static int push(struct sp_config *c, struct sp_token t, struct err *e)
{
    if (t.text.n == 0)
        return 0;
    if (c->n >= ADDED_TOKENS_MAX)
        return err_set(e, ERR_LIMIT, "more than %d added tokens", ADDED_TOKENS_MAX);
    if (c->n == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 64;
        struct sp_token *tokens = realloc(c->tokens, cap * sizeof *tokens);
        if (!tokens)
            return err_set(e, ERR_NOMEM, "no memory for %zu added tokens", cap);
        c->tokens = tokens;
        c->cap = cap;
    }
    c->tokens[c->n++] = t;
    return 0;
}

/* From here on is_listed knows those that have come. */
static int index_listed(struct sp_config *c, struct err *e)
{
    c->n_listed = c->n;
    c->listed_texts = malloc((c->n + 1) * sizeof *c->listed_texts);
    if (!c->listed_texts)
        return err_set(e, ERR_NOMEM, "no memory for %zu added tokens", c->n);
    for (size_t i = 0; i < c->n; i++)
        c->listed_texts[i] = c->tokens[i].text;
    int rc = vocab_index_init(&c->listed, c->listed_texts, c->n, e);
    for (size_t i = 0; i < c->n && !rc; i++)
        vocab_index_add(&c->listed, (int32_t)i); /* one that is there twice is the same text */
    return rc;
}

static bool is_listed(const struct sp_config *c, struct span text)
{
    return vocab_index_find(&c->listed, text) >= 0;
}

static struct sp_token special_token(struct span text)
{
    return (struct sp_token){.text = text, .special = true};
}

/* A token as the files have it: its text, or an object with flags. False: it is neither. */
static bool token_of(const struct json *v, bool special, struct sp_token *out)
{
    const struct json *text = json_type_of(v) == JSON_OBJECT ? json_get(v, "content") : v;
    if (json_type_of(text) != JSON_STRING)
        return false;
    *out = special_token(json_string(text));
    if (text == v)
        return true;
    out->special = special || truth(json_get(v, "special"), false);
    out->lstrip = truth(json_get(v, "lstrip"), false);
    out->rstrip = truth(json_get(v, "rstrip"), false);
    out->single_word = truth(json_get(v, "single_word"), false);
    out->normalized = truth(json_get(v, "normalized"), !out->special);
    return true;
}

static int by_id(const void *a, const void *b)
{
    const struct sp_token *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* "added_tokens_decoder": {"32000": {"content": …}} */
static int read_decoder(struct sp_config *c, const struct json *decoder, struct err *e)
{
    int rc = 0;
    for (void *it = json_first(decoder); it && !rc; it = json_next(decoder, it)) {
        struct sp_token t;
        int64_t id;
        if (!num_parse_i64(span_str(json_key(it)), &id) || id < 0)
            return err_set(e, ERR_FORMAT,
                           "tokenizer_config.json: added_tokens_decoder: key '%s', expected an id",
                           json_key(it));
        if (json_type_of(json_value(it)) != JSON_OBJECT || !token_of(json_value(it), false, &t))
            return err_set(e, ERR_FORMAT,
                           "tokenizer_config.json: added_tokens_decoder: '%s': expected an object "
                           "with content",
                           json_key(it));
        t.id = id;
        rc = push(c, t, e);
    }
    return rc;
}

static bool is_named(const struct sp_config *c, struct span text)
{
    for (size_t i = 0; i < SP_NAMED; i++)
        if (c->named[i].text.n && span_eq(c->named[i].text, text))
            return true;
    return false;
}

/* {"<pad>": 32000}: special if it has a name. */
static int read_added(struct sp_config *c, struct err *e)
{
    int rc = 0;
    for (void *it = json_first(c->added); it && !rc; it = json_next(c->added, it)) {
        struct sp_token t = {.text = span_str(json_key(it)), .id = json_int(json_value(it))};
        if (json_type_of(json_value(it)) != JSON_INT || t.id < 0)
            return err_set(e, ERR_FORMAT, "added_tokens.json: '%s': %s, expected an id",
                           json_key(it), json_type_name(json_type_of(json_value(it))));
        t.special = is_named(c, t.text);
        t.normalized = !t.special;
        rc = push(c, t, e);
    }
    return rc;
}

static void read_defaults(struct sp_config *c, const struct sp_model *m)
{
    if (c->class == SP_CLASS_GEMMA) {
        c->named[SP_BOS] = special_token(span_str("<bos>"));
        c->named[SP_EOS] = special_token(span_str("<eos>"));
        c->named[SP_UNK] = special_token(span_str("<unk>"));
        c->named[4] = special_token(span_str("<pad>"));
        c->named[6] = special_token(span_str("<mask>"));
    } else if (c->class == SP_CLASS_LLAMA) {
        c->named[SP_BOS] = special_token(span_str("<s>"));
        c->named[SP_EOS] = special_token(span_str("</s>"));
        c->named[SP_UNK] = special_token(span_str("<unk>"));
    } else {
        if (m->bos_id >= 0)
            c->named[SP_BOS] = special_token(m->bos_piece.n ? m->bos_piece : span_str("<s>"));
        if (m->eos_id >= 0)
            c->named[SP_EOS] = special_token(m->eos_piece.n ? m->eos_piece : span_str("</s>"));
        c->named[SP_UNK] = special_token(m->unk_piece.n ? m->unk_piece : span_str("<unk>"));
    }
}

static int read_named(struct sp_config *c, const struct json *from, bool special, const char *what,
                      struct err *e)
{
    for (size_t i = 0; i < SP_NAMED; i++) {
        const struct json *v = json_get(from, named_keys[i]);
        if (!v)
            continue;
        c->named[i] = (struct sp_token){0};
        if (json_type_of(v) != JSON_NULL && !token_of(v, special, &c->named[i]))
            return err_set(e, ERR_FORMAT, "%s: %s: %s, expected a token", what, named_keys[i],
                           json_type_name(json_type_of(v)));
    }
    return 0;
}

static int push_unlisted(struct sp_config *c, struct sp_token t, struct err *e)
{
    return is_listed(c, t.text) ? 0 : push(c, t, e);
}

/* Tokens that only this model names, as "image_token". */
static int push_own_names(struct sp_config *c, struct err *e)
{
    int rc = 0;
    for (void *it = json_first(c->config); it && !rc; it = json_next(c->config, it)) {
        struct span key = span_str(json_key(it));
        struct sp_token t;
        bool named = false;
        for (size_t i = 0; i < SP_NAMED; i++)
            named = named || span_is(key, named_keys[i]);
        if (!named && key.n > 6 && span_is(span_sub(key, key.n - 6, 6), "_token") &&
            token_of(json_value(it), false, &t))
            rc = push_unlisted(c, t, e);
    }
    const struct json *own = json_get(c->config, "extra_special_tokens");
    if (json_type_of(own) != JSON_OBJECT)
        return rc;
    for (void *it = json_first(own); it && !rc; it = json_next(own, it)) {
        struct sp_token t;
        if (token_of(json_value(it), false, &t))
            rc = push_unlisted(c, t, e);
    }
    return rc;
}

/* The model's control and user-defined pieces. Read by its settings, the latter are the
 * pre-tokenizer's. */
static int push_pieces(struct sp_config *c, const struct sp_model *m, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < m->n && !rc; i++) {
        bool user = m->types[i] == PIECE_USER_DEFINED;
        if (m->types[i] != PIECE_CONTROL && (!user || c->class == SP_CLASS_ANY))
            continue;
        rc = push_unlisted(c, (struct sp_token){.text = m->texts[i], .special = !user}, e);
    }
    return rc;
}

static int push_extras(struct sp_config *c, const struct sp_model *m, struct err *e)
{
    const struct json *extra = json_get(c->config, "extra_special_tokens");
    const struct json *more = json_get(c->config, "additional_special_tokens");
    const struct json *list = json_size(extra) ? extra : more ? more : extra;
    if (!list || json_type_of(list) == JSON_OBJECT)
        return push_pieces(c, m, e);
    int rc = 0;
    for (size_t i = 0; i < json_size(list) && !rc; i++) {
        struct sp_token t;
        if (token_of(json_at(list, i), false, &t))
            rc = push_unlisted(c, t, e);
        else
            rc = err_set(e, ERR_FORMAT,
                         "tokenizer_config.json: special tokens: element %zu: %s, expected a token",
                         i, json_type_name(json_type_of(json_at(list, i))));
    }
    return rc;
}

static int gather(struct sp_config *c, const struct sp_model *m, struct err *e)
{
    const struct json *decoder = json_get(c->config, "added_tokens_decoder");
    int rc = read_named(c, c->config, false, "tokenizer_config.json", e);
    if (!rc && decoder)
        rc = read_decoder(c, decoder, e);
    if (!rc && !decoder)
        rc = read_named(c, c->map, true, "special_tokens_map.json", e);
    if (!rc && !decoder)
        rc = read_added(c, e);
    if (c->n)
        qsort(c->tokens, c->n, sizeof *c->tokens, by_id);
    if (!rc)
        rc = index_listed(c, e);
    for (size_t i = 0; i < c->n_listed; i++) {
        struct sp_token *t = &c->tokens[i];
        /* Found before anything is normalized, so that each part gets its own first blank. */
        if (c->class == SP_CLASS_ANY && m->add_dummy_prefix)
            t->normalized = false;
    }
    for (size_t i = 0; i < SP_NAMED && !rc; i++)
        rc = push_unlisted(c, c->named[i], e);
    if (!rc)
        rc = push_own_names(c, e);
    if (!rc)
        rc = push_extras(c, m, e);
    for (size_t i = 0; i < c->n; i++)
        c->tokens[i].special = c->tokens[i].special || is_named(c, c->tokens[i].text);
    return rc;
}

int sp_config_read(struct sp_config *c, const struct tokenizer_files *f, struct span model_type,
                   const struct sp_model *m, struct err *e)
{
    *c = (struct sp_config){0};
    int rc = parse(&c->config, f->tokenizer_config, "tokenizer_config.json", e);
    if (!rc)
        rc = parse(&c->map, f->special_tokens_map, "special_tokens_map.json", e);
    if (!rc)
        rc = parse(&c->added, f->added_tokens, "added_tokens.json", e);
    if (rc)
        return rc;
    const struct json *prefix = json_get(c->config, "add_prefix_space");
    c->class = class_of(c->config, model_type);
    c->legacy = truth(json_get(c->config, "legacy"), c->class == SP_CLASS_ANY);
    c->add_prefix_space = json_type_of(prefix) == JSON_NULL || truth(prefix, true);
    c->add_bos = truth(json_get(c->config, "add_bos_token"), false);
    c->add_eos = truth(json_get(c->config, "add_eos_token"), false);
    read_defaults(c, m);
    return gather(c, m, e);
}

int sp_config_of_vocab(struct sp_config *c, const struct vocab *v, const struct sp_model *m,
                       struct err *e)
{
    *c = (struct sp_config){
        .class = SP_CLASS_ANY, .legacy = true, .add_bos = v->add_bos, .add_eos = v->add_eos};
    if (v->bos >= 0 && (size_t)v->bos < m->n)
        c->named[SP_BOS] = special_token(m->texts[v->bos]);
    if (v->eos >= 0 && (size_t)v->eos < m->n)
        c->named[SP_EOS] = special_token(m->texts[v->eos]);
    c->named[SP_UNK] = special_token(m->texts[m->unk_id]);
    int rc = index_listed(c, e);
    for (size_t i = 0; i < SP_NAMED && !rc; i++)
        rc = push(c, c->named[i], e);
    return rc ? rc : push_pieces(c, m, e);
}

void sp_config_release(struct sp_config *c)
{
    json_close(&c->config);
    json_close(&c->map);
    json_close(&c->added);
    vocab_index_release(&c->listed);
    free(c->listed_texts);
    free(c->tokens);
    *c = (struct sp_config){0};
}
