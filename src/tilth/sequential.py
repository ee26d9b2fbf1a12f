"""Always-valid inference for tests of releases: look as often as you like, stop when you like.

Pure, numpy and the standard library only, so that a server on a small box can import it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import exp, inf, lgamma, log, sqrt
from typing import Any, Literal

import numpy as np

__all__ = [
    "Arm",
    "Comparison",
    "Difference",
    "Experiment",
    "Metric",
    "Ratio",
    "compare",
    "difference",
    "share_interval",
    "sample_ratio",
]

Role = Literal["goal", "guard"]
Advice = Literal["promote", "stop", "keep going"]

FEW = 5
"""Units of both outcomes that an arm needs before the normal approximation is used."""


@dataclass(frozen=True, slots=True)
class Arm:
    """What one arm of a test has seen of one metric.

    Attributes
    ----------
    name : of the arm.
    units : independent units (callers, tickets), not answers: one caller's answers are alike.
    mean : of the metric, ratio of the sums over the units.
    variance : of `mean`, from unit to unit.
    hits : units with the value 1 where each unit has exactly one value of 0 or 1; else None.
    """

    name: str
    units: int
    mean: float
    variance: float
    hits: int | None = None

    @classmethod
    def of_share(cls, name: str, hits: int, units: int) -> Arm:
        """An arm whose units are right or wrong, yes or no.

        Raises
        ------
        ValueError : not 0 <= hits <= units.
        """
        if not 0 <= hits <= units:
            raise ValueError(f"hits are from 0 to the number of units ({units}), not {hits}")
        p = (hits + 0.5) / (units + 1)  # a share of 0 or 1 has a variance, too
        return cls(name, units, hits / units if units else 0.0, p * (1 - p) / max(units, 1), hits)

    @classmethod
    def of_values(cls, name: str, totals: Sequence[float], counts: Sequence[float] | None = None) -> Arm:
        """An arm from one total (and one number of answers, default 1) a unit.

        Parameters
        ----------
        totals : (n,) sum of the metric over the answers of each unit.
        counts : (n,) answers of each unit; the mean is sum(totals) / sum(counts).

        Notes
        -----
        The variance is that of a ratio of means with units as clusters, (n / (n - 1)) sum_u (t_u - r c_u)^2
        / (sum c)^2: answers of one caller are not independent, and pretending so is the most common way
        to a false winner.

        References
        ----------
        Deng, Knoblich, Lu, "Applying the delta method in metric analytics", KDD 2018.
        """
        t = np.asarray(totals, dtype=np.float64)
        c = np.ones(len(t)) if counts is None else np.asarray(counts, dtype=np.float64)
        n, weight = len(t), float(c.sum())
        if n == 0 or weight <= 0:
            return cls(name, 0, 0.0, 0.0, 0)
        r = float(t.sum()) / weight
        if bool(np.all(c == 1)) and bool(np.all((t == 0) | (t == 1))):
            return cls.of_share(name, int(t.sum()), n)
        spread = float(((t - r * c) ** 2).sum()) / weight**2
        return cls(name, n, r, spread * n / max(n - 1, 1))


@dataclass(frozen=True, slots=True)
class Difference:
    """Candidate minus control with an interval that holds at all times at once.

    Attributes
    ----------
    value, low, high : the difference, in the unit of the metric.
    level : probability with which *all* intervals of this test cover, however often one looks.
    method : "normal mixture" or, with few units, "exact" (shares), "none" (no interval yet).
    """

    value: float
    low: float
    high: float
    level: float
    method: str


def difference(control: Arm, candidate: Arm, *, effect: float, level: float = 0.95) -> Difference:
    """Confidence sequence of candidate minus control.

    Parameters
    ----------
    effect : the difference that one would like to see; the interval is tightest when the data are just
        enough for it. Any positive number keeps the promise of `level`.

    Notes
    -----
    With v the variance of the difference and tau = `effect`, the interval is
    +- sqrt(v (v + tau^2) / tau^2 (log((v + tau^2) / v) - 2 log alpha)): Robbins' normal mixture, as an
    asymptotic confidence sequence. Shares with fewer than five units of either outcome in an arm use the
    difference of two exact sequences at alpha / 2 each instead (`share_interval`), and other metrics
    wait for thirty units.

    References
    ----------
    Robbins, "Statistical methods related to the law of the iterated logarithm", Ann. Math. Stat. 1970;
    Johari et al., "Always valid inference", Operations Research 2022;
    Waudby-Smith et al., "Time-uniform central limit theory and asymptotic confidence sequences", 2024.
    """
    if not effect > 0:
        raise ValueError(f"the effect one would like to see is positive, not {effect}")
    alpha, value = 1.0 - level, candidate.mean - control.mean
    exact = _exact(control, candidate, value, level)
    if exact is not None:
        return exact
    if min(control.units, candidate.units) < 6 * FEW:
        return Difference(value, -inf, inf, level, "none")
    v = control.variance + candidate.variance
    if v <= 0:  # every unit has the same value: no spread is no certainty
        return Difference(value, -inf, inf, level, "none")
    tau2 = effect * effect
    half = sqrt(v * (v + tau2) / tau2 * (log((v + tau2) / v) - 2 * log(alpha)))
    return Difference(value, value - half, value + half, level, "normal mixture")


def _exact(control: Arm, candidate: Arm, value: float, level: float) -> Difference | None:
    """The difference of two exact sequences where an arm has few units of an outcome; None: not needed."""
    spans = []
    few = False
    for arm in (control, candidate):
        if arm.hits is None:
            return None
        few = few or min(arm.hits, arm.units - arm.hits) < FEW
        spans.append((arm.hits, arm.units))
    if not few:
        return None
    (low0, high0), (low1, high1) = (share_interval(h, n, level=(1 + level) / 2) for h, n in spans)
    return Difference(value, low1 - high0, high1 - low0, level, "exact")


def share_interval(hits: int, units: int, *, level: float = 0.95) -> tuple[float, float]:
    """Exact confidence sequence of one share: valid at all times, for any number of units.

    Notes
    -----
    All p with p^k (1 - p)^(n - k) >= alpha B(k + 1/2, n - k + 1/2) / B(1/2, 1/2): the mixture over a
    Jeffreys prior divided by the likelihood is a martingale, which exceeds 1 / alpha with probability
    alpha at most (Ville).

    References
    ----------
    Robbins 1970; Howard et al., "Time-uniform, nonparametric, nonasymptotic confidence sequences",
    Annals of Statistics 2021, section 4.
    """
    if units == 0:
        return 0.0, 1.0
    bound = _log_beta(hits + 0.5, units - hits + 0.5) - _log_beta(0.5, 0.5) + log(1 - level)

    def inside(p: float) -> bool:
        first = hits * log(p) if hits else 0.0
        return first + ((units - hits) * log(1 - p) if hits < units else 0.0) >= bound

    best = hits / units

    def edge(outer: float) -> float:
        a, b = best, outer  # a is inside, b is not (or is the end of the scale)
        for _ in range(60):
            middle = (a + b) / 2
            if 0 < middle < 1 and inside(middle):
                a = middle
            else:
                b = middle
        return b

    return (0.0 if hits == 0 else edge(0.0)), (1.0 if hits == units else edge(1.0))


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


@dataclass(frozen=True, slots=True)
class Ratio:
    """Whether the arms got the traffic that they should have.

    Attributes
    ----------
    counts, expected : units and share of each arm.
    p : anytime-valid p value; a broken assignment makes it small.
    held : whether p is above 0.01.
    """

    counts: Mapping[str, int]
    expected: Mapping[str, float]
    p: float
    held: bool


def sample_ratio(counts: Mapping[str, int], shares: Mapping[str, float], *, level: float = 0.99) -> Ratio:
    """Anytime-valid test that units fall into the arms with the wanted shares.

    Notes
    -----
    Dirichlet mixture with parameters 100 * share against the multinomial with the wanted shares;
    p = min(1, 1 / Bayes factor), valid whenever one looks.

    References
    ----------
    Lindon and Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022.

    Raises
    ------
    ValueError : the names differ, or a share is not positive.
    """
    if set(counts) != set(shares) or not all(s > 0 for s in shares.values()):
        raise ValueError(f"each arm has a count and a positive share: {sorted(counts)}, {dict(shares)}")
    whole, n, prior = sum(shares.values()), sum(counts.values()), 100.0
    factor = lgamma(prior) - lgamma(prior + n)
    for name, count in counts.items():
        share = shares[name] / whole
        factor += lgamma(prior * share + count) - lgamma(prior * share) - count * log(share)
    p = exp(-max(factor, 0.0)) if factor < 700 else 0.0
    return Ratio(dict(counts), {k: v / whole for k, v in shares.items()}, p, p > 1 - level)


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that a test looks at.

    Attributes
    ----------
    name : as shown.
    effect : goal: the least difference that is worth a change of release; guard: the harm one accepts.
    higher_is_better : what counts as good.
    role : "goal" (exactly one a test) or "guard".
    """

    name: str
    effect: float
    higher_is_better: bool = True
    role: Role = "goal"

    def __post_init__(self) -> None:
        if not self.effect > 0:
            raise ValueError(f"the effect of {self.name!r} is positive, not {self.effect}")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric, candidate against control.

    Attributes
    ----------
    metric, role : what is compared.
    control, candidate : the two arms.
    difference : candidate minus control.
    verdict : goal: "better", "worse", "no evidence" or "too small" (any gain is below the effect);
        guard: "held" (harm is below what one accepts), "broken" (above it) or "no evidence".
    """

    metric: str
    role: Role
    control: Arm
    candidate: Arm
    difference: Difference
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """The comparison as a JSON object; an interval without bounds has None."""
        body = asdict(self)
        body["difference"]["low"] = _finite(self.difference.low)
        body["difference"]["high"] = _finite(self.difference.high)
        return body


@dataclass(frozen=True, slots=True)
class Experiment:
    """A test of a candidate against the release that serves now.

    Attributes
    ----------
    control, candidate : names of the arms.
    ratio : the sample-ratio check over all arms.
    comparisons : the goal first, then the guards.
    advice : "promote", "stop" or "keep going".
    words : why, in a sentence.
    """

    control: str
    candidate: str
    ratio: Ratio
    comparisons: tuple[Comparison, ...]
    advice: Advice
    words: str

    @property
    def goal(self) -> Comparison:
        """The metric that decides."""
        return self.comparisons[0]

    def to_json(self) -> dict[str, Any]:
        """The test as a JSON object."""
        return {
            "control": self.control,
            "candidate": self.candidate,
            "ratio": asdict(self.ratio),
            "comparisons": [c.to_json() for c in self.comparisons],
            "advice": self.advice,
            "words": self.words,
        }


def compare(
    arms: Mapping[Metric, Mapping[str, Arm]],
    counts: Mapping[str, int],
    shares: Mapping[str, float],
    *,
    control: str,
    level: float = 0.95,
) -> list[Experiment]:
    """Each candidate against the control: verdicts, guards, sample ratio and what to do.

    Parameters
    ----------
    arms : what each arm has seen, by metric; one metric is the goal.
    counts, shares : units assigned to each arm, and the share each should have.
    control : name of the arm that serves now.
    level : over all candidates together; the guards share another 1 - level among themselves.

    Returns
    -------
    One result a candidate, in the order of `counts`. With probability `level` no candidate that is not
    better is ever called better, however often one looks.

    Raises
    ------
    ValueError : not exactly one goal, or an unknown control.
    """
    goals = [m for m in arms if m.role == "goal"]
    if len(goals) != 1 or control not in counts:
        raise ValueError(f"a test has one goal and its control among the arms, not {len(goals)}, {control!r}")
    ratio = sample_ratio(counts, shares)
    ordered = [*goals, *(m for m in arms if m.role == "guard")]
    others = [name for name in counts if name != control]
    out = []
    for name in others:
        found = []
        for metric in ordered:
            tests = len(others) * (1 if metric.role == "goal" else len(ordered) - 1)
            a, b = arms[metric][control], arms[metric][name]
            span = difference(a, b, effect=metric.effect, level=1 - (1 - level) / tests)
            found.append(Comparison(metric.name, metric.role, a, b, span, _verdict(metric, span)))
        advice, words = _advice(ratio, found, goals[0])
        out.append(Experiment(control, name, ratio, tuple(found), advice, words))
    return out


def _verdict(metric: Metric, span: Difference) -> str:
    """What the interval says, with good always upward."""
    low, high = (span.low, span.high) if metric.higher_is_better else (-span.high, -span.low)
    if metric.role == "guard":
        return "broken" if high < -metric.effect else "held" if low > -metric.effect else "no evidence"
    if low > 0:
        return "better"
    return "worse" if high < 0 else "too small" if high < metric.effect else "no evidence"


def _advice(ratio: Ratio, found: Sequence[Comparison], goal: Metric) -> tuple[Advice, str]:
    """What to do, and why."""
    if not ratio.held:
        seen = ", ".join(f"{k} {v:,}" for k, v in ratio.counts.items())
        want = ", ".join(f"{k} {v:.0%}" for k, v in ratio.expected.items())
        return "stop", (
            f"the traffic is not split as it should be ({seen}; wanted {want}; p = {ratio.p:.2g}): "
            "find out which answers are missing before believing any figure"
        )
    broken = [c.metric for c in found[1:] if c.verdict == "broken"]
    if broken:
        return "stop", f"the candidate harms {' and '.join(broken)} more than is accepted"
    first, d = found[0], found[0].difference
    said = f"{first.metric} {_signed(d.value)} [{_signed(d.low)}, {_signed(d.high)}]"
    if first.verdict == "worse":
        return "stop", f"the candidate is worse: {said}"
    if first.verdict == "too small":
        return "stop", f"any gain is below {goal.effect:g}, the least that is worth a change: {said}"
    if first.verdict == "better":
        unclear = [c.metric for c in found[1:] if c.verdict == "no evidence"]
        tail = f"; not yet excluded: harm to {' and '.join(unclear)}" if unclear else ""
        return "promote", f"the candidate is better: {said}{tail}"
    return "keep going", f"no evidence yet: {said}"


def _signed(value: float) -> str:
    return f"{value:+.3g}" if abs(value) < inf else ("+?" if value > 0 else "-?")


def _finite(value: float) -> float | None:
    return value if abs(value) < inf else None
