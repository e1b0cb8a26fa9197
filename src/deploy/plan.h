/* SPDX-License-Identifier: MIT */
/* What is to run, whatever the target: every device's variables, and which files of this machine
 * they need. Texts live in the arena of the plan.
 *
 * Invariant: every text in it is UTF-8, since YAML and unit files are. */
#ifndef WATTLE_DEPLOY_PLAN_H
#define WATTLE_DEPLOY_PLAN_H

#include "deploy/deploy.h"
#include "deploy/names.h"

/* Inside the image: see packaging/README.md. */
#define PLAN_METRICS     "/app/metrics"
#define PLAN_DATASET     "/app/dataset"
#define PLAN_CONFIG      "/etc/edge-device"
#define PLAN_FILES       "/app/files"
#define PLAN_DATA        "/app/data"
#define PLAN_MODELS      "/app/models"
#define PLAN_HF_HOME     "/home/wattle/.cache/huggingface"
#define PLAN_PACKED      PLAN_HF_HOME "/wattle-packed" /* the volume that all share has it too */
#define PLAN_BROKER_DATA "/var/lib/mosquitto"
#define PLAN_BROKER      "mqtt-broker"
#define PLAN_DASHBOARD   "dashboard"
#define PLAN_ENGINE      "engine"
enum { PLAN_USER = 10001, PLAN_VARIABLES_MAX = SET_N + 8, PLAN_MOUNTS_MAX = 64, PLAN_MADE_MAX = 4 };

struct variable {
    const char *name, *value;
    enum setting_id id;
    bool secret;
    bool llm; /* only of devices with a language model */
};

/* A file or folder of this machine that a device sees at another place. */
struct mount {
    const char *host;   /* absolute, or relative to the output and then begins with "./" */
    const char *inside; /* absolute */
    const char *key;    /* a DNS label for it, unique: "mqtt-ca-file" */
    enum setting_id id; /* the setting that named it; SET_N: none */
    bool folder, writable, llm;
    bool broker;    /* what a broker of our own needs too */
    bool dashboard; /* the dashboard needs it, and no device */
};

struct plan_device {
    const char *name, *id;
    const char *service;             /* a DNS label */
    const struct settings *settings; /* those of all, with what the config says of it over them */
    struct variable *own;            /* what it has other than all, or more than all */
    size_t n_own;
    bool llm;
};

/* A secret that we made up, in a file of its own beside the output, or the .gitignore there. */
struct made_file {
    const char *path; /* as it is found from here */
    struct span bytes;
};

struct plan {
    const struct deploy_options *o;
    struct arena arena;
    struct plan_device *devices;
    size_t n_devices;
    struct variable variables[PLAN_VARIABLES_MAX]; /* of every device, in the order of writing */
    size_t n_variables;
    struct mount mounts[PLAN_MOUNTS_MAX];
    size_t n_mounts;
    bool has_llm;          /* one of the devices at least */
    bool remote;           /* the model is a server's: ours, or that of LLM_ENDPOINT */
    bool broker;           /* ours */
    bool broker_password;  /* ours, and it asks for one */
    bool secret;           /* a variable of ours is one */
    bool own_secret;       /* one of a single device is one */
    bool dataset_given;    /* DATASET_PATH was: no ./dataset */
    uint64_t memory, swap; /* bytes; 0: no limit */
    const char *build;     /* build context as it is written, NULL: nothing is built */
    const char *image, *broker_image;
    const char *dashboard_token; /* to be written into the output; "": none, or it is mounted */
    struct made_file made[PLAN_MADE_MAX]; /* are not there yet; never written over */
    size_t n_made;
    char port[8];         /* MQTT_PORT as text */
    const char *metrics;  /* host folder of all devices' metrics */
    unsigned user, group; /* whom the containers run as */
    char *notes[32];      /* in the arena */
    size_t n_notes;
};

/* After a failure there is nothing to release. */
int plan_make(struct plan *p, const struct deploy_options *o, struct err *e);
void plan_release(struct plan *p);

/* plan_paths.c: the settings that name files; adds variables and mounts. */
int plan_files(struct plan *p, struct err *e);
/* The model of that name as a device sees it: a file or folder of this machine, mounted, or a name
 * of the hub. NULL: failed. */
const char *plan_model(struct plan *p, const char *name, struct err *e);
/* plan_secrets.c: the services that listen, each with a secret to ask for. */
int plan_dashboard(struct plan *p, struct err *e);
int plan_engine(struct plan *p, struct err *e);
/* plan_own.c: what the config says of single devices. */
int plan_own_variables(struct plan *p, struct err *e);
/* Of that device's own ones; NULL: it has what all have. */
const struct variable *plan_own(const struct plan_device *d, const char *name);
/* Where docker-compose.yml will lie: relative paths in it are relative to that. */
const char *plan_folder(struct plan *p);

int plan_variable(struct plan *p, enum setting_id id, const char *name, const char *value, bool llm,
                  struct err *e);
int plan_mount(struct plan *p, const struct mount *m, struct err *e);
void plan_note(struct plan *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "Cannot happen" but for memory: NULL then. */
const char *plan_printf(struct plan *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* As a word that can be typed into a shell. */
const char *plan_shell_word(struct plan *p, const char *word);
/* Written by themselves, or of this machine alone: not for the list of what was given. */
bool plan_is_placed(enum setting_id id);
bool plan_is_secret(enum setting_id id);
/* A model, or the cache of models: where one server has it, devices need none. */
bool plan_is_model(const struct mount *m);
bool plan_applies(const struct plan_device *d, bool llm);
bool plan_needs(const struct plan_device *d, const struct mount *m);

#endif
