/* SPDX-License-Identifier: MIT */
/* text: the report as a table for a terminal.
 *
 * Names come from files that anybody may have written: control characters in them are shown as '?',
 * so that none reaches the terminal. */
#include "report/rows.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { COLUMNS = 13, CELL_MAX = 40 /* characters */, CELL_SIZE = CELL_MAX * 4 + 8 };

static const struct column {
    const char *title;
    bool right;
} columns[COLUMNS] = {
    {"device", false},        {"model", false},    {"inferences", true}, {"errors", true},
    {"avg ms", true},         {"p50 ms", true},    {"p95 ms", true},     {"tokens/s", true},
    {"CPU %", true},          {"memory MB", true}, {"energy J", true},   {"J/token", true},
    {"energy source", false},
};

struct line {
    char cells[COLUMNS][CELL_SIZE];
};

/* At most CELL_MAX characters; the end is kept, where models and devices differ. */
static void put_text(char cell[CELL_SIZE], const char *text)
{
    struct span s = span_str(text);
    size_t length = utf8_length(s), n = 0;
    size_t cut = length > CELL_MAX ? length - (CELL_MAX - 1) : 0;
    if (cut)
        n += (size_t)snprintf(cell, CELL_SIZE, "…");
    for (size_t i = 0, at = 0; i < s.n; at++) {
        uint32_t cp = 0;
        size_t bytes = utf8_decode(span_sub(s, i, 4), &cp);
        bool shown = bytes > 0 && cp >= 0x20 && cp != 0x7f && !(cp >= 0x80 && cp < 0xa0);
        if (at >= cut && shown) {
            memcpy(cell + n, s.p + i, bytes);
            n += bytes;
        } else if (at >= cut) {
            cell[n++] = '?';
        }
        i += bytes ? bytes : 1;
    }
    cell[n] = '\0';
}

/* With a point in every locale; empty if not known. */
static void put_number(char cell[CELL_SIZE], double v, int decimals)
{
    cell[0] = '\0';
    if (!isfinite(v))
        return;
    int n = snprintf(cell, CELL_SIZE, fabs(v) < 1e15 ? "%.*f" : "%.*e", decimals, v);
    size_t to = 0;
    bool point = false;
    for (int i = 0; i < n && i < CELL_SIZE - 1; i++) {
        if (strchr("0123456789-+e", cell[i])) {
            cell[to++] = cell[i];
        } else if (!point) {
            cell[to++] = '.';
            point = true;
        }
    }
    cell[to] = '\0';
}

static void put_count(char cell[CELL_SIZE], uint64_t v)
{
    snprintf(cell, CELL_SIZE, "%" PRIu64, v);
}

static void fill(struct line *l, const struct row *r)
{
    put_text(l->cells[0], r->device);
    put_text(l->cells[1], r->model);
    put_count(l->cells[2], r->inferences);
    put_count(l->cells[3], r->errors);
    put_number(l->cells[4], r->time_avg_ms, 1);
    put_number(l->cells[5], r->time_p50_ms, 1);
    put_number(l->cells[6], r->time_p95_ms, 1);
    put_number(l->cells[7], r->tokens_per_second, 1);
    put_number(l->cells[8], r->cpu_percent, 1);
    put_number(l->cells[9], r->memory_mb, 1);
    put_number(l->cells[10], r->energy_j, 2);
    put_number(l->cells[11], r->joules_per_token, 4);
    put_text(l->cells[12], r->energy_source);
}

static void measure(size_t widths[COLUMNS], const struct line *l)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        size_t width = utf8_length(span_str(l->cells[i]));
        if (width > widths[i])
            widths[i] = width;
    }
}

static void pad(struct buf *out, size_t n)
{
    while (n-- > 0)
        buf_char(out, ' ');
}

static void print(struct buf *out, const size_t widths[COLUMNS], const struct line *l)
{
    size_t owed = 0; /* blanks, written once something stands behind them */
    for (size_t i = 0; i < COLUMNS; i++) {
        size_t width = utf8_length(span_str(l->cells[i]));
        size_t blanks = widths[i] - width;
        if (columns[i].right)
            owed += blanks;
        if (width > 0) {
            pad(out, owed);
            buf_str(out, l->cells[i]);
            owed = 0;
        }
        owed += (columns[i].right ? 0 : blanks) + 2;
    }
    buf_char(out, '\n');
}

static void print_rule(struct buf *out, const size_t widths[COLUMNS])
{
    for (size_t i = 0; i < COLUMNS; i++) {
        pad(out, i > 0 ? 2 : 0);
        for (size_t k = 0; k < widths[i]; k++)
            buf_char(out, '-');
    }
    buf_char(out, '\n');
}

void report_text(const struct report *r, struct buf *out)
{
    size_t widths[COLUMNS] = {0};
    struct line titles, l;
    for (size_t i = 0; i < COLUMNS; i++)
        snprintf(titles.cells[i], CELL_SIZE, "%s", columns[i].title);
    measure(widths, &titles);
    for (size_t i = 0; i <= r->n; i++) {
        fill(&l, i < r->n ? &r->files[i].row : &r->all);
        measure(widths, &l);
    }
    print(out, widths, &titles);
    print_rule(out, widths);
    for (size_t i = 0; i <= r->n; i++) {
        if (i == r->n)
            print_rule(out, widths);
        fill(&l, i < r->n ? &r->files[i].row : &r->all);
        print(out, widths, &l);
    }
}
