"""How the releases that are served compare: counts, and tests of candidates against the live release."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tilth.serve.experiment import collect, experiments
from tilth.serve.state import State

__all__ = ["counts"]


def counts(state: State) -> dict[str, Any]:
    """Answers and abstentions by arm since these releases are served together, and the tests.

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
    found = collect(state)
    return {"since": since, "arms": arms, "tests": [e.to_json() for e in experiments(found)] if found else []}
