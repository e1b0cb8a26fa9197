/* SPDX-License-Identifier: MIT */
/* Published draw of boards, for the energy estimate. A part of meter.h. */
#ifndef WATTLE_METER_PROFILES_H
#define WATTLE_METER_PROFILES_H

#include <stdbool.h>
#include <stddef.h>

struct power_profile {
    const char *name;     /* of POWER_PROFILE: "pi5" */
    const char *board;    /* "Raspberry Pi 5 Model B" */
    double idle_w, max_w; /* the whole board at rest, and with all processors busy */
};

size_t power_profile_count(void);
const struct power_profile *power_profile_at(size_t i);            /* in order of their names */
const struct power_profile *power_profile_named(const char *name); /* NULL: none of ours */
/* The watts of the profile of that name; false: none of ours. */
bool power_profile_find(const char *name, double *idle_w, double *max_w);

#endif
