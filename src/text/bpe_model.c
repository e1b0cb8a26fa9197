/* SPDX-License-Identifier: MIT */
/* Source: the behaviour of Hugging Face's `tokenizers` (models::bpe). */
#include "text/bpe_model.h"
#include "text/alphabet.h"
#include "text/tokenizer_parts.h"

#include <stdio.h>

static const char blank[] = "\xe2\x96\x81"; /* U+2581 */

enum { SCRATCH_MAX = 1 << 20 };

void bpe_model_release(struct bpe_model *m)
{
    pair_table_close(&m->pairs);
}

static bool every_letter(struct bpe_model *m)
{
    bool all = true;
    for (unsigned b = 0; b < 256; b++) {
        char letter[4];
        m->byte_ids[b] =
            vocab_index_find(m->index, span_of(letter, utf8_encode(byte_to_letter(b), letter)));
        all = all && m->byte_ids[b] >= 0;
    }
    return all;
}

void bpe_model_ready(struct bpe_model *m, bool bytes)
{
    bool plain = m->prefix.n == 0 && m->suffix.n == 0;
    /* A letter without a token is left out only where there is nothing in its place. */
    if (bytes && plain && (every_letter(m) || (m->unk == UNK_NONE && !m->byte_fallback))) {
        m->bytes = true;
        return;
    }
    for (unsigned b = 0; b < 256; b++) {
        char token[8];
        int n = snprintf(token, sizeof(token), "<0x%02X>", b);
        m->byte_ids[b] = vocab_index_find(m->index, span_of(token, (size_t)n));
    }
}

/* Characters without any token that have come and wait; several may be one unknown token. */
struct unknowns {
    bool any;
};

static int push_unknown(const struct bpe_model *m, struct unknowns *u, struct token_list *out,
                        struct err *e)
{
    if (!u->any)
        return 0;
    u->any = false;
    return token_list_push(out, m->unk, e);
}

static int add_unknown(const struct bpe_model *m, struct unknowns *u, struct token_list *out,
                       struct err *e)
{
    if (m->unk == UNK_NONE)
        return 0;
    if (m->unk == UNK_MISSING)
        return err_set(e, ERR_FORMAT, "tokenizer.json: unk_token is no token, and one is needed");
    int rc = m->fuse_unk ? 0 : push_unknown(m, u, out, e);
    u->any = true;
    return rc;
}

/* The spelling of a character at its place in a word. */
static struct span spelling(const struct bpe_model *m, struct buf *scratch, struct span character,
                            bool first, bool last)
{
    bool prefixed = !first && m->prefix.n;
    bool suffixed = last && m->suffix.n;
    if (!prefixed && !suffixed)
        return character;
    if (scratch->max == 0)
        buf_init(scratch, SCRATCH_MAX);
    buf_clear(scratch);
    if (prefixed)
        buf_span(scratch, m->prefix);
    buf_span(scratch, character);
    if (suffixed)
        buf_span(scratch, m->suffix);
    return buf_view(scratch);
}

/* In bytes, if each of them has a token. They do not end a run of unknown characters. */
static bool push_bytes(const struct bpe_model *m, struct span s, struct token_list *out)
{
    if (!m->byte_fallback || s.n > out->cap - out->n)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (m->byte_ids[s.p[i]] < 0)
            return false;
    for (size_t i = 0; i < s.n; i++)
        out->ids[out->n++] = m->byte_ids[s.p[i]];
    return true;
}

static int push_characters(const struct bpe_model *m, struct buf *scratch, struct span word,
                           struct token_list *out, struct err *e)
{
    struct unknowns u = {false};
    int rc = 0;
    for (size_t i = 0; i < word.n && !rc;) {
        uint32_t cp;
        size_t length = utf8_decode(span_sub(word, i, 4), &cp);
        struct span s =
            spelling(m, scratch, span_sub(word, i, length), i == 0, i + length == word.n);
        int32_t id = vocab_index_find(m->index, s);
        i += length;
        if (id >= 0) {
            rc = push_unknown(m, &u, out, e);
            if (!rc)
                rc = token_list_push(out, id, e);
            continue;
        }
        rc = m->byte_fallback ? token_list_reserve(out, s.n, e) : 0;
        if (!rc && !push_bytes(m, s, out))
            rc = add_unknown(m, &u, out, e);
    }
    return rc ? rc : push_unknown(m, &u, out, e);
}

static int32_t whole_word(const struct bpe_model *m, struct buf *scratch, struct span word)
{
    if (!m->bytes)
        return vocab_index_find(m->index, word);
    if (word.n > m->index->longest)
        return -1;
    if (scratch->max == 0)
        buf_init(scratch, SCRATCH_MAX);
    buf_clear(scratch);
    append_letters(scratch, word);
    return scratch->failed ? -1 : vocab_index_find(m->index, buf_view(scratch));
}

int bpe_model_encode(const struct bpe_model *m, struct merger *merger, struct buf *scratch,
                     struct span word, struct token_list *out, struct err *e)
{
    size_t began = out->n;
    if (m->ignore_merges) {
        int32_t id = whole_word(m, scratch, word);
        if (id >= 0)
            return token_list_push(out, id, e);
    }
    int rc = token_list_reserve(out, word.n, e);
    if (rc)
        return rc;
    if (m->bytes) {
        for (size_t i = 0; i < word.n; i++)
            if (m->byte_ids[word.p[i]] >= 0)
                out->ids[out->n++] = m->byte_ids[word.p[i]];
    } else {
        rc = push_characters(m, scratch, word, out, e);
    }
    size_t n = out->n - began;
    if (!rc && n > 1)
        rc = merger_run(merger, pair_table_merge, m->pairs, out->ids + began, &n, e);
    out->n = began + n;
    return rc;
}

size_t bpe_model_word(const struct bpe_model *m, struct span text)
{
    if (!m->blanks_begin)
        return text.n;
    bool other = false;
    for (size_t i = 0; i < text.n; i++) {
        bool is_blank = i + 3 <= text.n && memcmp(text.p + i, blank, 3) == 0;
        if (is_blank && other)
            return i;
        if (is_blank)
            i += 2;
        else
            other = true;
    }
    return text.n;
}
