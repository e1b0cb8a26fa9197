/* SPDX-License-Identifier: MIT */
/* hub: models from the Hugging Face hub, or from a server that speaks as it does, into the cache.
 *
 * Owns: the hub's API, which files of a repository a model needs, the download with its checks and
 * its progress bar, and what each refusal of the hub means. The layout that it writes is cache/'s,
 * the transport is net/'s. May include: base codec cache net. Start reading: pull.c. */
#ifndef WATTLE_HUB_HUB_H
#define WATTLE_HUB_HUB_H

#include "base/base.h"
#include "cache/cache.h"

#include <signal.h>
#include <stdio.h>

/* "1.2 GB": decimal, as the hub's pages show sizes. */
enum { HUB_SIZE_TEXT = 16 };
const char *hub_size_text(uint64_t bytes, char out[HUB_SIZE_TEXT]);

/* Texts are borrowed for the call; NULL or empty: not set. */
struct hub_options {
    struct cache_places places;
    const char *endpoint;   /* HF_ENDPOINT; https://huggingface.co */
    const char *token;      /* HF_TOKEN; else the file token_path */
    const char *token_path; /* HF_TOKEN_PATH; else the file "token" in the home folder of places */
    const char *ca_file;    /* certificates; else the system's */
    bool offline;           /* HF_HUB_OFFLINE: no network at all */
    uint64_t stall_ms;      /* HF_HUB_DOWNLOAD_TIMEOUT; 0: 10 s without a byte */
    int jobs;               /* files at a time; 0: 4 */
    FILE *progress; /* where progress goes: a bar on a terminal, else lines; NULL: nowhere */
    const volatile sig_atomic_t *interrupted; /* not 0: stop; NULL: never */
};

struct hub_result {
    struct buf path;   /* what cache_find gives for the name: the .gguf or the folder */
    struct buf folder; /* snapshots/COMMIT */
    char commit[41];
    size_t n_files;
    uint64_t fetched_bytes; /* over the network, by this call */
    uint64_t reused_bytes;  /* that lay there already */
    struct buf choices;     /* on ERR_NOTFOUND: the files to choose from, a line each, or empty */
};
void hub_result_release(struct hub_result *r); /* zeroed, released twice: fine */

/* Brings name ("ORG/NAME[@REVISION]") up to date: asks the hub for the revision's files, fetches
 * those that a model needs and that the cache lacks, checks each, and then links all of them into
 * the snapshot. file: a file of the repository that is wanted alone (of a split .gguf all parts
 * come), NULL: chosen. ERR_CANCELLED: interrupted, what has come is kept and used next time;
 * otherwise one line that says what is wrong and what to do. out is zeroed or released before. */
int hub_pull(const struct hub_options *o, const char *name, const char *file,
             struct hub_result *out, struct err *e);

/* cache_find; and where name is a hub name of which the cache has nothing or only a part, a pull
 * (with a line in the log before), then cache_find again. Appends the path. Offline it says that it
 * is. */
int hub_find_or_pull(const struct hub_options *o, const char *name, struct buf *path,
                     struct err *e);

#endif
