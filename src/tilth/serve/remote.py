"""Talk to a running server of this machine: find it by its state, change what it serves."""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tilth.errors import InputError, NotFound, Refused
from tilth.serve.arms import Asked

__all__ = ["rollback", "swap"]

PATIENCE = 120.0
"""Seconds that a server may take to load and check a bundle."""


def swap(state: Path, asked: Sequence[Asked]) -> dict[str, Any]:
    """Have the server of a state serve other releases.

    Returns
    -------
    What is served now and what was before, as GET /releases gives it.

    Raises
    ------
    NotFound : no server is running on the state.
    Refused : the server refused the bundles; it serves what it served.
    """
    items = [{"path": str(Path(a.path).absolute()), "share": a.share, "shadow": a.shadow} for a in asked]
    return _post(state, "/admin/releases", {"releases": items})


def rollback(state: Path) -> dict[str, Any]:
    """Have the server of a state serve what it served before.

    Raises
    ------
    NotFound : no server is running on the state.
    Refused : it has served nothing else since it was started.
    """
    return _post(state, "/admin/rollback", {})


def _post(state: Path, path: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        about = json.loads((state / "server.json").read_text("utf-8"))
        token = (state / "admin.token").read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise NotFound(f"no server is running on {state} ({error}); start it with tilth serve") from error
    place = urlsplit(about["address"])
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=PATIENCE)
    sent = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    try:
        connection.request("POST", path, json.dumps(body), sent)
        answer = connection.getresponse()
        found = json.loads(answer.read())
    except (OSError, http.client.HTTPException) as error:
        raise NotFound(f"the server of {state} does not answer at {about['address']} ({error})") from error
    except ValueError as error:
        raise InputError(f"{about['address']} is no server of Tilth: {error}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise Refused(f"the server goes on with what it serves: {found.get('message', found)}")
    return dict(found)
