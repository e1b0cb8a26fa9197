/* SPDX-License-Identifier: MIT */
#include "base/repeat.h"

#include "base/words.h"

#include <inttypes.h>
#include <stdio.h>

static uint64_t hash_of(const char *line)
{
    uint64_t h = 14695981039346656037U; /* FNV-1a */
    for (; *line; line++)
        h = (h ^ (uint8_t)*line) * 1099511628211U;
    return h;
}

static struct repeat_line *find(struct repeats *r, uint64_t hash)
{
    struct repeat_line *oldest = &r->line[0];
    for (unsigned i = 0; i < r->n; i++) {
        if (r->line[i].hash == hash)
            return &r->line[i];
        if (r->line[i].last_ns < oldest->last_ns)
            oldest = &r->line[i];
    }
    struct repeat_line *l = r->n < REPEAT_LINES ? &r->line[r->n++] : oldest;
    *l = (struct repeat_line){.hash = hash};
    return l;
}

bool repeats_due(struct repeats *r, const char *line, uint64_t now_ns, char note[REPEAT_NOTE_SIZE])
{
    static const uint64_t every_ns = (uint64_t)REPEAT_EVERY_S * 1000000000;
    struct repeat_line *l = find(r, hash_of(line));
    if (now_ns - l->last_ns >= every_ns)
        l->said = 0;
    l->last_ns = now_ns;
    note[0] = '\0';
    if (l->said >= REPEAT_FIRST && now_ns - l->said_ns < every_ns) {
        l->unsaid++;
        return false;
    }
    if (l->unsaid)
        snprintf(note, REPEAT_NOTE_SIZE, " (%" PRIu64 " %s more since this was said last)",
                 l->unsaid, plural(l->unsaid, "time", "times"));
    l->said++;
    l->said_ns = now_ns;
    l->unsaid = 0;
    return true;
}
