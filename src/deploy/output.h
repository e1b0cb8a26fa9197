/* SPDX-License-Identifier: MIT */
/* The texts of a deployment, before they are files. */
#ifndef WATTLE_DEPLOY_OUTPUT_H
#define WATTLE_DEPLOY_OUTPUT_H

#include "deploy/plan.h"

enum { OUTPUT_FILES_MAX = DEPLOY_DEVICES_MAX + 16, OUTPUT_BYTES_MAX = 32 << 20 };

struct deploy {
    struct plan plan;
    const char *output; /* in the plan's arena */
    bool folder;        /* output is a folder of files */
    struct deploy_file *files;
    struct buf *texts; /* as files */
    size_t n_files;
    const char **folders;
    size_t n_folders;
    const char *next;
};

/* A new file, whose text the caller writes; valid until deploy_free. NULL without memory or room.
 */
struct buf *output_add(struct deploy *d, const char *name, bool secret);
/* The head of each file: what made it. */
void output_head(struct buf *out, const struct plan *p);

int compose_make(struct deploy *d, struct err *e);    /* compose.c */
int swarm_make(struct deploy *d, struct err *e);      /* swarm.c */
int kubernetes_make(struct deploy *d, struct err *e); /* kubernetes.c */
int systemd_make(struct deploy *d, struct err *e);    /* systemd.c */

#endif
