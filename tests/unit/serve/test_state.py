"""A server's state: what was written is there, once, and can be read while a server writes."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace

import pytest

from tilth.errors import InputError, NotFound, ProjectError
from tilth.serve.state import Answered, Said, Served, State, new_id, stamp

NOW = 1_763_733_600.123
ANSWER = Answered(new_id(NOW), stamp(NOW), "r1", "a", "shop", "user-1", "refund", 0.9, False)
SAID = Said("k1", ANSWER.id, "label", "billing", "", "shop", True, stamp(NOW))


@pytest.fixture
def state(tmp_path):
    with State.open(tmp_path / "s", create=True) as opened:
        yield opened


def test_what_is_written_is_read_by_another(state):
    unsure = replace(ANSWER, id=new_id(NOW + 1), abstained=True, reason="unsure", text="naïve 🙂")
    assert state.write([ANSWER, unsure], [SAID], [unsure.id]) == ["new"]
    with State.open(state.folder) as other:
        assert other.answer(ANSWER.id) == ANSWER
        assert other.answer(unsure.id) == unsure
        assert list(other.answers()) == [ANSWER, unsure]
        assert list(other.feedback()) == [SAID]
        assert [e.answer for e in other.escalations("open")] == [unsure.id]
        other.resolve(unsure.id, label="refund", person="ann", at=stamp(NOW + 2))
        assert state.escalation(unsure.id).label == "refund"
        assert other.escalations("open") == []
        assert other.columns("answers", ["label", "probability"]) == {
            "label": ["refund", "refund"], "probability": [0.9, 0.9],
        }  # fmt: skip


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_a_new_folder_is_readable_by_its_user_alone(tmp_path):
    State.open(tmp_path / "new", create=True).close()
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0


def test_said_twice_counts_once(state):
    later = replace(SAID, at=stamp(NOW + 60))
    other = replace(SAID, label="refund")
    assert state.write(feedback=[SAID, later, other]) == ["new", "repeated", "conflict"]
    assert state.write(feedback=[SAID]) == ["repeated"]
    assert list(state.feedback()) == [SAID]


def test_a_span_of_time(state):
    times = [NOW, NOW + 0.002, NOW + 1]
    state.write([replace(ANSWER, id=new_id(t), at=stamp(t)) for t in times])
    assert [a.at for a in state.answers(since=stamp(NOW + 0.002))] == [stamp(t) for t in times[1:]]
    assert [a.at for a in state.answers(until=stamp(NOW + 0.002))] == [stamp(NOW)]
    assert state.columns("answers", ["at"], since=stamp(NOW + 0.5))["at"] == [stamp(NOW + 1)]
    with pytest.raises(InputError, match="no time"):
        list(state.answers(since="yesterday"))


def test_pages_leave_nothing_out(state):
    rows = [replace(ANSWER, id=f"{i:032x}") for i in range(10_001)]
    state.write(rows, [replace(SAID, key=f"{i}") for i in range(5_000)])
    assert [a.id for a in state.answers()] == [a.id for a in rows]
    assert len(list(state.feedback())) == 5_000


def test_answers_are_counted_in_the_file(state):
    unsure = replace(ANSWER, abstained=True, reason="unsure", probability=0.4)
    many = [replace(ANSWER, id=f"{ANSWER.id[:12]}{i:020x}") for i in range(7)]
    many += [replace(unsure, id=f"{ANSWER.id[:12]}{i:020x}", arm="b") for i in range(10, 13)]
    late = replace(ANSWER, id=new_id(NOW + 86_400), at=stamp(NOW + 86_400))
    state.write([*many, late, replace(late, id=late.id + "~b", shadow=True, arm="b")])
    day, next_day = ANSWER.at[:10], late.at[:10]
    found = [(d, r, n, round(p, 6), at) for d, r, n, p, at in state.days()]
    assert found == [
        (day, None, 7, 6.3, ANSWER.at), (day, "unsure", 3, 1.2, ANSWER.at), (next_day, None, 1, 0.9, late.at),
    ]  # fmt: skip
    assert state.counts("") == {"a": (8, 0), "b": (4, 3)}
    assert state.counts(stamp(NOW + 3_600)) == {"a": (1, 0), "b": (1, 0)}


def test_a_shadow_is_apart(state):
    shadow = replace(ANSWER, id=ANSWER.id + "~b", arm="b", shadow=True)
    state.write([ANSWER, shadow])
    assert list(state.answers()) == [ANSWER]
    assert list(state.answers(shadow=True)) == [shadow]
    assert list(state.answers(shadow=None)) == [ANSWER, shadow]


def test_releases_have_a_history(state):
    first = Served("r1", "/b/1", stamp(NOW), "live", 1.0, "a")
    second = [Served("r1", "/b/1", stamp(NOW + 1), "live", 0.9, "a"),
              Served("r2", "/b/2", stamp(NOW + 1), "candidate", 0.1, "b")]  # fmt: skip
    state.deploy([first], stamp(NOW))
    state.deploy(second, stamp(NOW + 1))
    assert state.releases() == second
    assert state.releases(retired=True) == [replace(first, state="retired", until=stamp(NOW + 1)), *second]


def test_old_answers_are_forgotten_unless_something_is_about_them(state):
    quiet, asked, said = (replace(ANSWER, id=new_id(NOW + i), at=stamp(NOW + i)) for i in range(3))
    state.write([quiet, asked, said], [replace(SAID, answer=said.id)], [asked.id])
    assert state.forget(stamp(NOW + 60), most=1) == 1
    assert state.forget(stamp(NOW + 60)) == 0
    assert list(state.answers()) == [asked, said]


def test_what_cannot_be_used_is_said(state, tmp_path):
    with pytest.raises(NotFound, match="no server's state"):
        State.open(tmp_path)
    with pytest.raises(NotFound, match="not in the queue"):
        state.resolve("x", label="a", person="ann", at="")
    with pytest.raises(InputError, match="no column"):
        state.columns("answers", ["nme"])
    (tmp_path / "serve.db").write_bytes(b"no database at all, but long enough to be looked at" * 40)
    with pytest.raises(ProjectError, match="damaged"):
        State.open(tmp_path)
    newer = tmp_path / "newer"
    newer.mkdir()
    with sqlite3.connect(newer / "serve.db") as c:
        c.execute("PRAGMA user_version = 99")
    with pytest.raises(ProjectError, match="newer Tilth"):
        State.open(newer)


def test_a_failed_write_leaves_nothing(state):
    with pytest.raises(ProjectError):
        state.write([ANSWER], [SAID, replace(SAID, key="k2", answer=None)])
    assert state.answer(ANSWER.id) is None
    assert list(state.feedback()) == []
