"""Join judgements with rows: several files into one set of votes, each item found among the rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tilth.agreement import Judged, Judgements, Votes
from tilth.data import Snapshot

__all__ = ["join"]


class _Finder:
    """Position of a row by its id, else by its text."""

    def __init__(self, rows: Snapshot, column: str) -> None:
        self.ids = rows.index
        self.texts: dict[str, int] = {}
        if column in rows.columns:
            for at, text in enumerate(rows.texts(column)):
                self.texts.setdefault(text.strip(), at)  # of copies the first stands for all
            self.texts.pop("", None)

    def find(self, name: str, text: str, by: str) -> int:
        at = self.ids.get(name, -1) if by == "id" else -1
        return at if at >= 0 or not text else self.texts.get(text.strip(), -1)


def join(sheets: Sequence[Judgements], train: Snapshot, evaluation: Snapshot, text: str) -> Judged:
    """One set of votes from several files, oldest first; a later judgement replaces an earlier one.

    An item is matched to a row of train or of the evaluation set by its id, and where no row has this id
    by its text. Items with the same row, or the same name and no row, are one item.
    """
    inside, judges = _Finder(train, text), _Finder(evaluation, text)
    known: dict[tuple[int, int, str], int] = {}
    texts: list[str] = []
    names: list[list[str]] = [[], [], []]
    codes: list[list[np.ndarray]] = [[], [], []]
    for sheet in sheets:
        place = np.empty(len(sheet.items), dtype=np.int64)
        for i, (name, words) in enumerate(zip(sheet.items, sheet.texts, strict=True)):
            at = inside.find(name, words, sheet.by)
            other = judges.find(name, words, sheet.by) if at < 0 else -1
            key = (at, other, name if at < 0 and other < 0 else "")
            number = known.setdefault(key, len(known))
            if number == len(texts):
                texts.append(words if at < 0 and other < 0 else "")
                names[0].append(train.ids[at] if at >= 0 else evaluation.ids[other] if other >= 0 else name)
            place[i] = number
        codes[0].append(place[sheet.item])
        for slot, own, numbers in ((1, sheet.annotators, sheet.annotator), (2, sheet.labels, sheet.label)):
            codes[slot].append(numbers.astype(np.int64) + len(names[slot]))
            names[slot] += own
    item, annotator, label = (np.concatenate(x) for x in codes)
    who, annotator = _merged(names[1], annotator)
    classes, label = _merged(names[2], label, {x for x in train.labels if x is not None})
    keys = list(known)
    return Judged(
        Votes.coded(names[0], who, classes, item, annotator, label),
        np.array([k[0] for k in keys], dtype=np.int64),
        np.array([k[1] for k in keys], dtype=np.int64),
        texts,
    )


def _merged(
    names: list[str], codes: np.ndarray, more: set[str] | None = None
) -> tuple[list[str], np.ndarray]:
    """Names of several files, each once and ascending, and the codes in their numbers."""
    known = sorted({*names, *(more or ())})
    number = {name: i for i, name in enumerate(known)}
    return known, np.array([number[name] for name in names], dtype=np.int64)[codes]
