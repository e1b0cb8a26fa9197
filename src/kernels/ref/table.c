/* SPDX-License-Identifier: MIT */
#include "kernels/ref/ref.h"

const struct kernels kernels_ref = {
    .isa = "c",
    .dequant = ref_dequant,
    .quantize_q8 = ref_quantize_q8,
    .mul_f32 = ref_mul_f32,
    .mul_q8 = ref_mul_q8,
    .rms_norm = ref_rms_norm,
    .add = ref_add,
    .silu_mul = ref_silu_mul,
    .rope = ref_rope,
    .attention = ref_attention,
};
