/* SPDX-License-Identifier: MIT */
/* SentencePiece's compiled normalization ("precompiled_charsmap"), as Hugging Face's `tokenizers`
 * apply it. Private to text/. */
#ifndef WATTLE_TEXT_CHARSMAP_H
#define WATTLE_TEXT_CHARSMAP_H

#include "base/base.h"

struct charsmap; /* immutable once open: any number of threads */

/* blob: the map itself, not its base64: the size of a double-array trie in bytes, the trie, and
 * replacements, each ended by a NUL. It is copied, and every byte of it is checked. An empty blob
 * changes nothing. */
int charsmap_open(struct charsmap **out, struct span blob, struct err *e);
void charsmap_close(struct charsmap **m);

/* Appends the normalized text. text: valid UTF-8; what comes out is valid too. */
int charsmap_apply(const struct charsmap *m, struct span text, struct buf *out, struct err *e);

#endif
