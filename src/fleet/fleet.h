/* SPDX-License-Identifier: MIT */
/* fleet: devices that send telemetry, have it analysed, and report what that cost.
 *
 * Owns: the life of a device (timer, telemetry, due analyses, publishing, its metrics file), the
 * fleet of them on one event loop, the worker that runs inferences beside it. May include: base,
 * codec, settings, meter, metrics, telemetry, net, wattle.h. Start reading: device.c (one device),
 * then fleet.c. */
#ifndef WATTLE_FLEET_FLEET_H
#define WATTLE_FLEET_FLEET_H

#include "base/base.h"
#include "fleet/health.h"
#include "fleet/model.h"
#include "fleet/power.h"
#include "fleet/request.h"
#include "fleet/topic.h"
#include "fleet/workload.h"
#include "metrics/metrics.h"
#include "settings/settings.h"

enum { FLEET_DEVICES_MAX = 100000 };

struct fleet_progress {
    double elapsed_s;
    size_t devices, connected;
    uint64_t sent;                    /* telemetry messages */
    uint64_t published, acknowledged; /* messages of every topic, restored ones too */
    uint64_t waiting, dropped, resent, reconnects;
    uint64_t refused;          /* by the broker, or too large for it */
    uint64_t stored, restored; /* put into the queue on disk; taken from an earlier start's */
    uint64_t inferences;       /* done, those that failed included */
    uint64_t errors;           /* of them */
    uint64_t skipped;          /* due while the device's earlier one was not done */
    uint64_t alarms;           /* raised by readings beyond the limits that are set */
    bool watches;              /* such limits are set */
    uint64_t running, queued;
    double last_inference_s, last_tokens_per_second; /* 0: none yet */
};

struct fleet_options {
    const struct settings *settings; /* borrowed */
    size_t n_devices;                /* 1..FLEET_DEVICES_MAX */
    const char *llm_devices;         /* "1,3,5"; NULL: each by its ENABLE_LLM */
    /* wattle device: name, id and broker from the settings, as they are; a METRICS_DIR that was
     * given is the device's own folder. Else a METRICS_DIR/NAME/ for each, and a private broker
     * unless one is named. */
    bool single;
    double duration_s;      /* 0: no limit */
    uint64_t inferences;    /* stop after so many in all; 0: no limit */
    struct feed *feed;      /* gets what is published and said; borrowed, NULL: none */
    const char *store;      /* SQLite file, NULL: none */
    const char *model_path; /* resolved file; NULL when no device has an LLM, or LLM_ENDPOINT says
                               who runs it */
    /* All devices are about to start; broker: "mqtt://127.0.0.1:40123". May be NULL. */
    void (*on_start)(void *ctx, const char *broker, bool is_private);
    /* Once a second and when an inference ends. May be NULL. */
    void (*on_progress)(void *ctx, const struct fleet_progress *p);
    void *ctx;
};

/* What one device did. */
struct fleet_device {
    char *name, *id, *metrics_file; /* "": none was written */
    uint64_t sent, published, acknowledged, waiting, dropped, resent;
    uint64_t refused, restored, on_disk; /* on_disk: of waiting, for the next start */
    uint64_t inferences, errors, skipped, alarms;
    double avg_ms, tokens_per_second; /* means of its good inferences; 0: none */
    double energy_j;                  /* sum */
};

struct fleet_result {
    struct fleet_progress total;
    struct fleet_device *devices;
    size_t n_devices;
    char
        energy_source[16]; /* of all inferences, "mixed" where they differ; "": none was measured */
    char compute_device[8];
};
/* How MQTT_… settings say that a broker is reached; the texts are borrowed from both. Client id,
 * queue and callbacks are the caller's. */
struct mqtt_options;
void fleet_broker_options(struct mqtt_options *o, const struct settings *s,
                          const struct buf *password);

void fleet_result_release(struct fleet_result *r);

/* Checks "1,3,5" against n devices; ERR_USAGE names the part that is wrong. on: n bytes, set to 1
 * for the devices named, may be NULL. */
int fleet_parse_devices(const char *list, size_t n, unsigned char *on, struct err *e);

/* From now until fleet_run has begun, SIGTERM ends the process with exit code 0 and SIGINT with
 * 130: for what a device does before, such as fetching its model. As process 1 of a container it
 * would not hear them otherwise. */
void fleet_catch_early_signals(void);

/* Runs until duration, inferences, SIGINT or SIGTERM; everything is published, saved and closed
 * when it returns, at most 5 s after the signal; a second SIGINT ends the process at once.
 * While things are being loaded, a signal ends the process at once, SIGTERM with exit code 0. After
 * it SIGTERM is ignored, so that the result can be printed, and SIGINT still ends. Returns
 * 0 when done or ended by SIGTERM, ERR_CANCELLED after SIGINT; result (zeroed by the caller, may be
 * NULL) is filled in both cases, and belongs to the caller. If metrics or messages of the store
 * could not be kept, which was logged, the result is filled too and ERR_IO or ERR_NOMEM comes back;
 * so it is with ERR_IO if every inference failed, or telemetry was sent and no message was ever
 * acknowledged, unless SIGINT ended it. HEALTH_FILE is kept up to date meanwhile; its beginning and
 * its end are the caller's, who may have a model to fetch before: health_begin, health_end.
 * Call it from the main thread. */
int fleet_run(const struct fleet_options *o, struct fleet_result *result, struct err *e);

#endif
