"""The server is killed again and again while feedback comes and releases change: nothing acknowledged is
lost, nothing counts twice, and what is served is what was acknowledged last.

TILTH_KILLS sets how often (default 8; decision 23 says how many were run)."""

from __future__ import annotations

import http.client
import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from serve_kit import Client, fake_bundle

from tilth.serve.state import State

pytest.importorskip("httptools", reason="the extra `serve` is not installed")
KILLS = int(os.environ.get("TILTH_KILLS", "8"))
BROKEN = (OSError, http.client.HTTPException, ValueError)


@dataclass
class Teller:
    """One client: says things, and says again what was not acknowledged, with the same key."""

    name: str
    count: int = 0
    open: list[str] = field(default_factory=list)
    acknowledged: dict[str, str] = field(default_factory=dict)
    escalated: list[str] = field(default_factory=list)
    wrong: list[object] = field(default_factory=list)

    def talk(self, address: str, over: threading.Event) -> None:
        """Until the server is gone."""
        client = Client(address)
        while not over.is_set():
            if not self.open:
                self.count += 1
                self.open = [f"{self.name}-{self.count}"]
            key = self.open[0]
            said = {"answer": f"about-{key}", "kind": "label", "label": key, "key": key}
            try:
                status, body = client.post("/feedback", said)
                if status not in (200, 201):
                    self.wrong.append((status, body))
                elif status == 200 and key in self.acknowledged:
                    pass
                elif key in self.acknowledged:
                    self.wrong.append(("acknowledged twice as new", key))
                self.acknowledged[key] = body["receipt"]
                self.open.pop()
                if self.count % 3 == 0:  # a client that is not sure says it once more
                    status, body = client.post("/feedback", said)
                    if (status, body["receipt"]) != (200, "repeated"):
                        self.wrong.append((status, body))
                if self.count % 5 == 0:
                    status, body = client.post("/predict", {"text": f"{key}?"})
                    if body["escalated"]:
                        self.escalated.append(body["id"])
            except BROKEN:
                return


@dataclass
class Swapper:
    """Changes what is served to and fro."""

    bundles: list[str]
    folder: Path
    names: list[str] = field(default_factory=lambda: ["x"])
    """What may be served: the last one acknowledged, and those asked for after it."""
    done: int = 0
    wrong: list[object] = field(default_factory=list)

    def check(self, address: str) -> None:
        """A server that was started again serves what was acknowledged last, or asked for since."""
        found = Client(address).get("/releases")[1]["releases"][0]["name"]
        if found not in self.names:
            self.wrong.append((found, self.names))
        self.names = [found]

    def work(self, address: str, over: threading.Event) -> None:
        """Until the server is gone."""
        client = Client(address, (self.folder / "admin.token").read_text().strip())
        while not over.is_set():
            path = self.bundles[self.done % 2]
            name = Path(path).stem
            self.names.append(name)
            try:
                status, body = client.post("/admin/releases", {"releases": [{"path": path}]})
            except BROKEN:
                return
            if status == 200:
                self.done += 1
                self.names = [name]
            else:
                self.wrong.append((status, body))


def test_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    chance = random.Random(1)
    folder = tmp_path / "state"
    bundles = [fake_bundle(tmp_path, "y"), fake_bundle(tmp_path, "x")]
    tellers = [Teller(f"t{i}") for i in range(3)]
    swapper = Swapper(bundles, folder)
    command = [sys.executable, str(Path(__file__).parent / "serve_kit.py"), str(folder), bundles[1]]
    began = time.time()
    for _ in range(KILLS):
        over = threading.Event()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address, "the server must come back after each kill"
            swapper.check(address)
            threads = [threading.Thread(target=t.talk, args=(address, over)) for t in tellers]
            threads.append(threading.Thread(target=swapper.work, args=(address, over)))
            for thread in threads:
                thread.start()
            time.sleep(chance.uniform(0.01, 0.15))
            process.kill()
            over.set()
            for thread in threads:
                thread.join()
    with State.open(folder) as state:
        kept = [s.key for s in state.feedback()]
        asked = {e.answer for e in state.escalations("open")}
        missing = [i for t in tellers for i in t.escalated if i not in asked or state.answer(i) is None]
    acknowledged = {key for t in tellers for key in t.acknowledged}
    sent = {f"{t.name}-{n}" for t in tellers for n in range(1, t.count + 1)}
    assert [t.wrong for t in tellers] == [[], [], []]
    assert swapper.wrong == []
    assert len(kept) == len(set(kept)), "doubled"
    assert acknowledged <= set(kept), "lost"
    assert set(kept) <= sent
    assert missing == [], "questions to a person are on disk before the caller hears of them"
    assert swapper.done > 0
    assert len(acknowledged) > KILLS
    seconds = time.time() - began
    words = f"{KILLS} kills, {len(acknowledged)} acknowledged, {swapper.done} swaps, {seconds:.0f} s"
    sys.stderr.write(words + "\n")
