/* SPDX-License-Identifier: MIT */
/* metric_log: the file at every moment, the seed's comparison script, and metric_file_read on what
 * was written. */
#include "metrics_sample.h"

#include <signal.h>
#include <sys/wait.h>

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
        cmocka_unit_test(test_saving), cmocka_unit_test(test_folder_refused),
        cmocka_unit_test(test_many),   cmocka_unit_test(test_seed_script),
        cmocka_unit_test(test_kill),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
