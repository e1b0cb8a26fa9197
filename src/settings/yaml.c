/* SPDX-License-Identifier: MIT */
/* Owns libfyaml: its events become a tree. The library is asked for events only, never for
 * documents: nothing is resolved, so that an alias can multiply nothing, and what it says of a
 * broken file is collected, not printed. The bytes are checked before it sees them. */
#include "settings/yaml.h"

#include <libfyaml.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int yaml_refuse(struct err *e, struct yaml_place place, const char *fmt, ...)
{
    char text[sizeof e->text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_set(e, ERR_USAGE, "%s:%u:%u: %s", place.file, place.line, place.column, text);
}

/* ---- bytes ---- */

static const char *wrong_character(uint32_t cp)
{
    if (cp == 0)
        return "a NUL byte";
    if ((cp < 0x20 && cp != '\n' && cp != '\r' && cp != '\t') || (cp >= 0x7f && cp < 0xa0))
        return "a control character";
    return NULL;
}

static int check_bytes(const char *file, struct span s, struct err *e)
{
    struct yaml_place at = {file, 1, 1};
    if (s.n > YAML_BYTES_MAX)
        return err_set(e, ERR_USAGE, "%s: %zu bytes, expected at most %d", file, s.n,
                       YAML_BYTES_MAX);
    for (size_t i = 0; i < s.n;) {
        uint32_t cp;
        size_t n = utf8_decode(span_sub(s, i, 4), &cp);
        const char *wrong = n ? wrong_character(cp) : "a byte that is no UTF-8";
        if (wrong)
            return yaml_refuse(e, at, "%s, expected text", wrong);
        at.column++;
        if (cp == '\n') {
            at.line++;
            at.column = 1;
        }
        i += n;
    }
    return 0;
}

/* ---- events ---- */

struct reader {
    struct fy_parser *parser;
    struct fy_diag *diag;
    struct fy_event *event; /* the one that is looked at, or NULL */
    bool ended;             /* that was the end of the stream */
    struct yaml_place place;
    struct arena *arena;
    struct span text;
};

static struct yaml_place place_of(const struct reader *r, const struct fy_mark *mark)
{
    struct yaml_place at = r->place;
    if (mark && mark->line >= 0 && mark->column >= 0) {
        at.line = (unsigned)mark->line + 1;
        at.column = (unsigned)mark->column + 1;
    }
    return at;
}

/* Whether a line of the text begins with %YAML. */
static bool has_version(struct span text)
{
    static const char mark[] = {'%', 'Y', 'A', 'M', 'L'};
    for (size_t i = 0; i + sizeof mark <= text.n; i++)
        if ((i == 0 || text.p[i - 1] == '\n') && memcmp(text.p + i, mark, sizeof mark) == 0)
            return true;
    return false;
}

/* What the library says of the first mistake. */
static int refuse_syntax(const struct reader *r, struct err *e)
{
    void *at = NULL;
    char why[LIBRARY_WORDS_SIZE];
    struct fy_diag_error *error = fy_diag_errors_iterate(r->diag, &at);
    struct yaml_place place = r->place;
    /* libfyaml says nothing of a %YAML of another time, nor of memory. */
    if (!error && has_version(r->text))
        return yaml_refuse(e, place,
                           "is no YAML that can be read: its %%YAML line is not 1.1 or 1.2, or no "
                           "memory is left for it");
    if (!error)
        return err_set(e, ERR_NOMEM, "%s: no memory to read it", place.file);
    if (error->line > 0 && error->column > 0) {
        place.line = (unsigned)error->line;
        place.column = (unsigned)error->column;
    }
    return yaml_refuse(e, place, "is no YAML: %s", library_words(why, error->msg));
}

/* The next event in r->event; at the end of the stream NULL. */
static int next(struct reader *r, struct err *e)
{
    fy_parser_event_free(r->parser, r->event);
    r->event = fy_parser_parse(r->parser);
    /* The library that finds no memory may just end: half a file must not pass for the whole. */
    if (!r->event && (!r->ended || fy_parser_get_stream_error(r->parser)))
        return refuse_syntax(r, e);
    r->ended = r->event && r->event->type == FYET_STREAM_END;
    if (r->event)
        r->place = place_of(r, fy_event_start_mark(r->event));
    return 0;
}

static enum fy_event_type type_of(const struct reader *r)
{
    return r->event ? r->event->type : FYET_NONE;
}

static int check_plain(const struct reader *r, struct fy_token *anchor, struct fy_token *tag,
                       struct err *e)
{
    if (anchor)
        return yaml_refuse(e, r->place, "an anchor (&), expected the value written out");
    if (tag)
        return yaml_refuse(e, r->place,
                           "a tag (!), expected a value without: every value is its text");
    return 0;
}

static int take_text(struct reader *r, const char **out, struct err *e)
{
    const struct fy_event_scalar_data *scalar = &r->event->scalar;
    size_t n = 0;
    int rc = check_plain(r, scalar->anchor, scalar->tag, e);
    if (rc)
        return rc;
    /* Without memory the library's text is empty: asked before, it knows how long it should be. */
    size_t length = scalar->value ? fy_token_get_text_length(scalar->value) : 0;
    const char *text = scalar->value ? fy_token_get_text(scalar->value, &n) : NULL;
    if (n != length || (scalar->value && !text))
        return err_set(e, ERR_NOMEM, "%s: no memory for its values", r->place.file);
    struct span s = span_of(text, text ? n : 0);
    if (span_find(s, '\0') || !utf8_valid(s))
        return yaml_refuse(e, r->place, "an escape that makes a NUL or no UTF-8, expected text");
    *out = arena_strndup(r->arena, s.p ? (const char *)s.p : "", s.n);
    return *out ? 0 : err_set(e, ERR_LIMIT, "%s: no memory for its values", r->place.file);
}

static int read_map(struct reader *r, struct yaml_node *node, int depth, struct err *e);

/* What is no value for key ("": the file itself). */
static int refuse_value(const struct reader *r, const char *key, const char *problem, struct err *e)
{
    return yaml_refuse(e, r->place, "%.200s%s%s", key, key[0] ? ": " : "", problem);
}

/* Of the event that is looked at; its last event is when this returns. */
static int read_node(struct reader *r, struct yaml_node *node, const char *key, int depth,
                     struct err *e)
{
    node->place = r->place;
    switch (type_of(r)) {
    case FYET_SCALAR:
        node->kind = YAML_TEXT;
        return take_text(r, &node->text, e);
    case FYET_MAPPING_START:
        return read_map(r, node, depth, e);
    case FYET_SEQUENCE_START:
        return refuse_value(r, key, "a list, expected one value or a section", e);
    case FYET_ALIAS:
        return refuse_value(r, key, "an alias (*), expected the value written out", e);
    default:
        return refuse_value(r, key, "ends too early, expected a value", e);
    }
}

static int read_pair(struct reader *r, struct yaml_node *map, struct yaml_pair **tail, int depth,
                     struct err *e)
{
    struct yaml_pair *pair = (struct yaml_pair *)arena_alloc(r->arena, sizeof *pair);
    if (!pair)
        return err_set(e, ERR_LIMIT, "%s: no memory for its values", r->place.file);
    pair->place = r->place;
    if (type_of(r) != FYET_SCALAR)
        return yaml_refuse(e, r->place, "a key that is no text, expected KEY: VALUE");
    int rc = take_text(r, &pair->key, e);
    if (rc)
        return rc;
    if (!pair->key[0])
        return yaml_refuse(e, pair->place, "an empty key, expected KEY: VALUE");
    for (const struct yaml_pair *p = map->pairs; p; p = p->next) {
        if (strcmp(p->key, pair->key) == 0)
            return yaml_refuse(e, pair->place,
                               "%.200s: comes twice, expected once (first at line %u)", pair->key,
                               p->place.line);
    }
    if ((rc = next(r, e)) || (rc = read_node(r, &pair->value, pair->key, depth, e)))
        return rc;
    *tail = pair;
    return 0;
}

static int read_map(struct reader *r, struct yaml_node *node, int depth, struct err *e)
{
    struct yaml_pair **tail = &node->pairs;
    size_t n = 0;
    int rc = check_plain(r, r->event->mapping_start.anchor, r->event->mapping_start.tag, e);
    if (rc)
        return rc;
    node->kind = YAML_MAP;
    if (depth == YAML_DEPTH_MAX)
        return yaml_refuse(e, r->place, "nested too deep, expected at most %d levels",
                           YAML_DEPTH_MAX);
    while (!(rc = next(r, e)) && type_of(r) != FYET_MAPPING_END) {
        if (n++ == YAML_PAIRS_MAX)
            return yaml_refuse(e, r->place, "too many keys, expected at most %d", YAML_PAIRS_MAX);
        if ((rc = read_pair(r, node, tail, depth + 1, e)))
            return rc;
        tail = &(*tail)->next;
    }
    return rc;
}

static int read_file(struct reader *r, const struct yaml_node **root, struct err *e)
{
    int rc = next(r, e); /* the stream's start */
    if (!rc)
        rc = next(r, e);
    if (rc || type_of(r) != FYET_DOCUMENT_START)
        return rc;
    if ((rc = next(r, e)))
        return rc;
    struct yaml_node *node = (struct yaml_node *)arena_alloc(r->arena, sizeof *node);
    if (!node)
        return err_set(e, ERR_LIMIT, "%s: no memory for its values", r->place.file);
    if ((rc = read_node(r, node, "", 0, e)))
        return rc;
    if (node->kind == YAML_TEXT && node->text[0])
        return yaml_refuse(e, node->place, "a text, expected settings as KEY: VALUE");
    *root = node->kind == YAML_MAP ? node : NULL;
    while (!(rc = next(r, e)) && r->event) {
        if (type_of(r) == FYET_DOCUMENT_START)
            return yaml_refuse(e, r->place, "a second document, expected one");
    }
    return rc;
}

int yaml_parse(const struct yaml_node **root, const char *file, struct span bytes,
               struct arena *arena, struct err *e)
{
    struct reader r = {.place = {file, 1, 1}, .arena = arena, .text = bytes};
    struct fy_diag_cfg quiet;
    *root = NULL;
    int rc = check_bytes(file, bytes, e);
    if (rc || bytes.n == 0)
        return rc;
    fy_diag_cfg_default(&quiet);
    quiet.fp = NULL;
    quiet.colorize = false;
    r.diag = fy_diag_create(&quiet);
    if (!r.diag)
        return err_set(e, ERR_NOMEM, "%s: no memory to read it", file);
    fy_diag_set_collect_errors(r.diag, true);
    struct fy_parse_cfg cfg = {.search_path = "",
                               .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_JSON_NONE,
                               .diag = r.diag};
    r.parser = fy_parser_create(&cfg);
    if (!r.parser || fy_parser_set_string(r.parser, (const char *)bytes.p, bytes.n)) {
        rc = err_set(e, ERR_NOMEM, "%s: no memory to read it", file);
        goto done;
    }
    rc = read_file(&r, root, e);
done:
    if (r.event)
        fy_parser_event_free(r.parser, r.event);
    if (r.parser)
        fy_parser_destroy(r.parser);
    fy_diag_destroy(r.diag);
    return rc;
}
