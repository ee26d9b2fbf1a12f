"""The whole loop: where it stands, what to do next, one run of all of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilth.errors import InputError, NotFound
from tilth.files import write_text
from tilth.project.rows import RowVerbs

if TYPE_CHECKING:
    from tilth.improvement import Improvement
    from tilth.ledger import Ledger
    from tilth.plan import Plan

__all__ = ["LoopVerbs"]


class LoopVerbs(RowVerbs):
    """The whole loop: where it stands, what to do next, one run of all of it."""

    def status(self) -> dict[str, Any]:
        """Where the project stands, as a JSON object."""
        from tilth.status import status

        return status(self.workspace)

    def plan(self, *, out: str | Path | None = None) -> Plan:
        """The next actions of all kinds, best expected gain a minute first, and what is in the way.

        Parameters
        ----------
        out : a .csv or .jsonl file for the rows to review next, in order, to fill in for `verdict`.
        """
        from tilth.plan import plan

        return plan(self.workspace, self.progress, out=None if out is None else Path(out))

    def ledger(self) -> Ledger:
        """Predicted against realised gains; minutes and money in, measured gain out."""
        from tilth.ledger import ledger

        return ledger(self.workspace)

    def last_result(self) -> dict[str, Any] | None:
        """The newest result of `improve`; None before the first."""
        from tilth.status import last_result

        return last_result(self.workspace)

    def improve(self, data: object | None = None, **options: Any) -> Improvement:
        """Ingest (when data are given), audit, propose, try and accept what is better.

        Parameters
        ----------
        data : as for `ingest`; None works on what is in the project.
        options : as for `ingest`.
        """
        from tilth.improve import improve
        from tilth.improvement import Improvement

        if data is not None:
            self.ingest(data, **options)
        elif options:
            raise InputError(f"{', '.join(options)}: these say how data are taken in, but no data were given")
        result = Improvement(improve(self.workspace, self.progress))
        self._write_report(result.body)
        return result

    def report(self, out: str | Path | None = None) -> Path:
        """Write the HTML report of the last run; returns its path.

        Raises
        ------
        NotFound : `improve` was not run yet.
        """
        result = self.last_result()
        if result is None:
            raise NotFound("there is nothing to report yet; run: tilth improve")
        return self._write_report(result, out)

    def _write_report(self, result: dict[str, Any], out: str | Path | None = None) -> Path:
        from tilth.report.html import render

        return write_text(Path(out or self.folder / "report.html"), render(result))
