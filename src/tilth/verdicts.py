"""Verdict: what a person decided about one row, and the file in which a person writes verdicts down.

Verdicts are only ever added. Which of several on one row counts is said here and nowhere else (`Register`):

1. A person's newest verdict on a row is their voice; a newer "skip" of the same person takes it back.
2. A verdict with the role "settle" counts, whatever the voices say, until its author takes it back; of
   several the newest.
3. Else what more than half of the voices say counts: one voice alone, both of two that agree, two of three.
   "keep" of a row labelled A and "relabel to A" say the same.
4. Else the row is disputed: nothing counts, and it waits for somebody who settles it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tilth.data import json_lines
from tilth.errors import InputError

__all__ = [
    "DECISIONS", "ROLES", "TOGETHER", "Drawn", "Opinions", "Register", "Said", "Verdict", "as_jsonl", "parse",
    "render", "to_fill_in",
]  # fmt: skip

Kind = Literal["keep", "relabel", "ambiguous", "drop", "skip"]
DECISIONS: tuple[Kind, ...] = ("keep", "relabel", "ambiguous", "drop", "skip")
COLUMNS = ("id", "verdict", "label", "note")
TOGETHER = "set:"
"""What stands before the key of a decision on a whole set, in the place of a draw."""
Role = Literal["", "ask", "settle"]
ROLES: tuple[Role, ...] = ("", "ask", "settle")


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
    role : "ask": and somebody else shall look at the row, too; "settle": after a look at what others said.
    """

    id: str
    decision: Kind
    label: str | None = None
    note: str = ""
    draw: str = ""
    role: Role = ""


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

    @property
    def outcome(self) -> tuple[str, str | None]:
        """What the row is to be after this verdict; equal for two verdicts that say the same."""
        if self.said.decision in ("keep", "relabel"):
            return "label", self.row.given if self.said.decision == "keep" else self.said.label
        return self.said.decision, None

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
            "role": self.said.role,
        }


@dataclass(slots=True)
class Opinions:
    """What people said of one row.

    Attributes
    ----------
    newest : newest verdict of each person that settles nothing, skips too; the newest last.
    settling : verdict of each person who settled it, the newest last.
    """

    newest: dict[str, Verdict] = field(default_factory=dict)
    settling: dict[str, Verdict] = field(default_factory=dict)

    def hear(self, verdict: Verdict) -> None:
        """Take one more verdict in; they come oldest first."""
        who = verdict.reviewer
        self.settling.pop(who, None)
        if verdict.said.role != "settle":
            self.newest.pop(who, None)
            self.newest[who] = verdict
        elif verdict.said.decision != "skip":
            self.settling[who] = verdict

    @property
    def voices(self) -> list[Verdict]:
        """One verdict of each person who has one, none of them given after a look at the others'."""
        return [v for v in self.newest.values() if v.said.decision != "skip"]

    @property
    def counts(self) -> Verdict | None:
        """The verdict that counts; a skip where all were taken back, None where they differ."""
        if self.settling:
            return next(reversed(self.settling.values()))
        voices = self.voices
        if not voices:
            return next(reversed(self.newest.values()), None)
        ((outcome, most),) = Counter(v.outcome for v in voices).most_common(1)
        return next(v for v in reversed(voices) if v.outcome == outcome) if 2 * most > len(voices) else None

    @property
    def disputed(self) -> bool:
        """Whether people differ, no side has more than half, and nobody settled it."""
        return self.counts is None and bool(self.newest)

    def count(self, who: str) -> int:
        """Number of decisions of a person that stand: a voice, a settlement, both or none."""
        mine = self.newest.get(who)
        return (mine is not None and mine.said.decision != "skip") + (who in self.settling)

    def wants(self, drawn: bool) -> bool:
        """Whether a second person shall look at the row.

        Parameters
        ----------
        drawn : it belongs to the share of rows that two people look at.
        """
        voices = {v.reviewer for v in self.voices}
        if self.settling or len(voices) > 1:
            return False
        asked = [who for who, v in self.newest.items() if v.said.role == "ask"]
        return (drawn and len(voices) == 1) or any(not voices - {who} for who in asked)


def _member(rows: dict[str, None], row: str, there: bool) -> None:
    if there:
        rows[row] = None
    else:
        rows.pop(row, None)


class Register:
    """What was said of every row, and what counts.

    Parameters
    ----------
    share : of the rows that two people look at; which ones is a matter of their ids alone, so it is a draw
        that no verdict can sway.

    Attributes
    ----------
    rows : id to what was said, those spoken of last at the end.
    decided, disputed, waiting, double : ids of the rows with a verdict that counts, of those on which people
        differ, of those that wait for a second opinion, and of those with two voices or more.
    tally : rows that each person decided or settled.
    """

    def __init__(self, share: float = 0.0) -> None:
        self.share = share
        self.rows: dict[str, Opinions] = {}
        self.decided: dict[str, None] = {}
        self.disputed: dict[str, None] = {}
        self.waiting: dict[str, None] = {}
        self.double: dict[str, None] = {}
        self.tally: Counter[str] = Counter()

    def add(self, verdicts: Iterable[Verdict]) -> None:
        """Take verdicts in, oldest first."""
        for v in verdicts:
            row = v.row.id
            said = self.rows.pop(row, None) or Opinions()
            self.rows[row] = said
            before = said.count(v.reviewer)
            said.hear(v)
            self.tally[v.reviewer] += said.count(v.reviewer) - before
            counts = said.counts
            _member(self.decided, row, counts is not None and counts.said.decision != "skip")
            _member(self.disputed, row, said.disputed)
            _member(self.waiting, row, said.wants(self.drawn(row)))
            _member(self.double, row, len(said.voices) > 1)

    def drawn(self, row: str) -> bool:
        """Whether a row belongs to the share that two people look at."""
        if not self.share:
            return False
        digest = hashlib.blake2b(row.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "big") < self.share * 2**64

    def counting(self) -> list[Verdict]:
        """The verdict that counts of each row that has one."""
        return [v for said in self.rows.values() if (v := said.counts) is not None]


def parse(text: str, *, name: str = "verdicts") -> list[Said]:
    """Read a verdict file: CSV with a heading, or JSON Lines; lines without a verdict are passed over.

    Keys: `id`, `verdict` (keep, relabel, ambiguous, drop, skip), `label` (for relabel), `note`, `role` (ask,
    settle or nothing). A label alone means relabel, or keep where it is the given one and the file says so.

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
    wanted = _word(body, "role").strip().lower()
    role = next((r for r in ROLES if r == wanted), None)
    if role is None:
        raise InputError(f"{where}: unknown role {wanted!r}; it is ask, settle or nothing")
    to = label if known == "relabel" else None
    return Said(row_id, known, to, _word(body, "note"), _word(body, "draw"), role)


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
    return to_fill_in(names, bodies, jsonl=jsonl)


def to_fill_in(names: Sequence[str], lines: Sequence[Sequence[object]], *, jsonl: bool) -> str:
    """Lines under the names of their columns, as CSV or as JSON Lines."""
    if jsonl:
        return "".join(json.dumps(dict(zip(names, line, strict=True))) + "\n" for line in lines)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(lines)
    return out.getvalue()
