/* SPDX-License-Identifier: MIT */
#include "fleet/model.h"

#include "meter/meter.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

const char *fleet_packed_folder(const struct settings *s, char *out, size_t size)
{
    const char *named = settings_text(s, SET_LLM_PACKED_DIR);
    if (strcmp(named, "none") == 0)
        return NULL;
    if (named[0])
        return named;
    if (wattle_packed_folder(getenv("XDG_CACHE_HOME"), getenv("HOME"), out, size) == 0)
        return out;
    log_warning("no folder for packed weights, they are kept in this process's own memory: set "
                "LLM_PACKED_DIR, XDG_CACHE_HOME or HOME");
    return NULL;
}

int fleet_model_open(struct wattle_model **out, const struct settings *s, const char *path,
                     const char *quant, struct err *e)
{
    char folder[PATH_MAX];
    const char *isa = settings_text(s, SET_WATTLE_ISA);
    struct wattle_model_options o = {
        .path = path,
        .threads = (int)settings_int(s, SET_LLM_THREADS),
        .context = (int32_t)settings_int(s, SET_LLM_MAX_LENGTH),
        .isa = isa[0] ? isa : NULL,
        .quant = quant ? quant : settings_text(s, SET_LLM_QUANT),
        .packed_folder = fleet_packed_folder(s, folder, sizeof folder),
    };
    return wattle_model_open(out, &o, e->text, sizeof e->text);
}

void fleet_model_log(const struct wattle_model_info *info, const char *name)
{
    log_info("Compute device: %s", info->device);
    log_info("Model '%s' loaded in %.3f s: %s, %s, %d %s, %s", name, info->load_seconds,
             info->architecture, info->quantization, info->threads,
             plural(info->threads, "thread", "threads"), info->isa);
}

int fleet_meter_open(struct meter **out, const struct settings *s, const struct fleet_power *power,
                     struct err *e)
{
    return meter_open(out,
                      &(struct meter_options){.sysroot = settings_text(s, SET_WATTLE_SYSROOT),
                                              .idle_w = power->idle_w,
                                              .max_w = power->max_w,
                                              .board = power->board},
                      e);
}
