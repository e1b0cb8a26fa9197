/* SPDX-License-Identifier: MIT */
/* The pre-tokenizers that publishers use, by GGUF's names.
 *
 * The expressions are those of the tokenizer.json files that the models are published with, with
 * two changes that keep their meaning: \s and \S are written as the classes that Oniguruma and
 * Rust take them for (Unicode's White_Space: U+0085 is in it, U+180E is not, while PCRE2 has both),
 * and Digits, Punctuation and ByteLevel, which Hugging Face has as code, are written as
 * expressions. Adding a model's pre-tokenizer is one row. */
#include "text/pre.h"

/* Inside of a class: Unicode's White_Space. */
#define SPACE "\\t-\\r\\x{85}\\p{Z}"
#define S     "[" SPACE "]"
#define NOT_S "[^" SPACE "]"
/* A run of blanks leaves its last one to the word that follows. */
#define BLANKS S "+(?!" NOT_S ")|" S "+"

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"

/* ByteLevel with use_regex */
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^" SPACE "\\p{L}\\p{N}]+|" BLANKS

/* OpenAI's cl100k and its kin, which differ in how digits are grouped. */
#define CL100K(digits)                                                  \
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "| ?[^" SPACE \
                 "\\p{L}\\p{N}]+[\\r\\n]*|" S "*[\\r\\n]+|" BLANKS

/* OpenAI's o200k: words end where a capital follows a small letter. */
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define O200K(suffix, digits)                                                                     \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" suffix "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER \
    "*" suffix "|" digits "| ?[^" SPACE "\\p{L}\\p{N}]+[\\r\\n/]*|" S "*[\\r\\n]+|" BLANKS

#define ONE_DIGIT  "\\p{N}"
#define HAN_HANGUL "[\\x{4e00}-\\x{9fa5}\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+"
#define BLOOM      " ?[^(" SPACE "|.,!?\\x{2026}\\x{3002}\\x{ff0c}\\x{3001}\\x{964}\\x{6d4}\\x{60c})]+"

/* The cased letters of DeepSeek-LLM's tokenizer.json. */
#define DEEPSEEK_LETTERS                                                             \
    "A-Za-z\\x{b5}\\x{c0}-\\x{d6}\\x{d8}-\\x{f6}\\x{f8}-\\x{1ba}\\x{1bc}-\\x{1bf}"   \
    "\\x{1c4}-\\x{293}\\x{295}-\\x{2af}\\x{370}-\\x{373}\\x{376}\\x{377}"            \
    "\\x{37b}-\\x{37d}\\x{37f}\\x{386}\\x{388}-\\x{38a}\\x{38c}\\x{38e}-\\x{3a1}"    \
    "\\x{3a3}-\\x{3f5}\\x{3f7}-\\x{481}\\x{48a}-\\x{52f}\\x{531}-\\x{556}"           \
    "\\x{10a0}-\\x{10c5}\\x{13a0}-\\x{13f5}\\x{13f8}-\\x{13fd}\\x{1c90}-\\x{1cba}"   \
    "\\x{1cbd}-\\x{1cbf}\\x{1d00}-\\x{1d2b}\\x{1d6b}-\\x{1d77}\\x{1d79}-\\x{1d9a}"   \
    "\\x{1e00}-\\x{1f15}\\x{1f18}-\\x{1f1d}\\x{1f20}-\\x{1f45}\\x{1f48}-\\x{1f4d}"   \
    "\\x{1f50}-\\x{1f57}\\x{1f59}\\x{1f5b}\\x{1f5d}\\x{1f5f}-\\x{1f7d}"              \
    "\\x{1f80}-\\x{1fb4}\\x{1fb6}-\\x{1fbc}\\x{1fbe}\\x{1fc2}-\\x{1fc4}"             \
    "\\x{1fc6}-\\x{1fcc}\\x{1fd0}-\\x{1fd3}\\x{1fd6}-\\x{1fdb}\\x{1fe0}-\\x{1fec}"   \
    "\\x{1ff2}-\\x{1ff4}\\x{1ff6}-\\x{1ffc}\\x{2102}\\x{2107}\\x{210a}-\\x{2113}"    \
    "\\x{2115}\\x{2119}-\\x{211d}\\x{2124}\\x{2126}\\x{2128}\\x{212a}-\\x{212d}"     \
    "\\x{212f}-\\x{2134}\\x{2139}\\x{213c}-\\x{213f}\\x{2145}-\\x{2149}\\x{214e}"    \
    "\\x{2183}\\x{2184}\\x{2c00}-\\x{2c7b}\\x{2c7e}-\\x{2ce4}\\x{2ceb}-\\x{2cee}"    \
    "\\x{2cf2}\\x{2cf3}\\x{a640}-\\x{a66d}\\x{a680}-\\x{a69b}\\x{a722}-\\x{a76f}"    \
    "\\x{a771}-\\x{a787}\\x{a78b}-\\x{a78e}\\x{ab70}-\\x{abbf}\\x{fb00}-\\x{fb06}"   \
    "\\x{fb13}-\\x{fb17}\\x{ff21}-\\x{ff3a}\\x{ff41}-\\x{ff5a}\\x{10400}-\\x{1044f}" \
    "\\x{104b0}-\\x{104d3}\\x{104d8}-\\x{104fb}\\x{10c80}-\\x{10cb2}"                \
    "\\x{10cc0}-\\x{10cf2}\\x{118a0}-\\x{118df}\\x{1e900}-\\x{1e943}"

#define DEEPSEEK_MARKS \
    "!-/:-~\\x{ff01}-\\x{ff0f}\\x{ff1a}-\\x{ff5e}\\x{2018}-\\x{201f}\\x{3000}-\\x{3002}"

/* Oniguruma's $ is the end of a line. The lookbehind keeps the search linear: a run of blanks is
 * tried from its beginning only, where its leftmost match begins if there is one. */
#define BLANKS_AT_END "(?<!" S ")" S "+(?=\\n|\\z)"

static const struct pre_row rows[] = {
    {.names =
         "gpt-2 default phi-2 jina-es jina-de roberta-bpe exaone4 granite-docling trillion jais",
     .stages = {GPT2}},
    {.names = "mpt olmo", .stages = {GPT2}, .nfc = true},
    {.names = "smollm starcoder refact codeshell exaone minerva-7b minerva granite",
     .stages = {ONE_DIGIT, GPT2}},
    {.names = "command-r", .stages = {ONE_DIGIT, GPT2}, .nfc = true},
    {.names = "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral lfm2",
     .stages = {CL100K("\\p{N}{1,3}")},
     .ignore_merges = true},
    {.names = "dbrx smaug-bpe chatglm-bpe glm4", .stages = {CL100K("\\p{N}{1,3}")}},
    {.names = "qwen2 stablelm2", .stages = {CL100K("\\p{N}")}, .nfc = true},
    {.names = "deepseek-r1-qwen", .stages = {CL100K("\\p{N}")}},
    {.names = "gpt-4o llama4 kanana2", .stages = {O200K(CONTRACTIONS "?", "\\p{N}{1,3}")}},
    {.names = "tekken", .stages = {O200K("", "\\p{N}")}, .ignore_merges = true},
    {.names = "deepseek-coder",
     .stages = {"[\\r\\n]", S "?\\p{L}+", S "?\\p{P}+", HAN_HANGUL, ONE_DIGIT}},
    {.names = "deepseek-llm",
     .stages = {"[\\r\\n]", S "?[" DEEPSEEK_LETTERS "]+", S "?[" DEEPSEEK_MARKS "]+", BLANKS_AT_END,
                HAN_HANGUL, ONE_DIGIT}},
    {.names = "deepseek-v3",
     .stages = {"\\p{N}{1,3}", "[\\x{4e00}-\\x{9fa5}\\x{3040}-\\x{30ff}]+",
                "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?"
                "[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|" S "*[\\r\\n]+|" BLANKS}},
    /* Digits stands behind ByteLevel here and takes letters for numerals that spell other bytes:
     * superscripts and fractions of Latin-1. */
    {.names = "falcon",
     .stages = {"[\\p{P}$+<=>^`|~]+", GPT2, "[0-9\\xb2\\xb3\\xb9\\xbc-\\xbe]+", "[0-9]{3}"},
     .n_byte_stages = 2},
    {.names = "bloom poro-chat gpt3-finnish", .stages = {BLOOM}},
    {.names = "viking", .stages = {BLOOM, ONE_DIGIT}},
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

/* The next name of a row's list; empty at its end. */
static struct span next_name(const char **at)
{
    while (**at == ' ')
        ++*at;
    const char *from = *at;
    while (**at && **at != ' ')
        ++*at;
    return span_of(from, (size_t)(*at - from));
}

const struct pre_row *pre_row_find(const char *name)
{
    if (!name)
        name = "default";
    for (size_t i = 0; i < N_ROWS; i++) {
        const char *at = rows[i].names;
        for (struct span s = next_name(&at); s.n; s = next_name(&at))
            if (span_is(s, name))
                return &rows[i];
    }
    return NULL;
}

void pre_row_names(struct buf *out)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        const char *at = rows[i].names;
        for (struct span s = next_name(&at); s.n; s = next_name(&at)) {
            if (out->n)
                buf_str(out, ", ");
            buf_span(out, s);
        }
    }
}

bool pre_row_name(size_t i, struct span *name)
{
    if (i >= N_ROWS)
        return false;
    const char *at = rows[i].names;
    *name = next_name(&at);
    return true;
}
