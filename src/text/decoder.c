/* SPDX-License-Identifier: MIT */
/* A stage takes tokens and gives tokens. ByteLevel and Fuse make one token of all, which goes on in
 * parts as it grows; a part is whole characters. A stage that needs a token whole holds its parts
 * until it ends, so that a text comes late but never wrong.
 *
 * Source: the behaviour of Hugging Face's `tokenizers` (module decoders). */
#include "text/decoder.h"
#include "text/alphabet.h"
#include "text/tokenizer_parts.h"

#define HELD_MAX ((size_t)64 << 20) /* bytes of one run or token */

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

void decoder_release(struct decoder *d)
{
    regex_close(&d->pattern.regex);
}

void detokenizer_stage_release(struct detokenizer_stage *s)
{
    buf_release(&s->token);
    buf_release(&s->held);
}

static int part(struct decoder_run *r, size_t k, struct span bytes, bool ends, struct err *e);

static void hold(struct buf *b, struct span bytes)
{
    if (b->max == 0)
        buf_init(b, HELD_MAX);
    buf_span(b, bytes);
}

/* ---- ByteLevel ---- */

/* Passes on what is certain of the bytes that are held. */
static int give_certain(struct decoder_run *r, size_t k, struct err *e)
{
    struct detokenizer_stage *s = &r->stages[k];
    struct span held = buf_view(&s->held);
    struct buf text;
    size_t certain = 0;
    while (certain < held.n) {
        size_t length;
        if (utf8_look(span_sub(held, certain, 4), &length) == UTF8_CUT)
            break;
        certain += length;
    }
    if (certain == 0)
        return 0;
    buf_init(&text, 3 * HELD_MAX);
    utf8_append_lossy(&text, span_sub(held, 0, certain));
    memmove(s->held.p, s->held.p + certain, held.n - certain);
    buf_truncate(&s->held, held.n - certain);
    int rc = buf_check(&text, "text", e);
    if (!rc)
        rc = part(r, k + 1, buf_view(&text), false, e);
    buf_release(&text);
    return rc;
}

static int byte_level(struct decoder_run *r, size_t k, struct span token, struct err *e)
{
    struct buf *held = &r->stages[k].held;
    hold(held, (struct span){NULL, 0});
    append_bytes_of(held, token);
    int rc = buf_check(held, "undecoded bytes", e);
    return rc ? rc : give_certain(r, k, e);
}

static int byte_level_end(struct decoder_run *r, size_t k, struct err *e)
{
    /* Two bytes of a character that was cut, at most three: one U+FFFD. */
    struct span rest = r->stages[k].held.n ? span_str(replacement) : (struct span){NULL, 0};
    return part(r, k + 1, rest, true, e);
}

/* ---- ByteFallback ---- */

static int hex(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* The byte of a token spelled <0xNN>, -1 for others. Rust reads "+F" as a number as well. */
static int fallback_byte(struct span token)
{
    if (token.n != 6 || memcmp(token.p, "<0x", 3) != 0 || token.p[5] != '>')
        return -1;
    int high = token.p[3] == '+' ? 0 : hex(token.p[3]);
    int low = hex(token.p[4]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static int end_byte_run(struct decoder_run *r, size_t k, struct err *e)
{
    struct buf *held = &r->stages[k].held;
    struct span run = buf_view(held);
    int rc = 0;
    if (run.n && utf8_valid(run))
        rc = part(r, k + 1, run, true, e);
    else
        for (size_t i = 0; i < run.n && !rc; i++)
            rc = part(r, k + 1, span_str(replacement), true, e);
    buf_clear(held);
    return rc;
}

static int byte_fallback(struct decoder_run *r, size_t k, struct span token, struct err *e)
{
    int byte = fallback_byte(token);
    if (byte >= 0) {
        uint8_t b = (uint8_t)byte;
        hold(&r->stages[k].held, span_of(&b, 1));
        return buf_check(&r->stages[k].held, "undecoded bytes", e);
    }
    int rc = end_byte_run(r, k, e);
    return rc ? rc : part(r, k + 1, token, true, e);
}

/* ---- stages that take parts ---- */

/* Metaspace, and Replace by one character: a match lies in one part. */
static int substitute(struct decoder_run *r, size_t k, struct span bytes, bool ends,
                      struct span from, struct span to, struct err *e)
{
    struct buf out;
    size_t done = 0;
    buf_init(&out, HELD_MAX * 4);
    for (size_t i = 0; from.n && from.n <= bytes.n && i <= bytes.n - from.n;) {
        if (memcmp(bytes.p + i, from.p, from.n) != 0) {
            i++;
            continue;
        }
        buf_span(&out, span_sub(bytes, done, i - done));
        buf_span(&out, to);
        i += from.n;
        done = i;
    }
    buf_span(&out, span_sub(bytes, done, bytes.n - done));
    int rc = buf_check(&out, "text", e);
    if (!rc)
        rc = part(r, k + 1, buf_view(&out), ends, e);
    buf_release(&out);
    return rc;
}

static int strip(struct decoder_run *r, size_t k, struct span bytes, bool ends, struct err *e)
{
    const struct decoder *d = &r->list[k];
    struct detokenizer_stage *s = &r->stages[k];
    struct span c = d->content;
    if (!s->open)
        s->stripped = 0;
    while (s->stripped < d->start && bytes.n) {
        if (!span_eq(span_sub(bytes, 0, c.n), c)) {
            s->stripped = UINT32_MAX; /* something else has come */
            break;
        }
        s->stripped++;
        bytes = span_sub(bytes, c.n, SIZE_MAX);
    }
    for (uint32_t i = 0; i < d->stop && bytes.n >= c.n; i++) { /* the token is whole */
        if (!span_eq(span_sub(bytes, bytes.n - c.n, c.n), c))
            break;
        bytes.n -= c.n;
    }
    s->open = !ends;
    return part(r, k + 1, bytes, ends, e);
}

/* ---- stages that take tokens ---- */

static int replace_token(struct decoder_run *r, size_t k, struct span token, struct err *e)
{
    const struct decoder *d = &r->list[k];
    struct regex_scan scan = {0};
    struct search f = {&d->pattern, token, 0, SIZE_MAX};
    struct buf out;
    size_t done = 0;
    size_t from;
    size_t to;
    int got = regex_scan_open(&scan, e);
    buf_init(&out, HELD_MAX * 4);
    while (got == 0 && (got = search_next(&f, &scan, &from, &to, e)) > 0) {
        buf_span(&out, span_sub(token, done, from - done));
        buf_span(&out, d->content);
        done = to;
        got = buf_check(&out, "text", e);
    }
    buf_span(&out, span_sub(token, done, token.n - done));
    int rc = got < 0 ? got : buf_check(&out, "text", e);
    if (!rc)
        rc = part(r, k + 1, buf_view(&out), true, e);
    buf_release(&out);
    regex_scan_release(&scan);
    return rc;
}

static void replace_all(struct buf *text, const char *from, const char *to)
{
    size_t n = strlen(from);
    size_t n_to = strlen(to); /* not longer than from */
    size_t kept = 0;
    for (size_t i = 0; i < text->n;) {
        bool found = n <= text->n - i && memcmp(text->p + i, from, n) == 0;
        if (found)
            memcpy(text->p + kept, to, n_to);
        else
            text->p[kept] = text->p[i];
        kept += found ? n_to : 1;
        i += found ? n : 1;
    }
    buf_truncate(text, kept);
}

static int wordpiece(struct decoder_run *r, size_t k, struct span token, struct err *e)
{
    static const char *const clean[][2] = {
        {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
        {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
        {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
    };
    const struct decoder *d = &r->list[k];
    struct buf out;
    buf_init(&out, HELD_MAX + 1);
    if (r->stages[k].begun) {
        if (d->content.n && span_eq(span_sub(token, 0, d->content.n), d->content))
            token = span_sub(token, d->content.n, SIZE_MAX);
        else
            buf_char(&out, ' ');
    }
    buf_span(&out, token);
    int rc = buf_check(&out, "text", e);
    for (size_t i = 0; !rc && d->cleans_up && out.p && i < sizeof(clean) / sizeof(*clean); i++)
        replace_all(&out, clean[i][0], clean[i][1]);
    if (!rc)
        rc = part(r, k + 1, buf_view(&out), true, e);
    buf_release(&out);
    return rc;
}

/* The last token's suffix goes, that of others becomes a blank: a token waits for the next. */
static int bpe(struct decoder_run *r, size_t k, struct span token, struct err *e)
{
    struct buf *held = &r->stages[k].held;
    int rc = 0;
    if (r->stages[k].begun)
        rc = substitute(r, k, buf_view(held), true, r->list[k].content, span_str(" "), e);
    buf_clear(held);
    hold(held, token);
    return rc ? rc : buf_check(held, "text", e);
}

static int whole(struct decoder_run *r, size_t k, struct span token, struct err *e)
{
    switch (r->list[k].kind) {
    case DECODER_BYTE_LEVEL:
        return byte_level(r, k, token, e);
    case DECODER_BYTE_FALLBACK:
        return byte_fallback(r, k, token, e);
    case DECODER_STRIP:
        return strip(r, k, token, true, e);
    case DECODER_REPLACE:
        return replace_token(r, k, token, e);
    case DECODER_WORDPIECE:
        return wordpiece(r, k, token, e);
    case DECODER_BPE:
        return bpe(r, k, token, e);
    default:
        return part(r, k + 1, token, true, e);
    }
}

/* ---- the row ---- */

/* Sends a part of a token into stage k. */
static int part(struct decoder_run *r, size_t k, struct span bytes, bool ends, struct err *e)
{
    if (k == r->n) {
        buf_span(r->out, bytes);
        return buf_check(r->out, "text", e);
    }
    const struct decoder *d = &r->list[k];
    struct detokenizer_stage *s = &r->stages[k];
    int rc;
    if (d->kind == DECODER_FUSE)
        return part(r, k + 1, bytes, false, e);
    if (d->kind == DECODER_METASPACE) {
        struct span to = d->drops_first && !s->begun ? span_str("") : span_str(" ");
        s->begun = s->begun || ends;
        return substitute(r, k, bytes, ends, d->content, to, e);
    }
    if (d->kind == DECODER_STRIP && d->stop == 0)
        return strip(r, k, bytes, ends, e);
    if (d->kind == DECODER_REPLACE && !d->pattern.regex && utf8_length(d->pattern.text) == 1)
        return substitute(r, k, bytes, ends, d->pattern.text, d->content, e);
    if (d->kind == DECODER_JOIN) {
        rc = s->begun && !s->open ? part(r, k + 1, span_str(" "), false, e) : 0;
        s->begun = true;
        s->open = !ends;
        return rc ? rc : part(r, k + 1, bytes, ends, e);
    }
    if (ends && s->token.n == 0) {
        rc = whole(r, k, bytes, e);
    } else {
        hold(&s->token, bytes);
        rc = buf_check(&s->token, "text", e);
        if (rc || !ends)
            return rc;
        rc = whole(r, k, buf_view(&s->token), e);
        buf_clear(&s->token);
    }
    s->begun = true;
    return rc;
}

int decoder_run_token(struct decoder_run *r, struct span token, struct err *e)
{
    return part(r, 0, token, true, e);
}

int decoder_run_end(struct decoder_run *r, struct err *e)
{
    int rc = 0;
    for (size_t k = 0; k < r->n && !rc; k++) {
        switch (r->list[k].kind) {
        case DECODER_BYTE_LEVEL:
            rc = byte_level_end(r, k, e);
            break;
        case DECODER_BYTE_FALLBACK:
            rc = end_byte_run(r, k, e);
            break;
        case DECODER_FUSE:
            rc = part(r, k + 1, (struct span){NULL, 0}, true, e);
            break;
        case DECODER_BPE:
            if (r->stages[k].begun)
                rc = substitute(r, k, buf_view(&r->stages[k].held), true, r->list[k].content,
                                span_str(""), e);
            break;
        default:
            break;
        }
    }
    return rc;
}

/* ---- one token ---- */

int decoder_piece(const struct decoder *list, size_t n, struct span token, struct buf *out,
                  struct err *e)
{
    struct decoder middle[DETOKENIZER_STAGES_MAX];
    struct detokenizer_stage stages[DETOKENIZER_STAGES_MAX] = {{.begun = false}};
    size_t m = 0;
    bool fused = false;
    for (size_t i = 0; i < n; i++) {
        if (list[i].kind == DECODER_BYTE_LEVEL) {
            append_bytes_of(out, token);
            return buf_check(out, "text", e);
        }
        if (list[i].kind == DECODER_BYTE_FALLBACK) {
            int byte = fallback_byte(token);
            if (byte >= 0) {
                buf_char(out, (char)byte);
                return buf_check(out, "text", e);
            }
            continue;
        }
        fused = fused || list[i].kind == DECODER_FUSE;
        /* Only the ends of a text lose what is stripped from all of it. */
        if (!(fused && list[i].kind == DECODER_STRIP))
            middle[m++] = list[i];
        if (m && middle[m - 1].kind == DECODER_METASPACE)
            middle[m - 1].drops_first = false;
    }
    struct decoder_run r = {middle, m, stages, out};
    int rc = decoder_run_token(&r, token, e);
    if (!rc)
        rc = decoder_run_end(&r, e);
    for (size_t i = 0; i < m; i++)
        detokenizer_stage_release(&stages[i]);
    return rc;
}
