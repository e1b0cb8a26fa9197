/* SPDX-License-Identifier: MIT */
/* Source: the behaviour of Hugging Face's `tokenizers` (module normalizers). */
#include "text/normalizer.h"
#include "text/alphabet.h"

#include <stdlib.h>

/* Replacements can make a text longer, each of them by a lot: it may become so many times as long,
 * and NORMAL_FREE. The character that NFKC makes most of becomes 18. */
#define NORMAL_MAX    ((size_t)128 << 20)
#define NORMAL_FREE   ((size_t)1 << 20)
#define NORMAL_A_BYTE ((size_t)64)

void normalizer_release(struct normalizer *z)
{
    regex_close(&z->pattern.regex);
    charsmap_close(&z->map);
}

void normal_scratch_release(struct normal_scratch *s)
{
    buf_release(&s->bufs[0]);
    buf_release(&s->bufs[1]);
    regex_scan_release(&s->scan);
}

/* ---- search ---- */

static bool find_text(struct span text, size_t from, struct span word, size_t *at)
{
    while (word.n <= text.n - from) {
        const uint8_t *p = memchr(text.p + from, word.p[0], text.n - from - word.n + 1);
        if (!p)
            return false;
        from = (size_t)(p - text.p);
        if (memcmp(p, word.p, word.n) == 0) {
            *at = from;
            return true;
        }
        from++;
    }
    return false;
}

int search_next(struct search *f, struct regex_scan *scan, size_t *from, size_t *to, struct err *e)
{
    if (!f->pattern->regex) {
        if (!find_text(f->text, f->at, f->pattern->text, from))
            return 0;
        *to = f->at = *from + f->pattern->text.n;
        return 1;
    }
    while (f->at <= f->text.n) {
        int got = regex_find(f->pattern->regex, scan, f->text, f->at, from, to, e);
        if (got <= 0)
            return got;
        f->at = *to;
        /* An empty match right behind a match is none; the next one is a character further. */
        if (*from != *to || f->last_end != *to) {
            f->last_end = *to;
            return 1;
        }
        uint32_t cp;
        size_t length = utf8_decode(span_sub(f->text, f->at, 4), &cp);
        f->at += length ? length : 1;
    }
    return 0;
}

/* ---- the kinds ---- */

static int replace(const struct normalizer *z, struct regex_scan *scan, struct span in,
                   struct buf *out, bool *moved, struct err *e)
{
    struct search f = {&z->pattern, in, 0, SIZE_MAX};
    size_t done = 0;
    size_t from;
    size_t to;
    int got;
    while ((got = search_next(&f, scan, &from, &to, e)) > 0) {
        buf_span(out, span_sub(in, done, from - done));
        buf_span(out, z->content);
        if (from == 0 && (z->content.n == 0 || utf8_length(span_sub(in, 0, to)) > 1))
            *moved = true;
        done = to;
        if (out->failed)
            break;
    }
    buf_span(out, span_sub(in, done, in.n - done));
    return got < 0 ? got : 0;
}

static void strip(const struct normalizer *z, struct span in, struct buf *out, bool *moved)
{
    size_t from = 0;
    size_t to = in.n;
    uint32_t cp;
    while (z->left && from < to) {
        size_t length = utf8_decode(span_sub(in, from, 4), &cp);
        if (!unicode_is_space(cp))
            break;
        from += length;
    }
    while (z->right && to > from) {
        size_t last = to - 1;
        while (last > from && (in.p[last] & 0xc0) == 0x80)
            last--;
        utf8_decode(span_sub(in, last, 4), &cp);
        if (!unicode_is_space(cp))
            break;
        to = last;
    }
    *moved = *moved || from > 0;
    buf_span(out, span_sub(in, from, to - from));
}

/* SentencePiece's clean-up of what neural translation stumbles over: false: dropped. */
static bool nmt(uint32_t *cp)
{
    uint32_t c = *cp;
    if ((c >= 0x01 && c <= 0x08) || c == 0x0b || (c >= 0x0e && c <= 0x1f) || c == 0x7f ||
        c == 0x8f || c == 0x9f)
        return false;
    if (c == 0x09 || c == 0x0a || c == 0x0c || c == 0x0d || c == 0x1680 ||
        (c >= 0x200b && c <= 0x200f) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff ||
        c == 0xfffd)
        *cp = ' ';
    return true;
}

static void by_characters(const struct normalizer *z, struct span in, struct buf *out, bool *moved)
{
    for (size_t i = 0; i < in.n;) {
        uint32_t cp = 0;
        char bytes[4];
        size_t length = utf8_decode(span_sub(in, i, 4), &cp);
        bool keep = z->kind == NORMALIZER_NMT ? nmt(&cp) : true;
        if (z->kind == NORMALIZER_STRIP_ACCENTS)
            keep = !unicode_is_mark(cp);
        if (z->kind == NORMALIZER_LOWERCASE)
            unicode_append_lower(out, cp);
        else if (keep)
            buf_put(out, bytes, utf8_encode(cp, bytes));
        if (i == 0 && !keep)
            *moved = true;
        i += length;
    }
}

static int apply(const struct normalizer *z, struct regex_scan *scan, struct span in,
                 struct buf *out, bool *moved, struct err *e)
{
    switch (z->kind) {
    case NORMALIZER_FORM:
        return normal_form_append(out, in, z->form, e);
    case NORMALIZER_STRIP:
        strip(z, in, out, moved);
        return 0;
    case NORMALIZER_PREPEND:
        if (in.n)
            buf_span(out, z->content);
        buf_span(out, in);
        return 0;
    case NORMALIZER_REPLACE:
        return replace(z, scan, in, out, moved, e);
    case NORMALIZER_CHARSMAP:
        return charsmap_apply(z->map, in, out, e);
    case NORMALIZER_BYTE_LEVEL:
        append_letters(out, in);
        return 0;
    case NORMALIZER_LOWERCASE:
    case NORMALIZER_STRIP_ACCENTS:
    case NORMALIZER_NMT:
        by_characters(z, in, out, moved);
        return 0;
    }
    return err_set(e, ERR_UNSUPPORTED, "normalizer: kind %d", (int)z->kind);
}

/* Whether the text is its own result already, as far as a quick look can tell. */
static bool changes_nothing(const struct normalizer *z, struct span in)
{
    if (z->kind == NORMALIZER_FORM && z->form == NORMAL_NFC)
        return nfc_surely(in);
    if (z->kind == NORMALIZER_FORM) { /* ASCII is in every form */
        size_t i = 0;
        while (i < in.n && in.p[i] < 0x80)
            i++;
        return i == in.n;
    }
    return false;
}

int normalizers_apply(const struct normalizer *list, size_t n, struct normal_scratch *s,
                      struct span text, bool prepends, struct normal_text *out, struct err *e)
{
    struct normal_text now = {text, false};
    int rc = regex_scan_open(&s->scan, e);
    int which = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        if ((list[i].kind == NORMALIZER_PREPEND && !prepends) ||
            changes_nothing(&list[i], now.text))
            continue;
        struct buf *to = &s->bufs[which];
        if (to->max == 0)
            buf_init(to, NORMAL_MAX);
        buf_clear(to);
        to->max = text.n < (NORMAL_MAX - NORMAL_FREE) / NORMAL_A_BYTE
                      ? NORMAL_FREE + text.n * NORMAL_A_BYTE
                      : NORMAL_MAX;
        rc = apply(&list[i], &s->scan, now.text, to, &now.front_moved, e);
        if (!rc)
            rc = buf_check(to, "normalized text", e);
        now.text = buf_view(to);
        which = !which;
    }
    if (!rc)
        *out = now;
    return rc;
}
