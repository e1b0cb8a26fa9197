/* SPDX-License-Identifier: MIT */
/* What writing a model of random weights in either format needs. Private to lab/. */
#ifndef WATTLE_LAB_SYNTH_H
#define WATTLE_LAB_SYNTH_H

#include "lab/synth_data.h"
#include "lab/synth_vocab.h"

/* One model to be made. */
struct synth {
    const struct lab_synth_options *options;
    const struct synth_shape *shape;
    const struct mix *mix;
    int32_t n_layers;
    struct arena arena;
    struct synth_tensor *tensors;
    size_t n_tensors;
    struct synth_vocab vocab;
    struct synth_data data;
};

/* The type of a tensor: vectors of GGUF are F32. */
uint32_t synth_type(const struct synth *s, const struct synth_tensor *t, enum synth_format format);
/* Writes the model at options->path. */
int synth_write_gguf(struct synth *s, struct err *e);
int synth_write_folder(struct synth *s, struct err *e);
/* synth_config.c: the text of config.json. */
int synth_config_json(const struct synth *s, struct buf *out, struct err *e);

#endif
