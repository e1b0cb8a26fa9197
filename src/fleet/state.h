/* SPDX-License-Identifier: MIT */
/* A running fleet and its devices. Private to fleet/; all of it is the loop's thread's, except the
 * jobs that the worker has. */
#ifndef WATTLE_FLEET_STATE_H
#define WATTLE_FLEET_STATE_H

#include "fleet/fleet.h"
#include "fleet/worker.h"

struct device {
    struct fleet *fleet;
    char name[DEVICE_NAME_MAX + 1], id[DEVICE_ID_MAX + 1];
    const struct settings *settings; /* its own, or those of all */
    bool llm;
    double interval_min_s, interval_max_s, rate;
    uint64_t interval; /* LLM_INFERENCE_INTERVAL */
    struct alarm_limits limits;
    struct alarm_state alarm;
    uint64_t alarms;          /* raised so far */
    struct analysis *how;     /* NULL without LLM */
    struct analysis *own_how; /* the same where it is not that of all */
    struct mqtt *mqtt;
    struct mqtt_counters counters; /* the last ones, kept after mqtt is closed */
    size_t on_disk;                /* at the end: messages that wait for the next start */
    bool away;                     /* its connection was lost, or never came */
    struct timer *timer;
    struct dataset_walk walk;
    struct rng rng;
    uint64_t due_ns; /* of the next message */
    uint64_t seq;    /* of the last one */
    struct metric_log *log;
    struct job *job; /* NULL without LLM */
    uint64_t inferences, errors, skipped;
    double seconds, energy_j, rates; /* sums over good inferences; rates: of tokens_per_second */
    uint64_t n_rates;                /* of those with a rate */
};

enum stop_reason { NOT_STOPPED, STOP_DONE, STOP_TERM, STOP_INTERRUPT };

struct fleet {
    const struct fleet_options *o;
    struct loop *loop;
    struct broker *broker;    /* the private one, or NULL */
    struct fleet_power power; /* of the estimate */
    const char *host;
    int port;
    const char *prefix; /* MQTT_TOPIC_PREFIX */
    struct buf password;
    struct dataset *dataset;
    bool own_dataset; /* the one that we bring: nobody's ids are expected in it */
    struct store *store;
    bool has_llm;
    struct inference_shared shared;
    struct metric_loading loading;
    struct worker *worker;
    struct device *devices;
    size_t n;
    size_t queue_max, queue_bytes; /* of each device's MQTT client */
    struct analysis how;           /* of the devices whose settings are those of all */
    bool watches;                  /* some device has a limit */

    struct timer *tick, *duration, *guard;
    uint64_t start_ns;
    uint64_t inferences, errors, skipped, pending, alarms;
    size_t n_away;
    uint64_t dropped_said;
    struct repeats said;
    double last_inference_s, last_tokens_per_second;
    char energy_source[16];    /* what good inferences agree on, else "mixed"; "": none yet */
    uint64_t not_kept;         /* messages that the store did not take */
    struct err first_not_kept; /* why */
    struct err not_saved;      /* text "": every metrics file is whole */
    struct err first_failed;   /* the first inference that failed */
    char why_away[256];        /* of the last attempt to reach the broker; "": none failed */
    char said_away[256];       /* the reason that was logged last */
    bool reached, said_older;  /* a broker took a connection; that it speaks 3.1.1 was said */
    bool outage_said;          /* of the present outage, or the last one */
    size_t refusals_said;
    struct err hopeless;  /* text "": the run was not ended because no broker would take it */
    struct health health; /* as it was last written to HEALTH_FILE */
    bool health_failed;   /* the last writing of it */

    enum stop_reason stop;
    bool worker_stopped, finishing;
    size_t unfinished; /* MQTT clients that have not said goodbye */
};

/* setup.c: everything that can be wrong is found here, before a device starts. */
int fleet_setup(struct fleet *f, const struct fleet_options *o, struct err *e);
void fleet_release(struct fleet *f); /* half-built is fine */

/* find_dataset.c: appends the path of the telemetry that DATASET_PATH, "" included, stands for.
 * ours: it is what we bring, for want of another. */
int fleet_find_dataset(const char *given, struct buf *path, bool *ours, struct err *e);

/* profile.c: what a device's settings make of it, when it has its name and id. */
int device_configure(struct device *d, struct err *e);
int device_open_analysis(struct device *d, struct err *e);
void device_release_profile(struct device *d);

/* device.c */
int device_open(struct device *d, struct err *e); /* fleet, name, id, llm, log, job are set */
void device_start(struct device *d);
void device_stop(struct device *d); /* no more telemetry */
/* Says offline, sends what waits, DISCONNECT; fleet_device_finished follows. */
void device_finish(struct device *d, uint64_t timeout_ms);
void device_take(struct device *d);  /* its job is done */
void device_count(struct device *d); /* brings counters up to date */
void device_close(struct device *d); /* the MQTT client and the timer */

/* fleet.c, for device.c */
bool fleet_wants_inference(const struct fleet *f);
void fleet_queue(struct fleet *f, struct device *d);
void fleet_device_connected(struct fleet *f, struct device *d);
void fleet_device_away(struct fleet *f, struct device *d, const char *reason, bool lasting);
void fleet_device_refused(struct fleet *f, struct device *d, const char *topic, const char *reason);
void fleet_say_what_waits(const struct fleet *f, const struct fleet_progress *total);
void fleet_device_finished(struct fleet *f);
void fleet_stop(struct fleet *f, enum stop_reason reason);
/* Puts a published message into the store, if there is one. */
void fleet_keep(struct fleet *f, const char *topic, struct span payload);

#endif
