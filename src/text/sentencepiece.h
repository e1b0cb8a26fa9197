/* SPDX-License-Identifier: MIT */
/* tokenizer.model, SentencePiece's protobuf, as the tokenizer.json that transformers makes of it.
 * Private to text/. */
#ifndef WATTLE_TEXT_SENTENCEPIECE_H
#define WATTLE_TEXT_SENTENCEPIECE_H

#include "text/tokenizer.h"

/* Ids of the tokens with a meaning; -1: none. */
struct sp_special {
    int32_t bos, eos, unk;
};

/* Appends the tokenizer.json of a folder without one to out: model, normalizer, pre-tokenizer,
 * decoder, post-processor and added tokens are final, so that nothing of f has to be looked at
 * again. Uses f->sentencepiece, tokenizer_config, special_tokens_map and added_tokens; which class
 * of transformers it follows (LlamaTokenizer, GemmaTokenizer, or any other) is decided as
 * AutoTokenizer does, by the config's tokenizer_class and by model_type (config.json's; empty:
 * unknown). Errors name the file. special may be NULL: not asked for. */
int sentencepiece_json(const struct tokenizer_files *f, struct span model_type, struct buf *out,
                       struct sp_special *special, struct err *e);

/* The same for a VOCAB_UNIGRAM out of GGUF, as if it were read by its own settings. */
int sentencepiece_json_of_vocab(const struct vocab *v, struct buf *out, struct err *e);

#endif
