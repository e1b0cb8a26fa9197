/* SPDX-License-Identifier: MIT */
/* The file of waiting messages: what was put in comes out, in order, whatever was torn off; who has
 * it, has it alone; what is no such file stays as it is. */
#include "net/queue_disk.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
    int n;
    uint64_t last;
    bool in_order;
    char text[512];
};

static void note(void *ctx, uint64_t number, const char *topic, struct span payload, bool retain)
{
    struct seen *s = (struct seen *)ctx;
    size_t at = strlen(s->text);
    s->in_order = (s->n == 0 || s->in_order) && number > s->last;
    s->last = number;
    s->n++;
    snprintf(s->text + at, sizeof s->text - at, "%s=%.*s%s ", topic, SPAN_FMT(payload),
             retain ? "!" : "");
}

static char folder[] = "/tmp/wattle-test-queue-XXXXXX";
static char path[256];

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static struct queue_disk *open_it(struct seen *s, struct queue_loss *loss)
{
    struct queue_disk *q = NULL;
    struct err e;
    *s = (struct seen){0};
    if (queue_disk_open(&q, folder, "a:b/c", note, s, loss, &e))
        fail_msg("%s", e.text);
    snprintf(path, sizeof path, "%s", queue_disk_path(q));
    return q;
}

static bool no_loss(const struct queue_loss *l)
{
    return !l->torn && !l->skipped && !l->places && !l->messages;
}

static uint64_t add(struct queue_disk *q, const char *topic, const char *payload, bool retain)
{
    uint64_t number = 0;
    assert_int_equal(queue_disk_add(q, topic, span_str(payload), retain, &number, NULL), 0);
    return number;
}

static void gives_back_what_waits(void **state)
{
    (void)state;
    struct seen s;
    struct queue_loss loss;
    struct queue_disk *q = open_it(&s, &loss);
    assert_int_equal(s.n, 0);
    add(q, "t/1", "one", false);
    uint64_t two = add(q, "t/2", "", true);
    add(q, "t/3", "three", false);
    queue_disk_close(&q);
    assert_true(queue_disk_exists(folder, "a:b/c"));
    q = open_it(&s, &loss);
    assert_string_equal(s.text, "t/1=one t/2=! t/3=three ");
    assert_true(s.in_order && no_loss(&loss));
    assert_int_equal(queue_disk_mark(q, two, NULL), 0);
    assert_true(add(q, "t/4", "four", false) > s.last);
    queue_disk_close(&q);
    q = open_it(&s, &loss);
    assert_string_equal(s.text, "t/2=! t/3=three t/4=four ");

    /* A fresh file in its place: the same numbers, and rising on. */
    assert_int_equal(queue_disk_rewrite_begin(q, NULL), 0);
    assert_int_equal(queue_disk_copy(q, "t/4", span_str("four"), false, s.last, NULL), 0);
    assert_int_equal(queue_disk_rewrite_end(q, NULL), 0);
    assert_true(add(q, "t/5", "five", false) > s.last);
    struct queue_disk *other = NULL;
    struct err e;
    assert_int_equal(queue_disk_open(&other, folder, "a:b/c", note, &s, &loss, &e), ERR_IO);
    assert_non_null(strstr(e.text, "another process has it"));
    assert_int_equal(queue_disk_rewrite_begin(q, NULL), 0);
    queue_disk_rewrite_abandon(q);
    queue_disk_close(&q);
    q = open_it(&s, &loss);
    assert_string_equal(s.text, "t/4=four t/5=five ");

    assert_int_equal(queue_disk_empty(q, NULL), 0);
    queue_disk_close(&q);
    assert_false(queue_disk_exists(folder, "a:b/c"));
}

/* Cut at every byte, and with every byte of the last record changed: what is whole comes back. */
static void cuts_a_torn_end(void **state)
{
    (void)state;
    struct seen s;
    struct queue_loss loss;
    struct queue_disk *q = open_it(&s, &loss);
    add(q, "t", "first", false);
    size_t whole = (size_t)queue_disk_bytes(q);
    add(q, "t", "second", false);
    size_t size = (size_t)queue_disk_bytes(q);
    queue_disk_close(&q);
    struct buf bytes;
    buf_init(&bytes, 1000);
    assert_int_equal(file_read(path, &bytes, NULL), 0);
    for (size_t n = 0; n <= size; n++) {
        assert_int_equal(file_write_atomic(path, span_of(bytes.p, n), NULL), 0);
        q = open_it(&s, &loss);
        assert_int_equal(s.n, n == size ? 2 : n >= whole ? 1 : 0);
        if (n > whole && n < size)
            assert_int_equal(loss.torn, n - whole);
        assert_true(add(q, "t", "new", false) > s.last);
        queue_disk_close(&q);
        q = open_it(&s, &loss);
        assert_int_equal(s.n, (n == size ? 2 : n >= whole ? 1 : 0) + 1);
        assert_true(no_loss(&loss) && s.in_order);
        queue_disk_close(&q);
    }
    for (size_t i = whole; i < size; i++) {
        bytes.p[i] = (char)(bytes.p[i] ^ 0x40);
        assert_int_equal(file_write_atomic(path, buf_view(&bytes), NULL), 0);
        bytes.p[i] = (char)(bytes.p[i] ^ 0x40);
        q = open_it(&s, &loss);
        assert_string_equal(s.text, "t=first ");
        assert_int_equal(loss.torn, size - whole);
        queue_disk_close(&q);
    }
    buf_release(&bytes);
    unlink(path);
}

/* Four messages, "t=one" to "t=four"; ends[i]: where the i-th begins. */
static void make_four(struct buf *bytes, size_t ends[5])
{
    static const char *const texts[] = {"one", "two", "three", "four"};
    struct seen s;
    struct queue_loss loss;
    struct queue_disk *q = open_it(&s, &loss);
    for (size_t i = 0; i < 4; i++) {
        ends[i] = (size_t)queue_disk_bytes(q);
        add(q, "t", texts[i], false);
    }
    ends[4] = (size_t)queue_disk_bytes(q);
    queue_disk_close(&q);
    assert_int_equal(file_read(path, bytes, NULL), 0);
    assert_int_equal(bytes->n, ends[4]);
}

/* Every byte changed in turn, at the start, in the middle and at the end, magic included: only the
 * record that it stands in is lost, that is told in bytes and messages, and told once. */
static void reads_on_behind_damage(void **state)
{
    static const char *const without[] = {"t=two t=three t=four ", "t=one t=three t=four ",
                                          "t=one t=two t=four ", "t=one t=two t=three "};
    (void)state;
    struct seen s;
    struct queue_loss loss;
    struct buf bytes;
    size_t ends[5];
    buf_init(&bytes, 1000);
    make_four(&bytes, ends);
    for (size_t i = 0; i < ends[4]; i++) {
        if (i == QUEUE_MAGIC_SIZE - 1)
            continue; /* another version */
        size_t r = 0;
        while (i >= ends[r + 1])
            r++;
        bytes.p[i] = (char)(bytes.p[i] ^ 0x40);
        assert_int_equal(file_write_atomic(path, buf_view(&bytes), NULL), 0);
        bytes.p[i] = (char)(bytes.p[i] ^ 0x40);
        struct queue_disk *q = open_it(&s, &loss);
        bool magic = i < QUEUE_MAGIC_SIZE;
        assert_string_equal(s.text, magic ? "t=one t=two t=three t=four " : without[r]);
        assert_int_equal(loss.torn, r == 3 ? ends[4] - ends[3] : 0);
        assert_int_equal(loss.places, r == 3 ? 0 : 1);
        assert_int_equal(loss.skipped, magic    ? QUEUE_MAGIC_SIZE
                                       : r == 3 ? 0
                                                : ends[r + 1] - ends[r]);
        assert_int_equal(loss.messages, !magic && (r == 1 || r == 2) ? 1 : 0);
        assert_true(add(q, "t", "new", false) > s.last);
        queue_disk_close(&q);
        q = open_it(&s, &loss);
        assert_true(no_loss(&loss) && s.in_order && s.n == (magic ? 5 : 4));
        queue_disk_close(&q);
    }
    buf_release(&bytes);
    unlink(path);
}

/* Damage in several places, among them one over two records, and one that marks cover. */
static void counts_what_is_lost(void **state)
{
    (void)state;
    struct seen s;
    struct queue_loss loss;
    struct buf bytes;
    size_t ends[5];
    buf_init(&bytes, 1000);
    make_four(&bytes, ends);
    memset(bytes.p + ends[1] + 3, 0, ends[3] - ends[1] - 6);
    bytes.p[0] = 'X';
    assert_int_equal(file_write_atomic(path, buf_view(&bytes), NULL), 0);
    struct queue_disk *q = open_it(&s, &loss);
    assert_string_equal(s.text, "t=one t=four ");
    assert_int_equal(loss.places, 2);
    assert_int_equal(loss.skipped, QUEUE_MAGIC_SIZE + ends[3] - ends[1]);
    assert_int_equal(loss.messages, 2);
    assert_int_equal(queue_disk_mark(q, 4, NULL), 0);
    add(q, "t", "five", false);
    queue_disk_close(&q);
    buf_clear(&bytes);
    assert_int_equal(file_read(path, &bytes, NULL), 0);
    bytes.p[QUEUE_MAGIC_SIZE + QUEUE_HEAD_SIZE] ^= 0x40; /* of the first, which is done with */
    assert_int_equal(file_write_atomic(path, buf_view(&bytes), NULL), 0);
    q = open_it(&s, &loss);
    assert_string_equal(s.text, "t=four t=five ");
    assert_true(loss.places == 1 && loss.messages == 0);
    queue_disk_close(&q);
    buf_release(&bytes);
    unlink(path);
}

/* Lengths that all reach far ahead: what they cost is bounded by the size, not by its square. */
static void hostile_lengths_cost_little(void **state)
{
    enum { SIZE = 4 << 20, STEP = 32 };
    (void)state;
    struct queue_found found;
    uint8_t *bytes = (uint8_t *)calloc(1, SIZE);
    assert_non_null(bytes);
    memcpy(bytes, queue_magic, QUEUE_MAGIC_SIZE);
    for (size_t at = QUEUE_MAGIC_SIZE; at + 64 < SIZE; at += STEP) {
        queue_write_head(bytes + at, SIZE - at - QUEUE_HEAD_SIZE, 0);
        queue_write_message(bytes + at + QUEUE_HEAD_SIZE, at, false, 1);
        bytes[at + QUEUE_HEAD_SIZE + QUEUE_MESSAGE_SIZE] = 't';
    }
    uint64_t before = clock_cpu_ns();
    queue_parse(span_of(bytes, SIZE), NULL, NULL, &found);
    assert_int_equal(found.whole, QUEUE_MAGIC_SIZE);
    assert_int_equal(found.loss.torn, SIZE - QUEUE_MAGIC_SIZE);
    /* 131,000 checksums of 2 MiB on average would take minutes. */
    assert_true(clock_cpu_ns() - before < (uint64_t)10 * 1000000000);
    free(bytes);
}

static void leaves_others_alone(void **state)
{
    (void)state;
    struct seen s;
    struct queue_loss loss;
    struct queue_disk *q = open_it(&s, &loss);
    queue_disk_close(&q);
    static const char text[] = "somebody's notes";
    struct err e;
    assert_int_equal(file_write_atomic(path, span_str(text), NULL), 0);
    assert_int_equal(queue_disk_open(&q, folder, "a:b/c", note, &s, &loss, &e), ERR_FORMAT);
    struct buf bytes;
    buf_init(&bytes, 1000);
    assert_int_equal(file_read(path, &bytes, NULL), 0);
    assert_string_equal(buf_cstr(&bytes), text);
    buf_release(&bytes);
    assert_int_equal(file_write_atomic(path, span_str("WATTLEQ2 of a later version"), NULL), 0);
    assert_int_equal(queue_disk_open(&q, folder, "a:b/c", note, &s, &loss, &e), ERR_FORMAT);
    unlink(path);
    assert_int_equal(queue_disk_open(&q, "/dev/null/x", "n", note, &s, &loss, &e), ERR_IO);
    assert_non_null(strstr(e.text, "/dev/null"));
}

/* A full disk, made by a limit of the file's size: the record that does not fit leaves no trace. */
static void bears_a_full_disk(void **state)
{
    (void)state;
    struct seen s;
    struct err e;
    struct queue_loss loss;
    uint64_t number;
    char big[5000];
    memset(big, 'x', sizeof big);
    struct rlimit before, small = {4096, 0};
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    struct queue_disk *q = open_it(&s, &loss);
    add(q, "t", "kept", false);
    setrlimit(RLIMIT_FSIZE, &small);
    assert_int_equal(queue_disk_add(q, "t", span_of(big, sizeof big), false, &number, &e), ERR_IO);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_non_null(strstr(e.text, "queue '"));
    add(q, "t", "later", false);
    queue_disk_close(&q);
    q = open_it(&s, &loss);
    assert_string_equal(s.text, "t=kept t=later ");
    assert_true(no_loss(&loss));
    queue_disk_close(&q);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_waits),       cmocka_unit_test(cuts_a_torn_end),
        cmocka_unit_test(reads_on_behind_damage),      cmocka_unit_test(counts_what_is_lost),
        cmocka_unit_test(hostile_lengths_cost_little), cmocka_unit_test(leaves_others_alone),
        cmocka_unit_test(bears_a_full_disk),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
