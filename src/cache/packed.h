/* SPDX-License-Identifier: MIT */
/* Packed models on disk: one file a model and form, which every process of the machine maps.
 *
 * A file NAME.packed, NAME the beginning of the sha256 of its key, is written under NAME.part,
 * whose flock says that somebody writes it; synced, then renamed: under its final name a file is
 * whole. A .part that nobody has locked is what a killed process left, and the next writer begins
 * it anew.
 *
 * Layout, all numbers little-endian, strings one behind the other behind the fixed part:
 *
 *   0  "WATTLEPK"              32  sha256 of the sha256s of the data's blocks of 1 MiB
 *   8  u32 version             64  u32 lengths of sources, identity, target, form, label, table
 *  12  u32 bytes of the head   88  those bytes
 *  16  u64 where the data begin (a multiple of 4096); zeros before them
 *  24  u64 bytes of the data, up to the file's end
 *                              the head's last 32 bytes: sha256 of all before them
 *
 * The head's checksum is held against it at every opening, the data's only when asked: reading them
 * is what a mapping saves. What the table says is the writer's business: a reader knows what it
 * must hold, and compares. */
#ifndef WATTLE_CACHE_PACKED_H
#define WATTLE_CACHE_PACKED_H

#include "base/base.h"

enum {
    PACKED_VERSION = 1,
    PACKED_ALIGN = 4096,        /* of the data in the file */
    PACKED_HEAD_MAX = 64 << 20, /* the table of 10^5 experts' matrices has 4 MB */
    PACKED_BLOCK = 1 << 20,     /* that is hashed as one */
    PACKED_SUM = 32,            /* bytes of a sha256 */
    PACKED_DIGITS = 40,         /* of a name: 160 bits of the sha256 */
    PACKED_NAME_SIZE = 48,
};

/* The strings that a head has. */
enum packed_text {
    PACKED_SOURCES,  /* absolute paths of the model's files, a line each */
    PACKED_IDENTITY, /* what cache_identity says of them, a line each */
    PACKED_TARGET,   /* the quantization that was asked for, "" for the file's own */
    PACKED_FORM,     /* version and kind of the data's layout; with identity and target the key */
    PACKED_LABEL,    /* for people: "Q4_K (from BF16)" */
    PACKED_TABLE,
    PACKED_TEXTS,
};

struct packed_head {
    struct span text[PACKED_TEXTS];
    uint64_t data_offset, data_bytes;
    uint8_t data_sum[PACKED_SUM];
};

/* The head of a file of file_bytes of which bytes are the first ones: all of the head at least.
 * ERR_FORMAT names the field. Texts lie in bytes. */
int packed_head_read(struct packed_head *out, struct span bytes, uint64_t file_bytes,
                     struct err *e);

/* Appends $XDG_CACHE_HOME/wattle/packed, else HOME/.cache/wattle/packed; NULL or empty: not set.
 * ERR_NOTFOUND: neither is. */
int cache_packed_folder(const char *xdg_cache_home, const char *home, struct buf *out,
                        struct err *e);

/* Appends what tells a file's content from another's without reading it: of a blob in the hub's
 * cache its name, which is its hash; else inode, size, time of change to the nanosecond, and a hash
 * of the file's beginning and end. The device's number is left out: it changes from start to start
 * on some file systems. */
int cache_identity(struct buf *out, const char *path, struct err *e);

/* ---- reading ---- */

struct packed_file {
    struct file_map map;
    struct packed_head head;
    const uint8_t *data; /* data_bytes of them, valid until packed_close */
};

/* The file with the head's identity, target and form in folder. ERR_NOTFOUND: there is none;
 * ERR_FORMAT: there is one, but it is damaged, or has other strings: a writer will replace it. */
int packed_open(struct packed_file *out, const char *folder, const struct packed_head *key,
                struct err *e);
void packed_close(struct packed_file *f); /* twice is fine */

/* ---- writing ---- */

struct packed_writer;

/* head: all but data_offset and data_sum; its texts are copied. 0: the caller writes; 1: another
 * process had it and has let it go, so packed_open may find it now: *out stays NULL. While the
 * other has it, on_wait(ctx) is asked every 50 ms, and false ends with ERR_CANCELLED (NULL: not
 * asked). The space is taken at once where the file system can: a full disk is ERR_IO here. Folders
 * are made.
 */
int packed_writer_open(struct packed_writer **out, const char *folder,
                       const struct packed_head *head, bool (*on_wait)(void *ctx), void *ctx,
                       struct err *e);
/* The next bytes of the data: whole blocks of PACKED_BLOCK but for the last. pool may be NULL. */
int packed_writer_add(struct packed_writer *w, struct span bytes, struct pool *pool, struct err *e);
/* All data have come. Syncs and renames; files that the same sources had before they changed, for
 * the same target, are removed. *w is closed, whatever comes back. */
int packed_writer_commit(struct packed_writer **w, struct err *e);
/* Removes what was written; NULL is fine. */
void packed_writer_abort(struct packed_writer **w);

/* ---- what lies there ---- */

enum packed_state {
    PACKED_READY,
    PACKED_ORPHAN,     /* a file of its sources is gone */
    PACKED_STALE,      /* its sources have changed since */
    PACKED_DAMAGED,    /* the head; problem says how */
    PACKED_UNFINISHED, /* left by a process that is gone */
    PACKED_BUSY,       /* being written */
};
const char *packed_state_name(enum packed_state s);

struct packed_entry {
    char name[PACKED_NAME_SIZE]; /* without the ending: what removes it */
    char *source;                /* the first of the sources; "" if not known */
    char *label, *target;
    uint64_t size_bytes;
    uint64_t modified_s; /* since 1970 */
    enum packed_state state;
    char problem[256];
};
struct packed_list {
    size_t n;
    struct packed_entry *entries; /* by source, then by label */
    uint64_t size_bytes;          /* of all */
};
/* A folder that does not exist is an empty list. */
int packed_list_open(struct packed_list *out, const char *folder, struct err *e);
void packed_list_close(struct packed_list *l);

/* Reads all of a file and compares: 0, or ERR_FORMAT. stop (NULL: never): ERR_CANCELLED. */
int packed_verify(const char *folder, const char *name, bool (*stop)(void *ctx), void *ctx,
                  struct err *e);
/* Removes a file (processes that have it mapped keep it) and what was left unfinished of it; adds
 * its bytes to *freed. ERR_NOTFOUND: there is none; ERR_IO: it is being written. */
int packed_remove(const char *folder, const char *name, uint64_t *freed, struct err *e);

#endif
