/* SPDX-License-Identifier: MIT */
/* Devices on Kubernetes: a StatefulSet of one pod each, since a device's id may be connected once
 * only (a Deployment would start the new pod before the old one is gone), and its metrics stay with
 * it. */
#include "deploy/kube.h"

#include <math.h>
#include <stdio.h>

static void put_quantities(struct yaml *y, const struct plan *p, const char *key)
{
    char text[QUANTITY_SIZE];
    yaml_open(y, key);
    if (p->o->cpus > 0) {
        snprintf(text, sizeof text, "%.0fm", ceil(p->o->cpus * 1000));
        yaml_quoted(y, "cpu", text);
    } else {
        yaml_quoted(y, "cpu", "100m");
    }
    put_quantity(text, p->memory ? p->memory : 64u << 20);
    yaml_quoted(y, "memory", text);
    yaml_end(y);
}

/* Without limits a pod still says what it needs at least, so that nodes are not filled blindly. */
static void put_resources(struct yaml *y, const struct plan *p)
{
    char text[QUANTITY_SIZE];
    yaml_open(y, "resources");
    put_quantities(y, p, "requests");
    if (p->memory || p->o->cpus > 0) {
        yaml_open(y, "limits");
        if (p->o->cpus > 0) {
            snprintf(text, sizeof text, "%.0fm", ceil(p->o->cpus * 1000));
            yaml_quoted(y, "cpu", text);
        }
        if (p->memory) {
            put_quantity(text, p->memory);
            yaml_quoted(y, "memory", text);
        }
        yaml_end(y);
    }
    yaml_end(y);
}

static void put_probe(struct yaml *y, const char *key, bool ready, int failures)
{
    const char *const command[] = {"wattle", "health", ready ? "--ready" : NULL, NULL};
    yaml_open(y, key);
    yaml_open(y, "exec");
    yaml_words(y, "command", command);
    yaml_end(y);
    yaml_number(y, "periodSeconds", 10);
    yaml_number(y, "timeoutSeconds", 5);
    yaml_number(y, "failureThreshold", failures);
    yaml_end(y);
}

static void put_source(struct yaml *y, const char *kind, const char *name)
{
    yaml_open_item(y);
    yaml_open(y, kind);
    yaml_text(y, "name", name);
    yaml_end(y);
    yaml_end(y);
}

static void put_environment(struct yaml *y, const struct plan *p, const struct plan_device *d)
{
    yaml_open(y, "env");
    kube_variable(y, settings_env_name(SET_DEVICE_NAME), d->name);
    kube_variable(y, settings_env_name(SET_DEVICE_ID), d->id);
    kube_variable(y, settings_env_name(SET_ENABLE_LLM),
                  d->llm ? settings_text(d->settings, SET_ENABLE_LLM) : "false");
    for (size_t i = 0; i < d->n_own; i++) /* go before what envFrom brings */
        if (d->own[i].id != SET_ENABLE_LLM)
            kube_variable(y, d->own[i].name, d->own[i].value);
    for (size_t i = 0; i < p->n_variables; i++)
        if (p->variables[i].secret && plan_applies(d, p->variables[i].llm) &&
            !plan_own(d, p->variables[i].name))
            kube_secret_variable(y, p->variables[i].name);
    yaml_end(y);
    yaml_open(y, "envFrom");
    put_source(y, "configMapRef", "wattle-settings");
    if (d->llm)
        put_source(y, "configMapRef", "wattle-llm");
    yaml_end(y);
}

static void put_mounts(struct yaml *y, const struct plan *p, const struct plan_device *d)
{
    yaml_open(y, "volumeMounts");
    kube_mount(y, "metrics", PLAN_METRICS, false);
    kube_mount(y, "tmp", "/tmp", false);
    if (d->llm)
        kube_mount(y, "huggingface", PLAN_HF_HOME, false);
    if (kube_has_files(p))
        kube_mount(y, "files", PLAN_FILES, true);
    for (size_t i = 0; i < p->n_mounts; i++)
        if (!kube_is_file(&p->mounts[i]) && plan_applies(d, p->mounts[i].llm))
            kube_mount(y, p->mounts[i].key, p->mounts[i].inside, true);
    yaml_end(y);
}

static void put_volumes(struct yaml *y, const struct plan *p, const struct plan_device *d)
{
    yaml_open(y, "volumes");
    kube_empty_volume(y, "tmp");
    if (d->llm)
        kube_claim_volume(y, "huggingface", "huggingface");
    if (kube_has_files(p))
        kube_files_volume(y);
    for (size_t i = 0; i < p->n_mounts; i++) {
        if (kube_is_file(&p->mounts[i]) || !plan_applies(d, p->mounts[i].llm))
            continue;
        yaml_open_item(y);
        yaml_text(y, "name", p->mounts[i].key);
        yaml_open(y, "hostPath");
        yaml_quoted(y, "path", p->mounts[i].host);
        yaml_token(y, "type", p->mounts[i].folder ? "Directory" : "File");
        yaml_end(y);
        yaml_end(y);
    }
    yaml_end(y);
}

static void put_claims(struct yaml *y, const struct plan *p)
{
    yaml_open(y, "volumeClaimTemplates");
    yaml_open_item(y);
    yaml_open(y, "metadata");
    yaml_text(y, "name", "metrics");
    yaml_end(y);
    kube_claim_spec(y, p, "1Gi", false); /* of one pod */
    yaml_end(y);
    yaml_end(y);
}

static void put_pod(struct yaml *y, const struct plan *p, const struct plan_device *d)
{
    yaml_open(y, "template");
    yaml_open(y, "metadata");
    kube_labels(y, "labels", d->service);
    yaml_end(y);
    yaml_open(y, "spec");
    kube_pod_security(y);
    yaml_number(y, "terminationGracePeriodSeconds", 10);
    yaml_open(y, "containers");
    yaml_open_item(y);
    yaml_text(y, "name", "device");
    yaml_text(y, "image", p->image);
    yaml_token(y, "imagePullPolicy", "IfNotPresent");
    put_environment(y, p, d);
    put_resources(y, p);
    put_probe(y, "startupProbe", false, 360); /* an hour: the first start may pull a model */
    put_probe(y, "livenessProbe", false, 3);
    put_probe(y, "readinessProbe", true, 3);
    kube_container_security(y);
    put_mounts(y, p, d);
    yaml_end(y);
    yaml_end(y);
    put_volumes(y, p, d);
    yaml_end(y);
    yaml_end(y);
}

/* A StatefulSet has to name a service, though nobody connects to a device. */
static void put_service(struct yaml *y, const struct plan *p)
{
    kube_object(y, p, "v1", "Service", "wattle-devices", NULL);
    yaml_open(y, "spec");
    yaml_quoted(y, "clusterIP", "None");
    yaml_open(y, "selector");
    yaml_text(y, "app.kubernetes.io/name", "wattle");
    yaml_end(y);
    yaml_end(y);
}

void kube_devices(struct yaml *y, const struct plan *p)
{
    put_service(y, p);
    for (size_t i = 0; i < p->n_devices; i++) {
        const struct plan_device *d = &p->devices[i];
        kube_object(y, p, "apps/v1", "StatefulSet", d->service, d->service);
        yaml_open(y, "spec");
        yaml_text(y, "serviceName", "wattle-devices");
        yaml_number(y, "replicas", 1);
        yaml_open(y, "selector");
        kube_labels(y, "matchLabels", d->service);
        yaml_end(y);
        put_pod(y, p, d);
        put_claims(y, p);
        yaml_end(y);
    }
}
