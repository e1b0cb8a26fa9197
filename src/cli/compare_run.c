/* SPDX-License-Identifier: MIT */
/* Runs a comparison: the same reading through every model, round after round.
 *
 * What makes it fair: all models answer a reading within one round, so that what changes on the
 * machine in minutes changes for all; the order within a round goes round by Williams' Latin
 * squares (1949), so that each model stands at each place, and after each other one, equally often;
 * warm-ups don't count; between two inferences a fixed calculation is timed, which tells how steady
 * the machine was. */
#include "cli/compare_run.h"

#include "cli/compare_judge.h"
#include "cli/interrupt.h"
#include "fleet/fleet.h"
#include "lab/lab.h"
#include "meter/meter.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    ROUNDS_DEFAULT = 30,
    ROUNDS_MAX = 1000000,
    GIVE_UP_AFTER = 3, /* failures from the beginning on, without a good one between */
    PLAIN_EVERY_S = 10,
};

static const double NOISE_MS = 25;
static const double IDLE_S = 2;

struct run {
    const struct settings *s;
    struct comparison *c;
    struct workload *w;
    struct entrants all;
    int warmup;
    uint64_t rounds;   /* wanted; 0: by time alone */
    double duration_s; /* 0: no limit */
    uint64_t start_ns;
    uint64_t done; /* rounds */
    struct noise_probe noise;
    double *noise_ms; /* [n_noise] */
    size_t n_noise, noise_capacity;
    bool terminal;
    double next_line_s;
    bool cancelled;
};

/* ---- order ---- */

/* Place j of round r among n: 0, 1, n-1, 2, n-2 … moved by r; for odd n every second square is read
 * backwards, since one alone can't have each model after each other one. */
static size_t place(size_t j, uint64_t r, size_t n)
{
    if (n % 2 && (r / n) % 2)
        j = n - 1 - j;
    size_t base = j % 2 ? (j + 1) / 2 : (n - j / 2) % n;
    return (base + (size_t)(r % n)) % n;
}

/* ---- progress ---- */

static double elapsed_s(const struct run *r)
{
    return (double)(clock_mono_ns() - r->start_ns) / 1e9;
}

static void put_time(char *out, size_t size, double seconds)
{
    if (seconds < 90)
        snprintf(out, size, "%.0f s", seconds);
    else if (seconds < 5400)
        snprintf(out, size, "%.0f min", seconds / 60);
    else
        snprintf(out, size, "%.1f h", seconds / 3600);
}

static void show(struct run *r, const char *name)
{
    double t = elapsed_s(r), left = NAN;
    char text[32] = "";
    if (!r->terminal && t < r->next_line_s)
        return;
    r->next_line_s = t + PLAIN_EVERY_S;
    if (r->done > 0 && r->rounds)
        left = t / (double)r->done * (double)(r->rounds - r->done);
    if (r->duration_s > 0 && !(left < r->duration_s - t))
        left = r->duration_s > t ? r->duration_s - t : 0;
    if (!isnan(left))
        put_time(text, sizeof text, left);
    fprintf(stderr, r->rounds ? "%sround %llu of %llu" : "%sround %llu%.0llu",
            r->terminal ? "\r\033[K" : "", (unsigned long long)r->done + 1,
            (unsigned long long)r->rounds);
    fprintf(stderr, ", %s%s%s%s", name, text[0] ? ", " : "", text, text[0] ? " left" : "");
    if (!r->terminal)
        fputc('\n', stderr);
    fflush(stderr);
}

static void clear_line(const struct run *r)
{
    if (r->terminal)
        fprintf(stderr, "\r\033[K");
}

/* ---- one inference ---- */

static int keep_noise(struct run *r, struct err *e)
{
    if (r->n_noise == r->noise_capacity) {
        size_t capacity = r->noise_capacity ? r->noise_capacity * 2 : 256;
        double *p = realloc(r->noise_ms, capacity * sizeof *p);
        if (!p)
            return err_set(e, ERR_NOMEM, "no memory for the noise measurements");
        r->noise_ms = p;
        r->noise_capacity = capacity;
    }
    r->noise_ms[r->n_noise++] = noise_measure(&r->noise);
    return 0;
}

static enum compared_verdict verdict_of(const struct workload_result *r)
{
    static const enum compared_verdict verdicts[] = {[VERDICT_NONE] = COMPARED_NONE,
                                                     [VERDICT_NORMAL] = COMPARED_NORMAL,
                                                     [VERDICT_UNUSUAL] = COMPARED_UNUSUAL};
    return r->good ? verdicts[r->verdict] : COMPARED_UNKNOWN;
}

static struct compared_sample sample_of(const struct workload_result *r)
{
    const struct metric_record *m = &r->record;
    return (struct compared_sample){
        .request = m->request,
        .utc_s = (double)m->utc_us / 1e6,
        .time_ms = m->inference_time_s * 1e3,
        .first_token_ms = m->time_to_first_token_ms,
        .tokens_per_second = m->tokens_per_second,
        .energy_j = m->energy_mj / 1e3,
        .joules_per_token = m->joules_per_token,
        .memory_mb = m->memory_used_mb,
        .memory_peak_mb = m->memory_total_mb,
        .cpu_percent = m->cpu_percent_avg,
        .prompt_tokens = r->good ? m->prompt_tokens : (double)NAN,
        .completion_tokens = r->good ? m->completion_tokens : (double)NAN,
        .throttled_ms = m->throttled_ms,
        .frequency_mhz = m->frequency_mhz > 0 ? m->frequency_mhz : (double)NAN,
        .temperature_c = m->temperature_c,
        .verdict = verdict_of(r),
        .valid_verdict = r->good && r->verdict != VERDICT_NONE,
        .agreement = NAN,
        .failed = !r->good,
    };
}

static void agree_on_source(struct compared *row, const char *source)
{
    if (strcmp(row->energy_source, source) != 0)
        snprintf(row->energy_source, sizeof row->energy_source, "%s",
                 row->energy_source[0] ? "mixed" : source);
}

static int run_one(struct run *r, struct entrant *one, uint64_t request, struct err *e)
{
    struct workload_result result;
    workload_model_run(one->model, request, &result);
    struct compared_sample sample = sample_of(&result);
    int rc = compared_add(one->row, &sample, e);
    if (!rc)
        rc = keep_noise(r, e);
    if (rc)
        return rc;
    if (result.good) {
        agree_on_source(one->row, result.record.energy_source);
        one->failed_in_a_row = 0;
    } else if (++one->failed_in_a_row == one->row->n && one->row->n == GIVE_UP_AFTER) {
        char line[600];
        snprintf(line, sizeof line, "its first %d inferences failed: %s", GIVE_UP_AFTER,
                 result.record.error ? result.record.error : "no reason given");
        entrant_drop(one, line);
    }
    return 0;
}

/* ---- rounds ---- */

/* One turn of each: `block` readings from `first` on. */
static int run_round(struct run *r, uint64_t round, uint64_t first, uint64_t block, struct err *e)
{
    int rc = 0;
    for (size_t j = 0; rc == 0 && j < r->all.n; j++) {
        struct entrant *one = &r->all.v[place(j, round, r->all.n)];
        if (one->out)
            continue;
        show(r, one->row->name);
        if (!entrants_turn(&r->all, one, r->warmup))
            continue;
        for (uint64_t i = 0; rc == 0 && i < block && !one->out; i++)
            rc = run_one(r, one, first + i, e);
    }
    return rc;
}

static int run_rounds(struct run *r, struct err *e)
{
    int rc = 0;
    for (uint64_t round = 0; rc == 0 && entrants_left(&r->all) > 0; round++) {
        uint64_t block = r->all.one_at_a_time ? COMPARED_TURN : 1;
        uint64_t most = r->rounds ? r->rounds : ROUNDS_MAX;
        if (r->done >= most || (r->duration_s > 0 && elapsed_s(r) >= r->duration_s))
            break;
        block = block < most - r->done ? block : most - r->done;
        rc = run_round(r, round, r->done + 1, block, e);
        r->done += rc == 0 ? block : 0;
        if (interrupted()) {
            r->cancelled = true;
            break;
        }
    }
    clear_line(r);
    r->c->elapsed_s = elapsed_s(r);
    return rc;
}

/* ---- what it comes to ---- */

static bool keep_going(void *ctx)
{
    (void)ctx;
    return !interrupted();
}

/* One after the other, when no time is taken any more. */
static int measure_perplexity(struct run *r, const char *text, struct err *e)
{
    for (size_t i = 0; i < r->all.n && !r->cancelled; i++) {
        struct entrant *one = &r->all.v[i];
        struct lab_eval_result result;
        char folder[PATH_MAX];
        struct err why = {""};
        struct lab_eval_options o = {
            .model_path = buf_cstr(&one->path),
            .text_path = text,
            .isa = settings_text(r->s, SET_WATTLE_ISA),
            .quant = one->quant ? one->quant : settings_text(r->s, SET_LLM_QUANT),
            .packed_folder = fleet_packed_folder(r->s, folder, sizeof folder),
            .threads = (int)settings_int(r->s, SET_LLM_THREADS),
            .keep_going = keep_going,
        };
        if (one->out)
            continue;
        if (r->terminal)
            fprintf(stderr, "\r\033[Kperplexity of %s", one->row->name);
        int rc = lab_eval(&o, &result, &why);
        clear_line(r);
        if (rc == ERR_CANCELLED) {
            r->cancelled = true;
        } else if (rc == ERR_NOMEM) {
            return err_set(e, rc, "%s", why.text);
        } else if (rc) {
            comparison_warn(r->c, "%s: no perplexity: %s", one->row->name, why.text);
        } else {
            one->row->perplexity = result.perplexity;
            one->row->bits_per_byte = result.bits_per_byte;
        }
    }
    return 0;
}

static int save_metrics(struct run *r, struct err *e)
{
    for (size_t i = 0; i < r->all.n; i++) {
        struct workload_model *m = r->all.v[i].model;
        int rc = m ? workload_model_save(m, e) : 0;
        if (rc)
            return rc;
        if (m && workload_model_file(m))
            log_info("Metrics of %s: %s", r->all.v[i].row->name, workload_model_file(m));
    }
    return 0;
}

/* ---- words ---- */

static void put_sampling(const struct run *r, struct buf *b)
{
    static const struct {
        enum setting_id id;
        const char *name;
    } rows[] = {{SET_LLM_TEMPERATURE, "temperature"},
                {SET_LLM_TOP_P, "top-p"},
                {SET_LLM_TOP_K, "top-k"},
                {SET_LLM_MIN_P, "min-p"},
                {SET_LLM_REPETITION_PENALTY, "repetition penalty"}};
    size_t given = 0, n = sizeof rows / sizeof *rows;
    for (size_t i = 0; i < n; i++) {
        if (!settings_given(r->s, rows[i].id))
            continue;
        buf_printf(b, ", %s %s", rows[i].name, settings_text(r->s, rows[i].id));
        given++;
    }
    if (given < n)
        buf_printf(b, ", %s each model's own", given ? "else sampling" : "sampling");
}

static int describe(struct run *r, struct err *e)
{
    struct buf b;
    buf_init(&b, 4096);
    machine_describe(&b, settings_text(r->s, SET_WATTLE_SYSROOT));
    r->c->machine = buf_steal(&b);
    buf_release(&b);
    buf_init(&b, 4096);
    buf_printf(&b, "%llu %s through each model in turns, %d %s not counted, LLM_MAX_LENGTH %lld",
               (unsigned long long)r->done, plural(r->done, "reading", "readings"), r->warmup,
               plural(r->warmup, "warm-up", "warm-ups"),
               (long long)settings_int(r->s, SET_LLM_MAX_LENGTH));
    if (settings_int(r->s, SET_LLM_MAX_NEW_TOKENS))
        buf_printf(&b, ", LLM_MAX_NEW_TOKENS %lld",
                   (long long)settings_int(r->s, SET_LLM_MAX_NEW_TOKENS));
    put_sampling(r, &b);
    buf_printf(&b, ", seed %llu", (unsigned long long)workload_seed(r->w));
    if (settings_text(r->s, SET_LLM_PROMPT_FILE)[0])
        buf_printf(&b, ", prompt of '%s'", settings_text(r->s, SET_LLM_PROMPT_FILE));
    r->c->settings = buf_steal(&b);
    buf_release(&b);
    return r->c->machine && r->c->settings ? 0 : err_set(e, ERR_NOMEM, "no memory for the report");
}

/* ---- the run ---- */

static int measure(struct run *r, struct err *e)
{
    struct load_probe load_probe;
    struct load load;
    int rc = load_open(&load_probe, settings_text(r->s, SET_WATTLE_SYSROOT), e);
    if (!rc)
        rc = noise_open(&r->noise, NOISE_MS, e);
    if (!rc) {
        r->c->idle_measured_w = workload_idle_power(r->w, IDLE_S);
        load_begin(&load_probe);
        r->start_ns = clock_mono_ns();
        rc = run_rounds(r, e);
        load_end(&load_probe, &load);
        judge_load(r->c, r->s, &load);
        judge_noise(r->c, r->noise_ms, r->n_noise);
    }
    noise_close(&r->noise);
    load_close(&load_probe);
    return rc;
}

/* All of them failed. */
static int check_any(const struct run *r, struct err *e)
{
    for (size_t i = 0; i < r->c->n; i++)
        for (size_t k = 0; k < r->c->models[i].n; k++)
            if (!r->c->models[i].samples[k].failed)
                return 0;
    return err_set(e, ERR_IO, "no inference of any of the %zu models was good: %s", r->c->n,
                   r->c->models[0].problem ? r->c->models[0].problem : "see the log");
}

/* A board's watts stand for its energy also where this machine's was measured. */
static void put_power(struct run *r)
{
    const struct fleet_power *p = workload_power(r->w);
    r->c->idle_w = p->idle_w;
    r->c->max_w = p->max_w;
    if (p->board)
        comparison_use_power(r->c, p->board, p->idle_w, p->max_w);
}

static int run_all(struct run *r, struct err *e)
{
    const char *text = settings_option_text(r->s, "perplexity");
    struct workload_options o = {
        .settings = r->s,
        .metrics_dir =
            settings_given(r->s, SET_METRICS_DIR) ? settings_text(r->s, SET_METRICS_DIR) : NULL,
    };
    int rc = workload_open(&r->w, &o, e);
    if (!rc)
        rc = entrants_find(&r->all, r->s, r->c, settings_option_text(r->s, "models"),
                           settings_option_text(r->s, "quant"), e);
    /* A name that is none of theirs is an error now, not after the models were loaded. */
    const char *reference = settings_option_text(r->s, "reference");
    if (!rc)
        rc = entrants_reference(&r->all, r->c, reference, &r->c->reference, e);
    if (rc)
        return rc;
    rc = entrants_open(&r->all, r->w, r->c, settings_text(r->s, SET_WATTLE_SYSROOT), r->warmup, e);
    if (!rc && !reference)
        rc = entrants_reference(&r->all, r->c, NULL, &r->c->reference, e);
    if (!rc)
        rc = measure(r, e);
    if (!rc && text && !r->cancelled)
        rc = measure_perplexity(r, text, e);
    if (!rc)
        rc = save_metrics(r, e);
    if (!rc)
        rc = describe(r, e);
    struct err why = {""};
    int agreed = comparison_agree(r->c, r->c->reference, reference != NULL, &why);
    if (r->c->no_agreement[0])
        log_info("no agreement: %s", r->c->no_agreement);
    put_power(r);
    return rc || !agreed ? rc : err_set(e, agreed, "%s", why.text);
}

int compare_run(const struct settings *s, struct comparison *c, struct err *e)
{
    const char *text = settings_option_text(s, "perplexity");
    struct run r = {
        .s = s,
        .c = c,
        .warmup = (int)settings_option_int(s, "warmup"),
        .duration_s =
            settings_option_given(s, "duration") ? settings_option_float(s, "duration") : 0,
        .terminal = isatty(STDERR_FILENO),
    };
    if (settings_option_given(s, "inferences"))
        r.rounds = (uint64_t)settings_option_int(s, "inferences");
    else if (r.duration_s <= 0)
        r.rounds = ROUNDS_DEFAULT;
    if (text && access(text, R_OK) != 0)
        return err_errno(e, errno, "--perplexity: cannot read '%s'", text);
    interrupt_catch();
    c->alternated = true;
    c->utc_us = clock_utc_us();
    int rc = run_all(&r, e);
    if (!rc && r.cancelled) {
        comparison_warn(c, "interrupted after %llu rounds", (unsigned long long)r.done);
        rc = err_set(e, ERR_CANCELLED, "interrupted");
    }
    if (!rc)
        rc = check_any(&r, e);
    entrants_release(&r.all);
    workload_close(&r.w);
    free(r.noise_ms);
    return rc;
}
