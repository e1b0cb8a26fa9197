/* SPDX-License-Identifier: MIT */
/* Loading: what a file must have to be a model, and what is said when it has not. The wrong files
 * are right ones with one thing changed. */
#include "codec/codec.h"
#include "gguf_maker.h"
#include "model/model.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void read_source(const char *relative, struct buf *out)
{
    const char *root = getenv("WATTLE_SOURCE");
    char path[PATH_MAX];
    struct err e = {""};
    assert_non_null(root);
    snprintf(path, sizeof path, "%s/tests/%s", root, relative);
    if (file_read(path, out, &e))
        fail_msg("%s", e.text);
}

static int open_model(struct model **m, struct span bytes, struct err *e)
{
    struct temp t;
    temp_open(&t, bytes);
    struct model_options o = {.path = t.path, .math = MODEL_MATH_EXACT};
    int code = model_open(m, &o, e);
    temp_close(&t);
    return code;
}

static void assert_says(const struct err *e, const char *part)
{
    if (!strstr(e->text, part))
        fail_msg("'%s' does not say '%s'", e->text, part);
}

/* Where text stands in b, plus skip. */
static char *find(const struct buf *b, const char *text, size_t skip)
{
    char *p = memmem(b->p, b->n, text, strlen(text));
    assert_non_null(p);
    return p + strlen(text) + skip;
}

static void test_minimal_lacks_hyperparameters(void **state)
{
    struct buf b;
    struct model *m = NULL;
    struct err e = {""};
    (void)state;
    buf_init(&b, 1 << 20);
    read_source("cases/gguf/ok-minimal.gguf", &b);
    assert_int_equal(open_model(&m, buf_view(&b), &e), ERR_FORMAT);
    assert_null(m);
    assert_says(&e, "key 'llama.context_length': is missing, a llama model needs it");
    assert_says(&e, "cannot load '/proc/self/fd/");
    buf_release(&b);
}

static void test_scores_of_the_wrong_type(void **state)
{
    struct buf b;
    struct model *m = NULL;
    struct model_text *t = NULL;
    struct err e = {""};
    struct temp file;
    (void)state;
    buf_init(&b, 1 << 20);
    read_source("cases/gguf/v-gg4-scores-u8.gguf", &b);
    static const char says[] = "key 'tokenizer.ggml.scores': an array of u8, expected an array of "
                               "f32";
    assert_int_equal(open_model(&m, buf_view(&b), &e), ERR_FORMAT);
    assert_says(&e, says);
    temp_open(&file, buf_view(&b));
    e.text[0] = 0;
    assert_int_equal(model_text_open(&t, file.path, &e), ERR_FORMAT);
    assert_says(&e, says);
    temp_close(&file);
    buf_release(&b);
}

static void test_every_required_key_is_named(void **state)
{
    static const char *const keys[] = {
        "general.architecture",
        "llama.context_length",
        "llama.embedding_length",
        "llama.block_count",
        "llama.feed_forward_length",
        "llama.attention.head_count",
        "llama.attention.layer_norm_rms_epsilon",
    };
    struct buf b;
    (void)state;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct model *m = NULL;
        struct err e = {""};
        char says[128];
        buf_clear(&b);
        read_source("golden/gguf/llama-mha-q4_0.gguf", &b);
        find(&b, keys[i], 0)[-1] = '#'; /* another key now */
        assert_int_equal(open_model(&m, buf_view(&b), &e), ERR_FORMAT);
        snprintf(says, sizeof says, "key '%s': is missing", keys[i]);
        assert_says(&e, says);
    }
    buf_release(&b);
}

static void test_every_tensor_is_needed(void **state)
{
    static const char *const names[] = {
        "token_embd.weight",        "output_norm.weight",    "blk.0.attn_norm.weight",
        "blk.0.attn_q.weight",      "blk.0.attn_k.weight",   "blk.0.attn_v.weight",
        "blk.1.attn_output.weight", "blk.1.ffn_norm.weight", "blk.1.ffn_gate.weight",
        "blk.1.ffn_up.weight",      "blk.1.ffn_down.weight",
    };
    struct buf b;
    (void)state;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct model *m = NULL;
        struct err e = {""};
        char says[128];
        buf_clear(&b);
        read_source("golden/gguf/llama-mha-q4_0.gguf", &b);
        find(&b, names[i], 0)[-1] = '#';
        assert_int_equal(open_model(&m, buf_view(&b), &e), ERR_FORMAT);
        snprintf(says, sizeof says, "tensor '%s': is missing, a llama model needs it", names[i]);
        assert_says(&e, says);
        /* And its shape is held against the hyperparameters: a row more would not fit the file, so
         * one is taken away. */
        buf_clear(&b);
        read_source("golden/gguf/llama-mha-q4_0.gguf", &b);
        char *dims = find(&b, names[i], 0);
        uint32_t n_dims;
        memcpy(&n_dims, dims, sizeof n_dims);
        dims[4 + 8 * (n_dims - 1)]--;
        e.text[0] = 0;
        assert_int_equal(open_model(&m, buf_view(&b), &e), ERR_FORMAT);
        snprintf(says, sizeof says, "tensor '%s': dimensions [", names[i]);
        assert_says(&e, says);
        assert_says(&e, "by the hyperparameters");
    }
    buf_release(&b);
}

/* The u32 behind a key, set; what is said then. */
static void test_values_out_of_range(void **state)
{
    static const struct {
        const char *key;
        uint32_t value;
        const char *says;
    } cases[] = {
        {"llama.context_length", 0, "'llama.context_length': 0, expected 1 to 16777216"},
        {"llama.block_count", 1025, "'llama.block_count': 1025, expected 1 to 1024"},
        {"llama.block_count", 3, "tensor 'blk.2.attn_norm.weight': is missing"},
        {"llama.block_count", 1, "tensor 'blk.1.attn_q.weight': not one of a llama model with 1"},
        {"llama.embedding_length", 0xffffffff, "'llama.embedding_length': 4294967295, expected"},
        {"llama.embedding_length", 32,
         "tensor 'token_embd.weight': dimensions [64, 224], "
         "expected [32, 224] by the hyperparameters"},
        {"llama.attention.head_count_kv", 3,
         "'llama.attention.head_count_kv': 3, expected a "
         "divisor of 4 heads"},
        {"llama.attention.value_length", 8, "'llama.attention.value_length': 8, expected the key"},
        {"llama.rope.dimension_count", 15, "'llama.rope.dimension_count': 15, expected an even"},
        {"llama.rope.dimension_count", 18, "'llama.rope.dimension_count': 18, expected an even"},
        {"llama.rope.freq_base", 0xbf800000 /* -1 */, "'llama.rope.freq_base': -1, expected"},
        {"llama.rope.freq_base", 0x7fc00000, "'llama.rope.freq_base': not a finite number"},
        {"llama.vocab_size", 225, "tensor 'token_embd.weight': dimensions [64, 224], expected [64"},
    };
    struct buf b;
    (void)state;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct model *m = NULL;
        struct err e = {""};
        buf_clear(&b);
        read_source("golden/gguf/llama-mha-q4_0.gguf", &b);
        memcpy(find(&b, cases[i].key, 4), &cases[i].value, 4);
        if (open_model(&m, buf_view(&b), &e) == 0)
            fail_msg("opened, expected '%s'", cases[i].says);
        assert_says(&e, cases[i].says);
    }
    buf_release(&b);
}

/* One text of the file put in place of another of the same length. */
static void test_what_is_not_supported(void **state)
{
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        {"llama.attention.value_length", "llama.attn_logit_softcapping",
         "key 'llama.attn_logit_softcapping': is set, and llama models that use it are not"},
        {"output.weight", "blk.0.x.weigh",
         "tensor 'blk.0.x.weigh': not one of a llama model with 2 layers: what it is for is not"},
    };
    struct buf b;
    (void)state;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct model *m = NULL;
        struct err e = {""};
        size_t n = strlen(cases[i].from);
        assert_int_equal(n, strlen(cases[i].to));
        buf_clear(&b);
        read_source("golden/gguf/llama-mha-q4_0.gguf", &b);
        /* The last one: the first "output.weight" is the end of "blk.0.attn_output.weight". */
        char *at = find(&b, cases[i].from, 0) - n, *next;
        while ((next = memmem(at + 1, b.n - (size_t)(at + 1 - b.p), cases[i].from, n)))
            at = next;
        memcpy(at, cases[i].to, n);
        assert_int_equal(open_model(&m, buf_view(&b), &e), ERR_UNSUPPORTED);
        assert_says(&e, cases[i].says);
    }
    buf_release(&b);
}

/* ---- files of keys alone: the first thing that is missing then is the embedding ---- */

static void make_llama(struct buf *b, uint64_t n_more)
{
    make_header(b, 3, 0, 7 + n_more);
    make_entry_text(b, "general.architecture", "llama");
    make_entry_u32(b, "llama.context_length", 4096);
    make_entry_u32(b, "llama.embedding_length", 64);
    make_entry_u32(b, "llama.block_count", 2);
    make_entry_u32(b, "llama.feed_forward_length", 128);
    make_entry_u32(b, "llama.attention.head_count", 4);
    make_entry_f32(b, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
}

static void keys_none(struct buf *b)
{
    make_llama(b, 0);
}

static void keys_other_family(struct buf *b)
{
    make_header(b, 3, 0, 1);
    make_entry_text(b, "general.architecture", "mamba\n2");
}

static void keys_family_type(struct buf *b)
{
    make_header(b, 3, 0, 1);
    make_entry_u32(b, "general.architecture", 1);
}

static void keys_experts(struct buf *b)
{
    make_llama(b, 1);
    make_entry_u32(b, "llama.expert_count", 8);
}

static void keys_no_experts(struct buf *b)
{
    make_llama(b, 1);
    make_entry_u32(b, "llama.expert_count", 0);
}

static void keys_longrope(struct buf *b)
{
    make_llama(b, 1);
    make_entry_text(b, "llama.rope.scaling.type", "dynamic");
}

static void keys_linear(struct buf *b)
{
    make_llama(b, 2);
    make_entry_text(b, "llama.rope.scaling.type", "linear");
    make_entry_f32(b, "llama.rope.scaling.factor", 0);
}

static void keys_head_dim(struct buf *b)
{
    make_llama(b, 1);
    make_entry_u32(b, "llama.attention.head_count_kv", 5);
}

static void keys_tokens(struct buf *b)
{
    make_llama(b, 3);
    make_entry_text(b, "tokenizer.ggml.model", "gpt2");
    make_array(b, "tokenizer.ggml.tokens", GGUF_STRING, 1);
    make_text(b, "a");
    make_array(b, "tokenizer.ggml.token_type", GGUF_I32, 2);
    make_int(b, 1, 8);
}

static void keys_vocabulary_kind(struct buf *b)
{
    make_llama(b, 1);
    make_entry_text(b, "tokenizer.ggml.model", "bert");
}

static void test_keys(void **state)
{
    static const struct {
        void (*make)(struct buf *b);
        int code;
        const char *says;
    } cases[] = {
        {keys_none, ERR_FORMAT, "tensor 'token_embd.weight': is missing"},
        {keys_no_experts, ERR_FORMAT, "tensor 'token_embd.weight': is missing"},
        {keys_other_family, ERR_UNSUPPORTED,
         "'mamba\\x0a2' is not supported, expected one of: llama"},
        {keys_family_type, ERR_FORMAT, "'general.architecture': type u32, expected string"},
        {keys_experts, ERR_FORMAT, "'llama.expert_used_count': is missing"},
        {keys_longrope, ERR_UNSUPPORTED,
         "'llama.rope.scaling.type': 'dynamic' is not supported, expected none, linear, yarn or "
         "longrope"},
        {keys_linear, ERR_FORMAT, "'llama.rope.scaling.factor': 0, expected 0.001 to"},
        {keys_head_dim, ERR_FORMAT, "'llama.attention.head_count_kv': 5, expected a divisor of 4"},
        {keys_tokens, ERR_FORMAT, "'tokenizer.ggml.token_type': 2 values, expected 1, one a token"},
        {keys_vocabulary_kind, ERR_UNSUPPORTED,
         "'tokenizer.ggml.model': 'bert' is not supported, expected gpt2, llama, t5 or none"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct model *m = NULL;
        struct err e = {""};
        struct buf b;
        buf_init(&b, 1 << 16);
        cases[i].make(&b);
        assert_false(b.failed);
        int code = open_model(&m, buf_view(&b), &e);
        if (code != cases[i].code)
            fail_msg("code %d '%s', expected %d '%s'", code, e.text, cases[i].code, cases[i].says);
        assert_says(&e, cases[i].says);
        buf_release(&b);
    }
}

/* ---- what is right ---- */

static void test_info(void **state)
{
    struct buf b;
    struct model *m = NULL;
    struct err e = {""};
    struct model_info i;
    (void)state;
    buf_init(&b, 1 << 20);
    read_source("golden/gguf/llama-mha-q4_0.gguf", &b);
    if (open_model(&m, buf_view(&b), &e))
        fail_msg("%s", e.text);
    model_info(m, &i);
    assert_string_equal(i.name, "llama-mha-q4_0.gguf");
    assert_string_equal(i.arch, "llama");
    assert_string_equal(i.quantization, "Q4_0");
    assert_int_equal(i.file_bytes, b.n);
    assert_int_equal(i.n_vocab, 224);
    assert_int_equal(i.n_ctx, 256);
    assert_int_equal(i.n_embd, 64);
    assert_int_equal(i.n_layer, 2);
    assert_int_equal(i.n_head, 4);
    assert_int_equal(i.n_head_kv, 4);
    /* embedding and head, two layers of q k v o, gate up down and two norms, the last norm */
    assert_int_equal(i.n_params, 2 * 224 * 64 + 2 * (4 * 64 * 64 + 3 * 64 * 96 + 2 * 64) + 64);
    assert_int_equal(model_kv_bytes(m, 100), 2 * 2 * 100 * 64 * 4);
    model_close(&m);
    assert_null(m);
    model_close(&m);
    buf_release(&b);
}

static char warning[512];

static void keep_warning(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    if (level == LOG_LEVEL_WARNING)
        snprintf(warning, sizeof warning, "%s", line);
}

/* Without its name the head is the embedding's, and the tensor that nobody reads is told of. */
static void test_unused_tensor_is_told(void **state)
{
    struct buf b;
    struct model *m = NULL;
    struct err e = {""};
    (void)state;
    buf_init(&b, 1 << 20);
    read_source("golden/gguf/llama-mha-q4_0.gguf", &b);
    memcpy(find(&b, "output_norm.weight", 0) + 4 + 8 + 4 + 8 + 8, "outpux", 6);
    log_set_sink(keep_warning, NULL, LOG_LEVEL_WARNING);
    if (open_model(&m, buf_view(&b), &e))
        fail_msg("%s", e.text);
    log_set_sink(NULL, NULL, LOG_LEVEL_ERROR);
    assert_non_null(strstr(warning, "1 tensor is not used, the first is 'outpux.weight'"));
    model_close(&m);
    buf_release(&b);
}

static void test_unknown_machine_code(void **state)
{
    struct model *m = NULL;
    struct err e = {""};
    struct model_options o = {.path = "/nonexistent", .isa = "z80"};
    (void)state;
    assert_int_equal(model_open(&m, &o, &e), ERR_USAGE);
    assert_says(&e, "'z80'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_minimal_lacks_hyperparameters),
        cmocka_unit_test(test_scores_of_the_wrong_type),
        cmocka_unit_test(test_every_required_key_is_named),
        cmocka_unit_test(test_every_tensor_is_needed),
        cmocka_unit_test(test_values_out_of_range),
        cmocka_unit_test(test_what_is_not_supported),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_unused_tensor_is_told),
        cmocka_unit_test(test_unknown_machine_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
