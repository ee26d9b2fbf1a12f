"""How the releases that are served compare, as GET /ab shows it."""

from __future__ import annotations

from typing import Any

from tilth.serve.arms import Deployment
from tilth.serve.state import State

__all__ = ["compare"]


def compare(state: State, present: Deployment) -> dict[str, Any]:
    """Answers, abstentions and explicit feedback by arm since these releases are served.

    Parameters
    ----------
    state : read in this thread.
    present : what is served.
    """
    since = min((r.since for r in state.releases()), default="")
    rows = state.columns("answers", ["arm", "abstained"], since=since)
    arms: dict[str, dict[str, Any]] = {
        a.letter: {"release": a.release.id, "share": a.share, "answers": 0, "abstained": 0} for a in present.arms
    }
    for arm, abstained in zip(rows["arm"], rows["abstained"], strict=True):
        if (found := arms.get(str(arm))) is not None:
            found["answers"] += 1
            found["abstained"] += int(bool(abstained))
    return {"since": since, "arms": arms}
