"""Which release answers: loaded and checked beside the one that serves, changed in one step.

A `Deployment` never changes; the server holds the present one and the one before it, so going back is an
assignment. Keys are spread over the arms by a hash, so that one key always meets the same arm while the
arms are the same, and a larger share takes keys from the others without moving any other.
"""

from __future__ import annotations

import math
import string
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

from tilth.errors import InputError, TilthError
from tilth.serve.schema import Served

__all__ = ["Arm", "Asked", "Deployment", "Model", "deployment"]

PROBES = ("", "a", "where is my order? it should have come last week", "z" * 400, "Ünïcödé 🙂 \n\t 0 1 2")
"""Texts that any release must be able to answer before it serves."""


class Model(Protocol):
    """What is asked of a release; see `tilth.release.bundle.Release`."""

    @property
    def id(self) -> str:
        """Digest of its manifest."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels that it gives."""

    @property
    def text(self) -> str:
        """Name of the column that it reads."""

    def predict(
        self, rows: Sequence[str | Mapping[str, object]], *, sets: float | None = None
    ) -> Sequence[Any]:
        """Answers for rows."""

    def warm(self) -> None:
        """Do now what the first answers would have to do."""


@dataclass(frozen=True)
class Asked:
    """A release that shall be served: its bundle, its share of the keys (ignored for a shadow)."""

    path: str
    share: float = 1.0
    shadow: bool = False


@dataclass(frozen=True)
class Arm:
    """A release that is served, under the letter by which its answers are counted."""

    letter: str
    release: Model
    path: str
    share: float
    shadow: bool

    @property
    def state(self) -> str:
        """live (the first), candidate or shadow."""
        return "shadow" if self.shadow else "live" if self.letter == "a" else "candidate"


@dataclass(frozen=True)
class Deployment:
    """Releases that are served side by side; the shares of those that answer add up to 1."""

    arms: tuple[Arm, ...]

    def __post_init__(self) -> None:
        answering = [a for a in self.arms if not a.shadow]
        object.__setattr__(self, "_answering", answering)
        object.__setattr__(self, "_edges", list(accumulate(a.share for a in answering))[:-1])
        object.__setattr__(self, "_salt", "|".join(a.release.id for a in answering).encode() + b"\0")
        object.__setattr__(self, "shadows", tuple(a for a in self.arms if a.shadow))

    shadows: tuple[Arm, ...] = ()

    def arm(self, key: str) -> Arm:
        """The arm of a key: always the same one for the same key, releases and shares."""
        answering: list[Arm] = self._answering  # type: ignore[attr-defined]
        if len(answering) == 1:
            return answering[0]
        salt: bytes = self._salt  # type: ignore[attr-defined]
        at = int.from_bytes(blake2b(salt + key.encode(), digest_size=7).digest(), "big") / (1 << 56)
        return answering[bisect_right(self._edges, at)]  # type: ignore[attr-defined]

    def served(self, since: str) -> list[Served]:
        """As the state keeps it."""
        return [Served(a.release.id, a.path, since, a.state, a.share, a.letter) for a in self.arms]

    def to_json(self, *, paths: bool = True) -> list[dict[str, Any]]:
        """As GET /releases shows it; without `paths` it says nothing of the server's disk."""
        return [
            {"arm": a.letter, "id": a.release.id, "name": a.release.name, "path": a.path if paths else "",
             "state": a.state, "share": a.share, "classes": len(a.release.classes)}
            for a in self.arms
        ]  # fmt: skip


def deployment(
    asked: Sequence[Asked], load: Callable[[str], Model], present: Deployment | None = None
) -> Deployment:
    """Load and check what was asked for.

    Parameters
    ----------
    asked : the first one is the live release; shares are scaled to add up to 1.
    load : reads a bundle.
    present : what is served now; a release that is in it is not kept twice.

    Raises
    ------
    InputError : a bundle is damaged, answers with nonsense, or the releases do not fit together.
    """
    answering = [a for a in asked if not a.shadow]
    if not asked or asked[0].shadow or len(asked) > len(string.ascii_lowercase):
        raise InputError("give 1 to 26 releases, the first of which answers (it is no shadow)")
    total = sum(a.share for a in answering)
    if not all(math.isfinite(a.share) and a.share >= 0 for a in asked) or not total > 0:
        raise InputError(f"shares must be 0 or more and not all 0; found {[a.share for a in asked]}")
    known = {a.release.id: a.release for a in (present.arms if present else ())}
    arms = []
    for letter, one in zip(string.ascii_lowercase, asked, strict=False):
        path = str(Path(one.path).absolute())
        release = load(path)
        release = known.get(release.id, release)
        _check(release, path)
        arms.append(Arm(letter, release, path, 0.0 if one.shadow else one.share / total, one.shadow))
    if len({a.release.id for a in arms}) < len(arms):
        raise InputError("the same release was given twice; compare two different ones")
    columns = {a.release.text for a in arms}
    if len(columns) > 1:
        raise InputError(
            f"the releases read different columns ({', '.join(sorted(columns))}); serve them apart"
        )
    return Deployment(tuple(arms))


def _check(release: Model, path: str) -> None:
    """It answers whatever comes, with its own labels and with probabilities; the first one is no slower."""
    try:
        release.warm()
        answers = release.predict(PROBES)
    except TilthError:
        raise
    except Exception as error:
        raise InputError(
            f"{path} cannot answer: {type(error).__name__}: {error}; release it again"
        ) from error
    classes = set(release.classes)
    right = len(answers) == len(PROBES) and all(
        a.best in classes and math.isfinite(a.probability) and 0 <= a.probability <= 1 + 1e-6 for a in answers
    )
    if not right:
        raise InputError(f"{path} answers with what is no label or no probability; release it again")
