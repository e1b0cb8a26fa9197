/* SPDX-License-Identifier: MIT */
/* Characters that the `tokenizers` library and our Unicode tables see differently. Private to
 * text/. */
#ifndef WATTLE_TEXT_UNICODE_YOUNG_H
#define WATTLE_TEXT_UNICODE_YOUNG_H

#include "base/base.h"

struct code_range {
    uint32_t first, last;
};

/* Appends the members that each \p{...} of a PCRE2 set should have and lacks. */
void young_append(struct buf *out, const char *set);

/* What the library says of a character of which our tables say `otherwise`. */
bool young_numeric(uint32_t cp, bool otherwise);
bool young_punctuation(uint32_t cp, bool otherwise);
bool young_mark(uint32_t cp, bool otherwise);

#endif
