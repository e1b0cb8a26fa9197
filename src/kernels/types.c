/* SPDX-License-Identifier: MIT */
/* The table of element types. Sizes: types.h names the source. */
#include "kernels/types.h"

const struct wtype_info *wtype_info(uint32_t type)
{
    static const struct wtype_info table[] = {
        [WTYPE_F32] = {"F32", 1, 4},       [WTYPE_F16] = {"F16", 1, 2},
        [WTYPE_Q4_0] = {"Q4_0", 32, 18},   [WTYPE_Q4_1] = {"Q4_1", 32, 20},
        [WTYPE_Q5_0] = {"Q5_0", 32, 22},   [WTYPE_Q5_1] = {"Q5_1", 32, 24},
        [WTYPE_Q8_0] = {"Q8_0", 32, 34},   [WTYPE_Q4_K] = {"Q4_K", 256, 144},
        [WTYPE_Q5_K] = {"Q5_K", 256, 176}, [WTYPE_Q6_K] = {"Q6_K", 256, 210},
        [WTYPE_BF16] = {"BF16", 1, 2},
    };
    if (type >= sizeof table / sizeof *table || !table[type].name)
        return NULL;
    return &table[type];
}
