/* SPDX-License-Identifier: MIT */
/* A vocabulary and a text out of the same bytes. The first byte chooses the kind, flags and the
 * pre-tokenizer; lines up to an empty one are tokens (their first byte is the type), then merges up
 * to another, and the rest is the text. Whatever opens must encode the text, whole and in pieces,
 * and what a stream brings must be UTF-8 that adds up to the decoded text. */
#include "text/tokenizer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES_MAX = 1024, BREAKS_MAX = 16 };

/* Lines of *rest up to an empty one. */
static size_t take_lines(struct span *rest, struct span *lines)
{
    size_t n = 0;
    while (rest->n && n < LINES_MAX) {
        const uint8_t *end = memchr(rest->p, '\n', rest->n);
        size_t length = end ? (size_t)(end - rest->p) : rest->n;
        struct span line = span_sub(*rest, 0, length);
        *rest = span_sub(*rest, length + 1, rest->n);
        if (line.n == 0)
            break;
        lines[n++] = line;
    }
    return n;
}

static void check_decode(const struct tokenizer *t, const struct token_list *ids, bool skip)
{
    struct detokenizer d;
    struct buf whole;
    struct buf pieces;
    buf_init(&whole, 64 << 20);
    buf_init(&pieces, 64 << 20);
    detokenizer_init(&d, t, skip);
    if (tokenizer_decode(t, ids->ids, ids->n, skip, &whole, NULL))
        abort();
    for (size_t i = 0; i <= ids->n; i++) {
        size_t began = pieces.n;
        if (i == ids->n)
            detokenizer_finish(&d, &pieces);
        else if (detokenizer_push(&d, ids->ids[i], &pieces, NULL))
            abort();
        if (!utf8_valid(span_sub(buf_view(&pieces), began, pieces.n - began)))
            abort();
    }
    if (!span_eq(buf_view(&whole), buf_view(&pieces)))
        abort();
    detokenizer_release(&d);
    buf_release(&whole);
    buf_release(&pieces);
}

static void check_encode(const struct tokenizer *t, struct span text, unsigned flags)
{
    size_t breaks[BREAKS_MAX];
    struct encode_options o = {.add_special = flags & 1, .parse_special = flags & 2};
    struct token_list ids = {0};
    if (flags & 4) {
        o.breaks = breaks;
        for (size_t i = 0; i < BREAKS_MAX; i++)
            breaks[o.n_breaks++] = text.n * i / BREAKS_MAX;
    }
    if (tokenizer_encode(t, text, &o, &ids, NULL))
        abort();
    for (size_t i = 0; i < ids.n; i++)
        if (ids.ids[i] < 0 || (size_t)ids.ids[i] >= tokenizer_size(t))
            abort();
    check_decode(t, &ids, true);
    check_decode(t, &ids, false);
    token_list_release(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const pres[] = {NULL,     "smollm",         "llama-bpe",    "qwen2",
                                       "gpt-4o", "deepseek-coder", "deepseek-llm", "falcon"};
    static struct span tokens[LINES_MAX];
    static struct span merges[LINES_MAX];
    static int32_t types[LINES_MAX];
    static float scores[LINES_MAX];
    struct tokenizer *t = NULL;
    struct err e = {""};
    if (size < 2)
        return 0;
    struct span rest = span_of(data + 2, size - 2);
    struct vocab v = {.kind = data[0] & 1 ? VOCAB_SPM : VOCAB_BPE,
                      .pre = pres[data[0] >> 1 & 7],
                      .tokens = tokens,
                      .types = types,
                      .scores = scores,
                      .merges = merges,
                      .bos = (int32_t)(data[1] & 3) - 1,
                      .eos = (int32_t)(data[1] >> 2 & 3) - 1,
                      .unk = (int32_t)(data[1] >> 4 & 3) - 1,
                      .add_bos = data[0] & 16,
                      .add_eos = data[0] & 32,
                      .add_space_prefix = data[0] & 64};
    v.n = take_lines(&rest, tokens);
    for (size_t i = 0; i < v.n; i++) {
        types[i] = (int32_t)(tokens[i].p[0] & 7);
        scores[i] = -(float)(tokens[i].p[0] >> 3);
        tokens[i] = span_sub(tokens[i], 1, tokens[i].n);
    }
    v.n_merges = take_lines(&rest, merges);
    if (tokenizer_open(&t, &v, &e)) {
        if (e.text[0] == '\0')
            abort();
        return 0;
    }
    for (unsigned flags = 0; flags < 8; flags++)
        check_encode(t, rest, flags);
    tokenizer_close(&t);
    return 0;
}
