/* SPDX-License-Identifier: MIT */
/* wattle quantize: a model's weights in fewer bits, as GGUF. */
#include "cli/cli.h"

#include "cli/interrupt.h"
#include "cli/model_input.h"
#include "codec/codec.h"
#include "lab/lab.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 4096, JSON_BYTES_MAX = 64 << 20 };

static bool keep_going(void *ctx)
{
    (void)ctx;
    return !interrupted();
}

/* ---- while it runs ---- */

/* Tensors go to standard output, as lines or into one JSON object; progress to standard error, if
 * that is a terminal. */
struct view {
    bool terminal, quiet, json;
    bool on_line; /* a progress line stands there */
    uint64_t next_ns;
    struct buf text;
    struct json_writer w;
};

static void clear_line(struct view *v)
{
    if (v->on_line)
        fprintf(stderr, "\r\033[K");
    v->on_line = false;
}

static void on_progress(void *ctx, const char *what, uint64_t done, uint64_t all)
{
    struct view *v = (struct view *)ctx;
    uint64_t now = clock_mono_ns();
    if (!v->terminal || now < v->next_ns)
        return;
    v->next_ns = now + 100000000;
    v->on_line = true;
    fprintf(stderr, "\r\033[K%s %.0f %%", what, all ? 100 * (double)done / (double)all : 100.0);
    fflush(stderr);
}

static void write_tensor(struct json_writer *w, const struct lab_quantized *t)
{
    json_write_object(w);
    json_put_str(w, "name", t->name);
    json_put_str(w, "from", t->from);
    json_put_str(w, "to", t->to);
    json_put_u64(w, "weights", t->weights);
    json_put_u64(w, "bytes", t->bytes);
    json_put_f64(w, "relative_error", t->error);
    json_write_object_end(w);
}

static void on_tensor(void *ctx, const struct lab_quantized *t)
{
    struct view *v = (struct view *)ctx;
    clear_line(v);
    if (v->json)
        write_tensor(&v->w, t);
    else if (!v->quiet && t->error > 0)
        printf("%-40s %-6s %-6s %12llu bytes  error %.3e\n", t->name, t->from, t->to,
               (unsigned long long)t->bytes, t->error);
    else if (!v->quiet)
        printf("%-40s %-6s %-6s %12llu bytes\n", t->name, t->from, t->to,
               (unsigned long long)t->bytes);
}

/* ---- the result ---- */

static void print_text(const char *path, const struct lab_quantize_result *r)
{
    printf("%s: %llu bytes (source: %llu), %.2f bits a weight, error %.3e, %.1f s\n", path,
           (unsigned long long)r->bytes, (unsigned long long)r->source_bytes, r->bits, r->error,
           r->seconds);
}

static int print_json(struct view *v, const char *path, const struct lab_quantize_result *r,
                      struct err *e)
{
    struct json_writer *w = &v->w;
    json_write_array_end(w);
    json_put_str(w, "output", path);
    json_put_u64(w, "bytes", r->bytes);
    json_put_u64(w, "source_bytes", r->source_bytes);
    json_put_f64(w, "bits_per_weight", r->bits);
    json_put_f64(w, "relative_error", r->error);
    json_put_fixed(w, "seconds", r->seconds, 3);
    json_write_object_end(w);
    int rc = buf_check(&v->text, "result", e);
    if (rc == 0)
        printf("%s\n", buf_cstr(&v->text));
    return rc;
}

/* ---- the command ---- */

/* "NAME-TYPE.gguf" here, of the model's last name. */
static void name_output(const char *model, const char *type, struct buf *out)
{
    size_t n = strlen(model), from;
    while (n > 1 && model[n - 1] == '/')
        n--;
    for (from = n; from > 0 && model[from - 1] != '/';)
        from--;
    struct span name = span_of(model + from, n - from);
    static const char *const ends[] = {".gguf", ".safetensors"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t length = strlen(ends[i]);
        if (name.n > length && memcmp(name.p + name.n - length, ends[i], length) == 0)
            name.n -= length;
    }
    buf_span(out, name);
    buf_printf(out, "-%s.gguf", type);
}

static int check_output(const struct settings *s, const char *path, struct err *e)
{
    if (access(path, F_OK) == 0 && !settings_option_flag(s, "force"))
        return err_set(e, ERR_USAGE, "--output '%s': is there already, --force replaces it", path);
    return file_check_replaceable(path, e);
}

static int quantize(const struct settings *s, const char *model, const char *output, struct err *e)
{
    struct view v = {
        .terminal = isatty(STDERR_FILENO),
        .quiet = settings_option_flag(s, "quiet"),
        .json = settings_option_flag(s, "json"),
    };
    struct lab_quantize_result r;
    struct lab_quantize_options o = {
        .model_path = model,
        .output_path = output,
        .type = settings_option_text(s, "type"),
        .isa = settings_text(s, SET_WATTLE_ISA),
        .threads = (int)settings_int(s, SET_LLM_THREADS),
        .keep_going = keep_going,
        .on_tensor = on_tensor,
        .on_progress = on_progress,
        .ctx = &v,
    };
    buf_init(&v.text, JSON_BYTES_MAX);
    json_write_init(&v.w, &v.text, 2);
    json_write_object(&v.w);
    json_put_array(&v.w, "tensors");
    int rc = lab_quantize(&o, &r, e);
    clear_line(&v);
    if (rc == 0 && v.json)
        rc = print_json(&v, output, &r, e);
    else if (rc == 0)
        print_text(output, &r);
    buf_release(&v.text);
    return rc;
}

static int run(const struct settings *s, struct err *e)
{
    struct buf model, output;
    const char *name = settings_words(s) ? settings_word(s, 0) : model_input_name(s);
    const char *path = settings_option_text(s, "output");
    buf_init(&model, PATH_BYTES_MAX);
    buf_init(&output, PATH_BYTES_MAX);
    interrupt_catch();
    if (path)
        buf_str(&output, path);
    else
        name_output(name, settings_option_text(s, "type"), &output);
    int rc = buf_check(&output, "--output", e);
    if (rc == 0)
        rc = check_output(s, buf_cstr(&output), e);
    if (rc == 0)
        rc = model_find(s, name, &model, e);
    if (rc == 0)
        rc = quantize(s, buf_cstr(&model), buf_cstr(&output), e);
    buf_release(&model);
    buf_release(&output);
    return exit_code_of(rc);
}

static const struct option options[] = {
    {.name = "type",
     .type = OPTION_TEXT,
     .value = "TYPE",
     .fallback = "q4_k_m",
     .help = "q4_0, q4_1, q4_k_m, q5_0, q5_1, q5_k_m, q6_k, q8_0, bf16, f16 or f32"},
    {.name = "output",
     .type = OPTION_TEXT,
     .value = "FILE",
     .help = "where it goes (default: MODEL-TYPE.gguf in this folder)"},
    {.name = "force", .type = OPTION_FLAG, .help = "replace a file that is there"},
    {.name = "quiet", .type = OPTION_FLAG, .help = "no line for each tensor"},
    {.name = "json", .type = OPTION_FLAG, .help = "print one JSON object"},
    {.name = NULL},
};

static const enum setting_id settings[] = {MODEL_SETTINGS, SET_LLM_THREADS, SET_WATTLE_ISA,
                                           SET_LOG_LEVEL, SET_N};

static const struct command_spec spec = {
    .name = "quantize",
    .usage = "wattle quantize [MODEL] [--type TYPE] [--output FILE] [--force] [--quiet] [--json]",
    .summary = "writes a model's weights in 8, 6, 5 or 4 bits, as GGUF",
    .notes =
        "MODEL is a GGUF file, a folder or a hub name (default: LLM_MODEL_NAME). The scale of "
        "each block is searched for the least squared error, and the error of each tensor, "
        "as a share of its squares, is printed. Norms and other vectors stay floats. The "
        "file is read by wattle and by llama.cpp; it appears whole or not at all.\n\n"
        "Safetensors are converted for llama, mistral, qwen2, qwen3, gemma, gemma2, gemma3, "
        "phi3, stablelm, granite and olmo2. Their tokenizer goes along if it is byte-level BPE; "
        "without one, which is said, the file computes logits of ids, not of text.\n\n"
        "  wattle quantize model-f16.gguf --type q4_k_m",
    .options = options,
    .settings = settings,
    .max_words = 1,
};

const struct command command_quantize = {.spec = &spec, .run = run};
