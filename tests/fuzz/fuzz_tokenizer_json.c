/* SPDX-License-Identifier: MIT */
/* tokenizer.json out of hostile bytes; what opens encodes and decodes its own file. */
#include "text/tokenizer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct tokenizer *t, struct span text)
{
    struct token_list ids = {0};
    struct buf whole;
    struct buf pieces;
    struct detokenizer d;
    struct err e = {""};
    buf_init(&whole, 64 << 20);
    buf_init(&pieces, 64 << 20);
    int rc = tokenizer_encode(t, text, &(struct encode_options){true, true, NULL, 0}, &ids, &e);
    detokenizer_init(&d, t, false);
    for (size_t i = 0; i < ids.n && !rc; i++)
        rc = detokenizer_push(&d, ids.ids[i], &pieces, &e);
    detokenizer_finish(&d, &pieces);
    if (!rc)
        rc = tokenizer_decode(t, ids.ids, ids.n, false, &whole, &e);
    if (!rc && (!span_eq(buf_view(&whole), buf_view(&pieces)) || !utf8_valid(buf_view(&whole))))
        abort();
    detokenizer_release(&d);
    token_list_release(&ids);
    buf_release(&whole);
    buf_release(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tokenizer *t = NULL;
    struct err e = {""};
    struct tokenizer_files f = {.tokenizer_json = span_of(data, size)};
    int rc = tokenizer_open_files(&t, &f, &e);
    if (rc && e.text[0] == '\0')
        abort();
    if (!rc)
        use(t, span_of(data, size < 4096 ? size : 4096));
    tokenizer_close(&t);
    return 0;
}
