/* SPDX-License-Identifier: MIT */
#include "text/alphabet.h"

static bool is_itself(unsigned byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

/* Bytes that are no printable Latin-1 characters are spelled U+0100, U+0101, … in their order: 0x00
 * to 0x20, 0x7f to 0xa0, 0xad. */
uint32_t byte_to_letter(unsigned byte)
{
    if (is_itself(byte))
        return byte;
    if (byte <= 0x20)
        return 0x100 + byte;
    return byte == 0xad ? 0x143 : 0x121 + byte - 0x7f;
}

int letter_to_byte(uint32_t cp)
{
    if (cp < 0x100)
        return is_itself(cp) ? (int)cp : -1;
    if (cp <= 0x120)
        return (int)(cp - 0x100);
    if (cp <= 0x142)
        return (int)(cp - 0x121 + 0x7f);
    return cp == 0x143 ? 0xad : -1;
}

void append_letters(struct buf *out, struct span bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        char letter[4];
        buf_put(out, letter, utf8_encode(byte_to_letter(bytes.p[i]), letter));
    }
}

void append_bytes_of(struct buf *out, struct span text)
{
    size_t began = out->n;
    for (size_t i = 0; i < text.n;) {
        uint32_t cp = 0;
        size_t length = utf8_decode(span_sub(text, i, 4), &cp);
        int byte = length ? letter_to_byte(cp) : -1;
        if (byte < 0) {
            if (!out->failed)
                buf_truncate(out, began);
            buf_span(out, text);
            return;
        }
        buf_char(out, (char)byte);
        i += length;
    }
}
