/* SPDX-License-Identifier: MIT */
#include "report/comparison.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void comparison_init(struct comparison *c)
{
    *c = (struct comparison){
        .reference = -1, .noise_percent = NAN, .idle_measured_w = NAN, .elapsed_s = NAN};
}

void comparison_release(struct comparison *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->models[i].name);
        free(c->models[i].source);
        free(c->models[i].problem);
        free(c->models[i].samples);
    }
    for (size_t i = 0; i < c->n_warnings; i++)
        free(c->warnings[i]);
    free(c->machine);
    free(c->settings);
    comparison_init(c);
}

int comparison_add(struct comparison *c, struct compared **out, const char *name,
                   const char *source, struct err *e)
{
    if (c->n == COMPARED_MAX)
        return err_set(e, ERR_LIMIT, "more than %d models", COMPARED_MAX);
    struct compared m = {.name = strdup(name),
                         .source = strdup(source),
                         .load_seconds = NAN,
                         .perplexity = NAN,
                         .bits_per_byte = NAN};
    if (!m.name || !m.source) {
        free(m.name);
        free(m.source);
        return err_set(e, ERR_NOMEM, "no memory for model '%s'", name);
    }
    c->models[c->n] = m;
    *out = &c->models[c->n++];
    return 0;
}

int compared_add(struct compared *m, const struct compared_sample *s, struct err *e)
{
    if (m->n == COMPARED_SAMPLES_MAX)
        return err_set(e, ERR_LIMIT, "'%s': more than %d inferences", m->name,
                       COMPARED_SAMPLES_MAX);
    if (m->n == m->capacity) {
        size_t capacity = m->capacity ? m->capacity * 2 : 64;
        struct compared_sample *p = realloc(m->samples, capacity * sizeof *p);
        if (!p)
            return err_set(e, ERR_NOMEM, "'%s': no memory for %zu inferences", m->name, capacity);
        m->samples = p;
        m->capacity = capacity;
    }
    m->samples[m->n++] = *s;
    return 0;
}

void comparison_warn(struct comparison *c, const char *format, ...)
{
    enum { MOST = sizeof c->warnings / sizeof *c->warnings };
    char line[400];
    va_list args;
    if (c->n_warnings == MOST)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    char *copy = strdup(line);
    if (copy)
        c->warnings[c->n_warnings++] = copy;
}
