/* SPDX-License-Identifier: MIT */
/* The normalizers of tokenizer.json, from their values in the file. */
#include "text/tokenizer_json_parts.h"

static int push_normalizer(struct pipeline *p, struct normalizer z, struct err *e)
{
    if (p->n_normalizers == NORMALIZERS_MAX) {
        normalizer_release(&z);
        return err_set(e, ERR_LIMIT, "more than %d of them", NORMALIZERS_MAX);
    }
    p->normalizers[p->n_normalizers++] = z;
    return 0;
}

static int read_form(struct pipeline *p, const struct json *v, struct err *e)
{
    struct span type = json_string(json_get(v, "type"));
    enum normal_form form = span_is(type, "NFC")    ? NORMAL_NFC
                            : span_is(type, "NFD")  ? NORMAL_NFD
                            : span_is(type, "NFKC") ? NORMAL_NFKC
                                                    : NORMAL_NFKD;
    return push_normalizer(p, (struct normalizer){.kind = NORMALIZER_FORM, .form = form}, e);
}

static int read_lowercase(struct pipeline *p, const struct json *v, struct err *e)
{
    (void)v;
    return push_normalizer(p, (struct normalizer){.kind = NORMALIZER_LOWERCASE}, e);
}

static int read_strip(struct pipeline *p, const struct json *v, struct err *e)
{
    struct normalizer z = {.kind = NORMALIZER_STRIP};
    int rc = part_flag(v, "strip_left", true, &z.left, e);
    if (!rc)
        rc = part_flag(v, "strip_right", true, &z.right, e);
    return rc ? rc : push_normalizer(p, z, e);
}

static int read_strip_accents(struct pipeline *p, const struct json *v, struct err *e)
{
    (void)v;
    return push_normalizer(p, (struct normalizer){.kind = NORMALIZER_STRIP_ACCENTS}, e);
}

static int read_nmt(struct pipeline *p, const struct json *v, struct err *e)
{
    (void)v;
    return push_normalizer(p, (struct normalizer){.kind = NORMALIZER_NMT}, e);
}

static int read_byte_level_normalizer(struct pipeline *p, const struct json *v, struct err *e)
{
    (void)v;
    return push_normalizer(p, (struct normalizer){.kind = NORMALIZER_BYTE_LEVEL}, e);
}

static int read_prepend(struct pipeline *p, const struct json *v, struct err *e)
{
    struct normalizer z = {.kind = NORMALIZER_PREPEND};
    int rc = part_text(v, "prepend", &z.content, e);
    return rc ? rc : push_normalizer(p, z, e);
}

static int read_replace(struct pipeline *p, const struct json *v, struct err *e)
{
    struct normalizer z = {.kind = NORMALIZER_REPLACE};
    int rc = part_text(v, "content", &z.content, e);
    if (!rc)
        rc = part_pattern(v, &z.pattern, e);
    return rc ? rc : push_normalizer(p, z, e);
}

static int base64_digit(uint8_t c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

static bool base64_decode(struct span s, struct buf *out)
{
    uint32_t bits = 0;
    int n = 0;
    while (s.n && s.p[s.n - 1] == '=')
        s.n--;
    for (size_t i = 0; i < s.n; i++) {
        int digit = base64_digit(s.p[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        n += 6;
        if (n >= 8) {
            n -= 8;
            buf_char(out, (char)(bits >> n & 0xff));
        }
    }
    return n < 6;
}

static int read_precompiled(struct pipeline *p, const struct json *v, struct err *e)
{
    struct normalizer z = {.kind = NORMALIZER_CHARSMAP};
    struct span text = {NULL, 0};
    struct buf blob;
    int rc = 0;
    if (json_type_of(json_get(v, "precompiled_charsmap")) != JSON_NULL)
        rc = part_text(v, "precompiled_charsmap", &text, e);
    if (rc)
        return rc;
    buf_init(&blob, text.n + 1);
    if (!base64_decode(text, &blob))
        rc = err_set(e, ERR_FORMAT, "precompiled_charsmap: not base64");
    if (!rc)
        rc = buf_check(&blob, "precompiled_charsmap", e);
    if (!rc)
        rc = charsmap_open(&z.map, buf_view(&blob), e);
    buf_release(&blob);
    return rc ? rc : push_normalizer(p, z, e);
}

int read_normalizer(struct pipeline *p, const struct json *v, struct err *e)
{
    static const struct part_kind kinds[] = {
        {"NFC", read_form},
        {"NFD", read_form},
        {"NFKC", read_form},
        {"NFKD", read_form},
        {"Lowercase", read_lowercase},
        {"Strip", read_strip},
        {"StripAccents", read_strip_accents},
        {"Prepend", read_prepend},
        {"Replace", read_replace},
        {"Precompiled", read_precompiled},
        {"ByteLevel", read_byte_level_normalizer},
        {"Nmt", read_nmt},
    };
    return read_part(p, v, "normalizer", "normalizers", kinds, sizeof(kinds) / sizeof(*kinds), e);
}
