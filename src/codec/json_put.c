/* SPDX-License-Identifier: MIT */
/* json_put: members of an object, key and value in one call, by json_write.c. */
#include "codec/json_write.h"

void json_put_object(struct json_writer *w, const char *key)
{
    json_write_key(w, key);
    json_write_object(w);
}

void json_put_array(struct json_writer *w, const char *key)
{
    json_write_key(w, key);
    json_write_array(w);
}

void json_put_span(struct json_writer *w, const char *key, struct span utf8)
{
    json_write_key(w, key);
    json_write_span(w, utf8);
}

void json_put_str(struct json_writer *w, const char *key, const char *s)
{
    json_write_key(w, key);
    json_write_str(w, s);
}

void json_put_text(struct json_writer *w, const char *key, const char *s)
{
    json_put_str(w, key, s && s[0] ? s : NULL);
}

void json_put_int(struct json_writer *w, const char *key, int64_t v)
{
    json_write_key(w, key);
    json_write_int(w, v);
}

void json_put_u64(struct json_writer *w, const char *key, uint64_t v)
{
    json_write_key(w, key);
    json_write_u64(w, v);
}

void json_put_f64(struct json_writer *w, const char *key, double v)
{
    json_write_key(w, key);
    json_write_f64(w, v);
}

void json_put_fixed(struct json_writer *w, const char *key, double v, int decimals)
{
    json_write_key(w, key);
    json_write_fixed(w, v, decimals);
}

void json_put_bool(struct json_writer *w, const char *key, bool v)
{
    json_write_key(w, key);
    json_write_bool(w, v);
}

void json_put_null(struct json_writer *w, const char *key)
{
    json_write_key(w, key);
    json_write_null(w);
}

void json_put_value(struct json_writer *w, const char *key, const struct json *v)
{
    json_write_key(w, key);
    json_write_value(w, v);
}

void json_put_raw(struct json_writer *w, const char *key, struct span json)
{
    json_write_key(w, key);
    json_write_raw(w, json);
}
