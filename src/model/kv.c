/* SPDX-License-Identifier: MIT */
/* The memory of one sequence. Pages come as positions are written, so that a short sequence in a
 * long context costs what it uses; huge pages are declined for the same reason. */
#include "model/parts.h"
#include "model/rope.h"

#include <stdlib.h>
#include <sys/mman.h>

/* Floats of keys (or values) of n_ctx positions; false when it overflows. */
static bool kv_floats(const struct model *m, int32_t n_ctx, size_t *out)
{
    return size_mul((size_t)m->traits.n_layer, model_kv_dim(m), out) &&
           size_mul(*out, (size_t)n_ctx, out);
}

size_t model_kv_bytes(const struct model *m, int32_t n_ctx)
{
    size_t bytes, ids = rope_depends_on_length(&m->traits.rope) ? sizeof(int32_t) : 0;
    if (n_ctx < 0 || !kv_floats(m, n_ctx, &bytes) || !size_mul(bytes, 2 * sizeof(float), &bytes) ||
        !size_add(bytes, ids * (size_t)n_ctx, &bytes))
        return SIZE_MAX;
    return bytes;
}

int kv_open(struct kv **out, const struct model *m, int32_t n_ctx, struct err *e)
{
    if (n_ctx < 1 || n_ctx > m->traits.n_ctx)
        return err_set(e, ERR_RANGE, "context %d: expected 1 to %d, the model's longest", n_ctx,
                       m->traits.n_ctx);
    size_t bytes = model_kv_bytes(m, n_ctx), floats;
    struct kv *kv = calloc(1, sizeof *kv);
    void *map = MAP_FAILED;
    if (kv && kv_floats(m, n_ctx, &floats) && bytes != SIZE_MAX)
        map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (map == MAP_FAILED) {
        free(kv);
        return err_set(e, ERR_NOMEM, "context %d: no memory for %zu bytes of keys and values",
                       n_ctx, bytes);
    }
    madvise(map, bytes, MADV_NOHUGEPAGE); /* advice: failing changes nothing but memory */
    *kv = (struct kv){
        .model = m,
        .keys = map,
        .values = (float *)map + floats,
        .map_bytes = bytes,
        .capacity = n_ctx,
    };
    if (rope_depends_on_length(&m->traits.rope))
        kv->ids = (int32_t *)(void *)(kv->values + floats);
    *out = kv;
    return 0;
}

void kv_close(struct kv **p)
{
    struct kv *kv = *p;
    if (!kv)
        return;
    munmap(kv->keys, kv->map_bytes);
    free(kv);
    *p = NULL;
}

int32_t kv_length(const struct kv *kv)
{
    return kv->n;
}

int32_t kv_capacity(const struct kv *kv)
{
    return kv->capacity;
}

void kv_truncate(struct kv *kv, int32_t n)
{
    if (n >= 0 && n < kv->n)
        kv->n = n;
}

void kv_expect(struct kv *kv, int32_t n)
{
    kv->expected = n;
}
