/* SPDX-License-Identifier: MIT */
/* What the words of options may hold, whatever the target. Private to deploy/. */
#ifndef WATTLE_DEPLOY_CHECK_H
#define WATTLE_DEPLOY_CHECK_H

#include "deploy/deploy.h"

/* An image as Docker and Kubernetes name it: [HOST[:PORT]/]PATH[:TAG][@DIGEST]. */
bool is_image_name(const char *name);
/* RFC 1123: labels with dots between, 253 bytes in all. */
bool is_dns_name(const char *name);
/* All words of the options: ERR_USAGE names the one that is wrong. */
int check_options(const struct deploy_options *o, struct err *e);

#endif
