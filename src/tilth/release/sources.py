"""Files that rows came from, and what a person said about each: licence, consent, how it was collected."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tilth.config import SourceTerms
from tilth.workspace import EVAL, TRAIN, Workspace

__all__ = ["Source", "sources"]


@dataclass(frozen=True)
class Source:
    """Where rows of the released versions came from.

    Attributes
    ----------
    name : of the file, as it was taken in; "" for rows that a patch added without naming a source.
    train, evaluation : rows of each data set that came from there.
    terms : what a person stated in tilth.toml; None where nothing is stated.
    """

    name: str
    train: int
    evaluation: int
    terms: SourceTerms | None

    @property
    def shown(self) -> str:
        """Its name, or what stands for it."""
        return self.name or "(no source)"


def sources(ws: Workspace, train: str, evaluation: str) -> list[Source]:
    """Sources of the rows of two versions, the one with most rows first.

    Parameters
    ----------
    train, evaluation : ids of versions; "" for none.
    """
    counts = {}
    for dataset, version in ((TRAIN, train), (EVAL, evaluation)):
        rows = ws.snapshot(ws.store.version(version, dataset)) if version else None
        counts[dataset] = Counter(rows.sources) if rows is not None else Counter[str]()
    names = {*counts[TRAIN], *counts[EVAL]}
    ordered = sorted(names, key=lambda n: (-counts[TRAIN][n], -counts[EVAL][n], n))
    return [Source(n, counts[TRAIN][n], counts[EVAL][n], ws.config.sources.get(n)) for n in ordered]
