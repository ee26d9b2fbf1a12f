"""Consensus of several annotators beside the peers: real crowds with gold labels, simulated annotators, size.

python benchmarks/annotators.py crowd        peers: crowd-kit (Dawid-Skene, one-coin, MMSR)
python benchmarks/annotators.py simulated    peer: cleanlab (CROWDLAB), same probabilities
python benchmarks/annotators.py scale        a million judgements; peer: crowd-kit's Dawid-Skene
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

from common import DATA, Missing, banking77, clock, peak_mib, save

import numpy as np

from tilth import stats
from tilth.agreement import Votes, agreement
from tilth.consensus import fit
from tilth.recipes.text import TextLinear
from tilth.signals import encode_labels, group_folds, judge, out_of_sample

CROWDS = {"AdultContent2": "gold.txt", "BarzanMozafari": "evaluation.txt"}
"""The other sets of the collection have gold for other ids (MTurk), 9 items (copyright) or votes that were
made equal on each item (CrowdFlower)."""
MIXES = {
    "good": lambda rng, j: rng.uniform(0.8, 0.95, j),
    "mixed": lambda rng, j: rng.uniform(0.4, 0.95, j),
    "poor": lambda rng, j: rng.uniform(0.35, 0.7, j),
    "spammers": lambda rng, j: np.where(rng.random(j) < 0.2, 0.1, rng.uniform(0.8, 0.95, j)),
}
KINDS = ("uniform", "confusable", "hard items")
ANNOTATORS = 50


def crowd_set(name: str) -> tuple[Votes, dict[str, str]]:
    folder = DATA / "crowd_get_another_label" / name
    if not folder.is_dir():
        raise Missing(f"{name} is not in {folder.parent}; set TILTH_DATA")
    rows = [line.split("\t") for line in (folder / "labels.txt").read_text("utf-8").splitlines() if line]
    who, items, labels = zip(*([x.strip() for x in r] for r in rows), strict=True)
    gold = [line.split("\t") for line in (folder / CROWDS[name]).read_text("utf-8").splitlines() if line]
    return Votes.of(items, who, labels), {g[0].strip(): g[1].strip() for g in gold if len(g) > 1}


def crowd() -> dict[str, Any]:
    """Accuracy of the consensus on gold items, and CPU seconds from votes in memory."""
    from crowdkit.aggregation import MMSR, DawidSkene, MajorityVote, OneCoinDawidSkene

    out: dict[str, Any] = {}
    for name in CROWDS:
        votes, gold = crowd_set(name)
        known = [(i, gold[item]) for i, item in enumerate(votes.items) if item in gold]
        frame = _frame(votes)
        found: dict[str, Any] = {"votes": len(votes), "items": len(votes.items), "gold": len(known)}
        found["annotators"] = len(votes.annotators)

        def right(said: Any, known: Any = known) -> float:
            return round(float(np.mean([said(i) == y for i, y in known])), 4)

        with clock() as used:
            label = fit(votes).label
        found["tilth"] = {"accuracy": right(lambda i, v=votes, x=label: v.labels[x[i]]), **used}
        majority = votes.majority()
        found["tilth majority"] = {"accuracy": right(lambda i, v=votes, x=majority: v.labels[x[i]])}
        peers = {"crowd-kit DawidSkene": DawidSkene(100), "crowd-kit OneCoin": OneCoinDawidSkene(100),
                 "crowd-kit MMSR": MMSR(), "crowd-kit majority": MajorityVote()}  # fmt: skip
        if len(votes) > 20_000:  # 47 CPU seconds on AdultContent2, for the accuracy of the majority
            del peers["crowd-kit MMSR"]
        for peer, method in peers.items():
            with clock() as used:
                said = method.fit_predict(frame)
            found[peer] = {"accuracy": right(lambda i, v=votes, s=said: s[v.items[i]]), **used}
        with clock() as used:
            a = agreement(votes)
        found["alpha"] = [round(x, 4) for x in (a.alpha.value, a.alpha.low, a.alpha.high)] + [used["cpu_s"]]
        out[name] = found
        print(name, json.dumps(found), flush=True)
    return out


def _frame(votes: Votes) -> Any:
    import pandas as pd

    task, worker = np.array(votes.items)[votes.item], np.array(votes.annotators)[votes.annotator]
    return pd.DataFrame({"task": task, "worker": worker, "label": np.array(votes.labels)[votes.label]})


def simulated() -> dict[str, Any]:
    """Digits (1,797 x 10) and BANKING77 (2,500 rows x 77, TF-IDF); 50 annotators; 1, 2, 3, 5 votes an item."""
    warnings.filterwarnings("ignore")
    rows = []
    for data, seeds, mixes in (("digits", (1, 2), list(MIXES)), ("banking77", (1,), ["mixed", "poor"])):
        x, y, k, penalty = _data(data)
        p = _out_of_sample(x, y, k, penalty)
        confused = np.array([p[y == c].mean(axis=0) for c in range(k)])
        np.fill_diagonal(confused, 1e-6)
        rank = np.argsort(np.argsort(p[np.arange(len(y)), y])) / len(y)
        for mix in mixes:
            for kind in KINDS if data == "digits" else KINDS[::2]:
                for per in (1, 2, 3, 5):
                    for seed in seeds:
                        rng = np.random.default_rng([seed, per, KINDS.index(kind), list(MIXES).index(mix)])
                        votes = _votes(rng, y, k, per, mix, kind, confused, rank)
                        told = _out_of_sample(x, votes.majority(), k, penalty)
                        cell = {"data": data, "mix": mix, "kind": kind, "votes": per, "seed": seed}
                        rows.append(cell | _compare(votes, told, y))
                    print(json.dumps(rows[-1]), flush=True)
    return {"mean": _means(rows), "rows": rows}


def _data(name: str) -> tuple[Any, np.ndarray, int, float]:
    if name == "digits":
        from sklearn.datasets import load_digits

        found = load_digits()
        return (found.data / 16 - 0.3).astype(np.float32), found.target, 10, 1.0
    texts, labels, _, _ = banking77()
    pick = np.random.default_rng(0).permutation(len(texts))[:2_500]
    classes, y = encode_labels([labels[i] for i in pick])
    recipe = TextLinear()
    _, x = recipe.learn([texts[i] for i in pick])
    return x, y, len(classes), recipe.penalty


def _out_of_sample(x: Any, y: np.ndarray, k: int, penalty: float) -> np.ndarray:
    fold = group_folds(y, np.arange(len(y)), 5)
    logits = out_of_sample(x, y, k, penalty, fold=fold)
    return judge(tuple(map(str, range(k))), y, logits, fold).probabilities


def _votes(
    rng: np.random.Generator, y: np.ndarray, k: int, per: int, mix: str, kind: str, confused: np.ndarray,
    rank: np.ndarray,
) -> Votes:  # fmt: skip
    """Uniform: errors to any class. Confusable: to classes that a model confuses. Hard items: as well, and
    more often for all annotators where a model is unsure, so that errors are not independent."""
    n, skill = len(y), MIXES[mix](rng, ANNOTATORS)
    who = np.argsort(rng.random((n, ANNOTATORS)), axis=1)[:, :per].ravel()
    item = np.repeat(np.arange(n), per)
    odds = np.log(skill / (1 - skill))[who] + (2.0 * (rank[item] - 0.5) if kind == "hard items" else 0.0)
    right = rng.random(n * per) < 1 / (1 + np.exp(-odds))
    if kind == "uniform":
        wrong = (y[item] + rng.integers(1, k, n * per)) % k
    else:
        steps = (confused / confused.sum(axis=1, keepdims=True)).cumsum(axis=1)
        wrong = np.minimum((rng.random((n * per, 1)) > steps[y[item]]).sum(axis=1), k - 1)
    names = (
        [f"{i:05}" for i in range(n)],
        [f"{j:02}" for j in range(ANNOTATORS)],
        [f"{c:02}" for c in range(k)],
    )
    return Votes.coded(*names, item, who, np.where(right, y[item], wrong))


def _compare(votes: Votes, p: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Both on the same votes and the same probabilities."""
    n, majority = len(y), votes.majority()
    with clock() as used:
        mine = fit(votes, p)
        quality = np.array([q.value for q in mine.quality()])
    out = {"majority": _share(majority, y), "model": _share(p.argmax(axis=1), y)}
    alone = fit(votes)
    out |= {"tilth_votes_alone": _share(alone.label, y), "tilth": _share(mine.label, y)}
    out |= _ranking("tilth", mine.label, 1 - mine.p_wrong, y)
    out["tilth_ap_majority"] = _ap(majority != y, -mine.posterior[np.arange(n), majority])
    out |= {"tilth_quality": _correlation(quality, votes, y), "tilth_cpu": used["cpu_s"]}
    return out | _cleanlab(votes, p, y, majority)


def _cleanlab(votes: Votes, p: np.ndarray, y: np.ndarray, majority: np.ndarray) -> dict[str, Any]:
    """With one vote an item CROWDLAB refuses: cleanlab's label quality then, as its message advises."""
    import pandas as pd
    from cleanlab.multiannotator import get_label_quality_multiannotator
    from cleanlab.rank import get_label_quality_scores

    if votes.per_item.max() == 1:
        score = get_label_quality_scores(majority, p)
        out = {"cleanlab": _share(majority, y), "cleanlab_ap_majority": _ap(majority != y, -score)}
        return out | _ranking("cleanlab", majority, score, y)
    table = np.full((len(votes.items), len(votes.annotators)), np.nan)
    table[votes.item, votes.annotator] = votes.label
    frame = pd.DataFrame(table)
    with clock() as used:
        found = get_label_quality_multiannotator(frame, p, verbose=False)
    tidy = get_label_quality_multiannotator(frame, p, calibrate_probs=True, verbose=False)["label_quality"]
    labels = found["label_quality"]["consensus_label"].to_numpy().astype(int)
    score = found["label_quality"]["consensus_quality_score"].to_numpy()
    plain = get_label_quality_multiannotator(frame, p, consensus_method="majority_vote", verbose=False)
    plain = plain["label_quality"]
    wrong = plain["consensus_label"].to_numpy().astype(int) != y
    stats_of = found["annotator_stats"]["annotator_quality"].sort_index().to_numpy()
    out = {"cleanlab": _share(labels, y), **_ranking("cleanlab", labels, score, y)}
    out["cleanlab_calibrated"] = _share(tidy["consensus_label"].to_numpy().astype(int), y)
    out["cleanlab_ap_majority"] = _ap(wrong, -plain["consensus_quality_score"].to_numpy())
    return out | {"cleanlab_quality": _correlation(stats_of, votes, y), "cleanlab_cpu": used["cpu_s"]}


def _share(label: np.ndarray, y: np.ndarray) -> float:
    return round(float((label == y).mean()), 4)


def _ap(wrong: np.ndarray, score: np.ndarray) -> float | None:
    from sklearn.metrics import average_precision_score

    return round(float(average_precision_score(wrong, score)), 4) if wrong.any() else None


def _ranking(name: str, label: np.ndarray, sure: np.ndarray, y: np.ndarray) -> dict[str, float | None]:
    """Average precision in finding a wrong consensus of one's own, and calibration of its probability."""
    hits = (label == y).astype(float)
    ece = stats.expected_calibration_error(np.clip(sure, 0, 1), hits)
    return {f"{name}_ap_own": _ap(label != y, -sure), f"{name}_ece": round(ece, 4)}


def _correlation(quality: np.ndarray, votes: Votes, y: np.ndarray) -> float:
    hits = np.bincount(votes.annotator, weights=votes.label == y[votes.item], minlength=len(quality))
    true = hits / np.bincount(votes.annotator, minlength=len(quality))
    return round(float(np.corrcoef(quality, true)[0, 1]), 4)


def _means(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over settings; cells in which a method has no value are left out of its mean."""
    out: dict[str, Any] = {}
    groups = {"2 and more votes": [r for r in rows if r["votes"] > 1]} | {
        f"{v} votes": [r for r in rows if r["votes"] == v] for v in (1, 2, 3, 5)
    }
    for d in ("digits", "banking77"):
        groups[f"{d}, 2 and more votes"] = [r for r in rows if r["data"] == d and r["votes"] > 1]
    for group, cells in groups.items():
        names = dict.fromkeys(
            n for r in cells for n in r if n not in ("data", "mix", "kind", "votes", "seed")
        )
        out[group] = {
            n: round(float(np.mean([r[n] for r in cells if r.get(n) is not None])), 4) for n in names
        } | {"cells": len(cells)}
        both = [r for r in cells if r["votes"] > 1]
        out[group]["cells where tilth's consensus is better / equal / worse than cleanlab's"] = [
            sum((r["tilth"] > r["cleanlab"]) - (r["tilth"] < r["cleanlab"]) == s for r in both)
            for s in (1, 0, -1)
        ]
    return out


def scale() -> dict[str, Any]:
    """A million judgements: 250,000 items, 2,000 annotators, 20 classes."""
    rng = np.random.default_rng(0)
    n, j, k = 250_000, 2_000, 20
    y, item = rng.integers(k, size=n), np.repeat(np.arange(n), 4)
    who = rng.integers(j, size=4 * n)
    right = rng.random(4 * n) < rng.uniform(0.4, 0.95, j)[who]
    label = np.where(right, y[item], rng.integers(k, size=4 * n))
    names = [f"{i:06}" for i in range(n)], [f"{i:04}" for i in range(j)], [f"{c:02}" for c in range(k)]
    votes = Votes.coded(*names, item, who, label)
    out: dict[str, Any] = {"votes": len(votes)}
    with clock() as used:
        a = agreement(votes)
    out["agreement"] = {"alpha": round(a.alpha.value, 4), **used}
    with clock() as used:
        found = fit(votes)
    out["tilth"] = {"accuracy": _share(found.label, y), **used}
    with clock() as used:
        found.quality(), found.confusions(), found.value_of_vote()
    out["quality, confusions, value of a vote"] = used
    out["peak_mib"] = peak_mib()
    try:
        from crowdkit.aggregation import DawidSkene
    except ImportError:
        return out
    frame = _frame(votes)
    with clock() as used:
        said = DawidSkene(100).fit_predict(frame)
    labels = np.array([int(said[name]) for name in votes.items])
    out["crowd-kit DawidSkene"] = {"accuracy": _share(labels, y), **used}
    out["peak_mib_with_crowdkit"] = peak_mib()
    print(json.dumps(out), flush=True)
    return out


def main() -> None:
    for part in sys.argv[1:] or ("crowd", "simulated", "scale"):
        body = {"crowd": crowd, "simulated": simulated, "scale": scale}[part]()
        save(f"annotators_{part}", body)
        print(json.dumps(body.get("mean", body), indent=1))


if __name__ == "__main__":
    main()
