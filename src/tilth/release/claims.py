"""Claim: a number that says how to compute it again; Facts: what a release knows about itself.

A number without its command, data version and seed is no claim, and cards take nothing but claims.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from tilth.errors import InputError
from tilth.release.measured import Measured
from tilth.stats import Interval

__all__ = ["UNITS", "Claim", "Facts", "claims_of", "interval_claim"]

UNITS = ("share", "points", "rows", "megabytes", "minutes", "money", "number")
"""What a value is counted in: "share" and "points" are shown in percent."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A number with all that is needed to compute it again.

    Attributes
    ----------
    name : what it is, unique in its card: "accuracy", "class billing: score" ...
    value : the number; finite.
    low, high : its interval; both None for what was counted and not estimated.
    command : the command that computes it again.
    version : id of the data version that it was computed on.
    seed : of every draw behind it; 0 where nothing is drawn.
    unit : one of UNITS.

    Raises
    ------
    InputError : something of this is missing, or the interval does not hold the value.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    command: str
    version: str
    seed: int
    unit: str = "number"

    def __post_init__(self) -> None:
        for key in ("name", "command", "version"):
            found = getattr(self, key)
            if not isinstance(found, str) or not found.strip():
                raise InputError(
                    f"the claim {self.name!r} has no {key}: a number that cannot be computed again does not "
                    "go into a card. Give its command, data version and seed"
                )
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise InputError(f"the claim {self.name!r} has the seed {self.seed!r}; give a whole number")
        if self.unit not in UNITS:
            raise InputError(f"the claim {self.name!r} is in {self.unit!r}; it is one of {', '.join(UNITS)}")
        self._check_values()

    def _check_values(self) -> None:
        """A finite value inside its interval."""
        given = [x for x in (self.value, self.low, self.high) if x is not None]
        for x in given:
            if isinstance(x, bool) or not isinstance(x, int | float) or not math.isfinite(x):
                raise InputError(f"the claim {self.name!r} says {x!r}, which is no finite number")
        if self.value is None or len(given) == 2:
            raise InputError(f"the claim {self.name!r} has half an interval; give low and high, or neither")
        if len(given) == 3 and not given[1] - 1e-9 <= self.value <= given[2] + 1e-9:
            raise InputError(
                f"the claim {self.name!r} is {self.value}, outside its interval [{self.low}, {self.high}]"
            )

    def to_json(self) -> dict[str, Any]:
        """The claim as a JSON object; numbers are cut at six digits behind the point."""
        cut = {
            k: v if v is None else round(v, 6) for k in ("value", "low", "high") for v in [getattr(self, k)]
        }
        return asdict(self) | cut

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> Claim:
        """The inverse of to_json.

        Raises
        ------
        InputError : it is no claim: something is missing.
        """
        keys = ("name", "value", "low", "high", "command", "version", "seed")
        if missing := [k for k in keys if k not in body]:
            raise InputError(f"the claim {body.get('name', '')!r} has no {missing[0]}")
        if odd := sorted(set(body) - {*keys, "unit"}):
            raise InputError(f"the claim {body['name']!r} has the unknown key {odd[0]!r}")
        return Claim(**body)


@dataclass(frozen=True)
class Facts:
    """What a release knows about itself; made by `build`, read by gates and cards.

    Attributes
    ----------
    name, created : of the release; when, by the clock that `build` was given.
    recipe, metric, text, label, classes : what was fitted, judged by what, on which columns.
    train, train_rows : id of the version that was fitted, and its rows.
    evaluation : id of the version of the evaluation set, "" without one.
    judged_on : which evaluation rows report, in words.
    measured : scores on them; None without any.
    scored : ids of those rows.
    threshold : least confidence of an answer.
    wanted, bound : the precision that was asked for, and the lower bound that the choice of the
        threshold proves; 0 and None where none was asked for.
    megabytes : of the model files.
    milliseconds : of one answer, measured; not written into the bundle, which is the same each time.
    command, seed : what makes this release again.
    forced : the reason of a person who released against a failed gate, or "".
    carried : rows of train that the bundle carries as evidence, with their texts.
    risk : chance that the bound does not hold.
    refused : share of the scored rows that is unlike what was learned.
    outside : number of rows outside the known classes, and the share of them that is not answered.
    missed : classes whose answers are less often right than wanted, for all that chance can do.
    held_out : whether rows of train chose the threshold, held out, as there were too few evaluation rows.
    """

    name: str
    created: str
    recipe: str
    metric: str
    text: str
    label: str
    classes: Sequence[str]
    train: str
    train_rows: int
    evaluation: str
    judged_on: str
    measured: Measured | None
    scored: Sequence[str]
    threshold: float
    wanted: float
    bound: float | None
    megabytes: float | None
    milliseconds: float | None
    command: str
    seed: int
    forced: str = ""
    carried: int = 0
    risk: float | None = None
    refused: Interval | None = None
    outside: tuple[int, Interval] | None = None
    missed: Sequence[str] = ()
    held_out: bool = False

    def to_json(self) -> dict[str, Any]:
        """What a bundle keeps of it: without the scores, which are in evaluation.json, and without times."""
        apart = ("measured", "scored", "milliseconds", "refused", "outside")
        kept = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in apart}
        return kept | {"classes": list(self.classes)}


def interval_claim(
    name: str, found: Interval, command: str, version: str, seed: int, unit: str = "share"
) -> Claim:
    """A claim of a value with its interval."""
    return Claim(name, found.value, found.low, found.high, command, version, seed, unit)


def claims_of(
    measured: Measured,
    command: str,
    version: str,
    seed: int,
    *,
    refused: Interval | None = None,
    outside: tuple[int, Interval] | None = None,
) -> list[Claim]:
    """Every number of an evaluation as a claim: the one way from an evaluation to a card, and back.

    Parameters
    ----------
    refused, outside : as in `Facts`.
    """
    at = (command, version, seed)
    unit = "number" if measured.metric == "log_loss" else "share"
    out = [
        interval_claim("accuracy", measured.accuracy, *at),
        interval_claim("balanced accuracy", measured.balanced_accuracy, *at),
        interval_claim("log loss", measured.log_loss, *at, unit="number"),
        interval_claim("calibration error", measured.calibration, *at),
        interval_claim("share answered", measured.answered, *at),
        Claim("rows scored", measured.rows, None, None, *at, unit="rows"),
    ]
    if measured.precision is not None:
        out.append(interval_claim("precision of answers", measured.precision, *at))
    if refused is not None:
        out.append(interval_claim("rows unlike what was learned", refused, *at))
    if outside is not None:
        out.append(Claim("rows outside the known classes", outside[0], None, None, *at, unit="rows"))
        out.append(interval_claim("share of those not answered", outside[1], *at))
    for part in measured.parts:
        where = f"{part.kind} {part.name}"
        out.append(Claim(f"{where}: rows scored", part.rows, None, None, *at, unit="rows"))
        for words, found, kind in (
            ("score", part.score, unit),
            ("share answered", part.answered, "share"),
            ("precision of answers", part.precision, "share"),
        ):
            if found is not None:
                out.append(interval_claim(f"{where}: {words}", found, *at, unit=kind))
    return out
