/* SPDX-License-Identifier: MIT */
#include "lab/synth_shape.h"

#include "settings/settings.h"

#include <math.h>

enum {
    LLAMA = 0,
    QWEN2 = SHAPE_TIED | SHAPE_QKV_BIAS,
    GEMMA3 = SHAPE_TIED | SHAPE_GEMMA | SHAPE_QK_NORM | SHAPE_POST_NORMS,
    GEMMA2 = SHAPE_TIED | SHAPE_GEMMA | SHAPE_POST_NORMS | SHAPE_SOFTCAPS,
    PHI2 = SHAPE_BIASES | SHAPE_LAYER_NORM | SHAPE_PARALLEL | SHAPE_UNGATED,
};

/* clang-format off */
static const struct synth_shape shapes[] = {
    /* layers, embedding, feed-forward, heads, of keys, their size, vocabulary, context, rotated,
     * base, epsilon, window, pattern */
    {"gemma-2-2b", "google/gemma-2-2b", "gemma2", "gemma2", "Gemma2ForCausalLM",
     26, 2304, 9216, 8, 4, 256, 256000, 8192, 256, 1e4, 1e-6, 4096, 2, GEMMA2},
    {"gemma-2b", "google/gemma-2b", "gemma", "gemma", "GemmaForCausalLM",
     18, 2048, 16384, 8, 1, 256, 256000, 8192, 256, 1e4, 1e-6, 0, 0, SHAPE_TIED | SHAPE_GEMMA},
    {"gemma-3-1b", "google/gemma-3-1b-it", "gemma3", "gemma3_text", "Gemma3ForCausalLM",
     26, 1152, 6912, 4, 1, 256, 262144, 32768, 256, 1e6, 1e-6, 512, 6, GEMMA3},
    {"gemma-3-270m", "google/gemma-3-270m", "gemma3", "gemma3_text", "Gemma3ForCausalLM",
     18, 640, 2048, 4, 1, 256, 262144, 32768, 256, 1e6, 1e-6, 512, 6, GEMMA3},
    {"llama-3.2-1b", "meta-llama/Llama-3.2-1B", "llama", "llama", "LlamaForCausalLM",
     16, 2048, 8192, 32, 8, 64, 128256, 131072, 64, 5e5, 1e-5, 0, 0,
     SHAPE_TIED | SHAPE_LLAMA3_ROPE},
    {"phi-2", "microsoft/phi-2", "phi2", "phi", "PhiForCausalLM",
     32, 2560, 10240, 32, 32, 80, 51200, 2048, 32, 1e4, 1e-5, 0, 0, PHI2},
    {"phi-3-mini-4k", "microsoft/Phi-3-mini-4k-instruct", "phi3", "phi3", "Phi3ForCausalLM",
     32, 3072, 8192, 32, 32, 96, 32064, 4096, 96, 1e4, 1e-5, 2047, 0, SHAPE_FUSED},
    {"phi-3.5-mini", "microsoft/Phi-3.5-mini-instruct", "phi3", "phi3", "Phi3ForCausalLM",
     32, 3072, 8192, 32, 32, 96, 32064, 131072, 96, 1e4, 1e-5, 262144, 0,
     SHAPE_FUSED | SHAPE_LONGROPE},
    {"qwen2.5-0.5b", "Qwen/Qwen2.5-0.5B", "qwen2", "qwen2", "Qwen2ForCausalLM",
     24, 896, 4864, 14, 2, 64, 151936, 32768, 64, 1e6, 1e-6, 0, 0, QWEN2},
    {"qwen2.5-1.5b", "Qwen/Qwen2.5-1.5B-Instruct", "qwen2", "qwen2", "Qwen2ForCausalLM",
     28, 1536, 8960, 12, 2, 128, 151936, 32768, 128, 1e6, 1e-6, 0, 0, QWEN2},
    {"qwen3-0.6b", "Qwen/Qwen3-0.6B", "qwen3", "qwen3", "Qwen3ForCausalLM",
     28, 1024, 3072, 16, 8, 128, 151936, 40960, 128, 1e6, 1e-6, 0, 0, SHAPE_TIED | SHAPE_QK_NORM},
    {"smollm2-1.7b", "HuggingFaceTB/SmolLM2-1.7B-Instruct", "llama", "llama", "LlamaForCausalLM",
     24, 2048, 8192, 32, 32, 64, 49152, 8192, 64, 130000, 1e-5, 0, 0, SHAPE_TIED},
    {"smollm2-135m", "HuggingFaceTB/SmolLM2-135M-Instruct", "llama", "llama", "LlamaForCausalLM",
     30, 576, 1536, 9, 3, 64, 49152, 8192, 64, 1e5, 1e-5, 0, 0, SHAPE_TIED},
    {"smollm2-360m", "HuggingFaceTB/SmolLM2-360M-Instruct", "llama", "llama", "LlamaForCausalLM",
     32, 960, 2560, 15, 5, 64, 49152, 8192, 64, 1e5, 1e-5, 0, 0, SHAPE_TIED},
    {"stablelm-2-1.6b", "stabilityai/stablelm-2-1_6b", "stablelm", "stablelm", "StableLmForCausalLM",
     24, 2048, 5632, 32, 32, 64, 100352, 4096, 16, 1e4, 1e-5, 0, 0,
     SHAPE_LAYER_NORM | SHAPE_QKV_BIAS},
    {"stories-15m", "karpathy/tinyllamas", "llama", "llama", "LlamaForCausalLM",
     6, 288, 768, 6, 6, 48, 32000, 256, 48, 1e4, 1e-5, 0, 0, SHAPE_TIED},
    {"tinyllama-1.1b", "TinyLlama/TinyLlama-1.1B-Chat-v1.0", "llama", "llama", "LlamaForCausalLM",
     22, 2048, 5632, 32, 4, 64, 32000, 2048, 64, 1e4, 1e-5, 0, 0, LLAMA},
};
/* clang-format on */

enum { N_SHAPES = sizeof shapes / sizeof *shapes };

const struct synth_shape *synth_shape_at(size_t i)
{
    return i < N_SHAPES ? &shapes[i] : NULL;
}

int synth_shape_find(const struct synth_shape **out, const char *name, struct err *e)
{
    const char *names[N_SHAPES];
    for (size_t i = 0; i < N_SHAPES; i++) {
        names[i] = shapes[i].name;
        if (strcmp(name, names[i]) == 0) {
            *out = &shapes[i];
            return 0;
        }
    }
    struct buf all;
    buf_init(&all, 512);
    for (size_t i = 0; i < N_SHAPES; i++)
        buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
    const char *near = settings_nearest(name, names, N_SHAPES);
    int code =
        near ? err_set(e, ERR_USAGE, "SHAPE '%.60s': unknown, did you mean '%s'? There are %s",
                       name, near, buf_cstr(&all))
             : err_set(e, ERR_USAGE, "SHAPE '%.60s': unknown, expected one of %s", name,
                       buf_cstr(&all));
    buf_release(&all);
    return code;
}

float synth_short_factor(const struct synth_shape *s, int32_t i)
{
    return 1 + 0.5f * (float)i / (float)s->n_rot;
}

float synth_long_factor(const struct synth_shape *s, int32_t i)
{
    return 1 + 126 * (float)i / (float)s->n_rot;
}

/* transformers' _compute_llama3_parameters, as a divisor. */
float synth_llama3_divisor(const struct synth_shape *s, int32_t i)
{
    double length = 2 * M_PI * pow(s->rope_theta, 2.0 * i / s->n_rot); /* of the wave, in tokens */
    double shortest = (double)SHAPE_LLAMA3_CTX / SHAPE_LLAMA3_HIGH;
    double longest = (double)SHAPE_LLAMA3_CTX / SHAPE_LLAMA3_LOW;
    if (length < shortest)
        return 1;
    if (length > longest)
        return SHAPE_LLAMA3_FACTOR;
    double smooth =
        (SHAPE_LLAMA3_CTX / length - SHAPE_LLAMA3_LOW) / (SHAPE_LLAMA3_HIGH - SHAPE_LLAMA3_LOW);
    return (float)(1 / ((1 - smooth) / SHAPE_LLAMA3_FACTOR + smooth));
}
