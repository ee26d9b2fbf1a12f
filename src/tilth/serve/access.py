"""The access log: one JSON object a line, without the rows unless asked for, written beside the server."""

from __future__ import annotations

import json
import threading
import traceback
from collections.abc import Callable
from typing import Any

from tilth.serve.protocol import Exchange

__all__ = ["AccessLog"]

MOST = 20_000
"""Lines that may wait when the log is not read."""
PAUSE = 0.1


class AccessLog(threading.Thread):
    """Lines for a stream; a pipe that nobody reads costs lines, which are counted, but stops nothing.

    Parameters
    ----------
    write : takes text; None for no log.
    """

    def __init__(self, write: Callable[[str], object] | None) -> None:
        super().__init__(name="tilth-log", daemon=True)
        self.write = write
        self.dropped = 0
        self._lines: list[dict[str, Any]] = []
        self._some, self._end = threading.Event(), threading.Event()

    def request(self, exchange: Exchange, at: str, seconds: float) -> None:
        """One request that was answered."""
        self._add(
            {"at": at, "method": exchange.method, "path": exchange.path, "status": exchange.status,
             "ms": round(seconds * 1e3, 3), "peer": exchange.peer, "bytes": len(exchange.body),
             **exchange.notes}
        )  # fmt: skip

    def event(self, at: str, what: str, **more: Any) -> None:
        """Something that is no request: a start, a swap, an end."""
        self._add({"at": at, "event": what, **more})

    def fault(self, error: Exception) -> None:
        """An error that nobody expected; its trace holds no rows."""
        self._add(
            {
                "event": "fault",
                "trace": traceback.format_tb(error.__traceback__),
                "error": type(error).__name__,
            }
        )

    def close(self) -> None:
        """Write what waits and end."""
        self._end.set()
        self._some.set()
        if self.is_alive():
            self.join(2.0)

    def run(self) -> None:
        """Write what has come, every PAUSE seconds at most."""
        while True:
            self._some.wait()
            self._end.wait(PAUSE)
            self._some.clear()
            lines, self._lines = self._lines, []
            if lines and self.write is not None:
                try:
                    # ASCII: a text in a line cannot end it or forge another
                    self.write("".join(json.dumps(line, default=str) + "\n" for line in lines))
                except (OSError, ValueError):
                    self.dropped += len(lines)
            if self._end.is_set():
                return

    def _add(self, line: dict[str, Any]) -> None:
        if self.write is None:
            return
        if len(self._lines) >= MOST:
            self.dropped += 1
            return
        self._lines.append(line)
        if not self._some.is_set():
            self._some.set()
