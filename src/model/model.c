/* SPDX-License-Identifier: MIT */
/* Opening a model: the family from the file's architecture or config.json's model_type, the traits,
 * then the tensors. */
#include "model/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    CONFIG_BYTES_MAX = 4 << 20, /* classification models list their labels in it */
    CONFIG_PATH_SIZE = 4096,
};

/* config.json beside safetensors. */
static int read_config(const struct weights *w, struct json **out, struct err *e)
{
    char path[CONFIG_PATH_SIZE];
    struct buf text;
    int n = snprintf(path, sizeof path, "%s/config.json", weights_folder(w));
    if (n < 0 || n >= CONFIG_PATH_SIZE)
        return err_set(e, ERR_RANGE, "'%.200s…': a longer path than we can open", path);
    buf_init(&text, CONFIG_BYTES_MAX);
    int code = file_read_regular(path, &text, e);
    if (!code)
        code = weights_refuse_stand_in(span_of(text.p, text.n), "config.json", e);
    if (!code)
        code = json_parse_nul(out, span_of(text.p, text.n), CONFIG_BYTES_MAX, "config.json", e);
    if (!code && json_type_of(*out) != JSON_OBJECT)
        code = err_set(e, ERR_FORMAT, "config.json: %s, expected an object",
                       json_type_name(json_type_of(*out)));
    buf_release(&text);
    return code;
}

/* Models of text and more keep the text's part in text_config. */
static const struct json *text_part(const struct json *root)
{
    const struct json *part = json_get(root, "text_config");
    return json_type_of(part) == JSON_OBJECT ? part : root;
}

/* The whole model may tie what its text part does not speak of. */
static bool ties_outside(const struct json *root)
{
    const struct json *v = json_get(root, "tie_word_embeddings");
    return text_part(root) != root && json_type_of(v) == JSON_BOOL && json_bool(v);
}

static int read_traits(struct model *m, const struct family *family, struct config *c)
{
    traits_init(&m->traits);
    c->arch = m->info.arch;
    c->aliases = family->aliases;
    c->arena = &m->arena;
    family->read(c, &m->traits);
    return c->code;
}

static int load_hf(struct model *m, struct err *e)
{
    const struct family *family;
    struct json *root = NULL;
    struct span type;
    int code = read_config(m->file, &root, e);
    if (code)
        goto done;
    struct config c = {.json = text_part(root), .arch = "", .e = e};
    type = config_text(&c, "model_type");
    code = c.code;
    if (!code && type.n == 0)
        code = err_set(e, ERR_FORMAT, "config.json: key 'model_type': is missing");
    if (!code)
        code = family_find(type, true, &family, e);
    if (code)
        goto done;
    snprintf(m->info.arch, sizeof m->info.arch, "%.*s", SPAN_FMT(type));
    if (config_is_set(&c, "quantization_config") || json_get(root, "quantization_config"))
        code = err_set(e, ERR_UNSUPPORTED,
                       "config.json: key 'quantization_config': is set, and safetensors that are "
                       "quantized are not supported: use the original model or a GGUF file of it");
    if (!code)
        code = read_traits(m, family, &c);
    m->traits.tied |= !code && ties_outside(root);
    if (!code)
        code = model_bind(m, family, true, e);
done:
    json_close(&root);
    return code;
}

static int load_gguf(struct model *m, struct err *e)
{
    const struct gguf *file = weights_gguf(m->file);
    const struct family *family;
    struct span arch;
    size_t n_tokens = 0;
    int code = vocabulary_check(file, &n_tokens, e);
    if (!code)
        code = gguf_string(file, "general.architecture", &arch, e);
    if (code == ERR_NOTFOUND)
        return err_set(e, ERR_FORMAT, "key 'general.architecture': is missing");
    if (!code)
        code = family_find(arch, false, &family, e);
    if (code)
        return code;
    snprintf(m->info.arch, sizeof m->info.arch, "%.*s", SPAN_FMT(arch));
    struct config c = {.gguf = file, .e = e};
    code = read_traits(m, family, &c);
    if (!code)
        code = model_bind(m, family, false, e);
    if (!code && n_tokens != 0 && n_tokens != (size_t)m->traits.n_vocab)
        code = err_set(e, ERR_FORMAT,
                       "key 'tokenizer.ggml.tokens': %zu %s, expected %d, the rows of "
                       "token_embd.weight",
                       n_tokens, plural(n_tokens, "token", "tokens"), m->traits.n_vocab);
    return code;
}

/* The longest beginning of s that fits and does not cut a character. */
static void copy_text(char *out, size_t size, struct span s)
{
    size_t n = s.n < size - 1 ? s.n : size - 1;
    n -= utf8_incomplete_tail(span_sub(s, 0, n));
    if (n)
        memcpy(out, s.p, n);
    out[n] = 0;
}

/* Of a path, slashes at its end left out. */
static struct span last_part(const char *path)
{
    size_t n = strlen(path), from;
    while (n > 1 && path[n - 1] == '/')
        n--;
    for (from = n; from > 0 && path[from - 1] != '/';)
        from--;
    return span_of(path + from, n - from);
}

static void fill_info(struct model *m)
{
    struct model_info *i = &m->info;
    const struct traits *t = &m->traits;
    const struct gguf *file = weights_gguf(m->file);
    struct span name = {NULL, 0};
    if (file && gguf_string(file, "general.name", &name, NULL) != 0)
        name.n = 0;
    if (name.n == 0 || !utf8_valid(name) || span_find(name, 0))
        name = last_part(weights_path(m->file));
    copy_text(i->name, sizeof i->name, name);
    i->file_bytes = weights_file_bytes(m->file);
    i->n_vocab = t->n_vocab;
    i->n_ctx = t->n_ctx;
    i->n_embd = t->n_embd;
    i->n_layer = t->n_layer;
    i->n_head = t->n_head;
    i->n_head_kv = t->n_head_kv;
    i->isa = m->kernels->isa;
}

static int load(struct model *m, struct err *e)
{
    int code = weights_gguf(m->file) ? load_gguf(m, e) : load_hf(m, e);
    if (!code)
        fill_info(m);
    return code;
}

int model_open(struct model **out, const struct model_options *o, struct err *e)
{
    int code;
    struct model *m = calloc(1, sizeof *m);
    if (!m) {
        code = err_set(e, ERR_NOMEM, "cannot load '%s': no memory", o->path);
        goto done;
    }
    m->math = o->math;
    m->kernels = kernels_get(o->isa);
    if (!m->kernels) {
        code = err_set(e, ERR_USAGE, "machine code '%s' is not one of this machine's", o->isa);
        goto done;
    }
    code = weights_open(&m->file, o->path, e);
    if (code)
        goto done;
    /* Vectors are converted to floats from 2 bytes at least; a layer has 7 matrices and more. */
    arena_init(&m->arena, 4 * (size_t)weights_file_bytes(m->file) + (2 << 20));
    code = load(m, e);
    if (code) {
        err_wrap(e, code, "cannot load '%s'", o->path);
        goto done;
    }
    *out = m;
    m = NULL;
done:
    model_close(&m);
    return code;
}

void model_close(struct model **p)
{
    struct model *m = *p;
    if (!m)
        return;
    packed_close(&m->packed_file);
    if (m->packed_memory)
        munmap(m->packed_memory, m->packed_memory_bytes);
    arena_release(&m->arena);
    weights_close(&m->file);
    free(m);
    *p = NULL;
}

void model_info(const struct model *m, struct model_info *out)
{
    *out = m->info;
}
