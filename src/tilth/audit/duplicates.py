"""TIL102 conflicting copies, TIL201 exact copies, TIL202 near copies: groups of copies in train."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from tilth.audit.base import Finding, Suggestion, View, excerpt, needs_texts

__all__ = ["ConflictingCopies", "ExactCopies", "NearCopies"]


def _groups(numbers: np.ndarray) -> Iterator[np.ndarray]:
    """Positions of each number that occurs more than once, in order of first occurrence."""
    order = np.argsort(numbers, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1):
        if len(members) > 1:
            yield members


def _labels(view: View, members: np.ndarray) -> set[str]:
    return {x for x in view.classes_of(members) if x is not None}


class ConflictingCopies:
    """Copies of one text under different labels: at least one of them is wrong."""

    code = "TIL102"
    name = "conflicting labels on copies"

    def applies(self, view: View) -> str:
        """A reason when there are no texts, else ""."""
        return needs_texts(view)

    def find(self, view: View) -> list[Finding]:
        """One finding a group; the suggestion is the most probable label given all the copies."""
        out = []
        for members in _groups(view.copies.exact[: len(view.train)]):
            if len(_labels(view, members)) < 2:
                continue
            known = members[view.signals.labels[members] >= 0]
            # a vote of the people who labelled the copies, and the model's view as one more vote
            votes = view.signals.probabilities[known].mean(axis=0)
            votes = votes + np.bincount(view.signals.labels[known], minlength=len(votes))
            best = view.signals.classes[int(votes.argmax())]
            counts = Counter(x for x in view.classes_of(members) if x is not None)
            wrong = [view.train.ids[i] for i in members if view.train.labels[i] not in (best, None)]
            said = ", ".join(f"{label} ({n})" for label, n in counts.most_common())
            out.append(
                Finding(
                    code=self.code,
                    rows=tuple(view.train.ids[i] for i in members),
                    score=float(1.0 + len(counts) / 100),
                    message=f"{len(members)} copies of one text are labelled {said}; {best} fits best",
                    evidence={
                        "text": excerpt(view.texts[members[0]], 240),
                        "labels": dict(counts),
                        "suggested": best,
                    },
                    suggestions=tuple(Suggestion("relabel", i, best) for i in wrong),
                )
            )
        return sorted(out, key=lambda f: -f.score)


class ExactCopies:
    """Copies of one text under one label: they count twice and teach nothing."""

    code = "TIL201"
    name = "exact duplicate"

    def applies(self, view: View) -> str:
        """A reason when there are no texts, else ""."""
        return needs_texts(view)

    def find(self, view: View) -> list[Finding]:
        """One finding a group; the suggestion keeps the first row of it."""
        out = []
        for members in _groups(view.copies.exact[: len(view.train)]):
            if len(_labels(view, members)) > 1:
                continue
            ids = [view.train.ids[i] for i in members]
            out.append(
                Finding(
                    code=self.code,
                    rows=tuple(ids),
                    score=float(len(members)),
                    message=f"{len(members)} copies of one text",
                    evidence={"text": excerpt(view.texts[members[0]], 240), "keep": ids[0]},
                    suggestions=tuple(Suggestion("drop", i) for i in ids[1:]),
                )
            )
        return sorted(out, key=lambda f: -f.score)


class NearCopies:
    """Rows that say the same with a word or two changed."""

    code = "TIL202"
    name = "near-duplicate"

    def applies(self, view: View) -> str:
        """A reason when there are no texts, else ""."""
        return needs_texts(view)

    def find(self, view: View) -> list[Finding]:
        """One finding a group around a representative; no suggestion, because variants can be wanted."""
        copies = view.copies.head(len(view.train))
        out = []
        for group in copies.groups():
            # one row of each exact group; the others are TIL201's
            _, first = np.unique(copies.exact[group.rows], return_index=True)
            at = np.sort(first)
            variants, alike = group.rows[at], group.similarity[at]
            if len(variants) < 2:
                continue
            labels = Counter(x for x in view.classes_of(group.rows) if x is not None)
            similarity = float(alike[1])
            mixed = ", with different labels" if len(labels) > 1 else ""
            ids = [view.train.ids[i] for i in variants]
            out.append(
                Finding(
                    code=self.code,
                    rows=tuple(ids),
                    score=similarity + (1.0 if mixed else 0.0),
                    message=f"{len(variants)} near copies (up to {similarity:.2f}){mixed}",
                    evidence={
                        "similarity": round(similarity, 3),
                        "representative": ids[0],
                        "similarities": [round(float(x), 3) for x in alike],
                        "texts": [excerpt(view.texts[i], 160) for i in variants[:5]],
                        "labels": dict(labels),
                    },
                )
            )
        return sorted(out, key=lambda f: (-f.score, f.rows))
