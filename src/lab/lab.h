/* SPDX-License-Identifier: MIT */
/* lab: takes the engine apart, for tests and for people who port models: JSON lines in, JSON lines
 * out.
 *
 * Owns: the formats of docs/lab.md (logits, tokenize, detokenize, template), scoring (eval), speed
 * (bench), synthetic models (synth), other element types for a model's weights (quantize).
 * May include: base, codec, settings, meter, report and the whole library half (the only exception
 * to the layers). Start reading: lines.c, eval.c. */
#ifndef WATTLE_LAB_LAB_H
#define WATTLE_LAB_LAB_H

#include "base/base.h"

#include <stdio.h>

/* Each reads objects from in, one a line (at most 64 MiB a line), and writes one a line to out, in
 * order, each with the input's "case"; a bad line gives {"case":…,"error":…} (case null where there
 * is none) and the work goes on. Return 0, or what made going on impossible. */
struct lab_logits_options {
    const char *model_path;
    const char *isa;
    const char *quant, *packed_folder; /* as in struct model_pack_options */
    int threads;
    bool exact;
};
int lab_logits(const struct lab_logits_options *o, FILE *in, const char *in_name, FILE *out,
               struct err *e);
int lab_tokenize(const char *model_path, FILE *in, const char *in_name, FILE *out, struct err *e);
int lab_detokenize(const char *model_path, FILE *in, const char *in_name, FILE *out, struct err *e);
/* One of model_path and template_path is set. */
int lab_template(const char *model_path, const char *template_path, FILE *in, const char *in_name,
                 FILE *out, struct err *e);

/* How well a model foretells a text, and how far it is from a reference on it. The reference is
 * computed in 32-bit floats on dequantized weights, the model so too if exact. */
struct lab_eval_options {
    const char *model_path;
    const char *reference_path; /* NULL: none; else a model with the same vocabulary */
    const char *text_path;      /* at most 16 MiB; "-": standard input */
    size_t context;             /* tokens of a window; 0: 512, at most the models' own */
    size_t stride;              /* tokens from window to window, at most context; 0: half of it */
    size_t limit;               /* tokens of the text that count; 0: all */
    const char *isa;
    const char *quant, *packed_folder; /* of the model, as in struct model_pack_options */
    int threads;
    bool exact;
    bool (*keep_going)(void *ctx); /* false: ERR_CANCELLED; or NULL */
    /* done of all tokens; or NULL */
    void (*on_progress)(void *ctx, size_t done, size_t all, double perplexity);
    void *ctx;
};
struct lab_eval_result {
    char quantization[40];
    size_t tokens, scored, windows;
    size_t bytes; /* that the scored tokens stand for */
    size_t context, stride;
    double loss;          /* mean of -ln p over the scored tokens */
    double perplexity;    /* exp(loss) */
    double bits_per_byte; /* all of the loss, in bits, over bytes; NAN: no bytes */
    double seconds;       /* with loading */
    /* With a reference only: */
    char reference_quantization[40];
    double reference_perplexity;
    double top1_agreement;                          /* share of the scored tokens, 0 to 1 */
    double kl_mean, kl_p50, kl_p95, kl_p99, kl_max; /* KL(reference || model), nats a token */
};
int lab_eval(const struct lab_eval_options *o, struct lab_eval_result *out, struct err *e);

/* How fast a model is on this machine, and how near to what the machine can do at the most. */
enum { LAB_BENCH_DEPTHS_MAX = 16, LAB_BENCH_ROWS_MAX = LAB_BENCH_DEPTHS_MAX + 1 };
struct lab_bench_options {
    const char *model_path, *isa;
    const char *quant, *packed_folder; /* as in struct model_pack_options */
    int threads;
    int32_t prefill;                      /* tokens of a prompt; 0: not measured */
    int32_t decode;                       /* tokens decoded at each depth; 0: not measured */
    int32_t depths[LAB_BENCH_DEPTHS_MAX]; /* tokens that the context holds before */
    size_t n_depths;
    bool skip_depths;              /* those that the model's context does not hold are left out */
    int32_t runs;                  /* of each test at least; fewer if they take long */
    bool (*keep_going)(void *ctx); /* false: ERR_CANCELLED; or NULL */
    void (*on_progress)(void *ctx, const char *what); /* or NULL */
    void *ctx;
};
struct lab_bench_limits {
    char isa[16];                              /* that the products are computed with */
    double read_gb_s, int8_gmac_s, f32_gmac_s; /* all threads together */
};
struct lab_bench_row {
    const char *test; /* "prefill", "decode" */
    int32_t tokens, batch, depth;
    size_t runs;
    double tokens_per_second, slowest, fastest; /* the median, and the ends */
    double multiply_adds, bytes_read;           /* a token */
    const char *limit;                          /* "read_gb_s": the one that it is nearest to */
    double fraction_of_limit;                   /* above 1 where caches hold the weights */
};
struct lab_bench_result {
    char machine[256], isa[16], arch[32], quantization[40];
    int threads;
    uint64_t parameters, file_bytes;
    double load_of_others; /* processors' worth of work of other processes meanwhile, or NAN */
    struct lab_bench_limits limits;
    struct lab_bench_row rows[LAB_BENCH_ROWS_MAX];
    size_t n_rows;
};
int lab_bench(const struct lab_bench_options *o, struct lab_bench_result *out, struct err *e);

/* A model of a published shape with random weights, for measuring: as GGUF if path ends in ".gguf",
 * else as a folder in Hugging Face layout. Seeded, written piece by piece under a temporary name;
 * what fails or is cancelled leaves what was there. */
struct lab_synth_options {
    const char *shape;
    const char *type; /* NULL: q4_k_m for GGUF, bf16 for a folder */
    const char *path;
    int32_t layers; /* 0: as many as published; fewer make a smaller stand-in */
    uint64_t seed;
    bool force;                    /* replaces what is at path */
    bool (*keep_going)(void *ctx); /* false: ERR_CANCELLED; or NULL */
    void (*on_progress)(void *ctx, uint64_t done_bytes, uint64_t all_bytes); /* or NULL */
    void *ctx;
};
struct lab_synth_result {
    const char *source; /* where the shape was published */
    char type[16];
    int32_t layers;
    uint64_t parameters, bytes; /* bytes of the weights alone */
};
int lab_synth(const struct lab_synth_options *o, struct lab_synth_result *out, struct err *e);
/* The names of the shapes, NULL beyond the last; *source as in the result. */
const char *lab_synth_shape(size_t i, const char **source);

/* A model with other element types, written as GGUF: from GGUF or, for the families that
 * model/export.c names, from safetensors. */
struct lab_quantized {
    const char *name;
    const char *from, *to; /* element types */
    uint64_t weights, bytes;
    double error; /* squared, over the squares; 0 where nothing is lost */
};
struct lab_quantize_options {
    const char *model_path;
    const char *output_path; /* appears whole or not at all; what was there is replaced */
    const char *type;        /* a name of mix.h: "q4_k_m" */
    const char
        *calibration_path; /* NULL: none; else a text, or "-": its activations weigh errors */
    const char *isa;
    int threads;
    bool (*keep_going)(void *ctx); /* false: ERR_CANCELLED; or NULL */
    /* Each tensor once it is written, in the order of the file; or NULL. */
    void (*on_tensor)(void *ctx, const struct lab_quantized *t);
    /* done of all steps of what ("measuring", "writing"), from one thread; or NULL */
    void (*on_progress)(void *ctx, const char *what, uint64_t done, uint64_t all);
    void *ctx;
};
struct lab_quantize_result {
    size_t tensors, quantized;
    uint64_t bytes, source_bytes; /* of the files */
    double bits;                  /* a weight, over all tensors */
    double error;                 /* squared, of all matrices, over their squares */
    double seconds;
};
int lab_quantize(const struct lab_quantize_options *o, struct lab_quantize_result *out,
                 struct err *e);

#endif
