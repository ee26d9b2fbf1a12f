"""Patches: propose, read and write, try, decide."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilth import decisions
from tilth import patch as patches
from tilth.data import Version
from tilth.files import write_text
from tilth.patch import Patch
from tilth.project.opened import Opened

if TYPE_CHECKING:
    from tilth.store import PatchInfo, PatchState
    from tilth.trial.record import Trial

__all__ = ["PatchVerbs"]


class PatchVerbs(Opened):
    """Patches: propose, read and write, try, decide."""

    def propose(self) -> list[PatchInfo]:
        """Make a handful of patches out of the findings, the largest predicted gain first."""
        from tilth.evaluation import propose_repair
        from tilth.improve import propose

        made = propose(self.workspace, self.progress)
        found = [self.workspace.store.patch_info(patch.id) for _, patch, _ in made]
        repair = propose_repair(self.workspace)
        return found + ([repair] if repair else [])

    def patch(self, ref: str) -> Patch:
        """A patch by the first characters of its id."""
        return self.workspace.store.patch(ref)

    def patches(self, state: PatchState | None = None) -> list[PatchInfo]:
        """All patches, or those in a state, oldest first.

        A proposed patch whose base is not the head of its data set any more is "stale": it can be made
        again with `rebase`. It is proposed again when the head comes back to its base.
        """
        return decisions.standing(self.workspace, state)

    def add_patch(self, patch: Patch) -> PatchInfo:
        """Put a patch (for example one read from a file) on record as proposed.

        Raises
        ------
        NotFound : its base is no version of this project.
        StaleOp : a row of the base is not as an op says.
        """
        return decisions.put_on_record(self.workspace, patch)

    def read_patch(self, path: str | Path) -> Patch:
        """Read a patch file; a PatchError names the line that cannot be read."""
        return decisions.read(Path(path))

    def write_patch(self, ref: str, path: str | Path) -> Path:
        """Write a patch as a JSON Lines file that can be edited and put in a git pull request."""
        return write_text(Path(path), patches.render(self.patch(ref)))

    def part_of(
        self, ref: str, rows: Collection[str], *, without: bool = False, author: str = "person"
    ) -> PatchInfo:
        """Put a part of a patch on record as a patch of its own, which revises it.

        Parameters
        ----------
        rows : ids of the rows whose change is kept; with `without`: of those whose change is left out.

        Raises
        ------
        NotFound : the patch changes no such row.
        InputError : nothing, or all of it, would be kept.
        """
        return decisions.part(self.workspace, ref, rows, without=without, author=author)

    def comment(self, ref: str, text: str, *, author: str = "person", key: str = "") -> dict[str, Any]:
        """Keep a comment on a patch; the same `key` again is kept once.

        Raises
        ------
        InputError : it says nothing, or too much.
        """
        from tilth.comments import comment

        return comment(self.workspace, ref, text, author=author, key=key)

    def comments(self, ref: str) -> list[dict[str, Any]]:
        """Comments on a patch, oldest first."""
        from tilth.comments import comments

        return comments(self.workspace, ref)

    def history(self, dataset: str | None = None) -> list[dict[str, Any]]:
        """Versions, oldest first, each with its patch and the scores that were measured before and after."""
        from tilth.lineage import history

        return history(self.workspace, dataset)

    def compare(self, a: str, b: str, *, start: int = 0, count: int = 20, op: str = "") -> dict[str, Any]:
        """What differs between two versions: counts, classes, the steps between, a page of the rows.

        Parameters
        ----------
        start, count : which of the changed rows.
        op : only relabel, drop, add or edit.
        """
        from tilth.lineage import between

        return between(self.workspace, a, b, start=start, count=count, op=op)

    def would_restore(self, ref: str) -> dict[str, Any]:
        """What `restore` would do; nothing is changed."""
        from tilth.lineage import would_restore

        return would_restore(self.workspace, ref)

    def restore(self, ref: str, *, author: str = "person") -> Version:
        """Bring the rows of an earlier version back, as new versions: patches since then are undone.

        Raises
        ------
        Refused : the data set has these rows already.
        """
        from tilth.lineage import restore

        return restore(self.workspace, ref, author=author)

    def rebase(self, ref: str) -> PatchInfo:
        """The same ops on the present head, where they still fit; the old patch is superseded.

        Raises
        ------
        StaleOp : a row changed since.
        """
        return decisions.rebase(self.workspace, ref)

    def trial(self, ref: str | Patch) -> Trial:
        """Measure a patch with and without, on the evaluation rows that decide; kept for `accept`.

        Parameters
        ----------
        ref : the first characters of the id of a patch on record, or a patch, which is put on record.
        """
        return decisions.measure(self.workspace, ref, self.progress)

    def accept(
        self, ref: str | Patch, *, force: str = "", author: str = "person", reason: str = ""
    ) -> Version:
        """Make a patch part of its data set.

        Parameters
        ----------
        ref : as for `trial`.
        force : a reason, recorded, to accept what was not measured or is worse.
        reason : why, recorded; a patch of the evaluation set is not accepted without one.

        Raises
        ------
        HeadMoved : the data set changed since the patch was made.
        Refused : not measured, worse, or a slice got worse, and no reason was given.
        """
        why = {"force": force.strip(), "reason": reason.strip()}
        return decisions.accept(self.workspace, ref, author=author, **why)

    def reject(self, ref: str, *, reason: str, author: str = "person") -> PatchInfo:
        """Put a patch aside with a reason."""
        return decisions.reject(self.workspace, ref, reason=reason, author=author)

    def revert(self, ref: str, *, author: str = "person") -> Version:
        """Undo an accepted patch by its inverse, as a new version.

        Raises
        ------
        Refused : the patch is not accepted.
        StaleOp : a later patch changed the same rows.
        """
        return decisions.revert(self.workspace, ref, author=author)
