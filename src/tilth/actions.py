"""What could be done next: pieces of work of every kind, each with a predicted gain and its costs.

Gains come from the closed form (tilth.trial.gains), recalibrated by the ledger. Here pieces of work are
made; tilth.plan ranks them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tilth import stats
from tilth.audit.base import Finding, View, excerpt
from tilth.audit.run import Audit
from tilth.audit.trust import Trust
from tilth.evaluation import EvaluationQuality
from tilth.learning import LearningCurves, collect_gains
from tilth.ledger import Ledger
from tilth.reviews import at_rate
from tilth.trial.gains import Forecast, Response, forecast, queue
from tilth.trial.propose import BY_PEOPLE, PROCEDURES, follow
from tilth.workspace import TRAIN, Workspace

__all__ = [
    "Action", "Desk", "bulk", "clauses", "collect", "contested", "evaluate", "failed", "in_question",
    "near_copies", "patches", "reviews",
]  # fmt: skip

BATCH, EXAMPLES, ROWS = 60, 3, 200
DOUBT = 0.1
"""P(wrong) below which a row is not worth a look."""
PAIR = 8
"""Expected wrong labels between two classes from which on a written rule is worth its minutes."""
COLLECT_TO, CURVES = 40, 4
RATE, VERDICTS = 0.05, 30
"""False-discovery rate of a bulk relabel, and verdicts that it wants."""
BULK_MINUTES = 2.0
"""To run and read a trial: the rows of a bulk change are not looked at one by one."""


@dataclass(frozen=True)
class Action:
    """One piece of work.

    Attributes
    ----------
    kind : review, relabel, drop, clause, collect, evaluate or stop.
    code : of the findings behind it, or "".
    rows : row ids (of train; for kind evaluate, of the evaluation set).
    count : how many rows or findings it concerns.
    gain, low, high : recalibrated prediction with its 95 % interval, in the metric; None where nothing
        can be predicted.
    minutes, money : what it costs.
    why : where the number comes from.
    command : what to start with.
    examples : the first rows.
    """

    kind: str
    code: str
    title: str
    rows: Sequence[str]
    count: int
    gain: float | None
    low: float | None
    high: float | None
    minutes: float
    money: float
    why: str
    command: str
    examples: Sequence[Mapping[str, Any]] = ()

    @property
    def per_minute(self) -> float | None:
        """Expected gain for each minute of a person's time."""
        return None if self.gain is None else self.gain / max(self.minutes, 1 / 60)

    def to_json(self) -> dict[str, Any]:
        """The action as a JSON object."""
        return asdict(self) | {"rows": list(self.rows), "per_minute": self.per_minute}


@dataclass(frozen=True)
class Desk:
    """What the makers of actions have in front of them."""

    ws: Workspace
    view: View
    audit: Audit
    response: Response
    ledger: Ledger
    trust: Trust
    curves: LearningCurves | None

    def gain(self, kind: str, found: Forecast) -> stats.Interval:
        """A forecast recalibrated by the ledger."""
        return self.ledger.factor(kind).gain(found.value, found.se)

    def action(
        self,
        kind: str,
        code: str,
        title: str,
        gain: stats.Interval | None,
        minutes: float,
        **more: Any,
    ) -> Action:
        """An action; `rows`, `count`, `bought`, `why`, `command`, `examples` by name."""
        rows = more.get("rows", ())
        return Action(
            kind=kind,
            code=code,
            title=title,
            rows=list(rows)[:ROWS],
            count=more.get("count", len(rows)),
            gain=gain.value if gain else None,
            low=gain.low if gain else None,
            high=gain.high if gain else None,
            minutes=minutes,
            money=self.ws.config.money.of(minutes, more.get("bought", 0)),
            why=more["why"],
            command=more["command"],
            examples=more.get("examples", ()),
        )


def _findings(found: Sequence[Finding]) -> list[dict[str, Any]]:
    return [
        {"id": f.rows[0] if f.rows else "", "text": f.evidence.get("text", ""), "message": f.message}
        for f in found[:EXAMPLES]
    ]


def in_question(
    view: View, response: Response, left: np.ndarray, minutes: float, first: int | None = None
) -> np.ndarray:
    """Positions of the rows whose verdict is worth a look, the most useful first; one of equal copies.

    Parameters
    ----------
    left : (n,) rows that may still be asked about.
    minutes : of a person for one row.
    first : look no further down the queue than so many rows; default to its end.
    """
    s = view.signals
    line = queue(response, s.noise, minutes=minutes, groups=view.copies.exact, left=left)
    worth = np.zeros(len(view.train))
    worth[response.rows] = line.gain
    order = line.order[:first]
    return np.asarray(order[(s.p_wrong()[order] > DOUBT) & (worth[order] > 0)])


def reviews(desk: Desk) -> list[Action]:
    """Verdicts on the rows whose verdict is worth most: P(wrong) times what a right label would change."""
    view, s = desk.view, desk.view.signals
    minutes = desk.ws.config.minutes.relabel
    order = in_question(view, desk.response, desk.trust.open, minutes, 4 * BATCH)[:BATCH].tolist()
    if not order:
        return []
    at = np.searchsorted(desk.response.rows, order)
    p, suggested = s.p_wrong(), s.suggestion()
    sure = float(p[order].mean())
    examples = [
        {
            "id": view.train.ids[i],
            "text": excerpt(view.texts[i], 240),
            "message": f"labelled {view.train.labels[i]}, model says {s.classes[suggested[i]]}, "
            f"P(wrong) = {p[i]:.2f}",
        }
        for i in order[:EXAMPLES]
    ]
    return [
        desk.action(
            "review",
            "TIL101",
            f"Review {len(order)} row{'s' if len(order) > 1 else ''} whose label is doubtful",
            desk.gain("review", desk.response.review(at)),
            minutes * len(order),
            rows=[view.train.ids[i] for i in order],
            why=f"about {sure * len(order):.0f} of them are wrong; in order of P(wrong) times the effect of "
            "the right label on predictions of other rows",
            command="tilth plan --out review.csv; tilth verdict review.csv",
            examples=examples,
        )
    ]


def clauses(desk: Desk) -> list[Action]:
    """Pairs of classes between which many labels are wrong, or which TIL602 calls confused: one list.

    A rule is missing there, not attention.
    """
    s, m = desk.view.signals, desk.response
    p = s.p_wrong()
    suggested = s.suggestion()
    at = np.flatnonzero((m.labels >= 0) & (p[m.rows] > DOUBT))
    pairs: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i in at.tolist():
        a, b = sorted((int(m.labels[i]), int(suggested[m.rows[i]])))
        pairs[s.classes[a], s.classes[b]].append(i)
    weight = {pair: float(p[m.rows[rows]].sum()) for pair, rows in pairs.items()}
    least = max(PAIR, 3 * float(np.median(list(weight.values())))) if weight else 0.0
    confused = {_pair(f): f for f in desk.audit.of("TIL602")}
    wanted = [pair for pair in sorted(weight, key=lambda x: (-weight[x], x)) if weight[pair] >= least][:3]
    wanted += [pair for pair in list(confused)[:3] if pair not in wanted]
    return [_clause(desk, pair, pairs.get(pair, []), weight.get(pair, 0.0), confused) for pair in wanted]


def _pair(f: Finding) -> tuple[str, str]:
    """The two classes of a finding about confused classes, ascending."""
    a, b = sorted(str(x) for x in f.evidence["classes"])
    return a, b


def _clause(
    desk: Desk,
    pair: tuple[str, str],
    doubtful: Sequence[int],
    total: float,
    confused: Mapping[tuple[str, str], Finding],
) -> Action:
    """Write a rule, then go through the doubtful rows of the pair; the rule is made of confused rows."""
    m, costs, f = desk.response, desk.ws.config.minutes, confused.get(pair)
    p = desk.view.signals.p_wrong()
    members = sorted(doubtful, key=lambda i: -p[m.rows[i]])
    names, n = f"{pair[0]} and {pair[1]}", len(members)
    why = [f.message] if f else []
    if members:
        why.append(
            f"about {total:.0f} labels are wrong between these two classes alone: without a rule the next "
            "annotator makes the same mistake"
        )
    return desk.action(
        "clause",
        "TIL602" if f else "TIL101",
        f"Write down the rule that separates {names}" + (f", then go through {n} rows" if n else ""),
        desk.gain("review", m.review(np.array(members))) if members else None,
        costs.clause + costs.relabel * n,
        rows=[desk.view.train.ids[m.rows[i]] for i in members] or (f.rows if f else ()),
        why="; ".join(why),
        command="tilth guide --draft",
        examples=_confused(f) if f else (),
    )


def _confused(f: Finding) -> list[dict[str, Any]]:
    return [
        {"id": x["id"], "text": x["text"], "message": f"labelled {x['label']}, taken for {x['taken_for']}"}
        for x in f.evidence["examples"][:EXAMPLES]
    ]


def bulk(desk: Desk) -> list[Action]:
    """Once there are verdicts: relabel the rest as suggested, at a false-discovery rate."""
    trust, rows = desk.trust, desk.view.train
    if trust.wrong.verdicts < VERDICTS:
        return []
    ops, estimate = at_rate(trust, rows, RATE)
    if not ops or estimate is None:
        return []
    return [
        desk.action(
            "relabel",
            "TIL101",
            f"Relabel {len(ops)} rows as suggested, at a false-discovery rate of {RATE:g}",
            desk.gain("relabel", forecast(desk.response, desk.view, ops)),
            BULK_MINUTES,
            rows=[op.row_id for op in ops],
            why=f"by {trust.wrong.verdicts} verdicts at most {estimate.high:.0%} of these would be wrong",
            command=f"tilth relabel --fdr {RATE:g}; tilth trial PATCH",
        )
    ]


def patches(desk: Desk) -> list[Action]:
    """Changes that a machine can make and a trial can judge, unless a trial saw no gain in them."""
    head, rows = desk.ws.head(TRAIN), desk.ws.snapshot(desk.ws.head(TRAIN))
    tried: set[str] = set()
    for info in desk.ws.store.patches():
        if info.base == head.id and desk.ws.store.records("trial", info.id):
            tried.add(info.origin)
    out = []
    for p in (*PROCEDURES, *BY_PEOPLE, *(follow(code, about) for code, about in desk.audit.plugins.items())):
        found = [f for f in desk.audit.findings if f.code in p.codes and p.wanted(f)]
        ops = p.ops(found, rows)
        if not ops or (f"propose:{p.name}" in tried and p.codes == ("TIL101",)):
            continue
        counts = dict(Counter(str(op.kind) for op in ops))
        kind = "relabel" if counts.get("relabel") else "drop"
        out.append(
            desk.action(
                kind,
                p.codes[0],
                p.title.format(n=len(ops)),
                desk.gain(kind, forecast(desk.response, desk.view, ops)),
                desk.ws.config.minutes.of(counts),
                rows=[op.row_id for op in ops],
                count=len(ops),
                why=p.why,
                command=f"tilth propose; tilth trial PATCH   # origin propose:{p.name}",
                examples=_findings(found),
            )
        )
    first = [a for a in out if a.code == "TIL101"]
    best = max(first, key=lambda a: a.per_minute or 0.0, default=None)
    # three treatments of the same rows: the plan shows the best one
    return [a for a in out if a.code != "TIL101" or a is best]


def near_copies(desk: Desk) -> list[Action]:
    """Near copies under different labels: nothing is foreseen for them."""
    found = [f for f in desk.audit.of("TIL202") if len(f.evidence.get("labels", {})) > 1]
    if not found:
        return []
    rows = [r for f in found for r in f.rows]
    return [
        desk.action(
            "review",
            "TIL202",
            f"Look at {len(found)} groups of near copies with different labels",
            None,
            desk.ws.config.minutes.relabel * len(rows),
            rows=rows,
            count=len(found),
            why="texts that differ in a word or two seldom belong to different classes",
            command="tilth audit --code TIL202",
            examples=_findings(found),
        )
    ]


def contested(desk: Desk) -> list[Action]:
    """Rows about which annotators disagree with the label or with each other."""
    found = desk.audit.of("TIL104")
    if not found:
        return []
    ops = BY_PEOPLE[0].ops(found, desk.view.train)
    sure = float(np.mean([f.score for f in found]))
    gain = forecast(desk.response, desk.view, ops)
    return [
        desk.action(
            "review",
            "TIL104",
            f"Review {len(found)} rows that annotators label differently",
            desk.gain("review", Forecast(gain.value * sure, gain.se * sure)) if ops else None,
            desk.ws.config.minutes.relabel * len(found),
            rows=[r for f in found for r in f.rows],
            count=len(found),
            why="several people judged these rows; their votes are the evidence",
            command="tilth audit --code TIL104",
            examples=_findings(found),
        )
    ]


def collect(desk: Desk) -> list[Action]:
    """More rows of a class: by learning curves where they were measured, else roughly for starved classes."""
    measured = desk.curves is not None
    return _by_curves(desk) if measured else _roughly(desk)


def _by_curves(desk: Desk) -> list[Action]:
    """The classes whose curves still rise."""
    out: list[Action] = []
    for g in collect_gains(desk.ws):
        if g.gain <= 0 or len(out) == CURVES:
            break
        out.append(
            desk.action(
                "collect",
                "",
                f"Collect {g.rows} more rows of {g.name}",
                stats.Interval(g.gain, g.low, g.high),
                g.minutes,
                count=g.rows,
                bought=g.rows,
                why="by the learning curve of this class",
                command="tilth curve; tilth ingest FILE",
            )
        )
    return out


def _roughly(desk: Desk) -> list[Action]:
    """Starved classes: what the class would gain if it were as good as the median class."""
    s = desk.view.signals
    predicted = s.probabilities.argmax(axis=1)
    recall = [
        float((predicted[s.labels == c] == c).mean()) for c in range(len(s.classes)) if (s.labels == c).any()
    ]
    typical = float(np.median(recall)) if recall else 0.0
    labels = desk.view.evaluation.labels or desk.view.train.labels
    out = []
    for f in desk.audit.of("TIL401"):
        name, n = str(f.evidence["class"]), int(f.evidence["rows"])
        share = sum(x == name for x in labels) / max(len(labels), 1)
        need = max(COLLECT_TO - n, 10)
        gain = max(0.0, share * (typical - float(f.evidence["recall"])))
        low = share * (typical - float(f.evidence["recall_high"]))
        high = share * (1.0 - float(f.evidence["recall_low"]))
        out.append(
            desk.action(
                "collect",
                "TIL401",
                f"Collect about {need} more rows of {name} (it has {n})",
                stats.Interval(gain, min(low, gain), max(high, gain)),
                desk.ws.config.minutes.add * need,
                rows=f.rows,
                count=need,
                bought=need,
                why=f"{f.message}. Rough: as if it became as good as the median class",
                command="tilth ingest FILE",
                examples=_findings([f]),
            )
        )
    return out


def evaluate(desk: Desk, quality: EvaluationQuality | None) -> list[Action]:
    """Rows of the evaluation set to check before anything is concluded from it."""
    if quality is None or not quality.first:
        return []
    w, n = quality.wrong, len(quality.first)
    return [
        desk.action(
            "evaluate",
            "TIL105",
            f"Check {n} evaluation row{'s' if n > 1 else ''} first",
            None,
            desk.ws.config.minutes.relabel * n,
            rows=[str(r["id"]) for r in quality.first],
            why=f"about {w.value:.1%} [{w.low:.1%}, {w.high:.1%}] of the evaluation labels are wrong: no "
            f"model can be seen to score above {quality.ceiling.value:.1%}",
            command="tilth propose; tilth patch PATCH --out eval.jsonl   # origin propose:eval-labels",
            examples=[
                {
                    "id": r["id"],
                    "text": r["text"],
                    "message": f"labelled {r['given']}, model says {r['suggested']}, "
                    f"P(wrong) = {r['p_wrong']:.2f}",
                }
                for r in quality.first[:EXAMPLES]
            ],
        )
    ]


def failed(desk: Desk) -> list[Action]:
    """Checks that could not be carried out."""
    return [
        desk.action(
            "evaluate", code, f"Audit check failed: {error}", None, 1.0,
            why="not checked is not clean", command="tilth audit",
        )
        for code, error in desk.audit.failed.items()
    ]  # fmt: skip
