/* SPDX-License-Identifier: MIT */
/* What the manifests of one kind and another have in common. */
#ifndef WATTLE_DEPLOY_KUBE_H
#define WATTLE_DEPLOY_KUBE_H

#include "deploy/broker.h"
#include "deploy/output.h"
#include "deploy/yaml.h"

/* apiVersion, kind and metadata; component: label of its selector, NULL: none. */
void kube_object(struct yaml *y, const struct plan *p, const char *api, const char *kind,
                 const char *name, const char *component);
/* The two labels that select the pods of a component. */
void kube_labels(struct yaml *y, const char *key, const char *component);
/* Of the pod: no token of the cluster, no root, no system calls but the usual. */
void kube_pod_security(struct yaml *y);
/* Of the container: nothing may be written but volumes, nothing gained. */
void kube_container_security(struct yaml *y);
/* An item of env: with '$' as Kubernetes wants it. */
void kube_variable(struct yaml *y, const char *name, const char *value);
/* An item of env: from a key of the Secret. */
void kube_secret_variable(struct yaml *y, const char *name);
void kube_mount(struct yaml *y, const char *volume, const char *path, bool read_only);
void kube_empty_volume(struct yaml *y, const char *name);
void kube_claim_volume(struct yaml *y, const char *name, const char *claim);
/* The Secret wattle-files as volume "files". */
void kube_files_volume(struct yaml *y);
/* spec of a claim; ReadWriteOnce is what every cluster has. */
void kube_claim_spec(struct yaml *y, const struct plan *p, const char *size, bool many_nodes);
/* A file of the Secret wattle-files is there. */
bool kube_has_files(const struct plan *p);
bool kube_is_file(const struct mount *m);

void kube_broker(struct yaml *y, const struct plan *p);    /* kube_services.c */
void kube_dashboard(struct yaml *y, const struct plan *p); /* kube_services.c */
void kube_devices(struct yaml *y, const struct plan *p);   /* kube_devices.c */

#endif
