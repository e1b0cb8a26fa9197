/* SPDX-License-Identifier: MIT */
/* Kernel checks: every table that this CPU runs against the plain C one, and that one against
 * double-precision arithmetic. See check.c. */
#ifndef WATTLE_TESTS_KERNELS_CHECK_H
#define WATTLE_TESTS_KERNELS_CHECK_H

#include "base/base.h"
#include "kernels/kernels.h"

/* One table under test. */
struct check {
    const struct kernels *ref; /* plain C */
    const struct kernels *got; /* may be ref itself: then only the accuracy is new */
    struct rng rng;
    int failures;
    long compared; /* values */
};

/* Memory with canaries on both sides, all of it poisoned. */
struct guarded {
    uint8_t *p; /* n bytes, `shift` behind an address that suits every type */
    size_t n;
    uint8_t *base;
};

void guarded_open(struct guarded *g, size_t n, size_t shift);
/* Frees; counts a failure that names what if a canary is gone. */
void guarded_close(struct guarded *g, struct check *c, const char *what);

/* Failure number n of this table, printed with the table's name; only the first few in full. */
void check_fail(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same bits, or both NaN. */
bool same_float(float a, float b);
/* Compares n floats; what says where we are. */
void check_same(struct check *c, const float *got, const float *want, size_t n, const char *what);

/* The same numbers in two guarded buffers, one for each table. */
struct twin {
    struct guarded got, want;
};

/* values NULL: left poisoned. */
void twin_open(struct twin *t, const float *values, size_t n);
/* Compares and frees both. */
void twin_close(struct twin *t, struct check *c, size_t n, const char *what);

/* Lengths of rows that leave every tail. */
enum { CHECK_LENGTH_MAX = 600 };
extern const size_t lengths[]; /* n_lengths of them */
extern const size_t n_lengths;

/* What data looks like. */
enum fill {
    FILL_PLAIN, /* like a model's */
    FILL_WILD,  /* the largest, the smallest, subnormal and zero scales; extreme integers */
    FILL_ZERO,  /* all zero */
    FILL_KINDS,
};

/* k weights of a type, finite. */
void fill_weights(struct rng *r, uint32_t type, enum fill kind, uint8_t *row, size_t k);
void fill_floats(struct rng *r, enum fill kind, float *x, size_t n);

extern const uint32_t all_types[]; /* n_types of them */
extern const size_t n_types;

void check_convert(struct check *c); /* dequant, quantize_q8 */
void check_mul(struct check *c);     /* mul_f32, mul_q8 */
void check_packed(struct check *c);  /* pack_group, mul_packed */
void check_rows(struct check *c);    /* norms, sums, rope */
void check_activations(struct check *c);
void check_attention(struct check *c);

/* Speeds of one table, beside what this machine can read and multiply. */
void bench_limits(void);
void bench_table(const struct kernels *k);
/* n * 80 fused multiply-adds of floats in registers; a value that depends on all of them. Only
 * where the CPU has the best ISA that was built. */
float bench_burn(size_t n);

#endif
