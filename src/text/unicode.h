/* SPDX-License-Identifier: MIT */
/* Bytes that may be no UTF-8, and normalization form C. Private to text/. */
#ifndef WATTLE_TEXT_UNICODE_H
#define WATTLE_TEXT_UNICODE_H

#include "base/base.h"

/* What stands at the front of some bytes. */
enum utf8_front {
    UTF8_CHARACTER, /* a valid sequence */
    UTF8_INVALID,   /* bytes that together stand for one U+FFFD */
    UTF8_CUT,       /* the whole rest, which more bytes could complete */
};

/* Looks at the front of s (not empty); *length is the number of bytes that the answer covers. What
 * is invalid is cut as the Unicode standard recommends (chapter 3.9, "maximal subpart"), which is
 * what Python's errors="replace" and Rust's from_utf8_lossy do. */
enum utf8_front utf8_look(struct span s, size_t *length);

/* Appends s with U+FFFD for what is invalid or cut. */
void utf8_append_lossy(struct buf *out, struct span s);

/* Unicode's White_Space, which is what Rust's char::is_whitespace has. */
bool unicode_is_space(uint32_t cp);

/* True when valid s certainly is in normalization form C already (a quick look, no more). */
bool nfc_surely(struct span s);

/* Appends valid s in normalization form C. O(n log n) whatever the combining marks. */
int nfc_append(struct buf *out, struct span s, struct err *e);

enum normal_form { NORMAL_NFC, NORMAL_NFD, NORMAL_NFKC, NORMAL_NFKD };
/* The same for each form. */
int normal_form_append(struct buf *out, struct span s, enum normal_form form, struct err *e);

/* General categories as Rust's char has them, and the lower case of one character, appended. */
bool unicode_is_mark(uint32_t cp);        /* M */
bool unicode_is_numeric(uint32_t cp);     /* N */
bool unicode_is_punctuation(uint32_t cp); /* P, and all of ASCII's */
void unicode_append_lower(struct buf *out, uint32_t cp);

#endif
