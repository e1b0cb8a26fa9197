/* SPDX-License-Identifier: MIT */
/* A folder that has only tokenizer.model: config.json's model type tells how it is read. Right
 * values: AutoTokenizer of transformers 5.24. */
#include "model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static void write_file(const char *folder, const char *name, struct span bytes)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
    assert_int_equal(fclose(f), 0);
}

static void remove_file(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
}

static void test_only_sentencepiece(void **state)
{
    (void)state;
    static const struct {
        const char *config; /* NULL: none */
        int32_t bos, eos;
    } rows[] = {
        {NULL, 1, 2},
        {"{\"model_type\":\"llama\"}", 1, 2},
        /* Gemma's class adds the names that it knows. */
        {"{\"model_type\":\"gemma2\"}", 460, 461},
    };
    char path[4096];
    struct buf bytes;
    struct err e = {""};
    char folder[] = "/tmp/wattle_text_folder_XXXXXX";
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/tests/golden/sentencepiece/bpe.model", getenv("WATTLE_SOURCE"));
    buf_init(&bytes, 1 << 20);
    assert_int_equal(file_read(path, &bytes, &e), 0);
    write_file(folder, "tokenizer.model", buf_view(&bytes));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct model_text *t = NULL;
        if (rows[i].config)
            write_file(folder, "config.json", span_str(rows[i].config));
        if (model_text_open(&t, folder, &e))
            fail_msg("%s", e.text);
        assert_int_equal(tokenizer_bos(model_text_tokenizer(t)), rows[i].bos);
        assert_int_equal(tokenizer_eos(model_text_tokenizer(t)), rows[i].eos);
        model_text_close(&t);
    }
    remove_file(folder, "tokenizer.model");
    remove_file(folder, "config.json");
    rmdir(folder);
    buf_release(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_only_sentencepiece)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
