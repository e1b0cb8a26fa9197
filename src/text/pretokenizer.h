/* SPDX-License-Identifier: MIT */
/* Pre-tokenizers of tokenizer.json: how a text is cut into the words that the model sees. Private
 * to text/. */
#ifndef WATTLE_TEXT_PRETOKENIZER_H
#define WATTLE_TEXT_PRETOKENIZER_H

#include "text/normalizer.h"

enum cut_by {
    CUT_NOTHING, /* the stage only changes the text */
    CUT_PATTERN,
    CUT_SPACE, /* each White_Space character by itself, and so on */
    CUT_NUMERIC,
    CUT_PUNCTUATION,
};

enum cut_behavior {
    CUT_ISOLATED,
    CUT_REMOVED,
    CUT_CONTIGUOUS,
    CUT_MERGED_WITH_PREVIOUS,
    CUT_MERGED_WITH_NEXT,
};

enum prefix_when { PREFIX_NEVER, PREFIX_ALWAYS, PREFIX_FIRST };

struct pre_stage {
    /* First the text is changed: `from` becomes `prefix` (Metaspace's blank), and a prefix is put
     * before a piece that does not begin with it. */
    bool replaces_blanks;
    struct span prefix; /* borrowed; not empty where it is used */
    enum prefix_when when;
    /* Then it is cut. */
    enum cut_by by;
    struct pattern pattern;
    bool invert;
    enum cut_behavior behavior;
    /* Then each byte of each piece becomes its letter (alphabet.h). */
    bool letters;
};
void pre_stage_release(struct pre_stage *s);

enum { PRE_STAGES_MAX = 32 };

/* A walk through texts; one a thread. All zero but for the first three is a valid beginning. */
struct pre_run {
    const struct pre_stage *stages;
    size_t n;
    int (*word)(void *context, struct span piece, struct err *e);
    void *context;
    struct regex_scan scans[PRE_STAGES_MAX];
    struct buf changed[PRE_STAGES_MAX], lettered[PRE_STAGES_MAX];
};
void pre_run_release(struct pre_run *r);

/* Calls word(context, piece) for each piece in order; none is empty; a piece is valid during the
 * call. text: valid UTF-8. first: it stands at the very beginning of what is encoded. */
int pre_run_text(struct pre_run *r, struct span text, bool first, struct err *e);

#endif
