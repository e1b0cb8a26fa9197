/* SPDX-License-Identifier: MIT */
/* Vocabularies that must be refused, and odd ones that must do no harm. */
#include "vocab_maker.h"

#include <math.h>

static const struct encode_options chat = {.parse_special = true};

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
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_invalid_tokens),
        cmocka_unit_test(test_half_a_character),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
