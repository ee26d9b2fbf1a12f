"""Build a release: fit the recipe on the head, calibrate, choose thresholds, evaluate, write the bundle.

Rows that decide (temperature, thresholds) are not rows that report. Everything is computed with the weights
that are shipped, rounded as they are shipped, and by the code that will answer with them.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tilth import __version__, stats
from tilth.audit.leakage import leaks
from tilth.copies import find_copies
from tilth.data import Snapshot
from tilth.errors import InputError, Refused
from tilth.release import export
from tilth.release.abstain import judged
from tilth.release.bundle import FORMAT, MANIFEST, VERSION
from tilth.release.claims import Facts
from tilth.release.decide import Decided, Deciding, calibrated, decide
from tilth.release.documents import contents
from tilth.release.evidence import ROWS, chosen, evidence_files
from tilth.release.fitted import Fitted, fit
from tilth.release.forward import Seen, pack
from tilth.release.gates import check
from tilth.release.measured import Measured, measure, row_digest
from tilth.release.released import Outside, Released
from tilth.release.thresholds import missed
from tilth.signals import Progress, encode_labels
from tilth.trials import deciding_half, reporting_rows
from tilth.workspace import TRAIN, Workspace

__all__ = ["ENOUGH", "build"]

ENOUGH = 100
"""Deciding evaluation rows below which held-out rows of train decide instead."""
FEW = 1_000
"""Deciding evaluation rows below which train is asked for the temperature, too."""
LEAST = 10
"""Reporting rows below which nothing is reported."""
SEED = 0
TIMED = 200
"""Answers of which the time of one is estimated, where there is a ceiling for it."""


def build(
    ws: Workspace,
    *,
    out: Path | None = None,
    precision: float | None = None,
    name: str | None = None,
    force: str = "",
    progress: Progress | None = None,
) -> Released:
    """Release the head of train.

    Parameters
    ----------
    out : folder of the bundle; default releases/NAME in the project folder.
    precision : share of the answers that shall be right; default that of tilth.toml.
    name : of the release; default that of the project.
    force : a reason, kept in the card, to release against gates that fail.

    Raises
    ------
    Refused : there is nothing to learn from, the recipe cannot be released, or a gate fails.
    """
    wanted = ws.config.release.precision if precision is None else precision
    if not 0 < wanted < 1:
        raise InputError(f"--precision is {wanted}; give a share between 0 and 1, such as 0.95")
    name = _name(name or ws.config.name)
    tell = progress or (lambda step, done, total: None)
    tell("fit", 0, 1)
    fitted = fit(ws)
    tell("calibrate", 0, 1)
    rows = _Rows.of(ws, fitted)
    decided = decide(rows.deciding(ws, fitted), wanted, ws.config.release.refuse)
    tell("evaluate", 0, 1)
    report = _report(ws, fitted, decided, rows)
    command = f"tilth release --name {shlex.quote(name)} --precision {wanted:g}"
    files = dict(fitted.files)
    files["model/conformal.npy"] = pack(decided.held)
    files |= _evidence(ws, fitted)
    files["evaluation.json"] = _json(report.body(command, ws))
    tell("gates and cards", 0, 1)
    facts = _facts(ws, fitted, decided, report, files, name, command, force.strip())
    facts = replace(facts, held_out=not rows.decides.any())
    gates = check(ws, facts)
    if gates.failed and not facts.forced:
        raise Refused(
            f"this release fails {len(gates.failed)} of its gates:\n{gates.refusal()}\nNothing was "
            "written. To release all the same, give the reason, which is kept in the card: --force REASON"
        )
    if not gates.failed:
        facts = replace(facts, forced="")
    files |= {key: text.encode() for key, text in contents(ws, facts, gates).items()}
    files[MANIFEST] = export.manifest_bytes(_manifest(ws, fitted, decided, name), files)
    target = export.write(out or ws.folder / "releases" / name, files)
    return replace(_released(ws, fitted, decided, report, rows, target, files, name), gates=gates)


def _facts(
    ws: Workspace,
    fitted: Fitted,
    decided: Decided,
    report: _Report,
    files: Mapping[str, bytes],
    name: str,
    command: str,
    force: str,
) -> Facts:
    """What gates and cards are told."""
    texts = fitted.train.texts(ws.config.columns.text)
    ceiling = ws.config.goal.milliseconds
    return Facts(
        name=name,
        created=ws.head(TRAIN).created,
        recipe=ws.recipe.name,
        metric=ws.config.goal.metric,
        text=ws.config.columns.text,
        label=ws.config.columns.label,
        classes=fitted.classes,
        train=ws.head(TRAIN).id,
        train_rows=len(fitted.train),
        evaluation=ws.eval_id(),
        judged_on=report.words,
        measured=report.measured,
        scored=report.ids,
        threshold=decided.choice.probability,
        wanted=decided.choice.wanted,
        bound=decided.choice.bound,
        megabytes=sum(map(len, files.values())) / 1e6,
        milliseconds=_milliseconds(fitted, texts) if ceiling else None,
        command=command,
        seed=SEED,
        forced=force,
        carried=files.get(ROWS, b"").count(b"\n"),
        risk=decided.choice.delta if decided.choice.kept else None,
        refused=report.refused,
        outside=(report.outside.rows, report.outside.refused) if report.outside else None,
        missed=report.missed,
    )


def _milliseconds(fitted: Fitted, texts: Sequence[str]) -> float:
    """Time of one answer at a time that 95 of 100 do not exceed, after a few to warm up."""
    some = [texts[i] for i in np.linspace(0, len(texts) - 1, TIMED).astype(int).tolist()]
    taken = []
    for text in some:
        began = time.perf_counter()
        fitted.model.run([text])
        taken.append(time.perf_counter() - began)
    return float(np.quantile(taken[TIMED // 10 :], 0.95)) * 1e3


def _evidence(ws: Workspace, fitted: Fitted) -> dict[str, bytes]:
    """Rows that are shown beside answers that are not given."""
    most = ws.config.release.evidence
    train = fitted.train.take(chosen(fitted.train.ids, fitted.labels, most).tolist())
    return evidence_files(train.ids, train.texts(ws.config.columns.text), [str(x) for x in train.labels])


def _name(name: str) -> str:
    """A name that can be a folder."""
    if not name.strip() or name in (".", "..") or any(c in name for c in '/\\:*?"<>|\0\n'):
        raise InputError(f"{name!r} is no name for a release; give letters and digits with --name")
    return name.strip()


def _json(body: Any) -> bytes:
    return (json.dumps(body, indent=1, sort_keys=True, ensure_ascii=True, allow_nan=False) + "\n").encode()


@dataclass(frozen=True)
class _Rows:
    """Evaluation rows that can be used: of a known class or outside them, without a copy in train."""

    rows: Snapshot
    truth: np.ndarray
    decides: np.ndarray
    reports: np.ndarray
    notes: tuple[str, ...]

    @staticmethod
    def of(ws: Workspace, fitted: Fitted) -> _Rows:
        """Those of the project's evaluation set."""
        evaluation, text = ws.evaluation(), ws.config.columns.text
        _, truth = encode_labels(evaluation.labels, fitted.classes)
        outside = ws.config.release.outside
        away = np.array([bool(outside) and x == outside for x in evaluation.labels], dtype=bool)
        texts, threshold = fitted.train.texts(text), ws.config.copies.threshold
        found = find_copies([*texts, *evaluation.texts(text)], threshold=threshold, floor=threshold)
        copied = leaks(found, len(texts))[1]
        usable = ((truth >= 0) | away) & ~copied
        decides = usable & deciding_half(evaluation.ids)
        if (decides & (truth >= 0)).sum() < ENOUGH:
            decides = np.zeros(len(evaluation), dtype=bool)
        free = reporting_rows(ws, evaluation)[0] & usable & ~decides
        unknown = int(((truth < 0) & ~away).sum())
        notes = []
        if copied.any():
            notes.append(f"{int(copied.sum()):,} evaluation rows have a copy in train and were left out")
        if unknown:
            notes.append(
                f"{unknown:,} evaluation rows have a label that train does not know and were left out; if "
                "it means that a row belongs to no class, name it in tilth.toml under [release] outside"
            )
        return _Rows(evaluation, truth, decides, free, tuple(notes))

    def deciding(self, ws: Workspace, fitted: Fitted) -> Deciding:
        """The rows that decide: half of the evaluation rows, or held-out rows of train.

        Where the evaluation set has no rows outside the known classes, those of train decide beside the
        others, as many as make up the share that they have there.
        """
        text, prior = ws.config.columns.text, None
        at = np.flatnonzero(self.decides)
        if len(at):
            if len(at) < FEW:
                held = fitted.held_out(fitted.train.texts(text), ws.config.copies.threshold)
                prior = calibrated(held.logits, fitted.labels).temperature
            seen, truth = fitted.model.run_many(self.rows.take(at.tolist()).texts(text)), self.truth[at]
            words = f"{len(at):,} evaluation rows: the half that decides"
        else:
            texts, truth = fitted.train.texts(text), fitted.labels
            seen = fitted.held_out(texts, ws.config.copies.threshold)
            words = f"{len(texts):,} rows of train, each held out in turn: there are too few evaluation rows"
        if away := self.strangers(fitted):
            strange = fitted.model.run_many(fitted.outside.take(away).texts(text))
            seen = Seen(
                np.concatenate([seen.logits, strange.logits]), np.concatenate([seen.known, strange.known])
            )
            truth = np.concatenate([truth, np.full(len(away), -1)])
            words += f"; {len(away):,} rows of train outside the known classes"
        return Deciding(seen, truth, words, prior)

    def strangers(self, fitted: Fitted) -> list[int]:
        """Rows of train outside the known classes that decide, by their position among such rows."""
        if (self.truth[self.decides] < 0).any():
            return []
        inside = int(self.decides.sum()) or len(fitted.train)
        count = round(inside * len(fitted.outside) / max(len(fitted.train), 1))
        # half of them at most: others report
        digest = [hashlib.sha256(i.encode("utf-8", "replace")).digest() for i in fitted.outside.ids]
        order = sorted(range(len(digest)), key=lambda i: digest[i])
        return sorted(order[: min(count, len(order) // 2)])


@dataclass(frozen=True)
class _Report:
    """What the reporting rows say."""

    words: str
    measured: Measured | None
    refused: stats.Interval | None
    outside: Outside | None
    scored: tuple[str, ...]
    ids: tuple[str, ...]
    slices: Mapping[str, tuple[int, ...]]
    missed: tuple[str, ...] = ()

    def body(self, command: str, ws: Workspace) -> dict[str, Any]:
        """evaluation.json"""
        return {
            "command": command,
            "seed": SEED,
            "train": ws.head(TRAIN).id,
            "evaluation": ws.eval_id(),
            "reported_on": self.words,
            "measured": self.measured and self.measured.to_json(),
            "refused": self.refused and asdict(self.refused),
            "outside": self.outside and asdict(self.outside),
            "scored": list(self.scored),
            "slices": {name: list(at) for name, at in self.slices.items()},
        }


def _report(ws: Workspace, fitted: Fitted, decided: Decided, rows: _Rows) -> _Report:
    """Score the rows that decided nothing."""
    text = ws.config.columns.text
    inside = np.flatnonzero(rows.reports & (rows.truth >= 0))
    if len(inside) < LEAST:
        few = f"only {len(inside)} evaluation rows are left to report on"
        return _Report(few if len(rows.rows) else "no evaluation rows", None, None, None, (), (), {})
    known = rows.rows.take(inside.tolist())
    seen = fitted.model.run_many(known.texts(text))
    p, reasons, strange = _answers(seen, decided)
    counts = Counter(fitted.classes[c] for c in fitted.labels)
    named = ws.named_slices(known)
    measured = measure(
        p,
        rows.truth[inside],
        reasons == 0,
        classes=fitted.classes,
        metric=ws.config.goal.metric,
        slices=named,
        trained=dict(counts),
    )
    away = np.flatnonzero(rows.reports & (rows.truth < 0))
    decided_on = set(rows.strangers(fitted))
    free = [i for i in range(len(fitted.outside)) if i not in decided_on]
    strangers = fitted.outside.take(free).texts(text) + rows.rows.take(away.tolist()).texts(text)
    outside = None
    if strangers:
        refused = int((_answers(fitted.model.run_many(strangers), decided)[1] != 0).sum())
        outside = Outside(len(strangers), stats.clopper_pearson(refused, len(strangers)))
    said = p.argmax(axis=1)[reasons == 0]
    below = missed(said, said == rows.truth[inside][reasons == 0], len(fitted.classes), decided.choice.wanted)
    texts = known.texts(text)
    scored = [row_digest(t, label) for t, label in zip(texts, known.labels, strict=True)]
    return _Report(
        words=f"{len(inside):,} evaluation rows that decided nothing",
        measured=measured,
        refused=stats.clopper_pearson(int(strange.sum()), len(strange)),
        outside=outside,
        scored=tuple(scored),
        ids=tuple(known.ids),
        slices={key: tuple(np.flatnonzero(mask).tolist()) for key, mask in named.items()},
        missed=tuple(fitted.classes[c] for c in below),
    )


def _answers(seen: Seen, decided: Decided) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, numbers of reasons, and which rows are unlike what was learned."""
    p, familiar, reasons = judged(seen, decided.calibration.temperature, decided.abstention)
    return p, reasons, familiar < decided.abstention.familiar


def _manifest(ws: Workspace, fitted: Fitted, decided: Decided, name: str) -> dict[str, Any]:
    version, columns = ws.head(TRAIN), ws.config.columns
    return {
        "format": FORMAT,
        "format_version": VERSION,
        "tilth": __version__,
        "name": name,
        "created": version.created,
        "recipe": ws.recipe.name,
        "data": {"train": version.id, "rows": len(fitted.train), "evaluation": ws.eval_id()},
        "text": columns.text,
        "label": columns.label,
        "classes": list(fitted.classes),
        "calibration": asdict(decided.calibration),
        "abstention": decided.settings(),
        "model": dict(fitted.settings),
    }


def _released(
    ws: Workspace,
    fitted: Fitted,
    decided: Decided,
    report: _Report,
    rows: _Rows,
    target: Path,
    files: dict[str, bytes],
    name: str,
) -> Released:
    version = ws.head(TRAIN)
    return Released(
        path=target,
        id=hashlib.sha256(files[MANIFEST]).hexdigest()[:16],
        name=name,
        created=version.created,
        recipe=ws.recipe.name,
        version=version.id,
        eval_version=ws.eval_id(),
        rows=len(fitted.train),
        classes=len(fitted.classes),
        decided_on=decided.words,
        reported_on=report.words,
        choice=decided.choice,
        measured=report.measured,
        refused=report.refused,
        outside=report.outside,
        missed=report.missed,
        megabytes=round(sum(map(len, files.values())) / 1e6, 3),
        files=len(files),
        notes=rows.notes,
    )
