/* SPDX-License-Identifier: MIT */
/* The kernels of wide/ over AVX2 lanes. Compiled with -mavx2 -mfma -mf16c; nothing but the table
 * leaves this file, so that no code of it runs on a CPU without them. */
#include "kernels/x86/avx2.h"

#include "kernels/x86/lanes.h"

#include "kernels/wide/activations.h"
#include "kernels/wide/attention.h"
#include "kernels/wide/mul_f32.h"
#include "kernels/x86/dots_avx2.h"

#include "kernels/wide/mul_packed.h"
#include "kernels/wide/mul_q8.h"
#include "kernels/wide/rows.h"

#define AVX2_BUT_ISA_AND_PACKED                                                               \
    .dequant = wide_dequant, .quantize_q8 = wide_quantize_q8, .mul_f32 = wide_mul_f32,        \
    .mul_q8 = wide_mul_q8, .rms_norm = wide_rms_norm, .layer_norm = wide_layer_norm,          \
    .add = wide_add, .add_scaled = wide_add_scaled, .scale = wide_scale, .clamp = wide_clamp, \
    .softcap = wide_softcap, .activate = wide_activate, .gate_mul = wide_gate_mul,            \
    .rope = wide_rope, .attention = wide_attention

const struct kernels kernels_avx2 = {
    .isa = "avx2", .peak = &peak_avx2, .mul_packed = wide_mul_packed, AVX2_BUT_ISA_AND_PACKED};
const struct kernels kernels_avx_vnni = {.isa = "vnni",
                                         .peak = &peak_avx_vnni,
                                         .mul_packed = avx_vnni_mul_packed,
                                         AVX2_BUT_ISA_AND_PACKED};
const struct kernels kernels_avx512_vnni = {.isa = "vnni",
                                            .peak = &peak_avx512_vnni,
                                            .mul_packed = avx512_vnni_mul_packed,
                                            AVX2_BUT_ISA_AND_PACKED};
