/* SPDX-License-Identifier: MIT */
/* Chat templates: the part of Jinja that published templates use, sandboxed: bounded in steps,
 * depth and output. Behaviour is that of Jinja2 3.1 set up as transformers does (trim_blocks,
 * lstrip_blocks, loopcontrols, tojson without escaping, raise_exception, strftime_now, generation
 * blocks; a block tag is the default that it holds). Not there: inheritance, includes and self,
 * escaping by itself, integers past 64 bits (an error, never a wrong number), filters for web pages
 * and for chance (striptags, wordwrap, filesizeformat, urlize, pprint, random); what Python would
 * compute lazily is computed at once. */
#ifndef WATTLE_TEXT_TEMPLATE_H
#define WATTLE_TEXT_TEMPLATE_H

#include "codec/codec.h"

struct template;

/* Parses; the source may be freed afterwards. At most 1 MiB. The message gives the line. */
int template_open(struct template **out, struct span source, struct err *e);
void template_close(struct template **t);

/* The template of a "chat_template" value, which is a text, or a list of {"name", "template"} (or
 * an object from name to text): "tool_use" if there are tools and it has one, else "default".
 * *source is borrowed from the value. ERR_NOTFOUND: null, NULL or an empty list; ERR_FORMAT says
 * what is wrong, a list without "default" with the names that it has. */
int template_pick(const struct json *chat_template, bool tools, struct span *source, struct err *e);

struct template_input {
    const struct json *messages; /* array of objects */
    const struct json *tools;    /* array, or NULL: none (as documents) */
    const struct json
        *variables; /* object whose members become variables (they win over those below), or NULL */
    bool add_generation_prompt;
    struct span bos_token, eos_token; /* p == NULL: undefined */
    int64_t now_seconds; /* local wall clock as seconds since 1970 in UTC arithmetic, for
                            strftime_now */
};

/* Appends the text to out. A template's own raise_exception is ERR_USAGE with its text; a bound
 * that was met is ERR_LIMIT; other errors are ERR_FORMAT with the line. Any number of threads on
 * one template. */
int template_render(const struct template *t, const struct template_input *in, struct buf *out,
                    struct err *e);

#endif
