"""Releases: what they know not to know, calibration, the promise of precision, parity, size and speed.

python benchmarks/release.py [linear embed noise promise speed]

CLINC150: train, thresholds from validation rows (in scope alone), everything measured on the test rows and the
1,000 out-of-scope test rows. BANKING77: a fifth of train decides and reports, measured on the test rows.
`embed` needs onnxruntime and the encoder. The peer of `speed` is scikit-learn with the same n-grams.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import DATA, banking77, clock, peak_mib, plant, save

import numpy as np

from tilth import stats
from tilth.project import Project
from tilth.release import load
from tilth.release.abstain import softmax
from tilth.release.export import rounded
from tilth.release.fitted import Fitted, fit
from tilth.release.stream import predict_file
from tilth.release.thresholds import choose
from tilth.signals import encode_labels

ROWS = 100_000
Data = dict[str, tuple[list[str], list[str]]]


def clinc() -> Data:
    """train, eval, test and out: texts and labels."""
    body = json.loads((DATA / "clinc150" / "data_full.json").read_text("utf-8"))
    names = {"train": "train", "eval": "val", "test": "test", "out": "oos_test"}
    return {k: ([t for t, _ in body[n]], [c for _, c in body[n]]) for k, n in names.items()}


def banking() -> Data:
    texts, labels, test, truth = banking77()
    return {"train": (texts, labels), "test": (test, truth)}


def write(path: Path, part: tuple[list[str], list[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["text", "label"])
        out.writerows(zip(*part, strict=True))
    return path


def auroc(known: np.ndarray, strange: np.ndarray) -> float:
    """P(a known row scores higher than a strange one); ties count half."""
    both = np.concatenate([known, strange])
    _, inverse, counts = np.unique(both, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n, m = len(known), len(strange)
    return float((rank[:n].sum() - n * (n + 1) / 2) / (n * m))


def released(folder: Path, data: Data, recipe: str) -> tuple[Any, Fitted]:
    """A project with these rows, released; and the training side of it."""
    train = write(folder / "train.csv", data["train"])
    held = write(folder / "eval.csv", data["eval"]) if "eval" in data else None
    with Project(folder / "p") as project:
        project.ingest(train, text="text", label="label", eval=held, recipe=recipe)
        with clock() as used:
            made = project.release()
        again = project.release(folder / "again")
        fitted = fit(project.workspace)
    out = {"release_cpu_s": used["cpu_s"], "megabytes": made.megabytes, "same_twice": again.id == made.id}
    return {**out, "path": made.path, "choice": made.choice.to_json()}, fitted


def training_side(fitted: Fitted, texts: list[str], weights: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities by scipy, with the given weights."""
    x = fitted.learned.transform(texts)
    logits = x.astype(np.float64) @ weights.astype(np.float64) + fitted.head.weights[-1]
    return softmax(np.asarray(logits) * temperature)


def product(whole: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """The weights that a bundle ships."""
    return np.asarray(whole * scales[:, None].astype(np.float64))


def weights_of(fitted: Fitted, texts: list[str], truth: np.ndarray) -> dict[str, Any]:
    """What rounding the weights costs."""
    w = fitted.head.weights[:-1]
    column = np.abs(w).max(axis=0) / 127
    kinds = {
        "float32": w,
        "float16": w.astype(np.float16).astype(np.float32),
        "int16, one scale a feature": product(*rounded(w, 1 << 40)).astype(np.float32),
        "int8, one scale a class": np.round(w / column) * column,
        "int8, one scale a feature": product(*rounded(w, 0)).astype(np.float32),
    }
    x, out = fitted.learned.transform(texts), {}
    exact = np.asarray(x @ w + fitted.head.weights[-1]).argmax(axis=1)
    for name, weights in kinds.items():
        best = np.asarray(x @ weights + fitted.head.weights[-1]).argmax(axis=1)
        size = {"float32": 4, "float16": 2, "int16": 2, "int8": 1}[name.split(",")[0]] * w.size / 1e6
        out[name] = {
            "accuracy": round(float((best == truth).mean()), 4),
            "same_labels": round(float((best == exact).mean()), 5),
            "megabytes": round(size, 1),
        }
    return out


def case(data: Data, recipe: str) -> dict[str, Any]:
    """One data set under one recipe."""
    with tempfile.TemporaryDirectory() as name:
        made, fitted = released(Path(name), data, recipe)
        release = load(made.pop("path"))
        texts, labels = data["test"]
        _, truth = encode_labels(labels, release.classes)
        found = release.scores(texts)
        right = found.best == truth
        answered = found.reason == 0
        body: dict[str, Any] = {
            **made,
            "accuracy": round(float(right.mean()), 4),
            "ece": round(stats.expected_calibration_error(found.confidence.astype(float), right), 4),
            "answered": round(float(answered.mean()), 4),
            "precision": round(float(right[answered].mean()), 4),
            "in_scope_refused": round(float((found.familiar < release.familiar).mean()), 4),
        }
        shipped = product(*rounded(fitted.head.weights[:-1]))
        t = float(np.float32(release.manifest["calibration"]["temperature"]))
        gap = np.abs(training_side(fitted, texts, shipped, t) - found.probabilities)
        body["parity"] = float(f"{gap.max():.2g}")
        if not recipe.startswith("text-embed"):
            body["weights"] = weights_of(fitted, texts, truth)
        if "out" in data:
            out = release.scores(data["out"][0])
            body["auroc"] = round(auroc(found.familiar, out.familiar), 4)
            body["auroc_probability"] = round(auroc(found.confidence, out.confidence), 4)
            body["out_of_scope_refused"] = round(float((out.familiar < release.familiar).mean()), 4)
            body["out_of_scope_not_answered"] = round(float((out.reason != 0).mean()), 4)
            n = int(answered.sum()) + int((out.reason == 0).sum())
            body["precision_with_out_of_scope"] = round(float(right[answered].sum() / n), 4)
            inside = np.array([len(s) for s in release.sets(out, 0.05)])
            body["out_of_scope_with_a_set_of_one"] = round(float((inside == 1).mean()), 4)
            sets = release.sets(found, 0.05)
            covered = [release.classes[c] in s for c, s in zip(truth.tolist(), sets, strict=True)]
            body["sets_cover"] = round(float(np.mean(covered)), 4)
            body["set_size"] = round(float(np.mean([len(s) for s in sets])), 3)
    return body


def noise() -> dict[str, Any]:
    """Calibration against the right labels when a tenth of those of train and of the deciding rows is wrong."""
    out: dict[str, Any] = {}
    for name, data in (("clinc150", clinc()), ("banking77", banking())):
        for kind, seed in (("train", 1), ("eval", 2)):
            if kind in data:
                data[kind] = (data[kind][0], plant(data[kind][1], 0.1, "symmetric", seed, {}))
        with tempfile.TemporaryDirectory() as folder:
            made, _ = released(Path(folder), data, "text-linear.v1")
            release = load(made["path"])
            found = release.scores(data["test"][0])
            right = found.best == encode_labels(data["test"][1], release.classes)[1]
            answered = found.reason == 0
            out[name] = {
                "accuracy": round(float(right.mean()), 4),
                "noise": round(release.manifest["calibration"]["noise"], 4),
                "ece": round(stats.expected_calibration_error(found.confidence.astype(float), right), 4),
                "answered": round(float(answered.mean()), 4),
                "precision": round(float(right[answered].mean()), 4) if answered.any() else None,
            }
    return out


def promise() -> dict[str, Any]:
    """How often the promise is kept: thresholds from resamples, the test rows are the population."""
    out: dict[str, Any] = {}
    for name, data in (("clinc150", clinc()), ("banking77", banking())):
        with tempfile.TemporaryDirectory() as folder:
            made, _ = released(Path(folder), data, "text-linear.v1")
            release = load(made["path"])
            found = release.scores(data["test"][0])
            _, truth = encode_labels(data["test"][1], release.classes)
            best, right, familiar = found.confidence, found.best == truth, found.familiar
            if "out" in data:
                far = release.scores(data["out"][0])
                best, familiar = np.append(best, far.confidence), np.append(familiar, far.familiar)
                right = np.append(right, np.zeros(len(far), dtype=bool))
            fine, rng = familiar >= release.familiar, np.random.default_rng(0)
            for n in (200, 500, 1000, 3000):
                for wanted in (0.9, 0.95, 0.98):
                    kept, given, share = [], 0, []
                    for _ in range(200):
                        pick = rng.integers(0, len(best), n)
                        choice = choose(best[pick], right[pick], fine[pick], wanted)
                        answered = fine & (best >= choice.probability)
                        kept.append(not answered.any() or right[answered].mean() >= wanted)
                        given += choice.kept
                        share.append(answered.mean())
                    out[f"{name} {n} rows, {wanted}"] = {
                        "kept": float(np.mean(kept)),
                        "given": given / 200,
                        "answered": round(float(np.mean(share)), 4),
                    }
                    print(name, n, wanted, out[f"{name} {n} rows, {wanted}"], flush=True)
    return out


def speed() -> dict[str, Any]:
    """Rows a CPU-second in memory and from file to file, one row, and scikit-learn in the same process."""
    data, out = clinc(), {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made, _ = released(folder, data, "text-linear.v1")
        began = time.perf_counter()
        release = load(made["path"])
        out["load_s"] = round(time.perf_counter() - began, 3)
        pool = data["test"][0] + data["eval"][0] + data["out"][0]
        texts = [pool[i % len(pool)] for i in range(ROWS)]
        write(folder / "big.csv", (texts, [""] * ROWS))
        before = peak_mib()
        for key, run in (
            ("scores_rows_a_cpu_s", lambda: release.scores(texts[:20_000])),
            ("file_rows_a_cpu_s", lambda: predict_file(release, folder / "big.csv", folder / "out.csv")),
        ):
            best = 1e9
            for _ in range(3):
                began = time.process_time()
                run()
                best = min(best, time.process_time() - began)
            out[key] = round((20_000 if "scores" in key else ROWS) / best)
        out["peak_mib"] = [before, peak_mib()]
        one, whole = [], []
        for text in pool[:2000]:
            began = time.perf_counter()
            release.scores([text])
            one.append(time.perf_counter() - began)
            began = time.perf_counter()
            release.predict([text])
            whole.append(time.perf_counter() - began)
        out["one_row_ms"] = {f"p{q}": round(float(np.percentile(one, q)) * 1e3, 3) for q in (50, 99)}
        out["one_answer_ms"] = {f"p{q}": round(float(np.percentile(whole, q)) * 1e3, 3) for q in (50, 99)}
    out["scikit_learn_rows_a_cpu_s"] = peer(data, texts[:20_000])
    return out


def peer(data: Data, texts: list[str]) -> int:
    """TfidfVectorizer of the same n-grams and the probabilities of LogisticRegression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    union = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2),
    )
    model = make_pipeline(union, LogisticRegression(max_iter=5)).fit(*data["train"])
    began = time.process_time()
    model.predict_proba(texts)
    return round(len(texts) / (time.process_time() - began))


def main() -> None:
    recipes = {"linear": "text-linear.v1", "embed": "text-embed.v1"}
    for part in sys.argv[1:] or ("linear", "noise", "promise", "speed"):
        if part in recipes:
            body: dict[str, Any] = {}
            for name, data in (("clinc150", clinc()), ("banking77", banking())):
                body[name] = case(data, recipes[part])
                print(part, name, json.dumps(body[name]), flush=True)
        else:
            body = {"promise": promise, "speed": speed, "noise": noise}[part]()
            print(part, json.dumps(body), flush=True)
        save(f"release-{part}", body)


if __name__ == "__main__":
    main()
