/* SPDX-License-Identifier: MIT */
/* SmolLM2-135M-Instruct, Q4_1: the most likely next token after each of 16, as numpy computes it in
 * float64 on the dequantized weights. Skipped where the file is not at hand. */
#include "model/model.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

enum { TOKENS = 16, THREADS = 2 };

static const int32_t ids[TOKENS] = {1,     4093, 198, 2683, 359, 253, 5356, 5646,
                                    11173, 30,   2,   198,  1,   520, 9531, 198};
static const int32_t next_ids[TOKENS] = {29,   198,  198, 359, 253, 216,  11173, 11173,
                                         2724, 1069, 198, 1,   520, 9531, 198,   57};

/* False where the file is absent. */
static bool model_path(char out[PATH_MAX])
{
    const char *path = getenv("WATTLE_MODEL"), *root = getenv("WATTLE_SOURCE");
    if (path)
        snprintf(out, PATH_MAX, "%s", path);
    else
        snprintf(out, PATH_MAX, "%s/models/SmolLM2-135M-Instruct.Q4_1.gguf", root ? root : ".");
    return access(out, R_OK) == 0;
}

static int agreeing(const char *path, enum model_math math)
{
    struct model *m = NULL;
    struct pool *pool = NULL;
    struct forward *f = NULL;
    struct kv *kv = NULL;
    struct err e = {""};
    struct model_info info;
    struct model_options o = {.path = path, .math = math};
    if (model_open(&m, &o, &e) || pool_open(&pool, THREADS, &e) ||
        forward_open(&f, m, pool, TOKENS, &e) || kv_open(&kv, m, TOKENS, &e))
        fail_msg("%s", e.text);
    model_info(m, &info);
    assert_string_equal(info.quantization, "Q4_1");
    assert_int_equal(info.n_params, 134515008);
    size_t n_vocab = (size_t)info.n_vocab;
    float *logits = malloc(n_vocab * TOKENS * sizeof *logits);
    assert_non_null(logits);
    if (model_forward(m, f, kv, ids, TOKENS, TOKENS, logits, NULL, NULL, NULL, &e))
        fail_msg("%s", e.text);
    int same = 0;
    for (size_t t = 0; t < TOKENS; t++) {
        const float *row = logits + t * n_vocab;
        size_t best = 0;
        for (size_t i = 1; i < n_vocab; i++)
            if (row[i] > row[best])
                best = i;
        same += best == (size_t)next_ids[t];
    }
    free(logits);
    kv_close(&kv);
    forward_close(&f);
    pool_close(&pool);
    model_close(&m);
    return same;
}

static void test_next_tokens(void **state)
{
    char path[PATH_MAX];
    (void)state;
    if (!model_path(path)) {
        print_message("no SmolLM2-135M-Instruct.Q4_1.gguf: skipped\n");
        skip();
    }
    assert_int_equal(agreeing(path, MODEL_MATH_EXACT), TOKENS);
    /* Activations of 8 bits turn over what is nearly a tie: llama.cpp has 15 of the 16. */
    assert_true(agreeing(path, MODEL_MATH_FAST) >= 13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_next_tokens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
