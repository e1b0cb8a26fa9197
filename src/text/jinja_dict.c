/* SPDX-License-Identifier: MIT */
/* Dictionaries: insertion order kept, keys of any type that Python can hash. */
#include "text/jinja.h"

enum { JDICT_ROW = 8 };

static uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

/* Values that are equal have the same hash. */
static uint64_t hash_value(struct jinja *j, struct jvalue v)
{
    uint64_t h = (uint64_t)v.kind;
    int64_t i;
    switch (v.kind) {
    case J_STRING:
        jinja_bytes(j, v.string->n);
        return mix(span_hash(jstring_span(v.string)));
    case J_BOOL:
    case J_INT:
        return mix((uint64_t)jv_to_int(v));
    case J_FLOAT:
        if (jinja_whole(v.real, &i))
            return mix((uint64_t)i);
        memcpy(&h, &v.real, sizeof h);
        return mix(h);
    case J_TUPLE:
        if (!jinja_deeper(j))
            return 0;
        for (size_t k = 0; k < v.list->n && !j->rc; k++)
            h = mix(h ^ hash_value(j, v.list->v[k]));
        j->depth--;
        return h;
    case J_LIST:
    case J_DICT:
        jinja_fail(j, ERR_FORMAT, "unhashable type: '%s'", jinja_type_name(v.kind));
        return 0;
    default:
        return mix(h);
    }
}

struct jdict *jinja_dict(struct jinja *j)
{
    return jinja_alloc(j, 1, sizeof(struct jdict));
}

/* The entry of key, or d->n. h is the key's hash, used once there are slots. */
static size_t dict_find(struct jinja *j, const struct jdict *d, struct jvalue key, uint64_t h)
{
    if (!d->slots) {
        size_t i = 0;
        while (i < d->n && !jinja_equal(j, d->entries[i].key, key))
            i++;
        return i;
    }
    for (size_t at = h & (d->n_slots - 1); d->slots[at] && !j->rc;
         at = (at + 1) & (d->n_slots - 1)) {
        size_t i = d->slots[at] - 1;
        if (jinja_equal(j, d->entries[i].key, key))
            return i;
    }
    return d->n;
}

static void dict_put_slot(struct jdict *d, uint64_t h, size_t entry)
{
    size_t at = h & (d->n_slots - 1);
    while (d->slots[at])
        at = (at + 1) & (d->n_slots - 1);
    d->slots[at] = (uint32_t)(entry + 1);
}

static bool dict_grow(struct jinja *j, struct jdict *d)
{
    size_t cap = d->cap ? d->cap * 2 : 4;
    struct jentry *entries = jinja_alloc(j, cap, sizeof *entries);
    if (!entries)
        return false;
    if (d->n > 0)
        memcpy(entries, d->entries, d->n * sizeof *entries);
    d->entries = entries;
    d->cap = cap;
    if (cap <= JDICT_ROW)
        return true;
    uint32_t *slots = jinja_alloc(j, cap * 2, sizeof *slots);
    if (!slots)
        return false;
    d->slots = slots;
    d->n_slots = cap * 2;
    for (size_t i = 0; i < d->n; i++)
        dict_put_slot(d, hash_value(j, d->entries[i].key), i);
    return true;
}

void jinja_dict_set(struct jinja *j, struct jdict *d, struct jvalue key, struct jvalue value)
{
    if (!d || j->rc)
        return;
    uint64_t h = hash_value(j, key);
    size_t i = dict_find(j, d, key, h);
    if (j->rc)
        return;
    if (i < d->n) {
        d->entries[i].value = value;
        return;
    }
    if (d->n == d->cap && !dict_grow(j, d))
        return;
    d->entries[d->n] = (struct jentry){key, value};
    if (d->slots)
        dict_put_slot(d, h, d->n);
    d->n++;
}

void jinja_dict_set_str(struct jinja *j, struct jdict *d, const struct jstring *key,
                        struct jvalue value)
{
    jinja_dict_set(j, d, jv_string(key), value);
}

const struct jvalue *jinja_dict_get(struct jinja *j, const struct jdict *d, struct jvalue key)
{
    uint64_t h = hash_value(j, key);
    size_t i = dict_find(j, d, key, h);
    return i < d->n && !j->rc ? &d->entries[i].value : NULL;
}

const struct jvalue *jinja_dict_get_str(struct jinja *j, const struct jdict *d, struct span key)
{
    struct jstring s = {(const char *)key.p, key.n, false};
    return jinja_dict_get(j, d, jv_string(&s));
}
