"""Rows and versions: take data in, list, compare and write versions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tilth.config import FILE
from tilth.data import Version
from tilth.errors import NotFound
from tilth.patch import Op
from tilth.project.opened import Opened
from tilth.workspace import TRAIN, Workspace

if TYPE_CHECKING:
    from tilth.intake import Intake

__all__ = ["RowVerbs"]


class RowVerbs(Opened):
    """Rows and versions: take data in, list, compare and write versions."""

    def ingest(
        self,
        data: object,
        *,
        text: str | None = None,
        label: str | None = None,
        id: str | None = None,
        eval: object | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        skip_bad: bool = False,
        allow_unlabelled: bool = False,
        recipe: str | None = None,
        encoder: str | None = None,
    ) -> Intake:
        """Take a file, DataFrame or data set in; the first time this makes the project.

        Parameters
        ----------
        data : path, pandas DataFrame or datasets.Dataset.
        text, label, id : column names; guessed when not given.
        eval : evaluation rows of their own; else a share of the data is set apart.
        encoding, delimiter : of a text file; by default judged by what it holds.
        skip_bad, allow_unlabelled : set bad rows aside; take rows without a label in.
        recipe, encoder : recipe of a new project, default text-linear.v1.

        Raises
        ------
        BadRows : rows that cannot be read; nothing was taken in.
        InputError : the file or a column cannot be used.
        """
        from tilth import setup
        from tilth.intake import choose_columns, take_in

        reading = {"encoding": encoding, "delimiter": delimiter}
        known = self.workspace if (self.folder / FILE).is_file() else None
        if fresh := known is None or not known.store.datasets():
            setup.refuse_early(self.folder, recipe, encoder)
            columns, reasons = choose_columns(data, text=text, label=label, id=id, **reading)
        else:
            setup.same_settings(self.workspace.config, text, label, id, recipe, encoder)
            columns, reasons = self.workspace.config.columns, {}

        def workspace() -> Workspace:
            if fresh:
                self._workspace = setup.make(
                    self.folder, known, columns, eval is not None, recipe, encoder, self.clock
                )
            return self.workspace

        return take_in(
            workspace, columns, data, evaluation=eval,
            skip_bad=skip_bad, allow_unlabelled=allow_unlabelled, first=fresh, reasons=reasons,
            progress=self.progress, **reading,
        )  # fmt: skip

    def log(self, dataset: str = TRAIN) -> list[Version]:
        """Versions of a data set, oldest first."""
        versions = self.workspace.store.versions(dataset)
        if not versions:
            names = ", ".join(self.workspace.store.datasets()) or "none yet"
            raise NotFound(f"data set {dataset!r} has no versions; there are {names}")
        return versions

    def diff(self, a: str, b: str) -> Iterator[Op]:
        """Ops that turn version a into version b (of one data set)."""
        store = self.workspace.store
        first = store.version(a)
        return store.diff(first, store.version(b, first.dataset))

    def diff_counts(self, a: str, b: str) -> dict[str, int]:
        """How many rows differ between two versions, by kind of op."""
        store = self.workspace.store
        first = store.version(a)
        return store.diff_counts(first, store.version(b, first.dataset))

    def checkout(self, ref: str, out: str | Path) -> Path:
        """Write the rows of a version to a CSV, TSV, JSON Lines or Parquet file, atomically."""
        from tilth.export import write_rows

        store, columns = self.workspace.store, self.workspace.config.columns
        version = store.version(ref)
        return write_rows(lambda: store.rows(version), Path(out), columns)
