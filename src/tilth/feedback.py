"""What people said about served answers, as proposed patches: nothing becomes a row without a decision.

Explicit words make ops: "the label is X", "this is right", and what a person answered where the release had
abstained. What was concluded from behaviour only stands beside them. What contradicts itself is left out.
A client that relabels one class far more often than the others do is suspected of poisoning, and what it
said goes into a patch of its own, so that it can be tried or rejected alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tilth.data import Row, Snapshot, content_id
from tilth.patch import Op, Patch
from tilth.serve.state import Answered, Said, State
from tilth.stats import holm_adjusted
from tilth.workspace import TRAIN, Workspace

__all__ = ["FeedbackIntake", "Suspect", "suspects", "take_feedback"]

ORIGIN = "feedback"
LEAST = 5
"""Relabellings of one pair by one client that can make it suspect."""
OTHERS = 10
"""Words of others about the same class, without which there is nothing to compare with."""
SURE = 0.01
SHOWN = 20


@dataclass(frozen=True)
class Suspect:
    """A client that relabels one class to another more often than the others do.

    Attributes
    ----------
    client, given, label : who, from which label of the release, to which.
    said, relabelled : explicit words of this client about `given`, and how many of them say `label`.
    others, others_relabelled : the same of all others.
    p : of Fisher's exact test, one-sided, corrected over all pairs and clients (Holm); None where the
        others said too little to compare with: such a client is not set apart, but named.
    """

    client: str
    given: str
    label: str
    said: int
    relabelled: int
    others: int
    others_relabelled: int
    p: float | None


@dataclass(frozen=True)
class FeedbackIntake:
    """What an intake of feedback did.

    Attributes
    ----------
    explicit, implicit, escalated : pieces of feedback of either kind, and questions that a person answered.
    patches : those proposed now: id, title, number of ops, and the client where it is one client's.
    known : texts that are rows with this label already, or were proposed or rejected before.
    evaluation : texts of the evaluation set, from which nothing is learned.
    contested : texts about which the words contradict each other; the first of them in `conflicts`.
    wrong : texts of which is only known that the label is wrong.
    without_text : answers whose text was not kept and did not come with the feedback.
    unknown : answers that the server has no record of (a crash, or they were forgotten).
    suspects : clients whose words were set apart; `unchecked` those that could not be compared.
    """

    explicit: int
    implicit: int
    escalated: int
    patches: tuple[dict[str, Any], ...]
    known: int
    evaluation: int
    contested: int
    conflicts: tuple[dict[str, Any], ...]
    wrong: int
    without_text: int
    unknown: int
    suspects: tuple[Suspect, ...]
    unchecked: tuple[Suspect, ...]

    def to_json(self) -> dict[str, Any]:
        """The intake as a JSON object."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class _Word:
    """What one client says about one text: a label, that it is one, or that it is not one."""

    text: str
    given: str
    label: str
    right: bool
    client: str
    answer: str
    kind: str
    person: bool = False


def take_feedback(ws: Workspace, folder: str | Path) -> FeedbackIntake:
    """Read a server's state and propose patches; see `Project.feedback`.

    Raises
    ------
    NotFound : there is no server's state in the folder.
    """
    with State.open(folder) as state:
        said = list(state.feedback())
        escalated = [e for e in state.escalations("answered") if e.label]
        wanted = {s.answer for s in said} | {e.answer for e in escalated}
        answers = {i: a for i in sorted(wanted) if (a := state.answer(i)) is not None}
    explicit = _last_words(s for s in said if s.explicit and s.kind != "comment")
    texts = {s.answer: s.text for s in said if s.text is not None}
    missing = Counter[str]()
    words = [w for s in explicit if (w := _word(s, answers.get(s.answer), texts, missing)) is not None]
    for e in escalated:
        a = answers.get(e.answer)
        if a is None or a.text is None:
            missing["unknown" if a is None else "without_text"] += 1
            continue
        who = e.person or "person"
        words.append(_Word(a.text, a.label, e.label or "", True, who, e.answer, "answered", person=True))
    judged = _judged(explicit, answers)
    apart, unchecked = suspects(judged)
    # a program that speaks for many people may invent them: all that came with one token is judged as well
    if any("/" in client for client, _, _ in judged):
        whole, _ = suspects((_token(client), given, label) for client, given, label in judged)
        apart += [s for s in whole if s not in apart]
    support = Counter[tuple[str, str]](
        (s.answer, (s.label or "") if s.kind == "label" else s.kind) for s in said if not s.explicit
    )
    proposal = _Proposal(ws, {s.client for s in apart}, support)
    proposal.add(words)
    return FeedbackIntake(
        explicit=sum(s.explicit for s in said), implicit=sum(not s.explicit for s in said),
        escalated=len(escalated), patches=tuple(proposal.save()), known=proposal.known,
        evaluation=proposal.evaluation, contested=len(proposal.conflicts),
        conflicts=tuple(proposal.conflicts[:SHOWN]), wrong=proposal.wrong,
        without_text=missing["without_text"], unknown=missing["unknown"],
        suspects=tuple(apart), unchecked=tuple(unchecked),
    )  # fmt: skip


def _last_words(said: Iterable[Said]) -> list[Said]:
    """The last thing that each client says about each answer: people correct themselves."""
    return list({(s.client, s.answer): s for s in said}.values())


def _word(
    said: Said, answer: Answered | None, texts: Mapping[str, str], missing: Counter[str]
) -> _Word | None:
    text = texts.get(said.answer) if answer is None or answer.text is None else answer.text
    if answer is None and (text is None or said.kind != "label"):
        missing["unknown"] += 1
        return None
    if text is None or not text.strip():
        missing["without_text"] += 1
        return None
    given = "" if answer is None else answer.label
    if said.kind == "label":
        return _Word(text, given, said.label or "", True, said.client, said.answer, "label")
    if answer is None or answer.abstained:  # there was no label that could be right or wrong
        return None
    return _Word(text, given, given, said.kind == "right", said.client, said.answer, said.kind)


def _token(client: str) -> str:
    """The part of a client's name that the server vouches for: shop of shop/user-7."""
    return client.partition("/")[0]


def _judged(explicit: Iterable[Said], answers: Mapping[str, Answered]) -> list[tuple[str, str, str]]:
    """Client, label that was given, label that the client says (the same one, or "" for another)."""
    found = []
    for s in explicit:
        answer = answers.get(s.answer)
        if answer is not None and s.kind in ("right", "wrong", "label"):
            label = answer.label if s.kind == "right" else (s.label or "") if s.kind == "label" else ""
            found.append((s.client, answer.label, label))
    return found


def suspects(judged: Iterable[tuple[str, str, str]]) -> tuple[list[Suspect], list[Suspect]]:
    """Clients that relabel one class to another more often than the others do.

    Parameters
    ----------
    judged : client, label that was given, label that the client says instead ("" where it says none).

    Returns
    -------
    Those that stand out, and those whom nobody can be compared with.

    References
    ----------
    Fisher, Statistical methods for research workers, 1934, section 21.02 (exact test of a 2 x 2 table).
    """
    by_class: dict[str, Counter[str]] = defaultdict(Counter)
    pairs: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for client, given, label in judged:
        by_class[given][client] += 1
        if label and label != given:
            pairs[given, label][client] += 1
    checked: list[Suspect] = []
    unchecked: list[Suspect] = []
    for (given, label), clients in sorted(pairs.items()):
        total, relabelled = by_class[given].total(), clients.total()
        for client, k in sorted(clients.items()):
            n = by_class[given][client]
            if k < LEAST:
                continue
            one = Suspect(client, given, label, n, k, total - n, relabelled - k, None)
            (checked if total - n >= OTHERS else unchecked).append(one)
    if not checked:
        return [], unchecked
    p = holm_adjusted(np.array([_fisher(s) for s in checked]))
    found = [replace(s, p=float(v)) for s, v in zip(checked, p, strict=True)]
    return [s for s in found if s.p is not None and s.p < SURE], unchecked


def _fisher(s: Suspect) -> float:
    """Chance of so many relabellings by this client, were they spread over all who spoke."""
    from scipy.stats import hypergeom

    table = (s.said + s.others, s.relabelled + s.others_relabelled, s.said)
    return float(hypergeom.sf(s.relabelled - 1, *table))


class _Proposal:
    """Ops by patch: of all, of each client set apart, with labels that no row has."""

    def __init__(self, ws: Workspace, apart: set[str], support: Mapping[tuple[str, str], int]) -> None:
        self.ws, self.apart, self.support = ws, apart, support
        self.head = ws.head(TRAIN)
        self.train = ws.snapshot(self.head)
        self.column = ws.config.columns.text
        evaluation = ws.evaluation()
        self.held = set(map(str, evaluation.columns.get(self.column, ()))) if len(evaluation) else set()
        self.at = _by_text(self.train, self.column)
        self.labels = set(self.train.labels)
        self.before = _decided(ws)
        self.known = self.evaluation = self.wrong = 0
        self.conflicts: list[dict[str, Any]] = []
        self.ops: dict[tuple[str, str], list[Op]] = defaultdict(list)

    def add(self, words: Iterable[_Word]) -> None:
        """Decide each text by what was said about it; what suspects say is decided apart."""
        groups: dict[tuple[str, str], list[_Word]] = defaultdict(list)
        for word in words:
            names = (_token(word.client), word.client)
            groups[next((n for n in names if n in self.apart), ""), word.text].append(word)
        for (client, text), said in groups.items():
            if text in self.held:
                self.evaluation += 1
                continue
            label = self._decide(text, said)
            if label is not None:
                self._op(client, text, label, said)

    def _decide(self, text: str, said: list[_Word]) -> str | None:
        """The label of a text; None where there is none or the words contradict each other."""
        persons = [w for w in said if w.person]
        if persons:
            return persons[-1].label
        labels = {w.label for w in said if w.right}
        refused = {w.label for w in said if not w.right}
        if len(labels) == 1 and not labels & refused:
            return labels.pop()
        if labels:
            votes = [{"client": w.client, "label": w.label, "kind": w.kind} for w in said]
            self.conflicts.append({"text": text, "said": votes})
        else:
            self.wrong += 1
        return None

    def _op(self, client: str, text: str, label: str, said: list[_Word]) -> None:
        at = self.at.get(text)
        before = None if at is None else self.train.row(at)
        if before is not None and before.label == label:
            self.known += 1
            return
        if before is not None:
            after = replace(before, label=label)
        else:
            fields = {self.column: text}
            name = f"answer-{said[0].answer}" if self.ws.config.columns.id else content_id(fields)
            after = Row(name, fields, label, ORIGIN)
        if (after.id, label) in self.before:
            self.known += 1
            return
        which = ("new labels", "") if label not in self.labels else ("", client)
        self.ops[which].append(Op(before, after, self._why(said)))

    def _why(self, said: list[_Word]) -> str:
        """Where an op comes from: what was answered, who said what, which answers."""
        given = sorted({w.given for w in said if w.given})
        words = sorted({f"{w.client or 'somebody'}: {w.kind}" for w in said})
        agree = sum(self.support[w.answer, name] for w in said for name in {w.label, w.kind})
        behaviour = f"; {agree} signals from behaviour agree" if agree else ""
        answers = sorted({w.answer for w in said})
        more = f" and {len(answers) - 3} more" if len(answers) > 3 else ""
        return (
            f"answered {', '.join(given) or 'nothing'}; {', '.join(words[:3])}{behaviour}; "
            f"answer {', '.join(answers[:3])}{more}"
        )

    def save(self) -> list[dict[str, Any]]:
        """Put the patches on record as proposed."""
        saved = []
        for (kind, client), ops in sorted(self.ops.items()):
            title = f"Take feedback in: {len(ops)} rows"
            reason = "said by people about served answers"
            if kind:
                title = f"Take feedback in: {len(ops)} rows with labels that no row has yet"
            elif client:
                title = f"Feedback of {client} alone: {len(ops)} rows"
                reason = f"{client} relabels one class far more often than others do: look for poisoning"
            patch = Patch(
                dataset=TRAIN, base=self.head.id, ops=tuple(ops), title=title, reason=reason, author="tilth",
                origin=ORIGIN, created=self.ws.clock(),
            )  # fmt: skip
            meta = {"minutes": self.ws.config.minutes.of(patch.counts())}
            self.ws.store.save_patch(patch, meta=meta, now=self.ws.clock())
            saved.append({"id": patch.id, "title": title, "ops": len(ops), "client": client})
        return saved


def _by_text(rows: Snapshot, column: str) -> dict[str, int]:
    """Number of the first row with each text."""
    found: dict[str, int] = {}
    for i, text in enumerate(rows.columns.get(column, ())):
        found.setdefault(str(text), i)
    return found


def _decided(ws: Workspace) -> set[tuple[str, str]]:
    """Rows and labels that feedback has proposed before: what waits is not proposed twice, nor is what a
    person has rejected or reverted."""
    head = ws.head(TRAIN).id
    found = set()
    for info in ws.store.patches():
        if info.origin != ORIGIN or (info.state == "proposed" and info.base != head):
            continue
        if info.state in ("proposed", "rejected", "reverted", "accepted"):
            patch = ws.store.patch(info.id)
            found |= {(op.row_id, str(op.after.label)) for op in patch.ops if op.after is not None}
    return found
