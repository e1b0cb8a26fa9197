/* SPDX-License-Identifier: MIT */
/* Names that every target takes, and sizes. */
#include "deploy/deploy.h"
#include "deploy/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void names_are_dns_labels(void **state)
{
    static const struct {
        const char *name, *suffix, *expected;
    } cases[] = {
        {"edge-device", "-01", "edge-device-01"},
        {"edge-device", "", "edge-device"},
        {"Küche #1", "", "k-che--1"},
        {"EDGE", "", "edge"},
        {"0012", "", "device-0012"},
        {"yes", "", "yes"},
        {"", "", "device"},
        {"---", "", "device"},
        {"日本", "-02", "device-02"},
        {"\xff\xfe", "", "device"},
        {"-a-", "", "a"},
        {"../../etc/passwd", "", "etc-passwd"},
        {"a.b_c/d", "", "a-b-c-d"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[SERVICE_NAME_SIZE];
        service_name(out, cases[i].name, cases[i].suffix);
        assert_string_equal(out, cases[i].expected);
        assert_true(is_dns_label(out));
    }
}

static void long_names_stay_apart(void **state)
{
    char name[129], a[SERVICE_NAME_SIZE], b[SERVICE_NAME_SIZE];
    (void)state;
    for (size_t length = 1; length < sizeof name; length++) {
        memset(name, length % 2 ? '7' : 'x', length);
        name[length] = '\0';
        service_name(a, name, "-01");
        service_name(b, name, "-1000");
        assert_true(is_dns_label(a) && is_dns_label(b));
        assert_string_not_equal(a, b);
        assert_true(str_ends_with(a, "-01") && str_ends_with(b, "-1000"));
    }
}

static void labels_are_told_from_others(void **state)
{
    static const char *const bad[] = {"", "-a", "a-", "A", "a.b", "a_b", "é", "a b"};
    char longest[65];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(is_dns_label(bad[i]));
    memset(longest, 'a', 64);
    longest[64] = '\0';
    assert_false(is_dns_label(longest));
    longest[63] = '\0';
    assert_true(is_dns_label(longest));
}

static void sizes_are_read(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes; /* 0: refused */
    } cases[] = {
        {"1", 1},
        {"1073741824", UINT64_C(1) << 30},
        {"512m", 512 << 20},
        {"512M", 512 << 20},
        {"512mb", 512 << 20},
        {"4g", UINT64_C(4) << 30},
        {"1.5g", UINT64_C(3) << 29},
        {"10k", 10240},
        {"100b", 100},
        {"1t", UINT64_C(1) << 40},
        {"", 0},
        {"m", 0},
        {"b", 0},
        {"-1m", 0},
        {"1 m", 0},
        {"1e3", 0},
        {"512mm", 0},
        {"512x", 0},
        {"0", 0},
        {"0.0001", 0},
        {"nan", 0},
        {"0x10m", 0},
        {"99999999999999999999t", 0},
        {"12bb", 0},
        {"1.2.3m", 0},
        {"1Mi", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t bytes = 0;
        bool fine = deploy_parse_size(cases[i].text, &bytes);
        if (fine != (cases[i].bytes > 0) || bytes != cases[i].bytes)
            fail_msg("'%s' gave %llu", cases[i].text, (unsigned long long)bytes);
    }
}

static void quantities_are_exact(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *expected;
    } cases[] = {{1, "1"},
                 {1000, "1000"},
                 {1024, "1Ki"},
                 {512 << 20, "512Mi"},
                 {UINT64_C(3) << 29, "1536Mi"},
                 {UINT64_C(5) << 50, "5120Ti"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[QUANTITY_SIZE];
        put_quantity(out, cases[i].bytes);
        assert_string_equal(out, cases[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_dns_labels),        cmocka_unit_test(long_names_stay_apart),
        cmocka_unit_test(labels_are_told_from_others), cmocka_unit_test(sizes_are_read),
        cmocka_unit_test(quantities_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
