/* SPDX-License-Identifier: MIT */
/* compare_read: one model of a comparison from the folder that its metrics files were saved in.
 *
 * Owns: what of a metrics file becomes a sample, and what about the files is worth a warning. Pairs
 * are those of the same "request", which only the files of `wattle compare --models` have. */
#include "report/compare.h"

#include "metrics/metrics.h"
#include "report/files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What the files of one folder have in common, as they are read. */
struct gathered {
    char model[256], quantization[40], isa[16], energy_source[16];
    double threads;
    size_t read, skipped;
    uint64_t said; /* inferences by the summaries */
    bool models_differ;
};

static void agree(char *text, size_t size, const char *s)
{
    if (s[0] && strcmp(text, s) != 0)
        snprintf(text, size, "%s", text[0] ? "mixed" : s);
}

/* "" and what no version of ours writes: not known. */
static enum compared_verdict verdict_of(const char *word)
{
    static const char *const words[] = {
        [COMPARED_NONE] = "none", [COMPARED_NORMAL] = "normal", [COMPARED_UNUSUAL] = "unusual"};
    for (size_t v = COMPARED_NONE; v <= COMPARED_UNUSUAL; v++)
        if (strcmp(word, words[v]) == 0)
            return (enum compared_verdict)v;
    return COMPARED_UNKNOWN;
}

static struct compared_sample sample_of(const struct metric_sample *m)
{
    enum compared_verdict verdict = verdict_of(m->verdict);
    return (struct compared_sample){
        .utc_s = m->utc_s,
        .time_ms = m->time_ms,
        .first_token_ms = m->first_token_ms,
        .tokens_per_second = m->tokens_per_second,
        .energy_j = m->energy_j,
        .joules_per_token = m->joules_per_token,
        .memory_mb = m->memory_mb,
        .memory_peak_mb = m->memory_total_mb,
        .cpu_percent = m->cpu_percent,
        .prompt_tokens = m->prompt_tokens,
        .completion_tokens = m->completion_tokens,
        .throttled_ms = m->throttled_ms,
        .frequency_mhz = m->frequency_mhz,
        .temperature_c = m->temperature_c,
        .request = m->request >= 1 && m->request < 1e15 ? (uint64_t)m->request : 0,
        .verdict = verdict,
        .valid_verdict = verdict == COMPARED_UNKNOWN ? (double)NAN : verdict != COMPARED_NONE,
        .agreement = NAN,
        .failed = m->failed,
    };
}

static void agree_threads(double *all, double threads)
{
    if (isnan(threads) || threads < 1 || threads > 100000)
        return;
    *all = *all == 0 || *all == threads ? threads : -1;
}

static int take_file(struct comparison *c, struct compared *m, struct gathered *g, const char *path,
                     struct err *e)
{
    struct metric_samples s;
    struct metric_summary summary;
    struct err why = {""};
    metric_samples_init(&s);
    int r = metric_file_read(&summary, path, &why);
    if (r == 0)
        r = metric_samples_read(&s, path, &why);
    if (r == ERR_NOMEM) {
        r = err_set(e, r, "%s", why.text);
    } else if (r < 0) {
        comparison_warn(c, "left out: %s", why.text);
        g->skipped++;
        r = 0;
    } else {
        if (g->model[0] && summary.model_name[0] && strcmp(g->model, summary.model_name) != 0)
            g->models_differ = true;
        agree(g->model, sizeof g->model, summary.model_name);
        agree(g->quantization, sizeof g->quantization, s.quantization);
        agree(g->isa, sizeof g->isa, s.isa);
        agree(g->energy_source, sizeof g->energy_source, summary.energy_source);
        agree_threads(&g->threads, s.threads);
        g->said += summary.total_inferences;
        g->read++;
        if (s.model_bytes > m->model_bytes)
            m->model_bytes = s.model_bytes;
        if (isnan(m->load_seconds))
            m->load_seconds = s.load_seconds;
        for (size_t i = 0; r == 0 && i < s.n; i++) {
            struct compared_sample sample = sample_of(&s.v[i]);
            agree(g->quantization, sizeof g->quantization, s.v[i].quantization);
            agree_threads(&g->threads, s.v[i].threads);
            r = compared_add(m, &sample, e);
        }
    }
    metric_samples_release(&s);
    return r;
}

/* "results/phi35/" is "phi35"; ".", "/" and what another is called already stay as they are. */
static void name_of(const struct comparison *c, const char *dir, char *name, size_t size)
{
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    size_t from = n;
    while (from > 0 && dir[from - 1] != '/')
        from--;
    snprintf(name, size, "%.*s", (int)(n - from < size ? n - from : size - 1), dir + from);
    bool taken = name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
    for (size_t i = 0; i < c->n; i++)
        taken = taken || strcmp(c->models[i].name, name) == 0;
    if (taken)
        snprintf(name, size, "%s", dir);
}

static void warn(struct comparison *c, const struct compared *m, const struct gathered *g)
{
    if (g->models_differ)
        comparison_warn(c, "'%s' holds inferences of several models: they are taken together",
                        m->name);
    if (g->said > m->n)
        comparison_warn(c,
                        "'%s': files incomplete, single values of %zu of %llu %s: the "
                        "others are left out",
                        m->name, m->n, (unsigned long long)g->said,
                        plural(g->said, "inference", "inferences"));
}

int comparison_read(struct comparison *c, const char *dir, struct err *e)
{
    struct file_paths found = {0};
    struct gathered g = {.threads = 0};
    struct compared *m;
    char name[256];
    name_of(c, dir, name, sizeof name);
    int r = file_paths_find(&found, dir, e);
    if (r == 0)
        r = comparison_add(c, &m, name, dir, e);
    for (size_t i = 0; r == 0 && i < found.n; i++)
        r = take_file(c, m, &g, found.p[i], e);
    if (r == 0 && g.read == 0 && found.n == 0)
        r = err_set(
            e, ERR_NOTFOUND,
            "no metrics file in '%s', expected *.json as wattle or the simulator saves them", dir);
    if (r == 0 && g.read == 0) /* take_file has said why of each */
        r = err_set(e, ERR_NOTFOUND, "no metrics file in '%s' can be read%s%s", dir,
                    c->n_warnings ? "; " : "", c->n_warnings ? c->warnings[c->n_warnings - 1] : "");
    if (r == 0) {
        snprintf(m->quantization, sizeof m->quantization, "%s", g.quantization);
        snprintf(m->isa, sizeof m->isa, "%s", g.isa);
        snprintf(m->energy_source, sizeof m->energy_source, "%s", g.energy_source);
        m->threads = (int)g.threads;
        if (g.model[0] && !g.models_differ && strcmp(g.model, name) != 0) {
            struct buf source;
            buf_init(&source, 8192);
            buf_printf(&source, "%s in %s", g.model, dir);
            char *text = buf_steal(&source);
            if (text) {
                free(m->source);
                m->source = text;
            }
            buf_release(&source);
        }
        if (found.cut)
            comparison_warn(c, "'%s': more than %d files: not all were read", dir, FILES_MAX);
        warn(c, m, &g);
    }
    file_paths_release(&found);
    return r;
}

void comparison_use_power(struct comparison *c, const char *board, double idle_w, double max_w)
{
    snprintf(c->power_profile, sizeof c->power_profile, "%s", board);
    c->idle_w = idle_w;
    c->max_w = max_w;
    for (size_t i = 0; i < c->n; i++) {
        struct compared *m = &c->models[i];
        snprintf(m->energy_source, sizeof m->energy_source, "estimate");
        for (size_t k = 0; k < m->n; k++) {
            struct compared_sample *s = &m->samples[k];
            s->energy_j = (idle_w + (max_w - idle_w) * s->cpu_percent / 100) * s->time_ms / 1000;
            s->joules_per_token =
                s->completion_tokens > 0 ? s->energy_j / s->completion_tokens : (double)NAN;
        }
    }
}
