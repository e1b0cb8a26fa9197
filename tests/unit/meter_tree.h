/* SPDX-License-Identifier: MIT */
/* A made-up machine: a temporary folder that is filled file by file, or from a case. */
#ifndef WATTLE_TESTS_METER_TREE_H
#define WATTLE_TESTS_METER_TREE_H

#include "base/base.h"
#include "codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct tree {
    char root[256];
};

static inline void tree_make(struct tree *t)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(t->root, sizeof t->root, "%s/wattle-meter-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(t->root));
    assert_int_equal(chmod(t->root, 0755), 0); /* for a test that gives up being root */
}

/* Replaces the whole file, as a counter changes. */
static inline void tree_write(const struct tree *t, const char *path, const char *text)
{
    char full[1536], folder[1536];
    struct err e;
    snprintf(full, sizeof full, "%s/%s", t->root, path);
    snprintf(folder, sizeof folder, "%s", full);
    *strrchr(folder, '/') = '\0';
    assert_int_equal(file_make_dirs(folder, &e), 0);
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static inline void tree_unlink(const struct tree *t, const char *path)
{
    char full[1536];
    snprintf(full, sizeof full, "%s/%s", t->root, path);
    assert_int_equal(unlink(full), 0);
}

static inline void tree_chmod(const struct tree *t, const char *path, mode_t mode)
{
    char full[1536];
    snprintf(full, sizeof full, "%s/%s", t->root, path);
    assert_int_equal(chmod(full, mode), 0);
}

static inline void tree_remove(struct tree *t)
{
    char *argv[] = {"rm", "-rf", t->root, NULL};
    pid_t pid = fork();
    if (pid == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* The case tests/cases/NAME. */
static inline struct json *case_open(const char *name)
{
    char path[1024];
    struct buf text;
    struct err e = {""};
    struct json *doc = NULL;
    snprintf(path, sizeof path, "%s/tests/cases/%s", getenv("WATTLE_SOURCE"), name);
    buf_init(&text, 1 << 20);
    if (file_read(path, &text, &e) != 0 ||
        json_parse(&doc, buf_view(&text), 1 << 20, path, &e) != 0)
        fail_msg("%s", e.text);
    buf_release(&text);
    return doc;
}

/* Writes the case's files, and of those under "reads" the i-th value. */
static inline void tree_fill(const struct tree *t, const struct json *doc, size_t i)
{
    char path[1024], number[32];
    const struct json *root = json_get(doc, "root");
    const char *folder = root ? (const char *)json_string(root).p : ".";
    const struct json *files = json_get(doc, "files"), *reads = json_get(doc, "reads");
    for (void *it = json_first(files); it; it = json_next(files, it)) {
        snprintf(path, sizeof path, "%s/%s", folder, json_key(it));
        tree_write(t, path, (const char *)json_string(json_value(it)).p);
    }
    for (void *it = reads ? json_first(reads) : NULL; it; it = json_next(reads, it)) {
        snprintf(path, sizeof path, "%s/%s", folder, json_key(it));
        snprintf(number, sizeof number, "%lld\n", (long long)json_int(json_at(json_value(it), i)));
        tree_write(t, path, number);
    }
}

/* What has been logged since log_keep. */
static char log_text[8192];
static int log_lines;

static inline void log_kept(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    size_t n = strlen(log_text);
    snprintf(log_text + n, sizeof log_text - n, "%s\n", line);
    log_lines++;
}

static inline void log_keep(void)
{
    log_text[0] = '\0';
    log_lines = 0;
    log_set_sink(log_kept, NULL, LOG_LEVEL_DEBUG);
}

#endif
