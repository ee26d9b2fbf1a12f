"""Readers: from a file or an object to records, and from records to rows that can be taken in.

`open_source` finds the reader, `guess_columns` finds the columns, `prepare` makes the rows, and
`BadRowLog` keeps account of the rows that could not be read.
"""

from __future__ import annotations

import re
from pathlib import Path

from tilth.errors import InputError
from tilth.ingest.base import Record, Source, did_you_mean, listed, read_error
from tilth.ingest.columns import Columns, guess_columns
from tilth.ingest.judgements import JudgementColumns, guess_judgement_columns, read_judgements
from tilth.ingest.prepare import BadRowLog, prepare

__all__ = [
    "BadRowLog",
    "Columns",
    "JudgementColumns",
    "Record",
    "Source",
    "guess_columns",
    "guess_judgement_columns",
    "listed",
    "open_source",
    "prepare",
    "read_judgements",
]

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "arrow",
    ".pq": "arrow",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}


def open_source(
    data: str | Path | object, *, encoding: str | None = None, delimiter: str | None = None
) -> Source:
    """Find the reader of a file, a folder or an object in memory.

    The ending of the file name decides; a file with another ending is judged by how it begins.

    Parameters
    ----------
    data : path of a CSV, TSV, JSON Lines, JSON, Parquet, Arrow or Feather file; folder that
        `datasets` saved; pandas DataFrame; `datasets.Dataset`.
    encoding : of a text file; by default its byte order mark decides, else UTF-8.
    delimiter : of a CSV file: one character, or "tab"; by default judged by the first records.

    Raises
    ------
    InputError
        when the data as a whole cannot be used. A single bad row is no such case: it comes out of
        `Source.records` as a `BadRow`.
    MissingExtra
        for Parquet and Arrow when pyarrow is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "mail.csv"
    ...     _ = path.write_text("text;queue\\nwhere is my card;cards\\n", encoding="utf-8")
    ...     source = open_source(path)
    ...     source.columns, [record.values["queue"] for record in source.records()]
    (['text', 'queue'], ['cards'])
    """
    if not isinstance(data, str | Path):
        from tilth.ingest.frame import open_object

        _refuse_options("an object in memory", encoding, delimiter)
        return open_object(data)
    path = Path(data)
    if str(data) == "" or "\0" in str(data):
        raise InputError(f"{str(data)!r} is no path; give the path of a file or folder")
    try:
        if path.is_dir():
            _refuse_options(f"the folder {path}", encoding, delimiter)
            return _open_folder(path)
        if not path.exists():
            raise _missing(path, str(data))
        if not path.is_file():
            raise InputError(f"{path} is neither a file nor a folder; save the data to a file")
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty; a data set needs at least a header or one record")
        form = SUFFIXES.get(path.suffix.lower()) or _sniffed(path)
    except OSError as error:
        raise read_error(path, error) from error
    return _open_file(path, form, encoding, delimiter)


def _open_file(path: Path, form: str, encoding: str | None, delimiter: str | None) -> Source:
    # Readers are imported when they are needed: `import tilth` has 50 ms.
    if form == "csv":
        from tilth.ingest.csv import open_csv

        return open_csv(path, encoding=encoding, delimiter=delimiter)
    if form == "json":
        from tilth.ingest.jsonl import open_json

        _refuse_options(f"the JSON file {path}", None, delimiter)
        return open_json(path, encoding=encoding)
    from tilth.ingest.arrow import open_arrow

    _refuse_options(f"the file {path}, which is no text file", encoding, delimiter)
    return open_arrow(path)


def _open_folder(path: Path) -> Source:
    from tilth.ingest.arrow import open_saved

    if (path / "state.json").is_file() and (path / "dataset_info.json").is_file():
        return open_saved(path)
    if (path / "dataset_dict.json").is_file():
        splits = sorted(p.name for p in path.iterdir() if (p / "state.json").is_file())
        first = splits[0] if splits else "train"
        raise InputError(
            f"{path} holds several data sets ({', '.join(splits)}); give one of them: {path / first}"
        )
    files = sorted(p.name for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
    hint = f"give one of its files, such as {path / files[0]}" if files else "give a file"
    raise InputError(
        f"{path} is a folder, but not a data set saved with datasets' save_to_disk (no state.json "
        f"and dataset_info.json); {hint}"
    )


def _missing(path: Path, given: str) -> InputError:
    if "://" in given:
        return InputError(f"{given} is an address; Tilth reads local files: download it first")
    if not path.parent.is_dir():
        return InputError(f"{path} does not exist, nor does the folder {path.parent}")
    hint = did_you_mean(path.name, (p.name for p in path.parent.iterdir()))
    return InputError(f"{path} does not exist; {hint or 'check the path'}".rstrip())


def _refuse_options(what: str, encoding: str | None, delimiter: str | None) -> None:
    for option, value in (("encoding", encoding), ("delimiter", delimiter)):
        if value is not None:
            raise InputError(f"{what} has no {option}; leave out --{option} {value!r}")


def _sniffed(path: Path) -> str:
    """The form of a file whose name does not tell it, by its first bytes."""
    with path.open("rb") as handle:
        head = handle.read(1024)
    if head.startswith((b"PAR1", b"ARROW1", b"\xff\xff\xff\xff", b"FEA1")):
        return "arrow"
    start = head.removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"")
    start = start.removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff").lstrip()
    return "json" if re.match(rb"\{|\[\s*[{\]]", start) else "csv"
