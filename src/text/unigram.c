/* SPDX-License-Identifier: MIT */
/* Unigram, the way of the best sum of scores (Viterbi 1967) through a text.
 *
 * Source: Kudo 2018, "Subword Regularization", with what Hugging Face's tokenizers make of it: a
 * character that is no token by itself can be passed at the price of the least score minus 10, such
 * characters that follow each other are one unknown token, and of equal sums the one whose last
 * token is longest stays.
 *
 * A place that no token reaches over parts the text: what lies before it is settled. So the
 * scratch is as long as a sentence of common letters, not as the text. */
#include "text/unigram.h"

#include <math.h>
#include <stdlib.h>

enum {
    SEGMENT_BYTES = 4096, /* shorter segments are not settled early: it would not pay */
    /* Real vocabularies have some 3 nodes a token: what only one token goes through is no node. */
    TRIE_NODES_FREE = 1 << 20,
    TRIE_NODES_A_TOKEN = 16,
    TOKENS_BYTES_MAX = 1 << 30,
};

static const double unknown_penalty = 10; /* Hugging Face's and SentencePiece's kUnkPenalty */

/* A node of the tree of all tokens. Its children stand side by side, so that the byte which leads
 * to a child is found by memchr in labels. */
struct trie_node {
    uint32_t first; /* child; of a leaf: the bytes of its token that lead here */
    int32_t id;     /* the token that ends here, -1: none; of a leaf: its one token */
    uint16_t n;     /* children, at most 256; LEAF */
};
enum { LEAF = 0xffff };

struct unigram {
    const struct span *tokens; /* borrowed, as scores */
    const double *scores;
    struct trie_node *nodes;
    uint8_t *labels; /* [nodes] the byte that leads to each */
    size_t n_nodes;
    int32_t unk;
    double unk_score;
    bool spells;           /* byte fallback */
    int32_t byte_ids[256]; /* -1: none */
};

/* ---- open ---- */

struct entry {
    struct span text;
    int32_t id;
};

static int by_text(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = span_compare(x->text, y->text);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

/* The tokens that texts can hold, sorted; NULL without memory. */
static struct entry *sorted_entries(const struct span *tokens, size_t n, size_t *n_entries,
                                    size_t *n_bytes)
{
    struct entry *entries = calloc(n ? n : 1, sizeof *entries);
    *n_entries = *n_bytes = 0;
    for (size_t i = 0; entries && i < n; i++) {
        if (tokens[i].n == 0 || !utf8_valid(tokens[i]))
            continue; /* would cut a character in two */
        entries[(*n_entries)++] = (struct entry){tokens[i], (int32_t)i};
        *n_bytes += tokens[i].n;
    }
    if (entries)
        qsort(entries, *n_entries, sizeof *entries, by_text);
    return entries;
}

/* Entries [from, to) share their first depth bytes, which lead to a node. */
struct range {
    uint32_t from, to;
    uint32_t depth;
};

/* A bound of the nodes that grow makes: each entry has those of its bytes that the one before it
 * does not begin with, up to where no neighbour goes along. */
static size_t count_nodes(const struct entry *entries, size_t n)
{
    size_t nodes = 1;
    size_t before = 0; /* bytes that the entry shares with the one before it */
    for (size_t i = 0; i < n; i++) {
        size_t after = 0;
        struct span a = entries[i].text;
        struct span b = i + 1 < n ? entries[i + 1].text : span_of(NULL, 0);
        while (after < a.n && after < b.n && a.p[after] == b.p[after])
            after++;
        size_t own = (before > after ? before : after) + 1;
        nodes += (own < a.n ? own : a.n) - before;
        before = after;
    }
    return nodes;
}

/* Level by level, so that siblings become neighbours: ranges[i] belongs to nodes[i]. */
static void grow(struct unigram *u, const struct entry *entries, size_t n, struct range *ranges)
{
    ranges[0] = (struct range){0, (uint32_t)n, 0};
    u->n_nodes = 1;
    for (size_t at = 0; at < u->n_nodes; at++) {
        struct range r = ranges[at];
        struct trie_node *node = &u->nodes[at];
        *node = (struct trie_node){.first = (uint32_t)u->n_nodes, .id = -1};
        uint32_t i = r.from;
        if (r.to - r.from == 1 && r.depth > 0) {
            *node = (struct trie_node){.first = r.depth, .id = entries[i].id, .n = LEAF};
            continue;
        }
        for (; i < r.to && entries[i].text.n == r.depth; i++)
            node->id = entries[i].id; /* the last of equal texts */
        while (i < r.to) {
            uint8_t label = entries[i].text.p[r.depth];
            uint32_t end = i;
            while (end < r.to && entries[end].text.p[r.depth] == label)
                end++;
            ranges[u->n_nodes] = (struct range){i, end, r.depth + 1};
            u->labels[u->n_nodes++] = label;
            node->n++;
            i = end;
        }
    }
}

static int build_trie(struct unigram *u, const struct span *tokens, size_t n, struct err *e)
{
    size_t n_entries, n_bytes, n_nodes;
    struct range *ranges = NULL;
    int rc = 0;
    struct entry *entries = sorted_entries(tokens, n, &n_entries, &n_bytes);
    if (!entries) {
        rc = err_set(e, ERR_NOMEM, "vocabulary: no memory for %zu tokens", n);
        goto done;
    }
    n_nodes = count_nodes(entries, n_entries);
    if (n_bytes >= TOKENS_BYTES_MAX ||
        n_nodes > TRIE_NODES_FREE + (size_t)TRIE_NODES_A_TOKEN * n_entries) {
        rc = err_set(e, ERR_LIMIT, "vocabulary: %zu bytes in %zu tokens, expected shorter tokens",
                     n_bytes, n_entries);
        goto done;
    }
    ranges = malloc(n_nodes * sizeof *ranges);
    u->nodes = malloc(n_nodes * sizeof *u->nodes);
    u->labels = malloc(n_nodes);
    if (!ranges || !u->nodes || !u->labels) {
        rc = err_set(e, ERR_NOMEM, "vocabulary: no memory for %zu tokens", n);
        goto done;
    }
    grow(u, entries, n_entries, ranges);
done:
    free(entries);
    free(ranges);
    return rc;
}

/* The child of a node, 0 (the root, nobody's child) if there is none. */
static uint32_t child(const struct unigram *u, uint32_t node, uint8_t label)
{
    const struct trie_node *parent = &u->nodes[node];
    if (parent->n == LEAF)
        return 0;
    const uint8_t *labels = u->labels + parent->first;
    const uint8_t *found = memchr(labels, label, parent->n);
    return found ? parent->first + (uint32_t)(found - labels) : 0;
}

/* The id of a token by its text, -1 if there is none. */
static int32_t find(const struct unigram *u, struct span text)
{
    uint32_t node = 0;
    for (size_t i = 0; i < text.n; i++) {
        node = child(u, node, text.p[i]);
        if (!node)
            return -1;
        if (u->nodes[node].n == LEAF) {
            int32_t id = u->nodes[node].id;
            return span_eq(u->tokens[id], text) ? id : -1;
        }
    }
    return text.n ? u->nodes[node].id : -1;
}

static void find_bytes(struct unigram *u)
{
    static const char digits[] = "0123456789ABCDEF";
    char text[] = "<0x00>";
    for (unsigned b = 0; b < 256; b++) {
        text[3] = digits[b >> 4];
        text[4] = digits[b & 15];
        u->byte_ids[b] = find(u, span_str(text));
    }
}

int unigram_open(struct unigram **out, const struct span *tokens, const double *scores, size_t n,
                 int32_t unk, bool byte_fallback, struct err *e)
{
    if (unk < -1 || (unk >= 0 && (size_t)unk >= n))
        return err_set(e, ERR_FORMAT, "vocabulary: unknown token %d, expected one of %zu tokens",
                       unk, n);
    double least = INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(scores[i]))
            return err_set(e, ERR_FORMAT, "vocabulary: token %zu: score %g, expected a number", i,
                           scores[i]);
        least = scores[i] < least ? scores[i] : least;
    }
    struct unigram *u = calloc(1, sizeof *u);
    if (!u)
        return err_set(e, ERR_NOMEM, "vocabulary: no memory");
    u->tokens = tokens;
    u->scores = scores;
    u->unk = unk;
    u->unk_score = least - unknown_penalty;
    u->spells = byte_fallback;
    int rc = build_trie(u, tokens, n, e);
    if (rc) {
        unigram_close(&u);
        return rc;
    }
    find_bytes(u);
    *out = u;
    return 0;
}

void unigram_close(struct unigram **u)
{
    if (!*u)
        return;
    free((*u)->nodes);
    free((*u)->labels);
    free(*u);
    *u = NULL;
}

/* ---- encode ---- */

/* The best way to a place of the text. */
struct step {
    double score;
    uint32_t length; /* bytes of its last token; 0: nobody has come here */
    int32_t id;
};

struct walk {
    const struct unigram *u;
    struct span text;
    size_t base;        /* what lies before it is settled */
    struct step *steps; /* [place - base] */
    size_t cap;
    struct token_list path; /* id and length by turns, from a segment's end to its beginning */
    size_t unknown_from, unknown; /* a run of unknown bytes that may go on */
    struct token_list *out;
    struct err *e;
};

/* Makes the places up to `place` ones that nobody has come to. */
static int reach(struct walk *w, size_t *n, size_t place)
{
    size_t need = place - w->base + 1;
    if (need > w->cap) {
        size_t cap = need + need / 2 + 64;
        struct step *steps = realloc(w->steps, cap * sizeof *steps);
        if (!steps)
            return err_set(w->e, ERR_NOMEM, "tokens: no memory for a word of %zu bytes", need);
        w->steps = steps;
        w->cap = cap;
    }
    for (; *n < need; ++*n)
        w->steps[*n] = (struct step){0};
    return 0;
}

static void offer(struct walk *w, size_t from, size_t n, double score, int32_t id)
{
    struct step *to = &w->steps[from + n - w->base];
    score += w->steps[from - w->base].score;
    if (to->length == 0 || score > to->score)
        *to = (struct step){score, (uint32_t)n, id};
}

/* Offers each token that begins at from. *n: places that are set. */
static int step(struct walk *w, size_t from, size_t *n)
{
    const struct unigram *u = w->u;
    uint32_t cp, node = 0;
    size_t length = utf8_decode(span_sub(w->text, from, 4), &cp);
    bool single = false;
    int rc = reach(w, n, from + length);
    for (size_t i = from; i < w->text.n && !rc; i++) {
        node = child(u, node, w->text.p[i]);
        if (!node)
            break;
        int32_t id = u->nodes[node].id;
        size_t bytes = i + 1 - from;
        if (u->nodes[node].n == LEAF) {
            bytes = u->tokens[id].n;
            if (!span_eq(span_sub(w->text, from, bytes), u->tokens[id]))
                break;
            i = w->text.n; /* nobody goes on from a leaf */
        } else if (id < 0) {
            continue;
        }
        rc = reach(w, n, from + bytes);
        if (!rc)
            offer(w, from, bytes, u->scores[id], id);
        single = single || bytes == length;
    }
    if (rc || single)
        return rc;
    if (u->unk < 0)
        return err_set(w->e, ERR_FORMAT,
                       "text: U+%04X is in no token, and the vocabulary has no unknown token", cp);
    offer(w, from, length, u->unk_score, u->unk);
    return 0;
}

/* The run of unknown characters is over. As a whole it can be a token after all. */
static int put_unknown(struct walk *w)
{
    struct span run = span_sub(w->text, w->unknown_from, w->unknown);
    w->unknown = 0;
    if (run.n == 0)
        return 0;
    int32_t id = find(w->u, run);
    bool spell = id < 0 && w->u->spells;
    for (size_t i = 0; i < run.n && spell; i++)
        spell = w->u->byte_ids[run.p[i]] >= 0;
    if (!spell)
        return token_list_push(w->out, id >= 0 ? id : w->u->unk, w->e);
    int rc = 0;
    for (size_t i = 0; i < run.n && !rc; i++)
        rc = token_list_push(w->out, w->u->byte_ids[run.p[i]], w->e);
    return rc;
}

/* The best way to `place` is settled: its tokens go out. */
static int settle(struct walk *w, size_t place)
{
    int rc = 0;
    w->path.n = 0;
    for (size_t at = place; at > w->base && !rc;) {
        struct step s = w->steps[at - w->base];
        rc = token_list_push(&w->path, (int32_t)s.length, w->e);
        if (!rc)
            rc = token_list_push(&w->path, s.id, w->e);
        at -= s.length;
    }
    size_t at = w->base;
    for (size_t i = w->path.n; i > 0 && !rc; i -= 2) {
        int32_t id = w->path.ids[i - 1];
        size_t length = (size_t)w->path.ids[i - 2];
        if (id == w->u->unk) {
            w->unknown_from = w->unknown ? w->unknown_from : at;
            w->unknown += length;
        } else {
            rc = put_unknown(w);
            if (!rc)
                rc = token_list_push(w->out, id, w->e);
        }
        at += length;
    }
    w->steps[0] = (struct step){.score = w->steps[place - w->base].score};
    w->base = place;
    return rc;
}

int unigram_encode(const struct unigram *u, struct span text, struct token_list *out, struct err *e)
{
    struct walk w = {.u = u, .text = text, .out = out, .e = e};
    size_t n = 0, at = 0; /* places that are set; nobody reaches beyond base + n - 1 */
    int rc = 0;
    if (text.n == 0)
        return 0;
    if (text.n > INT32_MAX)
        return err_set(e, ERR_LIMIT, "text: %zu bytes, expected at most %d", text.n, INT32_MAX);
    rc = reach(&w, &n, 0);
    while (at < text.n && !rc) {
        uint32_t cp;
        size_t length = utf8_decode(span_sub(text, at, 4), &cp);
        if (length == 0) {
            rc = err_set(e, ERR_FORMAT, "text: byte %zu: 0x%02x, expected UTF-8", at, text.p[at]);
            break;
        }
        if (at - w.base >= SEGMENT_BYTES && at - w.base == n - 1) {
            rc = settle(&w, at);
            n = 1;
        }
        if (!rc)
            rc = step(&w, at, &n);
        at += length;
    }
    if (!rc)
        rc = settle(&w, text.n);
    if (!rc)
        rc = put_unknown(&w);
    free(w.steps);
    token_list_release(&w.path);
    return rc;
}
