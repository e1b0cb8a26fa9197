/* SPDX-License-Identifier: MIT */
/* Owns what is said when a container's memory limit is too small for its model.
 *
 * What a process has for itself (heap, keys and values, scratch) cannot leave memory without swap:
 * beyond the limit the kernel ends it, without a word. The model's file is mapped and can leave
 * at any time; then each token reads it from disk again, tens of times slower, which is worth a
 * warning. */
#include "fleet/memory_limit.h"

#include "fleet/model.h"

enum { MIB = 1 << 20 };

/* Rounded up: a limit that is said must do. */
static unsigned long long mib(uint64_t bytes)
{
    return bytes / MIB + (bytes % MIB != 0);
}

int memory_limit_check(const struct memory_need *n, uint64_t limit, struct err *e)
{
    uint64_t own = 0, all = 0;
    if (limit == 0)
        return 0;
    if (!u64_add(n->private_bytes, n->scratch_bytes, &own) || !u64_add(own, n->kv_bytes, &own) ||
        !u64_add(own, n->file_bytes, &all))
        own = all = UINT64_MAX;
    if (own > limit)
        return err_set(e, ERR_LIMIT,
                       "memory limit of %llu MiB: %llu MiB are needed beside the model's file, "
                       "%llu MiB of them for LLM_MAX_LENGTH; expected a limit of %llu MiB for all",
                       (unsigned long long)(limit / MIB), mib(own), mib(n->kv_bytes), mib(all));
    if (all > limit)
        log_warning("memory limit of %llu MiB: less than the %llu MiB of the model and its work, "
                    "so that parts of it may be read from disk for each token, which is slow",
                    (unsigned long long)(limit / MIB), mib(all));
    return 0;
}

int memory_limit_check_model(struct meter *m, const struct wattle_model_info *model, struct err *e)
{
    struct meter_sample now;
    uint64_t limit = meter_cpus(m)->memory_bytes;
    if (limit == 0)
        return 0;
    meter_begin(m);
    meter_end(m, &now);
    const struct memory_need need = {
        .private_bytes = now.private_bytes,
        .scratch_bytes = model->scratch_bytes,
        .kv_bytes = model->kv_bytes,
        .file_bytes = model->mapped_bytes,
    };
    return memory_limit_check(&need, limit, e);
}
