"""How a server is started."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tilth.errors import InputError
from tilth.serve.batching import Queue
from tilth.serve.protocol import Limits

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """What `tilth serve` was told.

    Attributes
    ----------
    state : folder of what the server remembers.
    host, port : where it listens; port 0 takes a free one.
    tokens : file with clients and their tokens; needed where others can reach the host.
    escalate : keep the text of what is not answered and ask a person.
    keep_rows : keep the text of every answer; without it feedback has no text unless it brings one.
    log_rows : write texts into the access log.
    access_log : write an access log.
    fresh : serve what the command says, also when something else was served last.
    rows, characters : most rows of a request, most characters of a text.
    grace : seconds that requests on their way may take when the server stops.
    days : answers that nothing was said about are forgotten after so many; 0 keeps them.
    """

    state: Path
    host: str = "127.0.0.1"
    port: int = 8500
    tokens: Path | None = None
    escalate: bool = False
    keep_rows: bool = False
    log_rows: bool = False
    access_log: bool = True
    fresh: bool = False
    rows: int = 10_000
    characters: int = 50_000
    grace: float = 30.0
    days: int = 90
    limits: Limits = field(default_factory=Limits)
    queue: Queue = field(default_factory=Queue)

    def __post_init__(self) -> None:
        if not 0 <= self.port < 65_536:
            raise InputError(f"port {self.port} is none; choose one up to 65535, or 0 for a free one")
