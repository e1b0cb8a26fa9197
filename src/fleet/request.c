/* SPDX-License-Identifier: MIT */
/* The one place where settings become a request: `generate` and the devices ask alike. */
#include "fleet/request.h"

#include <wattle.h>

static void set_sampling(struct wattle_sampling *out, const struct settings *s)
{
    out->temperature = (float)settings_float_or(s, SET_LLM_TEMPERATURE, WATTLE_UNSET);
    out->top_p = (float)settings_float_or(s, SET_LLM_TOP_P, WATTLE_UNSET);
    out->min_p = (float)settings_float_or(s, SET_LLM_MIN_P, WATTLE_UNSET);
    out->repetition_penalty = (float)settings_float_or(s, SET_LLM_REPETITION_PENALTY, WATTLE_UNSET);
    out->top_k = (int32_t)settings_int_or(s, SET_LLM_TOP_K, WATTLE_UNSET);
}

static int split_stops(struct wattle_request *r, struct request_stops *stops, struct err *e)
{
    for (char *at = stops->text.p, *end; at; at = end) {
        end = strchr(at, '\n');
        if (end)
            *end++ = '\0';
        if (!at[0])
            continue;
        if (r->n_stop == STOPS_MAX)
            return err_set(e, ERR_USAGE, "LLM_STOP: more than %d lines", STOPS_MAX);
        stops->stops[r->n_stop++] = at;
    }
    r->stop = stops->stops;
    return 0;
}

int request_configure(struct wattle_request *r, struct request_stops *stops,
                      const struct settings *s, struct err *e)
{
    buf_init(&stops->text, 1 << 16);
    r->max_length = (int32_t)settings_int(s, SET_LLM_MAX_LENGTH);
    r->max_new_tokens = (int32_t)settings_int(s, SET_LLM_MAX_NEW_TOKENS);
    r->seed =
        settings_text(s, SET_LLM_SEED)[0] ? (uint64_t)settings_int(s, SET_LLM_SEED) : rng_entropy();
    set_sampling(&r->sampling, s);
    buf_str(&stops->text, settings_text(s, SET_LLM_STOP));
    int rc = buf_check(&stops->text, "LLM_STOP", e);
    return rc ? rc : split_stops(r, stops, e);
}

void request_stops_release(struct request_stops *stops)
{
    buf_release(&stops->text);
}
