"""The writer: one commit for many, nothing acknowledged that is not on disk, faults said and survived."""

from __future__ import annotations

import queue
import sqlite3
import time
from dataclasses import replace

import pytest

from tilth.errors import ProjectError
from tilth.serve.state import Answered, Said, State, new_id, stamp
from tilth.serve.writer import Writer

NOW = 1_763_733_600.0
ANSWER = Answered(new_id(NOW), stamp(NOW), "r", "a", "", "", "yes", 0.9, False)
SAID = Said("k", ANSWER.id, "right", None, "", "ann", True, stamp(NOW))


class Loop:
    """Calls that the writer hands to the loop."""

    def __init__(self):
        self.calls = queue.Queue()

    def wait(self):
        self.calls.get(timeout=10)()


@pytest.fixture
def made(tmp_path):
    with State.open(tmp_path, create=True) as state:
        loop, commits = Loop(), []
        writer = Writer(state, loop.calls.put, commits.append)
        yield writer, loop, commits, state
        if writer.is_alive():
            writer.close()


def test_what_waits_is_one_commit(made):
    writer, loop, commits, state = made
    receipts = []
    for i in range(100):
        writer.said(replace(SAID, key=f"k{i % 90}"), receipts.append)
    writer.answered([ANSWER])
    writer.start()
    loop.wait()
    assert len(commits) == 1
    assert [receipts.count(r) for r in ("new", "repeated", "conflict")] == [90, 10, 0]
    assert state.answer(ANSWER.id) == ANSWER


def test_answers_alone_are_written_soon(made):
    writer, loop, _, state = made
    writer.start()
    writer.answered([ANSWER])
    loop.wait()
    assert state.answer(ANSWER.id) == ANSWER


def test_a_disk_that_fails_is_said_and_tried_again(made):
    writer, loop, _, state = made
    receipts = []
    with sqlite3.connect(state.folder / "serve.db", isolation_level=None) as other:
        state._connection.execute("PRAGMA busy_timeout = 50")
        other.execute("BEGIN IMMEDIATE")
        writer.start()
        writer.answered([ANSWER])
        writer.said(SAID, receipts.append)
        while not receipts:
            loop.wait()
        assert isinstance(receipts[0], ProjectError)
        assert "another process" in writer.problem
        other.execute("ROLLBACK")
    done = []
    writer.flush(done.append)
    while not done:
        loop.wait()
    assert done == [None]
    assert writer.problem == ""
    assert state.answer(ANSWER.id) == ANSWER, "answers are kept for the next commit"
    assert list(state.feedback()) == [], "what was not acknowledged is for the client to send again"


def test_what_cannot_be_written_does_not_end_the_writer(made):
    writer, loop, _, state = made
    receipts = []
    writer.start()
    writer.said(replace(SAID, comment="\ud800"), receipts.append)
    loop.wait()
    assert isinstance(receipts[0], ProjectError)
    writer.said(SAID, receipts.append)
    loop.wait()
    assert receipts[1] == "new"
    assert list(state.feedback()) == [SAID]


def test_answers_are_given_up_before_memory_is(made, monkeypatch):
    writer, _, _, state = made
    monkeypatch.setattr("tilth.serve.writer.MOST", 10)
    writer.answered([replace(ANSWER, id=f"{i:032x}") for i in range(25)])
    assert writer.dropped == 15
    assert not writer.room(11)
    writer.start()
    writer.close()
    assert len(list(state.answers())) == 10


def test_questions_that_find_no_room_do_not_make_room_for_answers(made, monkeypatch):
    writer, _, _, _ = made
    monkeypatch.setattr("tilth.serve.writer.MOST", 10)
    some = [replace(ANSWER, id=f"{i:032x}") for i in range(40)]
    writer.escalated(some[:12], lambda _: None)
    writer.answered(some[12:])
    assert len(writer._answers) == 12
    assert writer.dropped == 28


def test_what_waits_for_a_full_disk_is_bounded(made, monkeypatch):
    writer, _, _, state = made
    monkeypatch.setattr("tilth.serve.writer.MOST", 10)

    def full(*_):
        raise ProjectError("is the disk full?")

    with monkeypatch.context() as broken:
        broken.setattr(state, "write", full)
        for i in range(30):
            writer.escalated([replace(ANSWER, id=f"{i:032x}")], lambda _: None)
            writer._commit()
    assert len(writer._answers) <= 10
    assert set(writer._escalate) == {a.id for a in writer._answers}
    writer._commit()
    assert len(state.escalations("open")) == len(list(state.answers())) == 10


def test_nobody_waits_for_a_full_disk(made, monkeypatch):
    writer, loop, _, state = made

    def full(*_):
        raise ProjectError("is the disk full?")

    monkeypatch.setattr(state, "write", full)
    told = []
    writer.answered([replace(ANSWER, id=f"{i:032x}") for i in range(9_000)])
    writer.escalated([replace(ANSWER, id="f" * 32)], told.append)
    writer.flush(told.append)
    writer.start()
    while len(told) < 2:
        loop.wait()
    assert all(isinstance(problem, ProjectError) for problem in told)


def test_a_question_behind_many_answers_has_its_time(made):
    writer, _, _, state = made
    some = [replace(ANSWER, id=f"{i:032x}") for i in range(5_000)]
    writer.escalated(some[:1], lambda _: None)
    writer.answered(some[1:])
    while writer._commit():
        pass
    assert [e.at for e in state.escalations()] == [ANSWER.at]


def test_closing_writes_what_waits(made):
    writer, _, _, state = made
    writer.start()
    for i in range(5_000):
        writer.answered([replace(ANSWER, id=f"{i:032x}")])
    began = time.monotonic()
    writer.close()
    assert time.monotonic() - began < 10
    assert len(list(state.answers())) == 5_000
