/* SPDX-License-Identifier: MIT */
/* BPE as tokenizer.json describes it: a word becomes its characters' tokens, which merge by rank.
 * Private to text/. */
#ifndef WATTLE_TEXT_BPE_MODEL_H
#define WATTLE_TEXT_BPE_MODEL_H

#include "text/pairs.h"
#include "text/tokenizer.h"
#include "text/vocab_index.h"

enum { UNK_NONE = -1, UNK_MISSING = -2 /* named, but no token */ };

struct bpe_model {
    const struct vocab_index *index; /* borrowed */
    struct pair_table *pairs;
    struct span prefix, suffix; /* of what does not begin, and of what ends a word */
    int32_t unk;
    bool fuse_unk, byte_fallback, ignore_merges;
    /* Words are bytes, each of which stands for its letter (alphabet.h): the pre-tokenizer ends in
     * ByteLevel, and need not spell them. */
    bool bytes;
    int32_t byte_ids[256]; /* of letters if bytes, else of <0xNN>; -1: none */
    bool blanks_begin;     /* no merge has a U+2581 behind anything else: words may be cut there */
};

/* Once all but byte_ids and bytes is set: looks up byte_ids. bytes: as wanted; it stays false where
 * words must be spelled. */
void bpe_model_ready(struct bpe_model *m, bool bytes);
void bpe_model_release(struct bpe_model *m);

/* Appends the ids of a word. scratch: for words without a token of their own. */
int bpe_model_encode(const struct bpe_model *m, struct merger *merger, struct buf *scratch,
                     struct span word, struct token_list *out, struct err *e);
/* The part of text that may be encoded by itself: up to a blank that begins a word. */
size_t bpe_model_word(const struct bpe_model *m, struct span text);

#endif
