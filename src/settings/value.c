/* SPDX-License-Identifier: MIT */
/* Checks the text of one value. A text is right as a whole or refused: no blanks around numbers, no
 * units where none are allowed, nothing cut short. */
#include "settings/value.h"

#include <math.h>
#include <stdio.h>

enum { MAX_LINES = 16 }; /* stop texts of one request: <wattle.h> */

/* ---- what is allowed, in words ---- */

static void put_number(struct buf *out, double v)
{
    char text[NUM_F64_SIZE];
    int64_t whole = (int64_t)v; /* bounds of ours: far from the ends of int64_t */
    if ((double)whole == v) {
        buf_printf(out, "%lld", (long long)whole);
        return;
    }
    num_format_f64(v, text);
    buf_str(out, text);
}

static void put_range(struct buf *out, double min, double max)
{
    put_number(out, min);
    buf_str(out, " to ");
    put_number(out, max);
}

static void put_choices(struct buf *out, const char *choices)
{
    for (const char *word = choices; *word;) {
        size_t n = strcspn(word, " ");
        bool last = word[n] == '\0';
        if (word != choices)
            buf_str(out, last ? " or " : ", ");
        buf_put(out, word, n);
        word += last ? n : n + 1;
    }
}

static void put_text_rule(struct buf *out, const struct value_rule *rule)
{
    static const char *const kinds[] = {
        [TEXT_LINE] = " of UTF-8 without control characters",
        [TEXT_PATH] = " without control characters",
        [TEXT_HOST] = " without blanks and control characters",
        [TEXT_URL] = " as http://HOST:PORT/PATH without '@', '?' and '#'",
        [TEXT_NAME] = " of UTF-8",
        [TEXT_ID] = " of UTF-8 without '+', '#', '/' and control characters",
        [TEXT_BYTES] = "",
        [TEXT_LINES] = " of UTF-8 in at most 16 lines",
    };
    buf_printf(out, "%d to %zu bytes%s", rule->may_be_empty ? 0 : 1, rule->max_bytes,
               kinds[rule->kind]);
}

void value_expected(struct buf *out, const struct value_rule *rule)
{
    switch (rule->type) {
    case VALUE_BOOL:
        put_choices(out, "true 1 yes false 0 no");
        break;
    case VALUE_SEED:
        buf_str(out, "0 to 18446744073709551615");
        break;
    case VALUE_INT:
        put_range(out, rule->min, rule->max);
        break;
    case VALUE_FLOAT:
        if (rule->least > 0)
            buf_str(out, "0, or ");
        put_range(out, rule->least > 0 ? rule->least : rule->min, rule->max);
        break;
    case VALUE_TEXT:
        put_text_rule(out, rule);
        break;
    case VALUE_CHOICE:
        put_choices(out, rule->choices);
        break;
    case VALUE_DURATION:
        buf_str(out, "90s, 30m, 2h, 1d, 1h30m or 500ms, from ");
        put_number(out, rule->min);
        buf_str(out, " s to ");
        put_number(out, rule->max);
        buf_str(out, " s");
        break;
    case VALUE_INTERVAL:
        buf_str(out, "seconds as 2.5 or 1-5, from ");
        put_range(out, rule->min, rule->max);
        break;
    }
}

static bool ascii_is(struct span s, const char *lower)
{
    if (s.n != strlen(lower))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c - 'A' + 'a');
        if (c != (uint8_t)lower[i])
            return false;
    }
    return true;
}

/* Whether a URL has a sign behind or before which a password or a key may stand. Where the host
 * begins is not asked: who reads a URL differs in that ("http:///me:hush@host"). */
static bool may_hold_secret(struct span url)
{
    return span_find(url, '@') || span_find(url, '?') || span_find(url, '#');
}

/* What keeps a text from being http://HOST… or https://HOST…; NULL: nothing. */
static const char *url_problem(struct span s)
{
    static const char *const schemes[] = {"http://", "https://"};
    if (span_find(s, '@'))
        return "has a user or password before '@', which messages would show (a key goes into "
               "LLM_API_KEY or HF_TOKEN)";
    if (may_hold_secret(s))
        return "has a query or a fragment";
    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(schemes[i]);
        if (s.n >= n && ascii_is(span_sub(s, 0, n), schemes[i]))
            return s.n > n && s.p[n] != '/' ? NULL : "has no host";
    }
    return "does not begin with http:// or https://";
}

/* "SUBJECT: 'text' PROBLEM, expected …" */
static int refuse(const struct value_rule *rule, const char *subject, const char *text,
                  const char *problem, struct err *e)
{
    struct buf expected;
    buf_init(&expected, 300);
    value_expected(&expected, rule);
    struct span shown = span_str(text);
    if (rule->secret || (rule->kind == TEXT_URL && may_hold_secret(shown)))
        err_set(e, ERR_USAGE, "%s: the value %s, expected %s", subject, problem,
                buf_cstr(&expected));
    else
        err_set(e, ERR_USAGE, "%s: '%.*s%s' %s, expected %s", subject, SPAN_FMT(shown),
                shown.n > 200 ? "…" : "", problem, buf_cstr(&expected));
    buf_release(&expected);
    return ERR_USAGE;
}

/* ---- one function a type: NULL when right, else what is wrong ---- */

static const char *parse_bool(struct value *v, struct span s)
{
    bool yes = ascii_is(s, "true") || ascii_is(s, "1") || ascii_is(s, "yes");
    bool no = ascii_is(s, "false") || ascii_is(s, "0") || ascii_is(s, "no");
    if (!yes && !no)
        return "is neither true nor false";
    v->whole = yes;
    return NULL;
}

/* Nothing but an optional sign and digits: then num_parse_i64 can only fail for size. */
static bool all_digits(struct span s)
{
    size_t i = s.n > 0 && s.p[0] == '-';
    if (i == s.n)
        return false;
    for (; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return true;
}

static const char *parse_int(struct value *v, const struct value_rule *rule, struct span s)
{
    int64_t n;
    if (!all_digits(s))
        return "is no whole number";
    if (!num_parse_i64(s, &n) || (double)n < rule->min || (double)n > rule->max)
        return "is out of range";
    v->whole = n;
    v->number = (double)n;
    return NULL;
}

static const char *parse_seed(struct value *v, struct span s)
{
    uint64_t n = 0;
    if (s.n > 0 && !all_digits(s))
        return "is no whole number";
    if (s.n > 0 && !num_parse_u64(s, &n))
        return "is out of range";
    v->whole = (int64_t)n;
    return NULL;
}

static const char *parse_float(struct value *v, const struct value_rule *rule, struct span s)
{
    double x = NAN;
    if (s.n == 0 && rule->may_be_empty)
        return v->number = x, NULL;
    if (!num_parse_f64(s, &x))
        return "is no number";
    if (x < rule->min || x > rule->max || (x > 0 && x < rule->least))
        return "is out of range";
    v->number = x;
    return NULL;
}

static const char *parse_choice(struct value *v, const struct value_rule *rule, struct span s,
                                struct arena *arena)
{
    for (const char *word = rule->choices; *word && s.n > 0;) {
        size_t n = strcspn(word, " ");
        char lower[32];
        snprintf(lower, sizeof lower, "%.*s", (int)n, word);
        if (ascii_is(s, lower)) {
            v->text = arena_strndup(arena, lower, n);
            return NULL;
        }
        word += word[n] ? n + 1 : n;
    }
    return s.n == 0 && rule->may_be_empty ? NULL : "is unknown";
}

static const char *parse_interval(struct value *v, const struct value_rule *rule, struct span s)
{
    const uint8_t *dash = span_find(s, '-');
    size_t at = dash ? (size_t)(dash - s.p) : s.n;
    double low, high;
    if (!num_parse_f64(span_sub(s, 0, at), &low))
        return "is no interval";
    high = low;
    if (dash && !num_parse_f64(span_sub(s, at + 1, s.n), &high))
        return "is no interval";
    if (low < rule->min || high > rule->max)
        return "is out of range";
    if (low > high)
        return "ends before it begins";
    v->number = low;
    v->number_high = high;
    return NULL;
}

/* A run of digits with at most one point in it, from *pos on. */
static bool take_number(struct span s, size_t *pos, double *out)
{
    size_t from = *pos;
    while (*pos < s.n && ((s.p[*pos] >= '0' && s.p[*pos] <= '9') || s.p[*pos] == '.'))
        (*pos)++;
    return num_parse_f64(span_sub(s, from, *pos - from), out);
}

/* Parts in falling units, each at most once: "1h30m", never "30m1h". A number alone is seconds. */
static const char *parse_duration(struct value *v, const struct value_rule *rule, struct span s)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = {{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}, {"ms", 0.001}};
    const size_t n_units = sizeof units / sizeof units[0];
    double total = 0;
    size_t pos = 0, least_unit = 0;
    do {
        double x;
        if (!take_number(s, &pos, &x))
            return "is no duration";
        size_t from = pos;
        while (pos < s.n && s.p[pos] >= 'a' && s.p[pos] <= 'z')
            pos++;
        struct span name = span_sub(s, from, pos - from);
        size_t unit = least_unit;
        if (name.n == 0 && least_unit == 0 && pos == s.n) {
            v->number = x;
            return x < rule->min || x > rule->max ? "is out of range" : NULL;
        }
        while (unit < n_units && !span_is(name, units[unit].name))
            unit++;
        if (unit == n_units)
            return "is no duration";
        total += x * units[unit].seconds;
        least_unit = unit + 1;
    } while (pos < s.n);
    if (total < rule->min || total > rule->max)
        return "is out of range";
    v->number = total;
    return NULL;
}

static const char *forbidden_byte(struct span s, enum text_kind kind)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c < 0x20 || c == 0x7f)
            return "has a control character";
        if ((kind == TEXT_HOST || kind == TEXT_URL) && c == ' ')
            return "has a blank";
        if (kind == TEXT_ID && (c == '+' || c == '#' || c == '/'))
            return "has a character that MQTT topics give a meaning to";
        /* U+0080 to U+009F; MQTT 1.5.4 wants them refused too. */
        if (kind == TEXT_ID && c == 0xc2 && i + 1 < s.n && s.p[i + 1] < 0xa0)
            return "has a control character";
    }
    return NULL;
}

static const char *parse_text(const struct value_rule *rule, struct span s)
{
    if (s.n == 0)
        return rule->may_be_empty ? NULL : "is empty";
    if (s.n > rule->max_bytes)
        return "is too long";
    if (rule->kind != TEXT_PATH && rule->kind != TEXT_BYTES && !utf8_valid(s))
        return "is no valid UTF-8";
    if (rule->kind == TEXT_LINES) {
        size_t lines = 1;
        for (size_t i = 0; i + 1 < s.n; i++)
            lines += s.p[i] == '\n';
        return lines > MAX_LINES ? "has too many lines" : NULL;
    }
    if (rule->kind == TEXT_NAME || rule->kind == TEXT_BYTES)
        return NULL;
    const char *problem = forbidden_byte(s, rule->kind);
    if (!problem && rule->kind == TEXT_URL)
        problem = url_problem(s);
    return problem;
}

int value_parse(struct value *out, const struct value_rule *rule, const char *subject,
                const char *text, struct arena *arena, struct err *e)
{
    struct span s = span_str(text);
    struct value v = {0};
    const char *problem = NULL;
    switch (rule->type) {
    case VALUE_BOOL:
        problem = parse_bool(&v, s);
        break;
    case VALUE_INT:
        problem = parse_int(&v, rule, s);
        break;
    case VALUE_SEED:
        problem = parse_seed(&v, s);
        break;
    case VALUE_FLOAT:
        problem = parse_float(&v, rule, s);
        break;
    case VALUE_TEXT:
        problem = parse_text(rule, s);
        break;
    case VALUE_CHOICE:
        problem = parse_choice(&v, rule, s, arena);
        break;
    case VALUE_DURATION:
        problem = parse_duration(&v, rule, s);
        break;
    case VALUE_INTERVAL:
        problem = parse_interval(&v, rule, s);
        break;
    }
    if (problem)
        return refuse(rule, subject, text, problem, e);
    if (!v.text)
        v.text = arena_strndup(arena, s.p, s.n);
    if (!v.text)
        return err_set(e, ERR_LIMIT, "%s: no memory for its value", subject);
    *out = v;
    return 0;
}
