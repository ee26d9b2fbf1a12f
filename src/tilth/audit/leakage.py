"""TIL203: a training row is a copy or near copy of an evaluation row."""

from __future__ import annotations

import numpy as np

from tilth.audit.base import Finding, Suggestion, View, excerpt, needs_texts
from tilth.copies import Copies

__all__ = ["Leakage", "leaked", "leaks"]


def leaked(view: View) -> tuple[np.ndarray, np.ndarray]:
    """Boolean masks: train rows with a copy in the evaluation set, and evaluation rows with one in train.

    Only direct copies count: a chain of near copies can join texts that have little in common.
    """
    return leaks(view.copies, len(view.train))


def leaks(copies: Copies, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The same of the copies among any n texts followed by others."""
    exact = copies.exact
    in_train, in_eval = np.unique(exact[:n]), np.unique(exact[n:])
    a, b = copies.pairs.T if len(copies.pairs) else (np.empty(0, int), np.empty(0, int))
    both = np.intersect1d(in_train, in_eval)
    train = [both, a[np.isin(a, in_train) & np.isin(b, in_eval)]]
    train.append(b[np.isin(b, in_train) & np.isin(a, in_eval)])
    evaluation = [both, b[np.isin(a, in_train) & np.isin(b, in_eval)]]
    evaluation.append(a[np.isin(b, in_train) & np.isin(a, in_eval)])
    return (
        np.isin(exact[:n], np.concatenate(train)),
        np.isin(exact[n:], np.concatenate(evaluation)),
    )


class Leakage:
    """Rows that make the score look better than it is."""

    code = "TIL203"
    name = "leakage into evaluation"

    def applies(self, view: View) -> str:
        """A reason when there are no texts, else ""."""
        return needs_texts(view)

    def find(self, view: View) -> list[Finding]:
        """One finding for each leaking train row."""
        if len(view.evaluation) == 0:
            return []
        n = len(view.train)
        exact = view.copies.exact
        first_eval: dict[int, int] = {}
        for position, group in enumerate(exact[n:]):
            first_eval.setdefault(int(group), position)
        partner: dict[int, tuple[int, float]] = {g: (g, 1.0) for g in first_eval}
        for (a, b), similarity in zip(view.copies.pairs, view.copies.similarity, strict=True):
            for one, other in ((int(a), int(b)), (int(b), int(a))):
                if other in first_eval and partner.get(one, (0, 0.0))[1] < similarity:
                    partner[one] = (other, float(similarity))
        out = []
        for i in np.flatnonzero(leaked(view)[0]).tolist():
            group, similarity = partner[int(exact[i])]
            there = first_eval[group]
            row_id, label = view.evaluation.ids[there], view.evaluation.labels[there]
            same = "a copy" if similarity == 1.0 else f"a near copy ({similarity:.2f})"
            out.append(
                Finding(
                    code=self.code,
                    rows=(view.train.ids[i],),
                    score=similarity,
                    message=f"{same} of evaluation row {row_id}",
                    evidence={
                        "eval_id": row_id,
                        "eval_label": label,
                        "label": view.train.labels[i],
                        "similarity": round(similarity, 3),
                        "text": excerpt(view.texts[i], 240),
                        "eval_text": excerpt(view.eval_texts[there], 240),
                    },
                    suggestions=(Suggestion("drop", view.train.ids[i]),),
                )
            )
        return sorted(out, key=lambda f: (-f.score, f.rows))
