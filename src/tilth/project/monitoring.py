"""In service: what comes in while a model runs, and how it differs from what was known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tilth.project.opened import Opened

if TYPE_CHECKING:
    from tilth.monitoring import DriftReport
    from tilth.traffic import Monitor, Queue

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
        data : file, DataFrame or data set of new rows, in the order in which they came, without labels; or
            the folder in which `tilth serve` keeps its state.
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

    def monitor(self, state: str | Path | None = None) -> Monitor:
        """What happened in service: traffic, abstention, feedback, tests of releases, drift.

        Parameters
        ----------
        state : the folder in which `tilth serve` keeps its state; default that of tilth.toml, else beside the
            releases.

        Raises
        ------
        NotFound : nothing was served from there.
        """
        from tilth.traffic import monitor

        return monitor(self.workspace, state)

    def escalations(self, state: str | Path | None = None) -> Queue:
        """Answers that a person is asked for, oldest first; `state` as for `monitor`."""
        from tilth.traffic import queue

        return queue(self.workspace, state)

    def answer_question(self, id: str, label: str, *, person: str, state: str | Path | None = None) -> Queue:
        """Answer a question of `escalations`; whoever asked the server finds the answer there.

        Raises
        ------
        NotFound : no such question.
        """
        from tilth.traffic import answer

        return answer(self.workspace, id, label=label, person=person, state=state)
