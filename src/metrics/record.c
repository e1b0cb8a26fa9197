/* SPDX-License-Identifier: MIT */
/* record: one inference as JSON.
 *
 * Owns: names, order, units and rounding of the fields. Consumers of MQTT and of the files depend
 * on every name here: fields are added at the end, never renamed. */
#include "metrics/metrics.h"

#include <math.h>

/* What a record always has, for tables of them. */
const char *const metric_field_names[] = {"timestamp",
                                          "device_id",
                                          "model_name",
                                          "inference_time_seconds",
                                          "inference_time_ms",
                                          "memory_used_mb",
                                          "memory_total_mb",
                                          "cpu_percent_avg",
                                          "cpu_percent_samples",
                                          "energy_consumed_mj",
                                          "energy_consumed_j",
                                          "compute_device",
                                          "prompt_length",
                                          "response_length",
                                          "prompt_tokens",
                                          "cached_tokens",
                                          "completion_tokens",
                                          "time_to_first_token_ms",
                                          "prefill_ms",
                                          "decode_ms",
                                          "queue_ms",
                                          "tokens_per_second",
                                          "energy_source",
                                          "joules_per_token",
                                          "quantization",
                                          "threads",
                                          "batch_size",
                                          "finish_reason",
                                          "error",
                                          "memory_private_mb",
                                          "memory_shared_mb",
                                          "throttled_ms",
                                          "frequency_mhz",
                                          "temperature_c",
                                          NULL};

static void write_seed_fields(struct json_writer *w, const struct metric_record *r)
{
    char timestamp[CLOCK_ISO_SIZE];
    clock_iso(r->utc_us, timestamp);
    json_put_str(w, "timestamp", timestamp);
    json_put_str(w, "device_id", r->device_id);
    json_put_str(w, "model_name", r->model_name);
    json_put_fixed(w, "inference_time_seconds", r->inference_time_s, 4);
    json_put_fixed(w, "inference_time_ms", r->inference_time_s * 1000, 2);
    json_put_fixed(w, "memory_used_mb", r->memory_used_mb, 2);
    json_put_fixed(w, "memory_total_mb", r->memory_total_mb, 2);
    json_put_fixed(w, "cpu_percent_avg", r->cpu_percent_avg, 2);
    json_put_int(w, "cpu_percent_samples", r->cpu_percent_samples);
    json_put_fixed(w, "energy_consumed_mj", r->energy_mj, 2);
    json_put_fixed(w, "energy_consumed_j", r->energy_mj / 1000, 4);
    json_put_str(w, "compute_device", r->compute_device);
    json_put_int(w, "prompt_length", (int64_t)r->prompt_length);
    json_put_int(w, "response_length", (int64_t)r->response_length);
}

static void write_own_fields(struct json_writer *w, const struct metric_record *r)
{
    json_put_int(w, "prompt_tokens", r->prompt_tokens);
    json_put_int(w, "cached_tokens", r->cached_tokens);
    json_put_int(w, "completion_tokens", r->completion_tokens);
    json_put_fixed(w, "time_to_first_token_ms", r->time_to_first_token_ms, 2);
    json_put_fixed(w, "prefill_ms", r->prefill_ms, 2);
    json_put_fixed(w, "decode_ms", r->decode_ms, 2);
    json_put_fixed(w, "queue_ms", r->queue_ms, 2);
    json_put_fixed(w, "tokens_per_second", r->tokens_per_second, 2);
    json_put_str(w, "energy_source", r->energy_source);
    json_put_fixed(w, "joules_per_token", r->joules_per_token, 6);
    json_put_str(w, "quantization", r->quantization);
    json_put_int(w, "threads", r->threads);
    json_put_int(w, "batch_size", r->batch_size);
    json_put_str(w, "finish_reason", r->finish_reason);
    json_put_str(w, "error", r->error);
    json_put_fixed(w, "memory_private_mb", r->memory_private_mb, 2);
    json_put_fixed(w, "memory_shared_mb", r->memory_shared_mb, 2);
    json_put_fixed(w, "throttled_ms", r->throttled_ms, 2);
    json_put_fixed(w, "frequency_mhz", r->frequency_mhz > 0 ? r->frequency_mhz : (double)NAN, 2);
    json_put_fixed(w, "temperature_c", r->temperature_c, 1);
    if (r->request)
        json_put_int(w, "request", (int64_t)r->request);
    if (r->verdict)
        json_put_str(w, "verdict", r->verdict);
}

void metric_record_write(struct json_writer *w, const struct metric_record *r)
{
    json_write_object(w);
    write_seed_fields(w, r);
    write_own_fields(w, r);
    json_write_object_end(w);
}
