/* SPDX-License-Identifier: MIT */
/* The yardsticks do the work that they say: no core is so fast that less could be meant. */
#include "base/base.h"
#include "kernels/kernels.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { BYTES = 8 << 20, ROUNDS = 200000 };

static void test_peaks(void **state)
{
    (void)state;
    uint8_t *bytes = aligned_alloc(64, BYTES);
    assert_non_null(bytes);
    memset(bytes, 0, BYTES);
    for (const struct kernels *const *k = kernels_all(); *k; k++) {
        const struct peak *p = (*k)->peak;
        volatile uint64_t sink = 0;
        assert_non_null(p->isa);
        /* Every byte counts. */
        uint64_t zero = p->read(bytes, BYTES);
        for (size_t i = 0; i < BYTES; i += BYTES / 16 + 7) {
            bytes[i] = 1;
            if (p->read(bytes, BYTES) == zero)
                fail_msg("%s: byte %zu was not read", p->isa, i);
            bytes[i] = 0;
        }
        uint64_t start = clock_mono_ns();
        sink += (uint64_t)p->int8(ROUNDS);
        double int8 = (double)ROUNDS * (double)p->int8_macs / (double)(clock_mono_ns() - start);
        start = clock_mono_ns();
        sink += (uint64_t)p->f32(ROUNDS);
        double f32 = (double)ROUNDS * (double)p->f32_macs / (double)(clock_mono_ns() - start);
        /* 6 GHz, two registers of 64 bytes a cycle. */
        if (!(int8 > 0.01 && int8 < 6 * 2 * 64 && f32 > 0.01 && f32 < 6 * 2 * 16))
            fail_msg("%s: %g GMAC/s of integers, %g of floats", p->isa, int8, f32);
        print_message("%s: %.1f GMAC/s of integers, %.1f of floats\n", p->isa, int8, f32);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_peaks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
