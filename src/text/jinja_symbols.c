/* SPDX-License-Identifier: MIT */
/* The names that a template says, numbered, so that variables are looked up by number. */
#include "text/jinja_parse.h"

static uint64_t hash_name(struct span s)
{
    uint64_t h = span_hash(s);
    return h ^ h >> 32;
}

/* The slot of name, or the free one where it would go. */
static size_t symbol_slot(const struct template *t, struct span name)
{
    size_t at = hash_name(name) & (t->n_slots - 1);
    while (t->slots[at] && !span_eq(jstring_span(&t->symbols[t->slots[at] - 1].name), name))
        at = (at + 1) & (t->n_slots - 1);
    return at;
}

size_t template_symbol(const struct template *t, struct span name)
{
    size_t at = symbol_slot(t, name);
    return t->slots[at] ? t->slots[at] - 1 : SIZE_MAX;
}

static bool grow_symbols(struct template *t)
{
    size_t cap = t->cap_symbols ? t->cap_symbols * 2 : 64;
    struct jsymbol *symbols = arena_array(&t->arena, cap, sizeof *symbols);
    uint32_t *slots = arena_array(&t->arena, cap * 2, sizeof *slots);
    if (!symbols || !slots)
        return false;
    if (t->n_symbols > 0)
        memcpy(symbols, t->symbols, t->n_symbols * sizeof *symbols);
    t->symbols = symbols;
    t->cap_symbols = cap;
    t->slots = slots;
    t->n_slots = cap * 2;
    for (size_t i = 0; i < t->n_symbols; i++)
        slots[symbol_slot(t, jstring_span(&symbols[i].name))] = (uint32_t)(i + 1);
    return true;
}

uint32_t jparse_symbol(struct jparser *p, struct span name)
{
    struct template *t = p->t;
    if (p->rc)
        return 0;
    if (t->n_symbols == t->cap_symbols && !grow_symbols(t)) {
        jparse_fail(p, ERR_LIMIT, "the template needs more than %d MiB, or memory is short",
                    JINJA_TREE_MAX >> 20);
        return 0;
    }
    size_t at = symbol_slot(t, name);
    if (t->slots[at])
        return t->slots[at] - 1;
    char *bytes = arena_strndup(&t->arena, name.p, name.n);
    if (!bytes) {
        jparse_fail(p, ERR_LIMIT, "the template needs more than %d MiB, or memory is short",
                    JINJA_TREE_MAX >> 20);
        return 0;
    }
    struct jsymbol *s = &t->symbols[t->n_symbols];
    s->name = (struct jstring){bytes, name.n, true};
    for (size_t i = 0; i < name.n; i++)
        s->name.ascii = s->name.ascii && name.p[i] < 0x80;
    s->function = jinja_function(name);
    t->slots[at] = (uint32_t)++t->n_symbols;
    return (uint32_t)(t->n_symbols - 1);
}
