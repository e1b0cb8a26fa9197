/* SPDX-License-Identifier: MIT */
/* A made-up vocabulary of any length, for byte-level BPE as GPT-2 has it. Private to lab/. */
#ifndef WATTLE_LAB_SYNTH_VOCAB_H
#define WATTLE_LAB_SYNTH_VOCAB_H

#include "base/base.h"

/* The first ids: what ends a text, and ChatML's two. */
enum { SYNTH_END_OF_TEXT, SYNTH_IM_START, SYNTH_IM_END, SYNTH_SPECIALS };

enum {
    SYNTH_MERGES_MAX = 8192,
    SYNTH_VOCAB_MIN = 8192, /* holds all that is not made up to fill */
};

struct synth_vocab {
    struct arena arena;
    struct span *tokens; /* [n], all different, as GGUF and tokenizer.json spell them */
    struct span *merges; /* [n_merges] "a b", the first first */
    size_t n, n_merges;
    size_t wanted;
    bool failed;
};

/* n tokens, SYNTH_VOCAB_MIN at least. */
int synth_vocab_open(struct synth_vocab *v, size_t n, struct err *e);
void synth_vocab_close(struct synth_vocab *v);

/* ChatML, as a template of both formats. */
#define SYNTH_CHAT_TEMPLATE                                                                  \
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + "            \
    "message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}" \
    "{{ '<|im_start|>assistant\\n' }}{% endif %}"

#endif
