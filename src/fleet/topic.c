/* SPDX-License-Identifier: MIT */
/* Owns the layout of our topics: see topic.h. */
#include "fleet/topic.h"

#include <stdio.h>
#include <string.h>

int topic_prefix_check(const char *prefix, struct err *e)
{
    struct span s = span_str(prefix);
    const char *wrong = NULL;
    if (s.n == 0 || s.n > TOPIC_PREFIX_MAX)
        return err_set(e, ERR_USAGE, "MQTT_TOPIC_PREFIX: %zu bytes, expected 1 to %d", s.n,
                       TOPIC_PREFIX_MAX);
    if (!utf8_valid(s))
        wrong = "is no UTF-8";
    else if (strpbrk(prefix, "+#"))
        wrong = "has a wildcard, '+' or '#'";
    else if (prefix[0] == '/' || prefix[s.n - 1] == '/')
        wrong = "begins or ends with '/'";
    else if (prefix[0] == '$')
        wrong = "begins with '$', as the broker's own topics do";
    while (!wrong && s.n) {
        uint32_t cp = 0;
        size_t n = utf8_decode(s, &cp);
        if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
            wrong = "has a control character";
        s = span_sub(s, n, s.n);
    }
    return wrong ? err_set(e, ERR_USAGE,
                           "MQTT_TOPIC_PREFIX '%s': %s, expected the beginning of a topic such as "
                           "iot or site/3",
                           prefix, wrong)
                 : 0;
}

void topic_write(char out[TOPIC_SIZE], const char *prefix, const char *kind, const char *id,
                 const char *suffix)
{
    snprintf(out, TOPIC_SIZE, "%s/%s%s%s%s", prefix, kind, id[0] ? "/" : "", id, suffix);
}

bool topic_split(struct topic_parts *out, const char *topic, const char *prefix)
{
    size_t n = strlen(prefix);
    if (strncmp(topic, prefix, n) != 0 || topic[n] != '/')
        return false;
    const char *kind = topic + n + 1, *slash = strchr(kind, '/');
    if (!slash || slash == kind || !slash[1] || slash[1] == '/')
        return false;
    const char *id = slash + 1;
    size_t id_n = strcspn(id, "/");
    *out = (struct topic_parts){span_of(kind, (size_t)(slash - kind)), span_of(id, id_n),
                                span_str(id + id_n)};
    return true;
}
