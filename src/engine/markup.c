/* SPDX-License-Identifier: MIT */
/* The special texts are kept sorted and prefix-free: one that begins with another is left out,
 * since wherever it occurs the shorter one does, too. Then at most one can begin at a given place,
 * and it is the greatest that is not greater than what stands there: one binary search. */
#include "engine/markup.h"

#include <stdlib.h>
#include <string.h>

struct markup {
    struct span *texts; /* borrowed bytes */
    size_t n;
    bool begins[256]; /* some text begins with this byte */
};

static int compare_texts(const void *a, const void *b)
{
    return span_compare(*(const struct span *)a, *(const struct span *)b);
}

static bool begins_with(struct span text, struct span prefix)
{
    return text.n >= prefix.n && memcmp(text.p, prefix.p, prefix.n) == 0;
}

/* Markup: more than one character, and not blanks alone, which some vocabularies have as
 * user-defined tokens and which mean in data what they mean anywhere. */
static bool is_markup(struct span s)
{
    uint32_t cp;
    size_t first = utf8_decode(s, &cp);
    if (first == 0 || first == s.n)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != ' ' && s.p[i] != '\t' && s.p[i] != '\n' && s.p[i] != '\r')
            return true;
    return false;
}

int markup_open(struct markup **out, const struct tokenizer *t, struct err *e)
{
    size_t n = 0, size = tokenizer_size(t);
    for (size_t id = 0; id < size; id++)
        n += is_markup(tokenizer_special_text(t, (int32_t)id));
    struct markup *m = calloc(1, sizeof *m);
    struct span *texts = calloc(n ? n : 1, sizeof *texts);
    if (!m || !texts) {
        free(m);
        free(texts);
        return err_set(e, ERR_NOMEM, "no memory for %zu special tokens", n);
    }
    n = 0;
    for (size_t id = 0; id < size; id++) {
        struct span s = tokenizer_special_text(t, (int32_t)id);
        if (is_markup(s))
            texts[n++] = s;
    }
    qsort(texts, n, sizeof *texts, compare_texts);
    m->texts = texts;
    for (size_t i = 0; i < n; i++) {
        if (m->n > 0 && begins_with(texts[i], texts[m->n - 1]))
            continue;
        m->begins[texts[i].p[0]] = true;
        texts[m->n++] = texts[i];
    }
    *out = m;
    return 0;
}

void markup_close(struct markup **m)
{
    if (!*m)
        return;
    free((*m)->texts);
    free(*m);
    *m = NULL;
}

static bool some_begins(const struct markup *m, struct span at)
{
    size_t lo = 0, hi = m->n; /* texts[0, lo) <= at < texts[hi, n) */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (span_compare(m->texts[mid], at) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo > 0 && begins_with(at, m->texts[lo - 1]);
}

int markup_choose(struct mark *mark, const struct span *texts, size_t n, struct err *e)
{
    for (uint32_t cp = 0xFDD0; cp <= 0xFDEF; cp++) {
        char utf8[4];
        utf8_encode(cp, utf8);
        size_t i = 0;
        while (i < n && (texts[i].n == 0 || !memmem(texts[i].p, texts[i].n, utf8, MARK_BYTES)))
            i++;
        if (i == n) {
            memcpy(mark->utf8, utf8, MARK_BYTES);
            return 0;
        }
    }
    return err_set(e, ERR_FORMAT,
                   "messages: they hold all of the noncharacters U+FDD0 to U+FDEF, expected text");
}

void markup_add(const struct markup *m, struct mark mark, struct span text, struct buf *out)
{
    size_t copied = 0;
    for (size_t i = 0; i < text.n; i++) {
        struct span at = {text.p + i, text.n - i};
        if (!m->begins[text.p[i]] || !some_begins(m, at))
            continue;
        uint32_t cp;
        size_t inside = i + utf8_decode(at, &cp);
        buf_put(out, text.p + copied, inside - copied);
        buf_put(out, mark.utf8, MARK_BYTES);
        copied = inside;
    }
    buf_put(out, text.p + copied, text.n - copied);
}

void break_list_release(struct break_list *l)
{
    free(l->at);
    *l = (struct break_list){NULL, 0, 0};
}

static int break_list_push(struct break_list *l, size_t at, struct err *e)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 16;
        size_t *p = realloc(l->at, cap * sizeof *p);
        if (!p)
            return err_set(e, ERR_NOMEM, "no memory for the prompt's borders");
        l->at = p;
        l->cap = cap;
    }
    l->at[l->n++] = at;
    return 0;
}

int markup_strip(struct mark mark, struct buf *text, struct break_list *breaks, struct err *e)
{
    size_t to = 0, from = 0;
    int rc = 0;
    while (rc == 0 && from < text->n) {
        char *p = text->p + from;
        char *hit = memmem(p, text->n - from, mark.utf8, MARK_BYTES);
        size_t n = hit ? (size_t)(hit - p) : text->n - from;
        memmove(text->p + to, p, n);
        to += n;
        from += n;
        if (hit) {
            rc = break_list_push(breaks, to, e);
            from += MARK_BYTES;
        }
    }
    if (rc == 0)
        buf_truncate(text, to);
    return rc;
}
