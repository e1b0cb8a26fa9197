/* SPDX-License-Identifier: MIT */
/* Replaces characters, and clusters of few bytes, by what a compiled map has for them.
 *
 * Source of the format: SentencePiece's normalizer (a size, a double-array trie of Darts-clone,
 * replacements); of the behaviour: Hugging Face's tokenizers ("Precompiled"), which looks a
 * grapheme cluster of less than 6 bytes up first, takes the shortest entry that it begins with for
 * all of it, and goes on to its characters only if there is none. SentencePiece itself takes the
 * longest; published ids come from either, and the two agree on published maps but for rare
 * clusters.
 *
 * A unit of the trie, little-endian: bits 0-7 the byte that leads to it, bit 8 whether an entry
 * ends at it, bits 10-30 with bit 9 (a shift by 8) the way to its children; or, with bit 31, an
 * entry's offset among the replacements. */
#include "text/charsmap.h"

#include <stdlib.h>
#include <utf8proc.h>

enum {
    BLOB_MAX = 16 << 20, /* the maps of SentencePiece have some 300 kB */
    CLUSTER_BYTES = 6,   /* longer ones, and those of this length, go by their characters */
};

struct charsmap {
    uint32_t *units;
    size_t n_units;
    char *replacements; /* with a NUL behind the last */
    size_t n_replacements;
};

static size_t unit_offset(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & 0x200) >> 6);
}

static bool is_value(uint32_t unit)
{
    return unit >> 31;
}

static bool has_entry(uint32_t unit)
{
    return unit >> 8 & 1;
}

/* Each unit that says that an entry ends at it has the unit of the entry's replacement. */
static int check_entries(const struct charsmap *m, struct err *e)
{
    for (size_t i = 0; i < m->n_units; i++) {
        uint32_t unit = m->units[i];
        if (is_value(unit) || !has_entry(unit))
            continue;
        size_t at = i ^ unit_offset(unit);
        if (at >= m->n_units)
            return err_set(e, ERR_FORMAT,
                           "precompiled_charsmap: unit %zu: entry at unit %zu, beyond the %zu of "
                           "the trie",
                           i, at, m->n_units);
        size_t from = m->units[at] & 0x7fffffff;
        if (from >= m->n_replacements)
            return err_set(e, ERR_FORMAT,
                           "precompiled_charsmap: unit %zu: replacement at byte %zu, beyond the "
                           "%zu bytes of them",
                           at, from, m->n_replacements);
        if (((uint8_t)m->replacements[from] & 0xc0) == 0x80)
            return err_set(e, ERR_FORMAT,
                           "precompiled_charsmap: unit %zu: replacement at byte %zu, which is "
                           "inside of a character",
                           at, from);
    }
    return 0;
}

static int read_blob(struct charsmap *m, struct span blob, struct err *e)
{
    struct cursor c = cursor_of(blob);
    uint32_t size = cursor_u32(&c);
    struct cursor units = cursor_of(cursor_take(&c, size));
    if (!c.ok || size == 0 || size % 4 != 0)
        return err_set(e, ERR_FORMAT,
                       "precompiled_charsmap: trie of %lu bytes, expected a multiple of 4 within "
                       "%zu bytes",
                       (unsigned long)size, blob.n);
    struct span replacements = span_sub(blob, c.pos, SIZE_MAX);
    if (!utf8_valid(replacements))
        return err_set(e, ERR_FORMAT, "precompiled_charsmap: replacements are not UTF-8");
    m->n_units = size / 4;
    m->n_replacements = replacements.n;
    m->units = malloc(size);
    m->replacements = malloc(replacements.n + 1);
    if (!m->units || !m->replacements)
        return err_set(e, ERR_NOMEM, "precompiled_charsmap: no memory for %zu bytes", blob.n);
    for (size_t i = 0; i < m->n_units; i++)
        m->units[i] = cursor_u32(&units);
    if (replacements.n)
        span_copy(m->replacements, replacements);
    m->replacements[replacements.n] = '\0';
    return check_entries(m, e);
}

int charsmap_open(struct charsmap **out, struct span blob, struct err *e)
{
    if (blob.n > BLOB_MAX)
        return err_set(e, ERR_LIMIT, "precompiled_charsmap: %zu bytes, expected at most %d", blob.n,
                       BLOB_MAX);
    struct charsmap *m = calloc(1, sizeof *m);
    if (!m)
        return err_set(e, ERR_NOMEM, "precompiled_charsmap: no memory");
    int rc = blob.n ? read_blob(m, blob, e) : 0;
    if (rc) {
        charsmap_close(&m);
        return rc;
    }
    *out = m;
    return 0;
}

void charsmap_close(struct charsmap **m)
{
    if (!*m)
        return;
    free((*m)->units);
    free((*m)->replacements);
    free(*m);
    *m = NULL;
}

/* The replacement of the shortest entry that text begins with, NULL if there is none. */
static const char *lookup(const struct charsmap *m, struct span text)
{
    if (m->n_units == 0)
        return NULL;
    size_t at = unit_offset(m->units[0]);
    for (size_t i = 0; i < text.n && text.p[i] != 0; i++) {
        at ^= text.p[i];
        if (at >= m->n_units)
            return NULL;
        uint32_t unit = m->units[at];
        if (is_value(unit) || (unit & 0xff) != text.p[i])
            return NULL;
        at ^= unit_offset(unit);
        if (has_entry(unit)) /* check_entries has seen it: at and what it holds are within bounds */
            return m->replacements + (m->units[at] & 0x7fffffff);
    }
    return NULL;
}

/* Bytes of the grapheme cluster at the front of valid text. */
static size_t cluster_length(struct span text)
{
    uint32_t cp, next;
    utf8proc_int32_t state = 0;
    size_t n = utf8_decode(text, &cp);
    while (n < text.n) {
        size_t more = utf8_decode(span_sub(text, n, 4), &next);
        if (more == 0 || utf8proc_grapheme_break_stateful((int32_t)cp, (int32_t)next, &state))
            break;
        cp = next;
        n += more;
    }
    return n;
}

static void put_characters(const struct charsmap *m, struct span text, struct buf *out)
{
    for (size_t i = 0; i < text.n && !out->failed;) {
        uint32_t cp;
        size_t n = utf8_decode(span_sub(text, i, 4), &cp);
        const char *replacement = lookup(m, span_sub(text, i, n));
        if (replacement)
            buf_str(out, replacement);
        else
            buf_span(out, span_sub(text, i, n));
        i += n;
    }
}

int charsmap_apply(const struct charsmap *m, struct span text, struct buf *out, struct err *e)
{
    if (!utf8_valid(text))
        return err_set(e, ERR_FORMAT, "text: invalid UTF-8");
    for (size_t i = 0; i < text.n && !out->failed;) {
        size_t n = cluster_length(span_sub(text, i, SIZE_MAX));
        struct span cluster = span_sub(text, i, n);
        const char *replacement = n < CLUSTER_BYTES ? lookup(m, cluster) : NULL;
        if (replacement)
            buf_str(out, replacement);
        else
            put_characters(m, cluster, out);
        i += n;
    }
    return buf_check(out, "normalized text", e);
}
