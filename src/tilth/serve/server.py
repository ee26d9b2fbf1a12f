"""Start, listen, stop: the life of a server."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tilth.errors import InputError, MissingExtra, ProjectBusy
from tilth.serve.access import AccessLog
from tilth.serve.app import App
from tilth.serve.arms import Asked, Model
from tilth.serve.batching import Batcher
from tilth.serve.guard import Guard, admin_token, guard
from tilth.serve.metrics import Metrics
from tilth.serve.protocol import Connection, Room
from tilth.serve.settings import Settings
from tilth.serve.state import State, stamp
from tilth.serve.swap import Stage, first
from tilth.serve.writer import Writer

__all__ = ["Server", "serve"]

SWITCH = 0.0005
"""Seconds after which a thread that waits gets its turn; Python's 5 ms would be the latency of an answer."""
ABOUT = "server.json"


def serve(
    asked: Sequence[Asked],
    settings: Settings,
    *,
    load: Callable[[str], Model],
    log: Callable[[str], object] | None = None,
    started: Callable[[str, str], None] = lambda address, words: None,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is on its way.

    Parameters
    ----------
    asked : the releases.
    load : reads a bundle.
    log : takes the lines of the access log.
    started : is told the address when requests are answered, and what else a person should know.

    Raises
    ------
    MissingExtra : the extra `serve` is not installed.
    InputError : a bundle or the address cannot be used.
    Refused : others can reach the address and there are no tokens.
    """
    _need("httptools")
    server = Server(asked, settings, load=load, log=log)
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH)
    runner = asyncio.Runner(loop_factory=_loop())
    try:
        with runner:
            runner.run(server.run(started))
    finally:
        sys.setswitchinterval(before)


def _need(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError:
        raise MissingExtra("the server", package, "serve") from None


def _loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where there is one: it halves the time of a request."""
    try:
        found: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    except ImportError:
        return None
    return found


class Server:
    """One server: `run` starts it and returns when it has stopped."""

    def __init__(
        self, asked: Sequence[Asked], settings: Settings, *, load: Callable[[str], Model],
        log: Callable[[str], object] | None = None,
    ) -> None:  # fmt: skip
        self.asked, self.settings, self.load = asked, settings, load
        self.log = AccessLog(log if settings.access_log else None)
        self.metrics = Metrics()
        self.room = Room()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def stop(self) -> None:
        """Finish what is on its way, then end; may be called from any thread."""
        if self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._stop.set)

    async def run(self, started: Callable[[str, str], None]) -> None:
        """Serve until `stop` or a signal."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        settings = self.settings
        # refuse before anything is made or loaded; the tokens are read once, since they may come by a pipe
        door = guard(settings.host, settings.tokens)
        state = State.open(settings.state, create=True)
        with contextlib.ExitStack() as stack:
            stack.callback(state.close)
            stack.enter_context(_alone(settings.state))
            reader = State.open(settings.state)
            stack.callback(reader.close)
            await self._serve(state, reader, door, started)

    async def _serve(
        self, state: State, reader: State, known: Guard, started: Callable[[str, str], None]
    ) -> None:
        assert self._loop is not None
        assert self._stop is not None
        settings, loop, stop = self.settings, self._loop, self._stop
        present, words = first(self.asked, self.load, state, stamp(time.time()), fresh=settings.fresh)
        batcher = Batcher(loop, settings.queue, self.metrics)
        for arm in present.arms:
            batcher.learn(arm)
        stage = Stage(present, load=self.load, state=state, batcher=batcher)
        known = known.with_admin(admin_token(settings.state))
        writer = Writer(state, loop.call_soon_threadsafe, lambda s: self.metrics.observe("commit_seconds", s))
        app = App(
            settings, stage=stage, guard=known, batcher=batcher,
            writer=writer, state=reader, metrics=self.metrics, log=self.log, loop=loop,
        )  # fmt: skip
        app.connections = lambda: len(self.room.members)
        door = await self._listen(app)
        address = _address(door.sockets[0].getsockname())
        now = stamp(time.time())
        about = {"address": address, "pid": os.getpid(), "since": now}
        (settings.state / ABOUT).write_text(json.dumps(about), "utf-8")
        writer.start()
        self.log.start()
        with contextlib.ExitStack() as signals:
            _on_signals(loop, stop.set, signals)
            sweeper = loop.create_task(self._sweep(app))
            self.log.event(now, "started", address=address, releases=stage.present.to_json())
            started(address, words)
            await stop.wait()
            app.draining = True
            await self._drain(door, app)
            sweeper.cancel()
        (settings.state / ABOUT).unlink(missing_ok=True)
        await asyncio.to_thread(writer.close)
        batcher.close()
        self.log.event(stamp(time.time()), "stopped")
        self.log.close()

    async def _listen(self, app: App) -> asyncio.Server:
        assert self._loop is not None
        parser, limits = _need("httptools").HttpRequestParser, self.settings.limits

        def connection() -> Connection:
            return Connection(
                parser, app.handle, app.admit, app.finished, self.room, limits=limits, now=time.monotonic
            )

        try:
            return await self._loop.create_server(
                connection, self.settings.host, self.settings.port, backlog=1024
            )
        except OSError as error:
            where = f"{self.settings.host}:{self.settings.port}"
            raise InputError(
                f"cannot listen on {where}: {error.strerror or error}; choose another --port"
            ) from error

    async def _sweep(self, app: App) -> None:
        """Once a second: connections and requests that take too long; now and then old answers."""
        assert self._loop is not None
        forget = time.monotonic() + 60.0
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            for connection in list(self.room.members):
                connection.sweep(now)
            app.batcher.expire(now)
            if self.settings.days and now >= forget:
                forget = now + 3600.0
                before = stamp(time.time() - self.settings.days * 86_400)
                with contextlib.suppress(Exception):  # the next hour is as good
                    while await asyncio.to_thread(app.writer.state.forget, before):
                        await asyncio.sleep(0.05)  # what people say is written in between

    async def _drain(self, door: asyncio.Server, app: App) -> None:
        """Take no more connections; finish what is on its way, for `grace` seconds at most."""
        assert self._loop is not None
        door.close()
        end = self._loop.time() + self.settings.grace
        for connection in list(self.room.members):
            connection.drain()
        while (self.room.members or app.tasks) and self._loop.time() < end:
            await asyncio.sleep(0.01)
        for connection in list(self.room.members):
            if connection.transport is not None:
                connection.transport.abort()


@contextlib.contextmanager
def _alone(folder: Path) -> Any:
    """One server a folder: two would each believe that what is served is theirs to change."""
    path = folder / "serve.lock"
    file = path.open("a+")
    try:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # no such locks on this system
            pass
        except OSError:
            raise ProjectBusy(
                f"another server uses {folder}; stop it, or give this one another --state"
            ) from None
        yield
    finally:
        file.close()


def _address(name: Sequence[Any]) -> str:
    host, port = name[0], name[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _on_signals(
    loop: asyncio.AbstractEventLoop, stop: Callable[[], None], stack: contextlib.ExitStack
) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop)
            stack.callback(loop.remove_signal_handler, number)
        except (NotImplementedError, RuntimeError, ValueError):  # not the main thread, or not such a system
            with contextlib.suppress(ValueError):
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
