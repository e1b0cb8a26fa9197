/* SPDX-License-Identifier: MIT */
/* wattle synth: a model of a published shape with random weights. */
#include "lab/synth.h"

#include "kernels/kernels.h"

#include <sys/stat.h>

enum { ARENA_BYTES_MAX = 16 << 20 };

uint32_t synth_type(const struct synth *s, const struct synth_tensor *t, enum synth_format format)
{
    if (format == SYNTH_SAFETENSORS)
        return s->mix->type;
    if (t->filling != SYNTH_MATRIX)
        return WTYPE_F32;
    return mix_type(s->mix, t->role, t->layer, s->n_layers, t->dims[0],
                    shape_has(s->shape, SHAPE_TIED));
}

static int choose_mix(struct synth *s, enum synth_format format, struct err *e)
{
    const char *type = s->options->type;
    if (!type)
        type = format == SYNTH_GGUF ? "q4_k_m" : "bf16";
    s->mix = mix_find(type);
    bool plain = s->mix && wtype_info(s->mix->type)->block_elems == 1;
    if (s->mix && (plain || format == SYNTH_GGUF))
        return 0;
    struct buf all;
    buf_init(&all, 256);
    for (size_t i = 0; mix_at(i); i++)
        if (format == SYNTH_GGUF || wtype_info(mix_at(i)->type)->block_elems == 1)
            buf_printf(&all, "%s%s", all.n ? ", " : "", mix_at(i)->name);
    int code = err_set(e, ERR_USAGE, "--type '%.40s': expected one of %s%s", type, buf_cstr(&all),
                       format == SYNTH_GGUF ? "" : " for safetensors");
    buf_release(&all);
    return code;
}

static int check_path(const struct lab_synth_options *o, struct err *e)
{
    struct stat st;
    if (o->force || stat(o->path, &st) != 0)
        return 0;
    return err_set(e, ERR_USAGE, "--output '%s': is there already, --force replaces it", o->path);
}

static int prepare(struct synth *s, enum synth_format format, struct err *e)
{
    const struct lab_synth_options *o = s->options;
    int code = synth_shape_find(&s->shape, o->shape, e);
    if (!code)
        code = choose_mix(s, format, e);
    if (!code)
        code = check_path(o, e);
    if (code)
        return code;
    if (o->layers > s->shape->n_layer)
        return err_set(e, ERR_USAGE, "--layers: %d, expected at most %d, as many as %s has",
                       (int)o->layers, (int)s->shape->n_layer, s->shape->name);
    s->n_layers = o->layers ? o->layers : s->shape->n_layer;
    code = synth_tensors(s->shape, s->n_layers, format, &s->arena, &s->tensors, &s->n_tensors, e);
    if (!code)
        code = synth_vocab_open(&s->vocab, (size_t)s->shape->n_vocab, e);
    return code;
}

static void sum_up(const struct synth *s, enum synth_format format, struct lab_synth_result *out)
{
    *out = (struct lab_synth_result){.source = s->shape->source, .layers = s->n_layers};
    snprintf(out->type, sizeof out->type, "%s", s->mix->name);
    for (size_t i = 0; i < s->n_tensors; i++) {
        const struct synth_tensor *t = &s->tensors[i];
        out->parameters += t->n_dims == 2 ? t->dims[0] * t->dims[1] : t->dims[0];
        out->bytes += synth_tensor_bytes(t, synth_type(s, t, format));
    }
}

int lab_synth(const struct lab_synth_options *o, struct lab_synth_result *out, struct err *e)
{
    struct synth s = {.options = o};
    struct lab_synth_result result;
    enum synth_format format = str_ends_with(o->path, ".gguf") ? SYNTH_GGUF : SYNTH_SAFETENSORS;
    arena_init(&s.arena, ARENA_BYTES_MAX);
    int code = prepare(&s, format, e);
    if (!code) {
        sum_up(&s, format, &result);
        code = synth_data_open(&s.data, o, result.bytes, e);
    }
    if (!code)
        code = format == SYNTH_GGUF ? synth_write_gguf(&s, e) : synth_write_folder(&s, e);
    if (!code)
        *out = result;
    synth_data_close(&s.data);
    synth_vocab_close(&s.vocab);
    arena_release(&s.arena);
    return code;
}

const char *lab_synth_shape(size_t i, const char **source)
{
    const struct synth_shape *s = synth_shape_at(i);
    if (s)
        *source = s->source;
    return s ? s->name : NULL;
}
