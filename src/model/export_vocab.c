/* SPDX-License-Identifier: MIT */
/* Safetensors as GGUF: the vocabulary. So far none is written: the logits need none, and what asks
 * for text is told. */
#include "model/export_parts.h"

int export_put_vocabulary(const struct model_export *x, struct gguf_writer *w, struct err *e)
{
    struct model_text *text = NULL;
    int code = model_text_open(&text, weights_path(x->file), e);
    if (code)
        return code;
    if (model_text_tokenizer(text))
        log_warning("'%s': the tokenizer is not written into GGUF: the file computes logits "
                    "of ids, not of text",
                    weights_path(x->file));
    gguf_put_string(w, "tokenizer.ggml.model", span_str("none"));
    model_text_close(&text);
    return 0;
}
