/* SPDX-License-Identifier: MIT */
/* One line is read, answered and flushed before the next is read, so that a program at the other
 * end of two pipes can talk with us. A bad line costs that line. */
#include "lab/lines.h"

#include <errno.h>
#include <stdlib.h>

enum {
    ANSWER_BYTES_MAX = 1 << 30, /* the part of an answer that is not written yet */
};

/* Appends the next line without its end. 1: a line; 0: the end of the input; negative: reading
 * failed. A line that is too long is read to its end and leaves line->failed set. */
static int read_line(FILE *in, const char *in_name, struct buf *line, struct err *e)
{
    int c;
    bool any = false;
    buf_clear(line);
    while ((c = getc_unlocked(in)) != EOF) {
        any = true;
        if (c == '\n')
            break;
        buf_char(line, (char)c);
    }
    if (ferror(in))
        return err_errno(e, errno, "cannot read '%s'", in_name);
    return any;
}

static bool is_blank(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != ' ' && s.p[i] != '\t' && s.p[i] != '\r')
            return false;
    return true;
}

/* A reader that has had enough is no failure. */
static int not_written(struct err *e)
{
    bool gone = errno == EPIPE;
    int rc = err_errno(e, errno, "cannot write the answer");
    return gone ? ERR_CANCELLED : rc;
}

int lines_flush(struct json_writer *w, FILE *out, struct err *e)
{
    struct buf *b = w->out;
    int rc = buf_check(b, "answer", e);
    if (rc)
        return rc;
    if (b->n && fwrite(b->p, 1, b->n, out) != b->n)
        return not_written(e);
    buf_clear(b);
    return 0;
}

static void open_answer(struct json_writer *w, struct buf *b, const struct json *in)
{
    json_write_init(w, b, 0);
    json_write_object(w);
    json_put_value(w, "case", json_get(in, "case"));
}

static int close_answer(struct json_writer *w, FILE *out, struct err *e)
{
    json_write_object_end(w);
    buf_char(w->out, '\n');
    int rc = lines_flush(w, out, e);
    if (rc == 0 && fflush(out) != 0)
        rc = not_written(e);
    return rc;
}

static int parse_line(const struct buf *line, const char *what, struct json **doc, struct err *e)
{
    int rc = buf_check(line, what, e);
    if (rc == 0) /* a text may hold any character */
        rc = json_parse_nul(doc, buf_view(line), LINE_BYTES_MAX, what, e);
    if (rc == 0 && json_type_of(*doc) != JSON_OBJECT)
        rc = err_set(e, ERR_FORMAT, "%s: %s, expected an object", what,
                     json_type_name(json_type_of(*doc)));
    return rc;
}

static int answer_line(const struct buf *line, const char *what, struct buf *text, FILE *out,
                       line_fn answer, void *ctx, struct err *e)
{
    struct json *doc = NULL;
    struct json_writer w;
    struct err bad = {""};
    buf_clear(text);
    int rc = parse_line(line, what, &doc, &bad);
    open_answer(&w, text, doc);
    if (rc == 0)
        rc = answer(ctx, doc, &w, out, &bad);
    if (rc == 0)
        rc = buf_check(text, "answer", &bad);
    if (rc) {
        buf_clear(text);
        open_answer(&w, text, doc);
        json_put_str(&w, "error", bad.text);
    }
    rc = close_answer(&w, out, e);
    json_close(&doc);
    return rc;
}

int lines_run(FILE *in, const char *in_name, FILE *out, line_fn answer, void *ctx, struct err *e)
{
    struct buf line, text;
    buf_init(&line, LINE_BYTES_MAX);
    buf_init(&text, ANSWER_BYTES_MAX);
    int rc = 0;
    for (uint64_t number = 1;; number++) {
        rc = read_line(in, in_name, &line, e);
        if (rc <= 0)
            break;
        if (is_blank(buf_view(&line)) && !line.failed)
            continue;
        char what[256];
        snprintf(what, sizeof what, "line %llu of '%.200s'", (unsigned long long)number, in_name);
        rc = answer_line(&line, what, &text, out, answer, ctx, e);
        if (rc)
            break;
    }
    buf_release(&line);
    buf_release(&text);
    return rc;
}

static int wrong_type(const struct json *v, const char *key, const char *expected, struct err *e)
{
    return err_set(e, ERR_FORMAT, "%s: %s, expected %s", key, json_type_name(json_type_of(v)),
                   expected);
}

int line_bool(const struct json *in, const char *key, bool fallback, bool *out, struct err *e)
{
    const struct json *v = json_get(in, key);
    if (json_type_of(v) == JSON_NULL) {
        *out = fallback;
        return 0;
    }
    if (json_type_of(v) != JSON_BOOL)
        return wrong_type(v, key, "true or false", e);
    *out = json_bool(v);
    return 0;
}

static int int_value(const struct json *v, const char *key, int64_t min, int64_t max, int64_t *out,
                     struct err *e)
{
    if (json_type_of(v) != JSON_INT)
        return wrong_type(v, key, "an integer", e);
    int64_t i = json_int(v);
    if (i < min || i > max)
        return err_set(e, ERR_RANGE, "%s: %lld, expected %lld to %lld", key, (long long)i,
                       (long long)min, (long long)max);
    *out = i;
    return 0;
}

int line_int(const struct json *in, const char *key, int64_t min, int64_t max, int64_t fallback,
             int64_t *out, struct err *e)
{
    const struct json *v = json_get(in, key);
    if (json_type_of(v) != JSON_NULL)
        return int_value(v, key, min, max, out, e);
    *out = fallback;
    return 0;
}

int line_text(const struct json *in, const char *key, struct span *out, struct err *e)
{
    const struct json *v = json_get(in, key);
    if (json_type_of(v) != JSON_STRING)
        return wrong_type(v, key, "a string", e);
    *out = json_string(v);
    return 0;
}

int line_ints(const struct json *in, const char *key, int64_t min, int64_t max, size_t max_n,
              int32_t **out, size_t *n, struct err *e)
{
    const struct json *v = json_get(in, key);
    if (json_type_of(v) != JSON_NULL && json_type_of(v) != JSON_ARRAY)
        return wrong_type(v, key, "an array of integers", e);
    size_t count = json_size(v);
    if (count > max_n)
        return err_set(e, ERR_LIMIT, "%s: %zu elements, expected at most %zu", key, count, max_n);
    int32_t *ints = calloc(count ? count : 1, sizeof *ints);
    if (!ints)
        return err_set(e, ERR_NOMEM, "no memory for %zu integers", count);
    for (size_t i = 0; i < count; i++) {
        int64_t value = 0;
        int rc = int_value(json_at(v, i), key, min, max, &value, e);
        if (rc) {
            free(ints);
            return rc;
        }
        ints[i] = (int32_t)value;
    }
    *out = ints;
    *n = count;
    return 0;
}
