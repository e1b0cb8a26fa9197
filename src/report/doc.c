/* SPDX-License-Identifier: MIT */
/* doc: headings, paragraphs and lists in the three kinds of document, and the escaping of all that
 * goes into them. */
#include "report/doc.h"

#include "report/page.h"

#include <math.h>

/* ---- escaping ---- */

/* Calls for each character: bad UTF-8 and control characters as '?'. */
static void each(struct buf *out, const char *s, void (*put)(struct buf *out, struct span c))
{
    struct span text = span_str(s);
    for (size_t i = 0; i < text.n;) {
        uint32_t cp = 0;
        size_t n = utf8_decode(span_sub(text, i, 4), &cp);
        /* those that turn the direction of writing could show a name as another */
        bool control = cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || (cp >= 0x202a && cp <= 0x202e) ||
                       (cp >= 0x2066 && cp <= 0x2069) || cp == 0x2028 || cp == 0x2029;
        if (n == 0 || control)
            buf_char(out, '?');
        else
            put(out, span_sub(text, i, n));
        i += n ? n : 1;
    }
}

static void as_markdown(struct buf *out, struct span c)
{
    if (c.n == 1 && strchr("<>&", c.p[0])) { /* a backslash is not enough for every reader of it */
        buf_str(out, c.p[0] == '<' ? "&lt;" : c.p[0] == '>' ? "&gt;" : "&amp;");
        return;
    }
    if (c.n == 1 && strchr("\\`*_{}[]|#~!$@", c.p[0]))
        buf_char(out, '\\');
    buf_span(out, c);
}

static void as_html(struct buf *out, struct span c)
{
    static const struct {
        char c;
        const char *entity;
    } entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++)
        if (c.p[0] == (uint8_t)entities[i].c) {
            buf_str(out, entities[i].entity);
            return;
        }
    buf_span(out, c);
}

static void as_csv(struct buf *out, struct span c)
{
    if (c.p[0] == '"')
        buf_char(out, '"');
    buf_span(out, c);
}

void put_plain(struct buf *out, const char *s)
{
    each(out, s, buf_span);
}

void put_markdown(struct buf *out, const char *s)
{
    each(out, s, as_markdown);
}

void put_html(struct buf *out, const char *s)
{
    each(out, s, as_html);
}

/* Quoted where it must be; a text that a spreadsheet would take for a formula begins with '. */
void put_csv(struct buf *out, const char *s)
{
    bool formula = s[0] && strchr("=+-@\t\r", s[0]);
    bool quoted = formula || strpbrk(s, ",\"") != NULL;
    buf_str(out, quoted ? "\"" : "");
    buf_str(out, formula ? "'" : "");
    each(out, s, as_csv);
    buf_str(out, quoted ? "\"" : "");
}

void put_csv_number(struct buf *out, double v)
{
    char s[NUM_F64_SIZE];
    buf_char(out, ',');
    if (isfinite(v))
        buf_put(out, s, num_format_f64(v, s));
}

static void put(struct doc *d, const char *s)
{
    if (d->kind == DOC_TEXT)
        put_plain(d->out, s);
    else if (d->kind == DOC_MARKDOWN)
        put_markdown(d->out, s);
    else
        put_html(d->out, s);
}

/* A terminal's lines: broken at blanks; first begins the first, rest the others. */
static void put_wrapped(struct doc *d, const char *s, const char *first, const char *rest)
{
    struct buf text;
    size_t at = 0, column = utf8_length(span_str(first));
    buf_init(&text, 1 << 20);
    put_plain(&text, s);
    buf_str(d->out, first);
    while (at < text.n) {
        size_t end = at;
        while (end < text.n && text.p[end] != ' ')
            end++;
        size_t width = utf8_length(span_of(text.p + at, end - at));
        if (at > 0 && column + 1 + width > DOC_WIDTH) {
            buf_printf(d->out, "\n%s", rest);
            column = utf8_length(span_str(rest));
        } else if (at > 0) {
            buf_char(d->out, ' ');
            column++;
        }
        buf_put(d->out, text.p + at, end - at);
        column += width;
        at = end + 1;
    }
    buf_char(d->out, '\n');
    buf_release(&text);
}

/* ---- parts ---- */

void doc_open(struct doc *d, enum doc_kind kind, struct buf *out, const char *title)
{
    *d = (struct doc){.kind = kind, .out = out};
    if (kind == DOC_HTML)
        page_open(out, title);
    if (kind == DOC_MARKDOWN) {
        buf_str(out, "# ");
        put_markdown(out, title);
        buf_str(out, "\n\n");
    }
}

void doc_close(struct doc *d)
{
    if (d->kind == DOC_HTML)
        page_close(d->out);
    else /* the blank line behind the last part */
        while (d->out->n > 1 && d->out->p[d->out->n - 2] == '\n')
            buf_truncate(d->out, d->out->n - 1);
}

void doc_lead(struct doc *d, const char *text)
{
    static const char *const before[] = {"", "**", "<p class=\"lead\">"};
    static const char *const behind[] = {"\n\n", ".**\n\n", ".</p>\n"};
    buf_str(d->out, before[d->kind]);
    if (d->kind == DOC_TEXT)
        put_wrapped(d, text, "", "");
    else
        put(d, text);
    buf_str(d->out, d->kind == DOC_TEXT ? "\n" : behind[d->kind]);
}

void doc_heading(struct doc *d, const char *text)
{
    if (d->kind == DOC_HTML)
        buf_str(d->out, "<h2>");
    else if (d->kind == DOC_MARKDOWN)
        buf_str(d->out, "## ");
    put(d, text);
    buf_str(d->out, d->kind == DOC_HTML ? "</h2>\n" : d->kind == DOC_MARKDOWN ? "\n\n" : "\n");
}

void doc_paragraph(struct doc *d, const char *format, ...)
{
    struct buf b;
    va_list args;
    buf_init(&b, 1 << 16);
    va_start(args, format);
    buf_vprintf(&b, format, args);
    va_end(args);
    if (d->kind == DOC_TEXT) {
        put_wrapped(d, buf_cstr(&b), "", "");
        buf_char(d->out, '\n');
    } else {
        buf_str(d->out, d->kind == DOC_HTML ? "<p>" : "");
        put(d, buf_cstr(&b));
        buf_str(d->out, d->kind == DOC_HTML ? "</p>\n" : "\n\n");
    }
    buf_release(&b);
}

static void list(struct doc *d, char *const *items, size_t n, const char *class)
{
    if (n == 0)
        return;
    if (d->kind == DOC_HTML)
        buf_printf(d->out, "<ul class=\"%s\">\n", class);
    for (size_t i = 0; i < n; i++) {
        if (d->kind == DOC_TEXT) {
            put_wrapped(d, items[i], "- ", "  ");
            continue;
        }
        buf_str(d->out, d->kind == DOC_HTML ? "<li>" : "- ");
        put(d, items[i]);
        buf_str(d->out, d->kind == DOC_HTML ? "</li>\n" : "\n");
    }
    buf_str(d->out, d->kind == DOC_HTML ? "</ul>\n" : "\n");
}

void doc_list(struct doc *d, char *const *items, size_t n)
{
    list(d, items, n, "points");
}

void doc_warnings(struct doc *d, char *const *items, size_t n)
{
    if (n > 0)
        doc_heading(d, "Mind");
    list(d, items, n, "warnings");
}

void doc_fold(struct doc *d, const char *title)
{
    if (d->kind != DOC_HTML)
        return;
    buf_str(d->out, "<details><summary>");
    put_html(d->out, title);
    buf_str(d->out, "</summary>\n");
}

void doc_fold_end(struct doc *d)
{
    if (d->kind == DOC_HTML)
        buf_str(d->out, "</details>\n");
}
