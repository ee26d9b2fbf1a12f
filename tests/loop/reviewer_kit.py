"""Scripted reviewers who work at once through the HTTP API, as the page does, while the server is killed."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

PASSWORD = "correct horse battery"
GONE = (ConnectionError, TimeoutError, http.client.HTTPException, OSError)


class Server:
    """`tilth review` for a team, in a process of its own, on one port."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        from tilth.review.guard.passwords import add

        self.folder, self.port = folder, 0
        self.process: subprocess.Popen[str] | None = None
        self.peaks: list[int] = []
        for name in names:
            add(folder / "people", name, PASSWORD)

    def start(self) -> None:
        """Start it, and wait until it says so."""
        argv = [sys.executable, "-m", "tilth.cli", "review", "--no-browser", "--json", "--project", "p"]
        argv += ["--password-file", "people", "--allow-host", "review.test", "--port", str(self.port)]
        self.process = subprocess.Popen(
            argv, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            start_new_session=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        address = json.loads(self.process.stdout.readline())["address"]
        self.port = int(address.rstrip("/").rpartition(":")[2])

    def kill(self) -> None:
        """As the kernel does when memory is short."""
        if self.process is None or self.process.poll() is not None:
            return
        status = Path(f"/proc/{self.process.pid}/status")
        with suppress(OSError, StopIteration):
            line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
            self.peaks.append(int(line.split()[1]) // 1024)
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class Work:
    """What all reviewers share.

    Attributes
    ----------
    wanted : decisions to take in all.
    taken : keys of the decisions taken, with reviewer and row.
    saved : keys that the server said are on disk.
    times : seconds of each answered call, by its path.
    truth : right label of each row, which is said of it nineteen times in twenty; without it any verdict.
    """

    wanted: int
    taken: dict[str, tuple[str, str]] = field(default_factory=dict)
    saved: set[str] = field(default_factory=set)
    times: dict[str, list[float]] = field(default_factory=lambda: {"/api/lease": [], "/api/verdicts": []})
    faults: list[str] = field(default_factory=list)
    truth: Mapping[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Reviewer(threading.Thread):
    """One window: rows in hand, decisions at once, an outbox, everything sent again until it is answered."""

    def __init__(self, name: str, server: Server, work: Work, seed: int, pause: float) -> None:
        super().__init__(daemon=True)
        self.who, self.server, self.work, self.pause = name, server, work, pause
        self.random = random.Random(seed)
        self.seat = uuid.uuid4().hex
        self.cookie = ""
        self.door: http.client.HTTPConnection | None = None

    def call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """An answer; tried until there is one."""
        while True:
            began = time.perf_counter()
            try:
                status, found = self.ask(path, json.dumps(body), "application/json")
            except GONE:
                self.door = None
                time.sleep(0.05)
                continue
            if status == 401:
                self.login()
                continue
            if status == 503:  # somebody else is writing: as the page does, again
                time.sleep(0.05)
                continue
            if status != 200:
                raise AssertionError(f"{path}: {status} {found}")
            self.work.times[path].append(time.perf_counter() - began)
            return dict(json.loads(found))

    def ask(self, path: str, body: str, kind: str) -> tuple[int, bytes]:
        """One request."""
        if self.door is None:
            self.door = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        self.door.request("POST", path, body, {"Content-Type": kind, "Cookie": self.cookie})
        answer = self.door.getresponse()
        found = answer.read()
        if cookie := answer.headers.get("Set-Cookie"):
            self.cookie = cookie.partition(";")[0]
        return answer.status, found

    def login(self) -> None:
        """Once; the cookie outlives the server."""
        form = urlencode({"name": self.who, "password": PASSWORD})
        with suppress(*GONE):
            status, found = self.ask("/login", form, "application/x-www-form-urlencoded")
            assert status == 303, found

    def run(self) -> None:
        """Work until enough was decided, or nothing is left."""
        try:
            self.decide()
        except BaseException as error:  # else it would go unseen in a thread
            self.work.faults.append(f"{self.who}: {error!r}")

    def decide(self) -> None:
        """Rows in hand, one decision after another."""
        rows: list[str] = []
        done: list[str] = []
        while True:
            wanted = {
                "reviewer": self.who,
                "seat": self.seat,
                "n": 40,
                "have": rows[:12],
                "without": done[-300:],
            }
            found = self.call("/api/lease", wanted)
            rows = [r for r in found["rows"] if r not in done]
            if not rows:
                return
            for _ in range(min(20, len(rows))):
                with self.work.lock:
                    if len(self.work.taken) >= self.work.wanted:
                        return
                    row, key = rows.pop(0), uuid.uuid4().hex
                    self.work.taken[key] = (self.who, row)
                done.append(row)
                verdict = self.random.choices(("keep", "drop", "ambiguous"), (8, 1, 1))[0]
                item = {"key": key, "id": row, "verdict": verdict}
                if row in self.work.truth and self.random.random() < 0.95:
                    item |= {"verdict": "relabel", "label": self.work.truth[row]}
                answer = self.call("/api/verdicts", {"reviewer": self.who, "items": [item]})
                assert answer["saved"] == [key], answer
                self.work.saved.add(key)
                time.sleep(self.pause)


def review(
    folder: Path,
    *,
    reviewers: int,
    wanted: int,
    kills: int,
    pause: float = 0.0,
    apart: float = 0.0,
    truth: Mapping[str, str] | None = None,
) -> tuple[Work, dict[str, Any]]:
    """Reviewers at work while the server is killed.

    Parameters
    ----------
    folder : with a project `p`.
    reviewers, wanted, kills : how many of each; kills come when equal parts of the decisions are taken.
    pause : seconds between two decisions of one person.
    apart : seconds for which a killed server stays away.
    truth : see `Work`.
    """
    names = [f"reviewer {i}" for i in range(reviewers)]
    server, work = Server(folder, names), Work(wanted, truth=truth or {})
    server.start()
    away = 0.0
    try:
        people = [Reviewer(name, server, work, i, pause) for i, name in enumerate(names)]
        first = time.monotonic()
        people[0].call(
            "/api/lease", {"reviewer": names[0], "seat": people[0].seat, "n": 1}
        )  # the model is made
        work.times["/api/lease"].clear()
        began = time.monotonic()
        for one in people:
            one.start()
        for k in range(1, kills + 1):
            while len(work.taken) < wanted * k // (kills + 1) and any(p.is_alive() for p in people):
                time.sleep(0.01)
            gone = time.monotonic()
            server.kill()
            time.sleep(apart)
            server.start()
            away += time.monotonic() - gone
        for one in people:
            one.join(600)
        assert not any(p.is_alive() for p in people), "somebody is still at work"
        seconds = time.monotonic() - began
    finally:
        server.kill()
    return work, {
        "seconds": seconds,
        "away": away,
        "first": began - first,
        "peak_mib": max(server.peaks, default=0),
    }


def judge(folder: Path, work: Work) -> dict[str, Any]:
    """What is in the store after all, against what was decided."""
    from tilth.project import Project

    with Project(folder / "p") as project:
        store, share = project.workspace.store, project.workspace.config.review.second_opinion
        found = store.verdicts("train", every=True)
        keys = len(store.records("verdict-key"))
        leases = len(store.leases("train", 0.0))
    from tilth.verdicts import Register

    register = Register(share)
    register.add(found)
    stored = Counter((v.reviewer, v.row.id) for v in found)
    taken = Counter(work.taken.values())
    people: dict[str, set[str]] = {}
    for v in found:
        people.setdefault(v.row.id, set()).add(v.reviewer)
    twice = [row for row, who in people.items() if len(who) > 1]
    return {
        "decisions": len(work.taken),
        "stored": len(found),
        "lost": sum((taken - stored).values()),
        "doubled": sum((stored - taken).values()) + keys - len(found),
        "same_person_twice": sum(n > 1 for n in stored.values()),
        "second_opinions": len(twice),
        "double_work": sum(not register.drawn(row) or len(people[row]) > 2 for row in twice),
        "disagreements": len(register.disputed),
        "waiting": len(register.waiting),
        "leases_left": leases,
    }
