"""Learning-curve forecasts on public data: does the interval cover, and how wide is it?

    python benchmarks/curves.py            forecasts at twice the data
    TILTH_DATA=... is the folder of the public data sets

For each data set a curve is measured on half of its training rows (features learned from that half),
forecast at all of them, and compared with the score of the same recipe on all of them (features learned
anew) on the same test rows. Beside it two naive forecasts: the last value with the chance of the test
rows, and one power law with the same noise.
"""

from __future__ import annotations

import io
import wave
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from common import DATA, banking77, clinc150, clock

import numpy as np

from tilth.recipes.text import TextLinear
from tilth.signals import encode_labels
from tilth.trial import curve, subsample

LEVEL = 0.8


@dataclass(frozen=True)
class Set:
    """A data set: inputs (texts or vectors), class numbers, test rows."""

    name: str
    x: Any
    y: np.ndarray
    test: Any
    truth: np.ndarray
    penalty: float = 1.0


def features(s: Set, rows: np.ndarray) -> tuple[Any, Any]:
    """Features of some training rows and of the test rows, learned from those rows alone."""
    if isinstance(s.x, list):
        learned, x = TextLinear().learn([s.x[i] for i in rows])
        return x, learned.transform(s.test)
    x = s.x[rows].astype(np.float64)
    middle, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    spread[spread < 1e-6] = 1.0
    scale = lambda v: np.clip((v - middle) / spread, -8, 8).astype(np.float32)  # noqa: E731
    return scale(x), scale(s.test.astype(np.float64))


def text_sets() -> Iterator[Set]:
    for name, data in (("banking77", banking77()), ("clinc150", clinc150())):
        texts, labels, test, truth = data
        names, y = encode_labels(labels)
        t = encode_labels(truth, names)[1]
        yield Set(name, texts, y, test, t, 1 / 30)
        rng = np.random.default_rng(1)
        for few in (2_000, 600):
            keep = rng.permutation(len(y))[:few]
            yield Set(f"{name}-{few}", [texts[i] for i in keep], y[keep], test, t, 1 / 30)
        for k in (10, 30):
            chosen = rng.permutation(len(names))[:k]
            a, b = np.flatnonzero(np.isin(y, chosen)), np.flatnonzero(np.isin(t, chosen))
            code = {int(c): i for i, c in enumerate(chosen)}
            yield Set(f"{name}-{k}classes", [texts[i] for i in a], np.array([code[c] for c in y[a]]),
                      [test[i] for i in b], np.array([code[c] for c in t[b]]), 1 / 30)  # fmt: skip
        for rate in (0.1, 0.3):
            noisy = y.copy()
            wrong = rng.random(len(y)) < rate
            noisy[wrong] = rng.integers(0, len(names), wrong.sum())
            yield Set(f"{name}-noise{rate}", texts, noisy, test, t, 1 / 30)


def split(name: str, x: np.ndarray, y: np.ndarray, seed: int = 0, share: float = 0.3, **more: Any) -> Set:
    order = np.random.default_rng(seed).permutation(len(y))
    cut = round(len(y) * share)
    return Set(name, x[order[cut:]], y[order[cut:]], x[order[:cut]], y[order[:cut]], **more)


def bundled_sets() -> Iterator[Set]:
    from sklearn import datasets

    for load in (datasets.load_digits, datasets.load_breast_cancer, datasets.load_wine, datasets.load_iris):
        x, y = load(return_X_y=True)
        yield split(load.__name__[5:], np.asarray(x), np.asarray(y))


def image_sets() -> Iterator[Set]:
    with np.load(DATA / "mnist" / "train.npz") as a, np.load(DATA / "mnist" / "test.npz") as b:
        x, y = a["images"].reshape(len(a["labels"]), -1), a["labels"].astype(int)
        t, truth = b["images"].reshape(len(b["labels"]), -1), b["labels"].astype(int)
    keep = (x.std(axis=0) > 10).nonzero()[0]
    rng = np.random.default_rng(2)
    for n in (12_000, 2_000, 400):
        rows = rng.permutation(len(y))[:n]
        yield Set(f"mnist-{n}", x[rows][:, keep], y[rows], t[:4000, keep], truth[:4000], 3.0)
    with np.load(DATA / "pneumoniamnist" / "pneumoniamnist.npz") as z:
        yield Set("pneumoniamnist", z["train_images"].reshape(len(z["train_labels"]), -1)[:, ::3],
                  z["train_labels"].ravel().astype(int), z["val_images"].reshape(len(z["val_labels"]), -1)[:, ::3],
                  z["val_labels"].ravel().astype(int), 10.0)  # fmt: skip


def sound_sets() -> Iterator[Set]:
    """Spoken digits: mean log energies of 20 bands in 8 parts of each recording."""
    x, y, index, speaker = [], [], [], []
    with zipfile.ZipFile(DATA / "fsdd" / "recordings.zip") as archive:
        for name in sorted(n for n in archive.namelist() if n.endswith(".wav")):
            digit, who, number = name.rsplit("/", 1)[-1][:-4].split("_")
            with wave.open(io.BytesIO(archive.read(name))) as file:
                raw = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16).astype(float)
            raw = np.pad(raw, (0, max(0, 2048 - len(raw))))
            frames = np.lib.stride_tricks.sliding_window_view(raw, 256)[::128] * np.hanning(256)
            power = np.log1p(np.abs(np.fft.rfft(frames))[:, 1:121].reshape(len(frames), 20, 6).mean(axis=2))
            x.append(np.concatenate([p.mean(axis=0) for p in np.array_split(power, 8)]))
            y.append(int(digit)), index.append(int(number)), speaker.append(who)
    x, y, index = np.array(x), np.array(y), np.array(index)
    test = index < 10
    yield Set("fsdd", x[~test], y[~test], x[test], y[test], 3.0)
    _, who = np.unique(speaker, return_inverse=True)
    yield Set("fsdd-speaker", x[~test], who[~test], x[test], who[test], 3.0)


def table_sets() -> Iterator[Set]:
    for name in ("2_annthyroid", "12_fault", "19_landsat", "35_SpamBase", "29_Pima", "47_yeast", "7_Cardiotocography",
                 "30_satellite", "27_PageBlocks", "17_InternetAds", "4_breastw", "18_Ionosphere"):  # fmt: skip
        with np.load(DATA / "adbench_classical" / f"{name}.npz") as z:
            x, y = z["X"], z["y"].astype(int)
        yield split(name, x[:, :300], y)
    for name in ("winequality-white", "phoneme"):
        body = np.loadtxt(DATA / "tabular_uci" / f"{name}.csv", delimiter=",")
        y = np.unique(body[:, -1].round(), return_inverse=True)[1]
        yield split(name, body[:, :-1], y)


def sources() -> list[Callable[[], Iterator[Set]]]:
    return [bundled_sets, table_sets, sound_sets, image_sets, text_sets]


def one(s: Set, seed: int = 0) -> dict[str, Any]:
    """Forecast from a stratified half at all rows, beside the truth."""
    classes = int(max(s.y.max(), s.truth.max())) + 1
    order = subsample.nested_order(s.y, np.arange(len(s.y)), 100 + seed)
    half = np.sort(order[: len(order) // 2])
    everything = np.arange(len(s.y))
    x, test = features(s, half)
    with clock() as used:
        scores = subsample.measure(
            [subsample.Held(x, s.y[half], half, test, s.truth)], classes, s.penalty, seed=seed
        )
    full, full_test = features(s, everything)
    logits = subsample.head_scores(full, s.y, everything, full_test, classes, s.penalty)
    truth = float((logits.argmax(axis=1) == s.truth).mean())
    return (
        {"set": s.name, "classes": classes, "train": len(half), "test": len(s.truth), "truth": truth}
        | judge(scores, truth, len(s.y))
        | used
    )


def judge(scores: subsample.Scores, truth: float, n: int) -> dict[str, Any]:
    weights = np.full(len(scores.truth), 1 / len(scores.truth))
    fitted = curve.fit(subsample.points(scores, weights))
    now = 1 - float(fitted.points.errors[-1])
    z = 1.2816
    flat = z * np.sqrt(max(now * (1 - now), 1e-4) / len(scores.truth))
    body: dict[str, Any] = {"now": round(now, 4), "refused": fitted.refused}
    body["flat"] = [now, now - flat, now + flat]
    if fitted.refused:
        return body
    f = fitted.forecast(n, level=LEVEL)
    body |= {"forecast": [f.value, f.low, f.high], "gain": [f.gain, f.gain_low, f.gain_high]}
    body["luck"] = [fitted.points.luck.per_row, fitted.points.luck.flips]
    body["families"] = {k: round(v, 3) for k, v in fitted.families.items()}
    return body
