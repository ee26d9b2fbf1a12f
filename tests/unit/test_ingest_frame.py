"""DataFrames and `datasets.Dataset` objects: recognised by what they can do."""

from __future__ import annotations

import datetime
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilth.errors import BadRow, InputError
from tilth.ingest import Record, Source, open_source

pd = pytest.importorskip("pandas")


def read(source: Source) -> tuple[list[Record], list[BadRow]]:
    found = list(source.records())
    return (
        [r for r in found if isinstance(r, Record)],
        [r for r in found if isinstance(r, BadRow)],
    )


def test_plain_frame() -> None:
    frame = pd.DataFrame({"text": ["a", "b"], 7: [1, 2]}, index=["x", "y"])
    before = frame.copy()
    source = open_source(frame)
    assert (source.name, source.columns, source.size_hint) == ("dataframe", ["text", "7"], 2)
    assert read(source) == (
        [Record(1, {"text": "a", "7": 1}, 1), Record(2, {"text": "b", "7": 2}, 2)],
        [],
    )
    pd.testing.assert_frame_equal(frame, before)


def test_types_become_plain() -> None:
    moment = pd.Timestamp("2024-02-29 12:00:00.000000001")
    frame = pd.DataFrame(
        {
            "category": pd.Categorical(["a", None]),
            "Int64": pd.array([1, None], dtype="Int64"),
            "boolean": pd.array([True, None], dtype="boolean"),
            "string": pd.array(["x", None], dtype="string"),
            "float": [0.5, float("nan")],
            "moment": [moment, pd.NaT],
            "zone": [pd.Timestamp("2024-01-01", tz="Europe/Berlin"), None],
            "span": [pd.Timedelta("1500ms"), None],
            "numpy": pd.Series([np.float32(0.5), np.int8(3)], dtype=object),
            "numpy2": pd.Series([np.str_("s"), np.bool_(True)], dtype=object),
            "when": pd.Series([np.datetime64("2024-01-01T00:00"), np.datetime64("NaT")], dtype=object),
            "nested": [{"b": [np.int64(1)], "a": datetime.date(2024, 1, 1)}, np.array([[1, 2]])],
        }
    )
    (one, two), bad = read(open_source(frame))
    assert not bad
    assert one.values == {
        "category": "a",
        "Int64": 1,
        "boolean": True,
        "string": "x",
        "float": 0.5,
        "moment": "2024-02-29T12:00:00.000000001",
        "zone": "2024-01-01T00:00:00+01:00",
        "span": 1.5,
        "numpy": 0.5,
        "numpy2": "s",
        "when": one.values["when"],
        "nested": '{"a":"2024-01-01","b":[1]}',
    }
    assert str(one.values["when"]).startswith("2024-01-01T00:00")
    assert two.values["numpy"] == 3
    assert two.values["numpy2"] is True
    assert two.values["nested"] == "[[1,2]]"
    for name in ("Int64", "boolean", "string", "moment", "zone", "span", "when"):
        assert two.values[name] is None, name
    kinds = {type(v) for r in (one, two) for v in r.values.values()}
    assert kinds <= {str, int, float, bool, type(None)}


def test_bytes() -> None:
    frame = pd.DataFrame({"text": ["a", "b"], "raw": [b"x", None]})
    with pytest.raises(
        InputError, match=r"dataframe: column 'raw': a value of type bytes cannot be .*decode"
    ):
        list(open_source(frame).records())
    frame = pd.DataFrame({"text": ["a", "b", "c"], "raw": ["x", b"y", "z"]})
    good, (bad,) = read(open_source(frame))
    assert [r.line for r in good] == [1, 3]
    assert str(bad) == (
        "dataframe:2: column 'raw': a value of type bytes cannot be a field of a row "
        "(found \"b'y'\"); decode it to text, or leave the column out"
    )


def test_values_without_a_text() -> None:
    frame = pd.DataFrame({"n": [1, 2], "odd": ["x", 1j]})
    _, (bad,) = read(open_source(frame))
    assert (bad.line, bad.column, "type complex" in bad.problem) == (2, "odd", True)
    frame = pd.DataFrame({"odd": [object(), {1, 2}]})
    with pytest.raises(InputError, match="column 'odd': a value of type object cannot"):
        list(open_source(frame).records())


def test_nesting_without_end() -> None:
    loop: list[Any] = []
    loop.append(loop)
    _, (bad,) = read(open_source(pd.DataFrame({"a": ["x", loop]})))
    assert (bad.line, bad.problem) == (2, "a value that is nested too deeply or out of range")


def test_names() -> None:
    with pytest.raises(InputError, match="dataframe: column name 'a' occurs 2 times"):
        open_source(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(InputError, match="column name '1' occurs 2 times"):
        open_source(pd.DataFrame([[1, 2]], columns=["1", 1]))
    with pytest.raises(InputError, match="name of several levels; flatten the columns"):
        open_source(pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])))
    with pytest.raises(InputError, match="has no columns"):
        open_source(pd.DataFrame())


def test_digest_is_of_the_content() -> None:
    frame = pd.DataFrame({"text": ["a", "b"], "n": [1, 2]})
    digest = open_source(frame).digest()
    assert digest == open_source(frame.copy()).digest()
    assert digest != open_source(frame.iloc[::-1]).digest()
    assert digest != open_source(frame.rename(columns={"n": "m"})).digest()


def test_long_frames_are_numbered_on() -> None:
    good, _ = read(open_source(pd.DataFrame({"n": range(10_000)})))
    assert [(r.line, r.values["n"]) for r in good] == [(i + 1, i) for i in range(10_000)]


@pytest.mark.parametrize("data", [None, 3, [{"text": "a"}], b"t.csv", object(), {}])
def test_other_objects(data: object) -> None:
    with pytest.raises(InputError, match=r"cannot read an object of type .*; give a path, a pandas DataF"):
        open_source(data)


def test_options_have_no_meaning() -> None:
    with pytest.raises(InputError, match="an object in memory has no delimiter"):
        open_source(pd.DataFrame({"a": [1]}), delimiter=",")


class ClassLabel:
    def __init__(self, names: list[str]) -> None:
        self.names = names


class Image:
    pass


class Dataset:
    """What `datasets.Dataset` offers (checked against datasets 5.2 by hand)."""

    def __init__(self, columns: dict[str, list[Any]], features: dict[str, Any], array: bool = False):
        self._columns, self.features, self._array = columns, features, array

    @property
    def column_names(self) -> list[str]:
        return list(self._columns)

    @property
    def num_rows(self) -> int:
        return len(next(iter(self._columns.values()), []))

    def with_format(self, kind: str | None) -> Dataset:
        return Dataset(self._columns, self.features, array=kind is not None)

    def __getitem__(self, rows: slice) -> dict[str, Any]:
        if "broken" in self._columns:
            raise RuntimeError("no decoder")
        found = {k: v[rows] for k, v in self._columns.items()}
        return {k: np.array(v) for k, v in found.items()} if self._array else found


def test_dataset_object() -> None:
    features = {"text": None, "label": ClassLabel(["greet", "card"])}
    dataset = Dataset({"text": ["a", "b", "c"], "label": [0, 1, -1]}, features)
    source = open_source(dataset.with_format("numpy"))
    assert (source.name, source.columns, source.size_hint) == ("dataset", ["text", "label"], 3)
    good, bad = read(source)
    assert not bad
    assert [r.values["label"] for r in good] == ["greet", "card", None]
    assert source.digest() == open_source(dataset).digest()


def test_dataset_objects_that_cannot_be_used() -> None:
    with pytest.raises(InputError, match=r"column 'pic' is of type Image.*remove_columns\(\['pic'\]\)"):
        open_source(Dataset({"pic": [1]}, {"pic": Image()}))
    with pytest.raises(InputError, match="it has no columns"):
        open_source(Dataset({}, {}))
    with pytest.raises(InputError, match=r"rows 1 to 4096 cannot be read \(RuntimeError: no decoder\)"):
        list(open_source(Dataset({"broken": [1]}, {})).records())
    splits = {"train": Dataset({"a": [1]}, {}), "test": Dataset({"a": [1]}, {})}
    with pytest.raises(InputError, match=r"the splits train, test is several .* such as data\['train'\]"):
        open_source(splits)


def test_pandas_is_not_imported_for_files(tmp_path: Path) -> None:
    import subprocess
    import sys

    (tmp_path / "t.csv").write_text("text,label\na,b\n")
    code = (
        "import sys; from tilth.ingest import open_source, guess_columns, prepare; "
        f"s = open_source({str(tmp_path / 't.csv')!r}); list(prepare(s, guess_columns(s))); "
        "sys.exit('pandas' in sys.modules or 'pyarrow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


cells = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=()), max_size=8)
)


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.tuples(cells, cells), max_size=8))
def test_what_a_frame_holds_is_read_back(rows: list[tuple[Any, Any]]) -> None:
    frame = pd.DataFrame({name: pd.Series([r[i] for r in rows], dtype=object) for i, name in enumerate("ab")})
    good, bad = read(open_source(frame))
    assert not bad
    assert [tuple(r.values.values()) for r in good] == rows
    assert all(
        type(x) is type(y)
        for r, e in zip(good, rows, strict=True)
        for x, y in zip(r.values.values(), e, strict=True)
    )


def test_nan_stays_nan() -> None:
    good, _ = read(open_source(pd.DataFrame({"x": [1.0, np.nan]})))
    value = good[1].values["x"]
    assert isinstance(value, float)
    assert math.isnan(value)
