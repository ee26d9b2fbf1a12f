"""TIL603: the label can be told from something that is not the content.

Each candidate (length of the text, source, position in the order of ids, parts of ids and file names,
columns of metadata) is cut into values or bins; how much of the label's information a bin tells is
measured on held-out folds. The mutual information of permuted labels says what chance would make of it,
and the largest over all candidates corrects for their number.

References
----------
Geirhos et al., "Shortcut learning in deep neural networks", Nature Machine Intelligence 2020;
Gururangan et al., "Annotation artifacts in natural language inference data", NAACL 2018.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilth.audit.base import Finding, View
from tilth.audit.weak_slice import judging_rows
from tilth.discovery.candidates import bins_of
from tilth.slices import moments, numbers

__all__ = ["Candidate", "Shortcut", "candidates", "tellings"]

PERMUTATIONS, MOST_ROWS = 200, 20_000
LEAST_SHARE = 0.10
"""A shortcut tells a tenth of the label's information; less is common and does no harm by itself."""
CERTAIN = 0.9
BINS, ROWS_SHOWN, LEAST_ROWS = 16, 50, 40
_DIGEST = re.compile(r"[0-9a-f]{16}(~\d+)?")


@dataclass(frozen=True)
class Candidate:
    """Something that a label might be told from.

    Attributes
    ----------
    name : in words.
    kind : "length", "order", "id", "source" or "column".
    codes : (n,) number of the value or bin of each row.
    """

    name: str
    kind: str
    codes: np.ndarray


@dataclass(frozen=True)
class Telling:
    """What a candidate tells.

    Attributes
    ----------
    candidate : which one.
    share : of the label's information (entropy), on held-out folds.
    accuracy, chance : share of rows whose class the candidate tells, and the largest class alone.
    p : corrected for the number of candidates.
    guess : (n,) class that the candidate tells for each row.
    """

    candidate: Candidate
    share: float
    accuracy: float
    chance: float
    p: float
    guess: np.ndarray


def _coded(values: Sequence[object]) -> np.ndarray:
    places: dict[object, int] = {}
    return np.array([places.setdefault(v, len(places)) for v in values], dtype=np.int64)


def candidates(view: View, rows: np.ndarray) -> list[Candidate]:
    """Everything but the content that rows have."""
    at = rows.tolist()
    lengths = np.array([len(view.texts[i]) for i in at], dtype=float)
    out = [Candidate("length of the text", "length", bins_of(lengths, BINS))]
    ids = [view.train.ids[i] for i in at]
    if not all(_DIGEST.fullmatch(i) for i in ids):  # ids made from the content stand in no order
        digits = [re.search(r"\d{1,15}(?!.*\d)", i) for i in ids]
        count = np.array([float(d[0]) if d else np.nan for d in digits])
        order = (
            count if np.isfinite(count).all() else np.argsort(np.argsort(ids, kind="stable")).astype(float)
        )
        out.append(Candidate("order of the ids", "order", bins_of(order, BINS)))
        out += _parts("id", "id", ids)
    if view.train.sources:
        sources = [view.train.sources[i] for i in at]
        out += [Candidate("source", "source", _coded(sources)), *_parts("source", "source", sources)]
    for name, column in view.train.columns.items():
        if name == view.text:
            continue
        values = [column[i] for i in at]
        known = [v for v in values if v is not None]
        sample = known[:1000]
        x = numbers(values) if sample and np.isfinite(numbers(sample)).all() else None
        if x is None and sample and not np.isnat(moments(sample)).any():
            x = moments(values).astype(np.int64).astype(float)
        if x is not None and len(set(sample)) > BINS:
            out.append(Candidate(f"column {name}", "column", bins_of(x, BINS)))
        else:
            out.append(Candidate(f"column {name}", "column", _coded(values)))
            if len(set(known)) > 50:
                out += _parts(f"column {name}", "column", [str(v or "") for v in values])
    # two names for one partition of the rows are one candidate
    partitions = {_coded(c.codes.tolist()).tobytes(): c for c in reversed(out)}
    return [c for c in reversed(partitions.values()) if len(np.unique(c.codes)) > 1]


def _parts(name: str, kind: str, values: Sequence[str]) -> list[Candidate]:
    """Beginning, folder, ending and length of an id or a file name."""
    start = [re.match(r"[^\d/\\]*", v.rpartition("/")[2]) for v in values]
    parts = {
        "beginning": [s[0] if s else "" for s in start],
        "folder": [v.rpartition("/")[0] for v in values],
        "ending": [v.rpartition(".")[2] if "." in v else "" for v in values],
        "number of characters": [str(len(v)) for v in values],
    }
    coded = {part: _coded(found) for part, found in parts.items()}
    return [
        Candidate(f"{name}: {part}", kind, codes)
        for part, codes in coded.items()
        if 1 < codes.max() + 1 <= max(len(codes) // 10, 2)
    ]


def _table(codes: np.ndarray, labels: np.ndarray, width: int, k: int) -> np.ndarray:
    """(width, k) how many rows have each code and each class."""
    return np.bincount(codes * k + labels, minlength=width * k).reshape(width, k)


def _information(table: np.ndarray) -> float:
    """Mutual information of a table of counts, nats."""
    n = table.sum()
    rows, columns = table.sum(axis=1), table.sum(axis=0)

    def part(x: np.ndarray) -> float:
        x = x[x > 0].astype(float)
        return float((x * np.log(x)).sum())

    return (part(table.ravel()) - part(rows) - part(columns)) / float(n) + float(np.log(n))


def tellings(
    found: Sequence[Candidate], labels: np.ndarray, fold: np.ndarray, *, seed: int = 0
) -> list[Telling]:
    """What each candidate tells about the labels, on held-out folds, with p values corrected for all.

    Parameters
    ----------
    labels : (n,) class numbers.
    fold : (n,) fold numbers; copies stand in one fold.
    """
    rng = np.random.default_rng(seed)
    n, k = len(labels), int(labels.max(initial=0)) + 1
    sample = np.sort(rng.permutation(n)[:MOST_ROWS])
    codes = [np.unique(c.codes[sample], return_inverse=True)[1] for c in found]
    widths = [int(c.max()) + 1 for c in codes]
    # each permutation serves all candidates, so that their largest is what chance makes of all; the labels
    # themselves are the first of the permutations, else they would be measured by another yardstick
    seen = np.empty((1 + PERMUTATIONS, len(found)))
    for number in range(1 + PERMUTATIONS):
        y = labels[sample] if number == 0 else labels[sample][rng.permutation(len(sample))]
        for j in range(len(found)):
            seen[number, j] = _information(_table(codes[j], y, widths[j], k))
    z = (seen - seen.mean(axis=0)) / np.maximum(seen.std(axis=0), 1e-12)
    most = z[1:].max(axis=1)
    out = []
    for j, c in enumerate(found):
        p = (1 + int((most >= z[0, j]).sum())) / (1 + PERMUTATIONS)
        share, accuracy, chance, guess = _held_out(c.codes, labels, fold, k)
        out.append(Telling(c, share, accuracy, chance, p, guess))
    return out


def _held_out(
    codes: np.ndarray, labels: np.ndarray, fold: np.ndarray, k: int
) -> tuple[float, float, float, np.ndarray]:
    """Share of the label's entropy told, accuracy, that of the largest class, and guesses, out of fold."""
    _, codes = np.unique(codes, return_inverse=True)
    width = int(codes.max(initial=0)) + 1
    told = known = hits = base = 0.0
    guess = np.zeros(len(labels), dtype=np.int64)
    for f in np.unique(fold):
        held = fold == f
        counts = _table(codes[~held], labels[~held], width, k)
        prior = (counts.sum(axis=0) + 0.5) / (counts.sum() + 0.5 * k)
        # a few rows of the prior keep a value that was seen once from claiming to know
        chance = (counts + 2.0 * prior) / (counts.sum(axis=1, keepdims=True) + 2.0)
        c, y = codes[held], labels[held]
        told += float(np.log(chance[c, y] / prior[y]).sum())
        known += float(-np.log(prior[y]).sum())
        guess[held] = chance.argmax(axis=1)[c]
        hits += float((guess[held] == y).sum())
        base += float((y == prior.argmax()).sum())
    n = max(len(labels), 1)
    return max(0.0, told / max(known, 1e-12)), hits / n, base / n, guess


class Shortcut:
    """What a model could learn instead of the task."""

    code = "TIL603"
    name = "shortcut"

    def __init__(self, alpha: float = 0.05, least: float = LEAST_SHARE) -> None:
        if not 0 < alpha < 1 or not 0 < least < 1:
            raise ValueError("alpha and least are in (0, 1)")
        self.alpha, self.least = alpha, least

    def applies(self, view: View) -> str:
        """Always: ids, sources and columns are there without texts."""
        return ""

    def find(self, view: View) -> list[Finding]:
        """One finding for each candidate that tells the label; what tells most first."""
        rows, wrong = judging_rows(view)
        labels = view.signals.labels[rows]
        if len(rows) < LEAST_ROWS or len(np.unique(labels)) < 2:
            return []
        found = tellings(candidates(view, rows), labels, view.signals.fold[rows])
        tried = {t.candidate.name: round(t.share, 4) for t in found}
        real = [t for t in found if t.p <= self.alpha and t.share >= self.least and t.accuracy > t.chance]
        real.sort(key=lambda t: (-t.share, t.candidate.name))
        return [self._finding(view, t, rows, wrong, tried) for t in real]

    def _finding(
        self, view: View, t: Telling, rows: np.ndarray, wrong: np.ndarray, tried: dict[str, float]
    ) -> Finding:
        labels = view.signals.labels[rows]
        agrees = t.guess == labels
        order = np.argsort(agrees, kind="stable")  # the exceptions first: they tell whether it is a rule
        with_it = float(1 - wrong[agrees].mean()) if agrees.any() else None
        against = float(1 - wrong[~agrees].mean()) if (~agrees).any() else None
        verdict, advice = _judgement(t)
        evidence: dict[str, Any] = {
            "shortcut": t.candidate.name,
            "kind": t.candidate.kind,
            "verdict": verdict,
            "share": round(t.share, 4),
            "accuracy": round(t.accuracy, 4),
            "largest_class": round(t.chance, 4),
            "p_adjusted": round(t.p, 4),
            "model_accuracy_where_it_holds": None if with_it is None else round(with_it, 4),
            "model_accuracy_where_it_fails": None if against is None else round(against, 4),
            "tried": tried,
        }
        return Finding(
            code=self.code,
            rows=tuple(view.train.ids[i] for i in rows[order[:ROWS_SHOWN]].tolist()),
            score=t.share,
            message=f"{t.candidate.name} alone tells the class of {t.accuracy:.0%} of the rows "
            f"(the largest class: {t.chance:.0%}; {t.share:.0%} of the label's information): {advice}",
            evidence=evidence,
        )


def _judgement(t: Telling) -> tuple[str, str]:
    """Whether this can be legitimate, and what to ask."""
    if t.candidate.kind == "column":
        if t.share >= CERTAIN:
            return "leak", "it all but contains the label; is it known before the label is?"
        return "ask", "legitimate if it is known when the model is asked, and means the same there"
    if t.candidate.kind == "length":
        return "ask", "classes may differ in length; if not by nature, it is an artefact of the collection"
    return "suspicious", "it says nothing about the content; rows were probably collected class by class"
