/* SPDX-License-Identifier: MIT */
/* Runs what a device runs (inference.c), one model after the other on the caller's thread.
 *
 * Invariant: everything that a request depends on (reading, prompt, limits, seed) comes from the
 * workload and the request's number, never from the model or from when it runs. Each model has its
 * own handle, and with it its own cache of the prompt's beginning: models in turn don't evict each
 * other's. */
#include "fleet/workload.h"

#include "fleet/inference.h"
#include "fleet/state.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

enum { SEED_DEFAULT = 1, PATH_SIZE = 4096, MODELS_MAX = 64 };
/* Readings of the warm-up are not those that count: an answer to one that is in the cache already
 * would be cheaper than the others. */
static const uint64_t WARM_UP_REQUEST = UINT64_C(1) << 40;

struct workload {
    struct workload_options o;
    struct fleet_power power;
    struct dataset *dataset;
    struct analysis how;
    struct meter *meter;
    struct workload_model *models[MODELS_MAX]; /* [n], some NULL: for whose memory is whose */
    size_t n;
    uint64_t nobodys_private; /* memory of the process that no model's record has in it */
};

struct workload_model {
    struct workload *w;
    size_t index; /* in w->models */
    char *name, *path;
    const char *quant; /* NULL: LLM_QUANT's */
    struct inference_shared shared;
    struct metric_log *log;
    struct job job;
    uint64_t before_private, before_shared; /* of the process, when the model was opened */
    uint64_t own_private, own_shared;       /* what it has grown by since */
};

/* ---- the workload ---- */

static int open_dataset(struct workload *w, struct err *e)
{
    struct buf path;
    bool ours;
    buf_init(&path, 2 * PATH_SIZE);
    int rc = fleet_find_dataset(settings_text(w->o.settings, SET_DATASET_PATH), &path, &ours, e);
    if (!rc)
        rc = buf_check(&path, "DATASET_PATH", e);
    if (!rc)
        rc = dataset_open(&w->dataset, buf_cstr(&path), e);
    if (!rc)
        log_info("Dataset '%s': %zu %s of %zu %s, %zu skipped; temp is °C", buf_cstr(&path),
                 dataset_rows(w->dataset), plural(dataset_rows(w->dataset), "row", "rows"),
                 dataset_devices(w->dataset),
                 plural(dataset_devices(w->dataset), "device", "devices"),
                 dataset_skipped(w->dataset));
    buf_release(&path);
    return rc;
}

int workload_open(struct workload **out, const struct workload_options *o, struct err *e)
{
    const struct settings *s = o->settings;
    struct alarm_limits limits;
    struct workload *w = (struct workload *)calloc(1, sizeof *w);
    if (!w)
        return err_set(e, ERR_NOMEM, "no memory for the comparison");
    w->o = *o;
    for (size_t i = 0; i < ALARM_FIELDS; i++)
        limits.min[i] = limits.max[i] = NAN;
    int rc = fleet_power(s, &w->power, e);
    if (!rc)
        rc = analysis_open(&w->how, s, &limits, e);
    if (!rc)
        rc = open_dataset(w, e);
    if (!rc)
        rc = fleet_meter_open(&w->meter, s, &w->power, e);
    if (!settings_text(s, SET_LLM_SEED)[0])
        w->how.request.seed = SEED_DEFAULT;
    if (rc)
        workload_close(&w);
    else
        *out = w;
    return rc;
}

void workload_close(struct workload **wp)
{
    struct workload *w = *wp;
    if (!w)
        return;
    meter_close(&w->meter);
    dataset_close(&w->dataset);
    analysis_release(&w->how);
    free(w);
    *wp = NULL;
}

const struct fleet_power *workload_power(const struct workload *w)
{
    return &w->power;
}

uint64_t workload_seed(const struct workload *w)
{
    return w->how.request.seed;
}

size_t workload_rows(const struct workload *w)
{
    return dataset_rows(w->dataset);
}

double workload_idle_power(struct workload *w, double seconds)
{
    struct meter_sample sample;
    struct timespec t = {(time_t)seconds, (long)((seconds - floor(seconds)) * 1e9)};
    if (meter_energy_source(w->meter) == ENERGY_ESTIMATE)
        return NAN;
    meter_begin(w->meter);
    (void)nanosleep(&t, NULL);
    meter_end(w->meter, &sample);
    return sample.energy_source == ENERGY_ESTIMATE ? (double)NAN : sample.energy_j / sample.seconds;
}

/* A number that two runs share only where they asked about the same reading in the same place; as a
 * double it is exact. */
static uint64_t id_of(const struct job *j, uint64_t request)
{
    uint64_t hash = span_hash(span_str(j->device_id)) ^ span_hash(span_str(j->reading.ts)) * 31;
    return ((hash ^ hash >> 32) & 0x1fffffff) << 20 | (request & 0xfffff);
}

/* The same reading for the same number: the devices in turn, each time another row of theirs. */
static void choose_reading(const struct workload *w, uint64_t request, struct job *j)
{
    struct rng r;
    struct dataset_walk walk;
    rng_seed(&r, w->how.request.seed ^ (request << 32 | request >> 32));
    size_t device = (size_t)((request - 1) % dataset_devices(w->dataset));
    j->device_id = dataset_device(w->dataset, device);
    dataset_walk_init(&walk, w->dataset, j->device_id,
                      (size_t)rng_below(&r, dataset_rows(w->dataset)));
    j->reading = *dataset_walk_next(&walk);
    j->seq = request;
}

/* ---- a model ---- */

int workload_model_new(struct workload_model **out, struct workload *w, const char *name,
                       const char *path, const char *quant, struct err *e)
{
    if (w->n == MODELS_MAX)
        return err_set(e, ERR_LIMIT, "more than %d models", MODELS_MAX);
    struct workload_model *m = (struct workload_model *)calloc(1, sizeof *m);
    if (!m)
        return err_set(e, ERR_NOMEM, "no memory for model '%s'", path);
    job_init(&m->job);
    m->w = w;
    m->index = w->n;
    m->job.how = &w->how;
    m->name = name ? strdup(name) : NULL;
    m->path = strdup(path);
    m->quant = quant;
    m->shared.meter = w->meter;
    m->shared.model_name = m->name;
    if ((name && !m->name) || !m->path) {
        workload_model_free(&m);
        return err_set(e, ERR_NOMEM, "no memory for model '%s'", path);
    }
    w->models[w->n++] = m;
    *out = m;
    return 0;
}

void workload_model_free(struct workload_model **mp)
{
    struct workload_model *m = *mp;
    if (!m)
        return;
    workload_model_close(m);
    if (m->w->models[m->index] == m)
        m->w->models[m->index] = NULL;
    metric_log_close(&m->log);
    job_release(&m->job);
    free(m->name);
    free(m->path);
    free(m);
    *mp = NULL;
}

static int open_log(struct workload_model *m, struct err *e)
{
    const struct wattle_model_info *info = &m->shared.info;
    struct metric_loading loading = {
        .model_name = m->name,
        .path = m->path,
        .quantization = info->quantization,
        .compute_device = info->device,
        .isa = info->isa,
        .load_seconds = info->load_seconds,
        .file_bytes = info->file_bytes,
        .threads = info->threads,
        .power_profile = m->w->power.profile,
    };
    /* The readings are those of several devices: each record names its own. */
    return metric_log_open(&m->log, m->w->o.metrics_dir, m->name, "comparison", &loading, e);
}

static void memory_now(struct workload *w, uint64_t *private_bytes, uint64_t *shared_bytes)
{
    struct meter_sample now;
    meter_begin(w->meter);
    meter_end(w->meter, &now);
    *private_bytes = now.private_bytes;
    *shared_bytes = now.shared_bytes;
}

int workload_model_open(struct workload_model *m, struct err *e)
{
    memory_now(m->w, &m->before_private, &m->before_shared);
    m->own_private = m->own_shared = 0;
    m->shared.touched_bytes = 0;
    int rc = fleet_model_open(&m->shared.model, m->w->o.settings, m->path, m->quant, e);
    if (rc)
        return rc;
    wattle_model_info(m->shared.model, &m->shared.info);
    rc = memory_limit_check_model(m->w->meter, &m->shared.info, e);
    if (!rc && m->w->o.metrics_dir && m->name && !m->log)
        rc = open_log(m, e);
    if (rc)
        workload_model_close(m);
    return rc;
}

void workload_model_close(struct workload_model *m)
{
    wattle_model_close(&m->shared.model);
    m->own_private = m->own_shared = 0;
}

bool workload_model_is_open(const struct workload_model *m)
{
    return m->shared.model != NULL;
}

const struct wattle_model_info *workload_model_info(const struct workload_model *m)
{
    return &m->shared.info;
}

/* What of the process's memory is the other models'. */
static void find_others(struct workload_model *m)
{
    m->shared.others_private = m->w->nobodys_private;
    m->shared.others_shared = 0;
    for (size_t i = 0; i < m->w->n; i++) {
        const struct workload_model *other = m->w->models[i];
        if (!other || other == m)
            continue;
        m->shared.others_private += other->own_private;
        m->shared.others_shared += other->own_shared;
    }
}

void workload_decoy_free(struct workload_model **decoy, const struct workload_model *twin)
{
    struct workload_model *d = *decoy;
    if (!d)
        return;
    struct workload *w = d->w;
    uint64_t private_bytes, shared_bytes, known = d->before_private;
    known += d->own_private > twin->own_private ? d->own_private - twin->own_private : 0;
    workload_model_free(decoy);
    for (size_t i = 0; i < w->n; i++)
        known += w->models[i] ? w->models[i]->own_private : 0;
    memory_now(w, &private_bytes, &shared_bytes);
    w->nobodys_private = private_bytes > known ? private_bytes - known : 0;
}

static void run(struct workload_model *m, uint64_t request, struct metric_log *log)
{
    struct job *j = &m->job;
    choose_reading(m->w, request, j);
    find_others(m);
    j->log = log;
    j->request = id_of(j, request);
    j->due_ns = clock_mono_ns();
    inference_run(&m->shared, j);
}

int workload_model_warm(struct workload_model *m, int n, struct err *e)
{
    uint64_t private_bytes, shared_bytes;
    for (int i = 0; i < n; i++) {
        run(m, WARM_UP_REQUEST + (uint64_t)i, NULL);
        if (m->job.outcome != JOB_GOOD)
            return err_set(e, ERR_IO, "%s", m->job.error.text);
    }
    memory_now(m->w, &private_bytes, &shared_bytes);
    m->own_private = private_bytes > m->before_private ? private_bytes - m->before_private : 0;
    m->own_shared = shared_bytes > m->before_shared ? shared_bytes - m->before_shared : 0;
    return 0;
}

void workload_model_run(struct workload_model *m, uint64_t request, struct workload_result *out)
{
    run(m, request, m->log);
    *out = (struct workload_result){
        .good = m->job.outcome == JOB_GOOD,
        .verdict = m->job.verdict,
        .record = m->job.record,
    };
}

int workload_model_save(struct workload_model *m, struct err *e)
{
    return m->log ? metric_log_save(m->log, e) : 0;
}

const char *workload_model_file(const struct workload_model *m)
{
    return m->log && metric_log_count(m->log) ? metric_log_path(m->log) : NULL;
}
