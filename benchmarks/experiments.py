"""Tests of releases under daily peeking: false positives and power, against a z test at each look and at the end.

    python benchmarks/experiments.py [RUNS]

A setting: base rate, callers an arm and day, 30 days. The detectable effect is what a z test at the end sees in 80 %.
"""

from __future__ import annotations

import sys
from math import sqrt
from typing import Any

from common import clock, save

import numpy as np

SETTINGS = ((0.1, 300), (0.5, 20), (0.02, 100), (0.005, 100), (0.9, 300), (0.95, 30))
DAYS = 30


def looks(p: float, q: float, a_day: int, runs: int, seed: int) -> np.ndarray:
    """Cumulative hits, (runs, days, arms)."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.binomial(a_day, x, (runs, DAYS)).cumsum(axis=1) for x in (p, q)], axis=2)


def stops(hits: np.ndarray, a_day: int, effect: float) -> np.ndarray:
    """(runs,) day of the first decision, 0 for none."""
    from tilth.sequential import Arm, difference

    out = np.zeros(len(hits), dtype=np.int64)
    for r, run in enumerate(hits):
        for day, (a, b) in enumerate(run.tolist(), start=1):
            n = day * a_day
            d = difference(Arm.of_share("a", a, n), Arm.of_share("b", b, n), effect=effect)
            if d.low > 0 or d.high < 0:
                out[r] = day
                break
    return out


def z_test(hits: np.ndarray, a_day: int) -> np.ndarray:
    """(runs, days) whether a z test at 5 % rejects."""
    n = a_day * np.arange(1, DAYS + 1)
    a, b = hits[:, :, 0] / n, hits[:, :, 1] / n
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.abs(b - a) / np.sqrt((a * (1 - a) + b * (1 - b)) / n) > 1.96


def main(runs: int = 2000) -> dict[str, Any]:
    """All settings."""
    from tilth.sequential import sample_ratio

    out = []
    for p, a_day in SETTINGS:
        effect = 2.8 * sqrt(2 * p * (1 - p) / (DAYS * a_day))
        sign = -1 if p > 0.5 else 1
        line: dict[str, Any] = {"base": p, "a_day": a_day, "detectable": round(effect, 4)}
        for name, delta in (("none", 0.0), ("detectable", effect), ("twice", 2 * effect)):
            hits = looks(p, p + sign * delta, a_day, runs, seed=int(1e6 * delta) + a_day)
            day, z = stops(hits, a_day, effect), z_test(hits, a_day)
            line[name] = {
                "always_valid": round(float((day > 0).mean()), 4), "z_peeking": round(float(z.any(axis=1).mean()), 4),
                "z_at_end": round(float(z[:, -1].mean()), 4), "median_day": int(np.median(day[day > 0])) if day.any() else None,
            }  # fmt: skip
        line["power_ratio"] = round(line["twice"]["always_valid"] / line["twice"]["z_at_end"], 3)
        out.append(line)
        print(line, flush=True)
    rng = np.random.default_rng(9)
    ratio: dict[str, float] = {}
    for name, share in (("none lost", 0.5), ("10 % of one arm lost", 0.9 / 1.9)):
        seen = 0
        for _ in range(runs):
            a = rng.binomial(600, share, DAYS).cumsum().tolist()
            seen += any(
                not sample_ratio({"a": x, "b": 600 * d - x}, {"a": 1, "b": 1}).held
                for d, x in enumerate(a, 1)
            )
        ratio[name] = seen / runs
    print(ratio)
    return {"runs": runs, "days": DAYS, "settings": out, "sample_ratio_alarms": ratio}


if __name__ == "__main__":
    with clock() as spent:
        body = main(*map(int, sys.argv[1:]))
    save("experiments", body | spent)
