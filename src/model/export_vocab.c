/* SPDX-License-Identifier: MIT */
/* Safetensors as GGUF: the vocabulary and the chat template. Key names: ggml docs/gguf.md. */
#include "model/export_parts.h"

#include "codec/codec.h"

#include <stdio.h>

enum { VOCABULARY_MAX = 512 << 20, CONFIG_MAX = 8 << 20, PATH_MAX_BYTES = 1 << 16 };

/* Readers want as many tokens as the embedding has rows. */
static int pad(const struct export_tensor *embedding, struct arena *a, struct vocab *v,
               struct err *e)
{
    size_t n = (size_t)embedding->dims[1];
    struct span *tokens = arena_array(a, n, sizeof *tokens);
    int32_t *types = arena_array(a, n, sizeof *types);
    if (v->n > n)
        return err_set(e, ERR_FORMAT, "tokenizer: %zu tokens, expected at most %zu, the rows of %s",
                       v->n, n, embedding->name);
    for (size_t i = 0; tokens && types && i < n; i++) {
        char text[32];
        if (i < v->n) {
            tokens[i] = v->tokens[i];
            types[i] = v->types[i];
            continue;
        }
        int length = snprintf(text, sizeof text, "[PAD%zu]", i);
        tokens[i] = span_of(arena_strndup(a, text, (size_t)length), (size_t)length);
        types[i] = TOKEN_UNUSED;
        if (!tokens[i].p)
            tokens = NULL;
    }
    if (!tokens || !types)
        return err_set(e, ERR_NOMEM, "tokenizer: no memory for %zu tokens", n);
    v->n = n;
    v->tokens = tokens;
    v->types = types;
    return 0;
}

static void put_id(struct gguf_writer *w, const char *key, int32_t id)
{
    if (id >= 0)
        gguf_put_u32(w, key, (uint32_t)id);
}

static void put_vocabulary(struct gguf_writer *w, const struct vocab *v)
{
    gguf_put_string(w, "tokenizer.ggml.model", span_str("gpt2"));
    gguf_put_string(w, "tokenizer.ggml.pre", span_str(v->pre));
    gguf_put_strings(w, "tokenizer.ggml.tokens", v->tokens, v->n);
    gguf_put_array(w, "tokenizer.ggml.token_type", GGUF_I32, v->types, v->n);
    gguf_put_strings(w, "tokenizer.ggml.merges", v->merges, v->n_merges);
    put_id(w, "tokenizer.ggml.bos_token_id", v->bos);
    put_id(w, "tokenizer.ggml.eos_token_id", v->eos);
    put_id(w, "tokenizer.ggml.unknown_token_id", v->unk);
    gguf_put_bool(w, "tokenizer.ggml.add_bos_token", v->add_bos);
    gguf_put_bool(w, "tokenizer.ggml.add_eos_token", v->add_eos);
}

/* The folder's file; absent: 0 and nothing. */
static int read_file(const char *folder, const char *name, struct buf *out, struct err *e)
{
    struct buf path;
    buf_init(&path, PATH_MAX_BYTES);
    buf_printf(&path, "%s/%s", folder, name);
    int code = buf_check(&path, "path", e);
    if (!code)
        code = file_read_regular(buf_cstr(&path), out, e);
    buf_release(&path);
    return code == ERR_NOTFOUND ? 0 : code;
}

/* chat_template.jinja, else the one for conversations in tokenizer_config.json. */
static int put_template(const char *folder, struct gguf_writer *w, struct err *e)
{
    static const char key[] = "tokenizer.chat_template";
    struct buf text;
    struct json *doc = NULL;
    struct span source;
    buf_init(&text, CONFIG_MAX);
    int code = read_file(folder, "chat_template.jinja", &text, e);
    if (!code && text.n) {
        gguf_put_string(w, key, buf_view(&text));
        goto done;
    }
    if (!code)
        code = read_file(folder, "tokenizer_config.json", &text, e);
    if (!code && text.n)
        code = json_parse_object(&doc, buf_view(&text), CONFIG_MAX, "tokenizer_config.json", e);
    if (!code && doc && template_pick(json_get(doc, "chat_template"), false, &source, NULL) == 0)
        gguf_put_string(w, key, source);
    json_close(&doc);
done:
    buf_release(&text);
    return code;
}

int export_put_vocabulary(const struct model_export *x, struct gguf_writer *w, struct err *e)
{
    struct model_text *text = NULL;
    struct arena arena;
    struct vocab v;
    struct err why;
    arena_init(&arena, VOCABULARY_MAX);
    int code = model_text_open(&text, weights_path(x->file), e);
    if (code)
        goto done;
    const struct tokenizer *t = model_text_tokenizer(text);
    int form = t ? tokenizer_vocabulary(t, &arena, &v, &why) : 0;
    if (t && form == ERR_UNSUPPORTED)
        log_warning("'%s': %s: the file is without, it computes logits of ids, not of text",
                    weights_path(x->file), why.text);
    else if (form)
        code = err_set(e, form, "%s", why.text);
    if (!t || form) {
        gguf_put_string(w, "tokenizer.ggml.model", span_str("none"));
        goto done;
    }
    code = pad(&x->tensors[0], &arena, &v, e);
    if (!code)
        put_vocabulary(w, &v);
    if (!code)
        code = put_template(weights_folder(x->file), w, e);
done:
    model_text_close(&text);
    arena_release(&arena);
    return code;
}
