/* SPDX-License-Identifier: MIT */
/* Damerau–Levenshtein distance in its "optimal string alignment" form (no part is edited twice):
 * what typing mistakes are made of. */
#include "settings/nearest.h"
#include "settings/settings.h"

#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t name_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    if (n >= NEAREST_MAX || m >= NEAREST_MAX)
        return NEAREST_MAX;
    /* Three rows of the table are enough: a swap looks back two. */
    size_t rows[3][NEAREST_MAX];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= m; j++)
        last[j] = j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t d = least(last[j], row[j - 1]) + 1;
            d = least(d, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d = least(d, before[j - 2] + 1);
            row[j] = d;
        }
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[m];
}

const char *settings_nearest(const char *name, const char *const *known, size_t n)
{
    const char *best = NULL;
    /* Three typing mistakes, but never a name of which less than half would be left. */
    size_t best_distance = least(4, strlen(name) / 2 + 1);
    for (size_t i = 0; i < n; i++) {
        size_t d = name_distance(name, known[i]);
        if (d < best_distance) {
            best = known[i];
            best_distance = d;
        }
    }
    return best;
}
