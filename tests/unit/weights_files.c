/* SPDX-License-Identifier: MIT */
/* Which files are a model: shards and their index, the parts of a split GGUF, folders, and files
 * that are something else. */
#include "weights_maker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* One tensor of n bytes. */
#define ONE(name, n) \
    "{\"" name "\":{\"dtype\":\"U8\",\"shape\":[" #n "],\"data_offsets\":[0," #n "]}}"
#define INDEX "model.safetensors.index.json"

static struct temp_folder folder;

static int open_folder(void **state)
{
    (void)state;
    folder_open(&folder);
    return 0;
}

static int close_folder(void **state)
{
    (void)state;
    folder_close(&folder);
    return 0;
}

/* A file's path; the folder's for NULL. */
static const char *path_of(const char *name)
{
    return name ? folder_file(&folder, name) : folder.path;
}

/* The refusal of name is "cannot load 'FOLDER/shown': says"; every %s in says is the folder. */
static void assert_refused(const char *name, const char *shown, int code, const char *says)
{
    struct weights *w = NULL;
    struct err e = {""};
    struct buf b;
    buf_init(&b, sizeof e.text - 1);
    buf_printf(&b, "cannot load '%s%s%s': ", folder.path, shown ? "/" : "", shown ? shown : "");
    for (const char *at; (at = strstr(says, "%s")); says = at + 2) {
        buf_put(&b, says, (size_t)(at - says));
        buf_str(&b, folder.path);
    }
    buf_str(&b, says);
    int r = weights_open(&w, path_of(name), &e);
    assert_string_equal(e.text, buf_cstr(&b));
    assert_int_equal(r, code);
    assert_null(w);
    buf_release(&b);
}

static struct weights *assert_opens(const char *name)
{
    struct weights *w = NULL;
    struct err e = {""};
    if (weights_open(&w, path_of(name), &e))
        fail_msg("%s", e.text);
    assert_string_equal(weights_folder(w), folder.path);
    return w;
}

static void put_text(const char *name, const char *text)
{
    folder_put(&folder, name, span_str(text));
}

/* ---- shards ---- */

static void put_shards(void)
{
    folder_clear(&folder);
    folder_put_safetensors(&folder, "model-00001-of-00002.safetensors",
                           "{\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
                           "\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[3,5]}}",
                           5);
    folder_put_safetensors(&folder, "model-00002-of-00002.safetensors", ONE("c", 7), 7);
    put_text(INDEX, "{\"metadata\":{\"total_size\":12},\"weight_map\":{"
                    "\"c\":\"model-00002-of-00002.safetensors\","
                    "\"a\":\"model-00001-of-00002.safetensors\","
                    "\"b\":\"model-00001-of-00002.safetensors\"}}\n");
}

static void test_shards(void **state)
{
    (void)state;
    put_shards();
    put_text("model.safetensors", "a stray file");
    for (int i = 0; i < 2; i++) {
        struct weights *w = assert_opens(i ? INDEX : NULL);
        assert_string_equal(weights_path(w), path_of(i ? INDEX : NULL));
        assert_int_equal(weights_tensor_count(w), 3);
        assert_null(weights_gguf(w));
        assert_int_equal(weights_tensor(w, "a")->data.p[0], 3);
        assert_int_equal(weights_tensor(w, "b")->data.n, 3);
        assert_int_equal(weights_tensor(w, "c")->data.n, 7);
        assert_int_equal(weights_tensor_index(w, weights_tensor(w, "c")), 2);
        weights_close(&w);
    }
    /* A tensor that the index lacks is there all the same. */
    put_text(INDEX, "{\"weight_map\":{\"a\":\"model-00001-of-00002.safetensors\"}}");
    struct weights *w = assert_opens(NULL);
    assert_int_equal(weights_tensor_count(w), 2);
    assert_non_null(weights_tensor(w, "b"));
    weights_close(&w);
    /* One shard by its own name is a file like any other. */
    w = assert_opens("model-00002-of-00002.safetensors");
    assert_int_equal(weights_tensor_count(w), 1);
    weights_close(&w);
}

static void test_wrong_shards(void **state)
{
    (void)state;
    put_shards();
    folder_remove_file(&folder, "model-00001-of-00002.safetensors");
    assert_refused(NULL, INDEX, ERR_NOTFOUND,
                   "'model-00001-of-00002.safetensors' is missing, 1 of the 2 files that the index "
                   "names: download the model again, what is there already is kept");
    if (symlink("../../blobs/none", path_of("model-00001-of-00002.safetensors")) != 0)
        fail();
    assert_refused(NULL, INDEX, ERR_NOTFOUND,
                   "'model-00001-of-00002.safetensors' is missing, 1 of the 2 files that the index "
                   "names: download the model again, what is there already is kept");
    put_shards();
    if (truncate(path_of("model-00002-of-00002.safetensors"), 65) != 0)
        fail();
    assert_refused(NULL, "model-00002-of-00002.safetensors", ERR_FORMAT,
                   "the tensors need 7 bytes of data, the file has 4: it is cut off, 3 bytes are "
                   "missing: download it again");
    folder_put_safetensors(&folder, "model-00002-of-00002.safetensors", ONE("a", 7), 7);
    assert_refused(NULL, INDEX, ERR_FORMAT,
                   "weight_map: tensor 'c' is not in 'model-00002-of-00002.safetensors': the index "
                   "and the files are not of one model, download it again");
    folder_put_safetensors(&folder, "model-00002-of-00002.safetensors",
                           "{\"c\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                           "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
                           2);
    assert_refused(NULL, "model-00001-of-00002.safetensors", ERR_FORMAT,
                   "tensor 'a' is also in '%s/model-00002-of-00002.safetensors', expected each "
                   "tensor once");
    put_text("model-00002-of-00002.safetensors", "<!DOCTYPE html>");
    assert_refused(NULL, "model-00002-of-00002.safetensors", ERR_FORMAT,
                   "the file is an HTML page: its download gave a web page (a login "
                   "or an error), download it again");
    if (unlink(path_of("model-00002-of-00002.safetensors")) != 0 ||
        mkfifo(path_of("model-00002-of-00002.safetensors"), 0600) != 0)
        fail();
    struct weights *w = NULL;
    struct err e = {""};
    assert_int_equal(weights_open(&w, folder.path, &e), ERR_IO);
    assert_non_null(strstr(e.text, "model-00002-of-00002.safetensors': it is not a regular file"));
}

#define WRONG_FILE "expected the name of a file in the same folder"

static void test_wrong_indices(void **state)
{
    static const struct {
        const char *index, *says;
    } cases[] = {
        {"", "the index: cut off at byte 0, expected an object"},
        {"[]", "the index: byte 0 is '[', expected an object"},
        {"{}", "the index: key \"weight_map\" is missing"},
        {"{\"metadata\":{}}", "the index: key \"weight_map\" is missing"},
        {"{\"weight_map\":{}}", "weight_map: is empty, expected tensors and their files"},
        {"{\"weight_map\":[]}", "weight_map: byte 0 is '[', expected an object"},
        {"{\"weight_map\":{\"a\":\"m\"},\"weight_map\":{\"a\":\"m\"}}",
         "the index: key \"weight_map\" stands twice"},
        {"{\"weight_map\":{\"a\":1}}", "weight_map: tensor 'a': file: 1, expected a string"},
        {"{\"weight_map\":{\"a\":\"\"}}",
         "weight_map: tensor 'a': file: '': expected 1 to 255 bytes of text"},
        {"{\"weight_map\":{\"\":\"m\"}}",
         "weight_map: a tensor's name: '': expected 1 to 256 bytes of text"},
        {"{\"weight_map\":{\"a\":\"../x.safetensors\"}}",
         "weight_map: tensor 'a': file '../x.safetensors', " WRONG_FILE},
        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}",
         "weight_map: tensor 'a': file '/etc/passwd', " WRONG_FILE},
        {"{\"weight_map\":{\"a\":\"x\\\\y\"}}", "weight_map: tensor 'a': file 'x\\y', " WRONG_FILE},
        {"{\"weight_map\":{\"a\":\"..\"}}", "weight_map: tensor 'a': file '..', " WRONG_FILE},
        {"{\"weight_map\":{\"a\":\"m\",\"b\":\"\\u002e\"}}",
         "weight_map: tensor 'b': file '.', " WRONG_FILE},
        {"{\"weight_map\":{\"a\":\"m\\u0000/x\"}}",
         "weight_map: tensor 'a': file: 'm': expected 1 to 255 bytes of text"},
        {"{\"weight_map\":{\"a\":\"m\",\"b\":\"m\",\"a\":\"m\"}}",
         "weight_map: tensor 'a' stands twice"},
        {"{\"weight_map\":{\"a\":\"m\"},\"metadata\":{\"x\":[1,]}}",
         "the index: line 1, column 9: no JSON: unexpected token near ']'"},
        {"{\"weight_map\":{\"a\":\"m\"}", "the index: cut off at byte 23, expected a comma or a "
                                          "closing bracket"},
        {"{\"weight_map\":{\"a\":\"m\"", "the index: cut off at byte 22, expected a closing "
                                         "bracket"},
        {"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 23950\n",
         "the file is a Git LFS pointer: its contents (23950 bytes) were not downloaded: "
         "'git lfs pull' or 'wattle pull NAME' fetches them"},
        {"<html>", "the file is an HTML page: its download gave a web page (a login "
                   "or an error), download it again"},
    };
    (void)state;
    folder_clear(&folder);
    for (size_t i = 0; i < COUNT(cases); i++) {
        put_text(INDEX, cases[i].index);
        assert_refused(INDEX, INDEX, ERR_FORMAT, cases[i].says);
    }
    put_text(INDEX, "{\"weight_map\":{\"a\":\"m\",\"b\":\"n\",\"c\":\"o\"}}");
    assert_refused(NULL, INDEX, ERR_NOTFOUND,
                   "'m' is missing, 3 of the 3 files that the index names: download the model "
                   "again, what is there already is kept");
}

/* ---- split GGUF ---- */

/* A part with one tensor, whose data are 16 zeros; no key where a number is negative. */
static void put_part(const char *name, const char *tensor, int no, int count, int total)
{
    struct buf b;
    buf_init(&b, 4096);
    make_header(&b, 3, 1, (uint64_t)((no >= 0) + (count >= 0) + (total >= 0)));
    if (no >= 0) {
        make_key(&b, "split.no", GGUF_U16);
        make_int(&b, (uint64_t)no, 2);
    }
    if (count >= 0) {
        make_key(&b, "split.count", GGUF_U16);
        make_int(&b, (uint64_t)count, 2);
    }
    if (total >= 0) {
        make_key(&b, "split.tensors.count", GGUF_I32);
        make_int(&b, (uint64_t)total, 4);
    }
    make_tensor(&b, tensor, 4, 1, WTYPE_F32, 0);
    make_data(&b, 16);
    folder_put(&folder, name, buf_view(&b));
    buf_release(&b);
}

static void put_parts(void)
{
    folder_clear(&folder);
    put_part("m-00001-of-00003.gguf", "one", 0, 3, 3);
    put_part("m-00002-of-00003.gguf", "two", 1, 3, 3);
    put_part("m-00003-of-00003.gguf", "three", 2, 3, 3);
}

static void test_split(void **state)
{
    static const char *const paths[] = {"m-00001-of-00003.gguf", "m-00002-of-00003.gguf",
                                        "m-00003-of-00003.gguf", NULL};
    static const char *const names[] = {"one", "two", "three"};
    (void)state;
    put_parts();
    for (size_t i = 0; i < COUNT(paths); i++) {
        uint64_t no = 9;
        struct err e;
        struct weights *w = assert_opens(paths[i]);
        assert_int_equal(weights_tensor_count(w), 3);
        for (size_t t = 0; t < 3; t++)
            assert_ptr_equal(weights_tensor_at(w, t), weights_tensor(w, names[t]));
        assert_int_equal(gguf_u64(weights_gguf(w), "split.no", 0, 9, &no, &e), 0);
        assert_int_equal(no, 0);
        weights_close(&w);
    }
    folder_clear(&folder);
    put_part("m-00001-of-00001.gguf", "one", 0, 1, 1);
    struct weights *w = assert_opens(NULL);
    weights_close(&w);
    put_part("m-00001-of-00001.gguf", "one", -1, -1, -1);
    w = assert_opens(NULL);
    weights_close(&w);
}

static void test_wrong_split(void **state)
{
    (void)state;
    put_parts();
    folder_remove_file(&folder, "m-00001-of-00003.gguf");
    folder_remove_file(&folder, "m-00003-of-00003.gguf");
    assert_refused("m-00002-of-00003.gguf", "m-00002-of-00003.gguf", ERR_NOTFOUND,
                   "2 of the model's 3 parts are missing, '%s/m-00001-of-00003.gguf' first: "
                   "download the rest into the same folder");
    assert_refused(NULL, NULL, ERR_NOTFOUND,
                   "2 of the model's 3 parts are missing, '%s/m-00001-of-00003.gguf' first: "
                   "download the rest into the same folder");
    put_parts();
    put_part("m-00002-of-00003.gguf", "two", 2, 3, 3);
    assert_refused(NULL, "m-00002-of-00003.gguf", ERR_FORMAT,
                   "key 'split.no': 2, expected 1 by the file's name");
    put_part("m-00002-of-00003.gguf", "two", 1, 4, 3);
    assert_refused(NULL, "m-00002-of-00003.gguf", ERR_FORMAT,
                   "key 'split.count': 4, expected 3 by the file's name");
    put_part("m-00002-of-00003.gguf", "two", 1, -1, 3);
    assert_refused(NULL, "m-00002-of-00003.gguf", ERR_FORMAT,
                   "key 'split.count': is missing, the name says that this is a part of a split "
                   "file");
    put_part("m-00002-of-00003.gguf", "three", 1, 3, 3);
    assert_refused(NULL, "m-00002-of-00003.gguf", ERR_FORMAT,
                   "tensor 'three' is also in '%s/m-00003-of-00003.gguf', expected each tensor "
                   "once");
    put_parts();
    put_part("m-00001-of-00003.gguf", "one", 0, 3, 4);
    assert_refused(NULL, "m-00001-of-00003.gguf", ERR_FORMAT,
                   "key 'split.tensors.count': 4, but the 3 parts have 3 tensors");
    folder_put_safetensors(&folder, "m-00003-of-00003.gguf", ONE("x", 1), 1);
    assert_refused(NULL, "m-00003-of-00003.gguf", ERR_FORMAT,
                   "safetensors, expected GGUF as the name says");
    folder_clear(&folder);
    put_part("renamed.gguf", "two", 1, 3, 3);
    assert_refused(NULL, "renamed.gguf", ERR_FORMAT,
                   "one of 3 parts (key 'split.count'), expected a name that ends in "
                   "-00002-of-00003.gguf, beside the others: give the parts their names back");
}

/* ---- folders ---- */

static void test_folders(void **state)
{
    (void)state;
    folder_clear(&folder);
    assert_refused(NULL, NULL, ERR_NOTFOUND,
                   "no weights: expected model.safetensors.index.json, model.safetensors, one "
                   "other .safetensors, or one .gguf");
    put_text("config.json", "{}");
    put_text(".hidden.safetensors", "x");
    put_text("pytorch_model.bin", "x");
    put_text("pytorch_model-00001-of-00002.bin", "x");
    assert_refused(NULL, NULL, ERR_UNSUPPORTED,
                   "only pickled weights ('pytorch_model-00001-of-00002.bin'), which can run code "
                   "when they are read: use a repository or revision with .safetensors, or convert "
                   "them with save_pretrained(..., safe_serialization=True)");
    put_part("a.gguf", "one", -1, -1, -1);
    struct weights *w = assert_opens(NULL);
    assert_non_null(weights_gguf(w));
    weights_close(&w);
    put_part("mmproj-a.gguf", "eye", -1, -1, -1);
    w = assert_opens(NULL);
    assert_non_null(weights_tensor(w, "one"));
    weights_close(&w);
    put_part("b.gguf", "two", -1, -1, -1);
    assert_refused(NULL, NULL, ERR_NOTFOUND,
                   "2 .gguf models: name the one that is meant, as '%s/a.gguf'");
    folder_put_safetensors(&folder, "z.safetensors", ONE("a", 1), 1);
    w = assert_opens(NULL);
    assert_null(weights_gguf(w));
    weights_close(&w);
    folder_put_safetensors(&folder, "y.safetensors", ONE("b", 1), 1);
    assert_refused(NULL, NULL, ERR_NOTFOUND,
                   "2 .safetensors files, and no model.safetensors.index.json that says what is in "
                   "which: download the index as well, or name one file");
    folder_put_safetensors(&folder, "model.safetensors", ONE("c", 1), 1);
    w = assert_opens(NULL);
    assert_non_null(weights_tensor(w, "c"));
    weights_close(&w);
    unlink(path_of(".hidden.safetensors"));
}

static void test_folder_names(void **state)
{
    static const struct {
        const char *path, *folder;
    } cases[] = {{"m.safetensors", "."}, {"./m.safetensors", "."}, {".", "."}, {"./", "./"}};
    char before[PATH_MAX];
    (void)state;
    folder_clear(&folder);
    folder_put_safetensors(&folder, "m.safetensors", ONE("a", 1), 1);
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder.path), 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct weights *w = NULL;
        struct err e = {""};
        assert_int_equal(weights_open(&w, cases[i].path, &e), 0);
        assert_string_equal(weights_folder(w), cases[i].folder);
        assert_string_equal(weights_path(w), cases[i].path);
        weights_close(&w);
    }
    assert_int_equal(chdir(before), 0);
    struct weights *w = NULL;
    struct err e = {""};
    assert_int_equal(weights_open(&w, "/nonexistent/model", &e), ERR_NOTFOUND);
    assert_string_equal(e.text, "cannot open '/nonexistent/model': No such file or directory");
    assert_int_equal(weights_open(&w, "/dev/null", &e), ERR_IO);
    assert_string_equal(e.text, "cannot read '/dev/null': it is not a regular file");
    assert_null(w);
}

/* ---- files that are something else ---- */

static void test_other_files(void **state)
{
#define BYTES(s)                            \
    {                                       \
        (const uint8_t *)(s), sizeof(s) - 1 \
    }
#define PICKLE                                                                                 \
    "which can run code when it is read: use the .safetensors of the repository (or a GGUF), " \
    "or convert it with save_pretrained(..., safe_serialization=True)"
    static const struct {
        const char *name;
        struct span bytes;
        int code;
        const char *says;
    } cases[] = {
        {"pytorch_model.bin", BYTES("PK\x03\x04\0\0\x08\x08\0\0\0\0\0\0"), ERR_UNSUPPORTED,
         "the file is a zip archive (PyTorch writes its pickled .bin, .pt and .pth files "
         "so), " PICKLE},
        {"model.pt", BYTES("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9"), ERR_UNSUPPORTED,
         "the file is a Python pickle, " PICKLE},
        {"model.safetensors", BYTES("\x80\x04\x95\0\0\0\0\0\0\0\0"), ERR_UNSUPPORTED,
         "the file is a Python pickle, " PICKLE},
        {"model.safetensors", BYTES("\n<!doctype HTML><title>Sign in</title>"), ERR_FORMAT,
         "the file is an HTML page: its download gave a web page (a login or an "
         "error), download it again"},
        {"model.safetensors", BYTES("{\"error\":\"Repository not found\"}"), ERR_FORMAT,
         "the file is JSON text, not a model: {\"error\":\"Repository not found\"}"},
        {"model.gguf", BYTES("Entry not found"), ERR_FORMAT,
         "the file is text, not a model: Entry not found"},
        {"model.safetensors", BYTES("Invalid username or password.\n"), ERR_FORMAT,
         "the file is text, not a model: Invalid username or password."},
        {"model.gguf",
         BYTES("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 98362432\n"),
         ERR_FORMAT,
         "the file is a Git LFS pointer: its contents (98362432 bytes) were not "
         "downloaded: 'git lfs pull' or 'wattle pull NAME' fetches them"},
        {"model.gguf", BYTES("version https://git-lfs.github.com/spec/v1\nsize x\n"), ERR_FORMAT,
         "the file is a Git LFS pointer: its contents were not downloaded: 'git lfs "
         "pull' or 'wattle pull NAME' fetches them"},
        {"tf_model.h5", BYTES("\x89HDF\r\n\x1a\n"), ERR_UNSUPPORTED,
         "the file is an HDF5 file (TensorFlow's): use the .safetensors of the repository, or a "
         "GGUF"},
        {"m.bin", BYTES("tjgg\x03\0\0\0"), ERR_UNSUPPORTED,
         "the file is an old GGJT file: convert the model to GGUF"},
        {"m.gguf", BYTES(""), ERR_FORMAT,
         "the file is empty, expected GGUF or safetensors: download it again"},
        {"m.gguf", BYTES("GG"), ERR_FORMAT,
         "the file has 2 bytes: too short for GGUF or safetensors, download it again"},
        {"m.gguf", BYTES("\0\0\0\0\0\0\0\0\0\0\0\0"), ERR_FORMAT,
         "the file is zeros at its beginning: a download that was interrupted: download it again"},
        {"m",
         BYTES("\x7f"
               "ELF\x02\x01\x01\0\0"),
         ERR_FORMAT, "the file begins with bytes 7f 45 4c 46, expected GGUF or safetensors"},
    };
#undef BYTES
    (void)state;
    folder_clear(&folder);
    for (size_t i = 0; i < COUNT(cases); i++) {
        folder_put(&folder, cases[i].name, cases[i].bytes);
        assert_refused(cases[i].name, cases[i].name, cases[i].code, cases[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shards),        cmocka_unit_test(test_wrong_shards),
        cmocka_unit_test(test_wrong_indices), cmocka_unit_test(test_split),
        cmocka_unit_test(test_wrong_split),   cmocka_unit_test(test_folders),
        cmocka_unit_test(test_folder_names),  cmocka_unit_test(test_other_files),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
