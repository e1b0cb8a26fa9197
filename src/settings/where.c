/* SPDX-License-Identifier: MIT */
/* Where a value came from, for a fault that shows only when it is used. */
#include "settings/parsed.h"

#include <string.h>

void settings_say_where(const struct settings *s, struct err *e)
{
    for (int id = 0; id < SET_N && e; id++) {
        const char *name = settings_table[id].env;
        const size_t n = strlen(name);
        if (strncmp(e->text, name, n) != 0 || !strchr(": ", e->text[n]) || !e->text[n])
            continue;
        const struct config_entry *entry = settings_held(s, (enum setting_id)id)->entry;
        if (entry)
            err_wrap(e, 0, "%.150s:%u:%u", entry->place.file, entry->place.line,
                     entry->place.column);
        return;
    }
}
