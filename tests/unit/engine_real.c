/* SPDX-License-Identifier: MIT */
/* Whole requests on the real SmolLM2-135M-Instruct: the same answer whatever the threads, machine
 * code, company and cache; stops, limits, cancelling. Skipped where the model is absent. */
#include <wattle.h>

#include "base/base.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SKIPPED = 77 };

static char path[4096];
static struct wattle_model *shared; /* two threads, best code */

#define SYSTEM "You watch sensors. Answer in one short sentence."
static const char *const readings[] = {
    "temp 22.7 C, humidity 51 %, co 0.0049. Is the room fine?",
    "temp 41.2 C, humidity 20 %, smoke 0.09. Is the room fine?",
    "temp 3.1 C, humidity 77 %, light on. Is the room fine?",
    "motion seen, light off. Who is there?",
};

static struct wattle_model *open_model(int threads, const char *isa)
{
    struct wattle_model *m = NULL;
    struct wattle_model_options o = {.path = path, .threads = threads, .context = 512, .isa = isa};
    char error[512];
    if (wattle_model_open(&m, &o, error, sizeof error))
        fail_msg("%s", error);
    return m;
}

static int set_up(void **state)
{
    (void)state;
    shared = open_model(2, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    wattle_model_close(&shared);
    return 0;
}

struct ask {
    struct wattle_message messages[2];
    struct wattle_request request;
};

/* Greedy, at most n tokens. */
static void ask_init(struct ask *a, const char *reading, int32_t n)
{
    *a = (struct ask){.messages = {{"system", SYSTEM}, {"user", reading}}};
    wattle_request_init(&a->request);
    a->request.messages = a->messages;
    a->request.n_messages = 2;
    a->request.sampling.temperature = 0;
    a->request.max_new_tokens = n;
}

static void answer(struct wattle_model *m, const struct ask *a, struct wattle_result *r)
{
    char error[512];
    if (wattle_generate(m, &a->request, r, error, sizeof error))
        fail_msg("%s", error);
    assert_int_equal(r->text_bytes, strlen(r->text));
    assert_true(utf8_valid(span_str(r->text)));
    assert_int_equal(r->text_characters, utf8_length(span_str(r->text)));
}

static void test_threads_and_machine_code(void **state)
{
    (void)state;
    static const struct {
        int threads;
        const char *isa;
    } kinds[] = {{1, NULL}, {2, NULL}, {3, NULL}, {2, "c"}};
    struct wattle_result first, r;
    struct ask a;
    ask_init(&a, readings[0], 12);
    answer(shared, &a, &first);
    assert_true(first.text_bytes > 10);
    print_message("'%s'\n", first.text);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct wattle_model *m = open_model(kinds[i].threads, kinds[i].isa);
        struct wattle_model_info info;
        wattle_model_info(m, &info);
        assert_int_equal(info.threads, kinds[i].threads);
        if (kinds[i].isa)
            assert_string_equal(info.isa, kinds[i].isa);
        answer(m, &a, &r);
        assert_string_equal(r.text, first.text);
        wattle_result_release(&r);
        wattle_model_close(&m);
    }
    wattle_result_release(&first);
}

/* Each answer with what earlier requests left equals the one of a model that is fresh. */
static void test_reuse_changes_nothing(void **state)
{
    (void)state;
    for (int warm = 0; warm < 2; warm++) {
        struct wattle_model *m = open_model(2, NULL);
        for (size_t i = 0; i < 3; i++) {
            struct wattle_result fresh_r, r;
            struct ask a;
            ask_init(&a, readings[i], 10);
            if (warm) {
                a.request.sampling.temperature = 0.9F;
                a.request.sampling.repetition_penalty = 1.2F;
                a.request.seed = 40 + i;
            }
            struct wattle_model *fresh = open_model(2, NULL);
            answer(fresh, &a, &fresh_r);
            wattle_model_close(&fresh);
            for (int twice = 0; twice < 2; twice++) {
                answer(m, &a, &r);
                assert_string_equal(r.text, fresh_r.text);
                assert_int_equal(fresh_r.usage.cached_tokens, 0);
                if (twice)
                    assert_int_equal(r.usage.cached_tokens, r.usage.prompt_tokens - 1);
                else if (i > 0)
                    assert_true(r.usage.cached_tokens > 10);
                else
                    assert_int_equal(r.usage.cached_tokens, 0);
                assert_true(r.usage.multiply_adds <= fresh_r.usage.multiply_adds);
                wattle_result_release(&r);
            }
            wattle_result_release(&fresh_r);
        }
        wattle_model_close(&m);
    }
}

static void collect(void *context, const char *text, size_t bytes)
{
    assert_true(bytes > 0 && utf8_valid(span_of(text, bytes)));
    buf_put(context, text, bytes);
}

static void test_stop_text(void **state)
{
    (void)state;
    struct ask a;
    struct wattle_result whole, r;
    struct buf given;
    ask_init(&a, readings[1], 16);
    answer(shared, &a, &whole);
    assert_true(whole.text_characters > 12);
    char stop[8] = "";
    memcpy(stop, whole.text + 7, 4); /* ASCII here, and likely across tokens */
    const char *stops[] = {"never said", stop};
    buf_init(&given, 65536);
    a.request.stop = stops;
    a.request.n_stop = 2;
    a.request.on_text = collect;
    a.request.context = &given;
    answer(shared, &a, &r);
    const char *hit = strstr(whole.text, stop);
    assert_int_equal(r.text_bytes, hit - whole.text);
    assert_memory_equal(r.text, whole.text, r.text_bytes);
    assert_string_equal(buf_cstr(&given), r.text);
    assert_int_equal(r.finish, WATTLE_FINISH_STOP);
    assert_true(r.usage.completion_tokens < whole.usage.completion_tokens);
    buf_release(&given);
    wattle_result_release(&r);
    wattle_result_release(&whole);
}

static void test_lengths(void **state)
{
    (void)state;
    struct ask a;
    struct wattle_result r;
    char error[512];
    int32_t n = 0;
    ask_init(&a, readings[0], 0);
    assert_int_equal(wattle_count_tokens(shared, &a.request, &n, error, sizeof error), 0);
    a.request.max_length = n + 3;
    answer(shared, &a, &r);
    assert_int_equal(r.finish, WATTLE_FINISH_LENGTH);
    assert_int_equal(r.usage.prompt_tokens, n);
    assert_int_equal(r.usage.completion_tokens, 3);
    wattle_result_release(&r);

    char want[128];
    for (int32_t less = 0; less < 2; less++) {
        a.request.max_length = n - less;
        r.text = error;
        assert_int_equal(wattle_generate(shared, &a.request, &r, error, sizeof error),
                         WATTLE_ELIMIT);
        assert_null(r.text);
        snprintf(want, sizeof want, "prompt has %d tokens, max_length is %d%s", n, n - less,
                 less ? "" : ": no room for an answer");
        assert_string_equal(error, want);
    }

    /* Longer than the model was opened for. */
    struct buf text;
    buf_init(&text, 65536);
    for (int i = 0; i < 600; i++)
        buf_str(&text, "warm ");
    a.messages[1].content = buf_cstr(&text);
    a.request.max_length = 0;
    assert_int_equal(wattle_generate(shared, &a.request, &r, error, sizeof error), WATTLE_ELIMIT);
    assert_non_null(strstr(error, "the context is 512"));

    /* Cut anywhere, still terminated. */
    char tiny[8];
    assert_int_equal(wattle_generate(shared, &a.request, &r, tiny, sizeof tiny), WATTLE_ELIMIT);
    assert_string_equal(tiny, "prompt ");
    assert_int_equal(wattle_generate(shared, &a.request, &r, NULL, 0), WATTLE_ELIMIT);
    buf_release(&text);
}

static void test_end_token(void **state)
{
    (void)state;
    struct wattle_request q;
    struct wattle_result r;
    char error[512];
    wattle_request_init(&q);
    q.prompt = "<|im_start|>user\nSay yes.<|im_end|>\n<|im_start|>assistant\nYes.";
    q.sampling.temperature = 0;
    if (wattle_generate(shared, &q, &r, error, sizeof error))
        fail_msg("%s", error);
    assert_int_equal(r.finish, WATTLE_FINISH_STOP);
    assert_null(strstr(r.text, "<|im_end|>"));
    wattle_result_release(&r);
}

static void test_usage(void **state)
{
    (void)state;
    struct ask a;
    struct wattle_result r;
    struct wattle_model_info info;
    wattle_model_info(shared, &info);
    assert_true(info.parameters > 130000000 && info.parameters < 140000000);
    assert_true(info.has_template);
    ask_init(&a, readings[3], 5);
    answer(shared, &a, &r);
    const struct wattle_usage *u = &r.usage;
    uint64_t computed = (uint64_t)(u->prompt_tokens - u->cached_tokens + u->completion_tokens - 1);
    /* A token meets each weight of the layers once; embedding and head are shared here. */
    assert_true(u->multiply_adds > computed * 100000000);
    assert_true(u->multiply_adds < computed * 200000000);
    assert_true(u->bytes_read > 5 * 90000000ULL);
    assert_int_equal(u->kv_bytes, (uint64_t)(u->prompt_tokens + u->completion_tokens - 1) *
                                      (info.kv_bytes / (uint64_t)info.context));
    assert_true(u->scratch_bytes > (uint64_t)info.vocabulary * 4);
    assert_int_equal(u->threads, 2);
    assert_true(u->first_token_ns >= u->prefill_ns && u->first_token_ns <= u->total_ns);
    assert_int_equal(u->prefill_ns + u->decode_ns, u->total_ns);
    assert_true(r.prompt_characters > strlen(SYSTEM) + strlen(readings[3]));
    wattle_result_release(&r);
}

struct patience {
    int left; /* questions that are still answered with yes */
    int asked;
};

static bool until_patience_ends(void *context)
{
    struct patience *p = context;
    p->asked++;
    return p->left-- > 0;
}

static void test_cancelling(void **state)
{
    (void)state;
    struct ask a;
    struct wattle_result r, before, after;
    struct patience p = {1 << 30, 0};
    ask_init(&a, readings[2], 6);
    answer(shared, &a, &before);
    a.request.keep_going = until_patience_ends;
    a.request.context = &p;
    /* The same text, so that the reference has nothing to prefill but the last token. */
    answer(shared, &a, &after);
    assert_string_equal(after.text, before.text);
    wattle_result_release(&after);
    int all = p.asked;
    assert_true(all >= 6);
    for (int n = 0; n < all; n += 1 + all / 9) {
        char error[512] = "";
        p = (struct patience){n, 0};
        r.text = error;
        assert_int_equal(wattle_generate(shared, &a.request, &r, error, sizeof error),
                         WATTLE_ECANCELLED);
        assert_null(r.text);
        assert_int_equal(p.asked, n + 1);
        p = (struct patience){1 << 30, 0};
        answer(shared, &a, &after);
        assert_string_equal(after.text, before.text);
        wattle_result_release(&after);
    }
    wattle_result_release(&before);
}

/* ---- several threads ---- */

enum { CALLERS = 4, ROUNDS = 2 };

struct caller {
    pthread_t thread;
    const char *reading;
    char text[1024];
    bool right;
    uint64_t queue_ns;
};

static void *call(void *context)
{
    struct caller *c = context;
    c->right = true;
    for (int i = 0; i < ROUNDS; i++) {
        struct ask a;
        struct wattle_result r;
        ask_init(&a, c->reading, 6);
        if (wattle_generate(shared, &a.request, &r, NULL, 0) || strcmp(r.text, c->text) != 0)
            c->right = false;
        c->queue_ns += r.usage.queue_ns;
        wattle_result_release(&r);
    }
    return NULL;
}

static void test_company(void **state)
{
    (void)state;
    struct caller callers[CALLERS] = {{.reading = NULL}};
    for (int i = 0; i < CALLERS; i++) {
        struct ask a;
        struct wattle_result r;
        callers[i].reading = readings[i];
        ask_init(&a, readings[i], 6);
        answer(shared, &a, &r);
        snprintf(callers[i].text, sizeof callers[i].text, "%s", r.text);
        wattle_result_release(&r);
    }
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
    uint64_t waited = 0;
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_true(callers[i].right);
        waited += callers[i].queue_ns;
    }
    assert_true(waited > 0);
}

/* One holds the turn inside on_start until the other has been sent away. */
struct holder {
    atomic_bool began, may_go;
};

static void hold(void *context)
{
    struct holder *h = context;
    atomic_store(&h->began, true);
    while (!atomic_load(&h->may_go))
        sched_yield();
}

static void *call_holding(void *context)
{
    struct ask a;
    struct wattle_result r;
    ask_init(&a, readings[0], 1);
    a.request.on_start = hold;
    a.request.context = context;
    if (wattle_generate(shared, &a.request, &r, NULL, 0) == 0)
        wattle_result_release(&r);
    return NULL;
}

static void test_cancelling_in_the_queue(void **state)
{
    (void)state;
    struct holder h;
    atomic_init(&h.began, false);
    atomic_init(&h.may_go, false);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, call_holding, &h), 0);
    while (!atomic_load(&h.began))
        sched_yield();
    struct ask a;
    struct wattle_result r;
    struct patience p = {2, 0};
    ask_init(&a, readings[1], 1);
    a.request.keep_going = until_patience_ends;
    a.request.context = &p;
    assert_int_equal(wattle_generate(shared, &a.request, &r, NULL, 0), WATTLE_ECANCELLED);
    assert_int_equal(p.asked, 3);
    atomic_store(&h.may_go, true);
    pthread_join(thread, NULL);
}

int main(void)
{
    const char *model = getenv("WATTLE_MODEL"), *source = getenv("WATTLE_SOURCE");
    if (model && model[0])
        snprintf(path, sizeof path, "%s", model);
    else
        snprintf(path, sizeof path, "%s/models/SmolLM2-135M-Instruct.Q4_1.gguf",
                 source ? source : ".");
    FILE *f = fopen(path, "rb");
    if (!f) {
        printf("skipped: no model at '%s'\n", path);
        return SKIPPED;
    }
    fclose(f);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_and_machine_code),
        cmocka_unit_test(test_reuse_changes_nothing),
        cmocka_unit_test(test_stop_text),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_end_token),
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_cancelling),
        cmocka_unit_test(test_company),
        cmocka_unit_test(test_cancelling_in_the_queue),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
