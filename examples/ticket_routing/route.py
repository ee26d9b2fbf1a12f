"""Route tickets, ask a person where the model is unsure, learn from the week: the share routed before and after.

    python examples/ticket_routing/route.py [FOLDER]

Everything goes through the real release, server, feedback and trial; only customers and agents are simulated. With
the extra `serve` the week is served over HTTP by `tilth serve`, else the same records are written without the network.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import random
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

sys.path.insert(0, str(Path(__file__).parent))
from tickets import Ticket, tickets

from tilth.project import Project
from tilth.release import load
from tilth.serve import Answered, Said, Served, State
from tilth.serve.state import new_id, stamp

PRECISION = 0.95
KNOWN, CHECK, A_DAY, DAYS, FRESH = 150, 500, 100, 7, 2_000
MOVED, CLOSED, SLIPS = 0.9, 0.3, 0.02
"""Share of wrongly routed tickets that an agent moves, of rightly routed ones that are marked so, and of a person's
own mistakes."""


class Desk(Protocol):
    """Where tickets go in."""

    def route(self, day: Sequence[Ticket]) -> list[dict[str, Any]]:
        """An answer for each ticket."""

    def say(self, said: Sequence[dict[str, Any]]) -> None:
        """What agents did: answer, kind, label, key."""


class Records:
    """The server's records without the network."""

    def __init__(self, bundle: Path, folder: Path) -> None:
        self.release, self.folder, self.now = load(bundle), folder, 1_800_000_000.0
        with State.open(folder, create=True) as state:
            state.deploy(
                [Served(self.release.id, str(bundle), stamp(self.now), "live", 1.0, "a")], stamp(self.now)
            )

    def route(self, day: Sequence[Ticket]) -> list[dict[str, Any]]:
        """An answer for each ticket; those without a label are asked."""
        out, rows = [], []
        for t, a in zip(day, self.release.predict([t.text for t in day]), strict=True):
            self.now += 86_400 / len(day)
            name = new_id(self.now)
            at = stamp(self.now)
            rows.append(
                Answered(
                    name,
                    at,
                    self.release.id,
                    "a",
                    "desk",
                    t.id,
                    a.best,
                    a.probability,
                    a.abstained,
                    a.reason,
                    t.text,
                )
            )
            out.append({"id": name, "label": a.label})
        with State.open(self.folder) as state:
            state.write(rows, escalate=[r.id for r in rows if r.abstained])
        return out

    def say(self, said: Sequence[dict[str, Any]]) -> None:
        """What agents did."""
        at = stamp(self.now)
        with State.open(self.folder) as state:
            state.write(
                feedback=[
                    Said(s["key"], s["answer"], s["kind"], s.get("label"), "", "desk", True, at) for s in said
                ]
            )


class Http:
    """`tilth serve`."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")

    def route(self, day: Sequence[Ticket]) -> list[dict[str, Any]]:
        """POST /predict, fifty at a time."""
        out: list[dict[str, Any]] = []
        for i in range(0, len(day), 50):
            out += self._post("/predict", {"rows": [t.text for t in day[i : i + 50]]})["answers"]
        return out

    def say(self, said: Sequence[dict[str, Any]]) -> None:
        """POST /feedback; acknowledged when it is on disk."""
        for s in said:
            self._post("/feedback", s)

    def _post(self, path: str, body: object) -> Any:
        head = {"content-type": "application/json"}
        ask = urllib.request.Request(self.address + path, json.dumps(body).encode(), head)
        with urllib.request.urlopen(ask, timeout=60) as answer:
            return json.load(answer)


@contextmanager
def desk(bundle: Path, folder: Path, *, http: bool) -> Iterator[Desk]:
    """The server, or its records."""
    if not http:
        yield Records(bundle, folder)
        return
    command = [sys.executable, "-m", "tilth.cli", "serve", str(bundle), "--state", str(folder), "--escalate"]
    with subprocess.Popen(
        [*command, "--keep-rows", "--port", "0", "--no-log", "--json"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield Http(json.loads(server.stdout.readline())["address"])
        finally:
            server.terminate()


def write(path: Path, rows: Sequence[Ticket]) -> Path:
    """A CSV file of tickets."""
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["ticket", "text", "queue"])
        out.writerows([t.id, t.text, t.queue] for t in rows)
    return path


def routed(bundle: Path, fresh: Sequence[Ticket]) -> dict[str, float]:
    """Share of fresh tickets that a release routes, and how many of these are right."""
    found = load(bundle).predict([t.text for t in fresh])
    right = [a.label == t.queue for a, t in zip(found, fresh, strict=True) if not a.abstained]
    return {"routed": len(right) / len(fresh), "precision": sum(right) / max(len(right), 1)}


def week(at: Desk, project: Project, state: Path, seed: int) -> int:
    """Seven days of tickets, moves and answers; returns how many a person answered."""
    rng, asked = random.Random(seed), 0
    queues = sorted({t.queue for t in tickets(500, seed=1)})
    for number in range(DAYS):
        day = tickets(A_DAY, seed=100 + number)
        answers = at.route(day)
        said = []
        for t, a in zip(day, answers, strict=True):
            if a["label"] is None:
                asked += 1
                label = t.queue if rng.random() >= SLIPS else rng.choice(queues)
                project.answer_question(a["id"], label, person="ana", state=state)
            elif a["label"] != t.queue and rng.random() < MOVED:
                said.append({"answer": a["id"], "kind": "label", "label": t.queue, "key": f"move {a['id']}"})
            elif a["label"] == t.queue and rng.random() < CLOSED:
                said.append({"answer": a["id"], "kind": "right", "key": f"done {a['id']}"})
        at.say(said)
    return asked


def run(folder: Path, *, http: bool | None = None, seed: int = 0) -> dict[str, Any]:
    """The whole story; returns the figures that it is about."""
    if http is None:
        http = importlib.util.find_spec("httptools") is not None
    known = tickets(KNOWN + CHECK, seed=1)
    train, check = write(folder / "train.csv", known[:KNOWN]), write(folder / "check.csv", known[KNOWN:])
    fresh, state = tickets(FRESH, seed=9), folder / "state"
    with Project(folder / "tickets") as project:
        project.ingest(train, eval=check, text="text", label="queue", id="ticket")
        first = project.release(precision=PRECISION, name="monday", force="an example without licences")
        with desk(Path(first.path), state, http=http) as at:
            asked = week(at, project, state, seed)
        drift = project.drift(state)
        intake = project.feedback(state)
        learned, verdicts = 0, []
        for made in intake.patches:
            trial = project.trial(made["id"])
            verdicts.append(trial.effect.verdict)
            if trial.effect.verdict != "worse":
                project.accept(made["id"], author="ana")
                learned += made["ops"]
        second = project.release(precision=PRECISION, name="next-week", force="an example without licences")
    return {
        "before": routed(Path(first.path), fresh),
        "after": routed(Path(second.path), fresh),
        "asked": asked,
        "tickets": A_DAY * DAYS,
        "learned": learned,
        "trials": verdicts,
        "drifted": drift.drifted,
        "served": "over HTTP" if http else "records alone",
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        found = run(place)
    for name in ("before", "after"):
        f = found[name]
        sys.stdout.write(
            f"{name:<7} routed {f['routed']:.1%} of fresh tickets, {f['precision']:.1%} of these rightly\n"
        )
    sys.stdout.write(json.dumps(found) + "\n")
