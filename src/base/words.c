/* SPDX-License-Identifier: MIT */
#include "base/words.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

const char *plural(uint64_t n, const char *one, const char *many)
{
    return n == 1 ? one : many;
}

/* "Couldn't", not "SSL", "OpenSSL" or "X509". */
static bool is_plain_word(const char *s)
{
    if (!isupper((unsigned char)*s) || !islower((unsigned char)s[1]))
        return false;
    for (s++; *s && !isspace((unsigned char)*s); s++) {
        if (isupper((unsigned char)*s) || isdigit((unsigned char)*s))
            return false;
    }
    return true;
}

const char *library_words(char out[LIBRARY_WORDS_SIZE], const char *said)
{
    size_t n = 0;
    while (said && isspace((unsigned char)*said))
        said++;
    if (!said || !*said) {
        snprintf(out, LIBRARY_WORDS_SIZE, "no reason given");
        return out;
    }
    bool lower = is_plain_word(said), blank = false;
    for (; *said && n + 1 < LIBRARY_WORDS_SIZE; said++) {
        bool space = isspace((unsigned char)*said) != 0;
        if (!space || !blank)
            out[n++] = space ? ' ' : *said;
        blank = space;
    }
    while (n > 0 && (out[n - 1] == ' ' || out[n - 1] == '.'))
        n--;
    out[n] = '\0';
    if (lower && n)
        out[0] = (char)tolower((unsigned char)out[0]);
    return out;
}
