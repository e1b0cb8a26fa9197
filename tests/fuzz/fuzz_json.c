/* SPDX-License-Identifier: MIT */
/* JSON that is accepted is written and read again: the second text must equal the first. */
#include "codec/codec.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(struct buf *out, const struct json *doc)
{
    struct json_writer w;
    json_write_init(&w, out, 0);
    json_write_value(&w, doc);
}

static void walk(struct span text, enum json_type type)
{
    struct json_walk w;
    struct span key, value;
    if (json_walk_init(&w, text, type, "fuzz", NULL) < 0)
        return;
    size_t n = 0;
    while (json_walk_next(&w, &key, &value, NULL) == 1)
        if (++n > text.n || value.n == 0)
            abort();
}

/* A text that is one string is read in two ways, which must agree. */
static void unescape(struct span text)
{
    struct json *doc = NULL;
    struct buf out;
    buf_init(&out, 1 << 20);
    bool read = json_unescape(text, &out, "fuzz", NULL) == 0;
    if (text.n > 1 && text.p[0] == '"' && text.p[text.n - 1] == '"' &&
        read != (json_parse_nul(&doc, text, 1 << 20, "fuzz", NULL) == 0))
        abort();
    if (doc && !span_eq(json_string(doc), buf_view(&out)))
        abort();
    json_close(&doc);
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json *doc = NULL, *again = NULL;
    struct err e = {""};
    struct buf first, second;
    walk(span_of(data, size), JSON_OBJECT);
    walk(span_of(data, size), JSON_ARRAY);
    unescape(span_of(data, size));
    int r = json_parse(&doc, span_of(data, size), 1 << 20, "fuzz", &e);
    if (r < 0) {
        if (e.text[0] == '\0')
            abort();
        return 0;
    }
    buf_init(&first, 16 << 20);
    buf_init(&second, 16 << 20);
    write_again(&first, doc);
    if (json_parse(&again, buf_view(&first), 16 << 20, "fuzz", &e) < 0)
        abort();
    write_again(&second, again);
    if (!span_eq(buf_view(&first), buf_view(&second)))
        abort();
    json_close(&doc);
    json_close(&again);
    buf_release(&first);
    buf_release(&second);
    return 0;
}
