/* SPDX-License-Identifier: MIT */
/* {"case","text","add_special","parse_special"} to {"case","ids"}, and
 * {"case","ids","skip_special"} to {"case","text","pieces"}. Defaults are those of Hugging Face:
 * add_special and parse_special true, skip_special false. */
#include "lab/lab.h"

#include "lab/lines.h"
#include "model/model.h"

#include <stdlib.h>

enum {
    TEXT_BYTES_MAX = LINE_BYTES_MAX,
    IDS_MAX = 1 << 22,
};

static int tokenize(void *ctx, const struct json *in, struct json_writer *w, FILE *out,
                    struct err *e)
{
    (void)out;
    const struct tokenizer *t = ctx;
    struct span text;
    struct encode_options o = {.add_special = true};
    int rc = line_text(in, "text", &text, e);
    if (rc == 0)
        rc = line_bool(in, "add_special", true, &o.add_special, e);
    if (rc == 0)
        rc = line_bool(in, "parse_special", true, &o.parse_special, e);
    struct token_list ids = {NULL, 0, 0};
    if (rc == 0)
        rc = tokenizer_encode(t, text, &o, &ids, e);
    if (rc == 0) {
        json_put_array(w, "ids");
        for (size_t i = 0; i < ids.n; i++)
            json_write_int(w, ids.ids[i]);
        json_write_array_end(w);
    }
    token_list_release(&ids);
    return rc;
}

static int write_pieces(const struct tokenizer *t, const int32_t *ids, size_t n, bool skip_special,
                        struct json_writer *w, struct err *e)
{
    struct detokenizer d;
    struct buf piece;
    detokenizer_init(&d, t, skip_special);
    buf_init(&piece, TEXT_BYTES_MAX);
    json_put_array(w, "pieces");
    int rc = 0;
    for (size_t i = 0; rc == 0 && i <= n; i++) {
        buf_clear(&piece);
        if (i < n)
            rc = detokenizer_push(&d, ids[i], &piece, e);
        else
            detokenizer_finish(&d, &piece);
        if (rc == 0)
            rc = buf_check(&piece, "piece", e);
        if (rc == 0 && piece.n > 0)
            json_write_span(w, buf_view(&piece));
    }
    json_write_array_end(w);
    detokenizer_release(&d);
    buf_release(&piece);
    return rc;
}

static int detokenize(void *ctx, const struct json *in, struct json_writer *w, FILE *out,
                      struct err *e)
{
    (void)out;
    const struct tokenizer *t = ctx;
    int32_t *ids = NULL;
    size_t n = 0;
    bool skip_special;
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    int rc = line_bool(in, "skip_special", false, &skip_special, e);
    if (rc == 0)
        rc = line_ints(in, "ids", 0, (int64_t)tokenizer_size(t) - 1, IDS_MAX, &ids, &n, e);
    if (rc == 0)
        rc = tokenizer_decode(t, ids, n, skip_special, &text, e);
    if (rc == 0)
        rc = buf_check(&text, "text", e);
    if (rc == 0) {
        json_put_span(w, "text", buf_view(&text));
        rc = write_pieces(t, ids, n, skip_special, w, e);
    }
    buf_release(&text);
    free(ids);
    return rc;
}

static int with_tokenizer(const char *model_path, FILE *in, const char *in_name, FILE *out,
                          line_fn answer, struct err *e)
{
    struct model_text *text = NULL;
    int rc = model_text_open(&text, model_path, e);
    if (rc)
        return rc;
    /* The functions above take it back as const; lines_run only carries it. */
    void *tokenizer = (void *)(uintptr_t)model_text_tokenizer(text);
    rc = tokenizer ? lines_run(in, in_name, out, answer, tokenizer, e)
                   : err_set(e, ERR_UNSUPPORTED,
                             "'%s': no vocabulary, expected tokenizer.json and its like in a "
                             "folder, the key tokenizer.ggml.model in a GGUF file",
                             model_path);
    model_text_close(&text);
    return rc;
}

int lab_tokenize(const char *model_path, FILE *in, const char *in_name, FILE *out, struct err *e)
{
    return with_tokenizer(model_path, in, in_name, out, tokenize, e);
}

int lab_detokenize(const char *model_path, FILE *in, const char *in_name, FILE *out, struct err *e)
{
    return with_tokenizer(model_path, in, in_name, out, detokenize, e);
}
