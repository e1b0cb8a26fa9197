/* SPDX-License-Identifier: MIT */
/* Names what lies where weights were expected: the things that users really have there, and what to
 * do about each. */
#include "weights/parts.h"
#include "weights/safetensors.h"

#include <inttypes.h>

struct signature {
    const char *bytes;
    size_t n;
    int code;
    const char *what; /* completes "the file is …" */
};

#define SIGNATURE(text) text, sizeof(text) - 1
#define UNPICKLING                                                                      \
    "which can run code when it is read: use the .safetensors of the repository (or a " \
    "GGUF), or convert it with save_pretrained(..., safe_serialization=True)"

static const char lfs_start[] = "version https://git-lfs.github.com/spec/";

static const struct signature signatures[] = {
    {SIGNATURE("PK\x03\x04"), ERR_UNSUPPORTED,
     "a zip archive (PyTorch writes its pickled .bin, .pt and .pth files so), " UNPICKLING},
    {SIGNATURE("\x80\x02"), ERR_UNSUPPORTED, "a Python pickle, " UNPICKLING},
    {SIGNATURE("\x80\x03"), ERR_UNSUPPORTED, "a Python pickle, " UNPICKLING},
    {SIGNATURE("\x80\x04"), ERR_UNSUPPORTED, "a Python pickle, " UNPICKLING},
    {SIGNATURE("\x80\x05"), ERR_UNSUPPORTED, "a Python pickle, " UNPICKLING},
    {SIGNATURE("\x89HDF\r\n"), ERR_UNSUPPORTED,
     "an HDF5 file (TensorFlow's): use the .safetensors of the repository, or a GGUF"},
    {SIGNATURE("\x1f\x8b"), ERR_UNSUPPORTED, "gzip data: unpack it first"},
    {SIGNATURE("\x28\xb5\x2f\xfd"), ERR_UNSUPPORTED, "zstd data: unpack it first"},
    {SIGNATURE("\xfd"
               "7zXZ"),
     ERR_UNSUPPORTED, "xz data: unpack it first"},
    {SIGNATURE("FUGG"), ERR_UNSUPPORTED, "a GGUF file with its bytes in the wrong order"},
    {SIGNATURE("lmgg"), ERR_UNSUPPORTED, "an old GGML file: convert the model to GGUF"},
    {SIGNATURE("tjgg"), ERR_UNSUPPORTED, "an old GGJT file: convert the model to GGUF"},
    {SIGNATURE("fmgg"), ERR_UNSUPPORTED, "an old GGMF file: convert the model to GGUF"},
    {SIGNATURE("\0\0\0\0\0\0\0\0"), ERR_FORMAT,
     "zeros at its beginning: a download that was interrupted: download it again"},
};

/* The text of a file that begins as text does, without a byte order mark and the
 * blanks around it. */
static struct span skip_blanks(struct span s)
{
    if (s.n >= 3 && memcmp(s.p, "\xef\xbb\xbf", 3) == 0)
        s = span_sub(s, 3, s.n);
    size_t n = 0;
    while (n < s.n && n < 4096 && memchr(" \t\r\n", s.p[n], 4))
        n++;
    s = span_sub(s, n, s.n);
    while (s.n && memchr(" \t\r\n", s.p[s.n - 1], 4))
        s.n--;
    return s;
}

static bool is_html(struct span s)
{
    static const char *const starts[] = {"<!doctype html", "<html", "<?xml", "<head", "<body"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        size_t n = strlen(starts[i]);
        if (s.n >= n && strncasecmp((const char *)s.p, starts[i], n) == 0)
            return true;
    }
    return false;
}

/* A short text, as servers answer in place of a file: "Entry not found". */
static bool is_line(struct span s)
{
    if (s.n < 8 || s.n > 200)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] > '~')
            return false;
    return true;
}

/* A pointer file has lines "version …", "oid sha256:…", "size N". Source: git-lfs docs/spec.md. */
static int refuse_pointer(struct span s, struct err *e)
{
    static const char field[] = "\nsize ";
    struct span head = span_sub(s, 0, 1024);
    const uint8_t *at = head.n ? memmem(head.p, head.n, field, sizeof field - 1) : NULL;
    uint64_t size;
    if (at) {
        size_t from = (size_t)(at - head.p) + sizeof field - 1, n = 0;
        while (from + n < head.n && head.p[from + n] >= '0' && head.p[from + n] <= '9')
            n++;
        if (num_parse_u64(span_sub(head, from, n), &size))
            return err_set(e, ERR_FORMAT,
                           "the file is a Git LFS pointer: its contents (%" PRIu64
                           " bytes) were not downloaded: 'git lfs pull' or 'wattle pull NAME' "
                           "fetches them",
                           size);
    }
    return err_set(e, ERR_FORMAT,
                   "the file is a Git LFS pointer: its contents were not downloaded: "
                   "'git lfs pull' or 'wattle pull NAME' fetches them");
}

/* What lies in place of any file that was not downloaded. */
static int refuse_stand_in(struct span s, struct err *e)
{
    if (s.n >= sizeof lfs_start - 1 && memcmp(s.p, lfs_start, sizeof lfs_start - 1) == 0)
        return refuse_pointer(s, e);
    if (is_html(skip_blanks(s)))
        return err_set(e, ERR_FORMAT,
                       "the file is an HTML page: its download gave a web page (a login or an "
                       "error), download it again");
    return 0;
}

int weights_refuse_stand_in(struct span s, const char *name, struct err *e)
{
    int code = refuse_stand_in(s, e);
    return code ? err_wrap(e, code, "%s", name) : 0;
}

int refuse_known(struct span s, const char *expected, struct err *e)
{
    if (s.n == 0)
        return err_set(e, ERR_FORMAT, "the file is empty, expected %s: download it again",
                       expected);
    int code = refuse_stand_in(s, e);
    if (code)
        return code;
    if (safetensors_is(s))
        return err_set(e, ERR_UNSUPPORTED, "the file is in safetensors format, expected %s",
                       expected);
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        const struct signature *g = &signatures[i];
        if (s.n >= g->n && memcmp(s.p, g->bytes, g->n) == 0)
            return err_set(e, g->code, "the file is %s", g->what);
    }
    struct span text = skip_blanks(s);
    if (text.n && text.p[0] == '{')
        return err_set(e, ERR_FORMAT, "the file is JSON text, not a model: %.*s", SPAN_FMT(text));
    if (is_line(text))
        return err_set(e, ERR_FORMAT, "the file is text, not a model: %.*s", SPAN_FMT(text));
    return 0;
}

int refuse_bytes(struct span s, const char *expected, struct err *e)
{
    int code = refuse_known(s, expected, e);
    if (code)
        return code;
    if (s.n < 4)
        return err_set(e, ERR_FORMAT, "the file has %zu %s: too short for %s, download it again",
                       s.n, plural(s.n, "byte", "bytes"), expected);
    return err_set(e, ERR_FORMAT, "the file begins with bytes %02x %02x %02x %02x, expected %s",
                   s.p[0], s.p[1], s.p[2], s.p[3], expected);
}
