/* SPDX-License-Identifier: MIT */
/* The model of a tokenizer.json: pieces with what they are merged from, or with their scores. */
#include "text/sentencepiece_parts.h"

#include <stdlib.h>

/* Bounds what is looked at for each piece. Real ones have up to some 90. */
enum { MERGED_MAX_BYTES = 256 };

/* An object that begins with its type; the caller ends it. */
void sp_begin(struct json_writer *w, const char *type)
{
    json_write_object(w);
    json_put_str(w, "type", type);
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

/* ---- which pieces begin and end others ---- */

/* For each piece the lengths of shorter ones that it begins with, as bits. Looking up each
 * beginning of each piece would take time by the square of their length. */
struct beginnings {
    uint64_t *bits;  /* words of all pieces */
    uint32_t *words; /* [pieces] where those of a piece begin */
};

static size_t words_of(size_t bytes)
{
    return bytes / 64 + 1;
}

static void beginnings_release(struct beginnings *b)
{
    free(b->bits);
    free(b->words);
}

static bool beginnings_open(struct beginnings *b, const struct sp_model *m,
                            const struct ranking *ranks, size_t n)
{
    size_t words = 0;
    b->words = calloc(m->n + 1, sizeof *b->words);
    for (size_t i = 0; i < n && b->words; i++) {
        b->words[ranks[i].id] = (uint32_t)words;
        words += words_of(m->texts[ranks[i].id].n);
    }
    b->bits = calloc(words + 1, sizeof *b->bits);
    return b->words && b->bits;
}

static bool has_length(const struct beginnings *b, int32_t id, size_t length)
{
    return b->bits[b->words[id] + length / 64] >> length % 64 & 1;
}

/* A piece as it is sorted: forwards, or from its end. */
struct sorted_piece {
    struct span text;
    int32_t id;
};

static int by_front(const void *a, const void *b)
{
    return span_compare(((const struct sorted_piece *)a)->text,
                        ((const struct sorted_piece *)b)->text);
}

static int by_back(const void *a, const void *b)
{
    struct span x = ((const struct sorted_piece *)a)->text;
    struct span y = ((const struct sorted_piece *)b)->text;
    for (size_t i = 1; i <= x.n && i <= y.n; i++)
        if (x.p[x.n - i] != y.p[y.n - i])
            return x.p[x.n - i] < y.p[y.n - i] ? -1 : 1;
    return (x.n > y.n) - (x.n < y.n);
}

/* Those that a piece begins with stand before it, the longest last: each takes over what that one
 * begins with. */
static void find_beginnings(struct beginnings *b, struct sorted_piece *pieces, size_t n, bool back)
{
    size_t open[MERGED_MAX_BYTES + 1]; /* places of pieces that the last one begins with, and it */
    size_t n_open = 0;
    qsort(pieces, n, sizeof *pieces, back ? by_back : by_front);
    for (size_t i = 0; i < n; i++) {
        struct span text = pieces[i].text;
        for (; n_open; n_open--) {
            struct span top = pieces[open[n_open - 1]].text;
            if (top.n < text.n && memcmp(top.p, text.p + (back ? text.n - top.n : 0), top.n) == 0)
                break;
        }
        if (n_open) {
            const struct sorted_piece *top = &pieces[open[n_open - 1]];
            uint64_t *to = b->bits + b->words[pieces[i].id];
            memcpy(to, b->bits + b->words[top->id], words_of(top->text.n) * sizeof *to);
            to[top->text.n / 64] |= UINT64_C(1) << top->text.n % 64;
        }
        open[n_open++] = i;
    }
}

/* ---- merges ---- */

/* The pairs of pieces that make up one, the shortest left part first. */
static void put_merges_of(struct json_writer *w, const struct beginnings *begin,
                          const struct beginnings *end, int32_t id, struct span text)
{
    for (size_t at = 1; at < text.n; at++) {
        struct span left = span_sub(text, 0, at), right = span_sub(text, at, SIZE_MAX);
        if (!has_length(begin, id, at) || !has_length(end, id, text.n - at))
            continue;
        json_write_array(w);
        json_write_span(w, left);
        json_write_span(w, right);
        json_write_array_end(w);
    }
}

static int put_ranked(struct json_writer *w, const struct sp_model *m, const struct ranking *ranks,
                      size_t n, struct err *e)
{
    struct beginnings begin = {NULL, NULL}, end = {NULL, NULL};
    struct sorted_piece *pieces = calloc(n + 1, sizeof *pieces);
    int rc = 0;
    if (!pieces || !beginnings_open(&begin, m, ranks, n) || !beginnings_open(&end, m, ranks, n)) {
        rc = err_set(e, ERR_NOMEM, "no memory for %zu pieces", n);
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        pieces[i] = (struct sorted_piece){m->texts[ranks[i].id], ranks[i].id};
    find_beginnings(&begin, pieces, n, false);
    find_beginnings(&end, pieces, n, true);
    for (size_t i = 0; i < n && !w->out->failed; i++)
        put_merges_of(w, &begin, &end, ranks[i].id, m->texts[ranks[i].id]);
done:
    beginnings_release(&begin);
    beginnings_release(&end);
    free(pieces);
    return rc;
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
    json_put_array(w, "merges");
    if (!rc)
        rc = put_ranked(w, m, ranks, n, e);
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
    json_put_null(w, "dropout");
    json_write_key(w, "unk_token");
    if (any)
        json_write_span(w, m->unk_piece);
    else if (c->class == SP_CLASS_GEMMA && c->named[SP_UNK].text.n)
        json_write_span(w, c->named[SP_UNK].text);
    else
        json_write_null(w);
    json_put_str(w, "continuing_subword_prefix", NULL);
    json_put_str(w, "end_of_word_suffix", NULL);
    json_put_bool(w, "fuse_unk", true);
    json_put_bool(w, "byte_fallback", any ? m->byte_fallback : true);
    json_put_bool(w, "ignore_merges", any && sp_has_user_defined(m));
    json_put_object(w, "vocab");
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
    json_put_int(w, "unk_id", m->unk_id);
    json_put_array(w, "vocab");
    for (size_t i = 0; i < m->n; i++) {
        json_write_array(w);
        json_write_span(w, m->texts[i]);
        json_write_f64(w, (double)m->scores[i]);
        json_write_array_end(w);
    }
    json_write_array_end(w);
    json_put_bool(w, "byte_fallback", m->byte_fallback);
    json_write_object_end(w);
}
