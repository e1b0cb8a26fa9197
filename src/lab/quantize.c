/* SPDX-License-Identifier: MIT */
/* A model with other element types: see lab.h. Tensor by tensor, a few megabytes of rows at a time,
 * so that the memory does not grow with the model; the file has a temporary name until it is whole.
 */
#include "lab/quantize.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_BYTES = 8 << 20 }; /* of rows that are written at a time */

/* What a row has that no type can stand for. */
enum fault { FAULT_NONE, FAULT_NOT_FINITE, FAULT_TOO_LARGE };

struct row_result {
    double error, square;
    enum fault fault;
    size_t column;
};

/* One quantization. */
struct work {
    const struct lab_quantize_options *o;
    const struct mix *mix;
    const struct kernels *kernels;
    struct model_export *source;
    struct pool *pool;
    struct gguf_writer *writer;
    int threads;
    uint32_t *types; /* [tensors of source] */
    float *rows;     /* [threads][2][longest row] */
    size_t longest;
    uint64_t done, all; /* bytes written */
    double error, square;
    struct lab_quantize_result result;
};

/* Rows of one tensor on their way. */
struct batch {
    struct work *w;
    size_t tensor, first; /* row */
    size_t row_bytes;
    uint32_t type;
    uint8_t *out;               /* [rows][row_bytes] */
    struct row_result *results; /* [rows] */
};

static size_t bytes_of_row(uint32_t type, uint64_t n)
{
    const struct wtype_info *info = wtype_info(type);
    return (size_t)(n / info->block_elems * info->block_bytes);
}

static int cancelled(const struct work *w, struct err *e)
{
    if (w->o->keep_going && !w->o->keep_going(w->o->ctx))
        return err_set(e, ERR_CANCELLED, "cancelled");
    return 0;
}

static void report(const struct work *w, const char *what, uint64_t done, uint64_t all)
{
    if (w->o->on_progress)
        w->o->on_progress(w->o->ctx, what, done, all);
}

/* ---- rows ---- */

static enum fault check_row(const float *x, size_t n, uint32_t type, size_t *column)
{
    for (size_t i = 0; i < n; i++) {
        *column = i;
        if (!isfinite(x[i]))
            return FAULT_NOT_FINITE;
        if (type == WTYPE_F16 && fabsf(x[i]) > QUANTIZE_F16_MAX)
            return FAULT_TOO_LARGE;
    }
    return FAULT_NONE;
}

static void convert_row(void *ctx, size_t chunk, int worker)
{
    const struct batch *b = (const struct batch *)ctx;
    const struct work *w = b->w;
    const size_t n = (size_t)export_at(w->source, b->tensor)->dims[0];
    float *x = w->rows + (size_t)worker * 2 * w->longest, *y = x + w->longest;
    uint8_t *out = b->out + chunk * b->row_bytes;
    struct row_result *r = &b->results[chunk];
    *r = (struct row_result){0};
    export_row(w->source, b->tensor, b->first + chunk, x);
    r->fault = check_row(x, n, b->type, &r->column);
    if (r->fault)
        return;
    quantize_row(b->type, x, NULL, out, n);
    w->kernels->dequant(b->type, out, y, n);
    for (size_t i = 0; i < n; i++) {
        double d = (double)x[i] - (double)y[i];
        r->error += d * d;
        r->square += (double)x[i] * (double)x[i];
    }
}

static int refuse_row(const struct batch *b, size_t at, struct err *e)
{
    const struct row_result *r = &b->results[at];
    const char *name = export_at(b->w->source, b->tensor)->name;
    if (r->fault == FAULT_NOT_FINITE)
        return err_set(e, ERR_FORMAT,
                       "tensor '%s': value %zu of row %zu is not finite: broken weights", name,
                       r->column, b->first + at);
    return err_set(e, ERR_RANGE, "tensor '%s': value %zu of row %zu is beyond F16's %g", name,
                   r->column, b->first + at, (double)QUANTIZE_F16_MAX);
}

/* ---- tensors ---- */

/* As they stand, in the source's own bytes. */
static int copy_tensor(struct work *w, size_t i, struct err *e)
{
    const struct export_tensor *t = export_at(w->source, i);
    const size_t row_bytes = bytes_of_row(t->type, t->dims[0]);
    int rc = 0;
    for (size_t row = 0; rc == 0 && row < t->n_rows; row++) {
        rc = gguf_writer_data(w->writer, span_of(export_bytes(w->source, i, row), row_bytes), e);
        w->done += row_bytes;
        if (rc == 0 && row % 1024 == 0)
            rc = cancelled(w, e);
    }
    return rc;
}

static int convert_batch(struct batch *b, size_t n_rows, struct row_result *sum, struct err *e)
{
    struct work *w = b->w;
    int rc = cancelled(w, e);
    if (rc)
        return rc;
    pool_run(w->pool, convert_row, b, n_rows);
    /* In the order of rows, so that the sums are the same whatever the threads. */
    for (size_t i = 0; rc == 0 && i < n_rows; i++) {
        if (b->results[i].fault)
            rc = refuse_row(b, i, e);
        sum->error += b->results[i].error;
        sum->square += b->results[i].square;
    }
    if (rc == 0)
        rc = gguf_writer_data(w->writer, span_of(b->out, n_rows * b->row_bytes), e);
    w->done += n_rows * b->row_bytes;
    report(w, "writing", w->done, w->all);
    return rc;
}

static int convert_tensor(struct work *w, size_t i, struct row_result *sum, struct err *e)
{
    const struct export_tensor *t = export_at(w->source, i);
    struct batch b = {.w = w, .tensor = i, .type = w->types[i]};
    b.row_bytes = bytes_of_row(b.type, t->dims[0]);
    size_t most = b.row_bytes ? BATCH_BYTES / b.row_bytes + 1 : 1;
    most = most < t->n_rows ? most : t->n_rows;
    b.out = malloc(most * b.row_bytes + 1);
    b.results = calloc(most + 1, sizeof *b.results);
    int rc = b.out && b.results
                 ? 0
                 : err_set(e, ERR_NOMEM, "tensor '%s': no memory for %zu rows", t->name, most);
    for (size_t n; rc == 0 && b.first < t->n_rows; b.first += n) {
        n = t->n_rows - b.first < most ? t->n_rows - b.first : most;
        rc = convert_batch(&b, n, sum, e);
    }
    free(b.out);
    free(b.results);
    return rc;
}

static int write_tensor(struct work *w, size_t i, struct err *e)
{
    const struct export_tensor *t = export_at(w->source, i);
    const bool same = w->types[i] == t->type && (!t->n_rows || export_bytes(w->source, i, 0));
    struct row_result sum = {0};
    int rc = same ? copy_tensor(w, i, e) : convert_tensor(w, i, &sum, e);
    if (rc)
        return rc;
    w->error += sum.error;
    w->square += sum.square;
    w->result.quantized += !same;
    struct lab_quantized q = {
        .name = t->name,
        .from = wtype_info(t->type)->name,
        .to = wtype_info(w->types[i])->name,
        .weights = t->n_rows * t->dims[0],
        .bytes = t->n_rows * bytes_of_row(w->types[i], t->dims[0]),
        .error = sum.square > 0 ? sum.error / sum.square : 0,
    };
    if (w->o->on_tensor)
        w->o->on_tensor(w->o->ctx, &q);
    return 0;
}

/* ---- the file ---- */

static int describe(struct work *w, struct err *e)
{
    int rc = 0;
    uint64_t weights = 0;
    gguf_put_u32(w->writer, "general.file_type", w->mix->file_type);
    gguf_put_u32(w->writer, "general.quantization_version", 2); /* ggml's since 2023 */
    rc = export_metadata(w->source, w->writer, e);
    for (size_t i = 0; rc == 0 && i < export_count(w->source); i++) {
        const struct export_tensor *t = export_at(w->source, i);
        rc = gguf_writer_tensor(w->writer, t->name, w->types[i], t->n_dims, t->dims, e);
        w->all += t->n_rows * bytes_of_row(w->types[i], t->dims[0]);
        weights += t->n_rows * t->dims[0];
        w->longest = t->dims[0] > w->longest ? (size_t)t->dims[0] : w->longest;
    }
    w->result.bits = weights ? 8 * (double)w->all / (double)weights : 0;
    w->result.bytes = gguf_writer_bytes(w->writer);
    return rc;
}

static int prepare(struct work *w, struct err *e)
{
    const size_t n = export_count(w->source);
    w->result.tensors = n;
    w->types = calloc(n + 1, sizeof *w->types);
    if (!w->types)
        return err_set(e, ERR_NOMEM, "no memory for %zu tensors", n);
    recipe_apply(w->mix, w->source, w->types);
    int rc = gguf_writer_open(&w->writer, w->o->output_path, e);
    if (rc == 0)
        rc = describe(w, e);
    if (rc == 0)
        rc = pool_open(&w->pool, w->threads, e);
    if (rc)
        return rc;
    size_t floats = 0;
    if (size_mul(w->longest, 2 * (size_t)w->threads, &floats))
        w->rows = reallocarray(NULL, floats + 1, sizeof *w->rows);
    return w->rows ? 0 : err_set(e, ERR_NOMEM, "no memory for a row of %zu", w->longest);
}

static int write_all(struct work *w, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < export_count(w->source); i++)
        rc = write_tensor(w, i, e);
    return rc ? rc : gguf_writer_finish(w->writer, e);
}

static int find_mix(struct work *w, struct err *e)
{
    struct buf names;
    w->mix = mix_find(w->o->type);
    if (w->mix)
        return 0;
    buf_init(&names, 256);
    for (size_t i = 0; mix_at(i); i++)
        buf_printf(&names, "%s%s", i ? ", " : "", mix_at(i)->name);
    int rc =
        err_set(e, ERR_USAGE, "--type: '%s', expected one of %s", w->o->type, buf_cstr(&names));
    buf_release(&names);
    return rc;
}

int lab_quantize(const struct lab_quantize_options *o, struct lab_quantize_result *out,
                 struct err *e)
{
    struct work w = {.o = o, .kernels = kernels_get(o->isa)};
    const uint64_t start = clock_mono_ns();
    int rc = find_mix(&w, e);
    w.threads = o->threads;
    if (w.threads == 0) {
        struct cpu_limits limits;
        cpu_limits_read(&limits, "/");
        w.threads = limits.threads;
    }
    if (rc == 0 && !w.kernels)
        rc = err_set(e, ERR_USAGE, "machine code '%s' is not one of this machine's", o->isa);
    if (rc == 0)
        rc = export_open(&w.source, o->model_path, e);
    if (rc == 0)
        rc = prepare(&w, e);
    if (rc == 0)
        rc = write_all(&w, e);
    if (rc == 0) {
        *out = w.result;
        out->error = w.square > 0 ? w.error / w.square : 0;
        out->source_bytes = export_file_bytes(w.source);
        out->seconds = (double)(clock_mono_ns() - start) / 1e9;
    }
    free(w.rows);
    free(w.types);
    pool_close(&w.pool);
    gguf_writer_close(&w.writer);
    export_close(&w.source);
    return rc;
}
