"""TIL204 same meaning within train, TIL205 the same meaning in train and in the evaluation set.

Two rows say the same when their embeddings are several times nearer to each other than a row of this data
usually is to its nearest neighbour: the threshold follows the data, so that a set of a thousand paraphrases
of one question is not a thousand findings. Rows with different labels are held against each other from half
that nearness on, because there at least one label is in doubt. Copies of the text (TIL201, TIL202, TIL203)
are left out here, and rows that differ in a number say different things, however near they are.

The neighbours are kept by the view, so another threshold needs no new search.

References
----------
Reimers and Gurevych, "Sentence-BERT", EMNLP 2019 (cosine of sentence embeddings as similarity of meaning);
Abbas et al., "SemDeDup: data-efficient learning at web-scale through semantic deduplication", 2023.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from tilth.audit.base import Finding, View, excerpt
from tilth.neighbours import Neighbours

__all__ = ["LeakedMeaning", "SameMeaning", "usual_similarity"]

EQUAL = 1e-4
"""Rows nearer than this are one row; they say nothing about what is usual."""
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def usual_similarity(neighbours: Neighbours) -> float:
    """Median over rows of the similarity of the nearest neighbour that is not equal to the row."""
    if neighbours.similarity.size == 0:
        return 0.0
    other = neighbours.similarity < 1.0 - EQUAL
    first = other.argmax(axis=1)
    lines = np.flatnonzero(other.any(axis=1))
    return float(np.median(neighbours.similarity[lines, first[lines]])) if len(lines) else 0.0


class _Meaning:
    """What both checks share: the threshold."""

    def __init__(self, nearer: float = 8.0, *, threshold: float | None = None) -> None:
        if not nearer > 1:
            raise ValueError(f"nearer is greater than 1, not {nearer}")
        if threshold is not None and not 0 < threshold <= 1:
            raise ValueError(f"threshold is in (0, 1], not {threshold}")
        self.nearer = nearer
        self.threshold = threshold

    def applies(self, view: View) -> str:
        """Why this check cannot say anything about these data, or ""."""
        return "" if view.space is not None else "needs embeddings; the recipe text-embed.v1 has them"

    def least(self, neighbours: Neighbours, share: float = 1.0) -> float:
        """The least similarity of rows that say the same: `nearer` * `share` times nearer than usual."""
        if self.threshold is not None:
            return self.threshold
        return 1.0 - max(1.0 - usual_similarity(neighbours), EQUAL) / max(self.nearer * share, 1.0)


class SameMeaning(_Meaning):
    """Rows that say the same in other words.

    Parameters
    ----------
    nearer : how many times nearer than usual two rows must be.
    threshold : a fixed cosine in (0, 1] instead.
    """

    code = "TIL204"
    name = "same meaning"

    def find(self, view: View) -> list[Finding]:
        """One finding a group; no suggestion, because paraphrases are wanted more often than not."""
        near = view.neighbours
        if near is None or near.index.size == 0:
            return []
        usual, n, y = usual_similarity(near), len(view.train), view.signals.labels
        line, column = np.nonzero(near.similarity >= self.least(near, 0.5))
        a, b = line, near.index[line, column].astype(np.int64)
        similarity = near.similarity[line, column]
        keep = (similarity >= self.least(near)) | ((y[a] != y[b]) & (y[a] >= 0) & (y[b] >= 0))
        a, b, similarity = a[keep], b[keep], similarity[keep]
        if view.has_texts:
            same = view.copies.clusters()[:n]
            keep = same[a] != same[b]
            keep[keep] = _numbers_agree(view.texts, a[keep], view.texts, b[keep])
            a, b, similarity = a[keep], b[keep], similarity[keep]
        if len(a) == 0:
            return []
        graph = sp.csr_matrix((np.ones(len(a), np.int8), (a, b)), shape=(n, n))
        _, group = connected_components(graph, directed=False)
        best = np.zeros(int(group.max()) + 1, dtype=np.float32)
        np.maximum.at(best, group[a], similarity)
        touched = np.unique(np.concatenate([a, b]))
        order = touched[np.argsort(group[touched], kind="stable")]
        parts = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
        found = [self._finding(view, part, float(best[group[part[0]]]), usual) for part in parts]
        return sorted(found, key=lambda f: (-f.score, f.rows))

    def _finding(self, view: View, members: np.ndarray, similarity: float, usual: float) -> Finding:
        labels = Counter(x for x in view.classes_of(members) if x is not None)
        mixed = ", with different labels" if len(labels) > 1 else ""
        return Finding(
            code=self.code,
            rows=tuple(view.train.ids[i] for i in members),
            score=similarity + (1.0 if mixed else 0.0),
            message=f"{len(members)} rows say the same (similarity up to {similarity:.3f}, usual {usual:.2f})"
            f"{mixed}",
            evidence={
                "similarity": round(similarity, 4),
                "usual": round(usual, 4),
                "texts": [excerpt(view.texts[i], 160) for i in members[:5]],
                "labels": dict(labels),
            },
        )


class LeakedMeaning(_Meaning):
    """Training rows that say the same as an evaluation row, in other words.

    Parameters
    ----------
    nearer : how many times nearer than rows of train usually are to each other the two must be.
    threshold : a fixed cosine in (0, 1] instead.
    """

    code = "TIL205"
    name = "leakage by meaning"

    def find(self, view: View) -> list[Finding]:
        """One finding for each training row; no suggestion: a person says whether it is a leak."""
        near, across = view.neighbours, view.eval_neighbours
        if near is None or across is None or across.index.size == 0 or near.index.size == 0:
            return []
        least, usual, n = self.least(near), usual_similarity(near), len(view.train)
        there, column = np.nonzero(across.similarity >= least)
        here, similarity = across.index[there, column].astype(np.int64), across.similarity[there, column]
        if view.has_texts:
            same = view.copies.clusters()
            keep = same[here] != same[n + there]
            keep[keep] = _numbers_agree(view.texts, here[keep], view.eval_texts, there[keep])
            here, there, similarity = here[keep], there[keep], similarity[keep]
        order = np.lexsort((there, -similarity, here))
        parts = np.split(order, np.flatnonzero(np.diff(here[order])) + 1) if len(order) else []
        out = []
        for part in parts:
            i, j, s = int(here[part[0]]), int(there[part[0]]), float(similarity[part[0]])
            row_id = view.evaluation.ids[j]
            out.append(
                Finding(
                    code=self.code,
                    rows=(view.train.ids[i],),
                    score=s,
                    message=f"says the same as evaluation row {row_id} "
                    f"(similarity {s:.3f}, usual {usual:.2f})",
                    evidence={
                        "eval_id": row_id,
                        "eval_label": view.evaluation.labels[j],
                        "label": view.train.labels[i],
                        "similarity": round(s, 4),
                        "usual": round(usual, 4),
                        "text": excerpt(view.texts[i], 240),
                        "eval_text": excerpt(view.eval_texts[j], 240),
                        "eval_rows": len(part),
                    },
                )
            )
        return sorted(out, key=lambda f: (-f.score, f.rows))


def _numbers_agree(texts: Sequence[str], a: np.ndarray, others: Sequence[str], b: np.ndarray) -> np.ndarray:
    """Whether texts[a] and others[b] name the same numbers; "50 pounds" is not "500 pounds"."""
    pairs = zip(a.tolist(), b.tolist(), strict=True)
    return np.fromiter(
        (sorted(NUMBER.findall(texts[i])) == sorted(NUMBER.findall(others[j])) for i, j in pairs),
        dtype=bool,
        count=len(a),
    )
