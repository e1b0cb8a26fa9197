/* SPDX-License-Identifier: MIT */
/* Secrets, out of their own setting or the file that another names. */
#include "settings/settings.h"

#include <string.h>

int settings_secret(const struct settings *s, enum setting_id id, enum setting_id file_id,
                    struct buf *out, struct err *e)
{
    const char *file = settings_text(s, file_id);
    buf_clear(out);
    if (!file[0]) {
        buf_str(out, settings_text(s, id));
        return buf_check(out, settings_env_name(id), e);
    }
    int rc = file_read(file, out, e);
    if (rc) /* what was named is not there: that is wrong usage */
        return err_wrap(e, rc == ERR_NOMEM ? rc : ERR_USAGE, "%s", settings_env_name(file_id));
    /* Editors and echo end a file with a newline, which nobody means. */
    size_t n = out->n;
    while (n && (out->p[n - 1] == '\n' || out->p[n - 1] == '\r'))
        n--;
    buf_truncate(out, n);
    if (span_find(buf_view(out), '\0'))
        return err_set(e, ERR_USAGE, "%s '%s': holds a NUL byte", settings_env_name(file_id), file);
    return 0;
}
