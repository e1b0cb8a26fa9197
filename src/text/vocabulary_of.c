/* SPDX-License-Identifier: MIT */
/* A tokenizer that came from files as a vocabulary of GGUF's kind. GGUF has a name where the files
 * have a row of parts, so which name it is, is tried: the one whose tokens of a text that holds
 * every kind of trouble are the same. */
#include "text/pipeline.h"
#include "text/tokenizer_parts.h"

#include <stdio.h>
#include <stdlib.h>

static const char sample[] =
    "Hello, world! It's 3.14159 or 1234567890; don't  we'll THEY'VE\n\n\t tabs\r\n   three   \n"
    "na\xc3\xafve caf\xc3\xa9 \xc3\x9c"
    "ber stra\xc3\x9f"
    "e e\xcc\x81 \xc2\xb2\xc2\xbd \xe2\x82\xac"
    "5 \xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96\xe7\x95\x8c \xe3\x81\x93\xe3\x82\x93 "
    "\xed\x95\x9c\xea\xb5\xad \xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 \xf0\x9f\x98\x80 "
    "x=[a_b](c)//d; camelCaseWords HTTPServer (v2.0) ... --- $100 #tag @you a/b\\c 'quoted' ''''' "
    "\xe0\xa4\xa8\xe0\xa4\xae\xe0\xa4\xb8\xe0\xa5\x8d\xe0\xa4\xa4\xe0\xa5\x87 end ";

static int by_rank(const void *a, const void *b)
{
    const struct ranked_pair *x = a, *y = b;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

static int no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "vocabulary: no memory");
}

static int copy_tokens(const struct pipeline *p, struct arena *a, struct vocab *v, struct err *e)
{
    struct span *tokens = arena_array(a, p->n, sizeof *tokens);
    int32_t *types = arena_array(a, p->n, sizeof *types);
    if (!tokens || !types)
        return no_memory(e);
    for (size_t i = 0; i < p->n; i++) {
        char text[32];
        tokens[i] = p->tokens[i];
        types[i] = p->types[i];
        if (tokens[i].n)
            continue;
        int n = snprintf(text, sizeof text, "[PAD%zu]", i);
        tokens[i] = span_of(arena_strndup(a, text, (size_t)n), (size_t)n);
        types[i] = TOKEN_UNUSED;
        if (!tokens[i].p)
            return no_memory(e);
    }
    v->n = p->n;
    v->tokens = tokens;
    v->types = types;
    return 0;
}

static int copy_merges(const struct pipeline *p, struct arena *a, struct vocab *v, struct err *e)
{
    const size_t n = pair_table_list(p->bpe.pairs, NULL);
    struct ranked_pair *pairs = calloc(n + 1, sizeof *pairs);
    struct span *merges = arena_array(a, n, sizeof *merges);
    int code = pairs && merges ? 0 : no_memory(e);
    if (!code)
        pair_table_list(p->bpe.pairs, pairs);
    if (!code && n)
        qsort(pairs, n, sizeof *pairs, by_rank);
    for (size_t i = 0; i < n && !code; i++) {
        struct span left = p->model_tokens[pairs[i].left], right = p->model_tokens[pairs[i].right];
        uint8_t *text = arena_alloc(a, left.n + 1 + right.n);
        if (!text) {
            code = no_memory(e);
            break;
        }
        span_copy(text, left);
        text[left.n] = ' ';
        span_copy(text + left.n + 1, right);
        merges[i] = span_of(text, left.n + 1 + right.n);
    }
    v->merges = merges;
    v->n_merges = n;
    free(pairs);
    return code;
}

static int encode_sample(const struct tokenizer *t, struct token_list *out, struct err *e)
{
    const struct encode_options o = {.add_special = true};
    return tokenizer_encode(t, span_of(sample, sizeof sample - 1), &o, out, e);
}

/* *same: v makes the tokens that are wanted. What cannot be opened does not. */
static int try_name(const struct vocab *v, const struct token_list *wanted, bool *same,
                    struct err *e)
{
    struct tokenizer *t = NULL;
    struct token_list got = {NULL, 0, 0};
    int code = tokenizer_open(&t, v, e);
    if (!code)
        code = encode_sample(t, &got, e);
    *same =
        !code && got.n == wanted->n && memcmp(got.ids, wanted->ids, got.n * sizeof *got.ids) == 0;
    token_list_release(&got);
    tokenizer_close(&t);
    return code == ERR_NOMEM ? code : 0;
}

static int find_name(const struct tokenizer *t, struct arena *a, struct vocab *v, struct err *e)
{
    struct token_list wanted = {NULL, 0, 0};
    struct span name;
    bool same = false;
    int code = encode_sample(t, &wanted, e);
    for (size_t i = 0; !code && !same && pre_row_name(i, &name); i++) {
        v->pre = arena_strndup(a, name.p, name.n);
        code = v->pre ? try_name(v, &wanted, &same, e) : no_memory(e);
    }
    token_list_release(&wanted);
    if (!code && !same)
        code = err_set(e, ERR_UNSUPPORTED,
                       "tokenizer: none of GGUF's pre-tokenizers gives the same tokens");
    return code;
}

int tokenizer_vocabulary(const struct tokenizer *t, struct arena *a, struct vocab *out,
                         struct err *e)
{
    const struct pipeline *p = t->pipeline;
    struct vocab v = {.kind = VOCAB_BPE, .bos = t->v.bos, .eos = t->v.eos, .unk = t->v.unk};
    if (!p || p->is_unigram || !p->bpe.bytes)
        return err_set(e, ERR_UNSUPPORTED, "tokenizer: only byte-level BPE is written as GGUF");
    v.add_bos = p->n_prefix == 1 && p->prefix[0] == v.bos;
    v.add_eos = p->n_suffix == 1 && p->suffix[0] == v.eos;
    int code = copy_tokens(p, a, &v, e);
    if (!code)
        code = copy_merges(p, a, &v, e);
    if (!code)
        code = find_name(t, a, &v, e);
    if (!code)
        *out = v;
    return code;
}
