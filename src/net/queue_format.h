/* SPDX-License-Identifier: MIT */
/* The bytes of the file in which messages wait. Private to net/: queue_disk.c has the file.
 *
 * Format, little-endian: "WATTLEQ1"; then records: u32 size of the body, u32 CRC-32 of the body
 * (IEEE 802.3), the body. Body of a message: 1, u64 number (rising), u8 retain, u16 size of the
 * topic, topic, payload. Body of a mark: 2, u64 below: every message with a lower number is done
 * with. Records are only appended. One that is damaged is skipped with what cannot be read behind
 * it, up to the next good one. */
#ifndef WATTLE_NET_QUEUE_FORMAT_H
#define WATTLE_NET_QUEUE_FORMAT_H

#include "base/base.h"

enum {
    QUEUE_BODY_MAX = (64 << 20) + 65536 + 16,
    QUEUE_HEAD_SIZE = 8,     /* of a record: size, checksum */
    QUEUE_MESSAGE_SIZE = 12, /* of a message's body before the topic */
    QUEUE_MARK_SIZE = 9,
    QUEUE_MAGIC_SIZE = 8,
};
extern const char queue_magic[QUEUE_MAGIC_SIZE + 1];

/* What of a file could not be read. */
struct queue_loss {
    uint64_t torn;     /* bytes at its end */
    uint64_t skipped;  /* bytes before that, … */
    uint64_t places;   /* … in so many places; … */
    uint64_t messages; /* … by the numbers around them so many messages, at the least */
};

struct queue_found {
    size_t whole;  /* bytes up to the end of the last good record; 0: not a file of ours */
    uint64_t last; /* the highest number */
    struct queue_loss loss;
};

/* The views are valid during the call. */
typedef void queue_each(void *ctx, uint64_t number, const char *topic, struct span payload,
                        bool retain);

/* What a file's bytes hold: each (or NULL) is called for messages that are not done with, in order.
 * A file whose beginning alone is damaged is ours if a good record stands behind it. For hostile
 * bytes: the time is a small multiple of their number. */
void queue_parse(struct span bytes, queue_each *each, void *ctx, struct queue_found *out);

/* A body's checksum over its parts: begin with UINT32_MAX, and turn over all bits at the end. */
uint32_t queue_crc_more(uint32_t crc, const void *p, size_t n);

/* The bodies' beginnings. */
void queue_write_head(uint8_t out[QUEUE_HEAD_SIZE], size_t size, uint32_t crc);
void queue_write_message(uint8_t out[QUEUE_MESSAGE_SIZE], uint64_t number, bool retain,
                         size_t topic_bytes);
void queue_write_mark(uint8_t out[QUEUE_MARK_SIZE], uint64_t below);

#endif
