"""Decide on a procedure with training rows alone, so that evaluation rows can report.

A patch that was made from labels cannot be judged on the same labels. Therefore: hold a fold out, let
the procedure see only the rest (its own out-of-sample signals, its own findings), fit with and without
its ops, and score both on the fold's labels *as given*. Neither the procedure nor the arms saw them. If
the labels are noisy the effect is measured smaller than it is, never larger. Folds keep copies together.

What is accepted this way is the procedure; it is then applied to all rows.

References
----------
Chernozhukov et al., "Double/debiased machine learning", 2018, for cross-fitting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tilth.audit.base import Detector, View
from tilth.audit.broken import BrokenRows
from tilth.audit.duplicates import ConflictingCopies, ExactCopies
from tilth.audit.label_error import LabelError
from tilth.audit.leakage import Leakage
from tilth.audit.outliers import Outliers
from tilth.audit.run import look, run
from tilth.data import Snapshot
from tilth.errors import CheckFailed
from tilth.patch import Op, Patch, apply
from tilth.recipes.base import Matrix, Recipe
from tilth.signals import Progress, encode_labels, group_folds
from tilth.trial.measure import Base, Comparison, Outcome, compare, jackknife_groups
from tilth.trial.propose import Procedure

__all__ = ["Bench", "Fold"]

FOLDS = 5
ENOUGH = 2_500
"""Held-out rows that a decision wants; with many rows a few of the folds are enough."""


@dataclass
class Fold:
    """One held-out fold: the rows that judge, and the state of the rest after accepted procedures.

    Attributes
    ----------
    held : positions (in the start snapshot) of the judging rows.
    rows : the other rows, as the accepted procedures left them.
    views, bases : cache of the view of `rows` and of the arm fitted to them, by number of accepted
        procedures.
    """

    held: np.ndarray
    rows: Snapshot
    views: dict[int, View] = field(default_factory=dict)
    bases: dict[int, Base] = field(default_factory=dict)
    accepted: int = 0


class Bench:
    """Judges procedures one after the other; what was accepted becomes the base of the next.

    Parameters
    ----------
    recipe : what is trained.
    start : train rows at the start.
    evaluation : for the leakage check only; its labels are never looked at.
    text : column that holds the input.
    features : (n, d) features of the start rows.
    clusters : (n,) copies among the start rows.
    """

    def __init__(
        self,
        recipe: Recipe,
        start: Snapshot,
        evaluation: Snapshot,
        text: str,
        *,
        features: Matrix,
        clusters: np.ndarray,
        seed: int = 0,
    ) -> None:
        self.recipe, self.start, self.evaluation, self.text = recipe, start, evaluation, text
        self.features, self.clusters = features, clusters
        self.classes, self.labels = encode_labels(start.labels)
        fold = group_folds(self.labels, clusters, FOLDS, seed + 1)
        wanted = int(np.clip(np.ceil(ENOUGH / max(len(start) / FOLDS, 1)), 1, FOLDS))
        self.folds = [
            Fold(np.flatnonzero((fold == f) & (self.labels >= 0)), start.take(np.flatnonzero(fold != f)))
            for f in range(wanted)
        ]
        self.folds = [f for f in self.folds if len(f.held) and len(f.rows)]
        # one cut for all procedures, so that the arm without a patch is fitted once
        self.groups = jackknife_groups(clusters, np.zeros(len(start), dtype=bool))

    @property
    def judges(self) -> int:
        """Number of held-out rows that decide."""
        return sum(len(f.held) for f in self.folds)

    def held(self) -> Snapshot:
        """The judging rows, in the order of Outcome's rows, with their labels as given."""
        order = np.concatenate([f.held for f in self.folds]) if self.folds else np.empty(0, int)
        s = self.start
        return Snapshot(
            [s.ids[i] for i in order],
            [s.labels[i] for i in order],
            {n: [c[i] for i in order] for n, c in s.columns.items()},
            [s.sources[i] for i in order] if s.sources else (),
        )

    def _view(self, fold: Fold) -> View:
        if fold.accepted not in fold.views:
            at = [self.start.index[i] for i in fold.rows.ids]
            fold.views = {
                fold.accepted: look(
                    self.recipe,
                    fold.rows,
                    self.evaluation,
                    self.text,
                    classes=self.classes,
                    features=self.features[np.array(at, dtype=np.int64)],
                )
            }
        return fold.views[fold.accepted]

    def _ops(self, procedure: Procedure, fold: Fold) -> tuple[Op, ...]:
        findings, failed = run(self._view(fold), _checks(procedure.codes))
        if failed:
            raise CheckFailed("; ".join(failed.values()))
        return procedure.ops(findings, fold.rows)

    def judge(
        self,
        procedure: Procedure,
        *,
        metric: str,
        level: float = 0.95,
        progress: Progress | None = None,
    ) -> Outcome:
        """Measure a procedure on all judging rows."""
        comparisons, bases = [], []
        for number, fold in enumerate(self.folds):
            if progress:
                progress("held-out audit", number, len(self.folds))
            c = self._comparison(fold, self._ops(procedure, fold))
            comparisons.append(c)
            known = fold.bases.get(fold.accepted)
            if known is None or known.metric != metric:
                k, penalty = len(self.classes), self.recipe.penalty
                fold.bases = {fold.accepted: Base(self.features, c, k, penalty, self.groups, metric)}
            bases.append(fold.bases[fold.accepted])
        return compare(
            self.features,
            comparisons,
            len(self.classes),
            self.recipe.penalty,
            groups=self.groups,
            metric=metric,
            bases=bases,
            thorough=False,
            level=level,
            progress=progress,
        )

    def _comparison(self, fold: Fold, ops: Sequence[Op]) -> Comparison:
        lines = np.array([self.start.index[i] for i in fold.rows.ids], dtype=np.int64)
        _, before = encode_labels(fold.rows.labels, self.classes)
        after = before.copy()
        kept = before >= 0
        in_b = kept.copy()
        for op in ops:
            at = fold.rows.index[op.row_id]
            if op.after is None:
                in_b[at] = False
            else:
                after[at] = self.classes.index(op.after.label or "")
        return Comparison(
            train=lines,
            labels_a=np.maximum(before, 0),
            labels_b=np.maximum(after, 0),
            in_a=kept,
            in_b=in_b,
            test=fold.held,
            truth=self.labels[fold.held],
        )

    def accept(self, procedure: Procedure) -> None:
        """Make the procedure's effect part of every fold's base."""
        for fold in self.folds:
            ops = self._ops(procedure, fold)
            if ops:
                fold.rows = apply(fold.rows, Patch("train", "", ops))
            fold.accepted += 1


def _checks(codes: Sequence[str]) -> list[Detector]:
    """The detectors that a procedure reads, and no others."""
    label_error = LabelError()
    every: list[Detector] = [
        label_error, ConflictingCopies(), ExactCopies(), Leakage(), Outliers(), BrokenRows(),
    ]  # fmt: skip
    return [d for d in every if d.code in codes]
