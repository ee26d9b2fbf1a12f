"""Plug-ins: detectors and recipes that installed packages offer by entry points.

The name of an entry point is the code of the detector ("ACME7") or the versioned name of the recipe
("acme-words.v1"), so that a plug-in that cannot be imported is still known by name, and two packages that
claim the same name are found without importing either. A plug-in that cannot be used is refused with the
reason; nothing else fails because of it.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points

__all__ = ["DETECTORS", "RECIPES", "Kind", "Plugin", "is_own", "plugins"]


@dataclass(frozen=True)
class Kind:
    """What can be plugged in.

    Attributes
    ----------
    group : the group of entry points.
    naming : attribute that holds the name; it equals the name of the entry point.
    pattern : what a name looks like.
    words : the same in words.
    needs : methods and properties that must be there.
    """

    group: str
    naming: str
    pattern: str
    words: str
    needs: tuple[str, ...]


DETECTORS = Kind(
    "tilth.detectors", "code", r"(?!TIL\d)[A-Z]+[0-9]+",
    "a code is capital letters and digits, such as ACME7; TIL is Tilth's own", ("name", "find"),
)  # fmt: skip
RECIPES = Kind(
    "tilth.recipes", "name", r"[a-z0-9]+(-[a-z0-9]+)*\.v[0-9]+",
    "a recipe has a versioned name such as acme-words.v1", ("penalty", "learn"),
)  # fmt: skip


@dataclass(frozen=True)
class Plugin:
    """One entry point, and what came of it.

    Attributes
    ----------
    name : of the entry point: a code or a recipe's name.
    package : the package that offers it, with its version.
    target : where it is, "module:object".
    made : the detector or recipe; None where it is refused.
    problem : why it is refused; "" where it is not.
    page : address of its documentation, "" where it names none.
    digest : of the source file that defines it: an edited plug-in is another one.
    """

    name: str
    package: str
    target: str
    made: object | None = None
    problem: str = ""
    page: str = ""
    digest: str = ""

    @property
    def key(self) -> str:
        """A name that no other plug-in has, also when two packages offer the same."""
        return f"{self.name} ({self.package})"


def plugins(kind: Kind, own: Collection[str], *, only: str | None = None) -> list[Plugin]:
    """Plug-ins of a kind, by name; each is made, or refused with the reason.

    Parameters
    ----------
    own : names that are Tilth's own and cannot be taken.
    only : import and list none but those with this name.
    """
    found = sorted(
        ((_package(e), e) for e in entry_points(group=kind.group)),
        key=lambda p: (p[1].name, p[0], p[1].value),
    )
    out = []
    for package, entry in found:
        if only not in (None, entry.name):
            continue
        plugin = Plugin(entry.name, package, entry.value)
        rivals = [f"{p} ({e.value})" for p, e in found if e.name == entry.name and e != entry]
        problem = _misnamed(kind, entry.name, own, rivals)
        out.append(replace(plugin, problem=problem) if problem else _make(kind, plugin, entry))
    return out


def is_own(thing: object) -> bool:
    """Whether a detector or recipe is part of Tilth."""
    return type(thing).__module__.partition(".")[0] == "tilth"


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown package"


def _misnamed(kind: Kind, name: str, own: Collection[str], rivals: Sequence[str]) -> str:
    """Why nothing can be plugged in under this name, "" where it can."""
    if name in own:
        return f"{name} is Tilth's own {kind.naming}; choose another"
    if not re.fullmatch(kind.pattern, name):
        return f"the entry point is named {name!r}, but {kind.words}"
    if rivals:
        return f"{', '.join(rivals)} offers {name} as well; neither is used: uninstall one"
    return ""


def _make(kind: Kind, plugin: Plugin, entry: EntryPoint) -> Plugin:
    """Import and call it; whatever goes wrong there is its problem, not ours."""
    try:
        made = entry.load()()
        named, page = getattr(made, kind.naming), getattr(made, "page", "")
        missing = [n for n in kind.needs if getattr(made, n, None) is None]
    except (Exception, SystemExit) as error:
        return replace(plugin, problem=f"cannot be loaded: {type(error).__name__}: {error}")
    if missing:
        return replace(plugin, problem=f"{plugin.target} gives an object without {', '.join(missing)}")
    if named != plugin.name and not (kind is RECIPES and str(named).startswith(f"{plugin.name}:")):
        return replace(
            plugin, problem=f"the entry point is named {plugin.name!r}, its {kind.naming} {named!r}"
        )
    return replace(plugin, made=made, page=page if isinstance(page, str) else "", digest=_digest(made))


def _digest(made: object) -> str:
    """16 hex digits of the source file of its class, "" where there is none."""
    try:
        path = inspect.getsourcefile(type(made))
        with open(path or "", "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()[:16]
    except (OSError, TypeError):
        return ""
