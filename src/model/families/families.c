/* SPDX-License-Identifier: MIT */
/* The table of families: families.h has the rows. */
#include "model/families/families.h"

#define FAMILY(name) &family_##name,
static const struct family *const families[] = {FAMILY_ROWS};
#undef FAMILY

enum { N_FAMILIES = sizeof families / sizeof *families };

static const char *const *names_of(const struct family *f, bool hf)
{
    return hf ? f->model_types : f->archs;
}

/* Without memory the list is cut: the message stays right. */
static int not_found(struct span name, bool hf, struct err *e)
{
    struct buf names;
    buf_init(&names, 2048);
    for (size_t i = 0; i < N_FAMILIES; i++)
        for (const char *const *n = names_of(families[i], hf); n && *n; n++)
            buf_printf(&names, "%s%s", names.n ? ", " : "", *n);
    int code = err_set(e, ERR_UNSUPPORTED, "%s: '%.*s' is not supported, expected one of: %s",
                       hf ? "config.json: key 'model_type'" : "key 'general.architecture'",
                       SPAN_FMT(name), buf_cstr(&names));
    buf_release(&names);
    return code;
}

int family_find(struct span name, bool hf, const struct family **out, struct err *e)
{
    for (size_t i = 0; i < N_FAMILIES; i++) {
        for (const char *const *n = names_of(families[i], hf); n && *n; n++) {
            if (span_is(name, *n)) {
                *out = families[i];
                return 0;
            }
        }
    }
    return not_found(name, hf, e);
}
