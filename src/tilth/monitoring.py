"""Monitoring of one project: drift of new rows against those that the model was made with.

Each look is kept as a record of kind "drift"; the plan and `tilth fleet` read the newest.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tilth import config as configuration
from tilth import ingest, stats
from tilth.data import Incoming, Snapshot, Value, content_id
from tilth.drift import Drift, Sample, examine
from tilth.errors import InputError, Refused
from tilth.files import write_text
from tilth.recipes import logistic
from tilth.signals import Progress, encode_labels
from tilth.workspace import TRAIN, Workspace

__all__ = ["DriftReport", "drift", "keep_drift", "last_drift", "looks"]

KIND = "drift"
FEW = 200
"""Evaluation rows below which out-of-sample answers on train are what the confidence was."""
LEAST = 50
"""New rows below which nothing is tested."""
FIRST = 1_000
"""Answers without texts that the later ones are compared with."""
Columns = Mapping[str, Sequence[Value]]


@dataclass(frozen=True)
class DriftReport:
    """One look at new rows.

    Attributes
    ----------
    created : time of the look.
    source : what was looked at.
    against : what it was compared with, in words.
    looks : how many looks at this source there were, with this one.
    drift : what the checks say.
    next : the command to go on with.
    out : the file of rows to label, where it was written.
    """

    created: str
    source: str
    against: str
    looks: int
    drift: Drift
    next: str
    out: str | None = None

    @property
    def drifted(self) -> bool:
        """Whether anything drifted."""
        return self.drift.drifted

    def to_json(self) -> dict[str, Any]:
        """The look as a JSON object."""
        return {
            "created": self.created,
            "source": self.source,
            "against": self.against,
            "looks": self.looks,
            **self.drift.to_json(),
            "out": self.out,
            "next": self.next,
        }

    def to_pandas(self) -> Any:
        """One line a test of a column."""
        from tilth.frames import frame

        return frame([{k: v for k, v in c.items() if k != "moved"} for c in self.to_json()["columns"]])

    def _repr_html_(self) -> str:
        from tilth.frames import html_table

        said = "; ".join(self.drift.words) or "no drift"
        columns = [{k: v for k, v in c.items() if k != "moved"} for c in self.to_json()["columns"]]
        return html_table(said, columns)


def drift(
    ws: Workspace,
    data: object,
    *,
    reference: object | None = None,
    out: Path | None = None,
    level: float = 0.05,
    progress: Progress | None = None,
) -> DriftReport:
    """Look at new rows; see `Project.drift`."""
    if out is not None and out.suffix.lower() not in (".csv", ".jsonl"):
        raise InputError(f"{out} is neither .csv nor .jsonl; choose one of these endings")
    source = str(data) if isinstance(data, str | Path) else type(data).__name__
    if isinstance(data, str | Path) and (Path(data) / "serve.db").is_file():
        return _drift_of_state(ws, Path(data), out, level, progress)
    rows = _read(ws, data)
    if len(rows) < LEAST:
        raise Refused(
            f"{source} has {len(rows)} rows; drift cannot be told from chance below {LEAST}: wait for more"
        )
    known_rows, against = _known_rows(ws, reference)
    model = _Model.fit(ws, progress)
    known, new = _known(ws, known_rows, model), model.sample(ws, rows)
    return _keep(ws, known, new, (source, against), level, rows, out)


def _keep(
    ws: Workspace,
    known: Sample,
    new: Sample,
    names: tuple[str, str],
    level: float,
    rows: Snapshot | None,
    out: Path | None,
) -> DriftReport:
    """Examine, write the rows to label, and keep the look."""
    source, against = names
    base = ws.key("drift-base", ws.head(TRAIN).id, ws.eval_id(), source, against)
    digest = hashlib.sha256("\n".join(new.ids).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    number = _look(ws, base, digest)
    found = examine(known, new, level=level, looks=number)
    if out is not None and rows is not None:
        _write(ws, rows, found, out)
    report = DriftReport(
        ws.clock(), source, against, number, found, _next(ws, found, source, out), str(out) if out else None
    )
    texts = _texts(ws, rows, found.label) if rows is not None else []
    body = report.to_json() | {"base": base, "digest": digest, "texts": texts}
    ws.store.put_record(KIND, f"{base}-{digest}", body, subject=ws.head(TRAIN).id, now=ws.clock())
    return report


def _drift_of_state(
    ws: Workspace, folder: Path, out: Path | None, level: float, progress: Progress | None
) -> DriftReport:
    """What a server answered: with the texts where it kept them all, else by labels and probabilities alone.

    Without texts the first thousand answers of the release that serves now are what the others are compared
    with: they were given by the same model, whatever it thinks of its probabilities.
    """
    from tilth.serve.state import State

    with State.open(folder) as state:
        live = {r.id for r in state.releases()}
        answers = [a for a in state.answers() if a.release in live]
    kept = [a for a in answers if a.text]
    if len(answers) < LEAST:
        raise Refused(
            f"{folder} holds {len(answers)} answers of the releases that serve now; drift cannot be told "
            f"from chance below {LEAST}: wait for more"
        )
    source = str(folder)
    if len(kept) >= 0.95 * len(answers):
        column = {ws.config.columns.text: [a.text for a in kept]}
        rows = Snapshot([a.id for a in kept], [None] * len(kept), column)
        known_rows, against = _known_rows(ws, None)
        model = _Model.fit(ws, progress)
        return _keep(
            ws, _known(ws, known_rows, model), model.sample(ws, rows), (source, against), level, rows, out
        )
    if out is not None:
        raise Refused(f"{folder} holds no texts to label; serve with --keep-rows, or give a file of rows")
    first = min(FIRST, len(answers) // 2)
    parts = [
        Sample([a.id for a in part], said=[(a.label, a.probability) for a in part])
        for part in (answers[:first], answers[first:])
    ]
    against = f"the first {first:,} answers of the releases that serve now"
    return _keep(ws, parts[0], parts[1], (source, against), level, None, None)


def keep_drift(ws: Workspace, found: Drift, name: str) -> str:
    """Write the slice of what drifted into tilth.toml: from then on every trial tests it.

    Raises
    ------
    Refused : no word or value came in a rush, so no expression says what drifted.
    """
    if not found.slice:
        raise Refused(
            "no word or value tells the rows that drifted from the others, so there is no slice to keep; "
            "label the rows that drifted: tilth drift FILE --out label.csv"
        )
    path = ws.folder / configuration.FILE
    configuration.add(path, "slices", name, found.slice)
    ws.config = configuration.load(path)
    return found.slice


def last_drift(ws: Workspace) -> dict[str, Any] | None:
    """The newest look at the present head of train, as kept; None before the first.

    Of several sources one that drifted comes before those that did not.
    """
    head = ws.store.head(TRAIN)
    found = sorted(ws.store.records(KIND, head.id) if head else [], key=lambda b: str(b["created"]))
    newest = {str(b["source"]): b for b in found}
    return max(newest.values(), key=lambda b: (b["drifted"], str(b["created"])), default=None)


def looks(ws: Workspace) -> list[dict[str, Any]]:
    """All looks, oldest first."""
    return sorted(ws.store.records(KIND), key=lambda b: str(b["created"]))


def _look(ws: Workspace, base: str, digest: str) -> int:
    """Which look at a source this is; the same rows once more are the same look."""
    before = [b for b in ws.store.records(KIND) if b["base"] == base]
    same = next((b for b in before if b["digest"] == digest), None)
    return int(same["looks"]) if same else len(before) + 1


def _read(ws: Workspace, data: object) -> Snapshot:
    """New rows in the order in which they stand; rows that cannot be read are left out, labels not needed."""
    names, source = ws.config.columns, ingest.open_source(data)
    if names.text not in source.columns:
        raise InputError(
            f"{source.name} has no column {names.text!r}, which holds the text in this project; its columns "
            f"are {ingest.listed(source.columns)}. Rename the column in the file"
        )
    label = names.label if names.label in source.columns else None
    own = names.id if names.id in source.columns else None
    columns = ingest.Columns(names.text, label, own, {})
    found = [r for r in ingest.prepare(source, columns, allow_unlabelled=True) if isinstance(r, Incoming)]
    fields = list(dict.fromkeys(name for r in found for name in r.fields))
    seen: dict[str, int] = {}
    ids = []
    for r in found:
        name = r.id or content_id(r.fields)
        seen[name] = seen.get(name, 0) + 1
        ids.append(name if seen[name] == 1 else f"{name}~{seen[name]}")
    return Snapshot(ids, [r.label for r in found], {n: [r.fields.get(n) for r in found] for n in fields})


def _known_rows(ws: Workspace, reference: object | None) -> tuple[Snapshot, str]:
    """What new rows are compared with, and that in words."""
    if reference is not None:
        rows = _read(ws, reference)
        if len(rows) < LEAST:
            raise Refused(f"the reference has {len(rows)} rows; give {LEAST} at least")
        name = str(reference) if isinstance(reference, str | Path) else type(reference).__name__
        return rows, f"{len(rows):,} rows of {name}"
    train, evaluation = ws.snapshot(ws.head(TRAIN)), ws.evaluation()
    if ws.config.evaluation.origin == "file" and len(evaluation) >= FEW:
        return evaluation, f"the {len(evaluation):,} evaluation rows"
    if not len(evaluation):
        return train, f"the {len(train):,} rows of train"
    # a share that was set apart is like the rest: together they know more words
    both = {n: [*_column(train, n), *_column(evaluation, n)] for n in {**train.columns, **evaluation.columns}}
    rows = Snapshot([*train.ids, *evaluation.ids], [*train.labels, *evaluation.labels], both)
    return rows, f"the {len(train):,} rows of train and the {len(evaluation):,} evaluation rows"


def _column(rows: Snapshot, name: str) -> Sequence[Value]:
    return rows.columns.get(name) or [None] * len(rows)


@dataclass(frozen=True)
class _Model:
    """The project's recipe fitted to train, and its answers to rows that it was not trained on."""

    classes: tuple[str, ...]
    map: Any
    head: logistic.Head
    temperature: float
    held: Mapping[str, np.ndarray]
    """Row id to probabilities, for rows whose answers are known out of sample."""

    @staticmethod
    def fit(ws: Workspace, progress: Progress | None) -> _Model:
        """Fit, and calibrate on the evaluation rows or, where they are few, out of sample on train."""
        train, evaluation, text = ws.snapshot(ws.head(TRAIN)), ws.evaluation(), ws.config.columns.text
        classes, y = encode_labels(train.labels)
        if len(classes) < 2:
            raise Refused("train has rows of one class only: there is no model whose answers could drift")
        texts = train.texts(text)
        learned, x = ws.recipe.learn(texts)
        rows = np.flatnonzero(y >= 0)
        head = logistic.fit(
            logistic.design(x[rows], ws.recipe.penalty), y[rows], len(classes), max_iter=20, tolerance=1e-2
        )
        if len(evaluation) >= FEW:
            logits = head.scores(learned.transform(evaluation.texts(text)))
            given = encode_labels(evaluation.labels, classes)[1]
            fits = np.flatnonzero(given >= 0)
            t = stats.calibrate(logits[fits], given[fits]).temperature
            p = stats.softmax(logits * np.float32(t))
            return _Model(classes, learned, head, t, dict(zip(evaluation.ids, p, strict=True)))
        signals = ws.view(progress).signals
        held = dict(zip(train.ids, signals.probabilities, strict=True))
        return _Model(classes, learned, head, signals.calibration.temperature, held)

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """(n, k) calibrated."""
        parts = [
            stats.softmax(
                self.head.scores(self.map.transform(texts[i : i + 10_000])) * np.float32(self.temperature)
            )
            for i in range(0, len(texts), 10_000)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.classes)), dtype=np.float32)

    def sample(self, ws: Workspace, rows: Snapshot) -> Sample:
        """New rows with the model's answers."""
        texts = rows.texts(ws.config.columns.text)
        n = len(rows)
        vectors = _vectors(ws, texts)
        return Sample(
            rows.ids,
            texts,
            _others(ws, rows),
            self.probabilities(texts),
            np.arange(n),
            np.full(n, -1),
            self.classes,
            vectors=vectors,
        )


def _others(ws: Workspace, rows: Snapshot) -> Columns:
    skip = (ws.config.columns.text, ws.config.columns.id)
    return {n: c for n, c in rows.columns.items() if n not in skip}


def _known(ws: Workspace, rows: Snapshot, model: _Model) -> Sample:
    """Known rows with the answers that are out of sample."""
    texts = rows.texts(ws.config.columns.text)
    scored = np.array([i for i, name in enumerate(rows.ids) if name in model.held], dtype=np.int64)
    if len(scored):
        p = np.stack([model.held[rows.ids[i]] for i in scored.tolist()])
    else:  # a reference of its own: the model has not seen it
        scored, p = np.arange(len(rows)), model.probabilities(texts)
    labels = encode_labels([rows.labels[i] for i in scored.tolist()], model.classes)[1]
    vectors = _vectors(ws, texts)
    return Sample(rows.ids, texts, _others(ws, rows), p, scored, labels, model.classes, vectors=vectors)


def _vectors(ws: Workspace, texts: Sequence[str]) -> np.ndarray:
    """(n, d) embeddings where the recipe has an encoder, else none."""
    embed = getattr(ws.recipe, "embed", None)
    return np.zeros((0, 0), dtype=np.float32) if embed is None else np.asarray(embed(texts))


def _texts(ws: Workspace, rows: Snapshot, ids: Sequence[str]) -> list[dict[str, str]]:
    texts, index = rows.texts(ws.config.columns.text), rows.index
    return [{"id": i, "text": texts[index[i]][:1000]} for i in ids]


def _next(ws: Workspace, found: Drift, source: str, out: Path | None) -> str:
    """What to type now."""
    if not found.drifted:
        return "tilth status"
    if out is not None:
        return f"fill in {ws.config.columns.label} in {out}, then: tilth ingest {out}"
    return f"tilth drift {source} --out label.csv"


def _write(ws: Workspace, rows: Snapshot, found: Drift, path: Path) -> None:
    """The rows to label, in the columns of the project, the label empty."""
    names = ws.config.columns
    heads = [*([names.id] if names.id else []), names.label, names.text]
    heads += [n for n in rows.columns if n not in heads]
    lines = []
    for i in (rows.index[x] for x in found.label):
        line: dict[str, Any] = {n: rows.columns[n][i] for n in rows.columns}
        line[names.label] = ""
        if names.id:
            line[names.id] = rows.ids[i]
        lines.append({h: line.get(h) for h in heads})
    if path.suffix.lower() == ".jsonl":
        write_text(path, "".join(json.dumps(x, ensure_ascii=False) + "\n" for x in lines))
        return
    page = io.StringIO()
    writer = csv.DictWriter(page, heads, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    write_text(path, page.getvalue())
