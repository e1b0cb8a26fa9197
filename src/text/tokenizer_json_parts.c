/* SPDX-License-Identifier: MIT */
/* Normalizers, pre-tokenizers, post-processors and decoders of tokenizer.json. Sequences of them
 * are laid out as one row. What is not supported is refused by its name. */
#include "text/pipeline.h"
#include "text/tokenizer_parts.h"

#include <stdlib.h>

enum { SEQUENCE_DEPTH_MAX = 8 };

/* One kind of part: reads v into the pipeline. */
struct kind {
    const char *name;
    int (*read)(struct pipeline *p, const struct json *v, struct err *e);
};

/* A part by its type, or a sequence of parts. */
static int read_part(struct pipeline *p, const struct json *v, const char *what,
                     const char *members, const struct kind *kinds, size_t n, int depth,
                     struct err *e)
{
    struct span type = json_string(json_get(v, "type"));
    if (json_type_of(v) == JSON_NULL)
        return 0;
    if (json_type_of(v) != JSON_OBJECT || !type.n)
        return err_set(e, ERR_FORMAT, "%s: %s, expected an object with a type", what,
                       json_type_name(json_type_of(v)));
    if (span_is(type, "Sequence")) {
        const struct json *list = json_get(v, members);
        int rc = 0;
        if (depth == SEQUENCE_DEPTH_MAX)
            return err_set(e, ERR_LIMIT, "%s: sequences are nested too deep", what);
        if (json_type_of(list) != JSON_ARRAY)
            return err_set(e, ERR_FORMAT, "%s: %s: %s, expected an array", what, members,
                           json_type_name(json_type_of(list)));
        for (size_t i = 0; i < json_size(list) && !rc; i++)
            rc = read_part(p, json_at(list, i), what, members, kinds, n, depth + 1, e);
        return rc;
    }
    for (size_t i = 0; i < n; i++)
        if (span_is(type, kinds[i].name)) {
            int rc = kinds[i].read(p, v, e);
            return rc ? err_wrap(e, rc, "%s: %s", what, kinds[i].name) : 0;
        }
    struct buf names;
    buf_init(&names, 1024);
    for (size_t i = 0; i < n; i++)
        buf_printf(&names, "%s, ", kinds[i].name);
    int rc = err_set(e, ERR_UNSUPPORTED, "%s: '%.*s' is not supported, expected one of %sSequence",
                     what, SPAN_FMT(type), buf_cstr(&names));
    buf_release(&names);
    return rc;
}

/* ---- members ---- */

static int get_flag(const struct json *v, const char *key, bool otherwise, bool *out, struct err *e)
{
    const struct json *f = json_get(v, key);
    *out = otherwise;
    if (json_type_of(f) == JSON_NULL)
        return 0;
    if (json_type_of(f) != JSON_BOOL)
        return err_set(e, ERR_FORMAT, "%s: %s, expected true or false", key,
                       json_type_name(json_type_of(f)));
    *out = json_bool(f);
    return 0;
}

static int get_text(const struct json *v, const char *key, struct span *out, struct err *e)
{
    const struct json *s = json_get(v, key);
    if (json_type_of(s) != JSON_STRING)
        return err_set(e, ERR_FORMAT, "%s: %s, expected a string", key,
                       json_type_name(json_type_of(s)));
    *out = json_string(s);
    return 0;
}

static int get_character(const struct json *v, const char *key, struct span *out, struct err *e)
{
    int rc = get_text(v, key, out, e);
    if (!rc && utf8_length(*out) != 1)
        rc = err_set(e, ERR_FORMAT, "%s: '%.*s', expected one character", key, SPAN_FMT(*out));
    return rc;
}

/* {"String": …} or {"Regex": …} */
static int get_pattern(const struct json *v, struct pattern *out, struct err *e)
{
    const struct json *pattern = json_get(v, "pattern");
    struct span text;
    if (json_type_of(json_get(pattern, "Regex")) == JSON_STRING)
        return regex_open(&out->regex, json_string(json_get(pattern, "Regex")), "pattern", e);
    if (json_type_of(json_get(pattern, "String")) != JSON_STRING)
        return err_set(e, ERR_FORMAT, "pattern: %s, expected an object with String or Regex",
                       json_type_name(json_type_of(pattern)));
    text = json_string(json_get(pattern, "String"));
    if (!text.n)
        return err_set(e, ERR_FORMAT, "pattern: empty");
    out->text = text;
    return 0;
}

/* ---- normalizers ---- */

static int push_normalizer(struct pipeline *p, struct normalizer z, struct err *e)
{
    if (p->n_normalizers == NORMALIZERS_MAX) {
        normalizer_release(&z);
        return err_set(e, ERR_LIMIT, "more than %d of them", NORMALIZERS_MAX);
    }
    p->normalizers[p->n_normalizers++] = z;
    return 0;
}

static int read_form(struct pipeline *p, const struct json *v, struct err *e)
{
    struct span type = json_string(json_get(v, "type"));
    enum normal_form form = span_is(type, "NFC")    ? NORMAL_NFC
                            : span_is(type, "NFD")  ? NORMAL_NFD
                            : span_is(type, "NFKC") ? NORMAL_NFKC
                                                    : NORMAL_NFKD;
    return push_normalizer(p, (struct normalizer){.kind = NORMALIZER_FORM, .form = form}, e);
}

static int read_lowercase(struct pipeline *p, const struct json *v, struct err *e)
{
    (void)v;
    return push_normalizer(p, (struct normalizer){.kind = NORMALIZER_LOWERCASE}, e);
}

static int read_strip(struct pipeline *p, const struct json *v, struct err *e)
{
    struct normalizer z = {.kind = NORMALIZER_STRIP};
    int rc = get_flag(v, "strip_left", true, &z.left, e);
    if (!rc)
        rc = get_flag(v, "strip_right", true, &z.right, e);
    return rc ? rc : push_normalizer(p, z, e);
}

static int read_strip_accents(struct pipeline *p, const struct json *v, struct err *e)
{
    (void)v;
    return push_normalizer(p, (struct normalizer){.kind = NORMALIZER_STRIP_ACCENTS}, e);
}

static int read_nmt(struct pipeline *p, const struct json *v, struct err *e)
{
    (void)v;
    return push_normalizer(p, (struct normalizer){.kind = NORMALIZER_NMT}, e);
}

static int read_byte_level_normalizer(struct pipeline *p, const struct json *v, struct err *e)
{
    (void)v;
    return push_normalizer(p, (struct normalizer){.kind = NORMALIZER_BYTE_LEVEL}, e);
}

static int read_prepend(struct pipeline *p, const struct json *v, struct err *e)
{
    struct normalizer z = {.kind = NORMALIZER_PREPEND};
    int rc = get_text(v, "prepend", &z.content, e);
    return rc ? rc : push_normalizer(p, z, e);
}

static int read_replace(struct pipeline *p, const struct json *v, struct err *e)
{
    struct normalizer z = {.kind = NORMALIZER_REPLACE};
    int rc = get_text(v, "content", &z.content, e);
    if (!rc)
        rc = get_pattern(v, &z.pattern, e);
    return rc ? rc : push_normalizer(p, z, e);
}

static int base64_digit(uint8_t c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

static bool base64_decode(struct span s, struct buf *out)
{
    uint32_t bits = 0;
    int n = 0;
    while (s.n && s.p[s.n - 1] == '=')
        s.n--;
    for (size_t i = 0; i < s.n; i++) {
        int digit = base64_digit(s.p[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        n += 6;
        if (n >= 8) {
            n -= 8;
            buf_char(out, (char)(bits >> n & 0xff));
        }
    }
    return n < 6;
}

static int read_precompiled(struct pipeline *p, const struct json *v, struct err *e)
{
    struct normalizer z = {.kind = NORMALIZER_CHARSMAP};
    struct span text = {NULL, 0};
    struct buf blob;
    int rc = 0;
    if (json_type_of(json_get(v, "precompiled_charsmap")) != JSON_NULL)
        rc = get_text(v, "precompiled_charsmap", &text, e);
    if (rc)
        return rc;
    buf_init(&blob, text.n + 1);
    if (!base64_decode(text, &blob))
        rc = err_set(e, ERR_FORMAT, "precompiled_charsmap: not base64");
    if (!rc)
        rc = buf_check(&blob, "precompiled_charsmap", e);
    if (!rc)
        rc = charsmap_open(&z.map, buf_view(&blob), e);
    buf_release(&blob);
    return rc ? rc : push_normalizer(p, z, e);
}

int read_normalizer(struct pipeline *p, const struct json *v, struct err *e)
{
    static const struct kind kinds[] = {
        {"NFC", read_form},
        {"NFD", read_form},
        {"NFKC", read_form},
        {"NFKD", read_form},
        {"Lowercase", read_lowercase},
        {"Strip", read_strip},
        {"StripAccents", read_strip_accents},
        {"Prepend", read_prepend},
        {"Replace", read_replace},
        {"Precompiled", read_precompiled},
        {"ByteLevel", read_byte_level_normalizer},
        {"Nmt", read_nmt},
    };
    return read_part(p, v, "normalizer", "normalizers", kinds, sizeof(kinds) / sizeof(*kinds), 0,
                     e);
}

/* ---- pre-tokenizers ---- */

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
    int rc = get_text(v, "behavior", &name, e);
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
    int rc = get_flag(v, "add_prefix_space", true, &prefix, e);
    if (!rc)
        rc = get_flag(v, "use_regex", true, &cuts, e);
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
        rc = get_flag(v, "invert", false, &s.invert, e);
    if (!rc)
        rc = get_pattern(v, &s.pattern, e);
    return rc ? rc : push_stage(p, s, e);
}

/* When Metaspace puts a blank in front; add_prefix_space is the older way to say it. */
static int get_scheme(const struct json *v, enum prefix_when *out, struct err *e)
{
    struct span scheme = span_str("always");
    bool old;
    int rc = 0;
    if (json_type_of(json_get(v, "prepend_scheme")) != JSON_NULL)
        rc = get_text(v, "prepend_scheme", &scheme, e);
    if (!rc)
        rc = get_flag(v, "add_prefix_space", true, &old, e);
    if (rc)
        return rc;
    *out = span_is(scheme, "never") || !old ? PREFIX_NEVER
           : span_is(scheme, "first")       ? PREFIX_FIRST
                                            : PREFIX_ALWAYS;
    if (!span_is(scheme, "never") && !span_is(scheme, "first") && !span_is(scheme, "always"))
        return err_set(e, ERR_FORMAT, "prepend_scheme: '%.*s', expected always, first or never",
                       SPAN_FMT(scheme));
    return 0;
}

static int read_metaspace(struct pipeline *p, const struct json *v, struct err *e)
{
    struct pre_stage s = {.replaces_blanks = true, .behavior = CUT_MERGED_WITH_NEXT};
    bool cuts;
    int rc = get_character(v, "replacement", &s.prefix, e);
    if (!rc)
        rc = get_scheme(v, &s.when, e);
    if (!rc)
        rc = get_flag(v, "split", true, &cuts, e);
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
    int rc = get_flag(v, "individual_digits", false, &individual, e);
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
    int rc = get_character(v, "delimiter", &s.pattern.text, e);
    return rc ? rc : push_stage(p, s, e);
}

int read_pre_tokenizer(struct pipeline *p, const struct json *v, struct err *e)
{
    static const struct kind kinds[] = {
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
                     0, e);
}

/* ---- post-processors ---- */

/* Puts n ids around what is there already: before it, or behind it. */
static int surround(struct pipeline *p, const int32_t *ids, size_t n, bool before, struct err *e)
{
    int32_t *to = before ? p->prefix : p->suffix;
    size_t *count = before ? &p->n_prefix : &p->n_suffix;
    if (n > AFFIX_MAX - *count)
        return err_set(e, ERR_LIMIT, "more than %d special tokens", AFFIX_MAX);
    if (before)
        memmove(to + n, to, *count * sizeof(*to));
    memcpy(before ? to : to + *count, ids, n * sizeof(*ids));
    *count += n;
    return 0;
}

static int get_id(const struct pipeline *p, const struct json *v, int32_t *out, struct err *e)
{
    int64_t id = json_int(v);
    if (json_type_of(v) != JSON_INT || id < 0 || (uint64_t)id >= p->n)
        return err_set(e, ERR_FORMAT, "ids: %s %lld, expected an id below %zu",
                       json_type_name(json_type_of(v)), (long long)id, p->n);
    *out = (int32_t)id;
    return 0;
}

/* The ids of a template's special token. */
static int template_ids(const struct pipeline *p, const struct json *v, struct span name,
                        int32_t ids[AFFIX_MAX], size_t *n, struct err *e)
{
    char key[256];
    if (name.n >= sizeof(key))
        return err_set(e, ERR_LIMIT, "special token '%.*s' is too long", SPAN_FMT(name));
    memcpy(key, name.p, name.n);
    key[name.n] = '\0';
    const struct json *list = json_get(json_get(json_get(v, "special_tokens"), key), "ids");
    if (json_type_of(list) != JSON_ARRAY)
        return err_set(e, ERR_FORMAT, "special_tokens: '%.*s': missing, expected its ids",
                       SPAN_FMT(name));
    for (size_t i = 0; i < json_size(list); i++) {
        if (*n == AFFIX_MAX)
            return err_set(e, ERR_LIMIT, "more than %d special tokens", AFFIX_MAX);
        int rc = get_id(p, json_at(list, i), &ids[*n], e);
        if (rc)
            return rc;
        ++*n;
    }
    return 0;
}

static int read_template(struct pipeline *p, const struct json *v, struct err *e)
{
    const struct json *single = json_get(v, "single");
    int32_t ids[AFFIX_MAX];
    size_t n = 0;
    int texts = 0;
    int rc = 0;
    if (json_type_of(single) != JSON_ARRAY)
        return err_set(e, ERR_FORMAT, "single: %s, expected an array",
                       json_type_name(json_type_of(single)));
    for (size_t i = 0; i < json_size(single) && !rc; i++) {
        const struct json *piece = json_at(single, i);
        const struct json *special = json_get(piece, "SpecialToken");
        if (special) {
            rc = template_ids(p, v, json_string(json_get(special, "id")), ids, &n, e);
        } else if (json_get(piece, "Sequence")) {
            rc = surround(p, ids, n, true, e);
            n = 0;
            texts++;
        } else {
            rc =
                err_set(e, ERR_FORMAT, "single: element %zu: expected SpecialToken or Sequence", i);
        }
    }
    if (!rc && texts != 1)
        rc =
            err_set(e, ERR_UNSUPPORTED, "single: the text is there %d times, expected once", texts);
    return rc ? rc : surround(p, ids, n, false, e);
}

/* "cls": ["<s>", 0] in front, "sep": ["</s>", 2] behind */
static int read_cls_sep(struct pipeline *p, const struct json *v, struct err *e)
{
    int32_t cls;
    int32_t sep;
    int rc = get_id(p, json_at(json_get(v, "cls"), 1), &cls, e);
    if (!rc)
        rc = get_id(p, json_at(json_get(v, "sep"), 1), &sep, e);
    if (!rc)
        rc = surround(p, &cls, 1, true, e);
    return rc ? rc : surround(p, &sep, 1, false, e);
}

/* It moves offsets only. */
static int read_nothing(struct pipeline *p, const struct json *v, struct err *e)
{
    (void)p;
    (void)v;
    (void)e;
    return 0;
}

int read_post_processor(struct pipeline *p, const struct json *v, struct err *e)
{
    static const struct kind kinds[] = {
        {"TemplateProcessing", read_template},
        {"ByteLevel", read_nothing},
        {"RobertaProcessing", read_cls_sep},
        {"BertProcessing", read_cls_sep},
    };
    return read_part(p, v, "post_processor", "processors", kinds, sizeof(kinds) / sizeof(*kinds), 0,
                     e);
}

/* ---- decoders ---- */

static int push_decoder(struct pipeline *p, struct decoder d, struct err *e)
{
    if (p->n_decoders == DETOKENIZER_STAGES_MAX) {
        decoder_release(&d);
        return err_set(e, ERR_LIMIT, "more than %d of them", DETOKENIZER_STAGES_MAX);
    }
    p->decoders[p->n_decoders++] = d;
    return 0;
}

static int read_simple_decoder(struct pipeline *p, const struct json *v, struct err *e)
{
    struct span type = json_string(json_get(v, "type"));
    enum decoder_kind kind = span_is(type, "ByteLevel")      ? DECODER_BYTE_LEVEL
                             : span_is(type, "ByteFallback") ? DECODER_BYTE_FALLBACK
                                                             : DECODER_FUSE;
    return push_decoder(p, (struct decoder){.kind = kind}, e);
}

static int read_metaspace_decoder(struct pipeline *p, const struct json *v, struct err *e)
{
    struct decoder d = {.kind = DECODER_METASPACE};
    enum prefix_when when = PREFIX_NEVER;
    int rc = get_character(v, "replacement", &d.content, e);
    if (!rc)
        rc = get_scheme(v, &when, e);
    d.drops_first = when != PREFIX_NEVER;
    return rc ? rc : push_decoder(p, d, e);
}

static int get_count(const struct json *v, const char *key, uint32_t *out, struct err *e)
{
    const struct json *n = json_get(v, key);
    if (json_type_of(n) != JSON_INT || json_int(n) < 0 || json_int(n) > INT32_MAX)
        return err_set(e, ERR_FORMAT, "%s: expected a count", key);
    *out = (uint32_t)json_int(n);
    return 0;
}

static int read_strip_decoder(struct pipeline *p, const struct json *v, struct err *e)
{
    struct decoder d = {.kind = DECODER_STRIP};
    int rc = get_character(v, "content", &d.content, e);
    if (!rc)
        rc = get_count(v, "start", &d.start, e);
    if (!rc)
        rc = get_count(v, "stop", &d.stop, e);
    return rc ? rc : push_decoder(p, d, e);
}

static int read_replace_decoder(struct pipeline *p, const struct json *v, struct err *e)
{
    struct decoder d = {.kind = DECODER_REPLACE};
    int rc = get_text(v, "content", &d.content, e);
    if (!rc)
        rc = get_pattern(v, &d.pattern, e);
    return rc ? rc : push_decoder(p, d, e);
}

static int read_bpe_decoder(struct pipeline *p, const struct json *v, struct err *e)
{
    struct decoder d = {.kind = DECODER_BPE, .content = span_str("</w>")};
    int rc = json_get(v, "suffix") ? get_text(v, "suffix", &d.content, e) : 0;
    return rc ? rc : push_decoder(p, d, e);
}

static int read_wordpiece_decoder(struct pipeline *p, const struct json *v, struct err *e)
{
    struct decoder d = {.kind = DECODER_WORDPIECE, .content = span_str("##")};
    int rc = json_get(v, "prefix") ? get_text(v, "prefix", &d.content, e) : 0;
    if (!rc)
        rc = get_flag(v, "cleanup", true, &d.cleans_up, e);
    return rc ? rc : push_decoder(p, d, e);
}

int read_decoder(struct pipeline *p, const struct json *v, struct err *e)
{
    static const struct kind kinds[] = {
        {"ByteLevel", read_simple_decoder}, {"ByteFallback", read_simple_decoder},
        {"Fuse", read_simple_decoder},      {"Metaspace", read_metaspace_decoder},
        {"Strip", read_strip_decoder},      {"Replace", read_replace_decoder},
        {"BPEDecoder", read_bpe_decoder},   {"WordPiece", read_wordpiece_decoder},
    };
    if (json_type_of(v) == JSON_NULL) /* not the same as an empty sequence */
        return push_decoder(p, (struct decoder){.kind = DECODER_JOIN}, e);
    return read_part(p, v, "decoder", "decoders", kinds, sizeof(kinds) / sizeof(*kinds), 0, e);
}
