/* SPDX-License-Identifier: MIT */
/* A GGUF file, opened: header, then metadata (gguf_metadata.c), then tensors (gguf_tensors.c).
 *
 * The format is that of ggml's docs/gguf.md, versions 2 and 3, which have one layout: magic, u32
 * version, u64 tensor count, u64 entry count, entries, tensor descriptions, padding, data. All of
 * it is little-endian. Nothing is allocated by a number from the file before that number has been
 * held against the bytes that are really there. */
#include "weights/gguf.h"
#include "weights/parts.h"

#include <stdlib.h>

enum {
    HEADER_BYTES = 24,
    ENTRY_BYTES_MIN = 14,  /* key length, one letter, type, one byte of value */
    TENSOR_BYTES_MIN = 33, /* name length, one letter, n_dims, one dim, type, offset */
    ENTRIES_MAX = 1 << 16,
    TENSORS_MAX = 1 << 18,
};

static int check_count(const char *what, uint64_t n, uint64_t room, uint64_t max, struct err *e)
{
    if (n > max)
        return err_set(e, ERR_FORMAT, "%s: %llu, expected at most %llu", what,
                       (unsigned long long)n, (unsigned long long)max);
    if (n > room)
        return err_set(e, ERR_FORMAT, "%s: %llu, but the file has room for %llu at most", what,
                       (unsigned long long)n, (unsigned long long)room);
    return 0;
}

static int read_version(struct cursor *c, struct err *e)
{
    uint32_t version = cursor_u32(c);
    if (version == 2 || version == 3)
        return 0;
    if (version == 1)
        return err_set(e, ERR_UNSUPPORTED,
                       "GGUF version 1 is outdated, expected 2 or 3: convert the model again");
    if ((version & 0xffff) == 0)
        return err_set(e, ERR_UNSUPPORTED,
                       "GGUF version 0x%08x: a big-endian file, expected a little-endian one",
                       version);
    return err_set(e, ERR_FORMAT, "GGUF version %u, expected 2 or 3", version);
}

static int read_file(struct gguf *g, struct err *e)
{
    struct span bytes = g->map.bytes;
    if (bytes.n < 4 || memcmp(bytes.p, "GGUF", 4) != 0)
        return refuse_bytes(bytes, "GGUF", e);
    struct cursor c = cursor_of(bytes);
    cursor_take(&c, 4);
    if (bytes.n >= 8) {
        int code = read_version(&c, e);
        if (code)
            return code;
    }
    uint64_t n_tensors = cursor_u64(&c), n_entries = cursor_u64(&c);
    if (!c.ok)
        return err_set(e, ERR_FORMAT, "the header needs %d bytes, the file has %zu: it is cut off",
                       HEADER_BYTES, bytes.n);
    uint64_t left = bytes.n - c.pos;
    int code = check_count("metadata entries", n_entries, left / ENTRY_BYTES_MIN, ENTRIES_MAX, e);
    if (!code)
        code = check_count("tensors", n_tensors, left / TENSOR_BYTES_MIN, TENSORS_MAX, e);
    if (!code)
        code = gguf_read_metadata(g, &c, n_entries, e);
    if (!code)
        code = gguf_read_tensors(g, &c, n_tensors, e);
    return code;
}

int gguf_open(struct gguf **out, const char *path, struct err *e)
{
    int code;
    struct gguf *g = calloc(1, sizeof *g);
    if (!g || !(g->path = strdup(path))) {
        code = err_set(e, ERR_NOMEM, "cannot load '%s': no memory", path);
        goto done;
    }
    code = file_map(&g->map, path, e);
    if (code)
        goto done;
    /* The tables are at most 8 times what they describe: an entry of 56 bytes stands for 14 bytes
     * of file, a span of 16 for 8, a tensor with its pointers and its offset of 104 for 33; and
     * names. */
    size_t most;
    if (!size_mul(g->map.bytes.n, 8, &most) || !size_add(most, 1 << 16, &most))
        most = SIZE_MAX;
    arena_init(&g->arena, most);
    code = read_file(g, e);
    if (code) {
        err_wrap(e, code, "cannot load '%s'", path);
        goto done;
    }
    *out = g;
    g = NULL;
done:
    gguf_close(&g);
    return code;
}

void gguf_close(struct gguf **p)
{
    struct gguf *g = *p;
    if (!g)
        return;
    arena_release(&g->arena);
    file_unmap(&g->map);
    free(g->path);
    free(g);
    *p = NULL;
}

struct span gguf_bytes(const struct gguf *g)
{
    return g->map.bytes;
}

uint64_t gguf_file_bytes(const struct gguf *g)
{
    return g->map.bytes.n;
}
