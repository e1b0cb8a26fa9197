/* SPDX-License-Identifier: MIT */
/* How many tokens a text has at least, without making them: what cannot fit is refused for the
 * price of a look at its bytes. A token stands for at most as many bytes as the vocabulary's
 * longest has; bytes that encoding may drop do not count. */
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

size_t tokenizer_least(const struct tokenizer *t, struct span text)
{
    size_t n = 0;
    if (t->pipeline)
        return 0;
    for (size_t i = 0; i < text.n; i++)
        n += t->counts[text.p[i]];
    if (t->nfc)
        n /= NFC_SHRINKS;
    return n / t->longest + (n % t->longest > 0);
}
