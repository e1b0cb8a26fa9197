/* SPDX-License-Identifier: MIT */
/* docker-stack.yml for `docker stack deploy`. Version 3.8, which that command still asks for.
 *
 * A swarm builds nothing, keeps no order and has no bind of a single machine in mind: images come
 * from where every node can get them, small files travel as secrets, data live in volumes. */
#include "deploy/service.h"

#include <stdio.h>

/* A secret is a file below /run/secrets; the plan's place is written as its target. */
static bool is_secret_file(const struct mount *m)
{
    return !m->folder && m->id != SET_LLM_MODEL_NAME && m->id != SET_DATASET_PATH;
}

enum reader { DEVICE, BROKER, DASHBOARD };

static bool reads(enum reader reader, const struct plan_device *d, const struct mount *m)
{
    return reader == DEVICE   ? plan_needs(d, m)
           : reader == BROKER ? m->broker
                              : service_dashboard_reads(m);
}

static void put_secrets(struct yaml *y, const struct plan *p, const struct plan_device *d,
                        enum reader reader)
{
    bool any = false;
    for (size_t i = 0; i < p->n_mounts; i++) {
        const struct mount *m = &p->mounts[i];
        if (!is_secret_file(m) || !reads(reader, d, m))
            continue;
        if (!any)
            yaml_open(y, "secrets");
        any = true;
        yaml_open_item(y);
        yaml_text(y, "source", m->key);
        yaml_text(y, "target", m->inside);
        yaml_quoted(y, "uid", "10001");
        yaml_quoted(y, "gid", "10001");
        yaml_number(y, "mode",
                    reader == BROKER ? 0444 : 0440); /* in decimal: YAML 1.2 has no 0440 */
        yaml_end(y);
    }
    if (any)
        yaml_end(y);
}

static void put_resources(struct yaml *y, const struct plan *p)
{
    char text[NUM_F64_SIZE];
    if (!p->memory && p->o->cpus <= 0)
        return;
    yaml_open(y, "resources");
    yaml_open(y, "limits");
    if (p->o->cpus > 0) {
        num_format_f64(p->o->cpus, text);
        yaml_quoted(y, "cpus", text);
    }
    if (p->memory)
        yaml_quoted(y, "memory", p->o->memory);
    yaml_end(y);
    yaml_end(y);
}

/* One of each: a second one with the same client id would throw the first out, so an update ends
 * the old one first. */
static void put_deploy(struct yaml *y, const struct plan *p, bool limited)
{
    const char *restart = p->o->restart ? p->o->restart : "unless-stopped";
    bool none = strcmp(restart, "no") == 0, failure = strcmp(restart, "on-failure") == 0;
    yaml_open(y, "deploy");
    yaml_number(y, "replicas", 1);
    yaml_open(y, "update_config");
    yaml_text(y, "order", "stop-first");
    yaml_end(y);
    yaml_open(y, "restart_policy");
    yaml_quoted(y, "condition", none ? "none" : failure ? "on-failure" : "any");
    yaml_token(y, "delay", "5s");
    yaml_end(y);
    if (limited)
        put_resources(y, p);
    yaml_end(y);
}

static void put_life(struct yaml *y)
{
    static const char *const all[] = {"ALL", NULL};
    static const char *const memory[] = {"/tmp", NULL};
    yaml_token(y, "stop_grace_period", "10s");
    yaml_token(y, "read_only", "true");
    yaml_words(y, "tmpfs", memory);
    yaml_words(y, "cap_drop", all);
    service_logging(y);
}

static void put_volume(struct yaml *y, const char *name, const char *suffix, const char *inside)
{
    struct buf line;
    buf_init(&line, 4096);
    buf_printf(&line, "%s%s:%s", name, suffix, inside);
    yaml_item(y, buf_cstr(&line));
    buf_release(&line);
}

static void put_device(struct yaml *y, const struct plan *p, const struct plan_device *d)
{
    static const char *const check[] = {"CMD", "wattle", "health", NULL};
    yaml_open(y, d->service);
    yaml_text(y, "image", p->image);
    service_environment(y, p, d);
    yaml_open(y, "volumes");
    put_volume(y, d->service, "-metrics", PLAN_METRICS);
    if (d->llm)
        put_volume(y, "huggingface", "", PLAN_HF_HOME);
    for (size_t i = 0; i < p->n_mounts; i++)
        if (!is_secret_file(&p->mounts[i]) && plan_needs(d, &p->mounts[i]))
            service_bind(y, p->mounts[i].host, p->mounts[i].inside, false);
    yaml_end(y);
    put_secrets(y, p, d, DEVICE);
    service_health(y, check, "10s", "10s");
    put_life(y);
    put_deploy(y, p, true);
    yaml_end(y);
}

static void put_volumes(struct yaml *y, const struct plan *p)
{
    char name[SERVICE_NAME_SIZE + 16];
    yaml_open(y, "volumes");
    if (p->broker)
        yaml_token(y, "mqtt-data", "{}");
    if (p->has_llm)
        yaml_token(y, "huggingface", "{}");
    for (size_t i = 0; i < p->n_devices; i++) {
        snprintf(name, sizeof name, "%s-metrics", p->devices[i].service);
        yaml_token(y, name, "{}");
    }
    yaml_end(y);
}

static void put_secret_files(struct yaml *y, const struct plan *p)
{
    bool any = false;
    for (size_t i = 0; i < p->n_mounts; i++) {
        if (!is_secret_file(&p->mounts[i]))
            continue;
        if (!any)
            yaml_open(y, "secrets");
        any = true;
        yaml_open(y, p->mounts[i].key);
        yaml_text(y, "file", p->mounts[i].host);
        yaml_end(y);
    }
    if (any)
        yaml_end(y);
}

int swarm_make(struct deploy *d, struct err *e)
{
    struct plan *p = &d->plan;
    struct yaml y;
    bool stdout_only = strcmp(d->output, "-") == 0;
    d->next = stdout_only ? ""
                          : plan_printf(p, "docker stack deploy -c %s wattle",
                                        plan_shell_word(p, d->output));
    struct buf *out = output_add(d, d->output, p->secret || p->own_secret);
    if (!out || !d->next)
        return err_set(e, ERR_NOMEM, "no memory for the file");
    yaml_init(&y, out);
    y.dollars = true;
    output_head(out, p);
    yaml_quoted(&y, "version", "3.8");
    yaml_open(&y, "services");
    if (p->broker) {
        yaml_open(&y, PLAN_BROKER);
        yaml_text(&y, "image", p->broker_image);
        service_broker(&y, p);
        put_secrets(&y, p, NULL, BROKER);
        put_life(&y);
        put_deploy(&y, p, false);
        yaml_end(&y);
    }
    for (size_t i = 0; i < p->n_devices; i++)
        put_device(&y, p, &p->devices[i]);
    if (p->o->dashboard) {
        yaml_open(&y, PLAN_DASHBOARD);
        yaml_text(&y, "image", p->image);
        service_dashboard(&y, p);
        put_secrets(&y, p, NULL, DASHBOARD);
        put_life(&y);
        put_deploy(&y, p, false);
        yaml_end(&y);
    }
    yaml_end(&y);
    put_volumes(&y, p);
    put_secret_files(&y, p);
    for (size_t i = 0; i < p->n_mounts; i++)
        if (!is_secret_file(&p->mounts[i]))
            plan_note(p, "'%s': has to be on every node of the swarm", p->mounts[i].host);
    return 0;
}
