/* SPDX-License-Identifier: MIT */
/* A model's tokenizer, chat template, end tokens and sampling defaults, without its weights: from
 * the metadata of a GGUF file here, from a folder in text_folder.c. Key names: ggml docs/gguf.md;
 * general.sampling.*, eot and eom: gguf-py's constants. */
#include "model/text_parts.h"

#include "model/parts.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { ENTRIES_MAX = 65536 /* of one folder */ };

/* ---- what both kinds share ---- */

int text_add_template(struct model_text *t, struct span source, const char *where, bool for_tools,
                      struct err *e)
{
    struct template **slot = for_tools ? &t->tool_template : &t->template;
    struct err trouble = {""};
    int code = template_open(slot, source, &trouble);
    if (code == ERR_NOMEM)
        return err_set(e, code, "%s", trouble.text);
    /* Without tool template the other one serves: only its absence is worth a word. */
    if (code && !for_tools)
        err_set(&t->template_error, code, "%s: %s", where, trouble.text);
    return 0;
}

bool text_add_end(struct model_text *t, int64_t id)
{
    if (id < 0 || id > INT32_MAX || t->n_ends == TEXT_ENDS_MAX)
        return false;
    t->ends[t->n_ends++] = (int32_t)id;
    return true;
}

void text_take_sampling(float *out, double value, double min, double max, const char *where,
                        const char *key)
{
    if (value >= min && value <= max)
        *out = (float)value;
    else
        log_warning("%s: %s: %g, expected %g to %g: passed over", where, key, value, min, max);
}

/* ---- GGUF ---- */

static int open_tokenizer(struct model_text *t, const struct gguf *file, struct err *e)
{
    struct vocab v;
    bool there = false;
    if (!gguf_has(file, "tokenizer.ggml.model"))
        return err_set(e, ERR_FORMAT,
                       "key 'tokenizer.ggml.model': is missing, a vocabulary needs it");
    int code = vocabulary_read(file, &t->arena, &v, &there, e);
    if (!code && there)
        code = tokenizer_open(&t->tokenizer, &v, e);
    return code;
}

/* A named list of templates has its default under the plain key and the others behind it. */
static int read_templates(struct model_text *t, const struct gguf *file, struct err *e)
{
    static const char *const keys[] = {"tokenizer.chat_template",
                                       "tokenizer.chat_template.tool_use"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct span source;
        char where[64];
        snprintf(where, sizeof where, "key '%s'", keys[i]);
        int code = gguf_string(file, keys[i], &source, e);
        if (!code)
            code = text_add_template(t, source, where, i > 0, e);
        if (code && code != ERR_NOTFOUND)
            return code;
    }
    return 0;
}

/* What ends a turn or a message, where that is not EOS. */
static int read_ends(struct model_text *t, const struct gguf *file, struct err *e)
{
    static const char *const keys[] = {"tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        uint64_t id;
        int code = gguf_u64(file, keys[i], 0, UINT32_MAX, &id, e);
        if (code && code != ERR_NOTFOUND)
            return code;
        if (!code)
            text_add_end(t, (int64_t)id); /* UINT32_MAX stands for "none" in old files */
    }
    return 0;
}

/* A bad one is no reason to refuse a model that works. */
static void read_sampling(struct model_text *t, const struct gguf *file)
{
    struct model_sampling *s = &t->sampling;
    const struct {
        const char *key;
        float *out;
        double min, max;
    } reals[] = {
        {"general.sampling.temp", &s->temperature, 0, 100},
        {"general.sampling.top_p", &s->top_p, 0, 1},
        {"general.sampling.min_p", &s->min_p, 0, 1},
        {"general.sampling.penalty_repeat", &s->repetition_penalty, 0.01, 10},
    };
    struct err bad = {""};
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        double v;
        int code = gguf_f64(file, reals[i].key, &v, &bad);
        if (!code)
            text_take_sampling(reals[i].out, v, reals[i].min, reals[i].max, "GGUF", reals[i].key);
        else if (code != ERR_NOTFOUND)
            log_warning("%s: passed over", bad.text);
    }
    uint64_t k;
    int code = gguf_u64(file, "general.sampling.top_k", 0, 1000000, &k, &bad);
    if (!code)
        s->top_k = (int32_t)k;
    else if (code != ERR_NOTFOUND)
        log_warning("%s: passed over", bad.text);
}

static int open_gguf(struct model_text *t, const struct gguf *file, struct err *e)
{
    arena_init(&t->arena, (size_t)gguf_file_bytes(file) + (1 << 16)); /* 8 bytes a token */
    int code = open_tokenizer(t, file, e);
    if (!code)
        code = read_templates(t, file, e);
    if (!code)
        code = read_ends(t, file, e);
    if (!code)
        read_sampling(t, file);
    return code;
}

/* ---- either ---- */

/* What a folder has: its weights' kind decides where its text lies, since a GGUF file brings its
 * own. */
struct folder_look {
    bool safetensors, gguf;
};

static int look_into(const char *folder, struct folder_look *out, struct err *e)
{
    DIR *d = opendir(folder);
    if (!d)
        return err_errno(e, errno, "cannot load '%s'", folder);
    *out = (struct folder_look){false, false};
    size_t n = 0;
    for (struct dirent *entry; (entry = readdir(d)) && n < ENTRIES_MAX; n++) {
        out->safetensors |= str_ends_with(entry->d_name, ".safetensors");
        out->gguf |= str_ends_with(entry->d_name, ".gguf");
    }
    closedir(d);
    return 0;
}

static int open_path(struct model_text *t, const char *path, struct err *e)
{
    struct stat st;
    struct folder_look look = {.gguf = true};
    struct buf folder;
    buf_init(&folder, 1 << 16);
    bool is_folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    if (is_folder) {
        int code = look_into(path, &look, e);
        if (code)
            return code;
        buf_str(&folder, path);
    } else if (str_ends_with(path, ".safetensors") ||
               str_ends_with(path, ".safetensors.index.json")) {
        const char *slash = strrchr(path, '/');
        look = (struct folder_look){.safetensors = true};
        buf_put(&folder, path, slash ? (size_t)(slash - path) : 0);
        buf_str(&folder, slash == path ? "/" : slash ? "" : ".");
    }
    int code = buf_check(&folder, "path", e);
    if (!code && look.gguf && !look.safetensors) {
        code = weights_open(&t->file, path, e);
        if (code)
            goto done; /* names the path itself */
        code = open_gguf(t, weights_gguf(t->file), e);
    } else if (!code) {
        code = text_open_folder(t, buf_cstr(&folder), look.safetensors, e);
    }
    if (code)
        err_wrap(e, code, "cannot load '%s'", path);
done:
    buf_release(&folder);
    return code;
}

int model_text_open(struct model_text **out, const char *path, struct err *e)
{
    struct model_text *t = calloc(1, sizeof *t);
    if (!t)
        return err_set(e, ERR_NOMEM, "cannot load '%s': no memory", path);
    t->sampling = (struct model_sampling){-1, -1, -1, -1, -1};
    int code = open_path(t, path, e);
    if (!code) {
        *out = t;
        t = NULL;
    }
    model_text_close(&t);
    return code;
}

void model_text_close(struct model_text **p)
{
    struct model_text *t = *p;
    if (!t)
        return;
    template_close(&t->template);
    template_close(&t->tool_template);
    tokenizer_close(&t->tokenizer);
    arena_release(&t->arena);
    weights_close(&t->file);
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

const struct template *model_text_tool_template(const struct model_text *t)
{
    return t->tool_template ? t->tool_template : t->template;
}

const char *model_text_template_error(const struct model_text *t)
{
    return t->template_error.text[0] ? t->template_error.text : NULL;
}

bool model_text_is_end(const struct model_text *t, int32_t id)
{
    for (size_t i = 0; i < t->n_ends; i++)
        if (t->ends[i] == id)
            return true;
    return t->tokenizer && tokenizer_is_end(t->tokenizer, id);
}

void model_text_sampling(const struct model_text *t, struct model_sampling *out)
{
    *out = t->sampling;
}
