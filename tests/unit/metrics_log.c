/* SPDX-License-Identifier: MIT */
/* metric_log: field names and their order, the file at every moment, names on disk, the seed's
 * comparison script, and metric_file_read on what was written. */
#include "metrics/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <dirent.h>
#include <ftw.h>
#include <math.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/wattle-metrics-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int remove_dir(void **state)
{
    (void)state;
    return nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* The seed's example, in our units. */
static struct metric_record sample(void)
{
    return (struct metric_record){
        .utc_us = 1759833015123456u,
        .device_id = "00:0f:00:70:91:0a",
        .model_name = "microsoft/Phi-3.5-mini-instruct",
        .inference_time_s = 1.2345,
        .memory_used_mb = 45.674,
        .memory_total_mb = 512.337,
        .memory_private_mb = 112.5,
        .memory_shared_mb = 399.837,
        .cpu_percent_avg = 78.5,
        .cpu_percent_samples = 24,
        .energy_mj = 18.75,
        .energy_source = "rapl",
        .compute_device = "cpu",
        .prompt_length = 256,
        .response_length = 128,
        .prompt_tokens = 90,
        .cached_tokens = 60,
        .completion_tokens = 30,
        .time_to_first_token_ms = 200.126,
        .prefill_ms = 190,
        .decode_ms = 1000,
        .queue_ms = 0.5,
        .tokens_per_second = 30,
        .joules_per_token = 0.000625,
        .quantization = "Q4_1",
        .threads = 2,
        .batch_size = 1,
        .finish_reason = "stop",
        .throttled_ms = 0,
        .frequency_mhz = 0,
        .temperature_c = NAN,
    };
}

static void test_record(void **state)
{
    (void)state;
    struct metric_record r = sample();
    struct buf b;
    struct json_writer w;
    buf_init(&b, 10000);
    json_write_init(&w, &b, 0);
    metric_record_write(&w, &r);
    assert_string_equal(
        buf_cstr(&b),
        "{\"timestamp\":\"2025-10-07T10:30:15.123456+00:00\",\"device_id\":\"00:0f:00:70:91:0a\","
        "\"model_name\":\"microsoft/Phi-3.5-mini-instruct\",\"inference_time_seconds\":1.2345,"
        "\"inference_time_ms\":1234.5,\"memory_used_mb\":45.67,\"memory_total_mb\":512.34,"
        "\"cpu_percent_avg\":78.5,\"cpu_percent_samples\":24,\"energy_consumed_mj\":18.75,"
        "\"energy_consumed_j\":0.0187,\"compute_device\":\"cpu\",\"prompt_length\":256,"
        "\"response_length\":128,\"prompt_tokens\":90,\"cached_tokens\":60,"
        "\"completion_tokens\":30,\"time_to_first_token_ms\":200.13,\"prefill_ms\":190,"
        "\"decode_ms\":1000,\"queue_ms\":0.5,\"tokens_per_second\":30,\"energy_source\":\"rapl\","
        "\"joules_per_token\":0.000625,\"quantization\":\"Q4_1\",\"threads\":2,\"batch_size\":1,"
        "\"finish_reason\":\"stop\",\"error\":null,\"memory_private_mb\":112.5,"
        "\"memory_shared_mb\":399.84,\"throttled_ms\":0,\"frequency_mhz\":null,"
        "\"temperature_c\":null}");
    buf_release(&b);
}

static struct metric_log *open_log(const char *name, const char *id)
{
    struct metric_log *l = NULL;
    struct err e = {""};
    const struct metric_loading loading = {
        .model_name = "microsoft/Phi-3.5-mini-instruct",
        .path = "m.gguf",
        .quantization = "Q4_1",
        .compute_device = "cpu",
        .isa = "avx2",
        .load_seconds = 0.25,
        .file_bytes = 98000000,
        .threads = 2,
    };
    if (metric_log_open(&l, dir, name, id, &loading, &e) != 0)
        fail_msg("%s", e.text);
    return l;
}

static void add(struct metric_log *l, const struct metric_record *r)
{
    struct err e = {""};
    if (metric_log_add(l, r, &e) != 0)
        fail_msg("%s", e.text);
}

static void save(struct metric_log *l)
{
    struct err e = {""};
    if (metric_log_save(l, &e) != 0)
        fail_msg("%s", e.text);
}

static struct json *load(const char *path)
{
    struct json *doc = NULL;
    struct err e = {""};
    struct buf b;
    buf_init(&b, METRIC_FILE_MAX);
    if (file_read(path, &b, &e) != 0 ||
        json_parse(&doc, buf_view(&b), METRIC_FILE_MAX, path, &e) != 0)
        fail_msg("%s", e.text);
    buf_release(&b);
    return doc;
}

/* Entries of a folder: all, and those that end in .json. */
static void count_entries(const char *folder, size_t *all, size_t *json)
{
    DIR *d = opendir(folder);
    assert_non_null(d);
    *all = *json = 0;
    for (struct dirent *it; (it = readdir(d));) {
        size_t n = strlen(it->d_name);
        if (strcmp(it->d_name, ".") == 0 || strcmp(it->d_name, "..") == 0)
            continue;
        ++*all;
        *json += n > 5 && strcmp(it->d_name + n - 5, ".json") == 0;
    }
    closedir(d);
}

static void test_saving(void **state)
{
    (void)state;
    char folder[200];
    size_t all, json;
    struct metric_record r = sample();
    struct metric_log *l = open_log("edge-device-01", "00:0f:00:70:91:0a");
    snprintf(folder, sizeof folder, "%s/edge-device-01", dir);
    save(l); /* nothing to save: no file */
    for (int i = 0; i < 9; i++)
        add(l, &r);
    count_entries(folder, &all, &json);
    assert_int_equal(all, 0);
    add(l, &r); /* the tenth */
    count_entries(folder, &all, &json);
    assert_int_equal(all, 1);
    assert_int_equal(json, 1);
    char path[200];
    snprintf(path, sizeof path, "%s", metric_log_path(l));
    const char *name = strrchr(path, '/') + 1;
    unsigned day, second;
    int end = 0;
    assert_int_equal(
        sscanf(name, "inference_metrics_00-0f-00-70-91-0a_%8u_%6u.json%n", &day, &second, &end), 2);
    assert_int_equal(end, strlen(name));
    struct json *doc = load(path);
    assert_int_equal(json_size(json_get(doc, "detailed_metrics")), 10);
    assert_int_equal(json_int(json_get(json_get(doc, "summary"), "total_inferences")), 10);
    json_close(&doc);

    r.error = "cannot decode";
    r.finish_reason = "error";
    add(l, &r);
    save(l);
    assert_string_equal(metric_log_path(l), path);
    assert_int_equal(metric_log_count(l), 11);
    doc = load(path);
    const struct json *summary = json_get(doc, "summary");
    assert_int_equal(json_size(json_get(doc, "detailed_metrics")), 11);
    assert_int_equal(json_int(json_get(summary, "errors")), 1);
    assert_true(json_number(json_get(json_get(summary, "energy_consumption_mj"), "total")) ==
                206.25);
    const struct json *loading = json_get(doc, "model_loading");
    assert_true(json_number(json_get(loading, "load_time_seconds")) == 0.25);
    assert_int_equal(json_int(json_get(loading, "file_bytes")), 98000000);
    assert_null(json_get(summary, "details_dropped"));
    json_close(&doc);
    count_entries(folder, &all, &json);
    assert_int_equal(all, 1);
    metric_log_close(&l);
    assert_null(l);
}

static void test_summary(void **state)
{
    (void)state;
    struct metric_log *l = open_log("summary", "s");
    for (int i = 1; i <= 5; i++) {
        struct metric_record r = sample();
        r.inference_time_s = (double)i;
        r.memory_used_mb = i == 3 ? (double)NAN : i; /* one that is not known is left out */
        r.energy_mj = 1000.0 * i;
        add(l, &r);
    }
    struct buf b;
    struct json_writer w;
    buf_init(&b, 10000);
    json_write_init(&w, &b, 0);
    metric_log_summary(l, &w);
    const char *expected =
        "{\"device_id\":\"s\",\"model_name\":\"microsoft/Phi-3.5-mini-instruct\","
        "\"total_inferences\":5,"
        "\"inference_time_ms\":{\"min\":1000,\"max\":5000,\"avg\":3000,\"p50\":3000,\"p95\":4800,"
        "\"p99\":4960,\"stddev\":1581.14},"
        "\"memory_usage_mb\":{\"min\":1,\"max\":5,\"avg\":3,\"p50\":3,\"p95\":4.85,\"p99\":4.97,"
        "\"stddev\":1.83},"
        "\"cpu_usage_percent\":{\"min\":78.5,\"max\":78.5,\"avg\":78.5,\"p50\":78.5,\"p95\":78.5,"
        "\"p99\":78.5,\"stddev\":0},"
        "\"energy_consumption_mj\":{\"min\":1000,\"max\":5000,\"avg\":3000,\"total\":15000,"
        "\"p50\":3000,\"p95\":4800,\"p99\":4960,\"stddev\":1581.14},"
        "\"errors\":0,\"tokens\":{\"prompt\":450,\"cached\":300,\"completion\":150},"
        "\"tokens_per_second\":{\"min\":30,\"max\":30,\"avg\":30,\"p50\":30,\"p95\":30,\"p99\":30,"
        "\"stddev\":0},"
        "\"time_to_first_token_ms\":{\"min\":200.13,\"max\":200.13,\"avg\":200.13,\"p50\":200.13,"
        "\"p95\":200.13,\"p99\":200.13,\"stddev\":0},"
        "\"joules_per_token\":0.1,\"energy_source\":\"rapl\",\"compute_device\":\"cpu\","
        "\"quantization\":\"Q4_1\",\"first_timestamp\":\"2025-10-07T10:30:15.123456+00:00\","
        "\"last_timestamp\":\"2025-10-07T10:30:15.123456+00:00\"}";
    assert_string_equal(buf_cstr(&b), expected);
    buf_release(&b);
    metric_log_close(&l);
}

/* Case v-js1: a zero duration. And numbers that nobody should give us. */
static void test_no_nan(void **state)
{
    (void)state;
    struct metric_log *l = open_log("zero", "z");
    struct metric_record r = {.device_id = "z", .completion_tokens = 3};
    r.tokens_per_second = NAN;
    add(l, &r);
    r.tokens_per_second = 3 / r.inference_time_s; /* Infinity */
    r.energy_mj = -INFINITY;
    r.device_id = "bad \xff\"\n";
    add(l, &r);
    save(l);
    struct json *doc = load(metric_log_path(l));
    const struct json *details = json_get(doc, "detailed_metrics");
    for (size_t i = 0; i < 2; i++) {
        assert_non_null(json_get(json_at(details, i), "tokens_per_second"));
        assert_int_equal(json_type_of(json_get(json_at(details, i), "tokens_per_second")),
                         JSON_NULL);
    }
    assert_int_equal(json_type_of(json_get(json_get(doc, "summary"), "tokens_per_second")),
                     JSON_NULL);
    assert_true(
        json_is_number(json_get(json_get(json_get(doc, "summary"), "inference_time_ms"), "avg")));
    json_close(&doc);
    metric_log_close(&l);
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *id;
        const char *folder, *prefix;
    } cases[] = {
        {"edge-device-01", "00:0f:00:70:91:0a", "edge-device-01", "00-0f-00-70-91-0a"},
        {"k\xc3\xbc"
         "che",
         "k\xc3\xbc"
         "che-1",
         "k\xc3\xbc"
         "che",
         "k\xc3\xbc"
         "che-1"},
        {"edge-000001", "a.b_c", "edge-000001", "a.b_c"},
        {"edge \"one\"\\\t01", "x", "edge--one---01-x*", "x"},
        {"edge_\"one\"\\\t01", "x", "edge_-one---01-x*", "x"},
        {"../../out", "x y", "-.-..-out-x*", "x-y-x*"},
        {"..", "..", "-.-x*", "-.-x*"},
        {".", ".", "--x*", "--x*"},
        {"a-x01234567", "b-x01234567", "a-x01234567-x*", "b-x01234567-x*"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct metric_log *l = open_log(cases[i].name, cases[i].id);
        const char *path = metric_log_path(l) + strlen(dir) + 1;
        char folder[300], prefix[300], got_folder[300];
        /* '*': eight hex digits */
        snprintf(folder, sizeof folder, "%s", cases[i].folder);
        snprintf(prefix, sizeof prefix, "inference_metrics_%s", cases[i].prefix);
        snprintf(got_folder, sizeof got_folder, "%.*s", (int)(strchr(path, '/') - path), path);
        size_t stem = strcspn(folder, "*");
        assert_memory_equal(got_folder, folder, stem);
        assert_int_equal(strlen(got_folder), stem + (folder[stem] ? 8 : 0));
        const char *file = strchr(path, '/') + 1;
        stem = strcspn(prefix, "*");
        assert_memory_equal(file, prefix, stem);
        assert_int_equal(strlen(file),
                         stem + (prefix[stem] ? 8 : 0) + strlen("_20251007_103015.json"));
        metric_log_close(&l);
    }
    /* as the header says */
    struct metric_log *l = open_log("a/b", "a/b");
    assert_non_null(strstr(metric_log_path(l), "/a-b-xe2480c78/inference_metrics_a-b-xe2480c78_"));
    metric_log_close(&l);
    /* no folder of its own, as in a container */
    struct err e;
    assert_int_equal(metric_log_open(&l, dir, NULL, "x", NULL, &e), 0);
    assert_int_equal(strncmp(metric_log_path(l) + strlen(dir), "/inference_metrics_x_", 21), 0);
    metric_log_close(&l);
}

/* The longest names that are allowed, all of them changed. */
static void test_long_names(void **state)
{
    (void)state;
    char name[129], id[129];
    memset(name, '*', 128);
    memset(id, 'i', 128);
    name[128] = id[128] = '\0';
    struct metric_log *l = open_log(name, id);
    struct metric_record r = sample();
    add(l, &r);
    save(l);
    save(l);
    struct json *doc = load(metric_log_path(l));
    json_close(&doc);
    metric_log_close(&l);
}

/* Logs of the same name in the same second: files of their own, none overwritten. */
static void test_no_clash(void **state)
{
    (void)state;
    enum { N = 5 };
    struct metric_log *logs[N];
    struct metric_record r = sample();
    char folder[200];
    size_t all, json;
    for (int i = 0; i < N; i++)
        logs[i] = open_log("clash", i % 2 ? "a:b" : "a-b");
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < N; i++) {
            for (int k = 0; k <= i; k++)
                add(logs[i], &r);
            save(logs[i]);
        }
    for (int i = 0; i < N; i++) {
        struct json *doc = load(metric_log_path(logs[i]));
        assert_int_equal(json_size(json_get(doc, "detailed_metrics")), 2 * (i + 1));
        json_close(&doc);
        metric_log_close(&logs[i]);
    }
    snprintf(folder, sizeof folder, "%s/clash", dir);
    count_entries(folder, &all, &json);
    assert_int_equal(json, N);
    assert_int_equal(all, N);
}

static void test_folder_refused(void **state)
{
    (void)state;
    struct metric_log *l = NULL;
    struct err e;
    char path[200];
    snprintf(path, sizeof path, "%s/file", dir);
    assert_int_equal(file_write_atomic(path, span_str("x"), &e), 0);
    assert_true(metric_log_open(&l, path, "d", "i", NULL, &e) < 0);
    assert_null(l);
    assert_non_null(strstr(e.text, path));

    /* saving fails, nothing is lost, and it works again later */
    l = open_log("gone", "g");
    struct metric_record r = sample();
    add(l, &r);
    char folder[200], moved[200];
    snprintf(folder, sizeof folder, "%s/gone", dir);
    snprintf(moved, sizeof moved, "%s/moved", dir);
    assert_int_equal(rename(folder, moved), 0);
    assert_true(metric_log_save(l, &e) < 0);
    assert_int_equal(rename(moved, folder), 0);
    save(l);
    struct json *doc = load(metric_log_path(l));
    assert_int_equal(json_size(json_get(doc, "detailed_metrics")), 1);
    json_close(&doc);
    metric_log_close(&l);
}

/* More than is kept: the oldest details go, the summary counts all. */
static void test_many(void **state)
{
    (void)state;
    struct metric_summary s;
    struct metric_values values = {0};
    struct err e = {""};
    enum { N = 105, KEPT = 50 };
    struct metric_log *l = open_log("many", "m");
    metric_log_limit(l, KEPT);
    for (int i = 0; i < N; i++) {
        struct metric_record r = {.device_id = "m", .model_name = "x", .energy_mj = 1};
        r.inference_time_s = i < N - KEPT ? 1000 : 1; /* the slow ones are dropped */
        r.prompt_length = (size_t)i;
        add(l, &r);
    }
    save(l);
    assert_int_equal(metric_log_count(l), N);
    struct json *doc = load(metric_log_path(l));
    const struct json *details = json_get(doc, "detailed_metrics");
    assert_int_equal(json_size(details), KEPT);
    for (int i = 0; i < KEPT; i++)
        assert_int_equal(json_int(json_get(json_at(details, (size_t)i), "prompt_length")),
                         N - KEPT + i);
    assert_int_equal(json_int(json_get(json_get(doc, "summary"), "details_dropped")), N - KEPT);
    json_close(&doc);
    if (metric_file_read_values(&s, &values, metric_log_path(l), &e) != 0)
        fail_msg("%s", e.text);
    assert_int_equal(s.total_inferences, N);
    assert_true(values.n == KEPT && values.incomplete);
    assert_true(s.time_ms.max == 1000000 && s.time_ms.min == 1000 && s.time_ms.n == N);
    assert_true(s.energy_mj.total == N);
    metric_values_release(&values);
    metric_log_close(&l);
}

/* ---- the seed's comparison script, to the letter ---- */

static const char script[] =
    "import json\n"
    "import glob\n"
    "\n"
    "def compare_models(model_dirs):\n"
    "    for model_name, metrics_dir in model_dirs.items():\n"
    "        files = glob.glob(f\"{metrics_dir}/*.json\")\n"
    "        if files:\n"
    "            with open(files[0], 'r') as f:\n"
    "                data = json.load(f)\n"
    "                summary = data['summary']\n"
    "                \n"
    "                print(f\"\\n{model_name}:\")\n"
    "                print(f\"  Avg Inference Time: {summary['inference_time_ms']['avg']:.2f} "
    "ms\")\n"
    "                print(f\"  Avg Memory Usage: {summary['memory_usage_mb']['avg']:.2f} MB\")\n"
    "                print(f\"  Avg CPU Usage: {summary['cpu_usage_percent']['avg']:.2f}%\")\n"
    "                print(f\"  Total Energy: {summary['energy_consumption_mj']['total']:.2f} "
    "mJ\")\n"
    "\n"
    "compare_models({\n"
    "    \"Phi-3.5-mini\": \"results/phi35\",\n"
    "    \"TinyLlama\": \"results/tinyllama\"\n"
    "})\n";

static void test_seed_script(void **state)
{
    (void)state;
    char command[400], path[200], results[200];
    struct metric_log *l = NULL;
    struct err e;
    struct metric_record r = sample();
    if (system("python3 -c pass 2>/dev/null") != 0)
        skip();
    snprintf(results, sizeof results, "%s/results", dir);
    assert_int_equal(metric_log_open(&l, results, "phi35", "p", NULL, &e), 0);
    for (int i = 0; i < 3; i++)
        add(l, &r);
    save(l);
    metric_log_close(&l);
    assert_int_equal(metric_log_open(&l, results, "tinyllama", "t", NULL, &e), 0);
    r = (struct metric_record){.memory_used_mb = NAN, .cpu_percent_avg = NAN, .energy_mj = NAN};
    add(l, &r);
    save(l);
    metric_log_close(&l);

    snprintf(path, sizeof path, "%s/compare.py", dir);
    assert_int_equal(file_write_atomic(path, span_of(script, sizeof script - 1), &e), 0);
    snprintf(command, sizeof command, "cd '%s' && python3 compare.py", dir);
    FILE *p = popen(command, "r");
    assert_non_null(p);
    char out[2000];
    size_t n = fread(out, 1, sizeof out - 1, p);
    out[n] = '\0';
    assert_int_equal(pclose(p), 0);
    assert_string_equal(out, "\nPhi-3.5-mini:\n  Avg Inference Time: 1234.50 ms\n"
                             "  Avg Memory Usage: 45.67 MB\n  Avg CPU Usage: 78.50%\n"
                             "  Total Energy: 56.25 mJ\n"
                             "\nTinyLlama:\n  Avg Inference Time: 0.00 ms\n"
                             "  Avg Memory Usage: 0.00 MB\n  Avg CPU Usage: 0.00%\n"
                             "  Total Energy: 0.00 mJ\n");
}

/* Killed at any moment: what is there is whole. */
static void test_kill(void **state)
{
    (void)state;
    char folder[200];
    snprintf(folder, sizeof folder, "%s/kill", dir);
    for (int round = 0; round < 20; round++) {
        int ready[2];
        assert_int_equal(pipe(ready), 0);
        pid_t pid = fork();
        if (pid == 0) {
            struct metric_log *l = open_log("kill", "k");
            struct metric_record r = sample();
            for (int i = 0; i < 1000000; i++) {
                metric_log_add(l, &r, NULL);
                if (i % 10 == 0 && write(ready[1], "x", 1) != 1)
                    _exit(1);
            }
            _exit(0);
        }
        close(ready[1]);
        char c;
        for (int i = 0; i <= round % 7; i++)
            assert_int_equal(read(ready[0], &c, 1), 1);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        close(ready[0]);
    }
    DIR *d = opendir(folder);
    assert_non_null(d);
    size_t n = 0;
    for (struct dirent *it; (it = readdir(d));) {
        char path[600];
        struct metric_summary s;
        struct err e = {""};
        if (it->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, it->d_name);
        if (metric_file_read(&s, path, &e) != 0)
            fail_msg("%s", e.text);
        assert_int_equal(s.total_inferences % 10, 0);
        n++;
    }
    closedir(d);
    assert_true(n > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record),      cmocka_unit_test(test_saving),
        cmocka_unit_test(test_summary),     cmocka_unit_test(test_no_nan),
        cmocka_unit_test(test_names),       cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_no_clash),    cmocka_unit_test(test_folder_refused),
        cmocka_unit_test(test_seed_script), cmocka_unit_test(test_kill),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
