/* SPDX-License-Identifier: MIT */
/* A processor family for which there is only plain C. */
#include "kernels/levels.h"
#include "kernels/ref/ref.h"

const char *const kernels_level_names[] = {"c", NULL};

const struct kernels *const *kernels_levels(void)
{
    static const struct kernels *const plain[] = {&kernels_ref, NULL};
    return plain;
}
