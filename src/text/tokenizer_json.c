/* SPDX-License-Identifier: MIT */
/* tokenizer.json, the format of Hugging Face's `tokenizers`. The file is walked, not parsed as a
 * whole: a tree of a vocabulary of 262,144 tokens would take a hundred times its place. */
#include "text/pipeline.h"
#include "text/tokenizer_parts.h"

#include <stdlib.h>

enum {
    PART_MAX = 8 << 20, /* bytes of each part but the model */
    LISTED_MAX = 1 << 20,
};

int pipeline_doc(struct pipeline *p, struct span json, const char *what, const struct json **out,
                 struct err *e)
{
    if (p->n_docs == PIPELINE_DOCS)
        return err_set(e, ERR_FORMAT, "%s: more parts than expected", what);
    int rc = json_parse_nul(&p->docs[p->n_docs], json, PART_MAX, what, e);
    if (!rc)
        *out = p->docs[p->n_docs++];
    return rc;
}

static int read_listed(const struct json *v, size_t i, struct listed_token *out, struct err *e)
{
    const struct json *content = json_get(v, "content");
    static const char *const flags[] = {"special", "normalized", "lstrip", "rstrip", "single_word"};
    bool *const to[] = {&out->special, &out->normalized, &out->lstrip, &out->rstrip,
                        &out->single_word};
    if (json_type_of(content) != JSON_STRING)
        return err_set(e, ERR_FORMAT, "added_tokens: token %zu: content: %s, expected a string", i,
                       json_type_name(json_type_of(content)));
    *out = (struct listed_token){.text = json_string(content)};
    for (size_t f = 0; f < sizeof(flags) / sizeof(*flags); f++) {
        const struct json *flag = json_get(v, flags[f]);
        if (flag && json_type_of(flag) != JSON_BOOL)
            return err_set(e, ERR_FORMAT, "added_tokens: token %zu: %s: %s, expected true or false",
                           i, flags[f], json_type_name(json_type_of(flag)));
        *to[f] = json_bool(flag);
    }
    return 0;
}

static int read_added(struct pipeline *p, const struct json *list, struct err *e)
{
    size_t n = json_size(list);
    if (list && json_type_of(list) != JSON_ARRAY && json_type_of(list) != JSON_NULL)
        return err_set(e, ERR_FORMAT, "added_tokens: %s, expected an array",
                       json_type_name(json_type_of(list)));
    if (n > LISTED_MAX)
        return err_set(e, ERR_LIMIT, "added_tokens: %zu tokens, expected at most %d", n,
                       LISTED_MAX);
    p->listed = calloc(n + 1, sizeof(*p->listed));
    p->listed_cap = n + 1;
    if (!p->listed)
        return err_set(e, ERR_NOMEM, "added_tokens: no memory for %zu", n);
    for (size_t i = 0; i < n; i++) {
        int rc = read_listed(json_at(list, i), i, &p->listed[p->n_listed], e);
        if (rc)
            return rc;
        p->n_listed += p->listed[p->n_listed].text.n > 0;
    }
    return 0;
}

enum part { PART_ADDED, PART_NORMALIZER, PART_PRE, PART_POST, PART_DECODER, PART_MODEL, PARTS };
static const char *const part_names[PARTS] = {
    "\"added_tokens\"",   "\"normalizer\"", "\"pre_tokenizer\"",
    "\"post_processor\"", "\"decoder\"",    "\"model\"",
};

static int find_parts(struct span json, struct span parts[PARTS], struct err *e)
{
    struct json_walk w;
    struct span key;
    struct span value;
    int got = json_walk_init(&w, json, JSON_OBJECT, "file", e);
    if (got)
        return got;
    while ((got = json_walk_next(&w, &key, &value, e)) > 0) {
        for (size_t i = 0; i < PARTS; i++) {
            if (!span_is(key, part_names[i]))
                continue;
            if (parts[i].n)
                return err_set(e, ERR_FORMAT, "%s is there twice", part_names[i]);
            parts[i] = value;
        }
    }
    if (!got && !parts[PART_MODEL].n)
        got = err_set(e, ERR_FORMAT, "model: missing");
    return got;
}

static int read_parts(struct pipeline *p, const struct span parts[PARTS], const struct settings *s,
                      struct err *e)
{
    int (*const readers[PARTS])(struct pipeline *, const struct json *, struct err *) = {
        read_added, read_normalizer, read_pre_tokenizer, read_post_processor, read_decoder, NULL};
    int rc = read_model(p, parts[PART_MODEL], e);
    const struct json *post = NULL;
    for (size_t i = 0; i < PARTS && !rc; i++) {
        const struct json *v = NULL;
        if (i == PART_MODEL)
            continue;
        if (parts[i].n)
            rc = pipeline_doc(p, parts[i], part_names[i], &v, e);
        if (i == PART_POST)
            post = v; /* it names tokens: they must be there first */
        else if (!rc)
            rc = readers[i](p, v, e);
    }
    if (!rc && s)
        rc = pipeline_settings(p, s, e);
    if (!rc)
        rc = pipeline_add_tokens(p, e);
    if (!rc)
        rc = read_post_processor(p, post, e);
    if (!rc)
        pipeline_ready(p);
    return rc;
}

int pipeline_from_json(struct pipeline **out, struct span json, const char *what,
                       const struct settings *s, struct err *e)
{
    struct span parts[PARTS] = {{NULL, 0}};
    struct pipeline *p = calloc(1, sizeof(*p));
    int rc = p ? 0 : err_set(e, ERR_NOMEM, "no memory");
    if (!rc)
        p->by_library = s != NULL;
    if (!rc)
        rc = find_parts(json, parts, e);
    if (!rc)
        rc = read_parts(p, parts, s, e);
    if (rc) {
        err_wrap(e, rc, "%s", what);
        pipeline_close(&p);
        return rc;
    }
    *out = p;
    return 0;
}
