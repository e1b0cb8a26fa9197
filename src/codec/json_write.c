/* SPDX-License-Identifier: MIT */
/* json_write: JSON text into a buf.
 *
 * Owns: commas, indentation, escapes, the form of numbers. A full buf is found by the caller with
 * buf_check; until then writing goes on without effect. */
#include "codec/json_write.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

void json_write_init(struct json_writer *w, struct buf *out, int indent)
{
    *w = (struct json_writer){.out = out, .indent = indent};
    w->first[0] = true;
}

static void new_line(struct json_writer *w)
{
    if (w->indent == 0)
        return;
    buf_char(w->out, '\n');
    for (int i = 0; i < w->depth * w->indent; i++)
        buf_char(w->out, ' ');
}

/* What stands between the last value and the one to come. */
static void begin_value(struct json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->depth == 0)
        return;
    if (!w->first[w->depth])
        buf_char(w->out, ',');
    w->first[w->depth] = false;
    new_line(w);
}

static void begin_container(struct json_writer *w, char open)
{
    begin_value(w);
    assert(w->depth + 1 < JSON_WRITE_DEPTH);
    w->first[++w->depth] = true;
    buf_char(w->out, open);
}

static void end_container(struct json_writer *w, char close)
{
    assert(w->depth > 0 && !w->after_key);
    bool empty = w->first[w->depth--];
    if (!empty)
        new_line(w);
    buf_char(w->out, close);
}

void json_write_object(struct json_writer *w)
{
    begin_container(w, '{');
}

void json_write_object_end(struct json_writer *w)
{
    end_container(w, '}');
}

void json_write_array(struct json_writer *w)
{
    begin_container(w, '[');
}

void json_write_array_end(struct json_writer *w)
{
    end_container(w, ']');
}

void json_write_key(struct json_writer *w, const char *key)
{
    json_write_key_span(w, span_str(key));
}

void json_write_key_span(struct json_writer *w, struct span key)
{
    assert(w->depth > 0 && !w->after_key);
    begin_value(w);
    json_quote(w->out, key);
    buf_str(w->out, w->indent ? ": " : ":");
    w->after_key = true;
}

void json_write_span(struct json_writer *w, struct span utf8)
{
    begin_value(w);
    json_quote(w->out, utf8);
}

void json_write_str(struct json_writer *w, const char *s)
{
    if (s)
        json_write_span(w, span_str(s));
    else
        json_write_null(w);
}

void json_write_int(struct json_writer *w, int64_t v)
{
    begin_value(w);
    buf_printf(w->out, "%" PRId64, v);
}

void json_write_u64(struct json_writer *w, uint64_t v)
{
    begin_value(w);
    buf_printf(w->out, "%" PRIu64, v);
}

void json_write_f64(struct json_writer *w, double v)
{
    if (!isfinite(v)) {
        json_write_null(w);
        return;
    }
    begin_value(w);
    char text[NUM_F64_SIZE];
    size_t n = num_format_f64(v, text);
    buf_put(w->out, text, n);
}

/* "1.500" becomes "1.5" and "-0.00" becomes "0"; the locale's decimal point, which may have several
 * bytes, becomes one '.'. Works in place. */
static size_t tidy(char *text, size_t n)
{
    size_t to = 0;
    bool point = false;
    for (size_t i = 0; i < n; i++) {
        bool digit = (text[i] >= '0' && text[i] <= '9') || text[i] == '-';
        if (digit)
            text[to++] = text[i];
        else if (!point)
            text[to++] = '.';
        point = point || !digit;
    }
    while (point && text[to - 1] == '0')
        to--;
    if (point && text[to - 1] == '.')
        to--;
    if (to == 2 && text[0] == '-' && text[1] == '0') {
        text[0] = '0';
        to = 1;
    }
    return to;
}

void json_write_fixed(struct json_writer *w, double v, int decimals)
{
    assert(decimals >= 0 && decimals <= 15);
    if (!isfinite(v) || fabs(v) >= 1e15) { /* beyond: hardly a decimal left, and a reader would
                                              take it for an integer that may be too big */
        json_write_f64(w, v);
        return;
    }
    begin_value(w);
    char text[64]; /* a sign, 16 digits, a point of at most 16 bytes, 15 decimals */
    int n = snprintf(text, sizeof text, "%.*f", decimals, v);
    assert(n > 0 && (size_t)n < sizeof text);
    buf_put(w->out, text, tidy(text, (size_t)n));
}

void json_write_bool(struct json_writer *w, bool v)
{
    begin_value(w);
    buf_str(w->out, v ? "true" : "false");
}

void json_write_null(struct json_writer *w)
{
    begin_value(w);
    buf_str(w->out, "null");
}

void json_write_raw(struct json_writer *w, struct span json)
{
    begin_value(w);
    buf_span(w->out, json);
}

void json_write_value(struct json_writer *w, const struct json *v)
{
    switch (json_type_of(v)) {
    case JSON_NULL:
        json_write_null(w);
        break;
    case JSON_BOOL:
        json_write_bool(w, json_bool(v));
        break;
    case JSON_INT:
        json_write_int(w, json_int(v));
        break;
    case JSON_REAL:
        json_write_f64(w, json_number(v));
        break;
    case JSON_STRING:
        json_write_span(w, json_string(v));
        break;
    case JSON_ARRAY:
        json_write_array(w);
        for (size_t i = 0; i < json_size(v); i++)
            json_write_value(w, json_at(v, i));
        json_write_array_end(w);
        break;
    case JSON_OBJECT:
        json_write_object(w);
        for (void *it = json_first(v); it; it = json_next(v, it)) {
            json_write_key(w, json_key(it));
            json_write_value(w, json_value(it));
        }
        json_write_object_end(w);
        break;
    }
}

static const char *short_escape(uint8_t ch)
{
    switch (ch) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        return NULL;
    }
}

void json_quote(struct buf *out, struct span utf8)
{
    buf_char(out, '"');
    size_t plain = 0; /* first byte that is not written yet */
    for (size_t i = 0; i < utf8.n;) {
        uint8_t ch = utf8.p[i];
        uint32_t cp;
        size_t n = ch < 0x80 ? 1 : utf8_decode(span_sub(utf8, i, 4), &cp);
        if (n > 0 && ch >= 0x20 && ch != '"' && ch != '\\') {
            i += n;
            continue;
        }
        buf_span(out, span_sub(utf8, plain, i - plain));
        if (n == 0)
            buf_str(out, "\xef\xbf\xbd");
        else if (short_escape(ch))
            buf_str(out, short_escape(ch));
        else
            buf_printf(out, "\\u%04x", ch);
        plain = ++i;
    }
    buf_span(out, span_sub(utf8, plain, utf8.n - plain));
    buf_char(out, '"');
}
