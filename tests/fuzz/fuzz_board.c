/* SPDX-License-Identifier: MIT */
/* Messages from anybody: "KIND/ID" in the first line, a payload in the rest. Whatever comes, what
 * the board says of it is JSON, and its metrics end as OpenMetrics does. */
#include "metrics/metrics.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_json(struct buf *text)
{
    struct json *doc = NULL;
    struct err e;
    if (text->failed || json_parse(&doc, buf_view(text), 1 << 26, "board", &e))
        abort();
    json_close(&doc);
    buf_clear(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct board_options o = {.prefix = "iot", .source = "run", .machine = "m"};
    struct board *b = NULL;
    struct buf topic, news, out;
    struct span all = span_of(data, size);
    if (board_open(&b, &o, NULL))
        return 0;
    buf_init(&topic, 4096);
    buf_init(&news, 1 << 24);
    buf_init(&out, 1 << 26);
    const uint8_t *end = span_find(all, '\n');
    size_t n = end ? (size_t)(end - all.p) : all.n;
    buf_str(&topic, "iot/");
    buf_span(&topic, span_sub(all, 0, n < 2048 ? n : 2048));
    struct feed_event ev = {.kind = FEED_MESSAGE, .utc_us = 1, .name = buf_cstr(&topic)};
    ev.text = span_sub(all, n + 1, all.n);
    if (board_apply(b, &ev, &news) != BOARD_NOTHING)
        check_json(&news);
    board_write_state(b, &out);
    check_json(&out);
    if (board_write_changes(b, &out))
        check_json(&out);
    board_write_metrics(b, &out);
    if (!str_ends_with(buf_cstr(&out), "# EOF\n"))
        abort();
    board_close(&b);
    buf_release(&topic);
    buf_release(&news);
    buf_release(&out);
    return 0;
}
