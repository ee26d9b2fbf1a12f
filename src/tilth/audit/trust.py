"""How far P(wrong) can be trusted: recalibrated by verdicts, with the number of errors left.

Before any verdict the curve is the prior of tilth.calibration, and everything that rests on it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tilth import calibration
from tilth.calibration import Belief, Judged, Reach
from tilth.data import Snapshot
from tilth.signals import Signals
from tilth.stats import Interval
from tilth.verdicts import Verdict

__all__ = ["Trust", "trust"]

SHOWN = (0.05, 0.25, 0.5, 0.75, 0.9, 0.99)
"""Claims of P(wrong) for which the audit says what they stand for."""


@dataclass(frozen=True)
class Trust:
    """What verdicts say about the signals of one version.

    Attributes
    ----------
    claimed : (n,) P(wrong) as the signals claim it.
    fits : (n,) claimed probability that the suggested label is right.
    suggested : (n,) class number of the suggestion.
    open : (n,) whether a row has a label and no verdict that tells whether it is right.
    disputed : (n,) whether people differ on a row and nobody settled it; such a row is open, too.
    found : number of rows whose present label a reviewer called wrong.
    wrong, right : belief about `claimed` and about `fits`.
    judged : number of rows with a verdict on their present label.
    ambiguous : number of rows that belong to two classes by verdict.
    signals : believed in the place of claimed, when there are verdicts.
    """

    claimed: np.ndarray
    fits: np.ndarray
    suggested: np.ndarray
    open: np.ndarray
    disputed: np.ndarray
    found: int
    wrong: Belief
    right: Belief
    judged: int
    ambiguous: int
    signals: Signals

    @property
    def basis(self) -> str:
        """verdicts, or prior (uncalibrated)."""
        return "verdicts" if self.wrong.verdicts else "prior"

    def errors(self) -> Interval:
        """Number of wrong labels in this version, with a 95 % interval."""
        return calibration.total(self.wrong, self.claimed[self.open], known=self.found)

    def reach(self, rate: float, allowed: np.ndarray) -> Reach:
        """The largest set of open rows to relabel as suggested at a false-discovery rate.

        Parameters
        ----------
        rate : the share of wrong relabels that is borne.
        allowed : (n,) rows that may be relabelled.
        """
        return calibration.largest_set(self.right, self.fits[self.open & allowed], rate)

    def to_json(self) -> dict[str, Any]:
        """The JSON object that stands in an audit."""
        errors = self.errors()
        return {
            "basis": self.basis,
            "verdicts": self.wrong.verdicts,
            "judged": self.judged,
            "ambiguous": self.ambiguous,
            "errors": {k: round(v, 1) for k, v in asdict(errors).items()},
            "meaning": [
                {"claimed": p} | {k: round(v, 4) for k, v in asdict(self.wrong.interval(p)).items()}
                for p in SHOWN
            ],
        }


def judged(verdicts: Sequence[Verdict], claim: Callable[[Verdict], float], event: str) -> Judged:
    """Verdicts as numbers; weights have mean one within each draw.

    Verdicts on whole sets are left out: their rows were chosen by a rule and not looked at one by one.
    """
    told = [v for v in verdicts if not v.together and getattr(v, event) is not None]
    weight = np.array([1.0 / v.row.inclusion if v.row.inclusion else 1.0 for v in told])
    _, draw = np.unique([v.row.draw for v in told], return_inverse=True)
    if len(told):
        weight *= (np.bincount(draw) / np.bincount(draw, weight))[draw]
    claimed = np.array([claim(v) for v in told], dtype=np.float64)
    return Judged(claimed, np.array([float(getattr(v, event)) for v in told]), weight)


def trust(
    signals: Signals,
    rows: Snapshot,
    verdicts: Sequence[Verdict],
    copy: tuple[float, float] | None = None,
    disputed: Iterable[str] = (),
) -> Trust:
    """Recalibrate signals by the verdicts of a project that count.

    Parameters
    ----------
    signals : of the rows, as claimed.
    rows : their present labels.
    verdicts : the one that counts of each row; those on rows that are gone teach the curve all the same.
    copy : curve of errors planted in a copy of the rows (intercept and slope), where there was a self-test.
    disputed : ids of rows on which people differ: nobody's verdict counts there until it is settled.
    """
    n = len(signals.labels)
    labelled = signals.labels >= 0
    suggested = signals.suggestion()
    claimed = signals.p_wrong().astype(np.float64)
    fits = signals.posterior[np.arange(n), suggested].astype(np.float64)
    prior = calibration.WRONG.after_copy(*copy) if copy else calibration.WRONG
    wrong = calibration.believe(prior, judged(verdicts, lambda v: v.row.p_wrong, "wrong"))
    right = calibration.believe(
        calibration.RIGHT, judged(verdicts, lambda v: v.row.p_suggested, "right_suggestion")
    )
    number = {name: i for i, name in enumerate(signals.classes)}
    known, found, ambiguous = {}, 0, 0
    for v in verdicts:
        at = rows.index.get(v.row.id)
        told = None if at is None else v.wrong_for(rows.labels[at])
        if at is None or told is None or not labelled[at]:
            continue
        found += told
        ambiguous += v.said.decision == "ambiguous"
        to = -1 if v.said.decision == "drop" else number.get(v.said.label or "", -1)
        known[at] = to if told else int(signals.labels[at])
    unjudged = labelled.copy()
    unjudged[list(known)] = False
    new = signals.recalibrate(wrong, known) if verdicts and len(signals.classes) > 1 else signals
    differ = np.zeros(n, dtype=bool)
    differ[[at for x in disputed if (at := rows.index.get(x)) is not None]] = True
    return Trust(claimed, fits, suggested, unjudged, differ, found, wrong, right, len(known), ambiguous, new)
