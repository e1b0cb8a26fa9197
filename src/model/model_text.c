/* SPDX-License-Identifier: MIT */
/* A file's tokenizer and chat template, without its weights. */
#include "model/parts.h"

#include <stdlib.h>

struct model_text {
    struct gguf *file; /* the tokenizer's spans lie in it */
    struct arena arena;
    struct tokenizer *tokenizer;
    struct template *template;
};

static int open_tokenizer(struct model_text *t, struct err *e)
{
    struct vocab v;
    bool there = false;
    if (!gguf_has(t->file, "tokenizer.ggml.model"))
        return err_set(e, ERR_FORMAT,
                       "key 'tokenizer.ggml.model': is missing, a vocabulary needs it");
    int code = vocabulary_read(t->file, &t->arena, &v, &there, e);
    if (!code && there)
        code = tokenizer_open(&t->tokenizer, &v, e);
    return code;
}

static int open_template(struct model_text *t, struct err *e)
{
    static const char key[] = "tokenizer.chat_template";
    struct span source;
    int code = gguf_string(t->file, key, &source, e);
    if (code)
        return code == ERR_NOTFOUND ? 0 : code;
    code = template_open(&t->template, source, e);
    return code ? err_wrap(e, code, "key '%s'", key) : 0;
}

int model_text_open(struct model_text **out, const char *path, struct err *e)
{
    int code;
    struct model_text *t = calloc(1, sizeof *t);
    if (!t) {
        code = err_set(e, ERR_NOMEM, "cannot load '%s': no memory", path);
        goto done;
    }
    code = gguf_open(&t->file, path, e);
    if (code)
        goto done;
    arena_init(&t->arena, (size_t)gguf_file_bytes(t->file) + (1 << 16)); /* 8 bytes a token */
    code = open_tokenizer(t, e);
    if (!code)
        code = open_template(t, e);
    if (code) {
        err_wrap(e, code, "cannot load '%s'", path);
        goto done;
    }
    *out = t;
    t = NULL;
done:
    model_text_close(&t);
    return code;
}

void model_text_close(struct model_text **p)
{
    struct model_text *t = *p;
    if (!t)
        return;
    template_close(&t->template);
    tokenizer_close(&t->tokenizer);
    arena_release(&t->arena);
    gguf_close(&t->file);
    free(t);
    *p = NULL;
}

const struct tokenizer *model_text_tokenizer(const struct model_text *t)
{
    return t->tokenizer;
}

const struct template *model_text_template(const struct model_text *t)
{
    return t->template;
}
