"""What speaks for one class and against another: the nearest rows of both, the words that differ."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from tilth.audit.base import View, excerpt

__all__ = ["EVIDENCE_ROWS", "nearest", "telling_words"]

EVIDENCE_ROWS = 200
"""Detectors look evidence up for so many of their worst findings: the rest of a list is rarely read."""
WORD = re.compile(r"\w+")
WORDS = 4
"""Words shown for a row."""
MANY, FEW = 20_000, 50
"""Of so many rows, only those of the two classes are compared with so few."""
MORE = 2.0
"""A word tells two classes apart when its share of rows differs by this factor at least."""


def nearest(
    view: View, positions: np.ndarray, suggested: np.ndarray, count: int = 3
) -> dict[int, list[dict[str, object]]]:
    """For each position the most similar rows of the suggested and of the given class."""
    if len(positions) == 0:
        return {}
    labels = view.signals.labels
    out: dict[int, list[dict[str, object]]] = {}
    for line, i in zip(_similarities(view, positions, suggested), positions.tolist(), strict=True):
        line[i] = -1.0
        rows = []
        for number in (suggested[i], labels[i]):
            members = np.flatnonzero(labels == number)
            best = members[np.argsort(-line[members], kind="stable")[:count]]
            rows += [
                {
                    "id": view.train.ids[j],
                    "label": view.train.labels[j],
                    "similarity": round(float(line[j]), 3),
                    "text": excerpt(view.texts[j]),
                }
                for j in best
                if line[j] > 0
            ]
        out[int(i)] = rows
    return out


def _to_classes(view: View, positions: np.ndarray, suggested: np.ndarray) -> Iterator[np.ndarray]:
    """The same where only rows of the suggested and of the given class are asked for; 0 for all others."""
    x, labels = view.features, view.signals.labels
    for i in positions.tolist():
        members = np.flatnonzero((labels == suggested[i]) | (labels == labels[i]))
        row = x[i : i + 1]
        line = np.zeros(x.shape[0], dtype=np.float32)
        line[members] = (x[members] @ (row.toarray() if sp.issparse(x) else row).T)[:, 0]
        yield line


def _similarities(view: View, positions: np.ndarray, suggested: np.ndarray) -> Iterator[np.ndarray]:
    """(n,) similarity of each position to all rows; a few positions at a time, for memory."""
    x = view.features
    if x.shape[0] > MANY and len(positions) <= FEW:
        yield from _to_classes(view, positions, suggested)
        return
    step = max(1, 2_000_000 // max(x.shape[0], 1))
    for start in range(0, len(positions), step):
        block = x[positions[start : start + step]]
        # dense on the right: of sparse factors the product would first turn all rows around
        yield from np.asarray(x @ block.T.toarray() if sp.issparse(x) else x @ block.T).T


def telling_words(
    view: View, positions: np.ndarray, suggested: np.ndarray, known: dict[int, Counter[str]] | None = None
) -> dict[int, list[dict[str, object]]]:
    """For each position the words of its text that are commoner in one of the two classes.

    Each word comes with the share of the suggested and of the given class whose texts have it, by the
    largest log ratio of the two (half a row is added to both, so that a rare word says little).

    Parameters
    ----------
    known : class number to the number of its rows with each word, as far as it was counted before; filled.
    """
    if len(positions) == 0 or not view.has_texts:
        return {}
    asked = {i: _words(view.texts[i]) for i in positions.tolist()}
    labels, seen = view.signals.labels, {} if known is None else known
    for number in {int(c) for i in asked for c in (labels[i], suggested[i])} - seen.keys():
        counted: Counter[str] = Counter()
        for i in np.flatnonzero(labels == number).tolist():
            counted.update(_words(view.texts[i]))
        seen[number] = counted
    size = np.bincount(labels[labels >= 0], minlength=len(view.signals.classes))
    return {
        i: _contrast(
            words, seen[int(suggested[i])], seen[int(labels[i])], size[suggested[i]], size[labels[i]]
        )
        for i, words in asked.items()
    }


def _words(text: str) -> frozenset[str]:
    return frozenset(WORD.findall(text[:5_000].lower()))


def _contrast(
    words: frozenset[str], there: Counter[str], here: Counter[str], many: int, own: int
) -> list[dict[str, object]]:
    """The words with the largest ratio of their shares in two classes of so many rows.

    The row itself is one of `here`, and is not counted: it would vouch for its own label.
    """
    found = []
    for word in words:
        a, b = there[word], here[word] - 1
        ratio = float(np.log((a + 0.5) / (many + 1.0)) - np.log((b + 0.5) / max(own, 1)))
        if abs(ratio) >= np.log(MORE):
            found.append((-abs(ratio) * np.sqrt(a + b), word, a, b))
    return [
        {
            "word": word,
            "suggested": round(a / max(int(many), 1), 3),
            "given": round(b / max(int(own) - 1, 1), 3),
        }
        for _, word, a, b in sorted(found)[:WORDS]
        if a + b
    ]
