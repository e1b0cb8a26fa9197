/* SPDX-License-Identifier: MIT */
/* Packed files that are there: mapped, verified, listed, removed. */
#include "cache/packed_parts.h"

#include "cache/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENTRIES_MAX = 1 << 16, IDENTITY_MAX = 1 << 20 };

/* ---- opening ---- */

int packed_map(struct packed_file *out, const char *path, struct err *e)
{
    struct packed_file f = {.data = NULL};
    int code = file_map(&f.map, path, e);
    if (code)
        return code;
    code = packed_head_read(&f.head, f.map.bytes, f.map.bytes.n, e);
    if (code) {
        file_unmap(&f.map);
        return err_wrap(e, code, "packed model '%s'", path);
    }
    f.data = f.map.bytes.p + f.head.data_offset;
    *out = f;
    return 0;
}

int packed_open(struct packed_file *out, const char *folder, const struct packed_head *key,
                struct err *e)
{
    struct packed_file f;
    struct buf path;
    char name[PACKED_NAME_SIZE];
    int code = packed_name(key, name, e);
    if (code)
        return code;
    code = packed_path(&path, folder, name, PACKED_ENDING, e);
    if (!code)
        code = packed_map(&f, buf_cstr(&path), e);
    if (!code && (!packed_same_key(&f.head, key) ||
                  !span_eq(f.head.text[PACKED_TABLE], key->text[PACKED_TABLE]) ||
                  f.head.data_bytes != key->data_bytes)) {
        packed_close(&f);
        code = err_set(e, ERR_FORMAT, "packed model '%s': of another model", buf_cstr(&path));
    }
    buf_release(&path);
    if (!code)
        *out = f;
    return code;
}

void packed_close(struct packed_file *f)
{
    file_unmap(&f->map);
    f->data = NULL;
}

/* ---- verifying ---- */

static int check_data(const struct packed_file *f, bool (*stop)(void *ctx), void *ctx,
                      struct err *e)
{
    size_t n = (size_t)f->head.data_bytes;
    size_t n_blocks = n / PACKED_BLOCK + (n % PACKED_BLOCK != 0);
    uint8_t all[PACKED_SUM];
    uint8_t *sums = calloc(n_blocks + 1, PACKED_SUM);
    int code = sums ? 0 : err_set(e, ERR_NOMEM, "no memory for %zu checksums", n_blocks);
    for (size_t i = 0; i < n_blocks && !code; i++) {
        size_t from = i * PACKED_BLOCK, left = n - from;
        if (stop && stop(ctx))
            code = err_set(e, ERR_CANCELLED, "interrupted");
        else
            code = packed_sum(
                span_of(f->data + from, left < PACKED_BLOCK ? left : (size_t)PACKED_BLOCK),
                sums + i * PACKED_SUM, e);
    }
    if (!code)
        code = packed_sum(span_of(sums, n_blocks * PACKED_SUM), all, e);
    if (!code && memcmp(all, f->head.data_sum, PACKED_SUM) != 0)
        code = err_set(e, ERR_FORMAT, "the data's checksum is wrong");
    free(sums);
    return code;
}

static int no_such(const char *folder, const char *name, struct err *e)
{
    return err_set(e, ERR_NOTFOUND, "no packed model '%s' in '%s'", name, folder);
}

int packed_verify(const char *folder, const char *name, bool (*stop)(void *ctx), void *ctx,
                  struct err *e)
{
    struct packed_file f;
    struct buf path;
    if (!packed_is_name(name))
        return no_such(folder, name, e);
    int code = packed_path(&path, folder, name, PACKED_ENDING, e);
    if (!code)
        code = packed_map(&f, buf_cstr(&path), e);
    if (!code) {
        code = check_data(&f, stop, ctx, e);
        packed_close(&f);
        if (code)
            err_wrap(e, code, "packed model '%s'", buf_cstr(&path));
    }
    buf_release(&path);
    return code;
}

/* ---- removing ---- */

/* 0: removed; 1: not there; ERR_IO: locked by its writer. */
static int remove_part(const char *path, uint64_t *freed, struct err *e)
{
    struct stat st;
    int code = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? 1 : err_errno(e, errno, "cannot open '%s'", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        code = err_set(e, ERR_IO, "'%s' is being written", path);
    else if (fstat(fd, &st) != 0 || unlink(path) != 0)
        code = err_errno(e, errno, "cannot remove '%s'", path);
    else
        *freed += (uint64_t)st.st_blocks * 512;
    close(fd);
    return code;
}

int packed_remove(const char *folder, const char *name, uint64_t *freed, struct err *e)
{
    struct buf path, part;
    struct stat st;
    if (!packed_is_name(name))
        return no_such(folder, name, e);
    int code = packed_path(&path, folder, name, PACKED_ENDING, e);
    int other = packed_path(&part, folder, name, PACKED_PART, e);
    code = code ? code : other;
    int left = code ? code : remove_part(buf_cstr(&part), freed, e);
    if (left < 0) {
        code = left;
    } else if (!code && lstat(buf_cstr(&path), &st) != 0) {
        code = left == 0 ? 0 : no_such(folder, name, e);
    } else if (!code && unlink(buf_cstr(&path)) != 0) {
        code = err_errno(e, errno, "cannot remove '%s'", buf_cstr(&path));
    } else if (!code) {
        *freed += (uint64_t)st.st_size;
    }
    buf_release(&part);
    buf_release(&path);
    return code;
}

void packed_remove_superseded(const char *folder, const struct packed_head *head)
{
    char own[PACKED_NAME_SIZE];
    DIR *dir = opendir(folder);
    if (!dir || packed_name(head, own, NULL)) {
        if (dir)
            closedir(dir);
        return;
    }
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        struct packed_file f;
        struct buf path;
        char *dot = strrchr(d->d_name, '.');
        if (!dot || strcmp(dot, PACKED_ENDING) != 0)
            continue;
        *dot = 0;
        if (!packed_is_name(d->d_name) || strcmp(d->d_name, own) == 0)
            continue;
        if (packed_path(&path, folder, d->d_name, PACKED_ENDING, NULL) == 0 &&
            packed_map(&f, buf_cstr(&path), NULL) == 0) {
            bool old = span_eq(f.head.text[PACKED_SOURCES], head->text[PACKED_SOURCES]) &&
                       span_eq(f.head.text[PACKED_TARGET], head->text[PACKED_TARGET]);
            packed_close(&f);
            if (old)
                unlink(buf_cstr(&path));
        }
        buf_release(&path);
    }
    closedir(dir);
}

/* ---- listing ---- */

const char *packed_state_name(enum packed_state s)
{
    static const char *const names[] = {
        [PACKED_READY] = "ready",           [PACKED_ORPHAN] = "orphan",
        [PACKED_STALE] = "stale",           [PACKED_DAMAGED] = "damaged",
        [PACKED_UNFINISHED] = "unfinished", [PACKED_BUSY] = "being written",
    };
    return names[s];
}

static char *copy_span(struct span s)
{
    return s.n ? strndup((const char *)s.p, s.n) : strdup("");
}

/* The next line of *rest, which is shortened by it. */
static struct span next_line(struct span *rest)
{
    const uint8_t *end = span_find(*rest, '\n');
    struct span line = span_of(rest->p, end ? (size_t)(end - rest->p) : rest->n);
    *rest = end ? span_sub(*rest, line.n + 1, rest->n) : span_of(NULL, 0);
    return line;
}

/* What has become of the sources. */
static enum packed_state state_of(const struct packed_head *h)
{
    struct span rest = h->text[PACKED_SOURCES];
    struct buf now;
    enum packed_state state = PACKED_READY;
    buf_init(&now, IDENTITY_MAX);
    while (rest.n && state == PACKED_READY) {
        struct span line = next_line(&rest);
        char *path = copy_span(line);
        if (now.n)
            buf_char(&now, '\n');
        if (!path || cache_identity(&now, path, NULL) != 0)
            state = PACKED_ORPHAN;
        free(path);
    }
    if (state == PACKED_READY && !span_eq(buf_view(&now), h->text[PACKED_IDENTITY]))
        state = PACKED_STALE;
    buf_release(&now);
    return state;
}

static void look_at(struct packed_entry *x, const char *path)
{
    struct packed_file f;
    struct err e = {""};
    if (packed_map(&f, path, &e)) {
        x->state = PACKED_DAMAGED;
        snprintf(x->problem, sizeof x->problem, "%.*s", (int)sizeof x->problem - 1, e.text);
        return;
    }
    struct span rest = f.head.text[PACKED_SOURCES];
    x->state = state_of(&f.head);
    x->source = copy_span(next_line(&rest));
    x->label = copy_span(f.head.text[PACKED_LABEL]);
    x->target = copy_span(f.head.text[PACKED_TARGET]);
    packed_close(&f);
}

static bool is_locked(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0;
    if (fd >= 0)
        close(fd);
    return locked;
}

/* Whether name is a file of ours; it loses its ending. */
static bool take_ending(char *name, bool *part)
{
    char *dot = strrchr(name, '.');
    *part = dot && strcmp(dot, PACKED_PART) == 0;
    if (!dot || (!*part && strcmp(dot, PACKED_ENDING) != 0))
        return false;
    *dot = 0;
    return packed_is_name(name);
}

static int add_entry(struct packed_list *l, const char *folder, char *file, struct err *e)
{
    struct buf path;
    struct stat st;
    bool part;
    int code = packed_path(&path, folder, file, "", e);
    if (code || !take_ending(file, &part) || lstat(buf_cstr(&path), &st) != 0 ||
        !S_ISREG(st.st_mode))
        goto done;
    if (l->n >= ENTRIES_MAX) {
        code = err_set(e, ERR_LIMIT, "'%s' holds more than %d packed models", folder, ENTRIES_MAX);
        goto done;
    }
    struct packed_entry *all = realloc(l->entries, (l->n + 1) * sizeof *all);
    if (!all) {
        code = err_set(e, ERR_NOMEM, "no memory for a list");
        goto done;
    }
    l->entries = all;
    struct packed_entry *x = &all[l->n++];
    *x = (struct packed_entry){.size_bytes =
                                   part ? (uint64_t)st.st_blocks * 512 : (uint64_t)st.st_size,
                               .modified_s = (uint64_t)(st.st_mtime > 0 ? st.st_mtime : 0)};
    snprintf(x->name, sizeof x->name, "%.*s", (int)sizeof x->name - 1, file);
    if (part)
        x->state = is_locked(buf_cstr(&path)) ? PACKED_BUSY : PACKED_UNFINISHED;
    else
        look_at(x, buf_cstr(&path));
    x->source = x->source ? x->source : strdup("");
    x->label = x->label ? x->label : strdup("");
    x->target = x->target ? x->target : strdup("");
    if (!x->source || !x->label || !x->target)
        code = err_set(e, ERR_NOMEM, "no memory for a list");
    l->size_bytes += x->size_bytes;
done:
    buf_release(&path);
    return code;
}

static int by_source(const void *a, const void *b)
{
    const struct packed_entry *x = a, *y = b;
    int order = strcmp(x->source, y->source);
    order = order ? order : strcmp(x->label, y->label);
    return order ? order : strcmp(x->name, y->name);
}

int packed_list_open(struct packed_list *out, const char *folder, struct err *e)
{
    struct packed_list l = {.n = 0};
    DIR *dir = opendir(folder);
    int code = 0;
    *out = l;
    if (!dir)
        return errno == ENOENT ? 0 : err_errno(e, errno, "cannot open '%s'", folder);
    for (struct dirent *d; !code && (d = readdir(dir)) != NULL;)
        code = add_entry(&l, folder, d->d_name, e);
    closedir(dir);
    if (code) {
        packed_list_close(&l);
        return code;
    }
    if (l.n)
        qsort(l.entries, l.n, sizeof *l.entries, by_source);
    *out = l;
    return 0;
}

void packed_list_close(struct packed_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->entries[i].source);
        free(l->entries[i].label);
        free(l->entries[i].target);
    }
    free(l->entries);
    *l = (struct packed_list){.n = 0};
}
