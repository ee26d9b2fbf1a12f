"""Desk: what the page's server holds in memory; everything that counts is in the store."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tilth import decisions
from tilth import patch as patches
from tilth.computed import FROM_ROWS
from tilth.errors import InputError, TilthError
from tilth.plan import last_plan, moment
from tilth.review.jobs import Jobs
from tilth.review.looks import Looks
from tilth.review.set_desk import SetDesk
from tilth.reviewers import DISAGREEMENTS, Reviewers
from tilth.verdicts import DECISIONS, ROLES, Said, Verdict
from tilth.worklist import Worklist, worklist
from tilth.workspace import TRAIN

if TYPE_CHECKING:
    from tilth.project import Project

__all__ = ["Desk"]

STALE = 20
"""Verdicts after which the order of the rows is computed anew."""


class Desk:
    """The present worklist, the present plan and the trials at work.

    Parameters
    ----------
    project : whose page it is.

    Attributes
    ----------
    jobs, looks : trials and the like in processes of their own; tables that take a while.
    alone : to be held while something is computed on the rows: what is kept in memory has one user at a time.
        Verdicts are written without it, so they never wait for a plan.
    sets : sets of rows.
    logins : whether people log in here, and so can log out.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.alone = threading.Lock()
        self.jobs, self.looks = Jobs(str(project.folder)), Looks(project, self.alone)
        self._list: Worklist | None = None
        self._plan: tuple[tuple[str, str, str], dict[str, Any]] | None = None
        self.sets = SetDesk(self)
        self._planner: threading.Thread | None = None
        self._sorter: threading.Thread | None = None
        self.reviewers = Reviewers(project.workspace)
        self.step, self.error, self.logins = "", "", False
        project.progress = self._progress

    def _progress(self, step: str, done: int, total: int) -> None:
        self.step = f"{step} {done} of {total}" if total > 1 else step

    def worklist(self, *, newest: bool = True) -> Worklist:
        """The rows that want a verdict.

        Parameters
        ----------
        newest : take every verdict into account; else any worklist of the present head will do.
        """
        ws = self.project.workspace
        found = self._list
        if found is not None and self._fits(found, newest):
            return found
        with self.alone:
            found = self._list
            if found is None or not self._fits(found, newest):
                found = self._list = worklist(ws, self.project.progress)
            return found

    def _fits(self, found: Worklist, newest: bool) -> bool:
        store = self.project.workspace.store
        head = store.head(TRAIN)
        fresh = not newest or found.mark == store.verdict_mark(TRAIN)
        return fresh and head is not None and found.version == head.id

    def lease(
        self,
        reviewer: str,
        *,
        seat: str,
        was: str,
        n: int,
        have: Sequence[str],
        without: Sequence[str],
        queue: str,
        order: Iterable[str] | None = None,
    ) -> dict[str, Any]:
        """Hand rows to a person, and say where the review stands; see `Reviewers.lease`.

        Parameters
        ----------
        order : ids of the rows to choose from, the most useful first; None: the worklist.
        """
        found, hands = self._sorted(), self.reviewers
        line = found.each() if order is None else order
        rows = hands.lease(
            reviewer, line, found.view.train, n=n, seat=seat, was=was, have=have, without=without, queue=queue
        )
        register = hands.register()
        body = found.to_json(most=0) | {
            "rows": rows, "queue": queue, "minutes": hands.seconds / 60,
            "disagreements": len(register.disputed), "voices": {}, "judged": len(register.decided),
            "count": max(0, len(found.order) - max(0, len(register.decided) - found.trust.judged)),
            "fresh": self._behind(found) < STALE,
        }  # fmt: skip
        if queue == DISAGREEMENTS:
            body["count"] = len(register.disputed)
            body["voices"] = {x["id"]: x["verdicts"] for x in hands.disagreements() if x["id"] in rows}
        return body

    def _sorted(self) -> Worklist:
        """A worklist that knows all but the last few verdicts; a newer one is made beside the requests."""
        found = self.worklist(newest=False)
        if self._behind(found) >= STALE and (self._sorter is None or not self._sorter.is_alive()):
            self._sorter = threading.Thread(target=self._sort, daemon=True)
            self._sorter.start()
        return found

    def _behind(self, found: Worklist) -> int:
        return self.project.workspace.store.verdict_mark(TRAIN) - found.mark

    def _sort(self) -> None:
        began = time.monotonic()
        try:
            self.worklist()
        except TilthError as error:
            self.error = str(error)
        # with many people at work there is always a newer verdict: leave most of the time to them
        time.sleep(min(10.0, 2 * (time.monotonic() - began)))

    def cards(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """What is to be seen of rows; of those that somebody judged nothing that the verdict made known."""
        found, said = self.worklist(newest=False), self.reviewers.register().rows
        judged = [x for x in ids if x in said]
        if not judged:
            return found.cards(ids)
        new = [x for x in ids if x not in said]
        cards = {c["id"]: c for c in (*found.cards(new), *found.blind().cards(judged))}
        return [cards[x] for x in ids if x in cards]

    def record(self, items: Sequence[Mapping[str, Any]], reviewer: str) -> dict[str, Any]:
        """Write verdicts down; each is taken or refused alone, so that one of them stops no other."""
        found, ws = self.worklist(newest=False), self.project.workspace
        made: dict[str, Verdict] = {}
        refused: list[dict[str, str]] = []
        for item in items:
            try:
                made[str(item["key"])] = found.judged(ws, _said(item), reviewer)
            except TilthError as error:
                refused.append({"key": str(item["key"]), "message": str(error)})
        until = self.reviewers.now() + self.reviewers.seconds
        new = ws.store.add_verdicts_once(TRAIN, made, now=ws.clock(), until=until) if made else []
        return {"saved": list(made), "new": len(new), "refused": refused}

    def standing(self) -> dict[str, Any] | None:
        """Where the review stands by the newest worklist; None while there is none."""
        found = self._list
        return None if found is None else found.to_json(most=0)

    def plan(self) -> dict[str, Any]:
        """The plan for the present heads and verdicts; made now where there is none."""
        with self.alone:
            key = self._plan_key()
            if self._plan is None or self._plan[0] != key:
                self._plan = (key, self.project.plan().to_json())
            return self._plan[1]

    def _plan_key(self) -> tuple[str, str, str]:
        ws = self.project.workspace
        return ws.head(TRAIN).id, ws.eval_id(), moment(ws)

    def plan_at_hand(self) -> tuple[dict[str, Any] | None, bool]:
        """The newest plan, and whether it is up to date; a new one is begun in the background."""
        known, key = self._plan, self._plan_key()
        if known is None or known[0] != key:
            kept = last_plan(self.project.workspace) or {}
            if kept.pop("moment", "") == key[2]:
                known = self._plan = (key, {k: v for k, v in kept.items() if k != "created"})
        if known is not None and known[0] == key:
            return known[1], True
        if self._planner is None or not self._planner.is_alive():
            self.error = ""
            self._planner = threading.Thread(target=self._make_plan, daemon=True)
            self._planner.start()
        return (known[1] if known else last_plan(self.project.workspace)), False

    def _make_plan(self) -> None:
        try:
            found = self.worklist()  # first: whoever goes straight to the rows shall not wait for the plan
            if len(found.view.train) < FROM_ROWS:
                self.plan()
                return
            # of many rows the audit takes a while: in a process of its own it delays no verdict
            self.jobs.begin("plan", ["plan"])
            while (job := self.jobs.state("plan"))["state"] == "running":
                self.step = job["step"]
                time.sleep(0.2)
            self.error = job["error"]
        except TilthError as error:
            self.error = str(error)

    def patches(self) -> list[dict[str, Any]]:
        """All patches, as `tilth patches --json` lists them."""
        return [decisions.line(info) for info in self.project.patches()]

    def patch(self, ref: str) -> dict[str, Any]:
        """A patch with its ops, as `tilth patch --json` shows it."""
        header, *ops = map(json.loads, patches.render(self.project.patch(ref)).splitlines())
        return {**header, "ops": ops}

    def trial_of(self, ref: str) -> dict[str, Any] | None:
        """The newest trial of a patch that still counts."""
        ws = self.project.workspace
        trial = decisions.trial_of(ws, ws.store.patch_info(ref).id)
        return None if trial is None else trial.to_json()

    def story(self, ref: str) -> list[dict[str, Any]]:
        """What was decided about a patch, oldest first."""
        return [asdict(d) for d in self.project.workspace.store.decisions(ref)]

    def try_out(self, ref: str) -> dict[str, Any]:
        """Begin the trial of a patch, unless it is at work already."""
        name = self.project.workspace.store.patch_info(ref).id
        return {"patch": name, **self.jobs.begin(f"trial {name}", ["trial", name])}

    def job(self, ref: str) -> dict[str, Any]:
        """How far the trial of a patch is."""
        name = self.project.workspace.store.patch_info(ref).id
        return {"patch": name, **self.jobs.state(f"trial {name}")}

    def cancel(self, ref: str) -> dict[str, Any]:
        """End the trial of a patch."""
        name = self.project.workspace.store.patch_info(ref).id
        return {"patch": name, **self.jobs.cancel(f"trial {name}")}

    def close(self) -> None:
        """End the trials that are at work."""
        self.jobs.close()


def _said(item: Mapping[str, Any]) -> Said:
    verdict = next((d for d in DECISIONS if d == item["verdict"]), None)
    if verdict is None:
        raise InputError(f"unknown verdict {item['verdict']!r}; it is one of {', '.join(DECISIONS)}")
    if verdict == "relabel" and not item["label"]:
        raise InputError(f"a relabel of row {item['id']!r} needs the right label")
    role = next((r for r in ROLES if r == item.get("role", "")), None)
    if not item["key"]:
        raise InputError("a verdict without a key: of two with the same key one counts")
    if role is None:
        raise InputError(f"unknown role {item['role']!r}; it is ask, settle or nothing")
    label = item["label"] if verdict == "relabel" else None
    return Said(item["id"], verdict, label, item["note"], role=role)
