/* SPDX-License-Identifier: MIT */
/* What the kinds of parts of tokenizer.json have in common: a part by its type, sequences, which
 * are laid out as one row, and members. What is not supported is refused by its name. */
#include "text/tokenizer_json_parts.h"

enum { SEQUENCE_DEPTH_MAX = 8 };

static int read_one(struct pipeline *p, const struct json *v, const char *what, const char *members,
                    const struct part_kind *kinds, size_t n, int depth, struct err *e)
{
    struct span type = json_string(json_get(v, "type"));
    if (json_type_of(v) == JSON_NULL)
        return 0;
    if (json_type_of(v) != JSON_OBJECT || !type.n)
        return err_set(e, ERR_FORMAT, "%s: %s, expected an object with a type", what,
                       json_type_name(json_type_of(v)));
    if (span_is(type, "Sequence")) {
        const struct json *list = json_get(v, members);
        int rc = 0;
        if (depth == SEQUENCE_DEPTH_MAX)
            return err_set(e, ERR_LIMIT, "%s: sequences are nested too deep", what);
        if (json_type_of(list) != JSON_ARRAY)
            return err_set(e, ERR_FORMAT, "%s: %s: %s, expected an array", what, members,
                           json_type_name(json_type_of(list)));
        for (size_t i = 0; i < json_size(list) && !rc; i++)
            rc = read_one(p, json_at(list, i), what, members, kinds, n, depth + 1, e);
        return rc;
    }
    for (size_t i = 0; i < n; i++)
        if (span_is(type, kinds[i].name)) {
            int rc = kinds[i].read(p, v, e);
            return rc ? err_wrap(e, rc, "%s: %s", what, kinds[i].name) : 0;
        }
    struct buf names;
    buf_init(&names, 1024);
    for (size_t i = 0; i < n; i++)
        buf_printf(&names, "%s, ", kinds[i].name);
    int rc = err_set(e, ERR_UNSUPPORTED, "%s: '%.*s' is not supported, expected one of %sSequence",
                     what, SPAN_FMT(type), buf_cstr(&names));
    buf_release(&names);
    return rc;
}

int read_part(struct pipeline *p, const struct json *v, const char *what, const char *members,
              const struct part_kind *kinds, size_t n, struct err *e)
{
    return read_one(p, v, what, members, kinds, n, 0, e);
}

/* ---- members ---- */

int part_flag(const struct json *v, const char *key, bool otherwise, bool *out, struct err *e)
{
    const struct json *f = json_get(v, key);
    *out = otherwise;
    if (json_type_of(f) == JSON_NULL)
        return 0;
    if (json_type_of(f) != JSON_BOOL)
        return err_set(e, ERR_FORMAT, "%s: %s, expected true or false", key,
                       json_type_name(json_type_of(f)));
    *out = json_bool(f);
    return 0;
}

int part_text(const struct json *v, const char *key, struct span *out, struct err *e)
{
    const struct json *s = json_get(v, key);
    if (json_type_of(s) != JSON_STRING)
        return err_set(e, ERR_FORMAT, "%s: %s, expected a string", key,
                       json_type_name(json_type_of(s)));
    *out = json_string(s);
    return 0;
}

int part_character(const struct json *v, const char *key, struct span *out, struct err *e)
{
    int rc = part_text(v, key, out, e);
    if (!rc && utf8_length(*out) != 1)
        rc = err_set(e, ERR_FORMAT, "%s: '%.*s', expected one character", key, SPAN_FMT(*out));
    return rc;
}

/* {"String": …} or {"Regex": …} */
int part_pattern(const struct json *v, struct pattern *out, struct err *e)
{
    const struct json *pattern = json_get(v, "pattern");
    struct span text;
    if (json_type_of(json_get(pattern, "Regex")) == JSON_STRING)
        return regex_open(&out->regex, json_string(json_get(pattern, "Regex")), "pattern", e);
    if (json_type_of(json_get(pattern, "String")) != JSON_STRING)
        return err_set(e, ERR_FORMAT, "pattern: %s, expected an object with String or Regex",
                       json_type_name(json_type_of(pattern)));
    text = json_string(json_get(pattern, "String"));
    if (!text.n)
        return err_set(e, ERR_FORMAT, "pattern: empty");
    out->text = text;
    return 0;
}

/* When Metaspace puts a blank in front; add_prefix_space is the older way to say it. */
int part_scheme(const struct json *v, enum prefix_when *out, struct err *e)
{
    struct span scheme = span_str("always");
    bool old;
    int rc = 0;
    if (json_type_of(json_get(v, "prepend_scheme")) != JSON_NULL)
        rc = part_text(v, "prepend_scheme", &scheme, e);
    if (!rc)
        rc = part_flag(v, "add_prefix_space", true, &old, e);
    if (rc)
        return rc;
    *out = span_is(scheme, "never") || !old ? PREFIX_NEVER
           : span_is(scheme, "first")       ? PREFIX_FIRST
                                            : PREFIX_ALWAYS;
    if (!span_is(scheme, "never") && !span_is(scheme, "first") && !span_is(scheme, "always"))
        return err_set(e, ERR_FORMAT, "prepend_scheme: '%.*s', expected always, first or never",
                       SPAN_FMT(scheme));
    return 0;
}
