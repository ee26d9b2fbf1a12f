"""Accuracy of unlabelled rows by what the model's confidence was worth on labelled ones, and when not to.

The estimate holds where the texts changed but not what a confidence means (covariate shift). Whether that
is so where the new rows are is checked on the labelled rows that resemble them; where classes became more
or less frequent instead (label shift), another estimate holds, and the two are compared.

References
----------
Guillory et al., "Predicting with confidence on unseen distributions", ICCV 2021; NannyML, "Confidence-based
performance estimation" (CBPE); Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to
new a priori probabilities", Neural Computation 2002 (label shift by EM).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tilth.drift.domain import Domain
from tilth.drift.sample import Sample

__all__ = ["Estimate", "estimate"]

LEAST = 200
"""Labelled rows below which nothing is estimated."""
GAP = 0.02
"""A difference of accuracy that matters."""
ALIKE = 60.0
"""Labelled rows (effective number) that must resemble the new ones."""
UNKNOWN = 0.03
"""Share of new rows unlike all known ones from which on the estimate is about the others alone."""


@dataclass(frozen=True)
class Estimate:
    """Estimated accuracy of the new rows.

    Attributes
    ----------
    accuracy, low, high : the estimate with its 95 % interval.
    known : accuracy on the labelled known rows.
    label_shift : the estimate if classes became more or less frequent and nothing else changed.
    gap : claimed minus true accuracy on labelled rows, weighted to resemble the new ones.
    alike : effective number of labelled rows that resemble the new ones.
    valid : whether the checks hold.
    warnings : in words, what speaks against the estimate.
    """

    accuracy: float
    low: float
    high: float
    known: float
    label_shift: float
    gap: float
    alike: float
    valid: bool
    warnings: tuple[str, ...]


def estimate(
    known: Sample, new: Sample, domain: Domain | None, *, labels_moved: bool, unlike: float
) -> Estimate | None:
    """Estimated accuracy with its checks; None with fewer than 200 labelled known rows.

    Parameters
    ----------
    domain : the domain classifier; without it the rows cannot be compared, which is a warning.
    labels_moved : whether the mix of predicted classes moved.
    unlike : share of the new rows that are unlike all known ones.
    """
    said = np.flatnonzero(known.labels >= 0)
    if len(said) < LEAST or len(new.probabilities) == 0:
        return None
    right = (known.best[said] == known.labels[said]).astype(np.float64)
    features = _features(known.probabilities)[said]
    weights, spread = _platt(features, right)
    claimed = _sigmoid(features @ weights)
    x = _features(new.probabilities)
    p = _sigmoid(x @ weights)
    value = float(p.mean())
    slope = ((p * (1 - p))[:, None] * x).mean(axis=0)
    se = float(np.sqrt(slope @ spread @ slope + (p * (1 - p)).mean() / len(p)))
    w = _resemblance(known, said, domain)
    alike = float(w.sum() ** 2 / (w**2).sum())
    off = claimed - right
    gap = float(w @ off / w.sum())
    gap_se = float(np.sqrt(w**2 @ (off - gap) ** 2) / w.sum())
    moved = _after_label_shift(known, said, new)
    warnings = _warnings(
        domain, labels_moved, unlike, (gap, gap_se), alike, (value, moved), _calibrated(features, right)
    )
    serious = [w for w in warnings if not w.startswith("the mix of predicted classes moved, but")]
    return Estimate(
        accuracy=value,
        low=max(0.0, value - 1.96 * se),
        high=min(1.0, value + 1.96 * se),
        known=float(right.mean()),
        label_shift=moved,
        gap=gap,
        alike=alike,
        valid=not serious,
        warnings=tuple(warnings),
    )


def _warnings(
    domain: Domain | None,
    labels_moved: bool,
    unlike: float,
    gap: tuple[float, float],
    alike: float,
    values: tuple[float, float],
    calibrated: bool,
) -> list[str]:
    """What speaks against the estimate, in words."""
    out, (value, moved) = [], values
    if not calibrated:
        out.append("confidence is not calibrated on the labelled rows themselves")
    if domain is None:
        out.append("texts are not at hand, so whether labelled rows resemble the new ones is not known")
    elif alike < ALIKE:
        out.append(f"only about {alike:.0f} labelled rows resemble the new ones: label some of these")
    elif abs(gap[0]) > max(GAP, 2 * gap[1]):
        out.append(f"on labelled rows that resemble the new ones the estimate is off by {gap[0]:+.1%}")
    if unlike > UNKNOWN:
        out.append(
            f"{unlike:.0%} of the new rows are unlike any known one: the estimate says nothing of them"
        )
    if labels_moved and abs(moved - value) > GAP:
        out.append(
            "the mix of predicted classes moved: if classes became more or less frequent and nothing else "
            f"changed, accuracy is {moved:.1%} rather than {value:.1%}"
        )
    elif labels_moved:
        out.append(
            "the mix of predicted classes moved, but as a change of frequency alone it would change the "
            f"estimate by no more than {abs(moved - value):.1%}"
        )
    return out


def _features(probabilities: np.ndarray) -> np.ndarray:
    """(n, 3) constant, log odds of the best class, log ratio of the best and the second."""
    p = np.clip(np.asarray(probabilities, dtype=np.float64), 1e-6, 1 - 1e-6)
    top = np.partition(p, -2, axis=1)[:, -2:] if p.shape[1] > 1 else np.concatenate([1 - p, p], axis=1)
    best, second = top.max(axis=1), top.min(axis=1)
    return np.stack([np.ones(len(p)), np.log(best / (1 - best)), np.log(best / second)], axis=1)


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(z, -30, 30))))


def _platt(x: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of a logistic curve by Newton steps with a light ridge, and their covariance."""
    ridge = np.diag([1e-3, 0.1, 0.1])
    centre = np.array([0.0, 1.0, 0.0])  # the probability as it is claimed
    w = centre.copy()
    for _ in range(30):
        p = _sigmoid(x @ w)
        curve = (x * (p * (1 - p))[:, None]).T @ x + ridge
        step = np.linalg.solve(curve, x.T @ (right - p) - ridge @ (w - centre))
        w = w + step
        if float(np.abs(step).max()) < 1e-8:
            break
    return w, np.asarray(np.linalg.inv(curve))


def _calibrated(x: np.ndarray, right: np.ndarray, bins: int = 10) -> bool:
    """Hosmer and Lemeshow's test on rows that the curve was not fitted on: whether it passes at 1 %."""
    from scipy.special import gammaincc

    p = np.zeros(len(right))
    for side in (0, 1):
        held = np.arange(len(right)) % 2 == side
        p[held] = _sigmoid(x[held] @ _platt(x[~held], right[~held])[0])
    order = np.argsort(p, kind="stable")
    total = 0.0
    for part in np.array_split(order, bins):
        total += float((right[part] - p[part]).sum() ** 2 / max((p[part] * (1 - p[part])).sum(), 0.5))
    return float(gammaincc(bins / 2, total / 2)) > 0.01


def _resemblance(known: Sample, said: np.ndarray, domain: Domain | None) -> np.ndarray:
    """(s,) weight of each labelled row: how much likelier it is among the new rows."""
    if domain is None:
        return np.ones(len(said))
    weight = dict(zip(domain.known.tolist(), domain.odds.tolist(), strict=True))
    found = np.array([weight.get(int(i), 0.0) for i in known.scored[said]])
    return found if found.sum() > 0 else np.ones(len(said))


def _after_label_shift(known: Sample, said: np.ndarray, new: Sample, rounds: int = 50) -> float:
    """Accuracy of the new rows if only the frequencies of the classes changed."""
    k = known.probabilities.shape[1]
    before = np.bincount(known.labels[said], minlength=k) + 1.0
    before /= before.sum()
    p, q = np.asarray(new.probabilities, dtype=np.float64), before
    for _ in range(rounds):
        joint = p * (q / before)
        joint /= joint.sum(axis=1, keepdims=True)
        q = (joint.sum(axis=0) + before) / (len(p) + 1.0)  # one row's worth of the old mix
    # recall of each class, drawn to that of all where a class has few rows
    hit = known.best[said] == known.labels[said]
    rows = np.bincount(known.labels[said], minlength=k)
    recall = (np.bincount(known.labels[said], weights=hit, minlength=k) + 5 * hit.mean()) / (rows + 5)
    return float(q @ recall)
