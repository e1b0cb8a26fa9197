/* SPDX-License-Identifier: MIT */
/* lab: takes the engine apart, for tests and for people who port models: JSON lines in, JSON lines
 * out.
 *
 * Owns: the formats of docs/lab.md (logits, tokenize, detokenize, template).
 * May include: base, codec, settings, meter, report and the whole library half (the only exception
 * to the layers). Start reading: lines.c. */
#ifndef WATTLE_LAB_LAB_H
#define WATTLE_LAB_LAB_H

#include "base/base.h"

#include <stdio.h>

/* Each reads objects from in, one a line (at most 64 MiB a line), and writes one a line to out, in
 * order, each with the input's "case"; a bad line gives {"case":…,"error":…} (case null where there
 * is none) and the work goes on. Return 0, or what made going on impossible. */
struct lab_logits_options {
    const char *model_path;
    const char *isa;
    int threads;
    bool exact;
};
int lab_logits(const struct lab_logits_options *o, FILE *in, const char *in_name, FILE *out,
               struct err *e);
int lab_tokenize(const char *model_path, FILE *in, const char *in_name, FILE *out, struct err *e);
int lab_detokenize(const char *model_path, FILE *in, const char *in_name, FILE *out, struct err *e);
/* One of model_path and template_path is set. */
int lab_template(const char *model_path, const char *template_path, FILE *in, const char *in_name,
                 FILE *out, struct err *e);

#endif
