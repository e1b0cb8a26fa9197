/* SPDX-License-Identifier: MIT */
/* csv: rows and fields of comma-separated text.
 *
 * Owns: where a row ends, quotes, line numbers. What a field means is its reader's business.
 * A row is found first and split afterwards, so that a bad row costs nothing but itself: after one,
 * reading goes on at the physical line that follows its first. Only for a row that is good and
 * merely too wide (too many fields) does it go on after the whole row.
 * Source: RFC 4180; leniences are those of csv.h. */
#include "codec/csv.h"

#include <stdlib.h>

struct csv {
    struct span s;
    size_t at;
    size_t line;      /* number of the line that holds byte `at`, from 1 */
    uint8_t *scratch; /* fields that had "" inside; as long as the longest row can be */
};

/* A row as found: [at, end) without its line end, next is the byte behind that. */
struct bounds {
    size_t end, next;
    size_t line_ends; /* inside of quotes */
};

int csv_open(struct csv **out, struct span bytes, struct err *e)
{
    if (bytes.n >= 2 &&
        ((bytes.p[0] == 0xff && bytes.p[1] == 0xfe) || (bytes.p[0] == 0xfe && bytes.p[1] == 0xff)))
        return err_set(e, ERR_FORMAT, "line 1: the text is UTF-16, expected UTF-8");
    struct csv *c = calloc(1, sizeof *c);
    size_t scratch_size = bytes.n < CSV_LINE_MAX ? bytes.n : CSV_LINE_MAX;
    if (c)
        c->scratch = malloc(scratch_size + 1);
    if (!c || !c->scratch) {
        csv_close(&c);
        return err_set(e, ERR_NOMEM, "no memory to read CSV");
    }
    c->s = bytes;
    c->line = 1;
    if (bytes.n >= 3 && memcmp(bytes.p, "\xef\xbb\xbf", 3) == 0)
        c->at = 3;
    *out = c;
    return 0;
}

void csv_close(struct csv **c)
{
    if (*c)
        free((*c)->scratch);
    free(*c);
    *c = NULL;
}

/* Length of the line end at byte i: 0 if there is none, 2 for CRLF. */
static size_t line_end_at(const struct csv *c, size_t i)
{
    if (i >= c->s.n)
        return 0;
    if (c->s.p[i] == '\n')
        return 1;
    if (c->s.p[i] != '\r')
        return 0;
    return i + 1 < c->s.n && c->s.p[i + 1] == '\n' ? 2 : 1;
}

/* Moves behind the line end of the line that holds `at`. */
static void skip_line(struct csv *c)
{
    while (c->at < c->s.n && line_end_at(c, c->at) == 0)
        c->at++;
    c->at += line_end_at(c, c->at);
    c->line++;
}

static void skip_blank_lines(struct csv *c)
{
    for (;;) {
        size_t i = c->at;
        while (i < c->s.n && (c->s.p[i] == ' ' || c->s.p[i] == '\t'))
            i++;
        if (i >= c->s.n) {
            c->at = i;
            return;
        }
        if (line_end_at(c, i) == 0)
            return;
        skip_line(c);
    }
}

static int find_row(const struct csv *c, struct bounds *b, struct err *e)
{
    bool in_quotes = false, field_start = true, after_quote = false;
    size_t line_ends = 0, i = c->at;

    for (;;) {
        if (i - c->at > CSV_LINE_MAX)
            return err_set(e, ERR_FORMAT, "line %zu: the row%s is longer than %d bytes", c->line,
                           in_quotes ? " (in a quote that is not closed)" : "", CSV_LINE_MAX);
        if (i >= c->s.n) {
            if (in_quotes)
                return err_set(e, ERR_FORMAT, "line %zu: a quote is not closed", c->line);
            *b = (struct bounds){i, i, line_ends};
            return 0;
        }
        uint8_t ch = c->s.p[i];
        size_t end = line_end_at(c, i);
        if (ch == 0)
            return err_set(e, ERR_FORMAT, "line %zu: a NUL byte in the row, expected text",
                           c->line);
        if (in_quotes) {
            if (ch == '"' && i + 1 < c->s.n && c->s.p[i + 1] == '"') {
                i += 2;
            } else if (ch == '"') {
                in_quotes = false;
                after_quote = true;
                i++;
            } else {
                line_ends += end > 0;
                i += end > 0 ? end : 1;
            }
        } else if (end > 0) {
            *b = (struct bounds){i, i + end, line_ends};
            return 0;
        } else if (ch == ',') {
            field_start = true;
            after_quote = false;
            i++;
        } else if (after_quote) {
            return err_set(e, ERR_FORMAT,
                           "line %zu: text after a closing quote, expected a comma or the line's "
                           "end",
                           c->line);
        } else {
            in_quotes = field_start && ch == '"';
            field_start = false;
            i++;
        }
    }
}

/* The field's text between its quotes, from byte i; *next is the byte behind the closing one. */
static struct span unquote(struct csv *c, size_t i, size_t *scratch_used, size_t *next)
{
    size_t start = i, to = *scratch_used;
    bool copied = false;
    for (;; i++) {
        if (c->s.p[i] == '"') {
            if (i + 1 >= c->s.n || c->s.p[i + 1] != '"')
                break;
            if (!copied) { /* the first "": from here on the text differs from the bytes */
                memcpy(c->scratch + to, c->s.p + start, i - start);
                to += i - start;
                copied = true;
            }
            i++;
        }
        if (copied)
            c->scratch[to++] = c->s.p[i];
    }
    *next = i + 1;
    if (!copied)
        return span_of(c->s.p + start, i - start);
    struct span r = span_of(c->scratch + *scratch_used, to - *scratch_used);
    *scratch_used = to;
    return r;
}

/* Splits [at, end), which find_row has found to be well-formed; false if there are too many. */
static bool split(struct csv *c, size_t end, struct csv_row *row)
{
    size_t i = c->at, scratch_used = 0, n = 0;
    for (;;) {
        if (n == CSV_FIELDS_MAX)
            return false;
        bool quoted = i < end && c->s.p[i] == '"';
        if (quoted) {
            row->fields[n] = unquote(c, i + 1, &scratch_used, &i);
        } else {
            size_t start = i;
            while (i < end && c->s.p[i] != ',')
                i++;
            row->fields[n] = span_of(c->s.p + start, i - start);
        }
        row->quoted[n++] = quoted;
        if (i >= end)
            break;
        i++; /* the comma */
    }
    row->n = n;
    return true;
}

int csv_next(struct csv *c, struct csv_row *row, struct err *e)
{
    skip_blank_lines(c);
    if (c->at >= c->s.n)
        return 0;

    struct bounds b = {0};
    int r = find_row(c, &b, e);
    if (r < 0) {
        skip_line(c);
        return r;
    }
    size_t line = c->line;
    bool fits = split(c, b.end, row);
    c->at = b.next;
    c->line += b.line_ends + 1;
    if (!fits)
        return err_set(e, ERR_FORMAT, "line %zu: more than %d fields", line, CSV_FIELDS_MAX);
    row->line = line;
    return 1;
}
