/* SPDX-License-Identifier: MIT */
/* x86-64: which tables this CPU (and its operating system, for the wide registers) can run. Built
 * without any flags of a higher ISA. */
#include "kernels/levels.h"
#include "kernels/ref/ref.h"
#include "kernels/x86/avx2.h"

const char *const kernels_level_names[] = {"c", "avx2", NULL};

const struct kernels *const *kernels_levels(void)
{
    static const struct kernels *const plain[] = {&kernels_ref, NULL};
    static const struct kernels *const avx2[] = {&kernels_ref, &kernels_avx2, NULL};

    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                   __builtin_cpu_supports("f16c")
               ? avx2
               : plain;
}
