/* SPDX-License-Identifier: MIT */
/* base/file.h against a real folder: limits, mapping, atomic writing, names. */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/wattle-file-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

static const char *in_dir(const char *name)
{
    static char path[2][300];
    static int turn;
    turn ^= 1;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

static void test_read(void **state)
{
    (void)state;
    struct err e;
    struct buf b;
    assert_int_equal(file_write_atomic(in_dir("f"), span_str("hello"), &e), 0);
    buf_init(&b, 5);
    assert_int_equal(file_read(in_dir("f"), &b, &e), 0);
    assert_string_equal(buf_cstr(&b), "hello");
    buf_release(&b);
    buf_init(&b, 4);
    assert_int_equal(file_read(in_dir("f"), &b, &e), ERR_LIMIT);
    assert_non_null(strstr(e.text, "larger than 4 bytes"));
    buf_release(&b);
    buf_init(&b, 100);
    assert_int_equal(file_read(in_dir("absent"), &b, &e), ERR_NOTFOUND);
    assert_non_null(strstr(e.text, "absent"));
    assert_int_equal(file_read(dir, &b, &e), ERR_IO);
    assert_non_null(strstr(e.text, "folder"));
    assert_int_equal(file_read("/proc/self/stat", &b, &e), ERR_LIMIT); /* its size says 0 */
    buf_release(&b);
    buf_init(&b, 4096);
    assert_int_equal(file_read("/proc/self/stat", &b, &e), 0);
    assert_true(b.n > 0);
    buf_release(&b);
    unlink(in_dir("f"));
}

/* The size alone refuses it: nothing is read, nothing allocated. */
static void test_large_is_not_read(void **state)
{
    (void)state;
    struct err e;
    struct buf b;
    assert_int_equal(file_write_atomic(in_dir("f"), span_str(""), &e), 0);
    assert_int_equal(truncate(in_dir("f"), 300 << 20), 0);
    buf_init(&b, 256 << 20);
    assert_int_equal(file_read(in_dir("f"), &b, &e), ERR_LIMIT);
    assert_non_null(strstr(e.text, "larger than 268435456 bytes (it has 314572800)"));
    assert_null(b.p);
    buf_release(&b);
    /* What is in out already counts. */
    assert_int_equal(truncate(in_dir("f"), 5), 0);
    buf_init(&b, 8);
    assert_int_equal(file_read(in_dir("f"), &b, &e), 0);
    assert_int_equal(file_read(in_dir("f"), &b, &e), ERR_LIMIT);
    assert_int_equal(b.n, 5);
    buf_release(&b);
    unlink(in_dir("f"));
}

/* They say they have a page and hold a line. */
static void test_sys_file(void **state)
{
    (void)state;
    static const char path[] = "/sys/kernel/mm/transparent_hugepage/enabled";
    struct err e;
    struct buf b;
    if (access(path, R_OK) != 0) {
        print_message("no %s here\n", path);
        skip();
    }
    buf_init(&b, 100);
    assert_int_equal(file_read(path, &b, &e), 0);
    assert_non_null(strstr(buf_cstr(&b), "never"));
    buf_release(&b);
}

static void test_map(void **state)
{
    (void)state;
    struct err e;
    struct file_map m = {{NULL, 0}};
    assert_int_equal(file_write_atomic(in_dir("f"), span_str("mapped"), &e), 0);
    assert_int_equal(file_map(&m, in_dir("f"), &e), 0);
    assert_true(span_is(m.bytes, "mapped"));
    file_unmap(&m);
    file_unmap(&m);
    assert_int_equal(file_write_atomic(in_dir("f"), span_str(""), &e), 0);
    assert_int_equal(file_map(&m, in_dir("f"), &e), 0);
    assert_int_equal(m.bytes.n, 0);
    file_unmap(&m);
    assert_int_equal(file_map(&m, "/dev/zero", &e), ERR_IO);
    unlink(in_dir("f"));
}

/* Nobody writes into it: reading would wait for ever. */
static void test_pipe(void **state)
{
    (void)state;
    struct err e;
    struct buf b;
    struct file_map m = {{NULL, 0}};
    buf_init(&b, 100);
    assert_int_equal(mkfifo(in_dir("pipe"), 0600), 0);
    assert_int_equal(file_map(&m, in_dir("pipe"), &e), ERR_IO);
    assert_int_equal(file_read_regular(in_dir("pipe"), &b, &e), ERR_IO);
    assert_non_null(strstr(e.text, "pipe': not a regular file"));
    assert_int_equal(file_read_regular("/dev/zero", &b, &e), ERR_IO);
    assert_int_equal(file_read_regular(dir, &b, &e), ERR_IO);
    assert_int_equal(file_read_regular(in_dir("absent"), &b, &e), ERR_NOTFOUND);
    unlink(in_dir("pipe"));
    assert_int_equal(file_write_atomic(in_dir("f"), span_str("hello"), &e), 0);
    assert_int_equal(file_read_regular(in_dir("f"), &b, &e), 0);
    assert_string_equal(buf_cstr(&b), "hello");
    unlink(in_dir("f"));
    buf_release(&b);
}

static void test_atomic_leaves_no_part(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(file_write_atomic(in_dir("no/such/folder"), span_str("x"), &e), ERR_NOTFOUND);
    assert_int_equal(mkfifo(in_dir("pipe"), 0600), 0);
    assert_int_equal(file_write_atomic(in_dir("pipe"), span_str("x"), &e), ERR_IO);
    assert_non_null(strstr(e.text, "not a regular file"));
    unlink(in_dir("pipe"));
    const char *const links[] = {"/dev/null", "/proc/self/exe", "/proc/self/fd/0"};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) { /* the link is as it was */
        assert_int_equal(symlink(links[i], in_dir("link")), 0);
        assert_int_equal(file_write_atomic(in_dir("link"), span_str("x"), &e), ERR_IO);
        assert_int_equal(unlink(in_dir("link")), 0);
    }
    assert_int_equal(symlink("nowhere", in_dir("link")), 0);
    assert_int_equal(file_write_atomic(in_dir("link"), span_str("x"), &e), 0);
    unlink(in_dir("link"));
    mkdir(in_dir("taken"), 0755); /* a folder stands where the file should go: the rename fails */
    assert_true(file_write_atomic(in_dir("taken"), span_str("x"), &e) < 0);
    rmdir(in_dir("taken"));
    DIR *d = opendir(dir);
    int left = 0;
    for (struct dirent *it; (it = readdir(d));)
        left += strcmp(it->d_name, ".") != 0 && strcmp(it->d_name, "..") != 0;
    closedir(d);
    assert_int_equal(left, 0);
}

static void test_make_dirs(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(file_make_dirs(in_dir("a/b/c"), &e), 0);
    assert_int_equal(file_make_dirs(in_dir("a/b/c"), &e), 0);
    assert_int_equal(file_write_atomic(in_dir("a/f"), span_str("x"), &e), 0);
    assert_true(file_make_dirs(in_dir("a/f/g"), &e) < 0);
    unlink(in_dir("a/f"));
    rmdir(in_dir("a/b/c"));
    rmdir(in_dir("a/b"));
    rmdir(in_dir("a"));
}

static void test_safe_names(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"edge-device-01", "edge-device-01"},
        {"00:0f:00:70:91:0a", "00-0f-00-70-91-0a"},
        {"küche-1", "küche-1"},
        {"温度", "温度"},
        {"../../etc/passwd", "-.-..-etc-passwd"},
        {".hidden", "-hidden"},
        {"", "-"},
        {"a/b\\c d\t\"e'", "a-b-c-d--e-"},
        {"a\x1b[0m", "a--0m"},
        {"…—", "--"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *s = file_safe_name(rows[i][0]);
        assert_non_null(s);
        if (i != 4) /* checked below: no slash and no leading dot is what matters */
            assert_string_equal(s, rows[i][1]);
        assert_null(strchr(s, '/'));
        assert_true(s[0] != '.');
        free(s);
    }
    char longer[1000];
    memset(longer, 0, sizeof longer);
    for (int i = 0; i < 400; i += 2)
        memcpy(longer + i, "ü", 2);
    char *s = file_safe_name(longer);
    assert_int_equal(strlen(s), 200);
    assert_true(utf8_valid(span_str(s)));
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),      cmocka_unit_test(test_large_is_not_read),
        cmocka_unit_test(test_sys_file),  cmocka_unit_test(test_map),
        cmocka_unit_test(test_pipe),      cmocka_unit_test(test_atomic_leaves_no_part),
        cmocka_unit_test(test_make_dirs), cmocka_unit_test(test_safe_names),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
