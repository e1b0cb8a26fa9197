/* SPDX-License-Identifier: MIT */
/* cache: names to paths on disk. No network.
 *
 * Owns: where a model that the user names lies: a file, a folder, or the Hugging Face hub's cache
 * layout. May include: base. Start reading: this file. */
#ifndef WATTLE_CACHE_CACHE_H
#define WATTLE_CACHE_CACHE_H

#include "base/base.h"

/* A model as the user names it: an existing .gguf file; a folder with exactly one .gguf; or a hub
 * name "ORG/NAME" found below hf_home (empty: $HF_HOME's default, HOME/.cache/huggingface, with
 * home given by the caller, NULL or empty: unknown) in hub/models--ORG--NAME/snapshots/<refs/main's
 * revision, else the only one>/ with exactly one .gguf. Appends the path. Else ERR_NOTFOUND (or
 * ERR_UNSUPPORTED for a folder with safetensors only) with what was looked for, where, and what to
 * do. A name with "..", NUL or a leading "/" that does not exist is never looked up in the cache.
 */
int cache_find_model(const char *name, const char *hf_home, const char *home, struct buf *path,
                     struct err *e);

#endif
