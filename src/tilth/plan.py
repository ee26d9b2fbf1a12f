"""Plan: what to do next, in order of expected gain per minute of a person's time.

Predictions of the closed form are right within a factor of about two (benchmarks/LOG.md), so gains per
minute within a factor of two are a tie; among these the simpler tool comes first, unless trials of this
project have measured the kind of action often enough to tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import floor, log2
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilth import actions, stats
from tilth.actions import Action, Desk
from tilth.errors import NotFound
from tilth.evaluation import EvaluationQuality, inspect
from tilth.files import write_text
from tilth.learning import LearningCurves, learning_curves
from tilth.ledger import Ledger, ledger
from tilth.monitoring import last_drift
from tilth.reviews import drawn
from tilth.signals import Progress
from tilth.slice_actions import drifted_rows, weak_slices
from tilth.verdicts import as_jsonl, render
from tilth.workspace import GUIDE, TRAIN, Workspace

if TYPE_CHECKING:
    import pandas

__all__ = ["Plan", "last_plan", "moment", "plan"]

MOST = 12
MEASURED = 3
"""Trials of a kind from which on its gains are compared as they are."""
SIMPLE = ("stop", "evaluate", "drop", "relabel", "review", "clause", "collect")
"""Kinds of action, the simpler tool first."""
FLAT = 0.001
"""Gains below a tenth of a point are not worth a person's time."""


@dataclass(frozen=True)
class Plan:
    """What to do next and what is in the way.

    Attributes
    ----------
    version, eval_version : heads that the plan is for.
    metric : of all gains.
    score : of the head on the evaluation rows; None without evaluation rows.
    distance : what is missing to the target, positive where it is not reached; None without a target.
    wanted : smallest effect that one wants to see: the distance, else the largest expected gain.
    evaluation : how far the evaluation set can be trusted; None without one.
    actions : ranked.
    in_the_way : in words, the most important first.
    minutes_left, money_left : of the goal; None without a limit.
    """

    version: str
    eval_version: str
    metric: str
    score: stats.Interval | None
    distance: float | None
    wanted: float | None
    evaluation: EvaluationQuality | None
    actions: Sequence[Action]
    in_the_way: Sequence[str]
    minutes_left: float | None
    money_left: float | None

    def to_json(self) -> dict[str, Any]:
        """The plan as a JSON object."""
        return {
            "version": self.version,
            "eval_version": self.eval_version,
            "metric": self.metric,
            "score": self.score and asdict(self.score),
            "distance": self.distance,
            "wanted": self.wanted,
            "evaluation": self.evaluation and self.evaluation.to_json(),
            "actions": [{"rank": n} | a.to_json() for n, a in enumerate(self.actions, start=1)],
            "in_the_way": list(self.in_the_way),
            "minutes_left": self.minutes_left,
            "money_left": self.money_left,
        }

    def _lines(self) -> list[dict[str, Any]]:
        keep = ("kind", "title", "gain", "low", "high", "minutes", "money", "per_minute", "why", "command")
        return [{k: a.to_json()[k] for k in keep} for a in self.actions]

    def to_pandas(self) -> pandas.DataFrame:
        """One line an action, in order of rank."""
        from tilth.frames import frame

        return frame(self._lines())

    def _repr_html_(self) -> str:
        from tilth.frames import html_table

        return html_table("what to do next", self._lines())


def plan(ws: Workspace, progress: Progress | None = None, *, out: Path | None = None) -> Plan:
    """What to do next on the head of train; the plan is kept for `status`. `out`: see `Project.plan`."""
    if out is not None:
        as_jsonl(out)  # a wrong name is refused before the work
    now = moment(ws)
    audit, view, book = ws.audit(progress), ws.view(progress), ledger(ws)
    goal, quality = ws.config.goal, inspect(ws, view)
    trust = ws.trust()
    view = replace(view, signals=trust.signals)
    desk = Desk(ws, view, audit, ws.response(progress), book, trust, _curves(ws))
    score = quality.score if quality else None
    distance = goal.distance(score.value) if score else None
    people = [*actions.reviews(desk), *actions.clauses(desk)]
    planned = {row for a in people for row in a.rows}
    work = _ranked(
        [
            *people, *actions.bulk(desk), *actions.patches(desk), *weak_slices(desk, planned),
            *actions.collect(desk), *actions.near_copies(desk), *actions.contested(desk),
            *actions.failed(desk),
        ],
        book,
    )  # fmt: skip
    gains = [a.gain for a in work if a.gain is not None and a.gain > 0]
    wanted = distance if distance is not None and distance > 0 else max(gains, default=None)
    hidden = quality is not None and quality.hides(wanted)
    check = actions.evaluate(desk, quality)
    drifted = drifted_rows(desk)
    stop = [] if drifted else _stop(desk, score, distance, work)  # a score of other rows is no reason
    work = [*stop, *check, *work] if hidden else [*stop, *work, *check]
    work = [*drifted, *work]
    left = [
        limit - spent if limit else None
        for limit, spent in ((goal.minutes, book.minutes), (goal.money, book.money))
    ]
    result = Plan(
        version=ws.head(TRAIN).id,
        eval_version=ws.eval_id(),
        metric=goal.metric,
        score=score,
        distance=distance,
        wanted=wanted,
        evaluation=quality,
        actions=tuple(work[:MOST]),
        in_the_way=_obstacles(desk, quality, wanted, work),
        minutes_left=left[0],
        money_left=left[1],
    )
    beside = {"created": ws.clock(), "moment": now}
    ws.store.put_record("plan", _key(ws), result.to_json() | beside, now=ws.clock())
    if out is not None:
        _write_rows(ws, result, out)
    return result


def _write_rows(ws: Workspace, found: Plan, path: Path) -> Path:
    """Write the rows of the first review to a file that a person fills in; see `Project.plan`.

    The rows were chosen, not drawn: verdicts on them teach the curve but are no sample of the rest.

    Raises
    ------
    InputError : the file is neither .csv nor .jsonl.
    NotFound : the plan has no review.
    """
    review = next((a for a in found.actions if a.kind == "review" and a.code == "TIL101"), None)
    if review is None:
        raise NotFound("the plan has no rows to review; see: tilth plan")
    rows, trust = ws.snapshot(ws.head(TRAIN)), ws.trust()
    at = [rows.index[i] for i in review.rows]
    texts = rows.texts(ws.config.columns.text)
    lines = [(drawn(trust, rows, i, None, ""), texts[i]) for i in at]
    return write_text(path, render(lines, jsonl=as_jsonl(path)))


def moment(ws: Workspace) -> str:
    """What a plan depends on beside the heads and the goal: it is up to date while this is the same."""
    store = ws.store
    counts = (len(store.patches()), len(store.records("trial")), len(store.records(GUIDE)))
    return f"{store.verdict_mark(TRAIN)} {counts} {store.judgements_digest()}"


def last_plan(ws: Workspace) -> dict[str, Any] | None:
    """The plan that was made for the present heads and goal; None when there is none."""
    return ws.store.record("plan", _key(ws))


def _key(ws: Workspace) -> str:
    train, seen = ws.store.head(TRAIN), last_drift(ws)
    look = [seen["created"]] if seen else []
    return ws.key("plan", train.id if train else "", ws.eval_id(), ws.config.goal, *look)


def _curves(ws: Workspace) -> LearningCurves | None:
    """The learning curves of the head where `tilth curve` measured them: the plan does not wait for them."""
    return learning_curves(ws) if ws.store.records("curves", ws.head(TRAIN).id) else None


def _ranked(work: Sequence[Action], book: Ledger) -> list[Action]:
    """Most gain a minute first; within a factor of two the simpler tool; what has no gain comes last."""

    def place(a: Action) -> tuple[bool, float, int, float]:
        rate = a.per_minute or 0.0
        if a.gain is None or rate <= 0:
            return (a.gain is None, float("inf"), SIMPLE.index(a.kind), 0.0)
        known = book.factor(a.kind).trials >= MEASURED
        step = -log2(rate) if known else -floor(log2(rate)) - 1.0
        return (False, step, SIMPLE.index(a.kind), -rate)

    return sorted(work, key=place)


def _stop(
    desk: Desk, score: stats.Interval | None, distance: float | None, work: Sequence[Action]
) -> list[Action]:
    """A reason to stop, where there is one."""
    goal, book = desk.ws.config.goal, desk.ledger
    reasons = []
    if score is not None and distance is not None and distance <= 0:
        sure = goal.distance(score.high if goal.metric == "log_loss" else score.low)
        proven = sure is not None and sure <= 0
        tail = "" if proven else ", though the interval still holds scores that fall short"
        reasons.append(f"the target is reached{tail}")
    if goal.minutes and book.minutes >= goal.minutes:
        reasons.append(f"the {goal.minutes:g} minutes of the goal are spent")
    if goal.money and book.money >= goal.money:
        reasons.append(f"the money of the goal ({goal.money:g}) is spent")
    if not any(a.high is not None and a.high >= FLAT for a in work):
        reasons.append("no action is expected to gain a tenth of a point")
    if not reasons:
        return []
    return [
        desk.action(
            "stop", "", "Stop: " + "; ".join(reasons), None, 0.0,
            why="more work on the data is not expected to pay", command="tilth report",
        )
    ]  # fmt: skip


def _obstacles(
    desk: Desk, quality: EvaluationQuality | None, wanted: float | None, work: Sequence[Action]
) -> tuple[str, ...]:
    """What keeps the goal away, in words, the most important first."""
    goal, out = desk.ws.config.goal, []
    if quality is None:
        out.append("there are no evaluation rows: nothing can be measured")
    else:
        w = quality.wrong
        share = f"about {w.value:.1%} [{w.low:.1%}, {w.high:.1%}] of the evaluation labels are wrong"
        if goal.metric != "log_loss" and goal.target > quality.ceiling.value:
            out.append(
                f"{share}: a target of {goal.target:.1%} cannot be seen, at most {quality.ceiling.value:.1%}"
            )
        elif quality.hides(wanted):
            out.append(f"{share}, more than the effect that you want to see ({wanted:.1%}): clean it first")
    left, rows = desk.trust.errors(), max(desk.audit.rows, 1)
    if left.value > 0.01 * rows:
        known = "" if desk.trust.judged else ", by what other data sets showed"
        out.append(
            f"about {left.value:.0f} of the {rows:,} training labels are wrong "
            f"[{left.low:.0f} to {left.high:,.0f}]{known}"
        )
    starved = [str(f.evidence["class"]) for f in desk.audit.of("TIL401")]
    if starved:
        more = f" and {len(starved) - 3} more" if len(starved) > 3 else ""
        out.append(f"too few rows of {', '.join(starved[:3])}{more}")
    if desk.curves is not None and desk.curves.stop:
        out.append("the learning curve is flat: more rows like these gain little")
    look = last_drift(desk.ws)
    if look is not None and look["drifted"]:
        out.append(f"new rows in {look['source']} drifted: {look['words'][0]}")
    if any(a.kind == "stop" and "no action" in a.title for a in work):
        out.append("nothing that is known here gains much")
    out += [f"a check failed: {error}" for error in desk.audit.failed.values()]
    return tuple(out)
