/* SPDX-License-Identifier: MIT */
/* Constants of tanh and of the normal distribution, the same steps in every ISA (ref/activations.c
 * has the plain form). Private to kernels/. Fits: as those of exp.h (iteratively reweighted least
 * squares on 1,501 Chebyshev nodes, coefficients rounded to float one by one).
 *
 * tanh(x), |x| < TANH_SMALL: x + x^3 (T0 + T1 z + T2 z^2 + T3 z^3 + T4 z^4), z = x^2. The fit of
 * (tanh(x) - x) / x^3 for the relative error of tanh: 4.5e-9 = 0.08 ulp. Else
 * (1 - e) / (1 + e), e = exp(-2 |x|) <= 0.287, with the sign of x.
 *
 * Q(a), the share of the normal distribution above a >= 0: exp(-a^2 / 2) G(a), where
 * G(a) = exp(a^2 / 2) erfc(a / sqrt 2) / 2 ~ G0 + G1 t + … + G9 t^9, t = (a - 3) / (a + 3), which
 * takes 0 <= a <= GELU_END to -1 <= t < 0.65 (such a t for erfc: M. M. Shepherd and J. G.
 * Laframboise, Math. Comp. 36, 1981). Relative error 9.1e-9 = 0.15 ulp. What the rounding of a^2
 * takes from the exponent (up to 88 ulp of the exponential) is put back: fma(a, a, -a^2) is that
 * rounding. */
#ifndef WATTLE_KERNELS_ACTIVATION_H
#define WATTLE_KERNELS_ACTIVATION_H

#define TANH_SMALL 0.625f
#define TANH_0     (-0x1.555532p-2f)
#define TANH_1     0x1.1106fcp-3f
#define TANH_2     (-0x1.b83738p-5f)
#define TANH_3     0x1.5207b8p-6f
#define TANH_4     (-0x1.75619ap-8f)

#define GELU_END 14.0f /* exp(-GELU_END^2 / 2) is 0 */
#define GELU_0   0x1.f1b89cp-4f
#define GELU_1   (-0x1.a6b66ap-3f)
#define GELU_2   0x1.f8bacap-4f
#define GELU_3   (-0x1.7a9464p-5f)
#define GELU_4   0x1.91e1f0p-8f
#define GELU_5   0x1.7cbaf0p-9f
#define GELU_6   (-0x1.0202fep-10f)
#define GELU_7   (-0x1.64651ap-12f)
#define GELU_8   0x1.e67680p-14f
#define GELU_9   0x1.c54e92p-15f

#define GELU_T1    1.5957691216f /* 2 sqrt(2 / pi) */
#define GELU_T3    0.0713548163f /* GELU_T1 * 0.044715 */
#define GELU_QUICK 1.702f

#endif
