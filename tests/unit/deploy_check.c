/* SPDX-License-Identifier: MIT */
/* What the words of wattle compose's options may hold. */
#include "deploy/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEX "0123456789abcdef0123456789abcdef"

static void images(void **state)
{
    static const char *const good[] = {
        "wattle",
        "wattle:latest",
        "iot-device-simulator:1.2.3_rc-1",
        "library/a.b_c__d---e:V1",
        "registry.example/wattle",
        "registry.example:5000/team/wattle:1",
        "localhost/wattle",
        "localhost:5000/wattle",
        "Registry/wattle",
        "[fe80::1]:5000/wattle",
        "[::1]/wattle",
        "wattle@sha256:" HEX,
        "registry.example/wattle:1@sha256:" HEX HEX,
        "0a:1",
    };
    static const char *const bad[] = {
        "",
        " ",
        "a b",
        "wattle\n",
        "wattle:1\nx: y",
        "\twattle",
        "-wattle",
        "--force",
        "Wattle",
        "wattle:",
        ":1",
        "wattle:.x",
        "wattle:-x",
        "wattle:a/b:",
        "wattle/",
        "/wattle",
        "a//b",
        "a..b",
        "a___b",
        "a.-b",
        "a-",
        "wattle@",
        "wattle@sha256:abc",
        "wattle@" HEX HEX,
        "wattle@sha256:" HEX "g",
        "registry.example:/wattle",
        "registry.example:99999/wattle",
        "registry..example/wattle",
        "-registry.example/wattle",
        "[nothing]/wattle",
        "[::1/wattle",
        "http://registry.example/wattle",
        "k\xc3\xbc"
        "che",
        "\xff",
        "${IMAGE}",
        "a'b",
    };
    char longest[300];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!is_image_name(good[i]))
            fail_msg("'%s' was refused", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (is_image_name(bad[i]))
            fail_msg("'%s' was taken", bad[i]);
    memset(longest, 'a', sizeof longest);
    longest[256] = '\0';
    assert_false(is_image_name(longest));
    longest[255] = '\0';
    assert_true(is_image_name(longest));
}

static void dns_names(void **state)
{
    static const char *const good[] = {"standard", "nfs.csi.example", "a-1"};
    static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "A", "a_b", "-a", "a b", "a\n"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(is_dns_name(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(is_dns_name(bad[i]));
}

static void options(void **state)
{
    static const struct {
        struct deploy_options o;
        const char *expected; /* NULL: right */
    } cases[] = {
        {{.image = "a b"},
         "--image 'a b': expected the name of an image, as registry.example:5000/name:tag"},
        {{.broker_image = "x\ny"},
         "--broker-image 'x\\x0ay': expected the name of an image, as "
         "registry.example:5000/name:tag"},
        {{.program = "bin/wattle"},
         "--program 'bin/wattle': expected the absolute path of a program"},
        {{.program = "/opt/"}, "--program '/opt/': expected the absolute path of a program"},
        {{.program = "/a\nb"}, "--program '/a\\x0ab': expected the absolute path of a program"},
        {{.program = "/opt/my programs/wattle"}, NULL},
        {{.output = "-x"},
         "--output '-x': expected a path of UTF-8 without control characters that does not begin "
         "with '-'"},
        {{.output = "a\tb"},
         "--output 'a\\x09b': expected a path of UTF-8 without control characters that does not "
         "begin with '-'"},
        {{.output = "-"}, NULL},
        {{.output = "./-x"}, NULL},
        {{.build = "\xff"},
         "--build '\\xff': expected a path of UTF-8 without control characters that does not begin "
         "with '-'"},
        {{.publish = "localhost"},
         "--publish 'localhost': expected an address as 127.0.0.1 or 0.0.0.0"},
        {{.publish = "::1"}, NULL},
        {{.kube_namespace = "a.b"},
         "--namespace 'a.b': expected 1 to 63 of a-z, 0-9 and '-', none of it at an end"},
        {{.target = DEPLOY_KUBERNETES},
         "--namespace '': expected 1 to 63 of a-z, 0-9 and '-', none of it at an end"},
        {{.storage_class = "Fast"},
         "--storage-class 'Fast': expected a name of a-z, 0-9, '-' and '.', none of these two at "
         "an end"},
        {{.storage_class = "nfs.example"}, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = {""};
        assert_int_equal(check_options(&cases[i].o, &e), cases[i].expected ? ERR_USAGE : 0);
        assert_string_equal(e.text, cases[i].expected ? cases[i].expected : "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(images), cmocka_unit_test(dns_names),
                                       cmocka_unit_test(options)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
