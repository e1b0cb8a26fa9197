/* SPDX-License-Identifier: MIT */
/* wattle run: the fleet in one process, its progress while it runs, a table of what it did. */
#include "cli/cli.h"

#include "cli/groups.h"
#include "cli/model_input.h"
#include "codec/codec.h"
#include "fleet/fleet.h"
#include "metrics/metrics.h"
#include "serve/serve.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    PATH_BYTES_MAX = 4096,
    JSON_BYTES_MAX = 256 << 20,
    LINE_SIZE = 512,
    PLAIN_EVERY_S = 10,
    COLUMNS_DEFAULT = 80,
};

struct view {
    const char *prefix; /* of topics */
    bool terminal;
    double next_plain_s; /* when the next plain line is due */
    char broker[320];
};

/* ---- progress ---- */

static int columns(void)
{
    struct winsize w;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ? w.ws_col : COLUMNS_DEFAULT;
}

/* Log lines beside a line that is being rewritten: they take its place, and it comes again below
 * them. One write each, since the log comes from several threads. */
static void write_log_over(void *ctx, enum log_level level, const char *line)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    char stamp[CLOCK_ISO_SIZE];
    (void)ctx;
    clock_iso(clock_utc_us(), stamp);
    fprintf(stderr, "\r\033[K%s %s: %s\n", stamp, names[level], line);
}

static enum log_level level_of(const char *name)
{
    return strcmp(name, "debug") == 0     ? LOG_LEVEL_DEBUG
           : strcmp(name, "info") == 0    ? LOG_LEVEL_INFO
           : strcmp(name, "warning") == 0 ? LOG_LEVEL_WARNING
                                          : LOG_LEVEL_ERROR;
}

static void format_progress(char out[LINE_SIZE], const struct fleet_progress *p)
{
    int n = snprintf(out, LINE_SIZE,
                     "%5.0f s  %zu/%zu connected  %llu telemetry  %llu/%llu "
                     "acknowledged",
                     p->elapsed_s, p->connected, p->devices, (unsigned long long)p->sent,
                     (unsigned long long)p->acknowledged, (unsigned long long)p->published);
    if (p->inferences || p->running)
        n += snprintf(out + n, (size_t)(LINE_SIZE - n), "  %llu %s, %llu waiting",
                      (unsigned long long)p->inferences,
                      plural(p->inferences, "inference", "inferences"),
                      (unsigned long long)p->queued);
    if (p->skipped)
        n += snprintf(out + n, (size_t)(LINE_SIZE - n), ", %llu skipped",
                      (unsigned long long)p->skipped);
    if (p->errors)
        n += snprintf(out + n, (size_t)(LINE_SIZE - n), ", %llu failed",
                      (unsigned long long)p->errors);
    if (p->alarms)
        n += snprintf(out + n, (size_t)(LINE_SIZE - n), ", %llu %s", (unsigned long long)p->alarms,
                      plural(p->alarms, "alarm", "alarms"));
    if (p->last_inference_s > 0)
        n += snprintf(out + n, (size_t)(LINE_SIZE - n), ", last %.1f s at %.1f tokens/s",
                      p->last_inference_s, p->last_tokens_per_second);
    if (p->dropped)
        snprintf(out + n, (size_t)(LINE_SIZE - n), "  %llu DROPPED",
                 (unsigned long long)p->dropped);
}

static void on_progress(void *ctx, const struct fleet_progress *p)
{
    struct view *v = (struct view *)ctx;
    char line[LINE_SIZE];
    format_progress(line, p);
    if (v->terminal) {
        fprintf(stderr, "\r\033[K%.*s", columns() - 1, line);
        fflush(stderr);
    } else if (p->elapsed_s >= v->next_plain_s) {
        v->next_plain_s = p->elapsed_s + PLAIN_EVERY_S - 0.5;
        fprintf(stderr, "%s\n", line);
    }
}

static void on_start(void *ctx, const char *broker, bool is_private)
{
    struct view *v = (struct view *)ctx;
    snprintf(v->broker, sizeof v->broker, "%s", broker);
    if (!is_private) {
        fprintf(stderr, "Broker: %s\n", broker);
        return;
    }
    const char *port = strrchr(broker, ':');
    fprintf(stderr,
            "Broker: %s (private, ends with this run)\n"
            "Beside it: mosquitto_sub -h 127.0.0.1 -p %s -t '%s/#' -v\n",
            broker, port ? port + 1 : "", v->prefix);
}

/* ---- the result ---- */

static void print_number(double v, int decimals)
{
    if (v > 0)
        printf("  %10.*f", decimals, v);
    else
        printf("  %10s", "-");
}

/* Counters of which a run that goes well has none: shown where there are some. */
enum rare_counter { RARE_REFUSED, RARE_DROPPED, RARE_RESTORED, RARE_ON_DISK, RARE_ALARMS, RARE_N };
static const char *const rare_names[] = {"refused", "dropped", "restored", "on disk", "alarms"};

static uint64_t rare_value(const struct fleet_device *d, int which)
{
    const uint64_t values[] = {d->refused, d->dropped, d->restored, d->on_disk, d->alarms};
    return values[which];
}

static uint64_t rare_sum(const struct fleet_result *r, int which)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < r->n_devices; i++)
        sum += rare_value(&r->devices[i], which);
    return sum;
}

static void print_device(const struct fleet_device *d, int width, const bool shown[RARE_N])
{
    printf("%-*s  %8llu  %5llu/%-6llu  %10llu  %7llu", width, d->name, (unsigned long long)d->sent,
           (unsigned long long)d->acknowledged, (unsigned long long)d->published,
           (unsigned long long)d->inferences, (unsigned long long)d->skipped);
    print_number(d->avg_ms, 1);
    print_number(d->tokens_per_second, 1);
    print_number(d->energy_j, 1);
    for (int i = 0; i < RARE_N; i++)
        if (shown[i])
            printf("  %8llu", (unsigned long long)rare_value(d, i));
    printf("  %s\n", d->metrics_file[0] ? d->metrics_file : "-");
}

static void print_sums(const struct fleet_result *r)
{
    const struct fleet_progress *t = &r->total;
    uint64_t restored = rare_sum(r, RARE_RESTORED), on_disk = rare_sum(r, RARE_ON_DISK);
    printf("\n%.1f s: %llu %s", t->elapsed_s, (unsigned long long)t->sent,
           plural(t->sent, "telemetry message", "telemetry messages"));
    if (restored)
        printf(", %llu from the queue of an earlier start", (unsigned long long)restored);
    printf("; %llu of %llu %s acknowledged, %llu sent again, %llu dropped",
           (unsigned long long)t->acknowledged, (unsigned long long)t->published,
           plural(t->published, "message", "messages"), (unsigned long long)t->resent,
           (unsigned long long)t->dropped);
    if (t->refused)
        printf(", %llu refused by the broker", (unsigned long long)t->refused);
    if (on_disk)
        printf(", %llu on disk for the next start", (unsigned long long)on_disk);
    printf("; %llu %s, %llu failed, %llu skipped", (unsigned long long)t->inferences,
           plural(t->inferences, "inference", "inferences"), (unsigned long long)t->errors,
           (unsigned long long)t->skipped);
    if (t->watches)
        printf(", %llu %s", (unsigned long long)t->alarms, plural(t->alarms, "alarm", "alarms"));
    if (r->energy_source[0] && t->inferences)
        printf("; energy: %s", r->energy_source);
    printf("\n");
}

static void print_table(const struct fleet_result *r)
{
    bool shown[RARE_N];
    size_t width = strlen("device");
    for (size_t i = 0; i < r->n_devices; i++) {
        size_t n = strlen(r->devices[i].name);
        width = n > width ? n : width;
    }
    printf("%-*s  %8s  %12s  %10s  %7s  %10s  %10s  %10s", (int)width, "device", "sent",
           "acknowledged", "inferences", "skipped", "avg ms", "tokens/s", "energy J");
    for (int i = 0; i < RARE_N; i++) {
        shown[i] = rare_sum(r, i) > 0 || (i == RARE_ALARMS && r->total.watches);
        if (shown[i])
            printf("  %8s", rare_names[i]);
    }
    printf("  metrics file\n");
    for (size_t i = 0; i < r->n_devices; i++)
        print_device(&r->devices[i], (int)width, shown);
    print_sums(r);
}

static void write_device(struct json_writer *w, const struct fleet_device *d)
{
    bool known = d->inferences > d->errors;
    json_write_object(w);
    json_put_text(w, "device_name", d->name);
    json_put_text(w, "device_id", d->id);
    json_put_u64(w, "telemetry_sent", d->sent);
    json_put_u64(w, "published", d->published);
    json_put_u64(w, "acknowledged", d->acknowledged);
    json_put_u64(w, "unacknowledged", d->waiting);
    json_put_u64(w, "dropped", d->dropped);
    json_put_u64(w, "resent", d->resent);
    json_put_u64(w, "refused", d->refused);
    json_put_u64(w, "restored", d->restored);
    json_put_u64(w, "on_disk", d->on_disk);
    json_put_u64(w, "inferences", d->inferences);
    json_put_u64(w, "errors", d->errors);
    json_put_u64(w, "skipped", d->skipped);
    json_put_u64(w, "alarms", d->alarms);
    json_put_fixed(w, "inference_time_ms_avg", known ? d->avg_ms : (double)NAN, 2);
    json_put_fixed(w, "tokens_per_second", known ? d->tokens_per_second : (double)NAN, 2);
    json_put_fixed(w, "energy_consumed_j", known ? d->energy_j : (double)NAN, 4);
    json_put_text(w, "metrics_file", d->metrics_file);
    json_write_object_end(w);
}

static int print_json(const struct fleet_result *r, const struct view *v, struct err *e)
{
    const struct fleet_progress *t = &r->total;
    struct json_writer w;
    struct buf text;
    buf_init(&text, JSON_BYTES_MAX);
    json_write_init(&w, &text, 2);
    json_write_object(&w);
    json_put_fixed(&w, "elapsed_seconds", t->elapsed_s, 3);
    json_put_text(&w, "broker", v->broker);
    json_put_text(&w, "compute_device", r->compute_device);
    json_put_text(&w, "energy_source", r->energy_source);
    json_put_u64(&w, "telemetry_sent", t->sent);
    json_put_u64(&w, "published", t->published);
    json_put_u64(&w, "acknowledged", t->acknowledged);
    json_put_u64(&w, "unacknowledged", t->waiting);
    json_put_u64(&w, "dropped", t->dropped);
    json_put_u64(&w, "resent", t->resent);
    json_put_u64(&w, "refused", t->refused);
    json_put_u64(&w, "restored", rare_sum(r, RARE_RESTORED));
    json_put_u64(&w, "on_disk", rare_sum(r, RARE_ON_DISK));
    json_put_u64(&w, "reconnects", t->reconnects);
    json_put_u64(&w, "inferences", t->inferences);
    json_put_u64(&w, "errors", t->errors);
    json_put_u64(&w, "skipped", t->skipped);
    json_put_u64(&w, "alarms", t->alarms);
    json_put_array(&w, "devices");
    for (size_t i = 0; i < r->n_devices; i++)
        write_device(&w, &r->devices[i]);
    json_write_array_end(&w);
    json_write_object_end(&w);
    int rc = buf_check(&text, "summary", e);
    if (!rc)
        printf("%s\n", buf_cstr(&text));
    buf_release(&text);
    return rc;
}

/* ---- the command ---- */

struct page {
    struct feed *feed;
    struct dashboard *dashboard;
};

static void close_page(struct page *p)
{
    dashboard_close(&p->dashboard);
    feed_close(&p->feed);
}

/* Before the fleet, which may have a large model to load: the page is there from the beginning. */
static int open_page(struct page *p, const struct settings *s, struct fleet_options *o,
                     struct err *e)
{
    struct dashboard_options d = {.settings = s, .source = "run", .store = o->store};
    if (!settings_option_flag(s, "dashboard"))
        return 0;
    int rc = feed_open(&p->feed, FEED_BYTES_MAX, e);
    d.feed = o->feed = p->feed;
    if (!rc)
        rc = dashboard_open(&p->dashboard, &d, e);
    if (!rc)
        fprintf(stderr, "Dashboard: %s\n", dashboard_url(p->dashboard));
    return rc;
}

static int run_fleet(const struct settings *s, struct fleet_options *o, struct err *e)
{
    struct view v = {.prefix = settings_text(s, SET_MQTT_TOPIC_PREFIX),
                     .terminal = isatty(STDERR_FILENO),
                     .next_plain_s = PLAIN_EVERY_S};
    struct fleet_result r = {.n_devices = 0};
    struct page p = {.feed = NULL};
    if (v.terminal)
        log_set_sink(write_log_over, NULL, level_of(settings_text(s, SET_LOG_LEVEL)));
    o->on_start = on_start;
    o->on_progress = on_progress;
    o->ctx = &v;
    int rc = open_page(&p, s, o, e);
    if (!rc)
        rc = fleet_run(o, &r, e);
    close_page(&p);
    if (v.terminal && r.n_devices)
        fprintf(stderr, "\r\033[K");
    if (r.n_devices) { /* also where something could not be kept */
        if (!settings_option_flag(s, "json"))
            print_table(&r);
        else if (print_json(&r, &v, rc ? NULL : e))
            rc = rc ? rc : ERR_LIMIT;
    }
    fleet_result_release(&r);
    return rc;
}

/* What only makes sense together. */
static int check_usage(const struct settings *s, struct err *e)
{
    const char *list = settings_option_text(s, "llm-devices");
    if (settings_any_device(s, SET_ENABLE_LLM))
        return list ? fleet_parse_devices(list, (size_t)settings_option_int(s, "devices"), NULL, e)
                    : 0;
    if (list)
        return err_set(e, ERR_USAGE, "--llm-devices '%s': needs --enable-llm", list);
    if (settings_option_given(s, "inferences"))
        return err_set(e, ERR_USAGE, "--inferences: needs --enable-llm");
    return 0;
}

static int run(const struct settings *s, struct err *e)
{
    struct buf path;
    const char *health = settings_text(s, SET_HEALTH_FILE);
    int rc = check_usage(s, e);
    if (!rc)
        rc = health_begin(health, e); /* before a model is fetched: that may take long */
    if (rc)
        return exit_code_of(rc);
    buf_init(&path, PATH_BYTES_MAX);
    if (settings_any_device(s, SET_ENABLE_LLM) && !settings_text(s, SET_LLM_ENDPOINT)[0])
        rc = model_find(s, settings_text(s, SET_LLM_MODEL_NAME), &path, e);
    struct fleet_options o = {
        .settings = s,
        .n_devices = (size_t)settings_option_int(s, "devices"),
        .llm_devices = settings_option_text(s, "llm-devices"),
        .duration_s =
            settings_option_given(s, "duration") ? settings_option_float(s, "duration") : 0,
        .inferences = settings_option_given(s, "inferences")
                          ? (uint64_t)settings_option_int(s, "inferences")
                          : 0,
        .store = settings_option_text(s, "store"),
        .model_path = buf_cstr(&path),
    };
    if (!rc)
        rc = run_fleet(s, &o, e);
    health_end(health);
    buf_release(&path);
    return exit_code_of(rc);
}

static const struct option options[] = {
    DEVICES_OPTIONS(FLEET_DEVICES_MAX),
    DURATION_OPTION,
    {.name = "inferences",
     .type = OPTION_INT,
     .value = "K",
     .min = 1,
     .max = 1e15,
     .help = "end after so many inferences of all devices together"},
    {.name = "store",
     .type = OPTION_TEXT,
     .value = "FILE",
     .help = "keep every message in this SQLite file"},
    {.name = "dashboard", .type = OPTION_FLAG, .help = "show it live on a web page"},
    {.name = "json", .type = OPTION_FLAG, .help = "print the summary as JSON"},
    {.name = NULL},
};

static const enum setting_id settings[] = {DEVICE_SETTINGS, DASHBOARD_SETTINGS, SET_N};

static const struct command_spec spec = {
    .name = "run",
    .usage = "wattle run [--devices N] [--interval SECONDS | --rate N] [--duration TIME] "
             "[--enable-llm --llm-model MODEL [--llm-devices LIST] [--inferences K]] "
             "[--mqtt-broker HOST] [--store FILE] [--dashboard] [--json]",
    .summary = "a fleet of devices in one process",
    .notes =
        "Each device sends a row of the dataset to iot/telemetry/ID every 1 to 5 seconds and, with "
        "--enable-llm, has every LLM_INFERENCE_INTERVAL-th of them analysed. Without MQTT_BROKER a "
        "private mosquitto is started on a free loopback port, whatever MQTT_PORT says, and ends "
        "with "
        "the run. Progress "
        "and the log go to standard error, the summary to standard output. With more than one "
        "device, 'Sent telemetry' is logged at level debug. Ctrl-C ends the run, a second one at "
        "once. A run of which every inference failed, or no message was ever acknowledged, has "
        "failed.\n\n"
        "  wattle run --devices 3 --enable-llm --llm-model m.gguf --inferences 20",
    .options = options,
    .settings = settings,
    .private_broker = true,
    .many_devices = true,
};

const struct command command_run = {.spec = &spec, .run = run};
