/* SPDX-License-Identifier: MIT */
/* What a service of a compose file and one of a swarm stack have in common. */
#ifndef WATTLE_DEPLOY_SERVICE_H
#define WATTLE_DEPLOY_SERVICE_H

#include "deploy/broker.h"
#include "deploy/output.h"
#include "deploy/yaml.h"

/* "- NAME=value" */
void service_variable(struct yaml *y, const char *name, const char *value);
void service_environment(struct yaml *y, const struct plan *p, const struct plan_device *d);
/* An item of "volumes:" for a file or folder of the host. */
void service_bind(struct yaml *y, const char *host, const char *inside, bool writable);
void service_health(struct yaml *y, const char *const *test, const char *interval,
                    const char *start);
void service_logging(struct yaml *y);
void service_port(struct yaml *y, const struct plan *p, const char *port, const char *inside);
/* image:, and build: where it is built. target: stage of packaging/Dockerfile, NULL: its last. */
void service_image(struct yaml *y, const struct plan *p, const char *image, const char *target,
                   bool build);
/* What the broker's service says of itself, but for how often it runs. */
void service_broker(struct yaml *y, const struct plan *p);
void service_dashboard(struct yaml *y, const struct plan *p);
bool service_dashboard_reads(const struct mount *m); /* its token, what the broker asks for */
void service_engine(struct yaml *y, const struct plan *p);

#endif
