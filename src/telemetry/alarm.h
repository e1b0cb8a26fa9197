/* SPDX-License-Identifier: MIT */
/* Alarms: readings that cross a limit which their owner has set. Pure: no clock, no log.
 *
 * One event is one alarm: it is raised by the first reading beyond a limit and is over when
 * ALARM_CALM readings in a row are back inside, so that a value that flickers about its limit says
 * nothing new. A value that leaps from beyond one limit to beyond the other raises another. */
#ifndef WATTLE_TELEMETRY_ALARM_H
#define WATTLE_TELEMETRY_ALARM_H

#include "base/base.h"

struct reading;

enum alarm_field { ALARM_TEMP, ALARM_HUMIDITY, ALARM_CO, ALARM_SMOKE, ALARM_LPG, ALARM_FIELDS };
enum { ALARM_CALM = 3 };

/* NAN: no such limit. */
struct alarm_limits {
    double min[ALARM_FIELDS], max[ALARM_FIELDS];
};
bool alarm_limits_any(const struct alarm_limits *l);

/* What one device is in; begins zeroed. */
struct alarm_state {
    signed char side[ALARM_FIELDS];   /* -1: below its minimum, 1: above its maximum, 0: no alarm */
    unsigned char calm[ALARM_FIELDS]; /* readings inside since */
};

/* What one reading changed. */
struct alarm_change {
    signed char raised[ALARM_FIELDS]; /* -1, 1: an alarm began on that side */
    signed char over[ALARM_FIELDS];   /* -1, 1: the alarm of that side is over */
    bool any_raised, any_over;
    int severity; /* 1 to 10 of what was raised: see alarm_severity; else 0 */
};
void alarm_take(struct alarm_state *s, const struct alarm_limits *l, const struct reading *r,
                struct alarm_change *out);

/* 0 inside both limits; beyond one 1 to 10, one more for each tenth of the distance of the two
 * limits, or where only one is set of its own amount (or of 1 where that is 0). */
int alarm_severity(double value, double min, double max);

/* "temp 61.2 above 60, co 0.9 above 0.5": every limit that the reading exceeds; else "none". */
void alarm_words(struct buf *out, const struct alarm_limits *l, const struct reading *r);
/* What of the change was raised, resp. is over: "temp 61.2 above 60", "temp 58.1 no longer above
 * 60".
 */
void alarm_reason(struct buf *out, const struct alarm_change *c, bool over,
                  const struct alarm_limits *l, const struct reading *r);

/* {"device_id","timestamp","verdict":"anomaly"|"normal","severity","fields","reason",
 * "source":"threshold","ts","seq"} for what was raised, resp. is over. */
void alarm_write(struct buf *out, const struct alarm_change *c, bool over,
                 const struct alarm_limits *l, const struct reading *r, const char *device_id,
                 const char *timestamp, uint64_t seq);

#endif
