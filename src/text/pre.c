/* SPDX-License-Identifier: MIT */
/* Runs the stages of a pre-tokenizer with PCRE2.
 *
 * A stage sees one piece of the stage before it as a whole text of its own, so that lookaheads end
 * where the piece ends, as in Hugging Face's sequences. No expression of the table backtracks more
 * than once over what it has matched, hence a walk is linear in the text. */
#include "text/pre.h"

#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* Far above one step a byte of the longest text, 16 MiB; met only by a fault of ours. */
#define MATCH_LIMIT    (1u << 30)
#define HEAP_LIMIT_KIB (64u * 1024)
/* None of the expressions needs more than the first; PCRE2 grows it on demand up to the second. */
#define JIT_STACK_FIRST (32u * 1024)
#define JIT_STACK_MAX   (1024u * 1024)

struct pre {
    pcre2_code *stages[PRE_MAX_STAGES];
    size_t n;
};

struct pre_walk {
    const struct pre *pre;
    pcre2_match_data *found[PRE_MAX_STAGES]; /* a stage's own: they are in use at the same time */
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    int (*word)(void *context, struct span piece, struct err *e);
    void *word_context;
};

static int compile(pcre2_code **out, const char *expression, bool bytes, struct err *e)
{
    int code;
    PCRE2_SIZE at;
    uint32_t options = PCRE2_NEVER_BACKSLASH_C | (bytes ? 0 : PCRE2_UTF | PCRE2_UCP);
    *out = pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED, options, &code, &at, NULL);
    if (!*out) {
        PCRE2_UCHAR text[128] = "";
        pcre2_get_error_message(code, text, sizeof(text));
        return err_set(e, code == PCRE2_ERROR_NOMEMORY ? ERR_NOMEM : ERR_UNSUPPORTED,
                       "pre-tokenizer '%s': offset %zu: %s", expression, (size_t)at,
                       (const char *)text);
    }
    /* Where there is no JIT for this processor the interpreter does the same, more slowly. */
    pcre2_jit_compile(*out, PCRE2_JIT_COMPLETE);
    return 0;
}

int pre_open(struct pre **out, const struct pre_row *row, struct err *e)
{
    struct pre *p = calloc(1, sizeof(*p));
    if (!p)
        return err_set(e, ERR_NOMEM, "pre-tokenizer: no memory");
    size_t n = 0;
    while (n < PRE_MAX_STAGES && row->stages[n])
        n++;
    for (size_t i = 0; i < n; i++) {
        int rc = compile(&p->stages[i], row->stages[i], i >= n - row->n_byte_stages, e);
        if (rc) {
            pre_close(&p);
            return rc;
        }
        p->n = i + 1;
    }
    *out = p;
    return 0;
}

void pre_close(struct pre **p)
{
    if (!*p)
        return;
    for (size_t i = 0; i < (*p)->n; i++)
        pcre2_code_free((*p)->stages[i]);
    free(*p);
    *p = NULL;
}

int pre_walk_open(struct pre_walk **out, const struct pre *p, struct err *e)
{
    struct pre_walk *w = calloc(1, sizeof(*w));
    if (!w)
        goto fail;
    w->pre = p;
    w->context = pcre2_match_context_create(NULL);
    w->stack = pcre2_jit_stack_create(JIT_STACK_FIRST, JIT_STACK_MAX, NULL);
    if (!w->context || !w->stack)
        goto fail;
    pcre2_set_match_limit(w->context, MATCH_LIMIT);
    pcre2_set_heap_limit(w->context, HEAP_LIMIT_KIB);
    pcre2_jit_stack_assign(w->context, NULL, w->stack);
    for (size_t i = 0; i < p->n; i++) {
        w->found[i] = pcre2_match_data_create(1, NULL);
        if (!w->found[i])
            goto fail;
    }
    *out = w;
    return 0;
fail:
    pre_walk_close(&w);
    return err_set(e, ERR_NOMEM, "pre-tokenizer: no memory");
}

void pre_walk_close(struct pre_walk **w)
{
    if (!*w)
        return;
    for (size_t i = 0; i < PRE_MAX_STAGES; i++)
        pcre2_match_data_free((*w)->found[i]);
    pcre2_match_context_free((*w)->context);
    pcre2_jit_stack_free((*w)->stack);
    free(*w);
    *w = NULL;
}

static int match_error(int code, size_t at, struct err *e)
{
    PCRE2_UCHAR text[128] = "";
    pcre2_get_error_message(code, text, sizeof(text));
    return err_set(e, code == PCRE2_ERROR_NOMEMORY ? ERR_NOMEM : ERR_LIMIT,
                   "text: cannot be cut into words at byte %zu: %s", at, (const char *)text);
}

/* Cuts one piece by the stages from `stage` on. The recursion ends with the stages: at most six. */
static int cut(struct pre_walk *w, size_t stage, struct span piece, struct err *e)
{
    if (piece.n == 0)
        return 0;
    if (stage == w->pre->n)
        return w->word(w->word_context, piece, e);
    size_t done = 0;
    for (size_t at = 0; at < piece.n;) {
        /* The text was checked once, before the first stage. */
        int got = pcre2_match(w->pre->stages[stage], (PCRE2_SPTR)piece.p, piece.n, at,
                              PCRE2_NO_UTF_CHECK, w->found[stage], w->context);
        if (got == PCRE2_ERROR_NOMATCH)
            break;
        if (got < 0)
            return match_error(got, at, e);
        const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(w->found[stage]);
        size_t from = ends[0];
        size_t to = ends[1];
        int rc = cut(w, stage + 1, span_sub(piece, done, from - done), e);
        if (!rc)
            rc = cut(w, stage + 1, span_sub(piece, from, to - from), e);
        if (rc)
            return rc;
        done = to;
        at = to;
    }
    return cut(w, stage + 1, span_sub(piece, done, piece.n - done), e);
}

int pre_walk_text(struct pre_walk *w, struct span text,
                  int (*word)(void *context, struct span piece, struct err *e), void *context,
                  struct err *e)
{
    w->word = word;
    w->word_context = context;
    return cut(w, 0, text, e);
}
