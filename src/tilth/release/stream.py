"""`tilth predict`: a file of any size through a release, in constant memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from tilth.data import Value
from tilth.errors import BadRow, BadRows, InputError, MissingExtra
from tilth.files import replacing
from tilth.ingest import Record, Source, open_source
from tilth.ingest.base import did_you_mean, listed
from tilth.release.abstain import REASONS
from tilth.release.bundle import Release

__all__ = ["ADDED", "Predicted", "predict_file"]

ADDED = ("label", "probability", "abstained", "reason")
CHUNK = 4096
Lines = Iterator[list[dict[str, Value]]]


@dataclass(frozen=True)
class Predicted:
    """What `tilth predict` did.

    Attributes
    ----------
    file : where the answers are; "" for standard output.
    release, name : id and name of the release.
    rows, answered : how many rows there were, and how many got a label.
    reasons : why the others did not, with their number.
    bad : rows that could not be read and were left out.
    columns : names under which label, probability, abstained and reason stand.
    """

    file: str
    release: str
    name: str
    rows: int
    answered: int
    reasons: Mapping[str, int]
    bad: int
    columns: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object."""
        return {**asdict(self), "columns": list(self.columns)}


def predict_file(
    release: Release,
    path: str | Path,
    out: Path | IO[str],
    *,
    text: str | None = None,
    sets: float | None = None,
    skip_bad: bool = False,
    encoding: str | None = None,
    delimiter: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Predicted:
    """Answer every row of a CSV, TSV, JSON Lines, Parquet or Arrow file.

    Parameters
    ----------
    out : file to write (.csv, .tsv, .jsonl or .parquet), all of it or nothing; or a stream, which gets CSV
        for a CSV file and else JSON Lines.
    text : column to read; default the one that the release was trained on.
    sets : also write a column `set` with the classes that hold the right one but for this share.
    skip_bad : leave out rows that cannot be read.
    encoding, delimiter : of a text file, as in `tilth.ingest.open_source`.

    Raises
    ------
    InputError : the file, or its column, cannot be used.
    BadRows : a row that cannot be read; nothing is written to a file.
    """
    if isinstance(out, Path) and out.exists() and Path(path).exists() and out.samefile(path):
        raise InputError(f"{out} is the file that is read; choose another name for the answers with --out")
    source = open_source(path, encoding=encoding, delimiter=delimiter)
    column = text or release.text
    names = _added(source, column, sets=sets is not None)
    run = _Run(release, source, column, names, sets, skip_bad, progress)
    columns = [*source.columns, *names]
    if isinstance(out, Path):
        writer = _WRITERS.get(out.suffix.lower())
        if writer is None:
            raise InputError(f"cannot write {out.name!r}: end the name in {', '.join(_WRITERS)}")
        with replacing(out) as draft:
            writer(draft, columns, run.lines())
    else:
        plain = _write_csv if type(source).__name__ == "CsvSource" else _write_jsonl
        plain(out, columns, run.lines())
    found = {str(REASONS[code]): n for code, n in enumerate(run.counts) if code and n}
    return Predicted(
        file=str(out) if isinstance(out, Path) else "",
        release=release.id,
        name=release.name,
        rows=sum(run.counts),
        answered=run.counts[0],
        reasons=found,
        bad=run.bad,
        columns=names,
    )


def _added(source: Source, column: str, *, sets: bool) -> list[str]:
    """Names of the columns that are added; the file has the column that is read, and none of these."""
    if column not in source.columns:
        raise InputError(
            f"{source.name} has no column {column!r}, which the release reads; "
            f"{did_you_mean(column, source.columns)}its columns are {listed(source.columns)}. "
            "Name the column with --text"
        )
    added = (*ADDED, "set") if sets else ADDED
    names = [n if n not in source.columns else f"predicted_{n}" for n in added]
    if taken := [n for n in names if n in source.columns]:
        raise InputError(f"{source.name} has a column {taken[0]!r} already; rename it")
    return names


@dataclass
class _Run:
    """One pass over the rows."""

    release: Release
    source: Source
    column: str
    names: Sequence[str]
    sets: float | None
    skip_bad: bool
    progress: Callable[[str, int, int], None] | None

    def __post_init__(self) -> None:
        self.counts = [0] * len(REASONS)
        self.bad = 0

    def lines(self) -> Lines:
        """Rows with their answers, some at a time."""
        records = iter(self.source.records())
        total = self.source.size_hint or 0
        while found := list(islice(records, CHUNK)):
            good = [r for r in found if isinstance(r, Record)]
            if len(good) < len(found):
                wrong = [r for r in found if isinstance(r, BadRow)]
                self.bad += len(wrong)
                if not self.skip_bad:
                    raise BadRows(wrong, len(wrong))
            if good:
                yield self._answered([r.values for r in good])
                if self.progress:
                    self.progress("predict", good[-1].progress, total)

    def _answered(self, rows: list[dict[str, Value]]) -> list[dict[str, Value]]:
        values = [row.get(self.column) for row in rows]
        scores = self.release.scores(["" if v is None else str(v) for v in values])
        label, probability, abstained, reason = self.names[:4]
        names = self.release.classes
        sure = np.round(scores.confidence.astype(np.float64), 4).tolist()
        answers = zip(rows, scores.best.tolist(), sure, scores.reason.tolist(), strict=True)
        for row, best, p, code in answers:
            row[label] = None if code else names[best]
            row[probability] = p
            row[abstained] = code != 0
            row[reason] = REASONS[code]
        for code, count in enumerate(np.bincount(scores.reason, minlength=len(REASONS)).tolist()):
            self.counts[code] += count
        if self.sets is not None:
            for row, inside in zip(rows, self.release.sets(scores, self.sets), strict=True):
                row[self.names[4]] = json.dumps(inside, ensure_ascii=False)
        return rows


def _write_csv(file: IO[str], columns: Sequence[str], lines: Lines, delimiter: str = ",") -> None:
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow(columns)
    for rows in lines:
        cells = [[row.get(name) for row in rows] for name in columns]
        # Python spells True, JSON and everybody else true
        cells = [[_cell(v) for v in c] if bool in set(map(type, c)) else c for c in cells]
        writer.writerows(zip(*cells, strict=True))


def _cell(value: Value) -> Value:
    return str(value).lower() if isinstance(value, bool) else value


def _write_jsonl(file: IO[str], columns: Sequence[str], lines: Lines) -> None:
    for rows in lines:
        file.write("".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows))


@contextmanager
def _text(path: Path) -> Iterator[IO[str]]:
    with path.open("w", encoding="utf-8", newline="", errors="surrogatepass") as file:
        yield file


def _csv_file(path: Path, columns: Sequence[str], lines: Lines) -> None:
    with _text(path) as file:
        _write_csv(file, columns, lines)


def _tsv_file(path: Path, columns: Sequence[str], lines: Lines) -> None:
    with _text(path) as file:
        _write_csv(file, columns, lines, "\t")


def _jsonl_file(path: Path, columns: Sequence[str], lines: Lines) -> None:
    with _text(path) as file:
        _write_jsonl(file, columns, lines)


def _parquet_file(path: Path, columns: Sequence[str], lines: Lines) -> None:
    """Row group by row group; the first decides the types of the columns."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtra("writing Parquet", "pyarrow", "parquet") from error
    schema, writer, late = None, None, list[str]()
    try:
        for rows in lines:
            if schema is None:
                late = [n for n in columns if all(row.get(n) is None for row in rows)]
                schema = _schema(pa, rows, columns)
            writer = writer or pq.ParquetWriter(path, schema)
            for name in late:
                for row in rows:
                    row[name] = _as_text(row.get(name))
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
        if writer is None:
            pq.write_table(pa.table({name: pa.array([], pa.string()) for name in columns}), path)
    except (pa.ArrowException, UnicodeError) as error:
        raise InputError(
            f"cannot write Parquet: a column holds values of several kinds ({str(error)[:120]}); "
            "write a .jsonl file"
        ) from error
    finally:
        if writer is not None:
            writer.close()


def _as_text(value: Value) -> Value:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _schema(pa: Any, rows: Sequence[Mapping[str, Value]], columns: Sequence[str]) -> Any:
    """Types of the columns by the first rows; a column without any value there holds texts."""
    kinds = []
    for name in columns:
        found = pa.array([row.get(name) for row in rows]).type
        kinds.append((name, pa.string() if pa.types.is_null(found) else found))
    return pa.schema(kinds)


_WRITERS: dict[str, Callable[[Path, Sequence[str], Lines], None]] = {
    ".csv": _csv_file,
    ".tsv": _tsv_file,
    ".jsonl": _jsonl_file,
    ".parquet": _parquet_file,
}
