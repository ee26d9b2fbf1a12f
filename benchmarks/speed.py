"""CPU seconds and peak memory of an audit and of a trial, at several sizes; and the peer's, in one run.

    python benchmarks/speed.py            all sizes and the peer
    python benchmarks/speed.py CASE N     one case in this process (what the line above starts)

Cases: audit-text, trial-text, trial-384, audit-peer-text (5-fold scikit-learn logistic regression on the
same TF-IDF features, then cleanlab Datalab with its default checks; on sparse features it leaves its
neighbour checks out), audit-384 and audit-peer-384 (the same on ready vectors, with them), fit-peer-384 (one scikit-learn logistic regression). Rows above BANKING77's 10,003 are
its rows with a few words exchanged, so that they are neither copies nor new classes.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from common import banking77, clock, in_process, peak_mib, plant, save

import numpy as np

SIZES = {
    "audit-text": (1_000, 10_000, 100_000),
    "trial-text": (1_000, 10_000, 100_000),
    "trial-384": (1_000, 10_000, 100_000),
    "fit-peer-384": (10_000,),
    "audit-384": (1_000, 10_000, 50_000),
    "audit-peer-384": (1_000, 10_000),
    "audit-peer-text": (1_000, 10_000),
}


def rows(n: int) -> tuple[list[str], list[str]]:
    """n rows in BANKING77's classes with 10 % planted errors."""
    texts, labels, *_ = banking77()
    rng = np.random.default_rng(0)
    words = sorted({w for t in texts for w in t.split()})
    order = rng.permutation(len(texts))
    out_texts, out_labels = [], []
    for number in range(n):
        i = int(order[number % len(order)])
        parts = texts[i].split()
        if number >= len(order):
            for at in rng.integers(0, len(parts), max(2, len(parts) // 3)):
                parts[at] = words[int(rng.integers(len(words)))]
        out_texts.append(" ".join(parts))
        out_labels.append(labels[i])
    return out_texts, plant(out_labels, 0.1, "symmetric", 1, {})


def vectors(n: int) -> tuple[np.ndarray, np.ndarray]:
    """n unit vectors of 384 numbers in 77 classes, as noisy as sentence embeddings are."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 77, n)
    centres = rng.normal(size=(77, 384)).astype(np.float32)
    x = centres[y] + 3.2 * rng.normal(size=(n, 384)).astype(np.float32)
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), y


def audit_text(n: int) -> dict[str, Any]:
    from tilth.audit.run import look, run
    from tilth.data import Row, Snapshot
    from tilth.recipes.text import TextLinear

    texts, labels = rows(n)
    ids = [f"{i:07d}" for i in range(n)]
    snapshot = Snapshot.of(Row(i, {"text": t}, c) for i, t, c in zip(ids, texts, labels, strict=True))
    base = peak_mib()
    with clock() as used:
        view = look(TextLinear(), snapshot, Snapshot([], [], {}), "text")
        findings, failed = run(view)
    return used | {"findings": len(findings), "failed": failed, "base_mib": base, "peak_mib": peak_mib()}


def trial(x_train: Any, x_test: Any, y: np.ndarray, truth: np.ndarray, penalty: float) -> dict[str, Any]:
    """A 500-row relabel (5 % of the rows where there are fewer than 10,000)."""
    import scipy.sparse as sp

    from tilth.trial.measure import Comparison, compare, jackknife_groups

    n = len(y)
    count = min(500, n // 20)
    rng = np.random.default_rng(0)
    given = y.copy()
    wrong = rng.permutation(n)[: 2 * count]
    given[wrong] = (given[wrong] + 1 + rng.integers(0, 70, len(wrong))) % 77
    fixed = given.copy()
    fixed[wrong[:count]] = y[wrong[:count]]
    x = sp.vstack([x_train, x_test], format="csr") if sp.issparse(x_train) else np.vstack([x_train, x_test])
    every = np.ones(n, dtype=bool)
    groups = np.zeros(x.shape[0], dtype=np.int64)
    groups[:n] = jackknife_groups(np.arange(n), given != fixed)
    test = n + np.arange(len(truth))
    c = Comparison(np.arange(n), given, fixed, every, every, test, truth)
    e = compare(x, [c], 77, penalty, groups=groups).effect()
    return {"effect": [round(v, 4) for v in (e.value, e.low, e.high)], "rows": n, "ops": count}


def trial_text(n: int) -> dict[str, Any]:
    from tilth.recipes.text import TextLinear
    from tilth.signals import encode_labels

    texts, labels = rows(n)
    _, _, test, truth = banking77()
    recipe = TextLinear()
    classes, y = encode_labels(labels, tuple(sorted(set(truth))))
    with clock() as used:
        learned, x = recipe.learn(texts)
        out = trial(x, learned.transform(test), y, encode_labels(truth, classes)[1], recipe.penalty)
    return used | out | {"peak_mib": peak_mib()}


def trial_384(n: int) -> dict[str, Any]:
    x, y = vectors(n + 3_000)
    with clock() as used:
        out = trial(x[:n], x[n:], y[:n], y[n:], 0.07)
    return used | out | {"peak_mib": peak_mib()}


def fit_peer_384(n: int) -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegression

    x, y = vectors(n)
    with clock() as used:
        LogisticRegression(C=20, max_iter=1000).fit(x, y)
    return used | {"peak_mib": peak_mib()}


def audit_peer_text(n: int) -> dict[str, Any]:
    import contextlib
    import io

    from cleanlab import Datalab
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_union

    texts, labels = rows(n)
    with clock() as used:
        union = make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2),
        )
        x = union.fit_transform(texts).tocsr().astype(np.float32)
        model = LogisticRegression(C=30, max_iter=100)
        p = cross_val_predict(model, x, labels, cv=5, method="predict_proba", n_jobs=1)
        with contextlib.redirect_stdout(io.StringIO()):
            lab = Datalab({"text": texts, "label": labels}, label_name="label", verbosity=0)
            lab.find_issues(pred_probs=p, features=x)
        found = lab.get_issue_summary().set_index("issue_type")["num_issues"].to_dict()
    return used | {"findings": {k: int(v) for k, v in found.items()}, "peak_mib": peak_mib()}


def audit_384(n: int) -> dict[str, Any]:
    """All checks on ready features; texts are there for the copy checks alone."""
    from tilth.audit.run import look, run
    from tilth.data import Row, Snapshot

    class Ready:
        name, penalty = "ready", 0.07

    texts, _ = rows(n)
    x, y = vectors(n)
    given = plant([f"c{c:02d}" for c in y], 0.1, "symmetric", 1, {})
    snapshot = Snapshot.of(
        Row(f"{i:07d}", {"text": t}, c) for i, (t, c) in enumerate(zip(texts, given, strict=True))
    )
    with clock() as used:
        view = look(Ready(), snapshot, Snapshot([], [], {}), "text", features=x)
        findings, failed = run(view)
    flagged = sum(f.code == "TIL101" for f in findings)
    return used | {"findings": len(findings), "label": flagged, "failed": failed, "peak_mib": peak_mib()}


def audit_peer_384(n: int) -> dict[str, Any]:
    from cleanlab import Datalab
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    x, y = vectors(n)
    given = plant([f"c{c:02d}" for c in y], 0.1, "symmetric", 1, {})
    with clock() as used:
        model = LogisticRegression(C=14, max_iter=1000)
        p = cross_val_predict(model, x, given, cv=5, method="predict_proba", n_jobs=1)
        lab = Datalab({"label": given}, label_name="label", verbosity=0)
        lab.find_issues(pred_probs=p, features=x)
        found = lab.get_issue_summary().set_index("issue_type")["num_issues"].to_dict()
    return used | {"findings": {k: int(v) for k, v in found.items()}, "peak_mib": peak_mib()}


CASES = {
    "audit-384": audit_384,
    "audit-peer-384": audit_peer_384,
    "audit-text": audit_text,
    "trial-text": trial_text,
    "trial-384": trial_384,
    "fit-peer-384": fit_peer_384,
    "audit-peer-text": audit_peer_text,
}


def main() -> None:
    if len(sys.argv) == 3:
        print(json.dumps(CASES[sys.argv[1]](int(sys.argv[2]))))
        return
    out: list[dict[str, Any]] = []
    for name, sizes in SIZES.items():
        for n in sizes:
            out.append({"case": name, "n": n} | in_process(__file__, name, n))
            print(json.dumps(out[-1]), flush=True)
    cpu = {(r["case"], r["n"]): r.get("cpu_s") for r in out}
    ratio = {}
    for kind in ("text", "384"):
        ours, peer = cpu.get((f"audit-{kind}", 10_000)), cpu.get((f"audit-peer-{kind}", 10_000))
        ratio[f"audit_{kind}_peer_over_ours_10000"] = round(peer / ours, 1) if ours and peer else None
    save("speed", {"cases": out, "ratios": ratio})
    print(json.dumps(ratio))


if __name__ == "__main__":
    main()
