/* SPDX-License-Identifier: MIT */
/* Pre-tokenizers: how a text is cut into the words within which byte-level BPE merges. Private to
 * text/.
 *
 * One is a row of stages. Each stage is a regular expression that cuts every piece of the stage
 * before it: its matches and what lies between them become pieces. So Hugging Face's sequences of
 * Split, Digits, Punctuation and ByteLevel, all of which isolate what they find. */
#ifndef WATTLE_TEXT_PRE_H
#define WATTLE_TEXT_PRE_H

#include "base/base.h"

#define PRE_MAX_STAGES 6

/* What is published under one name in GGUF's tokenizer.ggml.pre. */
struct pre_row {
    const char *names; /* separated by blanks */
    const char *stages[PRE_MAX_STAGES];
    bool nfc;               /* normalization form C comes first */
    bool ignore_merges;     /* a word that is a token is not merged */
    unsigned n_byte_stages; /* so many stages at the end see bytes, not characters: they come after
                             * ByteLevel has made a character of every byte */
};

/* The row of a name; NULL and "default" give GPT-2's. NULL when the name is unknown. */
const struct pre_row *pre_row_find(const char *name);
/* Appends every supported name, separated by ", ". */
void pre_row_names(struct buf *out);

/* The first name of row i; false beyond the last row. */
bool pre_row_name(size_t i, struct span *name);

struct pre; /* compiled; any number of threads */

int pre_open(struct pre **out, const struct pre_row *row, struct err *e);
void pre_close(struct pre **p);

/* A walk through one text; one a thread. */
struct pre_walk;
int pre_walk_open(struct pre_walk **out, const struct pre *p, struct err *e);
void pre_walk_close(struct pre_walk **w);

/* Calls word(context, piece) for each piece of text (valid UTF-8), in order; none is empty. A
 * negative answer ends the walk and is returned. */
int pre_walk_text(struct pre_walk *w, struct span text,
                  int (*word)(void *context, struct span piece, struct err *e), void *context,
                  struct err *e);

#endif
