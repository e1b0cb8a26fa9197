/* SPDX-License-Identifier: MIT */
/* Every family; private to families/. */
#ifndef WATTLE_MODEL_FAMILIES_FAMILIES_H
#define WATTLE_MODEL_FAMILIES_FAMILIES_H

#include "model/traits.h"

extern const struct family family_llama;

#endif
