"""Many projects in one folder: where each stands, and a nightly pass over all of them.

A project that is broken is listed with its error and stops no other. Listing computes nothing; the pass
does for each project what changed since the last one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tilth.config import FILE
from tilth.errors import InputError, NotFound, Refused, TilthError
from tilth.feedback import take_feedback
from tilth.monitoring import drift, last_drift
from tilth.serve.state import State
from tilth.signals import Progress
from tilth.traffic import folder_of
from tilth.workspace import TRAIN, Workspace, utc_now

__all__ = ["Fleet", "Member", "fleet", "nightly"]

DEPTH = 3
"""Folders below the one that is given in which projects are looked for."""
OLD = 30.0
"""Days without a change from which on a project counts as stale."""


@dataclass(frozen=True)
class Member:
    """One project.

    Attributes
    ----------
    name, folder : name in tilth.toml; folder seen from the one that was listed.
    state : "broken", "drifted", "waiting", "stale" or "calm": the first that is true.
    rows : of train.
    changed, days : time of the newest version of train, and days since.
    patches : open proposals.
    findings : of the newest audit of the head; None where it was not audited.
    questions : answers that a person is asked for; None where nothing was served.
    drift, looked : what the newest look at new rows saw ("" for nothing), and when; None without a look.
    release, released : name and time of the newest release; None without one.
    behind : whether train changed since the release.
    did : what the pass did, in words.
    error : why it is broken, or what failed in the pass.
    """

    name: str
    folder: str
    state: str
    rows: int = 0
    changed: str = ""
    days: float = 0.0
    patches: int = 0
    findings: int | None = None
    questions: int | None = None
    drift: str | None = None
    looked: str | None = None
    release: str | None = None
    released: str | None = None
    behind: bool = False
    did: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Fleet:
    """Projects in one folder, those that want somebody first.

    Attributes
    ----------
    folder : where they were looked for.
    members : broken ones, then drifted, waiting, stale and calm ones; within these the most work first.
    counts : how many there are of each state.
    """

    folder: str
    members: tuple[Member, ...]
    counts: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """The object that `tilth fleet --json` prints."""
        return {"folder": self.folder, "counts": self.counts, "projects": [asdict(m) for m in self.members]}

    def to_pandas(self) -> Any:
        """One line a project."""
        from tilth.frames import frame

        return frame([asdict(m) for m in self.members])

    def _repr_html_(self) -> str:
        from tilth.frames import html_table

        keep = ("name", "state", "rows", "patches", "questions", "drift", "released")
        return html_table(
            f"{len(self.members)} projects", [{k: asdict(m)[k] for k in keep} for m in self.members]
        )


STATES = ("broken", "drifted", "waiting", "stale", "calm")


def fleet(folder: str | Path = ".", *, clock: Callable[[], str] = utc_now) -> Fleet:
    """List the projects in a folder and below it, those that want somebody first.

    Raises
    ------
    InputError : it is no folder.
    NotFound : there is no project in it.
    """
    return _over(Path(folder), clock, None)


def nightly(
    folder: str | Path = ".", *, clock: Callable[[], str] = utc_now, progress: Progress | None = None
) -> Fleet:
    """For each project: propose patches of new feedback, look for drift of its traffic, audit a new head.

    What did not change costs nothing; the work is linear in the projects that did. Nothing is accepted.
    """
    return _over(Path(folder), clock, progress or (lambda step, done, total: None))


def _over(folder: Path, clock: Callable[[], str], progress: Progress | None) -> Fleet:
    """List, after working on each project where `progress` is given."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give the folder that holds the projects")
    found = list(_projects(folder, DEPTH, set()))
    if not found:
        raise NotFound(f"no project (no {FILE}) in {folder} or {DEPTH} folders below it")
    members = []
    for number, path in enumerate(found):
        name = str(path.relative_to(folder))
        if progress:
            progress("nightly pass", number, len(found))
        members.append(_member(path, name, clock, work=progress is not None))
    if progress:
        progress("nightly pass", len(found), len(found))
    members.sort(key=lambda m: (STATES.index(m.state), -(m.questions or 0) - m.patches, -m.days, m.folder))
    counts = {state: sum(m.state == state for m in members) for state in STATES}
    return Fleet(str(folder), tuple(members), counts)


def _projects(folder: Path, depth: int, seen: set[Path]) -> Iterator[Path]:
    """Folders that hold a tilth.toml, in order of their names; nothing is looked for inside a project.

    A folder that links lead to twice, or that leads back to itself, is `seen` once.
    """
    real = folder.resolve()
    if real in seen:
        return
    seen.add(real)
    if (folder / FILE).is_file():
        yield folder
        return
    if depth == 0:
        return
    try:
        below = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError:  # a folder that may not be read holds no project of ours
        return
    for path in below:
        yield from _projects(path, depth - 1, seen)


def _member(path: Path, name: str, clock: Callable[[], str], *, work: bool) -> Member:
    """One project as it stands, after the work of the pass where it is asked for."""
    did: list[str] = []
    failed = ""
    try:
        ws = Workspace.open(path, clock)
    except Exception as error:  # whatever is wrong with one project: the others go on
        return Member(name, name, "broken", error=_words(error))
    try:
        if work:
            failed = _work(ws, did)
        return _standing(ws, name, tuple(did), failed)
    except Exception as error:
        return Member(ws.config.name, name, "broken", did=tuple(did), error=_words(error))
    finally:
        ws.close()


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, TilthError) else f"{type(error).__name__}: {error}"


def _work(ws: Workspace, did: list[str]) -> str:
    """What a night is for; a step that fails does not keep the next from being done."""
    errors: list[str] = []
    for step in (_feedback, _drift, _audit):
        try:
            if said := step(ws):
                did.append(said)
        except Exception as error:  # to be seen in the list, not to end the pass
            errors.append(_words(error))
    return "; ".join(errors)


def _state(ws: Workspace) -> Path | None:
    try:
        return folder_of(ws)
    except NotFound:
        return None


def _feedback(ws: Workspace) -> str:
    """Patches of what was said."""
    folder = _state(ws)
    made = take_feedback(ws, folder).patches if folder else ()
    return f"proposed {len(made)} patches of feedback" if made else ""


def _drift(ws: Workspace) -> str:
    """A look at the traffic, where there is some that was not looked at."""
    folder = _state(ws)
    if folder is None:
        return ""
    head = ws.head(TRAIN)
    seen = [b for b in ws.store.records("drift", head.id) if b["source"] == str(folder)]
    if seen:
        with State.open(folder) as state:
            if next(state.answers(since=str(seen[-1]["created"])), None) is None:
                return ""
    try:
        found = drift(ws, folder)
    except Refused:  # too few answers as yet
        return ""
    return f"drift: {found.drift.words[0]}" if found.drifted else "no drift"


def _audit(ws: Workspace) -> str:
    """The audit of a head that was not audited."""
    known = ws.store.record("audit", ws.audit_key(ws.head(TRAIN).id)) is not None
    found = ws.audit()
    return "" if known else f"audited: {len(found.findings)} findings"


def _standing(ws: Workspace, folder: str, did: tuple[str, ...], failed: str) -> Member:
    """Where a project stands, by what is on record."""
    head = ws.head(TRAIN)
    open_ = sum(p.base == head.id or p.dataset != TRAIN for p in ws.store.patches("proposed"))
    audit = ws.store.records("audit", head.id)
    look = last_drift(ws)
    state, questions = _state(ws), None
    if state is not None:
        with State.open(state) as served:
            questions = len(served.escalations("open"))
    name, created, version = _release(ws.folder)
    days = _days(head.created, ws.clock())
    drifted = bool(look and look["drifted"])
    status = (
        "broken" if failed else "drifted" if drifted else "waiting" if open_ or questions
        else "stale" if days >= OLD else "calm"
    )  # fmt: skip
    return Member(
        name=ws.config.name,
        folder=folder,
        state=status,
        rows=head.rows,
        changed=head.created,
        days=days,
        patches=open_,
        findings=len(audit[-1]["findings"]) if audit else None,
        questions=questions,
        drift=None if look is None else (look["words"][0] if drifted else ""),
        looked=str(look["created"]) if look else None,
        release=name,
        released=created,
        behind=version is not None and version != head.id,
        did=did,
        error=failed,
    )


def _release(folder: Path) -> tuple[str | None, str | None, str | None]:
    """Name, time and version of train of the newest release in the project's own folder."""
    found: list[tuple[str, str, str | None]] = []
    for path in sorted((folder / "releases").glob("*/manifest.json")):
        try:
            body = json.loads(path.read_text("utf-8"))
            found.append((str(body["created"]), str(body["name"]), body["data"].get("train")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # `tilth verify` says what is wrong with a bundle
    if not found:
        return None, None, None
    created, name, version = max(found, key=lambda f: f[:2])
    return name, created, version


def _days(then: str, now: str) -> float:
    """Days between two times."""
    try:
        a, b = (datetime.fromisoformat(x) for x in (then, now))
    except ValueError:
        return 0.0
    a, b = (x if x.tzinfo else x.replace(tzinfo=UTC) for x in (a, b))
    return max(0.0, (b - a).total_seconds() / 86_400)
