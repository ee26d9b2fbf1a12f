"""In service: what comes in while a model runs, and how it differs from what was known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tilth.project.opened import Opened

if TYPE_CHECKING:
    from tilth.monitoring import DriftReport

__all__ = ["MonitorVerbs"]


class MonitorVerbs(Opened):
    """In service: what comes in while a model runs, and how it differs from what was known."""

    def drift(
        self,
        data: object,
        *,
        reference: object | None = None,
        out: str | Path | None = None,
        keep: str | None = None,
        level: float = 0.05,
    ) -> DriftReport:
        """Whether new rows are like the known ones, what changed, and which rows to label to confirm it.

        Parameters
        ----------
        data : file, DataFrame or data set of new rows, in the order in which they came, without labels.
        reference : rows to compare with; default those that the project was made with.
        out : a .csv or .jsonl file for the rows to label.
        keep : write the slice of what drifted into tilth.toml under this name.
        level : probability of any false alarm, in all looks at 10,000 rows.

        Raises
        ------
        Refused : too few rows, or nothing drifted that a slice could be made of.
        InputError : the file cannot be read, or lacks the text column.
        """
        from tilth.monitoring import drift, keep_drift

        found = drift(
            self.workspace, data, reference=reference, out=None if out is None else Path(out), level=level,
            progress=self.progress,
        )  # fmt: skip
        if keep:
            keep_drift(self.workspace, found.drift, keep)
        return found
