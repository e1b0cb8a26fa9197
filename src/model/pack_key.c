/* SPDX-License-Identifier: MIT */
/* What tells one packed file from another: the model's files, the quantization, the layout. */
#include "model/pack.h"

#include <stdlib.h>

enum {
    TEXT_BYTES_MAX = 16 << 20,
    QUANTIZER_VERSION = 1, /* counts the changes of what quantize_row gives, or plans choose */
};

void pack_key_release(struct pack_key *k)
{
    buf_release(&k->sources);
    buf_release(&k->identity);
    buf_release(&k->form);
    buf_release(&k->table);
}

static int add_source(struct pack_key *k, const char *path, struct err *e)
{
    char *real = realpath(path, NULL);
    int code = 0;
    if (!real || strchr(real, '\n'))
        code = err_set(e, ERR_IO, "'%s': not a path that can be told again", path);
    if (!code && k->sources.n) {
        buf_char(&k->sources, '\n');
        buf_char(&k->identity, '\n');
    }
    if (!code) {
        buf_str(&k->sources, real);
        code = cache_identity(&k->identity, real, e);
    }
    free(real);
    return code;
}

/* config.json decides which rows are whose. */
static int add_config(struct pack_key *k, const struct weights *w, struct err *e)
{
    struct buf path;
    if (weights_gguf(w))
        return 0;
    buf_init(&path, 4096);
    buf_printf(&path, "%s/config.json", weights_folder(w));
    int code = buf_check(&path, "config.json", e);
    if (!code)
        code = add_source(k, buf_cstr(&path), e);
    buf_release(&path);
    return code;
}

int pack_key_init(struct pack_key *k, const struct model *m, const struct pack_plan *p,
                  struct err *e)
{
    const struct weights *w = m->file;
    int code = 0;
    buf_init(&k->sources, TEXT_BYTES_MAX);
    buf_init(&k->identity, TEXT_BYTES_MAX);
    buf_init(&k->form, 256);
    buf_init(&k->table, TEXT_BYTES_MAX);
    for (size_t i = 0; i < weights_part_count(w) && !code; i++)
        code = add_source(k, weights_part_path(w, i), e);
    if (!code)
        code = add_config(k, w, e);
    buf_printf(&k->form, "layout %d, %s", PACKED_LAYOUT,
               m->math == MODEL_MATH_FAST ? "packed" : "rows");
    if (p->target.name[0])
        buf_printf(&k->form, ", quantizer %d", QUANTIZER_VERSION);
    if (!code)
        code = pack_plan_table(p, &k->table, e);
    if (!code)
        code = buf_check(&k->sources, "the paths of a model", e);
    k->head = (struct packed_head){
        .text = {[PACKED_SOURCES] = buf_view(&k->sources),
                 [PACKED_IDENTITY] = buf_view(&k->identity),
                 [PACKED_TARGET] = span_str(p->target.name),
                 [PACKED_FORM] = buf_view(&k->form),
                 [PACKED_LABEL] = span_str(p->label),
                 [PACKED_TABLE] = buf_view(&k->table)},
        .data_bytes = p->bytes,
    };
    return code;
}
