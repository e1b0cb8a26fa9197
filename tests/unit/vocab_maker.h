/* SPDX-License-Identifier: MIT */
/* Vocabularies made by hand, for the tests of tokenizers: bytes and a few words, or a few
 * SentencePiece pieces. */
#ifndef WATTLE_TESTS_VOCAB_MAKER_H
#define WATTLE_TESTS_VOCAB_MAKER_H

#include "text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { MAX = 400 };

/* A vocabulary that grows by one token a call. */
struct maker {
    struct vocab v;
    struct span tokens[MAX];
    float scores[MAX];
    int32_t types[MAX];
    struct span merges[MAX];
    char text[MAX][8]; /* spellings that have no literal */
};

static inline void make(struct maker *m, enum vocab_kind kind)
{
    *m = (struct maker){.v = {.kind = kind, .bos = -1, .eos = -1, .unk = -1}};
    m->v.tokens = m->tokens;
    m->v.types = m->types;
    m->v.scores = kind == VOCAB_SPM ? m->scores : NULL;
    m->v.merges = m->merges;
}

static inline int32_t add(struct maker *m, const char *text, enum token_type type, float score)
{
    size_t i = m->v.n++;
    assert_true(i < MAX);
    m->tokens[i] = span_str(text);
    m->types[i] = (int32_t)type;
    m->scores[i] = score;
    return (int32_t)i;
}

static inline void merge(struct maker *m, const char *text)
{
    m->merges[m->v.n_merges++] = span_str(text);
}

/* Byte-level: ids 0 to 255 are the bytes, in the order of their letters' code points. */
enum { HE = 256, LLO, HELLO, SPACE_W, START, END, DIAMOND };

static inline void make_bpe(struct maker *m)
{
    make(m, VOCAB_BPE);
    for (uint32_t cp = 0x21; cp < 0x144; cp++) {
        bool letter = cp <= 0x7e || (cp >= 0xa1 && cp <= 0xac) || cp >= 0xae;
        if (letter)
            add(m, (utf8_encode(cp, m->text[m->v.n]), m->text[m->v.n]), TOKEN_NORMAL, 0);
    }
    assert_int_equal(m->v.n, 256);
    add(m, "he", TOKEN_NORMAL, 0);
    add(m, "llo", TOKEN_NORMAL, 0);
    add(m, "hello", TOKEN_NORMAL, 0);
    add(m, "\xc4\xa0w", TOKEN_NORMAL, 0);
    add(m, "<|im_start|>", TOKEN_CONTROL, 0);
    add(m, "<|im_end|>", TOKEN_CONTROL, 0);
    add(m, "<>", TOKEN_USER_DEFINED, 0);
    add(m, "ll", TOKEN_NORMAL, 0);
    merge(m, "h e");
    merge(m, "l l");
    merge(m, "ll o");
    merge(m, "he llo");
    merge(m, "\xc4\xa0 w");
    m->v.eos = END;
}

static inline int32_t byte_id(const struct tokenizer *t, unsigned char byte)
{
    for (int32_t id = 0; id < 256; id++) {
        struct buf b;
        buf_init(&b, 16);
        assert_int_equal(tokenizer_piece(t, id, false, &b, NULL), 0);
        bool same = b.n == 1 && (unsigned char)b.p[0] == byte;
        buf_release(&b);
        if (same)
            return id;
    }
    fail();
    return -1;
}

/* SentencePiece: some letters, merges, and the bytes of a few characters. */
enum { UNK, BOS, EOS, B0A, BF0, B9F, B98, B80, BLANK, A, B, AB, BLANK_A, BLANK_AB };

static inline void make_spm(struct maker *m)
{
    make(m, VOCAB_SPM);
    add(m, "<unk>", TOKEN_UNKNOWN, 0);
    add(m, "<s>", TOKEN_CONTROL, 0);
    add(m, "</s>", TOKEN_CONTROL, 0);
    add(m, "<0x0A>", TOKEN_BYTE, 0);
    add(m, "<0xF0>", TOKEN_BYTE, 0);
    add(m, "<0x9F>", TOKEN_BYTE, 0);
    add(m, "<0x98>", TOKEN_BYTE, 0);
    add(m, "<0x80>", TOKEN_BYTE, 0);
    add(m, "\xe2\x96\x81", TOKEN_NORMAL, -100);
    add(m, "a", TOKEN_NORMAL, -101);
    add(m, "b", TOKEN_NORMAL, -102);
    add(m, "ab", TOKEN_NORMAL, -1);
    add(m,
        "\xe2\x96\x81"
        "a",
        TOKEN_NORMAL, -2);
    add(m,
        "\xe2\x96\x81"
        "ab",
        TOKEN_NORMAL, -3);
    m->v.unk = UNK;
    m->v.bos = BOS;
    m->v.eos = EOS;
    m->v.add_bos = true;
    m->v.add_space_prefix = true;
}

static inline struct tokenizer *opened(const struct maker *m)
{
    struct tokenizer *t = NULL;
    struct err e = {""};
    if (tokenizer_open(&t, &m->v, &e))
        fail_msg("%s", e.text);
    return t;
}

#define IDS(...) (const int32_t[]){__VA_ARGS__}, sizeof((const int32_t[]){__VA_ARGS__}) / 4

static inline void assert_ids(const struct tokenizer *t, const char *text, size_t bytes,
                              struct encode_options o, const int32_t *ids, size_t n)
{
    struct token_list got = {0};
    struct err e = {""};
    if (tokenizer_encode(t, span_of(text, bytes), &o, &got, &e))
        fail_msg("%s", e.text);
    if (got.n != n)
        fail_msg("'%s' gives %zu ids, expected %zu", text, got.n, n);
    for (size_t i = 0; i < n; i++)
        if (got.ids[i] != ids[i])
            fail_msg("'%s': id %zu is %d, expected %d", text, i, got.ids[i], ids[i]);
    token_list_release(&got);
}

static inline void assert_text(const struct tokenizer *t, const int32_t *ids, size_t n,
                               bool skip_special, const char *want)
{
    struct buf got;
    struct err e = {""};
    buf_init(&got, 1000);
    if (tokenizer_decode(t, ids, n, skip_special, &got, &e))
        fail_msg("%s", e.text);
    assert_string_equal(buf_cstr(&got), want);
    buf_release(&got);
}

#endif
