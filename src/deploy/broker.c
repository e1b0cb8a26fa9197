/* SPDX-License-Identifier: MIT */
#include "deploy/broker.h"

bool broker_needs_script(const struct plan *p, bool own_port)
{
    return p->broker_password || (own_port && strcmp(p->port, "1883") != 0);
}

static const char *port_of(const struct plan *p, bool own_port)
{
    return own_port ? p->port : "1883";
}

void broker_script(struct buf *out, const struct plan *p, bool own_port)
{
    buf_str(out, "set -eu\n"
                 "umask 077\n");
    if (p->broker_password)
        buf_str(out, "[ -z \"${MQTT_PASSWORD_FILE:-}\" ] || "
                     "MQTT_PASSWORD=$(cat \"$MQTT_PASSWORD_FILE\")\n"
                     "mosquitto_passwd -c -b /tmp/passwd \"$MQTT_USERNAME\" \"$MQTT_PASSWORD\"\n");
    buf_printf(out,
               "printf '%%s\\n' 'listener %s' 'allow_anonymous %s' \\\n"
               "  'persistence true' 'persistence_location " PLAN_BROKER_DATA "/' \\\n"
               "  'autosave_interval 60' 'connection_messages false' 'log_dest stdout' \\\n"
               "  'log_type error' 'log_type warning' 'log_type notice'%s > /tmp/mosquitto.conf\n"
               "exec mosquitto -c /tmp/mosquitto.conf",
               port_of(p, own_port), p->broker_password ? "false" : "true",
               p->broker_password ? " \\\n  'password_file /tmp/passwd'" : "");
}

void broker_check(struct buf *out, const struct plan *p, bool own_port)
{
    if (p->broker_password)
        buf_str(out, "[ -z \"${MQTT_PASSWORD_FILE:-}\" ] || "
                     "MQTT_PASSWORD=$(cat \"$MQTT_PASSWORD_FILE\"); ");
    buf_printf(out, "exec mosquitto_sub -p %s -C 1 -W 4 -t '$SYS/broker/version'",
               port_of(p, own_port));
    if (p->broker_password)
        buf_str(out, " -u \"$MQTT_USERNAME\" -P \"$MQTT_PASSWORD\"");
}

bool broker_takes(const struct plan *p, const struct variable *v)
{
    return p->broker_password && (v->id == SET_MQTT_USERNAME || v->id == SET_MQTT_PASSWORD ||
                                  v->id == SET_MQTT_PASSWORD_FILE);
}
