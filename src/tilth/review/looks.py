"""Looks: results that take a while, computed in the background and shown when they are there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tilth.errors import TilthError
from tilth.workspace import TRAIN

if TYPE_CHECKING:
    from tilth.project import Project

__all__ = ["Look", "Looks"]

KEPT = 12
"""Results in memory: one for each table, and one for each of the last thresholds of copies."""
WAIT = 0.8
"""Seconds that a page waits for a result before it says that it is being computed."""


@dataclass(frozen=True, slots=True)
class Look:
    """A result as it is at hand.

    Attributes
    ----------
    body : the newest result; None before the first.
    fresh : whether it is that of the present rows, verdicts and settings; else a new one is at work.
    error : why there is none, in the words of the command line.
    """

    body: dict[str, Any] | None
    fresh: bool
    error: str = ""


class Looks:
    """What was computed for pages, by name.

    Parameters
    ----------
    project : whose results they are.
    alone : held while something is computed.
    """

    def __init__(self, project: Project, alone: threading.Lock) -> None:
        self.project, self.alone = project, alone
        self._lock = threading.Lock()
        self._found: dict[str, tuple[object, dict[str, Any] | None, str]] = {}
        self._work: dict[str, threading.Thread] = {}

    def of(self, name: str, make: Callable[[], dict[str, Any]]) -> Look:
        """The result of `make` for the project as it is now.

        What is known is answered at once; else it is begun, and waited for a moment.

        Parameters
        ----------
        name : of the result.
        make : computes it; called in a thread of its own while nothing else is computed.
        """
        key = self._key()
        with self._lock:
            found = self._found.get(name)
            if found is not None and found[0] == key:
                return Look(found[1], not found[2], found[2])
            thread = self._work.get(name)
            if thread is None or not thread.is_alive():
                thread = threading.Thread(target=self._make, args=(name, make), daemon=True)
                self._work[name] = thread
                thread.start()
        thread.join(WAIT)
        now = self._found.get(name)
        if now is None:
            return Look(None, False)
        return Look(now[1], now[0] == key and not now[2], now[2] if now[0] == key else "")

    def known(self, name: str) -> dict[str, Any] | None:
        """The newest result of a name, whether or not it is that of the present; None where there is none."""
        found = self._found.get(name)
        return found[1] if found else None

    def busy(self) -> bool:
        """Whether anything is at work."""
        return any(t.is_alive() for t in self._work.values())

    def _make(self, name: str, make: Callable[[], dict[str, Any]]) -> None:
        with self.alone:
            key, error = self._key(), ""
            body = self._found[name][1] if name in self._found else None
            try:
                body = make()
            except TilthError as problem:
                error = str(problem)
            except Exception as problem:  # a page that waits for ever says less than this
                error = f"{type(problem).__name__}: {problem}"
            self._found.pop(name, None)
            self._found[name] = (key, body, error)
            while len(self._found) > KEPT:
                self._found.pop(next(iter(self._found)))

    def _key(self) -> object:
        """Everything in the project that such a result depends on."""
        ws = self.project.workspace
        head = ws.store.head(TRAIN)
        guides = len(ws.store.records("guide"))
        said = (ws.store.verdict_mark(TRAIN), ws.store.judgements_digest(), guides)
        return head.id if head else "", ws.eval_id(), ws.gates(), ws.config.minutes, *said
