/* SPDX-License-Identifier: MIT */
/* How the hub is asked, for every command that may download: from the settings, and from what the
 * environment says about the machine (HOME, XDG_CACHE_HOME, SSL_CERT_FILE). */
#ifndef WATTLE_CLI_HUB_SETUP_H
#define WATTLE_CLI_HUB_SETUP_H

#include "hub/hub.h"
#include "settings/settings.h"

/* Texts are borrowed from s and the environment. Progress goes to stderr. From now on Ctrl-C and
 * SIGTERM end a download, until hub_setup_end, which gives the signals back to whoever had them. */
void hub_setup(struct hub_options *o, const struct settings *s);
void hub_setup_end(void);

#endif
