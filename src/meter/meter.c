/* SPDX-License-Identifier: MIT */
/* One span at a time: meter_begin reads the counters, a thread samples while the span is open,
 * meter_end reads them again. The thread sleeps between spans; it is there from the start so that a
 * span does not pay for its birth. */
#include "meter/meter.h"

#include "meter/energy.h"
#include "meter/probes.h"
#include "meter/span_cpu.h"
#include "meter/sysfile.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

/* The contract: one sample every 50 ms. A RAPL counter wraps after minutes, so that a sample can
 * never miss one. */
static const uint64_t period_ns = 50000000;

struct meter {
    /* Set by meter_open, then only read. */
    struct cpu_limits cpus;
    struct memory_probe memory;
    struct file_group frequencies, zones;
    enum energy_source source;
    pthread_t thread;

    pthread_mutex_t lock; /* all below */
    pthread_cond_t wake;  /* on CLOCK_MONOTONIC: open or closing has changed */
    bool open, closing;
    uint64_t next_ns; /* of the next sample */
    struct span_cpu cpu;
    struct energy energy;
    struct throttle_probe throttle;
    uint64_t start_private, peak_private;
};

/* Called with the lock held. */
static void sample(struct meter *m)
{
    struct memory_now memory;
    uint64_t now_ns = clock_mono_ns();
    span_cpu_sample(&m->cpu, now_ns, clock_cpu_ns());
    energy_tick(&m->energy, now_ns);
    memory_read(&m->memory, &memory);
    if (memory.private_bytes > m->peak_private)
        m->peak_private = memory.private_bytes;
}

static void *sampler(void *arg)
{
    struct meter *m = arg;
    pthread_mutex_lock(&m->lock);
    while (!m->closing) {
        if (!m->open) {
            pthread_cond_wait(&m->wake, &m->lock);
        } else if (clock_mono_ns() < m->next_ns) {
            cond_wait_until(&m->wake, &m->lock, m->next_ns);
        } else {
            sample(m);
            /* On the beat of the span's begin; a beat that was slept through is not made up for. */
            uint64_t late = clock_mono_ns() - m->next_ns;
            m->next_ns += (late / period_ns + 1) * period_ns;
        }
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

/* Signals are for the program's own threads. */
static int start_sampler(struct meter *m, struct err *e)
{
    sigset_t all, before;
    pthread_mutex_init(&m->lock, NULL);
    cond_init(&m->wake);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&m->thread, NULL, sampler, m);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed)
        return 0;
    pthread_cond_destroy(&m->wake);
    pthread_mutex_destroy(&m->lock);
    return err_errno(e, failed, "cannot start the meter's thread");
}

static void release(struct meter *m)
{
    energy_close(&m->energy);
    memory_close(&m->memory);
    throttle_close(&m->throttle);
    file_group_close(&m->frequencies);
    file_group_close(&m->zones);
    free(m);
}

static int check_root(const char *root, struct err *e)
{
    struct stat st;
    if (stat(root, &st) != 0)
        return err_set(e, ERR_USAGE, "WATTLE_SYSROOT '%s': %s, expected a folder", root,
                       strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return err_set(e, ERR_USAGE, "WATTLE_SYSROOT '%s': not a folder", root);
    return 0;
}

int meter_open(struct meter **out, const struct meter_options *o, struct err *e)
{
    int r = check_root(o->sysroot, e);
    if (r)
        return r;
    struct meter *m = calloc(1, sizeof *m);
    size_t n = strlen(o->sysroot);
    while (n > 0 && o->sysroot[n - 1] == '/')
        n--;
    char *root = sysfile_path("%.*s", (int)n, o->sysroot);
    if (!m || !root) {
        r = err_set(e, ERR_NOMEM, "no memory for the meter");
        goto done;
    }
    cpu_limits_read(&m->cpus, o->sysroot);
    if ((r = memory_open(&m->memory, root, e)) < 0 ||
        (r = energy_open(&m->energy, root, o->idle_w, o->max_w, o->board, e)) < 0)
        goto done;
    throttle_open(&m->throttle, root);
    frequency_open(&m->frequencies, root);
    temperature_open(&m->zones, root);
    m->source = m->energy.source;
    r = start_sampler(m, e);
done:
    free(root);
    if (r < 0 && m)
        release(m);
    else if (r == 0)
        *out = m;
    return r;
}

void meter_close(struct meter **m)
{
    if (!*m)
        return;
    pthread_mutex_lock(&(*m)->lock);
    (*m)->closing = true;
    pthread_cond_signal(&(*m)->wake);
    pthread_mutex_unlock(&(*m)->lock);
    pthread_join((*m)->thread, NULL);
    pthread_cond_destroy(&(*m)->wake);
    pthread_mutex_destroy(&(*m)->lock);
    release(*m);
    *m = NULL;
}

enum energy_source meter_energy_source(const struct meter *m)
{
    return m->source;
}

const struct cpu_limits *meter_cpus(const struct meter *m)
{
    return &m->cpus;
}

void meter_begin(struct meter *m)
{
    struct memory_now memory;
    pthread_mutex_lock(&m->lock);
    assert(!m->open);
    memory_read(&m->memory, &memory);
    m->start_private = m->peak_private = memory.private_bytes;
    throttle_begin(&m->throttle);
    /* One time for all, so that the estimate's formula holds to the last digit. */
    uint64_t now_ns = clock_mono_ns();
    energy_begin(&m->energy, now_ns);
    span_cpu_begin(&m->cpu, now_ns, clock_cpu_ns(), m->cpus.usable);
    m->next_ns = now_ns + period_ns;
    m->open = true;
    pthread_cond_signal(&m->wake);
    pthread_mutex_unlock(&m->lock);
}

void meter_end(struct meter *m, struct meter_sample *out)
{
    struct memory_now memory;
    struct meter_sample s = {0};
    pthread_mutex_lock(&m->lock);
    assert(m->open);
    m->open = false;
    uint64_t now_ns = clock_mono_ns();
    span_cpu_sample(&m->cpu, now_ns, clock_cpu_ns());
    s.seconds = (double)(now_ns - m->cpu.start_ns) / 1e9;
    s.cpu_percent_avg = span_cpu_average(&m->cpu);
    s.cpu_percent_samples = m->cpu.samples;
    s.cpu_percent_max = m->cpu.max_percent;
    s.energy_source = energy_end(&m->energy, now_ns, s.cpu_percent_avg / 100, &s.energy_j);
    memory_read(&m->memory, &memory);
    s.rss_bytes = memory.rss_bytes;
    s.private_bytes = memory.private_bytes;
    s.shared_bytes = memory.shared_bytes;
    if (memory.private_bytes > m->peak_private)
        m->peak_private = memory.private_bytes;
    s.peak_growth_bytes = m->peak_private - m->start_private;
    s.throttled_ms = throttle_end(&m->throttle);
    pthread_mutex_unlock(&m->lock);
    s.frequency_mhz = frequency_mhz(&m->frequencies);
    s.temperature_c = temperature_c(&m->zones);
    *out = s;
}
