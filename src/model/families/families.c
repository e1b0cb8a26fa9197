/* SPDX-License-Identifier: MIT */
/* The table of families: one row each. */
#include "model/families/families.h"

static const struct family *const families[] = {
    &family_llama,
};

enum { N_FAMILIES = sizeof families / sizeof *families };

int family_find(struct span arch, const struct family **out, struct err *e)
{
    for (size_t i = 0; i < N_FAMILIES; i++) {
        if (span_is(arch, families[i]->arch)) {
            *out = families[i];
            return 0;
        }
    }
    struct buf names;
    buf_init(&names, 512);
    for (size_t i = 0; i < N_FAMILIES; i++)
        buf_printf(&names, "%s%s", i ? ", " : "", families[i]->arch);
    int code = err_set(e, ERR_UNSUPPORTED,
                       "key 'general.architecture': '%.*s' is not supported, expected one of: %s",
                       SPAN_FMT(arch), buf_cstr(&names));
    buf_release(&names);
    return code;
}
