/* SPDX-License-Identifier: MIT */
/* wattle eval: how well a model foretells a text, and how far it is from a reference. */
#include "cli/cli.h"

#include "cli/groups.h"
#include "cli/interrupt.h"
#include "codec/codec.h"
#include "fleet/fleet.h"
#include "lab/lab.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 4096, JSON_BYTES_MAX = 1 << 20 };

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

static void on_progress(void *ctx, size_t done, size_t all, double perplexity)
{
    struct view *v = (struct view *)ctx;
    /* A line that is rewritten may come often, one that stays may not. */
    uint64_t now = clock_mono_ns(), apart = v->terminal ? 100000000 : 10000000000;
    if (now < v->next_ns && done < all)
        return;
    v->next_ns = now + apart;
    fprintf(stderr, "%s%zu of %zu tokens, perplexity so far %.4f%s", v->terminal ? "\r\033[K" : "",
            done, all, perplexity, v->terminal ? "" : "\n");
    fflush(stderr);
}

/* ---- the result ---- */

/* As the user named them; reference NULL: there is none. */
struct names {
    const char *model, *reference;
};

static void print_text(const struct names *n, const struct lab_eval_result *r)
{
    printf("model             %s (%s)\n", n->model, r->quantization);
    printf("tokens            %zu, %zu of them scored, in %zu %s of %zu every %zu\n", r->tokens,
           r->scored, r->windows, plural(r->windows, "window", "windows"), r->context, r->stride);
    printf("perplexity        %.4f\n", r->perplexity);
    printf("loss              %.6f nats a token\n", r->loss);
    if (r->bytes)
        printf("bits per byte     %.6f over %zu %s\n", r->bits_per_byte, r->bytes,
               plural(r->bytes, "byte", "bytes"));
    if (n->reference) {
        printf("reference         %s (%s), perplexity %.4f\n", n->reference,
               r->reference_quantization, r->reference_perplexity);
        printf("same likeliest    %.3f %% of the tokens\n", 100 * r->top1_agreement);
        printf("KL divergence     mean %.6f, p50 %.6f, p95 %.6f, p99 %.6f, max %.6f nats\n",
               r->kl_mean, r->kl_p50, r->kl_p95, r->kl_p99, r->kl_max);
    }
    printf("time              %.1f s\n", r->seconds);
}

static void write_reference(struct json_writer *w, const char *name,
                            const struct lab_eval_result *r)
{
    json_put_object(w, "reference");
    json_put_str(w, "model", name);
    json_put_str(w, "quantization", r->reference_quantization);
    json_put_f64(w, "perplexity", r->reference_perplexity);
    json_put_f64(w, "top1_agreement", r->top1_agreement);
    json_put_object(w, "kl_divergence");
    json_put_f64(w, "mean", r->kl_mean);
    json_put_f64(w, "p50", r->kl_p50);
    json_put_f64(w, "p95", r->kl_p95);
    json_put_f64(w, "p99", r->kl_p99);
    json_put_f64(w, "max", r->kl_max);
    json_write_object_end(w);
    json_write_object_end(w);
}

static int print_json(const struct names *n, const struct lab_eval_result *r, struct err *e)
{
    struct buf text;
    struct json_writer w;
    buf_init(&text, JSON_BYTES_MAX);
    json_write_init(&w, &text, 2);
    json_write_object(&w);
    json_put_str(&w, "model", n->model);
    json_put_str(&w, "quantization", r->quantization);
    json_put_u64(&w, "tokens", r->tokens);
    json_put_u64(&w, "scored_tokens", r->scored);
    json_put_u64(&w, "scored_bytes", r->bytes);
    json_put_u64(&w, "context", r->context);
    json_put_u64(&w, "stride", r->stride);
    json_put_u64(&w, "windows", r->windows);
    json_put_f64(&w, "perplexity", r->perplexity);
    json_put_f64(&w, "loss", r->loss);
    json_put_f64(&w, "bits_per_byte", r->bits_per_byte);
    if (n->reference)
        write_reference(&w, n->reference, r);
    json_put_fixed(&w, "seconds", r->seconds, 3);
    json_write_object_end(&w);
    int rc = buf_check(&text, "result", e);
    if (rc == 0)
        printf("%s\n", buf_cstr(&text));
    buf_release(&text);
    return rc;
}

/* ---- the command ---- */

static size_t size_or_0(const struct settings *s, const char *name)
{
    return settings_option_given(s, name) ? (size_t)settings_option_int(s, name) : 0;
}

static int evaluate(const struct settings *s, const char *model, const char *reference,
                    struct err *e)
{
    char folder[PATH_MAX];
    struct view v = {.terminal = isatty(STDERR_FILENO)};
    struct names n = {model_input_name(s), settings_option_text(s, "reference")};
    struct lab_eval_result r;
    struct lab_eval_options o = {
        .model_path = model,
        .reference_path = reference,
        .text_path = settings_option_text(s, "text"),
        .context = size_or_0(s, "context"),
        .stride = size_or_0(s, "stride"),
        .limit = size_or_0(s, "limit"),
        .isa = settings_text(s, SET_WATTLE_ISA),
        .quant = settings_text(s, SET_LLM_QUANT),
        .packed_folder = fleet_packed_folder(s, folder, sizeof folder),
        .threads = (int)settings_int(s, SET_LLM_THREADS),
        .exact = settings_option_flag(s, "exact"),
        .keep_going = keep_going,
        .on_progress = on_progress,
        .ctx = &v,
    };
    int rc = lab_eval(&o, &r, e);
    if (v.terminal && v.next_ns)
        fprintf(stderr, "\r\033[K");
    if (rc)
        return rc;
    if (settings_option_flag(s, "json"))
        return print_json(&n, &r, e);
    print_text(&n, &r);
    return 0;
}

/* Before the models are looked for: one may have to be downloaded. */
static int check_text(const struct settings *s, struct err *e)
{
    const char *path = settings_option_text(s, "text");
    if (!path)
        return err_set(e, ERR_USAGE, "--text: absent, expected a file, or - for standard input");
    if (strcmp(path, "-") != 0 && access(path, R_OK) != 0)
        return err_errno(e, errno, "--text: cannot read '%s'", path);
    return 0;
}

static int run(const struct settings *s, struct err *e)
{
    struct buf model, reference;
    const char *name = settings_option_text(s, "reference");
    buf_init(&model, PATH_BYTES_MAX);
    buf_init(&reference, PATH_BYTES_MAX);
    interrupt_catch();
    int rc = check_text(s, e);
    if (rc == 0)
        rc = model_input_path(s, &model, e);
    if (rc == 0 && name)
        rc = model_find(s, name, &reference, e);
    if (rc == 0)
        rc = evaluate(s, buf_cstr(&model), name ? buf_cstr(&reference) : NULL, e);
    buf_release(&model);
    buf_release(&reference);
    return exit_code_of(rc);
}

static const struct option options[] = {
    {.name = "model",
     .type = OPTION_TEXT,
     .value = "MODEL",
     .help = "GGUF or safetensors file, folder or hub name (default: LLM_MODEL_NAME)"},
    {.name = "text",
     .type = OPTION_TEXT,
     .value = "FILE",
     .help = "the text to foretell, at most 16 MiB; - reads it from standard input"},
    {.name = "reference",
     .type = OPTION_TEXT,
     .value = "MODEL",
     .help = "a model with the same vocabulary: how far from it is the other one?"},
    {.name = "context",
     .type = OPTION_INT,
     .value = "N",
     .min = 2,
     .max = 1048576,
     .help = "tokens of a window (default: 512, or what the model takes)"},
    {.name = "stride",
     .type = OPTION_INT,
     .value = "N",
     .min = 1,
     .max = 1048576,
     .help = "tokens from window to window (default: half a window)"},
    {.name = "limit",
     .type = OPTION_INT,
     .value = "N",
     .min = 2,
     .max = 1e9,
     .help = "only the first N tokens of the text"},
    {.name = "exact",
     .type = OPTION_FLAG,
     .help = "dequantize all weights and compute in 32-bit floats, as a reference does"},
    {.name = "json", .type = OPTION_FLAG, .help = "print one JSON object"},
    {.name = NULL},
};

static const enum setting_id settings[] = {MODEL_SETTINGS, PACK_SETTINGS, SET_LLM_THREADS,
                                           SET_WATTLE_ISA, SET_LOG_LEVEL, SET_N};

static const struct command_spec spec = {
    .name = "eval",
    .usage = "wattle eval [--model MODEL] --text FILE [--reference MODEL] [--context N] "
             "[--stride N] [--limit N] [--exact] [--json]",
    .summary = "how well a model foretells a text, and how far it is from another",
    .notes = "Perplexity and bits per byte over sliding windows; with --reference also the KL "
             "divergence from that model and how often both hold the same token for the "
             "likeliest. The reference is always computed as with --exact.\n\n"
             "  wattle eval --model m-Q4_0.gguf --reference m-F16.gguf --text wiki.test.raw",
    .options = options,
    .settings = settings,
};

const struct command command_eval = {.spec = &spec, .run = run};
