/* SPDX-License-Identifier: MIT */
/* The kernels of wide/ over the lanes of AArch64's Advanced SIMD. Only tables leave this file.
 */
#include "kernels/arm/neon.h"

#include "kernels/arm/dots_neon.h"
#include "kernels/arm/lanes.h"

#include "kernels/wide/activations.h"
#include "kernels/wide/attention.h"
#include "kernels/wide/mul_f32.h"
#include "kernels/wide/mul_packed.h"
#include "kernels/wide/mul_q8.h"
#include "kernels/wide/rows.h"

#define NEON_BUT_ISA_AND_PACKED                                                               \
    .dequant = wide_dequant, .quantize_q8 = wide_quantize_q8, .mul_f32 = wide_mul_f32,        \
    .mul_q8 = wide_mul_q8, .rms_norm = wide_rms_norm, .layer_norm = wide_layer_norm,          \
    .add = wide_add, .add_scaled = wide_add_scaled, .scale = wide_scale, .clamp = wide_clamp, \
    .softcap = wide_softcap, .activate = wide_activate, .gate_mul = wide_gate_mul,            \
    .rope = wide_rope, .attention = wide_attention

const struct kernels kernels_neon = {
    .isa = "neon", .peak = &peak_neon, .mul_packed = wide_mul_packed, NEON_BUT_ISA_AND_PACKED};
const struct kernels kernels_dotprod = {.isa = "dotprod",
                                        .peak = &peak_dotprod,
                                        .mul_packed = dotprod_mul_packed,
                                        NEON_BUT_ISA_AND_PACKED};
