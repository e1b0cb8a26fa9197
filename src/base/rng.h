/* SPDX-License-Identifier: MIT */
/* Small reproducible random numbers (xoshiro256**, Blackman and Vigna 2018; seeded by splitmix64).
 * Not for secrets. The same seed gives the same sequence on every machine. One thread an instance.
 */
#ifndef WATTLE_BASE_RNG_H
#define WATTLE_BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
double rng_unit(struct rng *r);                /* [0, 1), 53 bits */
uint64_t rng_below(struct rng *r, uint64_t n); /* [0, n), unbiased; n > 0 */
uint64_t rng_entropy(void);                    /* a fresh seed from the system */

#endif
