/* SPDX-License-Identifier: MIT */
/* AArch64: which tables this CPU can run. Every 64-bit Arm that runs Linux has Advanced SIMD; the
 * kernel is asked all the same. */
#include "kernels/levels.h"
#include "kernels/arm/neon.h"
#include "kernels/ref/ref.h"

#include <asm/hwcap.h>
#include <sys/auxv.h>

const char *const kernels_level_names[] = {"c", "neon", "dotprod", NULL};

const struct kernels *const *kernels_levels(void)
{
    static const struct kernels *const plain[] = {&kernels_ref, NULL};
    static const struct kernels *const neon[] = {&kernels_ref, &kernels_neon, NULL};

    static const struct kernels *const dotprod[] = {&kernels_ref, &kernels_neon, &kernels_dotprod,
                                                    NULL};

    unsigned long have = getauxval(AT_HWCAP);
    if (!(have & HWCAP_ASIMD))
        return plain;
    return have & HWCAP_ASIMDDP ? dotprod : neon;
}
