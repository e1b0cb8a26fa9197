/* SPDX-License-Identifier: MIT */
/* The YAML of config files as a tree: mappings of mappings and texts, nothing else of YAML. */
#ifndef WATTLE_SETTINGS_YAML_H
#define WATTLE_SETTINGS_YAML_H

#include "base/base.h"

enum {
    YAML_BYTES_MAX = 1 << 20,
    YAML_DEPTH_MAX = 8,   /* nested mappings: five are all that a config file has use for */
    YAML_PAIRS_MAX = 4096 /* of one mapping */
};

enum yaml_kind { YAML_TEXT, YAML_MAP };

/* Where a node begins, both from 1; the column counts characters. */
struct yaml_place {
    const char *file;
    unsigned line, column;
};

struct yaml_pair;
struct yaml_node {
    enum yaml_kind kind;
    struct yaml_place place;
    const char *text;        /* YAML_TEXT: without NUL, of valid UTF-8 */
    struct yaml_pair *pairs; /* YAML_MAP, in the order of the file */
};
struct yaml_pair {
    const char *key;
    struct yaml_place place;
    struct yaml_node value;
    struct yaml_pair *next;
};

/* The mapping that a file holds; *root is NULL where it holds nothing but comments. A value of any
 * type is its text: 0012 stays 0012, yes stays yes, ~ stays ~. Refused, with ERR_USAGE and
 * "FILE:LINE:COLUMN: …": lists, anchors, aliases, tags, keys that are no text or come twice, a
 * second document, control characters, bytes that are no UTF-8, and what passes a bound. The tree
 * is the arena's; file is borrowed as long as it. */
int yaml_parse(const struct yaml_node **root, const char *file, struct span bytes,
               struct arena *arena, struct err *e);

/* err_set(ERR_USAGE) with "FILE:LINE:COLUMN: " before it. */
int yaml_refuse(struct err *e, struct yaml_place place, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
