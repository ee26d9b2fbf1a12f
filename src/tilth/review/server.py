"""Start the server: on this machine alone unless asked otherwise, on a port that stays."""

from __future__ import annotations

import hashlib
import secrets
import socket
import time
import webbrowser
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tilth.errors import InputError
from tilth.recipes.optional import need
from tilth.review.desk import Desk
from tilth.review.guard import App, Guard
from tilth.review.team import Team

if TYPE_CHECKING:
    from tilth.project import Project

__all__ = ["application", "serve"]

FIRST, PORTS = 20_000, 10_000


def application(
    project: Project,
    *,
    token: str,
    port: int,
    team: Team | None = None,
    clock: Callable[[], float] = time.time,
) -> tuple[App, Desk]:
    """The guarded application, and the desk behind it.

    Parameters
    ----------
    token : secret of this start of the server.
    port : it listens on.
    team : who may reach it; by default the person who started it.
    clock : seconds since 1970, by which logins end.

    Raises
    ------
    MissingExtra : a package of the extra `review` is not installed.
    InputError : the team cannot be let in so.
    """
    for package in ("fastapi", "jinja2"):
        need(package, "the review page", "review")
    from tilth.review.api import build

    team = team or Team()
    entrance = team.entrance(project.folder, token, port, clock)
    desk = Desk(project)
    desk.logins = bool(team.password_file)
    return Guard(build(desk), entrance, hosts=team.allow_hosts), desk


def serve(
    project: Project, *, port: int, browser: bool, team: Team, started: Callable[[str, Sequence[str]], None]
) -> None:
    """Serve until interrupted; see `Project.review`."""
    uvicorn = need("uvicorn", "the review page", "review")
    door = _listen(project, team.host, port)
    port, token = door.getsockname()[1], secrets.token_urlsafe(24)
    project.workspace.head("train")  # say at once, not in the page, that there is nothing to review
    app, desk = application(project, token=token, port=port, team=team)
    desk.reviewers.resume()
    desk.plan_at_hand()  # the first page shall not wait for what can be computed now
    address = team.address(port, token)
    settings = uvicorn.Config(
        app, log_level="warning", access_log=False, ws="none", lifespan="off",
        proxy_headers=False,  # or a header would say from which address somebody comes
    )  # fmt: skip
    started(address, team.meaning(port))
    if browser and team.alone:
        webbrowser.open(address)
    try:
        uvicorn.Server(settings).run(sockets=[door])
    finally:
        desk.close()
        door.close()


def _listen(project: Project, host: str, port: int) -> socket.socket:
    """A listening socket.

    Each project has a port of its own that it gets again: a browser keeps what is not saved yet under the
    address, and finds it after the server was started again.
    """
    own = hashlib.sha256(str(project.folder.resolve()).encode("utf-8", "surrogatepass")).digest()
    wanted = [port] if port else [FIRST + int.from_bytes(own[:4], "big") % PORTS, 0]
    for number in wanted:
        door = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((host, number))
            door.listen(64)
            return door
        except (OSError, OverflowError) as error:
            door.close()
            problem = getattr(error, "strerror", "") or str(error)
    raise InputError(
        f"cannot listen on port {port} of {host}: {problem}; choose another, or none for a free one"
    )
