/* SPDX-License-Identifier: MIT */
/* What the tests of metric_log share: a folder, a record, a log in the folder. Included once by
 * each of them. */
#ifndef WATTLE_TESTS_METRICS_SAMPLE_H
#define WATTLE_TESTS_METRICS_SAMPLE_H

#include "metrics/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <dirent.h>
#include <ftw.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static inline int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/wattle-metrics-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline int remove_dir(void **state)
{
    (void)state;
    return nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* The seed's example, in our units. */
static inline struct metric_record sample(void)
{
    return (struct metric_record){
        .utc_us = 1759833015123456u,
        .device_id = "00:0f:00:70:91:0a",
        .model_name = "microsoft/Phi-3.5-mini-instruct",
        .inference_time_s = 1.2345,
        .memory_used_mb = 45.674,
        .memory_total_mb = 512.337,
        .memory_private_mb = 112.5,
        .memory_shared_mb = 399.837,
        .cpu_percent_avg = 78.5,
        .cpu_percent_samples = 24,
        .energy_mj = 18.75,
        .energy_source = "rapl",
        .compute_device = "cpu",
        .prompt_length = 256,
        .response_length = 128,
        .prompt_tokens = 90,
        .cached_tokens = 60,
        .completion_tokens = 30,
        .time_to_first_token_ms = 200.126,
        .prefill_ms = 190,
        .decode_ms = 1000,
        .queue_ms = 0.5,
        .tokens_per_second = 30,
        .joules_per_token = 0.000625,
        .quantization = "Q4_1",
        .threads = 2,
        .batch_size = 1,
        .finish_reason = "stop",
        .throttled_ms = 0,
        .frequency_mhz = 0,
        .temperature_c = NAN,
    };
}

static inline struct metric_log *open_log(const char *name, const char *id)
{
    struct metric_log *l = NULL;
    struct err e = {""};
    const struct metric_loading loading = {
        .model_name = "microsoft/Phi-3.5-mini-instruct",
        .path = "m.gguf",
        .quantization = "Q4_1",
        .compute_device = "cpu",
        .isa = "avx2",
        .load_seconds = 0.25,
        .file_bytes = 98000000,
        .threads = 2,
    };
    if (metric_log_open(&l, dir, name, id, &loading, &e) != 0)
        fail_msg("%s", e.text);
    return l;
}

static inline void add(struct metric_log *l, const struct metric_record *r)
{
    struct err e = {""};
    if (metric_log_add(l, r, &e) != 0)
        fail_msg("%s", e.text);
}

static inline void save(struct metric_log *l)
{
    struct err e = {""};
    if (metric_log_save(l, &e) != 0)
        fail_msg("%s", e.text);
}

static inline struct json *load(const char *path)
{
    struct json *doc = NULL;
    struct err e = {""};
    struct buf b;
    buf_init(&b, METRIC_FILE_MAX);
    if (file_read(path, &b, &e) != 0 ||
        json_parse(&doc, buf_view(&b), METRIC_FILE_MAX, path, &e) != 0)
        fail_msg("%s", e.text);
    buf_release(&b);
    return doc;
}

/* Entries of a folder: all, and those that end in .json. */
static inline void count_entries(const char *folder, size_t *all, size_t *json)
{
    DIR *d = opendir(folder);
    assert_non_null(d);
    *all = *json = 0;
    for (struct dirent *it; (it = readdir(d));) {
        size_t n = strlen(it->d_name);
        if (strcmp(it->d_name, ".") == 0 || strcmp(it->d_name, "..") == 0)
            continue;
        ++*all;
        *json += n > 5 && strcmp(it->d_name + n - 5, ".json") == 0;
    }
    closedir(d);
}

#endif
