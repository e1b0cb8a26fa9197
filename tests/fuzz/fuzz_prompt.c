/* SPDX-License-Identifier: MIT */
/* Data in a conversation stays data. The first byte chooses template and BOS; then come the
 * contents of a system and a user message, parted by 0xFF. Whatever they say, the only special
 * tokens of the prompt are those that the template itself has. */
#include "engine/prompt.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTES_MAX = 4096, LETTERS = 256, BOS = LETTERS, TURN, END, TOOL, VOCAB };

static const char *const templates[] = {
    NULL,
    "{% for m in messages %}<|turn|>{{ m.role }}\n{{ m.content | trim }}<|end|>\n{% endfor %}",
    "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}<s>"
    "{% for m in messages %}<|turn|>{{ m.content }}<|end|>{% endfor %}",
    "<s>{{ messages | tojson }}",
};
enum { N_TEMPLATES = sizeof templates / sizeof *templates };

struct fixture {
    struct tokenizer *tokenizer;
    struct template *template;
    struct prompt_maker maker;
};

/* A vocabulary of bytes (SentencePiece's byte pieces) and a few special tokens. */
static void open_fixture(struct fixture *f, size_t kind, bool add_bos)
{
    static char bytes[LETTERS][8];
    static struct span tokens[VOCAB];
    static float scores[VOCAB];
    static int32_t types[VOCAB];
    static const char *const special[] = {"<s>", "<|turn|>", "<|end|>", "<tool>"};
    static const char hex[] = "0123456789ABCDEF";
    for (int i = 0; i < VOCAB; i++) {
        if (i < LETTERS) {
            memcpy(bytes[i], "<0x00>", 7);
            bytes[i][3] = hex[i >> 4];
            bytes[i][4] = hex[i & 15];
        }
        tokens[i] = span_str(i < LETTERS ? bytes[i] : special[i - LETTERS]);
        types[i] = i < LETTERS ? TOKEN_BYTE : i == TOOL ? TOKEN_USER_DEFINED : TOKEN_CONTROL;
    }
    struct vocab v = {.kind = VOCAB_SPM,
                      .n = VOCAB,
                      .tokens = tokens,
                      .scores = scores,
                      .types = types,
                      .bos = BOS,
                      .eos = END,
                      .unk = 0,
                      .add_bos = add_bos};
    if (tokenizer_open(&f->tokenizer, &v, NULL))
        abort();
    if (templates[kind] && template_open(&f->template, span_str(templates[kind]), NULL))
        abort();
    if (prompt_maker_init(&f->maker, f->tokenizer, f->template, NULL))
        abort();
}

/* How many special tokens the template has for n messages, BOS among them where one must be. */
static size_t expected_specials(size_t kind, size_t n, bool add_bos)
{
    switch (kind) {
    case 0:
        return add_bos;
    case 1:
        return 2 * n + add_bos;
    case 2:
        return 2 + 1; /* merged: one turn, and its own BOS */
    default:
        return 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > BYTES_MAX)
        return 0;
    static struct fixture fixtures[N_TEMPLATES][2];
    size_t kind = (data[0] >> 1) % N_TEMPLATES;
    bool add_bos = data[0] & 1;
    struct fixture *f = &fixtures[kind][add_bos];
    if (!f->tokenizer)
        open_fixture(f, kind, add_bos);

    char texts[2][BYTES_MAX + 1];
    const uint8_t *border = memchr(data + 1, 0xFF, size - 1);
    size_t first = border ? (size_t)(border - data) - 1 : size - 1;
    size_t second = border ? size - 2 - first : 0;
    memcpy(texts[0], data + 1, first);
    texts[0][first] = '\0';
    if (border)
        memcpy(texts[1], border + 1, second);
    texts[1][second] = '\0';
    struct wattle_message messages[2] = {{"system", texts[0]}, {"user", texts[1]}};
    struct wattle_request request = {.messages = messages, .n_messages = 2};
    struct prompt p;
    if (prompt_make(&f->maker, &request, NULL, &p, NULL))
        return 0; /* not UTF-8 */
    size_t specials = 0;
    for (size_t i = 0; i < p.ids.n; i++)
        specials += p.ids.ids[i] >= LETTERS;
    if (specials != expected_specials(kind, 2, add_bos))
        abort();
    prompt_release(&p);
    return 0;
}
