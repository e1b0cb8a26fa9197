/* SPDX-License-Identifier: MIT */
/* SentencePiece's BPE: blanks become U+2581, each character a token, and neighbours merge into the
 * token of the greatest score; a character without a token is spelled in bytes.
 *
 * Source: Kudo and Richardson 2018, "SentencePiece", with the normalizer, the byte fallback and the
 * order of unknown tokens that Hugging Face's tokenizers have for Llama 2: the blank is put before
 * every part of a text that stands between recognised added tokens. */
#include "text/tokenizer_parts.h"
#include "text/unicode.h"

#include <math.h>
#include <stdlib.h>

static const char blank[] = "\xe2\x96\x81"; /* U+2581 */

int spm_byte(struct span token)
{
    if (token.n != 6 || memcmp(token.p, "<0x", 3) != 0 || token.p[5] != '>')
        return -1;
    int v = 0;
    for (size_t i = 3; i < 5; i++) {
        int c = token.p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        v = v << 4 | digit;
    }
    return v;
}

void spm_piece(const struct tokenizer *t, int32_t id, struct buf *out)
{
    struct span text = t->v.tokens[id];
    int byte = spm_byte(text);
    if (byte >= 0) {
        buf_char(out, (char)byte);
        return;
    }
    size_t from = 0;
    for (size_t i = 0; i + 3 <= text.n;) {
        if (memcmp(text.p + i, blank, 3) != 0) {
            i++;
            continue;
        }
        buf_span(out, span_sub(text, from, i - from));
        buf_char(out, ' ');
        i += 3;
        from = i;
    }
    buf_span(out, span_sub(text, from, text.n - from));
}

/* Words are made of these. Control, unknown and byte tokens are not found by their spelling, and
 * user-defined ones only as a whole (added.h), never by merging. */
static bool is_word_token(const struct tokenizer *t, int32_t id)
{
    switch (token_type_of(t, id)) {
    case TOKEN_CONTROL:
    case TOKEN_UNKNOWN:
    case TOKEN_BYTE:
    case TOKEN_USER_DEFINED:
        return false;
    default:
        return true;
    }
}

/* Greater scores have lower ranks. The bits of a float order as its value does once the sign is
 * taken care of; no score is a NaN. */
static uint32_t score_rank(float score)
{
    uint32_t bits;
    score += 0.0f; /* -0 becomes 0 */
    memcpy(&bits, &score, sizeof(bits));
    uint32_t rising = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return ~rising;
}

static struct merge score_merge(const void *context, int32_t left, int32_t right)
{
    const struct tokenizer *t = context;
    if (!is_word_token(t, left) || !is_word_token(t, right))
        return (struct merge){MERGE_NONE, -1};
    int32_t id = vocab_index_find_joined(&t->index, t->v.tokens[left], t->v.tokens[right]);
    if (id < 0 || !is_word_token(t, id))
        return (struct merge){MERGE_NONE, -1};
    return (struct merge){score_rank(t->v.scores[id]), id};
}

/* Whether a blank stands behind something else in a token. */
static bool blank_inside(struct span text)
{
    bool other = false;
    for (size_t i = 0; i < text.n;) {
        if (i + 3 <= text.n && memcmp(text.p + i, blank, 3) == 0) {
            if (other)
                return true;
            i += 3;
        } else {
            other = true;
            i++;
        }
    }
    return false;
}

int spm_open(struct tokenizer *t, struct err *e)
{
    if (!t->v.scores)
        return err_set(e, ERR_FORMAT, "vocabulary: scores: missing, expected %zu", t->v.n);
    t->words_begin_with_blank = true;
    for (unsigned b = 0; b < 256; b++)
        t->byte_ids[b] = -1;
    for (size_t i = 0; i < t->v.n; i++) {
        if (isnan(t->v.scores[i]))
            return err_set(e, ERR_FORMAT, "vocabulary: scores: token %zu: nan, expected a number",
                           i);
        struct span text = t->v.tokens[i];
        int byte = spm_byte(text);
        if (byte >= 0)
            t->byte_ids[byte] = (int32_t)i;
        else if (is_word_token(t, (int32_t)i) && blank_inside(text))
            t->words_begin_with_blank = false;
    }
    /* Phi-3's added tokens take the blanks after them along, which GGUF has no field for; nobody
     * else has these four in a SentencePiece vocabulary. */
    static const char *const phi3[] = {"<|system|>", "<|user|>", "<|assistant|>", "<|end|>"};
    t->control_eats_space = true;
    for (size_t i = 0; i < sizeof(phi3) / sizeof(phi3[0]); i++) {
        int32_t id = vocab_index_find(&t->index, span_str(phi3[i]));
        if (id < 0 || !token_is_control(t, id))
            t->control_eats_space = false;
    }
    return 0;
}

bool spm_token_eats_space(const struct tokenizer *t, int32_t id)
{
    /* As Phi-3 publishes them: all but these three. */
    struct span text = t->v.tokens[id];
    return t->control_eats_space && !span_is(text, "<unk>") && !span_is(text, "<s>") &&
           !span_is(text, "<|endoftext|>");
}

/* Merges the symbols that have been gathered and appends them. */
static int flush_word(struct encoding *c, struct err *e)
{
    size_t n = c->symbols.n;
    int rc = merger_run(&c->merger, score_merge, c->t, c->symbols.ids, &n, e);
    if (!rc)
        rc = token_list_reserve(c->out, n, e);
    if (rc)
        return rc;
    if (n)
        memcpy(c->out->ids + c->out->n, c->symbols.ids, n * sizeof(*c->symbols.ids));
    c->out->n += n;
    c->symbols.n = 0;
    return 0;
}

/* Spells a character in bytes; false when one of them has no token. */
static bool spell(const struct tokenizer *t, struct span character, int32_t ids[4])
{
    for (size_t i = 0; i < character.n; i++) {
        ids[i] = t->byte_ids[character.p[i]];
        if (ids[i] < 0)
            return false;
    }
    return true;
}

/* The state of a walk over characters. */
struct spm_walk {
    bool unknown;      /* characters without any token have come, and wait */
    bool after_letter; /* the character before was no blank */
};

static int push_unknown(struct encoding *c, struct spm_walk *w, struct err *e)
{
    if (!w->unknown)
        return 0;
    w->unknown = false;
    return c->t->v.unk >= 0 ? token_list_push(&c->symbols, c->t->v.unk, e) : 0;
}

static int push_character(struct encoding *c, struct spm_walk *w, struct span character,
                          struct err *e)
{
    const struct tokenizer *t = c->t;
    int rc = 0;
    int32_t id = vocab_index_find(&t->index, character);
    bool is_blank = character.n == 3 && memcmp(character.p, blank, 3) == 0;
    if (id >= 0 && is_word_token(t, id)) {
        rc = push_unknown(c, w, e);
        /* No token reaches over such a border, so that words merge alone. */
        if (!rc && t->words_begin_with_blank && is_blank && w->after_letter)
            rc = flush_word(c, e);
        if (!rc)
            rc = token_list_push(&c->symbols, id, e);
    } else {
        int32_t bytes[4];
        if (!spell(t, character, bytes))
            w->unknown = true; /* several in a row are one unknown token */
        else
            for (size_t i = 0; i < character.n && !rc; i++)
                rc = token_list_push(&c->symbols, bytes[i], e);
    }
    w->after_letter = !is_blank;
    return rc;
}

int spm_encode(struct encoding *c, struct span text, struct err *e)
{
    struct spm_walk w = {0};
    int rc = 0;
    c->symbols.n = 0;
    if (c->t->v.add_space_prefix && text.n > 0)
        rc = push_character(c, &w, span_str(blank), e);
    for (size_t i = 0; i < text.n && !rc;) {
        uint32_t cp;
        size_t length = utf8_decode(span_sub(text, i, 4), &cp);
        struct span character = text.p[i] == ' ' ? span_str(blank) : span_sub(text, i, length);
        rc = push_character(c, &w, character, e);
        i += length;
    }
    if (!rc)
        rc = push_unknown(c, &w, e);
    return rc ? rc : flush_word(c, e);
}
