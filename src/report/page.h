/* SPDX-License-Identifier: MIT */
/* The frame of an HTML report: one file that asks for nothing from outside and runs no script.
 * Private to report/. */
#ifndef WATTLE_REPORT_PAGE_H
#define WATTLE_REPORT_PAGE_H

#include "base/base.h"

/* Colours of series: classes s0 … s7 in the style, again from the first after them. */
enum { PAGE_COLOURS = 8 };

void page_open(struct buf *out, const char *title);
void page_close(struct buf *out);

#endif
