"""The line of versions: what each patch did to the score, two versions compared, an earlier one restored."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import asdict
from itertools import islice
from typing import Any

from tilth import decisions
from tilth.data import Version
from tilth.errors import InputError, NotFound, Refused, StaleOp
from tilth.patch import Patch, op_json
from tilth.workspace import EVAL, Workspace

__all__ = ["between", "history", "restore", "would_restore"]


def history(ws: Workspace, dataset: str | None = None) -> list[dict[str, Any]]:
    """Versions of a data set (of all data sets), oldest first, each with the trial of its patch.

    Returns
    -------
    list of dict
        The version; title, author, origin, ops and predicted gain of its patch; `trial`: metric, judge,
        judged_on, recipe, before, after and effect where the patch was measured, else None. Scores are
        comparable where judge, metric and recipe are equal.
    """
    out = []
    for name in ws.store.datasets() if dataset is None else [dataset]:
        for version in ws.store.versions(name):
            out.append(asdict(version) | _made_by(ws, version))
    return out


def _made_by(ws: Workspace, version: Version) -> dict[str, Any]:
    """What is known about the patch that made a version."""
    about: dict[str, Any] = {
        "title": "",
        "author": "",
        "origin": "",
        "ops": {},
        "predicted": None,
        "trial": None,
    }
    if not version.patch:
        return about
    try:
        info = ws.store.patch_info(version.patch)
    except NotFound:  # an import is no patch on record
        return about
    decided = [d for d in ws.store.decisions(info.id) if d.state == "accepted"]
    trials = ws.store.records("trial", info.id) if version.dataset != EVAL else []
    return about | {
        "title": info.title,
        "author": decided[-1].author if decided else "",
        "origin": info.origin,
        "ops": dict(info.counts),
        "predicted": info.meta.get("predicted"),
        "trial": _trial(trials[-1]) if trials else None,
    }


def _trial(body: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("metric", "judge", "judged_on", "recipe", "before", "after", "effect", "verdict")
    return {k: body[k] for k in keys}


def between(
    ws: Workspace, a: str, b: str, *, start: int = 0, count: int = 20, op: str = ""
) -> dict[str, Any]:
    """What differs between two versions of a data set.

    Parameters
    ----------
    a, b : versions, as `Store.version` reads them; b without a data set is one of that of a.
    start, count : which of the changed rows are told in full, in order of ids.
    op : only changes of this kind; "" all.

    Returns
    -------
    dict
        counts by kind, rows of each class before and after, the versions in between with their trials,
        and the ops asked for.
    """
    store = ws.store
    first = store.version(a)
    second = store.version(b, first.dataset)
    if first.dataset != second.dataset:
        raise InputError(
            f"{a} is a version of {first.dataset}, {b} of {second.dataset}; compare one data set"
        )
    before, after = store.counts_by_label(first), store.counts_by_label(second)
    names = sorted({*before, *after}, key=lambda x: (x is None, x or ""))
    low, high = sorted((first.seq, second.seq))
    start = min(start, sys.maxsize - count)  # no row is there, and islice counts no further
    with closing(store.diff(first, second)) as found:  # type: ignore[type-var]
        wanted = (o for o in found if not op or o.kind == op)
        ops = [op_json(o) for o in islice(wanted, start, start + count)]
    return {
        "a": a,
        "b": b,
        "counts": store.diff_counts(first, second),
        "versions": [asdict(first), asdict(second)],
        "labels": [{"label": n, "before": before.get(n, 0), "after": after.get(n, 0)} for n in names],
        "steps": [v for v in history(ws, first.dataset) if low < v["seq"] <= high],
        "ops": ops,
        "start": start,
        "shown": len(ops),
    }


def would_restore(ws: Workspace, ref: str) -> dict[str, Any]:
    """What `restore` would do: patches that it undoes, newest first, and how many rows change.

    Raises
    ------
    Refused : the data set is like that already.
    """
    target = ws.store.version(ref)
    head = ws.head(target.dataset)
    if head.id == target.id:
        raise Refused(f"{target.dataset} has the rows of {target.dataset}@{target.seq} already")
    accepted = {info.id for info in ws.store.patches("accepted")}
    later = [v.patch for v in reversed(ws.store.versions(target.dataset)) if v.seq > target.seq]
    return {
        "dataset": target.dataset,
        "seq": target.seq,
        "reverts": [p for p in dict.fromkeys(later) if p in accepted],
        "counts": ws.store.diff_counts(head, target),
    }


def restore(ws: Workspace, ref: str, *, author: str) -> Version:
    """Bring the rows of an earlier version back: undo each patch since, newest first, as new versions.

    What was not done by a patch that is accepted now is undone by one last patch, so the rows are those of
    the version, exactly.

    Raises
    ------
    Refused : the data set is like that already.
    """
    todo, target = would_restore(ws, ref), ws.store.version(ref)
    with suppress(StaleOp):  # rows that were changed in a way that no accepted patch tells of
        for patch in todo["reverts"]:
            decisions.revert(ws, patch, author=author)
    head = ws.head(target.dataset)
    if head.id == target.id:
        return head
    name = f"{target.dataset}@{target.seq}"
    rest = Patch(
        target.dataset, head.id, tuple(ws.store.diff(head, target)), title=f"Restore {name}",
        reason=f"what else differed from {name}", author=author, origin=f"restore:{name}", created=ws.clock(),
    )  # fmt: skip
    return decisions.accept(ws, rest, force=f"restore {name}", author=author)
