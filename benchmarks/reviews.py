"""Reviews needed: a scripted reviewer who knows the truth follows an order; accuracy won back by reviews.

    python benchmarks/reviews.py            every setting, each in a process of its own
    python benchmarks/reviews.py DATA NOISE SEED    one setting in this process

Data: banking77 (text-linear), clinc150 (sentence embeddings from TILTH_EMB, else text-linear), digits
(scikit-learn, pixels). Noise: 20 % of the labels wrong, symmetric, confusable (each class to its nearest)
or feature (rows that lie between two classes, to the other one). The test labels are the public ones. Of banking77 and
clinc150 every fourth training row is used, to keep a run in minutes; banking77-all uses all 10,003.

All orders start from the same out-of-sample probabilities and are scored by the same recipe, refitted:
    random           any row
    self-confidence, margin     cleanlab's rankings, as they are
    queue            tilth's queue (expected gain), updated in closed form; one verdict mends one row
    queue+bulk       tilth as it is meant to be used: after each batch the rest is relabelled at a
                     false-discovery rate of 5 % (what verdicts unlock), and the audit is repeated
    again+bulk       the control: the same bulk relabels, but cleanlab's self-confidence as the order,
                     on the repeated audit's probabilities
    improve+queue    the whole of tilth: first `tilth improve`'s relabelling, accepted on held-out rows and
                     without a person, then queue+bulk
    prune            cleanlab's counterpart: what find_label_issues flags is left out of training from the
                     start, comes back when it is reviewed, and is reviewed first, by self-confidence

y is the share of the lost test accuracy that is won back, x the number of reviews, up to 1.25 reviews for
each wrong label; to_90 is the number of reviews until 90 % is back.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from common import HERE, banking77, clinc150, clock, plant, save

import numpy as np

RATE, STEPS, FDR = 0.2, 8, 0.05
SETTINGS = [
    (data, noise, seed)
    for data in ("digits", "banking77", "clinc150")
    for noise in ("symmetric", "confusable", "feature")
    for seed in ((0, 1, 2) if data == "digits" else (0,))
    if data == "digits" or noise != "feature"
] + [("banking77-all", noise, 0) for noise in ("symmetric", "confusable")]
METHODS = (
    "random", "self-confidence", "margin", "prune", "queue", "queue+bulk", "again+bulk", "improve+queue",
)  # fmt: skip


class World:
    """Features, labels with planted errors, the truth, and how a set of labels scores."""

    def __init__(self, data: str, noise: str, seed: int) -> None:
        from tilth.signals import encode_labels

        self.x, self.tests, labels, tested, self.penalty, texts = load(data)
        self.classes, self.truth = encode_labels(labels)
        self.k = len(self.classes)
        _, self.test_truth = encode_labels(tested, self.classes)
        self.given = spoil(self, labels, texts, noise, seed)
        self._design: Any = None
        self._start: Any = None

    def accuracy(self, labels: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Test accuracy of the recipe fitted to these labels (to convergence from a neighbouring fit)."""
        from tilth.recipes import logistic

        if self._design is None:
            self._design = logistic.design(self.x, self.penalty)
            self._start = logistic.fit(self._design, self.given, self.k, max_iter=25)
        head = logistic.fit(
            self._design, labels, self.k, weights=weights, start=self._start, max_iter=12, tolerance=0.0
        )
        return float((head.scores(self.tests).argmax(axis=1) == self.test_truth).mean())

    def signals(self, labels: np.ndarray) -> Any:
        from tilth.signals import group_folds, judge, out_of_sample

        fold = group_folds(labels, np.arange(len(labels)), 5)
        logits = out_of_sample(self.x, labels, self.k, self.penalty, fold=fold)
        return judge(self.classes, labels, logits, fold)


def load(data: str) -> tuple[Any, Any, list[str], list[str], float, list[str] | None]:
    """Train and test features, labels, penalty of the head, and texts where there are any."""
    if data == "digits":
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(y))
        x = (x[order] / 16).astype(np.float32)
        y = [f"d{c}" for c in y[order]]
        return x[:1200], x[1200:], y[:1200], y[1200:], 0.5, None
    texts, labels, tests, tested = clinc150() if data == "clinc150" else banking77()
    step = 1 if data.endswith("-all") else 4
    every, texts, labels = len(texts), texts[::step], labels[::step]
    folder = os.environ.get("TILTH_EMB", "")
    if data == "clinc150" and folder and (Path(folder) / "clinc_train_emb.npy").is_file():
        a, b = (np.load(Path(folder) / f"clinc_{part}_emb.npy") for part in ("train", "test"))
        assert len(a) == every
        return a[::4], b, labels, tested, 0.07, texts
    from tilth.recipes.text import TextLinear

    recipe = TextLinear()
    learned, x = recipe.learn(texts)
    return x, learned.transform(tests), labels, tested, recipe.penalty, texts


def spoil(w: World, labels: list[str], texts: list[str] | None, noise: str, seed: int) -> np.ndarray:
    """Class numbers with 20 % planted errors."""
    from tilth.signals import encode_labels

    if noise == "symmetric":
        return encode_labels(plant(labels, RATE, noise, seed, {}), w.classes)[1]
    p = w.signals(w.truth).probabilities.astype(np.float64)
    if noise == "confusable":
        mean = np.array([p[w.truth == c].mean(axis=0) for c in range(w.k)])
        np.fill_diagonal(mean, 0)
        near = {name: w.classes[int(mean[c].argmax())] for c, name in enumerate(w.classes)}
        return encode_labels(plant(labels, RATE, noise, seed, near), w.classes)[1]
    at = np.arange(len(w.truth))
    p[at, w.truth] = 0.0
    other, doubt = p.argmax(axis=1), p.max(axis=1)
    chance = np.random.default_rng(seed).random(len(at)) ** (1 / (doubt + 1e-4))
    pick = np.argsort(-chance)[: int(RATE * len(at))]
    out = w.truth.copy()
    out[pick] = other[pick]
    return out


def cleanlab_order(labels: np.ndarray, p: np.ndarray, method: str) -> np.ndarray:
    from cleanlab.rank import get_label_quality_scores

    return np.argsort(get_label_quality_scores(labels, p.astype(np.float64), method=method), kind="stable")


def fixed(w: World, order: np.ndarray, points: np.ndarray) -> list[float]:
    """Accuracy after so many reviews in a fixed order."""
    out = []
    for n in points:
        labels = w.given.copy()
        labels[order[:n]] = w.truth[order[:n]]
        out.append(w.accuracy(labels))
    return out


def pruned(w: World, p: np.ndarray, points: np.ndarray) -> list[float]:
    """Accuracy when flagged rows are left out until they are reviewed, and reviewed first."""
    from cleanlab.filter import find_label_issues

    q = p.astype(np.float64)
    flagged = find_label_issues(w.given, q, n_jobs=1)
    order = cleanlab_order(w.given, q, "self_confidence")
    order = np.r_[order[flagged[order]], order[~flagged[order]]]
    out = []
    for n in points:
        labels, weights = w.given.copy(), (~flagged).astype(np.float32)
        labels[order[:n]], weights[order[:n]] = w.truth[order[:n]], 1.0
        out.append(w.accuracy(labels, weights))
    return out


def improved(w: World) -> np.ndarray:
    """Labels after what `tilth improve` accepts by itself: relabelling, judged on held-out rows."""
    from types import SimpleNamespace

    from tilth.audit.label_error import LabelError
    from tilth.data import Snapshot
    from tilth.improve import level_of
    from tilth.trial.decide import Bench
    from tilth.trial.propose import ALTERNATIVES, PROCEDURES

    n = len(w.given)
    ids, names, empty = [f"{i:06d}" for i in range(n)], w.classes, Snapshot([], [], {})
    recipe = SimpleNamespace(name="arrays", penalty=w.penalty, dense=0)
    labels, taken = w.given.copy(), ""
    rows = Snapshot(ids, [names[c] for c in labels], {"text": [f"{i} row" for i in ids]})
    bench = Bench(recipe, rows, empty, "text", features=w.x, clusters=np.arange(n))
    for _ in range(4):
        for p in PROCEDURES:
            if p.name not in ALTERNATIVES[:2] or (taken and p.name != taken):
                continue
            outcome = bench.judge(p, metric="accuracy", level=level_of(p))
            if outcome.effect(level=level_of(p)).low > 0:
                break
        else:
            return labels
        taken = p.name
        bench.accept(p)
        rows = Snapshot(ids, [names[c] for c in labels], {"text": [f"{i} row" for i in ids]})
        view = SimpleNamespace(
            signals=w.signals(labels), train=rows, texts=rows.columns["text"], features=w.x, has_texts=False,
            space=None, neighbours=None,
        )  # fmt: skip
        for op in p.ops(LabelError().find(view), rows):
            labels[int(op.before.id)] = names.index(op.after.label)
    return labels


def followed(w: World, method: str, points: np.ndarray, first: Any) -> list[float]:
    """Accuracy when the order is made anew after each batch of verdicts."""
    from tilth.audit.trust import trust
    from tilth.data import Snapshot
    from tilth.trial.gains import queue, respond
    from tilth.verdicts import Drawn, Said, Verdict

    n = len(w.given)
    ids = [f"{i:06d}" for i in range(n)]
    labels, done = w.given.copy(), np.zeros(n, dtype=bool)
    if method.startswith("improve"):
        labels = improved(w)
        first = w.signals(labels)
    bulky = method != "queue"
    line = None if bulky else queue(respond(_View(w, first), w.penalty), first.noise)
    verdicts: list[Any] = []
    out = []
    for step, goal in enumerate(points):
        if line is not None:
            batch = line.order[: goal - done.sum()]
            if len(batch):
                line = line.after_verdicts(batch, w.truth[batch])
            done[batch], labels[batch] = True, w.truth[batch]
            out.append(w.accuracy(labels))
            continue
        signals = first if step == 0 else w.signals(labels)
        suggested, claimed = signals.suggestion(), signals.p_wrong()
        if step:
            batch = ranked(w, method, signals, labels, done)[: goal - points[step - 1]]
            for i in batch.tolist():
                right = int(w.truth[i])
                said = "keep" if labels[i] == right else "relabel"
                row = Drawn(
                    ids[i], w.classes[labels[i]], w.classes[suggested[i]], float(claimed[i]),
                    float(signals.posterior[i, suggested[i]]), None, "",
                )  # fmt: skip
                verdicts.append(Verdict(Said(ids[i], said, w.classes[right]), row, "script", ""))
            done[batch] = True
            labels[batch] = w.truth[batch]
        if verdicts:
            rows = Snapshot(ids, [w.classes[c] for c in labels], {})
            belief = trust(signals, rows, verdicts)
            reach = belief.reach(FDR, ~done)
            bulk = np.flatnonzero(~done & (belief.fits >= reach.least))
            labels[bulk] = suggested[bulk]
        out.append(w.accuracy(labels))
    return out


def ranked(w: World, method: str, signals: Any, labels: np.ndarray, done: np.ndarray) -> np.ndarray:
    """Rows without a verdict, in the order of the method."""
    if method.startswith("again"):
        order = cleanlab_order(labels, signals.probabilities, "self_confidence")
        return order[~done[order]]
    from tilth.trial.gains import queue, respond

    response = respond(_View(w, signals), w.penalty)
    order = queue(response, signals.noise, left=~done).order
    return order


class _View:
    """The parts of an audit's view that the closed form reads."""

    def __init__(self, w: World, signals: Any) -> None:
        self.signals, self.features, self.train = signals, w.x, signals.labels
        self.copies = self

    def clusters(self) -> np.ndarray:
        return np.arange(len(self.train))


def setting(data: str, noise: str, seed: int) -> dict[str, Any]:
    """All methods on one data set with one kind of noise."""
    w = World(data, noise, seed)
    wrong = int((w.given != w.truth).sum())
    points = np.unique(np.round(np.linspace(0, 1, STEPS + 1) ** 1.5 * 1.25 * wrong).astype(int))
    clean, lost = w.accuracy(w.truth), w.accuracy(w.given)
    first = w.signals(w.given)
    rng = np.random.default_rng(seed)
    orders = {
        "random": rng.permutation(len(w.given)),
        "self-confidence": cleanlab_order(w.given, first.probabilities, "self_confidence"),
        "margin": cleanlab_order(w.given, first.probabilities, "normalized_margin"),
    }
    curves, seconds = {}, {}
    for method in METHODS:
        with clock() as used:
            if method in orders:
                found = fixed(w, orders[method], points)
            elif method == "prune":
                found = pruned(w, first.probabilities, points)
            else:
                found = followed(w, method, points, first)
        curves[method] = [round(v, 4) for v in found]
        seconds[method] = used["cpu_s"]
    back = {m: (np.array(c) - lost) / max(clean - lost, 1e-9) for m, c in curves.items()}
    area = {m: round(float(np.trapezoid(b, points) / points[-1]), 4) for m, b in back.items()}
    return {
        "data": data, "noise": noise, "seed": seed, "rows": len(w.given), "classes": w.k, "wrong": wrong,
        "clean": round(clean, 4), "noisy": round(lost, 4), "reviews": points.tolist(), "accuracy": curves,
        "area": area, "to_90": {m: until(b, points) for m, b in back.items()}, "cpu_s": seconds,
    }  # fmt: skip


def until(back: np.ndarray, points: np.ndarray, share: float = 0.9) -> int | None:
    """Reviews until this share is back, by linear interpolation; None when it is never reached."""
    at = np.flatnonzero(back >= share)
    if not len(at):
        return None
    i = int(at[0])
    if i == 0:
        return 0
    part = (share - back[i - 1]) / (back[i] - back[i - 1])
    return round(float(points[i - 1] + part * (points[i] - points[i - 1])))


def main() -> None:
    if len(sys.argv) == 4:
        print(json.dumps(setting(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
        return
    out = []
    for data, noise, seed in SETTINGS:
        done = subprocess.run(
            [sys.executable, __file__, data, noise, str(seed)],
            capture_output=True,
            text=True,
            cwd=HERE,
            check=False,
        )
        if done.returncode:
            print(done.stderr[-2000:])
            continue
        out.append(json.loads(done.stdout.splitlines()[-1]))
        print(json.dumps({k: out[-1][k] for k in ("data", "noise", "area", "to_90")}), flush=True)
    save("reviews", {"settings": out})


if __name__ == "__main__":
    main()
