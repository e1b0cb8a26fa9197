/* SPDX-License-Identifier: MIT */
/* Opening a model: the family from the file's architecture, the traits, then the tensors. */
#include "model/parts.h"

#include <stdio.h>
#include <stdlib.h>

static int check_not_split(const struct gguf *file, struct err *e)
{
    uint64_t parts = 1;
    int code = gguf_u64(file, "split.count", 0, UINT16_MAX, &parts, e);
    if (code && code != ERR_NOTFOUND)
        return code;
    if (parts > 1)
        return err_set(e, ERR_UNSUPPORTED,
                       "key 'split.count': %llu, a model split over several files is not "
                       "supported: merge them first (llama-gguf-split --merge)",
                       (unsigned long long)parts);
    return 0;
}

static int read_traits(struct model *m, struct err *e)
{
    struct span arch;
    const struct family *family;
    int code = gguf_string(m->file, "general.architecture", &arch, e);
    if (code == ERR_NOTFOUND)
        return err_set(e, ERR_FORMAT, "key 'general.architecture': is missing");
    if (!code)
        code = family_find(arch, &family, e);
    if (code)
        return code;
    snprintf(m->info.arch, sizeof m->info.arch, "%s", family->arch);
    struct config c = {.file = m->file, .arch = family->arch, .e = e};
    family->read(&c, &m->traits);
    return c.code;
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

static void fill_info(struct model *m)
{
    struct model_info *i = &m->info;
    const struct traits *t = &m->traits;
    struct span name;
    if (gguf_string(m->file, "general.name", &name, NULL) != 0 || name.n == 0 ||
        !utf8_valid(name) || memchr(name.p, 0, name.n)) {
        const char *slash = strrchr(gguf_path(m->file), '/');
        name = span_str(slash ? slash + 1 : gguf_path(m->file));
    }
    copy_text(i->name, sizeof i->name, name);
    i->file_bytes = gguf_file_bytes(m->file);
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
    size_t n_tokens = 0;
    int code = check_not_split(m->file, e);
    if (!code)
        code = vocabulary_check(m->file, &n_tokens, e);
    if (!code)
        code = read_traits(m, e);
    if (!code)
        code = model_bind(m, e);
    if (!code && n_tokens != 0 && n_tokens != (size_t)m->traits.n_vocab)
        code = err_set(e, ERR_FORMAT,
                       "key 'tokenizer.ggml.tokens': %zu tokens, expected %d, the rows of "
                       "token_embd.weight",
                       n_tokens, m->traits.n_vocab);
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
    code = gguf_open(&m->file, o->path, e);
    if (code)
        goto done;
    /* Vectors are converted to floats from 2 bytes at least; a layer has 7 matrices and more. */
    arena_init(&m->arena, 4 * (size_t)gguf_file_bytes(m->file) + (2 << 20));
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
    arena_release(&m->arena);
    gguf_close(&m->file);
    free(m);
    *p = NULL;
}

void model_info(const struct model *m, struct model_info *out)
{
    *out = m->info;
}
