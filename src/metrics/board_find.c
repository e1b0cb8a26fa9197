/* SPDX-License-Identifier: MIT */
/* Owns the board's memory: devices by id, models by name, texts and readings, each within its
 * bound. */
#include "metrics/board.h"

#include <stdlib.h>

enum { DEVICES_FIRST = 64, POINTS_FIRST = 16 };

/* ---- devices ---- */

/* The seed keeps a publisher from choosing ids that all fall on one place. */
static size_t slot_of(const struct board *b, struct span id)
{
    uint64_t h = b->hash_seed;
    for (size_t i = 0; i < id.n; i++)
        h = (h ^ id.p[i]) * UINT64_C(0x100000001b3);
    h ^= h >> 32;
    size_t at = (size_t)h & (b->n_slots - 1);
    while (b->slots[at] && !span_is(id, b->devices[b->slots[at] - 1]->id))
        at = (at + 1) & (b->n_slots - 1);
    return at;
}

struct board_device *board_device_find(const struct board *b, struct span id)
{
    if (!b->n_slots)
        return NULL;
    uint32_t index = b->slots[slot_of(b, id)];
    return index ? b->devices[index - 1] : NULL;
}

static bool make_room(struct board *b)
{
    if (b->n_devices < b->devices_capacity)
        return true;
    size_t n = b->devices_capacity ? 2 * b->devices_capacity : DEVICES_FIRST;
    void *devices = realloc(b->devices, n * sizeof *b->devices);
    if (devices)
        b->devices = (struct board_device **)devices;
    void *dirty = realloc(b->dirty, n * sizeof *b->dirty);
    if (dirty)
        b->dirty = (uint32_t *)dirty;
    uint32_t *slots = (uint32_t *)calloc(2 * n, sizeof *slots);
    if (!devices || !dirty || !slots) {
        free(slots);
        return false;
    }
    free(b->slots);
    b->slots = slots;
    b->n_slots = 2 * n;
    b->devices_capacity = n;
    for (size_t i = 0; i < b->n_devices; i++)
        b->slots[slot_of(b, span_str(b->devices[i]->id))] = (uint32_t)i + 1;
    return true;
}

static bool is_id(struct span id)
{
    if (id.n == 0 || id.n > BOARD_ID_MAX || !utf8_valid(id))
        return false;
    for (size_t i = 0; i < id.n; i++)
        if (id.p[i] < 0x20 || id.p[i] == 0x7f || id.p[i] == '/')
            return false;
    return true;
}

struct board_device *board_device_of(struct board *b, struct span id)
{
    struct board_device *d = board_device_find(b, id);
    if (d || !is_id(id))
        return d;
    bool room = b->n_devices < BOARD_DEVICES_MAX && make_room(b);
    d = room ? (struct board_device *)calloc(1, sizeof *d) : NULL;
    if (!d) {
        b->left_out++;
        return NULL;
    }
    span_copy(d->id, id);
    d->status = 'u';
    d->points.max = BOARD_POINTS;
    b->slots[slot_of(b, id)] = (uint32_t)b->n_devices + 1;
    b->devices[b->n_devices++] = d;
    return d;
}

void board_mark(struct board *b, struct board_device *d)
{
    if (d->dirty)
        return;
    d->dirty = true;
    b->dirty[b->n_dirty++] = b->slots[slot_of(b, span_str(d->id))] - 1;
}

/* ---- models ---- */

struct board_model *board_model_find(const struct board *b, struct span name)
{
    name.n = name.n < BOARD_NAME_MAX ? name.n : BOARD_NAME_MAX - 1;
    name.n -= utf8_incomplete_tail(name);
    for (size_t i = 0; i < b->n_models; i++)
        if (span_is(name, b->models[i]->name))
            return b->models[i];
    return NULL;
}

struct board_model *board_model_of(struct board *b, struct span name)
{
    struct board_model *m = board_model_find(b, name);
    if (m || name.n == 0)
        return m;
    m = b->n_models < BOARD_MODELS_MAX ? (struct board_model *)calloc(1, sizeof *m) : NULL;
    if (!m) {
        b->left_out++;
        return NULL;
    }
    name.n = name.n < BOARD_NAME_MAX ? name.n : BOARD_NAME_MAX - 1;
    name.n -= utf8_incomplete_tail(name);
    span_copy(m->name, name);
    m->points.max = BOARD_MODEL_POINTS;
    b->models[b->n_models++] = m;
    return m;
}

/* ---- texts ---- */

struct notes *board_notes(struct notes **n, size_t max)
{
    if (!*n && (*n = (struct notes *)calloc(1, sizeof **n + max * sizeof(char *))))
        (*n)->max = max;
    return *n;
}

static void drop_oldest(struct board *b, struct notes *n)
{
    b->note_bytes -= strlen(n->texts[n->at]) + 1;
    free(n->texts[n->at]);
    n->texts[n->at] = NULL;
    n->at = (n->at + 1) % n->max;
    n->n--;
}

void board_note(struct board *b, struct notes *n, const struct buf *text)
{
    if (!n || text->failed)
        return;
    size_t size = text->n + 1;
    while (n->n == n->max || (n->n && b->note_bytes + size > BOARD_NOTES_BYTES))
        drop_oldest(b, n);
    char *copy = b->note_bytes + size > BOARD_NOTES_BYTES ? NULL : strdup(buf_cstr(text));
    if (!copy)
        return;
    n->texts[(n->at + n->n++) % n->max] = copy;
    b->note_bytes += size;
}

/* ---- readings ---- */

static void grow(struct board *b, struct points *s)
{
    size_t n = s->capacity ? 2 * s->capacity : POINTS_FIRST;
    n = n < s->max ? n : s->max;
    size_t more = (n - s->capacity) * sizeof *s->p;
    struct point *p = NULL;
    if (b->point_bytes + more <= BOARD_POINTS_BYTES)
        p = (struct point *)malloc(n * sizeof *p);
    if (!p)
        return;
    for (size_t i = 0; i < s->n; i++)
        p[i] = *board_point_at(s, i);
    free(s->p);
    s->p = p;
    s->at = 0;
    s->capacity = n;
    b->point_bytes += more;
}

void board_point(struct board *b, struct points *s, const struct point *p)
{
    if (s->n == s->capacity && s->capacity < s->max)
        grow(b, s);
    if (s->capacity == 0)
        return;
    if (s->n == s->capacity) {
        s->at = (s->at + 1) % s->capacity;
        s->n--;
    }
    s->p[(s->at + s->n++) % s->capacity] = *p;
}

const struct point *board_point_at(const struct points *s, size_t i)
{
    return &s->p[(s->at + i) % s->capacity];
}

/* ---- the end ---- */

static void free_notes(struct notes *n)
{
    for (size_t i = 0; n && i < n->max; i++)
        free(n->texts[i]);
    free(n);
}

void board_free(struct board *b)
{
    for (size_t i = 0; i < b->n_devices; i++) {
        struct board_device *d = b->devices[i];
        free_notes(d->said);
        free_notes(d->measured);
        free_notes(d->wrong);
        free(d->points.p);
        free(d);
    }
    for (size_t i = 0; i < b->n_models; i++) {
        free(b->models[i]->points.p);
        free(b->models[i]);
    }
    free_notes(b->anomalies);
    free(b->devices);
    free(b->dirty);
    free(b->slots);
    free(b->prefix);
    free(b->source);
    free(b->machine);
    free(b);
}
