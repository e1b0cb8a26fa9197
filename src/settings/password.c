/* SPDX-License-Identifier: MIT */
/* The broker's password, out of its own setting or the file that another names. */
#include "settings/settings.h"

#include <string.h>

int settings_mqtt_password(const struct settings *s, struct buf *out, struct err *e)
{
    const char *file = settings_text(s, SET_MQTT_PASSWORD_FILE);
    buf_clear(out);
    if (!file[0]) {
        buf_str(out, settings_text(s, SET_MQTT_PASSWORD));
        return buf_check(out, "MQTT_PASSWORD", e);
    }
    int rc = file_read(file, out, e);
    if (rc)
        return err_wrap(e, rc, "MQTT_PASSWORD_FILE");
    /* Editors and echo end a file with a newline, which nobody means. */
    size_t n = out->n;
    while (n && (out->p[n - 1] == '\n' || out->p[n - 1] == '\r'))
        n--;
    buf_truncate(out, n);
    if (n && memchr(out->p, '\0', n))
        return err_set(e, ERR_USAGE, "MQTT_PASSWORD_FILE '%s': holds a NUL byte", file);
    return 0;
}
