"""A tiny release, a server in a thread and a plain client: what the tests of the server share."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tilth.errors import InputError
from tilth.serve.arms import Asked
from tilth.serve.server import Server, _loop
from tilth.serve.settings import Settings


@dataclass(frozen=True)
class Fake:
    """An answer."""

    label: str | None
    best: str
    probability: float
    abstained: bool
    reason: str | None

    def to_json(self) -> dict[str, Any]:
        return {
            "label": self.label, "best": self.best, "probability": self.probability,
            "abstained": self.abstained,
            "reason": self.reason, "words": "", "likely": [], "nearest": [], "set": None,
        }  # fmt: skip


class FakeRelease:
    """Says its first class to everything, abstains at a question mark; `slow` seconds a call."""

    text = "text"

    def __init__(self, path: Path) -> None:
        body = json.loads(path.read_text("utf-8"))
        self.id, self.name = body["id"], body["name"]
        self.classes = tuple(body["classes"])
        self.slow, self.calls = body.get("slow", 0.0), 0
        self.largest, self.warmed = 0, 0

    def warm(self) -> None:
        self.warmed += 1

    def predict(self, rows: Sequence[str | Mapping[str, object]], *, sets: float | None = None) -> list[Fake]:
        self.calls += 1
        self.largest = max(self.largest, len(rows))
        time.sleep(self.slow)
        if "break" in rows:
            raise ValueError("this row breaks the model")
        return [
            Fake(None, self.classes[0], 0.4, True, "unsure") if str(r).endswith("?")
            else Fake(self.classes[0], self.classes[0], 0.9, False, None)
            for r in rows
        ]  # fmt: skip


def fake_bundle(folder: Path, name: str, **more: Any) -> str:
    """A file that `load_fake` reads."""
    path = folder / f"{name}.json"
    body = {"id": f"id-{name}", "name": name, "classes": [f"{name}-yes", f"{name}-no"], **more}
    path.write_text(json.dumps(body), "utf-8")
    return str(path)


def load_fake(path: str) -> FakeRelease:
    """As `tilth.release.load` reads a bundle."""
    try:
        return FakeRelease(Path(path))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} is no bundle: {error}") from error


class Client:
    """One connection; `ask` gives the status, the headers and the JSON of an answer."""

    def __init__(self, address: str, token: str = "") -> None:
        parts = urlsplit(address)
        self.host, self.port, self.token = parts.hostname, parts.port, token
        self.connection = http.client.HTTPConnection(self.host, self.port, timeout=20)

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], Any]:
        sent = {"Content-Type": "application/json", **(headers or {})}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        raw = body if isinstance(body, (bytes, type(None))) else json.dumps(body)
        self.connection.request(method, path, raw, sent)
        answer = self.connection.getresponse()
        text = answer.read()
        kind = answer.headers.get("content-type", "")
        found = {k.lower(): v for k, v in answer.headers.items()}
        return (
            answer.status,
            found,
            json.loads(text) if kind == "application/json" and text else text.decode(),
        )

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        status, _, body = self.ask("GET", path, headers=headers)
        return status, body

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        status, _, found = self.ask("POST", path, body, headers)
        return status, found


@contextmanager
def serving(
    tmp_path: Path, asked: Sequence[Asked | str], *, log: Any = None, load: Any = load_fake, **options: Any
) -> Iterator[tuple[Server, str]]:
    """A server in a thread, and its address."""
    import asyncio

    settings = Settings(state=tmp_path / "state", port=0, **options)
    releases = [a if isinstance(a, Asked) else Asked(a) for a in asked]
    server = Server(releases, settings, load=load, log=log)
    found: list[Any] = []
    ready = threading.Event()

    def started(address: str, words: str) -> None:
        found.extend((address, words))
        ready.set()

    def work() -> None:
        try:
            with asyncio.Runner(loop_factory=_loop()) as runner:
                runner.run(server.run(started))
        except BaseException as error:
            found.append(error)
            ready.set()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert ready.wait(20)
    if isinstance(found[0], BaseException):
        raise found[0]
    server.words = found[1]  # type: ignore[attr-defined]
    try:
        yield server, found[0]
    finally:
        server.stop()
        thread.join(20)
        assert not thread.is_alive()


def admin(tmp_path: Path) -> str:
    """Token of the admin of a server made by `serving`."""
    return (tmp_path / "state" / "admin.token").read_text().strip()


def main() -> None:
    """A server in a process of its own: STATE BUNDLE; prints its address."""
    import sys

    from tilth.serve.server import serve

    settings = Settings(state=Path(sys.argv[1]), port=0, access_log=False, escalate=True)

    def started(address: str, words: str) -> None:
        sys.stdout.write(address + "\n")
        sys.stdout.flush()

    serve([Asked(sys.argv[2])], settings, load=load_fake, started=started)


if __name__ == "__main__":
    main()
