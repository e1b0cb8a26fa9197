/* SPDX-License-Identifier: MIT */
/* A document that is written once and comes out as a terminal's text, as Markdown or as HTML.
 * Whatever is put in counts as outside text: it can't become an escape of the terminal, markup or a
 * tag. Private to report/. */
#ifndef WATTLE_REPORT_DOC_H
#define WATTLE_REPORT_DOC_H

#include "base/base.h"

enum doc_kind { DOC_TEXT, DOC_MARKDOWN, DOC_HTML };

struct doc {
    enum doc_kind kind;
    struct buf *out; /* borrowed */
};

enum { DOC_WIDTH = 100, TABLE_COLUMNS = 14, TABLE_CELL_MAX = 28 };

/* Rows of cells; zeroed with title and columns set is empty. */
struct table {
    const char *title; /* caption */
    size_t columns;
    const char *heads[TABLE_COLUMNS];
    bool right[TABLE_COLUMNS];
    char **cells; /* [n], row by row; owned */
    bool *muted;  /* [rows] */
    size_t n, capacity;
    bool failed; /* without memory: what is missing is missing */
};
void table_column(struct table *t, const char *head, bool right);
/* The next cell; columns many make a row. */
void table_put(struct table *t, const char *text);
void table_printf(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_mute(struct table *t); /* the row of the last cell is shown as a lesser one */
void table_release(struct table *t);

void doc_open(struct doc *d, enum doc_kind kind, struct buf *out, const char *title);
void doc_close(struct doc *d);
/* The answer: large in HTML. */
void doc_lead(struct doc *d, const char *text);
void doc_heading(struct doc *d, const char *text);
void doc_paragraph(struct doc *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
void doc_list(struct doc *d, char *const *items, size_t n);
void doc_warnings(struct doc *d, char *const *items, size_t n);
void doc_table(struct doc *d, const struct table *t);
/* HTML only: what may be unfolded. */
void doc_fold(struct doc *d, const char *title);
void doc_fold_end(struct doc *d);

/* Text as it may stand in such a document. */
void put_plain(struct buf *out, const char *s);    /* no control characters */
void put_markdown(struct buf *out, const char *s); /* no markup either */
void put_html(struct buf *out, const char *s);     /* entities; for attributes in "" too */
void put_csv(struct buf *out, const char *s);      /* a field (RFC 4180), never a formula */
void put_csv_number(struct buf *out, double v); /* with the comma before it; none if not finite */

#endif
