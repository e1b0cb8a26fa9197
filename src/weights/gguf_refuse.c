/* SPDX-License-Identifier: MIT */
/* Names what lies where a GGUF file was expected: the things that users really have there. */
#include "weights/gguf.h"

struct signature {
    const char *bytes;
    size_t n;
    int code;
    const char *what; /* completes "the file is …" */
};

#define SIGNATURE(text) text, sizeof(text) - 1

static const struct signature signatures[] = {
    {SIGNATURE("version https://git-lfs"), ERR_FORMAT,
     "a Git LFS pointer, not the model: the weights were not downloaded (git lfs pull)"},
    {SIGNATURE("PK\x03\x04"), ERR_UNSUPPORTED,
     "a zip archive (PyTorch writes its .bin and .pt files so), which may run code when it is "
     "unpickled: use a GGUF version of the model"},
    {SIGNATURE("\x80\x02"), ERR_UNSUPPORTED,
     "a Python pickle, which may run code when it is read: use a GGUF version of the model"},
    {SIGNATURE("\x80\x03"), ERR_UNSUPPORTED,
     "a Python pickle, which may run code when it is read: use a GGUF version of the model"},
    {SIGNATURE("\x80\x04"), ERR_UNSUPPORTED,
     "a Python pickle, which may run code when it is read: use a GGUF version of the model"},
    {SIGNATURE("\x80\x05"), ERR_UNSUPPORTED,
     "a Python pickle, which may run code when it is read: use a GGUF version of the model"},
    {SIGNATURE("\x1f\x8b"), ERR_UNSUPPORTED, "gzip data: unpack it first"},
    {SIGNATURE("\x28\xb5\x2f\xfd"), ERR_UNSUPPORTED, "zstd data: unpack it first"},
    {SIGNATURE("FUGG"), ERR_UNSUPPORTED, "a GGUF file with its bytes in the wrong order"},
    {SIGNATURE("lmgg"), ERR_UNSUPPORTED, "an old GGML file: convert the model to GGUF"},
    {SIGNATURE("tjgg"), ERR_UNSUPPORTED, "an old GGJT file: convert the model to GGUF"},
    {SIGNATURE("fmgg"), ERR_UNSUPPORTED, "an old GGMF file: convert the model to GGUF"},
    {SIGNATURE("{"), ERR_FORMAT, "JSON text, not a model"},
};

static bool is_html(struct span s)
{
    static const char *const starts[] = {"<!doctype html", "<html", "<?xml", "<head"};
    if (s.n >= 3 && memcmp(s.p, "\xef\xbb\xbf", 3) == 0)
        s = span_sub(s, 3, s.n);
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t' || s.p[0] == '\r' || s.p[0] == '\n'))
        s = span_sub(s, 1, s.n);
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        size_t n = strlen(starts[i]);
        if (s.n >= n && strncasecmp((const char *)s.p, starts[i], n) == 0)
            return true;
    }
    return false;
}

/* safetensors: u64 length of a JSON header, which begins with '{'. */
static bool is_safetensors(struct span s)
{
    struct cursor c = cursor_of(s);
    uint64_t n = cursor_u64(&c);
    return cursor_u8(&c) == '{' && c.ok && n >= 2 && n <= 100 << 20;
}

int gguf_refuse(struct span s, struct err *e)
{
    if (s.n == 0)
        return err_set(e, ERR_FORMAT, "the file is empty, expected GGUF");
    if (is_html(s))
        return err_set(e, ERR_FORMAT,
                       "the file is an HTML page, not a model: its download gave a web page");
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        const struct signature *g = &signatures[i];
        if (s.n >= g->n && memcmp(s.p, g->bytes, g->n) == 0)
            return err_set(e, g->code, "the file is %s", g->what);
    }
    if (is_safetensors(s))
        return err_set(e, ERR_UNSUPPORTED, "the file is in safetensors format, expected GGUF");
    if (s.n < 4)
        return err_set(e, ERR_FORMAT, "the file has %zu bytes: too short for GGUF", s.n);
    return err_set(e, ERR_FORMAT, "the file begins with bytes %02x %02x %02x %02x, expected GGUF",
                   s.p[0], s.p[1], s.p[2], s.p[3]);
}
