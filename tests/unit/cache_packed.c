/* SPDX-License-Identifier: MIT */
/* cache/packed.h: files written, found again, refused when anything in their head is wrong; one
 * writer at a time; what is left of dead ones; listing, verifying, removing.
 *
 * Long because all of them need the same files. */
#include "cache/cache.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { DATA_BYTES = 3 * PACKED_BLOCK + 4321 };

static char dir[64], folder[80], source[80];
static uint8_t data[DATA_BYTES];

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void put(const char *path, const char *text)
{
    struct err e = {""};
    if (file_write_atomic(path, span_str(text), &e) != 0)
        fail_msg("%s", e.text);
}

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/wattle-packed-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(folder, sizeof folder, "%s/a/b", dir);
    snprintf(source, sizeof source, "%s/m.gguf", dir);
    put(source, "what a model is made of");
    for (size_t i = 0; i < DATA_BYTES; i++)
        data[i] = (uint8_t)(i * 2654435761U >> 13);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    return nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static struct buf identity;

/* Of the source as it is now; valid until the next call. */
static struct packed_head head_of(const char *target)
{
    struct err e = {""};
    buf_release(&identity);
    buf_init(&identity, 4096);
    if (cache_identity(&identity, source, &e))
        fail_msg("%s", e.text);
    return (struct packed_head){.text = {[PACKED_SOURCES] = span_str(source),
                                         [PACKED_IDENTITY] = buf_view(&identity),
                                         [PACKED_TARGET] = span_str(target),
                                         [PACKED_FORM] = span_str("layout 1, packed"),
                                         [PACKED_LABEL] = span_str("Q4_K (from BF16)"),
                                         [PACKED_TABLE] = span_str("a table")},
                                .data_bytes = DATA_BYTES};
}

static void write_file(const struct packed_head *h, struct pool *pool)
{
    struct packed_writer *w = NULL;
    struct err e = {""};
    size_t half = 2 * PACKED_BLOCK;
    if (packed_writer_open(&w, folder, h, NULL, NULL, &e) ||
        packed_writer_add(w, span_of(data, half), pool, &e) ||
        packed_writer_add(w, span_of(data + half, DATA_BYTES - half), pool, &e) ||
        packed_writer_commit(&w, &e))
        fail_msg("%s", e.text);
    assert_null(w);
}

static void only_name(char out[PACKED_NAME_SIZE], enum packed_state state)
{
    struct packed_list l;
    struct err e = {""};
    if (packed_list_open(&l, folder, &e))
        fail_msg("%s", e.text);
    assert_int_equal(l.n, 1);
    assert_string_equal(packed_state_name(l.entries[0].state), packed_state_name(state));
    memcpy(out, l.entries[0].name, PACKED_NAME_SIZE);
    packed_list_close(&l);
}

/* ---- whole files ---- */

static void test_round_trip(void **state)
{
    (void)state;
    struct packed_head h = head_of("q4");
    struct packed_file f;
    struct pool *pool = NULL;
    struct err e = {""};
    char name[PACKED_NAME_SIZE];
    assert_int_equal(packed_open(&f, folder, &h, &e), ERR_NOTFOUND);
    assert_int_equal(pool_open(&pool, 2, &e), 0);
    write_file(&h, pool);
    pool_close(&pool);
    if (packed_open(&f, folder, &h, &e))
        fail_msg("%s", e.text);
    assert_int_equal(f.head.data_bytes, DATA_BYTES);
    assert_int_equal((uintptr_t)f.data % PACKED_ALIGN, 0);
    assert_memory_equal(f.data, data, DATA_BYTES);
    for (size_t i = 0; i < PACKED_TEXTS; i++)
        assert_true(span_eq(f.head.text[i], h.text[i]));
    packed_close(&f);
    packed_close(&f);
    only_name(name, PACKED_READY);
    if (packed_verify(folder, name, NULL, NULL, &e))
        fail_msg("%s", e.text);
}

/* The same bytes from one thread or two; another key, table or size is another model's. */
static void test_key(void **state)
{
    (void)state;
    struct packed_head h = head_of("q4"), other = h;
    struct packed_file f;
    struct err e = {""};
    write_file(&h, NULL);
    other.text[PACKED_TARGET] = span_str("q8");
    assert_int_equal(packed_open(&f, folder, &other, &e), ERR_NOTFOUND);
    other = h;
    other.text[PACKED_FORM] = span_str("layout 2, packed");
    assert_int_equal(packed_open(&f, folder, &other, &e), ERR_NOTFOUND);
    other = h;
    other.text[PACKED_TABLE] = span_str("a tablf");
    assert_int_equal(packed_open(&f, folder, &other, &e), ERR_FORMAT);
    other = h;
    other.data_bytes--;
    assert_int_equal(packed_open(&f, folder, &other, &e), ERR_FORMAT);
}

/* ---- wrong heads ---- */

static struct buf file;

static void read_only_file(char path[300])
{
    char name[PACKED_NAME_SIZE];
    struct err e = {""};
    only_name(name, PACKED_READY);
    snprintf(path, 300, "%s/%s.packed", folder, name);
    buf_init(&file, DATA_BYTES + (1 << 20));
    if (file_read(path, &file, &e))
        fail_msg("%s", e.text);
}

/* Each bit of the head, and each length of the file's beginning. */
static void test_any_change_of_the_head(void **state)
{
    (void)state;
    struct packed_head h = head_of("q4"), out;
    struct err e = {""};
    char path[300];
    write_file(&h, NULL);
    read_only_file(path);
    uint8_t *p = (uint8_t *)file.p;
    size_t n = p[12] | (size_t)p[13] << 8;
    assert_int_equal(packed_head_read(&out, span_of(p, file.n), file.n, &e), 0);
    for (size_t i = 0; i < n * 8; i++) {
        p[i / 8] ^= (uint8_t)(1 << i % 8);
        e.text[0] = 0;
        assert_int_equal(packed_head_read(&out, span_of(p, file.n), file.n, &e), ERR_FORMAT);
        assert_true(e.text[0]);
        p[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t *cut = malloc(i + 1); /* so that a sanitizer sees reads beyond it */
        assert_non_null(cut);
        memcpy(cut, p, i);
        assert_int_equal(packed_head_read(&out, span_of(cut, i), file.n, &e), ERR_FORMAT);
        free(cut);
    }
    assert_int_equal(packed_head_read(&out, span_of(p, file.n), file.n - 1, &e), ERR_FORMAT);
    assert_int_equal(packed_head_read(&out, span_of(p, file.n), file.n + 1, &e), ERR_FORMAT);
    buf_release(&file);
}

/* The checksum made right again, as one who means harm would. */
static void seal(uint8_t *p, size_t n)
{
    struct cache_hash *h = NULL;
    char text[CACHE_HASH_SIZE];
    assert_int_equal(cache_hash_open(&h, CACHE_SHA256, 0, NULL), 0);
    cache_hash_add(h, span_of(p, n - 32));
    cache_hash_end(h, text);
    cache_hash_close(&h);
    for (size_t i = 0; i < 32; i++) {
        unsigned byte;
        assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
        p[n - 32 + i] = (uint8_t)byte;
    }
}

static void test_hostile_head(void **state)
{
    (void)state;
    static const struct {
        size_t at, size;
        uint64_t value;
        const char *text;
    } cases[] = {
        {8, 4, 2, "version: 2, expected 1"},
        {8, 4, 0, "version: 0"},
        {12, 4, 0, "bytes of the head: 0"},
        {12, 4, 119, "bytes of the head: 119"},
        {12, 4, UINT32_MAX, "bytes of the head: 4294967295"},
        {16, 8, 0, "beginning of the data: 0"},
        {16, 8, 64, "beginning of the data: 64"},
        {16, 8, 4097, "beginning of the data: 4097"},
        {16, 8, 8192, "bytes of the data"},
        {16, 8, UINT64_MAX - 4095, "bytes of the data"},
        {24, 8, 0, "bytes of the data: 0"},
        {24, 8, DATA_BYTES + 1, "bytes of the data"},
        {24, 8, UINT64_MAX - 4095, "bytes of the data"},
        {64, 4, UINT32_MAX, "length of a string: 4294967295"},
        {68, 4, UINT32_MAX, "length of a string: 4294967295"},
        {84, 4, UINT32_MAX, "length of a string: 4294967295"},
        {84, 4, 8, "length of a string: 8"},
        {84, 4, 6, "bytes of strings"},
    };
    struct packed_head h = head_of("q4"), out;
    char path[300];
    write_file(&h, NULL);
    read_only_file(path);
    uint8_t *p = (uint8_t *)file.p, saved[400];
    size_t n = p[12] | (size_t)p[13] << 8;
    assert_true(n < sizeof saved);
    memcpy(saved, p, n);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = {""};
        for (size_t k = 0; k < cases[i].size; k++)
            p[cases[i].at + k] = (uint8_t)(cases[i].value >> 8 * k);
        seal(p, n);
        int code = packed_head_read(&out, span_of(p, file.n), file.n, &e);
        if (code != ERR_FORMAT || !strstr(e.text, cases[i].text))
            fail_msg("case %zu: %d, '%s', expected '%s'", i, code, e.text, cases[i].text);
        memcpy(p, saved, n);
    }
    buf_release(&file);
}

static void test_damage(void **state)
{
    (void)state;
    struct packed_head h = head_of("q4");
    struct packed_file f;
    struct err e = {""};
    char path[300], name[PACKED_NAME_SIZE];
    write_file(&h, NULL);
    only_name(name, PACKED_READY);
    read_only_file(path);
    /* in the data: seen by who asks, and only so */
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "x", 1, (off_t)file.n - 1), 1);
    close(fd);
    assert_int_equal(packed_verify(folder, name, NULL, NULL, &e), ERR_FORMAT);
    assert_non_null(strstr(e.text, "data's checksum"));
    assert_int_equal(packed_open(&f, folder, &h, &e), 0);
    packed_close(&f);
    /* cut off: refused at once, and written anew over it */
    assert_int_equal(truncate(path, (off_t)file.n - 4096), 0);
    assert_int_equal(packed_open(&f, folder, &h, &e), ERR_FORMAT);
    only_name(name, PACKED_DAMAGED);
    write_file(&h, NULL);
    assert_int_equal(packed_verify(folder, name, NULL, NULL, &e), 0);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(packed_open(&f, folder, &h, &e), ERR_FORMAT);
    write_file(&h, NULL);
    assert_int_equal(packed_verify(folder, name, NULL, NULL, &e), 0);
    buf_release(&file);
}

/* ---- writers ---- */

static void part_path(char out[300], const struct packed_head *h)
{
    struct packed_writer *w = NULL;
    struct err e = {""};
    struct packed_list l;
    assert_int_equal(packed_writer_open(&w, folder, h, NULL, NULL, &e), 0);
    assert_int_equal(packed_list_open(&l, folder, &e), 0);
    assert_int_equal(l.n, 1);
    assert_int_equal(l.entries[0].state, PACKED_BUSY);
    snprintf(out, 300, "%s/%s.part", folder, l.entries[0].name);
    uint64_t freed = 0;
    assert_int_equal(packed_remove(folder, l.entries[0].name, &freed, &e), ERR_IO);
    packed_list_close(&l);
    packed_writer_abort(&w);
    assert_null(w);
    assert_int_not_equal(access(out, F_OK), 0);
}

/* What a killed process left is begun anew; seen and removable until then. */
static void test_left_over(void **state)
{
    (void)state;
    struct packed_head h = head_of("q4");
    struct err e = {""};
    char part[300], name[PACKED_NAME_SIZE];
    uint64_t freed = 0;
    part_path(part, &h);
    put(part, "rubbish of an earlier life, longer than nothing");
    only_name(name, PACKED_UNFINISHED);
    write_file(&h, NULL);
    only_name(name, PACKED_READY);
    assert_int_equal(packed_verify(folder, name, NULL, NULL, &e), 0);
    put(part, "rubbish");
    assert_int_equal(packed_remove(folder, name, &freed, &e), 0);
    assert_true(freed > DATA_BYTES);
    assert_int_equal(packed_remove(folder, name, &freed, &e), ERR_NOTFOUND);
    assert_int_equal(packed_remove(folder, "../../m", &freed, &e), ERR_NOTFOUND);
    assert_int_equal(access(source, F_OK), 0);
}

struct waiter {
    struct packed_writer *first;
    int asked;
};

static bool finish_first(void *ctx)
{
    struct waiter *t = ctx;
    struct err e = {""};
    if (++t->asked == 2 && (packed_writer_add(t->first, span_of(data, DATA_BYTES), NULL, &e) ||
                            packed_writer_commit(&t->first, &e)))
        fail_msg("%s", e.text);
    return true;
}

static bool give_up(void *ctx)
{
    (void)ctx;
    return false;
}

static void test_one_writer(void **state)
{
    (void)state;
    struct packed_head h = head_of("q4");
    struct waiter t = {NULL, 0};
    struct packed_writer *second = NULL;
    struct packed_file f;
    struct err e = {""};
    assert_int_equal(packed_writer_open(&t.first, folder, &h, NULL, NULL, &e), 0);
    assert_int_equal(packed_writer_open(&second, folder, &h, give_up, NULL, &e), ERR_CANCELLED);
    assert_int_equal(packed_writer_open(&second, folder, &h, finish_first, &t, &e), 1);
    assert_null(second);
    assert_int_equal(t.asked, 2);
    assert_int_equal(packed_open(&f, folder, &h, &e), 0);
    packed_close(&f);
}

static void test_writer_keeps_count(void **state)
{
    (void)state;
    struct packed_head h = head_of("q4");
    struct packed_writer *w = NULL;
    struct packed_list l;
    struct err e = {""};
    assert_int_equal(packed_writer_open(&w, folder, &h, NULL, NULL, &e), 0);
    assert_int_equal(packed_writer_add(w, span_of(data, PACKED_BLOCK), NULL, &e), 0);
    assert_int_equal(packed_writer_add(w, span_of(data, DATA_BYTES), NULL, &e), ERR_USAGE);
    assert_int_equal(packed_writer_commit(&w, &e), ERR_USAGE);
    assert_null(w);
    assert_int_equal(packed_list_open(&l, folder, &e), 0);
    assert_int_equal(l.n, 0);
    packed_list_close(&l);
}

/* Too large for the limit on files: an error, no signal, nothing left. */
static void test_no_room(void **state)
{
    (void)state;
    struct packed_head h = head_of("q4");
    struct packed_writer *w = NULL;
    struct packed_list l;
    struct err e = {""};
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = PACKED_BLOCK;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int code = packed_writer_open(&w, folder, &h, NULL, NULL, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(code, ERR_IO);
    assert_non_null(strstr(e.text, "File too large"));
    assert_int_equal(packed_list_open(&l, folder, &e), 0);
    assert_int_equal(l.n, 0);
    packed_list_close(&l);
}

/* A folder that cannot be made. */
static void test_no_folder(void **state)
{
    (void)state;
    struct packed_head h = head_of("q4");
    struct packed_writer *w = NULL;
    struct err e = {""};
    char below[120];
    snprintf(below, sizeof below, "%s/x", source);
    assert_int_equal(packed_writer_open(&w, below, &h, NULL, NULL, &e), ERR_IO);
    assert_null(w);
}

/* ---- sources ---- */

static void test_sources(void **state)
{
    (void)state;
    struct packed_head h = head_of("q4"), other;
    struct packed_file f;
    struct packed_list l;
    struct err e = {""};
    char name[PACKED_NAME_SIZE];
    write_file(&h, NULL);
    put(source, "what another model is made of");
    only_name(name, PACKED_STALE);
    h = head_of("q4");
    assert_int_equal(packed_open(&f, folder, &h, &e), ERR_NOTFOUND);
    /* another target's file says nothing of this one; the same target's takes its place */
    other = h;
    other.text[PACKED_TARGET] = span_str("q8");
    write_file(&other, NULL);
    assert_int_equal(packed_list_open(&l, folder, &e), 0);
    assert_int_equal(l.n, 2);
    assert_true(l.size_bytes > 2 * DATA_BYTES);
    packed_list_close(&l);
    write_file(&h, NULL);
    assert_int_equal(packed_list_open(&l, folder, &e), 0);
    assert_int_equal(l.n, 2);
    for (size_t i = 0; i < l.n; i++) {
        assert_int_equal(l.entries[i].state, PACKED_READY);
        assert_string_equal(l.entries[i].source, source);
        assert_string_equal(l.entries[i].label, "Q4_K (from BF16)");
    }
    packed_list_close(&l);
    assert_int_equal(unlink(source), 0);
    assert_int_equal(packed_list_open(&l, folder, &e), 0);
    assert_int_equal(l.entries[0].state, PACKED_ORPHAN);
    packed_list_close(&l);
}

static void test_identity(void **state)
{
    (void)state;
    static const char hash[] = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
    struct buf a, b;
    struct err e = {""};
    char path[500], link_path[300], command[400];
    buf_init(&a, 4096);
    buf_init(&b, 4096);
    snprintf(command, sizeof command, "%s/hub/models--o--n/blobs", dir);
    assert_int_equal(file_make_dirs(command, &e), 0);
    snprintf(path, sizeof path, "%s/%s", command, hash);
    put(path, "hello\n");
    snprintf(link_path, sizeof link_path, "%s/hub/model.gguf", dir);
    assert_int_equal(symlink(path, link_path), 0);
    assert_int_equal(cache_identity(&a, link_path, &e), 0);
    assert_string_equal(
        buf_cstr(&a), "sha256 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 6");
    /* the same bytes, size and time in another file: not the same to us, but the same twice */
    buf_clear(&a);
    assert_int_equal(cache_identity(&a, source, &e), 0);
    assert_int_equal(cache_identity(&b, source, &e), 0);
    assert_string_equal(buf_cstr(&a), buf_cstr(&b));
    struct stat st;
    assert_int_equal(stat(source, &st), 0);
    int fd = open(source, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "W", 1, 0), 1);
    const struct timespec times[2] = {st.st_atim, st.st_mtim}; /* as a copying program would */
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
    buf_clear(&b);
    assert_int_equal(cache_identity(&b, source, &e), 0);
    assert_string_not_equal(buf_cstr(&a), buf_cstr(&b));
    assert_int_equal(cache_identity(&b, dir, &e), ERR_IO);
    assert_int_equal(cache_identity(&b, "/nowhere/at/all", &e), ERR_NOTFOUND);
    buf_release(&a);
    buf_release(&b);
}

static void test_places(void **state)
{
    (void)state;
    struct buf out;
    struct err e = {""};
    buf_init(&out, 4096);
    assert_int_equal(cache_packed_folder("/x", "/home/me", &out, &e), 0);
    assert_string_equal(buf_cstr(&out), "/x/wattle/packed");
    buf_clear(&out);
    assert_int_equal(cache_packed_folder("relative", "/home/me", &out, &e), 0);
    assert_string_equal(buf_cstr(&out), "/home/me/.cache/wattle/packed");
    buf_clear(&out);
    assert_int_equal(cache_packed_folder(NULL, "", &out, &e), ERR_NOTFOUND);
    buf_release(&out);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(test_round_trip),
        IN_A_FOLDER(test_key),
        IN_A_FOLDER(test_any_change_of_the_head),
        IN_A_FOLDER(test_hostile_head),
        IN_A_FOLDER(test_damage),
        IN_A_FOLDER(test_left_over),
        IN_A_FOLDER(test_one_writer),
        IN_A_FOLDER(test_writer_keeps_count),
        IN_A_FOLDER(test_no_room),
        IN_A_FOLDER(test_no_folder),
        IN_A_FOLDER(test_sources),
        IN_A_FOLDER(test_identity),
        cmocka_unit_test(test_places),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_release(&identity);
    return failed;
}
