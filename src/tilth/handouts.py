"""Handouts: rows in the hands of whoever works with a file, and the file of rows on which people differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilth.errors import InputError, Refused
from tilth.files import write_text
from tilth.reviewers import Reviewers
from tilth.reviews import drawn
from tilth.signals import Progress
from tilth.verdicts import Drawn, as_jsonl, render, to_fill_in
from tilth.worklist import worklist
from tilth.workspace import TRAIN, Workspace

if TYPE_CHECKING:
    import pandas

__all__ = ["FILE", "Disagreement", "Handout", "differ", "hand_out"]

FILE = "file"
"""The seat of whoever works with a file."""


@dataclass(frozen=True)
class Handout:
    """Rows that one person holds, to be filled in.

    Attributes
    ----------
    reviewer : who.
    hours : for how long nobody else is handed them.
    rows, texts : what is known of each row, nothing of it by a verdict on it.
    """

    reviewer: str
    hours: float
    rows: tuple[Drawn, ...]
    texts: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The handout as a JSON object."""
        keys = ("id", "given", "suggested", "p_wrong")
        rows = [
            {k: v for k, v in asdict(d).items() if k in keys} | {"text": t}
            for d, t in zip(self.rows, self.texts, strict=True)
        ]
        return {"reviewer": self.reviewer, "hours": self.hours, "rows": rows}

    def to_pandas(self) -> pandas.DataFrame:
        """One line a row."""
        from tilth.frames import frame

        return frame(self.to_json()["rows"])

    def _repr_html_(self) -> str:
        from tilth.frames import html_table

        return html_table(f"{len(self.rows)} rows for {self.reviewer}", self.to_json()["rows"])


@dataclass(frozen=True)
class Disagreement:
    """A row on which people differ.

    Attributes
    ----------
    id, given, text : the row.
    verdicts : what each person said: reviewer, verdict, label, given, note, created.
    """

    id: str
    given: str | None
    text: str
    verdicts: tuple[dict[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """The row as a JSON object."""
        return asdict(self) | {"verdicts": list(self.verdicts)}


def hand_out(
    ws: Workspace, reviewer: str, n: int, *, hours: float, out: Path | None, progress: Progress | None = None
) -> Handout:
    """Rows for a person who works with a file; see `Project.lease`."""
    if n < 1:
        raise InputError(f"cannot hand {n} rows out; ask for one at least")
    if not hours > 0:
        raise InputError(f"rows are handed out for some hours, not for {hours:g}")
    jsonl = out is not None and as_jsonl(out)
    found, hands = worklist(ws, progress), Reviewers(ws)
    rows = found.view.train
    ids = hands.lease(reviewer, found.each(), rows, n=n, seat=FILE, seconds=hours * 3600)
    if not ids:
        raise Refused("nothing wants a verdict that nobody else has in hand; see: tilth reviewers")
    at = [rows.index[i] for i in ids]
    made = Handout(
        reviewer, hours, tuple(drawn(found.trust, rows, i, None, "") for i in at),
        tuple(found.view.texts[i] for i in at),
    )  # fmt: skip
    if out is not None:
        write_text(out, render(zip(made.rows, made.texts, strict=True), jsonl=jsonl))
    return made


def differ(ws: Workspace, *, out: Path | None) -> list[Disagreement]:
    """Rows on which people differ; see `Project.disagreements`."""
    jsonl = out is not None and as_jsonl(out)
    rows = ws.snapshot(ws.head(TRAIN))
    texts = rows.texts(ws.config.columns.text)
    found = [
        Disagreement(x["id"], rows.labels[at], texts[at], tuple(x["verdicts"]))
        for x in Reviewers(ws).disagreements()
        if (at := rows.index.get(x["id"])) is not None
    ]
    if out is not None:
        write_text(out, _to_settle(found, jsonl=jsonl))
    return found


def _to_settle(found: Sequence[Disagreement], *, jsonl: bool) -> str:
    """A verdict file with what was said, to fill in; its lines settle."""
    names = ("id", "text", "given", "said", "verdict", "label", "note", "role")
    lines = [
        (x.id, x.text, x.given or "", "; ".join(map(_in_words, x.verdicts)), "", "", "", "settle")
        for x in found
    ]
    return to_fill_in(names, lines, jsonl=jsonl)


def _in_words(said: dict[str, Any]) -> str:
    what = f"relabel to {said['label']}" if said["verdict"] == "relabel" else said["verdict"]
    note = f" ({said['note']})" if said["note"] else ""
    return f"{said['reviewer']}: {what}{note}"
