/* SPDX-License-Identifier: MIT */
#include "kernels/ref/ref.h"

const struct kernels kernels_ref = {
    .isa = "c",
    .peak = &peak_ref,
    .dequant = ref_dequant,
    .quantize_q8 = ref_quantize_q8,
    .mul_f32 = ref_mul_f32,
    .mul_q8 = ref_mul_q8,
    .mul_packed = ref_mul_packed,
    .rms_norm = ref_rms_norm,
    .layer_norm = ref_layer_norm,
    .add = ref_add,
    .add_scaled = ref_add_scaled,
    .scale = ref_scale,
    .clamp = ref_clamp,
    .softcap = ref_softcap,
    .activate = ref_activate,
    .gate_mul = ref_gate_mul,
    .rope = ref_rope,
    .attention = ref_attention,
};
