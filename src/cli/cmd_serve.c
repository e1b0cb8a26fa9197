/* SPDX-License-Identifier: MIT */
/* wattle serve: one model for many devices, over HTTP. Its log is its output. */
#include "cli/cli.h"

#include "cli/groups.h"
#include "cli/model_input.h"
#include "fleet/fleet.h"
#include "meter/meter.h"
#include "net/net.h"
#include "serve/serve.h"

#include <signal.h>

enum { PATH_BYTES_MAX = 4096 };

struct server {
    struct loop *loop;
    struct wattle_model *model;
    struct meter *meter;
    struct engine_server *engine;
    struct buf path, key;
    struct wattle_request request;
    struct request_stops stops;
    bool interrupted;
};

static void on_signal(void *ctx, int signal)
{
    struct server *v = ctx;
    v->interrupted = signal == SIGINT;
    loop_stop(v->loop);
}

static int open_model(struct server *v, const struct settings *s, struct err *e)
{
    int rc = model_find(s, settings_text(s, SET_LLM_MODEL_NAME), &v->path, e);
    return rc ? rc : fleet_model_open(&v->model, s, buf_cstr(&v->path), NULL, e);
}

static int open_meter(struct server *v, const struct settings *s, struct err *e)
{
    struct fleet_power power;
    int rc = fleet_power(s, &power, e);
    return rc ? rc : fleet_meter_open(&v->meter, s, &power, e);
}

/* The loop first: its signals are for the threads that come after it, too. */
static int open_all(struct server *v, const struct settings *s, struct err *e)
{
    struct wattle_model_info info;
    int rc = settings_secret(s, SET_LLM_API_KEY, SET_LLM_API_KEY_FILE, &v->key, e);
    if (!rc)
        rc = open_model(v, s, e);
    if (!rc)
        rc = loop_open(&v->loop, e);
    if (!rc)
        rc = loop_signals(v->loop, on_signal, v, e);
    if (!rc)
        rc = open_meter(v, s, e);
    wattle_request_init(&v->request);
    if (!rc)
        rc = request_configure(&v->request, &v->stops, s, e);
    if (rc)
        return rc;
    wattle_model_info(v->model, &info);
    rc = memory_limit_check_model(v->meter, &info, e);
    if (rc)
        return rc;
    fleet_model_log(&info, settings_text(s, SET_LLM_MODEL_NAME));
    return engine_server_open(
        &v->engine,
        &(struct engine_server_options){.model = v->model,
                                        .meter = v->meter,
                                        .name = settings_text(s, SET_LLM_MODEL_NAME),
                                        .request = v->request,
                                        .queue_max = (size_t)settings_option_int(s, "queue"),
                                        .address = settings_text(s, SET_SERVE_ADDRESS),
                                        .port = (int)settings_int(s, SET_SERVE_PORT),
                                        .api_key = buf_cstr(&v->key)},
        e);
}

static int run(const struct settings *s, struct err *e)
{
    struct server v = {.interrupted = false};
    buf_init(&v.path, PATH_BYTES_MAX);
    buf_init(&v.key, SETTINGS_SECRET_MAX);
    int rc = open_all(&v, s, e);
    if (!rc) {
        log_info("Listening at %s", engine_server_url(v.engine));
        loop_run(v.loop);
        log_info("Ending");
    }
    engine_server_close(&v.engine);
    request_stops_release(&v.stops);
    meter_close(&v.meter);
    wattle_model_close(&v.model);
    if (v.loop)
        loop_close(&v.loop);
    buf_release(&v.key);
    buf_release(&v.path);
    return v.interrupted ? EXIT_INTERRUPTED : exit_code_of(rc);
}

static const struct option options[] = {
    {"queue", OPTION_INT, "N", 0, 100000, "64", "requests that may wait; beyond it they get 429"},
    {0}};

static const enum setting_id settings[] = {
    MODEL_SETTINGS,       INFERENCE_SETTINGS, SET_SERVE_ADDRESS, SET_SERVE_PORT, SET_LLM_API_KEY,
    SET_LLM_API_KEY_FILE, SET_WATTLE_SYSROOT, SET_WATTLE_ISA,    SET_LOG_LEVEL,  SET_N};

static const struct command_spec spec = {
    .name = "serve",
    .usage = "wattle serve [--llm-model MODEL] [--serve-address ADDRESS] [--serve-port N] "
             "[--queue N]",
    .summary = "one model for many devices, over HTTP",
    .notes = "Answers POST /v1/chat/completions as OpenAI's API does (no streaming), one request "
             "after the other, GET /v1/models and GET /health. Devices ask it with LLM_ENDPOINT; "
             "its answers carry what the inference cost, which becomes theirs. It ends at SIGTERM "
             "(exit code 0) or SIGINT (130).\n\n"
             "  wattle serve --llm-model m.gguf\n"
             "  LLM_ENDPOINT=http://127.0.0.1:8090 ENABLE_LLM=true wattle device",
    .options = options,
    .settings = settings,
};

const struct command command_serve = {.spec = &spec, .run = run, .log_on_stdout = true};
