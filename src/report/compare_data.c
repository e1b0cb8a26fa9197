/* SPDX-License-Identifier: MIT */
/* compare_data: a comparison for programs: JSON and CSV.
 *
 * Owns: their keys, which docs/compare.md promises: added to, never renamed. */
#include "report/analysis.h"

#include "codec/codec.h"
#include "report/doc.h"

#include <math.h>

/* ---- JSON ---- */

static void number(struct json_writer *w, const char *key, double v)
{
    json_put_fixed(w, key, v, 6);
}

static void name(struct json_writer *w, const char *key, const struct compare_result *a, int model)
{
    json_put_text(w, key, model < 0 ? NULL : a->models[model].model->name);
}

static void interval(struct json_writer *w, const char *key, struct interval ci)
{
    json_put_array(w, key);
    json_write_fixed(w, ci.low, 6);
    json_write_fixed(w, ci.high, 6);
    json_write_array_end(w);
}

static void lines(struct json_writer *w, const char *key, const struct line_list *l)
{
    json_put_array(w, key);
    for (size_t i = 0; i < l->n; i++)
        json_write_str(w, l->v[i]);
    json_write_array_end(w);
}

static void difference(struct json_writer *w, const char *key, const struct difference *d)
{
    json_write_key(w, key);
    if (d->n == 0) {
        json_write_null(w);
        return;
    }
    json_write_object(w);
    json_put_bool(w, "paired", d->paired);
    json_put_u64(w, "n", d->n);
    number(w, "mean", d->mean);
    interval(w, "mean_ci95", d->ci);
    number(w, "percent", d->percent);
    interval(w, "percent_ci95", d->percent_ci);
    json_put_text(w, "effect_name", effect_name(d->effect_kind));
    number(w, "effect", d->effect);
    json_put_text(w, "effect_word", effect_word(d->effect_kind, d->effect));
    json_put_bool(w, "told", d->told);
    number(w, "more_inferences_needed", d->needed);
    json_write_object_end(w);
}

static void metric(struct json_writer *w, const struct analysed *m, int k)
{
    const struct estimate *e = &m->of[k];
    json_put_object(w, metric_kinds[k].key);
    json_put_u64(w, "n", e->n);
    number(w, "mean", e->mean);
    interval(w, "mean_ci95", e->mean_ci);
    number(w, "median", e->median);
    interval(w, "median_ci95", e->median_ci);
    number(w, "p95", e->p95);
    number(w, "stddev", e->stddev);
    number(w, "min", e->min);
    number(w, "max", e->max);
    number(w, "lag1", e->lag1);
    difference(w, "versus_baseline", &m->versus[k]);
    json_write_object_end(w);
}

static void model(struct json_writer *w, const struct compare_result *a, const struct analysed *m)
{
    const struct compared *c = m->model;
    json_write_object(w);
    json_put_text(w, "name", c->name);
    json_put_text(w, "source", c->source);
    json_put_text(w, "quantization", c->quantization);
    json_put_text(w, "energy_source", c->energy_source);
    json_put_text(w, "isa", c->isa);
    json_put_int(w, "threads", c->threads);
    json_put_u64(w, "model_bytes", c->model_bytes);
    number(w, "parameters", c->parameters > 0 ? c->parameters : (double)NAN);
    number(w, "load_seconds", c->load_seconds);
    number(w, "perplexity", c->perplexity);
    number(w, "bits_per_byte", c->bits_per_byte);
    json_put_text(w, "problem", c->problem);
    json_put_u64(w, "inferences", c->n);
    json_put_u64(w, "failed", m->failed);
    number(w, "energy_total_j", m->total_energy_j);
    number(w, "throttled_ms", m->throttled_ms);
    number(w, "quality", m->quality);
    json_put_bool(w, "pareto", m->front);
    name(w, "beaten_by", a, m->beaten_by);
    json_put_object(w, "metrics");
    for (int k = 0; k < METRIC_KINDS; k++)
        metric(w, m, k);
    json_write_object_end(w);
    json_write_object_end(w);
}

static void winner(struct json_writer *w, const struct compare_result *a, enum budget b)
{
    const struct winner *win = &a->winners[b];
    json_write_key(w, budget_name(b));
    if (win->metric < 0 || win->best < 0) {
        json_write_null(w);
        return;
    }
    json_write_object(w);
    json_put_text(w, "metric", metric_kinds[win->metric].key);
    name(w, "best", a, win->best);
    name(w, "next", a, win->next);
    json_put_bool(w, "told", win->next >= 0 && win->n_tied == 0);
    difference(w, "difference", &win->than_next);
    json_write_object_end(w);
}

void compare_json(const struct compare_result *a, struct buf *out)
{
    const struct comparison *c = a->c;
    struct json_writer w;
    char stamp[CLOCK_ISO_SIZE] = "";
    json_write_init(&w, out, 2);
    json_write_object(&w);
    json_put_text(&w, "answer", a->lead);
    lines(&w, "verdicts", &a->verdicts);
    lines(&w, "budgets", &a->budgets);
    lines(&w, "warnings", &a->warnings);
    json_put_object(&w, "best");
    for (int b = 0; b < BUDGETS; b++)
        winner(&w, a, (enum budget)b);
    json_write_object_end(&w);
    name(&w, "baseline", a, a->baseline);
    name(&w, "reference", a, c->reference);
    json_put_text(&w, "no_agreement", c->no_agreement);
    json_put_text(&w, "quality_metric",
                  a->quality_metric < 0 ? NULL : metric_kinds[a->quality_metric].key);
    json_put_bool(&w, "alternated", c->alternated);
    number(&w, "noise_percent", c->noise_percent);
    json_put_text(&w, "power_profile", c->power_profile);
    number(&w, "idle_w", c->max_w > 0 ? c->idle_w : (double)NAN);
    number(&w, "max_w", c->max_w > 0 ? c->max_w : (double)NAN);
    number(&w, "idle_measured_w", c->idle_measured_w);
    json_put_text(&w, "machine", c->machine);
    json_put_text(&w, "settings", c->settings);
    if (c->utc_us)
        clock_iso(c->utc_us, stamp);
    json_put_text(&w, "timestamp", stamp);
    number(&w, "elapsed_seconds", c->elapsed_s);
    json_put_array(&w, "models");
    for (size_t i = 0; i < c->n; i++)
        model(&w, a, &a->models[i]);
    json_write_array_end(&w);
    json_write_object_end(&w);
    buf_char(out, '\n');
}

/* ---- CSV (RFC 4180) ---- */

static void row(struct buf *out, const struct analysed *m, int k, const char *baseline)
{
    const struct estimate *e = &m->of[k];
    const struct difference *d = &m->versus[k];
    put_csv(out, m->model->name);
    buf_printf(out, ",%s,%zu", metric_kinds[k].key, e->n);
    put_csv_number(out, e->mean);
    put_csv_number(out, e->mean_ci.low);
    put_csv_number(out, e->mean_ci.high);
    put_csv_number(out, e->median);
    put_csv_number(out, e->median_ci.low);
    put_csv_number(out, e->median_ci.high);
    put_csv_number(out, e->p95);
    put_csv_number(out, e->stddev);
    put_csv_number(out, e->min);
    put_csv_number(out, e->max);
    buf_char(out, ',');
    if (d->n == 0) {
        buf_str(out, ",,,,,,,\r\n");
        return;
    }
    put_csv(out, baseline);
    buf_str(out, d->paired ? ",paired" : ",unpaired");
    put_csv_number(out, d->mean);
    put_csv_number(out, d->ci.low);
    put_csv_number(out, d->ci.high);
    put_csv_number(out, d->effect);
    buf_printf(out, ",%s,%s\r\n", effect_name(d->effect_kind), d->told ? "true" : "false");
}

void compare_csv(const struct compare_result *a, struct buf *out)
{
    buf_str(out, "model,metric,n,mean,mean_low,mean_high,median,median_low,median_high,p95,stddev,"
                 "min,max,baseline,pairs,difference,difference_low,difference_high,effect,"
                 "effect_name,told\r\n");
    for (size_t i = 0; i < a->c->n; i++)
        for (int k = 0; k < METRIC_KINDS; k++)
            if (a->models[i].of[k].n > 0)
                row(out, &a->models[i], k, a->models[a->baseline].model->name);
}
