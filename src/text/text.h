/* SPDX-License-Identifier: MIT */
/* text: between characters and token ids, and from a conversation to a prompt.
 *
 * Owns: tokenizers (byte-level BPE, SentencePiece-style BPE), Unicode, pre-tokenizers, streaming
 * detokenization, the Jinja interpreter for chat templates. Knows no file format: callers hand in
 * views. May include: base, codec. PCRE2 and utf8proc are used here and nowhere else. Start
 * reading: tokenizer.h and template.h. */
#ifndef WATTLE_TEXT_TEXT_H
#define WATTLE_TEXT_TEXT_H

#include "text/template.h"
#include "text/tokenizer.h"

#endif
