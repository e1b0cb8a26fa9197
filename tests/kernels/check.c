/* SPDX-License-Identifier: MIT */
/* check [--bench] [--isa NAME] [--seed N]: tests every kernel table that this CPU runs (or the one
 * named), or measures it. Exit 0 if all is well, 1 if a check failed, 2 for wrong usage.
 *
 * Each table is compared with the plain C one to the bit, as kernels.h promises, over random and
 * extreme values, every tail length, unaligned weights, row ranges and strides, with poisoned
 * outputs and canaries around each buffer; the arithmetic itself is compared with double
 * precision, also for plain C. A failure prints the seed. */
#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CANARY_BYTES = 64,
    CANARY = 0xa5,
    SHOWN_FAILURES = 10,
};

void guarded_open(struct guarded *g, size_t n, size_t shift)
{
    g->n = n;
    g->base = malloc(n + shift + 2 * CANARY_BYTES);
    if (!g->base) {
        fprintf(stderr, "check: out of memory\n");
        exit(1);
    }
    memset(g->base, CANARY, n + shift + 2 * CANARY_BYTES);
    g->p = g->base + CANARY_BYTES + shift;
}

void guarded_close(struct guarded *g, struct check *c, const char *what)
{
    for (const uint8_t *p = g->base; p < g->p; p++)
        if (*p != CANARY) {
            check_fail(c, "%s: wrote %zu bytes before the buffer", what, (size_t)(g->p - p));
            break;
        }
    for (size_t i = 0; i < CANARY_BYTES; i++)
        if (g->p[g->n + i] != CANARY) {
            check_fail(c, "%s: wrote %zu bytes behind the buffer", what, i + 1);
            break;
        }
    free(g->base);
    g->base = g->p = NULL;
}

void check_fail(struct check *c, const char *fmt, ...)
{
    if (c->failures++ < SHOWN_FAILURES) {
        va_list ap;
        va_start(ap, fmt);
        printf("%s: ", c->got->isa);
        vprintf(fmt, ap);
        printf("\n");
        va_end(ap);
    }
}

bool same_float(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b);
}

void check_same(struct check *c, const float *got, const float *want, size_t n, const char *what)
{
    c->compared += (long)n;
    for (size_t i = 0; i < n; i++)
        if (!same_float(got[i], want[i])) {
            check_fail(c, "%s: value %zu of %zu is %a, expected %a", what, i, n, (double)got[i],
                       (double)want[i]);
            return;
        }
}

const size_t lengths[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,   10,  11, 12,
                          13, 14, 15, 16, 17, 31, 33, 64, 127, 576, 599};
const size_t n_lengths = sizeof lengths / sizeof *lengths;

void twin_open(struct twin *t, const float *values, size_t n)
{
    guarded_open(&t->got, n * sizeof(float), 4);
    guarded_open(&t->want, n * sizeof(float), 8);
    if (values) {
        memcpy(t->got.p, values, n * sizeof(float));
        memcpy(t->want.p, values, n * sizeof(float));
    }
}

void twin_close(struct twin *t, struct check *c, size_t n, const char *what)
{
    check_same(c, (float *)t->got.p, (float *)t->want.p, n, what);
    guarded_close(&t->got, c, what);
    guarded_close(&t->want, c, what);
}

static int usage(void)
{
    fprintf(stderr, "usage: check [--bench] [--isa NAME] [--seed N]\n");
    return 2;
}

int main(int argc, char **argv)
{
    const char *isa = NULL;
    bool bench = false;
    uint64_t seed = 1;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--bench") == 0)
            bench = true;
        else if (strcmp(argv[i], "--isa") == 0 && i + 1 < argc)
            isa = argv[++i];
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc &&
                 num_parse_u64(span_str(argv[i + 1]), &seed))
            i++;
        else
            return usage();
    }

    int failures = 0, tables = 0;
    if (bench)
        bench_limits();
    for (const struct kernels *const *t = kernels_all(); *t; t++) {
        if (isa && strcmp((*t)->isa, isa) != 0)
            continue;
        tables++;
        if (bench) {
            bench_table(*t);
            continue;
        }
        struct check c = {.ref = kernels_all()[0], .got = *t};
        rng_seed(&c.rng, seed);
        check_convert(&c);
        check_mul(&c);
        check_packed(&c);
        check_rows(&c);
        check_activations(&c);
        check_attention(&c);
        printf("%s: %ld values compared, %d failures (seed %llu)\n", c.got->isa, c.compared,
               c.failures, (unsigned long long)seed);
        failures += c.failures;
    }
    if (!tables) {
        fprintf(stderr, "check: this CPU has no kernels named '%s'\n", isa);
        return 2;
    }
    return failures ? 1 : 0;
}
