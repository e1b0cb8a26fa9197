/* SPDX-License-Identifier: MIT */
/* Safetensors: what is read and how, the cases from the field, and each way to be wrong, with the
 * whole text of the refusal. */
#include "weights_maker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void case_path(const char *name, char out[PATH_MAX])
{
    const char *root = getenv("WATTLE_SOURCE");
    assert_non_null(root);
    snprintf(out, PATH_MAX, "%s/tests/cases/%s", root, name);
}

/* The refusal is "cannot load 'PATH': " and says. */
static void assert_refused(const char *path, const char *shown, int code, const char *says)
{
    struct weights *w = NULL;
    struct err e = {""};
    char expected[sizeof e.text];
    snprintf(expected, sizeof expected, "cannot load '%s': %s", shown, says);
    int r = weights_open(&w, path, &e);
    assert_string_equal(e.text, expected);
    assert_int_equal(r, code);
    assert_null(w);
    assert_null(strchr(e.text, '\n'));
}

static void open_header(struct weights **w, const char *header, size_t n_data)
{
    struct temp t;
    struct buf b;
    struct err e = {""};
    buf_init(&b, 4 << 20);
    make_safetensors(&b, span_str(header), n_data);
    temp_open(&t, buf_view(&b));
    if (weights_open(w, t.path, &e))
        fail_msg("%s: %s", header, e.text);
    temp_close(&t);
    buf_release(&b);
}

/* ---- what is read ---- */

static void test_types(void **state)
{
    static const struct {
        const char *dtype;
        uint32_t type;
        size_t bytes; /* of 16 elements */
    } cases[] = {
        {"F64", WTYPE_F64, 128},
        {"F32", WTYPE_F32, 64},
        {"F16", WTYPE_F16, 32},
        {"BF16", WTYPE_BF16, 32},
        {"I8", WTYPE_I8, 16},
        {"U8", WEIGHTS_NO_TYPE, 16},
        {"BOOL", WEIGHTS_NO_TYPE, 16},
        {"I16", WEIGHTS_NO_TYPE, 32},
        {"U16", WEIGHTS_NO_TYPE, 32},
        {"I32", WEIGHTS_NO_TYPE, 64},
        {"U32", WEIGHTS_NO_TYPE, 64},
        {"I64", WEIGHTS_NO_TYPE, 128},
        {"U64", WEIGHTS_NO_TYPE, 128},
        {"F8_E4M3", WEIGHTS_NO_TYPE, 16},
        {"F8_E5M2", WEIGHTS_NO_TYPE, 16},
        {"F8_E8M0", WEIGHTS_NO_TYPE, 16},
        {"F4", WEIGHTS_NO_TYPE, 8},
        {"F6_E2M3", WEIGHTS_NO_TYPE, 12},
        {"C64", WEIGHTS_NO_TYPE, 128},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct weights *w = NULL;
        char header[256];
        snprintf(header, sizeof header,
                 "{\"t\":{\"dtype\":\"%s\",\"shape\":[2,8],\"data_offsets\":[0,%zu]}}",
                 cases[i].dtype, cases[i].bytes);
        open_header(&w, header, cases[i].bytes);
        const struct tensor *t = weights_tensor(w, "t");
        assert_non_null(t);
        assert_int_equal(t->type, cases[i].type);
        assert_int_equal(t->data.n, cases[i].bytes);
        assert_int_equal(t->row_bytes, cases[i].bytes / 2);
        for (size_t b = 0; b < t->data.n; b++)
            assert_int_equal(t->data.p[b], b);
        weights_close(&w);
        assert_null(w);
    }
}

static void test_shapes(void **state)
{
    static const struct {
        const char *shape;
        size_t elements;
        uint32_t n_dims;
        uint64_t dims[GGUF_MAX_DIMS];
        bool no_type;
    } cases[] = {
        {"[]", 1, 0, {1, 1, 1, 1}, false},
        {"[5]", 5, 1, {5, 1, 1, 1}, false},
        {"[2,3]", 6, 2, {3, 2, 1, 1}, false},
        {"[ 2 , 3 , 4 ]", 24, 3, {4, 3, 2, 1}, false},
        {"[2,3,4,5]", 120, 4, {5, 4, 3, 2}, false},
        {"[2,3,4,5,6]", 720, 4, {6, 5, 4, 6}, true},
        {"[2,1,2,1,2,1,2,1,2]", 32, 4, {2, 1, 2, 8}, true},
        {"[0]", 0, 1, {0, 1, 1, 1}, false},
        {"[0,7]", 0, 2, {7, 0, 1, 1}, false},
        {"[7,0]", 0, 2, {0, 7, 1, 1}, false},
        {"[3,0,0,0,9]", 0, 4, {9, 0, 0, 0}, true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct weights *w = NULL;
        char header[256];
        size_t bytes = cases[i].elements * 4;
        snprintf(header, sizeof header,
                 "{\"t\":{\"shape\":%s,\"dtype\":\"F32\",\"data_offsets\":[0,%zu]}}",
                 cases[i].shape, bytes);
        open_header(&w, header, bytes);
        const struct tensor *t = weights_tensor_at(w, 0);
        assert_int_equal(t->n_dims, cases[i].n_dims);
        assert_memory_equal(t->dims, cases[i].dims, sizeof t->dims);
        assert_int_equal(t->row_bytes, t->dims[0] * 4);
        assert_int_equal(t->data.n, bytes);
        assert_non_null(t->data.p);
        assert_int_equal(t->type, cases[i].no_type ? WEIGHTS_NO_TYPE : WTYPE_F32);
        weights_close(&w);
    }
}

static void test_many_tensors(void **state)
{
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\",\"\\u00fc\":\"\"},"
        "\"\\u0062\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[8,11],\"x\":{\"y\":[1]}},"
        "\"none\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[11,11]},"
        "\"größe\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[11,15]},\r\n\t "
        "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}   ";
    struct weights *w = NULL;
    (void)state;
    open_header(&w, header, 15);
    assert_int_equal(weights_tensor_count(w), 4);
    assert_null(weights_gguf(w));
    assert_null(weights_tensor(w, "c"));
    assert_null(weights_tensor(w, "__metadata__"));
    assert_null(weights_tensor_at(w, 4));
    static const char *const names[] = {"b", "none", "größe", "a"};
    static const uint8_t first[] = {8, 11, 11, 0};
    for (size_t i = 0; i < 4; i++) {
        const struct tensor *t = weights_tensor(w, names[i]);
        assert_ptr_equal(t, weights_tensor_at(w, i));
        assert_int_equal(weights_tensor_index(w, t), i);
        if (t->data.n)
            assert_int_equal(t->data.p[0], first[i]);
    }
    weights_close(&w);
    open_header(&w, "{\"__metadata__\":null}", 0);
    weights_close(&w);
    open_header(&w, "{}", 0);
    assert_int_equal(weights_tensor_count(w), 0);
    assert_null(weights_tensor(w, ""));
    weights_close(&w);
}

/* ---- cases from the field ---- */

static void test_cases(void **state)
{
    static const struct {
        const char *path, *shown;
        int code;
        const char *says;
    } cases[] = {
        {"safetensors/v-st1-shape-larger-than-data.safetensors", NULL, ERR_FORMAT,
         "tensor 'a': shape: [1000,1000] of F32 needs 4000000 bytes, data_offsets [0, 4] give 4"},
        {"safetensors/v-st2-hole.safetensors", NULL, ERR_FORMAT,
         "tensor 'b': data_offsets [12, 16]: bytes 4 to 12 before it belong to no tensor"},
        {"safetensors/v-st3-unknown-dtype-past-eof.safetensors", NULL, ERR_FORMAT,
         "tensor 'a': dtype: \"F7\", expected one of F32, F16, BF16, F64, I8, U8, BOOL, I16, U16, "
         "I32, U32, I64, U64, F8_E4M3, F8_E5M2, F8_E8M0, F8_E4M3FNUZ, F8_E5M2FNUZ, F4, F6_E2M3, "
         "F6_E3M2, C64"},
        {"safetensors/v-st4-truncated.safetensors", NULL, ERR_FORMAT,
         "the tensors need 256 bytes of data, the file has 100: it is cut off, 156 bytes are "
         "missing: download it again"},
        {"safetensors/v-st5-missing-shard",
         "safetensors/v-st5-missing-shard/model.safetensors.index.json", ERR_NOTFOUND,
         "'model-00002-of-00002.safetensors' is missing, 1 of the 2 files that the index names: "
         "download the model again, what is there already is kept"},
        {"safetensors/v-st6-duplicate-key.safetensors", NULL, ERR_FORMAT,
         "tensor 'a': its key stands twice in the header"},
        {"hub/v-hf1-lfs-pointer", "hub/v-hf1-lfs-pointer/model.safetensors", ERR_FORMAT,
         "the file is a Git LFS pointer: its contents (2200119864 bytes) were not "
         "downloaded: 'git lfs pull' or 'wattle pull NAME' fetches them"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[PATH_MAX], shown[PATH_MAX];
        case_path(cases[i].path, path);
        case_path(cases[i].shown ? cases[i].shown : cases[i].path, shown);
        assert_refused(path, shown, cases[i].code, cases[i].says);
    }
}

static void test_padded_header(void **state)
{
    char path[PATH_MAX];
    struct weights *w = NULL;
    struct err e = {""};
    (void)state;
    case_path("safetensors/ok-padded-header.safetensors", path);
    assert_int_equal(weights_open(&w, path, &e), 0);
    assert_string_equal(weights_path(w), path);
    assert_int_equal(weights_file_bytes(w), 104);
    const struct tensor *t = weights_tensor(w, "a");
    assert_int_equal(t->data.n, 8);
    assert_memory_equal(t->data.p, "\0\0\0\0\0\0\0\0", 8);
    path[strlen(path) - strlen("/ok-padded-header.safetensors")] = 0;
    assert_string_equal(weights_folder(w), path);
    weights_close(&w);
}

/* ---- each way to be wrong ---- */

/* A tensor of F32. */
#define T(name, shape, from, to) \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" from "," to "]}"
#define NUMBER " expected a whole number, from 0 to 2^64-1"

static void test_wrong_headers(void **state)
{
    static const struct {
        const char *header;
        size_t n_data;
        const char *says;
    } cases[] = {
        /* places */
        {"{" T("a", "[2]", "0", "8") "," T("b", "[2]", "4", "12") "}", 12,
         "tensor 'b': data_offsets [4, 12] overlap tensor 'a' [0, 8]"},
        {"{" T("b", "[1]", "4", "8") "," T("a", "[4]", "0", "16") "}", 16,
         "tensor 'b': data_offsets [4, 8] overlap tensor 'a' [0, 16]"},
        {"{" T("a", "[1]", "0", "4") "," T("b", "[1]", "0", "4") "}", 4,
         "tensor 'b': data_offsets [0, 4] overlap tensor 'a' [0, 4]"},
        {"{" T("a", "[1]", "4", "8") "}", 8,
         "tensor 'a': data_offsets [4, 8]: bytes 0 to 4 before it belong to no tensor"},
        {"{" T("a", "[1]", "0", "4") "," T("z", "[0]", "5", "5") "}", 5,
         "tensor 'z': data_offsets [5, 5]: bytes 4 to 5 before it belong to no tensor"},
        {"{" T("a", "[2]", "0", "8") "," T("z", "[0]", "4", "4") "}", 8,
         "tensor 'z': data_offsets [4, 4] overlap tensor 'a' [0, 8]"},
        {"{" T("a", "[1]", "0", "4") "}", 5, "bytes 4 to 5 of the data belong to no tensor"},
        {"{}", 1, "bytes 0 to 1 of the data belong to no tensor"},
        {"{" T("a", "[1]", "0", "4") "}", 3,
         "the tensors need 4 bytes of data, the file has 3: it is cut off, 1 bytes are missing: "
         "download it again"},
        /* offsets */
        {"{" T("a", "[1]", "4", "0") "}", 4,
         "tensor 'a': data_offsets: [4, 0], expected the begin before the end"},
        {"{" T("a", "[1]", "18446744073709551612", "0") "}", 4,
         "tensor 'a': data_offsets: [18446744073709551612, 0], expected the begin before the end"},
        {"{" T("a", "[1]", "18446744073709551611", "18446744073709551615") "}", 4,
         "tensor 'a': data_offsets [18446744073709551611, 18446744073709551615]: bytes 0 to "
         "18446744073709551611 before it belong to no tensor"},
        {"{" T("a", "[1]", "0", "18446744073709551616") "}", 4,
         "tensor 'a': data_offsets: 18446744073709551616," NUMBER},
        {"{" T("a", "[2305843009213693951]", "0", "9223372036854775804") "}", 4,
         "tensor 'a': shape: [2305843009213693951]: its dimensions overflow: their product is past "
         "2^58"},
        {"{" T("a", "[288230376151711743]", "0", "1152921504606846972") "}", 4,
         "the tensors need 1152921504606846972 bytes of data, the file has 4: it is cut off, "
         "1152921504606846968 bytes are missing: download it again"},
        {"{" T("a", "[1]", "-4", "0") "}", 4, "tensor 'a': data_offsets: -4," NUMBER},
        {"{" T("a", "[1]", "0", "4e0") "}", 4, "tensor 'a': data_offsets: 4e0," NUMBER},
        {"{" T("a", "[1]", "0", "4.0") "}", 4, "tensor 'a': data_offsets: 4.0," NUMBER},
        {"{" T("a", "[1]", "0", "04") "}", 4, "tensor 'a': data_offsets: 04," NUMBER},
        {"{" T("a", "[1]", "0", "\"4\"") "}", 4, "tensor 'a': data_offsets: \"4\"," NUMBER},
        {"{" T("a", "[1]", "0", "4,8") "}", 4, "tensor 'a': data_offsets: 3 numbers, expected 2"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[]}}", 0,
         "tensor 'a': data_offsets: 0 numbers, expected 2"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":{}}}", 0,
         "tensor 'a': data_offsets: byte 0 is '{', expected an array"},
        /* shapes */
        {"{" T("a", "[3]", "0", "4") "}", 4,
         "tensor 'a': shape: [3] of F32 needs 12 bytes, data_offsets [0, 4] give 4"},
        {"{" T("a", "[0]", "0", "4") "}", 4,
         "tensor 'a': shape: [0] of F32 needs 0 bytes, data_offsets [0, 4] give 4"},
        {"{" T("a", "[-1]", "0", "4") "}", 4, "tensor 'a': shape: -1," NUMBER},
        {"{" T("a", "[1e3]", "0", "4") "}", 4, "tensor 'a': shape: 1e3," NUMBER},
        {"{" T("a", "[[1]]", "0", "4") "}", 4, "tensor 'a': shape: [1]," NUMBER},
        {"{" T("a", "[true]", "0", "4") "}", 4, "tensor 'a': shape: true," NUMBER},
        {"{" T("a", "[1,]", "0", "4") "}", 4, "tensor 'a': shape: byte 3 is ']', expected a value"},
        {"{" T("a", "[4294967296,4294967296]", "0", "4") "}", 4,
         "tensor 'a': shape: [4294967296,4294967296]: its dimensions overflow: their product is "
         "past 2^58"},
        {"{" T("a", "[4294967296,0,4294967296]", "0", "0") "}", 0,
         "tensor 'a': shape: [4294967296,0,4294967296]: its dimensions overflow: their product is "
         "past 2^58"},
        {"{" T("a", "4", "0", "4") "}", 4, "tensor 'a': shape: byte 0 is '4', expected an array"},
        {"{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}", 2,
         "tensor 'a': shape: [3] of F4 does not fill its last byte"},
        /* entries */
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
         "tensor 'a': its entry: key \"dtype\" is missing"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4,
         "tensor 'a': its entry: key \"shape\" is missing"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4,
         "tensor 'a': its entry: key \"data_offsets\" is missing"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
         "tensor 'a': its entry: key \"shape\" stands twice"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0],\"x\xff\":1}}", 0,
         "tensor 'a': its entry: line 1, column 2: no JSON: unable to decode byte 0xff near '\"x'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0],\"x\":01}}", 0,
         "tensor 'a': its entry: line 1, column 1: no JSON: invalid token near '0'"},
        {"{\"a\":[]}", 0, "tensor 'a': its entry: byte 0 is '[', expected an object"},
        {"{\"a\":null}", 0, "tensor 'a': its entry: byte 0 is 'n', expected an object"},
        {"{\"\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0,
         "tensor '': a name of 0 bytes, expected 1 to 256"},
        {"{" T("a", "[1]", "0", "4") "," T("b", "[0]", "4", "4") "," T("\\u0061", "[1]", "0",
                                                                       "4") "}",
         4, "tensor 'a': its key stands twice in the header"},
        {"{" T("a\\u0000b", "[1]", "0", "4") "}", 4,
         "tensor 'a': a name with \\u0000, expected text"},
        {"{" T("\\u001b[2J", "[1]", "0", "4") "}", 0,
         "the tensors need 4 bytes of data, the file has 0: it is cut off, 4 bytes are missing: "
         "download it again"},
        {"{" T("\\u001b[2J\\n", "[2]", "0", "4") "}", 0,
         "tensor '\\x1b[2J\\x0a': shape: [2] of F32 needs 8 bytes, data_offsets [0, 4] give 4"},
        /* metadata */
        {"{\"__metadata__\":[]}", 0, "__metadata__: byte 0 is '[', expected an object"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__: key \"a\": 1, expected a string"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0,
         "header: key \"__metadata__\" stands twice"},
        /* the frame */
        {"{\"a\":", 0, "header: cut off at byte 5, expected a value"},
        {"{} x", 0, "header: byte 3 is 'x', expected the end"},
        {"{'a':1}", 0, "header: byte 1 is ''', expected a key in quotes"},
        {"{\"a\" 1}", 0, "header: byte 5 is '1', expected a colon"},
    };
    struct temp_folder f;
    (void)state;
    folder_open(&f);
    for (size_t i = 0; i < COUNT(cases); i++) {
        folder_put_safetensors(&f, "m.safetensors", cases[i].header, cases[i].n_data);
        assert_refused(f.file, f.file, ERR_FORMAT, cases[i].says);
    }
    folder_close(&f);
}

/* A name of 256 bytes is read, one of 257 is not. */
static void test_long_name(void **state)
{
    struct temp_folder f;
    struct weights *w = NULL;
    struct err e = {""};
    char name[258], header[512], says[512];
    (void)state;
    folder_open(&f);
    for (int n = 256; n <= 257; n++) {
        memset(name, 'n', sizeof name);
        name[n] = 0;
        snprintf(header, sizeof header,
                 "{\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", name);
        folder_put_safetensors(&f, "m.safetensors", header, 1);
        if (n == 256) {
            assert_int_equal(weights_open(&w, f.file, &e), 0);
            assert_non_null(weights_tensor(w, name));
            weights_close(&w);
        } else {
            snprintf(says, sizeof says, "tensor '%.200s': a name of 257 bytes, expected 1 to 256",
                     name);
            assert_refused(f.file, f.file, ERR_FORMAT, says);
        }
    }
    folder_close(&f);
}

static void test_wrong_frames(void **state)
{
#define BYTES(s)                            \
    {                                       \
        (const uint8_t *)(s), sizeof(s) - 1 \
    }
    static const struct {
        struct span bytes;
        const char *says;
    } cases[] = {
        {BYTES(""), "the file is empty, expected safetensors: download it again"},
        {BYTES("\x10\0\0"),
         "the file has 3 bytes, a safetensors file begins with 8: it is cut off, download it "
         "again"},
        {BYTES("\x10\0\0\0\0\0\0\0"),
         "the header has 16 bytes, the file has 8: it is cut off, download it again"},
        {BYTES("\x10\0\0\0\0\0\0\0{\"a\":{"),
         "the header has 16 bytes, the file has 14: it is cut off, download it again"},
        {BYTES("\0\0\0\0\0\0\0\0{}"), "header: is empty, expected a JSON object"},
        {BYTES("\0\0\0\0\0\0\0\0\0\0"),
         "the file is zeros at its beginning: a download that was interrupted: download it again"},
        {BYTES("\2\0\0\0\0\0\0\0[]"), "header: does not begin with '{', expected a JSON object"},
        {BYTES("\3\0\0\0\0\0\0\0 {}"), "header: does not begin with '{', expected a JSON object"},
        {BYTES("\xff\xff\xff\xff\xff\xff\xff\xff{}"),
         "header length: 18446744073709551615 bytes, expected at most 16777216"},
        {BYTES("\0\0\0\0\1\0\0\0{}"), "header length: 4294967296 bytes, expected at most 16777216"},
        {BYTES("\x0a\0\0\0\0\0\0\0{\"\xff\":null}"),
         "header: a tensor's name: string \"\\xff\": byte 1, expected a character of UTF-8"},
    };
#undef BYTES
    struct temp_folder f;
    (void)state;
    folder_open(&f);
    for (size_t i = 0; i < COUNT(cases); i++) {
        folder_put(&f, "m.safetensors", cases[i].bytes);
        assert_refused(f.file, f.file, ERR_FORMAT, cases[i].says);
    }
    folder_close(&f);
}

/* Every cut of a right file is refused. */
static void test_every_cut(void **state)
{
    char path[PATH_MAX];
    struct err e = {""};
    struct temp_folder f;
    struct buf whole;
    (void)state;
    folder_open(&f);
    case_path("safetensors/ok-padded-header.safetensors", path);
    buf_init(&whole, 4096);
    assert_int_equal(file_read(path, &whole, &e), 0);
    for (size_t n = 0; n < whole.n; n++) {
        struct weights *w = NULL;
        folder_put(&f, "m.safetensors", span_of(whole.p, n));
        assert_int_equal(weights_open(&w, f.file, &e), ERR_FORMAT);
        assert_null(w);
        assert_non_null(strstr(e.text, "download it again"));
    }
    buf_release(&whole);
    folder_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),         cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_many_tensors),  cmocka_unit_test(test_cases),
        cmocka_unit_test(test_padded_header), cmocka_unit_test(test_wrong_headers),
        cmocka_unit_test(test_long_name),     cmocka_unit_test(test_wrong_frames),
        cmocka_unit_test(test_every_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
