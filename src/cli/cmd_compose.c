/* SPDX-License-Identifier: MIT */
/* wattle compose: a fleet as containers: what docker compose, a swarm, Kubernetes or systemd takes.
 */
#include "cli/cli.h"

#include "cache/cache.h"
#include "cli/groups.h"
#include "deploy/deploy.h"
#include "fleet/fleet.h"
#include "telemetry/telemetry.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the compositions of the seed begin with; made-up ones follow (telemetry/ids.c). */
static const char *const seed_ids[] = {"00:0f:00:70:91:0a", "1c:bf:ce:15:ec:4d",
                                       "b8:27:eb:bf:9d:51"};
enum { N_SEED_IDS = sizeof seed_ids / sizeof *seed_ids, PATH_BYTES_MAX = 4096 };

struct devices {
    struct deploy_device list[DEPLOY_DEVICES_MAX];
    char ids[DEPLOY_DEVICES_MAX][DEVICE_ID_MAX + 1];
    unsigned char llm[DEPLOY_DEVICES_MAX];
};

static int choose_devices(struct devices *d, size_t n, const struct settings *s, struct err *e)
{
    const char *list = settings_option_text(s, "llm-devices");
    if (list && !settings_any_device(s, SET_ENABLE_LLM))
        return err_set(e, ERR_USAGE, "--llm-devices '%s': needs --enable-llm", list);
    int rc = list ? fleet_parse_devices(list, n, d->llm, e) : 0;
    for (size_t i = 0; i < n; i++) {
        if (i < N_SEED_IDS)
            snprintf(d->ids[i], sizeof d->ids[i], "%s", seed_ids[i]);
        else
            fleet_device_id(NULL, i + 1, d->ids[i]);
        d->list[i] = (struct deploy_device){.id = d->ids[i], .llm = !list || d->llm[i]};
    }
    return rc;
}

/* ---- choices ---- */

static const char *const target_names[] = {[DEPLOY_COMPOSE] = "compose",
                                           [DEPLOY_SWARM] = "swarm",
                                           [DEPLOY_KUBERNETES] = "kubernetes",
                                           [DEPLOY_SYSTEMD] = "systemd"};
static const char *const outputs[] = {[DEPLOY_COMPOSE] = "docker-compose.yml",
                                      [DEPLOY_SWARM] = "docker-stack.yml",
                                      [DEPLOY_KUBERNETES] = "kubernetes",
                                      [DEPLOY_SYSTEMD] = "systemd"};
static const char *const access_modes[] = {"ReadWriteOnce", "ReadWriteMany"};
static const char *const restarts[] = {"no", "always", "on-failure", "unless-stopped"};

/* Which of n words the option holds. */
static int choose(const struct settings *s, const char *option, const char *const *words, size_t n,
                  size_t *chosen, struct err *e)
{
    const char *text = settings_option_text(s, option);
    struct buf known;
    for (size_t i = 0; i < n; i++)
        if (strcmp(text, words[i]) == 0)
            return *chosen = i, 0;
    buf_init(&known, 256);
    for (size_t i = 0; i < n; i++)
        buf_printf(&known, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " or ", words[i]);
    err_set(e, ERR_USAGE, "--%s '%s': is unknown, expected %s", option, text, buf_cstr(&known));
    buf_release(&known);
    return ERR_USAGE;
}

/* This machine's Hugging Face cache as an absolute path; empty where nothing says where it is. */
static void find_cache(const struct settings *s, struct buf *out)
{
    struct cache_places places = {.hf_home = settings_text(s, SET_HF_HOME),
                                  .xdg_cache_home = getenv("XDG_CACHE_HOME"),
                                  .home = getenv("HOME")};
    char here[PATH_MAX];
    struct buf found;
    buf_init(&found, PATH_BYTES_MAX);
    if (cache_home_folder(&places, &found, NULL) == 0) {
        if (buf_cstr(&found)[0] != '/' && getcwd(here, sizeof here))
            buf_printf(out, "%s/", here);
        buf_append(out, &found);
    }
    buf_release(&found);
}

/* The program itself, where it is installed; else where it will be. */
static const char *find_program(const struct settings *s, char out[PATH_MAX])
{
    const char *given = settings_option_text(s, "program");
    if (given)
        return given;
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    out[n > 0 ? n : 0] = '\0';
    if (strncmp(out, "/usr/", 5) != 0 && strncmp(out, "/opt/", 5) != 0)
        return "/usr/local/bin/wattle";
    return out;
}

/* Containers run as who calls us, so that the folders of the host are theirs too; called by root,
 * as who called sudo, else as the image's own user. */
static void find_user(struct deploy_options *o)
{
    const char *user = getenv("SUDO_UID"), *group = getenv("SUDO_GID");
    uint64_t uid = geteuid(), gid = getegid();
    if (uid == 0 && user && group &&
        (!num_parse_u64(span_str(user), &uid) || !num_parse_u64(span_str(group), &gid)))
        uid = 0;
    o->has_user = uid > 0 && uid < UINT32_MAX && gid < UINT32_MAX;
    o->uid = (unsigned)uid;
    o->gid = (unsigned)gid;
}

/* Options that would have no effect with another target are refused. */
static const struct {
    const char *name, *targets;
    unsigned with; /* bits of enum deploy_target */
} bound_options[] = {
    {"storage-class", "kubernetes", 1u << DEPLOY_KUBERNETES},
    {"access-mode", "kubernetes", 1u << DEPLOY_KUBERNETES},
    {"namespace", "kubernetes", 1u << DEPLOY_KUBERNETES},
    {"program", "systemd", 1u << DEPLOY_SYSTEMD},
    {"publish", "compose or swarm", 1u << DEPLOY_COMPOSE | 1u << DEPLOY_SWARM},
};

static int check_bound(const struct settings *s, size_t target, struct err *e)
{
    for (size_t i = 0; i < sizeof bound_options / sizeof *bound_options; i++) {
        const char *name = bound_options[i].name;
        if (settings_option_given(s, name) && !(bound_options[i].with & 1u << target))
            return err_set(e, ERR_USAGE,
                           "--%s '%s': has no effect with --target %s, expected --target %s", name,
                           settings_option_text(s, name), target_names[target],
                           bound_options[i].targets);
    }
    return 0;
}

/* ---- output ---- */

static void tell(const struct deploy *d, const char *output)
{
    for (size_t i = 0; i < deploy_n_notes(d); i++)
        fprintf(stderr, "wattle compose: %s\n", deploy_note(d, i));
    if (strcmp(output, "-") == 0)
        return;
    size_t n = deploy_n_files(d);
    if (n == 1)
        printf("wrote %s\n", output);
    else
        printf("wrote %zu files to %s\n", n, output);
    printf("next: %s\n", deploy_next(d));
}

/* Manifests of several files are one stream of documents there. */
static int print(const struct deploy *d, struct err *e)
{
    if (deploy_n_files(d) > 1 && !str_ends_with(deploy_file(d, 0)->name, ".yaml"))
        return err_set(e, ERR_USAGE,
                       "--output -: %zu files do not fit the standard output, "
                       "expected the name of a folder",
                       deploy_n_files(d));
    for (size_t i = 0; i < deploy_n_files(d); i++) {
        struct span bytes = deploy_file(d, i)->bytes;
        if (i > 0)
            fputs("---\n", stdout);
        fwrite(bytes.p, 1, bytes.n, stdout);
    }
    return 0;
}

static int write_out(const struct settings *s, const struct deploy_options *o, struct err *e)
{
    struct deploy *d = NULL;
    int rc = deploy_make(&d, o, e);
    if (rc)
        return rc;
    if (strcmp(o->output, "-") == 0)
        rc = print(d, e);
    else
        rc = deploy_write(d, settings_option_flag(s, "force"), e);
    if (!rc && strcmp(o->output, "-") != 0)
        rc = deploy_make_folders(d, e);
    if (!rc)
        tell(d, o->output);
    deploy_free(&d);
    return rc;
}

static int run(const struct settings *s, struct err *e)
{
    size_t target = 0, restart = 0, mode = 0, n = (size_t)settings_option_int(s, "devices");
    struct devices *devices = calloc(1, sizeof *devices);
    char self[PATH_MAX];
    const char *program = find_program(s, self);
    struct buf cache;
    buf_init(&cache, 2 * PATH_BYTES_MAX);
    int rc = devices ? 0 : err_set(e, ERR_NOMEM, "no memory for the devices");
    if (!rc)
        rc = choose(s, "target", target_names, sizeof target_names / sizeof *target_names, &target,
                    e);
    if (!rc)
        rc = choose(s, "restart", restarts, sizeof restarts / sizeof *restarts, &restart, e);
    if (!rc)
        rc = choose(s, "access-mode", access_modes, 2, &mode, e);
    if (!rc)
        rc = check_bound(s, target, e);
    if (!rc)
        rc = choose_devices(devices, n, s, e);
    struct fleet_power power; /* checked here, not only in every container */
    if (!rc)
        rc = fleet_power(s, &power, e);
    if (rc)
        goto done;
    find_cache(s, &cache);
    struct deploy_options o = {
        .settings = s,
        .target = (enum deploy_target)target,
        .devices = devices->list,
        .n_devices = n,
        .output = settings_option_text(s, "output"),
        .broker = !settings_option_flag(s, "no-mqtt"),
        .dashboard = settings_option_flag(s, "dashboard"),
        .engine = settings_option_flag(s, "engine"),
        .image = settings_option_text(s, "image"),
        .broker_image = settings_option_text(s, "broker-image"),
        .build = settings_option_text(s, "build"),
        .memory = settings_option_text(s, "memory"),
        .memory_swap = settings_option_text(s, "memory-swap"),
        .cpus = settings_option_given(s, "cpus") ? settings_option_float(s, "cpus") : 0,
        .restart = restarts[restart],
        .publish = settings_option_given(s, "publish") ? settings_option_text(s, "publish") : NULL,
        .kube_namespace = settings_option_text(s, "namespace"),
        .storage_class = settings_option_text(s, "storage-class"),
        .many_nodes = mode == 1,
        .program = program,
        .hf_home = cache.n ? buf_cstr(&cache) : NULL,
    };
    if (!o.output)
        o.output = outputs[target];
    find_user(&o);
    rc = write_out(s, &o, e);
    if (!rc && target == DEPLOY_SYSTEMD && access(program, X_OK) != 0)
        log_warning("the units start '%s', which is not there: meson install puts it there, "
                    "--program names another",
                    program);
    if (!rc)
        settings_warn_of_absent_devices(s);
done:
    buf_release(&cache);
    free(devices);
    return exit_code_of(rc);
}

static const struct option options[] = {
    DEVICES_OPTIONS(DEPLOY_DEVICES_MAX),
    {.name = "no-mqtt",
     .type = OPTION_FLAG,
     .help = "without a broker of its own: devices use the one that MQTT_BROKER names"},
    {.name = "dashboard", .type = OPTION_FLAG, .help = "with a dashboard service"},
    {.name = "engine",
     .type = OPTION_FLAG,
     .help = "with one engine, which has the model and which all devices ask (compose only)"},
    {.name = "target",
     .type = OPTION_TEXT,
     .value = "TARGET",
     .fallback = "compose",
     .help = "compose, swarm, kubernetes or systemd"},
    {.name = "output",
     .type = OPTION_TEXT,
     .value = "FILE",
     .help = "file, or folder for kubernetes and systemd; - for the standard output (default: "
             "docker-compose.yml, docker-stack.yml, kubernetes, systemd)"},
    {.name = "force", .type = OPTION_FLAG, .help = "replace files that are there already"},
    {.name = "memory",
     .type = OPTION_TEXT,
     .value = "SIZE",
     .help = "most memory of a device: 512m, 4g"},
    {.name = "memory-swap",
     .type = OPTION_TEXT,
     .value = "SIZE",
     .help = "most memory and swap of a device together"},
    {.name = "cpus",
     .type = OPTION_FLOAT,
     .value = "NUMBER",
     .min = 0.01,
     .max = 1024,
     .help = "processors of a device: 1.5; the engine's threads follow"},
    {.name = "restart",
     .type = OPTION_TEXT,
     .value = "WHEN",
     .fallback = "unless-stopped",
     .help = "no, always, on-failure or unless-stopped"},
    {.name = "image",
     .type = OPTION_TEXT,
     .value = "NAME",
     .help = "image of the devices, which is then not built (default: "
             "iot-device-simulator:latest)"},
    {.name = "broker-image",
     .type = OPTION_TEXT,
     .value = "NAME",
     .help = "the same of the broker (default: wattle-broker:latest)"},
    {.name = "build",
     .type = OPTION_TEXT,
     .value = "FOLDER",
     .help = "sources that images are built from (default: the output's folder, if it has "
             "packaging/Dockerfile)"},
    {.name = "publish",
     .type = OPTION_TEXT,
     .value = "ADDRESS",
     .help = "address of this machine where broker and dashboard can be reached (default: "
             "127.0.0.1; a swarm publishes on every node, and only with 0.0.0.0)"},
    {.name = "namespace",
     .type = OPTION_TEXT,
     .value = "NAME",
     .fallback = "wattle",
     .help = "of Kubernetes"},
    {.name = "storage-class",
     .type = OPTION_TEXT,
     .value = "NAME",
     .help = "of Kubernetes' volumes (default: the cluster's own)"},
    {.name = "access-mode",
     .type = OPTION_TEXT,
     .value = "MODE",
     .fallback = "ReadWriteOnce",
     .help = "of the volume that devices with a model share on Kubernetes: ReadWriteOnce (they run "
             "on one node) or ReadWriteMany (on several, where the storage class has it)"},
    {.name = "program",
     .type = OPTION_TEXT,
     .value = "FILE",
     .help = "of systemd: where wattle is installed (default: this program, or "
             "/usr/local/bin/wattle)"},
    {.name = NULL},
};

static const enum setting_id settings[] = {
    SET_DEVICE_NAME,    SET_DEVICE_ID,         DEVICE_SETTINGS,       SET_HEALTH_FILE,
    SET_POWER_PROFILE,  SET_DASHBOARD_ADDRESS, SET_DASHBOARD_PORT,    SET_DASHBOARD_TOKEN,
    SET_SERVE_PORT,     SET_MQTT_TLS,          SET_MQTT_VERSION,      SET_MQTT_QUEUE_DIR,
    SET_MQTT_QUEUE_MAX, SET_MQTT_KEEPALIVE,    SET_MQTT_TOPIC_PREFIX, SET_N};

static const struct command_spec spec = {
    .name = "compose",
    .usage = "wattle compose --devices N [--enable-llm [--llm-devices LIST] [--llm-model MODEL]] "
             "[--no-mqtt] [--memory SIZE] [--cpus NUMBER] [--dashboard] "
             "[--target swarm|kubernetes|systemd] [--output FILE] [--force]",
    .summary = "a fleet in containers: writes docker-compose.yml and its like",
    .notes =
        "Each device gets the settings that were given here, by flag or variable, as its "
        "environment. A file or folder that a setting names and that is on this machine (a model, "
        "a prompt, certificates) is mounted read-only, and the device is told where; a path that "
        "is not here is passed on as it is. METRICS_DIR is the folder of this machine under which "
        "each device's metrics appear, HF_HOME the cache that devices with a model share.\n\n"
        "A password or token that was given is written into the file, which then only its owner "
        "can read; one in a file (MQTT_PASSWORD_FILE, HF_TOKEN_PATH) stays there. The dashboard's "
        "token and the engine's key, where none is given, are made once, into secrets/ beside the "
        "output, and never replaced.\n\n"
        "  wattle compose --devices 3 --enable-llm --llm-devices 1,3 --llm-model m.gguf",
    .options = options,
    .settings = settings,
    .many_devices = true,
    .separate_devices = true,
};

const struct command command_compose = {.spec = &spec, .run = run};
