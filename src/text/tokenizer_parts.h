/* SPDX-License-Identifier: MIT */
/* The inside of a tokenizer, for the files that make it up. Private to text/. */
#ifndef WATTLE_TEXT_TOKENIZER_PARTS_H
#define WATTLE_TEXT_TOKENIZER_PARTS_H

#include "text/added.h"
#include "text/pairs.h"
#include "text/pre.h"
#include "text/tokenizer.h"
#include "text/unicode.h"
#include "text/vocab_index.h"

struct pipeline; /* pipeline.h */

struct tokenizer {
    /* From files: everything but v, whose arrays are the pipeline's. NULL: from a struct vocab. */
    struct pipeline *pipeline;
    struct vocab v;           /* its arrays are borrowed */
    struct vocab_index index; /* the texts that words can become */
    struct added added;
    int32_t byte_ids[256]; /* BPE: the token of one byte; SPM: <0xNN>. -1: none */
    size_t longest;        /* bytes of the longest token, at least 1 */
    bool counts[256];      /* bytes of a text that no encoding drops */

    /* BPE */
    struct pair_table *pairs;
    struct pre *pre;
    bool nfc;
    bool ignore_merges;

    /* SPM */
    bool words_begin_with_blank; /* no token has a blank after something else */
    bool control_eats_space;     /* Phi-3's vocabulary: blanks after a control token go with it */
};

/* Words of one text that were merged already: where they stand, and where their ids are in the
 * output. Direct-mapped: a newcomer takes the place of whoever is there. */
struct cached_word {
    struct span word;
    size_t ids_from, n_ids;
};
struct word_cache {
    struct cached_word *words;
    size_t mask;
};
struct cached_word *word_cache_slot(const struct word_cache *c, struct span word);

/* One call of tokenizer_encode; on one thread. */
struct encoding {
    const struct tokenizer *t;
    struct token_list *out;
    struct merger merger;
    struct pre_walk *walk;     /* BPE */
    struct token_list symbols; /* SPM */
    struct word_cache *cache;  /* NULL: not for this text */
};

/* Whether a token is recognised in text only when control tokens are asked for, and left out of
 * text when they are skipped. */
bool token_is_control(const struct tokenizer *t, int32_t id);
enum token_type token_type_of(const struct tokenizer *t, int32_t id);

/* least.c; after bpe_open or spm_open, or once the pipeline is there. */
void least_init(struct tokenizer *t);
void least_init_pipeline(struct tokenizer *t);

int bpe_open(struct tokenizer *t, struct err *e);
void bpe_close(struct tokenizer *t);
/* Appends the ids of text, which holds no added token. */
int bpe_encode(struct encoding *c, struct span text, struct err *e);
/* Appends the bytes that the token stands for. */
void bpe_piece(const struct tokenizer *t, int32_t id, struct buf *out);

int spm_open(struct tokenizer *t, struct err *e);
int spm_encode(struct encoding *c, struct span text, struct err *e);
void spm_piece(const struct tokenizer *t, int32_t id, struct buf *out);
/* Whether the white space after the token belongs to it. */
bool spm_token_eats_space(const struct tokenizer *t, int32_t id);
/* The byte of a token spelled <0xNN>, -1 for others. */
int spm_byte(struct span token);

/* Room for n more ids; grows in proportion. */
int token_list_reserve(struct token_list *l, size_t n, struct err *e);
/* Appends ids [from, from + n) of the list itself. */
int token_list_repeat(struct token_list *l, size_t from, size_t n, struct err *e);

#endif
