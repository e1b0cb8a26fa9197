/* SPDX-License-Identifier: MIT */
/* Frequency and temperature: why one inference was slower than another.
 * Source: Linux Documentation/admin-guide/pm/cpufreq.rst, driver-api/thermal/sysfs-api.rst. */
#include "meter/probes.h"
#include "meter/sysfile.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum { NUMBERS_MAX = 4096 };

/* The files folder/prefixN/name that can be read, the lowest N first. */
static void group_open(struct file_group *g, const char *root, const char *folder,
                       const char *prefix, const char *name)
{
    *g = (struct file_group){0};
    uint64_t *numbers = calloc(NUMBERS_MAX, sizeof *numbers);
    char *path = sysfile_path("%s/%s", root, folder);
    int n = numbers && path ? sysfile_list(path, prefix, numbers, NUMBERS_MAX) : 0;
    for (int i = 0; i < n && g->n < GROUP_MAX; i++) {
        int64_t v;
        char *file =
            sysfile_path("%s/%s%llu/%s", path, prefix, (unsigned long long)numbers[i], name);
        int r = file ? sysfile_i64(file, &v) : -ENOMEM;
        if (r == 0)
            g->paths[g->n++] = file;
        else
            free(file);
    }
    free(path);
    free(numbers);
}

void file_group_close(struct file_group *g)
{
    for (int i = 0; i < g->n; i++)
        free(g->paths[i]);
    g->n = 0;
}

void frequency_open(struct file_group *g, const char *root)
{
    group_open(g, root, "sys/devices/system/cpu", "cpu", "cpufreq/scaling_cur_freq");
}

double frequency_mhz(const struct file_group *g)
{
    double sum = 0;
    int n = 0;
    for (int i = 0; i < g->n; i++) {
        int64_t khz;
        if (sysfile_i64(g->paths[i], &khz) != 0 || khz <= 0)
            continue;
        sum += (double)khz / 1000;
        n++;
    }
    return n ? sum / n : 0;
}

void temperature_open(struct file_group *g, const char *root)
{
    group_open(g, root, "sys/class/thermal", "thermal_zone", "temp");
}

double temperature_c(const struct file_group *g)
{
    double hottest = NAN;
    for (int i = 0; i < g->n; i++) {
        int64_t mc;
        /* Zones without a sensor behind them show absolute zero or a full register. */
        if (sysfile_i64(g->paths[i], &mc) != 0 || mc < -60000 || mc > 200000)
            continue;
        double c = (double)mc / 1000;
        if (isnan(hottest) || c > hottest)
            hottest = c;
    }
    return hottest;
}
