/* SPDX-License-Identifier: MIT */
/* Source: proc_pid_statm(5): "size resident shared text lib data dt", in pages. */
#include "meter/probes.h"
#include "meter/sysfile.h"

#include <stdlib.h>
#include <unistd.h>

int memory_open(struct memory_probe *p, const char *root, struct err *e)
{
    struct memory_now now;
    p->path = sysfile_path("%s/proc/self/statm", root);
    if (!p->path)
        return err_set(e, ERR_NOMEM, "no memory for the meter");
    memory_read(p, &now);
    if (now.rss_bytes > 0)
        return 0;
    /* A made-up machine without a /proc: this process is real all the same. */
    free(p->path);
    p->path = sysfile_path("/proc/self/statm");
    return p->path ? 0 : err_set(e, ERR_NOMEM, "no memory for the meter");
}

void memory_close(struct memory_probe *p)
{
    free(p->path);
    p->path = NULL;
}

/* The next number of a text of numbers and blanks. */
static bool next_number(const char **text, uint64_t *out)
{
    const char *s = *text + strspn(*text, " ");
    size_t n = strcspn(s, " ");
    *text = s + n;
    return num_parse_u64(span_of(s, n), out);
}

void memory_read(const struct memory_probe *p, struct memory_now *out)
{
    char text[256];
    uint64_t size, resident, shared;
    *out = (struct memory_now){0};
    if (sysfile_text(p->path, text, sizeof text) != 0)
        return;
    const char *at = text;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    if (!next_number(&at, &size) || !next_number(&at, &resident) || !next_number(&at, &shared) ||
        !u64_mul(resident, page, &resident) || !u64_mul(shared, page, &shared))
        return;
    /* The counters are not read at one moment. */
    if (shared > resident)
        shared = resident;
    *out = (struct memory_now){resident, resident - shared, shared};
}
