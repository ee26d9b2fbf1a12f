"""The battery for detectors: pure, deterministic, calm with next to nothing, honest in its findings."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tilth.audit.base import Detector, View
from tilth.audit.clauses import broken_findings
from tilth.data import Row
from tilth.errors import CheckFailed, ContractError
from tilth.plugins import DETECTORS, is_own
from tilth.testing.worlds import fingerprint, state_of, view, worlds

__all__ = ["broken_detector", "check_detector"]

OWN_CODE = r"TIL[0-9]{3}"
MOST = 3
"""So many faults of one world are told."""


def check_detector(
    detector: Detector, *, finds_in: Iterable[Row] = (), views: Mapping[str, View] | None = None
) -> None:
    """Raise unless a detector keeps its contract on every one of the `worlds`.

    Parameters
    ----------
    detector : an instance; its constructor has refused bad parameters already.
    finds_in : train rows (input in the field "text") in which it must find something: a detector that
        never finds anything passes every other clause.
    views : name to what it is shown; default a view of each of the `worlds`.

    Raises
    ------
    ContractError : with every clause that it breaks, and where.

    Notes
    -----
    The clauses: a code and a name; `find` gives a list of `Finding`, worst first, each with the
    detector's code, ids of train rows, a finite score, a probability from 0 to 1 or None, one line of
    message, plain evidence, and suggestions that can be carried out; the same view gives the same
    findings, whatever the state of the global random numbers; the view, the detector and that state stay
    as they were; no error but CheckFailed, also with no rows; a detector that finds nothing without
    texts has `applies`.
    """
    broken = broken_detector(detector, finds_in=finds_in, views=views)
    if broken:
        raise ContractError(f"detector {type(detector).__name__}", broken)


def broken_detector(
    detector: Detector, *, finds_in: Iterable[Row] = (), views: Mapping[str, View] | None = None
) -> list[str]:
    """The clauses that a detector breaks, as `check_detector` tells them; none when all is well."""
    try:
        broken = list(_face(detector))
    except Exception as error:
        return [f"code and name can be read: {type(error).__name__}: {error}"]
    if broken:
        return broken
    if views is None:
        views = {name: view(*rows) for name, rows in worlds().items()}
    for name, seen in views.items():
        broken += [f"{clause} (world {name!r})" for clause in list(_in(detector, seen))[:MOST]]
    wanted = list(finds_in)
    if wanted:
        own = view(wanted)
        broken += [f"{clause} (the rows of finds_in)" for clause in list(_in(detector, own))[:MOST]]
        if not broken and not detector.find(own):
            broken.append("it finds something in the rows of finds_in")
    return broken


def _face(detector: Detector) -> Iterator[str]:
    """Its code, its name, and whether there is something to call."""
    code, name = detector.code, detector.name
    pattern = OWN_CODE if is_own(detector) else DETECTORS.pattern
    if not isinstance(code, str) or not re.fullmatch(pattern, code):
        yield f"{DETECTORS.words}: its code is {code!r}"
    if not isinstance(name, str) or not name.strip() or name != name.strip() or len(name) > 60:
        yield f"name is a few words without blanks around them: it is {name!r}"
    if not callable(getattr(detector, "find", None)):
        yield "it has a method find(view)"
    page = getattr(detector, "page", "")
    if not isinstance(page, str) or (page and not page.startswith(("https://", "http://"))):
        yield f"page, where there is one, is the address of its documentation: it is {page!r}"


def _in(detector: Detector, seen: View) -> Iterator[str]:
    """Clauses that it breaks on one view."""
    before, state = fingerprint(seen), fingerprint(state_of(detector))
    spare = _spare(detector)
    try:
        reason = _reason(detector, seen)
        if reason is not None:
            yield from [reason] if reason else []
            return
        once, tidy = _find(detector, seen, 1)
        if fingerprint(seen) != before:
            yield "it changes nothing of what it looks at"
            return
        again, _ = _find(detector, seen, 2)
        fresh = again if spare is None else _find(spare, seen, 2)[0]
    except CheckFailed as error:
        if not str(error).strip():
            yield "CheckFailed says why"
        return
    except (Exception, SystemExit) as error:
        yield f"it raises no error but CheckFailed: {type(error).__name__}: {error}"
        return
    if not tidy:
        yield "it leaves the global random numbers alone: use numpy.random.default_rng(seed)"
    if fingerprint(state_of(detector)) != state:
        yield "it keeps nothing between runs: its attributes stay as they were"
    faults = broken_findings(detector, once, seen)
    yield from faults
    if once and not faults:
        yield from _blind(detector, seen)
    if not faults and not fingerprint(once) == fingerprint(again) == fingerprint(fresh):
        yield "the same view gives the same findings in the same order"


def _reason(detector: Detector, seen: View) -> str | None:
    """None where the detector applies, "" where it does not and says why, else the clause that it breaks."""
    applies = getattr(detector, "applies", None)
    reason = "" if applies is None else applies(seen)
    if not isinstance(reason, str) or len(reason.splitlines()) > 1:
        return f'applies gives a reason on one line, or "", not {reason!r}'
    return "" if reason else None


def _blind(detector: Detector, seen: View) -> Iterator[str]:
    """Whether it stays silent about the same rows without their texts, as if there were nothing."""
    bare = replace(
        seen, texts=[""] * len(seen.texts), eval_texts=[""] * len(seen.eval_texts), has_texts=False
    )
    if getattr(detector, "applies", None) is None and not detector.find(bare):
        yield "without texts it finds nothing and must say so: give it applies(view), see needs_texts"


def _spare(detector: Detector) -> Detector | None:
    """A copy that has seen nothing yet; None where it cannot be copied."""
    try:
        return copy.deepcopy(detector)
    except Exception:
        return None


def _find(detector: Detector, seen: View, seed: int) -> tuple[Any, bool]:
    """What it finds under this state of the global random numbers, and whether it left that alone."""
    plain, arrays = random.getstate(), np.random.get_state(legacy=False)
    try:
        random.seed(seed)
        np.random.seed(seed)
        here = (random.getstate(), fingerprint(np.random.get_state(legacy=False)))
        found = detector.find(seen)
        return found, here == (random.getstate(), fingerprint(np.random.get_state(legacy=False)))
    finally:
        random.setstate(plain)
        np.random.set_state(arrays)
