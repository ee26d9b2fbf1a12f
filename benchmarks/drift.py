"""Drift: false alarms on stable streams, a planted new class, accuracy without labels under shift; peers in the same run.

    python benchmarks/drift.py            everything
    python benchmarks/drift.py CASE       stable, new-class or shift

With TILTH_EMB, a folder of sentence embeddings (bank_train_emb.npy, bank_test_emb.npy, clinc_...), stable and new-class also look for clumps
in these, on the same streams: "clumps, embeddings" and "any, embeddings" stand where "clumps" and "any" do without.

Rows of CLINC150 (in scope) and BANKING77, all parts together, dealt out anew in each run, never twice: training, evaluation
and a stream. Stable: a stream of 10,000 rows of the known classes (BANKING77: 9,000). New class: 1,000 known rows, then a class that was held out makes
up 5 or 10 % of the traffic (its rows come again where there are too few). Shift of texts: the stream is drawn
from known rows with a weight that grows with a random direction of the features, or with how sure (or unsure) the model is
of a text; of labels: with weights of classes.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from common import banking77, clinc150, clock, save

import numpy as np

HELD = 30
Rows = list[tuple[str, str]]


def pool(name: str) -> Rows:
    """All rows, text and class; of repeated texts the first."""
    a, b, c, d = banking77() if name == "banking77" else clinc150()
    return list({t: (t, y) for t, y in zip([*a, *c], [*b, *d], strict=True)}.values())


@cache
def embeddings(name: str) -> dict[str, np.ndarray]:
    """Text to embedding, read from files in the order of the rows."""
    if "TILTH_EMB" not in os.environ:
        return {}
    a, _, c, _ = banking77() if name == "banking77" else clinc150()
    short = "bank" if name == "banking77" else "clinc"
    parts = [np.load(Path(os.environ["TILTH_EMB"]) / f"{short}_{part}_emb.npy") for part in ("train", "test")]
    return dict(zip([*a, *c], np.concatenate(parts), strict=True))


class World:
    """A model, its reference rows, and rows that are left for streams."""

    def __init__(self, name: str, seed: int, held: int, sizes: tuple[int, int]) -> None:
        from tilth import stats
        from tilth.recipes import logistic
        from tilth.recipes.text import TextLinear
        from tilth.signals import encode_labels

        self.embedded = embeddings(name)
        rows, self.rng = pool(name), np.random.default_rng(seed)
        classes = sorted({y for _, y in rows})
        self.held = sorted(self.rng.choice(classes, held, replace=False).tolist())
        self.of = {h: [t for t, y in rows if y == h] for h in self.held}
        known = [r for r in rows if r[1] not in self.of]
        known = [known[i] for i in self.rng.permutation(len(known))]
        a, b = sizes
        train, self.evaluation, self.left = known[:a], known[a : a + b], known[a + b :]
        self.map, x = TextLinear().learn([t for t, _ in train])
        self.classes, y = encode_labels([y for _, y in train])
        design = logistic.design(x, TextLinear().penalty)
        self.head = logistic.fit(design, y, len(self.classes), max_iter=20, tolerance=1e-2)
        truth = encode_labels([y for _, y in self.evaluation], self.classes)[1]
        logits = self.head.scores(self.map.transform([t for t, _ in self.evaluation]))
        self.t = stats.calibrate(logits, truth).temperature
        from tilth.drift import Sample

        both = [*train, *self.evaluation]
        self.known = Sample(
            [f"k{i}" for i in range(len(both))], [t for t, _ in both], {}, self.answers([t for t, _ in self.evaluation]),
            np.arange(a, a + b), truth, self.classes,
        )  # fmt: skip

    def clump(self, new: Any) -> int | None:
        """First alarm of the clumps in embeddings."""
        from tilth.drift.clumps import clumps

        known, new = (
            replace(s, vectors=np.stack([self.embedded[t] for t in s.texts])) for s in (self.known, new)
        )
        return min((c.alarm for c in clumps(known, new, level=0.05 / 4)), default=None)

    def answers(self, texts: list[str]) -> np.ndarray:
        from tilth import stats

        return stats.softmax(self.head.scores(self.map.transform(texts)) * np.float32(self.t))

    def sample(self, texts: list[str]) -> Any:
        from tilth.drift import Sample

        n = len(texts)
        return Sample(
            [f"n{i}" for i in range(n)],
            texts,
            {},
            self.answers(texts),
            np.arange(n),
            np.full(n, -1),
            self.classes,
        )


def worlds(name: str, runs: int, held: int = 0) -> Iterator[World]:
    sizes = (6_000, 2_000) if name == "clinc150" else (2_500, 1_400)
    for seed in range(runs):
        yield World(name, seed, held, sizes)


def alarms(found: Any) -> dict[str, bool]:
    """Which family raised one."""
    return {
        "columns": any(c.drifted for c in found.columns), "classifier": found.auc_drifted,
        "confidence": found.fall["alarm"] is not None, "surges": bool(found.surges),
        "clumps": bool(found.clumps), "any": found.drifted,
    }  # fmt: skip


def river(values: np.ndarray) -> dict[str, int | None]:
    """First alarm of the detectors of river (default settings) on the probability of the best class."""
    try:
        from river import drift
    except ImportError:
        return {}
    out: dict[str, int | None] = {}
    for name, make in (
        ("adwin", drift.ADWIN),
        ("page_hinkley", drift.PageHinkley),
        ("kswin", lambda: drift.KSWIN(seed=0)),
    ):
        detector, out[name] = make(), None
        for i, v in enumerate(values.tolist()):
            detector.update(v)
            if detector.drift_detected:
                out[name] = i
                break
    return out


def stable(runs: int = 40) -> dict[str, Any]:
    """Alarms in stable streams."""
    from tilth.drift import examine

    out: dict[str, Any] = {}
    for name in ("clinc150", "banking77"):
        n = 10_000 if name == "clinc150" else 9_000
        seen: list[dict[str, bool]] = []
        peers: list[dict[str, int | None]] = []
        cpu: list[float] = []
        more: list[float] = []
        for world in worlds(name, runs):
            new = world.sample([t for t, _ in world.left[:n]])
            spent = time.process_time()
            seen.append(alarms(examine(world.known, new)))
            cpu.append(time.process_time() - spent)
            if world.embedded:
                one, spent = seen[-1], time.process_time()
                one["clumps, embeddings"] = world.clump(new) is not None
                others = any(one[k] for k in ("columns", "classifier", "confidence", "surges"))
                one["any, embeddings"] = others or one["clumps, embeddings"]
                more.append(time.process_time() - spent)
            if len(peers) < 10:
                peers.append(river(new.probabilities.max(axis=1)))
        out[name] = {"streams": runs, "rows": n, **{k: sum(s[k] for s in seen) for k in seen[0]}}
        out[name]["cpu_s_per_stream"] = round(float(np.mean(cpu)), 2)
        if more:
            out[name]["cpu_s_of_clumps_in_embeddings"] = round(float(np.mean(more)), 2)
        out[name]["peers"] = {
            k: f"{sum(p[k] is not None for p in peers)}/{len(peers)}" for k in (peers[0] if peers else {})
        }
        print(name, out[name], flush=True)
    return out


def new_class(seeds: int = 2) -> dict[str, Any]:
    """Rows from the start of a new class to the alarm."""
    from tilth.drift import examine

    out: dict[str, Any] = {}
    for name in ("clinc150", "banking77"):
        for share in (0.05, 0.1):
            late: dict[str, list[float]] = {}
            right, labelled = [], []
            for world in worlds(name, seeds, HELD if name == "clinc150" else 20):
                for held in world.held:
                    texts, at, n = [t for t, _ in world.left], 1_000, 2_200
                    texts = [texts[i] for i in world.rng.permutation(len(texts))[:n]]
                    is_new = (np.arange(n) >= at) & (world.rng.random(n) < share)
                    theirs = world.rng.permutation(len(world.of[held]))
                    for k, i in enumerate(np.flatnonzero(is_new).tolist()):
                        texts[i] = world.of[held][theirs[k % len(theirs)]]
                    new = world.sample(texts)
                    d = examine(world.known, new)
                    when = {
                        "surges": min((s["alarm"] for s in d.surges), default=None), "confidence": d.fall["alarm"],
                        "clumps": min((c["alarm"] for c in d.clumps), default=None),
                        **river(new.probabilities.max(axis=1)),
                    }  # fmt: skip
                    if world.embedded:
                        when["clumps, embeddings"] = world.clump(new)
                    for end in ("", ", embeddings") if world.embedded else ("",):
                        three = [when[k] for k in ("surges", "confidence", "clumps" + end)]
                        when["any" + end] = min((w for w in three if w is not None), default=None)
                    for key, row in when.items():
                        late.setdefault(key, []).append(np.inf if row is None else row - at + 1)
                    ids = {f"n{i}" for i in np.flatnonzero(is_new)}
                    if d.rows:
                        right.append(np.mean([r in ids for r in d.rows]))
                        labelled.append(np.mean([r in ids for r in d.label]))
            key = f"{name}, {share:.0%}"
            out[key] = {
                "classes": len(late["any"]),
                "within_300": {k: round(float(np.mean([0 < x <= 300 for x in v])), 3) for k, v in late.items()},
                "before_the_start": {k: round(float(np.mean([x <= 0 for x in v])), 3) for k, v in late.items()},
                "median_rows": {k: (int(m) if np.isfinite(m := float(np.median(v))) else None) for k, v in late.items()},
                "new_among_named_rows": round(float(np.mean(right)), 3), "new_among_rows_to_label": round(float(np.mean(labelled)), 3),
            }  # fmt: skip
            print(key, json.dumps(out[key]), flush=True)
    return out


def shift(runs: int = 10, rows: int = 2_000) -> dict[str, Any]:
    """Error of the estimated accuracy, in points, and what was warned of."""
    from sklearn.decomposition import TruncatedSVD

    from tilth.drift import examine

    out: dict[str, Any] = {}
    for name in ("clinc150", "banking77"):
        for kind in ("none", "texts", "difficulty", "labels"):
            error, mixed, valid, warned, naive = [], [], [], [], []
            for world in worlds(name, runs):
                rng, left = world.rng, world.left
                weight = np.ones(len(left))
                if kind == "texts":
                    z = TruncatedSVD(20, random_state=0).fit_transform(
                        world.map.transform([t for t, _ in left])
                    )
                    v = (z / z.std(axis=0)) @ rng.normal(size=20)
                    weight = np.exp(1.0 * (v - v.mean()) / v.std())
                elif kind == "difficulty":
                    top = world.answers([t for t, _ in left]).max(axis=1).astype(np.float64)
                    sign = 1.0 if rng.random() < 0.5 else -1.0
                    weight = np.exp(sign * rng.uniform(0.5, 1.5) * (top - top.mean()) / top.std())
                elif kind == "labels":
                    each = {c: float(np.exp(rng.normal(0, 1.5))) for c in world.classes}
                    weight = np.array([each[y] for _, y in left])
                pick = rng.choice(len(left), rows, replace=False, p=weight / weight.sum())
                new = world.sample([left[i][0] for i in pick])
                truth = float(
                    np.mean(
                        [world.classes[b] == left[i][1] for b, i in zip(new.best.tolist(), pick, strict=True)]
                    )
                )
                e = examine(world.known, new).estimate
                error.append(abs(e.accuracy - truth))
                mixed.append(abs(e.label_shift - truth))
                naive.append(abs(e.known - truth))
                valid.append(e.valid)
                warned.append(any("mix of predicted" in w for w in e.warnings))
            shown = [x for x, v in zip(error, valid, strict=True) if v]
            out[f"{name}, {kind}"] = {
                "runs": runs, "rows": rows, "mean_error": round(float(np.mean(error)), 4), "largest_error": round(max(error), 4),
                "within_2_points": round(float(np.mean([x <= 0.02 for x in error])), 3),
                "shown": sum(valid), "within_2_points_where_shown": round(float(np.mean([x <= 0.02 for x in shown])), 3) if shown else None,
                "label_shift_error": round(float(np.mean(mixed)), 4), "unchanged_accuracy_error": round(float(np.mean(naive)), 4),
                "warned_of_labels": sum(warned),
            }  # fmt: skip
            print(name, kind, json.dumps(out[f"{name}, {kind}"]), flush=True)
    return out


CASES = {"stable": stable, "new-class": new_class, "shift": shift}

if __name__ == "__main__":
    for case in sys.argv[1:] or list(CASES):
        with clock() as spent:
            body = CASES[case]()
        save(f"drift-{case}", body | spent)
