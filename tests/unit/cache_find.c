/* SPDX-License-Identifier: MIT */
/* cache/cache.h against real folders; the two hub cases are built from their JSON. */
#include "cache/cache.h"
#include "codec/codec.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    char inside[80];
    snprintf(dir, sizeof dir, "/tmp/wattle-cache-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    /* relative names like "../x" are looked up from a place where there is nothing */
    snprintf(inside, sizeof inside, "%s/nothing", dir);
    return mkdir(inside, 0700) == 0 ? chdir(inside) : -1;
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

/* DIR/REST, printf-like; valid until four calls later. */
static const char *at(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static const char *at(const char *fmt, ...)
{
    static char paths[4][1000];
    static int turn;
    char *p = paths[turn = (turn + 1) % 4];
    va_list ap;
    va_start(ap, fmt);
    int n = snprintf(p, 1000, "%s/", dir);
    vsnprintf(p + n, 1000 - (size_t)n, fmt, ap);
    va_end(ap);
    return p;
}

static void make_parents(const char *path)
{
    char folder[1000];
    struct err e;
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    assert_int_equal(file_make_dirs(folder, &e), 0);
}

static void put(const char *path, struct span bytes)
{
    struct err e;
    make_parents(path);
    assert_int_equal(file_write_atomic(path, bytes, &e), 0);
}

static void put_str(const char *path, const char *text)
{
    put(path, span_str(text));
}

static void put_link(const char *path, const char *to)
{
    make_parents(path);
    assert_int_equal(symlink(to, path), 0);
}

/* The tree of a case: "files" and "links" below "root" in hf_home. */
static void build_case(const char *name, const char *hf_home)
{
    char path[4096], to[300];
    struct buf b;
    struct json *doc = NULL;
    struct err e;
    buf_init(&b, 1 << 16);
    snprintf(path, sizeof path, "%s/tests/cases/hub/%s", getenv("WATTLE_SOURCE"), name);
    assert_int_equal(file_read(path, &b, &e), 0);
    assert_int_equal(json_parse(&doc, buf_view(&b), b.n, name, &e), 0);
    const char *root = (const char *)json_string(json_get(doc, "root")).p;
    const struct json *files = json_get(doc, "files"), *links = json_get(doc, "links");
    for (void *it = json_first(files); it; it = json_next(files, it))
        put(at("%s/%s/%s", hf_home, root, json_key(it)), json_string(json_value(it)));
    for (void *it = json_first(links); it; it = json_next(links, it)) {
        snprintf(to, sizeof to, "%.*s", SPAN_FMT(json_string(json_value(it))));
        put_link(at("%s/%s/%s", hf_home, root, json_key(it)), to);
    }
    json_close(&doc);
    buf_release(&b);
}

/* With the cache's place found from HF_HOME and HOME alone. */
static int find(const char *name, const char *hf_home, const char *home, struct buf *path,
                struct err *e)
{
    struct cache_places places = {.hf_home = hf_home, .home = home};
    struct buf hub;
    struct err none;
    buf_init(&hub, PATH_MAX);
    bool has_hub = cache_hub_folder(&places, &hub, &none) == 0;
    int r = cache_find(name, has_hub ? buf_cstr(&hub) : NULL, path, e);
    buf_release(&hub);
    return r;
}

static void expect_found(const char *name, const char *hf_home, const char *home, const char *path)
{
    struct buf b;
    struct err e = {""};
    buf_init(&b, 4096);
    int r = find(name, hf_home, home, &b, &e);
    if (r != 0)
        fail_msg("%s: %s", name, e.text);
    assert_string_equal(buf_cstr(&b), path);
    buf_release(&b);
}

static void expect_error(const char *name, const char *hf_home, int code, const char *error)
{
    struct buf b;
    struct err e = {""};
    buf_init(&b, 4096);
    buf_str(&b, "before");
    assert_int_equal(find(name, hf_home, "/nowhere", &b, &e), code);
    assert_string_equal(buf_cstr(&b), "before"); /* untouched */
    if (!strstr(e.text, error))
        fail_msg("'%s' lacks '%s'", e.text, error);
    buf_release(&b);
}

static void test_files_and_folders(void **state)
{
    (void)state;
    char file[1000], folder[1000];
    snprintf(file, sizeof file, "%s", at("files/one/m.gguf"));
    snprintf(folder, sizeof folder, "%s", at("files/one"));
    put_str(file, "GGUF");
    put_str(at("files/one/readme.txt"), "");
    put_str(at("files/one/.hidden.gguf"), "");
    expect_found(file, NULL, NULL, file);
    expect_found(folder, "", "", file);
    snprintf(folder, sizeof folder, "%s", at("files/one/"));
    expect_found(folder, NULL, NULL, file);

    expect_error(at("files/one/absent.gguf"), NULL, ERR_NOTFOUND, "absent.gguf");
    expect_error("absent.gguf", at("hf"), ERR_NOTFOUND, "'absent.gguf': no such file");
    /* What a file is, its reader says by what is in it. */
    snprintf(file, sizeof file, "%s", at("files/one/readme.txt"));
    expect_found(file, NULL, NULL, file);
    expect_error("/dev/null", NULL, ERR_UNSUPPORTED, "neither a file nor a folder");
    expect_error("", NULL, ERR_NOTFOUND, "no model is named");
    put_str(at("files/two/b.gguf"), "");
    put_str(at("files/two/a.gguf"), "");
    expect_error(at("files/two"), NULL, ERR_UNSUPPORTED, "has 2 .gguf files");
    expect_error(at("files/two"), NULL, ERR_UNSUPPORTED, "'a.gguf'");
    put_str(at("files/st/model.safetensors"), "");
    expect_error(at("files/st"), NULL, ERR_NOTFOUND, "no config.json");
    put_str(at("files/none/config.json"), "");
    expect_error(at("files/none"), NULL, ERR_NOTFOUND, "has no .gguf file");
    put_str(at("files/pickle/pytorch_model.bin"), "");
    expect_error(at("files/pickle"), NULL, ERR_UNSUPPORTED, "Python pickles");
    put_link(at("files/broken/m.gguf"), "gone");
    expect_error(at("files/broken"), NULL, ERR_NOTFOUND, "leads to 'gone', which is missing");
    /* a folder of that name is no file */
    assert_int_equal(mkdir(at("files/none/x.gguf"), 0755), 0);
    expect_error(at("files/none"), NULL, ERR_NOTFOUND, "has no .gguf file");
}

/* Folders in Hugging Face layout, and models in several files. */
static void test_sets_and_layouts(void **state)
{
    (void)state;
    char folder[1000], file[1000];
    snprintf(folder, sizeof folder, "%s", at("sets/hf"));
    put_str(at("sets/hf/config.json"), "{}");
    put_str(at("sets/hf/model-00001-of-00002.safetensors"), "");
    expect_error(folder, NULL, ERR_NOTFOUND, "has 1 of the 2 parts 'model-…");
    put_str(at("sets/hf/model-00002-of-00002.safetensors"), "");
    expect_found(folder, NULL, NULL, folder);
    put_str(at("sets/hf/model.gguf"), "");
    expect_found(folder, NULL, NULL, folder);
    put_link(at("sets/hf/tokenizer.json"), "../../blobs/gone");
    expect_error(folder, NULL, ERR_NOTFOUND, "tokenizer.json' leads to '../../blobs/gone'");
    static const char *const beside[] = {"chat_template.jinja", "tokenizer.model", "merges.txt"};
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        put_str(at("sets/beside%zu/config.json", i), "{}");
        put_str(at("sets/beside%zu/model.safetensors", i), "");
        put_link(at("sets/beside%zu/%s", i, beside[i]), "gone");
        expect_error(at("sets/beside%zu", i), NULL, ERR_NOTFOUND, "leads to 'gone'");
        put_link(at("sets/readme%zu/README.md", i), "gone"); /* nobody's */
        put_str(at("sets/readme%zu/m.gguf", i), "");
        expect_found(at("sets/readme%zu", i), NULL, NULL, at("sets/readme%zu/m.gguf", i));
    }

    snprintf(file, sizeof file, "%s", at("sets/hf/model.safetensors"));
    put_str(file, "");
    expect_found(file, NULL, NULL, file);

    /* with an index what it lists is told by whoever reads it, config.json or not, whatever lies
     * beside it; a set that is incomplete is told here */
    snprintf(folder, sizeof folder, "%s", at("sets/index"));
    put_str(at("sets/index/model.safetensors.index.json"), "{}");
    put_str(at("sets/index/model.safetensors"), "");
    expect_found(folder, NULL, NULL, folder);
    put_str(at("sets/index/model-00001-of-00002.safetensors"), "");
    expect_error(folder, NULL, ERR_NOTFOUND, "'model-00002-of-00002.safetensors' is missing");
    assert_int_equal(mkdir(at("sets/index/model-00002-of-00002.safetensors"), 0700), 0);
    expect_error(folder, NULL, ERR_NOTFOUND, "'model-00002-of-00002.safetensors' is missing");
    assert_int_equal(rmdir(at("sets/index/model-00002-of-00002.safetensors")), 0);
    put_str(at("sets/index/model-00002-of-00002.safetensors"), "");
    expect_found(folder, NULL, NULL, folder);

    snprintf(folder, sizeof folder, "%s", at("sets/split"));
    put_str(at("sets/split/m-00002-of-00002.gguf"), "");
    expect_error(folder, NULL, ERR_NOTFOUND, "has 1 of the 2 parts 'm-…");
    expect_error(folder, NULL, ERR_NOTFOUND, "'m-00001-of-00002.gguf' is missing");
    put_str(at("sets/split/m-00001-of-00002.gguf"), "");
    put_str(at("sets/split/mmproj-f16.gguf"), "");
    expect_found(folder, NULL, NULL, at("sets/split/m-00001-of-00002.gguf"));
    put_str(at("sets/split/n-00001-of-00002.gguf"), "");
    expect_error(folder, NULL, ERR_UNSUPPORTED, "has 2 .gguf files");
    /* no sets: a number that is past its end, none, too many */
    put_str(at("sets/odd/m-00003-of-00002.gguf"), "");
    expect_found(at("sets/odd"), NULL, NULL, at("sets/odd/m-00003-of-00002.gguf"));
    put_str(at("sets/many/m-00001-of-99999.gguf"), "");
    expect_found(at("sets/many"), NULL, NULL, at("sets/many/m-00001-of-99999.gguf"));

    put_str(at("sets/deep/Q8_0/m.gguf"), "");
    expect_found(at("sets/deep"), NULL, NULL, at("sets/deep/Q8_0/m.gguf"));
    put_str(at("sets/deep/Q4_0/m.gguf"), "");
    expect_error(at("sets/deep"), NULL, ERR_NOTFOUND, "has no .gguf file");
}

#define REVISION "0123456789abcdef0123456789abcdef01234567"

static void test_hub_reference_with_newline(void **state)
{
    (void)state;
    char hf_home[1000];
    snprintf(hf_home, sizeof hf_home, "%s", at("hf3"));
    build_case("v-hf3-ref-newline.json", "hf3");
    /* found, in spite of the newline: what is missing is a model in it */
    expect_error("acme/tiny", hf_home, ERR_NOTFOUND, "snapshots/" REVISION "' has no .gguf file");
    put_str(at("hf3/hub/models--acme--tiny/blobs/bb"), "GGUF");
    put_link(at("hf3/hub/models--acme--tiny/snapshots/" REVISION "/m.gguf"), "../../blobs/bb");
    expect_found("acme/tiny", hf_home, NULL,
                 at("hf3/hub/models--acme--tiny/snapshots/" REVISION "/m.gguf"));
}

static void test_hub_broken_link(void **state)
{
    (void)state;
    build_case("v-hf4-broken-link.json", "hf4");
    expect_error("acme/tiny", at("hf4"), ERR_NOTFOUND, "model 'acme/tiny'");
    expect_error("acme/tiny", at("hf4"), ERR_NOTFOUND,
                 "model.safetensors' leads to '../../blobs/gone', which is missing");
}

static void test_hub_layouts(void **state)
{
    (void)state;
    char hf_home[1000];
    snprintf(hf_home, sizeof hf_home, "%s", at("hf"));
    expect_error("a/b", hf_home, ERR_NOTFOUND, "hf/hub/models--a--b' exists");

    put_str(at("hf/hub/models--a--b/blobs/x"), "");
    expect_error("a/b", hf_home, ERR_NOTFOUND, "neither refs/main nor snapshots/");
    put_str(at("hf/hub/models--a--b/snapshots/r1/m.gguf"), "");
    expect_found("a/b", hf_home, NULL, at("hf/hub/models--a--b/snapshots/r1/m.gguf"));
    put_str(at("hf/hub/models--a--b/snapshots/r2/n.gguf"), "");
    expect_error("a/b", hf_home, ERR_NOTFOUND, "several snapshots");
    put_str(at("hf/hub/models--a--b/refs/main"), "r2");
    expect_found("a/b", hf_home, NULL, at("hf/hub/models--a--b/snapshots/r2/n.gguf"));
    put_str(at("hf/hub/models--a--b/refs/main"), "r3");
    expect_error("a/b", hf_home, ERR_NOTFOUND, "names revision 'r3'");

    static const char *const hostile[] = {"../../x", "", "\n", ".", "..", "a/b", "a\nb", "a b"};
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        put_str(at("hf/hub/models--a--b/refs/main"), hostile[i]);
        expect_error("a/b", hf_home, ERR_FORMAT, "refs/main");
    }
    struct buf large;
    buf_init(&large, 1000);
    for (int i = 0; i < 1000; i++)
        buf_char(&large, 'a');
    put(at("hf/hub/models--a--b/refs/main"), buf_view(&large));
    expect_error("a/b", hf_home, ERR_LIMIT, "refs/main");
    buf_release(&large);

    assert_int_equal(unlink(at("hf/hub/models--a--b/refs/main")), 0);
    assert_int_equal(mkfifo(at("hf/hub/models--a--b/refs/main"), 0600), 0); /* never waited for */
    expect_error("a/b", hf_home, ERR_IO, "not a regular file");

    /* a branch, a tag with slashes, a commit; what is not there */
    put_str(at("hf/hub/models--a--b/refs/dev"), "r1\r\n");
    put_str(at("hf/hub/models--a--b/refs/refs/pr/1"), "r2");
    expect_found("a/b@dev", hf_home, NULL, at("hf/hub/models--a--b/snapshots/r1/m.gguf"));
    expect_found("a/b@refs/pr/1", hf_home, NULL, at("hf/hub/models--a--b/snapshots/r2/n.gguf"));
    expect_found("a/b@r1", hf_home, NULL, at("hf/hub/models--a--b/snapshots/r1/m.gguf"));
    expect_error("a/b@r9", hf_home, ERR_NOTFOUND, "names revision 'r9'");
    expect_error("a/b@x/y", hf_home, ERR_NOTFOUND, "no refs/x/y");
    put_str(at("hf/hub/models--a--b/snapshots/r4/model.safetensors"), "");
    put_str(at("hf/hub/models--a--b/snapshots/r4/model.safetensors.index.json"), "{}");
    expect_error("a/b@r4", hf_home, ERR_NOTFOUND, "no config.json");

    /* the default place, and a model with a bare name */
    expect_error("gpt2", at("home2"), ERR_NOTFOUND, "home2/hub/models--gpt2' exists");
    struct buf b;
    struct err e;
    buf_init(&b, 4096);
    static const char *const unknown[] = {NULL, ""};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(find("gpt2", "", unknown[i], &b, &e), ERR_NOTFOUND);
        assert_non_null(strstr(e.text, "HOME is not set and HF_HOME is not given"));
        assert_null(strstr(e.text, "/.cache"));
    }
    buf_release(&b);
    put_str(at("home/.cache/huggingface/hub/models--gpt2/snapshots/r/m.gguf"), "");
    expect_found("gpt2", "", at("home"),
                 at("home/.cache/huggingface/hub/models--gpt2/snapshots/r/m.gguf"));
}

/* Names that must never be looked up: the message says "no such file", not where in the cache. */
static void test_names_outside(void **state)
{
    (void)state;
    static const char *const names[] = {
        "../x", "a/../b", "a/..",     "/absent",    "/a/b",    "a/b/c",   "a//b",      "/",
        "a/",   "./a",    "~/a",      "a--b",       "a/b\xff", "a/b c",   ".hidden/x", "x/.b",
        "a\nb", "a/b@",   "a/b@../x", "a/b@x/../y", "a/b@/x",  "a/b@x@y", "a\\b",      "@x"};
    put_str(at("out/hub/models--a--b/snapshots/r/m.gguf"), "");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], "/") == 0) {
            expect_error(names[i], at("out"), ERR_NOTFOUND, "has no .gguf file");
            continue;
        }
        expect_error(names[i], at("out"), ERR_NOTFOUND, "no such file or folder");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_and_folders),
        cmocka_unit_test(test_sets_and_layouts),
        cmocka_unit_test(test_hub_reference_with_newline),
        cmocka_unit_test(test_hub_broken_link),
        cmocka_unit_test(test_hub_layouts),
        cmocka_unit_test(test_names_outside),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
