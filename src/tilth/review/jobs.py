"""Jobs: long work in processes of its own, so that a busy model never delays a verdict."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Job", "Jobs"]


@dataclass
class Job:
    """A verb of the command line at work.

    Attributes
    ----------
    process : the command line.
    step, done, total : the newest line of its progress; total is 0 where nothing is counted.
    began : when it was started, and when this step was, in seconds of a clock that only goes forward.
    tail : the end of what it said otherwise.
    """

    process: subprocess.Popen[str]
    step: str = "starting"
    done: int = 0
    total: int = 0
    began: list[float] = field(default_factory=lambda: [time.monotonic()] * 2)
    tail: str = ""
    cancelled: bool = False

    def heard(self, line: str) -> None:
        """Take a line of its standard error in: progress as a JSON object, everything else as it is."""
        try:
            said = json.loads(line)
            step, self.done, self.total = str(said["step"]), int(said["done"]), int(said["total"])
        except (ValueError, KeyError, TypeError):
            self.tail = f"{self.tail}{line}"[-2_000:]
            return
        if step != self.step:
            self.began[1] = time.monotonic()
        self.step = step

    def to_json(self) -> dict[str, Any]:
        """State: running, done (measured, whatever the verdict), cancelled or failed."""
        code, now = self.process.poll(), time.monotonic()
        state = "running" if code is None else "done" if code in (0, 3, 4) else "failed"
        state = "cancelled" if state == "failed" and self.cancelled else state
        part = self.done / self.total if self.total else 0.0
        spent = now - self.began[1]
        left = round(spent * (1 - part) / part, 1) if state == "running" and 0 < part < 1 else None
        return {
            "state": state,
            "step": self.step,
            "done": self.done,
            "total": self.total,
            "seconds": round(now - self.began[0], 1),
            "left": left,
            "error": self.tail * (state == "failed"),
        }


NONE = {"state": "none", "step": "", "done": 0, "total": 0, "seconds": 0.0, "left": None, "error": ""}
"""A job that was not begun here."""


class Jobs:
    """Verbs at work, each under a name.

    Parameters
    ----------
    folder : of the project.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}

    def begin(self, name: str, argv: Sequence[str]) -> dict[str, Any]:
        """Begin a job, unless it is at work already."""
        with self._lock:
            job = self._jobs.get(name)
            if job is None or job.process.poll() is not None:
                command = [sys.executable, "-m", "tilth.cli", *argv, "--json", "--project", self.folder]
                process = subprocess.Popen(
                    command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                    text=True, encoding="utf-8", errors="replace",
                    env={**os.environ, "TILTH_PROGRESS": "json"},
                )  # fmt: skip
                # keys come first; only some systems know priorities
                with suppress(AttributeError, OSError):
                    os.setpriority(os.PRIO_PROCESS, process.pid, 10)
                job = self._jobs[name] = Job(process)
                threading.Thread(target=_follow, args=(job,), daemon=True).start()
        return job.to_json()

    def state(self, name: str) -> dict[str, Any]:
        """How far a job is; state "none" where none was begun here."""
        job = self._jobs.get(name)
        return job.to_json() if job else dict(NONE)

    def cancel(self, name: str) -> dict[str, Any]:
        """End a job that is at work; nothing of it is kept."""
        job = self._jobs.get(name)
        if job is not None and job.process.poll() is None:
            job.cancelled = True
            job.process.terminate()
            try:
                job.process.wait(10)
            except subprocess.TimeoutExpired:
                job.process.kill()
        return self.state(name)

    def close(self) -> None:
        """End all that is at work."""
        for job in self._jobs.values():
            if job.process.poll() is None:
                job.process.terminate()


def _follow(job: Job) -> None:
    """Read the progress of a job line by line."""
    assert job.process.stderr is not None
    for line in job.process.stderr:
        job.heard(line)
    job.process.wait()
