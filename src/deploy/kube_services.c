/* SPDX-License-Identifier: MIT */
/* The broker and the dashboard on Kubernetes: a Deployment of one pod and a Service each. */
#include "deploy/kube.h"

#include <stdio.h>

static void put_service(struct yaml *y, const struct plan *p, const char *name, int64_t port,
                        int64_t inside)
{
    kube_object(y, p, "v1", "Service", name, name);
    yaml_open(y, "spec");
    kube_labels(y, "selector", name);
    yaml_open(y, "ports");
    yaml_open_item(y);
    yaml_number(y, "port", port);
    yaml_number(y, "targetPort", inside);
    yaml_token(y, "protocol", "TCP");
    yaml_end(y);
    yaml_end(y);
    yaml_end(y);
}

/* Its old pod ends before the new one begins: they would share a volume. */
static void begin_pod(struct yaml *y, const struct plan *p, const char *name, const char *image)
{
    kube_object(y, p, "apps/v1", "Deployment", name, name);
    yaml_open(y, "spec");
    yaml_number(y, "replicas", 1);
    yaml_open(y, "strategy");
    yaml_token(y, "type", "Recreate");
    yaml_end(y);
    yaml_open(y, "selector");
    kube_labels(y, "matchLabels", name);
    yaml_end(y);
    yaml_open(y, "template");
    yaml_open(y, "metadata");
    kube_labels(y, "labels", name);
    yaml_end(y);
    yaml_open(y, "spec");
    kube_pod_security(y);
    yaml_open(y, "containers");
    yaml_open_item(y);
    yaml_text(y, "name", name);
    yaml_text(y, "image", image);
    yaml_token(y, "imagePullPolicy", "IfNotPresent");
}

static void end_container(struct yaml *y)
{
    yaml_end(y);
    yaml_end(y);
}

static void end_pod(struct yaml *y)
{
    yaml_end(y);
    yaml_end(y);
    yaml_end(y);
}

static void put_resources(struct yaml *y)
{
    static const char *const keys[] = {"requests", "limits"};
    static const char *const cpus[] = {"50m", "1"}, *const memory[] = {"32Mi", "256Mi"};
    yaml_open(y, "resources");
    for (size_t i = 0; i < 2; i++) {
        yaml_open(y, keys[i]);
        yaml_quoted(y, "cpu", cpus[i]);
        yaml_quoted(y, "memory", memory[i]);
        yaml_end(y);
    }
    yaml_end(y);
}

static void put_probe(struct yaml *y, const char *key, const char *path, int64_t port)
{
    yaml_open(y, key);
    yaml_open(y, path ? "httpGet" : "tcpSocket");
    if (path)
        yaml_text(y, "path", path);
    yaml_number(y, "port", port);
    yaml_end(y);
    yaml_number(y, "periodSeconds", 10);
    yaml_end(y);
}

static void put_broker_command(struct yaml *y, const struct plan *p)
{
    struct buf script;
    if (!broker_needs_script(p, false))
        return;
    buf_init(&script, 1 << 14);
    broker_script(&script, p, false);
    yaml_open(y, "command");
    yaml_item_quoted(y, "sh");
    yaml_item_quoted(y, "-c");
    y->dollars = true;
    yaml_item_block(y, buf_cstr(&script));
    y->dollars = false;
    yaml_end(y);
    buf_release(&script);
    yaml_open(y, "env");
    for (size_t i = 0; i < p->n_variables; i++) {
        const struct variable *v = &p->variables[i];
        if (broker_takes(p, v) && v->secret)
            kube_secret_variable(y, v->name);
        else if (broker_takes(p, v))
            kube_variable(y, v->name, v->value);
    }
    yaml_end(y);
}

void kube_broker(struct yaml *y, const struct plan *p)
{
    bool files = p->broker_password && kube_has_files(p);
    put_service(y, p, PLAN_BROKER, settings_int(p->o->settings, SET_MQTT_PORT), 1883);
    begin_pod(y, p, PLAN_BROKER, p->broker_image);
    put_broker_command(y, p);
    put_resources(y);
    put_probe(y, "livenessProbe", NULL, 1883);
    put_probe(y, "readinessProbe", NULL, 1883);
    kube_container_security(y);
    yaml_open(y, "volumeMounts");
    kube_mount(y, "data", PLAN_BROKER_DATA, false);
    kube_mount(y, "tmp", "/tmp", false);
    if (files)
        kube_mount(y, "files", PLAN_FILES, true);
    yaml_end(y);
    end_container(y);
    yaml_open(y, "volumes");
    kube_claim_volume(y, "data", "mqtt-data");
    kube_empty_volume(y, "tmp");
    if (files)
        kube_files_volume(y);
    yaml_end(y);
    end_pod(y);
}

void kube_dashboard(struct yaml *y, const struct plan *p)
{
    static const char *const command[] = {"wattle", "dashboard", NULL};
    int64_t port = settings_int(p->o->settings, SET_DASHBOARD_PORT);
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)port);
    put_service(y, p, PLAN_DASHBOARD, port, port);
    begin_pod(y, p, PLAN_DASHBOARD, p->image);
    yaml_words(y, "command", command);
    yaml_open(y, "env");
    kube_variable(y, "DASHBOARD_ADDRESS", "0.0.0.0");
    kube_variable(y, "DASHBOARD_PORT", text);
    kube_secret_variable(y, "DASHBOARD_TOKEN");
    for (size_t i = 0; i < p->n_variables; i++)
        if (p->variables[i].secret && !p->variables[i].llm)
            kube_secret_variable(y, p->variables[i].name);
    yaml_end(y);
    yaml_open(y, "envFrom");
    yaml_open_item(y);
    yaml_open(y, "configMapRef");
    yaml_text(y, "name", "wattle-settings");
    yaml_end(y);
    yaml_end(y);
    yaml_end(y);
    put_resources(y);
    put_probe(y, "readinessProbe", "/healthz", port);
    put_probe(y, "livenessProbe", NULL, port); /* /healthz is bad while the broker is away */
    kube_container_security(y);
    yaml_open(y, "volumeMounts");
    kube_mount(y, "tmp", "/tmp", false);
    if (kube_has_files(p))
        kube_mount(y, "files", PLAN_FILES, true);
    yaml_end(y);
    end_container(y);
    yaml_open(y, "volumes");
    kube_empty_volume(y, "tmp");
    if (kube_has_files(p))
        kube_files_volume(y);
    yaml_end(y);
    end_pod(y);
}
