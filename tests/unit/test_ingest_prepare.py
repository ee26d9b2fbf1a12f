"""From records to rows: labels, ids, empty cells; and the account of the bad rows."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilth.data import Incoming, Value
from tilth.errors import BadRow, BadRows, InputError
from tilth.ingest import BadRowLog, Columns, Record, Source, open_source, prepare


class Rows:
    """A source of given rows."""

    name = "rows.csv"
    size_hint = None

    def __init__(self, *rows: dict[str, Value] | BadRow) -> None:
        self.rows = rows

    @property
    def columns(self) -> list[str]:
        return ["text", "label", "id", "n", "m"]

    def digest(self) -> str:
        return "0" * 64

    def records(self) -> Iterator[Record | BadRow]:
        for line, row in enumerate(self.rows, 2):
            yield row if isinstance(row, BadRow) else Record(line, dict(row), line)


ALL = Columns("text", "label", "id", {})
LABELLED = Columns("text", "label", None, {})
PLAIN = Columns("text", None, None, {})


def only(found: Iterator[Incoming | BadRow]) -> Incoming | BadRow:
    (one,) = found
    return one


def label_of(value: Value) -> str | None:
    found = only(prepare(Rows({"text": "x", "label": value}), LABELLED))
    assert isinstance(found, Incoming), found
    return found.label


def test_parts() -> None:
    source: Source = Rows({"text": " a ", "label": " x ", "id": " 7 ", "n": 3, "m": ""})
    assert only(prepare(source, ALL)) == Incoming("7", {"text": " a ", "n": 3}, "x", 2, 2)
    assert only(prepare(source, PLAIN)) == Incoming(
        None, {"text": " a ", "label": " x ", "id": " 7 ", "n": 3}, None, 2, 2
    )


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (3, "3"),
        (3.0, "3"),
        (-0.0, "0"),
        (2.5, "2.5"),
        (1e20, "1" + "0" * 20),
        (math.inf, "inf"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        ("\u00a0\tcards \n", "cards"),
        ("nothing", "nothing"),
        ("no label", "no label"),
    ],
)
def test_labels_are_text(value: Value, label: str) -> None:
    assert label_of(value) == label


def test_equal_keys_are_not_equal_labels() -> None:
    rows = Rows(*({"text": "x", "label": v} for v in (1, True, 1.0, "1", "true", "1.0")))
    found = [r.label for r in prepare(rows, LABELLED) if isinstance(r, Incoming)]
    assert found == ["1", "true", "1", "1", "true", "1.0"]


@pytest.mark.parametrize(
    "value", [None, "", "  ", math.nan, "nan", "NaN", "null", "NULL", "none", " None ", "n/a", "N/A", "?"]
)
def test_missing_labels(value: Value) -> None:
    rows = Rows({"text": "x", "label": value, "n": 1})
    found = only(prepare(rows, LABELLED))
    assert isinstance(found, BadRow)
    assert (found.file, found.line, found.column, found.problem) == (
        "rows.csv",
        2,
        "label",
        "missing label",
    )
    assert "--allow-unlabelled" in found.advice
    taken = only(prepare(rows, LABELLED, allow_unlabelled=True))
    assert taken == Incoming(None, {"text": "x", "n": 1}, None, 2, 2)


def test_a_class_may_be_called_none() -> None:
    rows = Rows({"text": "x", "label": "none"})
    found = only(prepare(rows, LABELLED, known_labels={"none", "some"}))
    assert isinstance(found, Incoming)
    assert found.label == "none"


def test_unknown_label() -> None:
    rows = Rows(
        {"text": "x", "label": "card_arival"},
        {"text": "x", "label": "card_arrival "},
        {"text": "x", "label": "Transfers"},
        {"text": "x", "label": "zzz"},
    )
    first, second, third, fourth = prepare(rows, LABELLED, known_labels={"card_arrival", "transfers"})
    assert str(first) == (
        "rows.csv:2: column 'label': unknown label (found 'card_arival'); did you mean "
        "'card_arrival'? mend the label, or add it to the labels of the project"
    )
    assert isinstance(second, Incoming)
    assert isinstance(third, BadRow)
    assert third.advice.startswith("did you mean 'transfers'?")
    assert isinstance(fourth, BadRow)
    assert fourth.advice == "mend the label, or add it to the labels of the project"


@pytest.mark.parametrize("value", [None, "", " \n\t\u2003", math.nan])
def test_empty_text(value: Value) -> None:
    found = only(prepare(Rows({"text": value, "label": "a"}), LABELLED))
    assert isinstance(found, BadRow)
    assert (found.line, found.column, found.problem) == (2, "text", "empty text")
    found = only(prepare(Rows({"label": "a"}), LABELLED))
    assert isinstance(found, BadRow)
    assert found.problem == "empty text"


@pytest.mark.parametrize("value", [None, "", "  ", math.nan])
def test_empty_id(value: Value) -> None:
    found = only(prepare(Rows({"text": "x", "label": "a", "id": value}), ALL))
    assert isinstance(found, BadRow)
    assert (found.line, found.column, found.problem) == (2, "id", "empty id")


def test_text_that_is_a_number() -> None:
    found = only(prepare(Rows({"text": 0, "label": "a", "id": 3.0}), ALL))
    assert found == Incoming("3", {"text": 0}, "a", 2, 2)


def test_empty_cells_are_dropped_and_others_kept() -> None:
    rows = Rows({"text": "x", "n": math.nan, "m": None}, {"text": "y", "n": 0, "m": False})
    assert [r.fields for r in prepare(rows, PLAIN) if isinstance(r, Incoming)] == [
        {"text": "x"},
        {"text": "y", "n": 0, "m": False},
    ]


def test_limit() -> None:
    bad = BadRow("rows.csv", 3, "text", "", "p", "a")
    rows = Rows({"text": "x"}, bad, {"text": "y"})
    assert len(list(prepare(rows, PLAIN))) == 3
    assert list(prepare(rows, PLAIN, limit=2))[1] is bad
    assert list(prepare(rows, PLAIN, limit=0)) == []
    with pytest.raises(InputError, match="limit is -1; give a number of records from 0 up"):
        prepare(rows, PLAIN, limit=-1)


def test_columns_are_checked_at_once() -> None:
    with pytest.raises(InputError, match=r"rows\.csv has no column 'x'; its columns are 'text', 'label'"):
        prepare(Rows(), Columns("x", None, None, {}))
    with pytest.raises(InputError, match="'text' cannot be the text and the label or id as well"):
        prepare(Rows(), Columns("text", "text", None, {}))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
            st.sampled_from("abc"),
            st.text('xy, \n"é', max_size=4),
        ),
        max_size=6,
    ),
    order=st.permutations(["text", "label", "n"]),
)
def test_the_order_of_columns_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], order: list[str]
) -> None:
    import csv

    folder = tmp_path_factory.mktemp("shuffled")

    def prepared(names: list[str]) -> list[Incoming | BadRow]:
        path = folder / "t.csv"
        with path.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, names)
            writer.writeheader()
            writer.writerows(dict(zip(("text", "label", "n"), r, strict=True)) for r in rows)
        return list(prepare(open_source(path, delimiter=","), LABELLED))

    def comparable(found: list[Incoming | BadRow]) -> list[object]:
        # bytes read so far and the shown row differ with the order, the content does not
        return [
            (r.line, r.id, r.fields, r.label) if isinstance(r, Incoming) else (r.line, r.problem)
            for r in found
        ]

    assert comparable(prepared(["text", "label", "n"])) == comparable(prepared(order))


def bad_row(line: int, value: str = "v") -> BadRow:
    return BadRow("t.csv", line, "text", value, "empty text", "write a text")


@pytest.mark.parametrize("column", ["text", "label", "id", "n"])
def test_halves_of_a_character_are_refused(column: str) -> None:
    row: dict[str, Value] = {"text": "x", "label": "y", "id": "7", "n": "z"}
    found = only(prepare(Rows(row | {column: "a\ud83d\ude00"}), ALL))
    assert isinstance(found, BadRow)
    assert (found.column, found.value) == (column, r"'a\ud83d\ude00'")
    assert "two halves of one character" in found.problem
    assert found.advice.endswith("text.encode('utf-16', 'surrogatepass').decode('utf-16')")
    assert "a\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16") == "a😀"
    for lone in ("a\ud83d", "\ude00\ud83d", "a😀"):
        assert isinstance(only(prepare(Rows(row | {column: lone}), ALL)), Incoming)


def test_log_counts_and_raises(tmp_path: Path) -> None:
    log = BadRowLog()
    log.raise_if_any()
    good = Incoming(None, {"text": "x"}, None, 2, 2)
    assert list(log.sift([good, *(bad_row(i) for i in range(1500)), good])) == [good, good]
    assert (log.count, len(log.rows), log.rows[-1].line) == (1500, 1000, 999)
    with pytest.raises(BadRows, match=r"1500 row\(s\) cannot be read") as caught:
        log.raise_if_any()
    assert (caught.value.count, len(caught.value.rows)) == (1500, 100)
    assert log.write(tmp_path / "bad.jsonl") == 1000


def test_log_is_written_as_json_lines(tmp_path: Path) -> None:
    log = BadRowLog()
    for value in ("é\u2028\n", "\ud800"):
        log.add(bad_row(3, value))
    path = tmp_path / "bad.jsonl"
    log.write(str(path))
    lines = path.read_bytes().splitlines()
    assert [json.loads(one) for one in lines] == [
        {
            "file": "t.csv",
            "line": 3,
            "column": "text",
            "value": value,
            "problem": "empty text",
            "advice": "write a text",
        }
        for value in ("é\u2028\n", "\ud800")
    ]
    with pytest.raises(InputError, match=r"cannot write .*: .*; check the folder"):
        log.write(tmp_path / "no" / "bad.jsonl")
