/* SPDX-License-Identifier: MIT */
/* Which table a caller gets. */
#include "kernels/kernels.h"

#include "kernels/levels.h"

#include <string.h>

bool kernels_has_q8(uint32_t type)
{
    const struct wtype_info *info = wtype_info(type);
    return info && info->block_elems > 1;
}

const struct kernels *const *kernels_all(void)
{
    return kernels_levels();
}

const struct kernels *kernels_get(const char *isa)
{
    const struct kernels *const *all = kernels_levels();
    const struct kernels *best = NULL;
    bool capped = isa && *isa, known = !capped;

    /* The names that were built and the tables that run rise together, the tables end earlier. */
    for (size_t i = 0; kernels_level_names[i]; i++) {
        if (*all)
            best = *all++;
        if (capped && strcmp(kernels_level_names[i], isa) == 0) {
            known = true;
            break;
        }
    }
    return known ? best : NULL;
}
