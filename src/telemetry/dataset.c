/* SPDX-License-Identifier: MIT */
/* The dataset: all usable rows of a telemetry CSV in memory, by device.
 *
 * Owns the loading (which rows are taken, what is said of those that are not), the lookup of a
 * device and the walk through its rows. What a row means is dataset_row.c's.
 * Invariants once open: at least one device, each device has at least one row; order[first[i] ..
 * first[i + 1]) are the rows of device i in file order. */
#include "telemetry/telemetry.h"
#include "telemetry/dataset_row.h"

#include <stdlib.h>

enum {
    DATASET_BYTES_MAX = 256 << 20,
    DATASET_ROWS_MAX = 20 * 1000 * 1000,
    DATASET_DEVICES_MAX = 1 << 20,
    DATASET_COMPLAINTS_MAX = 10, /* skipped rows that are logged one by one */
};

struct dataset {
    struct reading *rows; /* [n_rows] in file order */
    uint32_t *order;      /* [n_rows] row numbers by device */
    size_t n_rows, cap_rows, skipped;
    struct arena names;
    const char **devices; /* [n_devices] in order of first appearance */
    uint32_t *first;      /* [n_devices + 1] */
    size_t n_devices, cap_devices;
    uint32_t *slots; /* [n_slots] open addressing: device + 1, 0 is free; at most half full */
    size_t n_slots;  /* power of two */
};

/* What is needed only while the file is read. */
struct loading {
    struct dataset *d;
    const char *path;
    struct dataset_columns columns;
    uint32_t *device_of; /* [cap_rows] */
    uint32_t last;       /* device of the row before: rows often come in runs */
};

/* ---- devices ---- */

static uint64_t hash_id(struct span s)
{
    uint64_t h = span_hash(s);
    return h ^ h >> 29;
}

/* The slot of id: its device's, or the free one where it would go. */
static size_t find_slot(const struct dataset *d, struct span id)
{
    size_t i = hash_id(id) & (d->n_slots - 1);
    while (d->slots[i] && !span_eq(span_str(d->devices[d->slots[i] - 1]), id))
        i = (i + 1) & (d->n_slots - 1);
    return i;
}

static int grow_devices(struct dataset *d, struct err *e)
{
    size_t cap = d->cap_devices ? d->cap_devices * 2 : 64;
    const char **devices = realloc(d->devices, cap * sizeof *devices);
    if (!devices)
        return err_set(e, ERR_NOMEM, "out of memory for %zu devices", cap);
    d->devices = devices;
    uint32_t *slots = calloc(cap * 2, sizeof *slots);
    if (!slots)
        return err_set(e, ERR_NOMEM, "out of memory for %zu devices", cap);
    free(d->slots);
    d->slots = slots;
    d->n_slots = cap * 2;
    d->cap_devices = cap;
    for (size_t i = 0; i < d->n_devices; i++)
        d->slots[find_slot(d, span_str(d->devices[i]))] = (uint32_t)(i + 1);
    return 0;
}

static int device_index(struct dataset *d, struct span id, uint32_t *out, struct err *e)
{
    int rc;
    if (d->n_devices == d->cap_devices && (rc = grow_devices(d, e)))
        return rc;
    size_t slot = find_slot(d, id);
    if (!d->slots[slot]) {
        if (d->n_devices == DATASET_DEVICES_MAX)
            return err_set(e, ERR_LIMIT, "more than %d devices", DATASET_DEVICES_MAX);
        char *name = arena_strndup(&d->names, id.p, id.n);
        if (!name)
            return err_set(e, ERR_NOMEM, "out of memory for device names");
        d->devices[d->n_devices++] = name;
        d->slots[slot] = (uint32_t)d->n_devices;
    }
    *out = d->slots[slot] - 1;
    return 0;
}

/* ---- rows ---- */

static int grow_rows(struct loading *l, struct err *e)
{
    struct dataset *d = l->d;
    size_t cap = d->cap_rows ? d->cap_rows * 2 : 1024;
    struct reading *rows = realloc(d->rows, cap * sizeof *rows);
    if (rows)
        d->rows = rows;
    uint32_t *device_of = realloc(l->device_of, cap * sizeof *device_of);
    if (device_of)
        l->device_of = device_of;
    if (!rows || !device_of)
        return err_set(e, ERR_NOMEM, "out of memory for %zu rows", cap);
    d->cap_rows = cap;
    return 0;
}

static int add_row(struct loading *l, const struct reading *r, struct span id, struct err *e)
{
    struct dataset *d = l->d;
    int rc;
    if (d->n_rows == DATASET_ROWS_MAX)
        return err_set(e, ERR_LIMIT, "more than %d rows", DATASET_ROWS_MAX);
    if (d->n_rows == d->cap_rows && (rc = grow_rows(l, e)))
        return rc;
    if (d->n_devices == 0 || !span_eq(span_str(d->devices[l->last]), id)) {
        if ((rc = device_index(d, id, &l->last, e)))
            return rc;
    }
    l->device_of[d->n_rows] = l->last;
    d->rows[d->n_rows++] = *r;
    return 0;
}

static void complain(struct loading *l, const char *reason)
{
    if (l->d->skipped++ < DATASET_COMPLAINTS_MAX)
        log_warning("dataset '%s': %s; row skipped", l->path, reason);
}

static int read_rows(struct loading *l, struct csv *csv, struct csv_row *row, struct err *e)
{
    for (;;) {
        struct err reason;
        struct reading r;
        struct span id;
        int rc = csv_next(csv, row, &reason);
        if (rc == 0)
            return 0;
        if (rc != 1 && rc != ERR_FORMAT)
            return err_set(e, rc, "%s", reason.text);
        if (rc == ERR_FORMAT || dataset_row_read(&l->columns, row, &r, &id, &reason))
            complain(l, reason.text);
        else if ((rc = add_row(l, &r, id, e)))
            return rc;
    }
}

/* Sorts the row numbers by device, in file order within each (counting sort). */
static int group_rows(struct loading *l, struct err *e)
{
    struct dataset *d = l->d;
    d->first = calloc(d->n_devices + 2, sizeof *d->first);
    d->order = malloc(d->n_rows * sizeof *d->order);
    if (!d->first || !d->order)
        return err_set(e, ERR_NOMEM, "out of memory for %zu rows", d->n_rows);
    /* While filling, first[i + 1] is where the next row of device i goes; afterwards it has come
     * to that device's end, which is the next one's beginning. */
    for (size_t i = 0; i < d->n_rows; i++)
        d->first[l->device_of[i] + 2]++;
    for (size_t i = 2; i <= d->n_devices; i++)
        d->first[i] += d->first[i - 1];
    for (size_t i = 0; i < d->n_rows; i++)
        d->order[d->first[l->device_of[i] + 1]++] = (uint32_t)i;
    struct reading *exact = realloc(d->rows, d->n_rows * sizeof *exact);
    if (exact) {
        d->rows = exact;
        d->cap_rows = d->n_rows;
    }
    return 0;
}

/* The header line of bytes, which may be the beginning of more. */
static int find_header(struct dataset_columns *columns, struct csv *csv, struct csv_row *row,
                       struct err *e)
{
    int rc = csv_next(csv, row, e);
    if (rc == 0)
        rc = err_set(e, ERR_FORMAT, "is empty, expected a header line and rows");
    return rc < 0 ? rc : dataset_columns_find(columns, row, e);
}

static int load(struct loading *l, struct span bytes, struct err *e)
{
    struct dataset *d = l->d;
    struct csv *csv = NULL;
    struct csv_row row;
    int rc = csv_open(&csv, bytes, e);
    if (!rc)
        rc = find_header(&l->columns, csv, &row, e);
    if (!rc)
        rc = read_rows(l, csv, &row, e);
    if (rc)
        goto done;
    if (d->skipped > DATASET_COMPLAINTS_MAX)
        log_warning("dataset '%s': %zu %s skipped", l->path, d->skipped - DATASET_COMPLAINTS_MAX,
                    plural(d->skipped - DATASET_COMPLAINTS_MAX, "more row", "more rows"));
    if (d->n_rows == 0)
        rc = err_set(e, ERR_FORMAT, "has no usable row (%zu skipped)", d->skipped);
    else
        rc = group_rows(l, e);
done:
    csv_close(&csv);
    return rc;
}

/* ---- a file that may be anything ---- */

/* So much of a file holds the header line, whole. */
enum { HEADER_WITHIN = 2 * CSV_LINE_MAX };

struct watch {
    size_t line; /* where the last line begins */
    bool header; /* it was there */
};

static bool is_line_end(uint8_t c)
{
    return c == '\n' || c == '\r';
}

/* A device, a hole or one endless line is given up when it shows, not when memory is full of it. */
static int watch_lines(struct watch *w, struct span all, size_t fresh, struct err *e)
{
    size_t first = all.n - fresh, last = all.n;
    while (first < all.n && !is_line_end(all.p[first]))
        first++;
    if (first - w->line > CSV_LINE_MAX)
        return err_set(e, ERR_FORMAT, "the line at byte %zu is longer than %d bytes", w->line,
                       (int)CSV_LINE_MAX);
    while (last > first && !is_line_end(all.p[last - 1]))
        last--;
    if (last > first)
        w->line = last;
    return 0;
}

static int watch_header(struct watch *w, struct span all, struct err *e)
{
    struct dataset_columns columns;
    struct csv *csv = NULL;
    struct csv_row row;
    if (w->header || all.n < HEADER_WITHIN)
        return 0;
    w->header = true;
    int rc = csv_open(&csv, all, e);
    if (!rc)
        rc = find_header(&columns, csv, &row, e);
    csv_close(&csv);
    return rc;
}

static int watch(void *ctx, struct span all, size_t fresh, struct err *e)
{
    int rc = watch_lines(ctx, all, fresh, e);
    return rc ? rc : watch_header(ctx, all, e);
}

/* ---- open ---- */

int dataset_open(struct dataset **out, const char *path, struct err *e)
{
    struct watch w = {0, false};
    struct loading l = {.path = path};
    struct buf bytes;
    int rc;
    buf_init(&bytes, DATASET_BYTES_MAX);
    l.d = calloc(1, sizeof *l.d);
    if (!l.d) {
        rc = err_set(e, ERR_NOMEM, "out of memory for the dataset");
        goto done;
    }
    arena_init(&l.d->names, DATASET_BYTES_MAX);
    if ((rc = file_read_watched(path, &bytes, watch, &w, e))) {
        err_wrap(e, rc, "dataset");
        goto done;
    }
    if ((rc = load(&l, buf_view(&bytes), e))) {
        err_wrap(e, rc, "dataset '%s'", path);
        goto done;
    }
    *out = l.d;
    l.d = NULL;
done:
    free(l.device_of);
    buf_release(&bytes);
    dataset_close(&l.d);
    return rc;
}

void dataset_close(struct dataset **d)
{
    if (!d || !*d)
        return;
    free((*d)->rows);
    free((*d)->order);
    free((*d)->devices);
    free((*d)->first);
    free((*d)->slots);
    arena_release(&(*d)->names);
    free(*d);
    *d = NULL;
}

size_t dataset_rows(const struct dataset *d)
{
    return d->n_rows;
}

size_t dataset_skipped(const struct dataset *d)
{
    return d->skipped;
}

size_t dataset_devices(const struct dataset *d)
{
    return d->n_devices;
}

const char *dataset_device(const struct dataset *d, size_t i)
{
    return d->devices[i];
}

/* ---- the walk ---- */

void dataset_walk_init(struct dataset_walk *w, const struct dataset *d, const char *device_id,
                       size_t offset)
{
    struct span id = span_str(device_id);
    uint32_t found = d->slots[find_slot(d, id)];
    w->d = d;
    w->fallback = found == 0;
    /* Strangers are spread over the devices there are, the same one for the same id. */
    w->device = found ? found - 1 : hash_id(id) % d->n_devices;
    w->at = offset % (d->first[w->device + 1] - d->first[w->device]);
}

const struct reading *dataset_walk_next(struct dataset_walk *w)
{
    const struct dataset *d = w->d;
    const struct reading *r = &d->rows[d->order[d->first[w->device] + w->at]];
    if (++w->at == d->first[w->device + 1] - d->first[w->device])
        w->at = 0;
    return r;
}
