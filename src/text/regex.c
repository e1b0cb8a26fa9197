/* SPDX-License-Identifier: MIT */
/* Runs expressions that come from outside: each search has a limit of steps in proportion to the
 * text, so that a hostile expression ends in an error and not in hours. */
#include "text/regex.h"

#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
    EXPRESSION_MAX = 64 << 10, /* bytes; the longest published one has some 3,000 */
    TRANSLATED_MAX = 16 * EXPRESSION_MAX,
    /* Steps of one search. What is in use takes a few for each byte it looks at. */
    STEPS = 100000,
    STEPS_A_BYTE = 40,
    HEAP_LIMIT_KIB = 64 << 10,
    JIT_STACK_FIRST = 32 << 10,
    JIT_STACK_MAX = 1 << 20,
    JIT_STACK_LAST = 64 << 20, /* for a long word that needs more: some 100 bytes a character */
};

struct regex {
    pcre2_code *code;
};

static int compile(struct regex **out, struct span expression, uint32_t options, const char *what,
                   struct span shown, struct err *e)
{
    int code;
    PCRE2_SIZE at;
    struct regex *r = calloc(1, sizeof(*r));
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    int rc = 0;
    if (!r || !context) {
        rc = err_set(e, ERR_NOMEM, "%s: no memory for an expression", what);
        goto done;
    }
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    r->code = pcre2_compile(expression.p, expression.n,
                            options | PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &at,
                            context);
    if (!r->code) {
        PCRE2_UCHAR text[128] = "";
        pcre2_get_error_message(code, text, sizeof(text));
        rc = err_set(e, code == PCRE2_ERROR_NOMEMORY ? ERR_NOMEM : ERR_FORMAT,
                     "%s: expression '%.*s': %s", what, SPAN_FMT(shown), (const char *)text);
        goto done;
    }
    /* Where there is no JIT for this processor the interpreter does the same, more slowly. */
    pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE);
    *out = r;
    r = NULL;
done:
    regex_close(&r);
    pcre2_compile_context_free(context);
    return rc;
}

int regex_open(struct regex **out, struct span expression, const char *what, struct err *e)
{
    struct buf pcre2;
    buf_init(&pcre2, TRANSLATED_MAX);
    int rc = 0;
    if (expression.n > EXPRESSION_MAX)
        rc = err_set(e, ERR_LIMIT, "an expression of %zu bytes, expected at most %d", expression.n,
                     EXPRESSION_MAX);
    if (!rc)
        rc = oniguruma_translate(expression, &pcre2, e);
    if (rc)
        err_wrap(e, rc, "%s", what);
    else
        rc = compile(out, span_of(buf_cstr(&pcre2), pcre2.n), PCRE2_MULTILINE, what, expression, e);
    buf_release(&pcre2);
    return rc;
}

void regex_close(struct regex **r)
{
    if (!*r)
        return;
    pcre2_code_free((*r)->code);
    free(*r);
    *r = NULL;
}

int regex_scan_open(struct regex_scan *s, struct err *e)
{
    if (s->found)
        return 0;
    s->context = pcre2_match_context_create(NULL);
    s->stack = pcre2_jit_stack_create(JIT_STACK_FIRST, JIT_STACK_MAX, NULL);
    s->found = pcre2_match_data_create(1, NULL);
    if (!s->context || !s->stack || !s->found) {
        regex_scan_release(s);
        return err_set(e, ERR_NOMEM, "text: no memory to search it");
    }
    pcre2_set_heap_limit(s->context, HEAP_LIMIT_KIB);
    pcre2_jit_stack_assign(s->context, NULL, s->stack);
    return 0;
}

void regex_scan_release(struct regex_scan *s)
{
    pcre2_match_data_free(s->found);
    pcre2_match_context_free(s->context);
    pcre2_jit_stack_free(s->stack);
    *s = (struct regex_scan){0};
}

/* A search that ran out of stack is done again with a larger one. */
static int match(const struct regex *r, struct regex_scan *s, struct span text, size_t from)
{
    /* The text was checked when it came. */
    const uint8_t *p = text.p ? text.p : (const uint8_t *)"";
    int got = pcre2_match(r->code, p, text.n, from, PCRE2_NO_UTF_CHECK, s->found, s->context);
    if (got != PCRE2_ERROR_JIT_STACKLIMIT || s->large)
        return got;
    void *large = pcre2_jit_stack_create(JIT_STACK_FIRST, JIT_STACK_LAST, NULL);
    if (!large)
        return PCRE2_ERROR_NOMEMORY;
    pcre2_jit_stack_assign(s->context, NULL, large);
    pcre2_jit_stack_free(s->stack);
    s->stack = large;
    s->large = true;
    return pcre2_match(r->code, p, text.n, from, PCRE2_NO_UTF_CHECK, s->found, s->context);
}

int regex_find(const struct regex *r, struct regex_scan *s, struct span text, size_t from,
               size_t *start, size_t *end, struct err *e)
{
    pcre2_set_match_limit(s->context, STEPS + STEPS_A_BYTE * (uint32_t)(text.n - from));
    int got = match(r, s, text, from);
    if (got == PCRE2_ERROR_NOMATCH)
        return 0;
    if (got < 0) {
        PCRE2_UCHAR why[128] = "";
        pcre2_get_error_message(got, why, sizeof(why));
        return err_set(e, got == PCRE2_ERROR_NOMEMORY ? ERR_NOMEM : ERR_LIMIT,
                       "text: cannot be cut into words at byte %zu: %s", from, (const char *)why);
    }
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(s->found);
    *start = ends[0];
    *end = ends[1];
    if (*start < from || *end < *start) /* \K in a lookaround may say so */
        return err_set(e, ERR_UNSUPPORTED, "text: an expression matches backwards at byte %zu",
                       from);
    return 1;
}
