"""The review page's server, as a person starts it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from loop_kit import start


class Server:
    """`tilth review` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None
        self.address = ""

    def start(self) -> str:
        """Start it; returns the address with the token of this start."""
        self.process = start("review", "--no-browser", "--json", "--project", "p", cwd=self.folder)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.stderr and self.process.stderr.read()
        self.address = line.split('"')[3]
        return self.address

    def kill(self) -> None:
        """As the kernel does when memory is short."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
