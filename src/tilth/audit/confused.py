"""TIL602: two classes that are confused with each other far more than others.

The wrong rows of a class are compared with what they would be if they fell on the other classes by size.

References
----------
Goodman, "The analysis of cross-classified data: independence, quasi-independence and interactions in
contingency tables with or without missing entries", JASA 1968 (the table without its diagonal);
Holm, Scandinavian Journal of Statistics 1979 (the correction over all pairs).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tilth.audit.base import Finding, View, excerpt
from tilth.audit.weak_slice import judging_rows
from tilth.discovery.candidates import Support
from tilth.discovery.wording import Wording
from tilth.stats import holm_adjusted, wilson

__all__ = ["Confused", "Pair", "confused_pairs"]

LEAST_ROWS, LEAST_SHARE, LEAST_LIFT, LEAST_CONCENTRATED = 5, 0.03, 2.0, 0.5
EXAMPLES, ROWS_SHOWN = 6, 200


@dataclass(frozen=True, slots=True)
class Pair:
    """Two classes and the rows that are taken for each other.

    Attributes
    ----------
    a, b : class numbers; `a` is the one that is mistaken more often.
    a_to_b, b_to_a : rows of one class that the model gives to the other.
    rows_a, rows_b : rows of the classes.
    wrong : rows of either class that the model gives to any other.
    expected : rows that would be confused if wrong rows fell on other classes by size.
    p : p value, corrected for the number of pairs.
    """

    a: int
    b: int
    a_to_b: int
    b_to_a: int
    rows_a: int
    rows_b: int
    wrong: int
    expected: float
    p: float

    @property
    def count(self) -> int:
        """Rows confused either way."""
        return self.a_to_b + self.b_to_a

    @property
    def share(self) -> float:
        """Of the rows of both classes."""
        return self.count / max(self.rows_a + self.rows_b, 1)

    @property
    def mutual(self) -> float:
        """1: as often one way as the other; 0: one way only."""
        return 2 * min(self.a_to_b, self.b_to_a) / max(self.count, 1)

    @property
    def lift(self) -> float:
        """Times more than expected."""
        return self.count / max(self.expected, 1e-9)

    @property
    def concentrated(self) -> float:
        """Part of the way from expected to all wrong rows of both classes; where classes are few or of
        unequal size an error has little choice, and a lift of two cannot be reached."""
        return (self.count - self.expected) / max(self.wrong - self.expected, 1e-9)


def confused_pairs(
    given: np.ndarray, predicted: np.ndarray, classes: int, *, alpha: float = 0.05
) -> list[Pair]:
    """Pairs confused more than chance among equals would have it; most rows above expectation first.

    Parameters
    ----------
    given, predicted : (n,) class numbers.
    alpha : chance that any pair is named where wrong rows fall on other classes by size.
    """
    from scipy.special import gammainc

    if classes < 3:
        return []  # two classes can only be confused with each other
    size = np.bincount(given, minlength=classes).astype(float)
    wrong = given != predicted
    codes, counts = np.unique(given[wrong] * classes + predicted[wrong], return_counts=True)
    table = dict(zip(codes.tolist(), counts.tolist(), strict=True))
    errors = np.bincount(given[wrong], minlength=classes).astype(float)
    rate = errors / np.maximum(size.sum() - size, 1)
    pairs = np.unique([sorted((c // classes, c % classes)) for c in codes.tolist()], axis=0).reshape(-1, 2)
    if not len(pairs):
        return []
    i, j = pairs.T
    forth = np.array([table.get(a * classes + b, 0) for a, b in pairs.tolist()])
    back = np.array([table.get(b * classes + a, 0) for a, b in pairs.tolist()])
    expected = rate[i] * size[j] + rate[j] * size[i]
    # P(Poisson(expected) >= count)
    p = gammainc(forth + back, np.maximum(expected, 1e-12))
    adjusted = holm_adjusted(p, classes * (classes - 1) // 2)
    out = []
    for number, (a, b) in enumerate(pairs.tolist()):
        f, r = int(forth[number]), int(back[number])
        a, b, f, r = (a, b, f, r) if f >= r else (b, a, r, f)
        rest = float(expected[number]), float(adjusted[number])
        out.append(Pair(a, b, f, r, int(size[a]), int(size[b]), int(errors[a] + errors[b]), *rest))
    out = [
        q
        for q in out
        if q.p <= alpha
        and q.count >= LEAST_ROWS
        and q.share >= LEAST_SHARE
        and (q.lift >= LEAST_LIFT or q.concentrated >= LEAST_CONCENTRATED)
    ]
    return sorted(out, key=lambda q: (q.expected - q.count, q.a, q.b))


class Confused:
    """Pairs of classes whose border is not clear: to the model, and often to those who label."""

    code = "TIL602"
    name = "confused classes"

    def __init__(self, alpha: float = 0.05) -> None:
        if not 0 < alpha < 1:
            raise ValueError(f"alpha is in (0, 1), not {alpha}")
        self.alpha = alpha

    def find(self, view: View) -> list[Finding]:
        """One finding for each pair, with rows that were taken for the other class."""
        s = view.signals
        rows, _ = judging_rows(view)
        predicted = s.probabilities[rows].argmax(axis=1) if len(rows) else np.empty(0, int)
        pairs = confused_pairs(s.labels[rows], predicted, len(s.classes), alpha=self.alpha)
        return [self._finding(view, q, rows, predicted) for q in pairs]

    def _finding(self, view: View, q: Pair, rows: np.ndarray, predicted: np.ndarray) -> Finding:
        s = view.signals
        one, two = s.classes[q.a], s.classes[q.b]
        given = s.labels[rows]
        mixed = rows[((given == q.a) & (predicted == q.b)) | ((given == q.b) & (predicted == q.a))]
        other = np.where(s.labels[mixed] == q.a, q.b, q.a)
        mixed = mixed[np.argsort(-s.probabilities[mixed, other], kind="stable")]
        words = self._words(view, rows[(given == q.a) | (given == q.b)], q)
        span = wilson(q.count, q.rows_a + q.rows_b)
        return Finding(
            code=self.code,
            rows=tuple(view.train.ids[i] for i in mixed[:ROWS_SHOWN].tolist()),
            score=q.count - q.expected,
            message=f"{one} and {two} are confused: {q.count} of {q.rows_a + q.rows_b:,} rows "
            f"({q.share:.0%}), {q.lift:.1f} times what their sizes explain; {q.a_to_b} of {one} "
            f"taken for {two}, {q.b_to_a} the other way (adjusted p {q.p:.2g})",
            evidence={
                "classes": [one, two],
                "confused": q.count,
                "there": q.a_to_b,
                "back": q.b_to_a,
                "rows": [q.rows_a, q.rows_b],
                "share": round(q.share, 4),
                "share_low": round(span.low, 4),
                "share_high": round(span.high, 4),
                "mutual": round(q.mutual, 3),
                "expected": round(q.expected, 2),
                "lift": round(q.lift, 1),
                "p_adjusted": float(f"{q.p:.3g}"),
                "words": words,
                "examples": [
                    {
                        "id": view.train.ids[i],
                        "label": view.train.labels[i],
                        "taken_for": s.classes[q.b if s.labels[i] == q.a else q.a],
                        "text": excerpt(view.texts[i], 160),
                    }
                    for i in mixed[:EXAMPLES].tolist()
                ],
            },
        )

    def _words(self, view: View, rows: np.ndarray, q: Pair) -> dict[str, list[str]]:
        """Words that tell the two classes apart: the start of a clause in the label guide."""
        texts = [view.texts[i] for i in rows.tolist()]
        wording = Wording.of(texts, Support(3, len(texts)))
        labels = view.signals.labels[rows]
        return {
            view.signals.classes[c]: [wording.spell(w) for w in wording.telling(labels == c, 6)]
            for c in (q.a, q.b)
        }
