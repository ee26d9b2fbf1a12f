"""Comments on patches: who said what, when; nothing is ever overwritten."""

from __future__ import annotations

import uuid
from typing import Any

from tilth.errors import InputError
from tilth.workspace import Workspace

__all__ = ["comment", "comments"]

KIND = "comment"
LONGEST = 20_000
"""Characters of a comment."""


def comment(ws: Workspace, ref: str, text: str, *, author: str, key: str = "") -> dict[str, Any]:
    """Keep a comment on a patch.

    Parameters
    ----------
    ref : the first characters of the id of a patch.
    key : its own name: a comment that is sent twice is kept once; "" makes one up.

    Raises
    ------
    InputError : it says nothing, or too much, or nobody says it.
    NotFound : no such patch.
    """
    patch, said, who = ws.store.patch_info(ref).id, text.strip(), author.strip()
    if not said or len(said) > LONGEST:
        raise InputError(f"a comment has 1 to {LONGEST:,} characters, this one {len(said):,}")
    if not who:
        raise InputError("no author: a comment says who wrote it")
    now = ws.clock()
    body = {"author": who, "text": said, "created": now}
    ws.store.put_new(KIND, f"{patch}:{key or uuid.uuid4().hex}", body, subject=patch, now=now)
    return {"patch": patch, "comments": comments(ws, patch)}


def comments(ws: Workspace, ref: str) -> list[dict[str, Any]]:
    """Comments on a patch, oldest first."""
    return ws.store.records(KIND, ws.store.patch_info(ref).id)
