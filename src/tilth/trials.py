"""Trials of patches on the project's evaluation set, and the score of versions.

Rows that decide are not rows that report. A person's trial is judged on the *deciding half* of the
evaluation rows; before-and-after figures come from all of them as long as no accepted patch was judged
on any, and from the *reporting half* after that. Evaluation rows with a copy in train are not scored.
"""

from __future__ import annotations

import difflib
import hashlib
import time
from collections.abc import Mapping, Sequence

import numpy as np

from tilth.audit.base import View
from tilth.audit.leakage import leaked
from tilth.copies import find_copies
from tilth.data import Row, Snapshot
from tilth.errors import TrialError
from tilth.patch import Op, Patch, apply
from tilth.signals import Progress, encode_labels
from tilth.trial.floors import LEAST_ROWS, check_floors
from tilth.trial.measure import Comparison, Outcome, compare, jackknife_groups
from tilth.trial.record import Trial, classes_of, slice_effects, slices_of
from tilth.workspace import EVAL, TRAIN, Workspace

__all__ = ["deciding_half", "measure_patch", "measure_versions", "reporting_rows", "scorable"]


def deciding_half(ids: Sequence[str]) -> np.ndarray:
    """Boolean mask: a fixed half of the rows, by a digest of their ids."""
    first = [hashlib.sha256(i.encode("utf-8", "surrogatepass")).digest()[0] for i in ids]
    return np.array(first, dtype=np.uint8) < 128


def scorable(view: View, evaluation: Snapshot) -> tuple[np.ndarray, int, int]:
    """Mask of evaluation rows that can be scored; how many leak, how many have no known class."""
    _, classes = encode_labels(evaluation.labels, view.signals.classes)
    leaks = leaked(view)[1] if len(evaluation) else np.zeros(0, dtype=bool)
    return (classes >= 0) & ~leaks, int((leaks & (classes >= 0)).sum()), int((classes < 0).sum())


def reporting_rows(ws: Workspace, evaluation: Snapshot) -> tuple[np.ndarray, str]:
    """Mask of evaluation rows that have decided nothing, and which they are in words."""
    spent = any(
        info.state == "accepted" and str(info.meta.get("judge", "")).startswith("eval:")
        for info in ws.store.patches()
    )
    if not spent:
        return np.ones(len(evaluation), dtype=bool), "all evaluation rows: none of them decided anything"
    return ~deciding_half(evaluation.ids), "the half of the evaluation rows that decides nothing"


def _new_rows(ops: Sequence[Op]) -> list[Row]:
    """Rows with fields that train does not have yet: added and edited ones."""
    return [
        op.after
        for op in ops
        if op.after is not None and (op.before is None or op.before.fields != op.after.fields)
    ]


def _arms(
    ws: Workspace, base: Snapshot, after: Snapshot, ops: Sequence[Op], test: Snapshot
) -> tuple[object, Comparison, np.ndarray, tuple[str, ...]]:
    """One feature matrix for all rows of both arms and the evaluation rows, and the comparison on it."""
    new = _new_rows(ops)
    text = ws.config.columns.text
    texts = base.texts(text) + [str(row.fields.get(text, "")) for row in new]
    learned, features = ws.recipe.learn(texts)
    import scipy.sparse as sp

    tested = learned.transform(test.texts(text))
    stack = sp.vstack([features, tested], format="csr") if sp.issparse(features) else None
    x = np.vstack([features, tested]) if stack is None else stack
    classes, labels = encode_labels([*base.labels, *after.labels])
    before = np.concatenate([labels[: len(base)], np.full(len(new), -1)])
    changed = before.copy()
    touched = np.zeros(len(texts), dtype=bool)
    for op in ops:
        at = base.index.get(op.row_id)
        if at is not None:
            same = op.after is not None and op.before is not None and op.before.fields == op.after.fields
            label = op.after.label if same and op.after is not None else None
            changed[at] = classes.index(label) if label is not None else -1
            touched[at] = True
    for number, row in enumerate(new):
        changed[len(base) + number] = -1 if row.label is None else classes.index(row.label)
        touched[len(base) + number] = True
    _, truth = encode_labels(test.labels, classes)
    comparison = Comparison(
        train=np.arange(len(texts)),
        labels_a=np.maximum(before, 0),
        labels_b=np.maximum(changed, 0),
        in_a=before >= 0,
        in_b=changed >= 0,
        test=len(texts) + np.arange(len(test)),
        truth=truth,
    )
    return x, comparison, touched, classes


def _copied(patch: Patch, evaluation: Snapshot, text: str, threshold: float) -> np.ndarray:
    """Mask of evaluation rows that the patch would bring into train: whoever learned a row cannot fail it."""
    new = [str(row.fields.get(text, "")) for row in _new_rows(patch.ops)]
    if not new or not len(evaluation):
        return np.zeros(len(evaluation), dtype=bool)
    copies = find_copies([*new, *evaluation.texts(text)], threshold=threshold)
    inside = np.unique(copies.exact[: len(new)])
    first, second = copies.pairs.T
    near = [first[np.isin(second, inside)], second[np.isin(first, inside)]]
    return np.isin(copies.exact[len(new) :], np.concatenate([inside, *near]))


def _unknown_labels(patch: Patch, base: Snapshot) -> list[str]:
    """A label that train does not have may be a new class, or a slip of the pen."""
    known = sorted({label for label in base.labels if label is not None})
    new = sorted({op.after.label for op in patch.ops if op.after and op.after.label} - set(known))
    if not new:
        return []
    near = difflib.get_close_matches(new[0], known, 1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return [f"the patch brings in {len(new)} label(s) that train does not have, such as {new[0]!r}{hint}"]


def measure_versions(
    ws: Workspace,
    base: Snapshot,
    patch: Patch,
    test: Snapshot,
    *,
    progress: Progress | None = None,
) -> Outcome:
    """Effect of a patch on the given evaluation rows (all of known classes)."""
    after = apply(base, patch)
    x, comparison, touched, classes = _arms(ws, base, after, patch.ops, test)
    n = len(touched)
    groups = np.zeros(n + len(test), dtype=np.int64)
    groups[:n] = jackknife_groups(np.arange(n), touched)
    return compare(
        x,
        [comparison],
        len(classes),
        ws.recipe.penalty,
        groups=groups,
        metric=ws.config.goal.metric,
        progress=progress,
    )


def measure_patch(ws: Workspace, patch: Patch, *, progress: Progress | None = None) -> Trial:
    """Trial of one patch on the deciding half of the pinned evaluation set.

    Raises
    ------
    TrialError : the patch does not change train, or there are too few rows to judge on.
    """
    if patch.dataset != TRAIN:
        raise TrialError(
            f"patch {patch.id} changes {patch.dataset!r}. A trial holds the evaluation set fixed: scores "
            "before and after a change of it are never compared. Accept it without a trial."
        )
    began = time.process_time()
    base_version = ws.store.version(patch.base, TRAIN)
    base, evaluation = ws.snapshot(base_version), ws.evaluation()
    view = ws.view(progress)
    usable, leaks, unknown = scorable(view, evaluation)
    copied = usable & _copied(patch, evaluation, ws.config.columns.text, ws.config.copies.threshold)
    usable &= ~copied
    judges = evaluation.take(np.flatnonzero(usable & deciding_half(evaluation.ids)).tolist())
    if len(judges) < 10:
        raise TrialError(
            f"only {len(judges)} evaluation rows can judge (of {len(evaluation)}; half of them are kept "
            "for reporting). Give more with: tilth ingest FILE --eval FILE"
        )
    outcome = measure_versions(ws, base, patch, judges, progress=progress)
    columns, named = ws.config.columns, ws.named_slices(judges)
    notes = _left_out(leaks, int(copied.sum()), unknown, named) + _unknown_labels(patch, base)
    counts = patch.counts()
    return Trial(
        patch=patch.id,
        title=patch.title,
        base=patch.base,
        recipe=ws.recipe.name,
        metric=ws.config.goal.metric,
        judged_on=f"{len(judges)} evaluation rows (the half that decides; the other half reports)",
        judge=f"eval:{ws.head(EVAL).id}",
        ops=counts,
        effect=outcome.effect(),
        before=outcome.score("before"),
        after=outcome.score("after"),
        slices=slice_effects(outcome, slices_of(judges, columns.label, (columns.text, columns.id), named)),
        floors=check_floors(outcome, ws.config.floors, classes_of(judges, columns.label), named),
        gates=ws.gates(),
        seconds=time.process_time() - began,
        minutes=ws.config.minutes.of(counts),
        notes=tuple(notes),
    )


def _left_out(leaks: int, copied: int, unknown: int, named: Mapping[str, np.ndarray]) -> list[str]:
    """What was not measured, in words."""
    counted = (
        (leaks, "evaluation rows have a copy in train and were not scored"),
        (copied, "evaluation rows have a copy in what the patch adds; they were not scored"),
        (unknown, "evaluation rows have a label that train does not know"),
    )
    few = [(n, int(mask.sum())) for n, mask in named.items() if mask.sum() < LEAST_ROWS]
    return [f"{n} {words}" for n, words in counted if n] + [
        f"slice {name} has {n} rows that judge, and is not tested with fewer than {LEAST_ROWS}"
        for name, n in few
    ]
