"""Actions on copies, annotators and the label guide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tilth import decisions
from tilth.errors import InputError
from tilth.review.desk import Desk
from tilth.review.routes import Route

__all__ = ["GuideActions"]


@dataclass
class KeepOne:
    """The row to keep of a group of copies, its label where they differ, and who says so."""

    row: str
    label: str | None = None
    threshold: float | None = None
    author: str = "person"


@dataclass
class Text:
    """A text to be looked at as the guide."""

    text: str


@dataclass
class Edit:
    """A text to become the guide; `base` is that of the guide that was edited."""

    text: str
    base: str
    author: str
    note: str = ""


@dataclass
class Drafts:
    """How many drafts, or the two classes of one."""

    most: int = 5
    between: list[str] | None = None


class GuideActions:
    """Copies, people who label, and what they go by.

    Parameters
    ----------
    desk : what the server holds in memory.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk, self.project = desk, desk.project

    def duplicates(self, threshold: float | None = None) -> Any:
        """Groups of copies: `tilth duplicates`."""
        with self.desk.alone:
            return self.project.duplicates(threshold).to_json()

    def keep_one(self, body: KeepOne) -> Any:
        """Propose to keep one row of a group of copies: `tilth duplicates --keep`."""
        with self.desk.alone:
            info = self.project.keep_one(
                body.row, label=body.label, threshold=body.threshold, author=body.author
            )
        return {"proposed": decisions.line(info)}

    def annotators(self) -> Any:
        """Agreement, quality and doubtful items: `tilth annotators`."""
        with self.desk.alone:
            return self.project.annotators().to_json()

    def guide(self) -> Any:
        """The label guide as it stands: `tilth guide`."""
        return self.project.guide()

    def look(self, body: Text) -> Any:
        """What a text would be as the guide, and what it would change: `tilth guide --from`."""
        return self.project.try_guide(body.text)

    def save(self, body: Edit) -> Any:
        """Make a text the guide, as a new version, unless somebody changed it since: `tilth guide --save`."""
        if not body.author.strip():
            raise InputError("no author: a version of the guide says who wrote it")
        if not body.base:
            raise InputError("no base: say which guide was edited (see GET /api/guide)")
        saved = self.project.save_guide(
            author=body.author.strip(), note=body.note.strip(), text=body.text, base=body.base
        )
        return {"saved": None if saved is None else saved["version"]}

    def draft(self, body: Drafts) -> Any:
        """Write drafts of clauses for confused pairs of classes into the guide: `tilth guide --draft`."""
        pair = body.between
        if pair is not None and len(pair) != 2:
            raise InputError(f"a clause is about two classes, not {len(pair)}")
        with self.desk.alone:
            made = self.project.draft_guide(body.most, between=None if pair is None else (pair[0], pair[1]))
        return {"drafted": [{"a": c.a, "b": c.b} for c in made]}

    def history(self) -> Any:
        """Versions of the guide: `tilth guide --history`."""
        return {"history": self.project.guide_history()}

    def diff(self, a: int | None = None, b: int | None = None) -> Any:
        """What changed between two versions of the guide: `tilth guide --diff`."""
        return {"diff": self.project.guide_diff(a, b)}

    def routes(self) -> list[Route]:
        """Method, path and handler of each action."""
        return [
            ("GET", "/duplicates", self.duplicates), ("POST", "/duplicates/keep", self.keep_one),
            ("GET", "/annotators", self.annotators),
            ("GET", "/guide", self.guide), ("POST", "/guide", self.save), ("POST", "/guide/look", self.look),
            ("POST", "/guide/draft", self.draft), ("GET", "/guide/history", self.history),
            ("GET", "/guide/diff", self.diff),
        ]  # fmt: skip
