"""Project: the whole of Tilth in one object; each method is a verb of the command line.

One class; each group of its verbs has a file of its own (docs/decisions/0017-groups-of-verbs.md).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tilth.project.findings import FindingVerbs
from tilth.project.loop import LoopVerbs
from tilth.project.monitoring import MonitorVerbs
from tilth.project.patches import PatchVerbs
from tilth.project.people import PeopleVerbs
from tilth.project.releases import ReleaseVerbs
from tilth.project.rows import RowVerbs
from tilth.project.sets import SetVerbs

__all__ = ["Project", "open_project"]


def open_project(folder: str | Path) -> Project:
    """The project in a folder; it may not exist yet, `ingest` then makes it."""
    return Project(folder)


class Project(
    LoopVerbs, RowVerbs, FindingVerbs, PeopleVerbs, PatchVerbs, SetVerbs, ReleaseVerbs, MonitorVerbs
):
    """A folder with tilth.toml and data/; every method reads the newest state and writes atomically.

    Parameters
    ----------
    folder : the project folder.
    clock : gives the present time as ISO 8601 text.
    progress : called as progress(step, done, total) during long work.
    """

    def review(self, *, port: int = 0, browser: bool = True, started: Callable[[str], None]) -> None:
        """Serve the review page on this machine alone until it is interrupted.

        `started` is called with the address; port 0 is the project's own, or a free one where that is taken.

        Raises
        ------
        MissingExtra : the packages of the extra `review` are not installed.
        """
        from tilth.review import serve

        serve(self, port=port, browser=browser, started=started)
