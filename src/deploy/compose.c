/* SPDX-License-Identifier: MIT */
/* docker-compose.yml, for the compose plug-in and for docker-compose 1.29 of Debian 12.
 *
 * No "version:": both take the file for the compose specification then. Every device is spelt out,
 * as in a file written by hand, so that one can be changed by hand. Source: compose-spec, spec.md.
 */
#include "deploy/service.h"

#include <stdio.h>
#include <stdlib.h>

static void put_user(struct yaml *y, const struct plan *p)
{
    char user[32];
    if (!p->o->has_user)
        return;
    snprintf(user, sizeof user, "%u:%u", p->user, p->group);
    yaml_quoted(y, "user", user);
}

/* How it is started and ended, and what it may do: nothing but write its own folders. */
static void put_life(struct yaml *y, const struct plan *p)
{
    static const char *const all[] = {"ALL", NULL};
    static const char *const options[] = {"no-new-privileges:true", NULL};
    static const char *const memory[] = {"/tmp", NULL};
    const char *restart = p->o->restart ? p->o->restart : "unless-stopped";
    yaml_text(y, "restart", restart);
    yaml_token(y, "stop_grace_period", "10s"); /* a device needs 5 s at most */
    yaml_token(y, "read_only", "true");
    yaml_words(y, "tmpfs", memory);
    yaml_words(y, "cap_drop", all);
    yaml_words(y, "security_opt", options);
    service_logging(y);
}

static void put_limits(struct yaml *y, const struct plan *p)
{
    char number[NUM_F64_SIZE];
    if (p->o->cpus > 0) {
        num_format_f64(p->o->cpus, number);
        yaml_token(y, "cpus", number);
    }
    if (p->memory)
        yaml_quoted(y, "mem_limit", p->o->memory);
    if (p->swap)
        yaml_quoted(y, "memswap_limit", p->o->memory_swap);
}

/* Where the name of this machine is asked for. */
static void put_hosts(struct yaml *y, const struct plan *p)
{
    static const char *const gateway[] = {"host.docker.internal:host-gateway", NULL};
    if (strcmp(settings_text(p->o->settings, SET_MQTT_BROKER), "host.docker.internal") == 0)
        yaml_words(y, "extra_hosts", gateway);
}

/* The engine is not waited for until it is healthy: telemetry begins while it loads its model. */
static void put_dependency(struct yaml *y, const struct plan *p, bool engine)
{
    if (!p->broker && !engine)
        return;
    yaml_open(y, "depends_on");
    if (p->broker) {
        yaml_open(y, PLAN_BROKER);
        yaml_token(y, "condition", "service_healthy");
        yaml_end(y);
    }
    if (engine) {
        yaml_open(y, PLAN_ENGINE);
        yaml_token(y, "condition", "service_started");
        yaml_end(y);
    }
    yaml_end(y);
}

static void put_broker(struct yaml *y, const struct plan *p)
{
    yaml_open(y, PLAN_BROKER);
    service_image(y, p, p->broker_image, "broker", !p->o->broker_image);
    yaml_text(y, "container_name", PLAN_BROKER);
    if (p->broker_password)
        put_user(y, p); /* may read the file of the password */
    service_broker(y, p);
    put_life(y, p);
    yaml_end(y);
}

static void put_volumes(struct yaml *y, const struct plan *p, const struct plan_device *d,
                        const char *metrics)
{
    bool dataset_folder = false;
    for (size_t i = 0; i < p->n_mounts; i++)
        dataset_folder = dataset_folder || strcmp(p->mounts[i].inside, PLAN_DATASET) == 0;
    yaml_open(y, "volumes");
    service_bind(y, "./config", PLAN_CONFIG, false);
    if (!dataset_folder)
        service_bind(y, "./dataset", PLAN_DATASET, false);
    service_bind(y, metrics, PLAN_METRICS, true);
    for (size_t i = 0; i < p->n_mounts; i++)
        if (plan_needs(d, &p->mounts[i]) && !(p->o->engine && plan_is_model(&p->mounts[i])))
            service_bind(y, p->mounts[i].host, p->mounts[i].inside, p->mounts[i].writable);
    yaml_end(y);
}

static void put_device(struct yaml *y, const struct plan *p, size_t i, const char *metrics)
{
    static const char *const check[] = {"CMD", "wattle", "health", NULL};
    const struct plan_device *d = &p->devices[i];
    yaml_open(y, d->service);
    service_image(y, p, p->image, NULL, i == 0); /* built once, used by all */
    yaml_text(y, "container_name", d->service);
    put_user(y, p);
    service_environment(y, p, d);
    put_volumes(y, p, d, metrics);
    put_hosts(y, p);
    put_dependency(y, p, p->o->engine && d->llm);
    put_limits(y, p);
    service_health(y, check, "10s", "10s");
    put_life(y, p);
    yaml_end(y);
}

static void put_engine(struct yaml *y, const struct plan *p)
{
    yaml_open(y, PLAN_ENGINE);
    service_image(y, p, p->image, NULL, false);
    yaml_token(y, "container_name", PLAN_ENGINE);
    put_user(y, p);
    service_engine(y, p);
    put_life(y, p);
    yaml_end(y);
}

static void put_dashboard(struct yaml *y, const struct plan *p)
{
    yaml_open(y, PLAN_DASHBOARD);
    service_image(y, p, p->image, NULL, false);
    yaml_token(y, "container_name", PLAN_DASHBOARD);
    put_user(y, p);
    service_dashboard(y, p);
    put_hosts(y, p);
    put_dependency(y, p, false);
    put_life(y, p);
    yaml_end(y);
}

/* ---- folders that containers write into ---- */

static int add_folder(struct deploy *d, const char *path, struct err *e)
{
    const char *from = path && strncmp(path, "./", 2) == 0 ? path + 2 : path;
    const char *base = plan_folder(&d->plan);
    if (from && base && from != path && strcmp(base, ".") != 0)
        from = plan_printf(&d->plan, "%s/%s", base, from);
    if (!from || !base || d->n_folders == OUTPUT_FILES_MAX)
        return err_set(e, ERR_NOMEM, "no memory for the folders");
    d->folders[d->n_folders++] = from;
    return 0;
}

static int put_devices(struct deploy *d, struct yaml *y, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < d->plan.n_devices; i++) {
        const struct plan *p = &d->plan;
        const char *metrics = plan_printf(&d->plan, "%s/%s", p->metrics, p->devices[i].service);
        rc = add_folder(d, metrics, e);
        if (!rc)
            put_device(y, p, i, metrics);
    }
    for (size_t i = 0; !rc && i < d->plan.n_mounts; i++)
        if (d->plan.mounts[i].writable)
            rc = add_folder(d, d->plan.mounts[i].host, e);
    return rc;
}

static const char *command(struct plan *p, const char *output)
{
    const char *name = strrchr(output, '/') ? strrchr(output, '/') + 1 : output;
    const char *build = p->build ? " --build" : "";
    if (strcmp(output, "-") == 0)
        return "";
    if (strcmp(name, output) == 0 && strcmp(name, "docker-compose.yml") == 0)
        return plan_printf(p, "docker compose up%s", build);
    return plan_printf(p, "docker compose -f %s up%s", plan_shell_word(p, output), build);
}

int compose_make(struct deploy *d, struct err *e)
{
    struct plan *p = &d->plan;
    struct yaml y;
    d->next = command(p, d->output);
    struct buf *out = output_add(d, d->output, p->secret || p->own_secret);
    if (!out || !d->next)
        return err_set(e, ERR_NOMEM, "no memory for the file");
    yaml_init(&y, out);
    y.dollars = true;
    output_head(out, p);
    yaml_open(&y, "services");
    if (p->broker)
        put_broker(&y, p);
    int rc = put_devices(d, &y, e);
    if (p->o->engine)
        put_engine(&y, p);
    if (p->o->dashboard)
        put_dashboard(&y, p);
    yaml_end(&y);
    if (p->broker) {
        yaml_open(&y, "volumes");
        yaml_token(&y, "mqtt-data", "{}");
        yaml_end(&y);
    }
    return rc;
}
