/* SPDX-License-Identifier: MIT */
/* text: between characters and token ids, and from a conversation to a prompt.
 *
 * Owns: tokenizers (BPE of bytes or of characters, SentencePiece's, Unigram) from a vocabulary or
 * from the bytes of tokenizer.json, tokenizer.model or vocab.json with merges.txt; Unicode, regular
 * expressions, streaming detokenization, the Jinja interpreter for chat templates. Opens no file:
 * callers hand in bytes and views. May include: base, codec. PCRE2 and utf8proc are used here and
 * nowhere else. Start reading: tokenizer.h and template.h, then pipeline.h. */
#ifndef WATTLE_TEXT_TEXT_H
#define WATTLE_TEXT_TEXT_H

#include "text/template.h"
#include "text/tokenizer.h"

#endif
