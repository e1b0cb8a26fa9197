/* SPDX-License-Identifier: MIT */
/* Reading hyperparameters from either kind of file: see config.h. GGUF's key names: ggml
 * docs/gguf.md. */
#include "model/config.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEY_SIZE = 160 };

/* What GGUF calls it, without the prefix. Names that are not here are the same in both. */
static const struct config_alias common[] = {
    {"max_position_embeddings", NULL, "context_length"},
    {"hidden_size", NULL, "embedding_length"},
    {"num_hidden_layers", NULL, "block_count"},
    {"intermediate_size", NULL, "feed_forward_length"},
    {"num_attention_heads", NULL, "attention.head_count"},
    {"num_key_value_heads", NULL, "attention.head_count_kv"},
    {"head_dim", NULL, "attention.key_length"},
    {"rms_norm_eps", NULL, "attention.layer_norm_rms_epsilon"},
    {"layer_norm_eps", NULL, "attention.layer_norm_epsilon"},
    {"clip_qkv", NULL, "attention.clamp_kqv"},
    {"sliding_window", NULL, "attention.sliding_window"},
    {"alibi_bias_max", NULL, "attention.max_alibi_bias"},
    {"attention_multiplier", NULL, "attention.scale"},
    {"embedding_multiplier", NULL, "embedding_scale"},
    {"residual_multiplier", NULL, "residual_scale"},
    {"rope_theta", NULL, "rope.freq_base"},
    {"rotary_dim", NULL, "rope.dimension_count"},
    {"num_experts", NULL, "expert_count"},
    {"num_experts_per_tok", NULL, "expert_used_count"},
    {"moe_intermediate_size", NULL, "expert_feed_forward_length"},
    {"shared_expert_intermediate_size", NULL, "expert_shared_feed_forward_length"},
};

/* The value at a path with dots: NULL if there is no such member. */
static const struct json *json_at_path(const struct json *v, const char *path)
{
    char key[KEY_SIZE];
    snprintf(key, sizeof key, "%s", path);
    for (char *part = key, *dot; part && v; part = dot) {
        dot = strchr(part, '.');
        if (dot)
            *dot++ = 0;
        v = json_get(v, part);
    }
    return v;
}

/* key: without prefix. */
static bool has_key(const struct config *c, const char *key)
{
    char full[KEY_SIZE];
    if (!c->gguf)
        return json_at_path(c->json, key) != NULL;
    snprintf(full, sizeof full, "%s.%s", c->arch, key);
    return gguf_has(c->gguf, full);
}

/* What the file calls name, without prefix; if it has nothing of the kind, what it would. */
static const char *find_key(const struct config *c, const char *name)
{
    const char *first = NULL;
    for (const struct config_alias *a = c->aliases; a && a->name; a++) {
        const char *key = c->gguf ? a->gguf : a->hf;
        if (!key || strcmp(a->name, name) != 0)
            continue;
        if (has_key(c, key))
            return key;
        first = first ? first : key;
    }
    if (first && (c->gguf || !has_key(c, name)))
        return first;
    for (size_t i = 0; i < sizeof common / sizeof *common && c->gguf; i++)
        if (strcmp(common[i].name, name) == 0)
            return common[i].gguf;
    return name;
}

/* The key as the file spells it. */
static void full_key(const struct config *c, const char *name, char out[KEY_SIZE])
{
    if (c->gguf)
        snprintf(out, KEY_SIZE, "%s.%s", c->arch, find_key(c, name));
    else
        snprintf(out, KEY_SIZE, "%s", find_key(c, name));
}

/* The member, NULL if it is absent or null. */
static const struct json *find_member(const struct config *c, const char *name)
{
    const struct json *v = json_at_path(c->json, find_key(c, name));
    return json_type_of(v) == JSON_NULL ? NULL : v;
}

void config_fail(struct config *c, int code, const char *name, const char *fmt, ...)
{
    char key[KEY_SIZE], text[256];
    va_list args;
    if (c->code)
        return;
    full_key(c, name, key);
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    c->code = err_set(c->e, code, "%skey '%s': %s", c->gguf ? "" : "config.json: ", key, text);
}

static void missing(struct config *c, const char *name)
{
    config_fail(c, ERR_FORMAT, name, "is missing, a %s model needs it", c->arch);
}

/* ---- single values: true if it was there, and right ---- */

static bool json_whole(const struct json *v, int64_t *out)
{
    double d = json_number(v);
    *out = json_type_of(v) == JSON_INT ? json_int(v) : 0;
    if (json_type_of(v) != JSON_REAL)
        return json_type_of(v) == JSON_INT;
    if (d != floor(d) || fabs(d) > 9e15)
        return false;
    *out = (int64_t)d;
    return true;
}

static bool check_json_int(struct config *c, const char *name, const struct json *v, int32_t min,
                           int32_t max, int32_t *out)
{
    int64_t i;
    if (!json_whole(v, &i)) {
        config_fail(c, ERR_FORMAT, name, "is %s, expected a whole number",
                    json_type_name(json_type_of(v)));
        return false;
    }
    if (i < min || i > max) {
        config_fail(c, ERR_FORMAT, name, "%lld, expected %d to %d", (long long)i, min, max);
        return false;
    }
    *out = (int32_t)i;
    return true;
}

static bool read_int(struct config *c, const char *name, int32_t min, int32_t max, int32_t *out)
{
    char key[KEY_SIZE];
    uint64_t v = 0;
    if (c->code)
        return false;
    if (!c->gguf) {
        const struct json *j = find_member(c, name);
        return j && check_json_int(c, name, j, min, max, out);
    }
    full_key(c, name, key);
    int code = gguf_u64(c->gguf, key, min < 0 ? 0 : (uint64_t)min, (uint64_t)max, &v, c->e);
    if (code && code != ERR_NOTFOUND)
        c->code = code;
    if (!code)
        *out = (int32_t)v;
    return !code;
}

static bool check_real(struct config *c, const char *name, double v, double min, double max,
                       double *out)
{
    if (!(v >= min && v <= max)) {
        config_fail(c, ERR_FORMAT, name, "%g, expected %g to %g", v, min, max);
        return false;
    }
    *out = v;
    return true;
}

static bool read_real(struct config *c, const char *name, double min, double max, double *out)
{
    char key[KEY_SIZE];
    double v = 0;
    if (c->code)
        return false;
    if (!c->gguf) {
        const struct json *j = find_member(c, name);
        if (!j)
            return false;
        if (!json_is_number(j)) {
            config_fail(c, ERR_FORMAT, name, "is %s, expected a number",
                        json_type_name(json_type_of(j)));
            return false;
        }
        return check_real(c, name, json_number(j), min, max, out);
    }
    full_key(c, name, key);
    int code = gguf_f64(c->gguf, key, &v, c->e);
    if (code && code != ERR_NOTFOUND)
        c->code = code;
    return !code && check_real(c, name, v, min, max, out);
}

int32_t config_int_or(struct config *c, const char *name, int32_t min, int32_t max,
                      int32_t otherwise)
{
    int32_t v = otherwise;
    read_int(c, name, min, max, &v);
    return v;
}

double config_real_or(struct config *c, const char *name, double min, double max, double otherwise)
{
    double v = otherwise;
    read_real(c, name, min, max, &v);
    return v;
}

int32_t config_int(struct config *c, const char *name, int32_t min, int32_t max)
{
    int32_t v = min;
    if (!read_int(c, name, min, max, &v))
        missing(c, name);
    return v;
}

double config_real(struct config *c, const char *name, double min, double max)
{
    double v = min;
    if (!read_real(c, name, min, max, &v))
        missing(c, name);
    return v;
}

bool config_bool_or(struct config *c, const char *name, bool otherwise)
{
    char key[KEY_SIZE];
    bool v = otherwise;
    if (c->code)
        return otherwise;
    if (!c->gguf) {
        const struct json *j = find_member(c, name);
        if (j && json_type_of(j) != JSON_BOOL)
            config_fail(c, ERR_FORMAT, name, "is %s, expected true or false",
                        json_type_name(json_type_of(j)));
        return j && !c->code ? json_bool(j) : otherwise;
    }
    full_key(c, name, key);
    int code = gguf_bool(c->gguf, key, &v, c->e);
    if (code && code != ERR_NOTFOUND)
        c->code = code;
    return v;
}

static struct span json_text(struct config *c, const char *name, const struct json *j)
{
    if (!j)
        return (struct span){NULL, 0};
    if (json_type_of(j) != JSON_STRING)
        config_fail(c, ERR_FORMAT, name, "is %s, expected a text", json_type_name(json_type_of(j)));
    return json_string(j);
}

struct span config_text(struct config *c, const char *name)
{
    char key[KEY_SIZE];
    struct span s = {NULL, 0};
    if (c->code)
        return s;
    if (!c->gguf)
        return json_text(c, name, find_member(c, name));
    full_key(c, name, key);
    int code = gguf_string(c->gguf, key, &s, c->e);
    if (code && code != ERR_NOTFOUND)
        c->code = code;
    return s;
}

bool config_has(struct config *c, const char *name)
{
    char key[KEY_SIZE];
    if (!c->gguf)
        return find_member(c, name) != NULL;
    full_key(c, name, key);
    return gguf_has(c->gguf, key);
}

bool config_is_null(struct config *c, const char *name)
{
    return !c->gguf && has_key(c, find_key(c, name)) && !find_member(c, name);
}

static bool json_is_set(const struct json *v)
{
    switch (json_type_of(v)) {
    case JSON_NULL:
        return false;
    case JSON_BOOL:
        return json_bool(v);
    case JSON_INT:
    case JSON_REAL:
        return json_number(v) != 0;
    case JSON_STRING:
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return true; /* says something */
}

bool config_is_set(struct config *c, const char *name)
{
    char key[KEY_SIZE];
    uint64_t u = 0;
    double d = 0;
    bool b = false;
    if (c->code || !config_has(c, name))
        return false;
    if (!c->gguf)
        return json_is_set(find_member(c, name));
    full_key(c, name, key);
    if (gguf_u64(c->gguf, key, 0, UINT64_MAX, &u, NULL) == 0)
        return u != 0;
    if (gguf_f64(c->gguf, key, &d, NULL) == 0)
        return d != 0;
    if (gguf_bool(c->gguf, key, &b, NULL) == 0)
        return b;
    return true; /* an array or a text says something */
}

/* ---- arrays ---- */

/* True if the key holds an array of one of the n element types. */
static bool gguf_any(const struct config *c, const char *name, const enum gguf_type *types,
                     size_t n, struct gguf_array *out)
{
    char key[KEY_SIZE];
    full_key(c, name, key);
    for (size_t i = 0; i < n; i++)
        if (gguf_array(c->gguf, key, types[i], out, NULL) == 0)
            return true;
    return false;
}

static const enum gguf_type whole_types[] = {GGUF_I32, GGUF_U32, GGUF_BOOL, GGUF_I64, GGUF_U64,
                                             GGUF_I16, GGUF_U16, GGUF_I8,   GGUF_U8};
static const enum gguf_type array_types[] = {GGUF_I32, GGUF_U32, GGUF_BOOL, GGUF_I64,
                                             GGUF_U64, GGUF_I16, GGUF_U16,  GGUF_I8,
                                             GGUF_U8,  GGUF_F32, GGUF_F64,  GGUF_STRING};
#define COUNT(array) (sizeof(array) / sizeof *(array))

size_t config_count(struct config *c, const char *name)
{
    struct gguf_array a;
    if (c->code)
        return 0;
    if (c->gguf)
        return gguf_any(c, name, array_types, COUNT(array_types), &a) ? a.n : 0;
    const struct json *v = find_member(c, name);
    if (v && json_type_of(v) != JSON_ARRAY)
        config_fail(c, ERR_FORMAT, name, "is %s, expected an array",
                    json_type_name(json_type_of(v)));
    return json_size(v);
}

static void bad_element(struct config *c, const char *name, size_t i, const char *expected)
{
    config_fail(c, ERR_FORMAT, name, "value %zu is not there or no %s", i, expected);
}

int32_t config_int_at(struct config *c, const char *name, size_t i, int32_t min, int32_t max)
{
    struct gguf_array a;
    int64_t v = 0;
    bool found = false;
    if (c->code)
        return min;
    if (c->gguf) {
        found = gguf_any(c, name, whole_types, COUNT(whole_types), &a) && i < a.n;
        v = found ? gguf_array_int(&a, i) : 0;
    } else {
        const struct json *j = json_at(find_member(c, name), i);
        found = json_type_of(j) == JSON_BOOL || json_whole(j, &v);
        v = json_type_of(j) == JSON_BOOL ? json_bool(j) : v;
    }
    if (!found)
        bad_element(c, name, i, "whole number");
    else if (v < min || v > max)
        config_fail(c, ERR_FORMAT, name, "value %zu is %lld, expected %d to %d", i, (long long)v,
                    min, max);
    return c->code ? min : (int32_t)v;
}

double config_real_at(struct config *c, const char *name, size_t i, double min, double max)
{
    static const enum gguf_type types[] = {GGUF_F32};
    struct gguf_array a;
    double v = min;
    bool found = false;
    if (c->code)
        return min;
    if (c->gguf) {
        found = gguf_any(c, name, types, COUNT(types), &a) && i < a.n;
        v = found ? (double)gguf_array_f32(&a, i) : min;
    } else {
        const struct json *j = json_at(find_member(c, name), i);
        found = json_is_number(j);
        v = json_number(j);
    }
    if (!found)
        bad_element(c, name, i, "number");
    else if (!(v >= min && v <= max))
        config_fail(c, ERR_FORMAT, name, "value %zu is %g, expected %g to %g", i, v, min, max);
    return c->code ? min : v;
}

struct span config_text_at(struct config *c, const char *name, size_t i)
{
    static const enum gguf_type types[] = {GGUF_STRING};
    struct gguf_array a;
    const struct json *j = NULL;
    if (c->code)
        return (struct span){NULL, 0};
    if (c->gguf && gguf_any(c, name, types, COUNT(types), &a) && i < a.n)
        return a.strings[i];
    if (!c->gguf)
        j = json_at(find_member(c, name), i);
    if (json_type_of(j) != JSON_STRING)
        bad_element(c, name, i, "text");
    return json_string(j);
}
