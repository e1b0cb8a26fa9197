/* SPDX-License-Identifier: MIT */
#include "fleet/power.h"

#include "meter/meter.h"

enum { NAMES_MAX = 64 };

static int unknown_profile(const char *name, struct err *e)
{
    const char *names[NAMES_MAX];
    struct buf list;
    size_t n = power_profile_count() < NAMES_MAX ? power_profile_count() : NAMES_MAX;
    buf_init(&list, 4096);
    for (size_t i = 0; i < n; i++) {
        names[i] = power_profile_at(i)->name;
        buf_printf(&list, "%s%s", i == 0 ? "" : i + 1 == n ? " or " : ", ", names[i]);
    }
    const char *nearest = settings_nearest(name, names, n);
    err_set(e, ERR_USAGE, "POWER_PROFILE '%s': no such board, %s%s%sexpected %s", name,
            nearest ? "did you mean '" : "", nearest ? nearest : "", nearest ? "'? " : "",
            buf_cstr(&list));
    buf_release(&list);
    return ERR_USAGE;
}

int fleet_power(const struct settings *s, struct fleet_power *out, struct err *e)
{
    const char *name = settings_text(s, SET_POWER_PROFILE);
    struct fleet_power p = {.idle_w = settings_float(s, SET_POWER_IDLE_W),
                            .max_w = settings_float(s, SET_POWER_MAX_W)};
    bool idle = settings_given(s, SET_POWER_IDLE_W), most = settings_given(s, SET_POWER_MAX_W);
    if (name[0]) {
        const struct power_profile *profile = power_profile_named(name);
        if (!profile)
            return unknown_profile(name, e);
        p.profile = profile->name;
        p.board = idle && most ? NULL : profile->board;
        p.idle_w = idle ? p.idle_w : profile->idle_w;
        p.max_w = most ? p.max_w : profile->max_w;
    }
    if (p.max_w < p.idle_w)
        return err_set(e, ERR_USAGE, "POWER_MAX_W: %g W is less than the %g W of POWER_IDLE_W%s%s",
                       p.max_w, p.idle_w, p.profile ? " with POWER_PROFILE " : "",
                       p.profile ? p.profile : "");
    *out = p;
    return 0;
}
