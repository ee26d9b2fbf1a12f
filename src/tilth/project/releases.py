"""Releases: from the head to a model that others run, and what they say of it back to rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tilth.project.opened import Opened

if TYPE_CHECKING:
    from tilth.release.released import Released

__all__ = ["ReleaseVerbs"]


class ReleaseVerbs(Opened):
    """Releases: from the head to a model that others run, and what they say of it back to rows."""

    def release(
        self,
        out: str | Path | None = None,
        *,
        precision: float | None = None,
        name: str | None = None,
        force: str = "",
    ) -> Released:
        """Fit the recipe on the head, calibrate, choose when to abstain, and write a bundle.

        Parameters
        ----------
        out : folder of the bundle; default releases/NAME in the project folder.
        precision : share of the answers that shall be right; default that of tilth.toml, 0.95.
        name : of the release; default that of the project.
        force : a reason, kept in the card, to release against gates that fail.

        Raises
        ------
        Refused : there is nothing to learn from, the recipe cannot be released, or a gate fails.
        """
        from tilth.release.build import build

        place = None if out is None else Path(out)
        return build(
            self.workspace, out=place, precision=precision, name=name, force=force, progress=self.progress
        )
