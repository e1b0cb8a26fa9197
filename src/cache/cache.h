/* SPDX-License-Identifier: MIT */
/* cache: names to paths on disk. No network.
 *
 * Owns: where a model that the user names lies: a file, a folder, or the Hugging Face hub's cache
 * layout; that layout itself (blobs, snapshots, refs, locks), its listing, verification and
 * removal; checksums of files (OpenSSL's libcrypto inside, and only here); the store of packed
 * models (packed.h).
 * May include: base. Start reading: this file. */
#ifndef WATTLE_CACHE_CACHE_H
#define WATTLE_CACHE_CACHE_H

#include "base/base.h"
#include "cache/packed.h"

/* ---- finding ---- */

/* What decides where the hub's cache lies, as the environment has it; NULL or empty: not set. */
struct cache_places {
    const char *hub_cache;      /* HF_HUB_CACHE */
    const char *hf_home;        /* HF_HOME */
    const char *xdg_cache_home; /* XDG_CACHE_HOME */
    const char *home;           /* HOME */
};

/* Appends $HF_HOME, else $XDG_CACHE_HOME/huggingface, else ~/.cache/huggingface; a leading "~/" in
 * them is home's. ERR_NOTFOUND: nothing is set. */
int cache_home_folder(const struct cache_places *p, struct buf *out, struct err *e);
/* Appends $HF_HUB_CACHE, else the home folder's hub/: huggingface_hub's rule. */
int cache_hub_folder(const struct cache_places *p, struct buf *out, struct err *e);

/* A model as the user names it: an existing .gguf or .safetensors file; a folder with exactly one
 * .gguf or one split set, or in Hugging Face layout (config.json or, not in the cache, an index
 * beside .safetensors); or a hub name "ORG/NAME[@REVISION]" found in the hub's cache at hub_folder
 * (NULL: there is none) in models--ORG--NAME/snapshots/<what refs/REVISION says, main's without
 * one; without refs/main the only one>/. Appends the path: of the .gguf (of a split set its first
 * part), of the file, or of the folder. Else ERR_NOTFOUND (not there, or the download is
 * incomplete: says what is missing) or ERR_UNSUPPORTED (only pickled weights, or several .gguf to
 * choose from) with what was looked for, where, and what to do. A name with "..", an empty part, a
 * backslash or a leading "/" that does not exist is never looked up in the cache. */
int cache_find(const char *name, const char *hub_folder, struct buf *path, struct err *e);

/* ---- names of the hub ---- */

/* "ORG/NAME", "NAME", either with "@REVISION". */
bool cache_is_hub_name(const char *name);

enum { CACHE_NAME_SIZE = 260, CACHE_REVISION_SIZE = 260, CACHE_ETAG_SIZE = 129 };
struct cache_name {
    char repository[CACHE_NAME_SIZE];   /* "ORG/NAME" */
    char revision[CACHE_REVISION_SIZE]; /* "main" where none is named */
};
/* ERR_USAGE for what cache_is_hub_name refuses. */
int cache_name_parse(struct cache_name *out, const char *name, struct err *e);

/* A file's path in a repository is safe below a snapshot: relative, no "." or ".." or empty part,
 * no backslash, no control character, valid UTF-8, each part at most 255 bytes, at most 1000 in
 * all. */
bool cache_is_file_path(struct span path);
/* "P-00002-of-00003.gguf", and with any other ending: the length of P, 2 and 3; false: it is no
 * part of a set. Outputs only with true. */
bool cache_is_part(const char *path, size_t *prefix, uint64_t *part, uint64_t *of);
bool cache_is_commit(struct span s); /* 40 hexadecimal digits */
bool cache_is_etag(struct span s);   /* safe as the name of a blob */

/* ---- the layout: what hub/ writes ---- */

/* All append to out. folder is models--ORG--NAME's path. */
int cache_repository_folder(struct buf *out, const char *hub_folder, const char *repository,
                            struct err *e);
int cache_blob_path(struct buf *out, const char *folder, const char *etag, struct err *e);
int cache_snapshot_path(struct buf *out, const char *folder, const char *commit, const char *file,
                        struct err *e);

/* Makes hub_folder with its CACHEDIR.TAG, and the repository's blobs/, refs/ and snapshots/. */
int cache_prepare(const char *hub_folder, const char *repository, struct err *e);
/* snapshots/COMMIT/FILE becomes a relative link to blobs/ETAG, whatever was there: at once. */
int cache_link(const char *folder, const char *commit, const char *file, const char *etag,
               struct err *e);
/* refs/REVISION = commit; nothing if revision is the commit itself. */
int cache_write_ref(const char *folder, const char *revision, const char *commit, struct err *e);

/* The lock of one blob: .locks/models--ORG--NAME/ETAG.lock, flock'ed as huggingface_hub does. */
struct cache_lock {
    int fd; /* -1: not held */
};
/* 1: held; 0: someone else has it; below: an error. Never waits. */
int cache_lock_try(struct cache_lock *l, const char *hub_folder, const char *repository,
                   const char *etag, struct err *e);
void cache_unlock(struct cache_lock *l); /* not held is fine */

/* ---- checksums ---- */

/* What a blob is called after: sha256 of its bytes (LFS files), or git's blob id, sha1 of "blob
 * SIZE\0" and the bytes. */
enum cache_hash_kind { CACHE_SHA256, CACHE_GIT_BLOB };
enum { CACHE_HASH_SIZE = 65 };
struct cache_hash;
/* By the length of a lower case hexadecimal etag, 64 or 40; false: it is no hash. */
bool cache_hash_kind_of(const char *etag, enum cache_hash_kind *out);
/* size: of all bytes that will come; only CACHE_GIT_BLOB needs it. */
int cache_hash_open(struct cache_hash **out, enum cache_hash_kind kind, uint64_t size,
                    struct err *e);
void cache_hash_add(struct cache_hash *h, struct span bytes);
void cache_hash_end(struct cache_hash *h, char out[CACHE_HASH_SIZE]); /* lower case; once */
void cache_hash_close(struct cache_hash **h);                         /* NULL is fine */
/* Of a whole file. stop (NULL: never) is asked between blocks and ends it with ERR_CANCELLED. */
int cache_hash_file(const char *path, enum cache_hash_kind kind, char out[CACHE_HASH_SIZE],
                    bool (*stop)(void *ctx), void *ctx, struct err *e);

/* ---- what lies there ---- */

struct cache_model {
    char repository[CACHE_NAME_SIZE];
    uint64_t size_bytes;       /* blobs, each once */
    uint64_t incomplete_bytes; /* of downloads that were cut */
    size_t n_files;            /* of all snapshots */
    size_t n_snapshots;
    bool complete;       /* no broken link, no ref without its snapshot */
    char problem[256];   /* of an incomplete one */
    uint64_t modified_s; /* since 1970, the youngest blob */
};
struct cache_list {
    size_t n;
    struct cache_model *models; /* by name */
};
/* A hub_folder that does not exist is an empty list. */
int cache_list_open(struct cache_list *out, const char *hub_folder, struct err *e);
void cache_list_close(struct cache_list *l);

/* One blob that was checked. */
struct cache_check {
    const char *file;    /* one of the files that are it, "" if none is */
    const char *blob;    /* its name */
    uint64_t size_bytes; /* 0 if it is missing */
    enum { CACHE_GOOD, CACHE_BAD, CACHE_MISSING, CACHE_UNKNOWN } result; /* UNKNOWN: no hash */
};
/* Reads every file of the repository's snapshots, each blob once; ERR_NOTFOUND: no such repository;
 * on_check may be NULL. *bad: how many are CACHE_BAD or CACHE_MISSING. */
int cache_verify(const char *hub_folder, const char *repository,
                 void (*on_check)(void *ctx, const struct cache_check *c), bool (*stop)(void *ctx),
                 void *ctx, size_t *bad, struct err *e);

/* Removes models--ORG--NAME and its locks, never following a link; *freed: bytes. ERR_NOTFOUND: no
 * such repository; ERR_IO: a download into it is under way. */
int cache_remove(const char *hub_folder, const char *repository, uint64_t *freed, struct err *e);

#endif
