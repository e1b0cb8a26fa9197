/* SPDX-License-Identifier: MIT */
/* Text to token ids and back. Ids equal those of Hugging Face's `tokenizers` for the same
 * vocabulary. */
#ifndef WATTLE_TEXT_TOKENIZER_H
#define WATTLE_TEXT_TOKENIZER_H

#include "base/base.h"

/* As GGUF numbers them (tokenizer.ggml.token_type). */
enum token_type {
    TOKEN_NORMAL = 1,
    TOKEN_UNKNOWN = 2,
    TOKEN_CONTROL = 3,
    TOKEN_USER_DEFINED = 4,
    TOKEN_UNUSED = 5,
    TOKEN_BYTE = 6,
};

enum vocab_kind {
    VOCAB_BPE,     /* GGUF "gpt2" */
    VOCAB_SPM,     /* GGUF "llama" */
    VOCAB_UNIGRAM, /* GGUF "t5" */
};

/* A vocabulary as its file gives it. All spans and arrays are borrowed until tokenizer_close. */
struct vocab {
    enum vocab_kind kind;
    const char *pre; /* GGUF tokenizer.ggml.pre ("smollm", "llama-bpe", "qwen2", …) or NULL */
    size_t n;        /* tokens, 1 to 4 Mi */
    const struct span
        *tokens;         /* as in the file: byte-level alphabet for BPE, U+2581 for blanks in SPM */
    const float *scores; /* SPM, Unigram: needed; BPE: NULL */
    const int32_t *types;      /* enum token_type; NULL: all normal */
    const struct span *merges; /* BPE: "left right", in rank order */
    size_t n_merges;
    int32_t bos, eos, unk; /* -1: none */
    bool add_bos, add_eos;
    bool add_space_prefix;         /* SPM, Unigram */
    bool remove_extra_whitespaces; /* Unigram */
    struct span charsmap;          /* Unigram: compiled normalization; may be empty */
};

/* The files of a Hugging Face folder that say how its tokenizer works, as they are; each may be
 * empty. tokenizer_json is used where it is there; else sentencepiece (tokenizer.model, the
 * protobuf of SentencePiece: BPE or Unigram); else vocab_json with merges_txt (byte-level BPE). The
 * others say which tokens are special, as transformers' AutoTokenizer takes them. */
struct tokenizer_files {
    struct span tokenizer_json, sentencepiece, vocab_json, merges_txt;
    struct span tokenizer_config, special_tokens_map, added_tokens; /* JSON */
    struct span model_type; /* config.json's; empty: unknown. Tells how sentencepiece is read. */
};

struct tokenizer; /* immutable once open: any number of threads */

/* Checks the vocabulary (ids in range, valid UTF-8 where it must be, an unknown `pre` by name with
 * what is supported) and builds its tables. */
int tokenizer_open(struct tokenizer **out, const struct vocab *v, struct err *e);
/* The same from files, which may be freed afterwards. Ids equal those of AutoTokenizer on that
 * folder. Errors name the file ("tokenizer.json") and the place in it. */
int tokenizer_open_files(struct tokenizer **out, const struct tokenizer_files *f, struct err *e);
void tokenizer_close(struct tokenizer **t);
/* What tokenizer_open makes a tokenizer of that gives the same ids, of one that came from files:
 * byte-level BPE, else ERR_UNSUPPORTED. Arrays are in arena, texts there or in t. */
int tokenizer_vocabulary(const struct tokenizer *t, struct arena *a, struct vocab *out,
                         struct err *e);

struct token_list {
    int32_t *ids; /* malloc'ed; free with token_list_release */
    size_t n, cap;
};
void token_list_release(struct token_list *l);
int token_list_push(struct token_list *l, int32_t id, struct err *e);

struct encode_options {
    bool add_special;   /* BOS / EOS as the vocabulary says */
    bool parse_special; /* control tokens' text becomes the token; otherwise it is plain text
                         * (user-defined added tokens are always recognised) */
    /* Sorted byte offsets that no recognised added token may span (offset strictly inside it):
     * borders of text that is data, so that markup in it stays text. */
    const size_t *breaks;
    size_t n_breaks;
};

/* Appends to out. text: any bytes; invalid UTF-8 is taken as U+FFFD. At most 16 MiB; time is
 * O(n log n) whatever the text. */
int tokenizer_encode(const struct tokenizer *t, struct span text, const struct encode_options *o,
                     struct token_list *out, struct err *e);

/* A number of tokens that tokenizer_encode makes of text (valid UTF-8) or surpasses, whatever its
 * options. Costs a look at each byte. */
size_t tokenizer_least(const struct tokenizer *t, struct span text);

/* Bytes that one token stands for in the middle of a text, appended to out (control tokens: nothing
 * when skip_special, else their text). May be a part of a character. ids out of range are
 * ERR_RANGE. */
int tokenizer_piece(const struct tokenizer *t, int32_t id, bool skip_special, struct buf *out,
                    struct err *e);

/* The whole text of ids, as Hugging Face's decode() gives it without clean-up: valid UTF-8 (bytes
 * that are none become U+FFFD), SPM's first blank dropped where its decoder does. */
int tokenizer_decode(const struct tokenizer *t, const int32_t *ids, size_t n, bool skip_special,
                     struct buf *out, struct err *e);

/* Streaming: gives complete characters as soon as they are certain; the pieces add up to
 * tokenizer_decode. */
enum { DETOKENIZER_STAGES_MAX = 16 };
struct detokenizer_stage { /* of tokenizer.json's row of decoders */
    struct buf token;      /* parts of a token that has not ended */
    struct buf held;       /* what waits for the tokens to come */
    bool begun, open;      /* a token has come; one has begun and not ended */
    uint32_t stripped;
};
struct detokenizer {
    const struct tokenizer *t; /* borrowed */
    bool skip_special;
    bool first;      /* nothing has come out yet: a leading blank may have to go */
    struct buf held; /* bytes of a character that is not complete */
    struct detokenizer_stage stages[DETOKENIZER_STAGES_MAX];
};
void detokenizer_init(struct detokenizer *d, const struct tokenizer *t, bool skip_special);
void detokenizer_release(struct detokenizer *d);
int detokenizer_push(struct detokenizer *d, int32_t id, struct buf *out, struct err *e);
void detokenizer_finish(struct detokenizer *d, struct buf *out); /* what is held, as U+FFFD */

/* The id of a token by its exact text (for control and user-defined ones), -1 if none. */
int32_t tokenizer_find(const struct tokenizer *t, struct span text);
size_t tokenizer_size(const struct tokenizer *t);
int32_t tokenizer_bos(const struct tokenizer *t);
int32_t tokenizer_eos(const struct tokenizer *t);
/* True for EOS and every token that ends a turn in published vocabularies (<|im_end|>, <|eot_id|>,
 * <end_of_turn>, <|end|>, <|endoftext|> …), when it is a control token. */
bool tokenizer_is_end(const struct tokenizer *t, int32_t id);
/* Text of a control or user-defined token, empty for others and for ids out of range. */
struct span tokenizer_special_text(const struct tokenizer *t, int32_t id);

#endif
