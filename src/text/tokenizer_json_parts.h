/* SPDX-License-Identifier: MIT */
/* What the readers of tokenizer.json's parts share. Private to them: tokenizer_json_normalizers.c,
 * tokenizer_json_pretokenizers.c, tokenizer_json_post.c and tokenizer_json_decoders.c. */
#ifndef WATTLE_TEXT_TOKENIZER_JSON_PARTS_H
#define WATTLE_TEXT_TOKENIZER_JSON_PARTS_H

#include "text/pipeline.h"
#include "text/tokenizer_parts.h"

/* One kind of part: reads v into the pipeline. */
struct part_kind {
    const char *name;
    int (*read)(struct pipeline *p, const struct json *v, struct err *e);
};

/* A part by its type, or a sequence of parts, whose list is the member `members`. what: for
 * messages. Null: none. */
int read_part(struct pipeline *p, const struct json *v, const char *what, const char *members,
              const struct part_kind *kinds, size_t n, struct err *e);

/* Members of a part, each of which errors name. */
int part_flag(const struct json *v, const char *key, bool otherwise, bool *out, struct err *e);
int part_text(const struct json *v, const char *key, struct span *out, struct err *e);
int part_character(const struct json *v, const char *key, struct span *out, struct err *e);
/* "pattern": {"String": …} or {"Regex": …} */
int part_pattern(const struct json *v, struct pattern *out, struct err *e);
/* When Metaspace puts a blank in front. */
int part_scheme(const struct json *v, enum prefix_when *out, struct err *e);

#endif
