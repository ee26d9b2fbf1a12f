"""The detectors and recipes that there are, ours and those of other packages, and what the battery says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tilth import __version__, recipes
from tilth.audit import run
from tilth.audit.base import Detector, View
from tilth.errors import TilthError
from tilth.plugins import Plugin

CHANGING = "it gives the same in every process (does it walk a set? use sorted)"

__all__ = ["Entry", "checked", "roster"]


@dataclass(frozen=True)
class Entry:
    """One detector or recipe.

    Attributes
    ----------
    kind : "detector" or "recipe".
    name : its code, or the recipe's versioned name.
    title : what a detector is called.
    package : the package that it comes from, with its version.
    page : address of its documentation, "" where it names none.
    state : "loaded" or "refused"; after a check "passes", "breaks" or "not checked".
    problems : why it is refused, which clauses it breaks, or why it could not be checked.
    """

    kind: str
    name: str
    package: str
    state: str
    title: str = ""
    page: str = ""
    problems: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The entry as a JSON object."""
        return {
            "kind": self.kind,
            "name": self.name,
            "title": self.title,
            "package": self.package,
            "page": self.page,
            "state": self.state,
            "problems": list(self.problems),
        }


def roster() -> list[Entry]:
    """All detectors and recipes; a plug-in that cannot be used is "refused", with the reason."""
    here = f"tilth {__version__}"
    offered = run.offered()
    own = run.detectors(())
    return [
        *(Entry("detector", d.code, here, "loaded", d.name) for d in own),
        *(_entry("detector", p) for p in offered),
        *(Entry("recipe", name, here, "loaded") for name in recipes.NAMES),
        *(_entry("recipe", p) for p in recipes.offered()),
    ]


def _entry(kind: str, p: Plugin) -> Entry:
    if p.made is None:
        return Entry(kind, p.name, p.package, "refused", problems=(p.problem,))
    title = str(getattr(p.made, "name", "")) if kind == "detector" else ""
    return Entry(kind, p.name, p.package, "loaded", title, p.page)


def checked(entries: Iterable[Entry]) -> list[Entry]:
    """The same entries, each loaded one put through the battery of its kind; plug-ins in two processes."""
    from tilth.testing.processes import restless
    from tilth.testing.worlds import view, worlds

    entries = list(entries)
    plugged = any(e.state == "loaded" and not e.package.startswith("tilth ") for e in entries)
    changing = restless() if plugged else set()
    views = {name: view(*rows) for name, rows in worlds().items()}
    made = {d.code: d for d in run.detectors()}
    out = [_checked(e, made, views) if e.state == "loaded" else e for e in entries]
    return [
        replace(e, state="breaks", problems=(*e.problems, CHANGING)) if e.name in changing else e for e in out
    ]


def _checked(entry: Entry, made: Mapping[str, Detector], views: Mapping[str, View]) -> Entry:
    from tilth.testing.detectors import broken_detector
    from tilth.testing.recipes import broken_recipe

    if entry.kind == "detector":
        broken = broken_detector(made[entry.name], views=views)
    else:
        try:
            broken = broken_recipe(recipes.by_name(entry.name))
        except TilthError as error:  # an encoder that is not installed is no fault of the recipe
            return replace(entry, state="not checked", problems=(str(error),))
    return replace(entry, state="breaks" if broken else "passes", problems=tuple(broken))
