"""Status: where a project stands, how far away the goal is and what is in the way."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tilth import decisions
from tilth.ledger import ledger
from tilth.plan import last_plan
from tilth.slice_table import known
from tilth.workspace import TRAIN, Workspace

__all__ = ["last_result", "status"]


def last_result(ws: Workspace) -> dict[str, Any] | None:
    """The newest result of `improve`; None before the first."""
    results = ws.store.records("result")
    return results[-1] if results else None


def status(ws: Workspace) -> dict[str, Any]:
    """Data sets, patches and the last run as a JSON object."""
    sets = []
    for name in ws.store.datasets():
        version = ws.head(name)
        labels = ws.store.counts_by_label(version)
        sets.append(
            {
                "name": name,
                "rows": version.rows,
                "version": version.id,
                "classes": sum(x is not None for x in labels),
                "unlabelled": labels.get(None, 0),
            }
        )
    last = last_result(ws)
    done = last is not None and _is_present(ws, last)
    columns = ws.config.columns
    return {
        "project": ws.config.name,
        "folder": str(ws.folder),
        "columns": {"text": columns.text, "label": columns.label, "id": columns.id},
        "recipe": ws.config.recipe.name,
        "metric": ws.config.goal.metric,
        "datasets": sets,
        "patches": dict(Counter(info.state for info in decisions.standing(ws, None))),
        "last_run": last
        and {k: last[k] for k in ("before", "after", "gain", "created")}
        | {"comparable": last["eval_version"] == ws.eval_id()},
        "goal": _goal(ws, last) if sets else None,
        "floors": _floors(ws, last) if sets else [],
        "next": "tilth report" if done else ("tilth improve" if sets else "tilth ingest FILE"),
    }


def _is_present(ws: Workspace, last: dict[str, Any]) -> bool:
    """Whether a run ended at the present heads."""
    return (last["version"], last["eval_version"]) == (ws.head(TRAIN).id, ws.eval_id())


def _floors(ws: Workspace, last: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Each floor with its newest score on the present heads; nothing is computed anew.

    Scores are of evaluation rows that decided nothing, by `tilth slices` or by the last run, whichever
    knows the present heads, slices and floors.
    """
    if not ws.config.floors:
        return []
    table = known(ws)
    if table is not None:
        return [
            {"name": s.name, "floor": s.floor, "rows": s.eval_rows, "score": s.eval_score, "held": s.held}
            for s in table.slices
            if s.floor is not None
        ]
    if last is not None and _is_present(ws, last) and last.get("gates") == ws.gates():
        return [
            {k: f[k] for k in ("name", "floor", "rows")}
            | {"score": f["after"], "held": None if f["after"] is None else f["state"] in ("held", "reached")}
            for f in last["floors"]
        ]
    names = {"all": "all rows", "class": "each class"}
    return [
        {"name": names.get(name, name), "floor": floor, "rows": None, "score": None, "held": None}
        for name, floor in ws.config.floors.items()
    ]


def _goal(ws: Workspace, last: dict[str, Any] | None) -> dict[str, Any]:
    """The goal, the newest score on the present heads, and what was spent; nothing is computed anew.

    A score of another version of train or of the evaluation set is no score of this project any more.
    """
    goal, book, plan = ws.config.goal, ledger(ws), last_plan(ws)
    score = None
    if last is not None and _is_present(ws, last):
        score = last["after"] and {k: last["after"][k] for k in ("value", "low", "high")}
    score = score or (plan and plan["score"])
    return {
        "metric": goal.metric,
        "target": goal.target or None,
        "score": score,
        "distance": goal.distance(score["value"]) if score else None,
        "minutes": goal.minutes or None,
        "spent_minutes": book.minutes,
        "money": goal.money or None,
        "spent_money": book.money,
        "milliseconds": goal.milliseconds or None,
        "megabytes": goal.megabytes or None,
        "planned": plan is not None,
        "in_the_way": plan["in_the_way"] if plan else [],
        "first": plan["actions"][0]["title"] if plan and plan["actions"] else None,
    }
