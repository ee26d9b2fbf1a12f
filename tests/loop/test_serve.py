"""The server as a person starts it: `tilth serve` and `tilth swap` on real bundles."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from loop_kit import lines, tilth, write
from serve_kit import Client
from test_json import compare, schemas

from tilth.release import load
from tilth.serve.state import State

pytest.importorskip("httptools", reason="the extra `serve` is not installed")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two releases of one project."""
    work = tmp_path_factory.mktemp("bundles")
    write(work / "train.csv", lines(300, seed=1, wrong=0))
    write(work / "eval.csv", lines(200, seed=2, wrong=0))
    p = ("--project", "p")
    tilth("ingest", "train.csv", "--eval", "eval.csv", *p, cwd=work)
    for name, precision in (("one", "0.5"), ("two", "0.9")):
        done = tilth("release", "--out", name, "--name", name, "--precision", precision, *p, cwd=work)
        assert done.code == 0, done.err
    return [work / "one", work / "two"]


@contextmanager
def started(*argv: str, cwd: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A server in a process of its own, and what it printed."""
    command = [sys.executable, "-m", "tilth.cli", "serve", *argv, "--port", "0", "--json"]
    with subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline() or process.communicate()[1])
        finally:
            process.kill()


def test_serve_ask_swap_and_stop(bundles: list[Path], tmp_path: Path) -> None:
    one, two = map(str, bundles)
    began = time.perf_counter()
    with started(one, "--state", "s", "--keep-rows", cwd=tmp_path) as (process, body):
        client = Client(body["address"])
        texts = [text for _, text, _, _ in lines(150, seed=3)]
        answers = client.post("/predict", {"rows": texts})[1]["answers"]
        assert time.perf_counter() - began < 5.0, "cold start"
        compare(schemas()["serve"], body)
        release = load(one)
        for answer, expected in zip(answers, release.predict(texts), strict=True):
            told = {k: v for k, v in answer.items() if k not in ("id", "release", "arm", "escalated")}
            assert told == expected.to_json()
        found = tilth("swap", two, "--state", "s", "--json", cwd=tmp_path)
        compare(schemas()["swap"], found.json)
        assert client.post("/predict", {"text": texts[0]})[1]["release"] == load(two).id
        bad = tilth("swap", str(tmp_path), "--state", "s", "--json", cwd=tmp_path)
        assert (bad.code, bad.json["error"]) == (1, "Refused")
        assert tilth("swap", "--back", "--state", "s", cwd=tmp_path).code == 0
        assert client.post("/predict", {"text": texts[0]})[1]["release"] == release.id
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
        assert process.returncode == 0
    assert [json.loads(line)["event"] for line in log.splitlines() if "event" in line] == [
        "started",
        "swapped",
        "swapped",
        "stopped",
    ]
    assert texts[0] not in log
    with State.open(tmp_path / "s") as state:
        assert len(list(state.answers())) == 152
        assert [a.text for a in state.answers()].count(texts[0]) >= 1
    gone = tilth("swap", two, "--state", "s", cwd=tmp_path)
    assert gone.code == 1
    assert "no server is running" in gone.err


def test_shares_and_shadows_of_the_command(bundles: list[Path], tmp_path: Path) -> None:
    one, two = map(str, bundles)
    with started(one, "--shadow", two, "--state", "s", cwd=tmp_path) as (_, body):
        shown = Client(body["address"]).get("/releases")[1]["releases"]
        assert [(r["state"], r["share"]) for r in shown] == [("live", 1.0), ("shadow", 0.0)]
    with started(one, two, "--shares", "3,1", "--state", "s", cwd=tmp_path) as (_, body):
        shown = Client(body["address"]).get("/releases")[1]["releases"]
        assert [(r["state"], r["share"]) for r in shown] == [("live", 0.75), ("candidate", 0.25)]
    assert tilth("serve", one, "--shares", "3,1", cwd=tmp_path).code == 2
    assert tilth("serve", one, "--shares", "x", cwd=tmp_path).code == 2
    assert tilth("swap", cwd=tmp_path).code == 2
    refused = tilth("serve", one, "--host", "0.0.0.0", "--state", "s", cwd=tmp_path)
    assert refused.code == 1
    assert "--tokens" in refused.err


def test_a_server_loads_nothing_of_a_project(bundles: list[Path], tmp_path: Path) -> None:
    script = (
        "import sys, os, threading\n"
        "from tilth.cli import main\n"
        "def look(frame=None):\n"
        "    print([m for m in ('scipy', 'sklearn', 'pandas', 'torch', 'tilth.project', 'tilth.store',"
        " 'tilth.ingest', 'tilth.trial', 'tilth.audit') if m in sys.modules], flush=True)\n"
        "    os._exit(0)\n"
        "threading.Timer(2.0, look).start()\n"
        f"main(['serve', {str(bundles[0])!r}, '--state', 's', '--port', '0', '--json', '--no-log'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


def test_the_container_runs_as_nobody_and_writes_its_state_alone(bundles: list[Path], tmp_path: Path) -> None:
    text = (ROOT / "examples" / "serve" / "Containerfile").read_text("utf-8")
    last = text.rpartition("\nFROM ")[2]
    orders = [line.split(None, 1) for line in last.splitlines()]
    user = next(rest for order, *rest in orders if order == "USER")[0]
    assert user.split(":")[0].isdigit()
    assert int(user.split(":")[0]) > 0
    argv = json.loads(text.rpartition("\nCMD ")[2])
    entry = json.loads(text.rpartition("\nENTRYPOINT ")[2].splitlines()[0])
    assert entry[1] == "serve"
    tokens = tmp_path / "tokens"
    tokens.write_text("shop shop-token-that-is-long\n")
    places = {
        "/bundle": str(bundles[0]),
        "/state": str(tmp_path / "state"),
        "/tokens": str(tokens),
        "8500": "0",
    }
    home = tmp_path / "home"
    home.mkdir()
    command = [sys.executable, "-m", "tilth.cli", "serve", *(places.get(a, a) for a in argv), "--json"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(home), "TMPDIR": str(home)}
    before = set(bundles[0].rglob("*"))
    with subprocess.Popen(command, cwd=home, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = json.loads(process.stdout.readline())["address"]
            client = Client(address.replace("0.0.0.0", "127.0.0.1"), "shop-token-that-is-long")
            assert client.post("/predict", {"text": "a"})[0] == 200
            assert Client(address.replace("0.0.0.0", "127.0.0.1")).post("/predict", {"text": "a"})[0] == 401
        finally:
            process.terminate()
    assert process.returncode == 0
    assert list(home.iterdir()) == [], "it writes nothing but its state"
    assert set(bundles[0].rglob("*")) == before
