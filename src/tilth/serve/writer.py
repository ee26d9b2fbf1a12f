"""Write to the state beside the server: many answers and pieces of feedback in one commit.

One commit costs the disk one flush however much is in it, so everything that waits goes into the next one.
Feedback is acknowledged after its commit. Answers wait up to LAZY seconds for company, and are given up
(and counted) rather than piled up when the disk cannot keep pace.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from tilth.errors import ProjectError, TilthError
from tilth.serve.state import Answered, Receipt, Said, State

__all__ = ["Writer"]

LAZY = 0.05
MOST = 50_000
"""Answers, and pieces of feedback, that may wait to be written."""
AT_ONCE = 2_000

Done = Callable[[Receipt | TilthError], None]
"""What became of one piece of feedback: called in the thread of the loop."""


class Writer(threading.Thread):
    """The only writer of a server's state.

    Parameters
    ----------
    state : open for writing.
    call : hands a function to the thread of the loop.
    committed : told of each commit: its seconds (in the thread of the loop).
    """

    def __init__(
        self,
        state: State,
        call: Callable[[Callable[[], None]], object],
        committed: Callable[[float], None],
    ) -> None:
        super().__init__(name="tilth-state", daemon=True)
        self.state, self.call, self.committed = state, call, committed
        self.dropped = 0
        self.problem = ""
        self._lock = threading.Lock()
        self._some, self._urgent, self._end = threading.Event(), threading.Event(), threading.Event()
        self._answers: list[Answered] = []
        self._escalate: list[str] = []
        self._said: list[tuple[Said, Done]] = []
        self._then: list[Callable[[TilthError | None], None]] = []

    def answered(self, answers: Sequence[Answered]) -> None:
        """Record answers soon."""
        with self._lock:
            room = max(MOST - len(self._answers), 0)
            self._answers += answers[:room]
            self.dropped += max(len(answers) - room, 0)
        self._some.set()

    def escalated(self, answers: Sequence[Answered], then: Callable[[TilthError | None], None]) -> None:
        """Record answers that a person is asked for; `then` is called when they are on disk, or cannot be."""
        with self._lock:
            self._answers += answers
            self._escalate += [a.id for a in answers]
            self._then.append(then)
        self._wake()

    def room(self, n: int) -> bool:
        """Whether n more pieces of feedback may wait."""
        return len(self._said) + n <= MOST

    def said(self, said: Said, done: Done) -> None:
        """Take feedback in; `done` is called when it is on disk, or cannot be."""
        with self._lock:
            self._said.append((said, done))
        self._wake()

    def flush(self, then: Callable[[TilthError | None], None]) -> None:
        """Call `then` when everything given so far is on disk, or cannot be."""
        with self._lock:
            self._then.append(then)
        self._wake()

    def close(self, seconds: float = 10.0) -> None:
        """Write what waits and end."""
        self._end.set()
        self._wake()
        self.join(seconds)

    def run(self) -> None:
        """Commit after commit, until closed."""
        while True:
            self._some.wait()
            if not self._urgent.is_set():
                self._urgent.wait(LAZY)
            self._some.clear()
            self._urgent.clear()
            while self._commit():
                pass
            if self._end.is_set():
                return

    def _wake(self) -> None:
        self._urgent.set()
        self._some.set()

    def _commit(self) -> bool:
        """Write up to AT_ONCE answers and all feedback; whether there is more to do now."""
        with self._lock:
            answers, self._answers = self._answers[:AT_ONCE], self._answers[AT_ONCE:]
            more = bool(self._answers)
            said, self._said = self._said, []
            escalate, then = ([], []) if more else (self._escalate, self._then)
            if not more:
                self._escalate, self._then = [], []
        if not (answers or said or escalate or then):
            return False
        began = time.perf_counter()
        problem: TilthError | None = None
        receipts: Sequence[Receipt | TilthError] = ()
        try:
            receipts = self.state.write(answers, [s for s, _ in said], escalate)
            self.problem = ""
        except TilthError as error:
            problem, receipts, more = error, [error] * len(said), False
            self.problem = str(error)
            then += self._again(answers, escalate)
        except Exception as error:  # a fault of ours: say so to those who wait, and go on with the next
            problem = ProjectError(f"the state could not be written: {type(error).__name__}: {error}")
            receipts, self.problem = [problem] * len(said), str(problem)
            self.dropped += len(answers)
        seconds = time.perf_counter() - began
        calls = [done for _, done in said]

        def tell() -> None:
            self.committed(seconds)
            for done, receipt in zip(calls, receipts, strict=True):
                done(receipt)
            for after in then:
                after(problem)

        try:
            self.call(tell)
        except RuntimeError:  # the loop has ended: nobody waits any more
            return False
        return more

    def _again(
        self, answers: list[Answered], escalate: list[str]
    ) -> list[Callable[[TilthError | None], None]]:
        """Keep what could not be written for the next commit, as far as there is room.

        Returns
        -------
        Who waits behind the answers that are not written yet: the next commit may fail as well.
        """
        with self._lock:
            room = max(MOST - len(self._answers), 0)
            self.dropped += max(len(answers) - room, 0)
            self._answers = answers[:room] + self._answers
            # a question about an answer that was given up cannot be asked
            lost = {a.id for a in answers[room:]}
            self._escalate = [i for i in escalate + self._escalate if i not in lost]
            waiting, self._then = self._then, []
        return waiting
