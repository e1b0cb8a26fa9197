/* SPDX-License-Identifier: MIT */
/* name: safe names on disk for what users call their devices (metrics.h has the rule). */
#include "metrics/name.h"

#include "base/base.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { HASH_SUFFIX = 10 }; /* "-x" and 8 digits */

/* FNV-1a (Fowler, Noll, Vo), 64 bits folded to 32: the same on every machine and in every version.
 */
static uint32_t hash_of(const char *s)
{
    uint64_t h = 14695981039346656037u;
    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * 1099511628211u;
    return (uint32_t)(h ^ h >> 32);
}

/* A raw name that looks as if it had a hash must get one, or it could be another's result. */
static bool ends_like_hash(const char *s)
{
    size_t n = strlen(s);
    return n >= HASH_SUFFIX && memcmp(s + n - HASH_SUFFIX, "-x", 2) == 0 &&
           strspn(s + n - HASH_SUFFIX + 2, "0123456789abcdef") == HASH_SUFFIX - 2;
}

/* Cuts to at most SAFE_NAME_MAX bytes, at the end of a character. */
static void shorten(char *s)
{
    size_t n = strlen(s);
    if (n <= SAFE_NAME_MAX)
        return;
    n = SAFE_NAME_MAX;
    n -= utf8_incomplete_tail(span_of(s, n));
    s[n] = '\0';
}

/* like: the raw name after the changes that don't count as such. */
static char *safe_name(const char *raw, const char *like)
{
    char *safe = file_safe_name(like);
    if (!safe)
        return NULL;
    shorten(safe);
    if (strcmp(safe, like) == 0 && !ends_like_hash(like))
        return safe;
    char *hashed = malloc(SAFE_NAME_SIZE);
    if (hashed)
        snprintf(hashed, SAFE_NAME_SIZE, "%s-x%08" PRIx32, safe, hash_of(raw));
    free(safe);
    return hashed;
}

char *name_of_device(const char *raw)
{
    return safe_name(raw, raw);
}

char *name_of_id(const char *raw)
{
    char *like = strdup(raw);
    if (!like)
        return NULL;
    for (char *p = like; *p; p++)
        if (*p == ':')
            *p = '-';
    char *safe = safe_name(raw, like);
    free(like);
    return safe;
}
