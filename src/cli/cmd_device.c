/* SPDX-License-Identifier: MIT */
/* wattle device: one device, configured by its environment: what a container or a systemd unit
 * runs. Its log is its output. */
#include "cli/cli.h"

#include "cli/groups.h"
#include "cli/model_input.h"
#include "fleet/fleet.h"

enum { PATH_BYTES_MAX = 4096 };

static int run(const struct settings *s, struct err *e)
{
    struct buf path;
    const char *health = settings_text(s, SET_HEALTH_FILE);
    fleet_catch_early_signals();
    int rc = health_begin(health, e); /* before a model is fetched: that may take long */
    if (rc)
        return exit_code_of(rc);
    buf_init(&path, PATH_BYTES_MAX);
    if (settings_bool(s, SET_ENABLE_LLM) && !settings_text(s, SET_LLM_ENDPOINT)[0])
        rc = model_find(s, settings_text(s, SET_LLM_MODEL_NAME), &path, e);
    struct fleet_options o = {
        .settings = s,
        .n_devices = 1,
        .single = true,
        .model_path = buf_cstr(&path),
    };
    if (!rc)
        rc = fleet_run(&o, NULL, e);
    health_end(health);
    buf_release(&path);
    return exit_code_of(rc);
}

static const enum setting_id settings[] = {SET_DEVICE_NAME, SET_DEVICE_ID, DEVICE_SETTINGS, SET_N};

static const struct command_spec spec = {
    .name = "device",
    .usage = "wattle device",
    .summary = "one device, configured by its environment",
    .notes =
        "Sends telemetry to the broker until SIGTERM (exit code 0, or 1 if every analysis failed "
        "or no "
        "message was ever acknowledged) or SIGINT (130), and analyses "
        "every LLM_INFERENCE_INTERVAL-th message if ENABLE_LLM is true. The log goes to standard "
        "output. Metrics are saved in METRICS_DIR if that is given, else in "
        "metrics/DEVICE_NAME.\n\n"
        "  MQTT_BROKER=localhost ENABLE_LLM=true LLM_MODEL_NAME=m.gguf wattle device",
    .settings = settings,
};

const struct command command_device = {.spec = &spec, .run = run, .log_on_stdout = true};
