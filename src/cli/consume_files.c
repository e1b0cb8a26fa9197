/* SPDX-License-Identifier: MIT */
/* Owns the layout of consume's files. CSV is that of RFC 4180. A text that a spreadsheet would take
 * for a formula (it begins with = + - @ or a tab) gets a ' in front: whoever can publish must not
 * make somebody's spreadsheet compute. Numbers stay as they are. */
#include "cli/consume_files.h"

#include "codec/codec.h"
#include "metrics/metrics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PAYLOAD_MAX = 16 << 20,
    ROW_MAX = 2 * PAYLOAD_MAX + (1 << 20),
    HEADER_MAX = 4096,
};

/* ---- lines ---- */

struct line_file {
    FILE *f;
    char *path;
    bool empty;
};

static int write_failed(const struct line_file *f, struct err *e)
{
    return err_errno(e, errno, "cannot write '%s'", f->path);
}

int line_file_open(struct line_file **out, const char *path, struct err *e)
{
    struct line_file *f = (struct line_file *)calloc(1, sizeof *f);
    if (!f || !(f->path = strdup(path))) {
        free(f);
        return err_set(e, ERR_NOMEM, "no memory for '%s'", path);
    }
    f->f = fopen(path, "a+e");
    if (!f->f) {
        int rc = err_errno(e, errno, "cannot write '%s'", path);
        line_file_close(&f);
        return rc;
    }
    /* A pipe or a terminal has no end to look at. */
    f->empty = fseek(f->f, -1, SEEK_END) != 0;
    bool torn = !f->empty && fgetc(f->f) != '\n';
    fseek(f->f, 0, SEEK_END);
    if (torn)
        fputc('\n', f->f);
    *out = f;
    return 0;
}

bool line_file_is_empty(const struct line_file *f)
{
    return f->empty;
}

int line_file_write(struct line_file *f, const struct buf *line, struct err *e)
{
    f->empty = false;
    if (fwrite(line->p, 1, line->n, f->f) != line->n || fputc('\n', f->f) == EOF)
        return write_failed(f, e);
    return 0;
}

int line_file_flush(struct line_file *f, struct err *e)
{
    return fflush(f->f) == 0 ? 0 : write_failed(f, e);
}

void line_file_close(struct line_file **fp)
{
    struct line_file *f = *fp;
    if (!f)
        return;
    *fp = NULL;
    if (f->f)
        fclose(f->f);
    free(f->path);
    free(f);
}

/* ---- CSV ---- */

struct table {
    const char *kind, *suffix, *file;
    const char *const *paths; /* columns are named as their last part; ended by NULL */
};

static const char *const telemetry_paths[] = {
    "device_id",   "ts",         "seq",       "data.co", "data.humidity", "data.light", "data.lpg",
    "data.motion", "data.smoke", "data.temp", NULL};
static const char *const analysis_paths[] = {"device_id", "timestamp", "analysis", "telemetry.seq",
                                             NULL};
static const char *const anomaly_paths[] = {
    "device_id", "timestamp", "verdict", "severity", "reason", "source", "ts", "seq", NULL};
static const char *const other_paths[] = {"payload", NULL};

static const struct table tables[] = {
    {"telemetry", "", "telemetry.csv", telemetry_paths},
    {"analysis", "", "analysis.csv", analysis_paths},
    {"anomaly", "", "anomaly.csv", anomaly_paths},
    {"metrics", "", "metrics.csv", metric_field_names},
    {"", "", "other.csv", other_paths},
};
enum { TABLES = sizeof tables / sizeof *tables, OTHER = TABLES - 1 };

struct csv_folder {
    char *path;
    struct line_file *files[TABLES];
};

static void put_field(struct buf *out, struct span text, bool formula_is_text)
{
    bool formula = formula_is_text && text.n && memchr("=+-@\t\r", text.p[0], 6);
    buf_str(out, formula ? "\"'" : "\"");
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"')
            buf_char(out, '"');
        buf_char(out, (char)text.p[i]);
    }
    buf_char(out, '"');
}

static void put_value(struct buf *out, const struct json *v)
{
    struct json_writer w;
    struct buf text;
    enum json_type type = json_type_of(v);
    if (type == JSON_NULL)
        return;
    if (type == JSON_STRING) {
        put_field(out, json_string(v), true);
        return;
    }
    buf_init(&text, PAYLOAD_MAX);
    json_write_init(&w, &text, 0);
    json_write_value(&w, v);
    if (type == JSON_ARRAY || type == JSON_OBJECT)
        put_field(out, buf_view(&text), true);
    else
        buf_append(out, &text);
    buf_release(&text);
}

static const struct json *find(const struct json *object, const char *path)
{
    char first[64];
    const char *dot = strchr(path, '.');
    if (!dot)
        return json_get(object, path);
    snprintf(first, sizeof first, "%.*s", (int)(dot - path), path);
    return json_get(json_get(object, first), dot + 1);
}

static void write_header(struct buf *out, const struct table *t)
{
    buf_str(out, "received,topic");
    for (size_t i = 0; t->paths[i]; i++) {
        const char *dot = strrchr(t->paths[i], '.');
        buf_printf(out, ",%s", dot ? dot + 1 : t->paths[i]);
    }
}

static int open_table(struct csv_folder *c, size_t i, struct err *e)
{
    struct buf path, header;
    buf_init(&path, 8192);
    buf_init(&header, HEADER_MAX);
    buf_printf(&path, "%s/%s", c->path, tables[i].file);
    write_header(&header, &tables[i]);
    int rc = buf_check(&path, "--csv", e);
    if (!rc)
        rc = file_make_dirs(c->path, e);
    if (!rc)
        rc = line_file_open(&c->files[i], buf_cstr(&path), e);
    if (!rc && line_file_is_empty(c->files[i]))
        rc = line_file_write(c->files[i], &header, e);
    buf_release(&path);
    buf_release(&header);
    return rc;
}

static size_t choose_table(struct span kind, struct span suffix, const struct json *doc)
{
    for (size_t i = 0; i < OTHER; i++) {
        if (span_is(kind, tables[i].kind) && span_is(suffix, tables[i].suffix) &&
            json_type_of(doc) == JSON_OBJECT)
            return i;
    }
    return OTHER;
}

static void write_row(struct buf *out, const struct table *t, uint64_t utc_us, const char *topic,
                      struct span payload, const struct json *doc)
{
    char stamp[CLOCK_ISO_SIZE];
    clock_iso(utc_us, stamp);
    buf_printf(out, "%s,", stamp);
    put_field(out, span_str(topic), true);
    if (t == &tables[OTHER]) {
        buf_char(out, ',');
        put_field(out, payload, true);
        return;
    }
    for (size_t i = 0; t->paths[i]; i++) {
        buf_char(out, ',');
        put_value(out, find(doc, t->paths[i]));
    }
}

/* Whether path is a folder that can be written to, or can be made. */
static int check_folder(const char *path, struct err *e)
{
    struct stat st;
    struct buf at;
    int rc = 0;
    buf_init(&at, 8192);
    buf_str(&at, path);
    while (at.n && stat(buf_cstr(&at), &st) != 0 && errno == ENOENT) {
        while (at.n && at.p[at.n - 1] == '/')
            buf_truncate(&at, at.n - 1);
        while (at.n && at.p[at.n - 1] != '/')
            buf_truncate(&at, at.n - 1);
    }
    const char *there = at.n ? buf_cstr(&at) : ".";
    if (at.failed)
        rc = buf_check(&at, "--csv", e);
    else if (stat(there, &st) == 0 && !S_ISDIR(st.st_mode))
        rc = err_set(e, ERR_IO, "--csv '%s': '%s' is not a folder", path, there);
    else if (access(there, W_OK | X_OK) != 0)
        rc = err_errno(e, errno, "--csv '%s'", path);
    buf_release(&at);
    return rc;
}

int csv_folder_open(struct csv_folder **out, const char *path, struct err *e)
{
    struct csv_folder *c = (struct csv_folder *)calloc(1, sizeof *c);
    if (!c || !(c->path = strdup(path))) {
        free(c);
        return err_set(e, ERR_NOMEM, "no memory for '%s'", path);
    }
    int rc = check_folder(path, e);
    if (rc)
        csv_folder_close(&c);
    else
        *out = c;
    return rc;
}

int csv_folder_add(struct csv_folder *c, uint64_t utc_us, const char *topic, struct span kind,
                   struct span suffix, struct span payload, struct err *e)
{
    struct json *doc = NULL;
    struct buf row;
    buf_init(&row, ROW_MAX);
    if (json_parse(&doc, payload, PAYLOAD_MAX, "payload", NULL))
        doc = NULL;
    size_t i = choose_table(kind, suffix, doc);
    int rc = c->files[i] ? 0 : open_table(c, i, e);
    write_row(&row, &tables[i], utc_us, topic, payload, doc);
    if (!rc)
        rc = buf_check(&row, "a row of CSV", e);
    if (!rc)
        rc = line_file_write(c->files[i], &row, e);
    json_close(&doc);
    buf_release(&row);
    return rc;
}

int csv_folder_flush(struct csv_folder *c, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < TABLES; i++)
        rc = c->files[i] ? line_file_flush(c->files[i], e) : 0;
    return rc;
}

void csv_folder_close(struct csv_folder **cp)
{
    struct csv_folder *c = *cp;
    if (!c)
        return;
    *cp = NULL;
    for (size_t i = 0; i < TABLES; i++)
        line_file_close(&c->files[i]);
    free(c->path);
    free(c);
}
