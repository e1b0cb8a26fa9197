/* SPDX-License-Identifier: MIT */
/* Invariant between calls: text[0, given) is out and cannot belong to a stop text; text[given, n)
 * is the longest end of the text that is the beginning of one. Since stop texts and pieces are
 * whole characters, what is given out is, too. */
#include "engine/answer.h"

#include <assert.h>
#include <string.h>

void answer_init(struct answer *a, size_t max_bytes,
                 void (*on_text)(void *ctx, const char *text, size_t bytes), void *ctx)
{
    *a = (struct answer){.on_text = on_text, .ctx = ctx};
    buf_init(&a->text, max_bytes);
}

void answer_release(struct answer *a)
{
    buf_release(&a->text);
}

void answer_stop_at(struct answer *a, struct span stop)
{
    assert(a->n_stops < ANSWER_STOPS_MAX && stop.n > 0 && stop.n <= ANSWER_STOP_BYTES_MAX);
    a->stops[a->n_stops++] = stop;
    if (stop.n > a->longest_stop)
        a->longest_stop = stop.n;
}

static void give_until(struct answer *a, size_t end)
{
    if (end > a->given && a->on_text)
        a->on_text(a->ctx, a->text.p + a->given, end - a->given);
    a->given = end;
}

/* Where the first stop text begins, or n. An occurrence cannot begin in what is given out. */
static size_t first_stop(const struct answer *a)
{
    size_t first = a->text.n;
    for (size_t i = 0; i < a->n_stops; i++) {
        const char *from = a->text.p + a->given;
        const char *hit = memmem(from, a->text.n - a->given, a->stops[i].p, a->stops[i].n);
        if (hit && (size_t)(hit - a->text.p) < first)
            first = (size_t)(hit - a->text.p);
    }
    return first;
}

/* Bytes at the end of the text that may be the beginning of a stop text. */
static size_t held_bytes(const struct answer *a)
{
    size_t n = a->text.n - a->given;
    if (n >= a->longest_stop)
        n = a->longest_stop ? a->longest_stop - 1 : 0;
    for (; n > 0; n--)
        for (size_t i = 0; i < a->n_stops; i++)
            if (n < a->stops[i].n && memcmp(a->text.p + a->text.n - n, a->stops[i].p, n) == 0)
                return n;
    return 0;
}

int answer_add(struct answer *a, struct span piece, struct err *e)
{
    if (a->stopped || piece.n == 0)
        return 0;
    buf_span(&a->text, piece);
    int rc = buf_check(&a->text, "answer", e);
    if (rc)
        return rc;
    size_t stop = first_stop(a);
    if (stop < a->text.n) {
        a->stopped = true;
        buf_truncate(&a->text, stop);
        give_until(a, stop);
    } else {
        give_until(a, a->text.n - held_bytes(a));
    }
    return 0;
}

void answer_finish(struct answer *a)
{
    give_until(a, a->text.n);
}
