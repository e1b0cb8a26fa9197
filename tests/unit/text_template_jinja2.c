/* SPDX-License-Identifier: MIT */
/* The template interpreter against results of Jinja2: small templates (tests/golden/jinja, made by
 * make_cases.py there) and published chat templates, those that are shipped and, where they are at
 * hand, the others. */
#include "text/template.h"

#include <glob.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { NOW = 1751632496 }; /* 2025-07-04T12:34:56, which all of the files have */

static void read_file(const char *path, struct buf *out)
{
    struct err e = {""};
    buf_init(out, 64 << 20);
    if (file_read(path, out, &e))
        fail_msg("%s", e.text);
}

static struct json *parse(struct span text, const char *what)
{
    struct json *doc = NULL;
    struct err e = {""};
    if (json_parse(&doc, text, 64 << 20, what, &e))
        fail_msg("%s", e.text);
    return doc;
}

static const char *source(const char *relative)
{
    static char path[PATH_MAX];
    assert_non_null(getenv("WATTLE_SOURCE"));
    snprintf(path, sizeof path, "%s/%s", getenv("WATTLE_SOURCE"), relative);
    return path;
}

static int render(struct span text, const struct template_input *in, struct buf *out, struct err *e)
{
    struct template *t = NULL;
    buf_init(out, 64 << 20);
    int rc = template_open(&t, text, e);
    if (!rc)
        rc = template_render(t, in, out, e);
    template_close(&t);
    return rc;
}

/* ---- small templates ---- */

static bool check_small(const struct json *about, const struct json *one)
{
    const struct json *v = json_get(about, "variables"), *text = json_get(one, "text");
    struct template_input in = {.variables = v, .now_seconds = NOW};
    struct span source_text = json_string(json_get(one, "template"));
    struct buf out;
    struct err e = {""};
    int rc = render(source_text, &in, &out, &e);
    bool ok = text ? rc == 0 && span_eq(buf_view(&out), json_string(text)) : rc != 0;
    if (!ok)
        print_error("%.*s\n    gives    %s\n    expected %s\n", (int)source_text.n,
                    (const char *)source_text.p, rc ? e.text : buf_cstr(&out),
                    text ? (const char *)json_string(text).p : "an error");
    buf_release(&out);
    return ok;
}

static void test_small(void **state)
{
    (void)state;
    struct buf file;
    struct json *about = NULL;
    int n = 0, bad = 0;
    read_file(source("tests/golden/jinja/cases.jsonl"), &file);
    for (struct span rest = buf_view(&file); rest.n > 0;) {
        const uint8_t *end = memchr(rest.p, '\n', rest.n);
        size_t length = end ? (size_t)(end - rest.p) : rest.n;
        struct json *line = parse(span_sub(rest, 0, length), "a case");
        rest = span_sub(rest, length + 1, rest.n);
        if (!about) {
            about = line;
            continue;
        }
        bad += !check_small(about, line);
        n++;
        json_close(&line);
    }
    json_close(&about);
    buf_release(&file);
    print_message("%d templates, %d differ\n", n, bad);
    assert_true(n > 1500);
    assert_int_equal(bad, 0);
}

/* ---- published templates ---- */

static const struct json *variable(const struct json *one, const struct json *file,
                                   const char *name)
{
    const struct json *v = json_get(json_get(one, "variables"), name);
    return v ? v : json_get(json_get(file, "variables"), name);
}

static struct span token(const struct json *one, const struct json *file, const char *name)
{
    const struct json *v = variable(one, file, name);
    return v ? json_string(v) : span_of(NULL, 0);
}

static bool check_case(const struct template *t, const struct json *file, const struct json *one,
                       const char *path)
{
    static const char own[] = "TemplateError: ";
    struct template_input in = {
        .messages = json_get(one, "messages"),
        .tools = json_get(one, "tools"),
        .variables = json_get(one, "variables"),
        .add_generation_prompt = json_bool(json_get(one, "add_generation_prompt")),
        .bos_token = token(one, file, "bos_token"),
        .eos_token = token(one, file, "eos_token"),
        .now_seconds = NOW,
    };
    const struct json *text = json_get(one, "text");
    struct span error = json_string(json_get(one, "error"));
    struct buf out;
    struct err e = {""};
    buf_init(&out, 64 << 20);
    int rc = template_render(t, &in, &out, &e);
    bool ok = text ? rc == 0 && span_eq(buf_view(&out), json_string(text)) : rc != 0;
    if (!text && error.n >= strlen(own) && memcmp(error.p, own, strlen(own)) == 0)
        ok = rc == ERR_USAGE && strcmp(e.text, (const char *)error.p + strlen(own)) == 0;
    if (rc && out.n != 0)
        ok = false; /* a failure leaves nothing behind */
    if (!ok)
        print_error("%s %s\n    gives    %s\n    expected %s\n", path,
                    (const char *)json_string(json_get(one, "case")).p,
                    rc ? e.text : buf_cstr(&out),
                    (const char *)(text ? json_string(text).p : error.p));
    buf_release(&out);
    return ok;
}

static void check_published(const char *path, int *n, int *bad)
{
    char jinja[PATH_MAX];
    struct buf text, cases;
    struct template *t = NULL;
    struct err e = {""};
    snprintf(jinja, sizeof jinja, "%.*s.jinja", (int)(strlen(path) - strlen(".cases.json")), path);
    read_file(jinja, &text);
    read_file(path, &cases);
    struct json *file = parse(buf_view(&cases), path);
    if (template_open(&t, buf_view(&text), &e))
        fail_msg("%s: %s", jinja, e.text);
    buf_release(&text); /* the template needs it no longer */
    const struct json *list = json_get(file, "cases");
    for (size_t i = 0; i < json_size(list); i++) {
        *bad += !check_case(t, file, json_at(list, i), path);
        ++*n;
    }
    template_close(&t);
    json_close(&file);
    buf_release(&cases);
}

static int check_folder(const char *folder, int *files)
{
    char pattern[PATH_MAX];
    glob_t found;
    int n = 0, bad = 0;
    snprintf(pattern, sizeof pattern, "%s/*.cases.json", folder);
    *files = 0;
    if (glob(pattern, 0, NULL, &found) != 0)
        return 0;
    for (size_t i = 0; i < found.gl_pathc; i++)
        check_published(found.gl_pathv[i], &n, &bad);
    *files = (int)found.gl_pathc;
    globfree(&found);
    print_message("%d cases of %d templates, %d differ\n", n, *files, bad);
    return bad;
}

static void test_shipped(void **state)
{
    (void)state;
    int files;
    assert_int_equal(check_folder(source("tests/golden/templates"), &files), 0);
    assert_int_equal(files, 5);
}

static void test_published(void **state)
{
    (void)state;
    int files;
    assert_int_equal(check_folder(source("../shared/goldens/templates"), &files), 0);
    if (files == 0) {
        print_message("skipped: no shared/goldens/templates beside the source\n");
        skip();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_shipped),
        cmocka_unit_test(test_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
