"""Tests of each column: does it have the distribution that it had? With false-discovery control.

References
----------
Rabanser, Günnemann and Lipton, "Failing loudly", NeurIPS 2019 (univariate tests on what the model says are
the best simple detectors); Benjamini and Hochberg, JRSS B 1995.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tilth.data import Value
from tilth.drift.sample import Sample
from tilth.recipes import ngrams
from tilth.slices import moments, numbers

__all__ = ["ColumnTest", "benjamini_hochberg", "column_tests"]

LEAST = 5.0
"""Expected rows of a category; rarer ones are one category together."""
MOST_VALUES = 200
FEW_NUMBERS = 12


@dataclass(frozen=True)
class ColumnTest:
    """One test.

    Attributes
    ----------
    name : of the column, or of what was counted: "(length)", "(predicted label)" ...
    kind : "category" (chi square), "number" (Kolmogorov and Smirnov) or "missing" (chi square).
    p : p value of equal distributions.
    distance : how far apart, 0 to 1: total variation, or the largest gap between distribution functions.
    moved : what moved most: values with their share before and now; quartiles for numbers.
    drifted : whether it stands after false-discovery control.
    """

    name: str
    kind: str
    p: float
    distance: float
    moved: Sequence[tuple[str, float, float]]
    drifted: bool = False


def column_tests(known: Sample, new: Sample) -> list[ColumnTest]:
    """All tests that apply; none has been corrected yet."""
    out = []
    for name, values in known.columns.items():
        if name in new.columns:
            out += _column(name, values, new.columns[name])
    if len(known.texts) and len(new.texts):
        for name, (a, b) in text_numbers(known.texts, new.texts).items():
            out.append(number_test(f"({name})", a, b))
    if known.answers and new.answers:
        out.append(category_test("(predicted label)", known.answers, new.answers))
        out.append(number_test("(confidence)", known.confidence, new.confidence))
    return [t for t in out if np.isfinite(t.p)]


def benjamini_hochberg(p: np.ndarray, level: float) -> np.ndarray:
    """(m,) which hypotheses fall at a false-discovery rate of `level`.

    References
    ----------
    Benjamini and Hochberg, "Controlling the false discovery rate", JRSS B 1995.
    """
    m = len(p)
    order = np.argsort(p, kind="stable")
    fits = np.flatnonzero(p[order] <= level * np.arange(1, m + 1) / max(m, 1))
    out = np.zeros(m, dtype=bool)
    if len(fits):
        out[order[: fits[-1] + 1]] = True
    return out


def _column(name: str, known: Sequence[Value], new: Sequence[Value]) -> list[ColumnTest]:
    """Tests of one column of the data; times and names of rows differ by nature and are left out."""
    out = []
    gone = [np.array([v is None for v in values]) for values in (known, new)]
    if gone[0].sum() + gone[1].sum() > 0:
        said = [np.where(g, "missing", "there").tolist() for g in gone]
        out.append(category_test(name, *said, kind="missing"))
    a, b = ([v for v in values if v is not None] for values in (known, new))
    if not a or not b:
        return out
    both = [*a, *b]
    values = set(both)
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in both):
        if len(values) > FEW_NUMBERS:
            return [*out, number_test(name, numbers(a), numbers(b))]
    elif not np.isnat(moments(both[:50])).any():
        return out
    if len(values) <= MOST_VALUES or len(set(a)) < len(a) / 2:
        out.append(category_test(name, [str(v) for v in a], [str(v) for v in b]))
    return out


def category_test(
    name: str, known: Sequence[str], new: Sequence[str], *, kind: str = "category"
) -> ColumnTest:
    """Chi square of equal shares; categories expected in fewer than five rows are one together."""
    from scipy.special import gammaincc

    _, code = np.unique(np.array([*known, *new], dtype=object).astype(str), return_inverse=True)
    first = np.array(sorted(set(map(str, known)) | set(map(str, new))), dtype=object)
    counts = np.stack([np.bincount(c, minlength=len(first)) for c in np.split(code, [len(known)])])
    n = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(n, 1)
    distance = float(np.abs(shares[1] - shares[0]).sum() / 2)
    expected = counts.sum(axis=0) * n.min() / n.sum()
    rare = expected < LEAST
    table = np.concatenate([counts[:, ~rare], counts[:, rare].sum(axis=1, keepdims=True)], axis=1)
    table = table[:, table.sum(axis=0) > 0]
    hope = table.sum(axis=0) * n / n.sum()
    free = table.shape[1] - 1
    statistic = float(((table - hope) ** 2 / hope).sum()) if free else 0.0
    p = float(gammaincc(free / 2, statistic / 2)) if free else 1.0
    top = np.argsort(-np.abs(shares[1] - shares[0]), kind="stable")[:3]
    moved = [(str(first[i]), float(shares[0, i]), float(shares[1, i])) for i in top.tolist()]
    return ColumnTest(name, kind, p, distance, moved)


def number_test(name: str, known: np.ndarray, new: np.ndarray) -> ColumnTest:
    """Kolmogorov and Smirnov's test, asymptotic; with ties it errs on the side of no drift."""
    from scipy.special import kolmogorov

    a, b = np.sort(known), np.sort(new)
    at = np.concatenate([a, b])
    gap = np.searchsorted(a, at, side="right") / len(a) - np.searchsorted(b, at, side="right") / len(b)
    distance = float(np.abs(gap).max())
    size = len(a) * len(b) / (len(a) + len(b))
    # Stephens' correction for small samples
    p = float(kolmogorov((np.sqrt(size) + 0.12 + 0.11 / np.sqrt(size)) * distance))
    quarters = (0.25, 0.5, 0.75)
    moved = [
        (f"{q:.0%}", float(np.quantile(a, q)), float(np.quantile(b, q))) for q in quarters
    ]  # quartiles before and now
    return ColumnTest(name, "number", p, distance, moved)


def text_numbers(known: Sequence[str], new: Sequence[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What is counted in each text: characters, digits among them, words that no other known text has."""
    owners, hashes, start = [], [], 0
    for block in ngrams.blocks([*known, *new]):
        grams = ngrams.word_grams(block, 1)
        owners.append(grams.texts.astype(np.int64) + start)
        hashes.append(grams.hashes)
        start += block.count
    n, m = len(known), len(known) + len(new)
    owner = np.concatenate(owners) if owners else np.zeros(0, dtype=np.int64)
    words = np.unique(np.concatenate(hashes), return_inverse=True)[1] if hashes else owner
    pair = np.unique(owner * (int(words.max(initial=0)) + 1) + words)
    owner, words = np.divmod(pair, int(words.max(initial=0)) + 1)
    frequency = np.bincount(words[owner < n], minlength=int(words.max(initial=0)) + 1)
    # a known text knows its own words: they count only where another text has them, too
    unknown = frequency[words] - (owner < n) <= 0
    each = np.bincount(owner, minlength=m)
    share = np.bincount(owner[unknown], minlength=m) / np.maximum(each, 1)
    length = np.array([len(t) for t in [*known, *new]], dtype=np.float64)
    digits = np.array([sum(c.isdigit() for c in t) for t in [*known, *new]]) / np.maximum(length, 1)
    found = {"length": length, "unknown words": share, "digits": digits}
    return {name: (v[:n], v[n:]) for name, v in found.items()}
