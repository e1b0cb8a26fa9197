/* SPDX-License-Identifier: MIT */
/* warnings: what makes a comparison less than it seems, in words.
 *
 * Owns: the limits from which something is worth a line. */
#include "report/analysis.h"

#include <math.h>
#include <stdio.h>

/* Limits: of ours, where a difference of some percent is what a reader cares about. */
static const double NOISE_PERCENT = 3;      /* spread of a fixed calculation's time */
static const double THROTTLED_SHARE = 0.01; /* of the time of all inferences */
static const double SLOWED_SHARE = 0.05;    /* of the clock, from its first third to its last */
/* Where the firmware of a Raspberry Pi begins to lower the clock (its documentation, "frequency
 * management and thermal control"). */
static const double HOT_C = 80;
static const double WORKLOAD_SHARE = 0.1; /* difference of prompts' mean lengths */
static const double ANSWER_RATIO = 1.5;   /* of answers' mean lengths */
static const double WATTS_SHARE = 0.03;   /* difference of the watts that estimates were made of */
enum { RATHER_FEW = 30 };

/* The mean of a model's known frequencies among samples [from, to); NAN: fewer than two. */
static double frequency_of(const struct compared *m, size_t from, size_t to)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = from; i < to; i++)
        if (m->samples[i].frequency_mhz > 0) {
            sum += m->samples[i].frequency_mhz;
            n++;
        }
    return n < 2 ? (double)NAN : sum / (double)n;
}

/* A board that grew hot and slow while it was measured. */
static bool warn_of_heat(struct compare_result *a, const struct compared *m)
{
    double hottest = -INFINITY, first = frequency_of(m, 0, m->n / 3),
           last = frequency_of(m, m->n - m->n / 3, m->n);
    char from[NUMBER_SIZE], to[NUMBER_SIZE], degrees[NUMBER_SIZE];
    bool done = true;
    for (size_t i = 0; i < m->n; i++)
        hottest = fmax(hottest, m->samples[i].temperature_c);
    if (last < first * (1 - SLOWED_SHARE))
        done = line_add(&a->warnings,
                        "%s: the processor's clock fell from %s to %s MHz while it ran: cooler it "
                        "would be faster",
                        m->name, number_fixed(from, first, 0), number_fixed(to, last, 0));
    if (done && hottest >= HOT_C)
        done = line_add(&a->warnings,
                        "%s: the processor reached %s °C; boards slow down from about %s °C on",
                        m->name, number_fixed(degrees, hottest, 0), number_fixed(from, HOT_C, 0));
    return done;
}

static bool warn_of_samples(struct compare_result *a, const struct analysed *m)
{
    const char *name = m->model->name;
    bool done = true;
    char ms[NUMBER_SIZE], share[NUMBER_SIZE];
    double time_ms = m->of[METRIC_TIME].mean * (double)m->of[METRIC_TIME].n;
    if (m->failed > 0)
        done = line_add(&a->warnings, "%s: %zu of %zu %s; they count nowhere else", name, m->failed,
                        m->model->n, plural(m->model->n, "inference failed", "inferences failed"));
    if (done && m->answered > 0 && m->answered < SAMPLES_FEW)
        done = line_add(&a->warnings,
                        "%s: %zu %s to judge by: intervals of so few can't be "
                        "trusted",
                        name, m->answered,
                        plural(m->answered, "inference is too few", "inferences are too few"));
    else if (done && m->answered > 0 && m->answered < RATHER_FEW)
        done = line_add(&a->warnings, "%s: only %zu %s: the 95th percentile is a guess", name,
                        m->answered, plural(m->answered, "inference", "inferences"));
    if (done && m->throttled_ms > 0 && m->throttled_ms > THROTTLED_SHARE * time_ms)
        done = line_add(&a->warnings,
                        "%s: held back by its CPU quota for %s, %s of its time: a higher quota "
                        "would be faster",
                        name, quantity(ms, m->throttled_ms, UNIT_MS),
                        quantity(share, m->throttled_ms / time_ms, UNIT_SHARE));
    if (done && m->of[METRIC_TIME].block > 1)
        done = line_add(&a->warnings,
                        "%s: each inference takes about as long as the one before (correlation "
                        "%s): intervals are widened for that",
                        name, number_fixed(ms, m->of[METRIC_TIME].lag1, 2));
    return done;
}

/* ---- energy ---- */

/* The watts that a model's estimates were made of, from a line through power and CPU share: exact
 * but for rounding. false: other source, or the share varies too little to tell. */
static bool watts_of(const struct compared *m, double *idle_w, double *max_w)
{
    double n = 0, x = 0, y = 0, xx = 0, xy = 0;
    if (strcmp(m->energy_source, "estimate") != 0)
        return false;
    for (size_t i = 0; i < m->n; i++) {
        const struct compared_sample *s = &m->samples[i];
        double share = s->cpu_percent / 100, watts = s->energy_j / (s->time_ms / 1000);
        if (s->failed || !isfinite(share) || !isfinite(watts))
            continue;
        n++;
        x += share;
        y += watts;
        xx += share * share;
        xy += share * watts;
    }
    double spread = n * xx - x * x;
    if (n < 3 || spread < n * n * 1e-4) /* a standard deviation of 1 % */
        return false;
    double slope = (n * xy - x * y) / spread;
    *idle_w = (y - slope * x) / n;
    *max_w = *idle_w + slope;
    return true;
}

static bool warn_of_watts(struct compare_result *a)
{
    double first_idle = 0, first_max = 0, idle = 0, max = 0;
    int first = -1;
    char w[4][NUMBER_SIZE];
    for (size_t i = 0; i < a->c->n; i++) {
        if (!watts_of(&a->c->models[i], &idle, &max))
            continue;
        if (first < 0) {
            first = (int)i;
            first_idle = idle;
            first_max = max;
            continue;
        }
        if (fabs(max - first_max) <= WATTS_SHARE * fabs(first_max) + 0.1 &&
            fabs(idle - first_idle) <= WATTS_SHARE * fabs(first_max) + 0.1)
            continue;
        return line_add(&a->warnings,
                        "different power settings: the energy of %s is estimated with about %s to "
                        "%s W, that of %s with %s to %s W; --power-profile puts all on one board",
                        a->c->models[first].name, number_fixed(w[0], first_idle, 1),
                        number_fixed(w[1], first_max, 1), a->c->models[i].name,
                        number_fixed(w[2], idle, 1), number_fixed(w[3], max, 1));
    }
    return true;
}

static bool warn_of_energy(struct compare_result *a)
{
    const struct comparison *c = a->c;
    const struct compared *source = NULL;
    size_t estimated = 0, known = 0;
    bool done = true, mixed = false;
    char idle[NUMBER_SIZE], max[NUMBER_SIZE];
    for (size_t i = 0; i < c->n; i++) {
        const struct compared *m = &c->models[i];
        if (a->models[i].of[METRIC_ENERGY].n == 0)
            continue;
        known++;
        const char *way = analysis_energy_source(m);
        estimated += strcmp(way, "estimate") == 0;
        if (strcmp(m->energy_source, "mixed") == 0)
            done = done &&
                   line_add(&a->warnings,
                            "%s: its energy comes from several sources, not comparable", m->name);
        if (source && strcmp(analysis_energy_source(source), way) != 0 && !mixed) {
            mixed = true;
            done = done && line_add(&a->warnings,
                                    "energy is from different sources (%s: %s, %s: %s): joules "
                                    "can't be compared",
                                    source->name, analysis_energy_source(source), m->name, way);
        }
        source = source ? source : m;
    }
    if (!done || known == 0)
        return done;
    if (c->power_profile[0])
        return line_add(&a->warnings,
                        "energy is an estimate for '%s' (%s W idle, %s W at full load) from the "
                        "times and CPU shares of the machine that ran it, not a measurement",
                        c->power_profile, number_fixed(idle, c->idle_w, 2),
                        number_fixed(max, c->max_w, 2));
    if (estimated > 0)
        done = line_add(&a->warnings,
                        "energy is estimated from time and CPU share, not measured%s: it follows "
                        "the time",
                        estimated < known ? " for some models" : "");
    return done && warn_of_watts(a);
}

/* ---- the same work, the same machine ---- */

static bool warn_of_lengths(struct compare_result *a, enum compared_metric metric, double ratio,
                            const char *format)
{
    int low = -1, high = -1;
    char x[NUMBER_SIZE], y[NUMBER_SIZE];
    for (int i = 0; i < (int)a->c->n; i++) {
        double v = a->models[i].of[metric].mean;
        if (!(v > 0))
            continue;
        if (low < 0 || v < a->models[low].of[metric].mean)
            low = i;
        if (high < 0 || v > a->models[high].of[metric].mean)
            high = i;
    }
    if (low < 0 || a->models[high].of[metric].mean <= ratio * a->models[low].of[metric].mean)
        return true;
    struct buf text;
    buf_init(&text, 1024);
    buf_printf(&text, "%s %s tokens, %s %s", a->models[low].model->name,
               number_short(x, a->models[low].of[metric].mean), a->models[high].model->name,
               number_short(y, a->models[high].of[metric].mean));
    bool done = line_add(&a->warnings, "%s (%s)", format, buf_cstr(&text));
    buf_release(&text);
    return done;
}

static bool warn_of_work(struct compare_result *a)
{
    const struct comparison *c = a->c;
    bool done = true, threads = false, isa = false;
    char noise[NUMBER_SIZE];
    if (c->n < 2)
        return true;
    if (!c->alternated)
        done = line_add(&a->warnings,
                        "the models did not run in turns: whatever else changed on the machine "
                        "between their runs counts as a difference between them");
    done = done && warn_of_lengths(a, METRIC_PROMPT, 1 + WORKLOAD_SHARE,
                                   "different workloads: prompts differ, or are cut into tokens "
                                   "otherwise");
    done = done && warn_of_lengths(a, METRIC_COMPLETION, ANSWER_RATIO,
                                   "answers differ much in length: see time and energy of a token "
                                   "too");
    for (size_t i = 1; i < c->n; i++) {
        threads = threads || c->models[i].threads != c->models[0].threads;
        isa = isa || strcmp(c->models[i].isa, c->models[0].isa) != 0;
    }
    if (done && threads)
        done = line_add(&a->warnings, "the models ran with different numbers of threads");
    if (done && isa)
        done = line_add(&a->warnings, "the models ran on different instruction sets: different "
                                      "machines or settings");
    if (done && c->noise_percent > NOISE_PERCENT)
        done = line_add(&a->warnings,
                        "noisy machine: a fixed calculation's time varied by %s %% meanwhile; "
                        "something else was running",
                        number_short(noise, c->noise_percent));
    return done;
}

bool analysis_warn(struct compare_result *a)
{
    bool done = true;
    for (size_t i = 0; done && i < a->c->n_warnings; i++)
        done = line_add(&a->warnings, "%s", a->c->warnings[i]);
    done = done && warn_of_work(a) && warn_of_energy(a);
    for (size_t i = 0; done && i < a->c->n; i++)
        done = warn_of_samples(a, &a->models[i]) && warn_of_heat(a, a->models[i].model);
    return done;
}
