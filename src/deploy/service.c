/* SPDX-License-Identifier: MIT */
#include "deploy/service.h"

#include <stdio.h>

void service_variable(struct yaml *y, const char *name, const char *value)
{
    struct buf line;
    buf_init(&line, 1 << 18);
    buf_printf(&line, "%s=%s", name, value);
    if (line.failed)
        y->out->failed = true;
    yaml_item(y, buf_cstr(&line));
    buf_release(&line);
}

static bool is_common(const struct plan *p, const struct plan_device *d, const char *name)
{
    for (size_t i = 0; i < p->n_variables; i++)
        if (plan_applies(d, p->variables[i].llm) && strcmp(p->variables[i].name, name) == 0)
            return true;
    return false;
}

void service_environment(struct yaml *y, const struct plan *p, const struct plan_device *d)
{
    yaml_open(y, "environment");
    service_variable(y, settings_env_name(SET_DEVICE_NAME), d->name);
    service_variable(y, settings_env_name(SET_DEVICE_ID), d->id);
    for (size_t i = 0; i < p->n_variables; i++) {
        const struct variable *v = &p->variables[i], *own = plan_own(d, v->name);
        if (plan_applies(d, v->llm))
            service_variable(y, v->name, own ? own->value : v->value);
    }
    if (!d->llm)
        service_variable(y, settings_env_name(SET_ENABLE_LLM), "false");
    for (size_t i = 0; i < d->n_own; i++)
        if (!is_common(p, d, d->own[i].name) && d->own[i].id != SET_ENABLE_LLM)
            service_variable(y, d->own[i].name, d->own[i].value);
    yaml_end(y);
}

/* The long form: a path may hold colons, which the short one parts at. */
void service_bind(struct yaml *y, const char *host, const char *inside, bool writable)
{
    struct buf line;
    buf_init(&line, 1 << 16);
    buf_printf(&line, "%s:%s%s", host, inside, writable ? "" : ":ro");
    bool short_form = !strchr(host, ':') && host[0] != '~' && yaml_is_plain(buf_cstr(&line));
    if (short_form) {
        yaml_item(y, buf_cstr(&line));
    } else {
        yaml_open_item(y);
        yaml_token(y, "type", "bind");
        yaml_text(y, "source", host);
        yaml_text(y, "target", inside);
        if (!writable)
            yaml_token(y, "read_only", "true");
        yaml_end(y);
    }
    buf_release(&line);
}

void service_health(struct yaml *y, const char *const *test, const char *interval,
                    const char *start)
{
    yaml_open(y, "healthcheck");
    yaml_words(y, "test", test);
    yaml_token(y, "interval", interval);
    yaml_token(y, "timeout", "5s");
    yaml_number(y, "retries", 3);
    yaml_token(y, "start_period", start);
    yaml_end(y);
}

/* Docker's own default keeps every line for ever. */
void service_logging(struct yaml *y)
{
    yaml_open(y, "logging");
    yaml_token(y, "driver", "json-file");
    yaml_open(y, "options");
    yaml_token(y, "max-size", "10m");
    yaml_quoted(y, "max-file", "3");
    yaml_end(y);
    yaml_end(y);
}

/* Quoted always: 22:22 is a number of base 60 in YAML 1.1. A swarm publishes on every node, so only
 * what --publish asks for. */
void service_port(struct yaml *y, const struct plan *p, const char *port, const char *inside)
{
    const char *address = p->o->publish ? p->o->publish : "127.0.0.1";
    struct buf text;
    if (p->o->target == DEPLOY_SWARM && !p->o->publish)
        return;
    buf_init(&text, 512);
    if (strcmp(address, "0.0.0.0") == 0 || p->o->target == DEPLOY_SWARM)
        buf_printf(&text, "%s:%s", port, inside);
    else
        buf_printf(&text, strchr(address, ':') ? "[%s]:%s:%s" : "%s:%s:%s", address, port, inside);
    yaml_open(y, "ports");
    yaml_item_quoted(y, buf_cstr(&text));
    yaml_end(y);
    buf_release(&text);
}

void service_image(struct yaml *y, const struct plan *p, const char *image, const char *target,
                   bool build)
{
    yaml_text(y, "image", image);
    if (!p->build || !build)
        return;
    yaml_open(y, "build");
    yaml_text(y, "context", p->build);
    yaml_text(y, "dockerfile", "packaging/Dockerfile");
    if (target)
        yaml_text(y, "target", target);
    yaml_end(y);
}

static void put_broker_secrets(struct yaml *y, const struct plan *p)
{
    yaml_open(y, "environment");
    for (size_t i = 0; i < p->n_variables; i++)
        if (broker_takes(p, &p->variables[i]))
            service_variable(y, p->variables[i].name, p->variables[i].value);
    yaml_end(y);
}

void service_broker(struct yaml *y, const struct plan *p)
{
    struct buf text;
    bool swarm = p->o->target == DEPLOY_SWARM;
    buf_init(&text, 1 << 16);
    if (broker_needs_script(p, true)) {
        broker_script(&text, p, true);
        yaml_open(y, "command");
        yaml_item_quoted(y, "sh");
        yaml_item_quoted(y, "-c");
        yaml_item_block(y, buf_cstr(&text));
        yaml_end(y);
    }
    if (p->broker_password)
        put_broker_secrets(y, p);
    service_port(y, p, p->port, p->port);
    yaml_open(y, "volumes");
    yaml_item(y, "mqtt-data:" PLAN_BROKER_DATA);
    for (size_t i = 0; i < p->n_mounts && p->broker_password && !swarm; i++)
        if (p->mounts[i].broker)
            service_bind(y, p->mounts[i].host, p->mounts[i].inside, false);
    yaml_end(y);
    buf_clear(&text);
    broker_check(&text, p, true);
    const char *const check[] = {"CMD", "sh", "-c", buf_cstr(&text), NULL};
    service_health(y, check, "10s", "5s");
    buf_release(&text);
}

/* A variable of the connection to the broker. */
static bool is_mqtt(const struct variable *v)
{
    return strncmp(v->name, "MQTT_", 5) == 0 && v->id != SET_MQTT_QUEUE_DIR &&
           v->id != SET_MQTT_QUEUE_MAX;
}

/* By bash, which every Debian has: the image has no program to ask servers with. */
static void put_http_check(struct yaml *y, const char *port, const char *path, const char *start)
{
    struct buf line;
    buf_init(&line, 1024);
    buf_printf(&line,
               "exec 3<>/dev/tcp/127.0.0.1/%s && printf 'GET %s HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n"
               "Connection: close\\r\\n\\r\\n' >&3 && grep -q '^HTTP/1.1 200' <&3",
               port, path);
    const char *const check[] = {"CMD", "bash", "-c", buf_cstr(&line), NULL};
    service_health(y, check, "10s", start);
    buf_release(&line);
}

bool service_dashboard_reads(const struct mount *m)
{
    return m->dashboard || strncmp(settings_env_name(m->id), "MQTT_", 5) == 0;
}

static void put_dashboard_files(struct yaml *y, const struct plan *p)
{
    bool any = false;
    for (size_t i = 0; i < p->n_mounts; i++) {
        const struct mount *m = &p->mounts[i];
        if (!service_dashboard_reads(m))
            continue;
        if (!any)
            yaml_open(y, "volumes");
        any = true;
        service_bind(y, m->host, m->inside, false);
    }
    if (any)
        yaml_end(y);
}

void service_dashboard(struct yaml *y, const struct plan *p)
{
    char port[24];
    snprintf(port, sizeof port, "%lld",
             (long long)settings_int(p->o->settings, SET_DASHBOARD_PORT));
    const char *const command[] = {"wattle", "dashboard", NULL};
    yaml_words(y, "command", command);
    yaml_open(y, "environment");
    for (size_t i = 0; i < p->n_variables; i++)
        if (is_mqtt(&p->variables[i]))
            service_variable(y, p->variables[i].name, p->variables[i].value);
    service_variable(y, "DASHBOARD_ADDRESS", "0.0.0.0");
    service_variable(y, "DASHBOARD_PORT", port);
    if (p->dashboard_token[0])
        service_variable(y, "DASHBOARD_TOKEN", p->dashboard_token);
    for (size_t i = 0; i < p->n_mounts; i++)
        if (p->mounts[i].dashboard)
            service_variable(y, settings_env_name(p->mounts[i].id), p->mounts[i].inside);
    yaml_end(y);
    if (p->o->target == DEPLOY_COMPOSE)
        put_dashboard_files(y, p);
    service_port(y, p, port, port);
    put_http_check(y, port, "/healthz", "10s");
}

/* What a model needs, and none of what a device's telemetry does. */
static bool is_engine(const struct variable *v)
{
    return (strncmp(v->name, "LLM_", 4) == 0 && v->id != SET_LLM_ENDPOINT &&
            v->id != SET_LLM_INFERENCE_INTERVAL && v->id != SET_LLM_PROMPT_FILE) ||
           strncmp(v->name, "HF_", 3) == 0 || strncmp(v->name, "POWER_", 6) == 0 ||
           v->id == SET_LOG_LEVEL || v->id == SET_WATTLE_ISA;
}

void service_engine(struct yaml *y, const struct plan *p)
{
    char port[24];
    snprintf(port, sizeof port, "%lld", (long long)settings_int(p->o->settings, SET_SERVE_PORT));
    const char *const command[] = {"wattle", "serve", NULL};
    yaml_words(y, "command", command);
    yaml_open(y, "environment");
    service_variable(y, "SERVE_ADDRESS", "0.0.0.0");
    service_variable(y, "SERVE_PORT", port);
    for (size_t i = 0; i < p->n_variables; i++)
        if (is_engine(&p->variables[i]))
            service_variable(y, p->variables[i].name, p->variables[i].value);
    yaml_end(y);
    yaml_open(y, "volumes");
    service_bind(y, "./config", PLAN_CONFIG, false);
    for (size_t i = 0; i < p->n_mounts; i++)
        if (p->mounts[i].llm && p->mounts[i].id != SET_LLM_PROMPT_FILE)
            service_bind(y, p->mounts[i].host, p->mounts[i].inside, p->mounts[i].writable);
    yaml_end(y);
    put_http_check(y, port, "/health", "1h"); /* the first start may pull a model */
}
