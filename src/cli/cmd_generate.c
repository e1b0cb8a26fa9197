/* SPDX-License-Identifier: MIT */
/* wattle generate: one prompt, its answer as it comes, and what it cost. */
#include "cli/cli.h"

#include "cli/groups.h"
#include "cli/interrupt.h"
#include "codec/codec.h"
#include "fleet/fleet.h"

#include <wattle.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    PATH_BYTES_MAX = 4096,
    PROMPT_BYTES_MAX = 16 << 20,
    JSON_BYTES_MAX = 64 << 20,
};

static bool keep_going(void *context)
{
    (void)context;
    return !interrupted() && !ferror(stdout);
}

static void print_piece(void *context, const char *text, size_t bytes)
{
    *(bool *)context = true;
    fwrite(text, 1, bytes, stdout);
    fflush(stdout);
}

/* One request and the memory behind its pointers. */
struct question {
    struct wattle_request request;
    struct wattle_message messages[2];
    struct buf prompt; /* what --prompt - read */
    struct request_stops stops;
    bool printed; /* something of the answer is on standard output */
};

static int read_prompt(const struct settings *s, struct question *q, struct err *e)
{
    const char *prompt = settings_option_text(s, "prompt");
    if (!prompt)
        return err_set(e, ERR_USAGE, "--prompt: absent, expected a text, or - for standard input");
    if (strcmp(prompt, "-") != 0) {
        buf_str(&q->prompt, prompt);
    } else {
        int rc = file_read("-", &q->prompt, e);
        if (rc)
            return rc;
    }
    if (q->prompt.n && memchr(q->prompt.p, 0, q->prompt.n))
        return err_set(e, ERR_FORMAT, "prompt: a NUL byte, expected text");
    return buf_check(&q->prompt, "prompt", e);
}

static int question_init(struct question *q, const struct settings *s, struct err *e)
{
    *q = (struct question){.messages = {{NULL, NULL}}};
    buf_init(&q->prompt, PROMPT_BYTES_MAX);
    struct wattle_request *r = &q->request;
    wattle_request_init(r);
    int rc = read_prompt(s, q, e);
    if (rc == 0)
        rc = request_configure(r, &q->stops, s, e);
    if (rc)
        return rc;
    const char *system = settings_option_text(s, "system");
    if (settings_option_flag(s, "raw")) {
        if (system)
            return err_set(e, ERR_USAGE, "--system: not together with --raw, which has no roles");
        r->prompt = buf_cstr(&q->prompt);
    } else {
        if (system)
            q->messages[r->n_messages++] = (struct wattle_message){"system", system};
        q->messages[r->n_messages++] = (struct wattle_message){"user", buf_cstr(&q->prompt)};
        r->messages = q->messages;
    }
    r->keep_going = keep_going;
    r->context = &q->printed;
    if (!settings_option_flag(s, "json"))
        r->on_text = print_piece;
    return 0;
}

static void question_release(struct question *q)
{
    buf_release(&q->prompt);
    request_stops_release(&q->stops);
}

static double ms(uint64_t ns)
{
    return (double)ns / 1e6;
}

/* Tokens a second while decoding: the first token is prefill's. */
static double decode_speed(const struct wattle_usage *u)
{
    return u->completion_tokens > 1 && u->decode_ns > 0
               ? (double)(u->completion_tokens - 1) / ((double)u->decode_ns / 1e9)
               : 0;
}

static void print_usage_line(const struct wattle_usage *u)
{
    fprintf(stderr, "%d %s, ", (int)u->completion_tokens,
            plural((uint64_t)u->completion_tokens, "token", "tokens"));
    if (decode_speed(u) > 0)
        fprintf(stderr, "%.1f tokens/s, ", decode_speed(u));
    fprintf(stderr, "first after %.0f ms\n", ms(u->first_token_ns));
}

static void write_usage(struct json_writer *w, const struct wattle_usage *u)
{
    json_put_object(w, "usage");
    const struct {
        const char *key;
        int64_t value;
    } counts[] = {
        {"prompt_tokens", u->prompt_tokens},          {"cached_tokens", u->cached_tokens},
        {"completion_tokens", u->completion_tokens},  {"multiply_adds", (int64_t)u->multiply_adds},
        {"bytes_read", (int64_t)u->bytes_read},       {"kv_bytes", (int64_t)u->kv_bytes},
        {"scratch_bytes", (int64_t)u->scratch_bytes}, {"threads", u->threads},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        json_put_int(w, counts[i].key, counts[i].value);
    const struct {
        const char *key;
        double value;
    } times[] = {
        {"queue_ms", ms(u->queue_ns)},   {"prefill_ms", ms(u->prefill_ns)},
        {"decode_ms", ms(u->decode_ns)}, {"time_to_first_token_ms", ms(u->first_token_ns)},
        {"total_ms", ms(u->total_ns)},   {"tokens_per_second", decode_speed(u)},
    };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        json_put_fixed(w, times[i].key, times[i].value, 3);
    json_write_object_end(w);
}

static void write_sampling(struct json_writer *w, const struct wattle_sampling *s)
{
    const struct {
        const char *key;
        float value;
    } values[] = {
        {"temperature", s->temperature},
        {"top_k", (float)s->top_k},
        {"top_p", s->top_p},
        {"min_p", s->min_p},
        {"repetition_penalty", s->repetition_penalty},
    };
    json_put_object(w, "sampling");
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        json_put_fixed(w, values[i].key, (double)values[i].value, 6);
    json_write_object_end(w);
}

static int print_json(const struct wattle_result *r, const struct wattle_model *model,
                      const char *name, const struct wattle_request *q, struct err *e)
{
    struct wattle_sampling sampling;
    wattle_request_sampling(model, q, &sampling);
    struct buf text;
    buf_init(&text, JSON_BYTES_MAX);
    struct json_writer w;
    json_write_init(&w, &text, 0);
    json_write_object(&w);
    json_put_str(&w, "model", name);
    json_put_span(&w, "text", span_of(r->text, r->text_bytes));
    json_put_str(&w, "finish_reason", r->finish == WATTLE_FINISH_STOP ? "stop" : "length");
    json_put_u64(&w, "seed", q->seed);
    write_sampling(&w, &sampling);
    write_usage(&w, &r->usage);
    json_write_object_end(&w);
    int rc = buf_check(&text, "result", e);
    if (rc == 0)
        printf("%s\n", buf_cstr(&text));
    buf_release(&text);
    return rc;
}

/* Long work has a word. */
static void on_packing(void *context, uint64_t done, uint64_t bytes)
{
    (void)context;
    fprintf(stderr, "\r\033[Kpacking the model for its first use: %d %%",
            (int)((double)done / (double)bytes * 100));
    if (done == bytes)
        fprintf(stderr, "\r\033[K");
}

static bool still_wanted(void *context)
{
    (void)context;
    return !interrupted();
}

static int answer(const struct settings *s, struct question *q, struct err *e)
{
    struct buf path;
    buf_init(&path, PATH_BYTES_MAX);
    struct wattle_model *model = NULL;
    struct wattle_result result = {.text = NULL};
    int rc = model_input_path(s, &path, e);
    if (rc)
        goto done;
    char folder[PATH_MAX];
    struct wattle_model_options o = {
        .path = path.p,
        .quant = settings_text(s, SET_LLM_QUANT),
        .packed_folder = fleet_packed_folder(s, folder, sizeof folder),
        .on_progress = isatty(STDERR_FILENO) ? on_packing : NULL,
        .keep_going = still_wanted,
        .threads = (int)settings_int(s, SET_LLM_THREADS),
        .context = q->request.max_length,
        .isa = settings_text(s, SET_WATTLE_ISA),
    };
    rc = wattle_model_open(&model, &o, e->text, sizeof e->text);
    if (rc)
        goto done;
    rc = wattle_generate(model, &q->request, &result, e->text, sizeof e->text);
    if (!settings_option_flag(s, "json") && (rc == 0 || q->printed))
        printf("\n");
    else if (rc == 0)
        rc = print_json(&result, model, model_input_name(s), &q->request, e);
    if (rc == 0)
        print_usage_line(&result.usage);
done:
    wattle_result_release(&result);
    wattle_model_close(&model);
    buf_release(&path);
    return rc;
}

static int run(const struct settings *s, struct err *e)
{
    struct question q;
    interrupt_catch();
    int rc = question_init(&q, s, e);
    if (rc == 0)
        rc = answer(s, &q, e);
    question_release(&q);
    if (rc == ERR_CANCELLED && !interrupted() && !reader_has_gone())
        rc = err_set(e, ERR_IO, "cannot write the answer to the standard output");
    return exit_code_of(rc);
}

static const struct option options[] = {
    {.name = "model",
     .type = OPTION_TEXT,
     .value = "MODEL",
     .help = "GGUF or safetensors file, folder or hub name (default: LLM_MODEL_NAME)"},
    {.name = "prompt",
     .type = OPTION_PHRASE,
     .value = "TEXT",
     .help = "what to answer; - reads it from standard input"},
    {.name = "system", .type = OPTION_PHRASE, .value = "TEXT", .help = "the system message"},
    {.name = "raw",
     .type = OPTION_FLAG,
     .help = "go on from the prompt as it stands, without the chat template"},
    {.name = "json",
     .type = OPTION_FLAG,
     .help = "print one JSON object with text, finish_reason and usage"},
    {.name = NULL},
};

static const enum setting_id settings[] = {MODEL_SETTINGS,
                                           SET_LLM_MAX_LENGTH,
                                           SET_LLM_MAX_NEW_TOKENS,
                                           SET_LLM_TEMPERATURE,
                                           SET_LLM_TOP_P,
                                           SET_LLM_TOP_K,
                                           SET_LLM_MIN_P,
                                           SET_LLM_REPETITION_PENALTY,
                                           SET_LLM_SEED,
                                           SET_LLM_THREADS,
                                           SET_LLM_STOP,
                                           PACK_SETTINGS,
                                           SET_WATTLE_ISA,
                                           SET_LOG_LEVEL,
                                           SET_N};

static const struct command_spec spec = {
    .name = "generate",
    .usage = "wattle generate [--model MODEL] --prompt TEXT [--system TEXT | --raw] [--json]",
    .summary = "answers one prompt",
    .notes = "The answer goes to standard output as it comes, its speed to standard error.\n\n"
             "  wattle generate --model m.gguf --prompt 'Why is the sky blue?' --llm-temperature 0",
    .options = options,
    .settings = settings,
};

const struct command command_generate = {.spec = &spec, .run = run};
