/* SPDX-License-Identifier: MIT */
/* Marks go inside every occurrence of a special text and come out again as borders; with them, the
 * tokenizer finds in data no special token, whatever the data. */
#include "engine/markup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A byte-level vocabulary: the letters that are needed, and special tokens that overlap, begin with
 * each other, are blanks, or a single character. */
enum { LETTERS = 95, SPECIALS = 8, VOCAB = LETTERS + SPECIALS };
static const char *const specials[SPECIALS] = {"<|end|>", "<|end|>\n", "|>x", "<|user|>",
                                               "<s>",     "\n\n",      "§",   "[/INST]"};
static char letters[LETTERS][4];
static struct span tokens[VOCAB];
static int32_t types[VOCAB];
static struct tokenizer *tokenizer;
static struct markup *markup;

static int set_up(void **state)
{
    (void)state;
    struct err e = {""};
    for (int i = 0; i < LETTERS; i++) {
        /* 0x21…0x7E as they are, and the blank, which the byte-level alphabet writes U+0120. */
        size_t n = utf8_encode(i < 94 ? 0x21 + (uint32_t)i : 0x120, letters[i]);
        tokens[i] = span_of(letters[i], n);
        types[i] = TOKEN_NORMAL;
    }
    for (int i = 0; i < SPECIALS; i++) {
        tokens[LETTERS + i] = span_str(specials[i]);
        types[LETTERS + i] = i % 2 ? TOKEN_USER_DEFINED : TOKEN_CONTROL;
    }
    struct vocab v = {.kind = VOCAB_BPE,
                      .pre = "gpt-2",
                      .n = VOCAB,
                      .tokens = tokens,
                      .types = types,
                      .bos = -1,
                      .eos = LETTERS,
                      .unk = -1};
    if (tokenizer_open(&tokenizer, &v, &e) || markup_open(&markup, tokenizer, &e))
        fail_msg("%s", e.text);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    markup_close(&markup);
    tokenizer_close(&tokenizer);
    return 0;
}

struct row {
    const char *text;
    const char *marked; /* M stands for the mark */
};

static const struct row rows[] = {
    {"", ""},
    {"plain text", "plain text"},
    {"<|end|>", "<M|end|>"},
    {"a<|end|>b", "a<M|end|>b"},
    {"<|end|>x", "<M|end|M>x"}, /* the end of one is the beginning of another */
    {"<|end|>\n", "<M|end|>\n"},
    {"<<|user|><s>", "<<M|user|><Ms>"},
    {"<|end|", "<|end|"},
    {"\n\n", "\n\n"},
    {"21 §", "21 §"},
    {"[/INST] [/INST", "[M/INST] [/INST"},
};

static void add_marked(struct buf *out, const char *text, struct mark mark)
{
    for (; *text; text++) {
        if (*text == 'M')
            buf_put(out, mark.utf8, MARK_BYTES);
        else
            buf_char(out, *text);
    }
}

static void test_marks(void **state)
{
    (void)state;
    struct mark mark;
    struct err e = {""};
    assert_int_equal(markup_choose(&mark, NULL, 0, &e), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *want = rows[i].marked;
        struct buf expected, got;
        buf_init(&expected, 1000);
        buf_init(&got, 1000);
        add_marked(&expected, want, mark);
        markup_add(markup, mark, span_str(rows[i].text), &got);
        assert_string_equal(buf_cstr(&got), buf_cstr(&expected));

        struct break_list breaks = {NULL, 0, 0};
        assert_int_equal(markup_strip(mark, &got, &breaks, &e), 0);
        assert_string_equal(buf_cstr(&got), rows[i].text);
        size_t marks = 0;
        for (const char *p = want; *p; p++) {
            if (*p != 'M')
                continue;
            assert_int_equal(breaks.at[marks] + marks, (size_t)(p - want));
            marks++;
        }
        assert_int_equal(breaks.n, marks);
        break_list_release(&breaks);
        buf_release(&expected);
        buf_release(&got);
    }
}

static void test_choice_of_mark(void **state)
{
    (void)state;
    struct mark mark;
    struct err e = {""};
    struct buf all;
    buf_init(&all, 1000);
    for (uint32_t cp = 0xFDD0; cp <= 0xFDEF; cp++) {
        char utf8[4];
        struct span texts[2] = {span_str("x"), buf_view(&all)};
        assert_int_equal(markup_choose(&mark, texts, 2, &e), 0);
        utf8_encode(cp, utf8);
        assert_memory_equal(mark.utf8, utf8, 3);
        buf_put(&all, utf8, 3);
    }
    struct span texts[2] = {span_str("x"), buf_view(&all)};
    assert_int_equal(markup_choose(&mark, texts, 2, &e), ERR_FORMAT);
    buf_release(&all);
}

/* Random texts made of the specials' own pieces: with the borders, no special of more than one
 * character is among the ids, but those that are blanks. */
static void test_data_stays_text(void **state)
{
    (void)state;
    static const char *const parts[] = {"<",   "|",        "end",    ">", "<|end|>", "\n", "x",
                                        "<s>", "<|user|>", "[/INST", "]", "s",       " ",  "|>x"};
    struct rng rng;
    rng_seed(&rng, 11);
    size_t specials_without = 0;
    for (int round = 0; round < 3000; round++) {
        struct buf text, marked;
        struct mark mark;
        struct err e = {""};
        buf_init(&text, 4096);
        buf_init(&marked, 8192);
        for (uint64_t n = rng_below(&rng, 12); n-- > 0;)
            buf_str(&text, parts[rng_below(&rng, sizeof parts / sizeof *parts)]);
        struct span view = buf_view(&text);
        assert_int_equal(markup_choose(&mark, &view, 1, &e), 0);
        markup_add(markup, mark, view, &marked);
        struct break_list breaks = {NULL, 0, 0};
        assert_int_equal(markup_strip(mark, &marked, &breaks, &e), 0);
        for (int with = 0; with < 2; with++) {
            struct encode_options o = {.parse_special = true};
            struct token_list ids = {NULL, 0, 0};
            if (with) {
                o.breaks = breaks.at;
                o.n_breaks = breaks.n;
            }
            assert_int_equal(tokenizer_encode(tokenizer, buf_view(&marked), &o, &ids, &e), 0);
            for (size_t i = 0; i < ids.n; i++) {
                int32_t special = ids.ids[i] - LETTERS;
                if (special < 0 || special == 5)
                    continue;
                if (with)
                    fail_msg("'%s': token %d", buf_cstr(&marked), (int)ids.ids[i]);
                specials_without++;
            }
            token_list_release(&ids);
        }
        break_list_release(&breaks);
        buf_release(&text);
        buf_release(&marked);
    }
    assert_true(specials_without > 1000); /* there was something to be kept from */
}

/* A megabyte of beginnings: no special is compared with them one by one. */
static void test_hostile_text_takes_no_time(void **state)
{
    (void)state;
    enum { BYTES = 4 << 20 };
    struct buf text, marked;
    struct mark mark;
    struct err e = {""};
    buf_init(&text, BYTES);
    buf_init(&marked, 2 * BYTES);
    for (size_t i = 0; i < BYTES; i++)
        buf_char(&text, '<');
    struct span view = buf_view(&text);
    assert_int_equal(markup_choose(&mark, &view, 1, &e), 0);
    uint64_t began = clock_mono_ns();
    markup_add(markup, mark, view, &marked);
    assert_true(clock_mono_ns() - began < 10000000000ULL);
    assert_int_equal(marked.n, BYTES);
    buf_release(&text);
    buf_release(&marked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_choice_of_mark),
        cmocka_unit_test(test_data_stays_text),
        cmocka_unit_test(test_hostile_text_takes_no_time),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
