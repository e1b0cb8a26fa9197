/* SPDX-License-Identifier: MIT */
/* wattle synth: a model of a published shape with random weights. */
#include "cli/cli.h"

#include "cli/interrupt.h"
#include "codec/codec.h"
#include "lab/lab.h"

#include <stdio.h>
#include <unistd.h>

static bool keep_going(void *ctx)
{
    (void)ctx;
    return !interrupted();
}

/* ---- progress, on standard error ---- */

struct view {
    bool terminal;
    uint64_t next_ns; /* when the next line is due */
};

static void on_progress(void *ctx, uint64_t done, uint64_t all)
{
    struct view *v = (struct view *)ctx;
    uint64_t now = clock_mono_ns();
    if (!v->terminal || (now < v->next_ns && done < all))
        return;
    v->next_ns = now + 100000000;
    fprintf(stderr, "\r\033[K%.0f of %.0f MB", (double)done / 1e6, (double)all / 1e6);
    fflush(stderr);
}

/* ---- the result ---- */

static int print_json(const struct lab_synth_options *o, const struct lab_synth_result *r,
                      struct err *e)
{
    struct buf text;
    struct json_writer w;
    buf_init(&text, 1 << 16);
    json_write_init(&w, &text, 2);
    json_write_object(&w);
    json_put_str(&w, "shape", o->shape);
    json_put_str(&w, "source", r->source);
    json_put_str(&w, "type", r->type);
    json_put_str(&w, "path", o->path);
    json_put_u64(&w, "layers", (uint64_t)r->layers);
    json_put_u64(&w, "parameters", r->parameters);
    json_put_u64(&w, "weight_bytes", r->bytes);
    json_put_u64(&w, "seed", o->seed);
    json_write_object_end(&w);
    int rc = buf_check(&text, "result", e);
    if (rc == 0)
        printf("%s\n", buf_cstr(&text));
    buf_release(&text);
    return rc;
}

static int make(const struct settings *s, struct err *e)
{
    struct view v = {.terminal = isatty(STDERR_FILENO)};
    struct lab_synth_result r;
    struct lab_synth_options o = {
        .shape = settings_word(s, 0),
        .type = settings_option_text(s, "type"),
        .path = settings_option_text(s, "output"),
        .layers =
            settings_option_given(s, "layers") ? (int32_t)settings_option_int(s, "layers") : 0,
        .seed = (uint64_t)settings_option_int(s, "seed"),
        .force = settings_option_flag(s, "force"),
        .keep_going = keep_going,
        .on_progress = on_progress,
        .ctx = &v,
    };
    int rc = lab_synth(&o, &r, e);
    if (v.next_ns)
        fprintf(stderr, "\r\033[K");
    if (rc)
        return rc;
    if (settings_option_flag(s, "json"))
        return print_json(&o, &r, e);
    printf("%s: %s, random weights in the shape of %s, %d layers, %.1f M parameters, %.1f MB\n",
           o.path, r.type, r.source, (int)r.layers, (double)r.parameters / 1e6,
           (double)r.bytes / 1e6);
    return 0;
}

static int run(const struct settings *s, struct err *e)
{
    if (!settings_option_given(s, "output"))
        return exit_code_of(err_set(e, ERR_USAGE,
                                    "--output: absent, expected a file that ends in "
                                    ".gguf, or a folder"));
    interrupt_catch();
    return exit_code_of(make(s, e));
}

static const struct option options[] = {
    {.name = "output",
     .type = OPTION_TEXT,
     .value = "FILE|FOLDER",
     .help = "a file that ends in .gguf, or a folder for safetensors and config.json"},
    {.name = "type",
     .type = OPTION_TEXT,
     .value = "TYPE",
     .help = "q4_0 q4_1 q4_k_m q5_0 q5_1 q5_k_m q6_k q8_0 f16 bf16 f32; of a folder the last three "
             "(default: q4_k_m; bf16)"},
    {.name = "layers",
     .type = OPTION_INT,
     .value = "N",
     .min = 1,
     .max = 1000,
     .help = "only so many layers: a smaller stand-in (default: as published)"},
    {.name = "seed",
     .type = OPTION_INT,
     .value = "N",
     .min = 0,
     .max = 9007199254740992,
     .fallback = "1",
     .help = "the same seed makes the same weights"},
    {.name = "force", .type = OPTION_FLAG, .help = "replace what is there"},
    {.name = "json", .type = OPTION_FLAG, .help = "print one JSON object"},
    {.name = NULL},
};

static const enum setting_id settings[] = {SET_LOG_LEVEL, SET_N};

static const struct command_spec spec = {
    .name = "synth",
    .usage = "wattle synth SHAPE --output FILE|FOLDER [--type TYPE] [--layers N] [--seed N] "
             "[--force] [--json]",
    .summary = "write a model of a published shape with random weights, to measure speed",
    .notes =
        "SHAPE is one of gemma-2-2b, gemma-2b, gemma-3-1b, gemma-3-270m, llama-3.2-1b, phi-2, "
        "phi-3-mini-4k, phi-3.5-mini, qwen2.5-0.5b, qwen2.5-1.5b, qwen3-0.6b, smollm2-1.7b, "
        "smollm2-135m, smollm2-360m, stablelm-2-1.6b, stories-15m, tinyllama-1.1b. The file is as "
        "large as the real one and as fast, takes any text, and answers with nonsense; llama.cpp "
        "and transformers load it, too. In GGUF the head and, for q4_k_m and q5_k_m, some layers "
        "get the types that llama-quantize gives them.\n\n"
        "  wattle synth tinyllama-1.1b --type q4_0 --output tinyllama-q4_0.gguf\n"
        "  wattle bench --model tinyllama-q4_0.gguf",
    .options = options,
    .settings = settings,
    .min_words = 1,
    .max_words = 1,
};

const struct command command_synth = {.spec = &spec, .run = run};
