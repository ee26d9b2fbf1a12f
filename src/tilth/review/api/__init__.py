"""The HTTP API. Each action is a method of Project, and a verb of the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from importlib import resources
from typing import Any

import fastapi
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

from tilth import __version__
from tilth.errors import HeadMoved, InputError, NotFound, ProjectBusy, Refused, StaleOp, TilthError
from tilth.report.format import finite
from tilth.review.api.explore import ExploreActions
from tilth.review.api.guide import GuideActions
from tilth.review.api.history import HistoryActions
from tilth.review.api.maps import MapActions
from tilth.review.api.patches import PatchActions
from tilth.review.api.people import PeopleActions
from tilth.review.api.rows import RowActions
from tilth.review.api.service import ServiceActions
from tilth.review.api.sets import SetActions
from tilth.review.desk import Desk
from tilth.review.pages import pages
from tilth.review.pages.frame import Frame

__all__ = ["build"]

GROUPS: tuple[Callable[[Desk], Any], ...] = (
    RowActions,
    PeopleActions,
    PatchActions,
    SetActions,
    ExploreActions,
    GuideActions,
    HistoryActions,
    MapActions,
    ServiceActions,
)
STATUS = (
    (NotFound, 404), (Refused, 409), (HeadMoved, 409), (StaleOp, 409), (ProjectBusy, 503), (InputError, 422),
)  # fmt: skip


class Body(JSONResponse):  # type: ignore[misc]  # fastapi is an extra, unknown to the type checker
    """JSON as the command line prints it: what JSON cannot spell is null."""

    def render(self, content: Any) -> bytes:
        """The bytes of an answer."""
        return json.dumps(finite(content), ensure_ascii=True, allow_nan=False).encode()


def build(desk: Desk) -> fastapi.FastAPI:
    """The application without its guard."""
    app = fastapi.FastAPI(
        title="Tilth review", version=__version__, docs_url=None, redoc_url=None,
        openapi_url="/api/openapi.json",
    )  # fmt: skip
    app.add_exception_handler(TilthError, _explain)
    frame = Frame(desk)
    for kind in (404, RequestValidationError):
        app.add_exception_handler(kind, partial(_no_such, frame))
    for group in GROUPS:
        actions = group(desk)
        for method, path, handler in actions.routes():
            app.add_api_route(f"/api{path}", handler, methods=[method], response_class=Body)
    for path, page in pages(desk):
        app.add_api_route(path, page, methods=["GET"], include_in_schema=False, response_model=None)
    static = resources.files("tilth.review").joinpath("static")
    app.mount("/static", StaticFiles(directory=str(static)))
    return app


async def _explain(request: fastapi.Request, error: Exception) -> JSONResponse:
    """What went wrong, in the words of the command line."""
    status = next((code for kind, code in STATUS if isinstance(error, kind)), 400)
    return Body({"error": type(error).__name__, "message": str(error)}, status)


async def _no_such(frame: Frame, request: fastapi.Request, error: Exception) -> fastapi.Response:
    """An address that leads nowhere, or asks for what cannot be: a page for a person, JSON for a script."""
    status, kind, path = 404, "NotFound", request.url.path
    words = f"There is no {path}."
    if isinstance(error, RequestValidationError):
        faults = [f"{'.'.join(map(str, f['loc'][1:])) or 'the body'}: {f['msg']}" for f in error.errors()]
        status, kind, words = 422, "InputError", "; ".join(faults[:5])
    if path.startswith(("/api/", "/static/")):
        return Body({"error": kind, "message": words}, status)
    return frame.page("missing.html", "", status, message=words)
