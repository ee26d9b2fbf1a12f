"""Take a file into a project: guess columns, refuse bad rows, keep evaluation rows apart.

Ingest is itself a patch: adds at first, and later only what changed in the file since it was last taken
in. The evaluation set is either a file of its own or a share of the first file, stratified by class, all
copies of a text on one side. A text that is in the evaluation set once stays there in later ingests.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from tilth import ingest
from tilth.config import FILE, ColumnNames, Evaluation, save
from tilth.copies import find_copies
from tilth.data import Incoming, Row
from tilth.errors import BadRow, InputError
from tilth.export import OWN_ID
from tilth.recipes.ngrams import fold
from tilth.signals import Progress, encode_labels
from tilth.store import ImportResult
from tilth.workspace import EVAL, TRAIN, Workspace

__all__ = ["NO_ID", "Intake", "choose_columns", "default_folder", "take_in"]

NO_ID = "none"
LEAST_UNIQUE = 10
"""So many labels, and no two alike, are no labels."""

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
    data: object,
    *,
    text: str | None,
    label: str | None,
    id: str | None,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> tuple[ColumnNames, dict[str, str]]:
    """Guess or check the columns of a source.

    Parameters
    ----------
    id : "none", where no column is called so, stands for ids made from the content.

    Raises
    ------
    InputError : no label column could be found, or a given one does not exist.
    """
    source = ingest.open_source(data, encoding=encoding, delimiter=delimiter)
    own = id == NO_ID and NO_ID not in source.columns
    found = ingest.guess_columns(source, text=text, label=label, id=None if own else id)
    if found.label is None:
        one = len(source.columns) == 1
        cut = "; if there are more, name what stands between them with --delimiter CHAR" if one else ""
        raise InputError(
            f"{source.name}: {found.reasons['label']}; name the label with --label COLUMN. "
            f"Its columns are {ingest.listed(source.columns)}{cut}"
        )
    if own:
        reasons = {**found.reasons, "id": "ids are made from the content, as was asked for"}
        return ColumnNames(found.text, found.label, ""), reasons
    return ColumnNames(found.text, found.label, found.id or ""), dict(found.reasons)


def take_in(
    open_workspace: Callable[[], Workspace],
    columns: ColumnNames,
    data: object,
    *,
    evaluation: object | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    skip_bad: bool = False,
    allow_unlabelled: bool = False,
    first: bool = False,
    reasons: dict[str, str] | None = None,
    progress: Progress | None = None,
) -> Intake:
    """Take train rows, and evaluation rows where they are given or must be split off, into a project.

    Every row is read and checked before anything is written.

    Parameters
    ----------
    open_workspace : opens the project, or makes it; called when all rows were found to be usable.
    columns : which column is what.
    first : the project is new, so its labels must be worth learning.

    Raises
    ------
    BadRows : rows that cannot be read, and skip_bad is not set; nothing was taken in.
    InputError : a file as a whole cannot be used; nothing was taken in.
    """
    reader = _Reader(columns, skip_bad, allow_unlabelled, progress)
    source = ingest.open_source(data, encoding=encoding, delimiter=delimiter)
    labels, judges = reader.check(source, "reading"), Counter[str | None]()
    given = None
    if evaluation is not None:
        given = ingest.open_source(evaluation, encoding=encoding, delimiter=delimiter)
        if given.digest() == source.digest():
            raise InputError(
                f"{given.name} is the file to train on: a model is not judged on the rows that it learned. "
                "Give another file with --eval, or none: a share of the rows is then set apart"
            )
        judges = reader.check(given, "reading evaluation rows")
    if not skip_bad:
        reader.log.raise_if_any()
    if first:
        _worth_learning(source.name, columns.label, labels, reader.log)
    if given is not None:
        _able_to_judge(given.name, judges, labels if first else None)
    ws = open_workspace()
    how = f"{columns} {skip_bad} {allow_unlabelled} {encoding} {delimiter}"
    return _Loader(ws, reader, how).load_all(source, given, reasons or {})


def _worth_learning(name: str, column: str, labels: Counter[str | None], log: ingest.BadRowLog) -> None:
    """Refuse a label column that nothing can be learned from: mostly it is the wrong column."""
    rows = sum(labels.values())
    known = [label for label in labels if label is not None]
    other = f"is {column!r} the label? Choose another column with --label"
    if not rows:
        why = str(log.rows[0]) if log.rows else "each row needs a text and a label"
        raise InputError(f"{name} has no rows that can be taken in: {why}")
    if not known:
        raise InputError(f"{name}: none of the {rows:,} rows has a label; {other}, or label some of them")
    if len(known) == 1:
        raise InputError(
            f"{name}: every label is {known[0][:60]!r}, so there is nothing to tell apart; {other}"
        )
    if len(known) >= LEAST_UNIQUE and max(labels[x] for x in known) == 1:
        raise InputError(
            f"{name}: the {len(known):,} labels are all different, so there is nothing to learn; {other}"
        )


def _able_to_judge(name: str, judges: Counter[str | None], labels: Counter[str | None] | None) -> None:
    """Refuse evaluation rows that can tell nothing about these training labels."""
    found = sorted(x for x in judges if x is not None)
    if not found:
        raise InputError(f"{name} has no row with a label, so it can judge nothing; check the file of --eval")
    if labels is not None and not judges.keys() & labels.keys():
        raise InputError(
            f"{name} has none of the labels of the training rows: its labels are such as {found[0][:60]!r}, "
            f"theirs such as {min(x for x in labels if x)[:60]!r}; check the file of --eval"
        )


class _Reader:
    """Reads prepared rows of a source, as often as needed, and keeps the account of bad ones."""

    def __init__(
        self, columns: ColumnNames, skip_bad: bool, allow_unlabelled: bool, progress: Progress | None
    ) -> None:
        self.columns, self.skip_bad = columns, skip_bad
        self.allow_unlabelled, self.progress = allow_unlabelled, progress
        self.log = ingest.BadRowLog()

    def rows(self, source: ingest.Source, step: str = "") -> Iterator[Incoming | BadRow]:
        """Rows of a source; one whose id was there before is a bad row."""
        names = self.columns
        own = OWN_ID if not names.id and OWN_ID in source.columns else None
        columns = ingest.Columns(names.text, names.label or None, names.id or own, {})
        for role, column in (("text", names.text), ("label", names.label), ("id", names.id)):
            if column and column not in source.columns:
                raise InputError(
                    f"{source.name} has no column {column!r}, which holds the {role} in this project; its "
                    f"columns are {ingest.listed(source.columns)}. Rename the column in the file"
                )
        total = source.size_hint or 0
        seen: dict[str, int] = {}
        prepared = ingest.prepare(source, columns, allow_unlabelled=self.allow_unlabelled)
        for number, row in enumerate(prepared):
            if self.progress and step and number % 5_000 == 0:
                self.progress(step, getattr(row, "progress", 0), total)
            if isinstance(row, Incoming) and row.id is not None:
                line = seen.setdefault(row.id, row.line)
                if line != row.line:
                    yield _repeated(source.name, columns.id or "", row, line)
                    continue
            yield row
        if self.progress and step:
            self.progress(step, total, total)

    def check(self, source: ingest.Source, step: str) -> Counter[str | None]:
        """First pass: find every bad row before anything is written; returns the labels."""
        labels: Counter[str | None] = Counter()
        for row in self.rows(source, step):
            if isinstance(row, BadRow):
                self.log.add(row)
            else:
                labels[row.label] += 1
        return labels

    def good(self, source: ingest.Source, step: str = "") -> Iterator[Incoming]:
        """The rows that can be taken in."""
        return (row for row in self.rows(source, step) if not isinstance(row, BadRow))


def _repeated(name: str, column: str, row: Incoming, first: int) -> BadRow:
    advice = "give each row an id of its own, or leave ids to Tilth with --id none in a new project"
    return BadRow(name, row.line, column, row.id or "", f"the id of line {first} once more", advice)


class _Loader:
    """Writes checked rows into the data sets of a project.

    Parameters
    ----------
    how : in words, how files are read; the same file read in another way is another file.
    """

    def __init__(self, ws: Workspace, reader: _Reader, how: str) -> None:
        self.ws, self.reader, self.how = ws, reader, how

    def load_all(self, source: ingest.Source, given: ingest.Source | None, reasons: dict[str, str]) -> Intake:
        """Evaluation rows first: no row of theirs may be in train, not even for a moment."""
        ws, notes, found = self.ws, [], []
        bad_file = self._set_aside()
        apart = ws.config.evaluation.origin == "split" and ws.store.head(EVAL) is not None
        if given is not None:
            found.append(self.load(EVAL, given, lambda row: True))
            if not apart:
                self._origin("file")
        if apart:
            inside = _ever_inside(ws, self.reader)
            found.append(self.load(EVAL, source, lambda row: _belongs(self.reader, row, inside)))
        elif ws.config.evaluation.origin == "split":
            wanted = _split(self.reader, source, ws.config.evaluation.share)
            apart = bool(wanted)
            if apart:
                found.append(self.load(EVAL, source, lambda row: _key(self.reader, row) in wanted))
            else:
                notes.append("too few rows for an evaluation set of their own; give one with --eval FILE")
        if apart:
            inside = _ever_inside(ws, self.reader)
            train = self.load(TRAIN, source, lambda row: not _belongs(self.reader, row, inside))
        else:
            train = self.load(TRAIN, source, lambda row: True)
        notes += _shrunk(source.name, train)
        log = self.reader.log
        return Intake(ws.config.columns, reasons, train, _sum(found), log.count, bad_file, tuple(notes))

    def _set_aside(self) -> str:
        """Bad rows to a file, where there are any; the name of the file."""
        if not self.reader.log.count:
            return ""
        path = self.ws.folder / "data" / "bad-rows.jsonl"
        self.reader.log.write(path)
        return str(path)

    def _origin(self, origin: str) -> None:
        if self.ws.config.evaluation.origin != origin:
            self.ws.config = replace(self.ws.config, evaluation=Evaluation(origin, 0.0))
            save(self.ws.config, self.ws.folder / FILE)

    def load(self, dataset: str, source: ingest.Source, wanted: Callable[[Incoming], bool]) -> ImportResult:
        """Take the wanted rows of a source into a data set."""
        return self.ws.store.import_rows(
            dataset,
            source.name,
            (row for row in self.reader.good(source, f"taking in {dataset} rows") if wanted(row)),
            file_digest=hashlib.sha256(f"{source.digest()} {self.how}".encode()).hexdigest(),
            note=f"ingest {source.name}",
            now=self.ws.clock(),
            progress=None,
        )


def _sum(found: Sequence[ImportResult]) -> ImportResult | None:
    """Several imports into one data set as one."""
    if not found:
        return None
    names = ("added", "relabelled", "edited", "dropped", "unchanged", "conflicts")
    counts = {n: sum(getattr(r, n) for r in found) for n in names}
    return ImportResult(found[-1].version, any(r.changed for r in found), **counts)


def _shrunk(name: str, train: ImportResult) -> list[str]:
    """A word of warning when a file took the place of another one of the same name."""
    if train.version is None or train.dropped <= (train.version.rows - train.added + train.dropped) / 2:
        return []
    return [
        f"{train.dropped:,} rows are gone from {name} since it was last taken in, so they were dropped. If "
        f"this is another file, undo that with: tilth revert {train.version.patch}, and rename the file"
    ]


def _key(reader: _Reader, row: Incoming | Row) -> bytes:
    """What decides the side of a row: its folded text."""
    text = str(row.fields.get(reader.columns.text, ""))
    return hashlib.blake2b(fold(text).encode("utf-8", "surrogatepass"), digest_size=12).digest()


def _ever_inside(ws: Workspace, reader: _Reader) -> tuple[set[bytes], set[str]]:
    """Folded texts and ids of the rows that are or were in the evaluation set.

    Also those that a person took out since: a row that judged once is never trained on.
    """
    versions = ws.store.versions(EVAL)
    keys, ids = set(), set()
    gone = (op.before for a, b in pairwise(versions) for op in ws.store.diff(a, b))
    for row in chain(ws.store.rows(versions[-1]), gone):
        if row is not None:
            keys.add(_key(reader, row))
            ids.add(row.id)
    return keys, ids


def _belongs(reader: _Reader, row: Incoming, inside: tuple[set[bytes], set[str]]) -> bool:
    return row.id in inside[1] or _key(reader, row) in inside[0]


def _split(reader: _Reader, source: ingest.Source, share: float) -> set[bytes]:
    """Folded texts that go to the evaluation set; deterministic, whatever the order of the file."""
    keys: list[bytes] = []
    texts: list[str] = []
    labels: list[str | None] = []
    column = reader.columns.text
    for row in reader.good(source):
        if row.label is None:
            continue
        keys.append(_key(reader, row))
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


def default_folder(data: str | Path) -> Path:
    """The project folder of a file: in the present folder, named after the file."""
    return Path(Path(data).stem or "project")
