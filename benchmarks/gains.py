"""Predicted against realised gains, and the share of wrong evaluation labels against the truth.

    python benchmarks/gains.py                    every setting, each in a process of its own
    python benchmarks/gains.py DATA NOISE SEED    one setting in this process

The settings of reviews.py. Batches of reviews (first rows of the queue, doubtful rows at random) and of
machine-made changes (relabel or drop where P(wrong) > 0.5) are predicted by tilth.trial.gains from the given
labels alone; realised is the change of accuracy on the public test labels after a refit. From these come the
prior of tilth.trial.ledger: the mean factor, its spread between settings and the scatter within them.

Then 0 to 20 % of the test labels are made wrong and their share is estimated by tilth.audit.eval_labels;
the spread of log((estimate + floor) / (truth + floor)) is the SPREAD there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from common import HERE, save
from reviews import SETTINGS, World, _View

import numpy as np


def batches(w: World, signals: Any, response: Any) -> dict[str, tuple[np.ndarray, np.ndarray, Any]]:
    """Name to rows, their new labels (-1: drop) and the forecast."""
    from tilth.trial.gains import queue

    rng = np.random.default_rng(0)
    p, suggested = signals.p_wrong(), signals.suggestion()
    order = queue(response, signals.noise).order
    doubtful = np.flatnonzero(p > 0.1)
    likely = np.flatnonzero(p > 0.5)
    unit = max(20, len(w.given) // 100)
    out = {}
    for n in (unit, 4 * unit, 10 * unit):
        for name, rows in (("queue", order[:n]), ("random", rng.permutation(doubtful)[:n])):
            out[f"review {name} {n}"] = (rows, w.truth[rows], response.review(rows))
    eye = np.eye(w.k, dtype=np.float32)
    given = eye[w.given[likely]]
    out["relabel likely"] = (likely, suggested[likely], response.gain(likely, eye[suggested[likely]] - given))
    chance = signals.probabilities[likely]
    out["drop likely"] = (likely, np.full(len(likely), -1), response.gain(likely, chance - given))
    return out


def accuracy(w: World, labels: np.ndarray) -> float:
    """As World.accuracy, for labels of which some are -1: left out."""
    from tilth.recipes import logistic

    w.accuracy(w.given) if w._design is None else None
    head = logistic.fit(
        w._design, np.maximum(labels, 0), w.k, weights=(labels >= 0).astype(np.float32),
        start=w._start, max_iter=12, tolerance=0.0,
    )  # fmt: skip
    return float((head.scores(w.tests).argmax(axis=1) == w.test_truth).mean())


def evaluation(w: World, signals: Any) -> list[dict[str, Any]]:
    """Planted share of wrong test labels and its estimate."""
    from tilth.audit.eval_labels import evaluation_signals, wrong_share

    rng = np.random.default_rng(1)
    names = [w.classes[c] for c in w.test_truth]
    first = evaluation_signals(w.x, signals, w.tests, names, w.penalty)
    near = first.probabilities.copy()
    near[np.arange(len(names)), w.test_truth] = 0
    out = []
    for share in (0.0, 0.02, 0.05, 0.1, 0.2):
        for kind in ("symmetric", "confusable"):
            labels = w.test_truth.copy()
            at = np.flatnonzero(rng.random(len(labels)) < share)
            step = rng.integers(1, w.k, len(at))
            labels[at] = (labels[at] + step) % w.k if kind == "symmetric" else near[at].argmax(axis=1)
            s = evaluation_signals(w.x, signals, w.tests, [w.classes[c] for c in labels], w.penalty)
            found = wrong_share(s.p_wrong())
            out.append(
                {"kind": kind, "true": round(len(at) / len(labels), 4), "value": round(found.value, 4),
                 "low": round(found.low, 4), "high": round(found.high, 4)}
            )  # fmt: skip
    return out


def setting(data: str, noise: str, seed: int) -> dict[str, Any]:
    from tilth.trial.gains import respond

    w = World(data, noise, seed)
    signals = w.signals(w.given)
    response = respond(_View(w, signals), w.penalty)
    before, found = accuracy(w, w.given), []
    for name, (rows, to, said) in batches(w, signals, response).items():
        labels = w.given.copy()
        labels[rows] = to
        found.append(
            {"batch": name, "rows": len(rows), "predicted": round(said.value, 5), "se": round(said.se, 5),
             "realised": round(accuracy(w, labels) - before, 5)}
        )  # fmt: skip
    return {"data": data, "noise": noise, "seed": seed, "tests": len(w.test_truth), "batches": found,
            "evaluation": evaluation(w, signals)}  # fmt: skip


def pooled(settings: list[dict[str, Any]]) -> dict[str, Any]:
    """Factor, its spread between settings, scatter within, correlation; and the spread of the shares."""
    factors, rest = [], []
    for s in settings:
        p, r = np.array([(b["predicted"], b["realised"]) for b in s["batches"] if b["predicted"] > 0]).T
        f = float(p @ r / (p @ p))
        factors.append(f)
        rest += ((r - f * p) / p).tolist()
    every = np.array([(b["predicted"], b["realised"]) for s in settings for b in s["batches"]])
    shares = [e for s in settings for e in s["evaluation"]]
    floor = 0.01
    off = np.array([np.log((e["value"] + floor) / (e["true"] + floor)) for e in shares])
    planted = np.array([e["true"] > 0 for e in shares])
    return {
        "factor": round(float(np.mean(factors)), 3),
        "sd": round(float(np.std(factors, ddof=1)), 3),
        "scatter": round(float(np.sqrt(np.mean(np.square(rest)))), 3),
        "correlation": round(float(np.corrcoef(every.T)[0, 1]), 3),
        "batches": len(every),
        "share_off_mean": round(float(off.mean()), 3),
        "share_off_sd": round(float(np.sqrt((off**2).mean())), 3),
        "share_off_sd_planted": round(float(np.sqrt((off[planted] ** 2).mean())), 3),
        "share_covered": round(float(np.mean([e["low"] <= e["true"] <= e["high"] for e in shares])), 3),
    }


def main() -> None:
    if len(sys.argv) == 4:
        print(json.dumps(setting(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
        return
    out = []
    for data, noise, seed in [s for s in SETTINGS if s[2] == 0]:
        done = subprocess.run(
            [sys.executable, __file__, data, noise, str(seed)],
            capture_output=True, text=True, cwd=HERE, check=False,
        )  # fmt: skip
        if done.returncode:
            print(done.stderr[-2000:])
            continue
        out.append(json.loads(done.stdout.splitlines()[-1]))
        print(json.dumps(out[-1]["batches"]), flush=True)
    usual = [s for s in out if s["noise"] != "feature"]
    body = {"pooled": pooled(usual), "pooled_with_feature": pooled(out), "settings": out}
    save("gains", body)
    print(json.dumps(body["pooled"]))


if __name__ == "__main__":
    main()
