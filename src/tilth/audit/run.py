"""Run all detectors over one version; a check that fails is reported as failed, never as clean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import numpy as np

from tilth.audit.base import Detector, Finding, View
from tilth.audit.broken import BrokenRows
from tilth.audit.duplicates import ConflictingCopies, ExactCopies, NearCopies
from tilth.audit.label_error import LabelError
from tilth.audit.leakage import Leakage
from tilth.audit.outliers import Outliers
from tilth.audit.starved import StarvedClass
from tilth.copies import find_copies
from tilth.data import Snapshot
from tilth.recipes.base import Matrix, Recipe
from tilth.signals import Progress, encode_labels, group_folds, judge, out_of_sample

if TYPE_CHECKING:
    import pandas

__all__ = ["Audit", "detectors", "look", "run"]

FOLDS = 5


@dataclass(frozen=True)
class Audit:
    """The result of an audit.

    Attributes
    ----------
    version, eval_version, recipe : what was audited, under what.
    rows : number of rows audited.
    findings : all findings, in order of code, worst first within a code.
    failed : code to error for checks that could not be carried out: *not* clean.
    noise : estimated share of wrong labels.
    accuracy : out-of-sample accuracy on the labels as given.
    seconds : CPU seconds.
    trust : how many labels are wrong, and what P(wrong) stands for, with intervals.
    """

    version: str
    eval_version: str
    recipe: str
    rows: int
    findings: Sequence[Finding]
    failed: Mapping[str, str] = field(default_factory=dict)
    noise: float = 0.0
    accuracy: float = 0.0
    seconds: float = 0.0
    trust: Mapping[str, Any] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Number of findings by code; a check that ran and found nothing counts 0."""
        found = Counter(f.code for f in self.findings)
        ran = [d.code for d in detectors() if d.code not in self.failed]
        return {code: found[code] for code in sorted({*ran, *found})}

    def of(self, code: str) -> list[Finding]:
        """Findings of one code, worst first."""
        return [f for f in self.findings if f.code == code]

    def to_pandas(self) -> pandas.DataFrame:
        """One line a finding."""
        from tilth.frames import frame

        return frame([f.to_json() for f in self.findings])

    def __str__(self) -> str:
        counts = ", ".join(f"{code} {n}" for code, n in self.counts().items() if n)
        failed = f"; NOT CHECKED: {', '.join(self.failed)}" if self.failed else ""
        return f"{len(self.findings)} findings in {self.rows:,} rows ({counts or 'none'}){failed}"

    def _repr_html_(self) -> str:
        from tilth.frames import html_table

        rows = [
            {"code": f.code, "row": f.rows[0] if f.rows else "", "claim": f.message} for f in self.findings
        ]
        return html_table(str(self), rows)

    def to_json(self) -> dict[str, Any]:
        """Summary and findings as a JSON object."""
        return {
            "version": self.version,
            "eval_version": self.eval_version,
            "recipe": self.recipe,
            "rows": self.rows,
            "estimated_noise": round(self.noise, 4),
            "out_of_sample_accuracy": round(self.accuracy, 4),
            "counts": self.counts(),
            "failed": dict(self.failed),
            "seconds": round(self.seconds, 2),
            "trust": dict(self.trust),
            "findings": [f.to_json() for f in self.findings],
        }


def detectors() -> list[Detector]:
    """Our detectors and those that installed packages offer as entry points `tilth.detectors`."""
    own: list[Detector] = [
        LabelError(), ConflictingCopies(), ExactCopies(), NearCopies(), Leakage(), Outliers(),
        StarvedClass(), BrokenRows(),
    ]  # fmt: skip
    return own + [e.load()() for e in entry_points(group="tilth.detectors")]


def look(
    recipe: Recipe,
    train: Snapshot,
    evaluation: Snapshot,
    text: str,
    *,
    classes: tuple[str, ...] | None = None,
    features: Matrix | None = None,
    progress: Progress | None = None,
) -> View:
    """Compute what detectors look at: features, copies, out-of-sample signals.

    Parameters
    ----------
    text : name of the column that holds the input.
    classes : fix the class names; default those that occur in train.
    features : of the train rows, when they are known already.
    """
    texts, eval_texts = train.texts(text), evaluation.texts(text)
    if features is None:
        _, features = recipe.learn(texts)
    names, labels = encode_labels(train.labels, classes)
    copies = find_copies([*texts, *eval_texts])
    fold = group_folds(labels, copies.clusters()[: len(train)], FOLDS)
    logits = out_of_sample(features, labels, max(len(names), 1), recipe.penalty, fold=fold, progress=progress)
    if (labels >= 0).sum() == 0 or not names:
        names, labels = names or ("",), np.full(len(train), -1, dtype=np.int64)
        logits = np.zeros((len(train), len(names)), dtype=np.float32)
    signals = judge(names, labels, logits, fold)
    return View(train, texts, features, signals, copies, evaluation, eval_texts)


def run(view: View, checks: Iterable[Detector] | None = None) -> tuple[list[Finding], dict[str, str]]:
    """Findings in order of code, and the checks that failed with their errors."""
    findings: list[Finding] = []
    failed: dict[str, str] = {}
    for check in sorted(checks if checks is not None else detectors(), key=lambda d: d.code):
        try:
            findings += check.find(view)
        except Exception as error:  # a detector may be anybody's; its failure must be seen, not spread
            failed[check.code] = f"{check.name}: {type(error).__name__}: {error}"
    return findings, failed
