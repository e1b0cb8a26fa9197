/* SPDX-License-Identifier: MIT */
/* A byte-level vocabulary that encodes any text, English about as tightly as published ones do, and
 * is as long as one likes.
 *
 * In this order: three special tokens; the 256 bytes; for each word of a list, once with the space
 * before it and once without, its beginnings of two letters and more, each merged from the one
 * before it and a letter; names made of syllables, which no merge leads to, up to the length
 * wanted. Merges behind a space come first, so that a word's beginnings grow from its left. */
#include "lab/synth_vocab.h"

/* What telemetry and its analysis are written in. Sorted, each once: a word shares its beginnings
 * with those before it. */
static const char words[] =
    "a about above absolute action additional after air alarm alarms alert all also an analysis "
    "analyst analyze and anomaly any appear appears are as assistant at average be because been "
    "before below between both boy but by can carbon cause change check clear close co "
    "concentration conditions confirm could current data day detected detection device devices "
    "did do does drop during each edge elevated environment environmental error even event every "
    "expected false few fire for found from function gas gases girl has have he hello high higher "
    "humidity if in increase indicate indicates indicating indoor into iot is it its just leak "
    "less level levels light likely limit limits liquefied little long low lower lpg made many "
    "may mean measured message minutes moisture monitoring monoxide more most motion name near "
    "next no normal not nothing now number occupied of off on once one only or other our out "
    "outside over part people period petroleum possible ppm presence quality range rapid ratio "
    "ratios reading readings recommended relative report result results review risk room safe "
    "same say see sensor sensors sentence sentences several she should show shows significant "
    "single slightly small smoke so some source stable stand stands state story sudden suggest "
    "suggests system telemetry temp temperature than that the their them then there these they "
    "this those three time timestamp to too true two typical under unit unusual up upon user "
    "value values very was watch we well were what when where whether which while who will with "
    "within without world would you your";

enum { BYTES = 256, FIRST_BYTE = SYNTH_SPECIALS };

static const char *const specials[SYNTH_SPECIALS] = {
    [SYNTH_END_OF_TEXT] = "<|endoftext|>",
    [SYNTH_IM_START] = "<|im_start|>",
    [SYNTH_IM_END] = "<|im_end|>",
};

/* GPT-2's spelling of a byte: a printable one is itself, the others are U+0100, U+0101, … */
static void put_byte(struct buf *b, unsigned byte)
{
    unsigned others = 0;
    uint32_t letter = byte;
    for (unsigned i = 0; i <= byte; i++) {
        bool printable = (i > 0x20 && i < 0x7f) || (i > 0xa0 && i != 0xad);
        if (i == byte && !printable)
            letter = 0x100 + others;
        others += !printable;
    }
    char utf8[4];
    buf_put(b, utf8, utf8_encode(letter, utf8));
}

static const char *keep(struct synth_vocab *v, const struct buf *b)
{
    const char *p = b->failed ? NULL : arena_strndup(&v->arena, b->p, b->n);
    v->failed = v->failed || !p;
    return p;
}

static void add_token(struct synth_vocab *v, const struct buf *text)
{
    const char *p = keep(v, text);
    if (v->n < v->wanted && p)
        v->tokens[v->n++] = span_of(p, text->n);
    else
        v->failed = true;
}

static void add_merge(struct synth_vocab *v, const struct buf *text)
{
    const char *p = keep(v, text);
    if (v->n_merges < SYNTH_MERGES_MAX && p)
        v->merges[v->n_merges++] = span_of(p, text->n);
    else
        v->failed = true;
}

static void add_bytes(struct synth_vocab *v, struct buf *b)
{
    for (unsigned byte = 0; byte < BYTES; byte++) {
        buf_clear(b);
        put_byte(b, byte);
        add_token(v, b);
    }
}

/* The beginning of word of n letters. */
static void put_beginning(struct buf *b, const char *space, struct span word, size_t n)
{
    buf_str(b, space);
    buf_span(b, span_sub(word, 0, n));
}

/* space: its spelling, or "". known: letters that the word before has at its beginning, too. */
static void add_word(struct synth_vocab *v, struct buf *b, const char *space, struct span word,
                     size_t known)
{
    size_t least = *space ? 1 : 2; /* one letter alone is a byte */
    for (size_t n = known + 1 > least ? known + 1 : least; n <= word.n; n++) {
        buf_clear(b);
        put_beginning(b, space, word, n);
        add_token(v, b);
        buf_clear(b);
        put_beginning(b, space, word, n - 1);
        buf_char(b, ' ');
        buf_char(b, (char)word.p[n - 1]);
        add_merge(v, b);
    }
}

static void add_words(struct synth_vocab *v, struct buf *b, const char *space)
{
    struct span before = {NULL, 0};
    for (const char *p = words; *p;) {
        size_t n = strcspn(p, " "), known = 0;
        struct span word = span_of(p, n);
        while (known < before.n && known < n && before.p[known] == word.p[known])
            known++;
        add_word(v, b, space, word, known);
        before = word;
        p += n + (p[n] == ' ');
    }
}

/* " Baku", " Tozimi", …: number i in digits of a hundred syllables, without a zero. */
static void add_name(struct synth_vocab *v, struct buf *b, size_t i)
{
    static const char consonants[] = "bcdfghjklmnprstvwxyz", vowels[] = "aeiou";
    enum { SYLLABLES = 100 };
    buf_clear(b);
    put_byte(b, ' ');
    for (size_t rest = i + 1; rest; rest = (rest - 1) / SYLLABLES) {
        size_t s = (rest - 1) % SYLLABLES;
        char c = consonants[s / 5];
        buf_char(b, rest == i + 1 ? (char)(c - 'a' + 'A') : c);
        buf_char(b, vowels[s % 5]);
    }
    add_token(v, b);
}

int synth_vocab_open(struct synth_vocab *v, size_t n, struct err *e)
{
    enum { BYTES_A_TOKEN = 128 };
    *v = (struct synth_vocab){.wanted = n};
    arena_init(&v->arena, (n + SYNTH_MERGES_MAX) * BYTES_A_TOKEN);
    v->tokens = arena_array(&v->arena, n, sizeof *v->tokens);
    v->merges = arena_array(&v->arena, SYNTH_MERGES_MAX, sizeof *v->merges);
    v->failed = !v->tokens || !v->merges;
    struct buf b, space;
    buf_init(&b, 256);
    buf_init(&space, 8);
    put_byte(&space, ' ');
    for (size_t i = 0; i < SYNTH_SPECIALS && !v->failed; i++) {
        buf_clear(&b);
        buf_str(&b, specials[i]);
        add_token(v, &b);
    }
    if (!v->failed)
        add_bytes(v, &b);
    if (!v->failed)
        add_words(v, &b, buf_cstr(&space));
    if (!v->failed)
        add_words(v, &b, "");
    for (size_t i = 0; v->n < n && !v->failed; i++)
        add_name(v, &b, i);
    buf_release(&b);
    buf_release(&space);
    if (!v->failed)
        return 0;
    synth_vocab_close(v);
    return err_set(e, ERR_NOMEM, "no memory for a vocabulary of %zu tokens", n);
}

void synth_vocab_close(struct synth_vocab *v)
{
    arena_release(&v->arena);
    *v = (struct synth_vocab){.n = 0};
}
