"""A closer look at the rows: findings, slices, confusions, copies, learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tilth.errors import InputError
from tilth.project.opened import Opened

if TYPE_CHECKING:
    from tilth.audit.run import Audit
    from tilth.discovery.describe import Description
    from tilth.duplicates import Duplicates
    from tilth.learning import LearningCurves
    from tilth.maps import Colour, Map
    from tilth.slice_table import Confusions, Kept, SliceTable
    from tilth.store import PatchInfo

__all__ = ["FindingVerbs"]


class FindingVerbs(Opened):
    """A closer look at the rows: findings, slices, confusions, copies, learning curves."""

    def audit(self, *, self_test: bool = True) -> Audit:
        """Findings on the head of train; kept, so that the same audit never runs twice.

        Parameters
        ----------
        self_test : also plant faults in a copy of the rows and say what is found of them.
        """
        return self.workspace.audit(self.progress, self_test=self_test)

    def slices(self) -> SliceTable:
        """Where the model is weak: named and discovered slices, classes, and whether floors are held."""
        from tilth.slice_table import slices

        return slices(self.workspace, self.progress)

    def keep_slice(self, name: str, *, floor: float | None = None) -> Kept:
        """Write a discovered slice, and its floor, into tilth.toml: a gate of every later trial."""
        from tilth.slice_table import keep

        return keep(self.workspace, name, floor, self.progress)

    def add_slice(self, name: str, expression: str, *, floor: float | None = None) -> Kept:
        """Write a slice of your own, and its floor, into tilth.toml: a gate of every later trial.

        Raises
        ------
        ConfigError : the expression cannot be read or names a column that there is not, or the name is taken.
        """
        from tilth.slice_table import add

        return add(self.workspace, name, expression, floor)

    def describe_rows(self, rows: str | Sequence[str]) -> list[Description]:
        """Expressions that come near to some rows of train: a slice for what was picked by hand.

        Parameters
        ----------
        rows : ids, or the id or name of a kept set.

        Raises
        ------
        NotFound : an id that is none of train, or there is no such set.
        InputError : the set is a filter, which is an expression already.
        """
        from tilth.sets import find
        from tilth.slice_table import describe

        if isinstance(rows, str):
            kept = find(self.workspace, rows)
            if kept.ids is None:
                raise InputError(f"the set {rows!r} is an expression already: {kept.where}")
            rows = kept.ids
        return describe(self.workspace, rows)

    def map(self, *, out: str | Path | None = None, colour: Colour = "label") -> Map:
        """The rows of train in the plane, near where the model sees them alike.

        Parameters
        ----------
        out : a .csv, .jsonl or .parquet file for the rows, or a .svg or .png picture.
        colour : of the picture: "label", "agree" (does the model say so too) or "wrong" (P(wrong)).

        Raises
        ------
        InputError : unknown ending.
        """
        from tilth.maps import chart, write

        found = chart(self.workspace, self.progress)
        if out is not None:
            write(found, Path(out), colour=colour)
        return found

    def confusions(self) -> Confusions:
        """Pairs of classes that are taken for each other more than others."""
        from tilth.slice_table import confusions

        return confusions(self.workspace, self.progress)

    def duplicates(self, threshold: float | None = None) -> Duplicates:
        """Groups of copies in train and the evaluation set; another threshold needs no new search."""
        from tilth.duplicates import duplicates

        return duplicates(self.workspace, threshold, self.progress)

    def keep_one(
        self, row: str, *, label: str | None = None, threshold: float | None = None, author: str = "person"
    ) -> PatchInfo:
        """Propose to keep one row of a group of copies and to drop the others of train.

        Parameters
        ----------
        row : the row to keep.
        label : its label from now on; needed where the copies have different ones.
        threshold : as for `duplicates`.

        Raises
        ------
        NotFound : the row is not there, or has no copies.
        Refused : the labels differ and none was given.
        """
        from tilth.decisions import put_on_record
        from tilth.duplicates import keep_one

        ws = self.workspace
        made = keep_one(ws, row, label=label, threshold=threshold, author=author, progress=self.progress)
        return put_on_record(ws, made)

    def curve(self, *, worth: float | None = None) -> LearningCurves:
        """What more rows would bring; kept, never measured twice. `worth`: least gain worth collecting for.

        Raises
        ------
        TrialError : too few labelled rows, or one class only.
        """
        from tilth.learning import learning_curves

        return learning_curves(self.workspace, worth=worth, progress=self.progress)
