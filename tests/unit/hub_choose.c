/* SPDX-License-Identifier: MIT */
/* hub/repository.h: what the hub says of a revision, and which files are taken of it. */
#include "hub/repository.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define SHA "0123456789abcdef0123456789abcdef01234567"
#define LFS "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"

static void test_answer(void **state)
{
    (void)state;
    static const char text[] =
        "{\"id\":\"a/b\",\"tags\":[{\"siblings\":[]}],\"sha\":\"" SHA "\",\"siblings\":["
        "{\"rfilename\":\"config.json\",\"size\":12,\"blobId\":\"" SHA "\"},"
        "{\"rfilename\":\"model.safetensors\",\"size\":12,\"blobId\":\"" SHA "\",\"lfs\":"
        "{\"size\":5000000000,\"sha256\":\"" LFS "\",\"pointerSize\":135}},"
        "{\"rfilename\":\"sub/x\"},{\"rfilename\":\"odd\",\"size\":-1,\"blobId\":\"../x\","
        "\"lfs\":{\"sha256\":\"" SHA "\"}}]}";
    struct repository r;
    struct err e = {""};
    if (repository_parse(&r, span_str(text), "a/b", &e) != 0)
        fail_msg("%s", e.text);
    assert_string_equal(r.commit, SHA);
    assert_int_equal(r.n, 4);
    assert_string_equal(r.files[0].etag, SHA);
    assert_true(r.files[0].has_size && r.files[0].size == 12);
    /* of an LFS file its own, not its pointer's */
    assert_string_equal(r.files[1].etag, LFS);
    assert_true(r.files[1].size == 5000000000);
    assert_string_equal(r.files[2].path, "sub/x");
    assert_true(!r.files[2].has_size && r.files[2].etag[0] == '\0');
    assert_true(!r.files[3].has_size && r.files[3].etag[0] == '\0');
    repository_release(&r);
    repository_release(&r);
}

/* names: of a repository, ended by NULL; taken: joined by blanks, or a part of the message. */
struct choice_case {
    const char *names[16];
    const char *wanted;
    int code;
    const char *taken;
};

static const struct choice_case cases[] = {
    {{"config.json", "model.safetensors", "pytorch_model.bin", "README.md", "tokenizer.json",
      "model.onnx", "sub/model.safetensors", "sub/config.json", NULL},
     NULL,
     0,
     "config.json tokenizer.json model.safetensors"},
    {{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
      "model.safetensors.index.json", "consolidated.safetensors", "config.json",
      "chat_template.jinja", NULL},
     NULL,
     0,
     "config.json chat_template.jinja model.safetensors.index.json "
     "model-00001-of-00002.safetensors model-00002-of-00002.safetensors"},
    /* the single file is enough */
    {{"config.json", "model.safetensors", "model-00001-of-00001.safetensors",
      "model.fp16.safetensors", NULL},
     NULL,
     0,
     "config.json model.safetensors"},
    {{"config.json", "weights.safetensors", "adapter_model.safetensors", NULL},
     NULL,
     0,
     "config.json weights.safetensors"},
    /* both forms: what the authors published */
    {{"config.json", "model.safetensors", "m-q4.gguf", NULL},
     NULL,
     0,
     "config.json model.safetensors"},
    {{"m-q4.gguf", "adapter_model.safetensors", "config.json", NULL}, NULL, 0, "m-q4.gguf"},
    {{"config.json", "m-q4.gguf", "mmproj-m.gguf", "imatrix.gguf", NULL}, NULL, 0, "m-q4.gguf"},
    {{"x/m-00001-of-00003.gguf", "x/m-00002-of-00003.gguf", "x/m-00003-of-00003.gguf", NULL},
     NULL,
     0,
     "x/m-00001-of-00003.gguf x/m-00002-of-00003.gguf x/m-00003-of-00003.gguf"},
    {{"x/m-00001-of-00002.gguf", "x/m-00002-of-00002.gguf", "m.gguf", NULL},
     NULL,
     ERR_NOTFOUND,
     "has 2 GGUF files"},
    {{"m-00002-of-00002.gguf", NULL}, NULL, ERR_NOTFOUND, "not the first"},
    {{"a.gguf", "b.gguf", "b-00001-of-00001.gguf", NULL}, "b.gguf", 0, "b.gguf"},
    {{"a/m.gguf", "b/m.gguf", NULL}, "m.gguf", ERR_NOTFOUND, "in different folders"},
    {{"a/m.gguf", "b/m.gguf", NULL}, "b/m.gguf", 0, "b/m.gguf"},
    {{"x/m-00001-of-00002.gguf", "x/m-00002-of-00002.gguf", "x/m-00001-of-00003.gguf", NULL},
     "m-00002-of-00002.gguf",
     0,
     "x/m-00001-of-00002.gguf x/m-00002-of-00002.gguf"},
    {{"a.gguf", NULL}, "c.gguf", ERR_NOTFOUND, "no file 'c.gguf'"},
    {{"config.json", NULL}, "../config.json", ERR_NOTFOUND, "no file '../config.json'"},
    {{"config.json", "pytorch_model.bin", NULL}, NULL, ERR_UNSUPPORTED, "pickles"},
    {{"model.pth", NULL}, NULL, ERR_UNSUPPORTED, "pickles"},
    {{"config.json", "model.onnx", NULL}, NULL, ERR_NOTFOUND, "no weights"},
    {{NULL}, NULL, ERR_NOTFOUND, "no weights"},
};

static void test_choice(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf json, taken, choices;
        struct repository r;
        struct choice c;
        struct err e = {""};
        buf_init(&json, 10000);
        buf_init(&taken, 10000);
        buf_init(&choices, 10000);
        buf_str(&json, "{\"siblings\":[");
        for (size_t k = 0; cases[i].names[k]; k++)
            buf_printf(&json, "%s{\"rfilename\":\"%s\"}", k ? "," : "", cases[i].names[k]);
        buf_str(&json, "]}");
        assert_int_equal(repository_parse(&r, buf_view(&json), "a/b", &e), 0);
        int rc = repository_choose(&r, "a/b", cases[i].wanted, &c, &choices, &e);
        for (size_t k = 0; rc == 0 && k < c.n; k++)
            buf_printf(&taken, "%s%s", k ? " " : "", r.files[c.files[k]].path);
        const char *got = rc == 0 ? buf_cstr(&taken) : e.text;
        bool good =
            rc == 0 ? strcmp(got, cases[i].taken) == 0 : strstr(got, cases[i].taken) != NULL;
        if (rc != cases[i].code || !good)
            fail_msg("case %zu: %d '%s', expected %d '%s'", i, rc, got, cases[i].code,
                     cases[i].taken);
        free(c.files);
        repository_release(&r);
        buf_release(&json);
        buf_release(&taken);
        buf_release(&choices);
    }
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        uint64_t n;
        const char *text;
    } sizes[] = {{0, "0 B"},         {999, "999 B"},         {1000, "1.0 kB"},
                 {9949, "9.9 kB"},   {9960, "10 kB"},        {999499, "999 kB"},
                 {999500, "1.0 MB"}, {1234567890, "1.2 GB"}, {UINT64_MAX, "18 EB"}};
    char out[HUB_SIZE_TEXT];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        assert_string_equal(hub_size_text(sizes[i].n, out), sizes[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
