"""Status: where a project stands."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tilth import decisions
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
    done = last is not None and last["version"] == ws.head(TRAIN).id
    columns = ws.config.columns
    return {
        "project": ws.config.name,
        "folder": str(ws.folder),
        "columns": {"text": columns.text, "label": columns.label, "id": columns.id},
        "recipe": ws.config.recipe.name,
        "metric": ws.config.goal.metric,
        "datasets": sets,
        "patches": dict(Counter(info.state for info in decisions.standing(ws, None))),
        "last_run": last and {k: last[k] for k in ("before", "after", "gain", "created")},
        "next": "tilth report" if done else ("tilth improve" if sets else "tilth ingest FILE"),
    }
