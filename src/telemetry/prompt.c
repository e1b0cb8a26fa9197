/* SPDX-License-Identifier: MIT */
/* The prompt: a system text, the same for every message so that its work can be cached, and a user
 * text that ends in what differs.
 *
 * Owns the built-in texts, the prompt file and its placeholders. A text is split once, at
 * prompt_open, into pieces: plain text and fields. Values go in as they stand; that markup in them
 * stays text is the engine's care. */
#include "telemetry/telemetry.h"

#include <math.h>
#include <stdlib.h>

enum { PROMPT_FILE_MAX = 64 * 1024 };

static const char built_in_system[] =
    "You are a sensor analyst for IoT edge devices. Each message is one reading of one device: "
    "temperature in °C, relative humidity in %, carbon monoxide (CO), liquefied petroleum gas "
    "(LPG) and smoke as gas ratios (ppm-like), and whether light and motion were detected. Answer "
    "in two or three sentences: say whether the readings are normal or unusual, and name the "
    "values that stand out.";

/* What differs comes last, and within it the device before the values. */
static const char built_in_user[] =
    "Analyze this telemetry.\nDevice: {{device_id}}\nReading: {{telemetry}}";
static const char built_in_alarms[] = "\nLimits exceeded: {{alarms}}";

enum prompt_field {
    FIELD_TEXT,
    FIELD_DEVICE_ID,
    FIELD_TELEMETRY,
    FIELD_TEMP,
    FIELD_HUMIDITY,
    FIELD_CO,
    FIELD_LPG,
    FIELD_SMOKE,
    FIELD_LIGHT,
    FIELD_MOTION,
    FIELD_TS,
    FIELD_ALARMS,
    PROMPT_FIELDS,
};

static const char *const field_names[PROMPT_FIELDS] = {
    [FIELD_DEVICE_ID] = "device_id",
    [FIELD_TELEMETRY] = "telemetry",
    [FIELD_TEMP] = "temp",
    [FIELD_HUMIDITY] = "humidity",
    [FIELD_CO] = "co",
    [FIELD_LPG] = "lpg",
    [FIELD_SMOKE] = "smoke",
    [FIELD_LIGHT] = "light",
    [FIELD_MOTION] = "motion",
    [FIELD_TS] = "ts",
    [FIELD_ALARMS] = "alarms",
};

struct piece {
    enum prompt_field field;
    struct span text; /* FIELD_TEXT only; in source */
};

struct prompt {
    struct buf source; /* the file's bytes, or a copy of the texts */
    struct piece *pieces;
    size_t n_pieces, cap_pieces;
    size_t n_system; /* pieces [0, n_system) make the system text, the rest the user text */
};

/* ---- splitting ---- */

static int add_piece(struct prompt *p, enum prompt_field field, struct span text, struct err *e)
{
    if (field == FIELD_TEXT && text.n == 0)
        return 0;
    if (p->n_pieces == p->cap_pieces) {
        size_t cap = p->cap_pieces ? p->cap_pieces * 2 : 16;
        struct piece *pieces = realloc(p->pieces, cap * sizeof *pieces);
        if (!pieces)
            return err_set(e, ERR_NOMEM, "out of memory for the prompt");
        p->pieces = pieces;
        p->cap_pieces = cap;
    }
    p->pieces[p->n_pieces++] = (struct piece){field, text};
    return 0;
}

/* Where two equal bytes c stand beside each other from i on in s, or s.n. */
static size_t find_pair(struct span s, size_t i, uint8_t c)
{
    for (; i + 1 < s.n; i++) {
        if (s.p[i] == c && s.p[i + 1] == c)
            return i;
    }
    return s.n;
}

static size_t line_of(const uint8_t *begin, const uint8_t *at)
{
    size_t line = 1;
    for (const uint8_t *c = begin; c < at; c++)
        line += *c == '\n';
    return line;
}

/* begin: of the first line, where lines are counted from. */
static int split(struct prompt *p, struct span s, const uint8_t *begin, struct err *e)
{
    size_t at = 0;
    int rc;
    for (;;) {
        size_t open = find_pair(s, at, '{');
        if ((rc = add_piece(p, FIELD_TEXT, span_sub(s, at, open - at), e)) || open == s.n)
            return rc;
        size_t close = find_pair(s, open + 2, '}');
        if (close == s.n)
            return err_set(e, ERR_USAGE, "line %zu: '{{' without '}}'", line_of(begin, s.p + open));
        struct span name = span_trim(span_sub(s, open + 2, close - open - 2), " \t");
        int field = FIELD_TEXT + 1;
        while (field < PROMPT_FIELDS && !span_is(name, field_names[field]))
            field++;
        if (field == PROMPT_FIELDS)
            return err_set(e, ERR_USAGE,
                           "line %zu: unknown placeholder '{{%.*s}}', expected device_id, "
                           "telemetry, temp, humidity, co, lpg, smoke, light, motion, ts or alarms",
                           line_of(begin, s.p + open), SPAN_FMT(name));
        if ((rc = add_piece(p, (enum prompt_field)field, span_of(NULL, 0), e)))
            return rc;
        at = close + 2;
    }
}

/* ---- the file ---- */

static struct span trim_lines(struct span s)
{
    return span_trim(s, "\n\r");
}

/* The first line that is just "---": its beginning in *at and its length with the line end, or
 * false. */
static bool find_rule(struct span s, size_t *at, size_t *n)
{
    for (size_t i = 0; i < s.n;) {
        const uint8_t *end = memchr(s.p + i, '\n', s.n - i);
        size_t next = end ? (size_t)(end - s.p) + 1 : s.n;
        size_t stop = end ? next - 1 : next;
        if (stop > i && s.p[stop - 1] == '\r')
            stop--;
        if (stop - i == 3 && memcmp(s.p + i, "---", 3) == 0) {
            *at = i;
            *n = next - i;
            return true;
        }
        i = next;
    }
    return false;
}

static int split_file(struct prompt *p, struct err *e)
{
    struct span s = buf_view(&p->source), system = {NULL, 0};
    const uint8_t *begin = s.p;
    size_t at, n;
    int rc;
    if (!utf8_valid(s) || span_find(s, '\0'))
        return err_set(e, ERR_USAGE, "is not UTF-8 text");
    if (s.n >= 3 && memcmp(s.p, "\xef\xbb\xbf", 3) == 0)
        s = span_sub(s, 3, s.n - 3);
    if (find_rule(s, &at, &n)) {
        system = trim_lines(span_sub(s, 0, at));
        s = span_sub(s, at + n, s.n - at - n);
    }
    s = trim_lines(s);
    if (s.n == 0)
        return err_set(e, ERR_USAGE, "has no user text, expected at least one line");
    if ((rc = split(p, system, begin, e)))
        return rc;
    p->n_system = p->n_pieces;
    return split(p, s, begin, e);
}

/* The two texts one behind the other in source, each split for itself. */
static int split_texts(struct prompt *p, const char *system, const char *user, bool alarms,
                       struct err *e)
{
    buf_str(&p->source, system[0] ? system : built_in_system);
    size_t n = p->source.n;
    buf_str(&p->source, user[0] ? user : built_in_user);
    if (!user[0] && alarms)
        buf_str(&p->source, built_in_alarms);
    int rc = buf_check(&p->source, "the prompt", e);
    if (rc)
        return rc;
    struct span all = buf_view(&p->source);
    struct span first = span_sub(all, 0, n), second = span_sub(all, n, all.n);
    if (!utf8_valid(first) || !utf8_valid(second))
        return err_set(e, ERR_USAGE, "LLM_PROMPT_%s: is not UTF-8 text",
                       utf8_valid(first) ? "USER" : "SYSTEM");
    if ((rc = split(p, trim_lines(first), first.p, e)))
        return err_wrap(e, rc, "LLM_PROMPT_SYSTEM");
    p->n_system = p->n_pieces;
    second = trim_lines(second);
    if (second.n == 0)
        return err_set(e, ERR_USAGE, "LLM_PROMPT_USER: only empty lines, expected a text");
    rc = split(p, second, span_sub(all, n, all.n).p, e);
    return rc ? err_wrap(e, rc, "LLM_PROMPT_USER") : 0;
}

static struct prompt *prompt_new(struct err *e)
{
    struct prompt *p = calloc(1, sizeof *p);
    if (!p)
        err_set(e, ERR_NOMEM, "out of memory for the prompt");
    else
        buf_init(&p->source, 2 * PROMPT_FILE_MAX);
    return p;
}

int prompt_open_texts(struct prompt **out, const char *system, const char *user, bool alarms,
                      struct err *e)
{
    struct prompt *p = prompt_new(e);
    if (!p)
        return ERR_NOMEM;
    int rc = split_texts(p, system, user, alarms, e);
    if (rc)
        prompt_close(&p);
    else
        *out = p;
    return rc;
}

int prompt_open(struct prompt **out, const char *file, struct err *e)
{
    if (!file || !*file)
        return prompt_open_texts(out, "", "", false, e);
    struct prompt *p = prompt_new(e);
    if (!p)
        return ERR_NOMEM;
    p->source.max = PROMPT_FILE_MAX;
    int rc = file_read(file, &p->source, e);
    if (!rc && (rc = split_file(p, e)))
        err_wrap(e, rc, "prompt file '%s'", file);
    if (rc)
        prompt_close(&p);
    else
        *out = p;
    return rc;
}

void prompt_close(struct prompt **p)
{
    if (!p || !*p)
        return;
    buf_release(&(*p)->source);
    free((*p)->pieces);
    free(*p);
    *p = NULL;
}

/* ---- rendering ---- */

/* v with a fixed number of decimals, in every locale with a point. What a model reads are digits,
 * each a token or so: 18.899999618530273 says no more than 18.9. */
static void put_rounded(struct buf *out, double v, int decimals)
{
    double scale = pow(10, decimals), scaled = fabs(v) * scale;
    char text[NUM_F64_SIZE];
    if (scaled >= 1e15) {
        buf_put(out, text, num_format_f64(v, text));
        return;
    }
    unsigned long long n = (unsigned long long)(scaled + 0.5), unit = (unsigned long long)scale;
    buf_printf(out, "%s%llu.%0*llu", v < 0 && n > 0 ? "-" : "", n / unit, decimals, n % unit);
}

static void put_telemetry(struct buf *out, const struct reading *r)
{
    buf_str(out, "temperature ");
    put_rounded(out, r->temp, 1);
    buf_str(out, " °C, humidity ");
    put_rounded(out, r->humidity, 1);
    buf_str(out, " %, CO ");
    put_rounded(out, r->co, 4);
    buf_str(out, ", LPG ");
    put_rounded(out, r->lpg, 4);
    buf_str(out, ", smoke ");
    put_rounded(out, r->smoke, 4);
    buf_printf(out, ", light %s, motion %s", r->light ? "on" : "off", r->motion ? "yes" : "no");
}

static void put_exact(struct buf *out, double v)
{
    char text[NUM_F64_SIZE];
    buf_put(out, text, num_format_f64(v, text));
}

static void put_field(struct buf *out, enum prompt_field field, const struct reading *r,
                      const char *device_id, const struct alarm_limits *limits)
{
    switch (field) {
    case FIELD_DEVICE_ID:
        buf_str(out, device_id);
        break;
    case FIELD_TELEMETRY:
        put_telemetry(out, r);
        break;
    case FIELD_TEMP:
        put_exact(out, r->temp);
        break;
    case FIELD_HUMIDITY:
        put_exact(out, r->humidity);
        break;
    case FIELD_CO:
        put_exact(out, r->co);
        break;
    case FIELD_LPG:
        put_exact(out, r->lpg);
        break;
    case FIELD_SMOKE:
        put_exact(out, r->smoke);
        break;
    case FIELD_LIGHT:
        buf_str(out, r->light ? "true" : "false");
        break;
    case FIELD_MOTION:
        buf_str(out, r->motion ? "true" : "false");
        break;
    case FIELD_TS:
        buf_str(out, r->ts);
        break;
    case FIELD_ALARMS:
        if (limits)
            alarm_words(out, limits, r);
        else
            buf_str(out, "none");
        break;
    case FIELD_TEXT:
    case PROMPT_FIELDS:
        break;
    }
}

int prompt_render(const struct prompt *p, const struct reading *r, const char *device_id,
                  const struct alarm_limits *limits, struct buf *system, struct buf *user,
                  struct err *e)
{
    int rc;
    buf_clear(system);
    buf_clear(user);
    for (size_t i = 0; i < p->n_pieces; i++) {
        struct buf *out = i < p->n_system ? system : user;
        if (p->pieces[i].field == FIELD_TEXT)
            buf_span(out, p->pieces[i].text);
        else
            put_field(out, p->pieces[i].field, r, device_id, limits);
    }
    if ((rc = buf_check(system, "the system prompt", e)))
        return rc;
    return buf_check(user, "the user prompt", e);
}
