"""Which rows have a wrong label? P(wrong) against cleanlab's scores, on the same out-of-sample answers.

    python benchmarks/labels.py [data set ...]        # default: all that are on this machine

Errors of four kinds are planted at four rates into text, image and table data:

symmetric     to any other class
confusable    to the class that a model mixes up most with the true one
conditional   half of the classes lose rows, each to one class of its own
feature       where the input itself is doubtful (Gumbel top-k over the runner-up's log probability)

AP is average precision over all rows; `at_k` is precision among as many rows as there are errors.
cleanlab gets softmax of the same logits (its scores need probabilities; one temperature, fitted on the
given labels, is given as well: "tempered"). Needs cleanlab==2.9.0 and scikit-learn.
"""

from __future__ import annotations

import csv
import sys
from typing import Any

from common import DATA, Missing, banking77, clinc150, clock, save

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn import datasets
from sklearn.metrics import average_precision_score

from tilth import stats
from tilth.recipes.text import TextLinear
from tilth.signals import encode_labels, group_folds, judge, out_of_sample

KINDS = ("symmetric", "confusable", "conditional", "feature")
RATES = (0.05, 0.1, 0.2, 0.4)


def standard(x: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and deviation 1."""
    return ((x - x.mean(0)) / (x.std(0) + 1e-9)).astype(np.float32)


def fourier(x: np.ndarray, count: int) -> np.ndarray:
    """Random Fourier features of a Gaussian kernel, as wide as the median distance of 500 rows."""
    from scipy.spatial.distance import pdist

    rng = np.random.default_rng(0)
    some = x[rng.choice(len(x), min(len(x), 500), replace=False)]
    w = rng.normal(size=(x.shape[1], count)) * 1.4 / np.median(pdist(some))
    return (np.sqrt(20 / count) * np.cos(x @ w + rng.uniform(0, 2 * np.pi, count))).astype(np.float32)


def text(load: Any) -> tuple[Any, np.ndarray, float]:
    """Features, labels and penalty of text-linear.v1."""
    texts, labels, *_ = load()
    recipe = TextLinear()
    return recipe.learn(texts)[1], encode_labels(labels)[1], recipe.penalty


def features(name: str) -> tuple[Any, np.ndarray, float]:
    """Features, class numbers and penalty of a data set."""
    if name in ("banking77", "clinc150"):
        return text({"banking77": banking77, "clinc150": clinc150}[name])
    if name == "digits":
        d = datasets.load_digits()
        return np.hstack([standard(d.data / 16) / 4, fourier(d.data / 16, 800)]), d.target, 1.0
    if name in ("breast_cancer", "wine"):
        d = getattr(datasets, f"load_{name}")()
        return standard(d.data), d.target, 1.0
    if name == "mnist":
        path = DATA / "mnist" / "train.npz"
        if not path.is_file():
            raise Missing(f"MNIST is not at {path}")
        found = np.load(path, allow_pickle=False)
        x, y = (found[k][:6000] for k in found.files[:2])
        return fourier(x.reshape(6000, -1) / 255.0, 1000), y.astype(int).ravel(), 1.0
    path = DATA / "tabular_uci" / "phoneme.csv"
    if not path.is_file():
        raise Missing(f"phoneme is not at {path}")
    with path.open(encoding="utf-8") as file:
        rows = np.array([[float(v) for v in line] for line in csv.reader(file)])
    return fourier(standard(rows[:, :-1]).astype(float), 300), rows[:, -1].astype(int), 1.0


NAMES = ("banking77", "clinc150", "digits", "mnist", "breast_cancer", "wine", "phoneme")


def plant(kind: str, y: np.ndarray, rate: float, p: np.ndarray, seed: int = 1) -> np.ndarray:
    """Labels with errors; p are out-of-sample probabilities of a model of the clean labels."""
    rng = np.random.default_rng(seed)
    n, k = p.shape
    mean = np.array([p[y == c].mean(0) for c in range(k)])
    np.fill_diagonal(mean, -1)
    out = y.copy()
    if kind == "symmetric":
        hit = rng.random(n) < rate
        out[hit] = (y[hit] + rng.integers(1, k, hit.sum())) % k
    elif kind == "confusable":
        hit = rng.random(n) < rate
        out[hit] = mean.argmax(1)[y[hit]]
    elif kind == "conditional":
        losing = rng.permutation(k)[: max(1, k // 2)]
        to = rng.permutation(k)
        to = np.where(to == np.arange(k), (to + 1) % k, to)
        share = np.zeros(k)
        share[losing] = min(0.8, rate / np.isin(y, losing).mean())
        hit = rng.random(n) < share[y]
        out[hit] = to[y[hit]]
    else:
        other = p.copy()
        other[np.arange(n), y] = -1
        score = np.log(other.max(1) + 1e-6) + rng.gumbel(size=n)
        hit = np.argsort(-score)[: int(rate * n)]
        out[hit] = other.argmax(1)[hit]
    return out


def measure(score: np.ndarray, wrong: np.ndarray) -> dict[str, float]:
    """Ranking by a score where larger is more suspicious."""
    first = np.argsort(-score, kind="stable")[: int(wrong.sum())]
    return {"ap": float(average_precision_score(wrong, score)), "at_k": float(wrong[first].mean())}


def compare(given: np.ndarray, y: np.ndarray, logits: np.ndarray, fold: np.ndarray) -> dict[str, Any]:
    """All scores on one planted data set."""
    wrong, k = given != y, logits.shape[1]
    with clock() as ours:
        signals = judge(tuple(map(str, range(k))), given, logits, fold)
        p = signals.p_wrong()
    plain = stats.softmax(logits.astype(np.float64))
    tempered = stats.softmax(logits * np.float32(stats.calibrate(logits, given).temperature))
    out: dict[str, Any] = {"errors": int(wrong.sum())}
    flagged = p > 0.5
    out["tilth"] = measure(p, wrong) | {
        "recall": float(flagged[wrong].mean()),
        "precision": float(wrong[flagged].mean()) if flagged.any() else None,
        "ece": stats.expected_calibration_error(p, wrong.astype(float)),
        "estimated": float(p.sum()),
        **ours,
    }
    for method in ("self_confidence", "normalized_margin"):
        for name, q in (("", plain), ("_tempered", tempered.astype(np.float64))):
            with clock() as theirs:
                score = 1 - get_label_quality_scores(given, q, method=method)
            out[method + name] = measure(score, wrong) | {
                "ece": stats.expected_calibration_error(np.clip(score, 0, 1), wrong.astype(float)),
                **theirs,
            }
    issues = find_label_issues(given, plain, n_jobs=1)
    out["cleanlab_issues"] = {
        "estimated": int(issues.sum()),
        "recall": float(issues[wrong].mean()),
        "precision": float(wrong[issues].mean()) if issues.any() else None,
    }
    return out


def main() -> None:
    body: dict[str, Any] = {}
    for name in sys.argv[1:] or NAMES:
        try:
            x, y, penalty = features(name)
        except Missing as error:
            print(f"{name}: left out, {error}")
            continue
        n, k = len(y), int(y.max()) + 1
        fold = group_folds(y, np.arange(n), 5)
        clean = out_of_sample(x, y, k, penalty, fold=fold)
        p = stats.softmax(clean * np.float32(stats.calibrate(clean, y).temperature))
        for kind in KINDS:
            for rate in RATES:
                given = plant(kind, y, rate, p)
                fold = group_folds(given, np.arange(n), 5)
                logits = out_of_sample(x, given, k, penalty, fold=fold)
                found = compare(given, y, logits, fold)
                body[f"{name} {kind} {rate}"] = found
                line = " ".join(
                    f"{m} {v['ap']:.3f}" for m, v in found.items() if isinstance(v, dict) and "ap" in v
                )
                print(f"{name:13} {kind:11} {rate:<5} AP {line}", flush=True)
    summary = summarise(body)
    for kind, line in summary.items():
        print(f"{kind:11} " + " ".join(f"{m} {v}" for m, v in line.items()))
    save("labels", {"summary": summary, "cases": body})


def summarise(body: dict[str, Any]) -> dict[str, Any]:
    """Means over data sets and rates, by kind of error and over all."""
    out: dict[str, Any] = {}
    methods = (
        "tilth",
        "self_confidence",
        "normalized_margin",
        "self_confidence_tempered",
        "normalized_margin_tempered",
    )
    for kind in (*KINDS, ""):
        cases = [v for key, v in body.items() if kind in key]
        line: dict[str, Any] = {}
        for m in methods:
            line[m] = {
                key: round(float(np.mean([c[m][key] for c in cases])), 3) for key in ("ap", "at_k", "ece")
            }
        best = [max(c[m]["ap"] for m in methods[1:]) for c in cases]
        line["at_least_best_peer"] = (
            f"{sum(c['tilth']['ap'] >= b - 0.005 for c, b in zip(cases, best, strict=True))}/{len(cases)}"
        )
        for m in ("tilth", "cleanlab_issues"):
            line[f"{m}_count"] = round(float(np.mean([c[m]["estimated"] / c["errors"] for c in cases])), 3)
            line[f"{m}_recall"] = round(float(np.mean([c[m]["recall"] for c in cases])), 3)
        out[kind or "all"] = line
    return out


if __name__ == "__main__":
    main()
