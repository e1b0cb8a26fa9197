/* SPDX-License-Identifier: MIT */
/* The most multiply-adds that a core can do: many independent chains of them, nothing loaded. Its
 * own file because it is built for the best ISA under test and with contraction on. */
#include "check.h"

typedef float lanes __attribute__((vector_size(32)));

float bench_burn(size_t n)
{
    lanes a[10], step = {0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f};
    for (int j = 0; j < 10; j++)
        a[j] = step * (float)j;
    for (size_t i = 0; i < n; i++) {
#pragma GCC unroll 10
        for (int j = 0; j < 10; j++)
            a[j] = a[j] * step + step;
        /* Else the compiler may see through the loop. */
        __asm__ volatile("" : "+g"(n));
    }
    float sum = 0;
    for (int j = 0; j < 10; j++)
        for (int l = 0; l < 8; l++)
            sum += a[j][l];
    return sum;
}
