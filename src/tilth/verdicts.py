"""Verdict: what a person decided about one row, and the file in which a person writes verdicts down.

Verdicts are only ever added: the newest one on a row stands, and "skip" takes an earlier one back.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tilth.data import json_lines
from tilth.errors import InputError

__all__ = ["DECISIONS", "TOGETHER", "Drawn", "Said", "Verdict", "as_jsonl", "parse", "render"]

Kind = Literal["keep", "relabel", "ambiguous", "drop", "skip"]
DECISIONS: tuple[Kind, ...] = ("keep", "relabel", "ambiguous", "drop", "skip")
COLUMNS = ("id", "verdict", "label", "note")
TOGETHER = "set:"
"""What stands before the key of a decision on a whole set, in the place of a draw."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A row as it was drawn for review.

    Attributes
    ----------
    id : the row.
    given : its label at that time.
    suggested : the label that the audit suggested instead.
    p_wrong : P(wrong) as the audit claimed it, before any verdict was taken into account.
    p_suggested : the claimed probability that the suggested label is right.
    inclusion : probability with which this row got into its draw; None when a person chose it.
    draw : the draw, "" when a person chose the row, TOGETHER and a key when it was decided with others.
    """

    id: str
    given: str | None
    suggested: str | None
    p_wrong: float
    p_suggested: float
    inclusion: float | None = None
    draw: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """A line of a verdict file.

    Attributes
    ----------
    id : the row.
    decision : keep (the label is right), relabel (`label` is right), ambiguous (both are), drop (no label
        is right), skip (no verdict; takes an earlier one back).
    label : for relabel.
    note : a remark.
    draw : the draw that the row came from, when the file says so.
    """

    id: str
    decision: Kind
    label: str | None = None
    note: str = ""
    draw: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision on a row, with what was known when it was taken.

    Attributes
    ----------
    said : the decision.
    row : the row as it was drawn.
    reviewer, created : who, and when (ISO 8601).
    """

    said: Said
    row: Drawn
    reviewer: str
    created: str

    @property
    def together(self) -> bool:
        """Whether the row was decided as one of a set; then it was not judged on its own."""
        return self.row.draw.startswith(TOGETHER)

    @property
    def wrong(self) -> bool | None:
        """Whether the label given at that time was wrong; None for skip and rows without a label."""
        return self.wrong_for(self.row.given)

    @property
    def right_suggestion(self) -> bool | None:
        """Whether to follow the suggestion would have been right; None as for `wrong`."""
        if self.said.decision == "skip" or self.row.given is None:
            return None
        return self.said.decision == "relabel" and self.said.label == self.row.suggested

    def wrong_for(self, label: str | None) -> bool | None:
        """Whether a label that the row has by now is wrong; None where this verdict does not tell."""
        if self.said.decision == "skip" or label is None:
            return None
        if self.said.decision == "drop":
            return True
        if self.said.decision == "relabel":
            return label != self.said.label
        # keep and ambiguous speak of the label that was there
        return False if label == self.row.given else None

    def to_json(self) -> dict[str, Any]:
        """The verdict as a JSON object."""
        return {
            "id": self.row.id,
            "verdict": self.said.decision,
            "label": self.said.label,
            "note": self.said.note,
            "given": self.row.given,
            "suggested": self.row.suggested,
            "p_wrong": round(self.row.p_wrong, 6),
            "p_suggested": round(self.row.p_suggested, 6),
            "inclusion": self.row.inclusion,
            "draw": self.row.draw,
            "reviewer": self.reviewer,
            "created": self.created,
        }


def parse(text: str, *, name: str = "verdicts") -> list[Said]:
    """Read a verdict file: CSV with a heading, or JSON Lines; lines without a verdict are passed over.

    Keys: `id`, `verdict` (keep, relabel, ambiguous, drop, skip), `label` (for relabel), `note`. A label
    alone means relabel, or keep where it is the given one and the file says so.

    Raises
    ------
    InputError : with file, line and value.
    """
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("{"):
        lines: Iterable[tuple[str, Mapping[str, Any]]] = (found[1:] for found in json_lines(text, name))
    else:
        lines = _csv_lines(text, name)
    out = []
    for where, body in lines:
        row_id = _word(body, "id")
        if not row_id:
            raise InputError(f"{where}: no id; every line names its row in `id`")
        said = _said(row_id, body, where)
        out += [said] if said else []
    return out


def _word(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    return "" if value is None else str(value)


def _said(row_id: str, body: Mapping[str, Any], where: str) -> Said | None:
    """The verdict of one line; None where nothing was decided."""
    verdict, label = _word(body, "verdict").strip().lower(), _word(body, "label")
    if not verdict and label:
        verdict = "keep" if label == _word(body, "given") else "relabel"
    if not verdict:
        return None
    known = next((d for d in DECISIONS if d == verdict), None)
    if known is None:
        raise InputError(f"{where}: unknown verdict {verdict!r}; it is one of {', '.join(DECISIONS)}")
    if known == "relabel" and not label:
        raise InputError(f"{where}: a relabel of row {row_id!r} needs the right label in `label`")
    to = label if known == "relabel" else None
    return Said(row_id, known, to, _word(body, "note"), _word(body, "draw"))


def _csv_lines(text: str, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not text.strip():
        raise InputError(f"{name}: the file is empty; it needs a heading with at least id and verdict")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [c for c in COLUMNS[:2] if c not in (reader.fieldnames or ())]
    if missing:
        found = ", ".join(map(repr, reader.fieldnames or ()))
        raise InputError(f"{name}:1: no column {missing[0]!r}, found {found}; needed: id and verdict")
    try:
        for body in reader:
            yield f"{name}:{reader.line_num}", body
    except csv.Error as error:
        raise InputError(f"{name}:{reader.line_num}: not CSV ({error})") from error


def as_jsonl(path: Path) -> bool:
    """Whether a file to fill in is JSON Lines; else it is CSV.

    Raises
    ------
    InputError : the name ends in neither .jsonl nor .csv.
    """
    kind = path.suffix.lower()
    if kind not in (".csv", ".jsonl"):
        raise InputError(f"cannot write {path.name}: rows to review are written as .csv or .jsonl")
    return kind == ".jsonl"


def render(rows: Iterable[tuple[Drawn, str]], *, jsonl: bool = False) -> str:
    """A file to fill in: the drawn rows with their texts, `verdict` and `label` empty."""
    names = ("id", "text", "given", "suggested", "p_wrong", "verdict", "label", "note", "draw")
    bodies = [
        (d.id, text, d.given or "", d.suggested or "", round(d.p_wrong, 3), "", "", "", d.draw)
        for d, text in rows
    ]
    if jsonl:
        return "".join(json.dumps(dict(zip(names, b, strict=True))) + "\n" for b in bodies)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(bodies)
    return out.getvalue()
