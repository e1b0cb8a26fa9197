/* SPDX-License-Identifier: MIT */
/* Template source to tokens. Private to text/. */
#ifndef WATTLE_TEXT_JINJA_LEX_H
#define WATTLE_TEXT_JINJA_LEX_H

#include "text/jinja.h"

enum jtoken_kind {
    JT_EOF,
    JT_DATA,
    JT_BLOCK_BEGIN,
    JT_BLOCK_END,
    JT_PRINT_BEGIN,
    JT_PRINT_END,
    JT_NAME,
    JT_STRING, /* text: between the quotes, escapes as they stand */
    JT_INT,
    JT_FLOAT,
    JT_ADD,
    JT_SUB,
    JT_MUL,
    JT_DIV,
    JT_FLOORDIV,
    JT_MOD,
    JT_POW,
    JT_TILDE,
    JT_LBRACKET,
    JT_RBRACKET,
    JT_LPAREN,
    JT_RPAREN,
    JT_LBRACE,
    JT_RBRACE,
    JT_EQ,
    JT_NE,
    JT_GT,
    JT_GE,
    JT_LT,
    JT_LE,
    JT_ASSIGN,
    JT_DOT,
    JT_COLON,
    JT_PIPE,
    JT_COMMA,
    JT_SEMICOLON,
};

struct jtoken {
    enum jtoken_kind kind;
    uint32_t line;
    struct span text; /* in the source */
    union {
        int64_t integer;
        double real;
    };
};

struct jlexer {
    struct span s;
    size_t pos;
    uint32_t line;
    enum { JLEX_DATA, JLEX_BLOCK, JLEX_PRINT } state;
    bool line_starting;       /* what was read last ended a line */
    enum jtoken_kind pending; /* a begin token that waits behind its text, or JT_EOF */
    uint8_t open[JINJA_NESTING_MAX];
    size_t n_open; /* brackets that are open */
};

void jinja_lex_init(struct jlexer *l, struct span source);
/* ERR_FORMAT with "line N: …" or ERR_LIMIT. After the end it gives JT_EOF again and again. */
int jinja_lex_next(struct jlexer *l, struct jtoken *out, struct err *e);
const char *jinja_token_name(enum jtoken_kind k);

#endif
