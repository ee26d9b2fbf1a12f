"""Run all detectors over one version; a check that fails is reported as failed, never as clean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import scipy.sparse as sp

from tilth.audit.ambiguous import Ambiguous
from tilth.audit.base import Detector, Finding, View
from tilth.audit.broken import BrokenRows
from tilth.audit.clauses import broken_findings
from tilth.audit.confused import Confused
from tilth.audit.contested import ContestedLabel
from tilth.audit.duplicates import ConflictingCopies, ExactCopies, NearCopies
from tilth.audit.eval_labels import EvaluationLabels, evaluation_signals
from tilth.audit.label_error import LabelError
from tilth.audit.leakage import Leakage
from tilth.audit.meaning import LeakedMeaning, SameMeaning
from tilth.audit.outliers import Outliers
from tilth.audit.shortcut import Shortcut
from tilth.audit.starved import StarvedClass
from tilth.audit.weak_slice import WeakSlices
from tilth.copies import find_copies
from tilth.data import Snapshot
from tilth.errors import CheckFailed
from tilth.neighbours import Space
from tilth.plugins import DETECTORS, Plugin, is_own, plugins
from tilth.recipes.base import Matrix, Recipe
from tilth.signals import Progress, encode_labels, group_folds, judge, out_of_sample

if TYPE_CHECKING:
    import pandas

__all__ = [
    "Audit", "audit", "described", "detectors", "look", "not_applicable", "offered", "refusals", "run",
    "space_of",
]  # fmt: skip

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
    not_applicable : code to reason for checks that say nothing about such data: *not* clean either.
    neighbours : how the nearest rows were found, where they were needed: "recall" (share of the true ten
        nearest that were found, measured on a sample), "recall_low", "exact".
    plugins : code to name, package and page of the checks that are not Tilth's own.
    noise : estimated share of wrong labels.
    accuracy : out-of-sample accuracy on the labels as given.
    seconds : CPU seconds.
    trust : how many labels are wrong, and what P(wrong) stands for, with intervals.
    self_test : what was found of faults planted in a copy of these rows; empty when not asked for.
    """

    version: str
    eval_version: str
    recipe: str
    rows: int
    findings: Sequence[Finding]
    failed: Mapping[str, str] = field(default_factory=dict)
    not_applicable: Mapping[str, str] = field(default_factory=dict)
    neighbours: Mapping[str, Any] = field(default_factory=dict)
    plugins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    noise: float = 0.0
    accuracy: float = 0.0
    seconds: float = 0.0
    trust: Mapping[str, Any] = field(default_factory=dict)
    self_test: Mapping[str, Any] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Number of findings by code; a check that ran and found nothing counts 0."""
        found = Counter(f.code for f in self.findings)
        silent = {*self.failed, *self.not_applicable}
        ran = [c for c in (*(d.code for d in _own()), *self.plugins) if c not in silent]
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
            "not_applicable": dict(self.not_applicable),
            "neighbours": dict(self.neighbours),
            "plugins": {code: dict(about) for code, about in self.plugins.items()},
            "seconds": round(self.seconds, 2),
            "trust": dict(self.trust),
            "self_test": dict(self.self_test),
            "findings": [f.to_json() for f in self.findings],
        }


def _own() -> list[Detector]:
    return [
        LabelError(), ConflictingCopies(), Ambiguous(), ContestedLabel(), EvaluationLabels(), ExactCopies(),
        NearCopies(), Leakage(), SameMeaning(), LeakedMeaning(), Outliers(), StarvedClass(), BrokenRows(),
        WeakSlices(), Confused(), Shortcut(),
    ]  # fmt: skip


def offered() -> list[Plugin]:
    """Detectors that installed packages offer as entry points `tilth.detectors`, also those refused."""
    return plugins(DETECTORS, [d.code for d in _own()])


def detectors(others: Iterable[Plugin] | None = None) -> list[Detector]:
    """Our detectors, then those of plug-ins that could be loaded.

    Parameters
    ----------
    others : the plug-ins, where `offered` was called already.
    """
    found = offered() if others is None else others
    return _own() + [cast(Detector, p.made) for p in found if p.made is not None]


def described(others: Iterable[Plugin]) -> dict[str, dict[str, str]]:
    """Code to name, package and page of the plug-ins that are in use."""
    used = [p for p in others if p.made is not None]
    return {
        p.name: {"name": str(getattr(p.made, "name", "")), "package": p.package, "page": p.page} for p in used
    }


def refusals(others: Iterable[Plugin]) -> dict[str, str]:
    """Refused plug-ins as failed checks: code to reason."""
    taken = {d.code for d in _own()}
    out: dict[str, str] = {}
    for p in others:
        if p.problem:
            # a rival of ours does not make our check a failed one
            out[p.key if p.name in out or p.name in taken else p.name] = f"{p.package}: {p.problem}"
    return out


def look(
    recipe: Recipe,
    train: Snapshot,
    evaluation: Snapshot,
    text: str,
    *,
    classes: tuple[str, ...] | None = None,
    features: Matrix | None = None,
    progress: Progress | None = None,
    threshold: float = 0.7,
) -> View:
    """Compute what detectors look at: features, copies, out-of-sample signals.

    Parameters
    ----------
    text : name of the column that holds the input.
    classes : fix the class names; default those that occur in train.
    features : of the train rows, when they are known already.
    threshold : least similarity of near copies.
    """
    texts, eval_texts = train.texts(text), evaluation.texts(text)
    learned = None
    if features is None:
        learned, features = recipe.learn(texts)
    names, labels = encode_labels(train.labels, classes)
    # nothing here asks for a lower threshold; `tilth duplicates` keeps similarities from 0.5 up
    both = [*texts, *eval_texts]
    copies = find_copies(both, threshold=threshold, floor=threshold, progress=progress)
    fold = group_folds(labels, copies.clusters()[: len(train)], FOLDS)
    logits = out_of_sample(features, labels, max(len(names), 1), recipe.penalty, fold=fold, progress=progress)
    if (labels >= 0).sum() == 0 or not names:
        names, labels = names or ("",), np.full(len(train), -1, dtype=np.int64)
        logits = np.zeros((len(train), len(names)), dtype=np.float32)
    signals = judge(names, labels, logits, fold)
    space, seen = space_of(recipe, features, eval_texts), None
    if learned is not None and len(evaluation) and (labels >= 0).any():
        tested = learned.transform(eval_texts)
        seen = evaluation_signals(features, signals, tested, list(evaluation.labels), recipe.penalty)
    return View(
        train, texts, features, signals, copies, evaluation, eval_texts,
        text=text, space=space, eval_signals=seen,
    )  # fmt: skip


def space_of(recipe: Recipe, features: Matrix, eval_texts: Sequence[str]) -> Space | None:
    """Embeddings where the recipe has them: dense features, or the last `recipe.dense` columns."""
    width, embed = getattr(recipe, "dense", 0), getattr(recipe, "embed", None)
    if features.shape[0] == 0 or (sp.issparse(features) and not width):
        return None
    others = (lambda: embed(eval_texts)) if embed is not None and eval_texts else None
    if sp.issparse(features):
        return Space(lambda: features[:, -width:].toarray(), others)
    return Space(lambda: features, others)


def not_applicable(view: View, checks: Iterable[Detector] | None = None) -> dict[str, str]:
    """Code to reason of the checks that cannot say anything about such data: they are not "clean".

    A detector may say so by a method `applies(view)` that returns a reason, or "". One that fails at it
    is not among these: `run` lists it as failed.
    """
    reasons: dict[str, str] = {}
    for check in checks if checks is not None else detectors():
        with suppress(Exception, SystemExit):
            reasons[check.code] = _reason(check, view)
    return {code: reason for code, reason in sorted(reasons.items()) if reason}


def _reason(check: Detector, view: View) -> str:
    """Why a check does not apply to a view, or ""."""
    applies = getattr(check, "applies", None)
    reason = "" if applies is None else applies(view)
    if not isinstance(reason, str):
        raise CheckFailed(f'applies gives a reason, or "", not {reason!r}')
    return reason


def audit(
    view: View, *, version: str, eval_version: str, recipe: str, began: float, clock: Callable[[], float]
) -> Audit:
    """Run every detector and sum up.

    Parameters
    ----------
    version, eval_version, recipe : ids to report.
    began, clock : CPU seconds before the view was made, and what tells them.
    """
    findings, failed = run(view)
    s = view.signals
    known = s.labels >= 0
    right = s.probabilities.argmax(axis=1) == s.labels
    return Audit(
        version=version,
        eval_version=eval_version,
        recipe=recipe,
        rows=len(view.train),
        findings=findings,
        failed=failed,
        not_applicable=not_applicable(view),
        neighbours={} if view.space is None else view.space.quality(),
        plugins=described(offered()),
        noise=float(s.p_wrong()[known].mean()) if known.any() else 0.0,
        accuracy=float(right[known].mean()) if known.any() else 0.0,
        seconds=clock() - began,
    )


def run(view: View, checks: Iterable[Detector] | None = None) -> tuple[list[Finding], dict[str, str]]:
    """Findings, ours first, in order of code; and the checks that failed with their errors.

    A plug-in that was refused, fails, or whose findings break the contract is a failed check. A check
    that is not applicable is passed over.

    Parameters
    ----------
    checks : what to run; default all `detectors`, and the refused plug-ins count as failed.
    """
    findings: list[Finding] = []
    failed: dict[str, str] = {}
    packages: dict[str, str] = {}
    if checks is None:
        others = offered()
        packages = {p.name: f"{p.package}: " for p in others}
        failed = refusals(others)
        checks = detectors(others)
    for check in sorted(checks, key=lambda d: (not is_own(d), d.code)):
        try:
            if _reason(check, view):
                continue
            found = check.find(view)
            if not is_own(check) and (broken := broken_findings(check, found, view)):
                raise CheckFailed(f"its findings break the contract and were left out: {broken[0]}")
            findings += found
        except (Exception, SystemExit) as error:  # anybody's detector: its failure is seen, not spread
            words = f"{check.name}: {type(error).__name__}: {error}"
            failed[check.code] = packages.get(check.code, "") + words
    return findings, failed
