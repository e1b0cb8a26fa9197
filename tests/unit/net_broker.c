/* SPDX-License-Identifier: MIT */
/* The private broker lives as long as we do, and leaves nothing, whatever way we end. */
#include "net/net.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64]; /* TMPDIR of this test */

static int entries(void)
{
    int n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *f; (f = readdir(d));)
        n += f->d_name[0] != '.';
    closedir(d);
    return n;
}

static int dial(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    close(fd);
    return -1;
}

/* CONNECT with an empty client id, clean session; CONNACK with code 0. */
static bool answers(int port)
{
    static const unsigned char hello[] = {0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 0x04, 2, 0, 60, 0, 0};
    unsigned char reply[4] = {0};
    int fd = dial(port);
    if (fd < 0)
        return false;
    bool ok = write(fd, hello, sizeof hello) == sizeof hello &&
              recv(fd, reply, 4, MSG_WAITALL) == 4 && memcmp(reply, "\x20\x02\0\0", 4) == 0;
    close(fd);
    return ok;
}

static void starts_and_stops(void **state)
{
    (void)state;
    struct broker *a = NULL, *b = NULL;
    struct err e = {""};
    if (broker_open(&a, &e) == ERR_NOTFOUND) {
        print_message("%s\n", e.text);
        skip();
    }
    assert_non_null(a);
    assert_int_equal(broker_open(&b, &e), 0); /* two at once */
    assert_int_not_equal(broker_port(a), broker_port(b));
    assert_true(answers(broker_port(a)));
    assert_true(answers(broker_port(b)));
    assert_int_equal(entries(), 2);
    int port = broker_port(a);
    broker_close(&a);
    assert_null(a);
    assert_int_equal(entries(), 1);
    assert_int_equal(dial(port), -1);
    broker_close(&b);
    broker_close(&b);
    assert_int_equal(entries(), 0);
}

static void survives_ctrl_c_and_ends_with_us(void **state)
{
    (void)state;
    int report[2], held[2], port = 0;
    assert_int_equal(pipe(report), 0);
    assert_int_equal(pipe(held), 0);
    pid_t child = fork();
    if (child == 0) {
        struct broker *b = NULL;
        setpgid(0, 0);
        signal(SIGINT, SIG_IGN);
        if (broker_open(&b, NULL))
            _exit(77);
        port = broker_port(b);
        kill(0, SIGINT); /* as a terminal does: the whole group */
        if (!answers(port) || write(report[1], &port, sizeof port) != sizeof port)
            _exit(1);
        pause();
    }
    close(report[1]);
    close(held[1]);
    ssize_t n = read(report[0], &port, sizeof port);
    if (n != sizeof port) {
        int status;
        waitpid(child, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
            skip();
        fail();
    }
    assert_true(answers(port));
    int fd = dial(port);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    /* Nobody else has the write end: the keeper and mosquitto hold no descriptor of ours. */
    struct pollfd p = {.fd = held[0], .events = POLLIN};
    assert_int_equal(poll(&p, 1, 0), 1);
    /* mosquitto's end is the event. */
    char byte;
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
    for (int i = 0; i < 5000 && entries() > 0; i++)
        poll(NULL, 0, 1); /* the keeper removes the folder right after; it is nobody's child */
    assert_int_equal(entries(), 0);
    assert_int_equal(dial(port), -1);
    close(report[0]);
    close(held[0]);
}

/* A signal that ends us at any moment of the start: of folder and broker nothing is left. */
static void leaves_nothing_when_ended_at_its_start(void **state)
{
    (void)state;
    enum { CHILDREN = 100, STEP_US = 30 };
    for (int i = 0; i < CHILDREN; i++) {
        int begun[2];
        char byte = 0;
        assert_int_equal(pipe(begun), 0);
        pid_t child = fork();
        if (child == 0) {
            struct broker *b = NULL;
            if (write(begun[1], &byte, 1) != 1 || broker_open(&b, NULL))
                _exit(77);
            pause();
        }
        assert_int_equal(read(begun[0], &byte, 1), 1);
        close(begun[0]);
        close(begun[1]);
        uint64_t at = clock_mono_ns() + (uint64_t)i * STEP_US * 1000;
        while (clock_mono_ns() < at)
            ;
        kill(child, SIGTERM);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
            skip();
        for (int k = 0; k < 5000 && entries() > 0; k++)
            poll(NULL, 0, 1);
        assert_int_equal(entries(), 0);
    }
}

static void says_what_is_missing(void **state)
{
    (void)state;
    struct broker *b = NULL;
    struct err e = {""};
    setenv("TMPDIR", "/nonexistent/folder", 1);
    int rc = broker_open(&b, &e);
    setenv("TMPDIR", folder, 1);
    assert_null(b);
    assert_int_equal(rc, ERR_NOTFOUND);
    assert_true(strstr(e.text, "TMPDIR") || strstr(e.text, "mosquitto"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_and_stops),
        cmocka_unit_test(survives_ctrl_c_and_ends_with_us),
        cmocka_unit_test(leaves_nothing_when_ended_at_its_start),
        cmocka_unit_test(says_what_is_missing),
    };
    snprintf(folder, sizeof folder, "/tmp/wattle-test-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    setenv("TMPDIR", folder, 1);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return rc;
}
