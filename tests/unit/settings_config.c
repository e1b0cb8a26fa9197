/* SPDX-License-Identifier: MIT */
/* Config files: what they set, over what, and in which words the wrong ones are refused.
 * Long because each refusal is a row with its exact line. */
#include "settings/config_file.h"
#include "settings/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATH_SIZE = 4200 };

static enum setting_id run_settings[SET_N + 1], device_settings[SET_N + 1];
static const struct command_spec run_spec = {.name = "run",
                                             .usage = "wattle run",
                                             .summary = "a fleet",
                                             .settings = run_settings,
                                             .many_devices = true};
static const struct command_spec device_spec = {
    .name = "device", .usage = "wattle device", .summary = "one", .settings = device_settings};
static const enum setting_id few[] = {SET_LOG_LEVEL, SET_N};
static const struct command_spec few_spec = {
    .name = "few", .usage = "wattle few", .summary = "few", .settings = few};
static const struct command_spec none_spec = {
    .name = "none", .usage = "wattle none", .summary = "none"};

static char folder[] = "/tmp/wattle-config-XXXXXX";
static char log_text[8192];

static void keep_log(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    size_t n = strlen(log_text);
    snprintf(log_text + n, sizeof log_text - n, "%s\n", line);
}

static int begin(void **state)
{
    (void)state;
    size_t n = 0;
    for (int id = 0; id <= SET_N; id++) {
        device_settings[id] = (enum setting_id)id;
        if (id != SET_DEVICE_NAME && id != SET_DEVICE_ID)
            run_settings[n++] = (enum setting_id)id;
    }
    return mkdtemp(folder) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    return rmdir(folder);
}

static int set_up(void **state)
{
    (void)state;
    log_text[0] = '\0';
    log_set_sink(keep_log, NULL, LOG_LEVEL_DEBUG);
    return 0;
}

static const char *path_of(const char *name)
{
    static char paths[8][PATH_SIZE];
    static unsigned at;
    char *path = paths[at++ % 8];
    snprintf(path, PATH_SIZE, "%s/%s", folder, name);
    return path;
}

static void put_file(const char *name, const char *text)
{
    struct err e = {""};
    if (file_write_atomic(path_of(name), span_str(text), &e))
        fail_msg("%s", e.text);
    assert_int_equal(chmod(path_of(name), 0600), 0);
}

static void remove_file(const char *name)
{
    unlink(path_of(name));
}

/* With --config FILE and what else argv has; NULL: refused, e says why. */
static struct settings *parse(const struct command_spec *spec, const char *file,
                              const char *const *more, const char *const *environment,
                              struct err *e)
{
    const char *argv[8] = {"--config", file};
    int n = 2;
    struct settings *s = NULL;
    struct buf out;
    e->text[0] = '\0';
    buf_init(&out, 1 << 20);
    for (; more && *more; more++)
        argv[n++] = *more;
    const char *none[] = {NULL};
    int r = settings_parse(&s, spec, n, (char **)argv, (char **)(environment ? environment : none),
                           &out, e);
    assert_true(r == SETTINGS_GO || (r < 0 && e->text[0]));
    buf_release(&out);
    return s;
}

static struct settings *good(const struct command_spec *spec, const char *file,
                             const char *const *more, const char *const *environment)
{
    struct err e;
    struct settings *s = parse(spec, file, more, environment, &e);
    if (!s)
        fail_msg("refused: %s", e.text);
    return s;
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_values_are_their_text(void **state)
{
    (void)state;
    put_file("a.yaml", "# a comment\n"
                       "LLM_TEMPERATURE: 0.25   # any case of the name\n"
                       "enable_llm: yes\n"
                       "Llm_Top_K: '7'\n"
                       "DEVICE_ID: 0012\n"
                       "DEVICE_NAME: ~\n"
                       "MQTT_BROKER: 0x10\n"
                       "LLM_STOP: |\n  one\n  two\n"
                       "LLM_MODEL_NAME: C:\\models # no escapes in plain ones\n"
                       "MQTT_USERNAME: \"\\u00e4\\t\\\"\"\n"
                       "METRICS_DIR:\n"
                       "prompt: {system: 'Be brief.', user: 'U {{temp}}'}\n"
                       "alarms:\n  temp: {min: -5, max: 6e1}\n  co:\n    max: 0.01\n  lpg:\n");
    put_file("b.yaml", "MQTT_USERNAME: x\n");
    struct err e;
    assert_null(parse(&device_spec, path_of("a.yaml"), NULL, NULL, &e)); /* the tab */
    assert_non_null(strstr(e.text, "a.yaml:12:1: MQTT_USERNAME: 'ä\\x09\"' has a control"));
    struct settings *s =
        good(&device_spec, path_of("a.yaml"), NULL, LIST("MQTT_USERNAME=from the environment"));
    assert_true(settings_float(s, SET_LLM_TEMPERATURE) == 0.25);
    assert_true(settings_bool(s, SET_ENABLE_LLM));
    assert_int_equal(settings_int(s, SET_LLM_TOP_K), 7);
    assert_string_equal(settings_text(s, SET_DEVICE_ID), "0012");
    assert_string_equal(settings_text(s, SET_DEVICE_NAME), "~");
    assert_string_equal(settings_text(s, SET_MQTT_BROKER), "0x10");
    assert_string_equal(settings_text(s, SET_LLM_STOP), "one\ntwo\n");
    assert_string_equal(settings_text(s, SET_LLM_MODEL_NAME), "C:\\models");
    assert_string_equal(settings_text(s, SET_MQTT_USERNAME), "from the environment");
    assert_string_equal(settings_text(s, SET_METRICS_DIR), "metrics");
    assert_false(settings_given(s, SET_METRICS_DIR));
    assert_true(settings_given(s, SET_LLM_TOP_K));
    assert_string_equal(settings_text(s, SET_LLM_PROMPT_SYSTEM), "Be brief.");
    assert_string_equal(settings_text(s, SET_LLM_PROMPT_USER), "U {{temp}}");
    assert_true(settings_float(s, SET_ALARM_TEMP_MIN) == -5);
    assert_true(settings_float(s, SET_ALARM_TEMP_MAX) == 60);
    assert_true(settings_float(s, SET_ALARM_CO_MAX) == 0.01);
    assert_true(settings_float(s, SET_ALARM_LPG_MAX) != settings_float(s, SET_ALARM_LPG_MAX));
    settings_free(&s);
    remove_file("a.yaml");
    remove_file("b.yaml");
}

static void test_precedence(void **state)
{
    (void)state;
    put_file("a.yaml", "LLM_TOP_K: 1\nLLM_TOP_P: 0.1\nLLM_MIN_P: 0.1\nMQTT_PORT: 99999\n"
                       "LLM_PROMPT_FILE: p.txt\nTELEMETRY_RATE: 2\n");
    /* What is over a wrong value hides it; a flag's way of saying a thing over the file's other. */
    struct settings *s = good(&device_spec, path_of("a.yaml"),
                              LIST("--llm-top-k=3", "--interval", "2", "--llm-prompt-user=hi"),
                              LIST("LLM_TOP_K=2", "LLM_TOP_P=0.2", "MQTT_PORT=5", "LLM_MIN_P="));
    assert_int_equal(settings_int(s, SET_LLM_TOP_K), 3);
    assert_true(settings_float(s, SET_LLM_TOP_P) == 0.2);
    assert_true(settings_float(s, SET_LLM_MIN_P) == 0.1);
    assert_true(settings_float(s, SET_RATE) == 0);
    assert_string_equal(settings_text(s, SET_LLM_PROMPT_FILE), "");
    assert_string_equal(settings_text(s, SET_LLM_PROMPT_USER), "hi");
    settings_free(&s);
    /* A command that does not take a setting does not look at its value. */
    s = good(&few_spec, path_of("a.yaml"), NULL, NULL);
    settings_free(&s);
    struct err e;
    s = parse(&none_spec, path_of("a.yaml"), NULL, NULL, &e);
    assert_null(s);
    assert_non_null(strstr(e.text, "--config: the command 'none' does not take this option"));
    remove_file("a.yaml");
}

static void test_folder(void **state)
{
    (void)state;
    char path[PATH_SIZE];
    put_file("20.yaml", "LLM_TOP_K: 2\nLLM_TOP_P: 0.2\ndevices:\n  a: {LLM_TOP_K: 20}\n");
    put_file("10.yml",
             "LLM_TOP_K: 1\nllm_min_p: 0.1\ndevices:\n  a: {LLM_TOP_K: 10, LLM_SEED: 4}\n");
    put_file("30.yaml", "LLM_TOP_P:\n");
    put_file(".hidden.yaml", "nonsense");
    put_file("readme.txt", "nonsense");
    snprintf(path, sizeof path, "%s/", folder);
    struct settings *s = good(&run_spec, path, NULL, NULL);
    const struct settings *a = NULL;
    struct err e;
    assert_int_equal(settings_int(s, SET_LLM_TOP_K), 2);
    assert_true(settings_float(s, SET_LLM_MIN_P) == 0.1);
    assert_true(settings_float(s, SET_LLM_TOP_P) == 0.9); /* an empty one is the default again */
    assert_int_equal(settings_of_device(&a, s, "a", "1", &e), 0);
    assert_int_equal(settings_int(a, SET_LLM_TOP_K), 20);
    assert_int_equal(settings_int(a, SET_LLM_SEED), 4);
    settings_free(&s);
    /* The variable names it too, a flag goes before. */
    char variable[PATH_SIZE + 20];
    snprintf(variable, sizeof variable, "WATTLE_CONFIG=%s", path_of("10.yml"));
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(
        settings_parse(&s, &run_spec, 0, (char *[]){NULL}, (char *[]){variable, NULL}, &out, &e),
        SETTINGS_GO);
    assert_int_equal(settings_int(s, SET_LLM_TOP_K), 1);
    settings_free(&s);
    s = good(&run_spec, "/dev/null", NULL, (const char *const[]){variable, NULL});
    assert_int_equal(settings_int(s, SET_LLM_TOP_K), 0);
    settings_free(&s);
    assert_null(parse(&run_spec, path_of("no.yaml"), NULL, NULL, &e));
    assert_non_null(strstr(e.text, "no.yaml': No such file"));
    const char *names[] = {"10.yml", "20.yaml", "30.yaml", ".hidden.yaml", "readme.txt"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        remove_file(names[i]);
}

static void test_devices(void **state)
{
    (void)state;
    put_file("a.yaml",
             "ENABLE_LLM: false\nTELEMETRY_RATE: 2\nALARM_TEMP_MAX: 60\nLLM_PROMPT_FILE: p.txt\n"
             "devices:\n"
             "  pump:\n"
             "    ENABLE_LLM: true\n"
             "    TELEMETRY_INTERVAL: 1-2\n"
             "    alarms: {temp: {max: }, humidity: {max: 70}}\n"
             "    prompt: {user: 'Hi {{device_id}}'}\n"
             "  00:aa:\n"
             "    LLM_INFERENCE_INTERVAL: 3\n"
             "    ALARM_TEMP_MIN: 5\n"
             "  empty:\n");
    struct settings *s = good(&run_spec, path_of("a.yaml"), NULL, NULL);
    const struct settings *d = NULL;
    struct err e;
    double low, high;
    assert_false(settings_bool(s, SET_ENABLE_LLM));
    assert_true(settings_any_device(s, SET_ENABLE_LLM));
    assert_int_equal(settings_of_device(&d, s, "other", "id", &e), 0);
    assert_ptr_equal(d, s);
    assert_int_equal(settings_of_device(&d, s, "pump", "id", &e), 0);
    assert_true(settings_bool(d, SET_ENABLE_LLM));
    settings_interval(d, &low, &high);
    assert_true(low == 1 && high == 2);
    assert_true(settings_float(d, SET_RATE) == 0); /* that of all makes way */
    assert_true(settings_float(d, SET_ALARM_TEMP_MAX) != settings_float(d, SET_ALARM_TEMP_MAX));
    assert_true(settings_float(d, SET_ALARM_HUMIDITY_MAX) == 70);
    assert_string_equal(settings_text(d, SET_LLM_PROMPT_FILE), "");
    assert_true(settings_float(s, SET_RATE) == 2);
    assert_string_equal(settings_text(s, SET_LLM_PROMPT_FILE), "p.txt");
    assert_int_equal(settings_of_device(&d, s, "x", "00:aa", &e), 0);
    assert_int_equal(settings_int(d, SET_LLM_INFERENCE_INTERVAL), 3);
    assert_true(settings_float(d, SET_ALARM_TEMP_MAX) == 60);
    assert_int_equal(settings_of_device(&d, s, "pump", "00:aa", &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "a.yaml:11:3: devices.00:aa: the same device as 'pump' at "));
    settings_warn_of_absent_devices(s);
    assert_non_null(strstr(log_text, "a.yaml:14: 'empty' is no device of this run"));
    assert_null(strstr(log_text, "pump"));
    settings_free(&s);
    /* Flag and environment are for all. */
    s = good(&run_spec, path_of("a.yaml"), LIST("--enable-llm=no"), LIST("TELEMETRY_INTERVAL=7"));
    assert_int_equal(settings_of_device(&d, s, "pump", "id", &e), 0);
    assert_false(settings_bool(d, SET_ENABLE_LLM));
    settings_interval(d, &low, &high);
    assert_true(low == 7 && high == 7);
    settings_free(&s);
    remove_file("a.yaml");
}

static void test_the_device_that_we_are(void **state)
{
    (void)state;
    put_file("a.yaml", "LLM_TOP_K: 1\nMQTT_BROKER: b\n"
                       "devices:\n"
                       "  pump: {LLM_TOP_K: 2, MQTT_BROKER: c, DEVICE_ID: p7}\n"
                       "  id7: {LLM_TOP_K: 3, LLM_TOP_P: 9}\n");
    struct settings *s =
        good(&device_spec, path_of("a.yaml"), LIST("--device-name=pump"), LIST("LLM_TOP_K=4"));
    assert_int_equal(settings_int(s, SET_LLM_TOP_K), 4);
    assert_string_equal(settings_text(s, SET_MQTT_BROKER), "c");
    assert_string_equal(settings_text(s, SET_DEVICE_ID), "p7");
    settings_free(&s);
    s = good(&device_spec, path_of("a.yaml"), NULL, NULL);
    assert_int_equal(settings_int(s, SET_LLM_TOP_K), 1);
    settings_free(&s);
    struct err e;
    assert_null(parse(&device_spec, path_of("a.yaml"), NULL, LIST("DEVICE_ID=id7"), &e));
    assert_non_null(strstr(e.text, "a.yaml:5:23: devices.id7.LLM_TOP_P: '9' is out of range, "
                                   "expected 0 to 1"));
    assert_null(parse(&device_spec, path_of("a.yaml"), NULL,
                      LIST("DEVICE_ID=id7", "DEVICE_NAME=pump"), &e));
    assert_non_null(strstr(e.text, "devices.id7: the same device as 'pump'"));
    remove_file("a.yaml");
}

static void test_secrets(void **state)
{
    (void)state;
    struct settings *s;
    put_file("a.yaml", "MQTT_USERNAME: u\nmqtt_password: hush\nHF_TOKEN:\n");
    s = good(&device_spec, path_of("a.yaml"), NULL, NULL);
    settings_free(&s);
    assert_string_equal(log_text, "");
    assert_int_equal(chmod(path_of("a.yaml"), 0644), 0);
    s = good(&device_spec, path_of("a.yaml"), NULL, NULL);
    settings_free(&s);
    assert_non_null(
        strstr(log_text, "a.yaml:2: mqtt_password: every user of the machine can read"));
    assert_null(strstr(log_text, "hush"));
    assert_null(strstr(log_text, "HF_TOKEN"));
    remove_file("a.yaml");
}

static void test_print_config(void **state)
{
    (void)state;
    put_file("a.yaml", "LLM_TOP_K: 3\nalarms: {co: {max: 1}}\n"
                       "devices:\n  pump:\n    ENABLE_LLM: yes\n");
    const char *argv[] = {"--config", path_of("a.yaml"), "--print-config", "--json"};
    struct buf out;
    struct err e;
    struct settings *s = NULL;
    char expected[3 * PATH_SIZE];
    buf_init(&out, 1 << 20);
    assert_int_equal(settings_parse(&s, &run_spec, 3, (char **)argv, (char *[]){NULL}, &out, &e),
                     SETTINGS_DONE);
    snprintf(expected, sizeof expected, "  config %s:1\n", path_of("a.yaml"));
    assert_non_null(strstr(buf_cstr(&out), expected));
    snprintf(expected, sizeof expected, "\n\nDevice \"pump\"\nENABLE_LLM");
    assert_non_null(strstr(buf_cstr(&out), expected));
    snprintf(expected, sizeof expected, "  config %s:5\n", path_of("a.yaml"));
    assert_non_null(strstr(buf_cstr(&out), expected));
    buf_clear(&out);
    assert_int_equal(settings_parse(&s, &run_spec, 4, (char **)argv, (char *[]){NULL}, &out, &e),
                     SETTINGS_DONE);
    snprintf(expected, sizeof expected,
             "    \"name\": \"ALARM_CO_MAX\",\n    \"flag\": \"--alarm-co-max\",\n    \"value\": "
             "1.0,\n    \"source\": \"config\",\n    \"file\": \"%s\",\n    \"line\": 2,\n    "
             "\"key\": \"alarms.co.max\"\n",
             path_of("a.yaml"));
    assert_non_null(strstr(buf_cstr(&out), expected));
    assert_non_null(strstr(buf_cstr(&out), "\"device\": \"pump\",\n    \"name\": \"ENABLE_LLM\""));
    buf_release(&out);
    remove_file("a.yaml");
}

/* What is refused of run, with its exact line. */
static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"llm_temprature: 3", "1:1: llm_temprature: unknown, the nearest is llm_temperature"},
        {"LLM_TEMPRATURE: 3", "1:1: LLM_TEMPRATURE: unknown, the nearest is LLM_TEMPERATURE"},
        {"\nDevice: {}", "2:1: Device: unknown, the nearest is devices"},
        {"ALARM: {}", "1:1: ALARM: unknown, the nearest is alarms"},
        {"zzzzz: 1", "1:1: zzzzz: unknown, expected the name of an environment variable of wattle, "
                     "as llm_temperature, or prompt, alarms or devices"},
        {"'': 1", "1:2: an empty key, expected KEY: VALUE"},
        {"LLM_TOP_P: 2", "1:1: LLM_TOP_P: '2' is out of range, expected 0 to 1"},
        {"LLM_TOP_P: {a: 1}", "1:12: LLM_TOP_P: a section, expected one value"},
        {"LLM_STOP: [a]", "1:11: LLM_STOP: a list, expected one value or a section"},
        {"LLM_STOP:\n- a", "2:1: LLM_STOP: a list, expected one value or a section"},
        {"llm_top_p: 1\nLLM_TOP_P: 1",
         "2:1: LLM_TOP_P: comes twice, expected once (first at line 1 as llm_top_p)"},
        {"alarms: {temp: {max: 1}}\nALARM_TEMP_MAX: 2",
         "2:1: ALARM_TEMP_MAX: comes twice, expected once (first at line 1 as alarms.temp.max)"},
        {"A: 1\nA: 1", "2:1: A: comes twice, expected once (first at line 1)"},
        {"alarms: 5",
         "1:9: alarms: one value, expected a section with temp, humidity, co, smoke and "
         "lpg"},
        {"alarms: {temp: 5}", "1:16: alarms.temp: one value, expected a section with min and max"},
        {"alarms: {tmp: {}}",
         "1:10: alarms.tmp: unknown, expected temp, humidity, co, smoke and lpg"},
        {"alarms: {co: {min: 1}}", "1:15: alarms.co.min: unknown, expected max"},
        {"alarms: {temp: {max: hot}}",
         "1:17: alarms.temp.max: 'hot' is no number, expected -1000 to 10000"},
        {"alarms: {temp: {min: 5, max: 4}}", "1:25: alarms.temp.max: 4 is less than the 5 of "},
        {"prompt: hi", "1:9: prompt: one value, expected a section with system and user"},
        {"prompt: {users: hi}", "1:10: prompt.users: unknown, expected system or user"},
        {"prompt: {user: hi}\nLLM_PROMPT_FILE: x", "2:1: LLM_PROMPT_FILE and "},
        {"TELEMETRY_RATE: 1\nTELEMETRY_INTERVAL: 1", "2:1: TELEMETRY_INTERVAL and "},
        {"WATTLE_CONFIG: x",
         "1:1: WATTLE_CONFIG: not in a config file itself, expected as --config "
         "or in the environment"},
        {"devices: all", "1:10: devices: one value, expected a section with a section for each"},
        {"devices: {a: yes}", "1:14: devices.a: one value, expected a section with its settings"},
        {"devices: {'': {}}", "1:12: an empty key, expected KEY: VALUE"},
        {"devices: {a: {devices: {}}}",
         "1:15: devices.a.devices: within a device, expected its settings"},
        {"devices: {a: {MQTT_PORT: 1}}",
         "1:15: devices.a.MQTT_PORT: the devices of one 'run' cannot differ in that, expected "
         "ENABLE_LLM, intervals, sampling, prompt or alarms"},
        {"devices: {a: {device_id: x}}", "1:15: devices.a.device_id: the devices of one 'run'"},
        {"devices: {a: {ENABLE_LM: 1}}",
         "1:15: devices.a.ENABLE_LM: unknown, the nearest is ENABLE_LLM"},
        {"devices: {a: {LLM_TOP_K: x}}", "1:15: devices.a.LLM_TOP_K: 'x' is no whole number"},
        {"MQTT_PASSWORD: {}", "1:16: MQTT_PASSWORD: a section, expected one value"},
        /* YAML that we do not take. */
        {"a: &x 1\nb: *x", "1:7: an anchor (&), expected the value written out"},
        {"a: *x", "1:5: a: an alias (*), expected the value written out"},
        {"a: !!int 1", "1:10: a tag (!), expected a value without: every value is its text"},
        {"- a", "1:1: a list, expected one value or a section"},
        {"a", "1:1: a text, expected settings as KEY: VALUE"},
        {"LLM_TOP_P:1", "1:1: a text, expected settings as KEY: VALUE"},
        {"LLM_TOP_K: 1\n---\nb: 1", "2:1: a second document, expected one"},
        {"{a: b}: 1", "1:1: a key that is no text, expected KEY: VALUE"},
        {"? [a]\n: 1", "1:3: a key that is no text, expected KEY: VALUE"},
        {"{1: {2: {3: {4: {5: {6: {7: {8: {9: 1}}}}}}}}}",
         "1:33: nested too deep, expected at most 8 levels"},
        {"LLM_STOP: \"\\0\"", "1:12: an escape that makes a NUL or no UTF-8, expected text"},
        /* Text that is no YAML, and no text. */
        {"\ta: 1", "1:1: is no YAML: "},
        {"a: 1\n b: 2", "is no YAML: "},
        {"a: [1", "a list, expected"},
        {"%YAML 0.2\n%T: 1",
         "1:1: is no YAML that can be read: its %YAML line is not 1.1 or 1.2, or no memory"},
        {"a: {b: 1", "is no YAML: "},
        {"a: \"b", "is no YAML: "},
        {"a: 'b", "is no YAML: "},
        {": c", "1:1: an empty key, expected KEY: VALUE"},
        {"prompt:\n  \"\": c", "2:4: an empty key, expected KEY: VALUE"},
        {"%YAML 9.9\n---\nLLM_TOP_K: 1", "is no YAML that can be read: its %YAML line "},
        {"a: %", "is no YAML: "},
        {"a\xff: 1", "1:2: a byte that is no UTF-8, expected text"},
        {"a: 1\nb: \xed\xa0\x80", "2:4: a byte that is no UTF-8, expected text"},
        {"a: \x01", "1:4: a control character, expected text"},
        {"a: \xc2\x85", "1:4: a control character, expected text"},
    };
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err e;
        put_file("a.yaml", cases[i].text);
        struct settings *s = parse(&run_spec, path_of("a.yaml"), NULL, NULL, &e);
        const char *prefix = path_of("a.yaml");
        if (!s && strncmp(e.text, prefix, strlen(prefix)) == 0 && strstr(e.text, cases[i].message))
            continue;
        print_error("of '%s': '%s' instead of '%s'\n", cases[i].text, s ? "taken" : e.text,
                    cases[i].message);
        wrong++;
        if (s)
            settings_free(&s);
    }
    assert_int_equal(wrong, 0);
    remove_file("a.yaml");
}

/* Bounds: of bytes, NULs, keys, devices and files. */
static void test_bounds(void **state)
{
    (void)state;
    struct arena arena;
    struct config c = {.arena = &arena};
    struct err e;
    struct buf b;
    arena_init(&arena, 64 << 20);
    buf_init(&b, 4 << 20);
    for (int i = 0; i < YAML_PAIRS_MAX + 1; i++)
        buf_printf(&b, "k%d: \n", i);
    assert_int_equal(config_add(&c, "f", buf_view(&b), false, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "f:4097:1: too many keys, expected at most 4096"));
    buf_clear(&b);
    buf_str(&b, "devices:\n");
    for (int i = 0; i < CONFIG_DEVICES_MAX; i++)
        buf_printf(&b, " d%d: {LLM_SEED: %d}\n", i, i);
    assert_int_equal(config_add(&c, "f", buf_view(&b), false, &e), 0);
    assert_int_equal(c.n_devices, CONFIG_DEVICES_MAX);
    assert_int_equal(config_add(&c, "g", span_str("devices: {x: {}}"), false, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "g:1:11: devices: too many, expected at most 4096"));
    buf_clear(&b);
    buf_str(&b, "LLM_STOP: ");
    while (b.n <= YAML_BYTES_MAX)
        buf_str(&b, "0123456789");
    assert_int_equal(config_add(&c, "f", buf_view(&b), false, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "f: 1048580 bytes, expected at most 1048576"));
    assert_int_equal(config_add(&c, "f", span_of("a: 1\n\0", 6), false, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "f:2:1: a NUL byte, expected text"));
    /* Deep nesting ends at its bound, not at the end of the stack. */
    buf_clear(&b);
    for (int i = 0; i < 100000; i++)
        buf_str(&b, "{a: ");
    assert_int_equal(config_add(&c, "f", buf_view(&b), false, &e), ERR_USAGE);
    buf_clear(&b);
    for (int i = 0; i < 100000; i++)
        buf_char(&b, '[');
    assert_int_equal(config_add(&c, "f", buf_view(&b), false, &e), ERR_USAGE);
    /* Nothing but comments is nothing. */
    static const char *const nothing[] = {"",      "\n\n",       "# a\n",
                                          "---\n", "---\n...\n", "\xef\xbb\xbf"};
    for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++) {
        struct config empty = {.arena = &arena};
        if (config_add(&empty, "f", span_str(nothing[i]), false, &e))
            fail_msg("%zu: %s", i, e.text);
        assert_null(empty.entries);
    }
    buf_release(&b);
    arena_release(&arena);
}

static void test_files_that_are_none(void **state)
{
    (void)state;
    struct arena arena;
    struct config c = {.arena = &arena};
    struct err e;
    arena_init(&arena, 1 << 20);
    assert_int_equal(mkfifo(path_of("pipe.yaml"), 0600), 0);
    assert_int_not_equal(config_read(&c, path_of("pipe.yaml"), false, &e), 0);
    assert_int_not_equal(config_read(&c, folder, false, &e), 0);
    remove_file("pipe.yaml");
    /* A link that leads nowhere: said in the folder that nobody named, refused in one that is. */
    assert_int_equal(symlink("/nonexistent/x", path_of("link.yaml")), 0);
    assert_int_equal(config_read(&c, folder, false, &e), ERR_NOTFOUND);
    assert_int_equal(config_read(&c, folder, true, &e), 0);
    assert_non_null(strstr(log_text, "link.yaml', left out: No such file"));
    remove_file("link.yaml");
    assert_int_equal(config_read(&c, path_of("none"), true, &e), 0);
    assert_int_equal(config_read(&c, path_of("none"), false, &e), ERR_NOTFOUND);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_values_are_their_text, set_up),
        cmocka_unit_test_setup(test_precedence, set_up),
        cmocka_unit_test_setup(test_folder, set_up),
        cmocka_unit_test_setup(test_devices, set_up),
        cmocka_unit_test_setup(test_the_device_that_we_are, set_up),
        cmocka_unit_test_setup(test_secrets, set_up),
        cmocka_unit_test_setup(test_print_config, set_up),
        cmocka_unit_test_setup(test_refused, set_up),
        cmocka_unit_test_setup(test_bounds, set_up),
        cmocka_unit_test_setup(test_files_that_are_none, set_up),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
