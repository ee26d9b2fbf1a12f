"""What the server answers: predictions, feedback, answers of people, what is served, how it fares."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from tilth.errors import TilthError
from tilth.serve.access import AccessLog
from tilth.serve.arms import Arm
from tilth.serve.batching import Batcher, Busy, Job
from tilth.serve.compare import counts
from tilth.serve.forms import Bad, Question, deployment_of, feedback_of, question_of
from tilth.serve.guard import ADMIN, Guard
from tilth.serve.metrics import Labels, Metrics
from tilth.serve.openapi import document
from tilth.serve.protocol import Exchange
from tilth.serve.settings import Settings
from tilth.serve.state import Answered, Ids, Receipt, State, stamp
from tilth.serve.swap import Stage
from tilth.serve.writer import Writer

__all__ = ["App"]

STATUS: dict[Receipt, int] = {"new": 201, "repeated": 200, "conflict": 409}


class App:
    """Routes and what lies behind them. Everything runs in the thread of the loop unless said otherwise.

    Parameters
    ----------
    stage : the releases that are served.
    state : for reading; `writer` writes.
    clock : seconds since 1970.
    """

    def __init__(
        self, settings: Settings, *, stage: Stage, guard: Guard, batcher: Batcher, writer: Writer,
        state: State, metrics: Metrics, log: AccessLog, loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.settings, self.stage, self.guard, self.batcher = settings, stage, guard, batcher
        self.writer, self.state, self.metrics, self.log = writer, state, metrics, log
        self.loop, self.clock = loop, clock
        self.new_id = Ids()
        self.draining = False
        self.connections: Callable[[], int] = lambda: 0
        self.tasks: set[asyncio.Task[None]] = set()
        self.comparing: asyncio.Task[dict[str, Any]] | None = None
        self.routes: dict[str, dict[str, Callable[[Exchange, str], None]]] = {
            "/predict": {"POST": self.predict},
            "/feedback": {"POST": self.feedback},
            "/answers/{id}": {"GET": self.answer},
            "/releases": {"GET": self.releases},
            "/ab": {"GET": self.compare},
            "/admin/releases": {"POST": self.swap},
            "/admin/rollback": {"POST": self.rollback},
            "/healthz": {"GET": self.healthy},
            "/readyz": {"GET": self.ready},
            "/metrics": {"GET": self.measured},
            "/openapi.json": {"GET": self.description},
        }

    def admit(self, exchange: Exchange) -> tuple[int, str] | None:
        """Refuse a request before its body comes: status and words; None lets it come."""
        found = exchange.client = self.guard.client(exchange.method, exchange.path, exchange.headers)
        return found if isinstance(found, tuple) else None

    def handle(self, exchange: Exchange) -> None:
        """Answer a request, now or when its answer is there."""
        found = exchange.client
        if found is None:
            found = self.guard.client(exchange.method, exchange.path, exchange.headers)
        if isinstance(found, tuple):
            self.metrics.count("refused_total", ("reason", "guard"))
            exchange.fail(*found, {"www-authenticate": "Bearer"} if found[0] == 401 else None)
            return
        methods = self.routes.get(_route(exchange.path))
        if methods is None:
            exchange.fail(404, "there is no such address; GET /openapi.json lists them")
            return
        method = "GET" if exchange.method == "HEAD" else exchange.method
        if method not in methods:
            exchange.fail(405, f"this address takes {', '.join(methods)}", {"allow": ", ".join(methods)})
            return
        try:
            methods[method](exchange, found)
        except Bad as wrong:
            exchange.fail(wrong.status, str(wrong))
        except Exception as error:  # a fault of ours; the connection and the others go on
            self.log.fault(error)
            exchange.fail(500, "the server failed at this request; its log says how")

    def finished(self, exchange: Exchange) -> None:
        """Count and log an answer that was sent."""
        seconds = time.monotonic() - exchange.started
        route = _route(exchange.path)
        path = ("path", route if route in self.routes else "other")
        self.metrics.count("requests_total", path, ("status", str(exchange.status)))
        self.metrics.observe("request_seconds", seconds, path)
        if self.log.write is not None:
            self.log.request(exchange, stamp(self.clock()), seconds)

    # answers

    def predict(self, exchange: Exchange, client: str) -> None:
        """POST /predict."""
        limits = self.settings
        deployment = self.stage.present
        column = deployment.arms[0].release.text
        question = question_of(exchange.body, column, rows=limits.rows, characters=limits.characters)
        now = self.clock()
        ids = [self.new_id(now) for _ in question.texts]
        # rows of one request are answered by one arm, so together they are one unit of a comparison
        key = question.key or (ids[0] if len(ids) > 1 else "")
        arm = deployment.arm(key or (ids[0] if ids else ""))
        who = f"{client}/{question.client}" if client and question.client else client or question.client
        exchange.notes = {"client": who, "rows": len(ids), "arm": arm.letter}
        if self.settings.log_rows:
            exchange.notes["texts"] = list(question.texts)

        def done(found: list[Any] | Exception) -> None:
            if isinstance(found, Exception):
                self._failed(exchange, found)
                return
            keep = self.settings.keep_rows
            rows = _answered(question, ids, arm, found, (who, key), stamp(now), keep=keep)
            self._count(exchange, arm, found)
            self._record(exchange, question, rows, found, arm)
            for shadow in deployment.shadows:
                self._shadow(shadow, question, ids, (who, key))

        if not ids:
            exchange.json(200, {"answers": []})
            return
        try:
            self.batcher.put(Job(arm, question.texts, question.sets, done))
        except Busy as busy:
            self.metrics.count("refused_total", ("reason", "queue"))
            exchange.fail(429, str(busy), {"retry-after": str(busy.after)})

    def _failed(self, exchange: Exchange, error: Exception) -> None:
        if isinstance(error, TimeoutError):
            exchange.fail(503, str(error), {"retry-after": "1"})
        elif isinstance(error, TilthError):
            exchange.fail(422, str(error))
        else:
            self.log.fault(error)
            exchange.fail(500, "the model failed at this request; the server's log says how")

    def _count(self, exchange: Exchange, arm: Arm, found: Sequence[Any]) -> None:
        letter = ("arm", arm.letter)
        self.metrics.count("rows_total", letter, by=len(found))
        without = 0
        for answer in found:
            if answer.abstained:
                without += 1
                self.metrics.count("abstained_total", letter, ("reason", str(answer.reason)))
        exchange.notes["abstained"] = without

    def _record(
        self, exchange: Exchange, question: Question, rows: list[Answered], found: Sequence[Any], arm: Arm
    ) -> None:
        """Keep the answers; those that a person is asked for are on disk before the caller hears of them."""
        asked = [row for row in rows if row.abstained] if self.settings.escalate else []
        if not asked:
            self.writer.answered(rows)
            _send(exchange, question, rows, found, arm, escalated=False)
            return
        texts = dict(zip([row.id for row in rows], question.texts, strict=True))
        kept = [_with_text(row, texts[row.id]) for row in asked]
        self.writer.answered([row for row in rows if not row.abstained])

        def on_disk(problem: TilthError | None) -> None:
            _send(exchange, question, rows, found, arm, escalated=problem is None)

        self.writer.escalated(kept, on_disk)

    def _shadow(self, arm: Arm, question: Question, ids: Sequence[str], who: tuple[str, str]) -> None:
        """Ask a release whose answer nobody is shown, when there is time for it."""
        names = [f"{i}~{arm.letter}" for i in ids]

        def done(found: list[Any] | Exception) -> None:
            if isinstance(found, Exception):
                self.metrics.count("dropped_total", ("what", "shadow"), by=len(names))
                return
            at = stamp(self.clock())
            keep = self.settings.keep_rows
            rows = _answered(question, names, arm, found, who, at, keep=keep, shadow=True)
            self.metrics.count("rows_total", ("arm", arm.letter), by=len(found))
            self.writer.answered(rows)

        if not self.batcher.put_shadow(Job(arm, question.texts, None, done, shadow=True)):
            self.metrics.count("dropped_total", ("what", "shadow"), by=len(names))

    def answer(self, exchange: Exchange, client: str) -> None:
        """GET /answers/{id}: what was answered, and what a person said if one was asked."""
        self._task(exchange, self._answer(exchange, client))

    async def _answer(self, exchange: Exchange, client: str) -> None:
        id = exchange.path.rpartition("/")[2]
        row = await asyncio.to_thread(self.state.answer, id)
        if row is None:  # perhaps not on disk yet
            flushed: asyncio.Future[None] = self.loop.create_future()
            self.writer.flush(lambda _: None if flushed.done() else flushed.set_result(None))
            await flushed
            row = await asyncio.to_thread(self.state.answer, id)
        mine = row is not None and (client in ("", ADMIN) or row.client.partition("/")[0] == client)
        if row is None or row.shadow or not mine:
            exchange.fail(404, f"there is no answer {id!r:.80}")
            return
        asked = await asyncio.to_thread(self.state.escalation, id)
        person = None
        if asked is not None and asked.state == "answered":
            person = {"label": asked.label, "person": asked.person, "at": asked.at}
        body = {
            "id": row.id, "at": row.at, "release": row.release, "arm": row.arm,
            "label": None if row.abstained else row.label, "best": row.label,
            "probability": round(row.probability, 4), "abstained": row.abstained, "reason": row.reason,
            "state": "given" if asked is None else asked.state, "person": person,
        }  # fmt: skip
        exchange.json(200, body)

    # feedback

    def feedback(self, exchange: Exchange, client: str) -> None:
        """POST /feedback: acknowledged when it is on disk."""
        header = exchange.headers.get(b"idempotency-key", b"").decode("latin-1")
        said, single = feedback_of(exchange.body, client=client, header=header, at=stamp(self.clock()))
        exchange.notes = {"client": said[0].client, "feedback": len(said)}
        if not self.writer.room(len(said)):
            self.metrics.count("refused_total", ("reason", "disk"))
            exchange.fail(429, "the disk cannot keep pace; send it again", {"retry-after": "1"})
            return
        bodies: list[dict[str, Any]] = [{} for _ in said]
        left = len(said)

        def one(n: int, receipt: Receipt | TilthError) -> None:
            nonlocal left
            left -= 1
            if isinstance(receipt, TilthError):
                bodies[n] = {"key": said[n].key, "receipt": "failed", "message": str(receipt)}
            else:
                bodies[n] = {"key": said[n].key, "receipt": receipt}
                explicit = ("explicit", str(said[n].explicit).lower())
                self.metrics.count("feedback_total", ("kind", said[n].kind), explicit, ("receipt", receipt))
            if left:
                return
            if any(b["receipt"] == "failed" for b in bodies):
                exchange.fail(503, "the feedback could not be kept; send it again", {"retry-after": "1"})
            elif single:
                exchange.json(STATUS[bodies[0]["receipt"]], bodies[0])
            else:
                exchange.json(200, {"feedback": bodies})

        for n, item in enumerate(said):
            self.writer.said(item, lambda receipt, n=n: one(n, receipt))  # type: ignore[misc]

    # what is served

    def releases(self, exchange: Exchange, client: str) -> None:
        """GET /releases; where the bundles lie is for the admin."""
        before, paths = self.stage.before, client == ADMIN
        past = None if before is None else before.to_json(paths=paths)
        exchange.json(200, {"releases": self.stage.present.to_json(paths=paths), "before": past})

    def swap(self, exchange: Exchange, client: str) -> None:
        """POST /admin/releases: load, check, and serve other releases; what is on its way is finished."""
        asked = deployment_of(exchange.body)
        self._task(exchange, self._changed(exchange, self.stage.swap(asked, stamp(self.clock()))))

    def rollback(self, exchange: Exchange, client: str) -> None:
        """POST /admin/rollback: serve what was served before, which is still in memory."""
        self._task(exchange, self._changed(exchange, self.stage.rollback(stamp(self.clock()))))

    async def _changed(self, exchange: Exchange, change: Any) -> None:
        try:
            await change
        except TilthError as error:
            self.metrics.count("swaps_total", ("result", "refused"))
            exchange.fail(422, str(error))
            return
        self.metrics.count("swaps_total", ("result", "done"))
        self.log.event(stamp(self.clock()), "swapped", releases=self.stage.present.to_json())
        self.releases(exchange, ADMIN)

    def compare(self, exchange: Exchange, client: str) -> None:
        """GET /ab: how the releases compare, by what was said about their answers."""
        self._task(exchange, self._compare(exchange))

    async def _compare(self, exchange: Exchange) -> None:
        # one at a time, for all who ask meanwhile: it reads every answer, and the threads are few
        if self.comparing is None or self.comparing.done():
            self.comparing = self.loop.create_task(asyncio.to_thread(counts, self.state))
        exchange.json(200, await asyncio.shield(self.comparing))

    # how it fares

    def healthy(self, exchange: Exchange, client: str) -> None:
        """GET /healthz: the process answers."""
        exchange.json(200, {"status": "ok"})

    def ready(self, exchange: Exchange, client: str) -> None:
        """GET /readyz: requests may be sent here."""
        why = "stopping" if self.draining else "the model does not answer" if self.batcher.stuck else ""
        if self.writer.problem:
            why = "the state cannot be written"
            self.writer.flush(lambda _: None)  # try it: without requests nothing else would
        exchange.json(503 if why else 200, {"status": why or "ready"})

    def measured(self, exchange: Exchange, client: str) -> None:
        """GET /metrics."""
        named: dict[Labels, float] = {}
        for a in self.stage.present.arms:
            labels = (
                ("arm", a.letter),
                ("name", a.release.name),
                ("release", a.release.id),
                ("state", a.state),
            )
            named[labels] = a.share
        lost = {"answers": self.writer.dropped, "log": self.log.dropped}
        dropped: dict[Labels, float] = {(("what", what),): float(n) for what, n in lost.items()}
        gauges: dict[str, dict[Labels, float]] = {
            "release_share": named,
            "waiting_requests": {(): float(len(self.batcher.waiting))},
            "waiting_rows": {(): float(self.batcher.rows)},
            "connections": {(): float(self.connections())},
            "not_recorded_total": dropped,
        }
        kind = "text/plain; version=0.0.4; charset=utf-8"
        exchange.answer(200, self.metrics.text(gauges).encode(), kind)

    def description(self, exchange: Exchange, client: str) -> None:
        """GET /openapi.json."""
        exchange.json(200, document(needed=self.guard.needed))

    def _task(self, exchange: Exchange, work: Any) -> None:
        """Run something that waits for the disk or for a release."""

        async def guarded() -> None:
            try:
                await work
            except Exception as error:
                self.log.fault(error)
                exchange.fail(500, "the server failed at this request; its log says how")

        task = self.loop.create_task(guarded())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


def _route(path: str) -> str:
    return "/answers/{id}" if path.startswith("/answers/") else path


def _answered(
    question: Question, ids: Sequence[str], arm: Arm, found: Sequence[Any], who: tuple[str, str], at: str, *,
    keep: bool, shadow: bool = False,
) -> list[Answered]:  # fmt: skip
    release, letter, (client, key) = arm.release.id, arm.letter, who
    return [
        Answered(id, at, release, letter, client, key, a.best, float(a.probability), a.abstained, a.reason,
                 text if keep else None, shadow)
        for id, a, text in zip(ids, found, question.texts, strict=True)
    ]  # fmt: skip


def _with_text(row: Answered, text: str) -> Answered:
    return Answered(
        row.id, row.at, row.release, row.arm, row.client, row.key, row.label, row.probability, row.abstained,
        row.reason, text, row.shadow,
    )  # fmt: skip


def _send(
    exchange: Exchange, question: Question, rows: list[Answered], found: Sequence[Any], arm: Arm, *,
    escalated: bool,
) -> None:  # fmt: skip
    bodies = [
        {"id": row.id, **a.to_json(), "release": row.release, "arm": arm.letter,
         "escalated": escalated and a.abstained}
        for row, a in zip(rows, found, strict=True)
    ]  # fmt: skip
    exchange.json(200, bodies[0] if question.single else {"answers": bodies})
