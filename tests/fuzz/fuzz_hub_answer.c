/* SPDX-License-Identifier: MIT */
/* The hub's answer about a revision, and the choice of files from it. What is taken must be safe
 * below a folder. */
#include "hub/repository.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const wanted[] = {NULL, "m.gguf"};
    struct repository r;
    struct err e;
    int rc = repository_parse(&r, span_of(data, size), "acme/tiny", &e);
    for (size_t i = 0; rc == 0 && i < 2; i++) {
        struct choice c;
        struct buf choices;
        buf_init(&choices, 1 << 20);
        if (repository_choose(&r, "acme/tiny", wanted[i], &c, &choices, &e) == 0)
            for (size_t k = 0; k < c.n; k++)
                if (c.files[k] >= r.n || !cache_is_file_path(span_str(r.files[c.files[k]].path)))
                    abort();
        free(c.files);
        buf_release(&choices);
    }
    repository_release(&r);
    return 0;
}
