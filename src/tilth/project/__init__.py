"""Project: the whole of Tilth in one object; each method is a verb of the command line.

One class; each group of its verbs has a file of its own (docs/decisions/0017-groups-of-verbs.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tilth.project.findings import FindingVerbs
from tilth.project.loop import LoopVerbs
from tilth.project.monitoring import MonitorVerbs
from tilth.project.patches import PatchVerbs
from tilth.project.people import PeopleVerbs
from tilth.project.releases import ReleaseVerbs
from tilth.project.reviewing import ReviewingVerbs
from tilth.project.rows import RowVerbs
from tilth.project.sets import SetVerbs

__all__ = ["Project", "open_project"]


def open_project(folder: str | Path) -> Project:
    """The project in a folder; it may not exist yet, `ingest` then makes it."""
    return Project(folder)


class Project(
    LoopVerbs,
    RowVerbs,
    FindingVerbs,
    PeopleVerbs,
    ReviewingVerbs,
    PatchVerbs,
    SetVerbs,
    ReleaseVerbs,
    MonitorVerbs,
):
    """A folder with tilth.toml and data/; every method reads the newest state and writes atomically.

    Parameters
    ----------
    folder : the project folder.
    clock : gives the present time as ISO 8601 text.
    progress : called as progress(step, done, total) during long work.
    """

    def review(
        self,
        *,
        port: int = 0,
        browser: bool = True,
        host: str = "127.0.0.1",
        allow_hosts: Sequence[str] = (),
        password_file: str | Path | None = None,
        proxy_header: str = "",
        proxy_from: Sequence[str] = (),
        started: Callable[[str, Sequence[str]], None],
    ) -> None:
        """Serve the review page until it is interrupted; by default on this machine alone.

        Parameters
        ----------
        port : 0 is the project's own, or a free one where that is taken.
        browser : open the page in a browser.
        host, allow_hosts : address to listen on, and names under which others reach it.
        password_file : people with their passwords, who log in.
        proxy_header, proxy_from : header in which a reverse proxy says who somebody is, and its addresses.
        started : called with the address to open, and with sentences on who can reach it.

        Raises
        ------
        MissingExtra : the packages of the extra `review` are not installed.
        InputError : others could reach it, and nothing says how they show who they are.
        """
        from tilth.review import Team, serve

        file = None if password_file is None else Path(password_file)
        team = Team(host, tuple(allow_hosts), file, proxy_header, tuple(proxy_from))
        serve(self, port=port, browser=browser, team=team, started=started)
