"""Parquet, Arrow IPC (Feather) files and streams, and folders that `datasets` saved.

Class numbers of Hugging Face `ClassLabel` columns become the class names: the numbers mean something
else in the next export.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tilth.errors import BadRow, InputError, MissingExtra
from tilth.ingest.base import Record, check_names, file_digest, read_error
from tilth.ingest.values import Unusable, column_records, iso_text

__all__ = ["ArrowSource", "class_texts", "open_arrow", "open_saved"]

BATCH = 4096
STREAM = b"\xff\xff\xff\xff"
FORMATS = {b"PAR1": "parquet", b"ARRO": "file", STREAM: "stream"}


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtra("reading Parquet, Arrow and Feather files", "pyarrow", "parquet") from error
    return pyarrow


@contextmanager
def _guard(path: Path) -> Iterator[None]:
    """Turn what pyarrow raises about a file into an `InputError`."""
    try:
        yield
    except OSError as error:
        if error.strerror:
            raise read_error(path, error) from error
        raise InputError(f"{path} cannot be read ({_first_line(error)}); write it again") from error
    except (_pyarrow().ArrowException, ValueError, KeyError) as error:
        raise InputError(f"{path} cannot be read ({_first_line(error)}); write it again") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


@dataclass(frozen=True, slots=True)
class ArrowSource:
    """One file in an Arrow format, or the files of one saved data set.

    Attributes
    ----------
    path : the file or the folder.
    files : the files that hold the rows, in order; all of one format and with the same columns.
    form : "parquet", "file" or "stream".
    columns : column names; the index columns that pandas adds are left out.
    classes : column name to class names, for columns that hold class numbers.
    """

    path: Path
    files: tuple[Path, ...]
    form: str
    columns: list[str]
    classes: Mapping[str, Sequence[str]]

    @property
    def name(self) -> str:
        """File or folder name."""
        return self.path.name

    @property
    def size_hint(self) -> int | None:
        """Rows."""
        total = 0
        for file in self.files:
            with _guard(file):
                if self.form == "parquet":
                    total += _parquet(file).metadata.num_rows
                else:
                    total += sum(batch.num_rows for batch in self._batches(file))
        return total

    def digest(self) -> str:
        """SHA-256 of the bytes of the file; of the digests of several."""
        return file_digest(self.files)

    def records(self) -> Iterator[Record | BadRow]:
        """One record a row; its line is the row number, from 1."""
        done = 0
        for file in self.files:
            batches = self._batches(file)
            while True:
                with _guard(file):
                    batch = next(batches, None)
                    if batch is None:
                        break
                    _same_columns(file, batch.schema.names, self.columns)
                    cells = [self._cells(batch, column) for column in self.columns]
                yield from column_records(self.name, self.columns, cells, done)
                done += batch.num_rows

    def _batches(self, file: Path) -> Iterator[Any]:
        """Batches of at most 4,096 rows."""
        pa = _pyarrow()
        if self.form == "parquet":
            yield from _parquet(file).iter_batches(batch_size=BATCH, use_threads=False)
            return
        with pa.memory_map(str(file)) as mapped:
            if self.form == "file":
                reader = pa.ipc.open_file(mapped)
                batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
            else:
                batches = iter(pa.ipc.open_stream(mapped))
            for batch in batches:
                _check(batch)
                for start in range(0, batch.num_rows, BATCH):
                    yield batch.slice(start, BATCH)

    def _cells(self, batch: Any, column: str) -> list[object]:
        values = _values(batch.column(batch.schema.names.index(column)))
        texts = self.classes.get(column)
        return values if texts is None else class_texts(values, texts)


def class_texts(values: Sequence[object], names: Sequence[str]) -> list[object]:
    """Class numbers as class names; -1, which `datasets` writes for "none", becomes None."""

    def text(value: object) -> object:
        if value is None or value == -1:
            return None
        if isinstance(value, int) and 0 <= value < len(names):
            return names[value]
        if isinstance(value, str):
            return value
        return Unusable(f"no class has the number {value}; there are {len(names)}", "mend the label")

    return [text(value) for value in values]


def _values(array: Any) -> list[object]:
    """An Arrow array as Python objects, without pandas and without loss."""
    pa = _pyarrow()
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _values(array.dictionary_decode())
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return _nanoseconds(array)
    if pa.types.is_time64(kind) and kind.unit == "ns":
        array = array.cast(pa.time64("us"), safe=False)
    if pa.types.is_duration(kind):
        scale = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
        counts = array.cast(pa.int64()).to_pylist()
        return [None if n is None else n / scale for n in counts]
    try:
        found: list[object] = array.to_pylist()
    except (ValueError, OverflowError):
        return [_one(scalar) for scalar in array]
    return found


def _one(scalar: Any) -> object:
    """One cell of a column in which some cell cannot be a Python object."""
    try:
        found: object = scalar.as_py()
    except UnicodeDecodeError as error:
        shown = error.object[error.start : error.end].hex(" ")
        problem = f"byte 0x{shown} at offset {error.start} of the cell is not valid UTF-8"
        return Unusable(problem, "write the file again from text that was decoded rightly")
    except (ValueError, OverflowError) as error:
        return Unusable(f"a value that Python cannot hold ({error})", "mend the value")
    return found


def _nanoseconds(array: Any) -> list[object]:
    # pyarrow hands out nanoseconds as pandas objects, or refuses where pandas is not installed.
    pa = _pyarrow()
    counts = array.cast(pa.int64()).to_pylist()
    # A cast would cut towards zero, which is the wrong microsecond before 1970.
    whole = pa.array([None if n is None else n // 1000 for n in counts], pa.int64())
    moments = whole.cast(pa.timestamp("us", tz=array.type.tz)).to_pylist()
    return [
        None if moment is None else iso_text(moment, count % 1000)
        for moment, count in zip(moments, counts, strict=True)
    ]


def _parquet(file: Path) -> Any:
    _pyarrow()
    import pyarrow.parquet

    return pyarrow.parquet.ParquetFile(file, pre_buffer=False)


def _check(batch: Any) -> None:
    """Refuse offsets that lead out of the file: pyarrow trusts them, and the process would crash."""
    for column in batch.columns:
        try:
            column.validate(full=True)
        except _pyarrow().ArrowInvalid as error:
            # Offsets are checked before the text; a bad text costs one row, see `_one`.
            if "UTF8" not in str(error):
                raise


def _same_columns(file: Path, found: Sequence[str], expected: Sequence[str]) -> None:
    missing = sorted(set(expected) - set(found))
    if missing:
        raise InputError(
            f"{file}: column {missing[0]!r} of the first file is missing here; save the set again"
        )


def _schema(file: Path, form: str) -> Any:
    pa = _pyarrow()
    if form == "parquet":
        return _parquet(file).schema_arrow
    with pa.memory_map(str(file)) as mapped:
        opened = pa.ipc.open_file if form == "file" else pa.ipc.open_stream
        return opened(mapped).schema


def _holds_bytes(kind: Any) -> bool:
    types = _pyarrow().types
    if types.is_dictionary(kind):
        return _holds_bytes(kind.value_type)
    if types.is_struct(kind):
        return any(_holds_bytes(kind.field(i).type) for i in range(kind.num_fields))
    if types.is_map(kind):
        return _holds_bytes(kind.key_type) or _holds_bytes(kind.item_type)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _holds_bytes(kind.value_type)
    is_view = getattr(types, "is_binary_view", lambda _: False)
    plain = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, is_view)
    return any(check(kind) for check in plain)


def _usable_columns(path: Path, schema: Any) -> list[str]:
    """Column names without the index of pandas; refuses bytes and names that occur twice."""
    names = [n for n in schema.names if not n.startswith("__index_level_")]
    if not names:
        raise InputError(f"{path} has no columns; a data set needs at least a text column")
    check_names(names, str(path))
    for name in names:
        if _holds_bytes(schema.field(name).type):
            raise InputError(
                f"{path}: column {name!r} holds bytes ({schema.field(name).type}), which cannot be "
                "a field of a row; leave the column out, or decode it to text, and write the file "
                "again"
            )
    return names


def _class_names(features: object) -> dict[str, list[str]]:
    """The class names in the feature description that `datasets` writes."""
    found: dict[str, list[str]] = {}
    for name, feature in features.items() if isinstance(features, dict) else ():
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel":
            found[name] = [str(n) for n in feature.get("names") or []]
    return found


def _schema_classes(schema: Any) -> dict[str, list[str]]:
    raw = (schema.metadata or {}).get(b"huggingface")
    try:
        body = json.loads(raw) if raw else {}
        return _class_names(body.get("info", {}).get("features"))
    except (ValueError, AttributeError):  # somebody else's metadata: the rows can still be read
        return {}


def open_arrow(path: Path) -> ArrowSource:
    """Settle format and columns of a Parquet, Arrow or Feather file.

    Raises
    ------
    MissingExtra
        without pyarrow.
    InputError
        when the file is damaged, is of another format, or has a column of bytes.
    """
    _pyarrow()
    form = _form(path)
    with _guard(path):  # names in a damaged schema may be no text
        schema = _schema(path, form)
        columns = _usable_columns(path, schema)
        return ArrowSource(path, (path,), form, columns, _schema_classes(schema))


def _form(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            head = handle.read(4)
    except OSError as error:
        raise read_error(path, error) from error
    if head == b"FEA1":
        raise InputError(f"{path} is a Feather file of version 1; write it again as Feather or CSV")
    if head not in FORMATS:
        raise InputError(
            f"{path} is no Parquet, Arrow or Feather file (it begins with {head!r}); "
            "check the file, or give it the ending of its format"
        )
    return FORMATS[head]


def open_saved(folder: Path) -> ArrowSource:
    """Settle files and columns of a folder written by `datasets.Dataset.save_to_disk`.

    Raises
    ------
    MissingExtra
        without pyarrow.
    InputError
        when the folder is no saved data set, holds several splits, or lacks a file.
    """
    _pyarrow()
    state, info = _described(folder / "state.json"), _described(folder / "dataset_info.json")
    if state.get("_indices_data_files"):
        raise InputError(
            f"{folder} was saved with a list of selected rows by an old version of datasets; "
            "save it again with a version from 2021 or later"
        )
    listed = state.get("_data_files")
    entries = listed if isinstance(listed, list) else []
    files = tuple(folder / str(e.get("filename")) for e in entries if isinstance(e, dict))
    if not files:
        raise InputError(f"{folder / 'state.json'} lists no data files; save the data set again")
    for file in files:
        if not file.is_file():
            raise InputError(
                f"{file} is missing, though {folder / 'state.json'} lists it; copy the whole "
                "folder, or save the data set again"
            )
    form = _form(files[0])
    with _guard(files[0]):
        schema = _schema(files[0], form)
        columns = _usable_columns(folder, schema)
        classes = _schema_classes(schema) | _class_names(info.get("features"))
    return ArrowSource(folder, files, form, columns, classes)


def _described(file: Path) -> dict[str, Any]:
    try:
        body = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise read_error(file, error) from error
    except ValueError as error:
        raise InputError(f"{file} is damaged ({error}); save the data set again") from error
    if not isinstance(body, dict):
        raise InputError(f"{file} is damaged (no JSON object); save the data set again")
    return body
