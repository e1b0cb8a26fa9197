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
#define HAN_HANGUL "[一-龥ࠀ-一가-\\x{d7ff}]+"
#define BLOOM      " ?[^(" SPACE "|.,!?…。，、।۔،)]+"

/* The cased letters of DeepSeek-LLM's tokenizer.json. */
#define DEEPSEEK_LETTERS                                                                                                                                                                     \
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-"                                                 \
    "ᵷᵹ-ᶚ"                                                                                                                                                                             \
    "Ḁ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄ" \
    "Ⰰ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-"                                             \
    "𐳲𑢠-𑣟𞤀-𞥃"

/* Oniguruma's $ is the end of a line. The lookbehind keeps the search linear: a run of blanks is
 * tried from its beginning only, where its leftmost match begins if there is one. */
#define BLANKS_AT_END "(?<!" S ")" S "+(?=\\n|\\z)"

static const struct pre_row rows[] = {
    {.names =
         "gpt-2 default phi-2 jina-es jina-de roberta-bpe exaone4 granite-docling trillion jais "
         "mpt-7b-8k",
     .stages = {GPT2}},
    {.names = "mpt olmo", .stages = {GPT2}, .nfc = true},
    {.names = "smollm starcoder refact codeshell exaone minerva-7b minerva granite",
     .stages = {ONE_DIGIT, GPT2}},
    {.names = "command-r", .stages = {ONE_DIGIT, GPT2}, .nfc = true},
    {.names = "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral lfm2",
     .stages = {CL100K("\\p{N}{1,3}")},
     .ignore_merges = true},
    {.names = "dbrx smaug-bpe chatglm-bpe glm4", .stages = {CL100K("\\p{N}{1,3}")}},
    {.names = "qwen2 deepseek-r1-qwen megrez hunyuan stablelm2",
     .stages = {CL100K("\\p{N}")},
     .nfc = true},
    {.names = "gpt-4o llama4 kanana2", .stages = {O200K(CONTRACTIONS "?", "\\p{N}{1,3}")}},
    {.names = "tekken", .stages = {O200K("", "\\p{N}")}, .ignore_merges = true},
    {.names = "deepseek-coder",
     .stages = {"[\\r\\n]", S "?\\p{L}+", S "?\\p{P}+", HAN_HANGUL, ONE_DIGIT}},
    {.names = "deepseek-llm",
     .stages = {"[\\r\\n]", S "?[" DEEPSEEK_LETTERS "]+", S "?[!-/:-~！-／：-～‘-‟　-。]+",
                BLANKS_AT_END, HAN_HANGUL, ONE_DIGIT}},
    {.names = "deepseek-v3",
     .stages = {"\\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
                "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?"
                "[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|" S "*[\\r\\n]+|" BLANKS}},
    {.names = "falcon", .stages = {"[\\p{P}$+<=>^`|~]+", GPT2, "[0-9]{3}"}},
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
