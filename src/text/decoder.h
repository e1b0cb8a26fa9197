/* SPDX-License-Identifier: MIT */
/* Decoders of tokenizer.json, as a row of stages through which tokens stream. Private to text/. */
#ifndef WATTLE_TEXT_DECODER_H
#define WATTLE_TEXT_DECODER_H

#include "text/normalizer.h"
#include "text/tokenizer.h"

enum decoder_kind {
    DECODER_BYTE_LEVEL,
    DECODER_BYTE_FALLBACK,
    DECODER_FUSE,
    DECODER_METASPACE,
    DECODER_STRIP,
    DECODER_REPLACE,
    DECODER_BPE,
    DECODER_WORDPIECE,
    DECODER_JOIN, /* no decoder: blanks between tokens */
};

struct decoder {
    enum decoder_kind kind;
    struct pattern pattern; /* Replace */
    struct span content;    /* Replace; Strip: one character; Metaspace: its blank; BPE: the suffix;
                             * WordPiece: the prefix. Borrowed. */
    uint32_t start, stop;   /* Strip: at most so many */
    bool drops_first;       /* Metaspace: the first token loses its blanks */
    bool cleans_up;         /* WordPiece */
};
void decoder_release(struct decoder *d);

/* A row of decoders and the state of one stream through it. */
struct decoder_run {
    const struct decoder *list; /* [n] */
    size_t n;
    struct detokenizer_stage *stages; /* [n]; each zero at first */
    struct buf *out;
};

/* One token; or the end. What is certain goes to out; all that comes out is valid UTF-8. */
int decoder_run_token(struct decoder_run *r, struct span token, struct err *e);
int decoder_run_end(struct decoder_run *r, struct err *e);
void detokenizer_stage_release(struct detokenizer_stage *s);

/* The bytes that a token stands for in the middle of a text. */
int decoder_piece(const struct decoder *list, size_t n, struct span token, struct buf *out,
                  struct err *e);

#endif
