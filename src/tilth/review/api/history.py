"""Actions on the line of versions, and comments and parts of patches."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from tilth import decisions
from tilth.errors import InputError
from tilth.review.desk import Desk
from tilth.review.routes import Route

__all__ = ["HistoryActions"]

MOST = 500
"""Changed rows in one answer."""


@dataclass
class Remark:
    """A comment; `key` is the browser's own name of it, so that it is kept once however often it is sent."""

    text: str
    author: str
    key: str = ""


@dataclass
class RowsOf:
    """The rows of a patch to keep, or to leave out."""

    author: str
    rows: list[str] = field(default_factory=list)
    without: bool = False


@dataclass
class Back:
    """Who brings an earlier version back."""

    author: str = "person"


class HistoryActions:
    """What became of the data, and what people say about it.

    Parameters
    ----------
    desk : what the server holds in memory.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk, self.project = desk, desk.project

    def scores(self, dataset: str) -> Any:
        """Versions with their patches and measured scores: `tilth log --scores`."""
        self.project.log(dataset)  # says what there is where there is no such data set
        return {"dataset": dataset, "versions": self.project.history(dataset)}

    def diff(self, a: str, b: str, start: int = 0, count: int = 20, op: str = "") -> Any:
        """What differs between two versions: `tilth diff`."""
        if not (start >= 0 and 0 < count <= MOST):
            raise InputError(f"start is from 0 up and count from 1 to {MOST}, not {start} and {count}")
        return self.project.compare(a, b, start=start, count=count, op=op)

    def look(self, ref: str) -> Any:
        """What bringing a version back would do: `tilth restore --preview`."""
        return {"would": self.project.would_restore(ref)}

    def restore(self, ref: str, body: Back) -> Any:
        """Bring the rows of an earlier version back: `tilth restore`."""
        with self.desk.alone:
            would = self.project.would_restore(ref)
            version = self.project.restore(ref, author=body.author)
        return {"would": would, "version": asdict(version)}

    def comments(self, ref: str) -> Any:
        """What was said about a patch: `tilth comment`."""
        name = self.project.workspace.store.patch_info(ref).id
        return {"patch": name, "comments": self.project.comments(name)}

    def comment(self, ref: str, body: Remark) -> Any:
        """Say something about a patch; on disk before the answer: `tilth comment PATCH TEXT`."""
        return self.project.comment(ref, body.text, author=body.author, key=body.key)

    def part(self, ref: str, body: RowsOf) -> Any:
        """A part of a patch as a patch of its own: `tilth patch --only`, `--without`."""
        info = self.project.part_of(ref, body.rows, without=body.without, author=body.author)
        return decisions.line(info)

    def cancel(self, ref: str) -> Any:
        """End the trial of a patch that is at work; Ctrl-C in a terminal."""
        return self.desk.cancel(ref)

    def routes(self) -> list[Route]:
        """Method, path and handler of each action."""
        return [
            ("GET", "/log/{dataset}/scores", self.scores), ("GET", "/diff", self.diff),
            ("GET", "/versions/{ref}/restore", self.look), ("POST", "/versions/{ref}/restore", self.restore),
            ("GET", "/patches/{ref}/comments", self.comments),
            ("POST", "/patches/{ref}/comments", self.comment), ("POST", "/patches/{ref}/part", self.part),
            ("POST", "/patches/{ref}/cancel", self.cancel),
        ]  # fmt: skip
