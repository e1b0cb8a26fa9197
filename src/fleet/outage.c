/* SPDX-License-Identifier: MIT */
/* Owns how a broker is reached by the settings, and what is said of it: that it is away, why, that
 * it is back, what it refuses, what waits for it at the end. */
#include "fleet/state.h"

#include <stdio.h>
#include <string.h>

enum { REFUSALS_SAID = 10 };

void fleet_broker_options(struct mqtt_options *o, const struct settings *s,
                          const struct buf *password)
{
    o->host = settings_text(s, SET_MQTT_BROKER);
    o->port = (int)settings_int(s, SET_MQTT_PORT);
    o->username = settings_text(s, SET_MQTT_USERNAME);
    o->password = buf_cstr(password);
    o->ca_file = settings_text(s, SET_MQTT_CA_FILE);
    o->cert_file = settings_text(s, SET_MQTT_CERT_FILE);
    o->key_file = settings_text(s, SET_MQTT_KEY_FILE);
    o->tls = settings_bool(s, SET_MQTT_TLS);
    o->keepalive_s = (int)settings_int(s, SET_MQTT_KEEPALIVE);
    o->version = strcmp(settings_text(s, SET_MQTT_VERSION), "3.1.1") == 0 ? MQTT_VERSION_311
                                                                          : MQTT_VERSION_5;
}

void fleet_device_connected(struct fleet *f, struct device *d)
{
    log_debug("%s: connected to %s:%d", d->name, f->host, f->port);
    f->reached = true;
    f->said_away[0] = '\0';
    if (mqtt_fell_back(d->mqtt) && !f->said_older) {
        log_info("broker %s:%d does not speak MQTT 5: 3.1.1 is spoken", f->host, f->port);
        f->said_older = true;
    }
    if (!d->away)
        return;
    d->away = false;
    if (--f->n_away)
        return;
    log_line(f->outage_said ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, "connected to %s:%d%s", f->host,
             f->port, f->n > 1 ? ", all devices" : " again");
    f->outage_said = false;
}

/* One line an outage and reason, not one a device and attempt; and not one an outage where a broker
 * takes us each time and then does not. A device goes on trying whatever
 * the reason is: it may run where nobody would start it again, and the broker can be mended. A run
 * at a terminal that the broker never took ends at once. */
void fleet_device_away(struct fleet *f, struct device *d, const char *reason, bool lasting)
{
    char note[REPEAT_NOTE_SIZE] = "";
    bool hopeless = lasting && !f->reached && !f->o->single;
    bool news = !hopeless &&
                (f->n_away == 0 || (d == &f->devices[0] && strcmp(reason, f->said_away) != 0)) &&
                repeats_due(&f->said, reason, clock_mono_ns(), note);
    snprintf(f->why_away, sizeof f->why_away, "%s", reason);
    if (news)
        snprintf(f->said_away, sizeof f->said_away, "%s", reason);
    f->outage_said = f->outage_said || news;
    if (!d->away)
        f->n_away++;
    d->away = true;
    /* What the broker publishes for it, if it is the device that is away and not the broker. */
    char topic[TOPIC_SIZE];
    topic_write(topic, f->prefix, "status", d->id, "");
    feed_message(f->o->feed, topic, span_str("offline"));
    if (hopeless && !f->hopeless.text[0]) {
        err_set(&f->hopeless, ERR_IO, "broker %s:%d: %s", f->host, f->port, reason);
        fleet_stop(f, STOP_DONE);
    } else if (!hopeless) {
        log_line(news ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG, "%s: broker %s:%d: %s; trying again%s",
                 d->name, f->host, f->port, reason, note);
    }
}

/* Once a topic, and of a large fleet not of all its topics. */
void fleet_device_refused(struct fleet *f, struct device *d, const char *topic, const char *reason)
{
    bool loud = f->refusals_said < REFUSALS_SAID;
    f->refusals_said++;
    log_line(loud ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG,
             "%s: a message on '%s' cannot be delivered: %s; such are counted as refused and not "
             "sent again",
             d->name, topic, reason);
    if (f->refusals_said == REFUSALS_SAID)
        log_warning("more topics that are refused are logged at level debug");
}

void fleet_say_what_waits(const struct fleet *f, const struct fleet_progress *total)
{
    uint64_t kept = 0;
    for (size_t i = 0; i < f->n; i++)
        kept += f->devices[i].on_disk;
    if (total->waiting > kept)
        log_warning("%llu %s acknowledged by the broker",
                    (unsigned long long)(total->waiting - kept),
                    plural(total->waiting - kept, "message was not", "messages were not"));
    if (kept)
        log_warning("%llu %s sent first at the next "
                    "start",
                    (unsigned long long)kept,
                    plural(kept, "message waits on disk (MQTT_QUEUE_DIR) and is",
                           "messages wait on disk (MQTT_QUEUE_DIR) and are"));
    if (total->refused)
        log_warning("%llu %s by the broker", (unsigned long long)total->refused,
                    plural(total->refused, "message was refused", "messages were refused"));
}
