/* SPDX-License-Identifier: MIT */
/* Tokenizer, chat template and generation settings of a folder in Hugging Face layout. Which file
 * counts, and in what order: transformers' PreTrainedTokenizerBase.from_pretrained and
 * GenerationConfig.from_pretrained. Every file is optional but those that make a tokenizer. */
#include "model/text_parts.h"

#include "codec/codec.h"
#include "weights/weights.h"

#include <stdio.h>

enum {
    PATH_MAX_BYTES = 1 << 16,
    /* Published tokenizer.json have up to 33 MB (Gemma 3), the others up to 5 MB. */
    VOCABULARY_MAX = 96 << 20,
    CONFIG_MAX = 8 << 20,
    TEMPLATE_MAX = 1 << 20, /* what template_open takes */
};

/* A file of the folder, mapped. Absent: 0 and no bytes. An empty one is a download that failed: as
 * if it were absent it would give other tokens, without a word. */
static int map_file(struct file_map *m, const char *folder, const char *name, size_t max_bytes,
                    struct err *e)
{
    struct buf path;
    buf_init(&path, PATH_MAX_BYTES);
    buf_printf(&path, "%s/%s", folder, name);
    int code = buf_check(&path, "path", e);
    *m = (struct file_map){{NULL, 0}};
    if (!code)
        code = file_map(m, buf_cstr(&path), e);
    if (!code && m->bytes.n == 0)
        code = err_set(e, ERR_FORMAT, "%s: the file is empty: download it again", name);
    if (!code && m->bytes.n > max_bytes) {
        code = err_set(e, ERR_LIMIT, "%s: %zu bytes, expected at most %zu", name, m->bytes.n,
                       max_bytes);
        file_unmap(m);
    }
    if (!code && (code = weights_refuse_stand_in(m->bytes, name, e)) != 0)
        file_unmap(m);
    buf_release(&path);
    return code == ERR_NOTFOUND ? 0 : code;
}

/* A JSON object of the folder; *out is NULL when there is none. */
static int read_json(struct json **out, const char *folder, const char *name, struct err *e)
{
    struct file_map m;
    int code = map_file(&m, folder, name, CONFIG_MAX, e);
    *out = NULL;
    if (code || !m.bytes.p)
        return code;
    code = json_parse_object(out, m.bytes, CONFIG_MAX, name, e);
    if (code)
        json_close(out);
    file_unmap(&m);
    return code;
}

/* ---- the tokenizer ---- */

static int open_tokenizer(struct model_text *t, const char *folder, bool has_weights, struct err *e)
{
    enum { N = 7 };
    struct tokenizer_files f = {.tokenizer_json = {NULL, 0}};
    const struct {
        const char *name;
        struct span *out;
        size_t max;
    } wanted[N] = {
        {"tokenizer.json", &f.tokenizer_json, VOCABULARY_MAX},
        {"tokenizer.model", &f.sentencepiece, VOCABULARY_MAX},
        {"vocab.json", &f.vocab_json, VOCABULARY_MAX},
        {"merges.txt", &f.merges_txt, VOCABULARY_MAX},
        {"tokenizer_config.json", &f.tokenizer_config, CONFIG_MAX},
        {"special_tokens_map.json", &f.special_tokens_map, CONFIG_MAX},
        {"added_tokens.json", &f.added_tokens, CONFIG_MAX},
    };
    struct file_map maps[N];
    struct json *config = NULL;
    int code = 0;
    size_t n = 0;
    for (; !code && n < N; n++) {
        code = map_file(&maps[n], folder, wanted[n].name, wanted[n].max, e);
        *wanted[n].out = maps[n].bytes;
    }
    bool there = f.tokenizer_json.p || f.sentencepiece.p || (f.vocab_json.p && f.merges_txt.p);
    /* Which class of transformers reads a tokenizer.model hangs on it. */
    if (!code && there && !f.tokenizer_json.p && f.sentencepiece.p)
        code = read_json(&config, folder, "config.json", e);
    f.model_type = json_string(json_get(config, "model_type"));
    if (!code && there)
        code = tokenizer_open_files(&t->tokenizer, &f, e);
    else if (!code && !has_weights)
        code = err_set(e, ERR_NOTFOUND,
                       "no tokenizer there, expected tokenizer.json, tokenizer.model, or "
                       "vocab.json with merges.txt");
    json_close(&config);
    while (n-- > 0)
        file_unmap(&maps[n]);
    return code;
}

/* ---- the chat template ---- */

/* *found: there is such a file. */
static int template_from_file(struct model_text *t, const char *folder, const char *name,
                              bool for_tools, bool *found, struct err *e)
{
    struct file_map m;
    int code = map_file(&m, folder, name, TEMPLATE_MAX, e);
    *found = !code && m.bytes.p;
    if (*found)
        code = text_add_template(t, m.bytes, name, for_tools, e);
    file_unmap(&m);
    return code;
}

/* "chat_template" of a JSON file: one text, or a list of named ones. */
static int template_from_json(struct model_text *t, const char *folder, const char *name,
                              bool *found, struct err *e)
{
    struct json *doc = NULL;
    struct err trouble = {""};
    struct span source;
    char where[64];
    int code = read_json(&doc, folder, name, e);
    const struct json *v = json_get(doc, "chat_template");
    *found = json_type_of(v) != JSON_NULL;
    snprintf(where, sizeof where, "%s: chat_template", name);
    if (*found && template_pick(v, false, &source, &trouble) == 0)
        code = text_add_template(t, source, where, false, e);
    else if (*found)
        err_set(&t->template_error, ERR_FORMAT, "%s: %s", name, trouble.text);
    if (!code && *found && json_type_of(v) != JSON_STRING &&
        template_pick(v, true, &source, &trouble) == 0)
        code = text_add_template(t, source, where, true, e);
    json_close(&doc);
    return code;
}

/* The first of these that is there counts, as in transformers. */
static int read_templates(struct model_text *t, const char *folder, struct err *e)
{
    bool found = false, more;
    int code = template_from_file(t, folder, "chat_template.jinja", false, &found, e);
    if (!code && found)
        return template_from_file(t, folder, "additional_chat_templates/tool_use.jinja", true,
                                  &more, e);
    if (!code)
        code = template_from_json(t, folder, "chat_template.json", &found, e);
    if (!code && !found)
        code = template_from_json(t, folder, "tokenizer_config.json", &found, e);
    return code;
}

/* ---- how its publisher generates ---- */

static void take_ends(struct model_text *t, const struct json *v, const char *where)
{
    size_t n = json_type_of(v) == JSON_ARRAY ? json_size(v) : json_type_of(v) != JSON_NULL;
    size_t n_bad = 0;
    for (size_t i = 0; i < n; i++) {
        const struct json *id = json_type_of(v) == JSON_ARRAY ? json_at(v, i) : v;
        if (json_type_of(id) != JSON_INT || !text_add_end(t, json_int(id)))
            n_bad++;
    }
    if (n_bad)
        log_warning("%s: eos_token_id: %zu of %zu passed over, expected up to %d token ids", where,
                    n_bad, n, (int)TEXT_ENDS_MAX);
}

static void warn_type(const struct json *v, const char *where, const char *key)
{
    if (json_type_of(v) != JSON_NULL)
        log_warning("%s: %s: %s, expected a number: passed over", where, key,
                    json_type_name(json_type_of(v)));
}

static void take_sampling(struct model_text *t, const struct json *doc, const char *where)
{
    struct model_sampling *s = &t->sampling;
    const struct {
        const char *key;
        float *out;
        double min, max;
    } reals[] = {
        {"temperature", &s->temperature, 0, 100},
        {"top_p", &s->top_p, 0, 1},
        {"min_p", &s->min_p, 0, 1},
        {"repetition_penalty", &s->repetition_penalty, 0.01, 10},
    };
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        const struct json *v = json_get(doc, reals[i].key);
        if (json_is_number(v))
            text_take_sampling(reals[i].out, json_number(v), reals[i].min, reals[i].max, where,
                               reals[i].key);
        else
            warn_type(v, where, reals[i].key);
    }
    float k = -1;
    const struct json *top_k = json_get(doc, "top_k");
    if (json_type_of(top_k) == JSON_INT)
        text_take_sampling(&k, json_number(top_k), 0, 1000000, where, "top_k");
    else
        warn_type(top_k, where, "top_k");
    s->top_k = (int32_t)k;
    const struct json *samples = json_get(doc, "do_sample");
    if (json_type_of(samples) == JSON_BOOL && !json_bool(samples))
        s->temperature = 0;
}

/* config.json speaks for the end tokens alone: the sampling values that old ones hold are the
 * library's defaults of their time, not the publisher's word. */
static int read_generation(struct model_text *t, const char *folder, struct err *e)
{
    static const char *const names[] = {"generation_config.json", "config.json"};
    struct json *doc = NULL;
    int code = read_json(&doc, folder, names[0], e);
    const char *where = names[0];
    if (doc)
        take_sampling(t, doc, where);
    const struct json *ends = json_get(doc, "eos_token_id");
    if (!code && json_type_of(ends) == JSON_NULL) {
        json_close(&doc);
        where = names[1];
        code = read_json(&doc, folder, where, e);
        ends = json_get(doc, "eos_token_id");
        if (json_type_of(ends) == JSON_NULL)
            ends = json_get(json_get(doc, "text_config"), "eos_token_id");
    }
    take_ends(t, ends, where);
    json_close(&doc);
    return code;
}

int text_open_folder(struct model_text *t, const char *folder, bool has_weights, struct err *e)
{
    int code = open_tokenizer(t, folder, has_weights, e);
    if (!code)
        code = read_templates(t, folder, e);
    return code ? code : read_generation(t, folder, e);
}
