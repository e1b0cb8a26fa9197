/* SPDX-License-Identifier: MIT */
/* The parts that tokenizers are made of: merging, lossy UTF-8, normalization, cutting into words.
 */
#include "text/merge.h"
#include "text/pre.h"
#include "text/unicode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* ---- merging ---- */

/* Made-up merges: two ids below 6 may become their sum plus one, with a rank by a fixed mix. */
static struct merge made_up(const void *context, int32_t left, int32_t right)
{
    uint32_t mix = ((uint32_t)left * 31 + (uint32_t)right * 17) * 2654435761u >> 28;
    (void)context;
    if (mix < 6 || left + right > 40)
        return (struct merge){MERGE_NONE, -1};
    return (struct merge){mix, left + right + 1};
}

/* The definition, word for word: the lowest rank first, of equal ones the leftmost. */
static size_t merge_plainly(int32_t *ids, size_t n)
{
    for (;;) {
        size_t best = n;
        uint32_t rank = MERGE_NONE;
        for (size_t i = 0; i + 1 < n; i++) {
            struct merge m = made_up(NULL, ids[i], ids[i + 1]);
            if (m.rank < rank) {
                rank = m.rank;
                best = i;
            }
        }
        if (best == n)
            return n;
        ids[best] = made_up(NULL, ids[best], ids[best + 1]).id;
        memmove(ids + best + 1, ids + best + 2, (n - best - 2) * sizeof(*ids));
        n--;
    }
}

static void test_merge_is_the_definition(void **state)
{
    struct merger m = {0};
    uint32_t seed = 1;
    (void)state;
    for (size_t n = 0; n < 400; n = n < 70 ? n + 1 : n + 37) {
        for (int round = 0; round < 5; round++) {
            int32_t want[400];
            int32_t got[400];
            for (size_t i = 0; i < n; i++) {
                seed = seed * 1664525u + 1013904223u;
                want[i] = got[i] = (int32_t)(seed >> 24) % 6;
            }
            size_t n_want = merge_plainly(want, n);
            size_t n_got = n;
            assert_int_equal(merger_run(&m, made_up, NULL, got, &n_got, NULL), 0);
            assert_int_equal(n_got, n_want);
            assert_memory_equal(got, want, n_got * sizeof(*got));
        }
    }
    merger_release(&m);
}

/* ---- UTF-8 ---- */

/* Right-hand sides: Python's bytes.decode("utf-8", "replace"). */
static void test_lossy(void **state)
{
#define R "\xef\xbf\xbd"
    static const struct {
        const char *bytes, *text;
    } rows[] = {
        {"", ""},
        {"abc", "abc"},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\x80", R},
        {"\xc3", R},
        {"\xc3(", R "("},
        {"\xe2\x82", R},
        {"\xe2\x82x", R "x"},
        {"\xe2(\xa1", R "(" R},
        {"\xf0\x9f\x98", R},
        {"\xf0\x9f\x98\xe2\x82\xac", R "\xe2\x82\xac"},
        {"\xc0\xaf", R R},             /* overlong */
        {"\xe0\x80\xaf", R R R},       /* overlong */
        {"\xed\xa0\x80", R R R},       /* surrogate */
        {"\xf4\x90\x80\x80", R R R R}, /* past U+10FFFF */
        {"\xf8\x88\x80\x80\x80", R R R R R},
        {"\xff\xfe", R R},
        {"\xf1\x80\x80\xe1\x80\xc2"
         "b",
         R R R "b"}, /* the standard's own example */
    };
#undef R
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b;
        buf_init(&b, 100);
        utf8_append_lossy(&b, span_str(rows[i].bytes));
        assert_string_equal(buf_cstr(&b), rows[i].text);
        buf_release(&b);
    }
}

/* ---- normalization ---- */

static void assert_nfc(const char *text, const char *want)
{
    struct buf b;
    struct err e = {""};
    buf_init(&b, 1 << 20);
    if (nfc_append(&b, span_str(text), &e))
        fail_msg("%s", e.text);
    assert_string_equal(buf_cstr(&b), want);
    if (nfc_surely(span_str(text)))
        assert_string_equal(text, want);
    buf_release(&b);
}

static void test_nfc(void **state)
{
    (void)state;
    assert_nfc("", "");
    assert_nfc("plain \xc3\xa9", "plain \xc3\xa9");
    assert_nfc("e\xcc\x81", "\xc3\xa9");
    assert_nfc("\xe2\x84\xab", "\xc3\x85");                             /* Angstrom */
    assert_nfc("q\xcc\x87\xcc\xa3", "q\xcc\xa3\xcc\x87");               /* marks in order */
    assert_nfc("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "\xed\x95\x9c"); /* Hangul */
    assert_nfc("\xe0\xa5\x98", "\xe0\xa4\x95\xe0\xa4\xbc");             /* excluded: stays apart */
}

/* A hostile row of marks is ordered in no time, and as a stable sort orders it. */
static void test_many_marks(void **state)
{
    enum { PAIRS = 100000 };
    struct buf text;
    struct buf want;
    struct buf got;
    struct err e = {""};
    (void)state;
    buf_init(&text, 1 << 20);
    buf_init(&want, 1 << 20);
    buf_init(&got, 1 << 20);
    buf_char(&text, 'b');
    buf_char(&want, 'b');
    for (int i = 0; i < PAIRS; i++)
        buf_str(&text, "\xcc\x81\xcc\xa7"); /* class 230, class 202 */
    for (int i = 0; i < PAIRS; i++)
        buf_str(&want, "\xcc\xa7");
    for (int i = 0; i < PAIRS; i++)
        buf_str(&want, "\xcc\x81");
    if (nfc_append(&got, buf_view(&text), &e))
        fail_msg("%s", e.text);
    assert_true(span_eq(buf_view(&got), buf_view(&want)));
    buf_release(&text);
    buf_release(&want);
    buf_release(&got);
}

/* ---- words ---- */

static int add_word(void *context, struct span piece, struct err *e)
{
    struct buf *b = context;
    (void)e;
    assert_true(piece.n > 0);
    if (b->n)
        buf_char(b, '|');
    buf_span(b, piece);
    return 0;
}

static void assert_words(const char *name, const char *text, const char *want)
{
    const struct pre_row *row = pre_row_find(name);
    struct pre *p = NULL;
    struct pre_walk *w = NULL;
    struct buf words;
    struct err e = {""};
    assert_non_null(row);
    buf_init(&words, 1 << 16);
    if (pre_open(&p, row, &e) || pre_walk_open(&w, p, &e) ||
        pre_walk_text(w, span_str(text), add_word, &words, &e))
        fail_msg("%s", e.text);
    if (strcmp(buf_cstr(&words), want) != 0)
        fail_msg("%s: '%s' is cut '%s', expected '%s'", name, text, buf_cstr(&words), want);
    buf_release(&words);
    pre_walk_close(&w);
    pre_close(&p);
}

/* Right-hand sides: Hugging Face's pre-tokenizers, built as the publishers' files have them. */
static void test_words(void **state)
{
    (void)state;
    assert_words("gpt-2",
                 "It's  3.14 \xc3\xa9"
                 "a\n\n x",
                 "It|'s| | 3|.|14| \xc3\xa9"
                 "a|\n\n| x");
    assert_words("smollm", "a 12  b1", "a| |1|2| | b|1");
    assert_words("llama-bpe", "THEY'RE 12345!\n\n  x", "THEY|'RE| |123|45|!\n\n| | x");
    assert_words("qwen2", "a 123\r\n", "a| |1|2|3|\r\n");
    assert_words("gpt-4o", "camelCaseHTTPServer's", "camel|Case|HTTPServer's");
    assert_words("tekken", "camelCase's 42/", "camel|Case|'s| |4|2|/");
    assert_words("deepseek-coder", "if x1:\n  y", "if| x|1|:|\n| | y");
    assert_words("deepseek-llm", "ab 12  \n", "ab| |1|2|  |\n");
    assert_words("deepseek-v3", "x=1234 y", "x|=|123|4| y");
    assert_words("falcon", "a 1234!!b", "a| |123|4|!!|b");
    assert_words("bloom", "ab, c12 (d)", "ab|,| c12| (|d|)");
    /* U+0085 is white space for the publishers' engines, U+180E is not. */
    assert_words("gpt-2",
                 "a\xc2\x85"
                 "b",
                 "a|\xc2\x85|b");
    assert_words("gpt-2",
                 "a \xe1\xa0\x8e"
                 "b",
                 "a| \xe1\xa0\x8e|b");
    /* The long s folds to s. */
    assert_words("llama-bpe",
                 "a'\xc5\xbf"
                 "b",
                 "a|'\xc5\xbf|b");
}

/* Every name of the table is found, and every row compiles. */
static void test_rows(void **state)
{
    struct buf names;
    (void)state;
    buf_init(&names, 4096);
    pre_row_names(&names);
    char *all = buf_steal(&names);
    assert_non_null(all);
    size_t n = 0;
    for (char *name = all; name; n++) {
        char *end = strstr(name, ", ");
        if (end)
            *end = '\0';
        assert_words(name, "a", "a");
        name = end ? end + 2 : NULL;
    }
    assert_true(n >= 25);
    assert_null(pre_row_find("gpt"));
    assert_null(pre_row_find(""));
    assert_ptr_equal(pre_row_find(NULL), pre_row_find("gpt-2"));
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge_is_the_definition),
        cmocka_unit_test(test_lossy),
        cmocka_unit_test(test_nfc),
        cmocka_unit_test(test_many_marks),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
