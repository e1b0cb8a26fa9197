/* SPDX-License-Identifier: MIT */
/* A chat completion's body: what is read of it, what is refused and by which name. */
#include "serve/chat_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static int read_body(struct chat_request *r, const char *body, struct err *e)
{
    struct wattle_request defaults;
    wattle_request_init(&defaults);
    defaults.max_length = 333;
    return chat_request_read(r, span_str(body), &defaults, e);
}

static void test_read(void **state)
{
    (void)state;
    struct chat_request r;
    struct err e = {""};
    assert_int_equal(
        read_body(
            &r,
            "{\"model\":\"x\",\"user\":\"u\",\"messages\":[{\"role\":\"system\",\"content\":\"s\"},"
            "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"one \"},"
            "{\"type\":\"text\",\"text\":\"two\"}]},{\"role\":\"assistant\",\"content\":\"\"}],"
            "\"temperature\":0.25,\"top_p\":0.5,\"top_k\":7,\"max_tokens\":9,\"seed\":-2,"
            "\"stop\":[\"a\",\"b\"],\"n\":1,\"stream\":false,\"logprobs\":false,"
            "\"presence_penalty\":0,\"response_format\":{\"type\":\"text\"}}",
            &e),
        0);
    assert_int_equal(r.request.n_messages, 3);
    assert_string_equal(r.request.messages[0].role, "system");
    assert_string_equal(r.request.messages[1].content, "one two");
    assert_string_equal(r.request.messages[2].content, "");
    assert_float_equal(r.request.sampling.temperature, 0.25, 0);
    assert_float_equal(r.request.sampling.top_p, 0.5, 0);
    assert_int_equal(r.request.sampling.top_k, 7);
    assert_float_equal(r.request.sampling.min_p, WATTLE_UNSET, 0);
    assert_int_equal(r.request.max_new_tokens, 9);
    assert_int_equal(r.request.max_length, 333);
    assert_true(r.request.seed == UINT64_MAX - 1);
    assert_int_equal(r.request.n_stop, 2);
    assert_string_equal(r.request.stop[1], "b");
    chat_request_release(&r);
}

static void test_refused(void **state)
{
    (void)state;
#define WITH(member) "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]," member "}"
    static const struct {
        const char *body, *word;
    } cases[] = {
        {"", "body"},
        {"[]", "an object"},
        {"{}", "messages"},
        {"{\"messages\":{}}", "messages"},
        {"{\"messages\":[]}", "messages"},
        {"{\"messages\":[1]}", "role"},
        {"{\"messages\":[{\"role\":\"user\"}]}", "content"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":null}]}", "content"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}", "type"},
        {WITH("\"temperature\":\"1\""), "temperature"},
        {WITH("\"temperature\":1e300"), "temperature"},
        {WITH("\"top_p\":1.5"), "top_p"},
        {WITH("\"top_k\":1.5"), "top_k"},
        {WITH("\"max_tokens\":0"), "max_tokens"},
        {WITH("\"max_completion_tokens\":99999999999"), "max_completion_tokens"},
        {WITH("\"seed\":1.5"), "seed"},
        {WITH("\"stop\":7"), "stop"},
        {WITH("\"stop\":[\"\"]"), "stop"},
        {WITH(
             "\"stop\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\","
             "\"13\",\"14\",\"15\",\"16\",\"17\"]"),
         "stop: 17"},
        {WITH("\"stream\":true"), "stream"},
        {WITH("\"n\":2"), "n:"},
        {WITH("\"tools\":[{}]"), "tools"},
        {WITH("\"frequency_penalty\":0.5"), "frequency_penalty"},
        {WITH("\"logit_bias\":{\"1\":5}"), "logit_bias"},
        {WITH("\"response_format\":{\"type\":\"json_object\"}"), "response_format"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct chat_request r;
        struct err e = {""};
        assert_true(read_body(&r, cases[i].body, &e) < 0);
        if (!strstr(e.text, cases[i].word))
            fail_msg("%s: '%s' lacks '%s'", cases[i].body, e.text, cases[i].word);
        chat_request_release(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
