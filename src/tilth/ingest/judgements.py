"""Judgements: a file with one row for each label that an annotator gave an item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tilth.agreement import Judgements
from tilth.errors import BadRow, InputError
from tilth.ingest.base import Record, Source, did_you_mean, listed
from tilth.ingest.columns import LABEL_NAMES, TEXT_NAMES, likeness
from tilth.ingest.prepare import MISSING, BadRowLog, as_text

__all__ = ["JudgementColumns", "guess_judgement_columns", "read_judgements"]

ANNOTATOR_NAMES = "annotator worker rater coder labeler labeller judge reviewer crowdworker user person by"
ITEM_NAMES = (
    "item row task example object unit sample record document doc ticket question hit url id key uuid"
)
JUDGEMENT_NAMES = f"judgement judgment vote annotation answer response rating {LABEL_NAMES}"
EVERY = 50_000
"""Rows between two reports of progress."""


@dataclass(frozen=True)
class JudgementColumns:
    """Which column of a file of judgements is what.

    Attributes
    ----------
    item : id of the judged row; empty when rows are told by their text.
    text : text of the judged row; empty when the file has none.
    annotator, label : who said what.
    reasons : role to one sentence: why this column, or why none.
    """

    item: str
    annotator: str
    label: str
    text: str
    reasons: dict[str, str]


def guess_judgement_columns(
    source: Source,
    *,
    item: str | None = None,
    annotator: str | None = None,
    label: str | None = None,
    text: str | None = None,
    known: tuple[str, str, str] = ("", "", ""),
) -> JudgementColumns:
    """Find the columns by their names; what is given is checked and not guessed.

    Parameters
    ----------
    known : names of the project's own text, label and id columns; they are taken first.

    Raises
    ------
    InputError : a given column does not exist or has two meanings, or no column can be guessed.
    """
    given = {"item": item, "annotator": annotator, "label": label, "text": text}
    _check(source, given)
    taken = [name for name in given.values() if name]
    reasons = {role: f"{name!r} was given" for role, name in given.items() if name}
    own_text, own_label, own_id = known
    # the annotator first: "worker_id" is like an id, and "label_by" like a label
    wishes = (
        ("annotator", ANNOTATOR_NAMES, ""),
        ("label", JUDGEMENT_NAMES, own_label),
        ("item", ITEM_NAMES, own_id),
        ("text", TEXT_NAMES, own_text),
    )
    for role, names, own in wishes:
        if given[role] is not None:
            continue
        given[role] = _best(source.columns, taken, names, own)
        if given[role]:
            taken.append(str(given[role]))
            why = "is called so in this project" if given[role] == own else f"is named like {_a(role)}"
            reasons[role] = f"{given[role]!r} {why}"
    left = [c for c in source.columns if c not in taken]
    missing = [role for role in ("annotator", "label") if not given[role]]
    if len(left) == len(missing) == 1:
        given[missing[0]], reasons[missing[0]] = left[0], f"{left[0]!r} is the only column left"
    for role in ("annotator", "label"):
        if not given[role]:
            raise InputError(
                f"{source.name}: no column is named like {_a(role)}; name it with --{role} COLUMN. "
                f"Its columns are {listed(source.columns)}"
            )
    if not given["item"] and not given["text"]:
        raise InputError(
            f"{source.name}: no column says which row was judged; name it with --item COLUMN (an id) or "
            f"--text COLUMN. Its columns are {listed(source.columns)}"
        )
    found = {role: name or "" for role, name in given.items()}
    return JudgementColumns(found["item"], found["annotator"], found["label"], found["text"], reasons)


def _a(role: str) -> str:
    return f"an {role}" if role[0] in "aeiou" else f"a {role}"


def _check(source: Source, given: dict[str, str | None]) -> None:
    roles: dict[str, str] = {}
    for role, name in given.items():
        if not name:
            continue
        if name not in source.columns:
            raise InputError(
                f"{source.name} has no column {name!r} (--{role}); {did_you_mean(name, source.columns)}"
                f"its columns are {listed(source.columns)}"
            )
        if name in roles:
            raise InputError(
                f"{source.name}: column {name!r} is given as {roles[name]} and as {role}; give two "
                f"different columns with --{roles[name]} and --{role}"
            )
        roles[name] = role


def _best(columns: Sequence[str], taken: Sequence[str], names: str, own: str) -> str | None:
    """The project's own column, else the one whose name is most like what is looked for."""
    if own and own in columns and own not in taken:
        return own
    scored = [(likeness(c, names), -i, c) for i, c in enumerate(columns) if c not in taken]
    best = max(scored, default=(0.0, 0, ""))
    return best[2] if best[0] > 0 else None


class _Numbers:
    """Names to numbers in the order of their first appearance."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}
        self.codes: list[int] = []

    def add(self, name: str) -> int:
        number = self.known.setdefault(name, len(self.known))
        self.codes.append(number)
        return number

    def ordered(self) -> tuple[list[str], np.ndarray]:
        """Names, ascending, and the number of each entry."""
        names = sorted(self.known)
        place = np.empty(len(names), dtype=np.int32)
        place[[self.known[name] for name in names]] = np.arange(len(names), dtype=np.int32)
        return names, place[np.array(self.codes, dtype=np.int64)]


def read_judgements(source: Source, columns: JudgementColumns, log: BadRowLog) -> Judgements:
    """Read all judgements; rows that cannot be used go into the log.

    Raises
    ------
    InputError : not one row can be used.
    """
    items, annotators, labels = _Numbers(), _Numbers(), _Numbers()
    texts: dict[str, str] = {}
    key = columns.item or columns.text
    for record in source.records():
        if isinstance(record, BadRow):
            log.add(record)
            continue
        values = record.values
        name, who, said = (as_text(values.get(c)) for c in (key, columns.annotator, columns.label))
        if not name or not who or said.casefold() in MISSING:
            log.add(_fault(source.name, record, columns, name, who))
            continue
        items.add(name)
        annotators.add(who)
        labels.add(said)
        if columns.text and name not in texts:
            texts[name] = as_text(values.get(columns.text))
    if not items.codes:
        why = str(log.rows[0]) if log.rows else "it needs one row for each judgement"
        raise InputError(f"{source.name} has no judgement that can be used: {why}")
    names, item = items.ordered()
    who_names, annotator = annotators.ordered()
    label_names, label = labels.ordered()
    words = [texts.get(n, "") for n in names]
    by = "id" if columns.item else "text"
    return Judgements(names, words, who_names, label_names, item, annotator, label, by)


def _fault(source: str, record: Record, columns: JudgementColumns, name: str, who: str) -> BadRow:
    """What is missing in a row."""
    if not name:
        column, problem, advice = columns.item or columns.text, "no item", "say which row was judged"
    elif not who:
        column, problem, advice = columns.annotator, "no annotator", "say who judged, if only by a number"
    else:
        column, problem, advice = columns.label, "missing label", "fill it in, or take the row out"
    value = record.values.get(column)
    return BadRow(source, record.line, column, "" if value is None else str(value)[:1000], problem, advice)
