"""The HTTP API and the pages. Each action is a method of Project, and a verb of the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib import resources
from typing import Any

import fastapi
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

from tilth import __version__
from tilth.errors import HeadMoved, InputError, NotFound, ProjectBusy, Refused, StaleOp, TilthError
from tilth.report.format import finite
from tilth.review.desk import Desk
from tilth.review.pages import Pages

__all__ = ["build"]

STATUS = (
    (NotFound, 404), (Refused, 409), (HeadMoved, 409), (StaleOp, 409), (ProjectBusy, 503), (InputError, 422),
)  # fmt: skip


@dataclass
class Decision:
    """One verdict; `key` is the browser's own name of it, so that it counts once however often it is sent."""

    key: str
    id: str
    verdict: str
    label: str | None = None
    note: str = ""


@dataclass
class Decisions:
    """Verdicts of one person."""

    reviewer: str
    items: list[Decision] = field(default_factory=list)


@dataclass
class Words:
    """Who decides about a patch, and why; `force` accepts against the evidence."""

    author: str = "person"
    reason: str = ""
    force: str = ""


class Body(JSONResponse):  # type: ignore[misc]  # fastapi is an extra, unknown to the type checker
    """JSON as the command line prints it: what JSON cannot spell is null."""

    def render(self, content: Any) -> bytes:
        """The bytes of an answer."""
        return json.dumps(finite(content), ensure_ascii=True, allow_nan=False).encode()


class Api:
    """Handlers of /api; they run in threads, so a slow one holds up no other.

    Parameters
    ----------
    desk : what the server holds in memory.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk, self.project = desk, desk.project

    def status(self) -> Any:
        """Where the project stands: `tilth status`."""
        return self.project.status()

    def plan(self) -> Any:
        """What to do next: `tilth plan`."""
        return self.desk.plan()

    def queue(self) -> Any:
        """Ids of the rows that want a verdict, the most useful first, and errors left: `tilth plan --out`."""
        return self.desk.worklist().to_json()

    def rows(self, id: list[str] = fastapi.Query(default=[])) -> Any:  # noqa: B008
        """What is to be seen of rows; at most 50 at once."""
        if len(id) > 50:
            raise InputError(f"{len(id)} rows were asked for; ask for at most 50 at once")
        return self.desk.worklist(newest=False).cards(id)

    def verdicts(self, body: Decisions) -> Any:
        """Take verdicts in, each once for its key; on disk before the answer: `tilth verdict`."""
        if not body.reviewer.strip():
            raise InputError("no reviewer: a verdict says who decided")
        return self.desk.record([asdict(item) for item in body.items], body.reviewer.strip())

    def relabel(self) -> Any:
        """Propose a patch of what reviewers decided: `tilth relabel`."""
        with self.desk.alone:
            return self.project.relabel().to_json()

    def propose(self) -> Any:
        """Make patches out of the findings: `tilth propose`."""
        with self.desk.alone:
            self.project.propose()
        return self.desk.patches()

    def patches(self) -> Any:
        """All patches: `tilth patches`."""
        return self.desk.patches()

    def patch(self, ref: str) -> Any:
        """A patch with its ops: `tilth patch`."""
        return self.desk.patch(ref)

    def trial(self, ref: str) -> Any:
        """Begin a trial: `tilth trial`."""
        return self.desk.try_out(ref)

    def job(self, ref: str) -> Any:
        """How far a trial is."""
        return self.desk.job(ref)

    def accept(self, ref: str, body: Words) -> Any:
        """Make a patch part of its data set: `tilth accept`."""
        with self.desk.alone:
            return asdict(self.project.accept(ref, force=body.force, author=body.author, reason=body.reason))

    def reject(self, ref: str, body: Words) -> Any:
        """Put a patch aside: `tilth reject`."""
        if not body.reason.strip():
            raise InputError("a rejection says why; the reason is recorded")
        info = self.project.reject(ref, reason=body.reason.strip(), author=body.author)
        return {"id": info.id, "state": info.state}

    def revert(self, ref: str, body: Words) -> Any:
        """Undo an accepted patch: `tilth revert`."""
        with self.desk.alone:
            return asdict(self.project.revert(ref, author=body.author))

    def rebase(self, ref: str) -> Any:
        """The same change on the present head: `tilth rebase`."""
        with self.desk.alone:
            info = self.project.rebase(ref)
        return {"id": info.id, "base": info.base}

    def log(self, dataset: str) -> Any:
        """Versions of a data set: `tilth log`."""
        return {"dataset": dataset, "versions": [asdict(v) for v in self.project.log(dataset)]}

    def routes(self) -> list[tuple[str, str, Callable[..., Any]]]:
        """Method, path and handler of each action."""
        return [
            ("GET", "/status", self.status), ("GET", "/plan", self.plan), ("GET", "/queue", self.queue),
            ("GET", "/rows", self.rows), ("POST", "/verdicts", self.verdicts),
            ("POST", "/relabel", self.relabel), ("POST", "/propose", self.propose),
            ("GET", "/patches", self.patches), ("GET", "/patches/{ref}", self.patch),
            ("POST", "/patches/{ref}/trial", self.trial), ("GET", "/patches/{ref}/trial", self.job),
            ("POST", "/patches/{ref}/accept", self.accept), ("POST", "/patches/{ref}/reject", self.reject),
            ("POST", "/patches/{ref}/revert", self.revert), ("POST", "/patches/{ref}/rebase", self.rebase),
            ("GET", "/log/{dataset}", self.log),
        ]  # fmt: skip


def build(desk: Desk) -> fastapi.FastAPI:
    """The application without its guard."""
    app = fastapi.FastAPI(
        title="Tilth review", version=__version__, docs_url=None, redoc_url=None,
        openapi_url="/api/openapi.json",
    )  # fmt: skip
    app.add_exception_handler(TilthError, _explain)
    pages = Pages(desk)
    for method, path, handler in Api(desk).routes():
        app.add_api_route(f"/api{path}", handler, methods=[method], response_class=Body)
    for path, page in pages.routes():
        app.add_api_route(path, page, methods=["GET"], include_in_schema=False, response_model=None)
    static = resources.files("tilth.review").joinpath("static")
    app.mount("/static", StaticFiles(directory=str(static)))
    return app


async def _explain(request: fastapi.Request, error: Exception) -> JSONResponse:
    """What went wrong, in the words of the command line."""
    status = next((code for kind, code in STATUS if isinstance(error, kind)), 400)
    return JSONResponse({"error": type(error).__name__, "message": str(error)}, status)
