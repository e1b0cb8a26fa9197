/* SPDX-License-Identifier: MIT */
/* Lines of the log that can come again and again, because somebody outside decides how often: said
 * the first few times, and then once in a while with their number. */
#ifndef WATTLE_BASE_REPEAT_H
#define WATTLE_BASE_REPEAT_H

#include <stdbool.h>
#include <stdint.h>

enum {
    REPEAT_FIRST = 3,     /* so often a line is said at once; … */
    REPEAT_EVERY_S = 300, /* … then once in so long. After as long without it, it is news again. */
    REPEAT_LINES = 8,     /* are told apart; of more, the one that is longest ago is forgotten */
    REPEAT_NOTE_SIZE = 64,
};

struct repeat_line {
    uint64_t hash;
    uint64_t said_ns, last_ns;
    uint64_t said, unsaid;
};

/* Zeroed: nothing came yet. Not for two threads at once. */
struct repeats {
    struct repeat_line line[REPEAT_LINES];
    unsigned n;
};

/* Whether a line that came now (clock_mono_ns) is to be said. line: what makes it the same, its
 * reason for example. note: to be put behind it, "" or " (N times more since this was said last)".
 */
bool repeats_due(struct repeats *r, const char *line, uint64_t now_ns, char note[REPEAT_NOTE_SIZE]);

#endif
