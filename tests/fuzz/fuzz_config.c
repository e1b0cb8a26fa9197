/* SPDX-License-Identifier: MIT */
/* A config file of any bytes: it ends in entries of known settings, each with its place, or in one
 * line that begins with the file's name. What was taken is then printed, which parses its values.
 */
#include "settings/config_file.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 forgets 2 KiB of a quoted text that it gives up on: once a process, and not ours.
 */
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so\n";
}

static void check_entries(const struct config_entry *entries)
{
    bool seen[SET_N] = {false};
    for (const struct config_entry *p = entries; p; p = p->next) {
        if ((size_t)p->id >= SET_N || seen[p->id] || !utf8_valid(span_str(p->text)) ||
            p->place.line == 0 || p->place.column == 0 || strcmp(p->place.file, "f.yaml") != 0)
            abort();
        seen[p->id] = true;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct config c = {.arena = &arena};
    struct err e = {""};
    arena_init(&arena, 64 << 20);
    int rc = config_add(&c, "f.yaml", span_of(data, size), false, &e);
    if (rc && (strncmp(e.text, "f.yaml", 6) != 0 || strchr(e.text, '\n')))
        abort();
    check_entries(c.entries);
    size_t n = 0;
    for (const struct config_device *d = c.devices; d; d = d->next, n++) {
        if (d->name[0] == '\0' || strlen(d->name) > 128)
            abort();
        check_entries(d->entries);
    }
    if (n != c.n_devices)
        abort();
    arena_release(&arena);
    return 0;
}
