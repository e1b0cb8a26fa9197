/* SPDX-License-Identifier: MIT */
/* Every family, a row each; private to families/. */
#ifndef WATTLE_MODEL_FAMILIES_FAMILIES_H
#define WATTLE_MODEL_FAMILIES_FAMILIES_H

#include "model/traits.h"

/* The file families/NAME.c defines family_NAME. */
/* clang-format off */
#define FAMILY_ROWS \
    FAMILY(llama) \
    FAMILY(mistral) \
    FAMILY(mixtral) \
    FAMILY(phi) \
    FAMILY(phi3) \
    FAMILY(gemma) \
    FAMILY(gemma2) \
    FAMILY(gemma3) \
    FAMILY(stablelm) \
    FAMILY(qwen2) \
    FAMILY(qwen3) \
    FAMILY(qwen2_moe) \
    FAMILY(qwen3_moe) \
    FAMILY(gpt2) \
    FAMILY(gpt_neox) \
    FAMILY(gptj) \
    FAMILY(falcon) \
    FAMILY(mpt) \
    FAMILY(bloom) \
    FAMILY(opt) \
    FAMILY(olmo) \
    FAMILY(olmo2) \
    FAMILY(granite) \
    FAMILY(cohere) \
    FAMILY(smollm3) \
    FAMILY(starcoder2) \
    FAMILY(exaone) \
    FAMILY(glm4) \
    FAMILY(minicpm) \
    FAMILY(internlm2)
/* clang-format on */

#define FAMILY(name) extern const struct family family_##name;
FAMILY_ROWS
#undef FAMILY

#endif
