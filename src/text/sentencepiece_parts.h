/* SPDX-License-Identifier: MIT */
/* What the files of sentencepiece.h share. Private to them. */
#ifndef WATTLE_TEXT_SENTENCEPIECE_PARTS_H
#define WATTLE_TEXT_SENTENCEPIECE_PARTS_H

#include "codec/codec.h"
#include "text/sentencepiece.h"
#include "text/vocab_index.h"

/* ---- sentencepiece_model.c ---- */

enum piece_type { /* SentencePiece's numbers, which GGUF took over */
                  PIECE_NORMAL = TOKEN_NORMAL,
                  PIECE_CONTROL = TOKEN_CONTROL,
                  PIECE_USER_DEFINED = TOKEN_USER_DEFINED,
};

enum sp_model_type { SP_UNIGRAM = 1, SP_BPE = 2 };

/* The parts of ModelProto that matter here. Spans are borrowed from the file. */
struct sp_model {
    size_t n, cap;
    struct span *texts; /* [n] valid UTF-8, distinct, not empty */
    float *scores;      /* [n] finite */
    uint8_t *types;     /* [n] */
    struct vocab_index index;

    uint64_t model_type;
    bool byte_fallback;
    int32_t unk_id, bos_id, eos_id; /* below 0: none */
    struct span unk_piece, bos_piece, eos_piece;

    struct span charsmap;
    bool add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces;
};

int sp_model_read(struct sp_model *m, struct span file, struct err *e);
/* Again, once texts have changed. */
int sp_model_index(struct sp_model *m, struct err *e);
/* From a vocabulary; spans are borrowed from it. */
int sp_model_of_vocab(struct sp_model *m, const struct vocab *v, struct err *e);
void sp_model_release(struct sp_model *m); /* all zero is fine */

/* ---- sentencepiece_tokens.c ---- */

/* Which of transformers' classes reads the model. */
enum sp_class { SP_CLASS_LLAMA, SP_CLASS_GEMMA, SP_CLASS_ANY };

struct sp_token {
    struct span text;
    int64_t id; /* where it stands among the added tokens of the configuration */
    bool lstrip, rstrip, single_word, normalized, special;
};

/* bos, eos, unk, sep, pad, cls, mask: in the order in which transformers adds them. */
enum { SP_BOS, SP_EOS, SP_UNK, SP_NAMED = 7 };

/* What the configuration says, and the tokens that are added in this order. Spans are borrowed from
 * the model and from the documents. */
struct sp_config {
    struct json *config, *map, *added;
    enum sp_class class;
    bool legacy, add_prefix_space, add_bos, add_eos;
    struct sp_token named[SP_NAMED]; /* text.n == 0: none */
    struct sp_token *tokens;
    size_t n, cap;
    size_t n_listed; /* the first ones: of added_tokens_decoder, or of added_tokens.json */
    struct span *listed_texts;
    struct vocab_index listed;
};

int sp_config_read(struct sp_config *c, const struct tokenizer_files *f, struct span model_type,
                   const struct sp_model *m, struct err *e);
/* What the vocabulary's types and flags say. */
int sp_config_of_vocab(struct sp_config *c, const struct vocab *v, const struct sp_model *m,
                       struct err *e);
void sp_config_release(struct sp_config *c);

/* ---- sentencepiece_vocab.c ---- */

/* An object that begins with its type; the caller ends it. */
void sp_begin(struct json_writer *w, const char *type);

bool sp_has_user_defined(const struct sp_model *m);
int sp_put_bpe(struct json_writer *w, const struct sp_model *m, const struct sp_config *c,
               struct err *e);
void sp_put_unigram(struct json_writer *w, const struct sp_model *m);

#endif
