/* SPDX-License-Identifier: MIT */
/* A safetensors file from bytes. What opens has tensors that cover its data, each found by name,
 * and all of their bytes can be read. */
#include "../unit/gguf_maker.h"
#include "weights/safetensors.h"

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void check_tensors(const struct weights *w, const struct safetensors *s)
{
    volatile uint8_t sum = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < weights_tensor_count(w); i++) {
        const struct tensor *t = weights_tensor_at(w, i);
        struct span name = span_str(t->name);
        require(weights_tensor(w, t->name) == t && weights_tensor_index(w, t) == i);
        require(name.n > 0 && name.n <= 256 && utf8_valid(name));
        require(t->n_dims <= GGUF_MAX_DIMS && t->data.p != NULL);
        for (size_t b = 0; b < t->data.n; b++)
            sum = (uint8_t)(sum + t->data.p[b]);
        bytes += t->data.n;
        if (t->type == WEIGHTS_NO_TYPE)
            continue;
        const struct wtype_info *info = wtype_info(t->type);
        require(info && t->row_bytes == t->dims[0] * info->block_bytes);
        require(t->data.n == t->row_bytes * t->dims[1] * t->dims[2] * t->dims[3]);
    }
    require(bytes == s->data.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct temp t;
    struct weights *w = NULL;
    struct safetensors s;
    struct err e = {""};
    temp_open(&t, span_of(data, size));
    if (weights_open(&w, t.path, &e)) {
        require(e.text[0] != 0 && w == NULL);
    } else if (!weights_gguf(w)) {
        require(safetensors_open(&s, span_of(data, size), &e) == 0);
        check_tensors(w, &s);
    }
    weights_close(&w);
    temp_close(&t);
    return 0;
}
