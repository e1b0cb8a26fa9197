/* SPDX-License-Identifier: MIT */
/* main() for a fuzz target without a fuzzer: runs every file of the folders named, then FUZZ_RUNS
 * mutations of them, which are the same for the same FUZZ_SEED. A crash, a sanitizer's report or an
 * endless run is a failure; so is an empty corpus. */
#include "base/base.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILES_MAX = 4096, INPUT_MAX = 1 << 20, INPUT_SECONDS = 10 };

struct corpus {
    char *bytes[FILES_MAX];
    size_t sizes[FILES_MAX];
    size_t n;
};

static void add_file(struct corpus *c, const char *path)
{
    struct buf b;
    struct err e;
    buf_init(&b, INPUT_MAX);
    if (c->n < FILES_MAX && file_read(path, &b, &e) == 0) {
        c->sizes[c->n] = b.n;
        c->bytes[c->n] = buf_steal(&b);
        c->n += c->bytes[c->n] != NULL;
    }
    buf_release(&b);
}

static void add_folder(struct corpus *c, const char *folder)
{
    DIR *d = opendir(folder);
    if (!d)
        return;
    for (struct dirent *it; (it = readdir(d));) {
        char path[4096];
        if (it->d_name[0] != '.' &&
            (size_t)snprintf(path, sizeof path, "%s/%s", folder, it->d_name) < sizeof path)
            add_file(c, path);
    }
    closedir(d);
}

/* A few random edits: flipped bits, interesting bytes, cuts, repeats, a splice of another input. */
static size_t mutate(struct rng *r, const struct corpus *c, uint8_t *out)
{
    static const uint8_t special[] = {0x00, 0xff, 0x7f, 0x80, '"', '{',
                                      '[',  '\\', '\n', '%',  '0', '-'};
    size_t pick = (size_t)rng_below(r, c->n), n = c->sizes[pick];
    memcpy(out, c->bytes[pick], n);
    for (uint64_t edits = 1 + rng_below(r, 6); edits > 0; edits--) {
        size_t at = n ? (size_t)rng_below(r, n) : 0;
        switch (rng_below(r, 5)) {
        case 0:
            if (n)
                out[at] ^= (uint8_t)(1u << rng_below(r, 8));
            break;
        case 1:
            if (n)
                out[at] = special[rng_below(r, sizeof special)];
            break;
        case 2:
            n = at;
            break;
        case 3: { /* repeat a piece in place: nesting and counts grow */
            size_t len = n - at > 64 ? 64 : n - at;
            if (len > 0 && n + len <= INPUT_MAX) {
                memmove(out + at + len, out + at, n - at);
                n += len;
            }
            break;
        }
        default: {
            size_t other = (size_t)rng_below(r, c->n), len = c->sizes[other];
            if (len > 0) {
                size_t from = (size_t)rng_below(r, len), take = len - from;
                if (take > INPUT_MAX - at)
                    take = INPUT_MAX - at;
                memcpy(out + at, c->bytes[other] + from, take);
                n = at + take > n ? at + take : n;
            }
        }
        }
    }
    return n;
}

static uint64_t number_from(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    uint64_t v = fallback;
    if (text)
        num_parse_u64(span_str(text), &v);
    return v;
}

int main(int argc, char **argv)
{
    static struct corpus c;
    for (int i = 1; i < argc; i++)
        add_folder(&c, argv[i]);
    if (c.n == 0) {
        fprintf(stderr, "no input in the folders named\n");
        return 1;
    }
    for (size_t i = 0; i < c.n; i++) {
        alarm(INPUT_SECONDS); /* an endless run dies of SIGALRM */
        LLVMFuzzerTestOneInput((const uint8_t *)c.bytes[i], c.sizes[i]);
    }
    uint64_t runs = number_from("FUZZ_RUNS", 300);
    struct rng r;
    rng_seed(&r, number_from("FUZZ_SEED", 1));
    for (uint64_t i = 0; i < runs; i++) {
        /* A buffer of its own size, so that a read past the end is seen. */
        uint8_t *room = malloc(INPUT_MAX);
        if (!room)
            return 1;
        size_t n = mutate(&r, &c, room);
        uint8_t *exact = malloc(n ? n : 1);
        if (!exact)
            return 1;
        memcpy(exact, room, n);
        free(room);
        alarm(INPUT_SECONDS);
        LLVMFuzzerTestOneInput(exact, n);
        free(exact);
    }
    for (size_t i = 0; i < c.n; i++)
        free(c.bytes[i]);
    printf("%zu inputs and %llu mutations\n", c.n, (unsigned long long)runs);
    return 0;
}
