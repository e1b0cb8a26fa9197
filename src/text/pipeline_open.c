/* SPDX-License-Identifier: MIT */
/* A pipeline before it runs: its added tokens, their ids, and the sets that they are found by.
 * Source: the behaviour of Hugging Face's `tokenizers` (tokenizer::added_vocabulary). */
#include "text/pipeline.h"
#include "text/tokenizer_parts.h"

#include <stdlib.h>

enum { ADDED_NORMAL_MAX = 4 << 20 };

void pipeline_close(struct pipeline **pp)
{
    struct pipeline *p = *pp;
    if (!p)
        return;
    *pp = NULL;
    for (size_t i = 0; i < p->n_normalizers; i++)
        normalizer_release(&p->normalizers[i]);
    for (size_t i = 0; i < p->n_stages; i++)
        pre_stage_release(&p->stages[i]);
    for (size_t i = 0; i < p->n_decoders; i++)
        decoder_release(&p->decoders[i]);
    unigram_close(&p->unigram);
    bpe_model_release(&p->bpe);
    added_release(&p->raw);
    added_release(&p->normal);
    regex_close(&p->word);
    vocab_index_release(&p->index);
    vocab_index_release(&p->listed_index);
    buf_release(&p->added_texts);
    free(p->listed);
    free(p->listed_texts);
    free(p->model_tokens);
    free(p->tokens);
    free(p->types);
    free(p->texts);
    free(p->scores);
    for (size_t i = 0; i < p->n_docs; i++)
        json_close(&p->docs[i]);
    free(p);
}

int32_t pipeline_find(const struct pipeline *p, struct span text)
{
    int32_t at = p->listed_index.slots ? vocab_index_find(&p->listed_index, text) : -1;
    return at >= 0 ? p->listed[at].id : vocab_index_find(&p->index, text);
}

/* Ids are given in the order of the list, whatever ids it has: the model's where it knows the text,
 * else the next one. A text that comes again changes what it is. */
static int give_ids(struct pipeline *p, size_t n_model, struct err *e)
{
    int64_t max = -1;
    size_t kept = 0;
    p->listed_texts = calloc(p->n_listed + 1, sizeof(*p->listed_texts));
    if (!p->listed_texts)
        return err_set(e, ERR_NOMEM, "added_tokens: no memory for %zu", p->n_listed);
    int rc = vocab_index_init(&p->listed_index, p->listed_texts, p->n_listed, e);
    for (size_t i = 0; i < p->n_listed && !rc; i++) {
        struct listed_token t = p->listed[i];
        p->listed_texts[kept] = t.text;
        int32_t same = vocab_index_add(&p->listed_index, (int32_t)kept);
        if (same >= 0) {
            t.id = p->listed[same].id;
            t.special = t.special || p->listed[same].special;
            p->listed[same] = t;
            continue;
        }
        int32_t known = vocab_index_find(&p->index, t.text);
        int64_t next = max >= (int64_t)n_model ? max + 1 : (int64_t)n_model;
        t.id = known >= 0 ? known : (int32_t)next;
        max = t.id > max ? t.id : max;
        p->listed[kept++] = t;
    }
    p->n_listed = kept;
    return rc;
}

/* tokens and types: the model's, and the added ones over them. */
static int join_tokens(struct pipeline *p, struct err *e)
{
    size_t n = p->n;
    for (size_t i = 0; i < p->n_listed; i++)
        n = (size_t)p->listed[i].id >= n ? (size_t)p->listed[i].id + 1 : n;
    p->tokens = calloc(n, sizeof(*p->tokens));
    p->types = calloc(n, sizeof(*p->types));
    if (!p->tokens || !p->types)
        return err_set(e, ERR_NOMEM, "vocabulary: no memory for %zu tokens", n);
    memcpy(p->tokens, p->model_tokens, p->n * sizeof(*p->tokens));
    for (size_t i = 0; i < n; i++)
        p->types[i] = TOKEN_NORMAL;
    for (size_t i = 0; i < p->n_listed; i++) {
        const struct listed_token *t = &p->listed[i];
        p->tokens[t->id] = t->text;
        p->types[t->id] = t->special ? TOKEN_CONTROL : TOKEN_USER_DEFINED;
    }
    p->n = n;
    return 0;
}

/* The text that an added token is looked for by. Where it is another than its own, *at is its place
 * in added_texts: a pointer would not outlive the buffer's growth. */
static int normalized(struct pipeline *p, struct normal_scratch *s, struct span *text, size_t *at,
                      struct err *e)
{
    struct normal_text t;
    int rc = normalizers_apply(p->normalizers, p->n_normalizers, s, *text, true, &t, e);
    if (rc || t.text.p == text->p)
        return rc;
    *at = p->added_texts.n;
    text->n = t.text.n;
    buf_span(&p->added_texts, t.text);
    return buf_check(&p->added_texts, "added_tokens", e);
}

/* A token that is found in normalized text is decoded to that text, and then is special only if
 * that is the text of a special one. */
static void rename_token(struct pipeline *p, const struct added_token *t)
{
    int32_t at = vocab_index_find(&p->listed_index, t->text);
    bool special = at >= 0 && p->listed[at].special;
    p->tokens[t->id] = t->text;
    p->types[t->id] = special ? TOKEN_CONTROL : TOKEN_USER_DEFINED;
}

/* The listed tokens of one kind, in the order in which they take precedence, as a set. */
static int open_set(struct pipeline *p, struct added *out, bool normal, struct err *e)
{
    struct added_token *tokens = calloc(p->n_listed ? p->n_listed : 1, sizeof(*tokens));
    size_t *moved = calloc(p->n_listed ? p->n_listed : 1, sizeof(*moved));
    struct normal_scratch scratch = {0};
    int rc = tokens && moved ? 0 : err_set(e, ERR_NOMEM, "added_tokens: no memory");
    size_t n = 0;
    for (int special = 1; special >= 0; special--) {
        for (size_t i = 0; i < p->n_listed && !rc; i++) {
            const struct listed_token *t = &p->listed[i];
            if (t->normalized != normal || t->special != (special == 1))
                continue;
            if (t->text.n > ADDED_MAX_BYTES) {
                rc = err_set(e, ERR_UNSUPPORTED,
                             "added_tokens: '%.*s': %zu bytes, expected at most %d",
                             SPAN_FMT(t->text), t->text.n, ADDED_MAX_BYTES);
                break;
            }
            struct span text = t->text;
            moved[n] = SIZE_MAX;
            rc = normal ? normalized(p, &scratch, &text, &moved[n], e) : 0;
            if (!rc && text.n)
                tokens[n++] = (struct added_token){text,      t->id,     t->special,
                                                   t->lstrip, t->rstrip, t->single_word};
        }
    }
    for (size_t i = 0; i < n && !rc; i++)
        if (moved[i] != SIZE_MAX)
            tokens[i].text.p = (const uint8_t *)p->added_texts.p + moved[i];
    for (size_t i = 0; i < n && !rc; i++)
        if (moved[i] != SIZE_MAX)
            rename_token(p, &tokens[i]);
    normal_scratch_release(&scratch);
    free(moved);
    if (rc) {
        free(tokens);
        return rc;
    }
    added_init(out, tokens, n);
    return 0;
}

int pipeline_add_tokens(struct pipeline *p, struct err *e)
{
    size_t n_model = 0;
    bool words = false;
    for (size_t i = 0; i < p->n; i++)
        n_model += p->model_tokens[i].p != NULL;
    buf_init(&p->added_texts, ADDED_NORMAL_MAX);
    int rc = give_ids(p, n_model, e);
    if (!rc)
        rc = join_tokens(p, e);
    if (!rc)
        rc = open_set(p, &p->raw, false, e);
    if (!rc)
        rc = open_set(p, &p->normal, true, e);
    for (size_t i = 0; i < p->n_listed; i++)
        words = words || p->listed[i].single_word;
    if (!rc && words)
        rc =
            regex_open(&p->word, span_str("[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]"),
                       "added_tokens", e);
    return rc;
}

void pipeline_ready(struct pipeline *p)
{
    if (p->is_unigram)
        return;
    struct pre_stage *last = p->n_stages ? &p->stages[p->n_stages - 1] : NULL;
    bpe_model_ready(&p->bpe, last && last->letters);
    if (p->bpe.bytes)
        last->letters = false;
}
