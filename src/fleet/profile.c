/* SPDX-License-Identifier: MIT */
/* Owns what settings make of a device: its intervals, its limits, how its messages are analysed. In
 * a fleet the config may name single devices; all others share one analysis. */
#include "fleet/state.h"

#include <math.h>
#include <stdlib.h>

static void read_limits(struct alarm_limits *l, const struct settings *s)
{
    static const struct {
        enum alarm_field field;
        enum setting_id min, max; /* SET_N: none */
    } rows[ALARM_FIELDS] = {
        {ALARM_TEMP, SET_ALARM_TEMP_MIN, SET_ALARM_TEMP_MAX},
        {ALARM_HUMIDITY, SET_ALARM_HUMIDITY_MIN, SET_ALARM_HUMIDITY_MAX},
        {ALARM_CO, SET_N, SET_ALARM_CO_MAX},
        {ALARM_SMOKE, SET_N, SET_ALARM_SMOKE_MAX},
        {ALARM_LPG, SET_N, SET_ALARM_LPG_MAX},
    };
    for (size_t i = 0; i < ALARM_FIELDS; i++) {
        l->min[rows[i].field] = rows[i].min == SET_N ? (double)NAN : settings_float(s, rows[i].min);
        l->max[rows[i].field] = settings_float(s, rows[i].max);
    }
}

int device_configure(struct device *d, struct err *e)
{
    int rc = settings_of_device(&d->settings, d->fleet->o->settings, d->name, d->id, e);
    if (rc)
        return rc;
    settings_interval(d->settings, &d->interval_min_s, &d->interval_max_s);
    d->rate = settings_float(d->settings, SET_RATE);
    d->interval = (uint64_t)settings_int(d->settings, SET_LLM_INFERENCE_INTERVAL);
    read_limits(&d->limits, d->settings);
    return 0;
}

int device_open_analysis(struct device *d, struct err *e)
{
    struct fleet *f = d->fleet;
    int rc = 0;
    if (d->settings == f->o->settings) {
        if (!f->how.prompt)
            rc = analysis_open(&f->how, d->settings, &d->limits, e);
        d->how = &f->how;
        return rc;
    }
    d->own_how = (struct analysis *)calloc(1, sizeof *d->own_how);
    if (!d->own_how)
        return err_set(e, ERR_NOMEM, "device '%s': no memory", d->name);
    d->how = d->own_how;
    rc = analysis_open(d->own_how, d->settings, &d->limits, e);
    return rc ? err_wrap(e, rc, "device '%s'", d->name) : 0;
}

void device_release_profile(struct device *d)
{
    if (d->own_how)
        analysis_release(d->own_how);
    free(d->own_how);
    d->own_how = NULL;
}
