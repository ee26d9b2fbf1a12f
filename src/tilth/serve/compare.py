"""How the releases that are served compare, as far as counting goes."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tilth.serve.state import State

__all__ = ["counts"]


def counts(state: State) -> dict[str, Any]:
    """Answers and abstentions by arm since these releases are served together.

    Parameters
    ----------
    state : read in the calling thread.
    """
    served = state.releases()
    since = min((r.since for r in served), default="")
    rows = state.columns("answers", ["arm", "abstained"], since=since)
    answers, abstained = (
        Counter(rows["arm"]),
        Counter(arm for arm, without in zip(rows["arm"], rows["abstained"], strict=True) if without),
    )
    arms = [
        {"arm": r.arm, "release": r.id, "state": r.state, "share": r.share, "answers": answers[r.arm],
         "abstained": abstained[r.arm]}
        for r in served
    ]  # fmt: skip
    return {"since": since, "arms": arms}
