/* SPDX-License-Identifier: MIT */
#include "model/config.h"

#include <stdio.h>

enum { KEY_SIZE = 160 };

static void full_key(const struct config *c, const char *name, char out[KEY_SIZE])
{
    snprintf(out, KEY_SIZE, "%s.%s", c->arch, name);
}

void config_fail(struct config *c, int code, const char *name, const char *fmt, ...)
{
    if (c->code)
        return;
    struct buf text;
    va_list ap;
    buf_init(&text, 256);
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    c->code = err_set(c->e, code, "key '%s.%s': %s", c->arch, name, buf_cstr(&text));
    buf_release(&text);
}

static void missing(struct config *c, const char *name)
{
    config_fail(c, ERR_FORMAT, name, "is missing, a %s model needs it", c->arch);
}

/* True if the value is there and right. */
static bool read_int(struct config *c, const char *name, int32_t min, int32_t max, int32_t *out)
{
    char key[KEY_SIZE];
    uint64_t v = 0;
    if (c->code)
        return false;
    full_key(c, name, key);
    int code = gguf_u64(c->file, key, (uint64_t)min, (uint64_t)max, &v, c->e);
    if (code && code != ERR_NOTFOUND)
        c->code = code;
    if (!code)
        *out = (int32_t)v;
    return !code;
}

static bool read_real(struct config *c, const char *name, double min, double max, double *out)
{
    char key[KEY_SIZE];
    double v = 0;
    if (c->code)
        return false;
    full_key(c, name, key);
    int code = gguf_f64(c->file, key, &v, c->e);
    if (code && code != ERR_NOTFOUND)
        c->code = code;
    if (!code && !(v >= min && v <= max)) {
        config_fail(c, ERR_FORMAT, name, "%g, expected %g to %g", v, min, max);
        return false;
    }
    if (!code)
        *out = v;
    return !code;
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

struct span config_text(struct config *c, const char *name)
{
    char key[KEY_SIZE];
    struct span s = {NULL, 0};
    if (c->code)
        return s;
    full_key(c, name, key);
    int code = gguf_string(c->file, key, &s, c->e);
    if (code && code != ERR_NOTFOUND)
        c->code = code;
    return s;
}

bool config_is_set(struct config *c, const char *name)
{
    char key[KEY_SIZE];
    uint64_t u = 0;
    double d = 0;
    bool b = false;
    full_key(c, name, key);
    if (c->code || !gguf_has(c->file, key))
        return false;
    if (gguf_u64(c->file, key, 0, UINT64_MAX, &u, NULL) == 0)
        return u != 0;
    if (gguf_f64(c->file, key, &d, NULL) == 0)
        return d != 0;
    if (gguf_bool(c->file, key, &b, NULL) == 0)
        return b;
    return true; /* an array or a text says something */
}
