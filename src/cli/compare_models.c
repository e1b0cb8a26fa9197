/* SPDX-License-Identifier: MIT */
/* Owns which models take part in a comparison, under which names, and when each is open. */
#include "cli/compare_models.h"

#include "cli/interrupt.h"
#include "cli/model_input.h"
#include "meter/meter.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { PATH_BYTES_MAX = 4096, NAME_MAX_BYTES = 128 };

/* Of the memory that is there, what models may take before they take turns: the rest is for the
 * page cache to breathe. */
static const double MEMORY_SHARE = 0.9;

/* ---- names ---- */

static bool is_taken(const struct comparison *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->models[i].name, name) == 0)
            return true;
    return false;
}

/* "models/SmolLM2.gguf" is "SmolLM2", a hub name stays; the second of a name is "NAME-2". */
static void name_of(const struct comparison *c, const char *given, const char *quant,
                    char out[NAME_MAX_BYTES])
{
    struct stat st;
    size_t n = strlen(given);
    const char *from = given;
    char base[NAME_MAX_BYTES - 20], tail[12] = "";
    if (stat(given, &st) == 0) {
        while (n > 1 && given[n - 1] == '/')
            n--;
        for (size_t i = 0; i + 1 < n; i++)
            from = given[i] == '/' ? given + i + 1 : from;
        n -= (size_t)(from - given);
        if (n > 5 && memcmp(from + n - 5, ".gguf", 5) == 0)
            n -= 5;
    }
    n = n < sizeof base ? n : sizeof base - 1;
    while (n > 0 && ((unsigned char)from[n] & 0xc0) == 0x80) /* not within a character */
        n--;
    snprintf(base, sizeof base, "%.*s", (int)n, from);
    if (quant && quant[0])
        snprintf(tail, sizeof tail, "-%.10s", quant);
    snprintf(out, NAME_MAX_BYTES, "%s%s", base, tail);
    for (int k = 2; is_taken(c, out); k++)
        snprintf(out, NAME_MAX_BYTES, "%s%s-%d", base, tail, k);
}

void entrant_drop(struct entrant *one, const char *why)
{
    one->out = true;
    if (!one->row->problem)
        one->row->problem = strdup(why);
    if (one->model)
        workload_model_close(one->model);
    log_error("%s: %s", one->row->name, why);
}

/* ---- the list ---- */

/* The next of a list "A,B"; false: it was the last. */
static bool next_part(struct span *rest, struct span *part)
{
    const uint8_t *comma = span_find(*rest, ',');
    size_t length = comma ? (size_t)(comma - rest->p) : rest->n;
    *part = span_trim(span_sub(*rest, 0, length), " ");
    *rest = comma ? span_sub(*rest, length + 1, rest->n) : span_of(NULL, 0);
    return comma != NULL;
}

/* quant.p NULL: LLM_QUANT's. */
static int add_entrant(struct entrants *all, struct span name, struct span quant, struct err *e)
{
    if (all->n == COMPARED_MAX)
        return err_set(e, ERR_USAGE, "--models: more than %d models", COMPARED_MAX);
    struct entrant *one = &all->v[all->n++];
    buf_init(&one->path, PATH_BYTES_MAX);
    one->given = strndup((const char *)name.p, name.n);
    if (quant.p)
        one->quant = span_is(quant, "file") ? strdup("") : strndup((const char *)quant.p, quant.n);
    if (!one->given || (quant.p && !one->quant))
        return err_set(e, ERR_NOMEM, "no memory for the models' names");
    struct err why = {""};
    if (one->quant && wattle_check_quant(one->quant, why.text, sizeof why.text))
        return err_set(e, ERR_USAGE, "--quant: %s, or file", why.text);
    return 0;
}

/* A model with each of quants, NULL: once. */
static int add_model(struct entrants *all, struct span name, const char *quants, struct err *e)
{
    struct span rest = span_str(quants), quant = {NULL, 0};
    int rc = 0;
    for (bool more = true; more && rc == 0;) {
        more = quants && next_part(&rest, &quant);
        if (quants && quant.n == 0)
            return err_set(e, ERR_USAGE, "--quant '%s': an empty word, expected q4,q8,…", quants);
        rc = add_entrant(all, name, quant, e);
    }
    return rc;
}

static int split(struct entrants *all, const char *list, const char *quants, struct err *e)
{
    struct span rest = span_str(list), part;
    for (bool more = true; more;) {
        more = next_part(&rest, &part);
        if (part.n == 0)
            return err_set(e, ERR_USAGE, "--models '%s': an empty name, expected A,B,…", list);
        int rc = add_model(all, part, quants, e);
        if (rc)
            return rc;
    }
    if (all->n < 2)
        return err_set(e, ERR_USAGE, "--models '%s': one model, expected two at least: A,B", list);
    return 0;
}

int entrants_find(struct entrants *all, const struct settings *s, struct comparison *c,
                  const char *list, const char *quants, struct err *e)
{
    *all = (struct entrants){.v = calloc(COMPARED_MAX, sizeof *all->v)};
    int rc =
        all->v ? split(all, list, quants, e) : err_set(e, ERR_NOMEM, "no memory for the models");
    for (size_t i = 0; rc == 0 && i < all->n; i++) {
        struct entrant *one = &all->v[i];
        struct err why = {""};
        char name[NAME_MAX_BYTES];
        int found = model_find(s, one->given, &one->path, &why);
        if (found == ERR_CANCELLED || interrupted())
            return err_set(e, ERR_CANCELLED, "interrupted");
        name_of(c, one->given, one->quant, name);
        rc = comparison_add(c, &one->row, name, found ? one->given : buf_cstr(&one->path), e);
        if (rc == 0 && found)
            entrant_drop(one, why.text);
    }
    return rc;
}

void entrants_release(struct entrants *all)
{
    for (size_t i = 0; i < all->n; i++) {
        workload_model_free(&all->v[i].model);
        buf_release(&all->v[i].path);
        free(all->v[i].given);
        free(all->v[i].quant);
    }
    free(all->v);
    *all = (struct entrants){.n = 0};
}

size_t entrants_left(const struct entrants *all)
{
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++)
        n += !all->v[i].out;
    return n;
}

/* ---- open and closed ---- */

static uint64_t bytes_of(const struct entrant *one)
{
    const struct wattle_model_info *info = workload_model_info(one->model);
    return info->mapped_bytes + (info->packed_private ? info->packed_bytes : 0) + info->kv_bytes +
           info->scratch_bytes;
}

static void describe(struct entrant *one)
{
    const struct wattle_model_info *info = workload_model_info(one->model);
    struct compared *row = one->row;
    snprintf(row->quantization, sizeof row->quantization, "%s", info->quantization);
    snprintf(row->isa, sizeof row->isa, "%s", info->isa);
    row->model_bytes = info->file_bytes;
    row->parameters = (double)info->parameters;
    row->load_seconds = info->load_seconds;
    row->threads = info->threads;
    log_info("Model '%s' loaded in %.3f s: %s, %s, %d %s, %s", row->name, info->load_seconds,
             info->architecture, info->quantization, info->threads,
             plural(info->threads, "thread", "threads"), info->isa);
}

/* False: it was dropped. */
static bool open_and_warm(struct entrant *one, int warmup)
{
    struct err why = {""};
    bool first = workload_model_info(one->model)->file_bytes == 0;
    if (workload_model_open(one->model, &why)) {
        entrant_drop(one, why.text);
        return false;
    }
    if (first)
        describe(one);
    if (workload_model_warm(one->model, warmup, &why)) {
        char line[sizeof why.text + 32];
        snprintf(line, sizeof line, "the warm-up failed: %s", why.text);
        entrant_drop(one, line);
        return false;
    }
    return true;
}

static void close_others(struct entrants *all, const struct entrant *one)
{
    for (size_t i = 0; i < all->n; i++)
        if (&all->v[i] != one && all->v[i].model)
            workload_model_close(all->v[i].model);
}

static void take_turns(struct entrants *all, struct comparison *c, uint64_t needed,
                       uint64_t available)
{
    all->one_at_a_time = true;
    comparison_warn(c,
                    "the models need %.1f GiB together and %.1f GiB are available: one was open at "
                    "a time, several readings a turn, and each was warmed up at its turn's "
                    "beginning",
                    (double)needed / (1 << 30), (double)available / (1 << 30));
    log_warning("%s", c->warnings[c->n_warnings - 1]);
}

/* The first that opens pays for what all have in common (the program's own pages, threads, the
 * heap's first growth): so one more of it is opened before, and stays until all are open, lest its
 * freed memory makes one of them look smaller. */
static int open_decoy(struct entrants *all, struct workload *w, struct workload_model **decoy,
                      size_t *of, struct err *e)
{
    struct err why;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < all->n; i++) {
        if (all->v[i].out)
            continue;
        rc = workload_model_new(decoy, w, NULL, buf_cstr(&all->v[i].path), all->v[i].quant, e);
        if (rc == 0 && workload_model_open(*decoy, &why) == 0 &&
            workload_model_warm(*decoy, 1, &why) == 0) {
            *of = i;
            break;
        }
        workload_model_free(decoy);
    }
    return rc;
}

int entrants_open(struct entrants *all, struct workload *w, struct comparison *c,
                  const char *sysroot, int warmup, struct err *e)
{
    uint64_t available = machine_memory_available(sysroot), needed = 0;
    struct workload_model *decoy = NULL;
    size_t of = 0;
    int rc = open_decoy(all, w, &decoy, &of, e);
    for (size_t i = 0; rc == 0 && i < all->n; i++) {
        struct entrant *one = &all->v[i];
        if (one->out)
            continue;
        rc =
            workload_model_new(&one->model, w, one->row->name, buf_cstr(&one->path), one->quant, e);
        if (rc)
            break;
        if (all->one_at_a_time) {
            workload_model_free(&decoy);
            close_others(all, one);
        }
        if (!open_and_warm(one, warmup))
            continue;
        needed += bytes_of(one);
        if (!all->one_at_a_time && available && (double)needed > MEMORY_SHARE * (double)available &&
            entrants_left(all) > 1)
            take_turns(all, c, needed, available);
        if (interrupted())
            rc = err_set(e, ERR_CANCELLED, "interrupted");
    }
    if (decoy && rc == 0 && all->v[of].model)
        workload_decoy_free(&decoy, all->v[of].model);
    workload_model_free(&decoy);
    return rc;
}

bool entrants_turn(struct entrants *all, struct entrant *one, int warmup)
{
    if (all->one_at_a_time)
        close_others(all, one);
    return workload_model_is_open(one->model) || open_and_warm(one, warmup);
}

/* ---- the reference ---- */

int entrants_reference(const struct entrants *all, const struct comparison *c, const char *name,
                       int *out, struct err *e)
{
    double most = 0;
    *out = -1;
    if (name && strcmp(name, "none") == 0)
        return 0;
    for (size_t i = 0; i < all->n; i++) {
        bool named =
            name && (strcmp(all->v[i].given, name) == 0 || strcmp(c->models[i].name, name) == 0);
        if (named) {
            *out = (int)i;
            return 0;
        }
        if (!name && !all->v[i].out && c->models[i].parameters > most) {
            most = c->models[i].parameters;
            *out = (int)i;
        }
    }
    if (!name)
        return 0;
    return err_set(e, ERR_USAGE, "--reference '%s': expected one of --models, or none", name);
}
