/* SPDX-License-Identifier: MIT */
/* The dataset reader: whatever the file, each row that is taken is finite, sane and belongs to a
 * device whose id may be used, and each is met once on the way round. */
#include "telemetry/telemetry.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_reading(const struct reading *r)
{
    double ts = -1;
    size_t n = strlen(r->ts);
    if (n == 0 || n >= sizeof r->ts || !num_parse_f64(span_of(r->ts, n), &ts) || ts < 0 ||
        ts >= 1e11 || strpbrk(r->ts, "eE+-") || !isfinite(r->co) || !isfinite(r->humidity) ||
        !isfinite(r->lpg) || !isfinite(r->smoke) || !isfinite(r->temp))
        abort();
}

static void check_dataset(const struct dataset *d)
{
    size_t rows = 0;
    struct err e;
    for (size_t i = 0; i < dataset_devices(d); i++) {
        struct dataset_walk w;
        if (device_id_check(dataset_device(d, i), &e))
            abort();
        dataset_walk_init(&w, d, dataset_device(d, i), 0);
        if (w.fallback || w.device != i)
            abort();
        const struct reading *first = dataset_walk_next(&w), *r = first;
        do {
            check_reading(r);
            rows++;
            r = dataset_walk_next(&w);
        } while (r != first);
    }
    if (rows != dataset_rows(d) || rows == 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dataset *d = NULL;
    struct err e = {""};
    char path[64];
    int fd = memfd_create("dataset", 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (dataset_open(&d, path, &e) == 0)
        check_dataset(d);
    else if (d || e.text[0] == '\0')
        abort();
    dataset_close(&d);
    close(fd);
    return 0;
}
