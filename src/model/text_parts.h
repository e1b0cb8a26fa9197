/* SPDX-License-Identifier: MIT */
/* The inside of a model_text, for the two files that fill it. Private to model/. */
#ifndef WATTLE_MODEL_TEXT_PARTS_H
#define WATTLE_MODEL_TEXT_PARTS_H

#include "model/model.h"

enum { TEXT_ENDS_MAX = 64 }; /* the longest published list has 8 */

struct model_text {
    struct weights *file; /* GGUF: the tokenizer's spans lie in it; else NULL */
    struct arena arena;   /* GGUF: arrays of the vocabulary */
    struct tokenizer *tokenizer;
    struct template *template, *tool_template; /* tool_template NULL: the same */
    struct err template_error;                 /* text is empty: none */
    int32_t ends[TEXT_ENDS_MAX];
    size_t n_ends;
    struct model_sampling sampling;
};

/* The one for conversations or the one for tools; a source that is no template is a complaint in
 * template_error, not a failure: a model without template still works. */
int text_add_template(struct model_text *t, struct span source, const char *where, bool for_tools,
                      struct err *e);
/* Ids below 0 and those past TEXT_ENDS_MAX are dropped; false: it was. */
bool text_add_end(struct model_text *t, int64_t id);
/* One value of sampling, where it lies in [min, max]; else a line in the log, and nothing. */
void text_take_sampling(float *out, double value, double min, double max, const char *where,
                        const char *key);

/* text_folder.c: folder is in Hugging Face layout. has_weights: no tokenizer is fine then. */
int text_open_folder(struct model_text *t, const char *folder, bool has_weights, struct err *e);

#endif
