/* SPDX-License-Identifier: MIT */
/* A template unit of which each device is an instance, its environment files, a target that starts
 * them all, and a script that puts them in their places.
 *
 * Sources: systemd.exec(5), "EnvironmentFile=" (quoting as in a shell, no expansion of variables
 * and specifiers), "LoadCredential=", sandboxing; systemd.unit(5), "Specifiers". */
#include "deploy/output.h"

#include <math.h>
#include <stdio.h>

#define ETC "/etc/wattle"

/* ---- languages ---- */

/* In double quotes '\' keeps its meaning before " \ ` and $ only; a newline is a newline. */
static void put_env(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s=\"", name);
    for (const char *c = value; *c; c++) {
        if (strchr("\"\\`$", *c))
            buf_char(out, '\\');
        buf_char(out, *c);
    }
    buf_str(out, "\"\n");
}

/* A path in a line of a unit: '%' begins a specifier, '\' and '"' quote, ':' may part two. */
static void put_path(struct buf *out, const char *path, bool quoted, const char *escaped)
{
    if (quoted)
        buf_char(out, '"');
    for (const char *c = path; *c; c++) {
        if (strchr(escaped, *c))
            buf_char(out, '\\');
        if (*c == '%')
            buf_char(out, '%');
        buf_char(out, *c);
    }
    if (quoted)
        buf_char(out, '"');
}

/* The value of LoadCredential= is not unquoted: blanks at its ends would be lost. */
static int check_path(const char *path, struct err *e)
{
    size_t n = strlen(path);
    if (path[n - 1] == ' ' || path[n - 1] == '\\')
        return err_set(e, ERR_USAGE, "'%s': a unit cannot hold a path that ends like this", path);
    return 0;
}

/* ---- the units ---- */

/* No right but to compute and to talk to the network. What is left open: memory that is written and
 * then executed, since patterns of tokenizers are compiled (PCRE2). */
static void put_sandbox(struct buf *out, const struct plan *p)
{
    bool binds = false;
    for (size_t i = 0; i < p->n_mounts; i++)
        binds = binds || p->mounts[i].inside[0] == '/';
    buf_printf(out,
               "DynamicUser=yes\nUser=wattle\nUMask=0027\n"
               "NoNewPrivileges=yes\nCapabilityBoundingSet=\nAmbientCapabilities=\n"
               "ProtectSystem=strict\nProtectHome=%s\nPrivateTmp=yes\nPrivateDevices=yes\n"
               "ProtectKernelTunables=yes\nProtectKernelModules=yes\nProtectKernelLogs=yes\n"
               "ProtectControlGroups=yes\nProtectClock=yes\nProtectHostname=yes\n"
               "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX\nRestrictNamespaces=yes\n"
               "RestrictRealtime=yes\nRestrictSUIDSGID=yes\nLockPersonality=yes\n"
               "SystemCallArchitectures=native\nSystemCallFilter=@system-service\n",
               binds ? "tmpfs" : "yes");
}

static void put_limits(struct buf *out, const struct plan *p)
{
    if (p->o->cpus > 0) /* in steps of 0.01 %, which is what systemd reads */
        buf_printf(out, "CPUQuota=%.2f%%\n", p->o->cpus * 100);
    if (p->memory)
        buf_printf(out, "MemoryMax=%llu\n", (unsigned long long)p->memory);
    if (p->swap)
        buf_printf(out, "MemorySwapMax=%llu\n", (unsigned long long)(p->swap - p->memory));
}

static bool is_credential(const struct mount *m)
{
    return m->id != SET_LLM_MODEL_NAME && m->id != SET_DATASET_PATH;
}

/* Small files are read by systemd itself, so that a key that only root may read stays one. */
static int put_mounts(struct buf *out, const struct plan *p, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < p->n_mounts; i++) {
        const struct mount *m = &p->mounts[i];
        rc = check_path(m->host, e);
        if (is_credential(m)) {
            buf_printf(out, "LoadCredential=%s:", m->key);
            put_path(out, m->host, false, "");
            buf_printf(out, "\nEnvironment=\"%s=%%d/%s\"\n", settings_env_name(m->id), m->key);
        } else {
            buf_str(out, "BindReadOnlyPaths=");
            put_path(out, m->host, true, "\\\":");
            buf_char(out, '\n');
        }
    }
    return rc;
}

static const char *restart_of(const struct plan *p)
{
    const char *restart = p->o->restart ? p->o->restart : "always";
    return strcmp(restart, "unless-stopped") == 0 ? "always" : restart;
}

static void put_start(struct buf *out, const struct plan *p, const char *command)
{
    buf_str(out, "Type=exec\nExecStart=");
    struct buf program;
    buf_init(&program, 1 << 14);
    for (const char *c = p->o->program; *c; c++)
        buf_printf(&program, *c == '$' ? "$%c" : "%c", *c);
    put_path(out, buf_cstr(&program), true, "\\\"");
    buf_release(&program);
    buf_printf(out, " %s\nRestart=%s\nRestartSec=5\nTimeoutStopSec=10\n", command, restart_of(p));
}

static int put_device_unit(struct buf *out, const struct plan *p, struct err *e)
{
    output_head(out, p);
    buf_printf(out,
               "[Unit]\nDescription=wattle device %%i\nWants=network-online.target%s\n"
               "After=network-online.target%s\nPartOf=wattle-devices.target\n\n[Service]\n",
               p->broker ? " mosquitto.service" : "", p->broker ? " mosquitto.service" : "");
    put_start(out, p, "device");
    buf_str(out, "Environment=\"METRICS_DIR=%S/wattle/%i\" \"XDG_CACHE_HOME=%C/wattle\" "
                 "\"HF_HOME=%C/wattle/huggingface\"\n");
    int rc = put_mounts(out, p, e);
    buf_str(out,
            "EnvironmentFile=" ETC "/wattle.env\nEnvironmentFile=" ETC "/wattle-device@%i.env\n"
            "StateDirectory=wattle/%i\nCacheDirectory=wattle\n");
    put_limits(out, p);
    put_sandbox(out, p);
    return rc;
}

static int put_dashboard_unit(struct buf *out, const struct plan *p, struct err *e)
{
    output_head(out, p);
    buf_printf(out,
               "[Unit]\nDescription=wattle dashboard\nWants=network-online.target\n"
               "After=network-online.target%s\nPartOf=wattle-devices.target\n\n[Service]\n",
               p->broker ? " mosquitto.service" : "");
    put_start(out, p, "dashboard");
    int rc = put_mounts(out, p, e);
    buf_str(out, "EnvironmentFile=" ETC "/wattle.env\nStateDirectory=wattle/dashboard\n"
                 "WorkingDirectory=%S/wattle/dashboard\n");
    put_sandbox(out, p);
    return rc;
}

static void put_target(struct buf *out, const struct plan *p)
{
    output_head(out, p);
    buf_str(out, "[Unit]\nDescription=all wattle devices of this machine\n");
    for (size_t i = 0; i < p->n_devices; i++)
        buf_printf(out, "Wants=wattle-device@%s.service\n", p->devices[i].service);
    if (p->o->dashboard)
        buf_str(out, "Wants=wattle-dashboard.service\n");
    buf_str(out, "\n[Install]\nWantedBy=multi-user.target\n");
}

/* ---- environments ---- */

static void put_common(struct buf *out, const struct plan *p)
{
    static const enum setting_id of_dashboard[] = {SET_DASHBOARD_ADDRESS, SET_DASHBOARD_PORT,
                                                   SET_DASHBOARD_TOKEN};
    output_head(out, p);
    for (size_t i = 0; i < p->n_variables; i++)
        if (!p->variables[i].llm)
            put_env(out, p->variables[i].name, p->variables[i].value);
    for (size_t i = 0; p->o->dashboard && i < sizeof of_dashboard / sizeof *of_dashboard; i++)
        if (settings_given(p->o->settings, of_dashboard[i]))
            put_env(out, settings_env_name(of_dashboard[i]),
                    settings_text(p->o->settings, of_dashboard[i]));
}

static void put_device(struct buf *out, const struct plan *p, const struct plan_device *d)
{
    output_head(out, p);
    put_env(out, settings_env_name(SET_DEVICE_NAME), d->name);
    put_env(out, settings_env_name(SET_DEVICE_ID), d->id);
    for (size_t i = 0; i < p->n_variables; i++)
        if (p->variables[i].llm && d->llm && !plan_own(d, p->variables[i].name))
            put_env(out, p->variables[i].name, p->variables[i].value);
    for (size_t i = 0; i < d->n_own; i++)
        if (d->llm || d->own[i].id != SET_ENABLE_LLM)
            put_env(out, d->own[i].name, d->own[i].value);
    if (!d->llm)
        put_env(out, settings_env_name(SET_ENABLE_LLM), "false");
}

static bool has_secret(const struct plan *p, const struct plan_device *d)
{
    bool secret = false;
    for (size_t i = 0; i < d->n_own; i++)
        secret = secret || d->own[i].secret;
    for (size_t i = 0; i < p->n_variables; i++)
        secret = secret || (d->llm && p->variables[i].llm && p->variables[i].secret);
    return secret;
}

/* ---- the script ---- */

static void put_install(struct buf *out, const struct plan *p)
{
    buf_str(out, "#!/bin/sh\n");
    output_head(out, p);
    buf_printf(
        out,
        "# Puts the units and the devices' environments in their places. As root; DESTDIR is\n"
        "# put before them.\n"
        "set -eu\n"
        "cd \"$(dirname \"$0\")\"\n"
        "units=${DESTDIR:-}/etc/systemd/system etc=${DESTDIR:-}" ETC "\n"
        "mkdir -p \"$units\" \"$etc\"\n"
        "install -m 644 wattle-device@.service wattle-devices.target%s \"$units\"\n"
        "install -m 600 ./*.env \"$etc\"\n"
        "if [ -z \"${DESTDIR:-}\" ]; then\n"
        "    systemctl daemon-reload\n"
        "    systemctl enable --now wattle-devices.target\n"
        "fi\n",
        p->o->dashboard ? " wattle-dashboard.service" : "");
}

/* ---- all ---- */

static void put_notes(struct plan *p)
{
    static const enum setting_id elsewhere[] = {SET_METRICS_DIR, SET_HF_HOME, SET_HF_HUB_CACHE};
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (settings_given(p->o->settings, elsewhere[i]))
            plan_note(p, "%s: is not used, units write below /var/lib/wattle and /var/cache/wattle",
                      settings_env_name(elsewhere[i]));
    if (p->broker)
        plan_note(p, "the broker is this machine's mosquitto: apt-get install mosquitto");
}

int systemd_make(struct deploy *d, struct err *e)
{
    struct plan *p = &d->plan;
    bool secret = p->secret;
    d->folder = true;
    d->next = plan_printf(p, "sudo sh %s/install.sh", plan_shell_word(p, d->output));
    put_notes(p);
    struct buf *unit = output_add(d, "wattle-device@.service", false);
    struct buf *target = output_add(d, "wattle-devices.target", false);
    struct buf *common = output_add(d, "wattle.env", secret);
    struct buf *install = output_add(d, "install.sh", false);
    struct buf *dashboard =
        p->o->dashboard ? output_add(d, "wattle-dashboard.service", false) : NULL;
    if (!d->next || !unit || !target || !common || !install || (p->o->dashboard && !dashboard))
        return err_set(e, ERR_NOMEM, "no memory for the units");
    int rc = put_device_unit(unit, p, e);
    if (!rc && dashboard)
        rc = put_dashboard_unit(dashboard, p, e);
    put_target(target, p);
    put_common(common, p);
    put_install(install, p);
    for (size_t i = 0; !rc && i < p->n_devices; i++) {
        const struct plan_device *device = &p->devices[i];
        bool holds = has_secret(p, device);
        struct buf *env =
            output_add(d, plan_printf(p, "wattle-device@%s.env", device->service), holds);
        if (!env)
            return err_set(e, ERR_NOMEM, "no memory for the units");
        put_device(env, p, device);
    }
    return rc;
}
