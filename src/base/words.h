/* SPDX-License-Identifier: MIT */
/* Words of messages: nouns beside a number, and what other libraries say, in the form of ours. */
#ifndef WATTLE_BASE_WORDS_H
#define WATTLE_BASE_WORDS_H

#include <stdint.h>

/* one for 1, many for every other number: "%zu %s", n, plural(n, "message", "messages"). */
const char *plural(uint64_t n, const char *one, const char *many);

enum { LIBRARY_WORDS_SIZE = 256 };
/* What a library says of a failure, to go on a line of ours: without blanks and full stops at its
 * end, line ends as blanks, a capital only where the word has more of them ("SSL"). Cut where out
 * ends. NULL or nothing: "no reason given". Returns out. libc's own words (strerror) stay as every
 * program prints them. */
const char *library_words(char out[LIBRARY_WORDS_SIZE], const char *said);

#endif
