/* SPDX-License-Identifier: MIT */
#include "cli/compare_judge.h"

#include <math.h>

static const double OTHERS_SHARE = 0.05; /* of the processors, from which others are named */
static const double STEAL_SHARE = 0.01;
static const double DRIFT_SHARE = 0.05;

static double mean_of(const double *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += v[i];
    return sum / (double)n;
}

void judge_noise(struct comparison *c, const double *ms, size_t n)
{
    size_t third = n / 3;
    double mean = n ? mean_of(ms, n) : NAN, squares = 0;
    if (n < 3)
        return;
    for (size_t i = 0; i < n; i++)
        squares += (ms[i] - mean) * (ms[i] - mean);
    c->noise_percent = 100 * sqrt(squares / (double)(n - 1)) / mean;
    double begin = mean_of(ms, third), end = mean_of(ms + n - third, third);
    if (third >= 5 && fabs(end / begin - 1) > DRIFT_SHARE)
        comparison_warn(c,
                        "the machine became %s meanwhile: a fixed calculation took %.1f ms in the "
                        "first third of the run and %.1f ms in the last",
                        end > begin ? "slower" : "faster", begin, end);
}

void judge_load(struct comparison *c, const struct settings *s, const struct load *load)
{
    struct cpu_limits cpus;
    cpu_limits_read(&cpus, settings_text(s, SET_WATTLE_SYSROOT));
    if (load->others > OTHERS_SHARE * cpus.usable)
        comparison_warn(c,
                        "other processes used %.2f processors of %.4g meanwhile: times and "
                        "measured energy have their share in them",
                        load->others, cpus.usable);
    if (load->steal > STEAL_SHARE)
        comparison_warn(c, "the hypervisor took %.1f %% of the processors' time away",
                        100 * load->steal);
}
