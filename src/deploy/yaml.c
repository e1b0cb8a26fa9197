/* SPDX-License-Identifier: MIT */
#include "deploy/yaml.h"

enum { STEP = 2 };

void yaml_init(struct yaml *y, struct buf *out)
{
    *y = (struct yaml){.out = out};
}

/* ---- strings ---- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A letter or a slash first: no number, date, sign, comment, quote or mark. One of - / = within: no
 * word such as yes, null or NaN. No blanks: no comment and no key can begin inside. */
bool yaml_is_plain(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char others[] = "0123456789_.-/=:@+";
    size_t n = strlen(text);
    const char *from = strncmp(text, "./", 2) == 0 ? text + 2 : text;
    if (!(is_letter(from[0]) || from[0] == '/') || text[n - 1] == ':' || !strpbrk(text, "-/="))
        return false;
    for (const char *p = text; *p; p++)
        if (!strchr(letters, *p) && !strchr(others, *p))
            return false;
    return true;
}

/* What a reader would refuse or fold: C0, C1, DEL, line and paragraph separators, the byte order
 * mark, and the two code points that are no characters. */
static bool needs_escape(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x2028 || cp == 0x2029 || cp == 0xfeff ||
           (cp & 0xfffe) == 0xfffe;
}

static void put_escape(struct buf *out, uint32_t cp)
{
    if (cp == '\n')
        buf_str(out, "\\n");
    else if (cp == '\t')
        buf_str(out, "\\t");
    else if (cp == '\r')
        buf_str(out, "\\r");
    else if (cp < 0x100)
        buf_printf(out, "\\x%02x", (unsigned)cp);
    else if (cp < 0x10000)
        buf_printf(out, "\\u%04x", (unsigned)cp);
    else
        buf_printf(out, "\\U%08x", (unsigned)cp);
}

void yaml_put_quoted(struct buf *out, const char *text, bool dollars)
{
    struct span rest = span_str(text);
    buf_char(out, '"');
    while (rest.n) {
        uint32_t cp;
        size_t n = utf8_decode(rest, &cp);
        if (n == 0)
            buf_str(out, "\\ufffd");
        else if (needs_escape(cp))
            put_escape(out, cp);
        else if (cp == '"' || cp == '\\')
            buf_printf(out, "\\%c", (char)cp);
        else if (cp == '$' && dollars)
            buf_str(out, "$$");
        else
            buf_put(out, rest.p, n);
        rest = span_sub(rest, n ? n : 1, rest.n);
    }
    buf_char(out, '"');
}

static void put_text(struct yaml *y, const char *text)
{
    if (yaml_is_plain(text))
        buf_str(y->out, text);
    else
        yaml_put_quoted(y->out, text, y->dollars);
}

/* ---- lines ---- */

static void begin(struct yaml *y)
{
    int blanks = y->dash ? y->depth - STEP : y->depth;
    buf_printf(y->out, "%*s%s", blanks, "", y->dash ? "- " : "");
    y->dash = false;
}

static void begin_key(struct yaml *y, const char *key)
{
    begin(y);
    /* Ours are words that nobody takes for a value; a device's name may be "yes" or "0012". */
    static const char ours[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    static const char *const values[] = {"y",   "n",    "yes",   "no",  "on",
                                         "off", "true", "false", "null"};
    bool plain = key[0] && key[strspn(key, ours)] == '\0';
    for (size_t i = 0; plain && i < sizeof values / sizeof *values; i++)
        plain = strcmp(key, values[i]) != 0;
    if (plain || yaml_is_plain(key))
        buf_str(y->out, key);
    else
        yaml_put_quoted(y->out, key, false);
    buf_char(y->out, ':');
}

void yaml_comment(struct yaml *y, const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        buf_printf(y->out, "%*s# ", y->depth, "");
        buf_put(y->out, text, n);
        buf_char(y->out, '\n');
        text += text[n] ? n + 1 : n;
    }
}

void yaml_document(struct yaml *y)
{
    buf_str(y->out, "---\n");
}

void yaml_open(struct yaml *y, const char *key)
{
    begin_key(y, key);
    buf_char(y->out, '\n');
    y->depth += STEP;
}

void yaml_end(struct yaml *y)
{
    y->depth -= STEP;
    y->dash = false;
}

void yaml_open_item(struct yaml *y)
{
    y->depth += STEP;
    y->dash = true;
}

void yaml_text(struct yaml *y, const char *key, const char *value)
{
    begin_key(y, key);
    buf_char(y->out, ' ');
    put_text(y, value);
    buf_char(y->out, '\n');
}

void yaml_quoted(struct yaml *y, const char *key, const char *value)
{
    begin_key(y, key);
    buf_char(y->out, ' ');
    yaml_put_quoted(y->out, value, y->dollars);
    buf_char(y->out, '\n');
}

void yaml_token(struct yaml *y, const char *key, const char *token)
{
    begin_key(y, key);
    buf_printf(y->out, " %s\n", token);
}

void yaml_number(struct yaml *y, const char *key, int64_t value)
{
    begin_key(y, key);
    buf_printf(y->out, " %lld\n", (long long)value);
}

void yaml_words(struct yaml *y, const char *key, const char *const *words)
{
    begin_key(y, key);
    buf_str(y->out, " [");
    for (size_t i = 0; words[i]; i++) {
        buf_str(y->out, i ? ", " : "");
        yaml_put_quoted(y->out, words[i], y->dollars);
    }
    buf_str(y->out, "]\n");
}

static void put_lines(struct yaml *y, const char *lines)
{
    buf_str(y->out, "|-\n");
    while (*lines) {
        size_t n = strcspn(lines, "\n");
        if (n)
            buf_printf(y->out, "%*s", y->depth + STEP, "");
        for (size_t i = 0; i < n; i++) {
            buf_char(y->out, lines[i]);
            if (lines[i] == '$' && y->dollars)
                buf_char(y->out, '$');
        }
        buf_char(y->out, '\n');
        lines += lines[n] ? n + 1 : n;
    }
}

void yaml_block(struct yaml *y, const char *key, const char *lines)
{
    begin_key(y, key);
    buf_char(y->out, ' ');
    put_lines(y, lines);
}

static void begin_item(struct yaml *y)
{
    buf_printf(y->out, "%*s- ", y->depth, "");
}

void yaml_item(struct yaml *y, const char *value)
{
    begin_item(y);
    put_text(y, value);
    buf_char(y->out, '\n');
}

void yaml_item_quoted(struct yaml *y, const char *value)
{
    begin_item(y);
    yaml_put_quoted(y->out, value, y->dollars);
    buf_char(y->out, '\n');
}

void yaml_item_block(struct yaml *y, const char *lines)
{
    begin_item(y);
    put_lines(y, lines);
}
