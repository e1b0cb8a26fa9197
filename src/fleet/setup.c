/* SPDX-License-Identifier: MIT */
/* Owns everything that a fleet needs before its first message: dataset, prompt, model, meter,
 * store, broker, the devices' names and files. A wrong value is an error here, not later. */
#include "fleet/model.h"
#include "fleet/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    QUEUE_ALL = 1000000, /* messages that all devices together keep while the broker is away, … */
    QUEUE_MIN = 200,     /* … a device at least these */
    QUEUE_BYTES_ALL = 1 << 30, /* the same of bytes */
    QUEUE_BYTES_MIN = 1 << 20,
    QUEUE_BYTES_MAX = 64 << 20,
    FILES_EACH = 4,   /* a connection's socket, libmosquitto's pair, the queue's file; a name is
                         looked up once for all */
    FILES_OTHER = 32, /* 17 with a store and a private broker; the meter's and a saved file's */
    PATH_SIZE = 4096,
    OFFSET_STEP = 997, /* rows between the beginnings of two devices that replay the same rows */
};

/* ---- the list of devices with an LLM ---- */

int fleet_parse_devices(const char *list, size_t n, unsigned char *on, struct err *e)
{
    struct span rest = span_str(list);
    for (bool more = true; more;) {
        const uint8_t *comma = span_find(rest, ',');
        size_t length = comma ? (size_t)(comma - rest.p) : rest.n;
        struct span part = span_trim(span_sub(rest, 0, length), " ");
        int64_t number = 0;
        if (!num_parse_i64(part, &number) || number < 1 || (uint64_t)number > n)
            return err_set(e, ERR_USAGE,
                           "--llm-devices '%s': '%.*s' is no device, expected numbers from 1 to "
                           "%zu with commas between",
                           list, SPAN_FMT(part), n);
        if (on)
            on[number - 1] = 1;
        more = comma != NULL;
        rest = span_sub(rest, length + 1, rest.n);
    }
    return 0;
}

/* ---- files ---- */

static int open_dataset(struct fleet *f, struct err *e)
{
    struct buf path;
    buf_init(&path, 2 * PATH_SIZE);
    int rc = fleet_find_dataset(settings_text(f->o->settings, SET_DATASET_PATH), &path,
                                &f->own_dataset, e);
    if (!rc)
        rc = buf_check(&path, "DATASET_PATH", e);
    if (!rc)
        rc = dataset_open(&f->dataset, buf_cstr(&path), e);
    if (!rc)
        log_info("Dataset '%s': %zu %s of %zu %s, %zu skipped; temp is °C", buf_cstr(&path),
                 dataset_rows(f->dataset), plural(dataset_rows(f->dataset), "row", "rows"),
                 dataset_devices(f->dataset),
                 plural(dataset_devices(f->dataset), "device", "devices"),
                 dataset_skipped(f->dataset));
    buf_release(&path);
    return rc;
}

/* ---- the model ---- */

static int open_model(struct fleet *f, struct err *e)
{
    const struct settings *s = f->o->settings;
    struct inference_shared *h = &f->shared;
    int rc = fleet_model_open(&h->model, s, f->o->model_path, NULL, e);
    if (!rc)
        rc = fleet_meter_open(&h->meter, s, &f->power, e);
    if (rc)
        return rc;
    h->feed = f->o->feed;
    h->model_name = settings_text(s, SET_LLM_MODEL_NAME);
    wattle_model_info(h->model, &h->info);
    rc = memory_limit_check_model(h->meter, &h->info, e);
    if (rc)
        return rc;
    f->loading = (struct metric_loading){
        .model_name = h->model_name,
        .path = f->o->model_path,
        .quantization = h->info.quantization,
        .compute_device = h->info.device,
        .isa = h->info.isa,
        .load_seconds = h->info.load_seconds,
        .file_bytes = h->info.file_bytes,
        .threads = h->info.threads,
        .power_profile = f->power.profile,
    };
    fleet_model_log(&h->info, h->model_name);
    struct wattle_sampling sampling;
    size_t first = 0;
    while (!f->devices[first].llm)
        first++;
    wattle_request_sampling(h->model, &f->devices[first].how->request, &sampling);
    log_info("Sampling: temperature %g, top-p %g, top-k %d, min-p %g, repetition penalty %g",
             (double)sampling.temperature, (double)sampling.top_p, (int)sampling.top_k,
             (double)sampling.min_p, (double)sampling.repetition_penalty);
    return 0;
}

static bool remote_keep_going(void *ctx)
{
    return !atomic_load(&((struct inference_shared *)ctx)->cancelled);
}

/* LLM_ENDPOINT: the model is a server's, and so is the meter. */
static int open_remote(struct fleet *f, struct err *e)
{
    const struct settings *s = f->o->settings;
    struct inference_shared *h = &f->shared;
    struct buf key;
    buf_init(&key, SETTINGS_SECRET_MAX);
    h->model_name = settings_text(s, SET_LLM_MODEL_NAME);
    int rc = settings_secret(s, SET_LLM_API_KEY, SET_LLM_API_KEY_FILE, &key, e);
    if (!rc && (rc = http_check_bearer(buf_cstr(&key), e)) != 0)
        err_wrap(e, rc, "%s",
                 settings_env_name(settings_text(s, SET_LLM_API_KEY_FILE)[0] ? SET_LLM_API_KEY_FILE
                                                                             : SET_LLM_API_KEY));
    if (!rc)
        rc = remote_open(&h->remote,
                         &(struct remote_options){.endpoint = settings_text(s, SET_LLM_ENDPOINT),
                                                  .api_key = buf_cstr(&key),
                                                  .ca_file = "",
                                                  .model = h->model_name,
                                                  .keep_going = remote_keep_going,
                                                  .ctx = h},
                         e);
    buf_release(&key);
    if (rc)
        return rc;
    f->loading = (struct metric_loading){.model_name = h->model_name,
                                         .path = settings_text(s, SET_LLM_ENDPOINT)};
    log_info("Compute device: that of the server at %s", settings_text(s, SET_LLM_ENDPOINT));
    return 0;
}

/* ---- broker and limits ---- */

static int open_broker(struct fleet *f, struct err *e)
{
    const struct settings *s = f->o->settings;
    buf_init(&f->password, SETTINGS_SECRET_MAX);
    f->host = settings_text(s, SET_MQTT_BROKER);
    f->port = (int)settings_int(s, SET_MQTT_PORT);
    if (f->o->single || (settings_given(s, SET_MQTT_BROKER) && f->host[0]))
        return settings_secret(s, SET_MQTT_PASSWORD, SET_MQTT_PASSWORD_FILE, &f->password, e);
    int rc = broker_open(&f->broker, e);
    if (rc)
        return rc;
    f->host = "127.0.0.1";
    f->port = broker_port(f->broker);
    return 0;
}

/* The soft limit is raised as far as needed and allowed. */
static int allow_files(size_t n_devices, struct err *e)
{
    struct rlimit l;
    rlim_t need = (rlim_t)n_devices * FILES_EACH + FILES_OTHER;
    if (getrlimit(RLIMIT_NOFILE, &l) || l.rlim_cur == RLIM_INFINITY || l.rlim_cur >= need)
        return 0;
    if (l.rlim_max != RLIM_INFINITY && l.rlim_max < need)
        return err_set(e, ERR_LIMIT, "%zu %s %llu open files, the system allows %llu (ulimit -Hn)",
                       n_devices, plural(n_devices, "device needs", "devices need"),
                       (unsigned long long)need, (unsigned long long)l.rlim_max);
    l.rlim_cur = need;
    return setrlimit(RLIMIT_NOFILE, &l) ? err_errno(e, errno, "open files (ulimit -n)") : 0;
}

/* ---- devices ---- */

static int name_device(struct fleet *f, size_t i, struct err *e)
{
    struct device *d = &f->devices[i];
    const struct settings *s = f->o->settings;
    if (f->o->single) {
        int rc = device_name_check(settings_text(s, SET_DEVICE_NAME), e);
        if (!rc)
            rc = device_id_check(settings_text(s, SET_DEVICE_ID), e);
        if (rc)
            return rc;
        snprintf(d->name, sizeof d->name, "%s", settings_text(s, SET_DEVICE_NAME));
        snprintf(d->id, sizeof d->id, "%s", settings_text(s, SET_DEVICE_ID));
    } else {
        snprintf(d->name, sizeof d->name, "edge-device-%02zu", i + 1);
        fleet_device_id(f->dataset, i + 1, d->id);
    }
    dataset_walk_init(&d->walk, f->dataset, d->id, 0);
    if (d->walk.fallback && f->o->single)
        log_line(f->own_dataset ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
                 "DEVICE_ID '%s' is not in the dataset: the rows of '%s' are replayed", d->id,
                 dataset_device(f->dataset, d->walk.device));
    else if (d->walk.fallback)
        dataset_walk_init(&d->walk, f->dataset, d->id, i * OFFSET_STEP);
    return 0;
}

static int open_log(struct fleet *f, struct device *d, struct err *e)
{
    const struct settings *s = f->o->settings;
    bool own_folder = f->o->single && settings_given(s, SET_METRICS_DIR);
    d->job = (struct job *)malloc(sizeof *d->job);
    if (!d->job)
        return err_set(e, ERR_NOMEM, "device '%s': no memory", d->name);
    job_init(d->job);
    int rc = metric_log_open(&d->log, settings_text(s, SET_METRICS_DIR),
                             own_folder ? NULL : d->name, d->id, &f->loading, e);
    if (rc)
        err_wrap(e, rc, "METRICS_DIR");
    d->job->owner = d;
    d->job->device_id = d->id;
    d->job->how = d->how;
    d->job->log = d->log;
    return rc;
}

/* Who they are, what is set for each, and which have the language model. */
static int make_devices(struct fleet *f, struct err *e)
{
    const char *list = f->o->llm_devices;
    unsigned char *llm = (unsigned char *)calloc(f->n, 1);
    int rc = llm ? 0 : err_set(e, ERR_NOMEM, "%zu devices: no memory", f->n);
    if (!rc && list)
        rc = fleet_parse_devices(list, f->n, llm, e);
    for (size_t i = 0; !rc && i < f->n; i++) {
        struct device *d = &f->devices[i];
        d->fleet = f;
        rc = name_device(f, i, e);
        if (!rc)
            rc = device_configure(d, e);
        if (rc)
            break;
        d->llm = list ? llm[i] : settings_bool(d->settings, SET_ENABLE_LLM);
        f->has_llm |= d->llm;
        f->watches |= alarm_limits_any(&d->limits);
    }
    free(llm);
    settings_warn_of_absent_devices(f->o->settings);
    if (!rc && f->o->inferences && !f->has_llm)
        rc = err_set(e, ERR_USAGE, "inferences: no device has ENABLE_LLM");
    return rc;
}

static int open_analyses(struct fleet *f, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < f->n; i++)
        if (f->devices[i].llm)
            rc = device_open_analysis(&f->devices[i], e);
    return rc;
}

static int open_logs(struct fleet *f, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < f->n; i++)
        if (f->devices[i].llm)
            rc = open_log(f, &f->devices[i], e);
    return rc;
}

/* MQTT_QUEUE_MAX, unless it is the default and the fleet large. */
static void choose_queue_size(struct fleet *f)
{
    size_t wanted = (size_t)settings_int(f->o->settings, SET_MQTT_QUEUE_MAX);
    size_t fair = QUEUE_ALL / f->n < QUEUE_MIN ? QUEUE_MIN : QUEUE_ALL / f->n;
    bool given = settings_given(f->o->settings, SET_MQTT_QUEUE_MAX);
    f->queue_max = given || wanted < fair ? wanted : fair;
    f->queue_bytes = QUEUE_BYTES_ALL / f->n;
    f->queue_bytes = f->queue_bytes < QUEUE_BYTES_MIN   ? QUEUE_BYTES_MIN
                     : f->queue_bytes > QUEUE_BYTES_MAX ? QUEUE_BYTES_MAX
                                                        : f->queue_bytes;
}

int fleet_setup(struct fleet *f, const struct fleet_options *o, struct err *e)
{
    *f = (struct fleet){.o = o, .n = o->n_devices};
    f->prefix = settings_text(o->settings, SET_MQTT_TOPIC_PREFIX);
    if (topic_prefix_check(f->prefix, e) || fleet_power(o->settings, &f->power, e))
        return ERR_USAGE;
    choose_queue_size(f);
    f->devices = (struct device *)calloc(f->n, sizeof *f->devices);
    int rc = f->devices ? 0 : err_set(e, ERR_NOMEM, "%zu devices: no memory", f->n);
    if (!rc)
        rc = allow_files(f->n, e);
    if (!rc)
        rc = open_dataset(f, e);
    if (!rc)
        rc = make_devices(f, e);
    if (!rc)
        log_info("LLM Inference: %s", f->has_llm ? "Enabled" : "Disabled");
    if (!rc)
        rc = open_analyses(f, e);
    if (!rc && f->has_llm)
        rc = settings_text(o->settings, SET_LLM_ENDPOINT)[0] ? open_remote(f, e) : open_model(f, e);
    if (!rc)
        rc = open_logs(f, e);
    if (!rc && o->store)
        rc = store_open(&f->store, o->store, e);
    if (!rc && o->store)
        rc = store_use_prefix(f->store, f->prefix, e);
    if (!rc)
        rc = open_broker(f, e);
    return rc ? rc : loop_open(&f->loop, e);
}

void fleet_release(struct fleet *f)
{
    for (size_t i = 0; f->devices && i < f->n; i++) {
        struct device *d = &f->devices[i];
        metric_log_close(&d->log);
        if (d->job)
            job_release(d->job);
        free(d->job);
        device_release_profile(d);
    }
    free(f->devices);
    broker_close(&f->broker);
    store_close(&f->store);
    dataset_close(&f->dataset);
    analysis_release(&f->how);
    buf_release(&f->password);
    meter_close(&f->shared.meter);
    remote_close(&f->shared.remote);
    wattle_model_close(&f->shared.model);
    loop_close(&f->loop); /* last: with it signals are no longer held back */
}
