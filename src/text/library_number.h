/* SPDX-License-Identifier: MIT */
/* Numbers of tokenizer.json. Private to text/. */
#ifndef WATTLE_TEXT_LIBRARY_NUMBER_H
#define WATTLE_TEXT_LIBRARY_NUMBER_H

#include "base/base.h"

/* The double that the `tokenizers` library makes of a JSON number. False: none, or too large. */
bool library_number(struct span s, double *out);

#endif
