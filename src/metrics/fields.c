/* SPDX-License-Identifier: MIT */
/* fields: members of a JSON object that a metrics file has, with their types checked. */
#include "metrics/fields.h"

int field_wrong_type(const char *what, const char *key, const struct json *v, const char *expected,
                     struct err *e)
{
    return err_set(e, ERR_FORMAT, "%s: %s: %s, expected %s", what, key,
                   json_type_name(json_type_of(v)), expected);
}

int field_number(double *out, const struct json *object, const char *what, const char *key,
                 struct err *e)
{
    const struct json *v = json_get(object, key);
    if (json_type_of(v) == JSON_NULL)
        return 0;
    if (!json_is_number(v))
        return field_wrong_type(what, key, v, "a number", e);
    *out = json_number(v);
    return 0;
}

int field_count(uint64_t *out, const struct json *object, const char *what, const char *key,
                struct err *e)
{
    const struct json *v = json_get(object, key);
    if (json_type_of(v) == JSON_NULL)
        return 0;
    if (json_type_of(v) != JSON_INT)
        return field_wrong_type(what, key, v, "an integer", e);
    if (json_int(v) < 0)
        return err_set(e, ERR_RANGE, "%s: %s: %lld, expected 0 or more", what, key,
                       (long long)json_int(v));
    *out = (uint64_t)json_int(v);
    return 0;
}

void field_copy(char *out, size_t size, struct span s)
{
    size_t n = s.n < size - 1 ? s.n : size - 1;
    if (n < s.n)
        n -= utf8_incomplete_tail(span_sub(s, 0, n));
    if (n > 0)
        memcpy(out, s.p, n);
    out[n] = '\0';
}

int field_text(char *out, size_t size, const struct json *object, const char *what, const char *key,
               struct err *e)
{
    const struct json *v = json_get(object, key);
    if (json_type_of(v) == JSON_NULL)
        return 0;
    if (json_type_of(v) != JSON_STRING)
        return field_wrong_type(what, key, v, "a string", e);
    field_copy(out, size, json_string(v));
    return 0;
}
