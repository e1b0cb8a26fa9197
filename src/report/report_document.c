/* SPDX-License-Identifier: MIT */
/* report_document: one run to be read: Markdown, HTML with plots, and CSV.
 *
 * Owns: what is said of a run, in which order. The numbers of all devices together and what to mind
 * are those of a comparison of one (analysis.c); the lines over time are per device. */
#include "report/rows.h"

#include "report/analysis.h"
#include "report/chart.h"
#include "report/doc.h"
#include "report/page.h"
#include "report/svg.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Of more devices the lines can't be told apart. */
enum { LINES_MAX = PAGE_COLOURS };

/* ---- the table ---- */

static void put_row(struct table *t, const struct row *r)
{
    char s[NUMBER_SIZE];
    table_put(t, r->device);
    table_put(t, r->model);
    table_printf(t, "%" PRIu64, r->inferences);
    table_printf(t, "%" PRIu64, r->errors);
    table_put(t, number_fixed(s, r->time_avg_ms, 1));
    table_put(t, number_fixed(s, r->time_p50_ms, 1));
    table_put(t, number_fixed(s, r->time_p95_ms, 1));
    table_put(t, number_fixed(s, r->tokens_per_second, 1));
    table_put(t, number_fixed(s, r->cpu_percent, 1));
    table_put(t, number_fixed(s, r->memory_mb, 1));
    table_put(t, number_fixed(s, r->energy_j, 2));
    table_put(t, number_fixed(s, r->joules_per_token, 4));
    table_put(t, r->energy_source);
}

static void device_table(struct doc *d, const struct report *r)
{
    static const char *const heads[] = {
        "device",   "model", "inferences", "errors",   "avg ms",  "p50 ms",       "p95 ms",
        "tokens/s", "CPU %", "memory MB",  "energy J", "J/token", "energy source"};
    struct table t = {.title = "Devices"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        table_column(&t, heads[i], i >= 2 && i < 12);
    for (size_t i = 0; i < r->n; i++)
        put_row(&t, &r->files[i].row);
    if (r->n != 1)
        put_row(&t, &r->all);
    doc_table(d, &t);
    table_release(&t);
}

/* ---- lines over time ---- */

struct run_lines {
    struct metric_samples samples[LINES_MAX];
    double *x[LINES_MAX], *y;
    size_t n;
    double start_s;
};

/* What can't be read now was read a moment ago: it is left out. */
static void lines_open(struct run_lines *l, const struct report *r)
{
    size_t most = 0;
    *l = (struct run_lines){.start_s = INFINITY};
    for (size_t i = 0; i < r->n && l->n < LINES_MAX; i++) {
        struct metric_samples *s = &l->samples[l->n];
        metric_samples_init(s);
        if (metric_samples_read(s, r->files[i].path, NULL) < 0 || s->n == 0) {
            metric_samples_release(s);
            continue;
        }
        l->x[l->n] = malloc(s->n * sizeof *l->x[0]);
        for (size_t k = 0; l->x[l->n] && k < s->n; k++) {
            l->x[l->n][k] = s->v[k].utc_s;
            if (s->v[k].utc_s < l->start_s)
                l->start_s = s->v[k].utc_s;
        }
        most = s->n > most ? s->n : most;
        l->n++;
    }
    l->y = malloc((most + 1) * LINES_MAX * sizeof *l->y);
    for (size_t i = 0; i < l->n; i++)
        for (size_t k = 0; l->x[i] && k < l->samples[i].n; k++)
            l->x[i][k] = (l->x[i][k] - l->start_s) / 60;
}

static void lines_close(struct run_lines *l)
{
    for (size_t i = 0; i < l->n; i++) {
        metric_samples_release(&l->samples[i]);
        free(l->x[i]);
    }
    free(l->y);
}

static void plot_line(struct buf *out, struct run_lines *l, size_t offset, const char *id,
                      const char *caption, const char *y_title)
{
    struct chart_series series[LINES_MAX];
    size_t used = 0, known = 0;
    for (size_t i = 0; i < l->n; i++) {
        const struct metric_samples *s = &l->samples[i];
        double *y = l->y + used;
        if (!l->y || !l->x[i])
            return;
        for (size_t k = 0; k < s->n; k++) {
            y[k] = *(const double *)(const void *)((const char *)&s->v[k] + offset);
            known += isfinite(y[k]) && isfinite(l->x[i][k]);
        }
        used += s->n;
        series[i] = (struct chart_series){.colour = (int)i, .x = l->x[i], .y = y, .n = s->n};
    }
    if (known == 0)
        return;
    figure_open(out, caption, NULL);
    chart_lines(out, id, caption,
                "A line a device, in the colours of the list above; the numbers are in the tables.",
                "minutes since the first inference", y_title, series, l->n);
    figure_close(out);
}

static void plot_run(struct buf *out, const struct report *r)
{
    struct run_lines l;
    lines_open(&l, r);
    buf_str(out, "<h2>Over time</h2>\n");
    if (r->n > LINES_MAX)
        buf_printf(out, "<p>The first %d of %zu files.</p>\n", (int)LINES_MAX, r->n);
    if (r->n > 1) {
        buf_str(out, "<ul class=\"legend\">\n");
        for (size_t i = 0, k = 0; i < r->n && k < l.n; i++, k++) {
            buf_printf(out,
                       "<li><svg viewBox=\"0 0 12 12\" aria-hidden=\"true\"><rect class=\"s%zu\" "
                       "width=\"12\" height=\"12\"/></svg>",
                       k);
            put_html(out, r->files[i].row.device);
            buf_str(out, "</li>\n");
        }
        buf_str(out, "</ul>\n");
    }
    buf_str(out, "<div class=\"pair\">\n");
    plot_line(out, &l, offsetof(struct metric_sample, time_ms), "run-time", "Time of an analysis",
              "ms");
    plot_line(out, &l, offsetof(struct metric_sample, tokens_per_second), "run-speed",
              "Tokens a second", "tokens/s");
    plot_line(out, &l, offsetof(struct metric_sample, energy_j), "run-energy",
              "Energy of an analysis", "J");
    plot_line(out, &l, offsetof(struct metric_sample, memory_total_mb), "run-memory",
              "Memory of the process", "MB");
    if (r->time_ms.n > 0) {
        figure_open(out, "How often each time came", NULL);
        chart_histogram(out, "run-histogram", "How often each time came",
                        "A column a class of times, as high as there were inferences of it.", "ms",
                        r->time_ms.v, r->time_ms.n);
        figure_close(out);
    }
    buf_str(out, "</div>\n");
    lines_close(&l);
}

/* ---- the document ---- */

static void put_lead(struct doc *d, const struct report *r)
{
    struct buf b;
    char s[NUMBER_SIZE];
    buf_init(&b, 4096);
    buf_printf(&b, "%" PRIu64 " %s", r->all.inferences,
               plural(r->all.inferences, "inference", "inferences"));
    if (isfinite(r->all.time_avg_ms))
        buf_printf(&b, ", %s each", quantity(s, r->all.time_avg_ms, UNIT_MS));
    if (isfinite(r->all.energy_j) && r->all.inferences > 0)
        buf_printf(&b, ", %s each",
                   quantity(s, r->all.energy_j / (double)r->all.inferences, UNIT_JOULE));
    if (isfinite(r->all.tokens_per_second))
        buf_printf(&b, ", %s tokens a second", number_short(s, r->all.tokens_per_second));
    if (r->all.errors)
        buf_printf(&b, ", %" PRIu64 " failed", r->all.errors);
    doc_lead(d, buf_cstr(&b));
    buf_release(&b);
}

static void document(const struct report *r, enum doc_kind kind, struct buf *out)
{
    struct comparison c;
    struct compare_result *a = NULL;
    struct doc d;
    comparison_init(&c);
    bool known = comparison_read(&c, r->dir, NULL) == 0 && compare_open(&a, &c, NULL) == 0;
    doc_open(&d, kind, out, "One run");
    put_lead(&d, r);
    doc_paragraph(&d, "%s; %zu %s in %s; energy: %s.",
                  r->all.model[0] ? r->all.model : "model not said", r->n,
                  plural(r->n, "file", "files"), r->dir,
                  r->all.energy_source[0] ? r->all.energy_source : "source not said");
    if (known)
        doc_warnings(&d, a->warnings.v, a->warnings.n);
    doc_heading(&d, "Devices");
    device_table(&d, r);
    if (kind == DOC_HTML)
        plot_run(out, r);
    if (known)
        compare_statistics(&d, a);
    doc_close(&d);
    compare_close(&a);
    comparison_release(&c);
}

void report_markdown(const struct report *r, struct buf *out)
{
    document(r, DOC_MARKDOWN, out);
}

void report_html(const struct report *r, struct buf *out)
{
    document(r, DOC_HTML, out);
}

/* ---- CSV ---- */

static void put_csv_row(struct buf *out, const struct row *r)
{
    const double numbers[] = {r->time_avg_ms,       r->time_p50_ms,       r->time_p95_ms,
                              r->tokens_per_second, r->cpu_percent,       r->memory_mb,
                              r->energy_j,          r->completion_tokens, r->joules_per_token};
    put_csv(out, r->device);
    buf_char(out, ',');
    put_csv(out, r->model);
    buf_printf(out, ",%" PRIu64 ",%" PRIu64, r->inferences, r->errors);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        put_csv_number(out, numbers[i]);
    buf_char(out, ',');
    put_csv(out, r->energy_source);
    buf_str(out, "\r\n");
}

void report_csv(const struct report *r, struct buf *out)
{
    buf_str(out, "device_id,model_name,total_inferences,errors,inference_time_ms_avg,"
                 "inference_time_ms_p50,inference_time_ms_p95,tokens_per_second,cpu_percent_avg,"
                 "memory_used_mb,energy_consumed_j,completion_tokens,joules_per_token,"
                 "energy_source\r\n");
    for (size_t i = 0; i < r->n; i++)
        put_csv_row(out, &r->files[i].row);
}
