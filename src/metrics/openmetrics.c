/* SPDX-License-Identifier: MIT */
/* Owns the board as OpenMetrics 1.0 text (github.com/OpenObservability/OpenMetrics,
 * specification/OpenMetrics.md): one family after the other, base units in the names, "# EOF" at
 * the end. Label values come from whoever publishes: escaped, valid UTF-8. */
#include "metrics/board.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static void family(struct buf *out, const char *name, const char *type, const char *unit,
                   const char *help)
{
    buf_printf(out, "# TYPE %s %s\n", name, type);
    if (unit)
        buf_printf(out, "# UNIT %s %s\n", name, unit);
    buf_printf(out, "# HELP %s %s\n", name, help);
}

static void label(struct buf *out, const char *key, const char *value)
{
    buf_printf(out, "%s=\"", key);
    for (const char *p = value; *p; p++) {
        if (*p == '\n')
            buf_str(out, "\\n");
        else if (*p == '"' || *p == '\\')
            buf_printf(out, "\\%c", *p);
        else
            buf_char(out, *p);
    }
    buf_char(out, '"');
}

static void number(struct buf *out, double v)
{
    char text[NUM_F64_SIZE];
    buf_char(out, ' ');
    buf_put(out, text, num_format_f64(v, text));
    buf_char(out, '\n');
}

/* name{key="value"} v */
static void sample(struct buf *out, const char *name, const char *key, const char *value, double v)
{
    if (!isfinite(v))
        return;
    buf_str(out, name);
    if (key) {
        buf_char(out, '{');
        label(out, key, value);
        buf_char(out, '}');
    }
    number(out, v);
}

/* ---- devices ---- */

struct count {
    const char *name, *help;
    size_t offset; /* of an uint64_t in struct board_device */
};

static void write_devices(const struct board *b, struct buf *out)
{
    static const struct count counts[] = {
        {"wattle_telemetry_messages", "Telemetry messages seen of a device.",
         offsetof(struct board_device, telemetry)},
        {"wattle_device_inferences", "Inferences measured for a device, failed ones included.",
         offsetof(struct board_device, inferences)},
        {"wattle_device_inference_errors", "Inferences for a device that failed.",
         offsetof(struct board_device, errors)},
        {"wattle_device_anomalies", "Anomalies of a device.",
         offsetof(struct board_device, anomalies)},
    };
    static const char *const gauges[] = {"wattle_temperature_celsius", "wattle_humidity_percent"};
    char total[64];
    family(out, "wattle_device_up", "gauge", NULL, "1: the device says that it is online.");
    for (size_t i = 0; i < b->n_devices; i++)
        if (b->devices[i]->status != 'u')
            sample(out, "wattle_device_up", "device_id", b->devices[i]->id,
                   b->devices[i]->status == 'n');
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        family(out, counts[k].name, "counter", NULL, counts[k].help);
        snprintf(total, sizeof total, "%s_total", counts[k].name);
        for (size_t i = 0; i < b->n_devices; i++) {
            uint64_t n;
            memcpy(&n, (const char *)b->devices[i] + counts[k].offset, sizeof n);
            sample(out, total, "device_id", b->devices[i]->id, (double)n);
        }
    }
    for (size_t k = 0; k < 2; k++) {
        family(out, gauges[k], "gauge", k ? "percent" : "celsius",
               k ? "Last humidity of a device." : "Last temperature of a device.");
        for (size_t i = 0; i < b->n_devices; i++)
            if (b->devices[i]->has_reading)
                sample(out, gauges[k], "device_id", b->devices[i]->id, b->devices[i]->reading[k]);
    }
    family(out, "wattle_last_seen_timestamp_seconds", "gauge", "seconds",
           "When the last message of a device came.");
    for (size_t i = 0; i < b->n_devices; i++)
        if (b->devices[i]->seen_us)
            sample(out, "wattle_last_seen_timestamp_seconds", "device_id", b->devices[i]->id,
                   (double)b->devices[i]->seen_us / 1e6);
}

/* ---- models ---- */

static void write_histogram(const struct board_model *m, struct buf *out)
{
    uint64_t n = 0;
    char bound[NUM_F64_SIZE];
    for (size_t i = 0; i <= BOARD_BUCKETS; i++) {
        n += m->buckets[i];
        buf_str(out, "wattle_inference_seconds_bucket{");
        label(out, "model", m->name);
        if (i < BOARD_BUCKETS) { /* canonical: 1.0, not 1 */
            size_t length = num_format_f64(board_buckets[i], bound);
            bool whole = !memchr(bound, '.', length);
            buf_printf(out, ",le=\"%.*s%s\"}", (int)length, bound, whole ? ".0" : "");
        } else {
            buf_str(out, ",le=\"+Inf\"}");
        }
        number(out, (double)n);
    }
    sample(out, "wattle_inference_seconds_count", "model", m->name, (double)m->timed);
    sample(out, "wattle_inference_seconds_sum", "model", m->name, m->seconds);
}

static void write_models(const struct board *b, struct buf *out)
{
    family(out, "wattle_inference_seconds", "histogram", "seconds", "Time of an inference.");
    for (size_t i = 0; i < b->n_models; i++)
        write_histogram(b->models[i], out);
    family(out, "wattle_inferences", "counter", NULL, "Inferences measured, failed ones included.");
    for (size_t i = 0; i < b->n_models; i++)
        sample(out, "wattle_inferences_total", "model", b->models[i]->name,
               (double)b->models[i]->inferences);
    family(out, "wattle_inference_errors", "counter", NULL, "Inferences that failed.");
    for (size_t i = 0; i < b->n_models; i++)
        sample(out, "wattle_inference_errors_total", "model", b->models[i]->name,
               (double)b->models[i]->errors);
    family(out, "wattle_generated_tokens", "counter", NULL, "Tokens of the answers.");
    for (size_t i = 0; i < b->n_models; i++)
        sample(out, "wattle_generated_tokens_total", "model", b->models[i]->name,
               b->models[i]->tokens);
    family(out, "wattle_inference_energy_joules", "counter", "joules",
           "Energy of all inferences; source says whether it was measured.");
    for (size_t i = 0; i < b->n_models; i++) {
        const struct board_model *m = b->models[i];
        if (!m->n_joules)
            continue;
        buf_str(out, "wattle_inference_energy_joules_total{");
        label(out, "model", m->name);
        buf_char(out, ',');
        label(out, "source", m->energy_source);
        buf_char(out, '}');
        number(out, m->joules);
    }
    family(out, "wattle_inference_memory_bytes", "gauge", "bytes",
           "Mean of what an inference occupied.");
    for (size_t i = 0; i < b->n_models; i++)
        if (b->models[i]->n_memory)
            sample(out, "wattle_inference_memory_bytes", "model", b->models[i]->name,
                   b->models[i]->memory / (double)b->models[i]->n_memory * 1048576);
}

/* ---- the program itself ---- */

/* Second number of /proc/self/statm, pages; 0: unknown. */
static uint64_t resident_pages(void)
{
    struct buf text;
    uint64_t pages = 0;
    buf_init(&text, 4096);
    if (file_read("/proc/self/statm", &text, NULL) == 0) {
        struct span s = buf_view(&text);
        const uint8_t *blank = span_find(s, ' ');
        s = blank ? span_sub(s, (size_t)(blank - s.p) + 1, s.n) : span_of(NULL, 0);
        blank = span_find(s, ' ');
        if (blank)
            num_parse_u64(span_sub(s, 0, (size_t)(blank - s.p)), &pages);
    }
    buf_release(&text);
    return pages;
}

static void write_process(const struct board *b, struct buf *out)
{
    struct rusage u;
    long page = sysconf(_SC_PAGESIZE);
    family(out, "wattle_build", "info", NULL, "The program.");
    buf_str(out, "wattle_build_info{");
    label(out, "version", WATTLE_VERSION);
    buf_char(out, ',');
    label(out, "source", b->source);
    buf_str(out, "} 1\n");
    family(out, "wattle_process_cpu_seconds", "counter", "seconds", "CPU time, user and system.");
    if (getrusage(RUSAGE_SELF, &u) == 0)
        sample(out, "wattle_process_cpu_seconds_total", NULL, NULL,
               (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                   (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
    family(out, "wattle_process_resident_memory_bytes", "gauge", "bytes", "Resident memory.");
    uint64_t pages = resident_pages();
    if (pages && page > 0)
        sample(out, "wattle_process_resident_memory_bytes", NULL, NULL,
               (double)pages * (double)page);
    family(out, "wattle_process_start_time_seconds", "gauge", "seconds",
           "When the dashboard was started.");
    sample(out, "wattle_process_start_time_seconds", NULL, NULL, (double)b->started_us / 1e6);
}

void board_write_metrics(struct board *b, struct buf *out)
{
    pthread_mutex_lock(&b->lock);
    write_process(b, out);
    family(out, "wattle_broker_connected", "gauge", NULL, "1: connected to the broker.");
    sample(out, "wattle_broker_connected", NULL, NULL, b->broker.connected);
    family(out, "wattle_broker_reconnects", "counter", NULL,
           "Connections that had to be made anew.");
    sample(out, "wattle_broker_reconnects_total", NULL, NULL, (double)b->broker.reconnects);
    family(out, "wattle_feed_dropped_events", "counter", NULL,
           "Events that the dashboard was too slow for.");
    sample(out, "wattle_feed_dropped_events_total", NULL, NULL, (double)b->dropped);
    family(out, "wattle_bad_messages", "counter", NULL,
           "Messages that are not what they should be.");
    sample(out, "wattle_bad_messages_total", NULL, NULL, (double)b->bad);
    write_devices(b, out);
    write_models(b, out);
    buf_str(out, "# EOF\n");
    pthread_mutex_unlock(&b->lock);
}
