/* SPDX-License-Identifier: MIT */
/* wattle health: whether the device beside us is well, for Docker's HEALTHCHECK and Kubernetes'
 * probes: one line and an exit code. */
#include "cli/cli.h"

#include "fleet/fleet.h"

#include <stdio.h>

enum { NS_PER_MS = 1000000 };

static int run(const struct settings *s, struct err *e)
{
    const char *path = settings_text(s, SET_HEALTH_FILE);
    const struct health_rule rule = {
        .max_age_s = settings_option_float(s, "max-age"),
        .ready = settings_option_flag(s, "ready"),
    };
    struct health h;
    char line[HEALTH_LINE_SIZE];
    if (!path[0])
        return exit_code_of(err_set(e, ERR_USAGE,
                                    "HEALTH_FILE: not given, expected the file that the device "
                                    "was given too"));
    int rc = health_read(&h, path, e);
    if (!rc)
        rc = health_alive(&h, e);
    if (rc == ERR_NOTFOUND)
        err_wrap(e, rc, "not alive");
    if (!rc)
        rc = health_check(&h, &rule, clock_mono_ns() / NS_PER_MS, line, e);
    if (!rc)
        printf("%s\n", line);
    return exit_code_of(rc);
}

static const struct option options[] = {
    {.name = "ready",
     .type = OPTION_FLAG,
     .help = "fail too while it starts, or a device is not connected to the broker"},
    {.name = "max-age",
     .type = OPTION_DURATION,
     .value = "DURATION",
     .min = 2,
     .max = 86400,
     .fallback = "30s",
     .help = "longest silence, and longest that a message may be overdue"},
    {.name = NULL},
};

static const enum setting_id settings[] = {SET_HEALTH_FILE, SET_LOG_LEVEL, SET_N};

static const struct command_spec spec = {
    .name = "health",
    .usage = "wattle health [--ready] [--max-age DURATION]",
    .summary = "whether the device or fleet that writes HEALTH_FILE is well",
    .notes =
        "Exit code 0 and a line that says how it is, or 1 and why it is not. A device or run that\n"
        "is given HEALTH_FILE writes it once a second. Alive: its process is there and its event\n"
        "loop turns; being cut off from the broker does not count, since a new start would not\n"
        "help (liveness probes, Docker's HEALTHCHECK). With --ready all its devices must be\n"
        "connected as well, and its model be loaded (readiness probes).\n\n"
        "  HEALTH_FILE=/dev/shm/wattle-health wattle health --ready",
    .options = options,
    .settings = settings,
};

const struct command command_health = {.spec = &spec, .run = run};
