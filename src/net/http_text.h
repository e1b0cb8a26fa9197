/* SPDX-License-Identifier: MIT */
/* What stands in HTTP's headers and URLs, for http.c. Private to net/. */
#ifndef WATTLE_NET_HTTP_TEXT_H
#define WATTLE_NET_HTTP_TEXT_H

#include "net/http.h"

enum { ORIGIN_SIZE = 300 };

/* The value of a header in a block of lines; p == NULL: none. The first of several. */
struct span header_in(struct span block, const char *name);

/* "bytes 400-999/1000", "bytes 400-999/'*'": false if it is something else or contradicts itself.
 */
struct content_range {
    uint64_t first, last;
    bool has_total;
    uint64_t total;
};
bool content_range_parse(struct span value, struct content_range *out);

/* Seconds, or a date as HTTP writes them; false: neither. now_s since 1970. */
bool retry_after_parse(struct span value, uint64_t now_s, uint64_t *wait_ms);

/* "scheme://host:port", in lower case and with the port always. ERR_USAGE: no http or https URL. */
int url_origin(const char *url, char origin[ORIGIN_SIZE], struct err *e);
/* Where location, seen at base, leads. ERR_FORMAT: nowhere that is http or https. */
int url_join(const char *base, const char *location, struct buf *out, struct err *e);

#endif
