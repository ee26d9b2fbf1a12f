"""Known rows that are shown beside an answer that was not given: those most like the text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from tilth.errors import InputError
from tilth.release.forward import Model, Seen

__all__ = ["ROWS", "Evidence", "chosen", "evidence_files"]

ROWS = "evidence/rows.jsonl"
WIDTH = 300
"""Characters of a text that are kept."""


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
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{ROWS} of the bundle cannot be read: {error}; release again") from error

    @cached_property
    def _index(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """By n-gram: where its rows start, which they are, and its value in them."""
        found = self._model.features(self._texts)
        row = np.repeat(np.arange(len(self._texts)), np.diff(found.starts))
        order = np.argsort(found.places, kind="stable")
        width = int(found.places.max(initial=-1)) + 2
        starts = np.searchsorted(found.places[order], np.arange(width))
        return starts, row[order], found.values[order]

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
        # of the best, and all that equal the last of them, so that the order does not depend on chance
        least = np.partition(alike, -most)[-most] if most < len(alike) else -np.inf
        best = np.flatnonzero(alike >= least)
        order = best[np.argsort(-alike[best], kind="stable")][:most]
        return tuple(
            {**self.rows[i], "similarity": round(float(alike[i]), 4)} for i in order.tolist() if alike[i] > 0
        )

    def _by_ngrams(self, seen: Seen, row: int) -> np.ndarray:
        """(n,) cosines; unit length comes to one because both blocks have length sqrt(1/2)."""
        assert seen.features is not None
        found, (starts, rows, values) = seen.features, self._index
        a, b = int(found.starts[row]), int(found.starts[row + 1])
        places, weights = found.places[a:b], found.values[a:b]
        inside = places < len(starts) - 1
        places, weights = places[inside], weights[inside]
        first, count = starts[places], starts[places + 1] - starts[places]
        at = np.repeat(first - np.concatenate([[0], np.cumsum(count)[:-1]]), count) + np.arange(count.sum())
        return np.bincount(rows[at], weights=values[at] * np.repeat(weights, count), minlength=len(self.rows))


def evidence_files(ids: Sequence[str], texts: Sequence[str], labels: Sequence[str]) -> dict[str, bytes]:
    """The rows that can be shown as a file of the bundle."""
    lines = [
        json.dumps({"id": i, "text": " ".join(t.split())[:WIDTH], "label": y}, ensure_ascii=True)
        for i, t, y in zip(ids, texts, labels, strict=True)
    ]
    return {ROWS: ("\n".join(lines) + "\n").encode()} if lines else {}
