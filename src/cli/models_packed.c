/* SPDX-License-Identifier: MIT */
#include "cli/models_packed.h"

#include "hub/hub.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum {
    SHORT_NAME = 12, /* digits that a table shows */
    NAME_LEAST = 8,  /* digits that name a file: enough among thousands */
};

static void put_state(struct buf *out, const struct packed_entry *x)
{
    static const char *const words[] = {
        [PACKED_READY] = "ready",
        [PACKED_ORPHAN] = "orphan: its model is gone",
        [PACKED_STALE] = "stale: its model has changed",
        [PACKED_DAMAGED] = "damaged",
        [PACKED_UNFINISHED] = "unfinished: whoever wrote it is gone",
        [PACKED_BUSY] = "being written",
    };
    buf_str(out, words[x->state]);
    if (x->state == PACKED_DAMAGED)
        buf_printf(out, ": %s", x->problem);
}

int models_packed_table(const char *folder, struct buf *out, struct err *e)
{
    struct packed_list l;
    char size[HUB_SIZE_TEXT];
    int rc = folder ? packed_list_open(&l, folder, e) : 0;
    if (rc || !folder || l.n == 0) {
        if (!rc && folder)
            packed_list_close(&l);
        return rc;
    }
    buf_printf(out, "\n\n%-*s  %10s  %-18s %s\n", SHORT_NAME, "PACKED", "SIZE", "TYPE",
               "STATE, SOURCE");
    for (size_t i = 0; i < l.n; i++) {
        const struct packed_entry *x = &l.entries[i];
        buf_printf(out, "%.*s  %10s  %-18s ", SHORT_NAME, x->name,
                   hub_size_text(x->size_bytes, size), x->label);
        put_state(out, x);
        buf_printf(out, "%s%s\n", x->source[0] ? ", " : "", x->source);
    }
    buf_printf(out, "%zu packed, %s, in %s", l.n, hub_size_text(l.size_bytes, size), folder);
    packed_list_close(&l);
    return 0;
}

int models_packed_members(const char *folder, struct json_writer *w, struct err *e)
{
    struct packed_list l = {.n = 0};
    int rc = folder ? packed_list_open(&l, folder, e) : 0;
    if (rc)
        return rc;
    json_put_str(w, "packed_cache", folder);
    json_put_u64(w, "packed_bytes", l.size_bytes);
    json_put_array(w, "packed");
    for (size_t i = 0; i < l.n; i++) {
        const struct packed_entry *x = &l.entries[i];
        json_write_object(w);
        json_put_str(w, "name", x->name);
        json_put_text(w, "source", x->source);
        json_put_text(w, "quantization", x->label);
        json_put_u64(w, "size_bytes", x->size_bytes);
        json_put_str(w, "state", packed_state_name(x->state));
        json_put_text(w, "problem", x->problem);
        json_write_object_end(w);
    }
    json_write_array_end(w);
    packed_list_close(&l);
    return 0;
}

bool models_packed_is_name(const char *word)
{
    size_t n = strlen(word);
    return n >= NAME_LEAST && n < PACKED_NAME_SIZE && strspn(word, "0123456789abcdef") == n;
}

int models_packed_find(const char *folder, const char *word, char out[PACKED_NAME_SIZE],
                       struct err *e)
{
    struct packed_list l = {.n = 0};
    size_t n = 0;
    int rc = folder ? packed_list_open(&l, folder, e) : 0;
    if (rc)
        return rc;
    for (size_t i = 0; i < l.n; i++) {
        if (strncmp(l.entries[i].name, word, strlen(word)) != 0)
            continue;
        /* a finished file and one that is being made anew share their name */
        if (n == 0 || strcmp(out, l.entries[i].name) != 0)
            n++;
        memcpy(out, l.entries[i].name, PACKED_NAME_SIZE);
    }
    packed_list_close(&l);
    if (n == 0)
        return err_set(e, ERR_NOTFOUND, "no packed model '%s' in '%s'", word, folder ? folder : "");
    return n == 1 ? 0
                  : err_set(e, ERR_USAGE, "'%s' is the beginning of %zu packed models' names", word,
                            n);
}

/* ".../models--ORG--NAME/..." in a path. */
static bool is_of(const struct packed_entry *x, const char *repository)
{
    struct buf part;
    struct err e;
    buf_init(&part, PATH_MAX);
    bool of = cache_repository_folder(&part, "", repository, &e) == 0;
    buf_char(&part, '/');
    of = of && !part.failed && strstr(x->source, buf_cstr(&part));
    buf_release(&part);
    return of;
}

int models_packed_prune(const char *folder, const char *repository, size_t *n, uint64_t *freed,
                        struct err *e)
{
    struct packed_list l = {.n = 0};
    int rc = folder ? packed_list_open(&l, folder, e) : 0;
    for (size_t i = 0; rc == 0 && i < l.n; i++) {
        const struct packed_entry *x = &l.entries[i];
        if (x->state == PACKED_READY || x->state == PACKED_BUSY ||
            (repository && !is_of(x, repository)))
            continue;
        rc = packed_remove(folder, x->name, freed, e);
        *n += rc == 0;
        if (rc == ERR_NOTFOUND) /* somebody else did */
            rc = 0;
    }
    packed_list_close(&l);
    return rc;
}
