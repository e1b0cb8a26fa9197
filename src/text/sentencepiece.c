/* SPDX-License-Identifier: MIT */
/* A SentencePiece model as a tokenizer.json.
 *
 * Source: the tokenizers that transformers 5.24 builds (LlamaTokenizer, GemmaTokenizer, and for all
 * others TokenizersBackend, which follows the model's own settings), as it serializes them. */
#include "text/sentencepiece_parts.h"

#include <stdlib.h>

static const char blank[] = "\xe2\x96\x81"; /* U+2581 */

/* ---- small parts of the format ---- */

static void put_simple(struct json_writer *w, const char *type)
{
    sp_begin(w, type);
    json_write_object_end(w);
}

static void put_pattern(struct json_writer *w, const char *kind, struct span pattern)
{
    json_put_object(w, "pattern");
    json_put_span(w, kind, pattern);
    json_write_object_end(w);
}

static void put_replace(struct json_writer *w, const char *kind, const char *pattern,
                        const char *content)
{
    sp_begin(w, "Replace");
    put_pattern(w, kind, span_str(pattern));
    json_put_str(w, "content", content);
    json_write_object_end(w);
}

static void begin_sequence(struct json_writer *w, const char *members)
{
    sp_begin(w, "Sequence");
    json_put_array(w, members);
}

static void end_sequence(struct json_writer *w)
{
    json_write_array_end(w);
    json_write_object_end(w);
}

/* ---- normalizer ---- */

static void put_base64(struct buf *out, struct span s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < s.n; i += 3) {
        struct span part = span_sub(s, i, 3);
        uint32_t v = (uint32_t)part.p[0] << 16;
        v |= part.n > 1 ? (uint32_t)part.p[1] << 8 : 0;
        v |= part.n > 2 ? part.p[2] : 0;
        for (size_t k = 0; k < 4; k++)
            buf_char(out, k <= part.n ? digits[v >> (18 - 6 * k) & 63] : '=');
    }
}

static void put_charsmap(struct json_writer *w, struct span charsmap)
{
    sp_begin(w, "Precompiled");
    json_put_raw(w, "precompiled_charsmap", span_str("\""));
    put_base64(w->out, charsmap);
    buf_char(w->out, '"');
    json_write_object_end(w);
}

static void put_normalizer(struct json_writer *w, const struct sp_model *m,
                           const struct sp_config *c)
{
    json_write_key(w, "normalizer");
    if (c->class == SP_CLASS_LLAMA) {
        json_write_null(w);
        return;
    }
    if (c->class == SP_CLASS_GEMMA) {
        put_replace(w, "String", " ", blank);
        return;
    }
    begin_sequence(w, "normalizers");
    if (m->charsmap.n)
        put_charsmap(w, m->charsmap);
    if (m->remove_extra_whitespaces) {
        put_replace(w, "Regex", "\\A +| +\\z", "");
        put_replace(w, "Regex", " {2,}", " ");
    }
    if (m->escape_whitespaces)
        put_replace(w, "String", " ", blank);
    /* Metaspace puts no blank where one stands; SentencePiece does. */
    if (m->add_dummy_prefix && c->legacy)
        put_replace(w, "Regex", "\\A\xe2\x96\x81", "\xe2\x96\x81\xe2\x96\x81");
    end_sequence(w);
}

/* ---- pre-tokenizer ---- */

static void put_metaspace(struct json_writer *w, const char *scheme)
{
    sp_begin(w, "Metaspace");
    json_put_str(w, "replacement", blank);
    json_put_str(w, "prepend_scheme", scheme);
    json_put_bool(w, "split", false);
    json_write_object_end(w);
}

static void put_split(struct json_writer *w, const char *kind, struct span pattern,
                      const char *behavior)
{
    sp_begin(w, "Split");
    put_pattern(w, kind, pattern);
    json_put_str(w, "behavior", behavior);
    json_put_bool(w, "invert", false);
    json_write_object_end(w);
}

struct user_piece {
    struct span text;
    size_t characters, at;
};

static int by_length(const void *a, const void *b)
{
    const struct user_piece *x = a, *y = b;
    if (x->characters != y->characters)
        return x->characters > y->characters ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* An expression that finds user-defined pieces, the longest first. */
static int put_user_defined(struct json_writer *w, const struct sp_model *m, struct err *e)
{
    struct user_piece *pieces = malloc(m->n * sizeof *pieces);
    struct buf pattern;
    size_t n = 0;
    if (!pieces)
        return err_set(e, ERR_NOMEM, "no memory for %zu pieces", m->n);
    for (size_t i = 0; i < m->n; i++)
        if (m->types[i] == PIECE_USER_DEFINED)
            pieces[n++] = (struct user_piece){m->texts[i], utf8_length(m->texts[i]), i};
    qsort(pieces, n, sizeof *pieces, by_length);
    buf_init(&pattern, w->out->max);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_char(&pattern, '|');
        for (size_t k = 0; k < pieces[i].text.n; k++) {
            uint8_t ch = pieces[i].text.p[k];
            if (ch && strchr("()[]{}?*+-|^$\\.&~# \t\n\r\v\f", ch))
                buf_char(&pattern, '\\');
            buf_char(&pattern, (char)ch);
        }
    }
    int rc = buf_check(&pattern, "user-defined pieces", e);
    if (!rc)
        put_split(w, "Regex", buf_view(&pattern), "Isolated");
    buf_release(&pattern);
    free(pieces);
    return rc;
}

static int put_pre_tokenizer(struct json_writer *w, const struct sp_model *m,
                             const struct sp_config *c, struct err *e)
{
    int rc = 0;
    const char *scheme = c->legacy ? "always" : "first";
    json_write_key(w, "pre_tokenizer");
    if (c->class == SP_CLASS_GEMMA) {
        put_split(w, "String", span_str(" "), "MergedWithPrevious");
    } else if (c->class == SP_CLASS_LLAMA) {
        put_metaspace(w, c->add_prefix_space ? scheme : "never");
    } else if (!m->add_dummy_prefix && !sp_has_user_defined(m)) {
        json_write_null(w);
    } else {
        begin_sequence(w, "pretokenizers");
        if (m->add_dummy_prefix)
            put_metaspace(w, scheme);
        if (sp_has_user_defined(m))
            rc = put_user_defined(w, m, e);
        end_sequence(w);
    }
    return rc;
}

/* ---- decoder, post-processor, added tokens ---- */

static void put_decoder(struct json_writer *w, const struct sp_model *m, const struct sp_config *c)
{
    bool any = c->class == SP_CLASS_ANY;
    bool bytes = any ? m->byte_fallback : true;
    bool strip = any ? m->add_dummy_prefix : c->class == SP_CLASS_LLAMA && c->add_prefix_space;
    json_write_key(w, "decoder");
    begin_sequence(w, "decoders");
    put_replace(w, "String", blank, " ");
    if (bytes)
        put_simple(w, "ByteFallback");
    if (bytes || strip)
        put_simple(w, "Fuse");
    if (strip) {
        sp_begin(w, "Strip");
        json_put_str(w, "content", " ");
        json_put_int(w, "start", 1);
        json_put_int(w, "stop", 0);
        json_write_object_end(w);
    }
    end_sequence(w);
}

/* An added token with the id that it has or gets. */
struct sp_added {
    struct sp_token token;
    int32_t id;
};

static int32_t find_added(const struct sp_added *added, size_t n, struct span text)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq(added[i].token.text, text))
            return added[i].id;
    return -1;
}

static void put_template_token(struct json_writer *w, struct span text)
{
    json_write_object(w);
    json_put_object(w, "SpecialToken");
    json_put_span(w, "id", text);
    json_put_int(w, "type_id", 0);
    json_write_object_end(w);
    json_write_object_end(w);
}

static void put_template_entry(struct json_writer *w, struct span text, int32_t id)
{
    json_write_key_span(w, text);
    json_write_object(w);
    json_put_span(w, "id", text);
    json_put_array(w, "ids");
    json_write_int(w, id);
    json_write_array_end(w);
    json_put_array(w, "tokens");
    json_write_span(w, text);
    json_write_array_end(w);
    json_write_object_end(w);
}

static void put_post_processor(struct json_writer *w, const struct sp_config *c,
                               const struct sp_added *added, size_t n)
{
    struct span bos = c->add_bos ? c->named[SP_BOS].text : (struct span){NULL, 0};
    struct span eos = c->add_eos ? c->named[SP_EOS].text : (struct span){NULL, 0};
    json_write_key(w, "post_processor");
    sp_begin(w, "TemplateProcessing");
    json_put_array(w, "single");
    if (bos.n)
        put_template_token(w, bos);
    json_write_raw(w, span_str("{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}"));
    if (eos.n)
        put_template_token(w, eos);
    json_write_array_end(w);
    json_put_raw(w, "pair",
                 span_str("[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
                          "{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}]"));
    json_put_object(w, "special_tokens");
    if (bos.n)
        put_template_entry(w, bos, find_added(added, n, bos));
    if (eos.n && !span_eq(bos, eos))
        put_template_entry(w, eos, find_added(added, n, eos));
    json_write_object_end(w);
    json_write_object_end(w);
}

static int by_added_id(const void *a, const void *b)
{
    const struct sp_added *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* Ids in the order of coming; a text that comes again keeps its id and takes the new flags. */
static int number_added(const struct sp_model *m, const struct sp_config *c, struct sp_added **out,
                        size_t *n_out, struct err *e)
{
    size_t n = 0;
    int32_t next = (int32_t)m->n;
    struct vocab_index index = {0};
    struct sp_added *added = calloc(c->n + 1, sizeof *added);
    struct span *texts = calloc(c->n + 1, sizeof *texts);
    int rc = added && texts ? vocab_index_init(&index, texts, c->n, e)
                            : err_set(e, ERR_NOMEM, "no memory for %zu added tokens", c->n);
    for (size_t i = 0; i < c->n && !rc; i++) {
        texts[n] = c->tokens[i].text;
        int32_t same = vocab_index_add(&index, (int32_t)n);
        if (same >= 0) {
            added[same].token = c->tokens[i];
            continue;
        }
        int32_t id = vocab_index_find(&m->index, texts[n]);
        added[n++] = (struct sp_added){c->tokens[i], id >= 0 ? id : next++};
    }
    vocab_index_release(&index);
    free(texts);
    if (rc) {
        free(added);
        return rc;
    }
    qsort(added, n, sizeof *added, by_added_id);
    *out = added;
    *n_out = n;
    return 0;
}

static void put_added(struct json_writer *w, const struct sp_added *added, size_t n)
{
    json_put_array(w, "added_tokens");
    for (size_t i = 0; i < n; i++) {
        const struct sp_token *t = &added[i].token;
        json_write_object(w);
        json_put_int(w, "id", added[i].id);
        json_put_span(w, "content", t->text);
        json_put_bool(w, "single_word", t->single_word);
        json_put_bool(w, "lstrip", t->lstrip);
        json_put_bool(w, "rstrip", t->rstrip);
        json_put_bool(w, "normalized", t->normalized);
        json_put_bool(w, "special", t->special);
        json_write_object_end(w);
    }
    json_write_array_end(w);
}

/* ---- all of it ---- */

/* Pieces that the configuration names otherwise go by that name, unless a piece that keeps its own
 * has it. */
static int rename_pieces(struct sp_model *m, const struct sp_config *c, struct err *e)
{
    bool changed = false;
    uint8_t *renamed = calloc(m->n, 1);
    if (!renamed)
        return err_set(e, ERR_NOMEM, "no memory for %zu pieces", m->n);
    for (size_t i = 0; i < c->n_listed; i++)
        if ((uint64_t)c->tokens[i].id < m->n)
            renamed[c->tokens[i].id] = 1;
    for (size_t i = 0; i < c->n_listed; i++) {
        const struct sp_token *t = &c->tokens[i];
        int32_t same = vocab_index_find(&m->index, t->text);
        if ((uint64_t)t->id >= m->n || (same >= 0 && !renamed[same]) || same == t->id)
            continue;
        m->texts[t->id] = t->text;
        changed = true;
    }
    free(renamed);
    return changed ? sp_model_index(m, e) : 0;
}

static int32_t special_id(const struct sp_config *c, size_t which, const struct sp_added *added,
                          size_t n)
{
    for (size_t i = 0; i < n && c->named[which].text.n; i++)
        if (span_eq(added[i].token.text, c->named[which].text))
            return (int32_t)added[i].id;
    return -1;
}

static int put_all(const struct sp_model *m, const struct sp_config *c, struct buf *out,
                   struct sp_special *special, struct err *e)
{
    struct json_writer w;
    struct sp_added *added = NULL;
    size_t n = 0;
    int rc = number_added(m, c, &added, &n, e);
    if (rc)
        return rc;
    if (special)
        *special =
            (struct sp_special){special_id(c, SP_BOS, added, n), special_id(c, SP_EOS, added, n),
                                special_id(c, SP_UNK, added, n)};
    json_write_init(&w, out, 0);
    json_write_object(&w);
    json_put_str(&w, "version", "1.0");
    json_put_str(&w, "truncation", NULL);
    json_put_str(&w, "padding", NULL);
    put_added(&w, added, n);
    put_normalizer(&w, m, c);
    rc = put_pre_tokenizer(&w, m, c, e);
    put_post_processor(&w, c, added, n);
    put_decoder(&w, m, c);
    json_write_key(&w, "model");
    if (c->class == SP_CLASS_ANY && m->model_type == SP_UNIGRAM)
        sp_put_unigram(&w, m);
    else if (!rc)
        rc = sp_put_bpe(&w, m, c, e);
    else
        json_write_null(&w);
    json_write_object_end(&w);
    free(added);
    return rc;
}

int sentencepiece_json(const struct tokenizer_files *f, struct span model_type, struct buf *out,
                       struct sp_special *special, struct err *e)
{
    struct sp_model m = {0};
    struct sp_config c = {0};
    size_t before = out->n;
    int rc = sp_model_read(&m, f->sentencepiece, e);
    if (rc)
        err_wrap(e, rc, "tokenizer.model");
    if (!rc)
        rc = sp_config_read(&c, f, model_type, &m, e);
    if (!rc && c.class == SP_CLASS_ANY && m.model_type == SP_BPE)
        rc = rename_pieces(&m, &c, e);
    if (!rc)
        rc = put_all(&m, &c, out, special, e);
    if (!rc)
        rc = buf_check(out, "tokenizer.json of tokenizer.model", e);
    if (rc && !out->failed)
        buf_truncate(out, before);
    sp_config_release(&c);
    sp_model_release(&m);
    return rc;
}

int sentencepiece_json_of_vocab(const struct vocab *v, struct buf *out, struct err *e)
{
    struct sp_model m = {0};
    struct sp_config c = {0};
    size_t before = out->n;
    int rc = sp_model_of_vocab(&m, v, e);
    if (!rc)
        rc = sp_config_of_vocab(&c, v, &m, e);
    if (!rc)
        rc = put_all(&m, &c, out, NULL, e);
    if (!rc)
        rc = buf_check(out, "tokenizer.json of the vocabulary", e);
    if (rc && !out->failed)
        buf_truncate(out, before);
    sp_config_release(&c);
    sp_model_release(&m);
    return rc;
}
