/* SPDX-License-Identifier: MIT */
/* From a request to token ids. */
#ifndef WATTLE_ENGINE_PROMPT_H
#define WATTLE_ENGINE_PROMPT_H

#include <wattle.h>

#include "engine/markup.h"

/* What a model brings along for it; made once, read by any number of threads. */
struct prompt_maker {
    const struct tokenizer *tokenizer; /* borrowed */
    const struct template *template;   /* borrowed; NULL: the plain form of <wattle.h> */
    struct markup *markup;
    bool adds_bos; /* the vocabulary puts BOS before a text */
};

int prompt_maker_init(struct prompt_maker *m, const struct tokenizer *tokenizer,
                      const struct template *template, struct err *e);
void prompt_maker_release(struct prompt_maker *m);

struct prompt {
    struct token_list ids;
    size_t characters;
};

/* What a prompt has to stay below, and what messages call it. */
struct prompt_limit {
    size_t tokens;
    const char *name;
};
/* 0, or ERR_LIMIT: the n tokens (at_least: or more) leave no room. */
int prompt_limit_check(const struct prompt_limit *limit, size_t n, bool at_least, struct err *e);

/* The part of the request that is text is checked here: messages or prompt, roles, UTF-8, size. A
 * text that must pass the limit (NULL: none) by its mere size is not tokenized; the ids may still
 * pass it. There is at least one id. */
int prompt_make(const struct prompt_maker *m, const struct wattle_request *request,
                const struct prompt_limit *limit, struct prompt *out, struct err *e);
void prompt_release(struct prompt *p);

/* The text before which an answer to a plain prompt ends. */
#define PROMPT_PLAIN_STOP "\nUser:"

#endif
