"""Copies of records: all columns as one text, on the record-linkage sets, beside peers.

    python benchmarks/linkage.py               all
    python benchmarks/linkage.py CASE TOOL     one in this process (what the line above starts)

febrl1-3: one file with duplicates; febrl4: two files to link. Truth: the number in rec_id. Tools: tilth (this
search at 0.3, scored at several thresholds), datasketch (MinHashLSH on the same character 5-grams, its candidates
are its answer), recordlinkage (the example of its documentation: rows with one given name, six comparisons, more
than three must agree). er_magellan gives labelled pairs: the threshold is chosen on train and valid, the score
is on test, beside the published F1 of Ditto, which learns from those labels.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from typing import Any

from common import DATA, Missing, clock, in_process, peak_mib, save

import numpy as np

CASES = ("febrl1", "febrl2", "febrl3", "febrl4")
TOOLS = ("tilth", "datasketch", "recordlinkage")
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
DITTO = {"Structured/Beer": 0.9437, "Structured/iTunes-Amazon": 0.9706, "Dirty/iTunes-Amazon": None}
Pairs = set[tuple[int, int]]


def febrl(case: str) -> tuple[list[dict[str, str]], list[str], int]:
    """Records, the number of the person of each, and how many are in the first file (0: there is one)."""
    names = ["dataset4a", "dataset4b"] if case == "febrl4" else [f"dataset{case[-1]}"]
    rows: list[dict[str, str]] = []
    first = 0
    for name in names:
        path = DATA / "febrl" / f"{name}.csv"
        if not path.is_file():
            raise Missing(f"{path} is not there; set TILTH_DATA")
        with path.open(encoding="utf-8", newline="") as file:
            lines = [{k.strip(): v.strip() for k, v in r.items()} for r in csv.DictReader(file)]
        rows += lines
        first = first or (len(lines) if len(names) > 1 else 0)
    return rows, [r.pop("rec_id").split("-")[1] for r in rows], first


def truth_of(people: list[str], first: int) -> Pairs:
    """Pairs of records of one person; between two files only those across."""
    by: dict[str, list[int]] = {}
    for i, p in enumerate(people):
        by.setdefault(p, []).append(i)
    return {(a, b) for g in by.values() for a in g for b in g if a < b and (not first or a < first <= b)}


def score(found: Pairs, truth: Pairs) -> dict[str, float]:
    hit = len(found & truth)
    recall, precision = hit / len(truth), hit / max(len(found), 1)
    f1 = 2 * recall * precision / max(recall + precision, 1e-9)
    return {k: round(v, 4) for k, v in (("recall", recall), ("precision", precision), ("f1", f1))}


def tilth(rows: list[dict[str, str]], first: int) -> dict[float, Pairs]:
    from tilth.copies import find_copies, joined

    copies = find_copies(joined(*([r[c] for r in rows] for c in rows[0])), threshold=THRESHOLDS[0])
    members: dict[int, list[int]] = {}
    for i, g in enumerate(copies.exact.tolist()):
        members.setdefault(g, []).append(i)
    out: dict[float, Pairs] = {}
    for t in THRESHOLDS:
        linked = [(a, b) for a, b in copies.at(t).pairs.tolist()] + [(g, g) for g in members]
        pairs = {(min(i, j), max(i, j)) for a, b in linked for i in members[a] for j in members[b] if i != j}
        out[t] = {(i, j) for i, j in pairs if not first or i < first <= j}
    return out


def datasketch(rows: list[dict[str, str]], first: int) -> dict[float, Pairs]:
    from datasketch import MinHash, MinHashLSH

    texts = [re.sub(r"\s+", " ", f" {' '.join(r.values())} ").lower() for r in rows]
    sets = [[t[i : i + 5].encode() for i in range(len(t) - 4)] for t in texts]
    hashes = list(MinHash.generator(sets, num_perm=128, seed=7))
    out: dict[float, Pairs] = {}
    for t in THRESHOLDS:
        lsh, pairs = MinHashLSH(threshold=t, num_perm=128), set()
        for i, m in enumerate(hashes):
            pairs |= {(j, i) for j in lsh.query(m) if not first or j < first <= i}
            lsh.insert(i, m)
        out[t] = pairs
    return out


def recordlinkage(rows: list[dict[str, str]], first: int) -> dict[float, Pairs]:
    import pandas as pd
    import recordlinkage as rl

    frame = pd.DataFrame(rows).replace("", None)
    parts = (frame.iloc[:first], frame.iloc[first:]) if first else (frame,)
    index = rl.Index()
    index.block("given_name")
    compare = rl.Compare()
    compare.exact("given_name", "given_name")
    compare.string("surname", "surname", method="jarowinkler", threshold=0.85)
    compare.exact("date_of_birth", "date_of_birth")
    compare.exact("suburb", "suburb")
    compare.exact("state", "state")
    compare.string("address_1", "address_1", threshold=0.85)
    features = compare.compute(index.index(*parts), *parts)
    hits = features[features.sum(axis=1) > 3].index
    return {0.0: {(min(a, b), max(a, b)) for a, b in hits}}


def one(case: str, tool: str) -> None:
    rows, people, first = febrl(case)
    base = peak_mib()
    with clock() as used:
        found = {"tilth": tilth, "datasketch": datasketch, "recordlinkage": recordlinkage}[tool](rows, first)
    truth = truth_of(people, first)
    scores = {f"{t:g}": score(pairs, truth) for t, pairs in found.items()}
    best = max(scores, key=lambda t: scores[t]["f1"])
    body = {"case": case, "tool": tool, "rows": len(rows), "truth": len(truth), "best": best}
    print(json.dumps(body | used | {"added_mib": peak_mib() - base, "scores": scores}))


def magellan(name: str) -> dict[str, Any]:
    """F1 on the test pairs by similarity alone, at a threshold chosen on the other pairs."""
    from tilth.copies.jaccard import similarities

    def part(file: str) -> tuple[np.ndarray, np.ndarray]:
        texts: list[str] = []
        labels = []
        for line in (DATA / "er_magellan" / name / f"{file}.txt").read_text("utf-8").splitlines():
            a, b, label = line.split("\t")
            texts += [re.sub(r"COL \S+ VAL", "", x) for x in (a, b)]
            labels.append(int(label))
        pairs = np.arange(len(texts)).reshape(-1, 2)
        return similarities(texts, pairs, 0.001, lambda done, total: None), np.array(labels)

    def f1(s: np.ndarray, y: np.ndarray, t: float) -> float:
        hit = float(((s >= t) & (y == 1)).sum())
        return 2 * hit / max(float((s >= t).sum() + (y == 1).sum()), 1.0)

    known = [part("train"), part("valid")]
    s, y = (np.concatenate(x) for x in zip(*known, strict=True))
    grid = np.arange(0.05, 1.0, 0.01)
    threshold = float(grid[np.argmax([f1(s, y, t) for t in grid])])
    test, truth = part("test")
    return {
        "case": name, "pairs": len(truth), "threshold": round(threshold, 2), "f1": round(f1(test, truth, threshold), 4),
        "f1_at_0.7": round(f1(test, truth, 0.7), 4), "ditto_published": DITTO[name],
    }  # fmt: skip


def main() -> None:
    if len(sys.argv) == 3:
        return one(sys.argv[1], sys.argv[2])
    out: list[dict[str, Any]] = []
    for case in CASES:
        for tool in TOOLS:
            python = os.environ.get("TILTH_PEERS", sys.executable) if tool != "tilth" else sys.executable
            out.append({"case": case, "tool": tool} | in_process(__file__, case, tool, python=python))
            print(json.dumps(out[-1]), flush=True)
    pairs = [magellan(name) for name in DITTO]
    print(json.dumps(pairs))
    save("linkage", {"records": out, "pairs": pairs})


if __name__ == "__main__":
    main()
