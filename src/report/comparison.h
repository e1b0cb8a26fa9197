/* SPDX-License-Identifier: MIT */
/* What is compared: several models (or runs), each with its inferences and what is known of their
 * quality. `wattle compare --models` fills it by running, `wattle compare DIR …` from metrics
 * files; compare.h makes statistics and a verdict of it. Plain data: init, fill, release. */
#ifndef WATTLE_REPORT_COMPARISON_H
#define WATTLE_REPORT_COMPARISON_H

#include "base/base.h"

enum { COMPARED_MAX = 32, COMPARED_SAMPLES_MAX = 1000000 };
/* Readings a turn where models are run one at a time in memory. */
enum { COMPARED_TURN = 4 };

/* What an answer says of its reading. */
enum compared_verdict {
    COMPARED_UNKNOWN, /* failed, or not asked */
    COMPARED_NONE,    /* asked, but it does not say */
    COMPARED_NORMAL,
    COMPARED_UNUSUAL,
};

/* One inference. NAN: not known. */
struct compared_sample {
    /* The same number in every model that answered the same request: what makes pairs. 0: none. */
    uint64_t request;
    double utc_s; /* its stamp: seconds since 1970 */
    double time_ms, first_token_ms, tokens_per_second;
    double energy_j, joules_per_token;
    double memory_mb;      /* of the inference */
    double memory_peak_mb; /* of the process: resident set */
    double cpu_percent;
    double prompt_tokens, completion_tokens;
    double throttled_ms;
    double frequency_mhz, temperature_c; /* of the processor; NAN: unknown */
    enum compared_verdict verdict;
    /* Quality of the answer, 0..1: 1 a valid verdict, 0 none; NAN: not asked for one. */
    double valid_verdict;
    double agreement; /* 1: the reference model's verdict for the request, 0 another, NAN unknown */
    bool failed;
};

struct compared {
    char *name;   /* as the user named it, or the folder's model_name; owned */
    char *source; /* model path or folder; owned */
    char quantization[40], energy_source[16] /* "mixed" */, isa[16];
    uint64_t model_bytes;            /* 0: unknown */
    double parameters;               /* 0: unknown */
    double load_seconds;             /* NAN: unknown */
    double perplexity;               /* on the text of --perplexity; NAN: not measured */
    double bits_per_byte;            /* on it: compares models of different tokenizers, too */
    char *problem;                   /* why it has no inferences, or stopped; owned, NULL: none */
    int threads;                     /* 0: unknown, -1: several */
    struct compared_sample *samples; /* in order of time; owned */
    size_t n, capacity;
};

struct comparison {
    struct compared models[COMPARED_MAX];
    size_t n;
    int reference;          /* index of the model that agreement is measured against; -1: none */
    char no_agreement[600]; /* why agreement is not known of all; "": it is, or nobody has verdicts
                             */
    bool alternated;        /* the same requests went to each in turns */
    double noise_percent; /* spread of a fixed calculation's time between inferences: coefficient of
                             variation; NAN: not measured */
    double idle_w, max_w; /* of the estimate, where it was used */
    double idle_measured_w; /* before the first inference, by counter or sensor; NAN: unknown */
    char power_profile[64]; /* board that the estimate was put on; "": this machine */
    char *machine;  /* one line: processor, cores usable, memory, kernel; owned, NULL: unknown */
    char *settings; /* one line: the workload and its settings; owned, NULL: unknown */
    char *warnings[64]; /* found while measuring or reading, one line each; owned */
    size_t n_warnings;
    uint64_t utc_us;  /* when */
    double elapsed_s; /* of the run; NAN: unknown */
};

void comparison_init(struct comparison *c);
void comparison_release(struct comparison *c);
/* ERR_LIMIT past COMPARED_MAX. The pointer is valid until release. */
int comparison_add(struct comparison *c, struct compared **out, const char *name,
                   const char *source, struct err *e);
int compared_add(struct compared *m, const struct compared_sample *s, struct err *e);
/* Cut at 64 warnings of 400 bytes; never fails. */
void comparison_warn(struct comparison *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
