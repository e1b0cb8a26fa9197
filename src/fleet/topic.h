/* SPDX-License-Identifier: MIT */
/* The topics of a fleet: PREFIX/KIND/DEVICE_ID, and below that /summary for metrics. Everything
 * that publishes, subscribes or tells topics apart does it through here. */
#ifndef WATTLE_FLEET_TOPIC_H
#define WATTLE_FLEET_TOPIC_H

#include "base/base.h"

enum {
    TOPIC_PREFIX_MAX = 1024,
    TOPIC_SIZE = TOPIC_PREFIX_MAX + 256, /* prefix, kind, DEVICE_ID_MAX bytes, suffix, NUL */
};

/* MQTT_TOPIC_PREFIX: 1 to TOPIC_PREFIX_MAX bytes of UTF-8 without control characters and wildcards,
 * no slash at either end, no '$' at the beginning (such topics are the broker's own). ERR_USAGE. */
int topic_prefix_check(const char *prefix, struct err *e);

/* "iot", "metrics", "d1", "/summary" -> "iot/metrics/d1/summary"; id and suffix may be "". */
void topic_write(char out[TOPIC_SIZE], const char *prefix, const char *kind, const char *id,
                 const char *suffix);

/* Takes a topic of ours apart: false if it is not PREFIX/KIND/ID… with a kind and an id. The views
 * lie in topic. */
struct topic_parts {
    struct span kind, id, suffix; /* suffix: "" or "/summary" and the like */
};
bool topic_split(struct topic_parts *out, const char *topic, const char *prefix);

#endif
