/* SPDX-License-Identifier: MIT */
/* cache/cache.h: the hub's layout as it is written, listed, verified and removed. */
#include "cache/cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
/* of "hello\n", from sha256sum and git hash-object */
#define HELLO_SHA256 "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
#define HELLO_GIT    "ce013625030ba8dba906f756967f9e9ca394464a"

static char dir[64], hub[100], folder[200];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/wattle-layout-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(hub, sizeof hub, "%s/hub", dir);
    snprintf(folder, sizeof folder, "%s/models--acme--tiny", hub);
    return 0;
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

static void put(const char *path, const char *text)
{
    struct err e = {""};
    if (file_write_atomic(path, span_str(text), &e) != 0)
        fail_msg("%s", e.text);
}

static void expect_text(const char *path, const char *text)
{
    struct buf b;
    struct err e = {""};
    buf_init(&b, 1000);
    if (file_read(path, &b, &e) != 0)
        fail_msg("%s", e.text);
    assert_string_equal(buf_cstr(&b), text);
    buf_release(&b);
}

static void expect_link(const char *path, const char *target)
{
    char now[300];
    ssize_t n = readlink(path, now, sizeof now - 1);
    assert_true(n > 0);
    now[n] = '\0';
    assert_string_equal(now, target);
}

/* Two files, one of them in a folder, that are the same blob, and one small one. */
static void build(void)
{
    struct err e = {""};
    char path[400];
    assert_int_equal(cache_prepare(hub, "acme/tiny", &e), 0);
    snprintf(path, sizeof path, "%s/blobs/" HELLO_SHA256, folder);
    put(path, "hello\n");
    snprintf(path, sizeof path, "%s/blobs/" HELLO_GIT, folder);
    put(path, "hello\n");
    assert_int_equal(cache_link(folder, COMMIT, "model.safetensors", HELLO_SHA256, &e), 0);
    assert_int_equal(cache_link(folder, COMMIT, "a/b/copy.gguf", HELLO_SHA256, &e), 0);
    assert_int_equal(cache_link(folder, COMMIT, "config.json", HELLO_GIT, &e), 0);
    assert_int_equal(cache_write_ref(folder, "main", COMMIT, &e), 0);
}

static void test_layout(void **state)
{
    (void)state;
    struct err e = {""};
    char path[500];
    struct stat before, after;
    build();
    snprintf(path, sizeof path, "%s/refs/main", folder);
    expect_text(path, COMMIT);
    /* written anew only when it says something else */
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(cache_write_ref(folder, "main", COMMIT, &e), 0);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(cache_write_ref(folder, COMMIT, COMMIT, &e), 0);
    snprintf(path, sizeof path, "%s/refs/" COMMIT, folder);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(cache_write_ref(folder, "refs/pr/1", COMMIT, &e), 0);
    snprintf(path, sizeof path, "%s/refs/refs/pr/1", folder);
    expect_text(path, COMMIT);

    snprintf(path, sizeof path, "%s/snapshots/" COMMIT "/config.json", folder);
    expect_link(path, "../../blobs/" HELLO_GIT);
    snprintf(path, sizeof path, "%s/snapshots/" COMMIT "/a/b/copy.gguf", folder);
    expect_link(path, "../../../../blobs/" HELLO_SHA256);
    expect_text(path, "hello\n");
    /* another file, or another link, in its place is replaced */
    snprintf(path, sizeof path, "%s/snapshots/" COMMIT "/config.json", folder);
    assert_int_equal(unlink(path), 0);
    put(path, "old");
    assert_int_equal(cache_link(folder, COMMIT, "config.json", HELLO_GIT, &e), 0);
    expect_link(path, "../../blobs/" HELLO_GIT);
    snprintf(path, sizeof path, "%s/CACHEDIR.TAG", hub);
    assert_int_equal(access(path, F_OK), 0);
}

static void test_locks(void **state)
{
    (void)state;
    struct err e = {""};
    struct cache_lock a, b;
    uint64_t freed;
    build();
    assert_int_equal(cache_lock_try(&a, hub, "acme/tiny", HELLO_GIT, &e), 1);
    assert_int_equal(cache_lock_try(&b, hub, "acme/tiny", HELLO_GIT, &e), 0);
    cache_unlock(&b);
    assert_int_equal(cache_lock_try(&b, hub, "acme/tiny", HELLO_SHA256, &e), 1);
    cache_unlock(&b);
    assert_int_equal(cache_remove(hub, "acme/tiny", &freed, &e), ERR_IO);
    assert_non_null(strstr(e.text, "another process"));
    cache_unlock(&a);
    cache_unlock(&a);
    assert_int_equal(cache_lock_try(&b, hub, "acme/tiny", HELLO_GIT, &e), 1);
    cache_unlock(&b);
}

struct seen {
    char text[1000];
};

static void on_check(void *ctx, const struct cache_check *c)
{
    static const char *const names[] = {"good", "bad", "missing", "unknown"};
    struct seen *s = ctx;
    size_t n = strlen(s->text);
    snprintf(s->text + n, sizeof s->text - n, "%s %.4s %llu %s\n", c->file, c->blob,
             (unsigned long long)c->size_bytes, names[c->result]);
}

static bool stop_at_once(void *ctx)
{
    (void)ctx;
    return true;
}

static void test_list_verify_remove(void **state)
{
    (void)state;
    struct err e = {""};
    struct cache_list l;
    struct seen seen = {""};
    char path[500];
    size_t bad = 9;
    uint64_t freed = 0;
    char nowhere[200];
    snprintf(nowhere, sizeof nowhere, "%s/absent", dir);
    assert_int_equal(cache_list_open(&l, nowhere, &e), 0);
    assert_int_equal(l.n, 0);

    build();
    snprintf(path, sizeof path, "%s/blobs/" HELLO_GIT ".incomplete", folder);
    put(path, "hel");
    struct err ignored;
    assert_int_equal(cache_prepare(hub, "gpt2", &ignored), 0);
    snprintf(path, sizeof path, "%s/models--..--x", hub);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof path, "%s/datasets--a--b", hub);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(cache_list_open(&l, hub, &e), 0);
    assert_int_equal(l.n, 2);
    const struct cache_model *m = &l.models[0];
    assert_string_equal(m->repository, "acme/tiny");
    assert_int_equal(m->size_bytes, 12);
    assert_int_equal(m->incomplete_bytes, 3);
    assert_int_equal(m->n_files, 3);
    assert_int_equal(m->n_snapshots, 1);
    assert_true(m->complete);
    assert_true(m->modified_s > 1700000000);
    assert_string_equal(l.models[1].repository, "gpt2");
    assert_false(l.models[1].complete);
    cache_list_close(&l);

    assert_int_equal(cache_verify(hub, "acme/tiny", on_check, NULL, &seen, &bad, &e), 0);
    assert_string_equal(seen.text, "a/b/copy.gguf 5891 6 good\nconfig.json ce01 6 good\n");
    assert_int_equal(bad, 0);
    assert_int_equal(cache_verify(hub, "acme/tiny", NULL, stop_at_once, &seen, &bad, &e),
                     ERR_CANCELLED);

    /* one changed, one gone, one that nobody knows the hash of */
    snprintf(path, sizeof path, "%s/blobs/" HELLO_SHA256, folder);
    put(path, "hellO\n");
    snprintf(path, sizeof path, "%s/blobs/" HELLO_GIT, folder);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/snapshots/" COMMIT "/plain.txt", folder);
    put(path, "x");
    seen.text[0] = '\0';
    assert_int_equal(cache_verify(hub, "acme/tiny", on_check, NULL, &seen, &bad, &e), 0);
    assert_string_equal(seen.text, "a/b/copy.gguf 5891 6 bad\nconfig.json ce01 0 missing\n"
                                   "plain.txt  1 unknown\n");
    assert_int_equal(bad, 2);
    assert_int_equal(cache_list_open(&l, hub, &e), 0);
    assert_false(l.models[0].complete);
    assert_non_null(strstr(l.models[0].problem, "config.json' leads to a blob that is missing"));
    cache_list_close(&l);

    /* nothing outside goes with it */
    snprintf(path, sizeof path, "%s/outside", dir);
    put(path, "keep");
    char link_path[500];
    snprintf(link_path, sizeof link_path, "%s/blobs/link", folder);
    assert_int_equal(symlink(path, link_path), 0);
    snprintf(link_path, sizeof link_path, "%s/up", folder);
    assert_int_equal(symlink("../..", link_path), 0);
    assert_int_equal(cache_remove(hub, "acme/tiny", &freed, &e), 0);
    expect_text(path, "keep");
    assert_int_not_equal(access(folder, F_OK), 0);
    assert_int_equal(cache_remove(hub, "acme/tiny", &freed, &e), ERR_NOTFOUND);
    assert_int_equal(cache_verify(hub, "acme/tiny", NULL, NULL, NULL, &bad, &e), ERR_NOTFOUND);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const good[] = {"config.json", "a/b/c.gguf", "größe.json", "a b",
                                       ".x",          "..x",        "x..y/z"};
    static const char *const bad[] = {"",     "..",   "../x",  "a/../b", "/x",   "a//b",
                                      "a/",   "./a",  "a/.",   "a\\b",   "a\nb", "a\x7f",
                                      "\xff", "a/..", "a\x01", ".",      "\xc3", "a/b/../../.."};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(cache_is_file_path(span_str(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (cache_is_file_path(span_str(bad[i])))
            fail_msg("'%s' was taken", bad[i]);
    assert_false(cache_is_file_path(span_of("a\0b", 3)));
    char longest[2000];
    memset(longest, 'a', sizeof longest);
    assert_true(cache_is_file_path(span_of(longest, 255)));
    assert_false(cache_is_file_path(span_of(longest, 256)));
    for (size_t i = 100; i < sizeof longest; i += 100)
        longest[i] = '/';
    assert_true(cache_is_file_path(span_of(longest, 1000)));
    assert_false(cache_is_file_path(span_of(longest, 1001)));
    for (size_t i = 1; i < sizeof longest; i += 2)
        longest[i] = '/', longest[i - 1] = 'a';
    assert_true(cache_is_file_path(span_of(longest, 63)));
    assert_false(cache_is_file_path(span_of(longest, 65)));

    struct cache_name n;
    struct err e;
    assert_int_equal(cache_name_parse(&n, "acme/tiny@refs/pr/1", &e), 0);
    assert_string_equal(n.repository, "acme/tiny");
    assert_string_equal(n.revision, "refs/pr/1");
    assert_int_equal(cache_name_parse(&n, "gpt2", &e), 0);
    assert_string_equal(n.revision, "main");
    assert_int_equal(cache_name_parse(&n, "a/b/c", &e), ERR_USAGE);
    assert_true(cache_is_commit(span_str(COMMIT)));
    assert_false(cache_is_commit(span_str("main")));
    assert_true(cache_is_etag(span_str(HELLO_GIT)));
    assert_false(cache_is_etag(span_str("../x")));
    assert_false(cache_is_etag(span_str("a/b")));
    assert_false(cache_is_etag(span_str("")));
}

static void test_places(void **state)
{
    (void)state;
    static const struct {
        struct cache_places p;
        const char *hub, *home;
    } cases[] = {
        {{"/h", "/hf", "/x", "/home/u"}, "/h", "/hf"},
        {{"", "/hf", "/x", "/home/u"}, "/hf/hub", "/hf"},
        {{NULL, NULL, "/x", "/home/u"}, "/x/huggingface/hub", "/x/huggingface"},
        {{NULL, "", "", "/home/u"}, "/home/u/.cache/huggingface/hub", "/home/u/.cache/huggingface"},
        {{"~/c", "~/hf", NULL, "/home/u"}, "/home/u/c", "/home/u/hf"},
        {{"~", "~x/hf", NULL, "/home/u"}, "/home/u", "~x/hf"},
        {{NULL, "~/hf", NULL, NULL}, "~/hf/hub", "~/hf"},
        {{NULL, NULL, NULL, NULL}, NULL, NULL},
    };
    struct err e;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf hub_path, home;
        buf_init(&hub_path, 1000);
        buf_init(&home, 1000);
        int rc = cache_hub_folder(&cases[i].p, &hub_path, &e);
        assert_int_equal(rc, cases[i].hub ? 0 : ERR_NOTFOUND);
        if (cases[i].hub)
            assert_string_equal(buf_cstr(&hub_path), cases[i].hub);
        rc = cache_home_folder(&cases[i].p, &home, &e);
        assert_int_equal(rc, cases[i].home ? 0 : ERR_NOTFOUND);
        if (cases[i].home)
            assert_string_equal(buf_cstr(&home), cases[i].home);
        buf_release(&hub_path);
        buf_release(&home);
    }
}

static void test_hashes(void **state)
{
    (void)state;
    struct err e;
    enum cache_hash_kind kind;
    struct cache_hash *h = NULL;
    char sum[CACHE_HASH_SIZE];
    assert_true(cache_hash_kind_of(HELLO_SHA256, &kind));
    assert_int_equal(kind, CACHE_SHA256);
    assert_int_equal(cache_hash_open(&h, kind, 0, &e), 0);
    cache_hash_add(h, span_str("hel"));
    cache_hash_add(h, span_str("lo\n"));
    cache_hash_end(h, sum);
    assert_string_equal(sum, HELLO_SHA256);
    cache_hash_close(&h);
    assert_null(h);
    assert_true(cache_hash_kind_of(HELLO_GIT, &kind));
    assert_int_equal(kind, CACHE_GIT_BLOB);
    assert_int_equal(cache_hash_open(&h, kind, 6, &e), 0);
    cache_hash_add(h, span_str("hello\n"));
    cache_hash_end(h, sum);
    assert_string_equal(sum, HELLO_GIT);
    cache_hash_close(&h);
    assert_false(cache_hash_kind_of("abc", &kind));
    assert_false(cache_hash_kind_of("CE013625030ba8dba906f756967f9e9ca394464a", &kind));
    assert_int_equal(cache_hash_file("/dev/zero", CACHE_SHA256, sum, NULL, NULL, &e), ERR_FORMAT);
    assert_int_equal(cache_hash_file("/absent", CACHE_SHA256, sum, NULL, NULL, &e), ERR_NOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_layout, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_locks, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_list_verify_remove, make_dir, remove_dir),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
