/* SPDX-License-Identifier: MIT */
/* Each stage cuts every piece of the stage before it, which it sees as a whole text of its own.
 *
 * Source: the behaviour of Hugging Face's `tokenizers` (module pre_tokenizers and
 * SplitDelimiterBehavior). */
#include "text/pretokenizer.h"
#include "text/alphabet.h"

#include <stdlib.h>

#define CHANGED_MAX ((size_t)512 << 20)

void pre_stage_release(struct pre_stage *s)
{
    regex_close(&s->pattern.regex);
}

void pre_run_release(struct pre_run *r)
{
    for (size_t i = 0; i < PRE_STAGES_MAX; i++) {
        regex_scan_release(&r->scans[i]);
        buf_release(&r->changed[i]);
        buf_release(&r->lettered[i]);
    }
}

static int stage_of(struct pre_run *r, size_t k, struct span text, bool first, struct err *e);

static struct buf *fresh(struct buf *b)
{
    if (b->max == 0)
        buf_init(b, CHANGED_MAX);
    buf_clear(b);
    return b;
}

/* Hands a piece of stage k on. */
static int emit(struct pre_run *r, size_t k, struct span piece, bool first, struct err *e)
{
    if (piece.n == 0)
        return 0;
    if (r->stages[k].letters) {
        struct buf *b = fresh(&r->lettered[k]);
        append_letters(b, piece);
        int rc = buf_check(b, "text", e);
        if (rc)
            return rc;
        piece = buf_view(b);
    }
    return stage_of(r, k + 1, piece, first, e);
}

/* ---- what is found ---- */

static bool is_class(enum cut_by by, uint32_t cp)
{
    return by == CUT_SPACE     ? unicode_is_space(cp)
           : by == CUT_NUMERIC ? unicode_is_numeric(cp)
                               : unicode_is_punctuation(cp);
}

/* As search_next, for classes too: each character is a match of its own. */
static int find_next(const struct pre_stage *s, struct search *f, struct regex_scan *scan,
                     size_t *from, size_t *to, struct err *e)
{
    if (s->by == CUT_PATTERN)
        return search_next(f, scan, from, to, e);
    while (f->at < f->text.n) {
        uint32_t cp = 0;
        *from = f->at;
        f->at += utf8_decode(span_sub(f->text, f->at, 4), &cp);
        *to = f->at;
        if (is_class(s->by, cp))
            return 1;
    }
    return 0;
}

/* ---- what becomes of it ---- */

/* Parts of a text come in order, each a match or not; pieces leave. */
struct cutter {
    struct pre_run *r;
    size_t k;
    struct span text;
    bool first;
    bool waits; /* [from, to) has come and may still grow */
    size_t from, to;
    bool match; /* the last part was one */
};

static int let_go(struct cutter *c, struct err *e)
{
    if (!c->waits)
        return 0;
    c->waits = false;
    return emit(c->r, c->k, span_sub(c->text, c->from, c->to - c->from), c->first && c->from == 0,
                e);
}

static int take_part(struct cutter *c, size_t from, size_t to, bool match, struct err *e)
{
    const struct pre_stage *s = &c->r->stages[c->k];
    bool joins = false;
    if (s->invert)
        match = !match;
    switch (s->behavior) {
    case CUT_REMOVED:
        if (match)
            return 0;
        break;
    case CUT_ISOLATED:
        break;
    case CUT_CONTIGUOUS:
        joins = match == c->match;
        break;
    case CUT_MERGED_WITH_PREVIOUS:
        joins = match && !c->match;
        break;
    case CUT_MERGED_WITH_NEXT:
        joins = c->match && !match;
        break;
    }
    c->match = match;
    if (joins && c->waits) {
        c->to = to;
        return 0;
    }
    int rc = let_go(c, e);
    c->waits = true;
    c->from = from;
    c->to = to;
    return rc;
}

static int cut(struct pre_run *r, size_t k, struct span text, bool first, struct err *e)
{
    const struct pre_stage *s = &r->stages[k];
    struct search f = {&s->pattern, text, 0, SIZE_MAX};
    struct cutter c = {.r = r, .k = k, .text = text, .first = first};
    size_t done = 0;
    size_t from;
    size_t to;
    int got;
    while ((got = find_next(s, &f, &r->scans[k], &from, &to, e)) > 0) {
        int rc = from > done ? take_part(&c, done, from, false, e) : 0;
        if (!rc)
            rc = take_part(&c, from, to, true, e);
        if (rc)
            return rc;
        done = to;
    }
    if (got == 0 && done < text.n)
        got = take_part(&c, done, text.n, false, e);
    return got ? got : let_go(&c, e);
}

/* ---- a stage ---- */

static bool begins_with(struct span s, struct span prefix)
{
    return span_eq(span_sub(s, 0, prefix.n), prefix);
}

static int change(struct pre_run *r, size_t k, struct span *text, bool first, struct err *e)
{
    const struct pre_stage *s = &r->stages[k];
    bool wanted = s->when == PREFIX_ALWAYS || (s->when == PREFIX_FIRST && first);
    bool starts = begins_with(*text, s->prefix) || (s->replaces_blanks && text->p[0] == ' ');
    wanted = wanted && !starts;
    if (!wanted && !s->replaces_blanks)
        return 0;
    struct buf *b = fresh(&r->changed[k]);
    if (wanted)
        buf_span(b, s->prefix);
    size_t from = 0;
    for (size_t i = 0; s->replaces_blanks && i < text->n; i++) {
        if (text->p[i] != ' ')
            continue;
        buf_span(b, span_sub(*text, from, i - from));
        buf_span(b, s->prefix);
        from = i + 1;
    }
    buf_span(b, span_sub(*text, from, text->n - from));
    *text = buf_view(b);
    return buf_check(b, "text", e);
}

static int stage_of(struct pre_run *r, size_t k, struct span text, bool first, struct err *e)
{
    if (k == r->n)
        return r->word(r->context, text, e);
    int rc = change(r, k, &text, first, e);
    if (!rc && r->stages[k].pattern.regex)
        rc = regex_scan_open(&r->scans[k], e);
    if (rc)
        return rc;
    if (r->stages[k].by == CUT_NOTHING)
        return emit(r, k, text, first, e);
    return cut(r, k, text, first, e);
}

int pre_run_text(struct pre_run *r, struct span text, bool first, struct err *e)
{
    return text.n ? stage_of(r, 0, text, first, e) : 0;
}
