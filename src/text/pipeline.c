/* SPDX-License-Identifier: MIT */
/* Runs a pipeline: added tokens are found in the text as it comes, what lies between is normalized,
 * further added tokens are found in that, what lies between is cut into words, and words go to the
 * model. Source: the behaviour of Hugging Face's `tokenizers` (tokenizer::added_vocabulary). */
#include "text/pipeline.h"
#include "text/tokenizer_parts.h"

#include <stdlib.h>

enum {
    MEMO_WORD_MAX = 64,   /* bytes: longer words are rarely met again */
    MEMO_TEXT_MIN = 2048, /* bytes: below it the table costs more than it saves */
};

/* Words that were met in this text: where their ids are in the output. Direct-mapped: a newcomer
 * takes the place of whoever is there. */
struct memo_slot {
    uint32_t key_from, n_key;
    size_t ids_from;
    uint32_t n_ids;
};
struct memo {
    struct memo_slot *slots; /* NULL: not for this text */
    size_t mask;
    struct buf keys;
};

/* One call. */
struct pipeline_run {
    const struct pipeline *p;
    const struct encode_options *options;
    struct token_list *out;
    struct normal_scratch normal;
    struct pre_run pre;
    struct merger merger;
    struct buf scratch;
    struct memo memo;
    struct regex_scan scan;
};

/* ---- words ---- */

static int model_word(struct pipeline_run *r, struct span word, struct err *e)
{
    if (r->p->is_unigram)
        return unigram_encode(r->p->unigram, word, r->out, e);
    return bpe_model_encode(&r->p->bpe, &r->merger, &r->scratch, word, r->out, e);
}

static int memo_word(struct pipeline_run *r, struct span word, struct err *e)
{
    if (!r->memo.slots || word.n > MEMO_WORD_MAX || word.n == 1)
        return model_word(r, word, e);
    uint64_t h = span_hash(word);
    struct memo_slot *s = &r->memo.slots[(h ^ h >> 32) & r->memo.mask];
    if (s->n_key == word.n && memcmp(r->memo.keys.p + s->key_from, word.p, word.n) == 0)
        return token_list_repeat(r->out, s->ids_from, s->n_ids, e);
    size_t from = r->out->n;
    int rc = model_word(r, word, e);
    size_t key = r->memo.keys.n;
    buf_span(&r->memo.keys, word);
    if (!rc && !r->memo.keys.failed)
        *s =
            (struct memo_slot){(uint32_t)key, (uint32_t)word.n, from, (uint32_t)(r->out->n - from)};
    return rc;
}

/* A word of the pre-tokenizer. */
static int on_word(void *context, struct span word, struct err *e)
{
    struct pipeline_run *r = context;
    if (r->p->is_unigram)
        return memo_word(r, word, e);
    int rc = 0;
    while (word.n && !rc) {
        size_t n = bpe_model_word(&r->p->bpe, word);
        rc = memo_word(r, span_sub(word, 0, n), e);
        word = span_sub(word, n, SIZE_MAX);
    }
    return rc;
}

/* ---- added tokens ---- */

static bool ends_with_space(struct span text, size_t *length)
{
    size_t last = text.n;
    uint32_t cp;
    if (text.n == 0)
        return false;
    do
        last--;
    while (last > 0 && (text.p[last] & 0xc0) == 0x80);
    *length = text.n - last;
    return utf8_decode(span_sub(text, last, 4), &cp) && unicode_is_space(cp);
}

static size_t space_at_front(struct span text)
{
    size_t at = 0;
    uint32_t cp;
    size_t length;
    while ((length = utf8_decode(span_sub(text, at, 4), &cp)) && unicode_is_space(cp))
        at += length;
    return at;
}

/* Whether text[from, to) stands alone, without letters at its sides. */
static bool stands_alone(struct pipeline_run *r, struct span text, size_t from, size_t to)
{
    size_t a;
    size_t b;
    size_t before = from;
    uint32_t cp;
    if (regex_scan_open(&r->scan, NULL))
        return false;
    while (before > 0 && (before == from || (text.p[before] & 0xc0) == 0x80))
        before--;
    if (from > 0 && regex_find(r->p->word, &r->scan, span_sub(text, before, from - before), 0, &a,
                               &b, NULL) > 0)
        return false;
    size_t after = utf8_decode(span_sub(text, to, 4), &cp);
    return to == text.n ||
           regex_find(r->p->word, &r->scan, span_sub(text, to, after), 0, &a, &b, NULL) <= 0;
}

/* What to do with text between added tokens. first: it begins where the text as it came begins. */
typedef int (*plain_fn)(struct pipeline_run *r, struct span text, bool first, const size_t *breaks,
                        size_t n_breaks, struct err *e);

/* The breaks that lie inside of [from, to), counted from its beginning. */
struct inside {
    const size_t *breaks;
    size_t n;
};

static int plain(struct pipeline_run *r, plain_fn fn, struct span text, size_t from, size_t to,
                 bool first, struct inside all, struct err *e)
{
    size_t *moved = NULL;
    size_t n = 0;
    if (from == to)
        return 0;
    if (all.n) {
        size_t lo = 0;
        size_t hi = all.n;
        while (lo < hi) {
            size_t mid = lo + (hi - lo) / 2;
            if (all.breaks[mid] <= from)
                lo = mid + 1;
            else
                hi = mid;
        }
        while (lo + n < all.n && all.breaks[lo + n] < to)
            n++;
        moved = n ? malloc(n * sizeof(*moved)) : NULL;
        if (n && !moved)
            return err_set(e, ERR_NOMEM, "text: no memory for %zu breaks", n);
        for (size_t i = 0; i < n; i++)
            moved[i] = all.breaks[lo + i] - from;
    }
    int rc = fn(r, span_sub(text, from, to - from), first && from == 0, moved, n, e);
    free(moved);
    return rc;
}

/* Finds the tokens of a set; the text before, between and behind them goes to fn. A token that is
 * found and not taken hides those that begin inside of it. One that took white space along may be
 * followed by a token of that white space, whose text is then there twice, as in the original. */
static int split(struct pipeline_run *r, const struct added *set, plain_fn fn, struct span text,
                 bool first, const size_t *breaks, size_t n_breaks, struct err *e)
{
    struct inside inside = {breaks, n_breaks};
    size_t done = 0;
    size_t next_break = 0;
    size_t space_from = 0; /* [space_from, space_to) is white space: looked at once */
    size_t space_to = 0;
    int rc = 0;
    for (size_t at = 0; set->n && at < text.n && !rc;) {
        if (set->begin[text.p[at]] == set->begin[text.p[at] + 1]) {
            at++;
            continue;
        }
        while (next_break < n_breaks && breaks[next_break] <= at)
            next_break++;
        size_t end =
            next_break < n_breaks && breaks[next_break] < text.n ? breaks[next_break] : text.n;
        const struct added_token *t = added_longest(set, span_sub(text, at, end - at));
        if (!t) {
            at++;
            continue;
        }
        size_t from = at;
        size_t to = at + t->text.n;
        at = to;
        if ((t->control && !r->options->parse_special) ||
            (t->single_word && !stands_alone(r, text, from, to)))
            continue;
        size_t length;
        while (t->lstrip && from > done && ends_with_space(span_sub(text, 0, from), &length))
            from -= length;
        if (t->lstrip && from < done)
            from = done;
        if (t->rstrip && (to < space_from || to >= space_to)) {
            space_from = to;
            space_to = to + space_at_front(span_sub(text, to, SIZE_MAX));
        }
        if (t->rstrip)
            to = space_to;
        if (done < from)
            rc = plain(r, fn, text, done, from, first, inside, e);
        if (!rc && from < to) /* else all of it went to the token before */
            rc = token_list_push(r->out, t->id, e);
        done = to;
    }
    return rc ? rc : plain(r, fn, text, done, text.n, first, inside, e);
}

/* ---- normalized text ---- */

static int cut_plain(struct pipeline_run *r, struct span text, bool first, const size_t *breaks,
                     size_t n_breaks, struct err *e)
{
    (void)breaks;
    (void)n_breaks;
    if (r->pre.n)
        return pre_run_text(&r->pre, text, first, e);
    return on_word(r, text, e);
}

/* Where breaks come to stand once the text is normalized: the lengths of its parts, each normalized
 * by itself, which is exact but for characters that join over a break. */
static int move_breaks(struct pipeline_run *r, struct span text, const size_t *breaks, size_t n,
                       size_t *moved, struct err *e)
{
    size_t from = 0;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        struct normal_text part;
        int rc = normalizers_apply(r->p->normalizers, r->p->n_normalizers, &r->normal,
                                   span_sub(text, from, breaks[i] - from), i == 0, &part, e);
        if (rc)
            return rc;
        at += part.text.n;
        moved[i] = at;
        from = breaks[i];
    }
    return 0;
}

static int normalize_plain(struct pipeline_run *r, struct span text, bool first,
                           const size_t *breaks, size_t n_breaks, struct err *e)
{
    struct normal_text t;
    size_t *moved = NULL;
    int rc = 0;
    if (n_breaks && r->p->normal.n && r->p->n_normalizers) {
        moved = malloc(n_breaks * sizeof(*moved));
        rc = moved ? move_breaks(r, text, breaks, n_breaks, moved, e)
                   : err_set(e, ERR_NOMEM, "text: no memory for %zu breaks", n_breaks);
        breaks = moved;
    }
    if (!rc)
        rc = normalizers_apply(r->p->normalizers, r->p->n_normalizers, &r->normal, text, true, &t,
                               e);
    if (!rc)
        rc = split(r, &r->p->normal, cut_plain, t.text, first && !t.front_moved, breaks, n_breaks,
                   e);
    free(moved);
    return rc;
}

/* ---- the whole ---- */

static int open_memo(struct memo *m, size_t text_bytes, struct err *e)
{
    size_t n = 256;
    if (text_bytes < MEMO_TEXT_MIN)
        return 0;
    while (n < text_bytes / 64 && n < 8192)
        n *= 2;
    buf_init(&m->keys, UINT32_MAX / 2);
    m->slots = calloc(n, sizeof(*m->slots));
    m->mask = n - 1;
    return m->slots ? 0 : err_set(e, ERR_NOMEM, "text: no memory for a table of words");
}

int pipeline_encode(const struct pipeline *p, struct span text, const struct encode_options *o,
                    const size_t *breaks, struct token_list *out, struct err *e)
{
    struct pipeline_run *r = calloc(1, sizeof(*r));
    if (!r)
        return err_set(e, ERR_NOMEM, "text: no memory");
    r->p = p;
    r->options = o;
    r->out = out;
    r->pre.stages = p->stages;
    r->pre.n = p->n_stages;
    r->pre.word = on_word;
    r->pre.context = r;
    int rc = open_memo(&r->memo, text.n, e);
    if (!rc && text.n)
        rc = split(r, &p->raw, normalize_plain, text, true, breaks, o->n_breaks, e);
    normal_scratch_release(&r->normal);
    pre_run_release(&r->pre);
    merger_release(&r->merger);
    buf_release(&r->scratch);
    buf_release(&r->memo.keys);
    regex_scan_release(&r->scan);
    free(r->memo.slots);
    free(r);
    return rc;
}
