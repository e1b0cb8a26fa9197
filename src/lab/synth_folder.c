/* SPDX-License-Identifier: MIT */
/* A synthetic model as a folder in Hugging Face layout: model.safetensors (specification: the
 * README of huggingface/safetensors), config.json, tokenizer.json, tokenizer_config.json. The
 * weights come first: what fails, fails there, and a folder without them has nothing in it. */
#include "lab/synth.h"

#include "codec/codec.h"
#include "kernels/kernels.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_BYTES_MAX = 64 << 20, PATH_BYTES_MAX = 4096 };

/* ---- weights ---- */

static void put_entry(struct json_writer *w, const struct synth_tensor *t, const char *dtype,
                      uint64_t begin, uint64_t end)
{
    json_write_key(w, t->name);
    json_write_object(w);
    json_write_key(w, "dtype");
    json_write_str(w, dtype);
    json_write_key(w, "shape");
    json_write_array(w);
    for (uint32_t i = t->n_dims; i-- > 0;)
        json_write_u64(w, t->dims[i]);
    json_write_array_end(w);
    json_write_key(w, "data_offsets");
    json_write_array(w);
    json_write_u64(w, begin);
    json_write_u64(w, end);
    json_write_array_end(w);
    json_write_object_end(w);
}

/* Length and header; the data begin at a multiple of 8. */
static int put_header(const struct synth *s, struct buf *out, uint64_t *data_bytes, struct err *e)
{
    struct buf text;
    struct json_writer w;
    uint64_t end = 0;
    buf_init(&text, TEXT_BYTES_MAX);
    json_write_init(&w, &text, 0);
    json_write_object(&w);
    for (size_t i = 0; i < s->n_tensors; i++) {
        uint64_t begin = end;
        end += synth_tensor_bytes(&s->tensors[i], s->mix->type);
        put_entry(&w, &s->tensors[i], wtype_info(s->mix->type)->name, begin, end);
    }
    json_write_object_end(&w);
    while (text.n % 8 && !text.failed)
        buf_char(&text, ' ');
    for (int i = 0; i < 8; i++)
        buf_char(out, (char)((uint64_t)text.n >> 8 * i));
    buf_append(out, &text);
    buf_release(&text);
    *data_bytes = end;
    return buf_check(out, "header", e);
}

static int sink(void *ctx, struct span bytes, struct err *e)
{
    return file_out_write(ctx, bytes, e);
}

static int write_weights(struct synth *s, const char *path, struct err *e)
{
    struct buf header;
    struct file_out f = {.fd = -1};
    uint64_t data_bytes = 0;
    float norm = shape_has(s->shape, SHAPE_GEMMA) ? 0 : 1;
    buf_init(&header, TEXT_BYTES_MAX);
    int code = put_header(s, &header, &data_bytes, e);
    if (!code)
        code = file_out_open(&f, path, e);
    if (!code)
        code = file_out_reserve(&f, header.n + data_bytes, e);
    if (!code)
        code = file_out_write(&f, buf_view(&header), e);
    for (size_t i = 0; i < s->n_tensors && !code; i++)
        code =
            synth_tensor_data(&s->data, s->shape, &s->tensors[i], s->mix->type, norm, sink, &f, e);
    if (!code)
        code = file_out_finish(&f, e);
    file_out_abort(&f);
    buf_release(&header);
    return code;
}

/* ---- tokenizer ---- */

static void put_added_tokens(struct json_writer *w, const struct synth_vocab *v)
{
    json_write_key(w, "added_tokens");
    json_write_array(w);
    for (size_t i = 0; i < SYNTH_SPECIALS; i++) {
        static const char *const off[] = {"single_word", "lstrip", "rstrip", "normalized"};
        json_write_object(w);
        json_write_key(w, "id");
        json_write_u64(w, i);
        json_write_key(w, "content");
        json_write_span(w, v->tokens[i]);
        for (size_t k = 0; k < sizeof off / sizeof *off; k++) {
            json_write_key(w, off[k]);
            json_write_bool(w, false);
        }
        json_write_key(w, "special");
        json_write_bool(w, true);
        json_write_object_end(w);
    }
    json_write_array_end(w);
}

static void put_model(struct json_writer *w, const struct synth_vocab *v)
{
    json_write_key(w, "model");
    json_write_object(w);
    json_write_key(w, "type");
    json_write_str(w, "BPE");
    json_write_key(w, "vocab");
    json_write_object(w);
    for (size_t i = 0; i < v->n; i++) {
        json_write_key_span(w, v->tokens[i]);
        json_write_u64(w, i);
    }
    json_write_object_end(w);
    json_write_key(w, "merges");
    json_write_array(w);
    for (size_t i = 0; i < v->n_merges; i++)
        json_write_span(w, v->merges[i]);
    json_write_array_end(w);
    json_write_object_end(w);
}

static int tokenizer_text(const struct synth *s, struct buf *out, struct err *e)
{
    static const char byte_level[] =
        "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,"
        "\"use_regex\":true}";
    struct json_writer w;
    json_write_init(&w, out, 0);
    json_write_object(&w);
    json_write_key(&w, "version");
    json_write_str(&w, "1.0");
    put_added_tokens(&w, &s->vocab);
    json_write_key(&w, "normalizer");
    json_write_null(&w);
    json_write_key(&w, "pre_tokenizer");
    json_write_raw(&w, span_str(byte_level));
    json_write_key(&w, "post_processor");
    json_write_null(&w);
    json_write_key(&w, "decoder");
    json_write_raw(&w, span_str(byte_level));
    put_model(&w, &s->vocab);
    json_write_object_end(&w);
    return buf_check(out, "tokenizer.json", e);
}

static int tokenizer_config_text(struct buf *out, struct err *e)
{
    static const char *const members[][2] = {
        {"tokenizer_class", "PreTrainedTokenizerFast"},
        {"bos_token", "<|endoftext|>"},
        {"eos_token", "<|im_end|>"},
        {"pad_token", "<|endoftext|>"},
        {"chat_template", SYNTH_CHAT_TEMPLATE},
    };
    struct json_writer w;
    json_write_init(&w, out, 2);
    json_write_object(&w);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        json_write_key(&w, members[i][0]);
        json_write_str(&w, members[i][1]);
    }
    json_write_object_end(&w);
    buf_char(out, '\n');
    return buf_check(out, "tokenizer_config.json", e);
}

/* ---- the folder ---- */

static int path_of(const struct synth *s, const char *name, char out[PATH_BYTES_MAX], struct err *e)
{
    int n = snprintf(out, PATH_BYTES_MAX, "%s/%s", s->options->path, name);
    if (n >= PATH_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "'%s': the path is too long", s->options->path);
    return 0;
}

static int write_text(const struct synth *s, const char *name, const struct buf *text,
                      struct err *e)
{
    char path[PATH_BYTES_MAX];
    int code = path_of(s, name, path, e);
    return code ? code : file_write_atomic(path, buf_view(text), e);
}

static int write_texts(const struct synth *s, struct err *e)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    int code = tokenizer_text(s, &text, e);
    if (!code)
        code = write_text(s, "tokenizer.json", &text, e);
    buf_clear(&text);
    if (!code)
        code = tokenizer_config_text(&text, e);
    if (!code)
        code = write_text(s, "tokenizer_config.json", &text, e);
    buf_clear(&text);
    if (!code)
        code = synth_config_json(s, &text, e);
    if (!code)
        code = write_text(s, "config.json", &text, e);
    buf_release(&text);
    return code;
}

int synth_write_folder(struct synth *s, struct err *e)
{
    char weights[PATH_BYTES_MAX];
    int code = path_of(s, "model.safetensors", weights, e);
    if (code)
        return code;
    bool made = mkdir(s->options->path, 0755) == 0;
    if (!made && errno != EEXIST)
        return err_errno(e, errno, "cannot make folder '%s'", s->options->path);
    code = write_weights(s, weights, e);
    if (!code)
        code = write_texts(s, e);
    if (code && made) {
        unlink(weights);
        rmdir(s->options->path); /* not if something of it is left */
    }
    return code;
}
