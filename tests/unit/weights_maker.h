/* SPDX-License-Identifier: MIT */
/* For tests: folders of model files, and safetensors files made from a header's text. */
#ifndef WATTLE_TESTS_WEIGHTS_MAKER_H
#define WATTLE_TESTS_WEIGHTS_MAKER_H

#include "gguf_maker.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>

/* A new folder, and the path of the last file asked for in it. */
struct temp_folder {
    char path[64];
    char file[PATH_MAX];
};

static inline void folder_open(struct temp_folder *f)
{
    snprintf(f->path, sizeof f->path, "/tmp/wattle-weights-XXXXXX");
    if (!mkdtemp(f->path))
        abort();
}

static inline const char *folder_file(struct temp_folder *f, const char *name)
{
    snprintf(f->file, sizeof f->file, "%s/%s", f->path, name);
    return f->file;
}

static inline void folder_put(struct temp_folder *f, const char *name, struct span bytes)
{
    unlink(folder_file(f, name)); /* ext4 syncs a file that is truncated and written again */
    int fd = open(f->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || (bytes.n && write(fd, bytes.p, bytes.n) != (ssize_t)bytes.n))
        abort();
    close(fd);
}

static inline void folder_remove_file(struct temp_folder *f, const char *name)
{
    if (unlink(folder_file(f, name)) != 0)
        abort();
}

/* Empties the folder; it has no folders in it. */
static inline void folder_clear(struct temp_folder *f)
{
    DIR *d = opendir(f->path);
    if (!d)
        abort();
    for (struct dirent *it; (it = readdir(d));)
        if (it->d_name[0] != '.')
            unlink(folder_file(f, it->d_name));
    closedir(d);
}

static inline void folder_close(struct temp_folder *f)
{
    folder_clear(f);
    if (rmdir(f->path) != 0)
        abort();
}

/* Length, header, and n_data bytes 0, 1, 2, …, 255, 0, … */
static inline void make_safetensors(struct buf *b, struct span header, size_t n_data)
{
    make_int(b, header.n, 8);
    buf_span(b, header);
    for (size_t i = 0; i < n_data; i++)
        buf_char(b, (char)i);
}

/* The same as a file of the folder. */
static inline void folder_put_safetensors(struct temp_folder *f, const char *name,
                                          const char *header, size_t n_data)
{
    struct buf b;
    buf_init(&b, 64 << 20);
    make_safetensors(&b, span_str(header), n_data);
    if (b.failed)
        abort();
    folder_put(f, name, buf_view(&b));
    buf_release(&b);
}

#endif
