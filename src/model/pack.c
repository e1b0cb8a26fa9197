/* SPDX-License-Identifier: MIT */
/* A model's matrices in the layout that the kernels read (kernels/packed.h): from the cache, where
 * one file serves all processes of the machine; made there at the first use; or, where that cannot
 * be, made in this process's own memory.
 *
 * Source rows are read once, group by group, through a buffer of a few MiB; then the source's pages
 * are let go of. What is read of it afterwards are rows of the embedding, and norms. */
#include "model/pack.h"

#include "cache/cache.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    /* Below this a file costs more than making the groups anew. */
    FILE_BYTES_MIN = 1 << 20,
    SLAB_BYTES = 8 << 20, /* packed at once, of a file */
    TRIES = 3,            /* of opening what another process has just made */
};

/* ---- one group ---- */

/* What a thread has for itself. */
struct worker {
    float *values;   /* [longest row] */
    uint8_t *blocks; /* PACKED_ROWS rows, of the source or quantized */
};

struct pack_job {
    const struct model *m;
    const struct pack_item *item;
    struct worker *workers;
    size_t first, end; /* groups */
    size_t a_chunk;
    uint8_t *out; /* of the group first */
    atomic_int code;
};

static const uint8_t *source_row(const struct matrix *w, size_t r)
{
    return w->data + (r / w->group_rows * w->group_apart + r % w->group_rows) * w->row_bytes;
}

/* Why a value cannot be quantized, as pack_job.code. */
enum { NOT_FINITE = 1, BEYOND_F16 };

static int quantize(const struct pack_job *j, struct worker *own, size_t r, uint8_t *out)
{
    const struct matrix *w = j->item->w;
    j->m->kernels->dequant(w->type, source_row(w, r), own->values, w->n_cols);
    for (size_t i = 0; i < w->n_cols; i++) {
        if (!isfinite(own->values[i]))
            return NOT_FINITE;
        if (j->item->type == WTYPE_F16 && fabsf(own->values[i]) > QUANTIZE_F16_MAX)
            return BEYOND_F16;
    }
    quantize_row(j->item->type, own->values, NULL, out, w->n_cols);
    return 0;
}

static int make_group(const struct pack_job *j, struct worker *own, size_t group, uint8_t *out)
{
    const struct pack_item *x = j->item;
    const struct matrix *w = x->w;
    size_t row0 = group * PACKED_ROWS;
    size_t n = w->n_rows - row0 < PACKED_ROWS ? w->n_rows - row0 : (size_t)PACKED_ROWS;
    bool as_is = x->type == w->type, in_line = as_is && w->group_rows == w->n_rows;
    const uint8_t *rows = in_line ? source_row(w, row0) : own->blocks;
    uint8_t *to = x->rows ? out : own->blocks;
    for (size_t r = 0; r < n && !in_line; r++) {
        int code = 0;
        if (as_is)
            memcpy(to + r * x->row_bytes, source_row(w, row0 + r), x->row_bytes);
        else
            code = quantize(j, own, row0 + r, to + r * x->row_bytes);
        if (code)
            return code;
    }
    if (!x->rows)
        pack_group(x->type, rows, x->row_bytes, w->n_cols, n, out);
    return 0;
}

static void pack_chunk(void *ctx, size_t chunk, int worker)
{
    struct pack_job *j = ctx;
    size_t first = j->first + chunk * j->a_chunk, end = first + j->a_chunk;
    for (size_t g = first; g < end && g < j->end; g++) {
        int code =
            make_group(j, &j->workers[worker], g, j->out + (g - j->first) * j->item->group_bytes);
        if (code)
            atomic_store(&j->code, code);
    }
}

/* ---- all of them ---- */

struct packing {
    struct model *m;
    const struct model_pack_options *o;
    const struct pack_plan *plan;
    struct worker *workers;
    int n_workers;
    uint64_t done;
};

static size_t item_groups(const struct pack_item *x)
{
    return (x->w->n_rows + PACKED_ROWS - 1) / PACKED_ROWS;
}

/* Bytes of the groups [first, end): plain rows end with the last row. */
static size_t range_bytes(const struct pack_item *x, size_t first, size_t end)
{
    return end == item_groups(x) ? x->bytes - first * x->group_bytes
                                 : (end - first) * x->group_bytes;
}

static int tell_value(const struct pack_item *x, int code, struct err *e)
{
    char what[PACK_WHAT_SIZE];
    pack_item_name(x, what);
    if (code == BEYOND_F16)
        return err_set(e, ERR_UNSUPPORTED,
                       "quantization: %s: a value beyond %g, the largest of F16", what,
                       (double)QUANTIZE_F16_MAX);
    return err_set(e, ERR_FORMAT, "quantization: %s: a value that is no finite number", what);
}

/* The groups [first, end) of an item to out. */
static int make_range(struct packing *p, const struct pack_item *x, size_t first, size_t end,
                      uint8_t *out, struct err *e)
{
    enum { CHUNKS = 8 };
    struct pack_job j = {.m = p->m, .item = x, .workers = p->workers, .out = out};
    size_t n = end - first;
    j.first = first;
    j.end = end;
    j.a_chunk = p->n_workers == 1 ? n : n / ((size_t)p->n_workers * CHUNKS) + 1;
    size_t n_chunks = (n + j.a_chunk - 1) / j.a_chunk;
    if (p->o->pool)
        pool_run(p->o->pool, pack_chunk, &j, n_chunks);
    else
        pack_chunk(&j, 0, 0);
    int code = atomic_load(&j.code);
    if (code)
        return tell_value(x, code, e);
    p->done += range_bytes(x, first, end);
    if (p->o->on_progress)
        p->o->on_progress(p->o->ctx, p->done, p->plan->bytes);
    if (p->o->keep_going && !p->o->keep_going(p->o->ctx))
        return err_set(e, ERR_CANCELLED, "interrupted");
    return 0;
}

/* How many groups are made at once: enough for all threads, little enough that a word of how far it
 * is, or an end, comes soon. */
static size_t groups_at_once(const struct pack_item *x)
{
    size_t n = SLAB_BYTES / x->group_bytes;
    return n ? n : 1;
}

static int make_in_memory(struct packing *p, uint8_t *data, struct err *e)
{
    for (size_t i = 0; i < p->plan->n; i++) {
        const struct pack_item *x = &p->plan->items[i];
        size_t n = item_groups(x), at_once = groups_at_once(x);
        for (size_t g = 0; g < n; g += at_once) {
            size_t end = g + at_once < n ? g + at_once : n;
            int code = make_range(p, x, g, end, data + x->offset + g * x->group_bytes, e);
            if (code)
                return code;
        }
    }
    return 0;
}

/* The data on their way to a file: from bytes [flushed, flushed + n) of them. */
struct slab {
    struct packed_writer *writer;
    uint8_t *bytes;
    size_t n, cap;
    uint64_t flushed;
};

/* Whole blocks; with last everything. */
static int flush(struct packing *p, struct slab *s, bool last, struct err *e)
{
    size_t n = last ? s->n : s->n / PACKED_BLOCK * PACKED_BLOCK;
    if (n == 0)
        return 0;
    int code = packed_writer_add(s->writer, span_of(s->bytes, n), p->o->pool, e);
    s->flushed += n;
    s->n -= n;
    memmove(s->bytes, s->bytes + n, s->n);
    return code;
}

static int write_item(struct packing *p, struct slab *s, const struct pack_item *x, struct err *e)
{
    size_t n = item_groups(x), pad = x->offset - (size_t)(s->flushed + s->n);
    int code = 0;
    memset(s->bytes + s->n, 0, pad);
    s->n += pad;
    for (size_t g = 0; g < n && !code;) {
        size_t room = (s->cap - s->n) / x->group_bytes;
        size_t end = g + room < n ? g + room : n;
        code = make_range(p, x, g, end, s->bytes + s->n, e);
        s->n += range_bytes(x, g, end);
        g = end;
        if (!code)
            code = flush(p, s, false, e);
    }
    return code;
}

/* *io: it is the file that failed, not the work. */
static int make_in_file(struct packing *p, struct packed_writer *w, bool *io, struct err *e)
{
    struct slab s = {.writer = w, .cap = SLAB_BYTES};
    size_t longest = 0;
    int code = 0;
    for (size_t i = 0; i < p->plan->n; i++)
        longest = p->plan->items[i].group_bytes > longest ? p->plan->items[i].group_bytes : longest;
    /* a block may be left from the last flush, and padding */
    if (!size_add(longest, SLAB_BYTES + PACKED_BLOCK + PACK_ALIGN, &s.cap) ||
        !(s.bytes = malloc(s.cap)))
        return err_set(e, ERR_NOMEM, "no memory to pack a model");
    for (size_t i = 0; i < p->plan->n && !code; i++)
        code = write_item(p, &s, &p->plan->items[i], e);
    if (!code)
        code = flush(p, &s, true, e);
    free(s.bytes);
    *io = code == ERR_IO;
    return code;
}

/* ---- workers ---- */

static void workers_close(struct packing *p)
{
    for (int i = 0; p->workers && i < p->n_workers; i++) {
        free(p->workers[i].values);
        free(p->workers[i].blocks);
    }
    free(p->workers);
    p->workers = NULL;
}

static int workers_open(struct packing *p, struct err *e)
{
    size_t values = 1, blocks = 1;
    for (size_t i = 0; i < p->plan->n; i++) {
        const struct pack_item *x = &p->plan->items[i];
        values = x->w->n_cols > values ? x->w->n_cols : values;
        blocks = x->row_bytes > blocks ? x->row_bytes : blocks;
    }
    p->n_workers = p->o->pool ? pool_threads(p->o->pool) : 1;
    p->workers = calloc((size_t)p->n_workers, sizeof *p->workers);
    for (int i = 0; p->workers && i < p->n_workers; i++) {
        p->workers[i].values = calloc(values, sizeof(float));
        p->workers[i].blocks = calloc(blocks, PACKED_ROWS);
        if (!p->workers[i].values || !p->workers[i].blocks) {
            workers_close(p);
            break;
        }
    }
    return p->workers ? 0 : err_set(e, ERR_NOMEM, "no memory to pack a model");
}

/* ---- places ---- */

/* The matrices read what lies at data from now on. */
static void use(struct packing *p, const uint8_t *data)
{
    for (size_t i = 0; i < p->plan->n; i++) {
        const struct pack_item *x = &p->plan->items[i];
        struct matrix *w = x->w;
        w->type = x->type;
        w->row_bytes = x->row_bytes;
        w->group_rows = w->group_apart = w->n_rows;
        w->packed = x->rows ? NULL : data + x->offset;
        w->data = x->rows ? data + x->offset : NULL;
        w->q8 = !x->rows || (w->q8 && kernels_has_q8(x->type));
    }
}

static int pack_in_memory(struct packing *p, struct err *e)
{
    struct model *m = p->m;
    void *map =
        mmap(NULL, p->plan->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return err_set(e, ERR_NOMEM, "no memory for %zu bytes of packed weights", p->plan->bytes);
    m->packed_memory = map;
    m->packed_memory_bytes = p->plan->bytes;
    /* Fewer misses of the address cache; where it is not to be had, pages as usual. */
    madvise(map, p->plan->bytes, MADV_HUGEPAGE);
    p->done = 0;
    int code = workers_open(p, e);
    if (!code)
        code = make_in_memory(p, map, e);
    workers_close(p);
    if (code)
        return code;
    mprotect(map, p->plan->bytes, PROT_READ);
    use(p, map);
    m->info.packed_private = true;
    return 0;
}

/* ---- the cache ---- */

enum { NOT_KEPT = 1 }; /* the file cannot be had: memory will do */

static bool on_wait(void *ctx)
{
    const struct packing *p = ctx;
    return !p->o->keep_going || p->o->keep_going(p->o->ctx);
}

static int not_kept(const struct err *why)
{
    log_warning("packed weights are kept in this process's own memory: %s", why->text);
    return NOT_KEPT;
}

static int write_file(struct packing *p, const struct pack_key *k, struct err *e)
{
    struct packed_writer *w = NULL;
    struct err why = {""};
    bool io = true;
    uint64_t began = clock_mono_ns();
    int code = packed_writer_open(&w, p->o->folder, &k->head, on_wait, p, &why);
    if (code == 1)
        return 0;
    if (!code) {
        log_info("packing '%s' for its first use: %s, %zu bytes, into '%s'", p->m->info.name,
                 p->plan->label, p->plan->bytes, p->o->folder);
        p->done = 0;
        code = workers_open(p, &why);
        io = false;
        if (!code)
            code = make_in_file(p, w, &io, &why);
        workers_close(p);
    }
    if (!code) {
        io = true;
        code = packed_writer_commit(&w, &why);
    }
    packed_writer_abort(&w);
    if (!code)
        log_info("packed in %.2f s", (double)(clock_mono_ns() - began) / 1e9);
    if (!code)
        return 0;
    if (io && code != ERR_CANCELLED)
        return not_kept(&why);
    return err_set(e, code, "%s", why.text);
}

static int pack_in_cache(struct packing *p, struct err *e)
{
    struct pack_key k;
    struct packed_file f;
    struct err why = {""};
    int code = pack_key_init(&k, p->m, p->plan, &why);
    if (code) {
        code = not_kept(&why);
        goto done;
    }
    for (int i = 0; i < TRIES; i++) {
        code = packed_open(&f, p->o->folder, &k.head, &why);
        if (code == 0) {
            p->m->packed_file = f;
            use(p, f.data);
            goto done;
        }
        if (code == ERR_FORMAT)
            log_warning("%s: it is made anew", why.text);
        else if (code != ERR_NOTFOUND) {
            code = not_kept(&why);
            goto done;
        }
        code = write_file(p, &k, e);
        if (code)
            goto done;
    }
    code = not_kept(&why);
done:
    pack_key_release(&k);
    return code;
}

/* ---- the border ---- */

static bool is_cached(struct packing *p)
{
    struct pack_key k;
    struct packed_file f;
    bool found = pack_key_init(&k, p->m, p->plan, NULL) == 0 &&
                 packed_open(&f, p->o->folder, &k.head, NULL) == 0;
    if (found)
        packed_close(&f);
    pack_key_release(&k);
    return found;
}

int model_quant_check(const char *quant, struct err *e)
{
    struct pack_target target;
    return pack_target_parse(&target, quant, e);
}

int model_pack(struct model *m, const struct model_pack_options *o, struct err *e)
{
    struct pack_plan plan;
    int code = pack_plan_open(&plan, m, o->quant, e);
    if (code)
        return code;
    struct packing p = {.m = m, .o = o, .plan = &plan};
    uint64_t least = o->file_bytes_min ? o->file_bytes_min : (uint64_t)FILE_BYTES_MIN;
    bool to_file = o->folder && plan.bytes >= least;
    if (o->on_need) {
        struct model_need need = {
            .file_bytes = m->info.file_bytes - plan.replaced_bytes,
            .packed_bytes = plan.bytes,
            .packed_private = !to_file,
            .packed_ready = to_file && is_cached(&p),
        };
        code = o->on_need(o->ctx, &need, e);
    }
    if (!code && plan.n) {
        code = to_file ? pack_in_cache(&p, e) : NOT_KEPT;
        if (code == NOT_KEPT)
            code = pack_in_memory(&p, e);
        if (!code) {
            m->info.packed_bytes = plan.bytes;
            m->info.replaced_bytes = plan.replaced_bytes;
            snprintf(m->info.quantization, sizeof m->info.quantization, "%s", plan.label);
            model_count_work(m);
            weights_forget_pages(m->file);
        }
    }
    pack_plan_close(&plan);
    return code ? err_wrap(e, code, "cannot load '%s'", weights_path(m->file)) : 0;
}
