/* SPDX-License-Identifier: MIT */
/* The post-processors of tokenizer.json: what stands before and behind the ids of a text. */
#include "text/tokenizer_json_parts.h"

/* Puts n ids around what is there already: before it, or behind it. */
static int surround(struct pipeline *p, const int32_t *ids, size_t n, bool before, struct err *e)
{
    int32_t *to = before ? p->prefix : p->suffix;
    size_t *count = before ? &p->n_prefix : &p->n_suffix;
    if (n > AFFIX_MAX - *count)
        return err_set(e, ERR_LIMIT, "more than %d special tokens", AFFIX_MAX);
    if (before)
        memmove(to + n, to, *count * sizeof(*to));
    memcpy(before ? to : to + *count, ids, n * sizeof(*ids));
    *count += n;
    return 0;
}

static int get_id(const struct pipeline *p, const struct json *v, int32_t *out, struct err *e)
{
    int64_t id = json_int(v);
    if (json_type_of(v) != JSON_INT || id < 0 || (uint64_t)id >= p->n)
        return err_set(e, ERR_FORMAT, "ids: %s %lld, expected an id below %zu",
                       json_type_name(json_type_of(v)), (long long)id, p->n);
    *out = (int32_t)id;
    return 0;
}

/* The ids of a template's special token. */
static int template_ids(const struct pipeline *p, const struct json *v, struct span name,
                        int32_t ids[AFFIX_MAX], size_t *n, struct err *e)
{
    char key[256];
    if (name.n >= sizeof(key))
        return err_set(e, ERR_LIMIT, "special token '%.*s' is too long", SPAN_FMT(name));
    span_copy(key, name);
    key[name.n] = '\0';
    const struct json *list = json_get(json_get(json_get(v, "special_tokens"), key), "ids");
    if (json_type_of(list) != JSON_ARRAY)
        return err_set(e, ERR_FORMAT, "special_tokens: '%.*s': missing, expected its ids",
                       SPAN_FMT(name));
    for (size_t i = 0; i < json_size(list); i++) {
        if (*n == AFFIX_MAX)
            return err_set(e, ERR_LIMIT, "more than %d special tokens", AFFIX_MAX);
        int rc = get_id(p, json_at(list, i), &ids[*n], e);
        if (rc)
            return rc;
        ++*n;
    }
    return 0;
}

static int read_template(struct pipeline *p, const struct json *v, struct err *e)
{
    const struct json *single = json_get(v, "single");
    int32_t ids[AFFIX_MAX];
    size_t n = 0;
    int texts = 0;
    int rc = 0;
    if (json_type_of(single) != JSON_ARRAY)
        return err_set(e, ERR_FORMAT, "single: %s, expected an array",
                       json_type_name(json_type_of(single)));
    for (size_t i = 0; i < json_size(single) && !rc; i++) {
        const struct json *piece = json_at(single, i);
        const struct json *special = json_get(piece, "SpecialToken");
        if (special) {
            rc = template_ids(p, v, json_string(json_get(special, "id")), ids, &n, e);
        } else if (json_get(piece, "Sequence")) {
            rc = surround(p, ids, n, true, e);
            n = 0;
            texts++;
        } else {
            rc =
                err_set(e, ERR_FORMAT, "single: element %zu: expected SpecialToken or Sequence", i);
        }
    }
    if (!rc && texts != 1)
        rc =
            err_set(e, ERR_UNSUPPORTED, "single: the text is there %d times, expected once", texts);
    return rc ? rc : surround(p, ids, n, false, e);
}

/* "cls": ["<s>", 0] in front, "sep": ["</s>", 2] behind */
static int read_cls_sep(struct pipeline *p, const struct json *v, struct err *e)
{
    int32_t cls;
    int32_t sep;
    int rc = get_id(p, json_at(json_get(v, "cls"), 1), &cls, e);
    if (!rc)
        rc = get_id(p, json_at(json_get(v, "sep"), 1), &sep, e);
    if (!rc)
        rc = surround(p, &cls, 1, true, e);
    return rc ? rc : surround(p, &sep, 1, false, e);
}

/* It moves offsets only. */
static int read_nothing(struct pipeline *p, const struct json *v, struct err *e)
{
    (void)p;
    (void)v;
    (void)e;
    return 0;
}

int read_post_processor(struct pipeline *p, const struct json *v, struct err *e)
{
    static const struct part_kind kinds[] = {
        {"TemplateProcessing", read_template},
        {"ByteLevel", read_nothing},
        {"RobertaProcessing", read_cls_sep},
        {"BertProcessing", read_cls_sep},
    };
    return read_part(p, v, "post_processor", "processors", kinds, sizeof(kinds) / sizeof(*kinds),
                     e);
}
