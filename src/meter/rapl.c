/* SPDX-License-Identifier: MIT */
/* RAPL counters below /sys/class/powercap.
 *
 * Only top-level zones of the MSR driver that are packages: "core", "uncore" and most "dram" are
 * parts of one, "psys" contains them all, and "intel-rapl-mmio:N" shows the same packages again.
 * AMD processors appear under the same names. */
#include "meter/energy.h"
#include "meter/sysfile.h"

#include <errno.h>
#include <stdlib.h>

enum { ZONES_MAX = 64 };

/* "package-0", or "package-0-die-1" where dies count apart. */
static bool is_package(const char *zone, bool *named)
{
    char name[64];
    char *path = sysfile_path("%s/name", zone);
    bool read = path && sysfile_text(path, name, sizeof name) == 0;
    free(path);
    *named = *named || read;
    return read && strncmp(name, "package-", strlen("package-")) == 0;
}

static void say_why(struct buf *why, const char *path, int r)
{
    if (r == -EACCES || r == -EPERM)
        buf_printf(why,
                   "RAPL may not be read (%s: permission denied; 'sudo chmod a+r "
                   "/sys/class/powercap/intel-rapl:*/energy_uj' allows it until the next start)",
                   path);
    else if (r == -EINVAL)
        buf_printf(why, "RAPL counter %s holds no number", path);
    else
        buf_printf(why, "RAPL counter %s cannot be read (%s)", path, strerror(-r));
}

static int add_domain(struct rapl *r, const char *zone, struct buf *why)
{
    struct rapl_domain d = {.path = sysfile_path("%s/energy_uj", zone)};
    char *range = sysfile_path("%s/max_energy_range_uj", zone);
    int result = d.path && range ? sysfile_u64(d.path, &d.last_uj) : -ENOMEM;
    if (result == 0) {
        if (sysfile_u64(range, &d.range_uj) != 0)
            d.range_uj = 0;
        r->domains[r->n++] = d;
    } else {
        say_why(why, d.path ? d.path : zone, result);
        free(d.path);
    }
    free(range);
    return result;
}

bool rapl_open(struct rapl *r, const char *root, struct buf *why)
{
    *r = (struct rapl){0};
    uint64_t zones[ZONES_MAX];
    char *folder = sysfile_path("%s/sys/class/powercap", root);
    int n = folder ? sysfile_list(folder, "intel-rapl:", zones, ZONES_MAX) : -ENOMEM;
    int result = 0;
    bool named = false;
    r->domains = calloc(ZONES_MAX, sizeof *r->domains);
    /* All packages or none: the sum of some would be too little and look like a measurement. */
    for (int i = 0; r->domains && result == 0 && i < n; i++) {
        char *zone = sysfile_path("%s/intel-rapl:%llu", folder, (unsigned long long)zones[i]);
        if (zone && is_package(zone, &named))
            result = add_domain(r, zone, why);
        free(zone);
    }
    if (result == 0 && r->n > 0) {
        free(folder);
        return true;
    }
    if (n == -EACCES)
        say_why(why, folder, n);
    else if (result == 0 && n > 0 && !named)
        /* Links that lead nowhere: Docker lays an empty folder over /sys/devices/virtual/powercap.
         */
        buf_printf(
            why,
            "the RAPL counters of %s are hidden, as container runtimes do (Docker shows them "
            "with '--security-opt systempaths=unconfined')",
            folder);
    else if (result == 0)
        buf_str(why, "this machine shows no RAPL counter");
    free(folder);
    rapl_close(r);
    return false;
}

void rapl_close(struct rapl *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->domains[i].path);
    free(r->domains);
    *r = (struct rapl){0};
}

bool rapl_read(struct rapl *r, double *uj)
{
    bool ok = true;
    double sum = 0;
    for (size_t i = 0; i < r->n; i++) {
        struct rapl_domain *d = &r->domains[i];
        uint64_t now;
        if (sysfile_u64(d->path, &now) != 0) {
            ok = false;
            continue;
        }
        if (now >= d->last_uj)
            sum += (double)(now - d->last_uj);
        else if (d->last_uj <= d->range_uj)
            sum += (double)(d->range_uj - d->last_uj) + (double)now;
        else
            ok = false;
        d->last_uj = now;
    }
    if (ok)
        *uj = sum;
    return ok;
}
