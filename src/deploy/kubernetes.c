/* SPDX-License-Identifier: MIT */
/* Manifests for Kubernetes: a folder of files that `kubectl apply -f` takes in the order of their
 * names, the namespace first. Source: the API reference of Kubernetes 1.27 on; nothing of it is
 * newer than 1.19. */
#include "deploy/kube.h"

#include <stdio.h>

enum { FILES_BYTES_MAX = 768 << 10 }; /* a Secret has 1 MiB, base64 included */

/* ---- parts ---- */

void kube_labels(struct yaml *y, const char *key, const char *component)
{
    yaml_open(y, key);
    yaml_text(y, "app.kubernetes.io/name", "wattle");
    yaml_text(y, "app.kubernetes.io/component", component);
    yaml_end(y);
}

static bool has_host_path(const struct plan *p)
{
    for (size_t i = 0; i < p->n_mounts; i++)
        if (!kube_is_file(&p->mounts[i]))
            return true;
    return false;
}

void kube_object(struct yaml *y, const struct plan *p, const char *api, const char *kind,
                 const char *name, const char *component)
{
    if (y->begun)
        yaml_document(y);
    y->begun = true;
    yaml_token(y, "apiVersion", api);
    yaml_token(y, "kind", kind);
    yaml_open(y, "metadata");
    yaml_text(y, "name", name);
    if (strcmp(kind, "Namespace") != 0)
        yaml_text(y, "namespace", p->o->kube_namespace);
    else if (!has_host_path(p)) { /* pods of other kinds have no place there */
        yaml_open(y, "labels");
        yaml_token(y, "pod-security.kubernetes.io/enforce", "restricted");
        yaml_end(y);
    }
    if (component)
        kube_labels(y, "labels", component);
    yaml_end(y);
}

void kube_pod_security(struct yaml *y)
{
    yaml_token(y, "automountServiceAccountToken", "false");
    yaml_token(y, "enableServiceLinks", "false"); /* MQTT_BROKER_PORT=tcp://… */
    yaml_open(y, "securityContext");
    yaml_token(y, "runAsNonRoot", "true");
    yaml_number(y, "runAsUser", PLAN_USER);
    yaml_number(y, "runAsGroup", PLAN_USER);
    yaml_number(y, "fsGroup", PLAN_USER);
    yaml_token(y, "fsGroupChangePolicy", "OnRootMismatch");
    yaml_open(y, "seccompProfile");
    yaml_token(y, "type", "RuntimeDefault");
    yaml_end(y);
    yaml_end(y);
}

void kube_container_security(struct yaml *y)
{
    static const char *const all[] = {"ALL", NULL};
    yaml_open(y, "securityContext");
    yaml_token(y, "allowPrivilegeEscalation", "false");
    yaml_token(y, "readOnlyRootFilesystem", "true");
    yaml_open(y, "capabilities");
    yaml_words(y, "drop", all);
    yaml_end(y);
    yaml_end(y);
}

/* "$(NAME)" in a value is replaced; "$$" is one '$'. */
void kube_variable(struct yaml *y, const char *name, const char *value)
{
    yaml_open_item(y);
    yaml_text(y, "name", name);
    y->dollars = true;
    yaml_quoted(y, "value", value);
    y->dollars = false;
    yaml_end(y);
}

void kube_secret_variable(struct yaml *y, const char *name)
{
    yaml_open_item(y);
    yaml_text(y, "name", name);
    yaml_open(y, "valueFrom");
    yaml_open(y, "secretKeyRef");
    yaml_text(y, "name", "wattle-secrets");
    yaml_text(y, "key", name);
    yaml_end(y);
    yaml_end(y);
    yaml_end(y);
}

void kube_mount(struct yaml *y, const char *volume, const char *path, bool read_only)
{
    yaml_open_item(y);
    yaml_text(y, "name", volume);
    yaml_text(y, "mountPath", path);
    if (read_only)
        yaml_token(y, "readOnly", "true");
    yaml_end(y);
}

void kube_empty_volume(struct yaml *y, const char *name)
{
    yaml_open_item(y);
    yaml_text(y, "name", name);
    yaml_token(y, "emptyDir", "{}");
    yaml_end(y);
}

void kube_claim_volume(struct yaml *y, const char *name, const char *claim)
{
    yaml_open_item(y);
    yaml_text(y, "name", name);
    yaml_open(y, "persistentVolumeClaim");
    yaml_text(y, "claimName", claim);
    yaml_end(y);
    yaml_end(y);
}

void kube_files_volume(struct yaml *y)
{
    yaml_open_item(y);
    yaml_text(y, "name", "files");
    yaml_open(y, "secret");
    yaml_text(y, "secretName", "wattle-files");
    yaml_number(y, "defaultMode", 0440); /* written in decimal */
    yaml_end(y);
    yaml_end(y);
}

bool kube_is_file(const struct mount *m)
{
    return m->id != SET_LLM_MODEL_NAME && m->id != SET_DATASET_PATH;
}

bool kube_has_files(const struct plan *p)
{
    for (size_t i = 0; i < p->n_mounts; i++)
        if (kube_is_file(&p->mounts[i]))
            return true;
    return false;
}

/* ---- settings ---- */

static void put_map(struct yaml *y, const struct plan *p, const char *name, bool llm)
{
    kube_object(y, p, "v1", "ConfigMap", name, NULL);
    yaml_open(y, "data");
    for (size_t i = 0; i < p->n_variables; i++) {
        const struct variable *v = &p->variables[i];
        if (!v->secret && v->llm == llm && v->id != SET_ENABLE_LLM)
            yaml_quoted(y, v->name, v->value);
    }
    yaml_end(y);
}

static void put_base64(struct buf *out, struct span s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < s.n; i += 3) {
        size_t n = s.n - i < 3 ? s.n - i : 3;
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (k < n ? s.p[i + k] : 0u);
        for (size_t k = 0; k < 4; k++)
            buf_char(out, k <= n ? digits[bits >> (18 - 6 * k) & 63] : '=');
    }
}

static int put_files(struct yaml *y, const struct plan *p, struct err *e)
{
    size_t total = 0;
    struct buf bytes, text;
    int rc = 0;
    buf_init(&bytes, FILES_BYTES_MAX);
    buf_init(&text, 2 * FILES_BYTES_MAX);
    kube_object(y, p, "v1", "Secret", "wattle-files", NULL);
    yaml_token(y, "type", "Opaque");
    yaml_open(y, "data");
    for (size_t i = 0; !rc && i < p->n_mounts; i++) {
        if (!kube_is_file(&p->mounts[i]))
            continue;
        buf_clear(&bytes);
        buf_clear(&text);
        rc = file_read(p->mounts[i].host, &bytes, e);
        if (rc)
            rc = err_wrap(e, rc, "%s", settings_env_name(p->mounts[i].id));
        total += bytes.n;
        if (!rc && total > FILES_BYTES_MAX)
            rc = err_set(e, ERR_LIMIT,
                         "'%s': with it the files are %zu bytes, a Secret holds %d at most",
                         p->mounts[i].host, total, (int)FILES_BYTES_MAX);
        put_base64(&text, buf_view(&bytes));
        yaml_quoted(y, p->mounts[i].key, buf_cstr(&text));
    }
    yaml_end(y);
    buf_release(&bytes);
    buf_release(&text);
    return rc;
}

static void put_secrets(struct yaml *y, const struct plan *p)
{
    kube_object(y, p, "v1", "Secret", "wattle-secrets", NULL);
    yaml_token(y, "type", "Opaque");
    yaml_open(y, "stringData");
    for (size_t i = 0; i < p->n_variables; i++)
        if (p->variables[i].secret)
            yaml_quoted(y, p->variables[i].name, p->variables[i].value);
    if (p->dashboard_token[0])
        yaml_quoted(y, "DASHBOARD_TOKEN", p->dashboard_token);
    yaml_end(y);
}

/* ---- storage ---- */

void kube_claim_spec(struct yaml *y, const struct plan *p, const char *size, bool many_nodes)
{
    const char *const modes[] = {many_nodes ? "ReadWriteMany" : "ReadWriteOnce", NULL};
    yaml_open(y, "spec");
    yaml_words(y, "accessModes", modes);
    if (p->o->storage_class)
        yaml_quoted(y, "storageClassName", p->o->storage_class);
    yaml_open(y, "resources");
    yaml_open(y, "requests");
    yaml_quoted(y, "storage", size);
    yaml_end(y);
    yaml_end(y);
    yaml_end(y);
}

static void put_claim(struct yaml *y, const struct plan *p, const char *name, const char *size,
                      bool many_nodes)
{
    kube_object(y, p, "v1", "PersistentVolumeClaim", name, NULL);
    kube_claim_spec(y, p, size, many_nodes);
}

/* What a claim that one node alone may mount does to several pods. */
static void note_storage(struct plan *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_devices; i++)
        n += p->devices[i].llm;
    if (n > 1 && !p->o->many_nodes)
        plan_note(p,
                  "the volume claim 'huggingface' is ReadWriteOnce: the %zu devices with a model "
                  "start on one node only, elsewhere they wait as Pending; for several nodes "
                  "--access-mode ReadWriteMany, with a --storage-class that has it (NFS, CephFS)",
                  n);
}

/* ---- all ---- */

static bool begin_file(struct deploy *d, struct yaml *y, const char *name, bool secret)
{
    struct buf *out = output_add(d, name, secret);
    if (!out)
        return false;
    output_head(out, &d->plan);
    yaml_init(y, out);
    return true;
}

static int put_settings(struct deploy *d, struct err *e)
{
    struct plan *p = &d->plan;
    struct yaml y;
    if (strcmp(p->o->kube_namespace, "default") != 0) {
        if (!begin_file(d, &y, "00-namespace.yaml", false))
            return ERR_NOMEM;
        kube_object(&y, p, "v1", "Namespace", p->o->kube_namespace, NULL);
    }
    if (!begin_file(d, &y, "10-settings.yaml", false))
        return ERR_NOMEM;
    put_map(&y, p, "wattle-settings", false);
    if (p->has_llm)
        put_map(&y, p, "wattle-llm", true);
    int rc = 0;
    if ((p->secret || kube_has_files(p)) && !begin_file(d, &y, "11-secrets.yaml", true))
        return ERR_NOMEM;
    if (p->secret)
        put_secrets(&y, p);
    if (kube_has_files(p))
        rc = put_files(&y, p, e);
    return rc;
}

static int put_objects(struct deploy *d)
{
    struct plan *p = &d->plan;
    struct yaml y;
    if (p->broker || p->has_llm) {
        if (!begin_file(d, &y, "20-storage.yaml", false))
            return ERR_NOMEM;
        if (p->broker)
            put_claim(&y, p, "mqtt-data", "1Gi", false);
        if (p->has_llm)
            put_claim(&y, p, "huggingface", "20Gi", p->o->many_nodes);
    }
    if (p->broker) {
        if (!begin_file(d, &y, "30-broker.yaml", false))
            return ERR_NOMEM;
        kube_broker(&y, p);
    }
    if (!begin_file(d, &y, "40-devices.yaml", p->own_secret))
        return ERR_NOMEM;
    kube_devices(&y, p);
    if (p->o->dashboard) {
        if (!begin_file(d, &y, "50-dashboard.yaml", false))
            return ERR_NOMEM;
        kube_dashboard(&y, p);
    }
    return 0;
}

int kubernetes_make(struct deploy *d, struct err *e)
{
    struct plan *p = &d->plan;
    if (p->o->restart && strcmp(p->o->restart, "unless-stopped") != 0 &&
        strcmp(p->o->restart, "always") != 0)
        return err_set(e, ERR_USAGE, "--restart '%s': expected always, which alone Kubernetes does",
                       p->o->restart);
    d->folder = true;
    d->next = plan_printf(p, "kubectl apply -f %s", plan_shell_word(p, d->output));
    int rc = d->next ? put_settings(d, e) : ERR_NOMEM;
    if (!rc)
        rc = put_objects(d);
    if (rc == ERR_NOMEM)
        err_set(e, rc, "no memory for the manifests");
    for (size_t i = 0; !rc && i < p->n_mounts; i++)
        if (!kube_is_file(&p->mounts[i]))
            plan_note(p, "'%s': has to be on every node where a device runs", p->mounts[i].host);
    if (!rc && !p->o->image)
        plan_note(p, "the nodes have to know the image '%s': --image names one of a registry",
                  p->image);
    if (!rc)
        note_storage(p);
    return rc;
}
