/* SPDX-License-Identifier: MIT */
/* A whole GGUF file from bytes: the container, its vocabulary and template, the model, and one pass
 * over it when it is small. What opens must be usable; what does not must say why. */
#include "../unit/gguf_maker.h"
#include "model/model.h"

enum { TOKENS_MAX = 3, WORK_MAX = 1 << 22 };

static void require(bool ok)
{
    if (!ok)
        abort();
}

/* Every view lies in the file; reading all of it would fault otherwise. */
static void read_container(const char *path)
{
    struct gguf *g = NULL;
    struct err e = {""};
    if (gguf_open(&g, path, &e)) {
        require(e.text[0] != 0 && g == NULL);
        return;
    }
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < gguf_tensor_count(g); i++) {
        const struct tensor *t = gguf_tensor_at(g, i);
        require(gguf_tensor(g, t->name) == t && t->row_bytes > 0);
        sum = (uint8_t)(sum + t->data.p[0] + t->data.p[t->data.n - 1]);
    }
    struct gguf_array a;
    if (gguf_array(g, "tokenizer.ggml.tokens", GGUF_STRING, &a, &e) == 0)
        for (size_t i = 0; i < a.n; i++)
            for (size_t j = 0; j < a.strings[i].n; j++)
                sum = (uint8_t)(sum + a.strings[i].p[j]);
    if (gguf_array(g, "tokenizer.ggml.scores", GGUF_F32, &a, &e) == 0 && a.n)
        sum = (uint8_t)(sum + (gguf_array_f32(&a, a.n - 1) > 0));
    gguf_close(&g);
}

static void read_text(const char *path)
{
    struct model_text *t = NULL;
    struct err e = {""};
    if (model_text_open(&t, path, &e)) {
        require(e.text[0] != 0 && t == NULL);
        return;
    }
    const struct tokenizer *k = model_text_tokenizer(t);
    if (k) {
        struct encode_options o = {.add_special = true, .parse_special = true};
        struct token_list ids = {0};
        struct buf text;
        buf_init(&text, 1 << 16);
        if (tokenizer_encode(k, span_str("a b <s>\xff c"), &o, &ids, &e) == 0)
            for (size_t i = 0; i < ids.n; i++)
                require(ids.ids[i] >= 0 && (size_t)ids.ids[i] < tokenizer_size(k));
        tokenizer_decode(k, ids.ids, ids.n, false, &text, &e);
        require(utf8_valid(buf_view(&text)));
        token_list_release(&ids);
        buf_release(&text);
    }
    model_text_close(&t);
}

static void run_model(const struct model *m, const struct model_info *info)
{
    static struct pool *pool;
    struct forward *f = NULL;
    struct kv *kv = NULL;
    struct err e = {""};
    int32_t n = info->n_ctx < TOKENS_MAX ? info->n_ctx : TOKENS_MAX;
    const int32_t ids[TOKENS_MAX] = {0, info->n_vocab - 1, info->n_vocab / 2};
    float *logits = calloc((size_t)info->n_vocab, sizeof *logits);
    if (!pool)
        pool_open(&pool, 1, &e);
    if (logits && pool && forward_open(&f, m, pool, n, &e) == 0 && kv_open(&kv, m, n, &e) == 0)
        require(model_forward(m, f, kv, ids, n, 1, logits, NULL, NULL, NULL, &e) == 0);
    kv_close(&kv);
    forward_close(&f);
    free(logits);
}

static void read_model(const char *path, enum model_math math)
{
    struct model *m = NULL;
    struct model_info info;
    struct err e = {""};
    struct model_options o = {.path = path, .math = math};
    if (model_open(&m, &o, &e)) {
        require(e.text[0] != 0 && m == NULL);
        return;
    }
    model_info(m, &info);
    if (info.n_params < WORK_MAX)
        run_model(m, &info);
    model_close(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct temp t;
    temp_open(&t, span_of(data, size));
    read_container(t.path);
    read_text(t.path);
    read_model(t.path, MODEL_MATH_FAST);
    read_model(t.path, MODEL_MATH_EXACT);
    temp_close(&t);
    return 0;
}
