/* SPDX-License-Identifier: MIT */
/* Numbers as people read them, in every locale; never "nan". Private to report/. */
#ifndef WATTLE_REPORT_WORDS_H
#define WATTLE_REPORT_WORDS_H

#include "base/base.h"

enum { NUMBER_SIZE = 48 };

/* With so many decimals; "" if not finite. */
const char *number_fixed(char out[NUMBER_SIZE], double v, int decimals);
/* Three digits that count: 1234, 123, 12.3, 1.23, 0.123, 0.00123; "" if not finite. */
const char *number_short(char out[NUMBER_SIZE], double v);

/* What a number is of, and how it is best shown. */
enum unit { UNIT_MS, UNIT_JOULE, UNIT_MB, UNIT_PERCENT, UNIT_SHARE, UNIT_PER_SECOND, UNIT_COUNT };
/* "320 ms", "12.3 s", "850 mJ", "1.2 GB", "87 %" (of a share: times 100), "–" if not finite. */
const char *quantity(char out[NUMBER_SIZE], double v, enum unit unit);
/* How the unit is called where values stand in a column of it: "ms", "J", …; a share is in %. */
const char *unit_name(enum unit unit);
/* The value in that unit. */
double unit_value(double v, enum unit unit);

#endif
