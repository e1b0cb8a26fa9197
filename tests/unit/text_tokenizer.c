/* SPDX-License-Identifier: MIT */
/* Tokenizers on vocabularies made by hand: added tokens and breaks, bytes that are no UTF-8, pieces
 * of a stream, and vocabularies that must be refused. */
#include "text/tokenizer.h"

#include <math.h>
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

static void make(struct maker *m, enum vocab_kind kind)
{
    *m = (struct maker){.v = {.kind = kind, .bos = -1, .eos = -1, .unk = -1}};
    m->v.tokens = m->tokens;
    m->v.types = m->types;
    m->v.scores = kind == VOCAB_SPM ? m->scores : NULL;
    m->v.merges = m->merges;
}

static int32_t add(struct maker *m, const char *text, enum token_type type, float score)
{
    size_t i = m->v.n++;
    assert_true(i < MAX);
    m->tokens[i] = span_str(text);
    m->types[i] = (int32_t)type;
    m->scores[i] = score;
    return (int32_t)i;
}

static void merge(struct maker *m, const char *text)
{
    m->merges[m->v.n_merges++] = span_str(text);
}

/* Byte-level: ids 0 to 255 are the bytes, in the order of their letters' code points. */
enum { HE = 256, LLO, HELLO, SPACE_W, START, END, DIAMOND };

static void make_bpe(struct maker *m)
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

static int32_t byte_id(const struct tokenizer *t, unsigned char byte)
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

static void make_spm(struct maker *m)
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

static struct tokenizer *opened(const struct maker *m)
{
    struct tokenizer *t = NULL;
    struct err e = {""};
    if (tokenizer_open(&t, &m->v, &e))
        fail_msg("%s", e.text);
    return t;
}

#define IDS(...) (const int32_t[]){__VA_ARGS__}, sizeof((const int32_t[]){__VA_ARGS__}) / 4

static void assert_ids(const struct tokenizer *t, const char *text, size_t bytes,
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

static void assert_text(const struct tokenizer *t, const int32_t *ids, size_t n, bool skip_special,
                        const char *want)
{
    struct buf got;
    struct err e = {""};
    buf_init(&got, 1000);
    if (tokenizer_decode(t, ids, n, skip_special, &got, &e))
        fail_msg("%s", e.text);
    assert_string_equal(buf_cstr(&got), want);
    buf_release(&got);
}

static const struct encode_options chat = {.parse_special = true};
static const struct encode_options literal = {0};
static const struct encode_options special = {.parse_special = true, .add_special = true};

static void test_bpe(void **state)
{
    struct maker m;
    (void)state;
    make_bpe(&m);
    struct tokenizer *t = opened(&m);
    assert_ids(t, "", 0, special, NULL, 0);
    assert_ids(t, "hello", 5, chat, IDS(HELLO));
    assert_ids(t, "hello w", 7, chat, IDS(HELLO, SPACE_W));
    assert_ids(t, "\0he\0", 4, chat, IDS(byte_id(t, 0), HE, byte_id(t, 0)));
    assert_ids(t, "<|im_start|>he<|im_end|>", 24, chat, IDS(START, HE, END));
    assert_ids(t, "<>he", 4, literal, IDS(DIAMOND, HE));
    assert_text(t, IDS(START, HELLO, DIAMOND, SPACE_W, END), true, "hello<> w");
    assert_text(t, IDS(START, HELLO, DIAMOND, SPACE_W, END), false,
                "<|im_start|>hello<> w<|im_end|>");
    tokenizer_close(&t);
    assert_null(t);
    tokenizer_close(&t);
}

/* Control tokens are text unless asked for; no added token reaches over a break. */
static void test_breaks(void **state)
{
    static const size_t inside[] = {5};
    static const size_t around[] = {2, 14};
    static const size_t all[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 99};
    struct maker m;
    (void)state;
    make_bpe(&m);
    struct tokenizer *t = opened(&m);
    struct token_list text = {0};
    struct encode_options o = chat;
    assert_int_equal(tokenizer_encode(t, span_str("<|im_start|>"), &literal, &text, NULL), 0);
    assert_int_equal(text.n, 12);
    o.breaks = inside, o.n_breaks = 1;
    assert_ids(t, "<|im_start|>", 12, o, text.ids, text.n);
    o.breaks = around, o.n_breaks = 2;
    assert_ids(t, "he<|im_start|>he", 16, o, IDS(HE, START, HE));
    o.breaks = all, o.n_breaks = 16;
    assert_ids(t, "<|im_start|>", 12, o, text.ids, text.n);
    assert_ids(t, "hello", 5, o, IDS(HELLO)); /* words are not cut */
    token_list_release(&text);
    tokenizer_close(&t);
}

/* Breaks keep their places when bytes before them become U+FFFD. */
static void test_breaks_and_invalid(void **state)
{
    static const size_t at[] = {6, 10};
    struct maker m;
    struct token_list got = {0};
    struct encode_options o = {.parse_special = true, .breaks = at, .n_breaks = 2};
    (void)state;
    make_bpe(&m);
    struct tokenizer *t = opened(&m);
    /* Two invalid bytes, then a diamond that is data from break to break, then one that is not. */
    assert_int_equal(tokenizer_encode(t, span_str("\xff\xfe<>hi<>he<>"), &o, &got, NULL), 0);
    size_t diamonds = 0;
    for (size_t i = 0; i < got.n; i++)
        diamonds += got.ids[i] == DIAMOND;
    assert_int_equal(diamonds, 3);
    assert_int_equal(got.ids[0], byte_id(t, 0xef));
    static const size_t through[] = {3};
    o.breaks = through, o.n_breaks = 1, got.n = 0;
    assert_int_equal(tokenizer_encode(t, span_str("\xff\xfe<>hi"), &o, &got, NULL), 0);
    for (size_t i = 0; i < got.n; i++)
        assert_int_not_equal(got.ids[i], DIAMOND);
    token_list_release(&got);
    tokenizer_close(&t);
}

static void test_longest_added_token(void **state)
{
    struct maker m;
    (void)state;
    make_bpe(&m);
    int32_t open = add(&m, "<<", TOKEN_USER_DEFINED, 0);
    int32_t wide = add(&m, "<<>>", TOKEN_USER_DEFINED, 0);
    int32_t secret = add(&m, "<<>>!", TOKEN_CONTROL, 0);
    struct tokenizer *t = opened(&m);
    assert_ids(t, "<<>>!", 5, chat, IDS(secret));
    assert_ids(t, "<<>>!", 5, literal, IDS(wide, byte_id(t, '!')));
    assert_ids(t, "<<<>", 4, literal, IDS(open, DIAMOND));
    assert_int_equal(tokenizer_find(t, span_str("<<>>")), wide);
    assert_int_equal(tokenizer_find(t, span_str("<<>")), -1);
    assert_true(span_is(tokenizer_special_text(t, secret), "<<>>!"));
    assert_int_equal(tokenizer_special_text(t, HELLO).n, 0);
    assert_int_equal(tokenizer_special_text(t, -1).n, 0);
    assert_int_equal(tokenizer_special_text(t, MAX).n, 0);
    tokenizer_close(&t);
}

static void test_ends(void **state)
{
    struct maker m;
    (void)state;
    make_bpe(&m);
    int32_t eot = add(&m, "<|eot_id|>", TOKEN_CONTROL, 0);
    int32_t text = add(&m, "<end_of_turn>", TOKEN_NORMAL, 0);
    m.v.eos = HELLO; /* odd, but the file says so */
    struct tokenizer *t = opened(&m);
    assert_true(tokenizer_is_end(t, HELLO));
    assert_true(tokenizer_is_end(t, END));
    assert_true(tokenizer_is_end(t, eot));
    assert_false(tokenizer_is_end(t, START));
    assert_false(tokenizer_is_end(t, text));
    assert_false(tokenizer_is_end(t, -1));
    assert_false(tokenizer_is_end(t, (int32_t)tokenizer_size(t)));
    tokenizer_close(&t);
}

/* Bytes that Hugging Face's vocabularies lack are left out by its encoder. */
static void test_missing_byte(void **state)
{
    struct maker m;
    (void)state;
    make(&m, VOCAB_BPE);
    add(&m, "a", TOKEN_NORMAL, 0);
    add(&m, "", TOKEN_NORMAL, 0); /* padding, as often as one likes */
    add(&m, "", TOKEN_NORMAL, 0);
    struct tokenizer *t = opened(&m);
    assert_ids(t, "aba", 3, chat, IDS(0, 0));
    assert_text(t, IDS(1, 0, 2), true, "a");
    tokenizer_close(&t);
}

static void test_spm(void **state)
{
    struct maker m;
    (void)state;
    make_spm(&m);
    struct tokenizer *t = opened(&m);
    assert_ids(t, "", 0, special, IDS(BOS));
    assert_ids(t, "", 0, chat, NULL, 0);
    assert_ids(t, "ab", 2, special, IDS(BOS, BLANK_AB));
    assert_ids(t, "a ab", 4, chat, IDS(BLANK_A, BLANK_AB));
    assert_ids(t, " a", 2, chat, IDS(BLANK, BLANK_A));
    assert_ids(t, "<s>ab</s>", 9, chat, IDS(BOS, BLANK_AB, EOS));
    assert_ids(t, "a\nb", 3, chat, IDS(BLANK_A, B0A, B));
    assert_ids(t, "\xf0\x9f\x98\x80", 4, chat, IDS(BLANK, BF0, B9F, B98, B80));
    /* Two unknown characters are one unknown token; the byte fallback is all or nothing. */
    assert_ids(t, "xyb", 3, chat, IDS(BLANK, UNK, B));
    assert_ids(t, "\xf0\x9f\x98\x81", 4, chat, IDS(BLANK, UNK));
    assert_text(t, IDS(BOS, BLANK_AB, BLANK_A), true, "ab a");
    assert_text(t, IDS(BOS, BLANK_AB, BLANK_A), false, "<s> ab a");
    assert_text(t, IDS(BLANK, BLANK_A), true, " a");
    tokenizer_close(&t);
    m.v.add_space_prefix = false;
    t = opened(&m);
    assert_ids(t, "ab", 2, chat, IDS(AB));
    assert_text(t, IDS(BLANK_AB), true, " ab");
    tokenizer_close(&t);
}

/* A run of byte tokens is characters, or a U+FFFD each. */
static void test_spm_bytes(void **state)
{
    struct maker m;
    (void)state;
    make_spm(&m);
    struct tokenizer *t = opened(&m);
    assert_text(t, IDS(BF0, B9F, B98, B80, A), true,
                "\xf0\x9f\x98\x80"
                "a");
    assert_text(t, IDS(BF0, B9F, BOS, B98, B80, A), true,
                "\xf0\x9f\x98\x80"
                "a");
    assert_text(t, IDS(BF0, B9F, A), true,
                "\xef\xbf\xbd\xef\xbf\xbd"
                "a");
    assert_text(t, IDS(B0A, B80), true, "\xef\xbf\xbd\xef\xbf\xbd");
    tokenizer_close(&t);
}

/* What each token of a stream brings: never a part of a character. */
static void test_stream(void **state)
{
    struct maker m;
    struct detokenizer d;
    struct buf out;
    struct err e = {""};
    (void)state;
    make_bpe(&m);
    struct tokenizer *t = opened(&m);
    static const struct {
        unsigned char byte;
        const char *piece;
    } rows[] = {
        {'a', "a"},
        {0xe2, ""},
        {0x82, ""},
        {0xac, "\xe2\x82\xac"},
        {0xf0, ""},
        {0x9f, ""},
        {'b', "\xef\xbf\xbd"
              "b"},
        {0x80, "\xef\xbf\xbd"},
        {0xc3, ""},
    };
    detokenizer_init(&d, t, true);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_init(&out, 100);
        assert_int_equal(detokenizer_push(&d, byte_id(t, rows[i].byte), &out, &e), 0);
        assert_string_equal(buf_cstr(&out), rows[i].piece);
        buf_release(&out);
    }
    buf_init(&out, 100);
    assert_int_equal(detokenizer_push(&d, END, &out, &e), 0);
    assert_int_equal(out.n, 0);
    assert_int_equal(detokenizer_push(&d, -1, &out, &e), ERR_RANGE);
    assert_string_equal(e.text, "token id: -1, expected 0 to 263");
    assert_int_equal(detokenizer_push(&d, 264, &out, &e), ERR_RANGE);
    detokenizer_finish(&d, &out);
    assert_string_equal(buf_cstr(&out), "\xef\xbf\xbd");
    buf_release(&out);
    detokenizer_release(&d);
    tokenizer_close(&t);
}

/* ---- refused vocabularies ---- */

static void assert_refused(const struct maker *m, int code, const char *text)
{
    struct tokenizer *t = NULL;
    struct err e = {""};
    assert_int_equal(tokenizer_open(&t, &m->v, &e), code);
    assert_null(t);
    if (!strstr(e.text, text))
        fail_msg("says '%s', expected '%s'", e.text, text);
}

static void test_refused(void **state)
{
    struct maker m;
    char name[300];
    (void)state;
    make_bpe(&m);
    m.v.pre = "klingon";
    assert_refused(&m, ERR_UNSUPPORTED,
                   "pre-tokenizer 'klingon' is unknown, expected one of gpt-2,");
    m.v.pre = NULL;
    m.v.bos = (int32_t)m.v.n;
    assert_refused(&m, ERR_FORMAT, "beginning of text: token 264, expected 0 to 263");
    m.v.bos = -2;
    assert_refused(&m, ERR_FORMAT, "beginning of text: token -2");
    make_bpe(&m);
    m.types[7] = 9;
    assert_refused(&m, ERR_FORMAT, "token 7: type 9");
    make_bpe(&m);
    add(&m, "he", TOKEN_NORMAL, 0);
    assert_refused(&m, ERR_FORMAT, "token 264: 'he' is token 256 already");
    make_bpe(&m);
    merge(&m, "h i");
    assert_refused(&m, ERR_FORMAT, "merge 5: 'h i': its result is no token");
    make_bpe(&m);
    merge(&m, "hx o");
    assert_refused(&m, ERR_FORMAT, "merge 5: 'hx o': its left part is no token");
    make_bpe(&m);
    merge(&m, "ho");
    assert_refused(&m, ERR_FORMAT, "merge 5: 'ho', expected two tokens");
    make_bpe(&m);
    merge(&m, "");
    assert_refused(&m, ERR_FORMAT, "merge 5: '', expected two tokens");
    make_bpe(&m);
    merge(&m, "h ");
    assert_refused(&m, ERR_FORMAT, "merge 5: 'h ', expected two tokens");
    make_bpe(&m);
    memset(name, '<', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    add(&m, name, TOKEN_CONTROL, 0);
    assert_refused(&m, ERR_UNSUPPORTED, "token 264: an added token of 299 bytes");
    make_spm(&m);
    m.v.scores = NULL;
    assert_refused(&m, ERR_FORMAT, "scores: missing");
    make_spm(&m);
    m.scores[A] = NAN;
    assert_refused(&m, ERR_FORMAT, "scores: token 9: nan");
    make_spm(&m);
    m.v.n = 0;
    assert_refused(&m, ERR_FORMAT, "0 tokens");
    m.v.n = (4u << 20) + 1;
    assert_refused(&m, ERR_FORMAT, "4194305 tokens");
}

/* Tokens that are no UTF-8 are allowed: their bytes are taken as they are. */
static void test_invalid_tokens(void **state)
{
    struct maker m;
    (void)state;
    make_bpe(&m);
    int32_t odd = add(&m, "a\xff", TOKEN_NORMAL, 0);
    int32_t half = add(&m, "\xe2\x82", TOKEN_NORMAL, 0);
    struct tokenizer *t = opened(&m);
    assert_text(t, IDS(odd), true, "a\xef\xbf\xbd");
    assert_text(t, IDS(half, byte_id(t, 0xac)), true, "\xe2\x82\xac");
    tokenizer_close(&t);
    make_spm(&m);
    odd = add(&m, "a\xff", TOKEN_NORMAL, -5);
    t = opened(&m);
    assert_text(t, IDS(A, odd), true, "aa\xef\xbf\xbd");
    tokenizer_close(&t);
}

/* An added token that is no UTF-8 must not cut a character in two. */
static void test_half_a_character(void **state)
{
    struct maker m;
    (void)state;
    make_spm(&m);
    add(&m, "\x9f", TOKEN_USER_DEFINED, 0);
    struct tokenizer *t = opened(&m);
    assert_ids(t, "\xf0\x9f\x98\x80", 4, chat, IDS(BLANK, BF0, B9F, B98, B80));
    tokenizer_close(&t);
}

static void test_bounds(void **state)
{
    struct maker m;
    struct err e = {""};
    struct token_list got = {0};
    struct buf small;
    (void)state;
    make_bpe(&m);
    struct tokenizer *t = opened(&m);
    assert_int_equal(tokenizer_encode(t, span_of("", (16u << 20) + 1), &chat, &got, &e), ERR_LIMIT);
    assert_string_equal(e.text, "text: 16777217 bytes, expected at most 16777216");
    assert_int_equal(got.n, 0);
    buf_init(&small, 3);
    assert_int_equal(tokenizer_decode(t, IDS(HELLO), true, &small, &e), ERR_LIMIT);
    buf_release(&small);
    tokenizer_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bpe),
        cmocka_unit_test(test_breaks),
        cmocka_unit_test(test_breaks_and_invalid),
        cmocka_unit_test(test_longest_added_token),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_missing_byte),
        cmocka_unit_test(test_spm),
        cmocka_unit_test(test_spm_bytes),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_invalid_tokens),
        cmocka_unit_test(test_half_a_character),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
