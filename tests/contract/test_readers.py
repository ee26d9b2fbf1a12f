"""One battery for every reader: the same table gives the same rows, whatever it is stored in."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tilth.data import Incoming
from tilth.errors import BadRow
from tilth.ingest import Record, Source, guess_columns, open_source, prepare

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

Table = list[dict[str, str]]
NAMES = ["id", "text", "label", "channel"]


def separated(delimiter: str, encoding: str, end: str) -> Callable[[Table, Path], object]:
    def write(table: Table, folder: Path) -> object:
        buffer = io.StringIO()
        # Quote all: which line ends `csv` quotes depends on the one it writes and on its version.
        writer = csv.DictWriter(buffer, NAMES, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(table)
        path = folder / ("t.tsv" if delimiter == "\t" else "t.csv")
        path.write_bytes(buffer.getvalue().encode(encoding))
        return path

    return write


def json_lines(table: Table, folder: Path) -> object:
    path = folder / "t.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in table) or "\n")
    return path


def json_array(table: Table, folder: Path) -> object:
    path = folder / "t.json"
    path.write_text(json.dumps(table, indent=1))
    return path


def arrow_table(table: Table) -> Any:
    return pa.table({n: pa.array([row[n] for row in table], pa.string()) for n in NAMES})


def parquet(table: Table, folder: Path) -> object:
    pq.write_table(arrow_table(table), folder / "t.parquet")
    return folder / "t.parquet"


def arrow(table: Table, folder: Path) -> object:
    made = arrow_table(table)
    with pa.OSFile(str(folder / "t.arrow"), "wb") as sink, pa.ipc.new_file(sink, made.schema) as w:
        w.write_table(made)
    return folder / "t.arrow"


def saved(table: Table, folder: Path) -> object:
    made = arrow_table(table)
    with (
        pa.OSFile(str(folder / "data-0.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, made.schema) as writer,
    ):
        writer.write_table(made)
    (folder / "state.json").write_text('{"_data_files": [{"filename": "data-0.arrow"}]}')
    (folder / "dataset_info.json").write_text('{"features": {}}')
    return folder


def frame(table: Table, _: Path) -> object:
    return pd.DataFrame({n: pd.Series([row[n] for row in table], dtype=object) for n in NAMES})


class Dataset:
    """What `datasets.Dataset` offers."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.features: dict[str, object] = {}
        self.column_names = NAMES
        self.num_rows = len(table)

    def __getitem__(self, rows: slice) -> dict[str, list[str]]:
        return {n: [row[n] for row in self.table[rows]] for n in NAMES}


READERS: dict[str, Callable[[Table, Path], object]] = {
    "csv": separated(",", "utf-8", "\n"),
    "csv with CR LF and a mark": separated(";", "utf-8-sig", "\r\n"),
    "csv in UTF-16": separated("|", "utf-16", "\r"),
    "tsv": separated("\t", "utf-8", "\n"),
    "json lines": json_lines,
    "json array": json_array,
    "parquet": parquet,
    "arrow": arrow,
    "saved dataset": saved,
    "frame": frame,
    "dataset": lambda table, _: Dataset(table),
}
readers = pytest.mark.parametrize("write", READERS.values(), ids=READERS)

TABLE: Table = [
    {
        "id": f"r{i}",
        "text": f'where is card {i}, "please"?\r\nsecond line\u2028é😀',
        "label": ["cards", "fees"][i % 2],
        "channel": ["", "web"][i % 3 > 0],
    }
    for i in range(30)
]


def content(source: Source) -> list[object]:
    return [r.values if isinstance(r, Record) else r for r in source.records()]


@readers
def test_the_same_rows(write: Callable[[Table, Path], object], tmp_path: Path) -> None:
    source = open_source(write(TABLE, tmp_path))
    assert source.columns == NAMES
    assert content(source) == TABLE
    columns = guess_columns(source)
    assert (columns.text, columns.label, columns.id) == ("text", "label", "id")
    rows = list(prepare(source, columns))
    assert [(r.id, r.label, r.fields) for r in rows if isinstance(r, Incoming)] == [
        (
            row["id"],
            row["label"],
            {"text": row["text"]} | ({"channel": row["channel"]} if row["channel"] else {}),
        )
        for row in TABLE
    ]


@readers
def test_reading_is_repeatable(write: Callable[[Table, Path], object], tmp_path: Path) -> None:
    source = open_source(write(TABLE, tmp_path))
    first = list(source.records())
    other = source.records()
    next(other)  # a reader that is left half way does not disturb the next one
    assert list(source.records()) == first
    assert source.digest() == source.digest()
    assert len(bytes.fromhex(source.digest())) == 32


@readers
def test_the_digest_changes_with_the_content(write: Callable[[Table, Path], object], tmp_path: Path) -> None:
    digests = set()
    for number, table in enumerate((TABLE, TABLE[:-1], [*TABLE[:-1], TABLE[-1] | {"label": "x"}])):
        (tmp_path / str(number)).mkdir()
        digests.add(open_source(write(table, tmp_path / str(number))).digest())
    assert len(digests) == 3


@readers
def test_lines_and_progress(write: Callable[[Table, Path], object], tmp_path: Path) -> None:
    source = open_source(write(TABLE, tmp_path))
    records = [r for r in source.records() if isinstance(r, Record)]
    lines = [r.line for r in records]
    progress = [r.progress for r in records]
    assert lines == sorted(set(lines))
    assert lines[0] >= 1
    assert progress == sorted(progress)
    assert source.size_hint is not None
    assert 0 < progress[-1] <= source.size_hint


@readers
def test_records_are_frozen_and_their_own(write: Callable[[Table, Path], object], tmp_path: Path) -> None:
    source = open_source(write(TABLE, tmp_path))
    first, second, *_ = source.records()
    assert isinstance(first, Record)
    assert isinstance(second, Record)
    with pytest.raises(FrozenInstanceError):
        first.line = 3  # type: ignore[misc]
    first.values.clear()
    assert second.values == TABLE[1]
    assert content(source)[0] == TABLE[0]


@readers
def test_one_row_and_none(write: Callable[[Table, Path], object], tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    assert content(open_source(write(TABLE[:1], tmp_path / "one"))) == TABLE[:1]
    (tmp_path / "none").mkdir()
    if write is json_lines:
        return  # without a record it holds nothing: refused, see test_ingest_jsonl.py
    assert content(open_source(write([], tmp_path / "none"))) == []


@readers
def test_bad_rows_do_not_stop_it(write: Callable[[Table, Path], object], tmp_path: Path) -> None:
    table = [dict(row) for row in TABLE]
    table[3]["label"], table[5]["text"], table[7]["id"] = "n/a", " ", ""
    source = open_source(write(table, tmp_path))
    lines = [r.line for r in source.records()]
    columns = guess_columns(source, text="text", label="label", id="id")
    found = list(prepare(source, columns))
    assert [(b.file, b.line, b.column, b.problem) for b in found if isinstance(b, BadRow)] == [
        (source.name, lines[3], "label", "missing label"),
        (source.name, lines[5], "text", "empty text"),
        (source.name, lines[7], "id", "empty id"),
    ]
    assert len(found) == len(table)


cell = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8) | (
    st.sampled_from(["\u2028", "\x85", "\x0c", "\ufeff", '"', '""', "\r", "\n", "\r\n", " ", ",", "nan"])
)
tables = st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, cell)), min_size=1, max_size=5)


@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(table=tables)
def test_odd_text_survives(tmp_path_factory: pytest.TempPathFactory, kind: str, table: Table) -> None:
    source = open_source(READERS[kind](table, tmp_path_factory.mktemp("odd")))
    assert content(source) == table
