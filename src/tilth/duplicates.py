"""`tilth duplicates`: groups of copies in train and in the evaluation set, at any threshold.

The search is made once for a version and kept with its similarities; another threshold only groups anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tilth.copies import Copies, Group, find_copies
from tilth.data import Snapshot
from tilth.errors import InputError, NotFound, Refused
from tilth.patch import Op, Patch
from tilth.signals import Progress
from tilth.workspace import EVAL, TRAIN, Workspace

if TYPE_CHECKING:
    import pandas

__all__ = ["Duplicates", "copies_of", "duplicates", "keep_one"]

EXCERPT = 160


@dataclass(frozen=True)
class Duplicates:
    """Groups of copies of one version of train and the evaluation set.

    Attributes
    ----------
    version, eval_version : what was searched; eval_version is "" without an evaluation set.
    rows, eval_rows : how many rows that is.
    threshold : least Jaccard similarity of near copies.
    floor : the lowest threshold that needs no new search.
    skipped : comparisons that were left out because very many rows have a passage in common.
    groups : as `tilth duplicates --json` prints them, the largest first.
    """

    version: str
    eval_version: str
    rows: int
    eval_rows: int
    threshold: float
    floor: float
    skipped: int
    groups: Sequence[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """All of it as a JSON object."""
        return {
            "version": self.version,
            "eval_version": self.eval_version,
            "rows": self.rows,
            "eval_rows": self.eval_rows,
            "threshold": self.threshold,
            "floor": self.floor,
            "skipped": self.skipped,
            "surplus": sum(max(g["train"] - 1, 0) for g in self.groups),
            "leaking": sum(g["train"] > 0 and g["eval"] > 0 for g in self.groups),
            "groups": list(self.groups),
        }

    def to_pandas(self) -> pandas.DataFrame:
        """One line for each row of a group."""
        from tilth.frames import frame

        return frame([{"group": i, **m} for i, g in enumerate(self.groups) for m in g["members"]])

    def __str__(self) -> str:
        return f"{len(self.groups):,} groups of copies in {self.rows:,} rows (threshold {self.threshold:g})"

    def _repr_html_(self) -> str:
        from tilth.frames import html_table

        keys = ("representative", "train", "eval", "least", "text")
        return html_table(str(self), [{k: g[k] for k in keys} for g in self.groups])


def duplicates(ws: Workspace, threshold: float | None = None, progress: Progress | None = None) -> Duplicates:
    """Copies in the head of train and the evaluation set.

    Parameters
    ----------
    threshold : least similarity of near copies, in (0, 1]; default [copies] threshold.

    Raises
    ------
    InputError : the threshold is none.
    """
    least = ws.config.copies.threshold if threshold is None else threshold
    if not 0 < least <= 1:
        raise InputError(f"threshold {least:g} is no similarity; give a number above 0 and up to 1, e.g. 0.8")
    version, evaluation = ws.head(TRAIN), ws.store.head(EVAL)
    train, other = ws.snapshot(version), ws.evaluation()
    column = ws.config.columns.text
    texts = [*train.texts(column), *other.texts(column)]
    copies = copies_of(ws, least, progress)
    return Duplicates(
        version.id,
        evaluation.id if evaluation else "",
        len(train),
        len(other),
        least,
        copies.floor,
        copies.skipped,
        [_group(g, train, other, texts) for g in copies.groups()],
    )


def keep_one(
    ws: Workspace,
    row: str,
    *,
    label: str | None = None,
    threshold: float | None = None,
    author: str = "person",
    progress: Progress | None = None,
) -> Patch:
    """The patch that keeps one row of a group of copies and drops the others of train.

    Parameters
    ----------
    row : the row to keep.
    label : its label from now on; needed where the labels of the group differ.
    threshold : as for `duplicates`.

    Raises
    ------
    NotFound : no such row in train, or it has no copies there.
    Refused : the labels differ and none was given.
    InputError : no row of train has that label.
    """
    version = ws.head(TRAIN)
    train = ws.snapshot(version)
    if row not in train.index:
        raise NotFound(f"no row {row!r} in train")
    groups = duplicates(ws, threshold, progress).groups
    group = next(
        (g for g in groups if any(m["id"] == row and m["dataset"] == TRAIN for m in g["members"])), None
    )
    ids = [m["id"] for m in group["members"] if m["dataset"] == TRAIN] if group else []
    if len(ids) < 2:
        raise NotFound(f"row {row!r} has no copies in train at this threshold; see: tilth duplicates")
    labels = sorted({str(train.labels[train.index[i]]) for i in ids})
    if label is None and len(labels) > 1:
        raise Refused(
            f"the copies of row {row!r} have the labels {', '.join(labels)}; say which is right with --label"
        )
    if label is not None and label not in train.labels:
        raise InputError(f"no row of train has the label {label!r}; the copies have {', '.join(labels)}")
    kept = train.row(train.index[row])
    ops = [Op(train.row(train.index[i]), None, f"copy of row {row}") for i in ids if i != row]
    if label is not None and label != kept.label:
        ops.append(Op(kept, replace(kept, label=label), "one label for all copies"))
    title = f"Keep row {row} of {len(ids)} copies" + (f", as {label}" if len(labels) > 1 else "")
    return Patch(
        TRAIN, version.id, tuple(ops), title=title, reason="one text counts once", author=author,
        origin="person:copies", created=ws.clock(),
    )  # fmt: skip


def copies_of(ws: Workspace, threshold: float, progress: Progress | None = None) -> Copies:
    """Copies among the rows of train and, after them, of the evaluation set; kept and not searched twice."""
    version, column = ws.head(TRAIN), ws.config.columns.text
    key = ws.key("copies", version.id, ws.eval_id())
    known = ws.store.record("copies", key)
    copies = None if known is None else Copies.from_json(known)
    if copies is None or threshold < copies.floor:
        texts = [*ws.snapshot(version).texts(column), *ws.evaluation().texts(column)]
        copies = find_copies(texts, threshold=threshold, progress=progress)
        ws.store.put_record("copies", key, copies.to_json(), subject=version.id, now=ws.clock())
    return copies.at(threshold)


def _group(group: Group, train: Snapshot, other: Snapshot, texts: Sequence[str]) -> dict[str, Any]:
    n, members = len(train), []
    for i, alike, exact in zip(group.rows.tolist(), group.similarity.tolist(), group.exact, strict=True):
        part, at = (train, i) if i < n else (other, i - n)
        members.append(
            {
                "id": part.ids[at],
                "dataset": TRAIN if i < n else EVAL,
                "label": part.labels[at],
                "similarity": round(alike, 4),
                "kind": "exact" if exact else ("words" if alike == 1 else "near"),
                "text": " ".join(texts[i][: 4 * EXCERPT].split())[:EXCERPT],
            }
        )
    inside = int(np.count_nonzero(group.rows < n))
    return {
        "representative": members[0]["id"],
        "train": inside,
        "eval": len(members) - inside,
        "least": members[-1]["similarity"] if members[-1]["kind"] != "exact" else 1.0,
        "labels": dict(Counter(m["label"] for m in members if m["label"] is not None)),
        "text": members[0]["text"],
        "members": members,
    }
