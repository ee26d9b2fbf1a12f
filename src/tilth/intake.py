"""Take a file into a project: guess columns, refuse bad rows, keep evaluation rows apart.

Ingest is itself a patch: adds at first, and later only what changed in the file since it was last taken
in. The evaluation set is either a file of its own or a share of the first file, stratified by class, all
copies of a text on one side. A text that is in the evaluation set once stays there in later ingests.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tilth import ingest
from tilth.config import ColumnNames, Evaluation
from tilth.copies import find_copies
from tilth.errors import BadRow, InputError
from tilth.recipes.ngrams import fold
from tilth.signals import Progress, encode_labels
from tilth.store import ImportResult
from tilth.workspace import EVAL, TRAIN, Workspace

__all__ = ["Intake", "choose_columns", "take_in"]

GROUPED_UP_TO = 200_000
"""Rows up to which near copies are kept on one side of the split; beyond, exact copies."""
LEAST_EVAL, MOST_EVAL = 20, 20_000


@dataclass(frozen=True)
class Intake:
    """What an ingest did.

    Attributes
    ----------
    columns : which column is what, and why.
    train, evaluation : what changed in each data set; None where nothing was looked at.
    bad : rows set aside (with skip_bad), and the file they were written to.
    """

    columns: ColumnNames
    reasons: dict[str, str]
    train: ImportResult | None
    evaluation: ImportResult | None
    bad: int = 0
    bad_file: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def changed(self) -> bool:
        """Whether any version was made."""
        return any(r is not None and r.changed for r in (self.train, self.evaluation))

    def to_json(self) -> dict[str, Any]:
        """The intake as a JSON object."""

        def counts(r: ImportResult | None) -> dict[str, Any] | None:
            if r is None:
                return None
            names = ("changed", "added", "relabelled", "edited", "dropped", "unchanged", "conflicts")
            body: dict[str, Any] = {n: getattr(r, n) for n in names}
            return body | {"version": r.version.id if r.version else None}

        return {
            "columns": {"text": self.columns.text, "label": self.columns.label, "id": self.columns.id},
            "reasons": self.reasons,
            "train": counts(self.train),
            "eval": counts(self.evaluation),
            "bad": self.bad,
            "bad_file": self.bad_file,
            "notes": list(self.notes),
        }


def choose_columns(
    data: object, *, text: str | None, label: str | None, id: str | None, encoding: str | None = None
) -> tuple[ColumnNames, dict[str, str]]:
    """Guess or check the columns of a source.

    Raises
    ------
    InputError : no label column could be found, or a given one does not exist.
    """
    found = ingest.guess_columns(ingest.open_source(data, encoding=encoding), text=text, label=label, id=id)
    if found.label is None:
        raise InputError("no label column was found; name it with --label COLUMN")
    return ColumnNames(found.text, found.label, found.id or ""), dict(found.reasons)


def take_in(
    ws: Workspace,
    data: object,
    *,
    evaluation: object | None = None,
    encoding: str | None = None,
    skip_bad: bool = False,
    allow_unlabelled: bool = False,
    reasons: dict[str, str] | None = None,
    progress: Progress | None = None,
) -> Intake:
    """Take train rows, and evaluation rows where they are given or must be split off, into a project.

    Raises
    ------
    BadRows : rows that cannot be read, and skip_bad is not set; nothing was taken in.
    """
    reader = _Reader(ws, encoding, skip_bad, allow_unlabelled, progress)
    source = ingest.open_source(data, encoding=encoding)
    reader.check(source, "reading")
    notes: list[str] = []
    eval_result: ImportResult | None = None
    given = None if evaluation is None else ingest.open_source(evaluation, encoding=encoding)
    if given is not None:
        reader.check(given, "reading evaluation rows")
    reader.settle()
    if given is not None:
        eval_result = reader.load(EVAL, given, lambda row: True)
        if ws.config.evaluation.origin != "file":
            ws.config = replace(ws.config, evaluation=Evaluation("file", 0.0))
    elif ws.store.head(EVAL) is None:
        wanted = _split(reader, source, ws.config.evaluation.share)
        eval_result = reader.load(EVAL, source, lambda row: _key(ws, row) in wanted) if wanted else None
        if not wanted:
            notes.append("too few rows for an evaluation set of their own; give one with --eval FILE")
    elif ws.config.evaluation.origin == "split":
        inside = _inside(ws)
        eval_result = reader.load(EVAL, source, lambda row: _belongs(ws, row, inside))
    if ws.config.evaluation.origin == "split" and ws.store.head(EVAL) is not None:
        inside = _inside(ws)
        train = reader.load(TRAIN, source, lambda row: not _belongs(ws, row, inside))
    else:
        train = reader.load(TRAIN, source, lambda row: True)
    return Intake(
        ws.config.columns, reasons or {}, train, eval_result, reader.log.count, reader.bad_file, tuple(notes)
    )


class _Reader:
    """Reads prepared rows of a source, as often as needed, and keeps the account of bad ones."""

    def __init__(
        self,
        ws: Workspace,
        encoding: str | None,
        skip_bad: bool,
        allow_unlabelled: bool,
        progress: Progress | None,
    ) -> None:
        self.ws, self.encoding, self.skip_bad = ws, encoding, skip_bad
        self.allow_unlabelled, self.progress = allow_unlabelled, progress
        self.log = ingest.BadRowLog()
        self.bad_file = ""

    def rows(self, source: ingest.Source, step: str = "") -> Iterator[ingest.Incoming | BadRow]:
        names = self.ws.config.columns
        columns = ingest.Columns(names.text, names.label or None, names.id or None, {})
        missing = [c for c in (names.text, names.label, names.id) if c and c not in source.columns]
        if missing:
            raise InputError(
                f"{source.name} has no column {missing[0]!r}; it has {', '.join(source.columns)}. "
                "Choose with --text, --label and --id"
            )
        total = source.size_hint or 0
        prepared = ingest.prepare(source, columns, allow_unlabelled=self.allow_unlabelled)
        for number, row in enumerate(prepared):
            if self.progress and step and number % 5_000 == 0:
                self.progress(step, getattr(row, "progress", 0), total)
            yield row
        if self.progress and step:
            self.progress(step, total, total)

    def check(self, source: ingest.Source, step: str) -> None:
        """First pass: find every bad row before anything is written."""
        for row in self.rows(source, step):
            if isinstance(row, BadRow):
                self.log.add(row)

    def settle(self) -> None:
        """Refuse, or set the bad rows aside."""
        if not self.skip_bad:
            self.log.raise_if_any()
        elif self.log.count:
            path = self.ws.folder / "data" / "bad-rows.jsonl"
            self.log.write(path)
            self.bad_file = str(path)

    def good(self, source: ingest.Source, step: str = "") -> Iterator[ingest.Incoming]:
        return (row for row in self.rows(source, step) if not isinstance(row, BadRow))

    def load(
        self, dataset: str, source: ingest.Source, wanted: Callable[[ingest.Incoming], bool]
    ) -> ImportResult:
        digest = hashlib.sha256(
            f"{source.digest()} {self.ws.config.columns} {self.skip_bad}".encode()
        ).hexdigest()
        return self.ws.store.import_rows(
            dataset,
            source.name,
            (row for row in self.good(source, f"taking in {dataset} rows") if wanted(row)),
            file_digest=digest,
            note=f"ingest {source.name}",
            now=self.ws.clock(),
            progress=None,
        )


def _key(ws: Workspace, row: ingest.Incoming) -> bytes:
    """What decides the side of a row: its folded text."""
    text = str(row.fields.get(ws.config.columns.text, ""))
    return hashlib.blake2b(fold(text).encode("utf-8", "surrogatepass"), digest_size=12).digest()


def _inside(ws: Workspace) -> tuple[set[bytes], set[str]]:
    """Folded texts and ids of the evaluation rows."""
    head = ws.head(EVAL)
    keys, ids = set(), set()
    for row in ws.store.rows(head):
        keys.add(_key(ws, ingest.Incoming(0, None, dict(row.fields), None, 0)))
        ids.add(row.id)
    return keys, ids


def _belongs(ws: Workspace, row: ingest.Incoming, inside: tuple[set[bytes], set[str]]) -> bool:
    return (row.id in inside[1]) if row.id is not None else _key(ws, row) in inside[0]


def _split(reader: _Reader, source: ingest.Source, share: float) -> set[bytes]:
    """Folded texts that go to the evaluation set; deterministic, whatever the order of the file."""
    keys: list[bytes] = []
    texts: list[str] = []
    labels: list[str | None] = []
    column = reader.ws.config.columns.text
    for row in reader.good(source):
        if row.label is None:
            continue
        keys.append(_key(reader.ws, row))
        if len(keys) <= GROUPED_UP_TO:
            texts.append(str(row.fields.get(column, "")))
            labels.append(row.label)
    wanted = min(share, MOST_EVAL / max(len(keys), 1))
    if len(keys) * wanted < LEAST_EVAL:
        return set()
    if len(keys) > GROUPED_UP_TO:  # hashes are as good as random, so classes come out in proportion
        edge = int(wanted * 2**32).to_bytes(5, "big")[1:]
        return {k for k in keys if hashlib.sha256(k).digest()[:4] < edge}
    order = sorted(range(len(keys)), key=lambda i: (hashlib.sha256(keys[i]).digest(), labels[i] or ""))
    _, classes = encode_labels(labels)
    clusters = find_copies(texts).clusters()
    chosen: set[int] = set()
    for number in np.unique(classes):
        members = [i for i in order if classes[i] == number]
        quota = round(wanted * len(members))
        sizes = Counter(int(clusters[i]) for i in members)
        got = sum(n for cluster, n in sizes.items() if cluster in chosen)
        for cluster in dict.fromkeys(int(clusters[i]) for i in members):
            if got >= quota:
                break
            if cluster not in chosen:
                chosen.add(cluster)
                got += sizes[cluster]
    return {keys[i] for i in range(len(keys)) if int(clusters[i]) in chosen}


def default_folder(data: object, given: Path | None) -> Path:
    """The project folder: the one given, else one beside a file, named after it."""
    if given is not None:
        return given
    if isinstance(data, str | Path):
        return Path(Path(data).stem)
    raise InputError("name the project folder when the data are an object in memory")
