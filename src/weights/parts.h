/* SPDX-License-Identifier: MIT */
/* What the readers of a model's files share; private to weights/.
 *
 * A model lies in one part or in several (shards of safetensors, a split GGUF). Each reader adds
 * its parts to struct weights, and with each part the tensors in it; the names are put in order and
 * compared once, at the end. */
#ifndef WATTLE_WEIGHTS_PARTS_H
#define WATTLE_WEIGHTS_PARTS_H

#include "codec/codec.h"
#include "weights/weights.h"

enum {
    /* Over all files of a model. The most in a published model are 1.4e5 (384 experts in 60 layers,
     * three matrices each, with a scale beside each). */
    WEIGHTS_TENSORS_MAX = 1 << 18,
    WEIGHTS_NAME_MAX = 256,
    WEIGHTS_PARTS_MAX = 1000, /* published models have up to 200 */
};

struct part {
    const char *path;    /* in the arena */
    struct gguf *gguf;   /* or, in safetensors, */
    struct file_map map; /* the whole file */
    size_t first;        /* its tensors are [first, first + n) of the model's */
    size_t n;
};

/* Invariant once open: by_name is sorted and holds no name twice; parts are in file order. */
struct weights {
    char *path;
    char *folder;
    struct arena arena; /* names and paths */
    struct part *parts;
    size_t n_parts;
    struct tensor *tensors; /* part by part, in the order of the file */
    size_t n_tensors;
    const struct tensor **by_name;
    uint64_t file_bytes;
};

/* Room for n parts, empty. */
int weights_make_parts(struct weights *w, size_t n, struct err *e);
/* n more tensors, zeroed, which belong to p: *out is valid until the next call. */
int weights_add_tensors(struct weights *w, struct part *p, size_t n, struct tensor **out,
                        struct err *e);
/* "FOLDER/NAME" in the arena; NULL without memory. */
const char *weights_join(struct weights *w, const char *folder, const char *name);
/* Opens path, a single file of either format, as part p; says what it is if it is no weights. */
int weights_open_part(struct weights *w, struct part *p, const char *path, struct err *e);

/* ---- folder.c ---- */

/* The file in folder that the contract of weights_open chooses: *path in the arena. */
int folder_choose(struct weights *w, const char *folder, const char **path, struct err *e);
/* 0 if path is a regular file, or links to one. Opening a pipe would wait for ever. */
int folder_check_file(const char *path, struct err *e);

/* ---- shards.c: safetensors in several files ---- */

bool shards_is_index(const char *path);
int shards_open(struct weights *w, const char *path, struct err *e);

/* ---- split.c: GGUF in several files ---- */

/* By its name a part of several; the first part, of one or several. */
bool split_is_part(const char *path);
bool split_is_first(const char *path);
/* path: any part. Opens all. */
int split_open(struct weights *w, const char *path, struct err *e);
/* A file opened alone is no part of several. */
int split_check_whole(const struct part *p, struct err *e);

/* ---- refuse.c ---- */

/* Says what a file is that is no weights. expected: "GGUF", "GGUF or safetensors". */
int refuse_known(struct span bytes, const char *expected, struct err *e); /* 0: no idea */
int refuse_bytes(struct span bytes, const char *expected, struct err *e);

#endif
