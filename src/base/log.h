/* SPDX-License-Identifier: MIT */
/* The one log sink of the process. The library half logs through it and never prints; without a
 * sink nothing is written. Any thread: the sink is called with a lock held, one whole line at a
 * time. */
#ifndef WATTLE_BASE_LOG_H
#define WATTLE_BASE_LOG_H

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

/* line: one line of valid UTF-8 without newline; control characters are escaped as \xNN. */
typedef void (*log_sink_fn)(void *ctx, enum log_level level, const char *line);

/* Set once at start, before threads; lines below threshold are not even formatted. */
void log_set_sink(log_sink_fn fn, void *ctx, enum log_level threshold);

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
