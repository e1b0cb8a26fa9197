/* SPDX-License-Identifier: MIT */
/* cpu.stat of our cgroup and of those above it.
 * Source: Linux Documentation/admin-guide/cgroup-v2.rst, scheduler/sched-bwc.rst (v1). */
#include "meter/probes.h"
#include "meter/sysfile.h"

#include <stdio.h>
#include <stdlib.h>

/* The value of the line "NAME VALUE". */
static bool find_field(const char *text, const char *name, uint64_t *out)
{
    size_t n = strlen(name);
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        if (length > n && strncmp(line, name, n) == 0 && line[n] == ' ')
            return num_parse_u64(span_of(line + n + 1, length - n - 1), out);
        line += length + (line[length] == '\n');
    }
    return false;
}

static bool read_level(const char *path, bool in_ns, double *ms)
{
    char text[SYSFILE_TEXT];
    uint64_t v;
    if (sysfile_text(path, text, sizeof text) != 0 ||
        !find_field(text, in_ns ? "throttled_time" : "throttled_usec", &v))
        return false;
    *ms = (double)v / (in_ns ? 1e6 : 1e3);
    return true;
}

/* Every level from mount/path up to mount. A container may see its own cgroup as the mount while
 * /proc/self/cgroup has the host's path: levels that are not there are left out. */
static void add_levels(struct throttle_probe *p, const char *mount, const char *path, bool in_ns)
{
    size_t n = strlen(path);
    while (n > 0 && path[n - 1] == '/')
        n--;
    for (;;) {
        double ms;
        char *file = sysfile_path("%s%.*s/cpu.stat", mount, (int)n, path);
        if (file && p->n < THROTTLE_LEVELS && read_level(file, in_ns, &ms))
            p->levels[p->n++] = (struct throttle_level){file, in_ns, ms};
        else
            free(file);
        if (n == 0)
            return;
        while (n > 0 && path[n - 1] != '/')
            n--;
        n -= n > 0;
    }
}

static bool has_cpu(const char *controllers)
{
    for (const char *word = controllers; *word;) {
        size_t n = strcspn(word, ",");
        if (n == 3 && strncmp(word, "cpu", 3) == 0)
            return true;
        word += n + (word[n] == ',');
    }
    return false;
}

/* "0::/path" is v2, "4:cpu,cpuacct:/path" v1. */
static void add_line(struct throttle_probe *p, const char *root, char *line)
{
    static const char *const mounts[][2] = {{"/cpu", "/cpu,cpuacct"}, {"", "/unified"}};
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path)
        return;
    *path++ = '\0';
    controllers++;
    bool is_v2 = controllers[0] == '\0';
    if (!is_v2 && !has_cpu(controllers))
        return;
    for (size_t i = 0; i < 2; i++) {
        char *mount = sysfile_path("%s/sys/fs/cgroup%s", root, mounts[is_v2][i]);
        int before = p->n;
        if (mount)
            add_levels(p, mount, path, !is_v2);
        free(mount);
        /* "cpu" is often a link to "cpu,cpuacct": the same levels again. */
        if (p->n > before)
            return;
    }
}

void throttle_open(struct throttle_probe *p, const char *root)
{
    char text[SYSFILE_TEXT];
    *p = (struct throttle_probe){0};
    char *path = sysfile_path("%s/proc/self/cgroup", root);
    if (path && sysfile_text(path, text, sizeof text) == 0) {
        for (char *line = text; *line;) {
            size_t n = strcspn(line, "\n");
            char *next = line + n + (line[n] == '\n');
            line[n] = '\0';
            add_line(p, root, line);
            line = next;
        }
    }
    free(path);
}

void throttle_close(struct throttle_probe *p)
{
    for (int i = 0; i < p->n; i++)
        free(p->levels[i].path);
    p->n = 0;
}

void throttle_begin(struct throttle_probe *p)
{
    for (int i = 0; i < p->n; i++) {
        struct throttle_level *l = &p->levels[i];
        (void)read_level(l->path, l->in_ns, &l->begin_ms);
    }
}

double throttle_end(const struct throttle_probe *p)
{
    double most = 0, ms;
    for (int i = 0; i < p->n; i++) {
        const struct throttle_level *l = &p->levels[i];
        if (read_level(l->path, l->in_ns, &ms) && ms - l->begin_ms > most)
            most = ms - l->begin_ms;
    }
    return most;
}
