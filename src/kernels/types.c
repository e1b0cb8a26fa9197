/* SPDX-License-Identifier: MIT */
/* The table of element types. Sizes and numbers: types.h names the source. */
#include "kernels/types.h"

const struct wtype_info *wtype_info(uint32_t type)
{
    static const struct wtype_info table[] = {
        [WTYPE_F32] = {"F32", 1, 4},           [WTYPE_F16] = {"F16", 1, 2},
        [WTYPE_Q4_0] = {"Q4_0", 32, 18},       [WTYPE_Q4_1] = {"Q4_1", 32, 20},
        [WTYPE_Q5_0] = {"Q5_0", 32, 22},       [WTYPE_Q5_1] = {"Q5_1", 32, 24},
        [WTYPE_Q8_0] = {"Q8_0", 32, 34},       [WTYPE_Q2_K] = {"Q2_K", 256, 84},
        [WTYPE_Q3_K] = {"Q3_K", 256, 110},     [WTYPE_Q4_K] = {"Q4_K", 256, 144},
        [WTYPE_Q5_K] = {"Q5_K", 256, 176},     [WTYPE_Q6_K] = {"Q6_K", 256, 210},
        [WTYPE_Q8_K] = {"Q8_K", 256, 292},     [WTYPE_IQ4_NL] = {"IQ4_NL", 32, 18},
        [WTYPE_IQ4_XS] = {"IQ4_XS", 256, 136}, [WTYPE_I8] = {"I8", 1, 1},
        [WTYPE_F64] = {"F64", 1, 8},           [WTYPE_BF16] = {"BF16", 1, 2},
        [WTYPE_TQ1_0] = {"TQ1_0", 256, 54},    [WTYPE_TQ2_0] = {"TQ2_0", 256, 66},
        [WTYPE_MXFP4] = {"MXFP4", 32, 17},     [WTYPE_NVFP4] = {"NVFP4", 64, 36},
    };
    if (type >= sizeof table / sizeof *table || !table[type].name)
        return NULL;
    return &table[type];
}

const char *wtype_name(uint32_t type)
{
    /* 4, 5, 31 to 33 and 36 to 38 stood for types that GGUF no longer has. */
    static const char *const others[] = {
        [9] = "Q8_1",   [16] = "IQ2_XXS", [17] = "IQ2_XS", [18] = "IQ3_XXS",
        [19] = "IQ1_S", [21] = "IQ3_S",   [22] = "IQ2_S",  [25] = "I16",
        [26] = "I32",   [27] = "I64",     [29] = "IQ1_M",  [41] = "Q1_0",
    };
    const struct wtype_info *info = wtype_info(type);
    if (info)
        return info->name;
    return type < sizeof others / sizeof *others ? others[type] : NULL;
}
