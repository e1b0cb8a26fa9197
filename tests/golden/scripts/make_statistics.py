# SPDX-License-Identifier: MIT
"""tests/golden/report/statistics.json: samples, and what numpy and scipy say of them. Needs numpy and scipy.

    python make_statistics.py > ../report/statistics.json"""
import json
import sys

import numpy as np
import scipy
from scipy import stats

CONFIDENCE, RESAMPLES = 0.95, 100_000


def interval(data, statistic):
    r = stats.bootstrap(data, statistic, confidence_level=CONFIDENCE, n_resamples=RESAMPLES, method="BCa", vectorized=True,
                        rng=np.random.default_rng(1))
    return [float(r.confidence_interval.low), float(r.confidence_interval.high)]


def difference(x, y, axis=-1):
    return np.mean(x, axis=axis) - np.mean(y, axis=axis)


def case(name, x, y):
    x, y = np.round(x, 4), np.round(y, 4)
    n = min(len(x), len(y))
    d = x[:n] - y[:n]
    median = stats.quantile_test(x, q=np.median(x), p=0.5).confidence_interval(confidence_level=CONFIDENCE)
    return {
        "case": name, "x": x.tolist(), "y": y.tolist(),
        "mean": float(np.mean(x)), "median": float(np.median(x)), "p95": float(np.percentile(x, 95)), "stddev": float(np.std(x, ddof=1)),
        "mean_ci95": interval((x,), np.mean), "median_ci95": [float(median.low), float(median.high)],
        "difference": float(np.mean(x) - np.mean(y)), "difference_ci95": interval((x, y), difference),
        "cliff_delta": float(np.sign(np.subtract.outer(x, y)).mean()),
        "paired": float(np.mean(d)), "paired_ci95": interval((d,), np.mean), "dz": float(np.mean(d) / np.std(d, ddof=1)),
    }


def main():
    rng = np.random.default_rng(20250101)
    base = rng.normal(1, 0.1, 60)
    cases = [
        case("normal", rng.normal(400, 40, 60), rng.normal(430, 60, 45)),
        case("skewed", rng.lognormal(5, 0.8, 80), rng.lognormal(5.1, 0.8, 80)),
        case("pairs", 300 * base + rng.normal(0, 4, 60), 310 * base + rng.normal(0, 4, 60)),
        case("ties", rng.integers(0, 5, 50).astype(float), rng.integers(1, 5, 70).astype(float)),
        case("few", rng.normal(10, 2, 8), rng.normal(14, 2, 9)),
    ]
    quantiles = [{"p": p, "z": float(stats.norm.ppf(p))} for p in (1e-6, 0.025, 0.3, 0.5, 0.9, 0.975, 0.999999)]
    json.dump({"numpy": np.__version__, "scipy": scipy.__version__, "cases": cases, "normal": quantiles}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
