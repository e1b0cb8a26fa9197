/* SPDX-License-Identifier: MIT */
/* deploy: a fleet's devices as containers and services: compose file, swarm stack, Kubernetes
 * manifests, systemd units.
 *
 * Owns: what is written for each target, quoting for each of their languages, names that each of
 * them takes, the files on disk. Starts nothing and asks no engine.
 * May include: base, codec, settings.
 * Start reading: plan.h (what is to run, whatever the target), then compose.c. */
#ifndef WATTLE_DEPLOY_DEPLOY_H
#define WATTLE_DEPLOY_DEPLOY_H

#include "base/base.h"
#include "settings/settings.h"

enum deploy_target { DEPLOY_COMPOSE, DEPLOY_SWARM, DEPLOY_KUBERNETES, DEPLOY_SYSTEMD };
enum { DEPLOY_DEVICES_MAX = 1000 };

struct deploy_device {
    const char *id;
    bool llm; /* may have a language model, where ENABLE_LLM is true for it */
};

/* Texts are borrowed for the call; NULL: the default of the target. */
struct deploy_options {
    const struct settings *settings; /* those that were given go to the devices */
    enum deploy_target target;
    const struct deploy_device *devices;
    size_t n_devices;           /* 1..DEPLOY_DEVICES_MAX */
    const char *output;         /* a file (compose, swarm) or a folder; "-": standard output */
    bool broker;                /* with a broker of its own */
    bool dashboard;             /* with a dashboard service */
    bool engine;                /* with one `wattle serve` that all devices ask; compose only */
    const char *image;          /* of the devices; a given one is not built */
    const char *broker_image;   /* the same of the broker */
    const char *build;          /* folder with packaging/Dockerfile; looked for beside the output */
    const char *memory;         /* "512m": most memory of a device */
    const char *memory_swap;    /* "1g": memory and swap together */
    double cpus;                /* processors of a device; 0: all */
    const char *restart;        /* no, always, on-failure or unless-stopped */
    const char *publish;        /* host address of published ports; 127.0.0.1, in a swarm none */
    const char *kube_namespace; /* given for Kubernetes */
    const char *storage_class;  /* of Kubernetes' volumes; NULL: the cluster's default */
    bool many_nodes;            /* the models' volume can be written on many nodes */
    const char *program;        /* of systemd: absolute path of wattle */
    const char *hf_home;        /* this machine's Hugging Face cache, absolute; NULL: none known */
    bool has_user;              /* containers run as uid:gid, else as the image's own user */
    unsigned uid, gid;
};

struct deploy_file {
    const char *name;  /* below the output folder; of a single file: the output itself */
    struct span bytes; /* valid until deploy_free */
    bool secret;       /* only its owner may read it */
    bool program;      /* may be executed */
};

struct deploy;

/* Makes all texts in memory, and writes nothing. ERR_USAGE names the option or variable. */
int deploy_make(struct deploy **out, const struct deploy_options *o, struct err *e);
void deploy_free(struct deploy **d);
size_t deploy_n_files(const struct deploy *d);
const struct deploy_file *deploy_file(const struct deploy *d, size_t i);
/* What the user should know, a line each: secrets in a file, files that are no files here. */
size_t deploy_n_notes(const struct deploy *d);
const char *deploy_note(const struct deploy *d, size_t i);
const char *deploy_next(const struct deploy *d); /* the command to type then */
/* Folders of the host that containers write into, which must be there before: "metrics/NAME". */
size_t deploy_n_folders(const struct deploy *d);
const char *deploy_folder(const struct deploy *d, size_t i);

/* Writes the files, each whole or not at all, and before them the secrets that were made up and are
 * not there yet (secrets/NAME beside the output, which nothing replaces). Without force a file that
 * is there already and holds something else is ERR_USAGE, and nothing is written. */
int deploy_write(const struct deploy *d, bool force, struct err *e);
/* Makes the folders that are missing, and gives them to the user of the containers where we may. */
int deploy_make_folders(const struct deploy *d, struct err *e);

/* "512m", "1.5g", "1073741824": what Docker takes as a size. */
bool deploy_parse_size(const char *text, uint64_t *bytes);

#endif
