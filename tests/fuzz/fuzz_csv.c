/* SPDX-License-Identifier: MIT */
/* CSV: every row's line lies within the text, reading ends, and no field leaves its bytes (which
 * the address sanitizer sees). */
#include "codec/codec.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csv *c = NULL;
    struct csv_row row;
    struct err e = {""};
    size_t rows = 0, bytes = 0, line = 0;
    if (csv_open(&c, span_of(data, size), &e) < 0)
        return 0;
    for (int r; (r = csv_next(c, &row, &e)) != 0;) {
        if (++rows > size || (r < 0 && e.text[0] == '\0'))
            abort();
        if (r < 0)
            continue;
        if (row.line <= line || row.line > size || row.n == 0 || row.n > CSV_FIELDS_MAX)
            abort();
        line = row.line;
        for (size_t i = 0; i < row.n; i++)
            for (size_t k = 0; k < row.fields[i].n; k++)
                bytes += row.fields[i].p[k] != 0;
    }
    if (bytes > size)
        abort();
    csv_close(&c);
    return 0;
}
