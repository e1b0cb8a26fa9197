/* SPDX-License-Identifier: MIT */
/* A tokenizer as tokenizer.json describes it: added tokens, normalizers, pre-tokenizers, a model, a
 * post-processor, decoders. Private to text/.
 *
 * tokenizer_json.c and the files beside it fill one; pipeline.c runs it. */
#ifndef WATTLE_TEXT_PIPELINE_H
#define WATTLE_TEXT_PIPELINE_H

#include "codec/codec.h"
#include "text/added.h"
#include "text/bpe_model.h"
#include "text/decoder.h"
#include "text/pretokenizer.h"
#include "text/unigram.h"

enum { NORMALIZERS_MAX = 32, PIPELINE_DOCS = 8, AFFIX_MAX = 64 };

/* An added token as its file lists it. */
struct listed_token {
    struct span text; /* not empty */
    int32_t id;
    bool special, normalized, lstrip, rstrip, single_word;
};

struct pipeline {
    /* What texts and contents point into. */
    struct json *docs[PIPELINE_DOCS];
    size_t n_docs;
    uint8_t *texts;         /* of the model's tokens */
    struct buf added_texts; /* normalized contents of added tokens */

    /* The vocabulary. Both [n]; empty where an id has no token. */
    size_t n;
    struct span *model_tokens; /* what the model knows */
    struct span *tokens;       /* with the added ones */
    int32_t *types;            /* enum token_type */
    struct vocab_index index;  /* model_tokens */

    struct listed_token *listed;
    size_t n_listed, listed_cap;
    struct span *listed_texts;
    struct vocab_index listed_index;
    /* Found in the text as it comes, and in the normalized text. */
    struct added raw, normal;
    struct regex *word; /* one character of a word; NULL if nobody asks */

    struct normalizer normalizers[NORMALIZERS_MAX];
    size_t n_normalizers;
    struct pre_stage stages[PRE_STAGES_MAX];
    size_t n_stages;
    struct decoder decoders[DETOKENIZER_STAGES_MAX];
    size_t n_decoders;
    /* What add_special puts around the ids. */
    int32_t prefix[AFFIX_MAX], suffix[AFFIX_MAX];
    size_t n_prefix, n_suffix;

    bool is_unigram;
    bool by_library; /* its file is one that the library reads, and not one of our making */
    struct bpe_model bpe;
    double *scores;
    struct unigram *unigram;
};

void pipeline_close(struct pipeline **p);

/* The id of a token by its text, added or the model's; -1: none. */
int32_t pipeline_find(const struct pipeline *p, struct span text);

/* Gives the listed tokens their ids and builds what finds them: once the vocabulary and the
 * normalizers are there. */
int pipeline_add_tokens(struct pipeline *p, struct err *e);
/* Once everything is set. */
void pipeline_ready(struct pipeline *p);

/* Appends the ids of text (valid UTF-8), without what add_special adds. */
int pipeline_encode(const struct pipeline *p, struct span text, const struct encode_options *o,
                    const size_t *breaks, struct token_list *out, struct err *e);

/* ---- tokenizer_json.c and its kin ---- */

/* Reads tokenizer.json; what: the file that it was made of, for messages. s may be NULL. */
struct settings;
int pipeline_from_json(struct pipeline **out, struct span json, const char *what,
                       const struct settings *s, struct err *e);
/* tokenizer_files.c: lists what the configuration adds to the tokens that are listed already. */
int pipeline_settings(struct pipeline *p, const struct settings *s, struct err *e);
/* Parses a part of the file and keeps it until pipeline_close. */
int pipeline_doc(struct pipeline *p, struct span json, const char *what, const struct json **out,
                 struct err *e);

/* tokenizer_json_normalizers.c and its like: each from its value in the file; null: none. */
int read_normalizer(struct pipeline *p, const struct json *v, struct err *e);
int read_pre_tokenizer(struct pipeline *p, const struct json *v, struct err *e);
int read_post_processor(struct pipeline *p, const struct json *v, struct err *e);
int read_decoder(struct pipeline *p, const struct json *v, struct err *e);
/* tokenizer_json_model.c */
int read_model(struct pipeline *p, struct span json, struct err *e);

#endif
