/* SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "base/err.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

/* The log sink is one of the two mutable globals that the style allows. sink_lock guards all four.
 */
static pthread_mutex_t sink_lock = PTHREAD_MUTEX_INITIALIZER;
static log_sink_fn sink_fn;
static void *sink_ctx;
static enum log_level sink_threshold;

void log_set_sink(log_sink_fn fn, void *ctx, enum log_level threshold)
{
    pthread_mutex_lock(&sink_lock);
    sink_fn = fn;
    sink_ctx = ctx;
    sink_threshold = threshold;
    pthread_mutex_unlock(&sink_lock);
}

void log_line(enum log_level level, const char *fmt, ...)
{
    pthread_mutex_lock(&sink_lock);
    if (sink_fn && level >= sink_threshold) {
        char raw[2048];
        struct err line;
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(raw, sizeof raw, fmt, ap);
        va_end(ap);
        err_set(&line, 0, "%s", raw); /* escapes what could forge a line, cuts what is too long */
        sink_fn(sink_ctx, level, line.text);
    }
    pthread_mutex_unlock(&sink_lock);
}
