/* SPDX-License-Identifier: MIT */
/* x86-64: which tables this CPU (and its operating system, for the wide registers) can run. Built
 * without any flags of a higher ISA. */
#include "kernels/levels.h"
#include "kernels/ref/ref.h"
#include "kernels/x86/avx2.h"

#include <cpuid.h>

const char *const kernels_level_names[] = {"c", "avx2", "vnni", NULL};

/* clang's __builtin_cpu_supports does not know the name. */
static bool has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

static bool has_avx_vnni(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4);
}

static bool has_avx512_vnni(void)
{
    return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl");
}

const struct kernels *const *kernels_levels(void)
{
    static const struct kernels *const plain[] = {&kernels_ref, NULL};
    static const struct kernels *const avx2[] = {&kernels_ref, &kernels_avx2, NULL};
    static const struct kernels *const avx_vnni[] = {&kernels_ref, &kernels_avx2, &kernels_avx_vnni,
                                                     NULL};
    static const struct kernels *const avx512_vnni[] = {&kernels_ref, &kernels_avx2,
                                                        &kernels_avx512_vnni, NULL};

    /* "avx2" is true only where the operating system saves the wide registers, too. */
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !has_f16c())
        return plain;
    if (has_avx512_vnni())
        return avx512_vnni;
    return has_avx_vnni() ? avx_vnni : avx2;
}
