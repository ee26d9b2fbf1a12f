"""What every group of verbs stands on: the folder, and the workspace in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Self

from tilth.signals import Progress
from tilth.workspace import Workspace, utc_now

__all__ = ["Opened"]


class Opened:
    """A folder with tilth.toml and data/, opened when it is needed first.

    Parameters
    ----------
    folder : the project folder.
    clock : gives the present time as ISO 8601 text.
    progress : called as progress(step, done, total) during long work.
    """

    def __init__(
        self, folder: str | Path, *, clock: Callable[[], str] = utc_now, progress: Progress | None = None
    ) -> None:
        self.folder, self.clock, self.progress = Path(folder), clock, progress
        self._workspace: Workspace | None = None

    @property
    def workspace(self) -> Workspace:
        """The open workspace.

        Raises
        ------
        ProjectError : there is no project in the folder.
        """
        if self._workspace is None:
            self._workspace = Workspace.open(self.folder, self.clock)
        return self._workspace

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the store; the next call opens it again."""
        if self._workspace is not None:
            self._workspace.close()
            self._workspace = None
