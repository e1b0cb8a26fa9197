/* SPDX-License-Identifier: MIT */
/* serve: what is answered over HTTP: the dashboard's page, its JSON, its live events, and metrics
 * for Prometheus (docs/dashboard.md).
 *
 * Owns: paths and what they answer, the engine's API (openai.h, for `wattle serve`), the thread
 * that turns the live feed into events, the embedded files of assets/dashboard. May include: base,
 * codec, settings, metrics, net, wattle.h. Start reading: dashboard.c, then routes.c. */
#ifndef WATTLE_SERVE_SERVE_H
#define WATTLE_SERVE_SERVE_H

#include "metrics/metrics.h"
#include "serve/openai.h"
#include "settings/settings.h"

struct dashboard;

struct dashboard_options {
    const struct settings *settings; /* DASHBOARD_*, MQTT_TOPIC_PREFIX; borrowed */
    struct feed *feed;               /* borrowed: it takes everything out of it */
    const char *source;              /* "run", "broker" */
    const char *store;               /* SQLite file for history, NULL: none; it may come later */
};

/* ERR_USAGE: it would be open to other machines without a token; ERR_IO: the port is taken. */
int dashboard_open(struct dashboard **out, const struct dashboard_options *o, struct err *e);
const char *dashboard_url(const struct dashboard *d);
void dashboard_close(struct dashboard **d); /* its port is free then */

#endif
