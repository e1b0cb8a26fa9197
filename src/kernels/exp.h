/* SPDX-License-Identifier: MIT */
/* Constants of the exponential of x <= 0, the same steps in every ISA (ref_exp is the plain form).
 * Private to kernels/.
 *
 *   n = x / ln 2 to the nearest integer; r = x - n ln 2, |r| <= 0.347; exp(x) = 2^n exp(r)
 *   exp(r) ~ 1 + (r + r^2 (C0 + C1 r + C2 r^2 + C3 r^3 + C4 r^4))
 *
 * ln 2 is split so that n * EXP_LN2_HIGH is exact (15 + 7 bits). C0..C4 are the minimax fit of
 * (exp(r) - 1 - r) / r^2, weighted for the relative error of exp(r) (iteratively reweighted least
 * squares on 4,001 Chebyshev nodes, rounded to float one by one from C0 with the rest refitted):
 * 3.2e-9 = 0.05 ulp. The rounding of the last addition (0.5 ulp), of r + … (at most 0.35 in size:
 * 0.25 ulp) and of r itself (0.1 ulp) come to it: 1.02 ulp over all floats in the range. The result
 * is a normal number for x >= EXP_LOWEST; below it is 0. */
#ifndef WATTLE_KERNELS_EXP_H
#define WATTLE_KERNELS_EXP_H

#define EXP_LOWEST   (-87.3f) /* ln 2^-126 = -87.3365 */
#define EXP_ROUND    0x1.8p23f
#define EXP_LOG2E    0x1.715476p+0f
#define EXP_LN2_HIGH 0x1.62e4p-1f
#define EXP_LN2_LOW  0x1.7f7d1cp-20f
#define EXP_C0       0x1.fffffcp-2f
#define EXP_C1       0x1.555492p-3f
#define EXP_C2       0x1.5558acp-5f
#define EXP_C3       0x1.12397cp-7f
#define EXP_C4       0x1.6a511ap-10f

#endif
