/* SPDX-License-Identifier: MIT */
/* Power sensors below /sys/class/hwmon.
 *
 * Only drivers of sensors that boards put into their supply, or that the firmware offers for the
 * whole machine: a graphics card's or a disk's own reading would pass for the device's. Of several
 * only one channel is used: rails may lie behind each other, and their sum would count twice. */
#include "meter/energy.h"
#include "meter/sysfile.h"

#include <errno.h>
#include <stdlib.h>

enum { DEVICES_MAX = 64 };

/* Beginnings of driver names, the best first. */
static const char *const drivers[] = {
    "power_meter", /* ACPI: the whole machine */
    "ina",         /* INA219, INA226, …: shunt in the supply of a board */
    "ltc2",         "ltc4",         "isl28022", /* other monitors of that kind */
    "scmi_sensors", "scpi_sensors",             /* Arm firmware */
};
/* An instantaneous value first; ACPI meters have only the average. */
static const char *const channels[] = {"power1_input", "power1_average"};

/* The channel of the device if it can be read, else NULL; in *denied (free()) one that only lacks
 * permission. */
static char *find_channel(const char *device, char **denied)
{
    for (size_t i = 0; i < sizeof channels / sizeof channels[0]; i++) {
        uint64_t uw;
        char *path = sysfile_path("%s/%s", device, channels[i]);
        int r = path ? sysfile_u64(path, &uw) : -ENOMEM;
        if (r == 0)
            return path;
        if (!*denied && (r == -EACCES || r == -EPERM))
            *denied = path;
        else
            free(path);
    }
    return NULL;
}

bool hwmon_open(struct hwmon *h, const char *root, struct buf *why)
{
    *h = (struct hwmon){0};
    uint64_t devices[DEVICES_MAX];
    char *denied = NULL;
    char *folder = sysfile_path("%s/sys/class/hwmon", root);
    int n = folder ? sysfile_list(folder, "hwmon", devices, DEVICES_MAX) : -ENOMEM;
    for (size_t d = 0; !h->path && d < sizeof drivers / sizeof drivers[0]; d++) {
        for (int i = 0; !h->path && i < n; i++) {
            char name[64];
            char *device = sysfile_path("%s/hwmon%llu", folder, (unsigned long long)devices[i]);
            char *file = device ? sysfile_path("%s/name", device) : NULL;
            if (file && sysfile_text(file, name, sizeof name) == 0 &&
                strncmp(name, drivers[d], strlen(drivers[d])) == 0)
                h->path = find_channel(device, &denied);
            free(file);
            free(device);
        }
    }
    free(folder);
    if (!h->path && denied)
        buf_printf(why,
                   "the power sensor may not be read (%s: permission denied; 'sudo chmod a+r %s' "
                   "allows it until the next start)",
                   denied, denied);
    else if (!h->path)
        buf_str(why, "no power sensor of the board below /sys/class/hwmon");
    free(denied);
    return h->path != NULL;
}

void hwmon_close(struct hwmon *h)
{
    free(h->path);
    h->path = NULL;
}

bool hwmon_read(const struct hwmon *h, double *watts)
{
    uint64_t uw;
    if (sysfile_u64(h->path, &uw) != 0)
        return false;
    *watts = (double)uw / 1e6;
    return true;
}
