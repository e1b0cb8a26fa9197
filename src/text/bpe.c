/* SPDX-License-Identifier: MIT */
/* Byte-level BPE, as GPT-2 brought it up: a text is cut into words, each byte of a word becomes a
 * token, and neighbours merge by rank.
 *
 * Vocabularies spell a byte as one printable character (alphabet.h). */
#include "text/alphabet.h"
#include "text/tokenizer_parts.h"
#include "text/unicode.h"

#include <stdlib.h>

void bpe_piece(const struct tokenizer *t, int32_t id, struct buf *out)
{
    append_bytes_of(out, t->v.tokens[id]);
}

/* ---- merges ---- */

static int pairs_fill(struct tokenizer *t, struct err *e)
{
    for (size_t i = 0; i < t->v.n_merges; i++) {
        struct span m = t->v.merges[i];
        /* The left part is not empty, so that a blank in front belongs to it. */
        const uint8_t *blank = m.n > 2 ? memchr(m.p + 1, ' ', m.n - 1) : NULL;
        if (!blank || blank == m.p + m.n - 1)
            return err_set(
                e, ERR_FORMAT,
                "vocabulary: merge %zu: '%.*s', expected two tokens with a blank between", i,
                SPAN_FMT(m));
        struct span left = span_of(m.p, (size_t)(blank - m.p));
        struct span right = span_of(blank + 1, m.n - left.n - 1);
        int32_t a = vocab_index_find(&t->index, left);
        int32_t b = vocab_index_find(&t->index, right);
        int32_t both = vocab_index_find_joined(&t->index, left, right);
        if (a < 0 || b < 0 || both < 0) {
            const char *part = a < 0 ? "its left part" : b < 0 ? "its right part" : "its result";
            return err_set(e, ERR_FORMAT, "vocabulary: merge %zu: '%.*s': %s is no token", i,
                           SPAN_FMT(m), part);
        }
        pair_table_add(t->pairs, a, b, (struct merge){(uint32_t)i, both});
    }
    return 0;
}

/* ---- open ---- */

static int find_row(const struct pre_row **row, const char *name, struct err *e)
{
    *row = pre_row_find(name);
    if (*row)
        return 0;
    struct buf names;
    buf_init(&names, 2048);
    pre_row_names(&names);
    int rc =
        err_set(e, ERR_UNSUPPORTED, "vocabulary: pre-tokenizer '%s' is unknown, expected one of %s",
                name, buf_cstr(&names));
    buf_release(&names);
    return rc;
}

int bpe_open(struct tokenizer *t, struct err *e)
{
    const struct pre_row *row;
    int rc = find_row(&row, t->v.pre, e);
    if (rc)
        return rc;
    t->nfc = row->nfc;
    t->ignore_merges = row->ignore_merges;
    for (unsigned b = 0; b < 256; b++) {
        char letter[4];
        t->byte_ids[b] =
            vocab_index_find(&t->index, span_of(letter, utf8_encode(byte_to_letter(b), letter)));
    }
    rc = pair_table_open(&t->pairs, t->v.n_merges, e);
    if (!rc)
        rc = pairs_fill(t, e);
    if (!rc)
        rc = pre_open(&t->pre, row, e);
    return rc;
}

void bpe_close(struct tokenizer *t)
{
    pair_table_close(&t->pairs);
    pre_close(&t->pre);
}

/* ---- encode ---- */

/* The word's spelling in the vocabulary is its letters; -1 when it is no token. */
static int32_t whole_word(const struct tokenizer *t, struct span word)
{
    char
        letters[512]; /* two bytes a letter: longer words are no tokens of a published vocabulary */
    if (word.n > sizeof(letters) / 2)
        return -1;
    size_t n = 0;
    for (size_t i = 0; i < word.n; i++)
        n += utf8_encode(byte_to_letter(word.p[i]), letters + n);
    int32_t id = vocab_index_find(&t->index, span_of(letters, n));
    return id >= 0 && !token_is_control(t, id) ? id : -1;
}

/* Appends the word's bytes as tokens and merges them where they stand. */
static int merge_word(struct encoding *c, struct span word, struct err *e)
{
    const struct tokenizer *t = c->t;
    struct token_list *out = c->out;
    int rc = token_list_reserve(out, word.n, e);
    if (rc)
        return rc;
    size_t n = 0;
    for (size_t i = 0; i < word.n; i++) {
        int32_t id = t->byte_ids[word.p[i]];
        /* Some vocabularies lack bytes that their training text did not have (SmolLM2's: most
         * control characters); Hugging Face's encoder leaves them out, and so do we. */
        if (id >= 0)
            out->ids[out->n + n++] = id;
    }
    rc = merger_run(&c->merger, pair_table_merge, t->pairs, out->ids + out->n, &n, e);
    if (!rc)
        out->n += n;
    return rc;
}

static int encode_word(void *context, struct span word, struct err *e)
{
    struct encoding *c = context;
    if (c->t->ignore_merges) {
        int32_t id = whole_word(c->t, word);
        if (id >= 0)
            return token_list_push(c->out, id, e);
    }
    if (word.n == 1 || !c->cache)
        return merge_word(c, word, e);
    struct cached_word *slot = word_cache_slot(c->cache, word);
    if (span_eq(slot->word, word))
        return token_list_repeat(c->out, slot->ids_from, slot->n_ids, e);
    size_t from = c->out->n;
    int rc = merge_word(c, word, e);
    if (!rc)
        *slot = (struct cached_word){word, from, c->out->n - from};
    return rc;
}

int bpe_encode(struct encoding *c, struct span text, struct err *e)
{
    if (!c->t->nfc || nfc_surely(text))
        return pre_walk_text(c->walk, text, encode_word, c, e);
    struct buf normal;
    /* Composing never makes a text longer than three times itself (annex 15, table of expansion).
     */
    buf_init(&normal, text.n * 3);
    int rc = nfc_append(&normal, text, e);
    if (!rc) {
        /* What the cache remembers of this copy would dangle. */
        struct word_cache *cache = c->cache;
        c->cache = NULL;
        rc = pre_walk_text(c->walk, buf_view(&normal), encode_word, c, e);
        c->cache = cache;
    }
    buf_release(&normal);
    return rc;
}
