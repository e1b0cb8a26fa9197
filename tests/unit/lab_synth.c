/* SPDX-License-Identifier: MIT */
/* Synthetic models: the shapes have as many parameters as the published ones, the vocabulary works,
 * blocks are sane, and a file that is not finished is not there. */
#include "lab/lab.h"
#include "lab/mix.h"
#include "lab/synth_data.h"
#include "lab/synth_vocab.h"

#include "kernels/kernels.h"
#include "model/model.h"
#include "weights/weights.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct folder {
    char path[64], file[128];
};

static void folder_open(struct folder *f)
{
    snprintf(f->path, sizeof f->path, "/tmp/wattle-synth-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    snprintf(f->file, sizeof f->file, "%s/m.gguf", f->path);
}

static void folder_close(struct folder *f)
{
    unlink(f->file);
    assert_int_equal(rmdir(f->path), 0); /* nothing else was left there */
}

/* ---- shapes ---- */

/* What the published safetensors add up to. */
static const struct {
    const char *shape;
    uint64_t parameters;
} published[] = {
    {"gemma-2-2b", 2614341888},   {"gemma-2b", 2506172416},     {"gemma-3-1b", 999885952},
    {"gemma-3-270m", 268098176},  {"llama-3.2-1b", 1235814400}, {"phi-2", 2779683840},
    {"phi-3.5-mini", 3821079552}, {"qwen2.5-0.5b", 494032768},  {"qwen2.5-1.5b", 1543714304},
    {"qwen3-0.6b", 596049920},    {"smollm2-1.7b", 1711376384}, {"smollm2-135m", 134515008},
    {"smollm2-360m", 361821120},  {"stories-15m", 15191712},    {"tinyllama-1.1b", 1100048384},
};

static uint64_t count(const char *name, enum synth_format format)
{
    const struct synth_shape *s;
    struct synth_tensor *tensors;
    struct err e = {""};
    struct arena arena;
    size_t n;
    uint64_t sum = 0;
    arena_init(&arena, 16 << 20);
    assert_int_equal(synth_shape_find(&s, name, &e), 0);
    assert_int_equal(synth_tensors(s, s->n_layer, format, &arena, &tensors, &n, &e), 0);
    for (size_t i = 0; i < n; i++)
        if (tensors[i].filling < SYNTH_LONG_FACTORS)
            sum += tensors[i].n_dims == 2 ? tensors[i].dims[0] * tensors[i].dims[1]
                                          : tensors[i].dims[0];
    arena_release(&arena);
    return sum;
}

static void test_parameters(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        const char *name = published[i].shape;
        if (count(name, SYNTH_SAFETENSORS) != published[i].parameters)
            fail_msg("%s: %llu", name, (unsigned long long)count(name, SYNTH_SAFETENSORS));
        assert_int_equal(count(name, SYNTH_GGUF), published[i].parameters);
    }
}

static void test_names(void **state)
{
    const struct synth_shape *s = NULL, *before = NULL;
    struct err e = {""};
    (void)state;
    for (size_t i = 0; (s = synth_shape_at(i)); i++, before = s) {
        if (before && strcmp(before->name, s->name) >= 0)
            fail_msg("%s comes after %s", s->name, before->name);
        assert_true(s->n_vocab >= SYNTH_VOCAB_MIN && s->n_rot <= s->head_dim && s->n_rot % 2 == 0);
    }
    s = NULL;
    assert_int_equal(synth_shape_find(&s, "tinylama-1.1b", &e), ERR_USAGE);
    assert_null(s);
    assert_non_null(
        strstr(e.text, "SHAPE 'tinylama-1.1b': unknown, did you mean 'tinyllama-1.1b'?"));
    assert_int_equal(synth_shape_find(&s, "x", &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "expected one of gemma-2-2b, "));
}

/* ---- types ---- */

static void test_mix(void **state)
{
    static const struct {
        const char *mix;
        enum mix_role role;
        int layer, layers;
        uint64_t row;
        bool tied;
        uint32_t type;
    } cases[] = {
        /* What llama-quantize makes of TinyLlama's 22 layers… */
        {"q4_k_m", MIX_EMBEDDING, -1, 22, 2048, false, WTYPE_Q4_K},
        {"q4_k_m", MIX_HEAD, -1, 22, 2048, false, WTYPE_Q6_K},
        {"q4_k_m", MIX_VALUES, 0, 22, 2048, false, WTYPE_Q6_K},
        {"q4_k_m", MIX_VALUES, 2, 22, 2048, false, WTYPE_Q4_K},
        {"q4_k_m", MIX_DOWN, 4, 22, 5632, false, WTYPE_Q6_K},
        {"q4_k_m", MIX_DOWN, 19, 22, 5632, false, WTYPE_Q6_K},
        {"q4_k_m", MIX_OTHER, 0, 22, 2048, false, WTYPE_Q4_K},
        {"Q4_0", MIX_DOWN, 0, 22, 5632, false, WTYPE_Q4_0},
        {"q4_0", MIX_HEAD, -1, 22, 2048, false, WTYPE_Q6_K},
        {"q8_0", MIX_HEAD, -1, 22, 2048, false, WTYPE_Q8_0},
        /* … and of SmolLM2-135M, whose rows of 576 no block of 256 divides. */
        {"q4_k_m", MIX_EMBEDDING, -1, 30, 576, true, WTYPE_Q8_0},
        {"q4_k_m", MIX_OTHER, 5, 30, 576, true, WTYPE_Q5_0},
        {"q4_k_m", MIX_VALUES, 0, 30, 576, true, WTYPE_Q8_0},
        {"q4_k_m", MIX_DOWN, 3, 30, 1536, true, WTYPE_Q4_K},
        {"q4_0", MIX_EMBEDDING, -1, 30, 576, true, WTYPE_Q8_0},
        {"q5_k_m", MIX_OTHER, 5, 30, 576, true, WTYPE_Q5_1},
        {"f16", MIX_HEAD, -1, 30, 576, false, WTYPE_F16},
        {"q4_0", MIX_OTHER, 0, 1, 48, false, WTYPE_F16},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t type = mix_type(mix_find(cases[i].mix), cases[i].role, cases[i].layer,
                                 cases[i].layers, cases[i].row, cases[i].tied);
        if (type != cases[i].type)
            fail_msg("%zu: %s, expected %s", i, wtype_name(type), wtype_name(cases[i].type));
    }
    assert_null(mix_find("q4"));
}

/* ---- blocks ---- */

static int collect(void *ctx, struct span bytes, struct err *e)
{
    struct buf *b = (struct buf *)ctx;
    buf_span(b, bytes);
    return buf_check(b, "tensor", e);
}

static void check_blocks(uint32_t type, uint64_t row)
{
    static const struct lab_synth_options o = {.seed = 7};
    struct synth_tensor t = {.filling = SYNTH_MATRIX, .n_dims = 2, .dims = {row, 1000}};
    struct synth_data d;
    struct err e = {""};
    struct buf b;
    double sum = 0, squares = 0;
    float *x = calloc(row, sizeof *x);
    assert_non_null(x);
    buf_init(&b, 16 << 20);
    assert_int_equal(synth_data_open(&d, &o, 1, &e), 0);
    if (synth_tensor_data(&d, NULL, &t, type, 1, collect, &b, &e))
        fail_msg("%s", e.text);
    assert_int_equal(b.n, synth_tensor_bytes(&t, type));
    for (size_t r = 0; r < 1000; r++) {
        kernels_get("c")->dequant(type, b.p + r * (b.n / 1000), x, row);
        for (size_t i = 0; i < row; i++)
            sum += x[i], squares += (double)x[i] * x[i];
    }
    /* A row times a vector of unit variance has unit variance. */
    double variance = squares / 1000, mean = sum / 1000 / (double)row * sqrt((double)row);
    if (!(variance > 0.85 && variance < 1.15 && fabs(mean) < 0.05))
        fail_msg("%s of %d: variance %g, mean %g", wtype_name(type), (int)row, variance, mean);
    synth_data_close(&d);
    buf_release(&b);
    free(x);
}

static void test_blocks(void **state)
{
    (void)state;
    for (size_t i = 0; mix_at(i); i++) {
        check_blocks(mix_at(i)->type, 512);
        if (wtype_info(mix_at(i)->type)->block_elems < 256)
            check_blocks(mix_at(i)->type, 288);
    }
    check_blocks(WTYPE_F16, 48);
}

/* ---- vocabulary ---- */

static int compare_spans(const void *a, const void *b)
{
    return span_compare(*(const struct span *)a, *(const struct span *)b);
}

static void test_vocabulary(void **state)
{
    struct synth_vocab v;
    struct err e = {""};
    (void)state;
    assert_int_equal(synth_vocab_open(&v, 262144, &e), 0);
    assert_int_equal(v.n, 262144);
    assert_true(v.n_merges > 1000 && v.n_merges + 259 < SYNTH_VOCAB_MIN);
    qsort(v.tokens, v.n, sizeof *v.tokens, compare_spans);
    for (size_t i = 1; i < v.n; i++)
        if (span_eq(v.tokens[i - 1], v.tokens[i]))
            fail_msg("'%.*s' twice", SPAN_FMT(v.tokens[i]));
    synth_vocab_close(&v);
    assert_int_equal(synth_vocab_open(&v, SYNTH_VOCAB_MIN, &e), 0);
    synth_vocab_close(&v);
}

/* ---- whole files ---- */

static void test_file(void **state)
{
    struct folder f;
    struct err e = {""};
    struct lab_synth_result r;
    (void)state;
    folder_open(&f);
    struct lab_synth_options o = {
        .shape = "stories-15m", .type = "q4_0", .path = f.file, .layers = 1};
    if (lab_synth(&o, &r, &e))
        fail_msg("%s", e.text);
    assert_true(r.layers == 1 && strcmp(r.source, "karpathy/tinyllamas") == 0);
    struct model_text *t = NULL;
    struct token_list ids = {NULL, 0, 0};
    struct encode_options eo = {.add_special = true, .parse_special = true};
    assert_int_equal(model_text_open(&t, f.file, &e), 0);
    /* A word of the list is one token, whatever stands there comes back. */
    static const char text[] = "<|im_start|> The temperature is 21.5 \xc2\xb0"
                               "C\n";
    assert_int_equal(tokenizer_encode(model_text_tokenizer(t), span_str(text), &eo, &ids, &e), 0);
    assert_true(ids.ids[0] == SYNTH_IM_START && ids.n < 20);
    struct buf back;
    buf_init(&back, 1000);
    for (size_t i = 0; i < ids.n; i++)
        assert_int_equal(tokenizer_piece(model_text_tokenizer(t), ids.ids[i], false, &back, &e), 0);
    assert_string_equal(buf_cstr(&back), text);
    assert_non_null(model_text_template(t));
    assert_true(model_text_is_end(t, SYNTH_IM_END));
    buf_release(&back);
    token_list_release(&ids);
    model_text_close(&t);
    assert_int_equal(lab_synth(&o, &r, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "is there already, --force replaces it"));
    o.type = "q3";
    o.force = true;
    assert_int_equal(lab_synth(&o, &r, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "--type 'q3': expected one of f32, f16, bf16, q8_0"));
    folder_close(&f);
}

static bool never(void *ctx)
{
    (void)ctx;
    return false;
}

static void test_cancelled(void **state)
{
    struct folder f;
    struct err e = {""};
    struct lab_synth_result r;
    (void)state;
    folder_open(&f);
    struct lab_synth_options o = {.shape = "stories-15m", .path = f.file, .keep_going = never};
    assert_int_equal(lab_synth(&o, &r, &e), ERR_CANCELLED);
    assert_int_equal(access(f.file, F_OK), -1);
    f.file[strlen(f.path) + 2] = 0; /* a folder of its own */
    assert_int_equal(lab_synth(&o, &r, &e), ERR_CANCELLED);
    assert_int_equal(access(f.file, F_OK), -1);
    folder_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters), cmocka_unit_test(test_names),
        cmocka_unit_test(test_mix),        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_vocabulary), cmocka_unit_test(test_file),
        cmocka_unit_test(test_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
