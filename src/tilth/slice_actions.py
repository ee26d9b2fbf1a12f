"""What could be done about weak slices (TIL601), and about rows that drifted."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from tilth import stats
from tilth.actions import DOUBT, Action, Desk
from tilth.audit.base import Finding, excerpt
from tilth.monitoring import last_drift

__all__ = ["drifted_rows", "weak_slices"]

SLICES, MOST = 3, 40
"""So many slices are planned for, and so many rows of each are collected at first."""


def weak_slices(desk: Desk, planned: Collection[str]) -> list[Action]:
    """Slices in which the model is weak: review where labels explain it, else collect there.

    Parameters
    ----------
    planned : ids of rows that another action reviews already.
    """
    m, p, index = desk.response, desk.view.signals.p_wrong(), desk.view.train.index
    out = []
    for f in desk.audit.of("TIL601")[:SLICES]:
        seen = np.array([index[r] for r in f.rows])
        doubtful = seen[(p[seen] > DOUBT) & np.isin(seen, m.rows)]
        surplus = float(f.evidence["expected"] - f.evidence["accuracy"]) * int(f.evidence["count"])
        if p[doubtful].sum() < surplus / 2:
            out.append(_collect_there(desk, f))
            continue
        rows = doubtful[np.argsort(-p[doubtful], kind="stable")].tolist()
        left = [i for i in rows if desk.view.train.ids[i] not in planned and desk.trust.open[i]]
        if not left:
            continue
        at = np.searchsorted(m.rows, left)
        out.append(
            desk.action(
                "review",
                "TIL601",
                f"Review {len(left)} {'more ' if len(left) < len(rows) else ''}doubtful rows of a weak slice:"
                f" {_slice_name(f)}",
                desk.gain("review", m.review(at)),
                desk.ws.config.minutes.relabel * len(left),
                rows=[desk.view.train.ids[i] for i in left],
                why=f"{f.message}; about {p[doubtful].sum():.0f} labels are wrong there, which explains most "
                "of it; rows that another action reviews are left out",
                command="tilth audit --code TIL601",
            )
        )
    return out


def drifted_rows(desk: Desk) -> list[Action]:
    """Label rows of the newest look at new rows, where something drifted and nothing was taken in since."""
    look = last_drift(desk.ws)
    if look is None or not look["drifted"]:
        return []
    n = len(look["label"])
    what = f": {excerpt(look['slice'], 60)}" if look["slice"] else ""
    return [
        desk.action(
            "collect",
            "",
            f"Label these {n} new rows to confirm a drift{what}",
            None,
            desk.ws.config.minutes.relabel * n,
            rows=look["label"],
            why="; ".join(look["words"][:2]),
            command=f"tilth drift {look['source']} --out label.csv; tilth ingest label.csv",
            examples=[
                {"id": t["id"], "text": excerpt(t["text"]), "message": "new row"} for t in look["texts"][:3]
            ],
        )
    ]


def _slice_name(f: Finding) -> str:
    return excerpt(str(f.evidence["expression"] or f.evidence["name"]), 60)


def _collect_there(desk: Desk, f: Finding) -> Action:
    """Twice the rows of a slice: what it would gain at most if it became as good as its classes."""
    e, scale = f.evidence, int(f.evidence["count"]) / max(int(f.evidence["searched"]), 1)
    gain = None
    if desk.response.metric != "log_loss":
        value, low, high = (max(0.0, scale * (e["expected"] - e[k])) for k in ("accuracy", "high", "low"))
        gain = stats.Interval(value, low, high)
    need = min(max(int(e["count"]), 10), MOST)
    return desk.action(
        "collect",
        "TIL601",
        f"Collect about {need} more rows of a weak slice: {_slice_name(f)}",
        gain,
        desk.ws.config.minutes.add * need,
        rows=f.rows,
        count=need,
        bought=need,
        why=f"{f.message}. Its labels look right. Rough: as if it became as good as its classes",
        command="tilth ingest FILE; tilth slices",
    )
