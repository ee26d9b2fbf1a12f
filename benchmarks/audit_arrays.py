"""The whole audit from ready features and probabilities, against cleanlab Datalab with all its default checks.

    python benchmarks/audit_arrays.py               all sizes and the peer
    python benchmarks/audit_arrays.py CASE N        one case in this process (what the line above starts)

Synthetic as in the peers' figures: 77 classes, 384 features of noise around class centres, 10 % of the labels
flipped, the last 2 % of the rows near-copies of the first 2 %. Neighbours in such noise are hard to find:
a row is hardly nearer to its neighbours than to any row of its class. `real` repeats sentence embeddings
(all-MiniLM) of BANKING77 and CLINC150 from the files named in TILTH_EMBEDDINGS, a folder.

TILTH_PEER_PYTHON names the interpreter that has cleanlab, default this one.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from common import clock, in_process, peak_mib, save

import numpy as np

K, D = 77, 384
SIZES = {
    "ours": (10_000, 50_000, 200_000, 1_000_000),
    "ours-no-probabilities": (10_000, 50_000),
    "peer": (10_000, 50_000),
}


def make(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features (float32), probabilities, given labels, which of them are wrong."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, K, n)
    centres = rng.normal(size=(K, D)).astype(np.float32)
    x = centres[true]
    for a in range(0, n, 20_000):  # by blocks: float64 noise of a million rows is 3 GB
        x[a : a + 20_000] += 2.5 * rng.normal(size=(min(20_000, n - a), D)).astype(np.float32)
    copies = n // 50
    x[-copies:] = x[:copies] + 0.01 * rng.normal(size=(copies, D)).astype(np.float32)
    true[-copies:] = true[:copies]
    p = np.empty((n, K), dtype=np.float32)
    for a in range(0, n, 20_000):
        z = rng.normal(size=(min(20_000, n - a), K))
        z[np.arange(len(z)), true[a : a + 20_000]] += 5
        e = np.exp(z - z.max(axis=1, keepdims=True))
        p[a : a + 20_000] = e / e.sum(axis=1, keepdims=True)
    given = true.copy()
    flip = rng.random(n) < 0.10
    given[flip] = (given[flip] + rng.integers(1, K, int(flip.sum()))) % K
    return x, p, given, given != true


def score(flagged: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    hits = int((flagged & truth).sum())
    return {
        "flagged": int(flagged.sum()),
        "precision": round(hits / max(int(flagged.sum()), 1), 4),
        "recall": round(hits / max(int(truth.sum()), 1), 4),
    }


def copied(n: int) -> np.ndarray:
    """Which rows have a planted near-copy."""
    out = np.zeros(n, dtype=bool)
    out[: n // 50] = out[-(n // 50) :] = True
    return out


def recall_of(x: np.ndarray) -> float:
    """Share of the true ten nearest that are found, on 500 rows of another seed than the search's own."""
    from tilth.neighbours import Index

    found = Index.build(x).within(10)
    rows = np.random.default_rng(99).choice(len(x), 500, replace=False)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    hits = 0
    for i in rows:
        similar = unit @ unit[i]
        similar[i] = -1
        hits += len(np.intersect1d(np.argpartition(similar, len(x) - 10)[-10:], found.index[i]))
    return hits / (10 * len(rows))


def ours(n: int, ready: bool = True) -> dict[str, Any]:
    import tilth

    x, p, given, wrong = make(n)
    base = peak_mib()
    with clock() as used:
        audit = tilth.audit_arrays(x, given, p if ready else None)
    out = used | {"base_mib": base, "peak_mib": peak_mib(), "self_reported": dict(audit.neighbours)}
    flagged, same = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    flagged[[int(f.rows[0]) for f in audit.of("TIL101")]] = True
    same[[int(i) for f in audit.of("TIL204") for i in f.rows]] = True
    out |= {"label": score(flagged, wrong), "near_copies": score(same, copied(n)), "counts": audit.counts()}
    out |= {"failed": dict(audit.failed), "not_applicable": sorted(audit.not_applicable)}
    if n <= 200_000:
        out["neighbour_recall"] = round(recall_of(x), 4)
    return out


def peer(n: int) -> dict[str, Any]:
    import contextlib
    import io

    from cleanlab import Datalab

    x, p, given, wrong = make(n)
    base = peak_mib()
    with clock() as used, contextlib.redirect_stdout(io.StringIO()):
        lab = Datalab(data={"label": given}, label_name="label", task="classification", verbosity=0)
        lab.find_issues(pred_probs=p, features=x)
    summary = lab.get_issue_summary().set_index("issue_type")["num_issues"].to_dict()
    out = used | {"base_mib": base, "peak_mib": peak_mib(), "counts": {k: int(v) for k, v in summary.items()}}
    out["label"] = score(lab.get_issues("label")["is_label_issue"].to_numpy(), wrong)
    out["near_copies"] = score(
        lab.get_issues("near_duplicate")["is_near_duplicate_issue"].to_numpy(), copied(n)
    )
    return out


CASES = {"ours": ours, "ours-no-probabilities": lambda n: ours(n, False), "peer": peer}


def main() -> None:
    if len(sys.argv) == 3:
        print(json.dumps(CASES[sys.argv[1]](int(sys.argv[2]))))
        return
    out: list[dict[str, Any]] = []
    for name, sizes in SIZES.items():
        python = os.environ.get("TILTH_PEER_PYTHON", sys.executable) if name == "peer" else sys.executable
        for n in sizes:
            out.append({"case": name, "n": n} | in_process(__file__, name, n, python=python))
            print(json.dumps(out[-1]), flush=True)
    cpu = {(r["case"], r["n"]): r.get("cpu_s") for r in out}
    ratios = {
        f"peer_over_ours_{n}": round(cpu["peer", n] / cpu["ours", n], 1)
        for n in SIZES["peer"]
        if cpu.get(("peer", n)) and cpu.get(("ours", n))
    }
    save("audit_arrays", {"cases": out, "ratios": ratios})
    print(json.dumps(ratios))


if __name__ == "__main__":
    main()
