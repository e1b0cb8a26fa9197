/* SPDX-License-Identifier: MIT */
/* The inference thread: results in order, failures recorded, a stop that cancels what runs and what
 * waits. With the real model; skips by name without it. */
#include "fleet/worker.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { JOBS = 4 };

static char folder[64];

struct bench {
    struct loop *loop;
    struct inference_shared shared;
    struct analysis how;
    struct metric_log *log;
    struct worker *worker;
    struct job jobs[JOBS];
    struct job *order[JOBS];
    int done, stop_after;
    bool saved, stopped;
};

static void on_done(void *ctx, struct job *j)
{
    struct bench *b = (struct bench *)ctx;
    assert_false(b->stopped);
    assert_true(j->busy);
    b->order[b->done++] = j;
    if (b->done == b->stop_after)
        worker_stop(b->worker);
}

static void on_exit_save(void *ctx)
{
    struct bench *b = (struct bench *)ctx;
    b->saved = metric_log_save(b->log, NULL) == 0;
}

static void on_stopped(void *ctx)
{
    struct bench *b = (struct bench *)ctx;
    b->stopped = true;
    loop_stop(b->loop);
}

static bool open_bench(struct bench *b)
{
    char path[4096];
    const char *source = getenv("WATTLE_SOURCE"), *model = getenv("WATTLE_MODEL");
    *b = (struct bench){.stop_after = JOBS};
    snprintf(path, sizeof path, "%s/models/SmolLM2-135M-Instruct.Q4_1.gguf", source ? source : ".");
    if (access(model ? model : path, R_OK) != 0) {
        print_message("no model: WATTLE_MODEL or %s\n", path);
        return false;
    }
    struct wattle_model_options o = {.path = model ? model : path, .context = 512};
    struct meter_options m = {.sysroot = "/", .idle_w = 5, .max_w = 15};
    assert_int_equal(wattle_model_open(&b->shared.model, &o, NULL, 0), 0);
    wattle_model_info(b->shared.model, &b->shared.info);
    assert_int_equal(meter_open(&b->shared.meter, &m, NULL), 0);
    assert_int_equal(prompt_open(&b->how.prompt, NULL, NULL), 0);
    wattle_request_init(&b->how.request);
    b->how.request.sampling.temperature = 0;
    b->how.request.max_new_tokens = 3;
    b->shared.model_name = "the model";
    assert_int_equal(metric_log_open(&b->log, folder, "bench", "id", NULL, NULL), 0);
    assert_int_equal(loop_open(&b->loop, NULL), 0);
    struct worker_options w = {&b->shared, b->loop, on_done, on_exit_save, on_stopped, b};
    assert_int_equal(worker_open(&b->worker, &w, NULL), 0);
    for (int i = 0; i < JOBS; i++) {
        struct job *j = &b->jobs[i];
        job_init(j);
        j->device_id = "id";
        j->how = &b->how;
        j->log = b->log;
        j->seq = (uint64_t)i + 1;
        j->due_ns = clock_mono_ns();
        j->reading = (struct reading){.ts = "1594512094", .temp = 21.5, .humidity = 50};
        telemetry_write(&j->telemetry, &j->reading, "id", j->seq);
    }
    return true;
}

static void close_bench(struct bench *b)
{
    worker_close(&b->worker);
    for (int i = 0; i < JOBS; i++)
        job_release(&b->jobs[i]);
    loop_close(&b->loop);
    unlink(metric_log_path(b->log));
    metric_log_close(&b->log);
    analysis_release(&b->how);
    meter_close(&b->shared.meter);
    wattle_model_close(&b->shared.model);
}

static void gives_back_in_order(void **state)
{
    (void)state;
    struct bench b;
    if (!open_bench(&b))
        skip();
    for (int i = 0; i < JOBS; i++)
        worker_add(b.worker, &b.jobs[i]);
    loop_run(b.loop);
    assert_true(b.stopped && b.saved);
    assert_int_equal(b.done, JOBS);
    for (int i = 0; i < JOBS; i++) {
        struct job *j = b.order[i];
        struct json *a = NULL, *m = NULL;
        assert_ptr_equal(j, &b.jobs[i]);
        assert_int_equal(j->outcome, JOB_GOOD);
        assert_int_equal(json_parse(&a, buf_view(&j->analysis), PAYLOAD_MAX, "analysis", NULL), 0);
        assert_int_equal(json_parse(&m, buf_view(&j->metrics), PAYLOAD_MAX, "metrics", NULL), 0);
        assert_true(span_eq(json_string(json_get(a, "analysis")), buf_view(&j->text)));
        assert_int_equal(json_int(json_get(json_get(a, "telemetry"), "seq")), i + 1);
        assert_true(json_number(json_get(m, "inference_time_ms")) > 0);
        assert_true(json_number(json_get(m, "memory_used_mb")) > 0);
        assert_int_equal(json_int(json_get(m, "completion_tokens")), j->tokens);
        /* The later ones waited for the earlier ones. */
        assert_true(i == 0 || json_number(json_get(m, "queue_ms")) > 0);
        json_close(&a);
        json_close(&m);
    }
    assert_int_equal(metric_log_count(b.log), JOBS);
    close_bench(&b);
}

static void cancels_the_rest(void **state)
{
    (void)state;
    struct bench b;
    if (!open_bench(&b))
        skip();
    b.stop_after = 1;
    for (int i = 0; i < JOBS; i++)
        worker_add(b.worker, &b.jobs[i]);
    b.how.request.max_new_tokens = 0; /* the second would go on for long */
    loop_run(b.loop);
    assert_true(b.stopped && b.saved);
    assert_int_equal(b.done, JOBS);
    /* The stop came while the second ran, if not before. */
    for (int i = 2; i < JOBS; i++)
        assert_int_equal(b.order[i]->outcome, JOB_CANCELLED);
    assert_true(metric_log_count(b.log) <= 2);
    close_bench(&b);
}

static void records_a_failure(void **state)
{
    (void)state;
    struct bench b;
    if (!open_bench(&b))
        skip();
    b.how.request.max_length = 8; /* no prompt fits */
    b.stop_after = 1;
    worker_add(b.worker, &b.jobs[0]);
    loop_run(b.loop);
    assert_int_equal(b.jobs[0].outcome, JOB_FAILED);
    assert_true(b.jobs[0].error.text[0]);
    assert_int_equal(b.jobs[0].analysis.n, 0);
    assert_non_null(strstr(buf_cstr(&b.jobs[0].metrics), "\"finish_reason\":\"error\""));
    assert_non_null(strstr(buf_cstr(&b.jobs[0].metrics), "\"inference_time_ms\":null"));
    assert_non_null(strstr(buf_cstr(&b.jobs[0].summary), "\"errors\":1"));
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_in_order),
        cmocka_unit_test(cancels_the_rest),
        cmocka_unit_test(records_a_failure),
    };
    snprintf(folder, sizeof folder, "/tmp/wattle-test-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    char path[128];
    snprintf(path, sizeof path, "%s/bench", folder);
    rmdir(path);
    rmdir(folder);
    return rc;
}
