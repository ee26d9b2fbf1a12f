"""Known rows that are shown beside an answer that was not given: those most like the text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from tilth.errors import InputError
from tilth.release.forward import Model, Seen

__all__ = ["ROWS", "Evidence", "chosen", "evidence_files"]

ROWS = "evidence/rows.jsonl"
WIDTH = 300
"""Characters of a text that are kept."""
COMMON, DENSE_BYTES = 0.05, 16 << 20
"""An n-gram that more than this share of the rows hold is common; bytes that common ones may take in full."""


class Index(NamedTuple):
    """The rows by n-gram: few n-grams, those of nearly all texts, have most of the entries.

    Attributes
    ----------
    column : (g + 1,) by n-gram its row of `dense`, -1 where it has none; the last is for n-grams of no row.
    dense : (c, n) float32, values of the common n-grams in all rows; at most DENSE_BYTES.
    starts : (g + 2,) by n-gram where its entries in `rows` and `values` begin; none where it is dense.
    rows, values : rows that hold the other n-grams, and their values there; 16 bytes an entry.
    """

    column: np.ndarray
    dense: np.ndarray
    starts: np.ndarray
    rows: np.ndarray
    values: np.ndarray


def chosen(ids: Sequence[str], labels: np.ndarray, most: int) -> np.ndarray:
    """Positions of at most so many rows, the classes as even as their sizes allow; ascending.

    Within a class by a digest of the id, so that one more row in train changes few of them.
    """
    order = sorted(range(len(ids)), key=lambda i: hashlib.sha256(ids[i].encode("utf-8", "replace")).digest())
    seen: dict[int, int] = {}
    turn = np.empty(len(ids), dtype=np.int64)
    for i in order:
        turn[i] = seen.setdefault(int(labels[i]), 0)
        seen[int(labels[i])] += 1
    place = np.empty(len(ids), dtype=np.int64)
    place[order] = np.arange(len(ids))
    return np.asarray(np.sort(np.lexsort((place, turn))[:most]))


class Evidence:
    """Rows of a bundle that can be shown, and what finds them.

    Parameters
    ----------
    files : of the bundle; without evidence/rows.jsonl there is nothing to show.
    model : turns their texts into features, when they are first needed.
    """

    def __init__(self, files: Mapping[str, bytes], model: Model) -> None:
        self._model = model
        try:
            lines = files.get(ROWS, b"").decode("utf-8").splitlines()
            self.rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
            self._texts = [str(row["text"]) for row in self.rows]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(f"{ROWS} of the bundle cannot be read: {error}; release again") from error

    @cached_property
    def _index(self) -> Index:
        found, n = self._model.features(self._texts), len(self._texts)
        row = np.repeat(np.arange(n), np.diff(found.starts))
        held = np.bincount(found.places)
        common = np.flatnonzero(held > COMMON * n)
        common = common[np.argsort(-held[common], kind="stable")][: DENSE_BYTES // (4 * n)]
        column = np.full(len(held) + 1, -1)
        column[common] = np.arange(len(common))
        at = column[found.places]
        dense = np.zeros((len(common), n), dtype=np.float32)
        dense[at[at >= 0], row[at >= 0]] = found.values[at >= 0]
        rest = np.flatnonzero(at < 0)
        rest = rest[np.argsort(found.places[rest], kind="stable")]
        starts = np.searchsorted(found.places[rest], np.arange(len(held) + 2))
        return Index(column, dense, starts, row[rest], found.values[rest].astype(np.float64))

    @cached_property
    def _vectors(self) -> np.ndarray:
        """(n, e) embeddings of the rows."""
        assert self._model.embed is not None
        return self._model.embed(self._texts)

    def warm(self) -> None:
        """Do now what the first search would have to do."""
        if self.rows:
            _ = self._index if self._model.embed is None else self._vectors

    def nearest(self, seen: Seen, row: int, most: int = 3) -> tuple[dict[str, Any], ...]:
        """The known rows most like one row, with their cosine similarity; the most like first."""
        if not self.rows or seen.features is None:
            return ()
        if seen.embedded is not None:
            alike = self._vectors @ seen.embedded[row]
        else:
            alike = self._by_ngrams(seen, row)
        # of the best, and all that equal the last of them but for rounding, so that the order of copies
        # does not depend on the machine
        least = np.partition(alike, -most)[-most] - 1e-6 if most < len(alike) else -np.inf
        best = np.flatnonzero(alike >= least)
        order = best[np.argsort(-alike[best].round(6), kind="stable")][:most]
        return tuple(
            {**self.rows[i], "similarity": round(float(alike[i]), 4)} for i in order.tolist() if alike[i] > 0
        )

    def _by_ngrams(self, seen: Seen, row: int) -> np.ndarray:
        """(n,) cosines; unit length comes to one because both blocks have length sqrt(1/2)."""
        assert seen.features is not None
        found, index = seen.features, self._index
        a, b = int(found.starts[row]), int(found.starts[row + 1])
        places = np.minimum(found.places[a:b], len(index.column) - 1)
        weights, column = found.values[a:b], index.column[places]
        full, rare = np.flatnonzero(column >= 0), np.flatnonzero(column < 0)
        places = places[rare]
        first = index.starts[places]
        count = index.starts[places + 1] - first
        ends = np.cumsum(count)
        at = np.repeat(first - ends + count, count) + np.arange(ends[-1] if len(ends) else 0)
        entries = index.values[at] * np.repeat(weights[rare], count)
        alike = np.bincount(index.rows[at], weights=entries, minlength=len(self.rows))
        return np.asarray(alike + weights[full] @ index.dense.take(column[full], axis=0))


def evidence_files(ids: Sequence[str], texts: Sequence[str], labels: Sequence[str]) -> dict[str, bytes]:
    """The rows that can be shown as a file of the bundle."""
    lines = [
        json.dumps({"id": i, "text": " ".join(t.split())[:WIDTH], "label": y}, ensure_ascii=True)
        for i, t, y in zip(ids, texts, labels, strict=True)
    ]
    return {ROWS: ("\n".join(lines) + "\n").encode()} if lines else {}
