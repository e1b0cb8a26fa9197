/* SPDX-License-Identifier: MIT */
/* Owns the words for the reason codes of MQTT 5 (OASIS standard, table 2-6). */
#include "net/reason.h"

struct reason {
    int code;
    const char *text;
    bool lasting;
};

static const struct reason reasons[] = {
    {0x80, "it gives no reason", false},
    {0x81, "it cannot read what we sent", false},
    {0x82, "it sees a protocol error", false},
    {0x83, "a reason of its own", false},
    {REASON_UNSUPPORTED_VERSION, "it does not speak this version of MQTT", true},
    {0x85, "the client id is not accepted", true},
    {0x86, "wrong user name or password", true},
    {0x87, "not authorized", true},
    {0x88, "it is not available now", false},
    {0x89, "it is busy", false},
    {0x8a, "this client is banned", true},
    {0x8b, "it is shutting down", false},
    {0x8c, "it wants another way of authentication", true},
    {0x8d, "it heard nothing for too long", false},
    {REASON_TAKEN_OVER, "another client with the same id took the session over", false},
    {0x8f, "it does not accept the topic filter", true},
    {0x90, "it does not accept the topic", true},
    {0x91, "the packet number is in use", false},
    {0x92, "the packet number is unknown", false},
    {0x93, "more messages were on their way than it takes", false},
    {0x94, "the topic alias is not valid", false},
    {REASON_PACKET_TOO_LARGE, "the packet is too large for it", true},
    {0x96, "messages come too fast for it", false},
    {0x97, "a quota is exceeded", false},
    {0x98, "its administrator ended it", false},
    {0x99, "it does not accept the payload's format", true},
    {0x9a, "it keeps no retained messages", true},
    {0x9b, "it does not take QoS 1", true},
    {0x9c, "another server is to be used for now", false},
    {0x9d, "it has moved to another server", true},
    {0x9e, "it has no shared subscriptions", true},
    {0x9f, "connections come too fast for it", false},
    {0xa0, "the longest time to be connected is over", false},
    {0xa1, "it has no subscription identifiers", true},
    {0xa2, "it has no wildcard subscriptions", true},
};

static const struct reason *find(int code)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (reasons[i].code == code)
            return &reasons[i];
    }
    return &reasons[0];
}

int reason_of_connack(int code, bool version_5)
{
    static const int of_311[] = {0, REASON_UNSUPPORTED_VERSION, 0x85, 0x88, 0x86, 0x87};
    if (code >= REASON_REFUSED || version_5)
        return code;
    return code >= 0 && code < (int)(sizeof of_311 / sizeof *of_311) ? of_311[code]
                                                                     : REASON_REFUSED;
}

const char *reason_text(int code)
{
    return find(code)->text;
}

bool reason_is_lasting(int code)
{
    return find(code)->lasting;
}

bool reason_is_passing_limit(int code)
{
    return code == 0x97 || code == 0x96 || code == 0x89 || code == 0x91;
}
