"""Test accuracy, calibration and CPU seconds of the recipes; LinearSVC on the same texts beside them.

python benchmarks/recipes.py [text-linear.v1 text-embed.v1 text-embed.v1:alone linear-svc]
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from common import banking77, clinc150, clock, save

import numpy as np

from tilth import stats
from tilth.recipes import by_name, logistic
from tilth.signals import encode_labels, group_folds, out_of_sample

NAMES = ("text-linear.v1", "text-embed.v1", "text-embed.v1:alone", "linear-svc")


def ours(name: str, data: tuple[list[str], ...]) -> dict[str, Any]:
    texts, labels, test, truth = data
    with tempfile.TemporaryDirectory() as folder:
        base, _, alone = name.partition(":")
        recipe = by_name(base, cache=Path(folder) / "embeddings.db", ngrams=not alone)
        classes, y = encode_labels(labels)
        _, target = encode_labels(truth, classes)
        with clock() as features:
            learned, x = recipe.learn(texts)
            x_test = learned.transform(test)
        with clock() as fit:
            head = logistic.fit(logistic.design(x, recipe.penalty), y, len(classes))
            scores = head.scores(x_test)
        with clock() as folds:
            fold = group_folds(y, np.arange(len(y)), 5)
            held = out_of_sample(x, y, len(classes), recipe.penalty, fold=fold)
            calibration = stats.calibrate(held, y)
    p = stats.softmax(scores * np.float32(calibration.temperature))
    hits = (p.argmax(axis=1) == target).astype(float)
    return {
        "accuracy": round(float(hits.mean()), 4),
        "ece": round(stats.expected_calibration_error(p.max(axis=1), hits), 4),
        "out_of_sample_accuracy": round(float((held.argmax(axis=1) == y).mean()), 4),
        "noise": round(calibration.noise, 4),
        "features_cpu_s": features["cpu_s"],
        "fit_cpu_s": fit["cpu_s"],
        "five_folds_cpu_s": folds["cpu_s"],
    }


def svc(data: tuple[list[str], ...]) -> dict[str, Any]:
    """The peer: LinearSVC on TF-IDF by scikit-learn."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    texts, labels, test, truth = data
    union = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    )
    with clock() as used:
        model = make_pipeline(union, LinearSVC(C=0.5)).fit(texts, labels)
        accuracy = float((model.predict(test) == np.array(truth)).mean())
    return {"accuracy": round(accuracy, 4), **used}


def main() -> None:
    out: dict[str, Any] = {}
    for name in sys.argv[1:] or NAMES:
        for data_name, load in (("banking77", banking77), ("clinc150", clinc150)):
            body = svc(load()) if name == "linear-svc" else ours(name, load())
            out[f"{name} {data_name}"] = body
            print(name, data_name, json.dumps(body), flush=True)
    save("recipes", out)


if __name__ == "__main__":
    main()
