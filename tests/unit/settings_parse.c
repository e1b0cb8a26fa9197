/* SPDX-License-Identifier: MIT */
/* Flags, environment and defaults: which one counts, what is refused, and in which words.
 * Long because each refusal is a row with its exact line. */
#include "settings/settings.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { MOST = 16 };

static const struct option run_options[] = {
    {"devices", OPTION_INT, "N", 1, 100000, "3", "how many devices"},
    {"duration", OPTION_DURATION, "TIME", 0.001, 31536000, NULL, "end after so long"},
    {"store", OPTION_TEXT, "FILE", 0, 0, NULL, "keep all messages"},
    {"share", OPTION_FLOAT, "X", 0, 1, "0.5", "a share"},
    {"dashboard", OPTION_FLAG, NULL, 0, 0, NULL, "live page"},
    {0},
};
static enum setting_id all[SET_N + 1];
static struct command_spec run_spec = {
    .name = "run",
    .usage = "wattle run --devices N [WORD]",
    .summary = "a fleet",
    .options = run_options,
    .settings = all,
    .max_words = 1,
};
static const enum setting_id report_settings[] = {SET_METRICS_DIR, SET_N};
static const struct command_spec report_spec = {
    .name = "report",
    .usage = "wattle report DIR",
    .summary = "a table",
    .settings = report_settings,
    .min_words = 1,
    .max_words = 1,
};

static char log_text[4096];

static void keep_log(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    size_t n = strlen(log_text);
    snprintf(log_text + n, sizeof log_text - n, "%s\n", line);
}

static int set_up(void **state)
{
    (void)state;
    for (int id = 0; id <= SET_N; id++)
        all[id] = (enum setting_id)id;
    log_text[0] = '\0';
    log_set_sink(keep_log, NULL, LOG_LEVEL_DEBUG);
    return 0;
}

static int count(const char *const *list)
{
    int n = 0;
    while (list[n])
        n++;
    return n;
}

static int parse(struct settings **s, const struct command_spec *spec, const char *const *argv,
                 const char *const *environment, struct buf *out, struct err *e)
{
    return settings_parse(s, spec, count(argv), (char **)argv, (char **)environment, out, e);
}

static struct settings *good(const char *const *argv, const char *const *environment)
{
    struct settings *s = NULL;
    struct err e = {""};
    struct buf out;
    buf_init(&out, 1 << 20);
    int r = parse(&s, &run_spec, argv, environment, &out, &e);
    if (r != SETTINGS_GO)
        fail_msg("refused: %s", e.text);
    assert_non_null(s);
    assert_int_equal(out.n, 0);
    buf_release(&out);
    return s;
}

static void test_defaults_are_those_of_the_contract(void **state)
{
    (void)state;
    struct settings *s = good((const char *[]){NULL}, (const char *[]){NULL});
    assert_false(settings_bool(s, SET_ENABLE_LLM));
    assert_string_equal(settings_text(s, SET_LLM_MODEL_NAME), "microsoft/Phi-3.5-mini-instruct");
    assert_int_equal(settings_int(s, SET_LLM_INFERENCE_INTERVAL), 5);
    assert_int_equal(settings_int(s, SET_LLM_MAX_LENGTH), 512);
    assert_int_equal(settings_int(s, SET_LLM_MAX_NEW_TOKENS), 0);
    assert_true(settings_float(s, SET_LLM_TEMPERATURE) == 0.7);
    assert_true(settings_float(s, SET_LLM_TOP_P) == 0.9);
    assert_int_equal(settings_int(s, SET_LLM_TOP_K), 0);
    assert_true(settings_float(s, SET_LLM_MIN_P) == 0);
    assert_true(settings_float(s, SET_LLM_REPETITION_PENALTY) == 1);
    assert_true(settings_float_or(s, SET_LLM_TOP_P, -1) == -1);
    assert_int_equal(settings_int_or(s, SET_LLM_TOP_K, -1), -1);
    assert_string_equal(settings_text(s, SET_HF_ENDPOINT), "https://huggingface.co");
    assert_false(settings_bool(s, SET_HF_HUB_OFFLINE));
    assert_true(settings_float(s, SET_HF_HUB_DOWNLOAD_TIMEOUT) == 10);
    assert_string_equal(settings_text(s, SET_LLM_SEED), "");
    assert_int_equal(settings_int(s, SET_LLM_THREADS), 0);
    assert_string_equal(settings_text(s, SET_DEVICE_NAME), "edge-device");
    assert_string_equal(settings_text(s, SET_DEVICE_ID), "00:0f:00:70:91:0a");
    assert_string_equal(settings_text(s, SET_MQTT_BROKER), "mqtt-broker");
    assert_int_equal(settings_int(s, SET_MQTT_PORT), 1883);
    assert_string_equal(settings_text(s, SET_MQTT_PASSWORD), "");
    assert_string_equal(settings_text(s, SET_METRICS_DIR), "metrics");
    assert_true(settings_float(s, SET_POWER_IDLE_W) == 5);
    assert_true(settings_float(s, SET_POWER_MAX_W) == 15);
    assert_string_equal(settings_text(s, SET_LOG_LEVEL), "info");
    assert_string_equal(settings_text(s, SET_WATTLE_SYSROOT), "/");
    double low, high;
    settings_interval(s, &low, &high);
    assert_true(low == 1 && high == 5);
    for (int id = 0; id < SET_N; id++) {
        assert_false(settings_given(s, (enum setting_id)id));
        assert_non_null(settings_text(s, (enum setting_id)id));
    }
    assert_int_equal(settings_option_int(s, "devices"), 3);
    assert_false(settings_option_given(s, "devices"));
    assert_null(settings_option_text(s, "store"));
    assert_false(settings_option_flag(s, "dashboard"));
    assert_true(settings_option_float(s, "share") == 0.5);
    settings_free(&s);
    assert_null(s);
    settings_free(&s);
}

/* One row: arguments and environment in, a setting's text out. */
struct row {
    const char *argv[MOST];
    const char *environment[MOST];
    enum setting_id id;
    const char *text;
};

static void test_flag_before_environment_before_default(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {{0}, {"LLM_TEMPERATURE=0.2"}, SET_LLM_TEMPERATURE, "0.2"},
        {{"--llm-temperature", "0.3"}, {"LLM_TEMPERATURE=0.2"}, SET_LLM_TEMPERATURE, "0.3"},
        {{"--llm-temperature=0.4"}, {"LLM_TEMPERATURE=hot"}, SET_LLM_TEMPERATURE, "0.4"},
        {{0}, {"LLM_TEMPERATURE="}, SET_LLM_TEMPERATURE, "0.7"},
        {{0}, {"LLM_TEMPERATUR=1", "XLLM_TEMPERATURE=1"}, SET_LLM_TEMPERATURE, "0.7"},
        {{0}, {"MQTT_BROKER=one", "MQTT_BROKER=two"}, SET_MQTT_BROKER, "one"},
        {{"--mqtt-port", "1", "--mqtt-port=2"}, {0}, SET_MQTT_PORT, "2"},
        {{"--llm-model", "a/b"}, {0}, SET_LLM_MODEL_NAME, "a/b"},
        {{"--llm-model-name=a/b"}, {0}, SET_LLM_MODEL_NAME, "a/b"},
        {{"--enable-llm"}, {"ENABLE_LLM=no"}, SET_ENABLE_LLM, "true"},
        {{"--enable-llm=No"}, {"ENABLE_LLM=yes"}, SET_ENABLE_LLM, "No"},
        {{"--interval", "2.5"}, {0}, SET_INTERVAL, "2.5"},
        {{"--telemetry-interval", "2-3"}, {0}, SET_INTERVAL, "2-3"},
        {{"--rate=10"}, {0}, SET_RATE, "10"},
        {{"--log-level", "WARNING"}, {0}, SET_LOG_LEVEL, "warning"},
        {{"--llm-seed", "18446744073709551615"}, {0}, SET_LLM_SEED, "18446744073709551615"},
        {{"--mqtt-username", ""}, {"MQTT_USERNAME=x"}, SET_MQTT_USERNAME, ""},
        {{"--dataset-path=-"}, {0}, SET_DATASET_PATH, "-"},
        {{"--dataset-path="}, {"DATASET_PATH=x"}, SET_DATASET_PATH, ""},
        {{"--device-name", "a b\n\x01\xc3\xa4/#"}, {0}, SET_DEVICE_NAME, "a b\n\x01\xc3\xa4/#"},
        {{"--wattle-isa", "AVX2"}, {0}, SET_WATTLE_ISA, "avx2"},
        {{"--metrics-dir", "a\xff b"}, {0}, SET_METRICS_DIR, "a\xff b"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct settings *s = good(rows[i].argv, rows[i].environment);
        assert_string_equal(settings_text(s, rows[i].id), rows[i].text);
        settings_free(&s);
    }
}

static void test_booleans(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool value;
    } rows[] = {{"ENABLE_LLM=true", true}, {"ENABLE_LLM=TRUE", true},   {"ENABLE_LLM=1", true},
                {"ENABLE_LLM=yEs", true},  {"ENABLE_LLM=false", false}, {"ENABLE_LLM=0", false},
                {"ENABLE_LLM=No", false},  {"ENABLE_LLM=", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct settings *s = good((const char *[]){NULL}, (const char *[]){rows[i].text, NULL});
        assert_int_equal(settings_bool(s, SET_ENABLE_LLM), rows[i].value);
        settings_free(&s);
    }
}

static void test_options_and_words(void **state)
{
    (void)state;
    const char *argv[] = {"--devices=7", "--duration", "1h30m", "--dashboard", "--store", "-",
                          "--share",     "1e-1",       "--",    "--word",      NULL};
    struct settings *s = good(argv, (const char *[]){NULL});
    assert_int_equal(settings_option_int(s, "devices"), 7);
    assert_true(settings_option_given(s, "devices"));
    assert_true(settings_option_float(s, "duration") == 5400);
    assert_true(settings_option_flag(s, "dashboard"));
    assert_string_equal(settings_option_text(s, "store"), "-");
    assert_true(settings_option_float(s, "share") == 0.1);
    assert_int_equal(settings_words(s), 1);
    assert_string_equal(settings_word(s, 0), "--word");
    settings_free(&s);
}

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double seconds; /* NAN: refused */
    } rows[] = {
        {"90", 90},
        {"90s", 90},
        {"30m", 1800},
        {"2h", 7200},
        {"1d", 86400},
        {"1h30m", 5400},
        {"500ms", 0.5},
        {"1.5h", 5400},
        {"0.25", 0.25},
        {"1d2h3m4s5ms", 93784.005},
        {"", NAN},
        {"s", NAN},
        {"1 s", NAN},
        {"30m1h", NAN},
        {"1h1h", NAN},
        {"1h30", NAN},
        {"-5s", NAN},
        {"1x", NAN},
        {"1hh", NAN},
        {"1e3s", NAN},
        {"1..5s", NAN},
        {"0s", NAN},
        {"400d", NAN},
        {"nan", NAN},
        {"99999999999999999999h", NAN},
        {"1H", NAN},
        {" 1s", NAN},
        {"1s ", NAN},
        {".", NAN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *argv[] = {"--duration", rows[i].text, NULL};
        struct settings *s = NULL;
        struct err e = {""};
        struct buf out;
        buf_init(&out, 1 << 20);
        int r = parse(&s, &run_spec, argv, (const char *[]){NULL}, &out, &e);
        if (isnan(rows[i].seconds)) {
            assert_int_equal(r, ERR_USAGE);
            assert_non_null(strstr(e.text, "--duration: '"));
        } else {
            assert_int_equal(r, SETTINGS_GO);
            assert_true(fabs(settings_option_float(s, "duration") - rows[i].seconds) < 1e-9);
        }
        settings_free(&s);
        buf_release(&out);
    }
}

struct refusal {
    const char *argv[MOST];
    const char *environment[MOST];
    const char *line;
};

static void check_refusals(const struct command_spec *spec, const struct refusal *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct settings *s = NULL;
        struct err e = {""};
        struct buf out;
        buf_init(&out, 1 << 20);
        int r = parse(&s, spec, rows[i].argv, rows[i].environment, &out, &e);
        if (r != ERR_USAGE)
            fail_msg("row %zu gave %d, expected: %s", i, r, rows[i].line);
        assert_string_equal(e.text, rows[i].line);
        assert_null(s);
        buf_release(&out);
    }
}

static void test_wrong_values_are_named(void **state)
{
    (void)state;
    static const struct refusal rows[] = {
        {{0},
         {"ENABLE_LLM=maybe"},
         "ENABLE_LLM: 'maybe' is neither true nor false, expected true, 1, yes, false, 0 or no"},
        {{0},
         {"ENABLE_LLM=on"},
         "ENABLE_LLM: 'on' is neither true nor false, expected true, 1, yes, false, 0 or no"},
        {{0}, {"LLM_TEMPERATURE=hot"}, "LLM_TEMPERATURE: 'hot' is no number, expected 0 to 100"},
        {{0}, {"LLM_TEMPERATURE=-1"}, "LLM_TEMPERATURE: '-1' is out of range, expected 0 to 100"},
        {{0}, {"LLM_TEMPERATURE=nan"}, "LLM_TEMPERATURE: 'nan' is no number, expected 0 to 100"},
        {{0}, {"LLM_TEMPERATURE=inf"}, "LLM_TEMPERATURE: 'inf' is no number, expected 0 to 100"},
        {{0}, {"LLM_TEMPERATURE=0,7"}, "LLM_TEMPERATURE: '0,7' is no number, expected 0 to 100"},
        {{0}, {"MQTT_PORT=99999"}, "MQTT_PORT: '99999' is out of range, expected 1 to 65535"},
        {{0}, {"MQTT_PORT=0"}, "MQTT_PORT: '0' is out of range, expected 1 to 65535"},
        {{0}, {"MQTT_PORT=1883 "}, "MQTT_PORT: '1883 ' is no whole number, expected 1 to 65535"},
        {{0}, {"MQTT_PORT=1e3"}, "MQTT_PORT: '1e3' is no whole number, expected 1 to 65535"},
        {{0},
         {"MQTT_PORT=99999999999999999999"},
         "MQTT_PORT: '99999999999999999999' is out of range, expected 1 to 65535"},
        {{0},
         {"LLM_SEED=-1"},
         "LLM_SEED: '-1' is out of range, expected 0 to 18446744073709551615"},
        {{0},
         {"LLM_SEED=18446744073709551616"},
         "LLM_SEED: '18446744073709551616' is out of range, expected 0 to 18446744073709551615"},
        {{0},
         {"LOG_LEVEL=loud"},
         "LOG_LEVEL: 'loud' is unknown, expected debug, info, warning or error"},
        {{0},
         {"WATTLE_ISA=c avx2"},
         "WATTLE_ISA: 'c avx2' is unknown, expected c, avx2, vnni, neon or dotprod"},
        {{"--interval", "5-1"},
         {0},
         "--interval: '5-1' ends before it begins, expected seconds as 2.5 or 1-5, from 0.001 to "
         "86400"},
        {{"--interval", "0"},
         {0},
         "--interval: '0' is out of range, expected seconds as 2.5 or 1-5, from 0.001 to 86400"},
        {{"--interval=-3"},
         {0},
         "--interval: '-3' is no interval, expected seconds as 2.5 or 1-5, from 0.001 to 86400"},
        {{"--interval=1-2-3"},
         {0},
         "--interval: '1-2-3' is no interval, expected seconds as 2.5 or 1-5, from 0.001 to 86400"},
        {{"--rate", "1e-300"},
         {0},
         "--rate: '1e-300' is out of range, expected 0, or 0.00001 to 1000"},
        {{0},
         {"DEVICE_ID=a/b"},
         "DEVICE_ID: 'a/b' has a character that MQTT topics give a meaning to, expected 1 to 128 "
         "bytes of UTF-8 without '+', '#', '/' and control characters"},
        {{0},
         {"DEVICE_ID=a\xc2\x85"},
         "DEVICE_ID: 'a\\xc2\\x85' has a control character, expected 1 to 128 bytes of UTF-8 "
         "without '+', '#', '/' and control characters"},
        {{0},
         {"DEVICE_NAME=\xff"},
         "DEVICE_NAME: '\\xff' is no valid UTF-8, expected 1 to 128 bytes of UTF-8"},
        {{"--device-name", ""},
         {0},
         "--device-name: '' is empty, expected 1 to 128 bytes of UTF-8"},
        {{"--llm-endpoint", "http://me:hush@h:1/"},
         {0},
         "--llm-endpoint: the value has a user or password before '@', which messages would show "
         "(a key goes into LLM_API_KEY or HF_TOKEN), expected 0 to 4095 bytes as "
         "http://HOST:PORT/PATH "
         "without '@', '?' and '#'"},
        {{"--llm-endpoint", "http:///me:hush@h:1/"},
         {0},
         "--llm-endpoint: the value has a user or password before '@', which messages would show "
         "(a key goes into LLM_API_KEY or HF_TOKEN), expected 0 to 4095 bytes as "
         "http://HOST:PORT/PATH "
         "without '@', '?' and '#'"},
        {{"--llm-endpoint", "http:/me:hush@h:1/"},
         {0},
         "--llm-endpoint: the value has a user or password before '@', which messages would show "
         "(a key goes into LLM_API_KEY or HF_TOKEN), expected 0 to 4095 bytes as "
         "http://HOST:PORT/PATH "
         "without '@', '?' and '#'"},
        {{"--llm-endpoint", "http:me:hush@h:1/"},
         {0},
         "--llm-endpoint: the value has a user or password before '@', which messages would show "
         "(a key goes into LLM_API_KEY or HF_TOKEN), expected 0 to 4095 bytes as "
         "http://HOST:PORT/PATH "
         "without '@', '?' and '#'"},
        {{"--llm-endpoint", "http://me:hu/sh@h:1/"},
         {0},
         "--llm-endpoint: the value has a user or password before '@', which messages would show "
         "(a key goes into LLM_API_KEY or HF_TOKEN), expected 0 to 4095 bytes as "
         "http://HOST:PORT/PATH "
         "without '@', '?' and '#'"},
        {{"--llm-endpoint", "http://me:hu#sh@h:1/"},
         {0},
         "--llm-endpoint: the value has a user or password before '@', which messages would show "
         "(a key goes into LLM_API_KEY or HF_TOKEN), expected 0 to 4095 bytes as "
         "http://HOST:PORT/PATH "
         "without '@', '?' and '#'"},
        {{"--llm-endpoint", "http://me:hu?sh@h:1/"},
         {0},
         "--llm-endpoint: the value has a user or password before '@', which messages would show "
         "(a key goes into LLM_API_KEY or HF_TOKEN), expected 0 to 4095 bytes as "
         "http://HOST:PORT/PATH "
         "without '@', '?' and '#'"},
        {{"--llm-endpoint", "me:hu/sh@h"},
         {0},
         "--llm-endpoint: the value has a user or password before '@', which messages would show "
         "(a key goes into LLM_API_KEY or HF_TOKEN), expected 0 to 4095 bytes as "
         "http://HOST:PORT/PATH "
         "without '@', '?' and '#'"},
        {{"--hf-endpoint", "http:///me:hush@h"},
         {0},
         "--hf-endpoint: the value has a user or password before '@', which messages would show "
         "(a key goes into LLM_API_KEY or HF_TOKEN), expected 1 to 4095 bytes as "
         "http://HOST:PORT/PATH "
         "without '@', '?' and '#'"},
        {{"--llm-endpoint", "http://h/v1?key=hush"},
         {0},
         "--llm-endpoint: the value has a query or a fragment, expected 0 to 4095 bytes as "
         "http://HOST:PORT/PATH "
         "without '@', '?' and '#'"},
        {{"--llm-endpoint", "http://h/#hush"},
         {0},
         "--llm-endpoint: the value has a query or a fragment, expected 0 to 4095 bytes as "
         "http://HOST:PORT/PATH "
         "without '@', '?' and '#'"},
        {{"--llm-endpoint", "http://"},
         {0},
         "--llm-endpoint: 'http://' has no host, expected 0 to 4095 bytes as http://HOST:PORT/PATH "
         "without '@', '?' and '#'"},
        {{"--llm-endpoint", "http:///h/"},
         {0},
         "--llm-endpoint: 'http:///h/' has no host, expected 0 to 4095 bytes as "
         "http://HOST:PORT/PATH "
         "without '@', '?' and '#'"},
        {{"--llm-endpoint", "http:/h"},
         {0},
         "--llm-endpoint: 'http:/h' does not begin with http:// or https://, expected 0 to 4095 "
         "bytes as http://HOST:PORT/PATH "
         "without '@', '?' and '#'"},
        {{"--llm-endpoint", "h:1"},
         {0},
         "--llm-endpoint: 'h:1' does not begin with http:// or https://, expected 0 to 4095 bytes "
         "as http://HOST:PORT/PATH "
         "without '@', '?' and '#'"},
        {{"--llm-endpoint", "ftp://h"},
         {0},
         "--llm-endpoint: 'ftp://h' does not begin with http:// or https://, expected 0 to 4095 "
         "bytes as http://HOST:PORT/PATH "
         "without '@', '?' and '#'"},
        {{"--mqtt-broker", "a b"},
         {0},
         "--mqtt-broker: 'a b' has a blank, expected 1 to 253 bytes without blanks and control "
         "characters"},
        {{"--store="}, {0}, "--store: '' is empty, expected 1 to 65536 bytes"},
        {{"--store", ""}, {0}, "--store: '' is empty, expected 1 to 65536 bytes"},
        {{"--devices", "0"}, {0}, "--devices: '0' is out of range, expected 1 to 100000"},
        {{"--devices", "x"}, {0}, "--devices: 'x' is no whole number, expected 1 to 100000"},
        {{"--dashboard=maybe"},
         {0},
         "--dashboard: 'maybe' is neither true nor false, expected true, 1, yes, false, 0 or no"},
    };
    check_refusals(&run_spec, rows, sizeof rows / sizeof rows[0]);
}

static void test_wrong_flags_and_words(void **state)
{
    (void)state;
    static const struct refusal rows[] = {
        {{"--llm-temprature=1"},
         {0},
         "--llm-temprature: unknown option, the nearest is --llm-temperature"},
        {{"--deivces", "3"}, {0}, "--deivces: unknown option, the nearest is --devices"},
        {{"--hepl"}, {0}, "--hepl: unknown option, the nearest is --help"},
        {{"--json"}, {0}, "--json: unknown option, 'wattle run --help' shows those there are"},
        {{"--zzzzzzzz"},
         {0},
         "--zzzzzzzz: unknown option, 'wattle run --help' shows those there are"},
        {{"--"}, {"LLM_TOP_P=2"}, "LLM_TOP_P: '2' is out of range, expected 0 to 1"},
        {{"--=x"}, {0}, "--: unknown option, 'wattle run --help' shows those there are"},
        {{"-n", "3"}, {0}, "'-n': unknown option, long ones begin with two dashes"},
        {{"--store"}, {0}, "--store: its value is missing"},
        {{"--store", "--dashboard"}, {0}, "--store: its value is missing before '--dashboard'"},
        {{"a", "--enable-llm", "No"}, {0}, "--enable-llm: its value is given as --enable-llm=No"},
        {{"--", "a", "true"},
         {0},
         "'true': one word too many, expected wattle run --devices N [WORD]"},
        {{"a", "b"}, {0}, "'b': one word too many, expected wattle run --devices N [WORD]"},
    };
    check_refusals(&run_spec, rows, sizeof rows / sizeof rows[0]);
    static const struct refusal report_rows[] = {
        {{0}, {0}, "0 words given, 1 needed, expected wattle report DIR"},
        {{"a", "--llm-top-p", "1"},
         {0},
         "--llm-top-p: the command 'report' does not take this option"},
        {{"a", "--metric-dir=x"},
         {0},
         "--metric-dir: unknown option, the nearest is --metrics-dir"},
    };
    check_refusals(&report_spec, report_rows, sizeof report_rows / sizeof report_rows[0]);
}

static void test_values_that_do_not_go_together(void **state)
{
    (void)state;
    static const struct refusal rows[] = {
        {{"--mqtt-password-file=f"},
         {"MQTT_PASSWORD=secret", "MQTT_USERNAME=u"},
         "MQTT_PASSWORD and --mqtt-password-file: only one of them may be set"},
        {{0}, {"MQTT_PASSWORD=secret"}, "MQTT_PASSWORD: needs MQTT_USERNAME, which is not set"},
        {{0}, {"MQTT_CERT_FILE=c"}, "MQTT_CERT_FILE: needs MQTT_KEY_FILE, which is not set"},
        {{0}, {"MQTT_KEY_FILE=c"}, "MQTT_KEY_FILE: needs MQTT_CERT_FILE, which is not set"},
        {{0},
         {"MQTT_KEY_FILE=c", "MQTT_CERT_FILE=c"},
         "MQTT_CERT_FILE: needs MQTT_CA_FILE, which is not set"},
        {{"--power-max-w=3"}, {0}, "--power-max-w: 3 W is less than the 5 W of POWER_IDLE_W"},
        {{"--rate=3"},
         {"TELEMETRY_INTERVAL=1-2"},
         "TELEMETRY_INTERVAL and --telemetry-rate: only one of them may be set"},
    };
    check_refusals(&run_spec, rows, sizeof rows / sizeof rows[0]);
}

static void test_secrets_stay_out_of_messages(void **state)
{
    (void)state;
    static char variable[70000] = "MQTT_PASSWORD=";
    size_t n = strlen(variable);
    memset(variable + n, 'x', sizeof variable - n - 1);
    struct settings *s = NULL;
    struct err e = {""};
    struct buf out;
    buf_init(&out, 1 << 20);
    int r =
        parse(&s, &run_spec, (const char *[]){NULL}, (const char *[]){variable, NULL}, &out, &e);
    assert_int_equal(r, ERR_USAGE);
    assert_non_null(strstr(e.text, "MQTT_PASSWORD: the value is too long"));
    assert_null(strstr(e.text, "xxx"));
    buf_release(&out);
}

static void test_long_values_are_cut_in_messages(void **state)
{
    (void)state;
    static char variable[100000] = "DEVICE_ID=";
    size_t n = strlen(variable);
    memset(variable + n, 'x', sizeof variable - n - 1);
    struct settings *s = NULL;
    struct err e = {""};
    struct buf out;
    buf_init(&out, 1 << 20);
    int r =
        parse(&s, &run_spec, (const char *[]){NULL}, (const char *[]){variable, NULL}, &out, &e);
    assert_int_equal(r, ERR_USAGE);
    assert_non_null(strstr(e.text, "…' is too long, expected 1 to 128 bytes"));
    buf_release(&out);
}

static void test_only_settings_of_the_command_count(void **state)
{
    (void)state;
    struct settings *s = NULL;
    struct err e = {""};
    struct buf out;
    buf_init(&out, 1 << 20);
    const char *environment[] = {"LLM_TEMPERATURE=hot", "METRICS_DIR=m", "MQTT_PASSWORD=x",
                                 "LLM_TEMPERATUR=1", NULL};
    int r = parse(&s, &report_spec, (const char *[]){"w", NULL}, environment, &out, &e);
    assert_int_equal(r, SETTINGS_GO);
    assert_string_equal(settings_text(s, SET_METRICS_DIR), "m");
    assert_true(settings_float(s, SET_LLM_TEMPERATURE) == 0.7);
    assert_string_equal(log_text, "");
    settings_free(&s);
    buf_release(&out);
}

static void test_misspelt_variables_are_warned_of(void **state)
{
    (void)state;
    const char *environment[] = {"LLM_TEMPERATUR=1",
                                 "MQTT_BROKR=x",
                                 "MQTT_HOST=x",
                                 "LLM_SED=1",
                                 "WATTLE_MODEL=x",
                                 "LLM_BATCH_SIZE=4",
                                 "PATH=x",
                                 "ENABLE_LM=1",
                                 "LLM_TEMPERATURE=1",
                                 "LLM_=",
                                 "=x",
                                 "LLM_TEMPERATUR",
                                 NULL};
    struct settings *s = good((const char *[]){NULL}, environment);
    settings_free(&s);
    assert_string_equal(
        log_text,
        "environment: LLM_TEMPERATUR is no setting and has no effect, the nearest is "
        "LLM_TEMPERATURE\n"
        "environment: MQTT_BROKR is no setting and has no effect, the nearest is MQTT_BROKER\n"
        "environment: LLM_SED is no setting and has no effect, the nearest is LLM_SEED\n"
        "environment: LLM_BATCH_SIZE has no effect, this version cannot do that yet\n"
        "environment: ENABLE_LM is no setting and has no effect, the nearest is ENABLE_LLM\n");
}

static void test_stop_texts(void **state)
{
    (void)state;
    char text[64] = "LLM_STOP=";
    for (int i = 0; i < 15; i++)
        strcat(text, "a\n");
    strcat(text, "a");
    struct settings *s = good((const char *[]){NULL}, (const char *[]){text, NULL});
    settings_free(&s);
    strcat(text, "\na");
    struct err e = {""};
    struct buf out;
    buf_init(&out, 1 << 20);
    int r = parse(&s, &run_spec, (const char *[]){NULL}, (const char *[]){text, NULL}, &out, &e);
    assert_int_equal(r, ERR_USAGE);
    assert_non_null(strstr(e.text, "has too many lines"));
    buf_release(&out);
}

static void test_password_of_the_broker(void **state)
{
    (void)state;
    static const struct {
        const char *content; /* NULL: MQTT_PASSWORD instead of a file */
        size_t n;
        const char *password; /* NULL: refused */
    } rows[] = {{NULL, 0, "plain"},
                {"secret\n", 7, "secret"},
                {"two\nlines\r\n", 11, "two\nlines"},
                {"\n", 1, ""},
                {"", 0, ""},
                {"cut\0off", 7, NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[] = "/tmp/wattle-password-XXXXXX", variable[64] = "MQTT_PASSWORD=plain";
        struct err e = {""};
        struct buf out;
        int fd = mkstemp(path);
        assert_true(fd >= 0 && write(fd, rows[i].content, rows[i].n) == (ssize_t)rows[i].n);
        close(fd);
        if (rows[i].content)
            snprintf(variable, sizeof variable, "MQTT_PASSWORD_FILE=%s", path);
        struct settings *s =
            good((const char *[]){NULL}, (const char *[]){"MQTT_USERNAME=u", variable, NULL});
        buf_init(&out, SETTINGS_SECRET_MAX);
        int r = settings_secret(s, SET_MQTT_PASSWORD, SET_MQTT_PASSWORD_FILE, &out, &e);
        unlink(path);
        if (rows[i].password)
            assert_string_equal(r == 0 ? buf_cstr(&out) : e.text, rows[i].password);
        else
            assert_true(r == ERR_USAGE && strstr(e.text, "holds a NUL byte"));
        buf_release(&out);
        settings_free(&s);
    }
}

static void test_nearest(void **state)
{
    (void)state;
    static const char *const known[] = {"run", "report", "tokenize", "detokenize"};
    static const struct {
        const char *name, *nearest;
    } rows[] = {{"rum", "run"},
                {"reprot", "report"},
                {"tokenise", "tokenize"},
                {"x", NULL},
                {"detokenise", "detokenize"},
                {"", NULL},
                {"completely", NULL},
                {"urn", "run"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *nearest = settings_nearest(rows[i].name, known, 4);
        if (!rows[i].nearest)
            assert_null(nearest);
        else
            assert_string_equal(nearest ? nearest : "none", rows[i].nearest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_defaults_are_those_of_the_contract, set_up),
        cmocka_unit_test_setup(test_flag_before_environment_before_default, set_up),
        cmocka_unit_test_setup(test_booleans, set_up),
        cmocka_unit_test_setup(test_options_and_words, set_up),
        cmocka_unit_test_setup(test_durations, set_up),
        cmocka_unit_test_setup(test_wrong_values_are_named, set_up),
        cmocka_unit_test_setup(test_wrong_flags_and_words, set_up),
        cmocka_unit_test_setup(test_values_that_do_not_go_together, set_up),
        cmocka_unit_test_setup(test_secrets_stay_out_of_messages, set_up),
        cmocka_unit_test_setup(test_long_values_are_cut_in_messages, set_up),
        cmocka_unit_test_setup(test_only_settings_of_the_command_count, set_up),
        cmocka_unit_test_setup(test_misspelt_variables_are_warned_of, set_up),
        cmocka_unit_test_setup(test_stop_texts, set_up),
        cmocka_unit_test_setup(test_password_of_the_broker, set_up),
        cmocka_unit_test_setup(test_nearest, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
