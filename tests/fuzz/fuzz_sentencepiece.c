/* SPDX-License-Identifier: MIT */
/* tokenizer.model out of hostile bytes: what is accepted becomes a JSON object (whose vocabulary
 * may have keys with NULs, which its reader takes and json_parse does not). The first byte tells
 * how much of the rest is a tokenizer_config.json instead (a 32nd part each). */
#include "codec/codec.h"
#include "text/sentencepiece.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {"", "gemma", "phi3"};
    struct span input = span_of(data, size);
    size_t n_config = size ? (size - 1) / 32 * (data[0] & 31) : 0;
    struct tokenizer_files f = {.tokenizer_config = span_sub(input, 1, n_config),
                                .sentencepiece = span_sub(input, 1 + n_config, SIZE_MAX)};
    struct json_walk walk;
    struct span key, value;
    struct buf out;
    struct err e = {""};
    buf_init(&out, 4 << 20);
    int rc = sentencepiece_json(&f, span_str(types[size % 3]), &out, NULL, &e);
    if (rc && e.text[0] == '\0')
        abort();
    if (!rc && json_walk_init(&walk, buf_view(&out), JSON_OBJECT, "fuzz", &e) != 0)
        abort();
    for (int more = !rc; more > 0;)
        if ((more = json_walk_next(&walk, &key, &value, &e)) < 0)
            abort();
    buf_release(&out);
    return 0;
}
