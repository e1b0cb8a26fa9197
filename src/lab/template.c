/* SPDX-License-Identifier: MIT */
/* {"case","messages","tools","variables","now","add_generation_prompt"} to {"case","text"}: the
 * chat template of a model or of a file alone. */
#include "lab/lab.h"

#include "lab/lines.h"
#include "model/model.h"

#include <string.h>

enum {
    TEMPLATE_BYTES_MAX = 1 << 20,
    TEXT_BYTES_MAX = LINE_BYTES_MAX,
};

struct renderer {
    const struct template *template, *tool_template;
    struct span bos_token, eos_token; /* of the model; p NULL: undefined */
};

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01 to the given date of the proleptic Gregorian calendar. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    static const int64_t before_month[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t y = year - 1;                                        /* whole years since year 1 */
    int64_t days = 365 * y + y / 4 - y / 100 + y / 400 - 719162; /* 1970-01-01 is day 719162 */
    return days + before_month[month - 1] + (month > 2 && is_leap(year)) + day - 1;
}

static bool digits(const uint8_t *p, size_t n, int64_t *out)
{
    return p[0] != '-' && num_parse_i64(span_of(p, n), out);
}

/* "2025-07-04T12:34:56" as seconds since 1970. */
static bool parse_now(struct span s, int64_t *out)
{
    int64_t year, month, day, hour, minute, second;
    const uint8_t *p = s.p;
    if (s.n != 19 || p[4] != '-' || p[7] != '-' || p[10] != 'T' || p[13] != ':' || p[16] != ':')
        return false;
    if (!digits(p, 4, &year) || !digits(p + 5, 2, &month) || !digits(p + 8, 2, &day) ||
        !digits(p + 11, 2, &hour) || !digits(p + 14, 2, &minute) || !digits(p + 17, 2, &second))
        return false;
    static const int64_t in_month[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1 || month < 1 || month > 12 || day < 1 ||
        day > in_month[month - 1] + (month == 2 && is_leap(year)) || hour > 23 || minute > 59 ||
        second > 59)
        return false;
    *out = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    return true;
}

static int member_of_type(const struct json *in, const char *key, enum json_type type,
                          const struct json **out, struct err *e)
{
    const struct json *v = json_get(in, key);
    *out = NULL;
    if (json_type_of(v) == JSON_NULL)
        return 0;
    if (json_type_of(v) != type)
        return err_set(e, ERR_FORMAT, "%s: %s, expected %s", key, json_type_name(json_type_of(v)),
                       json_type_name(type));
    *out = v;
    return 0;
}

static int read_now(const struct json *in, int64_t *out, struct err *e)
{
    const struct json *v = NULL;
    int rc = member_of_type(in, "now", JSON_STRING, &v, e);
    if (rc)
        return rc;
    if (!v) {
        *out = (int64_t)(clock_utc_us() / 1000000);
        return 0;
    }
    struct span s = json_string(v);
    if (!parse_now(s, out))
        return err_set(e, ERR_FORMAT, "now: '%.*s', expected a date like 2025-07-04T12:34:56",
                       SPAN_FMT(s));
    return 0;
}

static int render(void *ctx, const struct json *in, struct json_writer *w, FILE *out, struct err *e)
{
    (void)out;
    const struct renderer *r = ctx;
    struct template_input input = {.bos_token = r->bos_token, .eos_token = r->eos_token};
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    int rc = member_of_type(in, "messages", JSON_ARRAY, &input.messages, e);
    if (rc == 0 && !input.messages)
        rc = err_set(e, ERR_FORMAT, "messages: absent, expected an array");
    if (rc == 0)
        rc = member_of_type(in, "tools", JSON_ARRAY, &input.tools, e);
    if (rc == 0)
        rc = member_of_type(in, "variables", JSON_OBJECT, &input.variables, e);
    if (rc == 0)
        rc = line_bool(in, "add_generation_prompt", false, &input.add_generation_prompt, e);
    if (rc == 0)
        rc = read_now(in, &input.now_seconds, e);
    if (rc == 0)
        rc = template_render(input.tools ? r->tool_template : r->template, &input, &text, e);
    if (rc == 0)
        rc = buf_check(&text, "text", e);
    if (rc == 0)
        json_put_span(w, "text", buf_view(&text));
    buf_release(&text);
    return rc;
}

static struct span special_text(const struct tokenizer *t, int32_t id)
{
    return t && id >= 0 ? tokenizer_special_text(t, id) : (struct span){NULL, 0};
}

static int render_with_model(const char *path, FILE *in, const char *in_name, FILE *out,
                             struct err *e)
{
    struct model_text *text = NULL;
    int rc = model_text_open(&text, path, e);
    if (rc)
        return rc;
    const struct tokenizer *t = model_text_tokenizer(text);
    struct renderer r = {
        .template = model_text_template(text),
        .tool_template = model_text_tool_template(text),
    };
    const char *trouble = model_text_template_error(text);
    if (t) {
        r.bos_token = special_text(t, tokenizer_bos(t));
        r.eos_token = special_text(t, tokenizer_eos(t));
    }
    if (r.template)
        rc = lines_run(in, in_name, out, render, &r, e);
    else if (trouble)
        rc = err_set(e, ERR_FORMAT, "'%s': %s", path, trouble);
    else
        rc = err_set(e, ERR_NOTFOUND,
                     "'%s': no chat template, expected tokenizer.chat_template in a GGUF file, "
                     "or chat_template.jinja or tokenizer_config.json's chat_template in a folder",
                     path);
    model_text_close(&text);
    return rc;
}

static int render_with_file(const char *path, FILE *in, const char *in_name, FILE *out,
                            struct err *e)
{
    struct template *template = NULL;
    struct buf source;
    buf_init(&source, TEMPLATE_BYTES_MAX);
    int rc = file_read(path, &source, e);
    if (rc == 0) {
        rc = template_open(&template, buf_view(&source), e);
        if (rc)
            err_wrap(e, rc, "'%s'", path);
    }
    buf_release(&source);
    if (rc)
        return rc;
    struct renderer r = {.template = template, .tool_template = template};
    rc = lines_run(in, in_name, out, render, &r, e);
    template_close(&template);
    return rc;
}

int lab_template(const char *model_path, const char *template_path, FILE *in, const char *in_name,
                 FILE *out, struct err *e)
{
    return template_path ? render_with_file(template_path, in, in_name, out, e)
                         : render_with_model(model_path, in, in_name, out, e);
}
