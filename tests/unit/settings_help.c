/* SPDX-License-Identifier: MIT */
/* --help and --print-config: complete, aligned, and without secrets. */
#include "codec/codec.h"
#include "settings/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const struct option options[] = {
    {"devices", OPTION_INT, "N", 1, 100000, "3", "how many devices"},
    {"json", OPTION_FLAG, NULL, 0, 0, NULL, "as JSON"},
    {0},
};
static enum setting_id all[SET_N + 1];
static struct command_spec spec = {
    .name = "run",
    .usage = "wattle run --devices N",
    .summary = "a fleet",
    .notes = "A paragraph that its author left as one line goes on below, broken at the width of "
             "the rest of the help, so that a terminal need not cut it.\n\nExample\n  wattle run "
             "--devices 3 --enable-llm",
    .options = options,
    .settings = all,
};
static const struct command_spec bare = {.name = "bare", .usage = "wattle bare", .summary = "less"};

static int set_up(void **state)
{
    (void)state;
    for (int id = 0; id <= SET_N; id++)
        all[id] = (enum setting_id)id;
    return 0;
}

static void answer(struct buf *out, const struct command_spec *c, int argc, const char *const *argv,
                   const char *const *environment)
{
    struct settings *s = NULL;
    struct err e = {""};
    buf_init(out, 1 << 20);
    int r = settings_parse(&s, c, argc, (char **)argv, (char **)environment, out, &e);
    if (r != SETTINGS_DONE)
        fail_msg("%d: %s", r, e.text);
    assert_null(s);
}

/* Lines are broken anywhere: every run of blanks becomes one. */
static void join_lines(struct buf *out, const struct buf *text)
{
    buf_init(out, 1 << 20);
    for (size_t i = 0; i < text->n; i++) {
        bool blank = text->p[i] == ' ' || text->p[i] == '\n';
        if (!blank)
            buf_char(out, text->p[i]);
        else if (out->n && out->p[out->n - 1] != ' ')
            buf_char(out, ' ');
    }
}

static void test_help_has_every_setting_within_its_width(void **state)
{
    (void)state;
    /* --help counts even beside what is wrong. */
    const char *argv[] = {"--devices", "x", "--help"};
    struct buf out;
    answer(&out, &spec, 3, argv, (const char *[]){"MQTT_PORT=x", NULL});
    const char *text = buf_cstr(&out);
    struct buf joined;
    join_lines(&joined, &out);
    for (int id = 0; id < SET_N; id++)
        assert_non_null(strstr(text, settings_env_name((enum setting_id)id)));
    assert_non_null(strstr(text, "  --devices N  "));
    assert_non_null(strstr(text, "  --llm-model MODEL  "));
    assert_non_null(strstr(buf_cstr(&joined), "[1 to 100000; default 3]"));
    assert_non_null(strstr(buf_cstr(&joined), "also --llm-model-name"));
    assert_non_null(strstr(buf_cstr(&joined), "[LLM_INFERENCE_INTERVAL: 1 to 1000000; default 5]"));
    buf_release(&joined);
    assert_non_null(strstr(text, "wattle run --devices 3 --enable-llm\n"));
    for (const char *line = text; *line;) {
        const char *end = strchr(line, '\n');
        assert_non_null(end); /* the last line ends too */
        assert_true(utf8_length(span_of(line, (size_t)(end - line))) <= 100);
        line = end + 1;
    }
    buf_release(&out);
    answer(&out, &bare, 1, (const char *[]){"-h"}, NULL);
    assert_null(strstr(buf_cstr(&out), "print-config"));
    buf_release(&out);
}

static void test_print_config_says_where_from(void **state)
{
    (void)state;
    const char *argv[] = {"--print-config", "--llm-temperature=0.10"};
    const char *environment[] = {"MQTT_PORT=1884", "MQTT_PASSWORD=hunter2", "MQTT_USERNAME=u",
                                 "DEVICE_NAME=a\nb", NULL};
    struct buf out;
    answer(&out, &spec, 2, argv, environment);
    const char *text = buf_cstr(&out);
    size_t lines = 0;
    for (size_t i = 0; i < out.n; i++)
        lines += text[i] == '\n';
    assert_int_equal(lines, SET_N);
    assert_null(strstr(text, "hunter2"));
    static const char *const rows[][3] = {
        {"\nLLM_TEMPERATURE ", " 0.10 ", " flag\n"},
        {"\nMQTT_PORT ", " 1884 ", " environment\n"},
        {"\nMQTT_PASSWORD ", " *** ", " environment\n"},
        {"\nMQTT_BROKER ", " mqtt-broker ", " default\n"},
        {"\nLLM_TOP_P ", " 0.9 ", " default, or the model's own\n"},
        {"\nDEVICE_NAME ", " \"a\\nb\" ", " environment\n"},
        {"\nMQTT_CA_FILE ", " \"\" ", " default\n"},
    };
    const char *first = strstr(text, "  default\n"), *start = text;
    size_t column = (size_t)(first - start);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *line = strstr(text, rows[i][0]);
        assert_non_null(line);
        const char *value = strstr(line + 1, rows[i][1]);
        const char *source = strstr(line + 1, rows[i][2]);
        assert_true(value && source && source < strchr(line + 1, '\n'));
        assert_true(value < source);
        assert_int_equal(source - 1 - (line + 1), column);
    }
    buf_release(&out);
}

/* run, whose broker is its own unless one is named. */
static void test_shows_the_private_broker(void **state)
{
    (void)state;
    struct command_spec own = spec;
    own.private_broker = true;
    static const struct {
        const char *given, *broker, *port;
    } cases[] = {
        {"--json=false", "private broker", "free port"},
        {"--mqtt-port=99", "private broker", "99"},
        {"--mqtt-broker=b", "b", "1883"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out, joined;
        char row[64];
        answer(&out, &own, 2, (const char *[]){"--print-config", cases[i].given}, NULL);
        join_lines(&joined, &out);
        snprintf(row, sizeof row, " MQTT_BROKER %s %s", cases[i].broker,
                 i == 2 ? "flag" : "default");
        assert_non_null(strstr(buf_cstr(&joined), row));
        snprintf(row, sizeof row, " MQTT_PORT %s %s", cases[i].port, i == 1 ? "flag" : "default");
        assert_non_null(strstr(buf_cstr(&joined), row));
        buf_release(&joined);
        buf_release(&out);
    }
    struct buf out, joined;
    answer(&out, &own, 1, (const char *[]){"--help"}, NULL);
    join_lines(&joined, &out);
    assert_non_null(strstr(buf_cstr(&joined), "[MQTT_BROKER; default a private broker]"));
    buf_release(&joined);
    buf_release(&out);
}

static const struct json *find(const struct json *list, const char *name)
{
    for (size_t i = 0; i < json_size(list); i++)
        if (span_is(json_string(json_get(json_at(list, i), "name")), name))
            return json_at(list, i);
    fail_msg("no %s", name);
    return NULL;
}

static void test_print_config_as_json(void **state)
{
    (void)state;
    const char *argv[] = {"--json", "--print-config"};
    const char *environment[] = {"LLM_TEMPERATURE=0.10", "MQTT_PASSWORD=hunter2", "MQTT_USERNAME=u",
                                 "DEVICE_NAME=a\"b",     "ENABLE_LLM=yes",        NULL};
    struct buf out;
    answer(&out, &spec, 2, argv, environment);
    struct json *doc = NULL;
    struct err e = {""};
    assert_int_equal(json_parse(&doc, buf_view(&out), 1 << 20, "config", &e), 0);
    assert_int_equal(json_size(doc), SET_N);
    const struct json *t = find(doc, "LLM_TEMPERATURE");
    assert_true(json_number(json_get(t, "value")) == 0.1);
    assert_true(span_is(json_string(json_get(t, "source")), "environment"));
    assert_true(span_is(json_string(json_get(t, "flag")), "--llm-temperature"));
    /* Given, it is the user's; else a model may have its own. */
    assert_null(json_get(t, "model_first"));
    assert_true(json_bool(json_get(find(doc, "LLM_TOP_P"), "model_first")));
    assert_null(json_get(find(doc, "LLM_MAX_LENGTH"), "model_first"));
    assert_true(json_bool(json_get(find(doc, "ENABLE_LLM"), "value")));
    assert_true(span_is(json_string(json_get(find(doc, "DEVICE_NAME"), "value")), "a\"b"));
    assert_true(span_is(json_string(json_get(find(doc, "MQTT_PASSWORD"), "value")), "***"));
    assert_true(span_is(json_string(json_get(find(doc, "MQTT_CA_FILE"), "value")), ""));
    json_close(&doc);
    buf_release(&out);
}

static void test_print_config_checks_values(void **state)
{
    (void)state;
    struct settings *s = NULL;
    struct err e = {""};
    struct buf out;
    buf_init(&out, 1 << 20);
    char *argv[] = {"--print-config", NULL}, *environment[] = {"MQTT_PORT=x", NULL};
    assert_int_equal(settings_parse(&s, &spec, 1, argv, environment, &out, &e), ERR_USAGE);
    assert_int_equal(out.n, 0);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_help_has_every_setting_within_its_width, set_up),
        cmocka_unit_test_setup(test_print_config_says_where_from, set_up),
        cmocka_unit_test_setup(test_shows_the_private_broker, set_up),
        cmocka_unit_test_setup(test_print_config_as_json, set_up),
        cmocka_unit_test_setup(test_print_config_checks_values, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
