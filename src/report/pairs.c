/* SPDX-License-Identifier: MIT */
#include "report/pairs.h"

#include <stdlib.h>

struct keyed {
    uint64_t request;
    size_t at;
};

static int by_request(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    if (x->request != y->request)
        return x->request < y->request ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static struct keyed *keyed(const struct compared *m, size_t *n)
{
    struct keyed *v = malloc((m->n + 1) * sizeof *v);
    *n = 0;
    for (size_t i = 0; v && i < m->n; i++)
        if (m->samples[i].request)
            v[(*n)++] = (struct keyed){m->samples[i].request, i};
    if (v)
        qsort(v, *n, sizeof *v, by_request);
    return v;
}

struct sample_pair *pairs_find(const struct compared *x, const struct compared *y, size_t *n)
{
    size_t n_x = 0, n_y = 0;
    struct keyed *a = keyed(x, &n_x), *b = keyed(y, &n_y);
    struct sample_pair *pairs = a && b ? malloc((n_x + 1) * sizeof *pairs) : NULL;
    *n = 0;
    for (size_t i = 0, k = 0; pairs && i < n_x && k < n_y;) {
        if (a[i].request == b[k].request)
            pairs[(*n)++] = (struct sample_pair){a[i++].at, b[k++].at};
        else if (a[i].request < b[k].request)
            i++;
        else
            k++;
    }
    free(a);
    free(b);
    return pairs;
}
