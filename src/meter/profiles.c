/* SPDX-License-Identifier: MIT */
/* Owns the table of boards. Every row is from one source and one method, so that boards compare:
 * https://github.com/geerlingguy/sbc-reviews, web/data/results.yml, power_watts, measured at the
 * wall: "idle", and "stress" (stress-ng --matrix 0, all processors). What no source gives is not in
 * it. docs/power-profiles.md lists the row of each board there, and what other sources say. */
#include "meter/profiles.h"

#include <string.h>

static const struct power_profile profiles[] = {
    {"cm4", "Raspberry Pi Compute Module 4", 2.5, 4.6},
    {"cm5", "Raspberry Pi Compute Module 5", 2.4, 8.5},
    {"lattepanda-mu", "LattePanda Mu (Intel N100)", 5.5, 22.1},
    {"le-potato", "Libre Computer AML-S905X-CC", 1.3, 2.4},
    {"n100", "Radxa X4 (Intel N100)", 9.1, 18.5},
    {"n150", "GMKtec NucBox G3 Plus (Intel N150)", 9.3, 25},
    {"orangepi-zero2w", "Orange Pi Zero 2W", 1.12, 2.4},
    {"orangepi5", "Orange Pi 5 (RK3588S)", 1.0, 10.0},
    {"pi-cm0", "Raspberry Pi Compute Module Zero", 1.2, 3.7},
    {"pi3b+", "Raspberry Pi 3 Model B+", 3.1, 5.6},
    {"pi4", "Raspberry Pi 4 Model B", 1.6, 5.0},
    {"pi400", "Raspberry Pi 400", 2.7, 5.2},
    {"pi5", "Raspberry Pi 5 Model B", 2.8, 9.7},
    {"pi500", "Raspberry Pi 500", 3.1, 9.0},
    {"rock5b", "Radxa Rock 5 Model B (RK3588)", 3.6, 17},
    {"visionfive2", "StarFive VisionFive 2 (RISC-V)", 3.1, 5.3},
};
enum { PROFILES = sizeof profiles / sizeof *profiles };

size_t power_profile_count(void)
{
    return PROFILES;
}

const struct power_profile *power_profile_at(size_t i)
{
    return &profiles[i];
}

const struct power_profile *power_profile_named(const char *name)
{
    for (size_t i = 0; i < PROFILES; i++)
        if (strcmp(profiles[i].name, name) == 0)
            return &profiles[i];
    return NULL;
}

bool power_profile_find(const char *name, double *idle_w, double *max_w)
{
    const struct power_profile *p = power_profile_named(name);
    if (!p)
        return false;
    *idle_w = p->idle_w;
    *max_w = p->max_w;
    return true;
}
