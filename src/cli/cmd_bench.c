/* SPDX-License-Identifier: MIT */
/* wattle bench: how fast a model is, and how near to what the machine can do at the most. */
#include "cli/cli.h"

#include "cli/interrupt.h"
#include "cli/model_input.h"
#include "codec/codec.h"
#include "fleet/fleet.h"
#include "lab/lab.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 4096, JSON_BYTES_MAX = 1 << 20, TOKENS_MAX = 1 << 20 };

static bool keep_going(void *ctx)
{
    (void)ctx;
    return !interrupted();
}

static void on_progress(void *ctx, const char *what)
{
    const bool *terminal = (const bool *)ctx;
    fprintf(stderr, "%s%s%s", *terminal ? "\r\033[K" : "", what, *terminal ? "" : "\n");
    fflush(stderr);
}

/* ---- the result ---- */

static void write_text(struct buf *out, const char *model, const struct lab_bench_result *r)
{
    const struct lab_bench_limits *l = &r->limits;
    buf_printf(out, "model    %s (%s, %.1f M parameters, %.1f MB)\n", model, r->quantization,
               (double)r->parameters / 1e6, (double)r->file_bytes / 1e6);
    buf_printf(out, "machine  %s\n", r->machine);
    buf_printf(out, "code     %s, %d threads", r->isa, r->threads);
    if (!isnan(r->load_of_others))
        buf_printf(out, "; other processes used %.1f processors meanwhile", r->load_of_others);
    buf_printf(out,
               "\nlimits   %.1f GB/s read, %.1f GMAC/s of 8-bit integers (%s), %.1f GMAC/s of "
               "floats\n\n",
               l->read_gb_s, l->int8_gmac_s, l->isa, l->f32_gmac_s);
    buf_printf(out, "%-8s %7s %6s %6s %10s %19s %9s\n", "test", "tokens", "batch", "depth",
               "tokens/s", "slowest to fastest", "of limit");
    for (size_t i = 0; i < r->n_rows; i++) {
        const struct lab_bench_row *row = &r->rows[i];
        buf_printf(out, "%-8s %7d %6d %6d %10.1f %9.1f %9.1f %6.0f %% %s\n", row->test,
                   (int)row->tokens, (int)row->batch, (int)row->depth, row->tokens_per_second,
                   row->slowest, row->fastest, 100 * row->fraction_of_limit, row->limit);
    }
}

static void write_row(struct json_writer *w, const struct lab_bench_row *row)
{
    json_write_object(w);
    json_put_str(w, "test", row->test);
    json_put_int(w, "tokens", row->tokens);
    json_put_int(w, "batch", row->batch);
    json_put_int(w, "depth", row->depth);
    json_put_f64(w, "tokens_per_second", row->tokens_per_second);
    json_put_f64(w, "slowest", row->slowest);
    json_put_f64(w, "fastest", row->fastest);
    json_put_u64(w, "runs", row->runs);
    json_put_f64(w, "multiply_adds_per_token", row->multiply_adds);
    json_put_f64(w, "bytes_read_per_token", row->bytes_read);
    json_put_str(w, "limit", row->limit);
    json_put_f64(w, "fraction_of_limit", row->fraction_of_limit);
    json_write_object_end(w);
}

static void write_json(struct buf *out, const char *model, const struct lab_bench_result *r)
{
    struct json_writer w;
    json_write_init(&w, out, 2);
    json_write_object(&w);
    json_put_object(&w, "model");
    json_put_str(&w, "name", model);
    json_put_str(&w, "architecture", r->arch);
    json_put_str(&w, "quantization", r->quantization);
    json_put_u64(&w, "parameters", r->parameters);
    json_put_u64(&w, "file_bytes", r->file_bytes);
    json_write_object_end(&w);
    json_put_object(&w, "machine");
    json_put_str(&w, "description", r->machine);
    json_put_str(&w, "isa", r->isa);
    json_put_int(&w, "threads", r->threads);
    if (isnan(r->load_of_others))
        json_put_null(&w, "load_of_others");
    else
        json_put_f64(&w, "load_of_others", r->load_of_others);
    json_write_object_end(&w);
    json_put_object(&w, "limits");
    json_put_f64(&w, "read_gb_s", r->limits.read_gb_s);
    json_put_f64(&w, "int8_gmac_s", r->limits.int8_gmac_s);
    json_put_f64(&w, "f32_gmac_s", r->limits.f32_gmac_s);
    json_put_str(&w, "isa", r->limits.isa);
    json_write_object_end(&w);
    json_put_array(&w, "results");
    for (size_t i = 0; i < r->n_rows; i++)
        write_row(&w, &r->rows[i]);
    json_write_array_end(&w);
    json_write_object_end(&w);
    buf_char(out, '\n');
}

static int print(const struct settings *s, const struct lab_bench_result *r, struct err *e)
{
    struct buf text;
    const char *path = settings_option_text(s, "output");
    buf_init(&text, JSON_BYTES_MAX);
    if (settings_option_flag(s, "json"))
        write_json(&text, model_input_name(s), r);
    else
        write_text(&text, model_input_name(s), r);
    int rc = buf_check(&text, "result", e);
    if (rc == 0 && path)
        rc = file_write_atomic(path, buf_view(&text), e);
    else if (rc == 0)
        fwrite(text.p, 1, text.n, stdout);
    buf_release(&text);
    return rc;
}

/* ---- the command ---- */

/* "0,256,1024": each a number of tokens. */
static int read_depths(const struct settings *s, struct lab_bench_options *o, struct err *e)
{
    struct span rest = span_str(settings_option_text(s, "depth"));
    o->skip_depths = !settings_option_given(s, "depth");
    for (bool more = true; more;) {
        const uint8_t *comma = span_find(rest, ',');
        struct span word = comma ? span_of(rest.p, (size_t)(comma - rest.p)) : rest;
        int64_t v;
        if (!num_parse_i64(word, &v) || v < 0 || v > TOKENS_MAX)
            return err_set(e, ERR_USAGE,
                           "--depth '%.*s': expected numbers of tokens, as 0,256,1024",
                           SPAN_FMT(word));
        if (o->n_depths == LAB_BENCH_DEPTHS_MAX)
            return err_set(e, ERR_USAGE, "--depth: more than %d numbers", LAB_BENCH_DEPTHS_MAX);
        o->depths[o->n_depths++] = (int32_t)v;
        more = comma != NULL;
        rest = span_sub(rest, word.n + 1, rest.n);
    }
    return 0;
}

static int measure(const struct settings *s, const char *model, struct lab_bench_options *o,
                   struct err *e)
{
    bool terminal = isatty(STDERR_FILENO) != 0;
    char folder[PATH_BYTES_MAX];
    struct lab_bench_result r;
    o->model_path = model;
    o->packed_folder = fleet_packed_folder(s, folder, sizeof folder);
    o->ctx = &terminal;
    int rc = lab_bench(o, &r, e);
    if (terminal)
        fprintf(stderr, "\r\033[K");
    return rc ? rc : print(s, &r, e);
}

static int run(const struct settings *s, struct err *e)
{
    struct buf model;
    struct lab_bench_options o = {
        .isa = settings_text(s, SET_WATTLE_ISA),
        .quant = settings_text(s, SET_LLM_QUANT),
        .threads = settings_option_given(s, "threads") ? (int)settings_option_int(s, "threads")
                                                       : (int)settings_int(s, SET_LLM_THREADS),
        .prefill = (int32_t)settings_option_int(s, "prefill"),
        .decode = (int32_t)settings_option_int(s, "decode"),
        .runs = (int32_t)settings_option_int(s, "runs"),
        .keep_going = keep_going,
        .on_progress = on_progress,
    };
    buf_init(&model, PATH_BYTES_MAX);
    interrupt_catch();
    int rc = read_depths(s, &o, e);
    if (rc == 0)
        rc = model_input_path(s, &model, e);
    if (rc == 0)
        rc = measure(s, buf_cstr(&model), &o, e);
    buf_release(&model);
    return exit_code_of(rc);
}

static const struct option options[] = {
    {.name = "model",
     .type = OPTION_TEXT,
     .value = "MODEL",
     .help = "GGUF or safetensors file, folder or hub name (default: LLM_MODEL_NAME)"},
    {.name = "threads",
     .type = OPTION_INT,
     .value = "N",
     .min = 1,
     .max = 256,
     .help = "the short form of --llm-threads"},
    {.name = "prefill",
     .type = OPTION_INT,
     .value = "N",
     .min = 0,
     .max = TOKENS_MAX,
     .fallback = "256",
     .help = "tokens of a prompt; 0: not measured"},
    {.name = "decode",
     .type = OPTION_INT,
     .value = "N",
     .min = 0,
     .max = TOKENS_MAX,
     .fallback = "64",
     .help = "tokens decoded one by one; 0: not measured"},
    {.name = "depth",
     .type = OPTION_TEXT,
     .value = "LIST",
     .fallback = "0,256,1024",
     .help =
         "tokens that the context holds before those that are decoded; by default only what the "
         "model's context holds"},
    {.name = "runs",
     .type = OPTION_INT,
     .value = "N",
     .min = 1,
     .max = 1000,
     .fallback = "5",
     .help = "of each test, at least; two if they take more than 15 seconds"},
    {.name = "output",
     .type = OPTION_TEXT,
     .value = "FILE",
     .help = "write the result there, not to standard output"},
    {.name = "json", .type = OPTION_FLAG, .help = "one JSON object"},
    {.name = NULL},
};

static const enum setting_id settings[] = {
    MODEL_SETTINGS, SET_LLM_THREADS, SET_LLM_QUANT, SET_LLM_PACKED_DIR,
    SET_WATTLE_ISA, SET_LOG_LEVEL,   SET_N};

static const struct command_spec spec = {
    .name = "bench",
    .usage = "wattle bench [--model MODEL] [--threads N] [--prefill N] [--decode N] [--depth LIST] "
             "[--runs N] [--json] [--output FILE]",
    .summary = "how fast a model is, and how near to what this machine can do",
    .notes =
        "Measures what this machine's memory and arithmetic reach at the most, with all threads, "
        "before and after, then how many tokens a second of a prompt are read and how many are "
        "decoded: the median, the slowest and the fastest run, and the share of the limit that is "
        "nearer (of the bytes read, or of the multiply-adds). Inside the clock is the forward pass "
        "alone. Where caches hold the weights, the share is more than 100 %.\n\n"
        "  wattle synth tinyllama-1.1b --type q4_0 --output tinyllama-q4_0.gguf\n"
        "  wattle bench --model tinyllama-q4_0.gguf --threads 2",
    .options = options,
    .settings = settings,
};

const struct command command_bench = {.spec = &spec, .run = run};
