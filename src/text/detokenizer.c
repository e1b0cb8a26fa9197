/* SPDX-License-Identifier: MIT */
/* From ids back to text, as Hugging Face's decoders have it, piece by piece.
 *
 * Byte-level BPE: the bytes of all tokens are one row, cut into characters; what is invalid becomes
 * U+FFFD by maximal subparts, and what the next token may complete waits (at most three bytes).
 * SentencePiece: a run of byte tokens is characters if the whole run is valid, else each byte is a
 * U+FFFD; hence a run waits for its end. One blank is dropped from the front of the text where the
 * encoder puts one there. */
#include "text/pipeline.h"
#include "text/tokenizer_parts.h"

#define HELD_MAX ((size_t)64 << 20) /* bytes of one run or token */

void detokenizer_init(struct detokenizer *d, const struct tokenizer *t, bool skip_special)
{
    *d = (struct detokenizer){.t = t,
                              .skip_special = skip_special,
                              .first = t->v.kind == VOCAB_SPM && t->v.add_space_prefix};
    buf_init(&d->held, HELD_MAX);
}

void detokenizer_release(struct detokenizer *d)
{
    buf_release(&d->held);
    for (size_t i = 0; i < DETOKENIZER_STAGES_MAX; i++)
        detokenizer_stage_release(&d->stages[i]);
}

/* The row of decoders that this stream goes through. */
static struct decoder_run decoders(struct detokenizer *d, struct buf *out)
{
    const struct pipeline *p = d->t->pipeline;
    return (struct decoder_run){p->decoders, p->n_decoders, d->stages, out};
}

/* Drops the leading blank of what has come out since `began`, once. */
static void drop_blank(struct detokenizer *d, struct buf *out, size_t began)
{
    if (!d->first || out->failed || out->n == began)
        return;
    d->first = false;
    if (out->p[began] == ' ') {
        memmove(out->p + began, out->p + began + 1, out->n - began - 1);
        buf_truncate(out, out->n - 1);
    }
}

/* Moves what is certain from held to out. */
static void give_certain(struct detokenizer *d, struct buf *out)
{
    struct span held = buf_view(&d->held);
    size_t certain = 0;
    while (certain < held.n) {
        size_t length;
        if (utf8_look(span_sub(held, certain, 4), &length) == UTF8_CUT)
            break;
        certain += length;
    }
    if (certain == 0)
        return;
    utf8_append_lossy(out, span_sub(held, 0, certain));
    memmove(d->held.p, d->held.p + certain, held.n - certain);
    buf_truncate(&d->held, held.n - certain);
}

static void end_byte_run(struct detokenizer *d, struct buf *out)
{
    struct span run = buf_view(&d->held);
    if (utf8_valid(run))
        buf_span(out, run);
    else
        for (size_t i = 0; i < run.n; i++)
            buf_str(out, "\xef\xbf\xbd");
    buf_clear(&d->held);
}

int detokenizer_push(struct detokenizer *d, int32_t id, struct buf *out, struct err *e)
{
    const struct tokenizer *t = d->t;
    if (id < 0 || (size_t)id >= t->v.n)
        return err_set(e, ERR_RANGE, "token id: %d, expected 0 to %zu", id, t->v.n - 1);
    /* What is left out does not end a run of bytes either; nor does padding without a text. */
    if (t->v.tokens[id].n == 0 || (d->skip_special && token_is_control(t, id)))
        return 0;
    if (t->pipeline) {
        struct decoder_run r = decoders(d, out);
        return decoder_run_token(&r, t->v.tokens[id], e);
    }
    size_t began = out->n;
    if (t->v.kind == VOCAB_BPE) {
        bpe_piece(t, id, &d->held);
        if (d->held.n)
            give_certain(d, out);
    } else if (spm_byte(t->v.tokens[id]) >= 0) {
        spm_piece(t, id, &d->held);
    } else {
        end_byte_run(d, out);
        spm_piece(t, id, &d->held);
        utf8_append_lossy(out, buf_view(&d->held));
        buf_clear(&d->held);
    }
    drop_blank(d, out, began);
    int rc = buf_check(&d->held, "undecoded bytes", e);
    return rc ? rc : buf_check(out, "text", e);
}

void detokenizer_finish(struct detokenizer *d, struct buf *out)
{
    size_t began = out->n;
    if (d->t->pipeline) {
        struct decoder_run r = decoders(d, out);
        struct err ignored;
        /* A failure shows in out, which its owner checks. */
        if (decoder_run_end(&r, &ignored))
            out->failed = true;
        return;
    }
    if (d->t->v.kind == VOCAB_BPE) {
        utf8_append_lossy(out, buf_view(&d->held));
        buf_clear(&d->held);
    } else {
        end_byte_run(d, out);
    }
    drop_blank(d, out, began);
}

int tokenizer_decode(const struct tokenizer *t, const int32_t *ids, size_t n, bool skip_special,
                     struct buf *out, struct err *e)
{
    struct detokenizer d;
    detokenizer_init(&d, t, skip_special);
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++)
        rc = detokenizer_push(&d, ids[i], out, e);
    if (!rc) {
        detokenizer_finish(&d, out);
        rc = buf_check(out, "text", e);
    }
    detokenizer_release(&d);
    return rc;
}

int tokenizer_piece(const struct tokenizer *t, int32_t id, bool skip_special, struct buf *out,
                    struct err *e)
{
    if (id < 0 || (size_t)id >= t->v.n)
        return err_set(e, ERR_RANGE, "token id: %d, expected 0 to %zu", id, t->v.n - 1);
    if (skip_special && token_is_control(t, id))
        return 0;
    if (t->pipeline)
        return decoder_piece(t->pipeline->decoders, t->pipeline->n_decoders, t->v.tokens[id], out,
                             e);
    if (t->v.kind == VOCAB_BPE)
        bpe_piece(t, id, out);
    else
        spm_piece(t, id, out);
    return buf_check(out, "text", e);
}
