/* SPDX-License-Identifier: MIT */
/* Owns what the machine says of itself and of its load. Formats: proc(5) for cpuinfo, meminfo and
 * stat; Linux Documentation/devicetree for the board's name. */
#include "meter/machine.h"

#include "meter/sysfile.h"

#include <math.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { CPUINFO_MAX = 1 << 20 };

static char *path_below(const char *sysroot, const char *file)
{
    size_t n = strlen(sysroot);
    while (n > 0 && sysroot[n - 1] == '/')
        n--;
    return sysfile_path("%.*s/%s", (int)n, sysroot, file);
}

static bool read_below(const char *sysroot, const char *file, struct buf *out)
{
    char *path = path_below(sysroot, file);
    bool read = path && file_read(path, out, NULL) == 0;
    free(path);
    return read;
}

/* The text behind "key…:" at the beginning of a line, to its end without blanks; empty: absent. */
static struct span value_of(struct span text, const char *key)
{
    size_t n = strlen(key);
    for (size_t at = 0; at < text.n;) {
        struct span line = span_sub(text, at, text.n);
        const uint8_t *end = span_find(line, '\n');
        line.n = end ? (size_t)(end - line.p) : line.n;
        at += line.n + 1;
        const uint8_t *colon = span_find(line, ':');
        if (!colon || line.n < n || memcmp(line.p, key, n) != 0)
            continue;
        size_t i = (size_t)(colon - line.p) + 1;
        while (i < line.n && (line.p[i] == ' ' || line.p[i] == '\t'))
            i++;
        return span_sub(line, i, line.n);
    }
    return span_of(NULL, 0);
}

/* meminfo's values are "123 kB". */
static uint64_t kilobytes_of(struct span meminfo, const char *key)
{
    struct span v = value_of(meminfo, key);
    uint64_t kb = 0;
    const uint8_t *blank = span_find(v, ' ');
    return num_parse_u64(span_sub(v, 0, blank ? (size_t)(blank - v.p) : v.n), &kb) ? kb : 0;
}

/* A board says its name in the device tree (ending in NUL), a PC's processor in cpuinfo. */
static void describe_processor(struct buf *out, const char *sysroot)
{
    struct buf text;
    buf_init(&text, CPUINFO_MAX);
    if (read_below(sysroot, "proc/device-tree/model", &text) && text.n > 0) {
        buf_printf(out, "%.*s", (int)strnlen(text.p, text.n < 200 ? text.n : 200), text.p);
    } else {
        buf_clear(&text);
        struct span name = {NULL, 0};
        if (read_below(sysroot, "proc/cpuinfo", &text))
            name = value_of(buf_view(&text), "model name");
        if (name.n == 0)
            name = span_str("unknown processor");
        buf_printf(out, "%.*s", SPAN_FMT(name));
    }
    buf_release(&text);
}

void machine_describe(struct buf *out, const char *sysroot)
{
    struct cpu_limits cpus;
    struct utsname names;
    struct buf meminfo;
    cpu_limits_read(&cpus, sysroot);
    describe_processor(out, sysroot);
    buf_printf(out, ", %.4g processor%s", cpus.usable, fabs(cpus.usable - 1) < 1e-9 ? "" : "s");
    if (cpus.quota > 0)
        buf_printf(out, " by quota");
    buf_init(&meminfo, CPUINFO_MAX);
    uint64_t kb = read_below(sysroot, "proc/meminfo", &meminfo)
                      ? kilobytes_of(buf_view(&meminfo), "MemTotal")
                      : 0;
    if (kb)
        buf_printf(out, ", %.1f GiB of memory", (double)kb / (1 << 20));
    if (cpus.memory_bytes)
        buf_printf(out, " (%.1f GiB allowed)", (double)cpus.memory_bytes / (1 << 30));
    if (uname(&names) == 0)
        buf_printf(out, ", %s %s %s", names.sysname, names.release, names.machine);
    buf_release(&meminfo);
}

uint64_t machine_memory_available(const char *sysroot)
{
    struct cpu_limits cpus;
    struct buf meminfo;
    buf_init(&meminfo, CPUINFO_MAX);
    uint64_t bytes = read_below(sysroot, "proc/meminfo", &meminfo)
                         ? kilobytes_of(buf_view(&meminfo), "MemAvailable") * 1024
                         : 0;
    buf_release(&meminfo);
    cpu_limits_read(&cpus, sysroot);
    /* What of the limit is used already is little before any model is open. */
    if (cpus.memory_bytes && (bytes == 0 || cpus.memory_bytes < bytes))
        bytes = cpus.memory_bytes;
    return bytes;
}

/* ---- load ---- */

/* The first line: "cpu  user nice system idle iowait irq softirq steal …"; guests' time is part of
 * user and nice. */
static bool read_ticks(const struct load_probe *p, struct load_probe *out)
{
    enum { IDLE = 3, IOWAIT = 4, STEAL = 7, FIELDS = 8 };
    struct buf text;
    uint64_t v[FIELDS];
    size_t n = 0;
    bool read = false;
    buf_init(&text, CPUINFO_MAX * 4);
    if (!p->path || file_read(p->path, &text, NULL) != 0 || text.n < 4 ||
        memcmp(text.p, "cpu ", 4) != 0)
        goto done;
    struct span line = span_sub(buf_view(&text), 4, text.n);
    const uint8_t *end = span_find(line, '\n');
    line.n = end ? (size_t)(end - line.p) : line.n;
    for (size_t i = 0; i < line.n && n < FIELDS;) {
        size_t begin = i;
        while (i < line.n && line.p[i] != ' ')
            i++;
        if (i > begin && !num_parse_u64(span_sub(line, begin, i - begin), &v[n++]))
            goto done;
        i++;
    }
    if (n < FIELDS)
        goto done;
    out->total = out->busy = 0;
    for (size_t i = 0; i < FIELDS; i++) {
        out->total += v[i];
        if (i != IDLE && i != IOWAIT && i != STEAL)
            out->busy += v[i];
    }
    out->steal = v[STEAL];
    read = true;
done:
    buf_release(&text);
    return read;
}

int load_open(struct load_probe *p, const char *sysroot, struct err *e)
{
    *p = (struct load_probe){.path = path_below(sysroot, "proc/stat")};
    return p->path ? 0 : err_set(e, ERR_NOMEM, "no memory for the load's path");
}

void load_close(struct load_probe *p)
{
    free(p->path);
    p->path = NULL;
}

void load_begin(struct load_probe *p)
{
    if (!read_ticks(p, p))
        p->total = 0;
    p->own_ns = clock_cpu_ns();
    p->start_ns = clock_mono_ns();
}

void load_end(const struct load_probe *p, struct load *out)
{
    struct load_probe now = *p;
    double seconds = (double)(clock_mono_ns() - p->start_ns) / 1e9;
    double own = (double)(clock_cpu_ns() - p->own_ns) / 1e9;
    long hz = sysconf(_SC_CLK_TCK);
    *out = (struct load){NAN, NAN};
    if (p->total == 0 || !read_ticks(p, &now) || now.total <= p->total || seconds <= 0 || hz <= 0)
        return;
    double others = (double)(now.busy - p->busy) / (double)hz - own;
    out->others = others > 0 ? others / seconds : 0; /* ticks are coarse */
    out->steal = (double)(now.steal - p->steal) / (double)(now.total - p->total);
}
