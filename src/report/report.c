/* SPDX-License-Identifier: MIT */
/* report: finds the metrics files of a folder, reads them, sums them up.
 *
 * Owns: the row for all of them. Which files count is files.c's business, how rows look that of
 * text.c and json.c. */
#include "report/rows.h"

#include "report/files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the row for all ---- */

/* A mean of means: each counts as often as it has values. */
struct mean {
    double sum, n;
};

static void mean_add(struct mean *m, const struct metric_stats *s)
{
    if (s->n == 0 || isnan(s->avg))
        return;
    m->sum += s->avg * (double)s->n;
    m->n += (double)s->n;
}

static double mean_of(const struct mean *m)
{
    return m->n > 0 ? m->sum / m->n : (double)NAN;
}

static void agree(char *text, size_t size, const char *s)
{
    if (s[0] && strcmp(text, s) != 0)
        snprintf(text, size, "%s", text[0] ? "mixed" : s);
}

static void add_up(struct report *r)
{
    struct row *all = &r->all;
    struct mean time = {0}, speed = {0}, cpu = {0}, memory = {0};
    double energy_of_tokens_j = 0;

    *all = (struct row){.energy_j = NAN, .completion_tokens = NAN, .joules_per_token = NAN};
    for (size_t i = 0; i < r->n; i++) {
        const struct metric_summary *s = &r->files[i].summary;
        const struct row *f = &r->files[i].row;
        all->inferences += f->inferences;
        all->errors += f->errors;
        mean_add(&time, &s->time_ms);
        mean_add(&speed, &s->tokens_per_second);
        mean_add(&cpu, &s->cpu_percent);
        mean_add(&memory, &s->memory_mb);
        agree(all->model, sizeof all->model, f->model);
        agree(all->energy_source, sizeof all->energy_source, f->energy_source);
        if (!isnan(f->energy_j))
            all->energy_j = (isnan(all->energy_j) ? 0 : all->energy_j) + f->energy_j;
        if (isnan(f->completion_tokens))
            continue;
        all->completion_tokens =
            (isnan(all->completion_tokens) ? 0 : all->completion_tokens) + f->completion_tokens;
        energy_of_tokens_j += isnan(f->energy_j) ? 0 : f->energy_j;
    }
    snprintf(all->device, sizeof all->device, "all");
    all->time_avg_ms = mean_of(&time);
    all->tokens_per_second = mean_of(&speed);
    all->cpu_percent = mean_of(&cpu);
    all->memory_mb = mean_of(&memory);
    if (all->completion_tokens > 0)
        all->joules_per_token = energy_of_tokens_j / all->completion_tokens;
    all->time_p50_ms = all->time_p95_ms = NAN;
    if (r->time_ms.incomplete || r->time_ms.n == 0)
        return;
    struct metric_stats s;
    metric_stats_of(&s, r->time_ms.v, r->time_ms.n);
    all->time_p50_ms = s.p50;
    all->time_p95_ms = s.p95;
}

/* ---- reading ---- */

static void row_of(struct row *row, const struct metric_summary *s)
{
    *row = (struct row){
        .inferences = s->total_inferences,
        .errors = s->errors,
        .time_avg_ms = s->time_ms.avg,
        .time_p50_ms = s->time_ms.p50,
        .time_p95_ms = s->time_ms.p95,
        .tokens_per_second = s->tokens_per_second.avg,
        .cpu_percent = s->cpu_percent.avg,
        .memory_mb = s->memory_mb.avg,
        .energy_j = s->energy_mj.total / 1000,
        .completion_tokens = s->completion_tokens,
        .joules_per_token = s->joules_per_token,
    };
    snprintf(row->device, sizeof row->device, "%s", s->device_id);
    snprintf(row->model, sizeof row->model, "%s", s->model_name);
    snprintf(row->energy_source, sizeof row->energy_source, "%s", s->energy_source);
}

static int skip(struct report *r, const char *why, struct err *e)
{
    char **grown = realloc(r->skipped, (r->n_skipped + 1) * sizeof *grown);
    if (grown)
        r->skipped = grown;
    char *text = grown ? strdup(why) : NULL;
    if (!text)
        return err_set(e, ERR_NOMEM, "no memory for a report");
    r->skipped[r->n_skipped++] = text;
    return 0;
}

static int read_file(struct report *r, char **path, struct err *e)
{
    struct err why = {""};
    struct file *f = &r->files[r->n];
    size_t values = r->time_ms.n;
    bool incomplete = r->time_ms.incomplete;
    int code = metric_file_read_values(&f->summary, &r->time_ms, *path, &why);
    if (code == ERR_NOMEM)
        return err_set(e, code, "%s", why.text);
    if (code < 0) {
        r->time_ms.n = values;
        r->time_ms.incomplete = incomplete;
        return skip(r, why.text, e);
    }
    row_of(&f->row, &f->summary);
    f->path = *path;
    *path = NULL;
    r->n++;
    return 0;
}

static int none_read(const struct report *r, struct err *e)
{
    if (r->n_skipped == 0)
        return err_set(e, ERR_NOTFOUND,
                       "no metrics file in '%s', expected inference_metrics_*.json there or up to "
                       "%d folders below",
                       r->dir, FILES_DEPTH_MAX);
    return err_set(e, ERR_NOTFOUND, "no metrics file that can be read in '%s', the first: %s",
                   r->dir, r->skipped[0]);
}

int report_open(struct report **out, const char *dir, struct err *e)
{
    struct file_paths found = {0};
    struct report *r = calloc(1, sizeof *r);
    int code = 0;
    if (!r || !(r->dir = strdup(dir))) {
        code = err_set(e, ERR_NOMEM, "no memory for a report");
        goto done;
    }
    code = file_paths_find(&found, dir, e);
    if (code < 0)
        goto done;
    r->files = calloc(found.n + 1, sizeof *r->files);
    if (!r->files)
        code = err_set(e, ERR_NOMEM, "no memory for a report of %zu files", found.n);
    for (size_t i = 0; code == 0 && i < found.n; i++)
        code = read_file(r, &found.p[i], e);
    if (code == 0 && found.cut) {
        struct err why;
        err_set(&why, ERR_LIMIT, "%s: more than %d files or %d entries: not all were looked at",
                dir, FILES_MAX, FILES_ENTRIES_MAX);
        code = skip(r, why.text, e);
    }
    if (code == 0 && r->n == 0)
        code = none_read(r, e);
    if (code == 0)
        add_up(r);
done:
    file_paths_release(&found);
    if (code == 0)
        *out = r;
    else
        report_close(&r);
    return code;
}

void report_close(struct report **report)
{
    struct report *r = *report;
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++)
        free(r->files[i].path);
    for (size_t i = 0; i < r->n_skipped; i++)
        free(r->skipped[i]);
    free(r->files);
    free(r->skipped);
    metric_values_release(&r->time_ms);
    free(r->dir);
    free(r);
    *report = NULL;
}

size_t report_skipped(const struct report *r)
{
    return r->n_skipped;
}

const char *report_skipped_at(const struct report *r, size_t i)
{
    return i < r->n_skipped ? r->skipped[i] : NULL;
}
