/* SPDX-License-Identifier: MIT */
/* Reads SentencePiece's ModelProto. Source: sentencepiece_model.proto (numbers of the fields and
 * their defaults) and the wire format of Protocol Buffers: a later field wins, a message that comes
 * in several parts is their union, unknown fields are stepped over. */
#include "text/sentencepiece_parts.h"

#include <math.h>
#include <stdlib.h>

enum { PIECES_MAX = 4 << 20 };

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct field {
    uint64_t number;
    enum wire wire;
    uint64_t value;    /* WIRE_VARINT, WIRE_32, WIRE_64 */
    struct span bytes; /* WIRE_BYTES */
};

static uint64_t varint(struct cursor *c)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte = cursor_u8(c);
        if (shift < 64)
            v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return v;
    }
    c->ok = false;
    return 0;
}

/* False at the end of the message, and where it is malformed (c->ok is false then). */
static bool next_field(struct cursor *c, struct field *f)
{
    if (!c->ok || c->pos == c->s.n)
        return false;
    uint64_t tag = varint(c);
    *f = (struct field){.number = tag >> 3, .wire = (enum wire)(tag & 7)};
    if (f->number == 0)
        c->ok = false;
    switch (f->wire) {
    case WIRE_VARINT:
        f->value = varint(c);
        break;
    case WIRE_64:
        f->value = cursor_u64(c);
        break;
    case WIRE_BYTES:
        f->value = varint(c);
        f->bytes = cursor_take(c, f->value);
        break;
    case WIRE_32:
        f->value = cursor_u32(c);
        break;
    default: /* groups are not in this format */
        c->ok = false;
    }
    return c->ok;
}

static int malformed(const char *what, const struct cursor *c, struct err *e)
{
    return err_set(e, ERR_FORMAT, "%s: byte %zu of %zu: malformed, expected a SentencePiece model",
                   what, c->pos, c->s.n);
}

static bool is_bytes(const struct field *f, uint64_t number)
{
    return f->number == number && f->wire == WIRE_BYTES;
}

static bool is_number(const struct field *f, uint64_t number)
{
    return f->number == number && f->wire == WIRE_VARINT;
}

/* ---- pieces ---- */

static int grow(struct sp_model *m, struct err *e)
{
    size_t cap = m->cap ? m->cap * 2 : 1024;
    struct span *texts = realloc(m->texts, cap * sizeof *texts);
    m->texts = texts ? texts : m->texts;
    float *scores = realloc(m->scores, cap * sizeof *scores);
    m->scores = scores ? scores : m->scores;
    uint8_t *types = realloc(m->types, cap);
    m->types = types ? types : m->types;
    if (!texts || !scores || !types)
        return err_set(e, ERR_NOMEM, "no memory for %zu pieces", cap);
    m->cap = cap;
    return 0;
}

static int push_piece(struct sp_model *m, struct span text, float score, uint64_t type,
                      struct err *e)
{
    if (text.n == 0 || !utf8_valid(text))
        return err_set(e, ERR_FORMAT, "piece %zu: '%.*s', expected text", m->n, SPAN_FMT(text));
    if (type < TOKEN_NORMAL || type > TOKEN_BYTE)
        return err_set(e, ERR_FORMAT, "piece %zu: type %llu, expected %d to %d", m->n,
                       (unsigned long long)type, TOKEN_NORMAL, TOKEN_BYTE);
    if (!isfinite(score))
        return err_set(e, ERR_FORMAT, "piece %zu: score %g, expected a number", m->n,
                       (double)score);
    if (m->n >= PIECES_MAX)
        return err_set(e, ERR_LIMIT, "more than %d pieces", PIECES_MAX);
    int rc = m->n == m->cap ? grow(m, e) : 0;
    if (rc)
        return rc;
    m->texts[m->n] = text;
    m->scores[m->n] = score;
    m->types[m->n++] = (uint8_t)type;
    return 0;
}

static int read_piece(struct sp_model *m, struct span message, struct err *e)
{
    struct cursor c = cursor_of(message);
    struct field f;
    struct span text = {NULL, 0};
    uint64_t type = PIECE_NORMAL;
    float score = 0;
    while (next_field(&c, &f)) {
        if (is_bytes(&f, 1)) {
            text = f.bytes;
        } else if (f.number == 2 && f.wire == WIRE_32) {
            uint32_t bits = (uint32_t)f.value;
            memcpy(&score, &bits, sizeof score);
        } else if (is_number(&f, 3)) {
            type = f.value;
        }
    }
    if (!c.ok)
        return malformed("pieces", &c, e);
    return push_piece(m, text, score, type, e);
}

int sp_model_index(struct sp_model *m, struct err *e)
{
    vocab_index_release(&m->index);
    if (m->n == 0)
        return err_set(e, ERR_FORMAT, "no pieces, expected a SentencePiece model");
    int rc = vocab_index_init(&m->index, m->texts, m->n, e);
    for (size_t i = 0; i < m->n && !rc; i++) {
        int32_t same = vocab_index_add(&m->index, (int32_t)i);
        if (same >= 0)
            rc = err_set(e, ERR_FORMAT, "piece %zu: '%.*s' is piece %d already", i,
                         SPAN_FMT(m->texts[i]), same);
    }
    return rc;
}

/* ---- specifications ---- */

static int32_t id_of(uint64_t value)
{
    return (int32_t)(uint32_t)value; /* int32: -1 is written with 64 bits */
}

static int read_trainer(struct sp_model *m, struct span message, struct err *e)
{
    struct cursor c = cursor_of(message);
    struct field f;
    while (next_field(&c, &f)) {
        if (is_number(&f, 3))
            m->model_type = f.value;
        else if (is_number(&f, 35))
            m->byte_fallback = f.value != 0;
        else if (is_number(&f, 40))
            m->unk_id = id_of(f.value);
        else if (is_number(&f, 41))
            m->bos_id = id_of(f.value);
        else if (is_number(&f, 42))
            m->eos_id = id_of(f.value);
        else if (is_bytes(&f, 45))
            m->unk_piece = f.bytes;
        else if (is_bytes(&f, 46))
            m->bos_piece = f.bytes;
        else if (is_bytes(&f, 47))
            m->eos_piece = f.bytes;
    }
    return c.ok ? 0 : malformed("trainer_spec", &c, e);
}

static int read_normalizer(struct sp_model *m, struct span message, struct err *e)
{
    struct cursor c = cursor_of(message);
    struct field f;
    while (next_field(&c, &f)) {
        if (is_bytes(&f, 2))
            m->charsmap = f.bytes;
        else if (is_number(&f, 3))
            m->add_dummy_prefix = f.value != 0;
        else if (is_number(&f, 4))
            m->remove_extra_whitespaces = f.value != 0;
        else if (is_number(&f, 5))
            m->escape_whitespaces = f.value != 0;
    }
    return c.ok ? 0 : malformed("normalizer_spec", &c, e);
}

static int check(const struct sp_model *m, struct err *e)
{
    const struct span pieces[] = {m->unk_piece, m->bos_piece, m->eos_piece};
    if (m->model_type != SP_UNIGRAM && m->model_type != SP_BPE)
        return err_set(e, ERR_UNSUPPORTED,
                       "trainer_spec: model_type %llu, expected 1 (Unigram) or 2 (BPE)",
                       (unsigned long long)m->model_type);
    if (m->unk_id < 0 || (size_t)m->unk_id >= m->n)
        return err_set(e, ERR_FORMAT, "trainer_spec: unk_id %d, expected one of %zu pieces",
                       m->unk_id, m->n);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        if (!utf8_valid(pieces[i]))
            return err_set(e, ERR_FORMAT, "trainer_spec: piece '%.*s', expected text",
                           SPAN_FMT(pieces[i]));
    return 0;
}

int sp_model_read(struct sp_model *m, struct span file, struct err *e)
{
    *m = (struct sp_model){
        .model_type = SP_UNIGRAM,
        .bos_id = 1,
        .eos_id = 2,
        .unk_piece = span_str("<unk>"),
        .bos_piece = span_str("<s>"),
        .eos_piece = span_str("</s>"),
        .add_dummy_prefix = true,
        .remove_extra_whitespaces = true,
        .escape_whitespaces = true,
    };
    struct cursor c = cursor_of(file);
    struct field f;
    int rc = 0;
    while (!rc && next_field(&c, &f)) {
        if (is_bytes(&f, 1))
            rc = read_piece(m, f.bytes, e);
        else if (is_bytes(&f, 2))
            rc = read_trainer(m, f.bytes, e);
        else if (is_bytes(&f, 3))
            rc = read_normalizer(m, f.bytes, e);
    }
    if (!rc && !c.ok)
        rc = malformed("model", &c, e);
    if (!rc)
        rc = sp_model_index(m, e);
    return rc ? rc : check(m, e);
}

int sp_model_of_vocab(struct sp_model *m, const struct vocab *v, struct err *e)
{
    int rc = 0;
    *m = (struct sp_model){
        .model_type = SP_UNIGRAM,
        .unk_id = v->unk,
        .bos_id = v->bos,
        .eos_id = v->eos,
        .charsmap = v->charsmap,
        .add_dummy_prefix = v->add_space_prefix,
        .remove_extra_whitespaces = v->remove_extra_whitespaces,
        .escape_whitespaces = true,
    };
    if (!v->scores)
        return err_set(e, ERR_FORMAT, "vocabulary: scores: missing, expected %zu", v->n);
    for (size_t i = 0; i < v->n && !rc; i++) {
        int32_t type = v->types ? v->types[i] : TOKEN_NORMAL;
        rc = push_piece(m, v->tokens[i], v->scores[i], (uint64_t)(int64_t)type, e);
        m->byte_fallback = m->byte_fallback || type == TOKEN_BYTE;
    }
    if (!rc)
        rc = sp_model_index(m, e);
    return rc ? rc : check(m, e);
}

void sp_model_release(struct sp_model *m)
{
    vocab_index_release(&m->index);
    free(m->texts);
    free(m->scores);
    free(m->types);
    *m = (struct sp_model){0};
}
