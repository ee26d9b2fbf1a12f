"""What goes into the store and comes out of it beside rows, versions and patches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tilth.data import Version

__all__ = ["Decision", "ImportResult", "PatchInfo", "PatchState"]

PatchState = Literal["proposed", "accepted", "rejected", "reverted", "stale", "superseded"]
"""Where a patch stands."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did.

    Attributes
    ----------
    version : the head afterwards; None when the data set is still empty.
    changed : whether a version was made.
    added, relabelled, edited, dropped : rows changed in the data set.
    unchanged : rows of the file for which nothing had to be done.
    conflicts : rows that both the file and somebody else had changed, differently, since the last
        import of this source; the file won. They are among those counted above.
    """

    version: Version | None
    changed: bool
    added: int = 0
    relabelled: int = 0
    edited: int = 0
    dropped: int = 0
    unchanged: int = 0
    conflicts: int = 0


@dataclass(frozen=True, slots=True)
class PatchInfo:
    """A patch without its ops.

    Attributes
    ----------
    id, dataset, base, title, origin, author, reason, created, revises : as in `tilth.patch.Patch`.
    state : where it stands.
    counts : number of ops of each kind that occurs.
    meta : what its maker noted (predicted gain, minutes of work ...).
    """

    id: str
    dataset: str
    base: str
    title: str
    origin: str
    author: str
    reason: str
    created: str
    revises: str
    state: PatchState
    counts: Mapping[str, int]
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """One change of the state of a patch.

    Attributes
    ----------
    patch : id of the patch.
    state : the state from then on.
    reason, author : why and who.
    created : when, ISO 8601.
    """

    patch: str
    state: PatchState
    reason: str
    author: str
    created: str
