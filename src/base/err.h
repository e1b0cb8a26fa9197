/* SPDX-License-Identifier: MIT */
/* One line that says what is wrong, where, and what was expected; and the codes that go with it. */
#ifndef WATTLE_BASE_ERR_H
#define WATTLE_BASE_ERR_H

#include <stddef.h>

/* Every function that can fail returns 0 or one of these. <wattle.h> gives the same numbers to
 * users as WATTLE_E…; engine/ asserts that they agree. */
enum {
    ERR_NOMEM = -1,       /* an allocation failed */
    ERR_IO = -2,          /* the operating system refused: open, read, write, connect */
    ERR_FORMAT = -3,      /* bytes from outside are not what they claim to be */
    ERR_UNSUPPORTED = -4, /* well-formed, but not something that we can do */
    ERR_RANGE = -5,       /* a value outside of its range */
    ERR_USAGE = -6,       /* wrong flag, setting or call */
    ERR_CANCELLED = -7,   /* the caller asked to stop */
    ERR_NOTFOUND = -8,    /* no such file, key, model */
    ERR_LIMIT = -9,       /* a bound given at birth would be passed */
};

/* text is always NUL-terminated, one line, without "Error:" and without a final newline. */
struct err {
    char text[512];
};

/* Fills e (NULL is fine) and returns code. A text that is too long is cut at a UTF-8 border and
 * ends in "…". Control characters and invalid UTF-8 in it are written as \xNN, so that hostile
 * input can be quoted. Any thread, each with its own e. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "PREFIX: " before the text that e holds already; returns code. */
int err_wrap(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* err_set with ": strerror(errnum)" behind; code is ERR_IO (ERR_NOTFOUND for ENOENT, ERR_NOMEM for
 * ENOMEM). */
int err_errno(struct err *e, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
