/* SPDX-License-Identifier: MIT */
/* The model of a tokenizer.json: pieces with what they are merged from, or with their scores. */
#include "text/sentencepiece_parts.h"

#include <stdlib.h>

/* A piece of L bytes is cut at each of its characters to find its merges: L² bytes to look at. Real
 * ones have up to some 90. */
enum { MERGED_MAX_BYTES = 256 };

void sp_put_text(struct json_writer *w, const char *key, const char *value)
{
    json_write_key(w, key);
    json_write_str(w, value);
}

void sp_put_flag(struct json_writer *w, const char *key, bool value)
{
    json_write_key(w, key);
    json_write_bool(w, value);
}

/* An object that begins with its type; the caller ends it. */
void sp_begin(struct json_writer *w, const char *type)
{
    json_write_object(w);
    sp_put_text(w, "type", type);
}

/* Pieces in the order in which they come out of merges. */
struct ranking {
    int32_t id;
    float score;
};

static int by_score(const void *a, const void *b)
{
    const struct ranking *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* Only normal pieces merge where the model is read by its settings; the two classes take all. */
static bool merges(const struct sp_model *m, const struct sp_config *c, int32_t id)
{
    return id >= 0 && (c->class != SP_CLASS_ANY || m->types[id] == PIECE_NORMAL);
}

/* The pairs of pieces that make up one, the shortest left part first. */
static void put_merges_of(struct json_writer *w, const struct sp_model *m,
                          const struct sp_config *c, struct span text)
{
    uint32_t cp;
    for (size_t at = utf8_decode(text, &cp); at < text.n;
         at += utf8_decode(span_sub(text, at, 4), &cp)) {
        struct span left = span_sub(text, 0, at), right = span_sub(text, at, SIZE_MAX);
        if (!merges(m, c, vocab_index_find(&m->index, left)) ||
            !merges(m, c, vocab_index_find(&m->index, right)))
            continue;
        json_write_array(w);
        json_write_span(w, left);
        json_write_span(w, right);
        json_write_array_end(w);
    }
}

static int put_merges(struct json_writer *w, const struct sp_model *m, const struct sp_config *c,
                      struct err *e)
{
    struct ranking *ranks = calloc(m->n + 1, sizeof *ranks);
    size_t n = 0;
    int rc = 0;
    if (!ranks)
        return err_set(e, ERR_NOMEM, "no memory for %zu pieces", m->n);
    for (size_t i = 0; i < m->n; i++) {
        if (!merges(m, c, (int32_t)i))
            continue;
        if (m->texts[i].n > MERGED_MAX_BYTES)
            rc = err_set(e, ERR_UNSUPPORTED, "piece %zu: %zu bytes, expected at most %d", i,
                         m->texts[i].n, MERGED_MAX_BYTES);
        /* The two classes go by the number of the piece. */
        ranks[n++] = (struct ranking){(int32_t)i, c->class == SP_CLASS_ANY ? m->scores[i] : 0};
    }
    qsort(ranks, n, sizeof *ranks, by_score);
    json_write_key(w, "merges");
    json_write_array(w);
    for (size_t i = 0; i < n && !rc && !w->out->failed; i++)
        put_merges_of(w, m, c, m->texts[ranks[i].id]);
    json_write_array_end(w);
    free(ranks);
    return rc;
}

bool sp_has_user_defined(const struct sp_model *m)
{
    return memchr(m->types, PIECE_USER_DEFINED, m->n) != NULL;
}

int sp_put_bpe(struct json_writer *w, const struct sp_model *m, const struct sp_config *c,
               struct err *e)
{
    bool any = c->class == SP_CLASS_ANY;
    sp_begin(w, "BPE");
    json_write_key(w, "dropout");
    json_write_null(w);
    json_write_key(w, "unk_token");
    if (any)
        json_write_span(w, m->unk_piece);
    else if (c->class == SP_CLASS_GEMMA && c->named[SP_UNK].text.n)
        json_write_span(w, c->named[SP_UNK].text);
    else
        json_write_null(w);
    sp_put_text(w, "continuing_subword_prefix", NULL);
    sp_put_text(w, "end_of_word_suffix", NULL);
    sp_put_flag(w, "fuse_unk", true);
    sp_put_flag(w, "byte_fallback", any ? m->byte_fallback : true);
    sp_put_flag(w, "ignore_merges", any && sp_has_user_defined(m));
    json_write_key(w, "vocab");
    json_write_object(w);
    for (size_t i = 0; i < m->n; i++) {
        json_write_key_span(w, m->texts[i]);
        json_write_int(w, (int64_t)i);
    }
    json_write_object_end(w);
    int rc = put_merges(w, m, c, e);
    json_write_object_end(w);
    return rc;
}

void sp_put_unigram(struct json_writer *w, const struct sp_model *m)
{
    sp_begin(w, "Unigram");
    json_write_key(w, "unk_id");
    json_write_int(w, m->unk_id);
    json_write_key(w, "vocab");
    json_write_array(w);
    for (size_t i = 0; i < m->n; i++) {
        json_write_array(w);
        json_write_span(w, m->texts[i]);
        json_write_f64(w, (double)m->scores[i]);
        json_write_array_end(w);
    }
    json_write_array_end(w);
    sp_put_flag(w, "byte_fallback", m->byte_fallback);
    json_write_object_end(w);
}
