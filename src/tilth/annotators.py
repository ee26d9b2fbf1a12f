"""Several annotators: take judgements in, and say how far people agree, who is good, and where it hurts."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tilth import ingest
from tilth.agreement import Judged, agreement, disagreements
from tilth.audit.base import excerpt
from tilth.audit.contested import consensus_of, votes_of
from tilth.consensus import Consensus
from tilth.data import Row, content_id
from tilth.discovery.divided import topics
from tilth.errors import InputError, NotFound
from tilth.files import write_text
from tilth.patch import Op, Patch
from tilth.signals import Progress
from tilth.stats import Interval
from tilth.workspace import TRAIN, Workspace

if TYPE_CHECKING:
    import pandas

__all__ = ["Annotators", "JudgementIntake", "examine", "propose_rows", "take_judgements"]

PAIRS, CONFUSIONS, NEEDED = 20, 3, 50
CONSENSUS = ("id", "dataset", "given", "consensus", "p_wrong", "votes")
DOUBT = 0.02
"""P(wrong) from which on an item is listed as in need of another vote."""


@dataclass(frozen=True)
class JudgementIntake:
    """What taking judgements in did.

    Attributes
    ----------
    columns, reasons : which column is what, and why.
    changed : False when the file says what it said last time.
    judgements, bad : rows that were read, and that were set aside (with skip_bad).
    """

    columns: dict[str, str]
    reasons: dict[str, str]
    changed: bool
    judgements: int
    bad: int

    def to_json(self) -> dict[str, Any]:
        """The intake as a JSON object."""
        return {
            "columns": self.columns,
            "reasons": self.reasons,
            "changed": self.changed,
            "judgements": self.judgements,
            "bad": self.bad,
        }


def take_judgements(
    ws: Workspace,
    data: object,
    *,
    item: str | None = None,
    annotator: str | None = None,
    label: str | None = None,
    text: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    skip_bad: bool = False,
) -> JudgementIntake:
    """Keep the judgements of a file; see `Project.annotators`."""
    source = ingest.open_source(data, encoding=encoding, delimiter=delimiter)
    own = ws.config.columns
    columns = ingest.guess_judgement_columns(
        source, item=item, annotator=annotator, label=label, text=text, known=(own.text, own.label, own.id)
    )
    names = {r: str(getattr(columns, r)) for r in ("item", "annotator", "label", "text")}
    log = ingest.BadRowLog()
    found = ingest.read_judgements(source, columns, log)
    if not skip_bad:
        log.raise_if_any()
    how = json.dumps([names, skip_bad, encoding, delimiter])
    digest = hashlib.sha256(f"{source.digest()} {how}".encode()).hexdigest()
    changed = ws.store.put_judgements(source.name, digest, found, columns=names, now=ws.clock())
    return JudgementIntake(names, dict(columns.reasons), changed, len(found), log.count)


@dataclass(frozen=True)
class Annotators:
    """How far annotators agree, how good each is, where they disagree, what needs another vote.

    Attributes
    ----------
    body : a JSON object, see docs/reference/json.md.
    intake : of the file that was just taken in.
    """

    body: dict[str, Any]
    intake: JudgementIntake | None = None

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object."""
        return {"intake": self.intake and self.intake.to_json(), **self.body}

    def to_pandas(self) -> pandas.DataFrame:
        """One line an annotator."""
        from tilth.frames import frame

        keys = ("name", "votes", "quality", "low", "high", "compared", "expected_accuracy")
        return frame([{k: a[k] for k in keys} for a in self.body["annotators"]])

    def __str__(self) -> str:
        b, alpha = self.body, self.body["agreement"]["alpha"]
        shown = "undefined" if alpha is None else f"{alpha:.3f}"
        return (
            f"{b['votes']:,} votes by {len(b['annotators']):,} annotators on {b['items']['all']:,} items, "
            f"alpha {shown}"
        )

    def _repr_html_(self) -> str:
        from tilth.frames import html_table

        keys = ("name", "votes", "quality", "low", "high")
        return html_table(str(self), [{k: a[k] for k in keys} for a in self.body["annotators"]])


def _judged(ws: Workspace) -> Judged:
    judged = ws.judged()
    if judged is None:
        raise NotFound("there are no judgements yet; take some in with: tilth annotators FILE")
    return judged


def _consensus(ws: Workspace, progress: Progress | None) -> tuple[Judged, Consensus]:
    """Votes and consensus; with the model where a training row was judged and has a label to learn from."""
    judged = _judged(ws)
    head = ws.store.head(TRAIN)
    inside = head is not None and bool((judged.train >= 0).any())
    if head is None or not inside or not any(x is not None for x in ws.snapshot(head).labels):
        return judged, consensus_of(judged, None)
    return judged, consensus_of(judged, ws.view(progress).signals)


def examine(
    ws: Workspace,
    intake: JudgementIntake | None = None,
    progress: Progress | None = None,
    *,
    out: Path | None = None,
) -> Annotators:
    """Everything that `tilth annotators` shows; kept, so that nothing is computed twice.

    Parameters
    ----------
    out : write the consensus on every judged item to this .csv or .jsonl file.

    Raises
    ------
    NotFound : no judgements were taken in.
    InputError : `out` is neither .csv nor .jsonl.
    """
    if out is not None:
        _write_consensus(ws, out, progress)
    head = ws.store.head(TRAIN)
    key = ws.key("annotators 2", head.id if head else "", ws.eval_id(), ws.store.judgements_digest())
    known = ws.store.record("annotators", key)
    if known is not None:
        return Annotators(known, intake)
    judged, consensus = _consensus(ws, progress)
    votes = judged.votes
    body = {
        "votes": len(votes),
        "repeated": votes.repeated,
        "items": _items(ws, judged, consensus),
        "agreement": _agreement(judged),
        "model": consensus.trust > 0,
        "trust": round(consensus.trust, 3),
        "annotators": _people(consensus),
        "pairs": [
            {"a": votes.labels[p.a], "b": votes.labels[p.b], "votes": p.votes, "items": p.items,
             "share": round(p.share, 4)}
            for p in disagreements(votes, PAIRS)
        ],
        "topics": _topics(ws, judged, progress),
        "next_votes": _needed(ws, judged, consensus),
    }  # fmt: skip
    body = json.loads(json.dumps(body))
    ws.store.put_record("annotators", key, body, now=ws.clock())
    return Annotators(body, intake)


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _interval(found: Interval) -> dict[str, float | None]:
    return {"low": _number(found.low), "high": _number(found.high)}


def _agreement(judged: Judged) -> dict[str, Any]:
    a = agreement(judged.votes)
    return {
        "alpha": _number(a.alpha.value),
        **_interval(a.alpha),
        "observed": _number(a.observed),
        "items": a.items,
        "votes": a.votes,
    }


def _items(ws: Workspace, judged: Judged, consensus: Consensus) -> dict[str, int]:
    """Number of items by where they are, and where the consensus is another label than the stored one."""
    inside, judges = judged.train >= 0, judged.evaluation >= 0
    unknown = ~inside & ~judges

    def differ(rows: Any, at: np.ndarray, which: np.ndarray) -> int:
        names = judged.votes.labels
        return sum(rows.labels[r] != names[c] for r, c in zip(at[which], consensus.label[which], strict=True))

    return {
        "all": len(inside),
        "train": int(inside.sum()),
        "eval": int(judges.sum()),
        "unknown": int(unknown.sum()),
        "unknown_with_text": sum(bool(t) for t in judged.texts),
        "contested": int(judged.votes.split.sum()),
        "train_differ": differ(ws.snapshot(ws.head(TRAIN)), judged.train, inside) if inside.any() else 0,
        "eval_differ": differ(ws.evaluation(), judged.evaluation, judges) if judges.any() else 0,
    }


def _people(consensus: Consensus) -> list[dict[str, Any]]:
    """Annotators, the one whose interval of quality begins lowest first."""
    votes = consensus.votes
    cast = np.bincount(votes.annotator, minlength=len(votes.annotators))
    others = consensus.without_own
    compared = np.bincount(votes.annotator[others >= 0], minlength=len(votes.annotators))
    expected, confused = consensus.expected_accuracy(), consensus.confusions(CONFUSIONS)
    out = []
    for j, quality in enumerate(consensus.quality()):
        mixed = [
            {"true": votes.labels[a], "said": votes.labels[b], "votes": round(n, 1)}
            for a, b, n in confused[j]
        ]
        out.append(
            {
                "name": votes.annotators[j],
                "votes": int(cast[j]),
                "compared": int(compared[j]),
                "quality": _number(quality.value),
                **_interval(quality),
                "expected_accuracy": _number(expected[j]),
                "confusions": mixed,
            }
        )
    return sorted(out, key=lambda p: (p["high"], p["name"]))


def _needed(ws: Workspace, judged: Judged, consensus: Consensus) -> list[dict[str, Any]]:
    """Items for which one more vote is worth most."""
    votes, worth = judged.votes, consensus.value_of_vote()
    # one more vote can turn no decision where each item has one of equal weight: doubt ranks those
    order = np.lexsort((-consensus.p_wrong, -worth.round(4)))[:NEEDED]
    out = []
    for i in order[consensus.p_wrong[order] > DOUBT].tolist():
        out.append(
            {
                "item": votes.items[i],
                "text": _text(ws, judged, i),
                "consensus": votes.labels[int(consensus.label[i])],
                "p_wrong": _number(consensus.p_wrong[i]),
                "value": _number(worth[i]),
                "votes": votes_of(votes, i),
            }
        )
    return out


def _topics(ws: Workspace, judged: Judged, progress: Progress | None) -> list[dict[str, Any]]:
    """What the items are about over which people are divided; items with a text and several votes count."""
    votes, head = judged.votes, ws.store.head(TRAIN)
    at = np.flatnonzero((votes.per_item > 1) & (judged.train >= 0))
    if len(at) and head is not None and any(x is not None for x in ws.snapshot(head).labels):
        view = ws.view(progress)
        texts = [view.texts[i] for i in judged.train[at].tolist()]
        features = view.features[judged.train[at]]
    else:
        at = np.array([i for i in np.flatnonzero(votes.per_item > 1).tolist() if judged.texts[i]], dtype=int)
        texts = [judged.texts[i] for i in at.tolist()]
        features = ws.recipe.learn(texts)[1] if texts else np.zeros((0, 1), np.float32)
    return [
        {
            "words": list(t.words),
            "divided_words": list(t.divided_words),
            "items": len(t.items),
            "contested": len(t.divided),
            "share": round(t.share, 4),
            "elsewhere": round(t.elsewhere, 4),
            "p_adjusted": float(f"{t.p:.3g}"),
            "labels": _said_there(judged, at[t.divided]),
            "examples": [
                {"item": votes.items[i], "text": _text(ws, judged, i)} for i in at[t.divided[:3]].tolist()
            ],
        }
        for t in topics(texts, features, votes.split[at])
    ]


def _said_there(judged: Judged, items: np.ndarray) -> list[dict[str, Any]]:
    """The labels that were given to these items, most votes first, at most 4."""
    cast = np.asarray(judged.votes.counts[items].sum(axis=0)).ravel()
    order = np.argsort(-cast, kind="stable")[:4]
    return [{"label": judged.votes.labels[c], "votes": int(cast[c])} for c in order.tolist() if cast[c]]


def _write_consensus(ws: Workspace, path: Path, progress: Progress | None) -> None:
    """One line an item: id, data set, stored label, consensus, P(wrong), votes by label."""
    kind = path.suffix.lower()
    if kind not in (".csv", ".jsonl"):
        raise InputError(f"cannot write {path.name}: consensus labels are written as .csv or .jsonl")
    judged, consensus = _consensus(ws, progress)
    votes, counts = judged.votes, judged.votes.counts
    train = ws.snapshot(ws.head(TRAIN)) if ws.store.head(TRAIN) is not None else None
    sets = (("train", train, judged.train), ("eval", ws.evaluation(), judged.evaluation))
    lines: list[dict[str, Any]] = []
    for i in np.flatnonzero(votes.per_item > 0).tolist():
        where = next(((n, rows, int(at[i])) for n, rows, at in sets if rows is not None and at[i] >= 0), None)
        cells = slice(counts.indptr[i], counts.indptr[i + 1])
        cast = {
            votes.labels[c]: int(n) for c, n in zip(counts.indices[cells], counts.data[cells], strict=True)
        }
        lines.append(
            {
                "id": votes.items[i] if where is None else where[1].ids[where[2]],
                "dataset": "" if where is None else where[0],
                "given": None if where is None else where[1].labels[where[2]],
                "consensus": votes.labels[int(consensus.label[i])],
                "p_wrong": round(float(consensus.p_wrong[i]), 4),
                "votes": dict(sorted(cast.items(), key=lambda x: (-x[1], x[0]))),
            }
        )
    if kind == ".jsonl":
        write_text(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
        return
    sheet = io.StringIO(newline="")
    writer = csv.DictWriter(sheet, CONSENSUS, lineterminator="\n")
    writer.writeheader()
    for line in lines:
        told = "; ".join(f"{n} {label}" for label, n in line["votes"].items())
        writer.writerow(line | {"given": line["given"] or "", "votes": told})
    write_text(path, sheet.getvalue())


def _text(ws: Workspace, judged: Judged, item: int) -> str:
    column = ws.config.columns.text
    for at, rows in ((judged.train[item], None), (judged.evaluation[item], ws.evaluation())):
        if at >= 0:
            found = ws.snapshot(ws.head(TRAIN)) if rows is None else rows
            return excerpt(str(found.columns[column][int(at)] or "")) if column in found.columns else ""
    return excerpt(judged.texts[item])


def propose_rows(ws: Workspace, progress: Progress | None = None) -> Patch | None:
    """The patch that adds judged items which are in no data set, with the consensus as label.

    Items without a text are left out. The patch is put on record as proposed; None where nothing is new.
    """
    judged, consensus = _consensus(ws, progress)
    head = ws.head(TRAIN)
    train, evaluation = ws.snapshot(head), ws.evaluation()
    column, votes, ops = ws.config.columns.text, judged.votes, []
    seen: set[str] = set()
    for i in np.flatnonzero((judged.train < 0) & (judged.evaluation < 0)).tolist():
        text = judged.texts[i]
        if not text:
            continue
        fields = {column: text}
        name = votes.items[i] if ws.config.columns.id else content_id(fields)
        if name in train.index or name in evaluation.index or name in seen:
            continue
        seen.add(name)
        label = votes.labels[int(consensus.label[i])]
        why = f"{int(votes.per_item[i])} votes, P(wrong) = {consensus.p_wrong[i]:.2f}"
        ops.append(Op(None, Row(name, fields, label, "judgements"), why))
    if not ops:
        return None
    patch = Patch(
        dataset=TRAIN,
        base=head.id,
        ops=tuple(ops),
        title=f"Add {len(ops)} judged rows with the consensus as label",
        reason="judged by annotators and in no data set yet",
        author="tilth",
        origin="annotators",
        created=ws.clock(),
    )
    ws.store.save_patch(patch, meta={"minutes": ws.config.minutes.of(patch.counts())}, now=ws.clock())
    return patch
