/* SPDX-License-Identifier: MIT */
/* The pre-tokenizers of tokenizer.json, from their values in the file. */
#include "text/tokenizer_json_parts.h"

static int push_stage(struct pipeline *p, struct pre_stage s, struct err *e)
{
    if (p->n_stages == PRE_STAGES_MAX) {
        pre_stage_release(&s);
        return err_set(e, ERR_LIMIT, "more than %d of them", PRE_STAGES_MAX);
    }
    p->stages[p->n_stages++] = s;
    return 0;
}

static int get_behavior(const struct json *v, enum cut_behavior *out, struct err *e)
{
    static const struct {
        const char *name, *other;
        enum cut_behavior behavior;
    } rows[] = {
        {"Removed", "removed", CUT_REMOVED},
        {"Isolated", "isolated", CUT_ISOLATED},
        {"Contiguous", "contiguous", CUT_CONTIGUOUS},
        {"MergedWithPrevious", "merged_with_previous", CUT_MERGED_WITH_PREVIOUS},
        {"MergedWithNext", "merged_with_next", CUT_MERGED_WITH_NEXT},
    };
    struct span name;
    int rc = part_text(v, "behavior", &name, e);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows) && !rc; i++) {
        if (span_is(name, rows[i].name) || span_is(name, rows[i].other)) {
            *out = rows[i].behavior;
            return 0;
        }
    }
    return rc ? rc
              : err_set(e, ERR_FORMAT,
                        "behavior: '%.*s', expected Removed, Isolated, MergedWithPrevious, "
                        "MergedWithNext or Contiguous",
                        SPAN_FMT(name));
}

static int read_byte_level(struct pipeline *p, const struct json *v, struct err *e)
{
    /* GPT-2's words. */
    static const char words[] =
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
    struct pre_stage s = {.letters = true, .prefix = span_str(" ")};
    bool prefix;
    bool cuts;
    int rc = part_flag(v, "add_prefix_space", true, &prefix, e);
    if (!rc)
        rc = part_flag(v, "use_regex", true, &cuts, e);
    if (!rc && cuts) {
        s.by = CUT_PATTERN;
        rc = regex_open(&s.pattern.regex, span_str(words), "words", e);
    }
    if (rc)
        return rc;
    s.when = prefix ? PREFIX_ALWAYS : PREFIX_NEVER;
    return push_stage(p, s, e);
}

static int read_split(struct pipeline *p, const struct json *v, struct err *e)
{
    struct pre_stage s = {.by = CUT_PATTERN};
    int rc = get_behavior(v, &s.behavior, e);
    if (!rc)
        rc = part_flag(v, "invert", false, &s.invert, e);
    if (!rc)
        rc = part_pattern(v, &s.pattern, e);
    return rc ? rc : push_stage(p, s, e);
}

static int read_metaspace(struct pipeline *p, const struct json *v, struct err *e)
{
    struct pre_stage s = {.replaces_blanks = true, .behavior = CUT_MERGED_WITH_NEXT};
    bool cuts;
    int rc = part_character(v, "replacement", &s.prefix, e);
    if (!rc)
        rc = part_scheme(v, &s.when, e);
    if (!rc)
        rc = part_flag(v, "split", true, &cuts, e);
    if (rc)
        return rc;
    if (cuts) {
        s.by = CUT_PATTERN;
        s.pattern.text = s.prefix;
    }
    return push_stage(p, s, e);
}

static int read_digits(struct pipeline *p, const struct json *v, struct err *e)
{
    bool individual;
    int rc = part_flag(v, "individual_digits", false, &individual, e);
    enum cut_behavior behavior = individual ? CUT_ISOLATED : CUT_CONTIGUOUS;
    return rc ? rc : push_stage(p, (struct pre_stage){.by = CUT_NUMERIC, .behavior = behavior}, e);
}

static int read_punctuation(struct pipeline *p, const struct json *v, struct err *e)
{
    struct pre_stage s = {.by = CUT_PUNCTUATION};
    int rc = json_get(v, "behavior") ? get_behavior(v, &s.behavior, e) : 0;
    return rc ? rc : push_stage(p, s, e);
}

/* Words as Rust's expressions have them, which take fewer numerals for letters than Oniguruma. */
#define RUST_WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}"

static int read_whitespace(struct pipeline *p, const struct json *v, struct err *e)
{
    (void)v;
    struct pre_stage s = {.by = CUT_PATTERN, .behavior = CUT_REMOVED, .invert = true};
    int rc =
        regex_open(&s.pattern.regex, span_str("[" RUST_WORD "]+|[^" RUST_WORD "\\s]+"), "words", e);
    return rc ? rc : push_stage(p, s, e);
}

static int read_whitespace_split(struct pipeline *p, const struct json *v, struct err *e)
{
    (void)v;
    return push_stage(p, (struct pre_stage){.by = CUT_SPACE, .behavior = CUT_REMOVED}, e);
}

static int read_bert(struct pipeline *p, const struct json *v, struct err *e)
{
    int rc = read_whitespace_split(p, v, e);
    return rc ? rc : push_stage(p, (struct pre_stage){.by = CUT_PUNCTUATION}, e);
}

static int read_char_delimiter(struct pipeline *p, const struct json *v, struct err *e)
{
    struct pre_stage s = {.by = CUT_PATTERN, .behavior = CUT_REMOVED};
    int rc = part_character(v, "delimiter", &s.pattern.text, e);
    return rc ? rc : push_stage(p, s, e);
}

int read_pre_tokenizer(struct pipeline *p, const struct json *v, struct err *e)
{
    static const struct part_kind kinds[] = {
        {"ByteLevel", read_byte_level},
        {"Split", read_split},
        {"Metaspace", read_metaspace},
        {"Digits", read_digits},
        {"Punctuation", read_punctuation},
        {"Whitespace", read_whitespace},
        {"WhitespaceSplit", read_whitespace_split},
        {"BertPreTokenizer", read_bert},
        {"CharDelimiterSplit", read_char_delimiter},
    };
    return read_part(p, v, "pre_tokenizer", "pretokenizers", kinds, sizeof(kinds) / sizeof(*kinds),
                     e);
}
