/* SPDX-License-Identifier: MIT */
#include "text/added.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    return span_compare(((const struct added_token *)a)->text,
                        ((const struct added_token *)b)->text);
}

void added_init(struct added *a, struct added_token *tokens, size_t n)
{
    *a = (struct added){.tokens = tokens, .n = n};
    if (n > 0)
        qsort(tokens, n, sizeof(*tokens), compare);
    for (size_t b = 0, i = 0; b <= 256; b++) {
        while (i < n && tokens[i].text.p[0] < b)
            i++;
        a->begin[b] = (uint32_t)i;
    }
}

void added_release(struct added *a)
{
    free(a->tokens);
    *a = (struct added){0};
}

/* The first of tokens[lo..hi), which agree in their first `at` bytes and are longer than that,
 * whose byte there is not less than b. */
static size_t lower_bound(const struct added_token *tokens, size_t lo, size_t hi, size_t at,
                          unsigned b)
{
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (tokens[mid].text.p[at] < b)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct added_token *added_longest(const struct added *a, struct span text)
{
    const struct added_token *best = NULL;
    size_t lo = a->begin[text.p[0]];
    size_t hi = a->begin[text.p[0] + 1];
    for (size_t at = 1; lo < hi; at++) {
        /* The shortest of those that agree so far stands first. */
        if (a->tokens[lo].text.n == at) {
            best = &a->tokens[lo];
            lo++;
        }
        if (at == text.n)
            break;
        lo = lower_bound(a->tokens, lo, hi, at, text.p[at]);
        hi = lower_bound(a->tokens, lo, hi, at, text.p[at] + 1u);
    }
    return best;
}

bool added_find(const struct added *a, struct span text, size_t from, bool control,
                const size_t *breaks, size_t n_breaks, size_t *next_break, struct added_match *out)
{
    for (size_t i = from; i < text.n; i++) {
        if (a->begin[text.p[i]] == a->begin[text.p[i] + 1])
            continue;
        while (*next_break < n_breaks && breaks[*next_break] <= i)
            ++*next_break;
        size_t end =
            *next_break < n_breaks && breaks[*next_break] < text.n ? breaks[*next_break] : text.n;
        const struct added_token *found = added_longest(a, span_sub(text, i, end - i));
        if (found && found->control && !control) {
            i += found->text.n - 1; /* what begins inside of it is hidden, as in the library */
        } else if (found) {
            *out = (struct added_match){i, found->text.n, found->id};
            return true;
        }
    }
    return false;
}
