"""Objects in memory: a pandas DataFrame and a Hugging Face `datasets.Dataset`.

Both are recognised by what they can do, so neither library is imported here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tilth.errors import BadRow, InputError
from tilth.ingest.arrow import class_texts
from tilth.ingest.base import Record, check_names, content_digest
from tilth.ingest.values import column_records

__all__ = ["DatasetSource", "FrameSource", "open_object"]

BATCH = 4096
DECODED = ("Image", "Audio", "Video", "Pdf", "Nifti")
"""Features of `datasets` that would be decoded into objects, at a cost, and then refused."""


@dataclass(frozen=True, slots=True)
class FrameSource:
    """A pandas DataFrame. Its index is not a column; `frame.reset_index()` makes it one.

    Attributes
    ----------
    frame : the DataFrame; it is not changed.
    columns : the column names as text.
    """

    frame: Any
    columns: list[str]

    @property
    def name(self) -> str:
        """Always "dataframe"."""
        return "dataframe"

    @property
    def size_hint(self) -> int | None:
        """Rows."""
        return len(self.frame)

    def digest(self) -> str:
        """SHA-256 of the column names and the values."""
        return content_digest(self)

    def records(self) -> Iterator[Record | BadRow]:
        """One record a row; its line is the row number, from 1."""
        series = [self.frame.iloc[:, at] for at in range(len(self.columns))]
        for start in range(0, len(self.frame), BATCH):
            cells = [one.iloc[start : start + BATCH].tolist() for one in series]
            yield from column_records(self.name, self.columns, cells, start)


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """A `datasets.Dataset`.

    Attributes
    ----------
    dataset : the data set, with its output format set to Python objects.
    columns : the column names.
    classes : column name to class names, for `ClassLabel` columns.
    """

    dataset: Any
    columns: list[str]
    classes: Mapping[str, list[str]]

    @property
    def name(self) -> str:
        """Always "dataset"."""
        return "dataset"

    @property
    def size_hint(self) -> int | None:
        """Rows."""
        return int(self.dataset.num_rows)

    def digest(self) -> str:
        """SHA-256 of the column names and the values."""
        return content_digest(self)

    def records(self) -> Iterator[Record | BadRow]:
        """One record a row; its line is the row number, from 1."""
        for start in range(0, int(self.dataset.num_rows), BATCH):
            try:
                batch = self.dataset[start : start + BATCH]
                cells = [list(batch[column]) for column in self.columns]
            # A data set may run any code of its owner when it is read.
            except Exception as error:
                raise InputError(
                    f"dataset: rows {start + 1} to {start + BATCH} cannot be read "
                    f"({type(error).__name__}: {error}); check that dataset[{start}] works"
                ) from error
            for at, column in enumerate(self.columns):
                if column in self.classes:
                    cells[at] = class_texts(cells[at], self.classes[column])
            yield from column_records(self.name, self.columns, cells, start)


def open_object(data: object) -> FrameSource | DatasetSource:
    """The reader of a DataFrame or a `datasets.Dataset`.

    Raises
    ------
    InputError
        for any other object, and for columns that cannot be used.
    """
    if hasattr(data, "iloc") and hasattr(data, "columns") and hasattr(data, "dtypes"):
        return _open_frame(data)
    if hasattr(data, "features") and hasattr(data, "column_names") and hasattr(data, "num_rows"):
        return _open_dataset(data)
    kind = type(data).__name__
    if isinstance(data, Mapping) and all(hasattr(v, "features") for v in data.values()) and data:
        first = next(iter(data))
        raise InputError(
            f"a {kind} with the splits {', '.join(map(str, data))} is several data sets; give one "
            f"of them, such as data[{first!r}]"
        )
    raise InputError(
        f"cannot read an object of type {kind}; give a path, a pandas DataFrame or a "
        "datasets.Dataset (pandas.DataFrame(...) makes one of lists and dictionaries)"
    )


def _open_frame(frame: Any) -> FrameSource:
    names = list(frame.columns)
    nested = next((n for n in names if isinstance(n, tuple)), None)
    if nested is not None:
        raise InputError(
            f"dataframe: column {nested!r} has a name of several levels; flatten the columns, such "
            'as frame.columns = ["_".join(map(str, c)) for c in frame.columns]'
        )
    columns = [str(n) for n in names]
    if not columns:
        raise InputError("dataframe: it has no columns; a data set needs at least a text column")
    check_names(columns, "dataframe")
    return FrameSource(frame, columns)


def _open_dataset(dataset: Any) -> DatasetSource:
    columns = [str(n) for n in dataset.column_names or []]
    if not columns:
        raise InputError("dataset: it has no columns; a data set needs at least a text column")
    classes: dict[str, list[str]] = {}
    for name in columns:
        feature: Any = (dataset.features or {}).get(name)
        kind = type(feature).__name__
        if kind == "ClassLabel":
            classes[name] = [str(n) for n in feature.names or []]
        elif kind in DECODED:
            raise InputError(
                f"dataset: column {name!r} is of type {kind}, which cannot be a field of a row; "
                f"leave it out: dataset.remove_columns([{name!r}])"
            )
    # Without a format, slices hold Python objects and not arrays or tensors.
    plain = dataset.with_format(None) if hasattr(dataset, "with_format") else dataset
    return DatasetSource(plain, columns, classes)
