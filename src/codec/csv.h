/* SPDX-License-Identifier: MIT */
/* Reading CSV (RFC 4180, and what is met in the field): BOM, LF, CRLF or CR, quotes with "" inside,
 * blank lines skipped; a quote inside of an unquoted field is an ordinary character. The bytes are
 * borrowed until csv_close. One thread. */
#ifndef WATTLE_CODEC_CSV_H
#define WATTLE_CODEC_CSV_H

#include "base/base.h"

enum { CSV_FIELDS_MAX = 64, CSV_LINE_MAX = 1 << 20 };

struct csv;

struct csv_row {
    size_t line;                        /* physical line of the row's first byte, from 1 */
    size_t n;                           /* fields */
    struct span fields[CSV_FIELDS_MAX]; /* unquoted; valid until the next csv_next */
    bool quoted[CSV_FIELDS_MAX];
};

int csv_open(struct csv **out, struct span bytes, struct err *e);
void csv_close(struct csv **c);
/* 1: a row; 0: the end; ERR_FORMAT: this row is bad (e names the line), the next call goes on after
 * it. */
int csv_next(struct csv *c, struct csv_row *row, struct err *e);

#endif
