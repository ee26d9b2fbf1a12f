"""The language of slices: what it says, and where it says that something is wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilth.data import Row, Snapshot
from tilth.errors import ConfigError
from tilth.slices import Slice, Table, literal, name_of

TEXTS = ("Refund my money", "e-mail me", "Money back, REFUND!")
ROWS = Snapshot.of(
    Row(
        f"r{i:02}",
        {
            "body": TEXTS[i % 3],
            "age": i,
            "zip": f"{i:03}",
            "created": f"2026-01-{i + 1:02}T10:00:00",
            "my col": "x" if i % 2 else None,
            "paid": i % 2 == 0,
        },
        "ab"[i % 2],
        f"file{i // 6}.csv",
    )
    for i in range(12)
)
TABLE = Table(ROWS, text="body", label="queue", also=["elsewhere"])


def rows(expression: str) -> list[int]:
    return np.flatnonzero(Slice.parse("s", expression).mask(TABLE)).tolist()


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("age == 3", [3]),
        ("age != 3", [i for i in range(12) if i != 3]),
        ("age in 3..5", [3, 4, 5]),
        ("age in [1, 2.0, 11]", [1, 2, 11]),
        ("age not in [1, 2] and age < 5", [0, 3, 4]),
        ("age >= -1 and age < 1e1", list(range(10))),
        ("zip == 7", [7]),
        ('zip == "7"', []),
        ('zip == "007"', [7]),
        ('label == "a"', [0, 2, 4, 6, 8, 10]),
        ('queue in ["b", "c"]', [1, 3, 5, 7, 9, 11]),
        ('`my col` == "x"', [1, 3, 5, 7, 9, 11]),
        ('`my col` != "x"', [0, 2, 4, 6, 8, 10]),
        ("`my col` is missing", [0, 2, 4, 6, 8, 10]),
        ("`my col` is not missing and age < 4", [1, 3]),
        ("elsewhere is missing and age == 1", [1]),
        ("paid == true", [0, 2, 4, 6, 8, 10]),
        ("paid == false", [1, 3, 5, 7, 9, 11]),
        ('created >= "2026-01-11"', [10, 11]),
        ('created <= "2026-01-02"', [0, 1]),
        ('created > "2026-01-02" and created < "2026-01-04"', [2]),
        ('created in "2026-01-03".."2026-01-04"', [2, 3]),
        ('created in "2026-01-03T10:00:01".."2026-01-04T10:00:00"', [3]),
        ('text has "refund" and age < 4', [0, 2, 3]),
        ('text has "fund"', []),
        ('body contains "FUND" and age < 3', [0, 2]),
        ('body has "money back" and age < 3', [2]),
        ('text has 2 of ["refund", "back", "e-mail"] and age < 6', [2, 5]),
        ('id matches "^r1"', [10, 11]),
        (r'id matches "r\d1$"', [1, 11]),
        ('source == "file1.csv" and not age > 6', [6]),
        ("length < 10 and age < 5", [1, 4]),
        ("words == 3 and age < 3", [0, 2]),
        ('age == 0 or age == 1 and label == "a"', [0]),
        ('(age == 0 or age == 1) and label == "b"', [1]),
        ("not not age == 0", [0]),
    ],
)
def test_what_an_expression_means(expression: str, wanted: list[int]) -> None:
    assert rows(expression) == wanted


@pytest.mark.parametrize(
    ("expression", "position", "words"),
    [
        ("", 1, "expected a column, found the end"),
        ("age = 3", 5, "equality is written =="),
        ('age == "x', 8, "no closing quote"),
        ("age == 'x'", 8, "double quotes"),
        ("age ==", 7, "expected a number or a text"),
        ("age 3", 5, "expected a comparison"),
        ("age in 3..", 11, "found the end"),
        ('age in 3.."2026-01-01"', 8, "from number to number"),
        ('age < "old"', 7, "an order needs a number or a date"),
        ('text has 3 of ["a"]', 10, "from 1 to 1"),
        ('id matches "("', 12, "not a regular expression"),
        ("(age == 1", 10, "expected ')'"),
        ("age == 1 age == 2", 10, "expected 'and', 'or' or the end"),
        ("age & 1", 5, "no meaning"),
        ('agge == "x"', 1, "did you mean 'age'"),
        ('age == __import__("os")', 8, "expected a number"),
        ("not " * 60 + "age == 1", 201, "levels deep"),
        ('text has ""', 10, "expected a text"),
    ],
)
def test_an_error_says_where_and_what(expression: str, position: int, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        rows(expression)
    head, shown, mark = str(error.value).split("\n")
    assert head.startswith(f"slice 's', character {position}: ")
    assert words in head
    assert (shown, mark.index("^")) == (f"  {expression}", position + 1)


@given(st.text(max_size=30).filter(lambda t: t == t.strip()))
def test_any_text_can_be_spelled(text: str) -> None:
    table = Table(Snapshot.of([Row("a", {"c": text}), Row("b", {"c": text + "!"}), Row("c", {})]))
    assert Slice.parse("s", f"c == {literal(text)}").mask(table).tolist() == [True, False, False]


@given(st.text(min_size=1, max_size=20).filter(lambda t: "`" not in t))
def test_any_column_can_be_named(name: str) -> None:
    table = Table(Snapshot.of([Row("a", {name: 1.5}), Row("b", {name: 2})]))
    found = Slice.parse("s", f"{name_of(name)} == {literal(1.5)}")
    if name not in ("label", "id"):
        assert found.mask(table).tolist() == [True, False]


def test_columns_are_listed_and_empty_tables_are_calm() -> None:
    found = Slice.parse("s", 'age > 1 and (label == "a" or age < 9) and text has "x"')
    assert found.columns == ("age", "label", "text")
    assert found.mask(Table(Snapshot([], [], {}), also=["age"])).tolist() == []
    assert found.to_json() == {"name": "s", "expression": found.expression}
