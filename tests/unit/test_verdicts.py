"""Verdicts: what they say of a label, how they are read and kept."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from tilth.errors import InputError
from tilth.store import Store
from tilth.verdicts import Drawn, Said, Verdict, parse, render

NOW = "2025-01-01T00:00:00+00:00"
ROW = Drawn("r1", "a", "b", 0.9, 0.8, 0.25, "d1")


def verdict(decision: str, label: str | None = None, row: Drawn = ROW) -> Verdict:
    return Verdict(Said(row.id, decision, label), row, "ana", NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "wrong", "follow"),
    [
        (("keep",), False, False),
        (("ambiguous",), False, False),
        (("relabel", "b"), True, True),
        (("relabel", "c"), True, False),
        (("drop",), True, False),
        (("skip",), None, None),
    ],
)
def test_what_a_verdict_says(said: tuple[str, ...], wrong: bool | None, follow: bool | None) -> None:
    v = verdict(*said)
    assert (v.wrong, v.right_suggestion) == (wrong, follow)


def test_what_it_says_of_a_label_that_the_row_has_by_now() -> None:
    assert verdict("relabel", "b").wrong_for("b") is False
    assert verdict("relabel", "b").wrong_for("c") is True
    assert verdict("keep").wrong_for("c") is None
    assert verdict("drop").wrong_for("c") is True
    assert verdict("keep").wrong_for(None) is None


def test_files_are_read_as_people_write_them() -> None:
    text = '\ufeffid,text,verdict,label,given\n1,"a, b",keep,,x\n2,"two\nlines",,new,x\n'
    text += "3,t,,x,x\n4,t,,,x\n5,t,RELABEL ,z,x\n"
    assert parse(text) == [
        Said("1", "keep"),
        Said("2", "relabel", "new"),
        Said("3", "keep"),
        Said("5", "relabel", "z"),
    ]
    lines = '{"id": 7, "verdict": "drop", "note": "spam"}\n\n{"id": "8"}\n'
    assert parse(lines) == [Said("7", "drop", None, "spam")]


@pytest.mark.parametrize("jsonl", [False, True])
def test_a_batch_that_was_not_filled_in_says_nothing(jsonl: bool) -> None:
    text = render([(ROW, 'a "quoted"\ntext')], jsonl=jsonl)
    assert parse(text) == []
    filled = (
        text.replace('"verdict": ""', '"verdict": "keep"') if jsonl else text.replace(",,,,d1", ",keep,,,d1")
    )
    assert parse(filled) == [Said("r1", "keep", None, "", "d1")]


def test_an_error_names_the_line_that_a_person_sees() -> None:
    with pytest.raises(InputError, match=r"f\.csv:4: unknown verdict 'no'"):
        parse('id,verdict\n1,"keep"\n2,keep\n3,no\n', name="f.csv")


def test_the_newest_stands_and_all_are_kept(tmp_path: Path) -> None:
    odd = Drawn("\ud800 ü", None, None, 0.0, 0.0)
    with Store.create(tmp_path) as store:
        assert store.verdict_mark("train") == 0
        store.add_verdicts("train", [verdict("keep"), verdict("drop", row=odd)])
        before = store.verdict_mark("train")
        store.add_verdicts("train", [verdict("relabel", "b")])
        store.add_verdicts("eval", [verdict("skip")])
        assert store.verdict_mark("train") > before
        assert [v.said.decision for v in store.verdicts("train")] == ["drop", "relabel"]
        assert [v.said.decision for v in store.verdicts("train", every=True)] == ["keep", "drop", "relabel"]
        assert store.verdicts("train")[0] == verdict("drop", row=odd)
        assert store.verdicts("train")[1].to_json()["inclusion"] == 0.25
        assert store.verify() == []


def test_a_hundred_thousand_verdicts_are_quick(tmp_path: Path) -> None:
    rows = [Drawn(f"{i:06d}", "a", "b", 0.5, 0.5, 0.1, "d") for i in range(100_000)]
    with Store.create(tmp_path) as store:
        began = time.process_time()
        store.add_verdicts("train", (verdict("keep", row=r) for r in rows))
        assert len(store.verdicts("train")) == 100_000
        assert time.process_time() - began < 8
        began = time.process_time()
        assert store.verdict_mark("train") == 100_000
        assert time.process_time() - began < 0.05


def test_only_what_was_said_since_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [Drawn(f"r{i}", "a", "b", 0.5, 0.5) for i in range(4)]
    read: list[int] = []
    with Store.create(tmp_path) as store, Store(tmp_path) as other:  # a server and a command line
        store.add_verdicts("train", [verdict("keep", row=r) for r in rows])
        since = store.verdicts_since

        def counted(dataset: str, mark: int) -> tuple[int, list[Verdict]]:
            found = since(dataset, mark)
            read.append(len(found[1]))
            return found

        monkeypatch.setattr(store, "verdicts_since", counted)
        assert len(store.verdicts("train")) == 4
        other.add_verdicts("train", [replace(verdict("drop", row=rows[0]), reviewer="bob")])
        counting, disputed = store.standing_verdicts("train")
        assert ([v.row.id for v in counting], disputed) == (["r1", "r2", "r3"], ["r0"])
        assert store.standing_verdicts("eval") == ([], [])
        assert store.verdicts("train") == other.verdicts("train")
        assert read == [4, 1, 0, 0]
        store._heard.process = -1  # as in a fork
        assert store.verdicts("train") == counting
        assert read[-1] == 5
