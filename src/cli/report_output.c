/* SPDX-License-Identifier: MIT */
#include "cli/report_output.h"

#include <stdio.h>
#include <sys/stat.h>

enum { OUTPUT_BYTES_MAX = 256 << 20 };

static const char *const format_names[] = {"text", "markdown", "json", "csv", "html"};
enum { FORMATS = sizeof format_names / sizeof *format_names };

static enum report_format by_ending(const char *path)
{
    static const struct {
        const char *ending;
        enum report_format format;
    } endings[] = {{".md", REPORT_MARKDOWN},
                   {".json", REPORT_JSON},
                   {".csv", REPORT_CSV},
                   {".html", REPORT_HTML},
                   {".htm", REPORT_HTML}};
    size_t n = strlen(path);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t k = strlen(endings[i].ending);
        if (n > k && strcmp(path + n - k, endings[i].ending) == 0)
            return endings[i].format;
    }
    return REPORT_TEXT;
}

static int format_of(const struct settings *s, enum report_format *out, struct err *e)
{
    const char *name = settings_option_text(s, "format"), *path = settings_option_text(s, "output");
    *out = path ? by_ending(path) : REPORT_TEXT;
    if (settings_option_flag(s, "json"))
        *out = REPORT_JSON;
    if (!name)
        return 0;
    for (size_t i = 0; i < FORMATS; i++)
        if (strcmp(name, format_names[i]) == 0) {
            if (settings_option_flag(s, "json") && i != REPORT_JSON)
                return err_set(e, ERR_USAGE, "--format: '%s' together with --json", name);
            *out = (enum report_format)i;
            return 0;
        }
    return err_set(e, ERR_USAGE, "--format: '%s', expected text, markdown, json, csv or html",
                   name);
}

static int check_free(const struct settings *s, const char *option, struct err *e)
{
    const char *path = settings_option_text(s, option);
    struct stat st;
    if (!path)
        return 0;
    int rc = file_check_replaceable(path, e);
    if (rc)
        return rc;
    if (settings_option_flag(s, "force") || lstat(path, &st) != 0)
        return 0;
    return err_set(e, ERR_USAGE, "--%s: '%s' exists, --force replaces it", option, path);
}

/* The second would replace the first. */
static int check_two(const struct settings *s, struct err *e)
{
    const char *path = settings_option_text(s, "output"), *html = settings_option_text(s, "html");
    if (!path || !html || strcmp(path, html) != 0)
        return 0;
    return err_set(e, ERR_USAGE, "--output and --html: both name '%s', expected two files", path);
}

int report_output_check(const struct settings *s, struct err *e)
{
    enum report_format format;
    int r = format_of(s, &format, e);
    if (r == 0)
        r = check_two(s, e);
    if (r == 0)
        r = check_free(s, "output", e);
    return r == 0 ? check_free(s, "html", e) : r;
}

static int write_file(const char *path, report_writer *write, const void *subject,
                      enum report_format format, struct err *e)
{
    struct buf out;
    buf_init(&out, OUTPUT_BYTES_MAX);
    write(subject, format, &out);
    int r = buf_check(&out, "the report", e);
    if (r == 0 && path)
        r = file_write_atomic(path, buf_view(&out), e);
    else if (r == 0)
        fwrite(out.p, 1, out.n, stdout); /* main tells of a failure */
    buf_release(&out);
    return r;
}

int report_output(const struct settings *s, report_writer *write, const void *subject,
                  struct err *e)
{
    const char *path = settings_option_text(s, "output"), *html = settings_option_text(s, "html");
    enum report_format format;
    int r = report_output_check(s, e);
    if (r == 0)
        r = format_of(s, &format, e);
    if (r == 0)
        r = write_file(path, write, subject, format, e);
    if (r == 0 && html)
        r = write_file(html, write, subject, REPORT_HTML, e);
    return r;
}
