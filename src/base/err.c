/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char ELLIPSIS[] = "…";

/* Copies s into out with everything that could break a line or a terminal escaped, cut to fit. */
static void clean_copy(char *out, size_t size, const char *s, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    size_t used = 0;
    size_t room = size - sizeof ELLIPSIS; /* keeps space for "…" and the NUL */
    while (n > 0) {
        uint32_t cp = 0;
        size_t len = utf8_decode(span_of(s, n), &cp);
        bool plain = len > 0 && cp >= 0x20 && cp != 0x7f && !(cp >= 0x80 && cp < 0xa0);
        size_t take = len > 0 ? len : 1;
        size_t need = plain ? take : 4 * take;
        if (used + need > room) {
            memcpy(out + used, ELLIPSIS, sizeof ELLIPSIS);
            return;
        }
        for (size_t i = 0; i < take; i++) {
            if (plain) {
                out[used++] = s[i];
                continue;
            }
            out[used++] = '\\';
            out[used++] = 'x';
            out[used++] = hex[(unsigned char)s[i] >> 4];
            out[used++] = hex[(unsigned char)s[i] & 15];
        }
        s += take;
        n -= take;
    }
    out[used] = '\0';
}

/* Longer than any text, so that the cut happens in clean_copy, which marks it. */
enum { RAW_SIZE = 2048 };

int err_set(struct err *e, int code, const char *fmt, ...)
{
    if (e) {
        char raw[RAW_SIZE];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(raw, sizeof raw, fmt, ap);
        va_end(ap);
        clean_copy(e->text, sizeof e->text, raw, strlen(raw));
    }
    return code;
}

int err_wrap(struct err *e, int code, const char *fmt, ...)
{
    if (e) {
        char raw[RAW_SIZE];
        va_list ap;
        va_start(ap, fmt);
        int n = vsnprintf(raw, sizeof raw, fmt, ap);
        va_end(ap);
        size_t used = n < 0 ? 0 : (size_t)n < sizeof raw ? (size_t)n : sizeof raw - 1;
        snprintf(raw + used, sizeof raw - used, ": %s", e->text);
        clean_copy(e->text, sizeof e->text, raw, strlen(raw));
    }
    return code;
}

int err_errno(struct err *e, int errnum, const char *fmt, ...)
{
    if (e) {
        char raw[RAW_SIZE];
        char why[128];
        va_list ap;
        va_start(ap, fmt);
        int n = vsnprintf(raw, sizeof raw, fmt, ap);
        va_end(ap);
        size_t used = n < 0 ? 0 : (size_t)n < sizeof raw ? (size_t)n : sizeof raw - 1;
        snprintf(raw + used, sizeof raw - used, ": %s", strerror_r(errnum, why, sizeof why));
        clean_copy(e->text, sizeof e->text, raw, strlen(raw));
    }
    return errnum == ENOENT ? ERR_NOTFOUND : errnum == ENOMEM ? ERR_NOMEM : ERR_IO;
}
