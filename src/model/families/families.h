/* SPDX-License-Identifier: MIT */
/* Every family; private to families/. */
#ifndef WATTLE_MODEL_FAMILIES_FAMILIES_H
#define WATTLE_MODEL_FAMILIES_FAMILIES_H

#include "model/traits.h"

extern const struct family family_llama;
extern const struct family family_mistral;
extern const struct family family_mixtral;
extern const struct family family_phi;
extern const struct family family_phi3;
extern const struct family family_gemma;
extern const struct family family_gemma2;
extern const struct family family_gemma3;
extern const struct family family_stablelm;
extern const struct family family_qwen2;
extern const struct family family_qwen3;
extern const struct family family_qwen2_moe;
extern const struct family family_qwen3_moe;
extern const struct family family_gpt2;
extern const struct family family_gpt_neox;
extern const struct family family_gptj;
extern const struct family family_falcon;
extern const struct family family_mpt;
extern const struct family family_bloom;
extern const struct family family_opt;
extern const struct family family_olmo;
extern const struct family family_olmo2;
extern const struct family family_granite;
extern const struct family family_cohere;
extern const struct family family_smollm3;
extern const struct family family_starcoder2;
extern const struct family family_exaone;
extern const struct family family_glm4;
extern const struct family family_internlm2;

#endif
