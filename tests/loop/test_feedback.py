"""Feedback comes back as proposed patches: never accepted, with its origin, poison apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from loop_kit import lines, tilth, write
from test_json import compare, schemas

from tilth.serve.state import Answered, Said, State, new_id, stamp

P = ("--project", "p")
NOW = 1_763_733_600.0


@pytest.fixture
def work(tmp_path: Path) -> Path:
    write(tmp_path / "train.csv", lines(200, seed=1, wrong=0))
    write(tmp_path / "eval.csv", lines(60, seed=2, wrong=0))
    done = tilth("ingest", "train.csv", "--eval", "eval.csv", *P, cwd=tmp_path)
    assert done.code == 0, done.err
    return tmp_path


class Told:
    """A server's state that is filled by hand."""

    def __init__(self, work: Path) -> None:
        self.folder, self.count = work / "state", 0

    def answer(self, text: str | None, label: str, *, abstained: bool = False) -> str:
        self.count += 1
        at = NOW + self.count
        id = new_id(at)
        reason = "unsure" if abstained else None
        row = Answered(id, stamp(at), "r", "a", "", "", label, 0.8, abstained, reason, text)
        with State.open(self.folder, create=True) as state:
            state.write([row], escalate=[id] if abstained else ())
        return id

    def say(
        self, answer: str, kind: str, label: str | None = None, client: str = "ann", **more: object
    ) -> None:
        self.count += 1
        said = {"comment": "", "explicit": True, "text": None, **more}
        with State.open(self.folder, create=True) as state:
            row = Said(f"k{self.count}", answer, kind, label, client=client, at=stamp(NOW), **said)  # type: ignore[arg-type]
            state.write(feedback=[row])

    def ask(self, text: str, label: str, client: str, said: str | None = None) -> str:
        """An answer, and what a client says of it."""
        id = self.answer(text, label)
        self.say(
            id, "right" if said in (None, label) else "label", None if said in (None, label) else said, client
        )
        return id


def test_feedback_becomes_a_proposed_patch_with_its_origin(work: Path) -> None:
    train, held = lines(200, seed=1, wrong=0), lines(60, seed=2, wrong=0)
    told = Told(work)
    right = told.ask("a text that is new", "billing", "ann")
    other = told.ask("another new text", "billing", "bob", "cards")
    told.ask(train[0][1], "billing", "ann", next(c for c in ("login", "refund") if c != train[0][2]))
    told.ask(train[1][1], train[1][2], "ann")  # it is known
    told.ask(held[0][1], "billing", "ann", "cards")  # nothing is learned from it
    told.say(told.answer("who knows", "billing"), "wrong")
    disputed = told.ask("disputed", "billing", "ann", "cards")
    told.say(disputed, "label", "login", client="bob")
    told.say(told.answer(None, "billing"), "label", "cards")
    told.say(told.answer(None, "billing"), "label", "cards", text="it came with the feedback")
    told.say("0" * 32, "wrong")
    mended = told.ask("said by mistake", "billing", "ann", "login")
    told.say(mended, "label", "refund", client="ann")
    told.say(told.answer("moved by somebody", "billing"), "label", "cards", explicit=False)
    told.say(other, "label", "cards", client="bob", explicit=False)
    told.say(told.answer("a remark", "billing"), "comment", comment="nice")
    asked = told.answer("too hard", "billing", abstained=True)
    told.ask("something else", "billing", "ann", "a label of its own")
    with State.open(told.folder) as state:
        state.resolve(asked, label="shipping", person="eve", at=stamp(NOW))

    found = tilth("ingest", "feedback", "state", "--json", *P, cwd=work)
    assert found.code == 0, found.err
    body = found.json
    compare(schemas()["feedback"], body)
    left = ("known", "evaluation", "contested", "wrong", "without_text", "unknown", "implicit", "escalated")
    assert [body[k] for k in left] == [1, 1, 1, 1, 1, 1, 2, 1]
    assert (body["suspects"], body["unchecked"]) == ([], [])
    main, new = sorted(body["patches"], key=lambda p: -p["ops"])
    assert (main["ops"], new["ops"]) == (6, 1)
    assert "no row has yet" in new["title"]
    patch = tilth("patch", main["id"], "--json", *P, cwd=work).json
    ops = {(op.get("after") or op)["fields"]["text"]: op for op in patch["ops"]}
    labels = {text: op["to"] if op["op"] == "relabel" else op["after"]["label"] for text, op in ops.items()}
    assert labels == {
        "a text that is new": "billing", "another new text": "cards", train[0][1]: labels[train[0][1]],
        "it came with the feedback": "cards", "said by mistake": "refund", "too hard": "shipping",
    }  # fmt: skip
    assert (ops[train[0][1]]["op"], ops[train[0][1]]["id"]) == ("relabel", train[0][0])
    assert right in ops["a text that is new"]["why"]
    assert "bob: label" in ops["another new text"]["why"]
    assert "1 signals from behaviour agree" in ops["another new text"]["why"]
    assert "eve: answered" in ops["too hard"]["why"]
    listed = tilth("patches", "--json", *P, cwd=work).json
    assert {p["state"] for p in listed if p["id"] in (main["id"], new["id"])} == {"proposed"}
    assert len(tilth("log", "--json", *P, cwd=work).json["versions"]) == 1

    again = tilth("feedback", "state", "--json", *P, cwd=work).json
    assert again["patches"] == []
    assert tilth("reject", main["id"], "--reason", "no", *P, cwd=work).code == 0
    assert tilth("feedback", "state", "--json", *P, cwd=work).json["patches"] == []
    told.ask("one more", "billing", "ann")
    (more,) = tilth("feedback", "state", "--json", *P, cwd=work).json["patches"]
    assert more["ops"] == 1


def test_a_client_that_relabels_a_class_is_set_apart(work: Path) -> None:
    told = Told(work)
    for i in range(30):
        told.ask(f"text {i} of mallory", "billing", "mallory", "cards")
        told.ask(f"text {i} of ann", "billing", "ann", "cards" if i % 10 == 0 else None)
        told.ask(f"text {i} of bob", "cards", "bob", "billing" if i % 10 == 0 else None)
    body = tilth("feedback", "state", "--json", *P, cwd=work).json
    compare(schemas()["feedback"], body)
    (suspect,) = body["suspects"]
    assert (suspect["client"], suspect["given"], suspect["label"]) == ("mallory", "billing", "cards")
    assert {p["client"]: p["ops"] for p in body["patches"]} == {"": 60, "mallory": 30}
    shown = tilth("feedback", "state", *P, cwd=work)
    assert "suspected of poisoning: mallory relabels billing to cards 30 of 30 times" in shown.out


def test_people_whom_a_program_invents_are_one_client(work: Path) -> None:
    told = Told(work)
    for i in range(40):
        told.ask(f"bill number {i} is not right", "billing", f"bank/u{i}")
    for i in range(30):  # each of them says too little to be suspected
        told.ask(f"please look at bill {i} again", "billing", f"mallory/u{i}", "cards")
    done = tilth("ingest", "feedback", "state", "--json", *P, cwd=work)
    assert done.code == 0, done.err
    body = done.json
    (suspect,) = body["suspects"]
    assert (suspect["client"], suspect["relabelled"], suspect["label"]) == ("mallory", 30, "cards")
    assert [p["ops"] for p in body["patches"] if p["client"] == "mallory"] == [30]


def test_what_is_no_state_is_said(work: Path) -> None:
    found = tilth("feedback", "nothing", *P, cwd=work)
    assert found.code == 1
    assert "no server's state" in found.err
    assert tilth("ingest", "train.csv", "eval.csv", *P, cwd=work).code == 2
