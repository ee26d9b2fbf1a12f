"""Give the model what is waiting, as one batch, without a timer.

A request that meets an idle server is answered at once. While the model works, requests arrive; whatever
has arrived when it is done is the next batch. So batches grow with the load, and nobody waits for company.
A model that is quick (text recipes: some milliseconds for a full batch) runs in the thread of the loop: a
change of threads costs as much as its answer. A slow one (sentence encoders) runs beside it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tilth.serve.arms import Arm
from tilth.serve.metrics import Metrics

__all__ = ["Batcher", "Busy", "Job", "Queue"]

TRIES = 5
"""Batches that a release may take to show that it is quick."""
Found = Sequence[Any] | Exception
"""Answers of a part, or why there are none."""


@dataclass(frozen=True)
class Queue:
    """How much may wait.

    Attributes
    ----------
    requests : that wait for the model; more are turned away.
    rows, text : rows, and characters, in all waiting requests together.
    wait : seconds of work that may wait, as measured: a slow model has a shorter queue.
    batch, characters : rows, and characters, that the model is given at once.
    timeout : seconds after which a request that waits is given up.
    slow : seconds of a full batch above which the model runs beside the loop.
    """

    requests: int = 512
    rows: int = 20_000
    text: int = 50_000_000
    wait: float = 1.0
    batch: int = 64
    characters: int = 65_536
    timeout: float = 10.0
    slow: float = 0.02


class Busy(Exception):
    """The queue is full; `after` is when to ask again, in whole seconds."""

    def __init__(self, after: int) -> None:
        super().__init__(f"the queue is full; try again in {after} s")
        self.after = after


class Job:
    """Rows of one request.

    Parameters
    ----------
    done : takes the answers, or the error.
    """

    __slots__ = ("answers", "arm", "deadline", "done", "late", "rows", "sets", "shadow", "size")

    def __init__(
        self, arm: Arm, rows: Sequence[str], sets: float | None,
        done: Callable[[list[Any] | Exception], None], *, shadow: bool = False,
    ) -> None:  # fmt: skip
        self.arm, self.rows, self.sets, self.done, self.shadow = arm, rows, sets, done, shadow
        self.answers: list[Any] = []
        self.deadline, self.late, self.size = math.inf, False, sum(map(len, rows))


Batch = list[tuple[Job, Sequence[str]]]
"""Requests and the rows of each that are in the batch."""


class Batcher:
    """The queue in front of the model.

    Parameters
    ----------
    loop : of the server; everything but a slow model runs in its thread.
    queue : its limits.
    metrics : what is counted.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, queue: Queue, metrics: Metrics) -> None:
        self.loop, self.queue, self.metrics = loop, queue, metrics
        self.waiting: deque[Job] = deque()
        self.shadows: deque[Job] = deque()
        self.rows = 0
        self.shadow_rows = 0
        self.characters = 0
        self.stuck = False
        """Whether the model has had a request for longer than one may wait."""
        self.cost = 0.0
        """Seconds a row, as measured lately."""
        self._busy = False
        self._running: list[Job] = []
        self._thread: ThreadPoolExecutor | None = None
        self._slow: dict[str, bool] = {}

    def put(self, job: Job) -> None:
        """Queue a request.

        Raises
        ------
        Busy : too much is waiting.
        """
        n = len(job.rows)
        if self.waiting:
            most = self.queue.rows if self.cost <= 0 else min(self.queue.rows, self.queue.wait / self.cost)
            full = len(self.waiting) >= self.queue.requests or self.rows + n > most
            if full or self.characters + job.size > self.queue.text:
                raise Busy(max(1, math.ceil(self.rows * self.cost)))
        job.deadline = time.monotonic() + self.queue.timeout
        self.rows += n
        self.characters += job.size
        self.waiting.append(job)
        self._soon()

    def put_shadow(self, job: Job) -> bool:
        """Queue rows that nobody waits for; False when there is no room for them."""
        if self.shadow_rows + len(job.rows) > self.queue.rows:
            return False
        if self.characters + job.size > self.queue.text:
            return False
        self.shadow_rows += len(job.rows)
        self.characters += job.size
        self.shadows.append(job)
        self._soon()
        return True

    def learn(self, arm: Arm) -> None:
        """Measure how long a full batch of a release takes (call it beside the loop, before it serves)."""
        text = "where is my order? it should have come last week"
        best = math.inf
        for _ in range(TRIES):  # the quickest one: the first warms up, and others want this processor as well
            began = time.perf_counter()
            arm.release.predict([text] * self.queue.batch)
            best = min(best, time.perf_counter() - began)
            if best <= self.queue.slow or best > 10 * self.queue.slow:
                break
        self._slow[arm.release.id] = best > self.queue.slow

    def close(self) -> None:
        """End the thread of a slow model."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _soon(self) -> None:
        if not self._busy:
            # not at once: what else has arrived in this turn of the loop shall be in the same batch
            self._busy = True
            self.loop.call_soon(self._work)

    def expire(self, now: float) -> None:
        """Give up what has waited too long, whatever the model is doing."""
        for job in [j for j in self.waiting if j.deadline < now]:
            self.waiting.remove(job)
            self.rows -= len(job.rows) - len(job.answers)
            self.characters -= job.size
            self._late(job)
        for job in [j for j in self._running if j.deadline < now and not j.shadow]:
            self.stuck = True
            job.deadline = math.inf  # it is in the model: its rows are counted back when they come out
            self._late(job)

    def _late(self, job: Job) -> None:
        self.metrics.count("refused_total", ("reason", "timeout"))
        job.late = True
        job.done(TimeoutError(f"no answer within {self.queue.timeout:g} seconds"))

    def _work(self) -> None:
        """Take a batch and run it."""
        batch = self._take(self.waiting) or self._take(self.shadows)
        if not batch:
            self._busy = False
            return
        self._running = [job for job, _ in batch]
        if self._slow.get(batch[0][0].arm.release.id, True):
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, "tilth-model")
            self._thread.submit(self._beside, batch)
        else:
            self._done(batch, *_run(batch))

    def _beside(self, batch: Batch) -> None:
        """Run a slow model, in its own thread."""
        found, seconds = _run(batch)
        with suppress(RuntimeError):  # the loop has ended
            self.loop.call_soon_threadsafe(self._done, batch, found, seconds)

    def _take(self, queue: deque[Job]) -> Batch:
        """Rows for the next batch: of the first request, and of others that ask the same of its release."""
        if not queue:
            return []
        first, rows, characters = queue[0], self.queue.batch, self.queue.characters
        batch: Batch = []
        apart: list[Job] = []
        while queue and rows > 0 and characters > 0 and len(apart) < self.queue.batch:
            job = queue.popleft()
            if job.arm is not first.arm or job.sets != first.sets:
                apart.append(job)
                continue
            begin = end = len(job.answers)
            while end < len(job.rows) and rows > 0 and characters > 0:
                characters -= len(job.rows[end])
                rows -= 1
                end += 1
            batch.append((job, job.rows[begin:end]))
        queue.extendleft(reversed(apart))
        return batch

    def _done(self, batch: Batch, found: list[Found], seconds: float) -> None:
        """Hand the answers out; a request that is not complete goes to the end of the queue."""
        self._running, self.stuck = [], False
        n = sum(len(part) for _, part in batch)
        self.cost = seconds / n if self.cost == 0 else 0.9 * self.cost + 0.1 * seconds / n
        self.metrics.observe("batch_rows", n)
        self.metrics.observe("model_seconds", seconds)
        for (job, part), answers in zip(batch, found, strict=True):
            over = isinstance(answers, Exception) or job.late
            gone = len(job.rows) - len(job.answers) if over else len(part)
            if job.shadow:
                self.shadow_rows -= gone
            else:
                self.rows -= gone
            if over or len(job.answers) + len(part) == len(job.rows):
                self.characters -= job.size
            if isinstance(answers, Exception):
                job.done(answers)
            elif not job.late:
                job.answers += answers
                if len(job.answers) == len(job.rows):
                    job.done(job.answers)
                else:
                    (self.shadows if job.shadow else self.waiting).append(job)
        if self.waiting or self.shadows:
            self.loop.call_soon(self._work)
        else:
            self._busy = False


def _run(batch: Batch) -> tuple[list[Found], float]:
    """What the model says of each part, and its seconds; an error is that of the part which causes it."""
    began = time.perf_counter()
    first = batch[0][0]
    found: list[Found] = []
    try:
        answers = first.arm.release.predict([row for _, part in batch for row in part], sets=first.sets)
        at = 0
        for _, part in batch:
            found.append(answers[at : at + len(part)])
            at += len(part)
    except Exception as error:  # one request must not fail the others, nor end the server
        found = [error] if len(batch) == 1 else [_run([one])[0][0] for one in batch]
    return found, time.perf_counter() - began
