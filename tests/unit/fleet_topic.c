/* SPDX-License-Identifier: MIT */
/* Topics: made from their parts, taken apart again; prefixes that cannot be one are refused. */
#include "fleet/fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void writes_and_splits(void **state)
{
    (void)state;
    char topic[TOPIC_SIZE];
    struct topic_parts p;
    topic_write(topic, "site/3", "metrics", "00:0f", "/summary");
    assert_string_equal(topic, "site/3/metrics/00:0f/summary");
    assert_true(topic_split(&p, topic, "site/3"));
    assert_true(span_is(p.kind, "metrics") && span_is(p.id, "00:0f"));
    assert_true(span_is(p.suffix, "/summary"));
    topic_write(topic, "iot", "#", "", "");
    assert_string_equal(topic, "iot/#");
    static const char *const others[] = {"site/3",
                                         "site/33/metrics/a",
                                         "site/3/metrics",
                                         "site/3/metrics/",
                                         "site/3//a",
                                         "iot/metrics/a",
                                         ""};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(topic_split(&p, others[i], "site/3"));
}

static void refuses_prefixes(void **state)
{
    (void)state;
    static const char *const good[] = {"iot", "a/b/c", "küche", "a b"};
    static const char *const bad[] = {"",     "/iot", "iot/", "a/+/b", "#",
                                      "$SYS", "a\nb", "\xff", "a\x7f", "\xc2\x9b"};
    char long_one[TOPIC_PREFIX_MAX + 2], topic[TOPIC_SIZE], id[129];
    struct err e;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(topic_prefix_check(good[i], &e), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(topic_prefix_check(bad[i], &e), ERR_USAGE);
        assert_int_equal(strncmp(e.text, "MQTT_TOPIC_PREFIX", 17), 0);
    }
    memset(long_one, 'x', sizeof long_one);
    memset(id, 'i', sizeof id);
    long_one[TOPIC_PREFIX_MAX + 1] = id[128] = '\0';
    assert_int_equal(topic_prefix_check(long_one, &e), ERR_USAGE);
    long_one[TOPIC_PREFIX_MAX] = '\0';
    assert_int_equal(topic_prefix_check(long_one, &e), 0);
    topic_write(topic, long_one, "telemetry", id, "/summary");
    assert_int_equal(strlen(topic), TOPIC_PREFIX_MAX + 11 + 128 + 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_and_splits),
        cmocka_unit_test(refuses_prefixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
