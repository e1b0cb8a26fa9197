/* SPDX-License-Identifier: MIT */
/* The fixed calculation. Its result is always the same, and so is its work: only the clock rate,
 * the caches and what else runs make its time differ. */
#include "meter/machine.h"

#include <stdlib.h>

enum { NOISE_WORDS = 16384 /* 128 KiB */, TRIALS = 5 };

static uint64_t work(uint64_t *words, uint64_t rounds)
{
    uint64_t x = 0x9e3779b97f4a7c15;
    for (uint64_t r = 0; r < rounds; r++) {
        for (size_t i = 0; i < NOISE_WORDS; i++) {
            /* xorshift64 (Marsaglia 2003): each step needs the one before */
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            words[i] += x;
        }
        x ^= words[x % NOISE_WORDS];
    }
    return x;
}

static double measure(struct noise_probe *p, uint64_t rounds)
{
    memset(p->words, 0, NOISE_WORDS * sizeof *p->words);
    uint64_t start = clock_mono_ns();
    p->result ^= work(p->words, rounds);
    return (double)(clock_mono_ns() - start) / 1e6;
}

int noise_open(struct noise_probe *p, double ms, struct err *e)
{
    *p = (struct noise_probe){.rounds = 1};
    p->words = malloc(NOISE_WORDS * sizeof *p->words);
    if (!p->words)
        return err_set(e, ERR_NOMEM, "no memory for the noise measurement");
    /* The fastest of some: the others were disturbed. */
    enum { SAMPLE = 16 };
    double best = measure(p, SAMPLE);
    for (int i = 1; i < TRIALS; i++) {
        double t = measure(p, SAMPLE);
        best = t < best ? t : best;
    }
    double rounds = best > 0 ? ms * SAMPLE / best : SAMPLE;
    p->rounds = rounds < 1 ? 1 : rounds > 1e6 ? 1000000 : (uint64_t)rounds;
    return 0;
}

void noise_close(struct noise_probe *p)
{
    free(p->words);
    p->words = NULL;
}

double noise_measure(struct noise_probe *p)
{
    return measure(p, p->rounds);
}
