/* SPDX-License-Identifier: MIT */
/* table: rows of cells, and how they look in the three kinds of document. */
#include "report/doc.h"

#include <stdlib.h>

void table_column(struct table *t, const char *head, bool right)
{
    t->heads[t->columns] = head;
    t->right[t->columns++] = right;
}

/* In step with the cells: a row's mark is there from its first cell on. */
static bool grow(struct table *t)
{
    if (t->n < t->capacity)
        return true;
    size_t capacity = t->capacity ? t->capacity * 2 : 256;
    char **cells = realloc(t->cells, capacity * sizeof *cells);
    if (cells)
        t->cells = cells;
    bool *muted = cells ? realloc(t->muted, capacity * sizeof *muted) : NULL;
    if (muted)
        t->muted = muted;
    if (muted)
        t->capacity = capacity;
    return muted != NULL;
}

void table_put(struct table *t, const char *text)
{
    char *copy = t->failed || !grow(t) ? NULL : strdup(text);
    if (!copy) {
        t->failed = true;
        return;
    }
    if (t->n % t->columns == 0)
        t->muted[t->n / t->columns] = false;
    t->cells[t->n++] = copy;
}

void table_printf(struct table *t, const char *format, ...)
{
    struct buf b;
    va_list args;
    buf_init(&b, 4096);
    va_start(args, format);
    buf_vprintf(&b, format, args);
    va_end(args);
    table_put(t, buf_cstr(&b));
    buf_release(&b);
}

void table_mute(struct table *t)
{
    if (t->n > 0)
        t->muted[(t->n - 1) / t->columns] = true;
}

void table_release(struct table *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->cells[i]);
    free(t->cells);
    free(t->muted);
    *t = (struct table){0};
}

/* ---- a terminal's ---- */

/* The cell as shown: at most TABLE_CELL_MAX characters, the end kept, where names differ. */
static void shown(struct buf *out, const char *text)
{
    buf_clear(out);
    put_plain(out, text);
    size_t length = utf8_length(buf_view(out));
    if (length <= TABLE_CELL_MAX)
        return;
    size_t at = 0;
    uint32_t cp;
    for (size_t k = length - (TABLE_CELL_MAX - 1); k > 0; k--) {
        size_t bytes = utf8_decode(span_of(out->p + at, out->n - at), &cp);
        at += bytes ? bytes : 1;
    }
    struct buf cut;
    buf_init(&cut, out->max);
    buf_str(&cut, "…");
    buf_put(&cut, out->p + at, out->n - at);
    buf_clear(out);
    buf_append(out, &cut);
    buf_release(&cut);
}

static void print_cell(struct doc *d, const struct table *t, struct buf *cell, const char *text,
                       size_t column, size_t width, size_t *owed)
{
    shown(cell, text);
    size_t blanks = width - utf8_length(buf_view(cell));
    *owed += t->right[column] ? blanks : 0;
    if (cell->n > 0) {
        while (*owed > 0) {
            buf_char(d->out, ' ');
            --*owed;
        }
        buf_append(d->out, cell);
    }
    *owed += (t->right[column] ? 0 : blanks) + 2;
}

static void print_text(struct doc *d, const struct table *t)
{
    size_t widths[TABLE_COLUMNS], owed;
    struct buf cell;
    buf_init(&cell, 1 << 20);
    for (size_t k = 0; k < t->columns; k++)
        widths[k] = utf8_length(span_str(t->heads[k]));
    for (size_t i = 0; i < t->n; i++) {
        shown(&cell, t->cells[i]);
        size_t width = utf8_length(buf_view(&cell));
        if (width > widths[i % t->columns])
            widths[i % t->columns] = width;
    }
    owed = 0;
    for (size_t k = 0; k < t->columns; k++)
        print_cell(d, t, &cell, t->heads[k], k, widths[k], &owed);
    buf_char(d->out, '\n');
    for (size_t k = 0; k < t->columns; k++) {
        buf_str(d->out, k ? "  " : "");
        for (size_t i = 0; i < widths[k]; i++)
            buf_char(d->out, '-');
    }
    for (size_t i = 0; i < t->n; i++) {
        if (i % t->columns == 0) {
            buf_char(d->out, '\n');
            owed = 0;
        }
        print_cell(d, t, &cell, t->cells[i], i % t->columns, widths[i % t->columns], &owed);
    }
    buf_str(d->out, "\n\n");
    buf_release(&cell);
}

/* ---- Markdown's and HTML's ---- */

static void print_markdown(struct doc *d, const struct table *t)
{
    for (size_t k = 0; k < t->columns; k++) {
        buf_str(d->out, k ? " | " : "| ");
        put_markdown(d->out, t->heads[k]);
    }
    buf_str(d->out, " |\n");
    for (size_t k = 0; k < t->columns; k++)
        buf_str(d->out, t->right[k] ? "| ---: " : "| --- ");
    buf_str(d->out, "|\n");
    for (size_t i = 0; i < t->n; i++) {
        buf_str(d->out, i % t->columns ? " | " : "| ");
        put_markdown(d->out, t->cells[i]);
        if ((i + 1) % t->columns == 0)
            buf_str(d->out, " |\n");
    }
    buf_char(d->out, '\n');
}

/* The first column names the row. */
static void print_html(struct doc *d, const struct table *t)
{
    buf_str(d->out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"");
    put_html(d->out, t->title);
    buf_str(d->out, "\"><table><caption>");
    put_html(d->out, t->title);
    buf_str(d->out, "</caption><thead><tr>");
    for (size_t k = 0; k < t->columns; k++) {
        buf_printf(d->out, "<th scope=\"col\"%s>", t->right[k] ? " class=\"r\"" : "");
        put_html(d->out, t->heads[k]);
        buf_str(d->out, "</th>");
    }
    buf_str(d->out, "</tr></thead>\n<tbody>");
    for (size_t i = 0; i < t->n; i++) {
        size_t k = i % t->columns;
        if (k == 0)
            buf_str(d->out, t->muted[i / t->columns] ? "<tr class=\"muted\"><th scope=\"row\">"
                                                     : "<tr><th scope=\"row\">");
        else
            buf_str(d->out, t->right[k] ? "<td class=\"r\">" : "<td>");
        put_html(d->out, t->cells[i]);
        buf_str(d->out, k == 0 ? "</th>" : "</td>");
        if (k + 1 == t->columns)
            buf_str(d->out, "</tr>\n");
    }
    buf_str(d->out, "</tbody></table></div>\n");
}

void doc_table(struct doc *d, const struct table *t)
{
    if (t->failed)
        d->out->failed = true;
    else if (d->kind == DOC_TEXT)
        print_text(d, t);
    else if (d->kind == DOC_MARKDOWN)
        print_markdown(d, t);
    else
        print_html(d, t);
}
