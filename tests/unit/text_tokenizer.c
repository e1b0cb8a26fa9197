/* SPDX-License-Identifier: MIT */
/* Tokenizers on vocabularies made by hand: added tokens and breaks, bytes that are no UTF-8, pieces
 * of a stream. */
#include "vocab_maker.h"

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
    assert_ids(t, "<<>>?", 5, literal, IDS(wide, byte_id(t, '?')));
    /* As text it hides what begins inside of it. */
    assert_ids(t, "<<>>!<>", 7, literal,
               IDS(byte_id(t, '<'), byte_id(t, '<'), byte_id(t, '>'), byte_id(t, '>'),
                   byte_id(t, '!'), DIAMOND));
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

/* The least never passes what encoding gives, and is near it where tokens are as long as they get.
 */
static void assert_least(const struct tokenizer *t, const char *text, size_t bytes, size_t least)
{
    struct token_list got = {0};
    struct span s = span_of(text, bytes);
    assert_int_equal(tokenizer_least(t, s), least);
    assert_int_equal(tokenizer_encode(t, s, &chat, &got, NULL), 0);
    assert_true(least <= got.n);
    token_list_release(&got);
}

static void test_least(void **state)
{
    static const char shrinking[] = "\xe1\xbe\xbe\xcc\x88\xcc\x81"; /* 7 bytes, composed 2 */
    struct maker m;
    (void)state;
    make_bpe(&m);
    struct tokenizer *t = opened(&m);
    assert_least(t, "", 0, 0);
    assert_least(t, "<|im_start|>", 12, 1); /* the longest token */
    assert_least(t, "<|im_start|><|im_start|>", 24, 2);
    assert_least(t, "<|im_start|>h", 13, 2);
    tokenizer_close(&t);
    m.v.pre = "qwen2"; /* composes */
    t = opened(&m);
    assert_least(t, shrinking, 7, 1);
    assert_least(t, "<|im_start|><|im_start|><|im_start|><|im_start|>", 48, 1);
    tokenizer_close(&t);
    make(&m, VOCAB_BPE); /* b is dropped */
    add(&m, "a", TOKEN_NORMAL, 0);
    t = opened(&m);
    assert_least(t, "abab", 4, 2);
    assert_least(t, "bbbb", 4, 0);
    tokenizer_close(&t);
    make_spm(&m); /* a run of unknown characters is one token */
    t = opened(&m);
    assert_least(t, "xxxxxxxxxxxxxxxxxxxxxxxx", 24, 0);
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
        cmocka_unit_test(test_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
