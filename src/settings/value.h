/* SPDX-License-Identifier: MIT */
/* One value of a setting or an option: its rule, and the check of a text against it. */
#ifndef WATTLE_SETTINGS_VALUE_H
#define WATTLE_SETTINGS_VALUE_H

#include "base/base.h"

enum value_type {
    VALUE_BOOL,
    VALUE_INT,
    VALUE_SEED, /* the whole of u64, or empty */
    VALUE_FLOAT,
    VALUE_TEXT,
    VALUE_CHOICE,   /* one of some words, in any case */
    VALUE_DURATION, /* "90", "90s", "1h30m", "500ms"; min and max in seconds */
    VALUE_INTERVAL, /* "1-5" or "2.5"; min and max in seconds */
};

/* What a text may hold. None may hold a NUL (argv and environ cannot). */
enum text_kind {
    TEXT_LINE,  /* UTF-8 without control characters */
    TEXT_PATH,  /* any bytes but control characters: Linux has file names that are no UTF-8 */
    TEXT_HOST,  /* a line without blanks */
    TEXT_URL,   /* the same without a user before '@', a query and a fragment */
    TEXT_NAME,  /* UTF-8 of any kind */
    TEXT_ID,    /* one level of an MQTT topic: a line without '+', '#' and '/' */
    TEXT_BYTES, /* anything: passwords */
    TEXT_LINES, /* UTF-8, at most 16 lines */
};

struct value_rule {
    enum value_type type;
    double min, max;
    double least;        /* VALUE_FLOAT: smallest value but 0 itself; 0: no such rule */
    const char *choices; /* VALUE_CHOICE: the words in lower case, one blank between them */
    enum text_kind kind; /* VALUE_TEXT */
    size_t max_bytes;    /* VALUE_TEXT */
    bool may_be_empty;   /* VALUE_TEXT, VALUE_CHOICE; VALUE_FLOAT: NAN then */
    bool secret;         /* never shown, in no message either */
};

struct value {
    const char *text;   /* as given (a choice: in lower case); in the arena */
    int64_t whole;      /* VALUE_BOOL 0 or 1, VALUE_INT, VALUE_SEED (its bits) */
    double number;      /* VALUE_INT, VALUE_FLOAT, VALUE_DURATION; VALUE_INTERVAL: the lower end */
    double number_high; /* VALUE_INTERVAL: the upper end */
};

/* ERR_USAGE with "SUBJECT: value is …, expected …"; ERR_LIMIT when the arena is full. */
int value_parse(struct value *out, const struct value_rule *rule, const char *subject,
                const char *text, struct arena *arena, struct err *e);
/* What the rule allows, in words: "0 to 100". Nothing where every text is fine. */
void value_expected(struct buf *out, const struct value_rule *rule);

#endif
