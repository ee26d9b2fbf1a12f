"""A client of the review page's server in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TOKEN, PORT = "s3cret-of-this-start", 8765
BASE = f"http://127.0.0.1:{PORT}"


@contextmanager
def client_of(folder: Path) -> Iterator[Any]:
    """A client that has the token, of the project in a folder."""
    from fastapi.testclient import TestClient

    from tilth.project import Project
    from tilth.review.server import application

    with Project(folder) as project:
        app, desk = application(project, token=TOKEN, port=PORT)
        yield TestClient(app, base_url=BASE, headers={"Authorization": f"Bearer {TOKEN}"})
        until(lambda: not desk.looks.busy() and (desk._planner is None or not desk._planner.is_alive()))
        desk.close()


def until(true: Callable[[], Any], seconds: float = 120) -> Any:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "never true"
        time.sleep(0.05)
    return found


def shown(client: Any, path: str) -> str:
    """A page once what it shows is computed: it does not load itself again any more."""

    def there() -> str:
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        return "" if "http-equiv" in answer.text else str(answer.text)

    return str(until(there))
