/* SPDX-License-Identifier: MIT */
/* The file in which messages wait while the broker is away. Private to net/.
 * Its bytes: queue_format.h. One process has the file, by flock(2). */
#ifndef WATTLE_NET_QUEUE_DISK_H
#define WATTLE_NET_QUEUE_DISK_H

#include "net/queue_format.h"

struct queue_disk;

bool queue_disk_exists(const char *folder, const char *name);
/* Makes the folder and the file, or goes on with it: then each is called. *loss: what of it could
 * not be read, and is not in it any more. ERR_IO: it cannot be made, read, or another process has
 * it; ERR_FORMAT: not ours, left alone. */
int queue_disk_open(struct queue_disk **out, const char *folder, const char *name, queue_each *each,
                    void *ctx, struct queue_loss *loss, struct err *e);
/* ERR_IO (disk full and the like): the file is as before. */
int queue_disk_add(struct queue_disk *q, const char *topic, struct span payload, bool retain,
                   uint64_t *number, struct err *e);
int queue_disk_mark(struct queue_disk *q, uint64_t below, struct err *e);
int queue_disk_empty(struct queue_disk *q, struct err *e); /* all of it is done with */
uint64_t queue_disk_bytes(const struct queue_disk *q);
int queue_disk_fd(const struct queue_disk *q);
const char *queue_disk_path(const struct queue_disk *q);
/* A fresh file takes the old one's place: what is to be in it is copied between the two, with its
 * numbers. A begin without end is undone by queue_disk_rewrite_abandon. */
int queue_disk_rewrite_begin(struct queue_disk *q, struct err *e);
int queue_disk_copy(struct queue_disk *q, const char *topic, struct span payload, bool retain,
                    uint64_t number, struct err *e);
int queue_disk_rewrite_end(struct queue_disk *q, struct err *e);
void queue_disk_rewrite_abandon(struct queue_disk *q);
/* An empty file is removed; one with messages is synced. */
void queue_disk_close(struct queue_disk **q);

#endif
