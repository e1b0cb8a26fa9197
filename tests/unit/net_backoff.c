/* SPDX-License-Identifier: MIT */
/* How long a client of MQTT waits between attempts: twice as long each time up to a bound, of which
 * half is random. The timer that it has set is read, so that no clock decides. */
#include "net/mqtt.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIN_MS = 8, MAX_MS = 40, ATTEMPTS = 36, GROWING = 3 };

struct waits {
    struct loop *l;
    struct mqtt *m;
    size_t n;
    uint64_t ms[ATTEMPTS];
};

static void on_disconnect(void *ctx, const char *reason, bool lasting)
{
    struct waits *w = (struct waits *)ctx;
    (void)reason;
    (void)lasting;
    w->ms[w->n++] = uv_timer_get_due_in(&w->m->timer);
    if (w->n == ATTEMPTS)
        loop_stop(w->l);
}

/* A port of ours on which nobody listens, for as long as *fd is open. */
static int port_of_nobody(int *fd)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    *fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(*fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(getsockname(*fd, (struct sockaddr *)&a, &n), 0);
    return ntohs(a.sin_port);
}

static void wait_out(struct waits *w)
{
    int fd;
    memset(w, 0, sizeof *w);
    assert_int_equal(loop_open(&w->l, NULL), 0);
    const struct mqtt_options o = {.host = "127.0.0.1",
                                   .port = port_of_nobody(&fd),
                                   .client_id = "backoff",
                                   .version = MQTT_VERSION_311,
                                   .queue_max = 4,
                                   .backoff_min_ms = MIN_MS,
                                   .backoff_max_ms = MAX_MS,
                                   .on_disconnect = on_disconnect,
                                   .ctx = w};
    assert_int_equal(mqtt_open(&w->m, w->l, &o, NULL), 0);
    loop_run(w->l);
    mqtt_close(&w->m);
    loop_close(&w->l);
    close(fd);
}

static void grows_to_its_bound(void **state)
{
    (void)state;
    struct waits w;
    wait_out(&w);
    assert_int_equal(w.n, ATTEMPTS);
    static const uint64_t most[GROWING] = {8, 16, 32};
    for (size_t i = 0; i < ATTEMPTS; i++) {
        uint64_t bound = i < GROWING ? most[i] : MAX_MS;
        assert_in_range(w.ms[i], bound / 2, bound);
    }
}

/* At the bound each wait is one of 21: that 33 lie on one side of the middle happens once in 2^32.
 */
static void is_spread(void **state)
{
    (void)state;
    struct waits w;
    size_t low = 0, high = 0;
    wait_out(&w);
    for (size_t i = GROWING; i < ATTEMPTS; i++) {
        low += w.ms[i] < MAX_MS * 3 / 4;
        high += w.ms[i] > MAX_MS * 3 / 4;
    }
    assert_true(low > 0 && high > 0);
    struct waits other;
    wait_out(&other); /* another client, other waits */
    assert_memory_not_equal(w.ms, other.ms, sizeof w.ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_to_its_bound),
        cmocka_unit_test(is_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
