/* SPDX-License-Identifier: MIT */
/* A request's target: path and query lie within it, and a value that is found is UTF-8 without
 * control characters, no longer than its escaped form. */
#include "net/net.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"id", "field", "from", ""};
    struct span path, query, all = span_of(data, size);
    struct err e = {""};
    if (http_target_split(all, &path, &query, &e))
        return e.text[0] ? 0 : (abort(), 0);
    if (path.n == 0 || path.p[0] != '/' || path.n + query.n > size || span_find(path, '?'))
        abort();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct buf out;
        buf_init(&out, 64);
        int r = http_query_get(query, names[i], &out, &e);
        struct span value = buf_view(&out);
        if (r > 1 || (r == 1 && (!utf8_valid(value) || value.n > query.n)))
            abort();
        for (size_t k = 0; r == 1 && k < value.n; k++)
            if (value.p[k] < 0x20)
                abort();
        buf_release(&out);
    }
    return 0;
}
