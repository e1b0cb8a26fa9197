/* SPDX-License-Identifier: MIT */
/* What the energy estimate goes by, from the settings. A part of fleet.h. */
#ifndef WATTLE_FLEET_POWER_H
#define WATTLE_FLEET_POWER_H

#include "base/base.h"
#include "settings/settings.h"

struct fleet_power {
    double idle_w, max_w;
    const char *profile; /* POWER_PROFILE; NULL: none */
    const char *board;   /* that profile's; NULL without one, or when both its watts are replaced */
};

/* POWER_PROFILE's watts, or the defaults; POWER_IDLE_W and POWER_MAX_W go before where they are
 * given. ERR_USAGE: no such profile (the nearest and all of them are named), or less at most than
 * at rest. The texts live as long as s. */
int fleet_power(const struct settings *s, struct fleet_power *out, struct err *e);

#endif
