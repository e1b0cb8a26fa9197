/* SPDX-License-Identifier: MIT */
/* argv and environ from bytes: strings separated by NUL; those after an empty one are the
 * environment. Whatever they hold, parsing ends in values within their ranges or in one line. */
#include "settings/settings.h"

#include <stdlib.h>

enum { MOST = 64 };

static const struct option options[] = {
    {"devices", OPTION_INT, "N", 1, 100000, "3", "how many devices"},
    {"duration", OPTION_DURATION, "TIME", 0.001, 31536000, NULL, "end after so long"},
    {"store", OPTION_TEXT, "FILE", 0, 0, NULL, "keep all messages"},
    {"share", OPTION_FLOAT, "X", 0, 1, "0.5", "a share"},
    {"dashboard", OPTION_FLAG, NULL, 0, 0, NULL, "live page"},
    {0},
};

static void check(const struct settings *s)
{
    double low, high;
    settings_interval(s, &low, &high);
    if (!(low >= 0.001 && low <= high && high <= 86400))
        abort();
    int64_t port = settings_int(s, SET_MQTT_PORT), devices = settings_option_int(s, "devices");
    if (port < 1 || port > 65535 || devices < 1 || devices > 100000)
        abort();
    if (!(settings_float(s, SET_LLM_TEMPERATURE) >= 0 &&
          settings_float(s, SET_LLM_TEMPERATURE) <= 100))
        abort();
    double duration = settings_option_float(s, "duration");
    if (settings_option_given(s, "duration") && !(duration >= 0.001 && duration <= 31536000))
        abort();
    const char *id = settings_text(s, SET_DEVICE_ID);
    if (id[0] == '\0' || strlen(id) > 128 || strpbrk(id, "+#/\n"))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum setting_id all[SET_N + 1];
    for (int i = 0; i <= SET_N; i++)
        all[i] = (enum setting_id)i;
    const struct command_spec spec = {
        .name = "fuzz",
        .usage = "fuzz",
        .summary = "fuzz",
        .options = options,
        .settings = all,
        .max_words = 4,
    };
    char *copy = malloc(size + 2), *argv[MOST + 1] = {0}, *environment[MOST + 1] = {0};
    if (!copy)
        return 0;
    if (size)
        memcpy(copy, data, size);
    copy[size] = copy[size + 1] = '\0';
    size_t n_argv = 0, n_environment = 0;
    bool in_environment = false;
    for (size_t pos = 0; pos < size; pos += strlen(copy + pos) + 1) {
        if (copy[pos] == '\0')
            in_environment = true;
        else if (in_environment && n_environment < MOST)
            environment[n_environment++] = copy + pos;
        else if (!in_environment && n_argv < MOST)
            argv[n_argv++] = copy + pos;
    }
    struct settings *s = NULL;
    struct err e = {""};
    struct buf out;
    buf_init(&out, 1 << 20);
    int r = settings_parse(&s, &spec, (int)n_argv, argv, environment, &out, &e);
    if (r == SETTINGS_GO)
        check(s);
    else if (r == SETTINGS_DONE ? out.n == 0 : e.text[0] == '\0')
        abort();
    settings_free(&s);
    buf_release(&out);
    free(copy);
    return 0;
}
