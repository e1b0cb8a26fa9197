/* SPDX-License-Identifier: MIT */
/* Lossy UTF-8 and normalization form C.
 *
 * utf8proc knows the decompositions and compositions; the canonical ordering between the two is
 * ours, because utf8proc sorts combining marks by exchanging neighbours, which takes hours for a
 * hostile megabyte of them. Source: Unicode standard annex 15, and chapter 3.11. */
#include "text/unicode.h"
#include "text/unicode_young.h"

#include <stdlib.h>
#include <utf8proc.h>

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

enum utf8_front utf8_look(struct span s, size_t *length)
{
    uint8_t b = s.p[0];
    *length = 1;
    if (b < 0x80)
        return UTF8_CHARACTER;
    if (b < 0xc2 || b > 0xf4)
        return UTF8_INVALID;
    size_t whole = b >= 0xf0 ? 4 : b >= 0xe0 ? 3 : 2;
    /* The second byte's range excludes overlong forms, surrogates and what lies past U+10FFFF. */
    uint8_t least = b == 0xe0 ? 0xa0 : b == 0xf0 ? 0x90 : 0x80;
    uint8_t greatest = b == 0xed ? 0x9f : b == 0xf4 ? 0x8f : 0xbf;
    for (size_t i = 1; i < whole; i++) {
        if (i == s.n) {
            *length = i;
            return UTF8_CUT;
        }
        if (s.p[i] < least || s.p[i] > greatest) {
            *length = i;
            return UTF8_INVALID;
        }
        least = 0x80;
        greatest = 0xbf;
    }
    *length = whole;
    return UTF8_CHARACTER;
}

void utf8_append_lossy(struct buf *out, struct span s)
{
    size_t from = 0;
    for (size_t i = 0; i < s.n;) {
        size_t length;
        if (utf8_look(span_sub(s, i, 4), &length) != UTF8_CHARACTER) {
            buf_span(out, span_sub(s, from, i - from));
            buf_str(out, replacement);
            from = i + length;
        }
        i += length;
    }
    buf_span(out, span_sub(s, from, s.n - from));
}

bool unicode_is_space(uint32_t cp)
{
    return (cp >= 0x09 && cp <= 0x0d) || cp == 0x20 || cp == 0x85 || cp == 0xa0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 || cp == 0x202f ||
           cp == 0x205f || cp == 0x3000;
}

bool nfc_surely(struct span s)
{
    /* The first character that normalization can touch is U+0300: all below are starters that
     * compose with nothing before them. Its first byte is 0xcc. */
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] >= 0xcc)
            return false;
    return true;
}

/* A code point with its combining class, in text order. */
struct mark {
    int32_t cp;
    int32_t class;
    size_t at;
};

static int compare_marks(const void *a, const void *b)
{
    const struct mark *x = a;
    const struct mark *y = b;
    if (x->class != y->class)
        return x->class < y->class ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Characters that Hugging Face's normalizers do not know, because their tables are of Unicode 9
 * with parts of later versions: to them each is a starter that neither decomposes nor composes.
 * Found by comparing all code points. */
static const struct range {
    int32_t first, last;
} young[] = {{0x7fd, 0x7fd},     {0x898, 0x89f},     {0x8ca, 0x8d3},     {0x9fe, 0x9fe},
             {0xc3c, 0xc3c},     {0xd3b, 0xd3c},     {0xeba, 0xeba},     {0x1715, 0x1715},
             {0x1abf, 0x1ace},   {0x1df6, 0x1dfa},   {0x32ff, 0x32ff},   {0xa7f2, 0xa7f4},
             {0xa82c, 0xa82c},   {0xab69, 0xab69},   {0x10781, 0x10785}, {0x10787, 0x107b0},
             {0x107b2, 0x107ba}, {0x10d24, 0x10d27}, {0x10eab, 0x10eac}, {0x10efd, 0x10eff},
             {0x10f46, 0x10f50}, {0x10f82, 0x10f85}, {0x11070, 0x11070}, {0x1133b, 0x1133b},
             {0x1145e, 0x1145e}, {0x11839, 0x1183a}, {0x11930, 0x11930}, {0x11938, 0x11938},
             {0x1193d, 0x1193e}, {0x11943, 0x11943}, {0x119e0, 0x119e0}, {0x11a34, 0x11a34},
             {0x11a47, 0x11a47}, {0x11a99, 0x11a99}, {0x11d42, 0x11d42}, {0x11d44, 0x11d45},
             {0x11d97, 0x11d97}, {0x11f41, 0x11f42}, {0x16ff0, 0x16ff1}, {0x1e030, 0x1e06d},
             {0x1e08f, 0x1e08f}, {0x1e130, 0x1e136}, {0x1e2ae, 0x1e2ae}, {0x1e2ec, 0x1e2ef},
             {0x1e4ec, 0x1e4ef}, {0x1f16c, 0x1f16c}, {0x1fbf0, 0x1fbf9}};

static bool is_young(int32_t cp)
{
    size_t lo = 0;
    size_t hi = sizeof(young) / sizeof(*young);
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (young[mid].last < cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < sizeof(young) / sizeof(*young) && young[lo].first <= cp;
}

static int combining_class(int32_t cp)
{
    int class = utf8proc_get_property(cp)->combining_class;
    return class && is_young(cp) ? 0 : class;
}

/* Puts the marks cps[from..to), none of which is a starter, in canonical order: stable by class. */
static int order_marks(int32_t *cps, size_t from, size_t to)
{
    size_t n = to - from;
    bool sorted = true;
    for (size_t i = from + 1; i < to && sorted; i++)
        sorted = combining_class(cps[i - 1]) <= combining_class(cps[i]);
    if (sorted)
        return 0;
    struct mark few[16];
    struct mark *marks = n <= 16 ? few : calloc(n, sizeof(*marks));
    if (!marks)
        return ERR_NOMEM;
    for (size_t i = 0; i < n; i++)
        marks[i] = (struct mark){cps[from + i], combining_class(cps[from + i]), i};
    qsort(marks, n, sizeof(*marks), compare_marks);
    for (size_t i = 0; i < n; i++)
        cps[from + i] = marks[i].cp;
    if (marks != few)
        free(marks);
    return 0;
}

static int canonical_order(int32_t *cps, size_t n)
{
    for (size_t i = 0; i < n;) {
        if (combining_class(cps[i]) == 0) {
            i++;
            continue;
        }
        size_t end = i + 1;
        while (end < n && combining_class(cps[end]) != 0)
            end++;
        int rc = order_marks(cps, i, end);
        if (rc)
            return rc;
        i = end;
    }
    return 0;
}

/* Code points that grow as they come. */
struct points {
    int32_t *cps;
    size_t n, cap;
};

/* The longest decomposition of one character is of 18: U+FDFA's. */
enum { DECOMPOSED_MAX = 32 };

static int points_reserve(struct points *p)
{
    if (p->cap - p->n >= DECOMPOSED_MAX)
        return 0;
    size_t cap = p->cap + p->cap / 2 + 256;
    int32_t *cps = realloc(p->cps, cap * sizeof(*cps));
    if (!cps)
        return ERR_NOMEM;
    p->cps = cps;
    p->cap = cap;
    return 0;
}

static int decompose(struct span s, utf8proc_option_t options, struct points *out)
{
    for (size_t i = 0; i < s.n;) {
        uint32_t cp = 0;
        i += utf8_decode(span_sub(s, i, 4), &cp);
        if (points_reserve(out))
            return ERR_NOMEM;
        if (is_young((int32_t)cp)) {
            out->cps[out->n++] = (int32_t)cp;
            continue;
        }
        int boundary = 0;
        utf8proc_ssize_t got = utf8proc_decompose_char((utf8proc_int32_t)cp, out->cps + out->n,
                                                       DECOMPOSED_MAX, options, &boundary);
        if (got < 0 || got > DECOMPOSED_MAX)
            out->cps[out->n++] = (int32_t)cp; /* cannot be: the tables end at 18 */
        else
            out->n += (size_t)got;
    }
    return 0;
}

/* A run of which only the first may be young. */
static void put_points(struct buf *out, int32_t *cps, size_t n, bool composed)
{
    size_t first = is_young(cps[0]) ? 1 : 0;
    utf8proc_ssize_t rest = (utf8proc_ssize_t)(n - first);
    if (composed && rest > 1)
        rest = utf8proc_normalize_utf32(cps + first, rest, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    for (size_t i = 0; i < first + (size_t)(rest > 0 ? rest : 0); i++) {
        char bytes[4];
        buf_put(out, bytes, utf8_encode((uint32_t)cps[i], bytes));
    }
}

int normal_form_append(struct buf *out, struct span s, enum normal_form form, struct err *e)
{
    bool compatible = form == NORMAL_NFKC || form == NORMAL_NFKD;
    bool composed = form == NORMAL_NFC || form == NORMAL_NFKC;
    struct points p = {NULL, 0, 0};
    int rc =
        decompose(s, UTF8PROC_DECOMPOSE | UTF8PROC_STABLE | (compatible ? UTF8PROC_COMPAT : 0), &p);
    if (!rc)
        rc = canonical_order(p.cps, p.n);
    if (rc) {
        err_set(e, rc, "text: no memory to normalize %zu bytes", s.n);
        goto done;
    }
    for (size_t i = 0; i < p.n;) {
        /* What is on one side of a young character does not join what is on the other. */
        size_t end = i + 1;
        while (end < p.n && !is_young(p.cps[end]))
            end++;
        put_points(out, p.cps + i, end - i, composed);
        i = end;
    }
    rc = buf_check(out, "normalized text", e);
done:
    free(p.cps);
    return rc;
}

int nfc_append(struct buf *out, struct span s, struct err *e)
{
    return normal_form_append(out, s, NORMAL_NFC, e);
}

/* ---- categories ---- */

bool unicode_is_mark(uint32_t cp)
{
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return young_mark(cp, c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_MC ||
                              c == UTF8PROC_CATEGORY_ME);
}

bool unicode_is_numeric(uint32_t cp)
{
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return young_numeric(cp, c == UTF8PROC_CATEGORY_ND || c == UTF8PROC_CATEGORY_NL ||
                                 c == UTF8PROC_CATEGORY_NO);
}

bool unicode_is_punctuation(uint32_t cp)
{
    if (cp < 0x80)
        return cp > ' ' && cp < 0x7f && !(cp >= '0' && cp <= '9') && !(cp >= 'A' && cp <= 'Z') &&
               !(cp >= 'a' && cp <= 'z');
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return young_punctuation(cp, c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO);
}

void unicode_append_lower(struct buf *out, uint32_t cp)
{
    char bytes[4];
    if (cp == 0x130) { /* the only one that becomes two: i and a dot above */
        buf_str(out, "i\xcc\x87");
        return;
    }
    uint32_t lower = (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp);
    buf_put(out, bytes, utf8_encode(lower, bytes));
}
