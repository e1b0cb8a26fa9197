/* SPDX-License-Identifier: MIT */
/* The decoders of tokenizer.json, from their values in the file. */
#include "text/tokenizer_json_parts.h"

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
    int rc = part_character(v, "replacement", &d.content, e);
    if (!rc)
        rc = part_scheme(v, &when, e);
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
    int rc = part_character(v, "content", &d.content, e);
    if (!rc)
        rc = get_count(v, "start", &d.start, e);
    if (!rc)
        rc = get_count(v, "stop", &d.stop, e);
    return rc ? rc : push_decoder(p, d, e);
}

static int read_replace_decoder(struct pipeline *p, const struct json *v, struct err *e)
{
    struct decoder d = {.kind = DECODER_REPLACE};
    int rc = part_text(v, "content", &d.content, e);
    if (!rc)
        rc = part_pattern(v, &d.pattern, e);
    return rc ? rc : push_decoder(p, d, e);
}

static int read_bpe_decoder(struct pipeline *p, const struct json *v, struct err *e)
{
    struct decoder d = {.kind = DECODER_BPE, .content = span_str("</w>")};
    int rc = json_get(v, "suffix") ? part_text(v, "suffix", &d.content, e) : 0;
    return rc ? rc : push_decoder(p, d, e);
}

static int read_wordpiece_decoder(struct pipeline *p, const struct json *v, struct err *e)
{
    struct decoder d = {.kind = DECODER_WORDPIECE, .content = span_str("##")};
    int rc = json_get(v, "prefix") ? part_text(v, "prefix", &d.content, e) : 0;
    if (!rc)
        rc = part_flag(v, "cleanup", true, &d.cleans_up, e);
    return rc ? rc : push_decoder(p, d, e);
}

int read_decoder(struct pipeline *p, const struct json *v, struct err *e)
{
    static const struct part_kind kinds[] = {
        {"ByteLevel", read_simple_decoder}, {"ByteFallback", read_simple_decoder},
        {"Fuse", read_simple_decoder},      {"Metaspace", read_metaspace_decoder},
        {"Strip", read_strip_decoder},      {"Replace", read_replace_decoder},
        {"BPEDecoder", read_bpe_decoder},   {"WordPiece", read_wordpiece_decoder},
    };
    if (json_type_of(v) == JSON_NULL) /* not the same as an empty sequence */
        return push_decoder(p, (struct decoder){.kind = DECODER_JOIN}, e);
    return read_part(p, v, "decoder", "decoders", kinds, sizeof(kinds) / sizeof(*kinds), e);
}
