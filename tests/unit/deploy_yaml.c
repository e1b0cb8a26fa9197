/* SPDX-License-Identifier: MIT */
/* The YAML writer: what is quoted and how, and where lines begin. That readers agree with it is
 * tested end to end. */
#include "deploy/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void only_what_is_no_other_value_is_plain(void **state)
{
    static const char *const plain[] = {"DEVICE_ID=00:0f:00:70:91:0a",
                                        "edge-device-01",
                                        "./config:/etc/edge-device:ro",
                                        "/app/metrics",
                                        "iot-device-simulator:latest",
                                        "a=1",
                                        "x=y=z"};
    static const char *const quoted[] = {
        "",     "yes",   "no",  "y",    "null",  "NaN",   "0012",  "22:22", "1-2",   "-a",
        "a: b", "a #b",  "a/:", "#a/b", "a b/c", "a,b/c", "[a/b]", "{a-b}", "a-b\n", "\ta-b",
        "=",    "<<",    "~/a", ".inf", "./-a",  "./",    "a'-b",  "a\"-b", "a-b$",  "é-b",
        "...",  "../ab", "---", "&a-b", "*a-b",  "!a-b",  "%a-b",  "@a-b",  "`a-b`", "|a-b",
        ">a-b", "?a-b",  ":a",  "a-b ", "a\\-b", "a*-b",  "a-b;",  "a-b|c", "a-b&c", "(a-b)"};
    (void)state;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (!yaml_is_plain(plain[i]))
            fail_msg("'%s' needs no quotes", plain[i]);
    for (size_t i = 0; i < sizeof quoted / sizeof *quoted; i++)
        if (yaml_is_plain(quoted[i]))
            fail_msg("'%s' needs quotes", quoted[i]);
}

static void quoted_texts_are_whole(void **state)
{
    static const struct {
        const char *text;
        bool dollars;
        const char *expected;
    } cases[] = {
        {"", false, "\"\""},
        {"a", false, "\"a\""},
        {" a ", false, "\" a \""},
        {"say \"hi\"", false, "\"say \\\"hi\\\"\""},
        {"a\\b", false, "\"a\\\\b\""},
        {"a\nb\tc\r", false, "\"a\\nb\\tc\\r\""},
        {"\x01\x1b\x7f", false, "\"\\x01\\x1b\\x7f\""},
        {"a\xc2\x85"
         "b",
         false, "\"a\\x85b\""},
        {"\xe2\x80\xa8\xe2\x80\xa9", false, "\"\\u2028\\u2029\""},
        {"\xef\xbb\xbf", false, "\"\\ufeff\""},
        {"\xef\xbf\xbe", false, "\"\\ufffe\""},
        {"\xf0\x9f\xbf\xbf", false, "\"\\U0001ffff\""},
        {"é🙂", false, "\"é🙂\""},
        {"\xff", false, "\"\\ufffd\""},
        {"$a$$", false, "\"$a$$\""},
        {"$a$$", true, "\"$$a$$$$\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        buf_init(&out, 1024);
        yaml_put_quoted(&out, cases[i].text, cases[i].dollars);
        assert_string_equal(buf_cstr(&out), cases[i].expected);
        buf_release(&out);
    }
}

static void blocks_and_items_are_indented(void **state)
{
    static const char *const words[] = {"CMD", "a \"b\"", NULL};
    struct buf out;
    struct yaml y;
    (void)state;
    buf_init(&out, 4096);
    yaml_init(&y, &out);
    yaml_comment(&y, "one\ntwo");
    yaml_open(&y, "top");
    yaml_open(&y, "yes");
    yaml_token(&y, "n", "{}");
    yaml_number(&y, "count", -3);
    yaml_open(&y, "list");
    yaml_item(&y, "A=b");
    yaml_item(&y, "no");
    yaml_open_item(&y);
    yaml_text(&y, "type", "bind");
    yaml_open(&y, "in");
    yaml_words(&y, "w", words);
    yaml_end(&y);
    yaml_end(&y);
    yaml_item_quoted(&y, "A=b");
    yaml_item_block(&y, "x\n\n  y");
    yaml_end(&y);
    yaml_block(&y, "text", "p $q\nr");
    yaml_end(&y);
    yaml_end(&y);
    yaml_quoted(&y, "last", "a-b");
    assert_string_equal(buf_cstr(&out), "# one\n"
                                        "# two\n"
                                        "top:\n"
                                        "  \"yes\":\n"
                                        "    \"n\": {}\n"
                                        "    count: -3\n"
                                        "    list:\n"
                                        "      - A=b\n"
                                        "      - \"no\"\n"
                                        "      - type: \"bind\"\n"
                                        "        in:\n"
                                        "          w: [\"CMD\", \"a \\\"b\\\"\"]\n"
                                        "      - \"A=b\"\n"
                                        "      - |-\n"
                                        "        x\n"
                                        "\n"
                                        "          y\n"
                                        "    text: |-\n"
                                        "      p $q\n"
                                        "      r\n"
                                        "last: \"a-b\"\n");
    buf_release(&out);
}

static void a_full_buffer_is_told(void **state)
{
    struct buf out;
    struct yaml y;
    struct err e;
    (void)state;
    buf_init(&out, 16);
    yaml_init(&y, &out);
    yaml_text(&y, "key", "a text that has no room");
    assert_int_equal(buf_check(&out, "the file", &e), ERR_LIMIT);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_no_other_value_is_plain),
        cmocka_unit_test(quoted_texts_are_whole),
        cmocka_unit_test(blocks_and_items_are_indented),
        cmocka_unit_test(a_full_buffer_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
