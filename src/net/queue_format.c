/* SPDX-License-Identifier: MIT */
/* Owns how records are told from damage: see queue_format.h.
 *
 * A record is good if its fields can be, its number is above all before it and its checksum is
 * right. After one that is not, each following byte is tried as the beginning of the next. */
#include "net/queue_format.h"

#include <stdio.h>
#include <string.h>

enum {
    TYPE_MESSAGE = 1,
    TYPE_MARK = 2,
    VERSION_AT = 7, /* in the magic */
    /* Bytes of checksums that may come out wrong, for one byte of the file: damage costs one or
     * two; more is somebody's lengths that all point far ahead. */
    WRONG_SUMS = 4,
};

const char queue_magic[QUEUE_MAGIC_SIZE + 1] = "WATTLEQ1";

uint32_t queue_crc_more(uint32_t crc, const void *p, size_t n)
{
    static const uint32_t of_nibble[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
                                           0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                           0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                           0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    const uint8_t *at = (const uint8_t *)p;
    for (size_t i = 0; i < n; i++) {
        crc = of_nibble[(crc ^ at[i]) & 15] ^ (crc >> 4);
        crc = of_nibble[(crc ^ (uint32_t)(at[i] >> 4)) & 15] ^ (crc >> 4);
    }
    return crc;
}

static uint64_t get(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static void put(uint8_t *p, int bytes, uint64_t v)
{
    for (int i = 0; i < bytes; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

void queue_write_head(uint8_t out[QUEUE_HEAD_SIZE], size_t size, uint32_t crc)
{
    put(out, 4, size);
    put(out + 4, 4, crc);
}

void queue_write_message(uint8_t out[QUEUE_MESSAGE_SIZE], uint64_t number, bool retain,
                         size_t topic_bytes)
{
    out[0] = TYPE_MESSAGE;
    put(out + 1, 8, number);
    out[9] = retain;
    put(out + 10, 2, topic_bytes);
}

void queue_write_mark(uint8_t out[QUEUE_MARK_SIZE], uint64_t below)
{
    out[0] = TYPE_MARK;
    put(out + 1, 8, below);
}

/* ---- reading ---- */

struct record {
    size_t size;     /* of all of it */
    uint64_t number; /* of a mark: below */
    bool is_mark, retain;
    struct span topic, payload;
};

struct walk {
    struct span bytes;
    size_t at;            /* behind the last good record */
    uint64_t seen, below; /* the highest number, the highest mark */
    uint64_t patience;    /* see WRONG_SUMS */
    bool gap;             /* damage since the last message */
    struct queue_loss loss;
};

/* Whether the fields can be a record's; its checksum is not looked at. */
static bool read_fields(const struct walk *w, size_t at, struct record *out)
{
    struct span rest = span_sub(w->bytes, at, w->bytes.n);
    if (rest.n < QUEUE_HEAD_SIZE)
        return false;
    uint64_t n = get(rest.p, 4);
    if (n < QUEUE_MARK_SIZE || n > QUEUE_BODY_MAX || n > rest.n - QUEUE_HEAD_SIZE)
        return false;
    const uint8_t *body = rest.p + QUEUE_HEAD_SIZE;
    *out = (struct record){.size = QUEUE_HEAD_SIZE + (size_t)n,
                           .number = get(body + 1, 8),
                           .is_mark = body[0] == TYPE_MARK};
    if (out->is_mark)
        return n == QUEUE_MARK_SIZE;
    if (body[0] != TYPE_MESSAGE || n < QUEUE_MESSAGE_SIZE || body[9] > 1 || out->number <= w->seen)
        return false;
    size_t topic = (size_t)get(body + 10, 2);
    if (topic == 0 || topic > n - QUEUE_MESSAGE_SIZE)
        return false;
    out->retain = body[9] == 1;
    out->topic = span_of(body + QUEUE_MESSAGE_SIZE, topic);
    out->payload =
        span_of(body + QUEUE_MESSAGE_SIZE + topic, (size_t)n - QUEUE_MESSAGE_SIZE - topic);
    return true;
}

static bool is_topic(struct span s)
{
    return utf8_valid(s) && !span_find(s, 0) && !span_find(s, '+') && !span_find(s, '#');
}

static bool read_record(struct walk *w, size_t at, struct record *out)
{
    if (!read_fields(w, at, out))
        return false;
    const uint8_t *head = w->bytes.p + at;
    size_t n = out->size - QUEUE_HEAD_SIZE;
    if (n > w->patience)
        return false;
    uint32_t crc = queue_crc_more(UINT32_MAX, head + QUEUE_HEAD_SIZE, n) ^ UINT32_MAX;
    if (crc == (uint32_t)get(head + 4, 4) && (out->is_mark || is_topic(out->topic)))
        return true;
    w->patience -= n;
    return false;
}

static void note_gap(struct walk *w, size_t to)
{
    w->loss.skipped += to - w->at;
    w->loss.places++;
    w->gap = true;
}

/* Numbers that stand on neither side of the damage were in it, unless they were done with. Where
 * nothing stood before it, it is not known from where they count. */
static void note_missing(struct walk *w, uint64_t number)
{
    uint64_t expected = w->seen + 1 > w->below ? w->seen + 1 : w->below;
    if (w->gap && (w->seen || w->below) && number > expected)
        w->loss.messages += number - expected;
    w->gap = false;
}

static bool next_record(struct walk *w, struct record *r)
{
    size_t at = w->at;
    while (at < w->bytes.n && !read_record(w, at, r))
        at++;
    if (at == w->bytes.n) {
        w->loss.torn = at - w->at;
        return false;
    }
    if (at > w->at)
        note_gap(w, at);
    w->at = at + r->size;
    if (r->is_mark) {
        w->below = r->number > w->below ? r->number : w->below;
        return true;
    }
    note_missing(w, r->number);
    w->seen = r->number;
    return true;
}

static bool is_ours(struct span bytes)
{
    return bytes.n >= QUEUE_MAGIC_SIZE && memcmp(bytes.p, queue_magic, QUEUE_MAGIC_SIZE) == 0;
}

static struct walk begin(struct span bytes)
{
    struct walk w = {.bytes = bytes, .at = is_ours(bytes) ? QUEUE_MAGIC_SIZE : 0};
    if (!u64_mul(bytes.n, WRONG_SUMS, &w.patience))
        w.patience = UINT64_MAX;
    return w;
}

static void call_each(struct span bytes, uint64_t from, queue_each *each, void *ctx)
{
    char topic[UINT16_MAX + 1];
    struct walk w = begin(bytes);
    struct record r;
    while (next_record(&w, &r)) {
        if (r.is_mark || r.number < from)
            continue;
        snprintf(topic, sizeof topic, "%.*s", SPAN_FMT(r.topic));
        each(ctx, r.number, topic, r.payload, r.retain);
    }
}

void queue_parse(struct span bytes, queue_each *each, void *ctx, struct queue_found *out)
{
    struct walk w = begin(bytes);
    struct record r;
    *out = (struct queue_found){0};
    if (!is_ours(bytes)) {
        if (bytes.n >= QUEUE_MAGIC_SIZE && memcmp(bytes.p, queue_magic, VERSION_AT) == 0)
            return; /* of another version */
        if (!next_record(&w, &r))
            return;
        w.loss.places = 1; /* the beginning */
    }
    while (next_record(&w, &r))
        continue;
    *out = (struct queue_found){w.at, w.seen > w.below ? w.seen : w.below, w.loss};
    if (each)
        call_each(bytes, w.below, each, ctx);
}
