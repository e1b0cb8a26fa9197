/* SPDX-License-Identifier: MIT */
/* Chooses the source and adds up a span. What a source gives is the whole machine's energy, the
 * share of its idle power included: nothing is ever subtracted. */
#include "meter/energy.h"

#include <math.h>

const char *energy_source_name(enum energy_source s)
{
    static const char *const names[] = {
        [ENERGY_RAPL] = "rapl", [ENERGY_HWMON] = "hwmon", [ENERGY_ESTIMATE] = "estimate"};
    return names[s];
}

int energy_open(struct energy *en, const char *root, double idle_w, double max_w, const char *board,
                struct err *e)
{
    *en = (struct energy){.source = ENERGY_ESTIMATE, .idle_w = idle_w, .max_w = max_w};
    struct buf why;
    buf_init(&why, 8192);
    if (rapl_open(&en->rapl, root, &why)) {
        en->source = ENERGY_RAPL;
    } else {
        buf_str(&why, "; ");
        if (hwmon_open(&en->hwmon, root, &why)) {
            en->source = ENERGY_HWMON;
            log_warning("energy: %sthe power sensor %s is used instead", buf_cstr(&why),
                        en->hwmon.path);
        } else {
            log_warning("energy: %s; estimated from CPU use between %g W and %g W%s%s%s",
                        buf_cstr(&why), idle_w, max_w, board ? " (" : "", board ? board : "",
                        board ? ")" : "");
        }
    }
    int r = buf_check(&why, "the energy sources", e);
    buf_release(&why);
    if (r < 0)
        energy_close(en);
    return r;
}

void energy_close(struct energy *en)
{
    rapl_close(&en->rapl);
    hwmon_close(&en->hwmon);
}

/* Adds what has come since last_ns. */
static void advance(struct energy *en, uint64_t now_ns)
{
    double uj, w;
    if (en->source == ENERGY_RAPL) {
        if (rapl_read(&en->rapl, &uj))
            en->joules += uj / 1e6;
        else
            en->failed = true;
    } else if (en->source == ENERGY_HWMON && hwmon_read(&en->hwmon, &w)) {
        /* A sensor that is busy measuring gives nothing now and then: the line goes on from the
         * last reading. */
        if (!isnan(en->last_w))
            en->joules += (en->last_w + w) / 2 * (double)(now_ns - en->last_ns) / 1e9;
        else
            en->joules += w * (double)(now_ns - en->start_ns) / 1e9;
        en->last_w = w;
        en->last_ns = now_ns;
    }
}

void energy_begin(struct energy *en, uint64_t now_ns)
{
    double ignored;
    en->start_ns = en->last_ns = now_ns;
    en->joules = 0;
    en->last_w = NAN;
    /* Between spans a counter may have wrapped unseen: only where it stands counts. */
    en->failed = false;
    if (en->source == ENERGY_RAPL)
        (void)rapl_read(&en->rapl, &ignored);
    else
        advance(en, now_ns);
}

void energy_tick(struct energy *en, uint64_t now_ns)
{
    advance(en, now_ns);
}

/* After the last reading of a power sensor failed, its value is taken to have stayed. */
static bool settle(struct energy *en, uint64_t now_ns)
{
    double seconds = (double)(now_ns - en->start_ns) / 1e9;
    if (en->source == ENERGY_RAPL)
        /* Counters move every millisecond; some virtual machines show one that never does. */
        return !en->failed && (en->joules > 0 || seconds < 0.1);
    if (isnan(en->last_w))
        return false;
    en->joules += en->last_w * (double)(now_ns - en->last_ns) / 1e9;
    return true;
}

enum energy_source energy_end(struct energy *en, uint64_t now_ns, double cpu_share, double *joules)
{
    advance(en, now_ns);
    double seconds = (double)(now_ns - en->start_ns) / 1e9;
    if (en->source != ENERGY_ESTIMATE && settle(en, now_ns)) {
        *joules = en->joules;
        return en->source;
    }
    if (en->source != ENERGY_ESTIMATE && !en->complained) {
        en->complained = true;
        log_warning("energy: the source '%s' gave no usable values during an inference; estimated "
                    "from CPU use between %g W and %g W where that happens",
                    energy_source_name(en->source), en->idle_w, en->max_w);
    }
    *joules = (en->idle_w + (en->max_w - en->idle_w) * cpu_share) * seconds;
    return ENERGY_ESTIMATE;
}
