/* SPDX-License-Identifier: MIT */
/* A normalization map out of hostile bytes: what it makes of a text is UTF-8, within bounds. */
#include "text/charsmap.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "A\u030a \ufb01\u2460 a\u0301e\u0301 \u3000\U0001f469\u200d\u00df\n";
    struct charsmap *m = NULL;
    struct buf out;
    struct err e = {""};
    if (charsmap_open(&m, span_of(data, size), &e)) {
        if (e.text[0] == '\0')
            abort();
        return 0;
    }
    buf_init(&out, 1 << 16);
    if (charsmap_apply(m, span_str(text), &out, &e) == 0 && !utf8_valid(buf_view(&out)))
        abort();
    buf_release(&out);
    charsmap_close(&m);
    return 0;
}
