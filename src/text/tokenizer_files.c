/* SPDX-License-Identifier: MIT */
/* Opens a tokenizer from the files of a Hugging Face folder. */
#include "text/pipeline.h"
#include "text/sentencepiece.h"
#include "text/tokenizer_parts.h"

#include <stdlib.h>

enum { CONFIG_MAX = 8 << 20, JSON_MAX = 512 << 20 };

static int parse(struct json **out, struct span text, const char *what, struct err *e)
{
    if (text.n == 0)
        return 0;
    int rc = json_parse_nul(out, text, CONFIG_MAX, what, e);
    if (!rc && json_type_of(*out) != JSON_OBJECT)
        rc = err_set(e, ERR_FORMAT, "%s: %s, expected an object", what,
                     json_type_name(json_type_of(*out)));
    return rc;
}

/* A special token's text: a string, or an object with content. Empty: none. */
static struct span special(const struct json *config, const char *key)
{
    const struct json *v = json_get(config, key);
    return json_string(json_type_of(v) == JSON_OBJECT ? json_get(v, "content") : v);
}

static int32_t special_id(const struct pipeline *p, const struct json *config,
                          const struct json *map, const char *key)
{
    struct span text = special(config, key);
    if (!text.n)
        text = special(map, key);
    return text.n ? pipeline_find(p, text) : -1;
}

static void configure(struct tokenizer *t, const struct json *config, const struct json *map)
{
    struct pipeline *p = t->pipeline;
    t->v.bos = special_id(p, config, map, "bos_token");
    t->v.eos = special_id(p, config, map, "eos_token");
    t->v.unk = special_id(p, config, map, "unk_token");
}

static int open_pipeline(struct pipeline **out, const struct tokenizer_files *f, struct err *e)
{
    struct buf json;
    if (f->tokenizer_json.n)
        return pipeline_from_json(out, f->tokenizer_json, e);
    buf_init(&json, JSON_MAX);
    int rc = 0;
    if (f->sentencepiece.n)
        rc = sentencepiece_json(f, (struct span){NULL, 0}, &json, e);
    else
        rc = err_set(e, ERR_NOTFOUND,
                     "tokenizer: no tokenizer.json, tokenizer.model, or vocab.json and merges.txt");
    if (!rc)
        rc = pipeline_from_json(out, buf_view(&json), e);
    buf_release(&json);
    return rc;
}

int tokenizer_open_files(struct tokenizer **out, const struct tokenizer_files *f, struct err *e)
{
    struct json *config = NULL;
    struct json *map = NULL;
    struct tokenizer *t = calloc(1, sizeof(*t));
    int rc = t ? 0 : err_set(e, ERR_NOMEM, "tokenizer: no memory");
    if (!rc)
        rc = parse(&config, f->tokenizer_config, "tokenizer_config.json", e);
    if (!rc)
        rc = parse(&map, f->special_tokens_map, "special_tokens_map.json", e);
    if (!rc)
        rc = open_pipeline(&t->pipeline, f, e);
    if (!rc) {
        t->v.n = t->pipeline->n;
        t->v.tokens = t->pipeline->tokens;
        t->v.types = t->pipeline->types;
        configure(t, config, map);
        *out = t;
        t = NULL;
    }
    json_close(&config);
    json_close(&map);
    tokenizer_close(&t);
    return rc;
}
