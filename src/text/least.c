/* SPDX-License-Identifier: MIT */
/* How many tokens a text has at least, without making them: what cannot fit is refused for the
 * price of a look at its bytes. A token stands for at most as many bytes as the vocabulary's
 * longest has; bytes that encoding may drop do not count. */
#include "text/pipeline.h"
#include "text/tokenizer_parts.h"

/* Composing makes a text less than four times shorter: U+1FBE U+0308 U+0301, seven bytes, are the
 * two of U+0390; nothing loses more (Unicode's canonical compositions). */
enum { NFC_SHRINKS = 4 };

/* 0xc0, 0xc1 and 0xf5 on are in no valid UTF-8. */
static bool every_byte_has_a_token(const struct tokenizer *t)
{
    for (unsigned b = 0; b < 0xf5; b++)
        if (t->byte_ids[b] < 0 && b != 0xc0 && b != 0xc1)
            return false;
    return true;
}

/* A byte that white space can have; some of other characters as well. */
static bool may_be_space(unsigned b)
{
    return b <= ' ' || (b >= 0x80 && b < 0xc0) || b == 0xc2 || (b >= 0xe1 && b <= 0xe3);
}

void least_init(struct tokenizer *t)
{
    bool complete = every_byte_has_a_token(t);
    t->longest = 1;
    for (size_t i = 0; i < t->v.n; i++)
        t->longest = t->v.tokens[i].n > t->longest ? t->v.tokens[i].n : t->longest;
    for (unsigned b = 0; b < 256; b++) {
        if (complete)
            t->counts[b] = !t->control_eats_space || !may_be_space(b);
        else /* BPE drops such bytes; SPM makes one token of a run of characters without any */
            t->counts[b] = t->v.kind == VOCAB_BPE && !t->nfc && t->byte_ids[b] >= 0;
    }
}

/* Whether nothing of a text is lost before the model sees it, but for composing. */
static bool keeps_bytes(const struct pipeline *p, bool *composes)
{
    for (size_t i = 0; i < p->n_normalizers; i++) {
        const struct normalizer *z = &p->normalizers[i];
        bool form = z->kind == NORMALIZER_FORM && (z->form == NORMAL_NFC || z->form == NORMAL_NFD);
        bool blanks = z->kind == NORMALIZER_REPLACE && span_is(z->pattern.text, " ") &&
                      span_is(z->content, "\xe2\x96\x81");
        if (!form && !blanks && z->kind != NORMALIZER_PREPEND)
            return false;
        *composes = *composes || form;
    }
    for (size_t i = 0; i < p->n_stages; i++)
        if (p->stages[i].by != CUT_NOTHING && p->stages[i].behavior == CUT_REMOVED)
            return false;
    return true;
}

/* Every byte counts where each has a token and nothing is dropped; else nothing does. */
void least_init_pipeline(struct tokenizer *t)
{
    const struct pipeline *p = t->pipeline;
    bool strips = false;
    memcpy(t->byte_ids, p->bpe.byte_ids, sizeof(t->byte_ids));
    t->longest = 1;
    for (size_t i = 0; i < t->v.n; i++)
        t->longest = t->v.tokens[i].n > t->longest ? t->v.tokens[i].n : t->longest;
    for (size_t i = 0; i < p->n_listed; i++)
        strips = strips || p->listed[i].lstrip || p->listed[i].rstrip;
    bool counts = !p->is_unigram && keeps_bytes(p, &t->nfc) &&
                  (p->bpe.bytes || p->bpe.byte_fallback) && every_byte_has_a_token(t);
    for (unsigned b = 0; b < 256; b++)
        t->counts[b] = counts && !(strips && may_be_space(b));
}

size_t tokenizer_least(const struct tokenizer *t, struct span text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += t->counts[text.p[i]];
    if (t->nfc)
        n /= NFC_SHRINKS;
    return n / t->longest + (n % t->longest > 0);
}
