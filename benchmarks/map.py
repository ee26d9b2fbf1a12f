"""The layout of the map: how near rows stay, and what it costs, beside other layouts.

    python benchmarks/map.py [CASE ...]     cases such as embeddings:10003 or ngrams:10003; default all
    python benchmarks/map.py METHOD CASE    one in this process (what the line above starts)

Data: sentence embeddings (all-MiniLM, 384 numbers) of BANKING77 and CLINC150 from the files bank_train_emb.npy and
clinc_train_emb.npy in the folder TILTH_EMBEDDINGS, 227 classes; up to 25,003 rows they are real, above they are drawn on
the line between a row and one of its five nearest, with noise. `ngrams` is BANKING77 under text-linear.v1 (256 directions; results/map.json: 128).
Methods: components (PCA), tilth (ten nearest rows and layout), umap (umap-learn, cosine), opentsne and sklearn (t-SNE, cosine).
Peers run with the interpreter TILTH_PEER_PYTHON; what they compile is compiled on 500 rows before the clock starts, and
they are given the same dense vectors. Measured on 500 rows of each: share of the ten nearest rows (by cosine of the vectors) that are among
the ten nearest in the plane, trustworthiness, and how often most of the ten nearest in the plane have the row's own label.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from common import Missing, banking77, clinc150, clock, in_process, peak_mib, save

import numpy as np

CASES = ("embeddings:1000", "embeddings:10003", "embeddings:25003", "embeddings:100000", "ngrams:10003")
METHODS = ("components", "tilth", "umap", "opentsne", "sklearn")
SLOW = {"sklearn": 10_003, "opentsne": 25_003}
"""Rows above which a method is left out."""


def embeddings(n: int) -> tuple[np.ndarray, np.ndarray]:
    """n unit vectors and class numbers."""
    from tilth.neighbours import Index

    folder = Path(os.environ.get("TILTH_EMBEDDINGS", "."))
    files = [folder / f"{name}_train_emb.npy" for name in ("bank", "clinc")]
    if not all(f.is_file() for f in files):
        raise Missing(f"no embeddings in {folder}; set TILTH_EMBEDDINGS")
    labels = [*banking77()[1], *(f"clinc {c}" for c in clinc150()[1])]
    x, y = (
        np.vstack([np.load(f) for f in files]).astype(np.float32),
        np.unique(labels, return_inverse=True)[1],
    )
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    rng = np.random.default_rng(0)
    if n == 10_003:
        return x[:n], y[:n]
    if n <= len(x):
        some = np.sort(rng.choice(len(x), n, replace=False))
        return x[some], y[some]
    near = Index.build(x).within(5).index
    base = np.concatenate([np.arange(len(x)), rng.integers(0, len(x), n - len(x))])
    share = rng.uniform(0, 0.6, n).astype(np.float32)[:, None]
    share[: len(x)] = 0
    z = (1 - share) * x[base] + share * x[near[base, rng.integers(0, 5, n)]]
    z += (share > 0) * rng.normal(0, 0.012, z.shape).astype(np.float32)
    return z / np.linalg.norm(z, axis=1, keepdims=True), y[base]


def ngrams(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Directions of n-grams of BANKING77."""
    from tilth.discovery.wording import project
    from tilth.maps import WIDTH
    from tilth.recipes.text import TextLinear

    texts, labels, *_ = banking77()
    _, x = TextLinear().learn(texts[:n])
    return project(x, width=WIDTH), np.unique(labels[:n], return_inverse=True)[1]


def lay_out(method: str, z: np.ndarray) -> np.ndarray:
    """(n, 2) by one method; nothing else imports it."""
    if method == "components":
        from tilth.layout2d import principal

        return principal(z)
    if method == "tilth":
        from tilth.layout2d import principal, unfold
        from tilth.neighbours import Index

        return unfold(Index.build(z).within(10).index, principal(z))
    if method == "umap":
        import umap

        return np.asarray(umap.UMAP(metric="cosine", random_state=0, n_jobs=1).fit_transform(z))
    if method == "opentsne":
        import openTSNE

        return np.asarray(openTSNE.TSNE(metric="cosine", random_state=0, n_jobs=1).fit(z))
    from sklearn.manifold import TSNE

    return np.asarray(TSNE(metric="cosine", random_state=0, n_jobs=1).fit_transform(z))


def one(method: str, case: str) -> dict[str, Any]:
    """One method on one case, in this process."""
    warnings.filterwarnings("ignore")
    from tilth.layout2d import faithfulness

    kind, _, n = case.partition(":")
    z, y = (embeddings if kind == "embeddings" else ngrams)(int(n))
    if method in ("umap", "opentsne", "sklearn"):
        lay_out(method, z[:500])  # what compiles itself does so now
    with clock() as spent:
        xy = lay_out(method, z)
    found = faithfulness(z, np.asarray(xy, dtype=np.float32), y)
    assert found is not None
    return {**spent, "peak_mib": peak_mib(), **found.to_json()}


def main() -> None:
    """All that was asked for, each in a process of its own; results of other cases are kept."""
    if len(sys.argv) == 3 and sys.argv[1] in METHODS:
        print(json.dumps(one(sys.argv[1], sys.argv[2])))
        return
    path = Path(__file__).parent / "results" / "map.json"
    old = json.loads(path.read_text("utf-8"))["runs"] if path.is_file() else []
    asked = sys.argv[1:] or CASES
    out = [r for r in old if r["case"] not in asked]
    for case in asked:
        for method in METHODS:
            if int(case.partition(":")[2]) > SLOW.get(method, 10**9):
                continue
            ours = method in ("components", "tilth")
            python = sys.executable if ours else os.environ.get("TILTH_PEER_PYTHON", sys.executable)
            out.append({"case": case, "method": method} | in_process(__file__, method, case, python=python))
            print(json.dumps(out[-1]), flush=True)
    save("map", {"date": time.strftime("%Y-%m-%d"), "cores": os.cpu_count(), "runs": out})


if __name__ == "__main__":
    main()
