/* SPDX-License-Identifier: MIT */
/* The broker of our own, in the image that packaging/Dockerfile makes of its stage "broker". */
#ifndef WATTLE_DEPLOY_BROKER_H
#define WATTLE_DEPLOY_BROKER_H

#include "deploy/plan.h"

/* What the image does by itself is not enough: another port, a password. */
bool broker_needs_script(const struct plan *p, bool own_port);
/* Lines for sh -c, which read MQTT_USERNAME, MQTT_PASSWORD and MQTT_PASSWORD_FILE. own_port: listen
 * on MQTT_PORT; else on 1883, which the target maps. */
void broker_script(struct buf *out, const struct plan *p, bool own_port);
/* The line for sh -c that asks it for its version. */
void broker_check(struct buf *out, const struct plan *p, bool own_port);
/* A variable that it needs too. */
bool broker_takes(const struct plan *p, const struct variable *v);

#endif
