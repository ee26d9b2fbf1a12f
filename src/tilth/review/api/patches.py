"""Actions on patches and versions: propose, try, decide."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tilth.errors import InputError
from tilth.review.desk import Desk
from tilth.review.routes import Route

__all__ = ["PatchActions"]


@dataclass
class Words:
    """Who decides about a patch, and why; `force` accepts against the evidence."""

    author: str = "person"
    reason: str = ""
    force: str = ""


class PatchActions:
    """What a person does with patches.

    Parameters
    ----------
    desk : what the server holds in memory.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk, self.project = desk, desk.project

    def relabel(self) -> Any:
        """Propose a patch of what reviewers decided: `tilth relabel`."""
        with self.desk.alone:
            return self.project.relabel().to_json()

    def propose(self) -> Any:
        """Make patches out of the findings: `tilth propose`."""
        with self.desk.alone:
            self.project.propose()
        return self.desk.patches()

    def patches(self) -> Any:
        """All patches: `tilth patches`."""
        return self.desk.patches()

    def patch(self, ref: str) -> Any:
        """A patch with its ops: `tilth patch`."""
        return self.desk.patch(ref)

    def trial(self, ref: str) -> Any:
        """Begin a trial: `tilth trial`."""
        return self.desk.try_out(ref)

    def job(self, ref: str) -> Any:
        """How far a trial is."""
        return self.desk.job(ref)

    def accept(self, ref: str, body: Words) -> Any:
        """Make a patch part of its data set: `tilth accept`."""
        with self.desk.alone:
            return asdict(self.project.accept(ref, force=body.force, author=body.author, reason=body.reason))

    def reject(self, ref: str, body: Words) -> Any:
        """Put a patch aside: `tilth reject`."""
        if not body.reason.strip():
            raise InputError("a rejection says why; the reason is recorded")
        info = self.project.reject(ref, reason=body.reason.strip(), author=body.author)
        return {"id": info.id, "state": info.state}

    def revert(self, ref: str, body: Words) -> Any:
        """Undo an accepted patch: `tilth revert`."""
        with self.desk.alone:
            return asdict(self.project.revert(ref, author=body.author))

    def rebase(self, ref: str) -> Any:
        """The same change on the present head: `tilth rebase`."""
        with self.desk.alone:
            info = self.project.rebase(ref)
        return {"id": info.id, "base": info.base}

    def log(self, dataset: str) -> Any:
        """Versions of a data set: `tilth log`."""
        return {"dataset": dataset, "versions": [asdict(v) for v in self.project.log(dataset)]}

    def routes(self) -> list[Route]:
        """Method, path and handler of each action."""
        return [
            ("POST", "/relabel", self.relabel), ("POST", "/propose", self.propose),
            ("GET", "/patches", self.patches), ("GET", "/patches/{ref}", self.patch),
            ("POST", "/patches/{ref}/trial", self.trial), ("GET", "/patches/{ref}/trial", self.job),
            ("POST", "/patches/{ref}/accept", self.accept), ("POST", "/patches/{ref}/reject", self.reject),
            ("POST", "/patches/{ref}/revert", self.revert), ("POST", "/patches/{ref}/rebase", self.rebase),
            ("GET", "/log/{dataset}", self.log),
        ]  # fmt: skip
