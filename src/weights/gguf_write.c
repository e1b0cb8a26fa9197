/* SPDX-License-Identifier: MIT */
/* The GGUF writer: see gguf_write.h. Layout as in gguf.c, which reads it.
 *
 * Invariants: offsets are known as soon as a tensor is described, since nothing but the padding
 * comes between two of them; written counts the bytes of data, padding included, so that the place
 * in the file is always header + written. */
#include "weights/gguf_write.h"

#include "weights/gguf.h"

#include <stdlib.h>

enum {
    VERSION = 3,
    ALIGNMENT = 32, /* the specification's, where no key names another */
    NAME_BYTES_MAX = 256,
    METADATA_BYTES_MAX = 1 << 30, /* the largest published vocabularies take 1 % of it */
    DESCRIPTIONS_BYTES_MAX = 1 << 26,
};

struct key {
    struct key *next;
    const char *name;
};

struct gguf_writer {
    struct file_out file;
    struct arena arena; /* keys */
    struct key *keys;   /* last put first */
    struct buf metadata, descriptions;
    uint64_t n_entries;
    uint64_t *sizes; /* [n_tensors] bytes of each, without padding */
    size_t n_tensors, sizes_capacity;
    uint64_t data_bytes; /* of all tensors described, padding between them included */
    bool laid_out;
    size_t current;   /* the tensor that the next byte belongs to */
    uint64_t left;    /* bytes of it that are missing */
    bool keys_failed; /* no memory for one */
};

static uint64_t padding(uint64_t bytes)
{
    return -bytes & (ALIGNMENT - 1);
}

int gguf_writer_open(struct gguf_writer **out, const char *path, struct err *e)
{
    struct gguf_writer *w = calloc(1, sizeof *w);
    if (!w)
        return err_set(e, ERR_NOMEM, "cannot write '%s': no memory", path);
    w->file.fd = -1;
    arena_init(&w->arena, METADATA_BYTES_MAX);
    buf_init(&w->metadata, METADATA_BYTES_MAX);
    buf_init(&w->descriptions, DESCRIPTIONS_BYTES_MAX);
    int code = file_out_open(&w->file, path, e);
    if (code)
        gguf_writer_close(&w);
    else
        *out = w;
    return code;
}

void gguf_writer_close(struct gguf_writer **p)
{
    struct gguf_writer *w = *p;
    if (!w)
        return;
    file_out_abort(&w->file);
    arena_release(&w->arena);
    buf_release(&w->metadata);
    buf_release(&w->descriptions);
    free(w->sizes);
    free(w);
    *p = NULL;
}

/* ---- metadata ---- */

static void put_u32(struct buf *b, uint32_t v)
{
    uint8_t bytes[4];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(v >> 8 * i);
    buf_put(b, bytes, sizeof bytes);
}

static void put_u64(struct buf *b, uint64_t v)
{
    put_u32(b, (uint32_t)v);
    put_u32(b, (uint32_t)(v >> 32));
}

static void put_text(struct buf *b, struct span s)
{
    put_u64(b, s.n);
    buf_span(b, s);
}

/* The key, whose value follows. */
static void put_key(struct gguf_writer *w, const char *name)
{
    struct key *key = arena_alloc(&w->arena, sizeof *key);
    const char *copy = arena_strndup(&w->arena, name, strlen(name));
    if (key && copy) {
        *key = (struct key){w->keys, copy};
        w->keys = key;
    } else {
        w->keys_failed = true;
    }
    put_text(&w->metadata, span_str(name));
    w->n_entries++;
}

static void put_head(struct gguf_writer *w, const char *name, enum gguf_type type)
{
    put_key(w, name);
    put_u32(&w->metadata, type);
}

void gguf_put_u32(struct gguf_writer *w, const char *key, uint32_t v)
{
    put_head(w, key, GGUF_U32);
    put_u32(&w->metadata, v);
}

void gguf_put_i32(struct gguf_writer *w, const char *key, int32_t v)
{
    put_head(w, key, GGUF_I32);
    put_u32(&w->metadata, (uint32_t)v);
}

void gguf_put_u64(struct gguf_writer *w, const char *key, uint64_t v)
{
    put_head(w, key, GGUF_U64);
    put_u64(&w->metadata, v);
}

void gguf_put_f32(struct gguf_writer *w, const char *key, float v)
{
    put_head(w, key, GGUF_F32);
    buf_put(&w->metadata, &v, sizeof v);
}

void gguf_put_bool(struct gguf_writer *w, const char *key, bool v)
{
    put_head(w, key, GGUF_BOOL);
    buf_char(&w->metadata, v ? 1 : 0);
}

void gguf_put_string(struct gguf_writer *w, const char *key, struct span v)
{
    put_head(w, key, GGUF_STRING);
    put_text(&w->metadata, v);
}

static void put_array_head(struct gguf_writer *w, const char *key, enum gguf_type elem, size_t n)
{
    put_head(w, key, GGUF_ARRAY);
    put_u32(&w->metadata, elem);
    put_u64(&w->metadata, n);
}

void gguf_put_strings(struct gguf_writer *w, const char *key, const struct span *v, size_t n)
{
    put_array_head(w, key, GGUF_STRING, n);
    for (size_t i = 0; i < n; i++)
        put_text(&w->metadata, v[i]);
}

void gguf_put_array(struct gguf_writer *w, const char *key, enum gguf_type elem, const void *v,
                    size_t n)
{
    put_array_head(w, key, elem, n);
    buf_put(&w->metadata, v, n * gguf_type_bytes(elem));
}

static bool is_of_the_file(const char *key)
{
    return strcmp(key, "general.alignment") == 0 || strncmp(key, "split.", 6) == 0;
}

static bool is_put(const struct key *keys, const char *name)
{
    while (keys && strcmp(keys->name, name) != 0)
        keys = keys->next;
    return keys != NULL;
}

void gguf_put_entries(struct gguf_writer *w, const struct gguf *source,
                      bool (*keep)(void *ctx, const char *key), void *ctx)
{
    const struct key *before = w->keys; /* the source holds no key twice */
    for (size_t i = 0; i < source->n_entries; i++) {
        const struct gguf_entry *entry = &source->entries[i];
        if (is_of_the_file(entry->key) || is_put(before, entry->key) ||
            (keep && !keep(ctx, entry->key)))
            continue;
        put_key(w, entry->key);
        buf_span(&w->metadata, entry->raw);
    }
}

/* ---- tensors ---- */

static int check_kept(const struct gguf_writer *w, struct err *e)
{
    int code = buf_check(&w->metadata, "metadata", e);
    if (!code)
        code = buf_check(&w->descriptions, "tensor descriptions", e);
    if (!code && w->keys_failed)
        code = err_set(e, ERR_NOMEM, "metadata: no memory");
    return code ? err_wrap(e, code, "cannot write '%s'", w->file.path) : 0;
}

static int add_size(struct gguf_writer *w, uint64_t bytes, struct err *e)
{
    if (w->n_tensors == w->sizes_capacity) {
        size_t capacity = w->sizes_capacity ? 2 * w->sizes_capacity : 256;
        uint64_t *grown = reallocarray(w->sizes, capacity, sizeof *grown);
        if (!grown)
            return err_set(e, ERR_NOMEM, "cannot write '%s': no memory", w->file.path);
        w->sizes = grown;
        w->sizes_capacity = capacity;
    }
    w->sizes[w->n_tensors++] = bytes;
    return 0;
}

int gguf_writer_tensor(struct gguf_writer *w, const char *name, uint32_t type, uint32_t n_dims,
                       const uint64_t *dims, struct err *e)
{
    size_t name_bytes = strlen(name);
    if (w->laid_out || name_bytes < 1 || name_bytes > NAME_BYTES_MAX || n_dims < 1 ||
        n_dims > GGUF_MAX_DIMS)
        return err_set(e, ERR_USAGE,
                       "cannot write '%s': tensor '%.100s': expected a name of 1 to %d bytes, 1 to "
                       "%d dimensions, and no data before it",
                       w->file.path, name, NAME_BYTES_MAX, GGUF_MAX_DIMS);
    struct tensor t = {.name = name, .type = type, .n_dims = n_dims};
    uint64_t elements = 1;
    for (uint32_t i = 0; i < GGUF_MAX_DIMS; i++) {
        t.dims[i] = i < n_dims ? dims[i] : 1;
        if (!t.dims[i] || !u64_mul(elements, t.dims[i], &elements))
            return err_set(e, ERR_UNSUPPORTED,
                           "cannot write '%s': tensor '%s': a dimension is 0, or their product is "
                           "past 2^64",
                           w->file.path, name);
    }
    int code = gguf_compute_size(&t, e);
    if (code)
        return err_wrap(e, code, "cannot write '%s'", w->file.path);
    uint64_t offset = w->data_bytes + padding(w->data_bytes), end;
    if (!u64_add(offset, t.data.n, &end) || end > INT64_MAX)
        return err_set(e, ERR_LIMIT, "cannot write '%s': tensor '%s': the file's size overflows",
                       w->file.path, name);
    code = add_size(w, t.data.n, e);
    if (code)
        return code;
    put_text(&w->descriptions, span_str(name));
    put_u32(&w->descriptions, n_dims);
    for (uint32_t i = 0; i < n_dims; i++)
        put_u64(&w->descriptions, dims[i]);
    put_u32(&w->descriptions, type);
    put_u64(&w->descriptions, offset);
    w->data_bytes = end;
    return check_kept(w, e);
}

enum { HEADER_BYTES = 24 };

static uint64_t head_bytes(const struct gguf_writer *w)
{
    return HEADER_BYTES + (uint64_t)w->metadata.n + w->descriptions.n;
}

uint64_t gguf_writer_bytes(const struct gguf_writer *w)
{
    uint64_t head = head_bytes(w);
    return head + padding(head) + w->data_bytes + padding(w->data_bytes);
}

static int write_padding(struct gguf_writer *w, uint64_t after, struct err *e)
{
    static const uint8_t zeros[ALIGNMENT];
    return file_out_write(&w->file, span_of(zeros, (size_t)padding(after)), e);
}

static int write_head(struct gguf_writer *w, struct err *e)
{
    struct buf head;
    buf_init(&head, HEADER_BYTES);
    buf_str(&head, "GGUF");
    put_u32(&head, VERSION);
    put_u64(&head, w->n_tensors);
    put_u64(&head, w->n_entries);
    int code = buf_check(&head, "header", e);
    if (!code)
        code = file_out_write(&w->file, buf_view(&head), e);
    if (!code)
        code = file_out_write(&w->file, buf_view(&w->metadata), e);
    if (!code)
        code = file_out_write(&w->file, buf_view(&w->descriptions), e);
    if (!code)
        code = write_padding(w, head_bytes(w), e);
    buf_release(&head);
    return code;
}

static int lay_out(struct gguf_writer *w, struct err *e)
{
    if (w->laid_out)
        return 0;
    int code = check_kept(w, e);
    if (!code)
        code = file_out_reserve(&w->file, gguf_writer_bytes(w), e);
    if (!code)
        code = write_head(w, e);
    w->laid_out = true;
    w->left = w->n_tensors ? w->sizes[0] : 0;
    return code;
}

int gguf_writer_data(struct gguf_writer *w, struct span bytes, struct err *e)
{
    int code = lay_out(w, e);
    while (!code && bytes.n) {
        if (w->current == w->n_tensors)
            return err_set(e, ERR_USAGE, "cannot write '%s': more data than was described",
                           w->file.path);
        struct span piece = span_sub(bytes, 0, w->left < bytes.n ? (size_t)w->left : bytes.n);
        code = file_out_write(&w->file, piece, e);
        bytes = span_sub(bytes, piece.n, bytes.n);
        w->left -= piece.n;
        if (code || w->left)
            continue;
        /* Behind the last one too: readers expect it. */
        code = write_padding(w, w->sizes[w->current], e);
        w->current++;
        w->left = w->current < w->n_tensors ? w->sizes[w->current] : 0;
    }
    return code;
}

int gguf_writer_finish(struct gguf_writer *w, struct err *e)
{
    int code = lay_out(w, e);
    if (code)
        return code;
    if (w->current < w->n_tensors)
        return err_set(e, ERR_USAGE, "cannot write '%s': data of tensor %zu of %zu are missing",
                       w->file.path, w->current, w->n_tensors);
    return file_out_finish(&w->file, e);
}
