"""`tilth duplicates` on a project with known copies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from loop_kit import js, tilth, write

TEXT = "the parcel that you sent to my new address on monday has not arrived yet and nobody answers the phone"
OTHER = "a completely different sentence about the garden in winter and seven birds that sing at night"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Five copies of one text in train (one exact, one in words, two near), and one in the evaluation set."""
    near = TEXT.replace("monday", "tuesday")
    far = near.replace("nobody answers", "no one picks up").replace("sent to my new", "posted to the old")
    rows = [
        ("a", TEXT, "post"), ("b", TEXT.upper(), "post"), ("c", TEXT.replace(" and", ", and") + "!", "post"),
        ("d", near, "post"), ("e", far, "phone"), ("f", OTHER, "garden"), ("g", "short", "garden"),
    ]  # fmt: skip
    write(tmp_path / "train.csv", rows)
    write(
        tmp_path / "eval.csv",
        [("x", TEXT.replace("parcel", "letter"), "post"), ("y", "nothing alike", "post")],
    )
    js("ingest", "train.csv", "--eval", "eval.csv", "--id", "id", "--project", "p", cwd=tmp_path)
    return tmp_path


def ids(body: dict[str, Any]) -> list[list[str]]:
    return [[m["id"] for m in g["members"]] for g in body["groups"]]


def test_groups_at_several_thresholds(copied: Path) -> None:
    body = js("duplicates", "--project", "p", cwd=copied)
    (group,) = body["groups"]
    assert group["representative"] == "a"
    assert {m["id"]: m["kind"] for m in group["members"]} == {
        "a": "exact", "b": "exact", "c": "words", "d": "near", "x": "near",
    }  # fmt: skip
    assert (group["train"], group["eval"], body["surplus"], body["leaking"]) == (4, 1, 3, 1)
    assert ids(js("duplicates", "--threshold", "1", "--project", "p", cwd=copied)) == [["a", "b", "c"]]
    # lower than what was kept: a new search, kept in turn
    low = js("duplicates", "--threshold", "0.4", "--project", "p", cwd=copied)
    assert sorted(ids(low)[0]) == ["a", "b", "c", "d", "e", "x"]
    assert set(low["groups"][0]["labels"]) == {"post", "phone"}
    assert low["floor"] == 0.4
    again = js("duplicates", "--threshold", "0.45", "--project", "p", cwd=copied)
    assert (again["floor"], again["threshold"]) == (0.4, 0.45)
    assert js("duplicates", "--project", "p", cwd=copied) == body | {"floor": 0.4}


def test_the_threshold_of_the_settings(copied: Path) -> None:
    audit = js("audit", "--code", "TIL202", "--no-self-test", "--project", "p", cwd=copied)
    assert len(audit["findings"]) == 1
    path = copied / "p" / "tilth.toml"
    path.write_text(path.read_text("utf-8").replace("threshold = 0.7", "threshold = 1.0"), "utf-8")
    assert js("duplicates", "--project", "p", cwd=copied)["threshold"] == 1.0
    audit = js("audit", "--code", "TIL202", "--no-self-test", "--project", "p", cwd=copied)
    assert [set(f["rows"]) for f in audit["findings"]] == [{"a", "c"}]


def test_what_a_person_sees(copied: Path) -> None:
    done = tilth("duplicates", "--project", "p", cwd=copied)
    assert done.code == 0
    assert "1 groups of copies at threshold 0.7" in done.out
    assert "(eval)" in done.out
    done = tilth("duplicates", "--threshold", "1.5", "--project", "p", cwd=copied)
    assert done.code == 1
    assert "give a number above 0" in done.err
