/* SPDX-License-Identifier: MIT */
/* The lexer: text between tags, and what stands in them.
 *
 * White space follows Jinja2 with trim_blocks and lstrip_blocks: a block or comment that stands
 * alone on its line leaves nothing of that line, "-" strips all white space on its side, "+" keeps
 * it. Rules and their order are those of jinja2/lexer.py (Jinja 3.1). */
#include "text/jinja_lex.h"

void jinja_lex_init(struct jlexer *l, struct span source)
{
    *l = (struct jlexer){.s = source, .line = 1, .line_starting = true};
}

/* ---- helpers ---- */

static bool at(const struct jlexer *l, size_t pos, const char *text)
{
    size_t n = strlen(text);
    return pos <= l->s.n && n <= l->s.n - pos && memcmp(l->s.p + pos, text, n) == 0;
}

static uint8_t byte_at(const struct jlexer *l, size_t pos)
{
    return pos < l->s.n ? l->s.p[pos] : 0;
}

static size_t skip_space(const struct jlexer *l, size_t pos)
{
    uint32_t cp;
    while (pos < l->s.n) {
        size_t n = jinja_char(span_sub(l->s, pos, l->s.n), &cp);
        if (!jinja_is_space(cp))
            break;
        pos += n;
    }
    return pos;
}

static void advance(struct jlexer *l, size_t to)
{
    for (size_t i = l->pos; i < to; i++)
        l->line += l->s.p[i] == '\n';
    l->pos = to;
}

/* Past the end of a tag that closes with close ("%}", …), or 0 if none is here. "-" takes the white
 * space after it, "+" (blocks and comments) nothing, else trim_blocks takes one newline. */
static size_t tag_end(const struct jlexer *l, size_t pos, const char *close)
{
    bool print = close[0] == '}';
    if (byte_at(l, pos) == '-' && at(l, pos + 1, close))
        return skip_space(l, pos + 3);
    if (!print && byte_at(l, pos) == '+' && at(l, pos + 1, close))
        return pos + 3;
    if (!at(l, pos, close))
        return 0;
    return pos + 2 + (!print && byte_at(l, pos + 2) == '\n');
}

/* ---- text between tags ---- */

enum tag { TAG_NONE, TAG_BLOCK, TAG_PRINT, TAG_COMMENT, TAG_RAW };

/* The end of "{% raw %}" that begins at pos (past "{%"), or 0. No newline is trimmed after it. */
static size_t raw_begin(const struct jlexer *l, size_t pos)
{
    if (byte_at(l, pos) == '-' || byte_at(l, pos) == '+')
        pos++;
    pos = skip_space(l, pos);
    if (!at(l, pos, "raw"))
        return 0;
    pos = skip_space(l, pos + 3);
    if (at(l, pos, "-%}"))
        return skip_space(l, pos + 3);
    return at(l, pos, "%}") ? pos + 2 : 0;
}

/* Finds the next tag from l->pos on; *where is its beginning or the end of the source. */
static enum tag find_tag(const struct jlexer *l, size_t *where)
{
    for (size_t i = l->pos; i + 1 < l->s.n; i++) {
        if (l->s.p[i] != '{')
            continue;
        *where = i;
        switch (l->s.p[i + 1]) {
        case '%':
            return raw_begin(l, i + 2) ? TAG_RAW : TAG_BLOCK;
        case '{':
            return TAG_PRINT;
        case '#':
            return TAG_COMMENT;
        default:
            break;
        }
    }
    *where = l->s.n;
    return TAG_NONE;
}

/* What stays of text before a tag. sign: '-', '+' or another byte. */
static struct span strip_before(const struct jlexer *l, struct span text, uint8_t sign, bool print)
{
    if (sign == '-')
        return jinja_strip(text, NULL, false, true);
    if (sign == '+' || print)
        return text;
    size_t line = text.n;
    while (line > 0 && text.p[line - 1] != '\n')
        line--;
    if (line == 0 && !l->line_starting)
        return text;
    struct span blank = span_sub(text, line, text.n);
    return jinja_strip(blank, NULL, true, false).n == 0 ? span_sub(text, 0, line) : text;
}

static bool has_sign(uint8_t c)
{
    return c == '-' || c == '+';
}

/* Finishes a comment whose text begins at l->pos. */
static int skip_comment(struct jlexer *l, struct err *e)
{
    for (size_t i = l->pos; i < l->s.n; i++) {
        size_t end = 0;
        if (l->s.p[i] == '#' || has_sign(l->s.p[i]))
            end = tag_end(l, i, "#}");
        if (end) {
            advance(l, end);
            return 0;
        }
    }
    return err_set(e, ERR_FORMAT, "line %u: comment without '#}'", (unsigned)l->line);
}

/* The text up to "{% endraw %}"; l->pos is past that afterwards. */
static int read_raw(struct jlexer *l, struct span *text, struct err *e)
{
    size_t start = l->pos;
    for (size_t i = start; i + 1 < l->s.n; i++) {
        if (!at(l, i, "{%"))
            continue;
        uint8_t sign = byte_at(l, i + 2);
        size_t word = skip_space(l, i + 2 + has_sign(sign));
        size_t end = at(l, word, "endraw") ? tag_end(l, skip_space(l, word + 6), "%}") : 0;
        if (end) {
            *text = strip_before(l, span_sub(l->s, start, i - start), sign, false);
            advance(l, end);
            return 0;
        }
    }
    return err_set(e, ERR_FORMAT, "line %u: raw without endraw", (unsigned)l->line);
}

/* Handles the tag at where, whose text before it was taken already. *raw gets the text of a raw
 * block. */
static int enter_tag(struct jlexer *l, enum tag tag, size_t where, struct span *raw, struct err *e)
{
    int rc = 0;
    *raw = span_of(NULL, 0);
    if (tag == TAG_RAW) {
        advance(l, raw_begin(l, where + 2));
        l->line_starting = l->s.p[l->pos - 1] == '\n';
        rc = read_raw(l, raw, e);
    } else {
        advance(l, where + 2 + has_sign(byte_at(l, where + 2)));
        if (tag == TAG_COMMENT)
            rc = skip_comment(l, e);
    }
    if (tag == TAG_BLOCK || tag == TAG_PRINT) {
        l->state = tag == TAG_BLOCK ? JLEX_BLOCK : JLEX_PRINT;
        l->pending = tag == TAG_BLOCK ? JT_BLOCK_BEGIN : JT_PRINT_BEGIN;
    }
    if (!rc)
        l->line_starting = l->s.p[l->pos - 1] == '\n';
    return rc;
}

static int next_in_data(struct jlexer *l, struct jtoken *out, struct err *e)
{
    while (l->pos < l->s.n && l->state == JLEX_DATA) {
        size_t where;
        struct span raw;
        uint32_t line = l->line;
        enum tag tag = find_tag(l, &where);
        struct span text = span_sub(l->s, l->pos, where - l->pos);
        if (tag == TAG_NONE) {
            advance(l, where);
            *out = (struct jtoken){.kind = JT_DATA, .line = line, .text = text};
            return 0;
        }
        text = strip_before(l, text, byte_at(l, where + 2), tag == TAG_PRINT);
        if (tag == TAG_RAW && text.n > 0) {
            /* Its own text is another token: come back for it. */
            advance(l, where);
            l->line_starting = false; /* text stands before it, and was stripped already */
            *out = (struct jtoken){.kind = JT_DATA, .line = line, .text = text};
            return 0;
        }
        int rc = enter_tag(l, tag, where, &raw, e);
        if (rc)
            return rc;
        if (text.n == 0)
            text = raw;
        if (text.n > 0) {
            *out = (struct jtoken){.kind = JT_DATA, .line = line, .text = text};
            return 0;
        }
    }
    out->kind = JT_EOF;
    return 0;
}

/* ---- inside of a tag ---- */

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Letters beyond ASCII are let through: Jinja2 allows them in names. */
static bool is_name(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80 || is_digit(c);
}

/* Past digits with single underscores between them. */
static size_t skip_digits(const struct jlexer *l, size_t pos)
{
    while (is_digit(byte_at(l, pos)) || (byte_at(l, pos) == '_' && is_digit(byte_at(l, pos + 1))))
        pos++;
    return pos;
}

/* Past the fraction and the exponent of a float whose whole part ends at pos; pos if it has none.
 */
static size_t skip_fraction(const struct jlexer *l, size_t pos)
{
    if (byte_at(l, pos) == '.' && is_digit(byte_at(l, pos + 1)))
        pos = skip_digits(l, pos + 1);
    if ((byte_at(l, pos) | 0x20) == 'e') {
        size_t digits = pos + 1;
        if (byte_at(l, digits) == '+' || byte_at(l, digits) == '-')
            digits++;
        if (is_digit(byte_at(l, digits)))
            pos = skip_digits(l, digits);
    }
    return pos;
}

enum { NUMBER_MAX = 64 };

static int bad_number(struct jlexer *l, struct span text, struct err *e)
{
    return err_set(e, ERR_FORMAT, "line %u: number '%.*s' is too large", (unsigned)l->line,
                   SPAN_FMT(text));
}

static int read_based(struct jlexer *l, struct jtoken *out, unsigned base, struct err *e)
{
    uint64_t v = 0;
    size_t start = l->pos, pos = start + 2;
    for (;; pos++) {
        uint8_t c = byte_at(l, pos), lower = c | 0x20;
        unsigned digit = is_digit(c)                    ? c - '0' + 0u
                         : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10u
                                                        : 99u;
        if (c == '_')
            continue;
        if (digit >= base)
            break;
        if (v > ((uint64_t)INT64_MAX - digit) / base)
            return bad_number(l, span_sub(l->s, start, pos - start), e);
        v = v * base + digit;
    }
    *out = (struct jtoken){.kind = JT_INT, .line = l->line, .integer = (int64_t)v};
    l->pos = pos;
    return 0;
}

static int read_number(struct jlexer *l, struct jtoken *out, struct err *e)
{
    char digits[NUMBER_MAX];
    size_t n = 0, start = l->pos, whole = skip_digits(l, start), end = whole;
    uint8_t second = byte_at(l, start + 1) | 0x20;
    if (l->s.p[start] == '0' && (second == 'x' || second == 'o' || second == 'b'))
        return read_based(l, out, second == 'x' ? 16 : second == 'o' ? 8 : 2, e);
    /* "x.0.1" is two subscripts, not x and a float. */
    if (start == 0 || l->s.p[start - 1] != '.')
        end = skip_fraction(l, whole);
    struct span text = span_sub(l->s, start, end - start);
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '_')
            continue;
        if (n == NUMBER_MAX)
            return bad_number(l, text, e);
        digits[n++] = (char)text.p[i];
    }
    *out = (struct jtoken){.kind = end > whole ? JT_FLOAT : JT_INT, .line = l->line, .text = text};
    if (end > whole ? !num_parse_f64(span_of(digits, n), &out->real)
                    : !num_parse_i64(span_of(digits, n), &out->integer))
        return bad_number(l, text, e);
    l->pos = end;
    return 0;
}

static int read_string(struct jlexer *l, struct jtoken *out, struct err *e)
{
    size_t start = l->pos, i = start + 1;
    uint8_t quote = l->s.p[start];
    while (i < l->s.n && l->s.p[i] != quote)
        i += l->s.p[i] == '\\' ? 2 : 1;
    if (i >= l->s.n)
        return err_set(e, ERR_FORMAT, "line %u: string without its closing quote",
                       (unsigned)l->line);
    *out = (struct jtoken){
        .kind = JT_STRING, .line = l->line, .text = span_sub(l->s, start + 1, i - start - 1)};
    advance(l, i + 1);
    return 0;
}

static const struct {
    const char *text;
    enum jtoken_kind kind;
} operators[] = {
    /* longest first */
    {"//", JT_FLOORDIV}, {"**", JT_POW},   {"==", JT_EQ},      {"!=", JT_NE},      {">=", JT_GE},
    {"<=", JT_LE},       {"+", JT_ADD},    {"-", JT_SUB},      {"*", JT_MUL},      {"/", JT_DIV},
    {"%", JT_MOD},       {"~", JT_TILDE},  {"[", JT_LBRACKET}, {"]", JT_RBRACKET}, {"(", JT_LPAREN},
    {")", JT_RPAREN},    {"{", JT_LBRACE}, {"}", JT_RBRACE},   {">", JT_GT},       {"<", JT_LT},
    {"=", JT_ASSIGN},    {".", JT_DOT},    {":", JT_COLON},    {"|", JT_PIPE},     {",", JT_COMMA},
    {";", JT_SEMICOLON},
};

enum { OPERATORS = sizeof operators / sizeof *operators };

static int balance(struct jlexer *l, enum jtoken_kind kind, struct err *e)
{
    if (kind == JT_LBRACKET || kind == JT_LPAREN || kind == JT_LBRACE) {
        if (l->n_open == JINJA_NESTING_MAX)
            return err_set(e, ERR_LIMIT, "line %u: more than %d brackets are open",
                           (unsigned)l->line, JINJA_NESTING_MAX);
        l->open[l->n_open++] = (uint8_t)(kind + 1); /* the one that closes it */
    } else if (kind == JT_RBRACKET || kind == JT_RPAREN || kind == JT_RBRACE) {
        if (l->n_open == 0 || l->open[l->n_open - 1] != kind)
            return err_set(e, ERR_FORMAT, "line %u: unexpected '%s'", (unsigned)l->line,
                           jinja_token_name(kind));
        l->n_open--;
    }
    return 0;
}

static int read_operator(struct jlexer *l, struct jtoken *out, struct err *e)
{
    size_t i = 0;
    while (i < OPERATORS && !at(l, l->pos, operators[i].text))
        i++;
    if (i == OPERATORS) {
        uint32_t cp;
        struct span rest = span_sub(l->s, l->pos, l->s.n);
        rest.n = jinja_char(rest, &cp);
        return err_set(e, ERR_FORMAT, "line %u: unexpected character '%.*s'", (unsigned)l->line,
                       SPAN_FMT(rest));
    }
    *out = (struct jtoken){.kind = operators[i].kind, .line = l->line};
    l->pos += strlen(operators[i].text);
    return balance(l, out->kind, e);
}

static int next_in_tag(struct jlexer *l, struct jtoken *out, struct err *e)
{
    advance(l, skip_space(l, l->pos));
    *out = (struct jtoken){.kind = JT_EOF, .line = l->line};
    if (l->pos == l->s.n)
        return err_set(e, ERR_FORMAT, "line %u: end of the template inside of a tag",
                       (unsigned)l->line);
    /* Within brackets "}}" closes two dictionaries. */
    size_t end = l->n_open ? 0 : tag_end(l, l->pos, l->state == JLEX_BLOCK ? "%}" : "}}");
    if (end) {
        out->kind = l->state == JLEX_BLOCK ? JT_BLOCK_END : JT_PRINT_END;
        advance(l, end);
        l->state = JLEX_DATA;
        l->line_starting = l->s.p[end - 1] == '\n';
        return 0;
    }
    uint8_t c = l->s.p[l->pos];
    if (is_digit(c))
        return read_number(l, out, e);
    if (is_name(c)) {
        size_t start = l->pos;
        while (is_name(byte_at(l, l->pos)))
            l->pos++;
        out->kind = JT_NAME;
        out->text = span_sub(l->s, start, l->pos - start);
        return 0;
    }
    if (c == '\'' || c == '"')
        return read_string(l, out, e);
    return read_operator(l, out, e);
}

int jinja_lex_next(struct jlexer *l, struct jtoken *out, struct err *e)
{
    *out = (struct jtoken){.kind = JT_EOF, .line = l->line};
    if (l->pending == JT_EOF && l->state == JLEX_DATA) {
        int rc = next_in_data(l, out, e);
        if (rc || out->kind != JT_EOF)
            return rc;
    }
    if (l->pending != JT_EOF) {
        out->kind = l->pending;
        out->line = l->line;
        l->pending = JT_EOF;
        return 0;
    }
    return l->state == JLEX_DATA ? 0 : next_in_tag(l, out, e);
}

const char *jinja_token_name(enum jtoken_kind k)
{
    switch (k) {
    case JT_EOF:
        return "the end of the template";
    case JT_DATA:
        return "text";
    case JT_BLOCK_BEGIN:
        return "{%";
    case JT_BLOCK_END:
        return "%}";
    case JT_PRINT_BEGIN:
        return "{{";
    case JT_PRINT_END:
        return "}}";
    case JT_NAME:
        return "a name";
    case JT_STRING:
        return "a string";
    case JT_INT:
        return "an integer";
    case JT_FLOAT:
        return "a float";
    default:
        for (size_t i = 0; i < OPERATORS; i++) {
            if (operators[i].kind == k)
                return operators[i].text;
        }
        return "?";
    }
}
