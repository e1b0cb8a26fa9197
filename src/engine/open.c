/* SPDX-License-Identifier: MIT */
/* Models from file to handle and back, the version and the log: what of <wattle.h> is not a
 * request.
 */
#include "engine/handle.h"

#include "cache/cache.h"
#include "engine/engine.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_CONTEXT = 4096,
    /* Tokens of one forward call in prefill: enough to read each weight block rarely, little enough
     * scratch for a small machine. */
    BATCH = 64,
    THREADS_MAX = 256,
    MIB = 1 << 20,
};

static_assert((int)WATTLE_ENOMEM == ERR_NOMEM && (int)WATTLE_EIO == ERR_IO &&
                  (int)WATTLE_EFORMAT == ERR_FORMAT &&
                  (int)WATTLE_EUNSUPPORTED == ERR_UNSUPPORTED && (int)WATTLE_ERANGE == ERR_RANGE &&
                  (int)WATTLE_EUSAGE == ERR_USAGE && (int)WATTLE_ECANCELLED == ERR_CANCELLED &&
                  (int)WATTLE_ENOTFOUND == ERR_NOTFOUND && (int)WATTLE_ELIMIT == ERR_LIMIT,
              "the public error codes are the internal ones");

const char *wattle_version(void)
{
    return WATTLE_VERSION;
}

int handle_error(const struct err *e, int code, char *error, size_t error_size)
{
    if (!error || error_size == 0)
        return code;
    size_t n = strlen(e->text);
    if (n >= error_size) {
        n = error_size - 1;
        n -= utf8_incomplete_tail(span_of(e->text, n));
    }
    memcpy(error, e->text, n);
    error[n] = '\0';
    return code;
}

static int check_options(const struct wattle_model_options *o, struct err *e)
{
    if (!o->path || !o->path[0])
        return err_set(e, ERR_USAGE, "model options: path: empty, expected a model file");
    if (o->threads < 0 || o->threads > THREADS_MAX)
        return err_set(e, ERR_RANGE, "model options: threads: %d, expected 0 to %d", o->threads,
                       THREADS_MAX);
    if (o->context < 0)
        return err_set(e, ERR_RANGE, "model options: context: %d, expected 0 or more",
                       (int)o->context);
    return 0;
}

static int32_t choose_context(const struct wattle_model_options *o, const struct model_info *info)
{
    int32_t wanted = o->context ? o->context : DEFAULT_CONTEXT;
    return wanted < info->n_ctx ? wanted : info->n_ctx;
}

/* The keys and values are the one thing whose size a caller chooses: refused by name before the
 * system's out-of-memory killer would find us. */
static int check_memory(const struct wattle_model *m, int32_t context,
                        const struct cpu_limits *limits, struct err *e)
{
    uint64_t need = model_kv_bytes(m->model, context);
    if (limits->memory_bytes == 0 || need <= limits->memory_bytes)
        return 0;
    return err_set(e, ERR_LIMIT,
                   "context of %d tokens needs %llu MiB for keys and values, the memory limit is "
                   "%llu MiB",
                   (int)context, (unsigned long long)need / MIB + (need % MIB != 0),
                   (unsigned long long)(limits->memory_bytes / MIB));
}

static void tell_of_template(const struct wattle_model *m, const char *path)
{
    const char *trouble = model_text_template_error(m->text);
    if (trouble)
        log_warning("'%s': its chat template cannot be used, conversations get the plain form "
                    "\"User: … Assistant:\": %s",
                    path, trouble);
    else if (!model_text_template(m->text))
        log_info("'%s': no chat template, conversations get the plain form \"User: … Assistant:\"",
                 path);
}

static int open_text(struct wattle_model *m, const char *path, struct err *e)
{
    int rc = model_text_open(&m->text, path, e);
    const struct tokenizer *t = rc == 0 ? model_text_tokenizer(m->text) : NULL;
    if (!t)
        return rc;
    m->has_vocabulary = true;
    tell_of_template(m, path);
    return prompt_maker_init(&m->prompt_maker, t, model_text_template(m->text), e);
}

static int open_buffers(struct wattle_model *m, int32_t context, int32_t n_vocab, struct err *e)
{
    int rc = forward_open(&m->forward, m->model, m->pool, BATCH, e);
    if (rc == 0)
        rc = kv_open(&m->kv, m->model, context, e);
    /* A vocabulary may be shorter than the rows of the head, which are padded: those are no tokens.
     */
    size_t n = (size_t)n_vocab;
    if (rc == 0 && m->has_vocabulary) {
        size_t known = tokenizer_size(m->prompt_maker.tokenizer);
        rc = sampler_open(&m->sampler, (int32_t)(known < n ? known : n), e);
    }
    if (rc)
        return rc;
    m->kv_ids = calloc((size_t)context, sizeof *m->kv_ids);
    m->logits = calloc(n, sizeof *m->logits);
    if (!m->kv_ids || !m->logits)
        return err_set(e, ERR_NOMEM, "no memory for a vocabulary of %zu", n);
    m->kv_bytes_per_position = model_kv_bytes(m->model, context) / (size_t)context;
    return 0;
}

/* The publisher's values before ours: 0.7 and 0.9 are the defaults of LLM_TEMPERATURE and of top-p
 * that devices have. */
static struct wattle_sampling sampling_of(const struct model_text *text)
{
    struct wattle_sampling s = {
        .temperature = 0.7F, .top_k = 0, .top_p = 0.9F, .min_p = 0, .repetition_penalty = 1};
    struct model_sampling own;
    model_text_sampling(text, &own);
    if (own.temperature >= 0)
        s.temperature = own.temperature;
    if (own.top_k >= 0)
        s.top_k = own.top_k;
    if (own.top_p >= 0)
        s.top_p = own.top_p;
    if (own.min_p >= 0)
        s.min_p = own.min_p;
    if (own.repetition_penalty >= 0)
        s.repetition_penalty = own.repetition_penalty;
    return s;
}

static void fill_info(struct wattle_model *m, const struct model_info *from, int threads,
                      int32_t context)
{
    struct wattle_model_info *i = &m->info;
    snprintf(i->name, sizeof i->name, "%s", from->name);
    snprintf(i->architecture, sizeof i->architecture, "%s", from->arch);
    snprintf(i->quantization, sizeof i->quantization, "%s", from->quantization);
    snprintf(i->isa, sizeof i->isa, "%s", from->isa);
    snprintf(i->device, sizeof i->device, "cpu");
    i->file_bytes = from->file_bytes;
    i->packed_bytes = from->packed_bytes;
    i->packed_private = from->packed_private;
    i->mapped_bytes =
        from->file_bytes - from->replaced_bytes + (from->packed_private ? 0 : from->packed_bytes);
    i->parameters = from->n_params;
    i->kv_bytes = model_kv_bytes(m->model, context);
    i->scratch_bytes = forward_bytes(m->forward) + (size_t)from->n_vocab * sizeof *m->logits +
                       (size_t)context * sizeof *m->kv_ids;
    if (m->sampler)
        i->scratch_bytes += sampler_bytes(m->sampler);
    i->vocabulary = from->n_vocab;
    i->context = context;
    i->layers = from->n_layer;
    i->threads = threads;
    i->sampling = sampling_of(m->text);
    i->has_template = m->has_vocabulary && m->prompt_maker.template != NULL;
}

/* Half-built is fine; nobody else has it. */
static void handle_free(struct wattle_model *m)
{
    if (m->has_vocabulary)
        prompt_maker_release(&m->prompt_maker);
    if (m->sampler)
        sampler_close(&m->sampler);
    kv_close(&m->kv);
    forward_close(&m->forward);
    pool_close(&m->pool);
    model_text_close(&m->text);
    model_close(&m->model);
    free(m->kv_ids);
    free(m->logits);
    free(m);
}

/* ---- packed weights ---- */

struct packing {
    const struct wattle_model *m;
    const struct wattle_model_options *o;
    const struct cpu_limits *limits;
    uint64_t kv_bytes;
};

/* Before anything large is read: what the model will need, what there is. Files that are mapped can
 * leave memory again; what is our own cannot. */
static int check_need(void *ctx, const struct model_need *need, struct err *e)
{
    const struct packing *p = ctx;
    uint64_t scratch = forward_bytes(p->m->forward), limit = p->limits->memory_bytes;
    uint64_t packed = need->packed_private ? need->packed_bytes : 0;
    uint64_t own = p->kv_bytes + scratch + packed;
    uint64_t mapped = need->file_bytes + (need->packed_private ? 0 : need->packed_bytes);
    log_debug("memory: %llu MiB of its own, %llu MiB of files; limit %llu MiB (0: none)",
              (unsigned long long)(own / MIB), (unsigned long long)(mapped / MIB),
              (unsigned long long)(limit / MIB));
    if (limit == 0 || own <= limit)
        return 0;
    return err_set(e, ERR_LIMIT,
                   "%llu MiB of memory are needed (%llu for keys and values, %llu for activations, "
                   "%llu for packed weights), the memory limit is %llu MiB",
                   (unsigned long long)(own / MIB), (unsigned long long)(p->kv_bytes / MIB),
                   (unsigned long long)(scratch / MIB), (unsigned long long)(packed / MIB),
                   (unsigned long long)(limit / MIB));
}

static void pass_progress(void *ctx, uint64_t done, uint64_t bytes)
{
    const struct packing *p = ctx;
    p->o->on_progress(p->o->callback_context, done, bytes);
}

static bool pass_keep_going(void *ctx)
{
    const struct packing *p = ctx;
    return p->o->keep_going(p->o->callback_context);
}

static int pack(struct wattle_model *m, const struct wattle_model_options *o,
                const struct cpu_limits *limits, int32_t context, struct err *e)
{
    struct packing p = {m, o, limits, model_kv_bytes(m->model, context)};
    const struct model_pack_options options = {
        .quant = o->quant,
        .folder = o->packed_folder,
        .pool = m->pool,
        .on_need = check_need,
        .on_progress = o->on_progress ? pass_progress : NULL,
        .keep_going = o->keep_going ? pass_keep_going : NULL,
        .ctx = &p,
    };
    return model_pack(m->model, &options, e);
}

int wattle_check_quant(const char *quant, char *error, size_t error_size)
{
    struct err e = {""};
    int rc = model_quant_check(quant, &e);
    return rc ? handle_error(&e, rc, error, error_size) : 0;
}

int wattle_packed_folder(const char *xdg_cache_home, const char *home, char *out, size_t out_size)
{
    struct buf b;
    buf_init(&b, 65536);
    int rc = cache_packed_folder(xdg_cache_home, home, &b, NULL);
    if (rc == 0 && b.n >= out_size)
        rc = ERR_LIMIT;
    if (rc == 0)
        memcpy(out, buf_cstr(&b), b.n + 1);
    buf_release(&b);
    return rc;
}

static int handle_open(struct wattle_model *m, const struct wattle_model_options *o, struct err *e)
{
    struct cpu_limits limits;
    cpu_limits_read(&limits, "/");
    int threads = o->threads ? o->threads : limits.threads;
    if (threads > THREADS_MAX)
        threads = THREADS_MAX;
    struct model_options mo = {
        .path = o->path,
        .isa = o->isa,
        .math = o->exact ? MODEL_MATH_EXACT : MODEL_MATH_FAST,
    };
    int rc = model_open(&m->model, &mo, e);
    if (rc)
        return rc;
    struct model_info info;
    model_info(m->model, &info);
    int32_t context = choose_context(o, &info);
    rc = check_memory(m, context, &limits, e);
    if (rc == 0)
        rc = open_text(m, o->path, e);
    if (rc == 0)
        rc = pool_open(&m->pool, threads, e);
    if (rc == 0)
        rc = open_buffers(m, context, info.n_vocab, e);
    if (rc == 0)
        rc = pack(m, o, &limits, context, e);
    model_info(m->model, &info);
    if (rc == 0)
        rc = queue_init(&m->queue, e);
    if (rc == 0)
        fill_info(m, &info, threads, context);
    return rc;
}

int wattle_model_open(struct wattle_model **out, const struct wattle_model_options *options,
                      char *error, size_t error_size)
{
    struct err e = {""};
    uint64_t began = clock_mono_ns();
    int rc = check_options(options, &e);
    if (rc)
        return handle_error(&e, rc, error, error_size);
    struct wattle_model *m = calloc(1, sizeof *m);
    if (!m)
        return handle_error(&e, err_set(&e, ERR_NOMEM, "no memory for a model"), error, error_size);
    rc = handle_open(m, options, &e);
    if (rc) {
        handle_free(m);
        return handle_error(&e, rc, error, error_size);
    }
    m->info.load_seconds = (double)(clock_mono_ns() - began) / 1e9;
    *out = m;
    return 0;
}

void wattle_model_close(struct wattle_model **model)
{
    if (!model || !*model)
        return;
    queue_release(&(*model)->queue);
    handle_free(*model);
    *model = NULL;
}

void wattle_model_info(const struct wattle_model *model, struct wattle_model_info *out)
{
    *out = model->info;
}

/* The process has one sink, and so has this. */
static struct {
    void (*sink)(void *context, int level, const char *line);
    void *context;
} log_target;

static void pass_line(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    log_target.sink(log_target.context, (int)level, line);
}

void wattle_log_to(void (*sink)(void *context, int level, const char *line), void *context,
                   int least_level)
{
    log_target.sink = sink;
    log_target.context = context;
    int level = least_level < LOG_LEVEL_DEBUG   ? LOG_LEVEL_DEBUG
                : least_level > LOG_LEVEL_ERROR ? LOG_LEVEL_ERROR
                                                : least_level;
    log_set_sink(sink ? pass_line : NULL, NULL, (enum log_level)level);
}
