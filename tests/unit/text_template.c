/* SPDX-License-Identifier: MIT */
/* Chat templates: inputs, errors and their lines, and templates that mean harm. */
#include "text/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int render_in(const char *source, size_t n, const struct template_input *in, struct buf *out,
                     struct err *e)
{
    struct template *t = NULL;
    buf_init(out, 32 << 20);
    int rc = template_open(&t, span_of(source, n), e);
    if (!rc)
        rc = template_render(t, in, out, e);
    template_close(&t);
    assert_null(t);
    return rc;
}

static int render(const char *source, struct buf *out, struct err *e)
{
    struct template_input in = {0};
    return render_in(source, strlen(source), &in, out, e);
}

static void test_inputs(void **state)
{
    (void)state;
    static const char source[] = "{{ messages|length }}{{ tools is none }}{{ bos_token }}"
                                 "{{ eos_token is defined }}{{ x }}{{ add_generation_prompt }}"
                                 "{{ strftime_now('%Y-%m-%d %H:%M') }}{{ tools_in_user_message is "
                                 "defined }}{{ big }}";
    struct json *messages = NULL, *variables = NULL;
    struct err e = {""};
    struct buf out;
    assert_int_equal(json_parse(&messages, span_str("[{\"role\":\"user\"}]"), 1000, "m", &e), 0);
    assert_int_equal(json_parse(&variables,
                                span_str("{\"x\":[1,2.5,null,true,{\"k\":\"v\"}],\"unused\":1,"
                                         "\"add_generation_prompt\":false,"
                                         "\"big\":9223372036854775807}"),
                                1000, "v", &e),
                     0);
    struct template_input in = {
        .messages = messages,
        .variables = variables,
        .add_generation_prompt = true, /* the variable wins */
        .bos_token = span_str("<s>"),
        .now_seconds = 951782400, /* 2000-02-29 */
    };
    if (render_in(source, strlen(source), &in, &out, &e))
        fail_msg("%s", e.text);
    assert_string_equal(buf_cstr(&out), "1True<s>False[1, 2.5, None, True, {'k': 'v'}]False"
                                        "2000-02-29 00:00False9223372036854775807");
    buf_release(&out);
    json_close(&messages);
    json_close(&variables);
}

static void test_appends(void **state)
{
    (void)state;
    struct template *t = NULL;
    struct template_input in = {0};
    struct err e = {""};
    struct buf out;
    buf_init(&out, 10);
    buf_str(&out, "ab");
    assert_int_equal(template_open(&t, span_str("{{ 'cd' }}"), &e), 0);
    assert_int_equal(template_render(t, &in, &out, &e), 0);
    assert_int_equal(template_render(t, &in, &out, &e), 0);
    assert_string_equal(buf_cstr(&out), "abcdcd");
    template_close(&t);
    assert_int_equal(template_open(&t, span_str("too long for it"), &e), 0);
    assert_int_equal(template_render(t, &in, &out, &e), ERR_LIMIT);
    template_close(&t);
    template_close(&t);
    template_close(NULL);
    buf_release(&out);
}

static void test_dates(void **state)
{
    (void)state;
    static const struct {
        int64_t now;
        const char *text;
    } cases[] = {
        {0, "1970-01-01 Thu 001 00 00 01"},          {-1, "1969-12-31 Wed 365 52 52 01"},
        {951782400, "2000-02-29 Tue 060 09 09 09"},  {1735603200, "2024-12-31 Tue 366 52 53 01"},
        {1104537600, "2005-01-01 Sat 001 00 00 53"}, {4102444800, "2100-01-01 Fri 001 00 00 53"},
        {INT64_MAX, "9999-12-31 Fri 365 52 52 52"},  {INT64_MIN, "1-01-01 Mon 001 00 01 01"},
    };
    static const char source[] = "{{ strftime_now('%Y-%m-%d %a %j %U %W %V') }}";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct template_input in = {.now_seconds = cases[i].now};
        struct err e = {""};
        struct buf out;
        if (render_in(source, strlen(source), &in, &out, &e))
            fail_msg("%s", e.text);
        assert_string_equal(buf_cstr(&out), cases[i].text);
        buf_release(&out);
    }
}

/* Bytes that are no UTF-8 can come with a token's text; they pass through. */
static void test_odd_bytes(void **state)
{
    (void)state;
    static const char source[] = "{{ bos_token }}|{{ bos_token|length }}|{{ bos_token[::-1] }}|"
                                 "{{ bos_token|upper }}|{{ bos_token|tojson }}|{{ '\\ufdd0' }}";
    struct template_input in = {.bos_token = span_of("a\xff\xc3\xa9\xe2\x82", 6)};
    struct err e = {""};
    struct buf out;
    if (render_in(source, strlen(source), &in, &out, &e))
        fail_msg("%s", e.text);
    assert_string_equal(buf_cstr(&out), "a\xff\xc3\xa9\xe2\x82|5|\x82\xe2\xc3\xa9\xff"
                                        "a|A\xff\xc3\x89\xe2\x82|\"a\xff\xc3\xa9\xe2\x82\"|"
                                        "\xef\xb7\x90");
    buf_release(&out);
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        int code;
        const char *message;
    } cases[] = {
        {"{{ raise_exception('no system role') }}", ERR_USAGE, "no system role"},
        {"{{ raise_exception(x) }}", ERR_USAGE, "refuses the conversation without saying why"},
        {"a\n\n{{ x|nosuch }}", ERR_FORMAT, "template: line 3: no filter named 'nosuch'"},
        {"\n{{ x is nosuch }}", ERR_FORMAT, "template: line 2: no test named 'nosuch'"},
        {"{{ nosuch() }}", ERR_FORMAT, "template: line 1: 'nosuch' is undefined"},
        {"{{ x.y.z }}", ERR_FORMAT, "line 1: 'x' is undefined"},
        {"{{ {}.y.z }}", ERR_FORMAT, "'dict' object has no 'y'"},
        {"{{ ''.nosuch() }}", ERR_FORMAT, "'str' object has no 'nosuch'"},
        {"{{ 'a' + 1 }}", ERR_FORMAT, "unsupported operands for +: 'str' and 'int'"},
        {"{{ [].append(1) }}", ERR_FORMAT, "method 'append' would change a list"},
        {"{{ {}.update({}) }}", ERR_FORMAT, "method 'update' would change a dict"},
        {"{{ ''.__class__ }}", ERR_FORMAT, "attribute '__class__' is not allowed"},
        {"{{ {}['__class__'] }}", ERR_FORMAT, "attribute '__class__' is not allowed"},
        {"{{ ''|attr('__class__') }}", ERR_FORMAT, "attribute '__class__' is not allowed"},
        {"{{ [[]]|map(attribute='__class__')|list }}", ERR_FORMAT, "'__class__' is not allowed"},
        {"{% macro m() %}{% endmacro %}{{ m.__globals__ }}", ERR_FORMAT, "is not allowed"},
        {"{{ 1 // 0 }}", ERR_FORMAT, "division by zero"},
        {"{{ 9223372036854775807 + 1 }}", ERR_FORMAT, "does not fit in 64 bits"},
        {"{{ -9223372036854775807 - 2 }}", ERR_FORMAT, "does not fit in 64 bits"},
        {"{{ (-9223372036854775807 - 1) // -1 }}", ERR_FORMAT, "does not fit in 64 bits"},
        {"{{ 9223372036854775808 }}", ERR_FORMAT, "number '9223372036854775808' is too large"},
        {"{{ 'a }}", ERR_FORMAT, "string without its closing quote"},
        {"{{ 'a'", ERR_FORMAT, "end of the template inside of a tag"},
        {"{% if x %}", ERR_FORMAT, "end of the template, expected 'elif'"},
        {"\n{% for x in y %}\n", ERR_FORMAT, "end of the template, expected 'endfor'"},
        {"{# a", ERR_FORMAT, "comment without '#}'"},
        {"{% raw %}a", ERR_FORMAT, "raw without endraw"},
        {"{% include 'x' %}", ERR_FORMAT, "unknown tag 'include'"},
        {"{% endif %}", ERR_FORMAT, "unknown tag 'endif'"},
        {"{% break %}", ERR_FORMAT, "'break' outside of a loop"},
        {"{{ (1] }}", ERR_FORMAT, "unexpected ']'"},
        {"{{ ! }}", ERR_FORMAT, "unexpected character '!'"},
        {"{{ 1 2 }}", ERR_FORMAT, "unexpected an integer, expected }}"},
        {"{{ '\\ud800' }}", ERR_FORMAT, "unknown escape"},
        {"{{ x|tojson }}", ERR_FORMAT, "tojson: an object of type Undefined"},
        {"{{ trim('x') }}", ERR_FORMAT, "'trim' is undefined"},
        {"{{ ''|replace('x') }}", ERR_FORMAT, "replace: argument 'new' is missing"},
        {"{{ ''|trim('a', 'b') }}", ERR_FORMAT, "trim: 2 arguments, expected at most 1"},
        {"{{ ''|trim(color='a') }}", ERR_FORMAT, "trim: no argument 'color'"},
        {"{% set d.x = 1 %}", ERR_FORMAT, "'d' is undefined"},
        {"{% set none = 1 %}", ERR_FORMAT, "cannot assign to 'none'"},
        {"{% for a, b in [[1]] %}{% endfor %}", ERR_FORMAT, "1 values to unpack, expected 2"},
        {"\xff", ERR_FORMAT, "template: is not UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = {""};
        struct buf out;
        int rc = render(cases[i].source, &out, &e);
        if (rc != cases[i].code || !strstr(e.text, cases[i].message))
            fail_msg("%s gives %d '%s', expected %d '%s'", cases[i].source, rc, e.text,
                     cases[i].code, cases[i].message);
        assert_int_equal(out.n, 0);
        buf_release(&out);
    }
}

/* ---- templates that mean harm ---- */

enum { HARM_SECONDS = 60 }; /* tells a hang from work: under emulation 5 s were not enough */

static void check_harm(const char *what, const char *source, size_t n)
{
    struct template_input in = {0};
    struct err e = {""};
    struct buf out;
    uint64_t begin = clock_mono_ns();
    int rc = render_in(source, n, &in, &out, &e);
    double seconds = (double)(clock_mono_ns() - begin) / 1e9;
    if (rc == 0 || e.text[0] == '\0')
        fail_msg("%s is let through", what);
    if (seconds > HARM_SECONDS)
        fail_msg("%s takes %.1f s", what, seconds);
    buf_release(&out);
}

static void test_harm(void **state)
{
    (void)state;
    static const char *const sources[] = {
        "{% for a in range(10**9) %}{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{{ 'x' * 10000 }}{% endfor %}",
        "{{ 'x' * 10**9 }}",
        "{{ [1] * 10**9 }}",
        "{{ ('x' * 10**7) * 10**7 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ 'a'.center(10**9) }}",
        "{{ 'a'.ljust(10**8, 'é') }}",
        "{{ 'a'.zfill(10**9) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '%.1000000000f' % 1 }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ 'a'|indent(10**9, true) }}",
        "{{ [1]|tojson(indent=10**9) }}",
        "{{ [1]|batch(10**9, 0)|list }}",
        "{{ [1]|slice(10**9)|list }}",
        "{{ range(0, 10**17, 10**13)|sum }}",
        "{% macro x() %}{{ x() }}{% endmacro %}{{ x() }}",
        "{% macro x() %}{% call x() %}{% endcall %}{{ caller() }}{% endmacro %}{{ x() }}",
        "{% macro x(a=x()) %}{% endmacro %}{{ x() }}",
        "{% set n = namespace(s='xy') %}{% for a in range(99) %}{% set n.s = n.s + n.s %}{% endfor "
        "%}",
        "{% set n = namespace(s='xy') %}{% for a in range(99) %}{% set n.s = "
        "n.s.replace('x','xx') %}{% endfor %}",
        "{% set n = namespace(l=[]) %}{% for a in range(9999) %}{% set n.l = [n.l] %}{% endfor "
        "%}{{ n.l }}",
        "{% set n = namespace(l=[]) %}{% for a in range(9999) %}{% set n.l = [n.l] %}{% endfor "
        "%}{{ n.l|tojson }}",
        "{% set n = namespace(l=[], m=[]) %}{% for a in range(9999) %}{% set n.l = [n.l] %}{% set "
        "n.m = [n.m] %}{% endfor %}{{ n.l == n.m }}",
        "{% set n = namespace() %}{% set n.n = n %}{{ n }}",
        "{% set n = namespace() %}{% set n.n = [n] %}{{ n.n }}",
        "{% set n = namespace(l=[1]) %}{% for a in range(60) %}{% set n.l = [n.l, n.l] %}{% endfor "
        "%}{{ n.l|string|length }}",
        "{% set n = namespace(l=[1]) %}{% for a in range(60) %}{% set n.l = [n.l, n.l] %}{% endfor "
        "%}{{ n.l|tojson }}",
        "{% set s = 'a' * 1000000 %}{% for i in range(99999) %}{{ 'b' in s }}{% endfor %}",
        "{% set s = 'a' * 1000000 %}{% for i in range(99999) %}{{ s == s ~ 'b' }}{% endfor %}",
        "{% set s = 'é' * 1000000 %}{% for i in range(99999) %}{{ s[500000] }}{% endfor %}",
        "{% set s = 'a' * 1000000 %}{{ s.rfind('a' * 500000 ~ 'b') }}{{ s.rsplit('aab') }}",
        "{% set s = 'é' * 4000000 %}{% for i in range(999) %}{{ s|length }}{% endfor %}",
        "{% set s = 'a' * 4000000 %}{% for i in range(9999) %}{{ s is lower }}{% endfor %}",
        "{% for i in range(99999) %}{% set s = range(99999)|list %}{% endfor %}",
        "{% set s = range(99999)|list %}{% for i in range(99999) %}{{ -1 in s }}{% endfor %}",
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        check_harm(sources[i], sources[i], strlen(sources[i]));
}

/* part again and again, up to a megabyte. */
static void check_repeated(const char *before, const char *part, const char *after)
{
    struct buf b;
    size_t room = (1 << 20) - strlen(before) - strlen(after);
    buf_init(&b, 1 << 20);
    buf_str(&b, before);
    while (b.n + strlen(part) <= room)
        buf_str(&b, part);
    buf_str(&b, after);
    check_harm(part, buf_cstr(&b), b.n);
    buf_release(&b);
}

static void test_repeated(void **state)
{
    (void)state;
    check_repeated("", "{", "");
    check_repeated("{{", "(", "");
    check_repeated("{{", "[", "");
    check_repeated("{{", "-", "1 }}");
    check_repeated("{{", "not ", "1 }}");
    check_repeated("{{ 1", "+1", "}}");
    check_repeated("{{ 1", " if 1 else 1", "}}");
    check_repeated("{{ x", ".x", "}}");
    check_repeated("{{ x", "|trim", "}}");
    check_repeated("{{ x", "()", "}}");
    check_repeated("{{ 1", " is odd", "}}");
    check_repeated("{{ 1", " and 1", "}}");
    check_repeated("{{ 1", " ** 1", "}}");
    check_repeated("{% if 1 %}{% endif %}{{ x.y }}", "a", "{{ z.z }}");
    check_repeated("", "{% if 1 %}", "");
    check_repeated("", "{% for a in b %}", "");
    check_repeated("", "{% macro m() %}", "");
    check_repeated("", "{% set a %}", "");
    check_repeated("{% set (", "(", "%}");
    check_repeated("{# ", "a-#", "");
    check_repeated("{% raw %}", "{% ", "");
    check_repeated("{{ '", "\\", "");
    check_repeated("{% macro m(", "a,", ") %}{% endmacro %}");
    check_repeated("{{ {", "1:1,", "}.x.x }}");
    check_repeated("{{ [", "1,", "].x.x }}");
    check_repeated("{% if 0 %}", "{% elif 0 %}", "");
    check_repeated("{{ dict(", "a=1,", ").x.x }}");
}

static void test_too_long(void **state)
{
    (void)state;
    struct template *t = NULL;
    struct err e = {""};
    char *source = malloc((1 << 20) + 1);
    assert_non_null(source);
    memset(source, 'a', (1 << 20) + 1);
    assert_int_equal(template_open(&t, span_of(source, 1 << 20), &e), 0);
    template_close(&t);
    assert_int_equal(template_open(&t, span_of(source, (1 << 20) + 1), &e), ERR_LIMIT);
    assert_null(t);
    free(source);
}

static const struct {
    const char *value;
    bool tools;
    const char *source, *error; /* one of them */
} picks[] = {
    {"\"t\"", false, "t", NULL},
    {"\"t\"", true, "t", NULL},
    {"\"\"", true, "", NULL},
    {"[{\"name\":\"default\",\"template\":\"d\"},{\"name\":\"tool_use\",\"template\":\"t\"}]",
     false, "d", NULL},
    {"[{\"name\":\"default\",\"template\":\"d\"},{\"name\":\"tool_use\",\"template\":\"t\"}]", true,
     "t", NULL},
    {"[{\"name\":\"rag\",\"template\":\"r\"},{\"name\":\"default\",\"template\":\"d\"}]", true, "d",
     NULL},
    {"[{\"name\":\"default\",\"template\":\"1\"},{\"name\":\"default\",\"template\":\"2\"}]", false,
     "2", NULL},
    {"{\"tool_use\":\"t\",\"default\":\"d\"}", true, "t", NULL},
    {"[{\"name\":\"tool_use\",\"template\":\"t\"}]", true, "t", NULL},
    {"[{\"name\":\"tool_use\",\"template\":\"t\"},{\"name\":\"rag\",\"template\":\"r\"}]", false,
     NULL, "chat_template: no template named 'default' among: tool_use, rag"},
    {"null", false, NULL, "chat_template: there is none"},
    {"[]", false, NULL, "chat_template: there is none"},
    {"7", false, NULL, "chat_template: an integer, expected a string or a list"},
    {"[\"t\"]", false, NULL, "chat_template: element 0: expected {\"name\", \"template\"}"},
    {"[{\"name\":\"default\"}]", false, NULL, "element 0"},
    {"{\"default\":[]}", false, NULL, "chat_template: 'default': an array, expected a string"},
};

static void test_pick(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof picks / sizeof *picks; i++) {
        struct json *doc = NULL;
        struct err e = {""};
        struct span source = {NULL, 0};
        assert_int_equal(json_parse(&doc, span_str(picks[i].value), 1000, "value", &e), 0);
        int rc = template_pick(doc, picks[i].tools, &source, &e);
        if (picks[i].source) {
            assert_int_equal(rc, 0);
            assert_non_null(source.p);
            assert_true(span_is(source, picks[i].source));
        } else {
            assert_true(rc == ERR_FORMAT || rc == ERR_NOTFOUND);
            assert_null(source.p);
            if (!strstr(e.text, picks[i].error))
                fail_msg("'%s' lacks '%s'", e.text, picks[i].error);
        }
        json_close(&doc);
    }
    struct span none;
    assert_int_equal(template_pick(NULL, false, &none, NULL), ERR_NOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inputs),   cmocka_unit_test(test_appends),
        cmocka_unit_test(test_dates),    cmocka_unit_test(test_odd_bytes),
        cmocka_unit_test(test_errors),   cmocka_unit_test(test_harm),
        cmocka_unit_test(test_repeated), cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_pick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
