"""Evaluation rows for `tilth verify`, found by their digests in a project or in a file."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tilth import ingest
from tilth.data import Incoming
from tilth.errors import InputError, NotFound, TilthError
from tilth.release.claims import claims_of
from tilth.release.measured import Measured, row_digest
from tilth.stats import Interval
from tilth.trial.measure import row_weights
from tilth.workspace import EVAL, Workspace

__all__ = ["Rows", "evaluated", "rows_of_file", "rows_of_project", "sound"]


@dataclass(frozen=True)
class Rows:
    """The rows that were scored.

    Attributes
    ----------
    origin : where they were found, in words.
    texts, labels : in the order in which they were scored; empty where some are missing.
    missing : why they cannot be scored, "" where they can.
    """

    origin: str
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    missing: str = ""


def rows_of_project(project: Path, evaluation: Mapping[str, Any]) -> Rows:
    """The scored rows in the version of the evaluation set that the bundle names."""
    scored, version = list(evaluation.get("scored", ())), str(evaluation.get("evaluation", ""))
    origin = f"evaluation version {version} of {project}"
    ws = Workspace.open(project)
    try:
        rows = ws.snapshot(ws.store.version(version, EVAL)) if version else None
    except NotFound as error:
        return Rows(origin, (), (), str(error))
    finally:
        ws.close()
    if rows is None:
        return Rows(origin, (), (), "the release was made without evaluation rows")
    return _matched(origin, zip(rows.texts(ws.config.columns.text), rows.labels, strict=True), scored)


def rows_of_file(path: Path, manifest: Mapping[str, Any], scored: Iterable[str]) -> Rows:
    """The scored rows in a file with the columns of the release.

    Raises
    ------
    InputError : the file cannot be read or lacks a column.
    """
    text, label = str(manifest["text"]), str(manifest.get("label") or "label")
    source = ingest.open_source(path)
    for column in (text, label):
        if column not in source.columns:
            raise InputError(
                f"{source.name} has no column {column!r}, which the release was scored on; its columns are "
                f"{ingest.listed(source.columns)}"
            )
    columns = ingest.Columns(text, label, None, {})
    found = ingest.prepare(source, columns, allow_unlabelled=True)
    good = (row for row in found if isinstance(row, Incoming))
    pairs = (("" if (t := row.fields.get(text)) is None else str(t), row.label) for row in good)
    return _matched(source.name, pairs, list(scored))


def _matched(origin: str, rows: Iterable[tuple[str, str | None]], scored: list[str]) -> Rows:
    """Rows by their digests, in the order in which they were scored."""
    wanted, found = Counter(scored), defaultdict[str, list[tuple[str, str]]](list)
    for text, label in rows:
        if label is not None and (digest := row_digest(text, label)) in wanted:
            found[digest].append((text, label))
    lacking = sum(max(0, n - len(found[digest])) for digest, n in wanted.items())
    if lacking:
        return Rows(origin, (), (), f"{lacking:,} of the {len(scored):,} scored rows are not in {origin}")
    pairs = [found[digest].pop() for digest in scored]
    return Rows(origin, tuple(t for t, _ in pairs), tuple(label for _, label in pairs))


def evaluated(body: Any) -> tuple[dict[str, Any], Measured | None]:
    """evaluation.json and the scores in it, checked to be what `build` writes.

    Raises
    ------
    InputError : it is something else.
    """
    try:
        measured = Measured.from_json(body["measured"]) if body["measured"] else None
        if not isinstance(body["scored"], list) or not all(isinstance(x, str) for x in body["scored"]):
            raise TypeError("scored is no list of digests")
        for at in body.get("slices", {}).values():
            if not all(isinstance(i, int) for i in at):
                raise TypeError("a slice is no list of numbers")
        if measured is not None:
            claims_of(measured, body["command"], body["evaluation"], body["seed"])
            row_weights(np.zeros(1, dtype=int), measured.metric)
        for part in measured.parts if measured is not None else ():
            if not isinstance(part.name, str) or not isinstance(part.trained, int | None):
                raise TypeError(f"the part {part.name!r}")
        if measured is not None and not 0 < measured.level < 1:
            raise ValueError(f"the level {measured.level}")
        for found in (body.get("refused"), (body.get("outside") or {}).get("refused")):
            if found is not None:
                Interval(**found)
    except (TilthError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"this is no evaluation of a release: {error}") from error
    return dict(body), measured


def sound(manifest: Mapping[str, Any]) -> None:
    """Check that a manifest holds what `verify` looks at.

    Raises
    ------
    InputError : something of it is of another kind.
    """
    settings = manifest.get("abstention")
    numbers = (
        [settings.get(k) for k in ("probability", "precision")] if isinstance(settings, dict) else [None]
    )
    lists = [manifest["classes"], list(manifest["files"].values())]
    good = all(isinstance(x, int | float) for x in numbers) and isinstance(manifest.get("data"), dict)
    good = good and all(isinstance(found, list) and all(isinstance(x, str) for x in found) for found in lists)
    if not good or not all(isinstance(manifest[k], str) for k in ("name", "text")):
        raise InputError("manifest.json is not that of a release: a part of it is of the wrong kind")
