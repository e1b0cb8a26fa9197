/* SPDX-License-Identifier: MIT */
/* model_pack: the same answers from the file's rows, from packed weights in memory and from those
 * in the cache; what is quantized on the way; what becomes of a packed file that is not right. */
#include "cache/cache.h"
#include "model/model.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { TOKENS = 9, CONTEXT = 16 };

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/wattle-pack-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int remove_dir(void **state)
{
    (void)state;
    return nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

struct answer {
    struct model_info info;
    float *logits; /* [n_vocab], after TOKENS */
    int code;
    struct err e;
};

static void answer_free(struct answer *a)
{
    free(a->logits);
    a->logits = NULL;
}

/* What the model at path says; pack NULL: not packed. */
static struct answer ask_at(const char *path, enum model_math math, int threads,
                            const struct model_pack_options *pack)
{
    struct answer a = {.code = 0};
    struct model *m = NULL;
    struct pool *pool = NULL;
    struct forward *f = NULL;
    struct kv *kv = NULL;
    int32_t ids[TOKENS];
    struct model_options o = {.path = path, .math = math};
    if (model_open(&m, &o, &a.e) || pool_open(&pool, threads, &a.e))
        fail_msg("%s", a.e.text);
    if (pack) {
        struct model_pack_options mine = *pack;
        mine.pool = threads > 1 ? pool : NULL;
        a.code = model_pack(m, &mine, &a.e);
    }
    model_info(m, &a.info);
    if (a.code == 0) {
        for (int32_t i = 0; i < TOKENS; i++)
            ids[i] = (i * 37 + 5) % a.info.n_vocab;
        a.logits = calloc((size_t)a.info.n_vocab, sizeof *a.logits);
        assert_non_null(a.logits);
        if (forward_open(&f, m, pool, TOKENS, &a.e) || kv_open(&kv, m, CONTEXT, &a.e) ||
            model_forward(m, f, kv, ids, TOKENS, 1, a.logits, NULL, NULL, NULL, &a.e))
            fail_msg("%s", a.e.text);
    }
    kv_close(&kv);
    forward_close(&f);
    pool_close(&pool);
    model_close(&m);
    return a;
}

static void golden(const char *name, char out[PATH_MAX])
{
    const char *root = getenv("WATTLE_SOURCE");
    assert_non_null(root);
    snprintf(out, PATH_MAX, "%s/tests/golden/gguf/%s", root, name);
}

static struct answer ask(const char *name, enum model_math math, int threads,
                         const struct model_pack_options *pack)
{
    char path[PATH_MAX];
    golden(name, path);
    struct answer a = ask_at(path, math, threads, pack);
    if (a.code)
        fail_msg("%s: %s", name, a.e.text);
    return a;
}

/* Largest difference as a share of the largest logit. */
static double distance(const struct answer *a, const struct answer *b)
{
    double most = 0, largest = 0;
    assert_int_equal(a->info.n_vocab, b->info.n_vocab);
    for (int32_t i = 0; i < a->info.n_vocab; i++) {
        most = fmax(most, fabs((double)a->logits[i] - (double)b->logits[i]));
        largest = fmax(largest, fabs((double)a->logits[i]));
        assert_true(isfinite(b->logits[i]));
    }
    return most / largest;
}

static void same_bits(const struct answer *a, const struct answer *b)
{
    assert_int_equal(a->info.n_vocab, b->info.n_vocab);
    assert_memory_equal(a->logits, b->logits, (size_t)a->info.n_vocab * sizeof *a->logits);
}

/* ---- answers ---- */

/* Fused, grouped, with experts, tied, of types that pack as they are. */
static void test_same_answers(void **state)
{
    static const struct {
        const char *name, *quant;
        const char *label;
        double most; /* distance from the file's own rows */
    } cases[] = {
        {"llama-gqa-tied-q8_0.gguf", "", "Q8_0", 1e-4},
        {"llama-mha-q4_0.gguf", "", "Q4_0", 1e-4},
        {"stablelm-2-q5_1.gguf", "", "Q5_1", 1e-4},
        {"llama-gqa-tied-f32.gguf", "q8", "Q8_0 (from F32)", 0.05},
        {"llama-gqa-tied-f32.gguf", "q8_0", "Q8_0 (from F32)", 0.05},
        {"llama-gqa-tied-f32.gguf", "f16", "F16 (from F32)", 0.005},
        {"llama-gqa-tied-f32.gguf", "bf16", "BF16 (from F32)", 0.05},
        {"llama-gqa-tied-f32.gguf", "q4", "Q4_1 (from F32)", 0.6},
        {"llama-gqa-tied-f32.gguf", "q6_k", "Q8_0 (from F32)", 0.05},
        {"falcon-grouped-f32.gguf", "q8", "Q8_0 (from F32)", 0.05},
        {"phi3-f16.gguf", "q8", "Q8_0 (from F16)", 0.1},
        {"qwen3-moe-f32.gguf", "q5_1", "Q5_1 (from F32)", 0.4},
        {"llama-gqa-tied-q8_0.gguf", "f16", "Q8_0", 1e-4}, /* has no more than 8 bits */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char folder[100];
        snprintf(folder, sizeof folder, "%s/%zu", dir, i);
        struct model_pack_options memory = {.quant = cases[i].quant},
                                  file = {.quant = cases[i].quant,
                                          .folder = folder,
                                          .file_bytes_min = 1};
        struct answer rows = ask(cases[i].name, MODEL_MATH_FAST, 1, NULL);
        struct answer own = ask(cases[i].name, MODEL_MATH_FAST, 1, &memory);
        struct answer made = ask(cases[i].name, MODEL_MATH_FAST, 2, &file);
        struct answer found = ask(cases[i].name, MODEL_MATH_FAST, 1, &file);
        double far = distance(&rows, &own);
        if (!(far <= cases[i].most))
            fail_msg("%s, %s: %g, expected at most %g", cases[i].name, cases[i].quant, far,
                     cases[i].most);
        if (strcmp(own.info.quantization, cases[i].label) != 0)
            fail_msg("%s, %s: '%s'", cases[i].name, cases[i].quant, own.info.quantization);
        same_bits(&own, &made);
        same_bits(&own, &found);
        assert_true(own.info.packed_private);
        assert_false(found.info.packed_private);
        assert_int_equal(own.info.packed_bytes, found.info.packed_bytes);
        assert_true(own.info.packed_bytes > 0);
        assert_true(own.info.replaced_bytes <= own.info.file_bytes);
        answer_free(&rows);
        answer_free(&own);
        answer_free(&made);
        answer_free(&found);
    }
}

/* Floats stay floats: nothing to pack, no file, the same bits. */
static void test_nothing_to_pack(void **state)
{
    (void)state;
    struct model_pack_options file = {.folder = dir, .file_bytes_min = 1};
    struct answer rows = ask("llama3-rope-f16.gguf", MODEL_MATH_FAST, 1, NULL);
    struct answer packed = ask("llama3-rope-f16.gguf", MODEL_MATH_FAST, 1, &file);
    same_bits(&rows, &packed);
    assert_string_equal(packed.info.quantization, "F16");
    assert_int_equal(packed.info.packed_bytes, 0);
    struct packed_list l;
    assert_int_equal(packed_list_open(&l, dir, NULL), 0);
    assert_int_equal(l.n, 0);
    answer_free(&rows);
    answer_free(&packed);
}

/* The reference's arithmetic never packs, but quantizes if told: as the file of that type would. */
static void test_exact(void **state)
{
    (void)state;
    struct model_pack_options plain = {.quant = ""}, q8 = {.quant = "q8"};
    struct answer rows = ask("llama-gqa-tied-q8_0.gguf", MODEL_MATH_EXACT, 1, NULL);
    struct answer same = ask("llama-gqa-tied-q8_0.gguf", MODEL_MATH_EXACT, 1, &plain);
    same_bits(&rows, &same);
    assert_int_equal(same.info.packed_bytes, 0);
    struct answer f32 = ask("llama-gqa-tied-f32.gguf", MODEL_MATH_EXACT, 1, &plain);
    struct answer quantized = ask("llama-gqa-tied-f32.gguf", MODEL_MATH_EXACT, 1, &q8);
    double far = distance(&f32, &quantized);
    assert_true(far > 0 && far < 0.05);
    assert_true(quantized.info.packed_bytes > 0);
    answer_free(&rows);
    answer_free(&same);
    answer_free(&f32);
    answer_free(&quantized);
}

/* ---- the file ---- */

static void only_path(char out[300])
{
    struct packed_list l;
    assert_int_equal(packed_list_open(&l, dir, NULL), 0);
    assert_int_equal(l.n, 1);
    snprintf(out, 300, "%s/%s.packed", dir, l.entries[0].name);
    packed_list_close(&l);
}

static void spoil_head(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "\xff", 1, 100), 1);
    close(fd);
}

static void cut(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size / 2), 0);
}

static void empty(const char *path)
{
    assert_int_equal(truncate(path, 0), 0);
}

static void test_wrong_file_is_made_anew(void **state)
{
    static void (*const harm[])(const char *path) = {spoil_head, cut, empty};
    (void)state;
    struct model_pack_options file = {.folder = dir, .file_bytes_min = 1};
    struct answer first = ask("llama-mha-q4_0.gguf", MODEL_MATH_FAST, 1, &file);
    for (size_t i = 0; i < sizeof harm / sizeof *harm; i++) {
        char path[300];
        struct stat st;
        only_path(path);
        assert_int_equal(stat(path, &st), 0);
        harm[i](path);
        struct answer again = ask("llama-mha-q4_0.gguf", MODEL_MATH_FAST, 1, &file);
        same_bits(&first, &again);
        assert_false(again.info.packed_private);
        answer_free(&again);
        struct stat now;
        assert_int_equal(stat(path, &now), 0);
        assert_int_equal(now.st_size, st.st_size);
    }
    answer_free(&first);
}

/* A model that changed under the same name is packed again, and the old file goes. */
static void test_changed_source(void **state)
{
    char from[PATH_MAX], path[120], before[300], after[300], folder[100];
    struct buf bytes;
    struct err e = {""};
    (void)state;
    golden("llama-mha-q4_0.gguf", from);
    snprintf(folder, sizeof folder, "%s/models", dir);
    snprintf(path, sizeof path, "%s/m.gguf", folder);
    buf_init(&bytes, 1 << 20);
    assert_int_equal(file_make_dirs(folder, &e), 0);
    assert_int_equal(file_read(from, &bytes, &e), 0);
    assert_int_equal(file_write_atomic(path, buf_view(&bytes), &e), 0);
    struct model_pack_options file = {.folder = dir, .file_bytes_min = 1};
    struct answer first = ask_at(path, MODEL_MATH_FAST, 1, &file);
    only_path(before);
    bytes.p[bytes.n - 1] ^= 4; /* a code of the last block */
    assert_int_equal(file_write_atomic(path, buf_view(&bytes), &e), 0);
    struct answer second = ask_at(path, MODEL_MATH_FAST, 1, &file);
    struct answer fresh = ask_at(path, MODEL_MATH_FAST, 1, &(struct model_pack_options){0});
    only_path(after);
    assert_string_not_equal(before, after);
    same_bits(&second, &fresh);
    answer_free(&first);
    answer_free(&second);
    answer_free(&fresh);
    buf_release(&bytes);
}

/* A place where nothing can be written: memory, and the same answers. */
static void test_no_place(void **state)
{
    char path[100];
    struct err e = {""};
    (void)state;
    snprintf(path, sizeof path, "%s/file", dir);
    assert_int_equal(file_write_atomic(path, span_str("x"), &e), 0);
    struct model_pack_options file = {.folder = path, .file_bytes_min = 1};
    struct answer memory = ask("llama-mha-q4_0.gguf", MODEL_MATH_FAST, 1, &file);
    struct answer rows = ask("llama-mha-q4_0.gguf", MODEL_MATH_FAST, 1, NULL);
    assert_true(memory.info.packed_private);
    assert_true(distance(&rows, &memory) < 1e-4);
    answer_free(&memory);
    answer_free(&rows);
}

/* ---- on the way ---- */

struct watch {
    uint64_t done, all;
    int calls, stop_after;
    struct model_need need;
    bool refuse;
};

static int on_need(void *ctx, const struct model_need *need, struct err *e)
{
    struct watch *w = ctx;
    w->need = *need;
    return w->refuse ? err_set(e, ERR_LIMIT, "too much") : 0;
}

static void on_progress(void *ctx, uint64_t done, uint64_t all)
{
    struct watch *w = ctx;
    assert_true(done > w->done && done <= all);
    w->done = done;
    w->all = all;
}

static bool keep_going(void *ctx)
{
    struct watch *w = ctx;
    return ++w->calls != w->stop_after;
}

static void test_watched(void **state)
{
    char path[PATH_MAX];
    struct watch w = {0};
    struct packed_list l;
    (void)state;
    golden("llama-gqa-tied-f32.gguf", path);
    struct model_pack_options file = {.quant = "q8",
                                      .folder = dir,
                                      .file_bytes_min = 1,
                                      .on_need = on_need,
                                      .on_progress = on_progress,
                                      .keep_going = keep_going,
                                      .ctx = &w};
    /* interrupted at any moment nothing is left */
    for (int stop = 1; stop < 8; stop += 2) {
        w = (struct watch){.stop_after = stop};
        struct answer a = ask_at(path, MODEL_MATH_FAST, 1, &file);
        assert_int_equal(a.code, ERR_CANCELLED);
        assert_int_equal(packed_list_open(&l, dir, NULL), 0);
        assert_int_equal(l.n, 0);
        assert_false(w.need.packed_ready);
    }
    w = (struct watch){.refuse = true};
    struct answer a = ask_at(path, MODEL_MATH_FAST, 1, &file);
    assert_int_equal(a.code, ERR_LIMIT);
    assert_int_equal(w.done, 0);
    w = (struct watch){0};
    a = ask_at(path, MODEL_MATH_FAST, 1, &file);
    assert_int_equal(a.code, 0);
    assert_true(w.done > 0 && w.done <= w.all);
    assert_int_equal(w.need.packed_bytes, a.info.packed_bytes);
    assert_int_equal(w.need.file_bytes, a.info.file_bytes - a.info.replaced_bytes);
    assert_false(w.need.packed_private);
    answer_free(&a);
    w = (struct watch){0};
    a = ask_at(path, MODEL_MATH_FAST, 1, &file);
    assert_true(w.need.packed_ready);
    assert_int_equal(w.done, 0); /* nothing was done again */
    answer_free(&a);
}

static void test_refused(void **state)
{
    char path[PATH_MAX];
    (void)state;
    golden("llama-gqa-tied-f32.gguf", path);
    struct model_pack_options o = {.quant = "q3"};
    struct answer a = ask_at(path, MODEL_MATH_FAST, 1, &o);
    assert_int_equal(a.code, ERR_USAGE);
    assert_non_null(strstr(a.e.text, "quantization 'q3': unknown, expected one of q4, q8, q4_0"));
    golden("mixtral-f32.gguf", path); /* rows of 48 */
    o.quant = "q4_0";
    a = ask_at(path, MODEL_MATH_FAST, 1, &o);
    assert_int_equal(a.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(a.e.text, "quantization 'q4_0': no matrix of the model has rows of"));
}

/* A value that is no number, or that F16 does not have, is named by its place. */
static void test_values(void **state)
{
    static const struct {
        uint32_t bits;
        const char *quant, *text;
    } cases[] = {
        {0x7fc00000, "q8", "no finite number"},
        {0xff800000, "q4", "no finite number"},
        {0x7f800000, "f16", "no finite number"},
        {0x47c35000, "f16", "beyond 65504"}, /* 100000 */
    };
    char from[PATH_MAX], path[100];
    struct buf bytes;
    struct err e = {""};
    (void)state;
    golden("llama-gqa-tied-f32.gguf", from);
    snprintf(path, sizeof path, "%s/m.gguf", dir);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf_init(&bytes, 1 << 20);
        assert_int_equal(file_read(from, &bytes, &e), 0);
        /* the file ends with a matrix or a norm; every float of the second half is spoilt */
        for (size_t at = bytes.n / 8 * 4; at + 4 <= bytes.n; at += 4)
            for (size_t k = 0; k < 4; k++)
                bytes.p[at + k] = (char)(cases[i].bits >> 8 * k);
        assert_int_equal(file_write_atomic(path, buf_view(&bytes), &e), 0);
        buf_release(&bytes);
        struct model_pack_options o = {.quant = cases[i].quant};
        struct answer a = ask_at(path, MODEL_MATH_FAST, 1, &o);
        if (a.code == 0 || !strstr(a.e.text, cases[i].text) || !strstr(a.e.text, "layer "))
            fail_msg("case %zu: %d '%s'", i, a.code, a.e.text);
    }
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(test_same_answers),   IN_A_FOLDER(test_nothing_to_pack),
        IN_A_FOLDER(test_exact),          IN_A_FOLDER(test_wrong_file_is_made_anew),
        IN_A_FOLDER(test_changed_source), IN_A_FOLDER(test_no_place),
        IN_A_FOLDER(test_watched),        IN_A_FOLDER(test_refused),
        IN_A_FOLDER(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
