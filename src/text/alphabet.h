/* SPDX-License-Identifier: MIT */
/* The byte-level alphabet: one printable character for each byte. Private to text/. Source: the
 * encoder published with GPT-2, and Hugging Face's ByteLevel. */
#ifndef WATTLE_TEXT_ALPHABET_H
#define WATTLE_TEXT_ALPHABET_H

#include "base/base.h"

uint32_t byte_to_letter(unsigned byte);
int letter_to_byte(uint32_t cp); /* -1: no letter of the alphabet */
/* Appends each byte's letter. */
void append_letters(struct buf *out, struct span bytes);
/* Appends the bytes that the letters stand for, or the text itself if any of it is no letter. */
void append_bytes_of(struct buf *out, struct span text);

#endif
