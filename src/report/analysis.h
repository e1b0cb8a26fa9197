/* SPDX-License-Identifier: MIT */
/* What a comparison comes to: the insides of struct compare_result. Private to report/. */
#ifndef WATTLE_REPORT_ANALYSIS_H
#define WATTLE_REPORT_ANALYSIS_H

#include "report/compare.h"
#include "report/statistics.h"
#include "report/words.h"

enum compared_metric {
    METRIC_TIME,
    METRIC_FIRST_TOKEN,
    METRIC_SPEED,
    METRIC_ENERGY,
    METRIC_TOKEN_ENERGY,
    METRIC_MEMORY,
    METRIC_PEAK,
    METRIC_CPU,
    METRIC_COMPLETION,
    METRIC_PROMPT,
    METRIC_VALID,
    METRIC_AGREEMENT,
    METRIC_KINDS,
};

struct metric_kind {
    const char *key;   /* in JSON and CSV */
    const char *title; /* in tables */
    enum unit unit;
    int better; /* -1: less is, 1: more is, 0: neither */
    size_t offset;
};
extern const struct metric_kind metric_kinds[METRIC_KINDS];

/* How an energy was come by: what files of the seed's fields don't say is the estimate. */
const char *analysis_energy_source(const struct compared *m);
/* Whether the energies of all models were come by in one way. */
bool analysis_energy_comparable(const struct comparison *c);

enum { SAMPLES_FEW = 10 }; /* fewer inferences of a model are too few to judge by */

struct analysed {
    const struct compared *model;
    struct estimate of[METRIC_KINDS];
    struct difference versus[METRIC_KINDS]; /* this model less the baseline */
    size_t answered, failed;
    double total_energy_j, throttled_ms;
    double quality; /* 0..1; NAN: not known */
    bool front;     /* no other is as good in all of quality, time and energy, and better in one */
    int beaten_by;  /* one that is, surely better in one; -1: none */
};

/* What is looked for: the least of a cost, or the most quality. */
enum budget { BUDGET_TIME, BUDGET_ENERGY, BUDGET_MEMORY, BUDGET_QUALITY, BUDGETS };

struct winner {
    int metric;                  /* enum compared_metric; -1: not known of any two models */
    int best, next;              /* -1: none */
    struct difference than_next; /* best less next */
    bool tied[COMPARED_MAX];     /* can't be told from the best */
    size_t n_tied;
};

struct line_list {
    char *v[96];
    size_t n;
};

struct compare_result {
    const struct comparison *c; /* borrowed */
    struct analysed *models;    /* [c->n] */
    int baseline;
    int quality_metric; /* METRIC_AGREEMENT, METRIC_VALID, -1: none */
    struct winner winners[BUDGETS];
    char *lead;                /* the answer, one line */
    struct line_list verdicts; /* the answer's reasons */
    struct line_list budgets;  /* "up to …: …" */
    struct line_list warnings;
};

/* Values of one metric of a model's good answers, in order of time; free(). */
double *analysis_values(const struct compared *m, enum compared_metric metric, size_t *n);
/* Model i less model k. false: no memory. */
bool analysis_difference(const struct compare_result *a, int i, int k, enum compared_metric metric,
                         struct difference *out);

/* Fills lead, verdicts and budgets (verdict.c), warnings (warnings.c). false: no memory. */
bool analysis_judge(struct compare_result *a);
bool analysis_warn(struct compare_result *a);
bool line_add(struct line_list *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

const char *budget_name(enum budget b);
struct doc;
/* The tables of every metric, with their heading. */
void compare_statistics(struct doc *d, const struct compare_result *a);
/* Whose answers are as good as the best, as far as can be told; of those the fastest. -1: quality
 * is not known. */
int analysis_quality_choice(const struct compare_result *a);

#endif
