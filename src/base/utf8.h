/* SPDX-License-Identifier: MIT */
/* UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, nothing above U+10FFFF. */
#ifndef WATTLE_BASE_UTF8_H
#define WATTLE_BASE_UTF8_H

#include "base/span.h"

/* Length (1–4) of the valid sequence at s.p, its code point in *cp; 0 if s is empty, or begins with
 * an invalid or cut sequence. */
size_t utf8_decode(struct span s, uint32_t *cp);
/* Writes cp (a valid scalar value) and returns its length, 1–4. */
size_t utf8_encode(uint32_t cp, char out[4]);
bool utf8_valid(struct span s);
/* Number of code points in valid UTF-8 (each invalid byte counts as one). */
size_t utf8_length(struct span s);
/* How many bytes at the end of s are the cut beginning of a sequence that could still become valid:
 * 0–3. */
size_t utf8_incomplete_tail(struct span s);

#endif
