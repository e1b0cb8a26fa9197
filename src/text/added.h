/* SPDX-License-Identifier: MIT */
/* Added tokens: those that are found in a text by their own spelling, before anything else looks at
 * it. Private to text/. */
#ifndef WATTLE_TEXT_ADDED_H
#define WATTLE_TEXT_ADDED_H

#include "base/base.h"

/* No published added token is longer than some 60 bytes; the bound keeps the search linear. */
#define ADDED_MAX_BYTES 256

struct added_token {
    struct span text; /* borrowed, not empty */
    int32_t id;
    bool control; /* recognised only where control tokens are asked for */
    /* Of tokenizer.json: takes the white space before or after it along; is none inside of a word.
     */
    bool lstrip, rstrip, single_word;
};

/* Invariant: sorted by text, so that the tokens that begin in one way stand side by side. */
struct added {
    struct added_token *tokens;
    size_t n;
    uint32_t begin[257]; /* tokens whose first byte is b: [begin[b], begin[b + 1]) */
};

/* Takes the tokens over (malloc'ed) and sorts them. Texts are distinct. */
void added_init(struct added *a, struct added_token *tokens, size_t n);
void added_release(struct added *a);

/* The longest token at the front of text (not empty), NULL if none. */
const struct added_token *added_longest(const struct added *a, struct span text);

struct added_match {
    size_t from, n;
    int32_t id;
};

/* The first added token in text at or after from: the longest at its place. It lies in no two parts
 * of the text that a break separates. A control token that is not asked for is passed over as a
 * whole. *next_break is the caller's place in breaks, which moves on
 * with from. False when there is none. */
bool added_find(const struct added *a, struct span text, size_t from, bool control,
                const size_t *breaks, size_t n_breaks, size_t *next_break, struct added_match *out);

#endif
