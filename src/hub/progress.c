/* SPDX-License-Identifier: MIT */
#include "hub/progress.h"

#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    BAR_EVERY_MS = 100,
    LINE_EVERY_MS = 5000,
    BAR_CELLS = 24,
    COLUMNS_LEAST = 60, /* below that a bar says less than a line */
};

const char *hub_size_text(uint64_t bytes, char out[HUB_SIZE_TEXT])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double v = (double)bytes;
    size_t unit = 0;
    while (v >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
        v /= 1000;
        unit++;
    }
    snprintf(out, HUB_SIZE_TEXT, unit && v < 9.95 ? "%.1f %s" : "%.0f %s", v, units[unit]);
    return out;
}

void progress_init(struct progress *p, FILE *out, const char *name)
{
    struct winsize w;
    *p = (struct progress){.out = out, .name = name};
    p->last_ns = p->told_ns = clock_mono_ns();
    if (!out)
        return;
    p->terminal = isatty(fileno(out)) && (ioctl(fileno(out), TIOCGWINSZ, &w) < 0 || w.ws_col == 0 ||
                                          w.ws_col >= COLUMNS_LEAST);
}

/* Over the last seconds: a stall shows, a burst does not. */
static void measure(struct progress *p, uint64_t now)
{
    double seconds = (double)(now - p->last_ns) / 1e9;
    if (seconds < 0.5)
        return;
    double rate = p->have > p->last_have ? (double)(p->have - p->last_have) / seconds : 0;
    p->rate = p->rate > 0 ? 0.7 * p->rate + 0.3 * rate : rate;
    p->last_ns = now;
    p->last_have = p->have;
}

static void left_text(const struct progress *p, char out[32])
{
    out[0] = '\0';
    if (!p->has_total || p->rate < 1 || p->have >= p->total)
        return;
    double s = (double)(p->total - p->have) / p->rate;
    unsigned n = s < 359999 ? (unsigned)s : 359999;
    if (n >= 3600)
        snprintf(out, 32, ", %u:%02u:%02u left", n / 3600, n / 60 % 60, n % 60);
    else
        snprintf(out, 32, ", %u:%02u left", n / 60, n % 60);
}

static unsigned percent(const struct progress *p)
{
    if (!p->has_total || p->total == 0)
        return 0;
    double share = 100.0 * (double)p->have / (double)p->total;
    return share >= 100 ? 100 : (unsigned)share;
}

static void draw(struct progress *p)
{
    char have[HUB_SIZE_TEXT], total[HUB_SIZE_TEXT], rate[HUB_SIZE_TEXT], left[32],
        bar[BAR_CELLS + 1];
    unsigned full = percent(p) * BAR_CELLS / 100;
    for (unsigned i = 0; i < BAR_CELLS; i++)
        bar[i] = i < full ? '#' : '.';
    bar[BAR_CELLS] = '\0';
    left_text(p, left);
    fprintf(p->out, "\r[%s] %3u %%  %s of %s, %s/s%s\033[K", bar, percent(p),
            hub_size_text(p->have, have), p->has_total ? hub_size_text(p->total, total) : "?",
            hub_size_text((uint64_t)p->rate, rate), left);
    fflush(p->out);
    p->drawn = true;
}

static void line(struct progress *p)
{
    char have[HUB_SIZE_TEXT], total[HUB_SIZE_TEXT], rate[HUB_SIZE_TEXT], left[32];
    left_text(p, left);
    if (p->has_total)
        fprintf(p->out, "%s: %s of %s (%u %%), %s/s%s\n", p->name, hub_size_text(p->have, have),
                hub_size_text(p->total, total), percent(p), hub_size_text((uint64_t)p->rate, rate),
                left);
    else
        fprintf(p->out, "%s: %s, %s/s\n", p->name, hub_size_text(p->have, have),
                hub_size_text((uint64_t)p->rate, rate));
    fflush(p->out);
}

void progress_show(struct progress *p)
{
    if (!p->out)
        return;
    uint64_t now = clock_mono_ns();
    measure(p, now);
    uint64_t every_ms = p->terminal ? BAR_EVERY_MS : LINE_EVERY_MS;
    if (now - p->told_ns < every_ms * 1000000)
        return;
    p->told_ns = now;
    if (p->terminal)
        draw(p);
    else
        line(p);
}

void progress_say(struct progress *p, const char *fmt, ...)
{
    if (!p->out)
        return;
    struct err text; /* escapes what a server wrote */
    char raw[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(raw, sizeof raw, fmt, ap);
    va_end(ap);
    err_set(&text, ERR_IO, "%s", raw);
    fprintf(p->out, "%s%s\n", p->drawn ? "\r\033[K" : "", text.text);
    fflush(p->out);
    p->drawn = false;
}

void progress_end(struct progress *p)
{
    if (!p->out || !p->drawn)
        return;
    draw(p);
    fputc('\n', p->out);
    fflush(p->out);
    p->drawn = false;
}
