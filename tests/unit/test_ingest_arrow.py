"""Parquet, Arrow IPC and saved `datasets` folders: types become plain values without loss."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import json
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tilth.errors import BadRow, InputError, MissingExtra
from tilth.ingest import Record, Source, open_source

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
feather = pytest.importorskip("pyarrow.feather")


def write_parquet(table: Any, path: Path) -> None:
    pq.write_table(table, path, row_group_size=3)


def write_ipc(table: Any, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def write_stream(table: Any, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


FORMS: list[tuple[str, Callable[[Any, Path], None]]] = [
    ("t.parquet", write_parquet),
    ("t.pq", write_parquet),
    ("t.arrow", write_ipc),
    ("t.ipc", write_stream),
    ("t.feather", lambda table, path: feather.write_feather(table, path, compression="lz4")),
    ("parquet without ending", write_parquet),
    ("arrow without ending", write_ipc),
    ("stream.without", write_stream),
]
forms = pytest.mark.parametrize(("name", "write"), FORMS, ids=[n for n, _ in FORMS])


def read(source: Source) -> tuple[list[Record], list[BadRow]]:
    found = list(source.records())
    return (
        [r for r in found if isinstance(r, Record)],
        [r for r in found if isinstance(r, BadRow)],
    )


def values(path: Path) -> list[dict[str, object]]:
    good, bad = read(open_source(path))
    assert not bad
    return [dict(r.values) for r in good]


@forms
def test_plain_table(tmp_path: Path, name: str, write: Callable[[Any, Path], None]) -> None:
    table = pa.table({"text": [f"t{i}" for i in range(10)], "n": list(range(10))})
    write(table, tmp_path / name)
    source = open_source(tmp_path / name)
    assert (source.name, source.columns, source.size_hint) == (name, ["text", "n"], 10)
    good, bad = read(source)
    assert not bad
    assert [(r.line, r.progress) for r in good] == [(i, i) for i in range(1, 11)]
    assert [dict(r.values) for r in good] == table.to_pylist()
    assert len(source.digest()) == 64


def test_batches_number_rows_on(tmp_path: Path) -> None:
    count = 10_000
    pq.write_table(pa.table({"text": list(map(str, range(count)))}), tmp_path / "t.parquet")
    good, _ = read(open_source(tmp_path / "t.parquet"))
    assert [(r.line, r.values["text"]) for r in good] == [(i + 1, str(i)) for i in range(count)]


@forms
def test_types(tmp_path: Path, name: str, write: Callable[[Any, Path], None]) -> None:
    day, noon = datetime.date(2024, 2, 29), datetime.time(12, 0, 0, 5)
    stamp = 1_700_000_000_123_456_789
    columns = {
        "large": pa.array(["x", None], pa.large_string()),
        "coded": pa.array(["a", "a"]).dictionary_encode(),
        "int8": pa.array([1, None], pa.int8()),
        "float32": pa.array([0.5, float("inf")], pa.float32()),
        "bool": pa.array([True, None]),
        "null": pa.nulls(2),
        "date": pa.array([day, None]),
        "time": pa.array([noon, None], pa.time64("us")),
        "time_ns": pa.array([1_001, None], pa.time64("ns")),
        "seconds": pa.array([0, None], pa.timestamp("s")),
        "nanos": pa.array([stamp, None], pa.timestamp("ns")),
        "zone": pa.array([stamp // 1000, None], pa.timestamp("us", tz="UTC")),
        "zone_ns": pa.array([stamp, None], pa.timestamp("ns", tz="UTC")),
        "span": pa.array([1500, None], pa.duration("ms")),
        "money": pa.array([decimal.Decimal("12.50"), None]),
        "whole": pa.array([decimal.Decimal(10**20), None], pa.decimal128(38, 0)),
        "list": pa.array([[1, None], None]),
        "struct": pa.array([{"b": day, "a": "é"}, None]),
    }
    write(pa.table(columns), tmp_path / name)
    first, second = values(tmp_path / name)
    assert first == {
        "large": "x",
        "coded": "a",
        "int8": 1,
        "float32": 0.5,
        "bool": True,
        "null": None,
        "date": "2024-02-29",
        "time": "12:00:00.000005",
        "time_ns": "00:00:00.000001",
        "seconds": "1970-01-01T00:00:00",
        "nanos": "2023-11-14T22:13:20.123456789",
        "zone": "2023-11-14T22:13:20.123456+00:00",
        "zone_ns": "2023-11-14T22:13:20.123456789+00:00",
        "span": 1.5,
        "money": 12.5,
        "whole": 10**20,
        "list": "[1,null]",
        "struct": '{"a":"é","b":"2024-02-29"}',
    }
    assert {k: type(v) for k, v in first.items() if k in ("bool", "int8", "whole")} == {
        "bool": bool,
        "int8": int,
        "whole": int,
    }
    assert second["coded"] == "a"
    assert second["float32"] == float("inf")
    assert {v for k, v in second.items() if k not in ("coded", "float32")} == {None}


def test_nanoseconds_without_pandas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"t": pa.array([-1, 1, 10**9], pa.timestamp("ns"))})
    write_parquet(table, tmp_path / "t.parquet")
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert [v["t"] for v in values(tmp_path / "t.parquet")] == [
        "1969-12-31T23:59:59.999999999",
        "1970-01-01T00:00:00.000000001",
        "1970-01-01T00:00:01",
    ]


def test_extension_types(tmp_path: Path) -> None:
    one = uuid.UUID(int=7)
    ids = pa.array([one.bytes], pa.uuid())
    write_ipc(pa.table({"id": ids}), tmp_path / "t.arrow")
    assert values(tmp_path / "t.arrow") == [{"id": str(one)}]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([b"x"]),
        pa.array([b"x"], pa.large_binary()),
        pa.array([b"x"], pa.binary(1)),
        pa.array([[b"x"]]),
        pa.array([{"bytes": b"x", "path": None}]),
    ],
)
def test_bytes_are_refused(tmp_path: Path, column: Any) -> None:
    write_parquet(pa.table({"text": ["a"], "image": column}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"t\.parquet: column 'image' holds bytes .*leave the column out"):
        open_source(tmp_path / "t.parquet")


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    raw = pa.array([b"fine", b"caf\xe9", b"also fine"])
    text = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    write_ipc(pa.table({"n": [1, 2, 3], "text": text}), tmp_path / "t.arrow")
    good, (bad,) = read(open_source(tmp_path / "t.arrow"))
    assert [(r.line, r.values["text"]) for r in good] == [(1, "fine"), (3, "also fine")]
    assert str(bad).startswith(
        "t.arrow:2: column 'text': byte 0xe9 at offset 3 of the cell is not valid UTF-8"
    )


def test_moments_that_python_cannot_hold(tmp_path: Path) -> None:
    table = pa.table({"when": pa.array([0, 2**60], pa.timestamp("s"))})
    write_ipc(table, tmp_path / "t.arrow")
    good, (bad,) = read(open_source(tmp_path / "t.arrow"))
    assert (len(good), bad.line, bad.column) == (1, 2, "when")


def test_index_of_pandas_is_left_out(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": ["a", "b"]}, index=[5, 9])
    frame.to_parquet(tmp_path / "t.parquet")
    assert values(tmp_path / "t.parquet") == [{"text": "a"}, {"text": "b"}]


def test_header_alone(tmp_path: Path) -> None:
    write_parquet(pa.table({"text": pa.array([], pa.string())}), tmp_path / "t.parquet")
    source = open_source(tmp_path / "t.parquet")
    assert (source.columns, source.size_hint, list(source.records())) == (["text"], 0, [])


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("t.parquet", b"text,label\nx,a\n", r"no Parquet, Arrow or Feather file \(it begins with b'text'\)"),
        ("t.parquet", b"PAR1 and nothing else", r"t\.parquet cannot be read \(.*\); write it again"),
        ("t.arrow", b"ARROW1\0\0 and nothing else at all", r"t\.arrow cannot be read"),
        ("t.arrow", b"\xff\xff\xff\xff\x10\0\0\0", r"t\.arrow cannot be read"),
        ("t.feather", b"FEA1 old", "Feather file of version 1"),
        ("t.arrow", b"", r"t\.arrow is empty"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, name: str, body: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(body)
    with pytest.raises(InputError, match=message):
        list(open_source(tmp_path / name).records())


@forms
def test_damaged_files(tmp_path: Path, name: str, write: Callable[[Any, Path], None]) -> None:
    path = tmp_path / name
    write(pa.table({"text": [f"some text {i}" * 9 for i in range(300)]}), path)
    whole = path.read_bytes()
    half = len(whole) // 2
    bodies = [whole[:cut] for cut in (20, half, len(whole) - 9)]
    for body in (*bodies, whole[:half] + b"\x55" * 40 + whole[half + 40 :]):
        path.write_bytes(body)
        # Some damage cannot be seen; what must not come out is an error of pyarrow.
        with contextlib.suppress(InputError):
            list(open_source(path).records())


def test_names(tmp_path: Path) -> None:
    table = pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    write_ipc(table, tmp_path / "t.arrow")
    with pytest.raises(InputError, match="column name 'text' occurs 2 times"):
        open_source(tmp_path / "t.arrow")
    write_ipc(pa.table({}), tmp_path / "t.arrow")
    with pytest.raises(InputError, match="has no columns"):
        open_source(tmp_path / "t.arrow")


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"needs the package 'pyarrow'.*pip install 'tilth\[parquet\]'"):
        open_source(tmp_path / "t.parquet")


def test_options_have_no_meaning(tmp_path: Path) -> None:
    write_parquet(pa.table({"text": ["a"]}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match="no text file has no encoding; leave out --encoding 'utf-8'"):
        open_source(tmp_path / "t.parquet", encoding="utf-8")


FEATURES = {
    "text": {"dtype": "string", "_type": "Value"},
    "label": {"names": ["greet", "card"], "_type": "ClassLabel"},
}


def save(folder: Path, shards: list[list[int]], features: object = FEATURES) -> Path:
    """The layout of `Dataset.save_to_disk` (checked against datasets 5.2 by hand)."""
    folder.mkdir()
    names = [f"data-{i:05d}-of-{len(shards):05d}.arrow" for i in range(len(shards))]
    for name, labels in zip(names, shards, strict=True):
        table = pa.table({"text": [f"{name} {i}" for i in labels], "label": pa.array(labels, pa.int64())})
        write_stream(table, folder / name)
    state = {"_data_files": [{"filename": n} for n in names], "_fingerprint": "x", "_split": None}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    return folder


def test_saved_dataset(tmp_path: Path) -> None:
    source = open_source(save(tmp_path / "cards", [[0, 1, -1], [1]]))
    good, bad = read(source)
    assert not bad
    assert (source.name, source.columns, source.size_hint) == ("cards", ["text", "label"], 4)
    assert [(r.line, r.values["label"]) for r in good] == [(1, "greet"), (2, "card"), (3, None), (4, "card")]
    assert source.digest() != open_source(save(tmp_path / "other", [[0, 1, -1], [0]])).digest()


def test_class_number_without_a_name(tmp_path: Path) -> None:
    good, (bad,) = read(open_source(save(tmp_path / "cards", [[0, 7]])))
    assert [r.values["label"] for r in good] == ["greet"]
    assert str(bad).startswith("cards:2: column 'label': no class has the number 7; there are 2")


def test_saved_dataset_without_classes(tmp_path: Path) -> None:
    described = (None, [], {"label": {"_type": "Value"}}, {"label": 3})
    for number, features in enumerate(described):
        source = open_source(save(tmp_path / f"cards{number}", [[0, 7]], features))
        assert [r.values["label"] for r in read(source)[0]] == [0, 7]


def test_classes_in_parquet(tmp_path: Path) -> None:
    note = {b"huggingface": json.dumps({"info": {"features": FEATURES}}).encode()}
    table = pa.table({"label": [1, -1]}).replace_schema_metadata(note)
    write_parquet(table, tmp_path / "t.parquet")
    assert values(tmp_path / "t.parquet") == [{"label": "card"}, {"label": None}]
    for other in (b"{", b"[]", b'{"info": 3}', b"\xff"):
        noted = table.replace_schema_metadata({b"huggingface": other})
        write_parquet(noted, tmp_path / "t.parquet")
        assert values(tmp_path / "t.parquet") == [{"label": 1}, {"label": -1}]


def test_saved_dataset_that_is_damaged(tmp_path: Path) -> None:
    folder = save(tmp_path / "cards", [[0], [1]])
    (folder / "data-00001-of-00002.arrow").unlink()
    with pytest.raises(InputError, match=r"data-00001-of-00002\.arrow is missing, though .*lists it"):
        open_source(folder)
    state = folder / "state.json"
    state.write_text('{"_data_files": [], "_indices_data_files": null}')
    with pytest.raises(InputError, match="lists no data files"):
        open_source(folder)
    state.write_text('{"_data_files": [], "_indices_data_files": [{"filename": "i.arrow"}]}')
    with pytest.raises(InputError, match="list of selected rows by an old version"):
        open_source(folder)
    for damaged in ("{", "[]"):
        state.write_text(damaged)
        with pytest.raises(InputError, match=r"state\.json is damaged"):
            open_source(folder)


def test_shards_that_differ(tmp_path: Path) -> None:
    folder = save(tmp_path / "cards", [[0], [1]])
    write_stream(pa.table({"text": ["x"]}), folder / "data-00001-of-00002.arrow")
    with pytest.raises(InputError, match="column 'label' of the first file is missing here"):
        list(open_source(folder).records())


def test_several_splits(tmp_path: Path) -> None:
    both = tmp_path / "both"
    both.mkdir()
    save(both / "train", [[0]])
    save(both / "test", [[0]])
    (both / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(InputError, match=r"several data sets \(test, train\); give one of them: .*both/t"):
        open_source(both)
