/* SPDX-License-Identifier: MIT */
/* Names of folders and files of metric_log: safe, and never shared. */
#include "metrics_sample.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_no_clash),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
