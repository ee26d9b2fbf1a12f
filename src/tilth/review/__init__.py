"""The review page: a person decides row by row and judges patches, on the person's own machine.

Server of the pages and of the HTTP API behind them (docs/howto/review.md). FastAPI, uvicorn and Jinja2 come
with the extra `review` and are imported when the page is started, not before.
"""

from __future__ import annotations

from tilth.review.server import serve
from tilth.review.team import Team

__all__ = ["Team", "serve"]
