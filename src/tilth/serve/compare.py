"""How the releases that are served compare: counts, and tests of candidates against the live release."""

from __future__ import annotations

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
    answers = state.counts(since)
    arms = [
        {"arm": r.arm, "release": r.id, "state": r.state, "share": r.share,
         "answers": answers.get(r.arm, (0, 0))[0], "abstained": answers.get(r.arm, (0, 0))[1]}
        for r in served
    ]  # fmt: skip
    found = collect(state)
    return {"since": since, "arms": arms, "tests": [e.to_json() for e in experiments(found)] if found else []}
