/* SPDX-License-Identifier: MIT */
/* log: the records of one device's run and their file.
 *
 * Owns: the file's name and layout, when it is written, which details it still has.
 * Invariant: what lies on disk is whole at any moment, and at most SAVE_EVERY records behind. No
 * name in the folder ends in .json but that of a whole file: a temporary one begins with a dot. */
#include "metrics/name.h"
#include "metrics/totals.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    SAVE_EVERY = 10,
    DETAILS_MAX = 100000,
    DETAILS_BYTES_MAX = 192 << 20, /* so that a file never passes METRIC_FILE_MAX */
    RECORD_MAX = 64 << 10,         /* what metric_file_parse takes for one */
    CLAIM_TRIES = 3600,            /* names taken one after the other: an hour of seconds */
};

struct metric_log {
    char *folder, *path;
    char *device_id, *model_name; /* model_name: NULL until known */
    char *prefix;                 /* "inference_metrics_<id>" */
    char *loading;                /* the object model_loading as JSON */
    uint64_t stamp_us;            /* in the file's name */
    bool claimed;                 /* the file is there and ours */
    struct totals totals;
    char **details; /* [capacity], a ring: the oldest at `first` */
    size_t n_details, capacity, first, details_bytes, limit; /* limit: of n_details */
    uint64_t dropped, unsaved;
};

/* ---- the name ---- */

static int name_file(struct metric_log *l, struct err *e)
{
    struct buf b;
    char stamp[CLOCK_STAMP_SIZE];
    clock_stamp(l->stamp_us, stamp);
    buf_init(&b, PATH_MAX);
    buf_printf(&b, "%s/%s_%s.json", l->folder, l->prefix, stamp);
    int r = buf_check(&b, "the metrics file's path", e);
    char *path = r == 0 ? buf_steal(&b) : NULL;
    buf_release(&b);
    if (r < 0)
        return r;
    if (!path)
        return err_set(e, ERR_NOMEM, "no memory for the metrics file's name");
    free(l->path);
    l->path = path;
    return 0;
}

/* Until the first save this is a forecast: see claim(). */
static int name_free_file(struct metric_log *l, struct err *e)
{
    int r = 0;
    for (int i = 0; i < CLAIM_TRIES; i++, l->stamp_us += 1000000) {
        r = name_file(l, e);
        if (r < 0 || access(l->path, F_OK) < 0)
            return r;
    }
    return err_set(e, ERR_IO, "cannot name a metrics file in '%s': %d names from now on are taken",
                   l->folder, CLAIM_TRIES);
}

/* rename() that never replaces. EINVAL: the file system can't, and then two programs that start in
 * the same second could meet, which the check before makes unlikely. */
static int rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (access(to, F_OK) == 0) {
        errno = EEXIST;
        return -1;
    }
    return rename(from, to);
}

static void sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

/* The first save: written whole under a name of its own, then moved to the first name that is free.
 */
static int claim(struct metric_log *l, struct span bytes, struct err *e)
{
    struct buf own;
    buf_init(&own, PATH_MAX);
    buf_printf(&own, "%s/.%s.%016" PRIx64 ".first", l->folder, l->prefix, rng_entropy());
    int r = buf_check(&own, "the metrics file's path", e);
    if (r == 0)
        r = file_write_atomic(buf_cstr(&own), bytes, e);
    if (r < 0)
        goto done;
    for (int i = 0; r == 0 && !l->claimed; i++) {
        r = i < CLAIM_TRIES ? name_free_file(l, e)
                            : err_set(e, ERR_IO, "cannot name a metrics file in '%s'", l->folder);
        if (r < 0)
            break;
        if (rename_new(buf_cstr(&own), l->path) == 0)
            l->claimed = true;
        else if (errno != EEXIST)
            r = err_errno(e, errno, "cannot rename '%s' to '%s'", buf_cstr(&own), l->path);
    }
    if (l->claimed)
        sync_folder(l->folder);
    else
        unlink(buf_cstr(&own));
done:
    buf_release(&own);
    return r;
}

/* ---- opening ---- */

static int write_loading(struct metric_log *l, const struct metric_loading *m, struct err *e)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, RECORD_MAX);
    json_write_init(&w, &b, 0);
    if (!m) {
        json_write_null(&w);
    } else {
        json_write_object(&w);
        json_put_str(&w, "model_name", m->model_name);
        json_put_fixed(&w, "load_time_seconds", m->load_seconds, 4);
        json_put_str(&w, "compute_device", m->compute_device);
        json_put_str(&w, "quantization", m->quantization);
        json_put_str(&w, "isa", m->isa);
        json_put_int(&w, "threads", m->threads);
        json_put_u64(&w, "file_bytes", m->file_bytes);
        json_put_str(&w, "path", m->path);
        if (m->power_profile)
            json_put_str(&w, "power_profile", m->power_profile);
        json_write_object_end(&w);
    }
    int r = buf_check(&b, "model_loading", e);
    if (r == 0 && !(l->loading = buf_steal(&b)))
        r = err_set(e, ERR_NOMEM, "no memory for model_loading");
    buf_release(&b);
    return r;
}

static char *join(const char *a, const char *between, const char *b)
{
    struct buf path;
    buf_init(&path, PATH_MAX);
    buf_str(&path, a);
    buf_str(&path, between);
    buf_str(&path, b);
    char *s = buf_steal(&path);
    buf_release(&path);
    return s;
}

static char *folder_of(const char *metrics_dir, const char *device_name)
{
    if (!device_name)
        return strdup(metrics_dir);
    char *safe = name_of_device(device_name);
    char *folder = safe ? join(metrics_dir, "/", safe) : NULL;
    free(safe);
    return folder;
}

static char *prefix_of(const char *device_id)
{
    char *safe = name_of_id(device_id);
    char *prefix = safe ? join("inference_metrics_", "", safe) : NULL;
    free(safe);
    return prefix;
}

int metric_log_open(struct metric_log **out, const char *metrics_dir, const char *device_name,
                    const char *device_id, const struct metric_loading *loading, struct err *e)
{
    int r = 0;
    struct metric_log *l = calloc(1, sizeof *l);
    if (!l)
        return err_set(e, ERR_NOMEM, "no memory for metrics");
    l->limit = DETAILS_MAX;
    l->stamp_us = clock_utc_us();
    l->device_id = strdup(device_id);
    l->folder = folder_of(metrics_dir, device_name);
    l->prefix = prefix_of(device_id);
    if (loading && loading->model_name)
        l->model_name = strdup(loading->model_name);
    if (!l->device_id || !l->folder || !l->prefix ||
        (loading && loading->model_name && !l->model_name)) {
        r = err_set(e, ERR_NOMEM, "no memory for metrics, or METRICS_DIR is longer than %d bytes",
                    PATH_MAX);
        goto done;
    }
    if (loading && loading->power_profile)
        snprintf(l->totals.power_profile, sizeof l->totals.power_profile, "%s",
                 loading->power_profile);
    r = write_loading(l, loading, e);
    if (r == 0)
        r = file_make_dirs(l->folder, e);
    /* now, not at the first save, half an hour later: Docker makes mounted folders as root */
    if (r == 0 && access(l->folder, W_OK | X_OK) < 0)
        r = err_errno(e, errno, "cannot write in '%s' as user %u", l->folder, (unsigned)getuid());
    if (r == 0)
        r = name_free_file(l, e);
done:
    if (r == 0)
        *out = l;
    else
        metric_log_close(&l);
    return r;
}

void metric_log_close(struct metric_log **log)
{
    struct metric_log *l = *log;
    if (!l)
        return;
    for (size_t i = 0; i < l->n_details; i++)
        free(l->details[(l->first + i) % l->capacity]);
    free(l->details);
    totals_release(&l->totals);
    free(l->folder);
    free(l->path);
    free(l->device_id);
    free(l->model_name);
    free(l->prefix);
    free(l->loading);
    free(l);
    *log = NULL;
}

/* ---- records ---- */

static void drop_oldest(struct metric_log *l)
{
    char **oldest = &l->details[l->first];
    l->details_bytes -= strlen(*oldest);
    free(*oldest);
    *oldest = NULL;
    l->first = (l->first + 1) % l->capacity;
    l->n_details--;
    l->dropped++;
}

static bool reserve_detail(struct metric_log *l)
{
    if (l->n_details < l->capacity || l->capacity == l->limit)
        return true;
    size_t capacity = l->capacity ? l->capacity * 2 : 16;
    if (capacity > l->limit)
        capacity = l->limit;
    char **grown = calloc(capacity, sizeof *grown);
    if (!grown)
        return false;
    for (size_t i = 0; i < l->n_details; i++)
        grown[i] = l->details[(l->first + i) % l->capacity];
    free(l->details);
    l->details = grown;
    l->capacity = capacity;
    l->first = 0;
    return true;
}

static void keep_detail(struct metric_log *l, char *text)
{
    size_t n = strlen(text);
    while (l->n_details == l->limit ||
           (l->n_details > 0 && n > DETAILS_BYTES_MAX - l->details_bytes))
        drop_oldest(l);
    l->details[(l->first + l->n_details) % l->capacity] = text;
    l->n_details++;
    l->details_bytes += n;
}

int metric_log_add(struct metric_log *l, const struct metric_record *r, struct err *e)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, RECORD_MAX);
    json_write_init(&w, &b, 0);
    metric_record_write(&w, r);
    int code = buf_check(&b, "a record of metrics", e);
    char *text = code == 0 ? buf_steal(&b) : NULL;
    buf_release(&b);
    if (code < 0)
        return code;
    if (!l->model_name && r->model_name)
        l->model_name = strdup(r->model_name); /* without memory: null in the file */
    if (!text || !reserve_detail(l) || !totals_add(&l->totals, r)) {
        free(text);
        return err_set(e, ERR_NOMEM, "no memory for a record of metrics");
    }
    keep_detail(l, text);
    l->unsaved++;
    /* every tenth, not each after the tenth: a full disk must not cost a whole file a record */
    return l->unsaved % SAVE_EVERY == 0 ? metric_log_save(l, e) : 0;
}

static void write_file(const struct metric_log *l, struct buf *b)
{
    struct json_writer w;
    json_write_init(&w, b, 2);
    json_write_object(&w);
    json_write_key(&w, "summary");
    metric_log_summary(l, &w);
    json_put_array(&w, "detailed_metrics");
    for (size_t i = 0; i < l->n_details; i++)
        json_write_raw(&w, span_str(l->details[(l->first + i) % l->capacity]));
    json_write_array_end(&w);
    json_put_raw(&w, "model_loading", span_str(l->loading));
    json_write_object_end(&w);
    buf_char(b, '\n');
}

int metric_log_save(struct metric_log *l, struct err *e)
{
    if (l->unsaved == 0)
        return 0;
    struct buf b;
    buf_init(&b, METRIC_FILE_MAX);
    write_file(l, &b);
    int r = buf_check(&b, "the metrics file", e);
    if (r == 0)
        r = l->claimed ? file_write_atomic(l->path, buf_view(&b), e) : claim(l, buf_view(&b), e);
    if (r == 0)
        l->unsaved = 0;
    buf_release(&b);
    return r;
}

void metric_log_limit(struct metric_log *l, size_t details)
{
    assert(l->n_details == 0 && details > 0 && details <= DETAILS_MAX);
    l->limit = details;
}

const char *metric_log_path(const struct metric_log *l)
{
    return l->path;
}

uint64_t metric_log_count(const struct metric_log *l)
{
    return l->totals.n;
}

void metric_log_summary(const struct metric_log *l, struct json_writer *w)
{
    totals_write(&l->totals, w, l->device_id, l->model_name, l->dropped);
}
