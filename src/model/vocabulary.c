/* SPDX-License-Identifier: MIT */
/* GGUF's tokenizer.ggml.* as a struct vocab. Key names and defaults: ggml docs/gguf.md and, where
 * that is silent, what llama.cpp does with a file that leaves the key out. */
#include "model/parts.h"

#include <math.h>

struct arrays {
    struct gguf_array tokens, scores, types, merges;
    bool has_scores, has_types, has_merges;
    enum vocab_kind kind;
};

static int missing(const char *key, const char *why, struct err *e)
{
    return err_set(e, ERR_FORMAT, "key '%s': is missing, %s", key, why);
}

/* *there says whether the key is; any other trouble is the result. */
static int optional_array(const struct gguf *file, const char *key, enum gguf_type elem,
                          struct gguf_array *out, bool *there, struct err *e)
{
    int code = gguf_array(file, key, elem, out, e);
    *there = code == 0;
    return code == ERR_NOTFOUND ? 0 : code;
}

static int read_kind(const struct gguf *file, enum vocab_kind *out, bool *there, struct err *e)
{
    struct span model;
    int code = gguf_string(file, "tokenizer.ggml.model", &model, e);
    *there = false;
    if (code == ERR_NOTFOUND || (!code && (span_is(model, "none") || span_is(model, "no_vocab"))))
        return 0;
    if (code)
        return code;
    *there = true;
    if (span_is(model, "gpt2"))
        *out = VOCAB_BPE;
    else if (span_is(model, "llama"))
        *out = VOCAB_SPM;
    else if (span_is(model, "t5"))
        *out = VOCAB_UNIGRAM;
    else
        return err_set(e, ERR_UNSUPPORTED,
                       "key 'tokenizer.ggml.model': '%.*s' is not supported, expected gpt2, llama, "
                       "t5 or none",
                       SPAN_FMT(model));
    return 0;
}

static int check_one_a_token(const struct arrays *a, const char *key, bool there, size_t n,
                             struct err *e)
{
    if (!there || n == a->tokens.n)
        return 0;
    return err_set(e, ERR_FORMAT, "key '%s': %zu %s, expected %zu, one a token", key, n,
                   plural(n, "value", "values"), a->tokens.n);
}

static int read_arrays(const struct gguf *file, struct arrays *a, struct err *e)
{
    int code = gguf_array(file, "tokenizer.ggml.tokens", GGUF_STRING, &a->tokens, e);
    if (code == ERR_NOTFOUND)
        return missing("tokenizer.ggml.tokens", "a vocabulary needs it", e);
    if (!code && a->tokens.n == 0)
        return err_set(e, ERR_FORMAT, "key 'tokenizer.ggml.tokens': empty, expected a vocabulary");
    if (!code)
        code =
            optional_array(file, "tokenizer.ggml.scores", GGUF_F32, &a->scores, &a->has_scores, e);
    if (!code)
        code = optional_array(file, "tokenizer.ggml.token_type", GGUF_I32, &a->types, &a->has_types,
                              e);
    if (!code)
        code = optional_array(file, "tokenizer.ggml.merges", GGUF_STRING, &a->merges,
                              &a->has_merges, e);
    if (!code)
        code = check_one_a_token(a, "tokenizer.ggml.scores", a->has_scores, a->scores.n, e);
    if (!code)
        code = check_one_a_token(a, "tokenizer.ggml.token_type", a->has_types, a->types.n, e);
    if (code)
        return code;
    if (a->kind != VOCAB_BPE && !a->has_scores)
        return missing("tokenizer.ggml.scores", "a 'llama' or 't5' vocabulary needs it", e);
    if (a->kind == VOCAB_BPE && !a->has_merges)
        return missing("tokenizer.ggml.merges", "a 'gpt2' vocabulary needs it", e);
    return 0;
}

int vocabulary_check(const struct gguf *file, size_t *n, struct err *e)
{
    struct arrays a = {.kind = VOCAB_BPE};
    bool there;
    int code = read_kind(file, &a.kind, &there, e);
    if (!code && there)
        code = read_arrays(file, &a, e);
    if (!code)
        *n = there ? a.tokens.n : 0;
    return code;
}

static int copy_scores(const struct arrays *a, struct arena *arena, struct vocab *v, struct err *e)
{
    float *scores = arena_array(arena, a->scores.n, sizeof *scores);
    if (!scores)
        return err_set(e, ERR_NOMEM, "no memory for the scores of %zu tokens", a->scores.n);
    for (size_t i = 0; i < a->scores.n; i++) {
        scores[i] = gguf_array_f32(&a->scores, i);
        if (isnan(scores[i]))
            return err_set(e, ERR_FORMAT, "key 'tokenizer.ggml.scores': value %zu is not a number",
                           i);
    }
    v->scores = scores;
    return 0;
}

static int copy_types(const struct arrays *a, struct arena *arena, struct vocab *v, struct err *e)
{
    int32_t *types = arena_array(arena, a->types.n, sizeof *types);
    if (!types)
        return err_set(e, ERR_NOMEM, "no memory for the types of %zu tokens", a->types.n);
    for (size_t i = 0; i < a->types.n; i++) {
        types[i] = (int32_t)gguf_array_int(&a->types, i);
        if (types[i] < TOKEN_NORMAL || types[i] > TOKEN_BYTE)
            return err_set(e, ERR_FORMAT,
                           "key 'tokenizer.ggml.token_type': value %zu is %d, expected %d to %d", i,
                           types[i], TOKEN_NORMAL, TOKEN_BYTE);
    }
    v->types = types;
    return 0;
}

static int read_id(const struct gguf *file, const char *key, size_t n, int32_t otherwise,
                   int32_t *out, struct err *e)
{
    uint64_t id = 0;
    int code = gguf_u64(file, key, 0, n - 1, &id, e);
    if (code && code != ERR_NOTFOUND)
        return code;
    if (!code)
        *out = (int32_t)id;
    else
        *out = otherwise >= 0 && (size_t)otherwise < n ? otherwise : -1;
    return 0;
}

static int read_flag(const struct gguf *file, const char *key, bool otherwise, bool *out,
                     struct err *e)
{
    *out = otherwise;
    int code = gguf_bool(file, key, out, e);
    return code == ERR_NOTFOUND ? 0 : code;
}

static int read_pre(const struct gguf *file, struct arena *arena, struct vocab *v, struct err *e)
{
    struct span pre;
    int code = gguf_string(file, "tokenizer.ggml.pre", &pre, e);
    if (code)
        return code == ERR_NOTFOUND ? 0 : code;
    if (span_find(pre, 0))
        return err_set(e, ERR_FORMAT, "key 'tokenizer.ggml.pre': '%.*s' is not text",
                       SPAN_FMT(pre));
    v->pre = arena_strndup(arena, pre.p, pre.n);
    return v->pre ? 0 : err_set(e, ERR_NOMEM, "key 'tokenizer.ggml.pre': no memory");
}

/* A byte-level vocabulary begins texts with BOS by itself only where its publishers' tokenizer
 * does: Llama 3's, its kin, and Mistral's. */
static bool adds_bos(const struct vocab *v)
{
    static const char *const pres[] = {"llama-bpe", "llama3",  "llama-v3", "falcon3",
                                       "falcon-h1", "pixtral", "lfm2",     "tekken"};
    if (v->kind == VOCAB_SPM)
        return true;
    for (size_t i = 0; v->pre && i < sizeof pres / sizeof *pres; i++)
        if (strcmp(v->pre, pres[i]) == 0)
            return true;
    return false;
}

/* SentencePiece's own numbers, and T5's, where the file gives none. */
static const struct {
    int32_t bos, eos, unk;
    bool add_eos;
} usual[] = {
    [VOCAB_BPE] = {-1, -1, -1, false},
    [VOCAB_SPM] = {1, 2, 0, false},
    [VOCAB_UNIGRAM] = {-1, 1, 2, true},
};

static int read_specials(const struct gguf *file, struct vocab *v, struct err *e)
{
    bool spm = v->kind == VOCAB_SPM;
    int code = read_id(file, "tokenizer.ggml.bos_token_id", v->n, usual[v->kind].bos, &v->bos, e);
    if (!code)
        code = read_id(file, "tokenizer.ggml.eos_token_id", v->n, usual[v->kind].eos, &v->eos, e);
    if (!code)
        code =
            read_id(file, "tokenizer.ggml.unknown_token_id", v->n, usual[v->kind].unk, &v->unk, e);
    if (!code)
        code = read_flag(file, "tokenizer.ggml.add_bos_token", adds_bos(v), &v->add_bos, e);
    if (!code)
        code =
            read_flag(file, "tokenizer.ggml.add_eos_token", usual[v->kind].add_eos, &v->add_eos, e);
    if (!code)
        code = read_flag(file, "tokenizer.ggml.add_space_prefix", spm, &v->add_space_prefix, e);
    return code;
}

/* How Unigram's texts are normalized. The map is bytes, which some writers call signed. */
static int read_normalization(const struct gguf *file, struct vocab *v, struct err *e)
{
    static const char key[] = "tokenizer.ggml.precompiled_charsmap";
    struct gguf_array map = {0};
    bool there;
    int code = optional_array(file, key, GGUF_U8, &map, &there, NULL);
    if (code)
        code = optional_array(file, key, GGUF_I8, &map, &there, e);
    if (code)
        return code;
    if (there)
        v->charsmap = span_of(map.data, map.n);
    return read_flag(file, "tokenizer.ggml.remove_extra_whitespaces", false,
                     &v->remove_extra_whitespaces, e);
}

int vocabulary_read(const struct gguf *file, struct arena *arena, struct vocab *out, bool *there,
                    struct err *e)
{
    struct arrays a = {.kind = VOCAB_BPE};
    struct vocab v = {0};
    int code = read_kind(file, &a.kind, there, e);
    if (code || !*there)
        return code;
    code = read_arrays(file, &a, e);
    if (code)
        return code;
    v.kind = a.kind;
    v.n = a.tokens.n;
    v.tokens = a.tokens.strings;
    if (a.kind == VOCAB_BPE) {
        v.merges = a.merges.strings;
        v.n_merges = a.merges.n;
    } else {
        code = copy_scores(&a, arena, &v, e);
    }
    if (!code && a.has_types)
        code = copy_types(&a, arena, &v, e);
    if (!code)
        code = read_pre(file, arena, &v, e);
    if (!code)
        code = read_specials(file, &v, e);
    if (!code && v.kind == VOCAB_UNIGRAM)
        code = read_normalization(file, &v, e);
    if (!code)
        *out = v;
    return code;
}
