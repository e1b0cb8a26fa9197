/* SPDX-License-Identifier: MIT */
/* What a broker's reason codes mean, and what follows from them. Private to net/. */
#ifndef WATTLE_NET_REASON_H
#define WATTLE_NET_REASON_H

#include "base/base.h"

/* Codes of MQTT 5 (OASIS, 2.4); those of a 3.1.1 CONNACK (3.2.2.3) are turned into them first. */
int reason_of_connack(int code, bool version_5);
const char *reason_text(int code);
/* CONNACK, DISCONNECT: trying again will not help until somebody changes something. */
bool reason_is_lasting(int code);
/* PUBACK: a limit that may pass; every other refusal is of that message for good. */
bool reason_is_passing_limit(int code);

enum {
    REASON_UNSUPPORTED_VERSION = 0x84,
    REASON_TAKEN_OVER = 0x8e,
    REASON_PACKET_TOO_LARGE = 0x95,
    REASON_REFUSED = 0x80, /* from here on a code is a refusal */
};

#endif
