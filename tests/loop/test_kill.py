"""SIGKILL at any instant: the store opens, is sound, and has everything that was acknowledged.

Children are forked (no interpreter starts, no imports), so a kill costs milliseconds. Default: 40
kills; TILTH_KILLS=200 for more. A kill tells nothing about a power cut: what was written, but not
synced, survives in the page cache. That commits are synced is checked by `synchronous = FULL`.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tilth.config import Config
from tilth.data import Incoming, Row
from tilth.errors import ProjectError
from tilth.patch import Op, Patch, invert
from tilth.project import Project
from tilth.store import Store
from tilth.workspace import Workspace

KILLS = int(os.environ.get("TILTH_KILLS", "40"))
NOW = "2025-01-02T03:04:05Z"

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def acknowledge(log: Path, line: list[object]) -> None:
    """After the call returned, and on disk: what the parent may rely on."""
    with log.open("a") as out:
        out.write(json.dumps(line) + "\n")
        out.flush()
        os.fsync(out.fileno())


def work(folder: Path, log: Path, seed: int) -> None:
    """Import, commit, revert and take notes until killed."""
    rng = random.Random(seed)
    step = 0
    with Store.open(folder) as store:
        while True:
            step += 1
            name = f"{seed}.{step}"
            kind = rng.choice(["import", "relabel", "relabel", "edit", "revert", "record", "patch"])
            head = store.head("train")
            if kind == "import" or head is None:
                size = rng.choice([5, 200, 1500])
                rows = [Incoming(f"r{i}", {"text": f"row {i} " * 9}, rng.choice("xyz")) for i in range(size)]
                done = store.import_rows(
                    "train", f"{size}.csv", rows, file_digest=name, note=name, now=NOW
                ).version
            elif kind in ("relabel", "edit"):
                done = store.commit(change(store, rng, kind, name), note=name, now=NOW)
            elif kind == "revert":
                done = store.commit(invert(store.patch(head.patch), head.id), note=name, now=NOW)
            elif kind == "record":
                store.put_records("note", [(f"{name}.{i}", {"n": i}) for i in range(20)], now=NOW)
                acknowledge(log, ["record", f"{name}.19"])
                continue
            else:
                patch = change(store, rng, "relabel", name)
                store.save_patch(patch, now=NOW)
                store.set_patch_state(patch.id, "rejected", reason=name, author="", now=NOW)
                acknowledge(log, ["patch", patch.id, name])
                continue
            assert done is not None
            acknowledge(log, ["version", done.seq, done.id])


def change(store: Store, rng: random.Random, kind: str, name: str) -> Patch:
    """A patch on up to five rows of the head; adds one where there is none."""
    head = store.head("train")
    assert head is not None
    found = {r.id: r for r in (store.row("train", f"r{rng.randrange(1500)}") for _ in range(5)) if r}
    fields = {"text": name} if kind == "edit" else None
    ops = [Op(r, Row(r.id, fields or r.fields, f"l{name}", r.source)) for r in found.values()]
    return Patch("train", head.id, tuple(ops) or (Op(None, Row(f"new {name}", {}, None)),))


def killed(job: Callable[[], None], delay: float) -> None:
    """Run a job in a forked child and SIGKILL it after `delay` seconds."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            job()
            code = 0
        finally:
            os._exit(code)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0, "the child failed by itself"


def missing(store: Store, log: Path) -> list[object]:
    """What was acknowledged and is not there."""
    versions = {(v.seq, v.id) for v in store.versions("train")}
    lost: list[object] = []
    for line in map(json.loads, log.read_text().splitlines()):
        if line[0] == "version":
            found = (line[1], line[2]) in versions
        elif line[0] == "record":
            found = store.record("note", line[1]) is not None
        else:
            found = line[2] in [d.reason for d in store.decisions(line[1])]
        lost += [] if found else [line]
    return lost


def test_kill_at_any_instant_loses_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    rng = random.Random(1)
    acknowledged = 0
    for kill in range(KILLS):
        folder = tmp_path / f"project{kill // 10}"
        if kill % 10 == 0:
            # a new project now and then: versions add up, and early kills should hit small files, too
            Store.create(folder).close()
            log.write_text("")
        # most within the first operations of a child, some later
        killed(lambda: work(folder, log, kill), rng.uniform(0.005, rng.choice([0.03, 0.1, 0.3])))  # noqa: B023
        with Store.open(folder) as store:
            assert store.verify() == []
            assert missing(store, log) == []
            if kill % 10 in (4, 9):
                every_version_can_be_read(store)
        acknowledged = max(acknowledged, len(log.read_text().splitlines()))
    assert acknowledged > 20, "the children were killed before they did anything"


def every_version_can_be_read(store: Store) -> None:
    for version in store.versions("train"):
        assert sum(1 for _ in store.rows(version)) == version.rows
        assert store.patch(version.patch).id == version.patch


def test_kill_during_create(tmp_path: Path) -> None:
    """Either there is a project afterwards, or one can be made."""
    rng = random.Random(2)
    for kill in range(max(KILLS // 4, 5)):
        folder = tmp_path / f"{kill}"
        killed(lambda: Store.create(folder).close(), rng.uniform(0, 0.012))  # noqa: B023
        try:
            store = Store.open(folder)
        except ProjectError:
            store = Store.create(folder)
        with store:
            assert store.verify() == []
            store.import_rows("train", "f", [Incoming("a", {})], file_digest="", note="", now=NOW)


def revert_until(folder: Path, last: int) -> None:
    """Revert the patch that made the head, and die before SQL statement number `last`."""
    done = 0
    real = sqlite3.connect

    def count(statement: str) -> None:
        nonlocal done
        done += 1
        if done == last:
            os.kill(os.getpid(), signal.SIGKILL)

    def connect(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = real(*args, **options)
        connection.set_trace_callback(count)
        return connection

    sqlite3.connect = connect  # in a forked child: nobody else sees it
    with Project(folder) as project:
        project.revert(project.log()[-1].patch)


def test_a_revert_killed_at_any_statement_is_done_or_not_begun(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    rows = [Incoming(f"r{i}", {"text": f"row {i}"}, "ab"[i % 2]) for i in range(6)]
    with closing(Workspace.create(folder, Config("p"), lambda: NOW)) as ws:
        ws.store.import_rows("train", "f", rows, file_digest="", note="", now=NOW)
        before = ws.head("train").id
        ws.store.commit(change(ws.store, random.Random(3), "relabel", "x"), note="x", now=NOW)
        changed = ws.head("train")
    seen = set()
    for last in range(1, 400):
        copy = tmp_path / f"{last}"
        shutil.copytree(folder, copy)
        child = os.fork()
        if child == 0:
            try:
                revert_until(copy, last)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        with Project(copy) as project:
            state = project.workspace.store.patch_info(changed.patch).state
            head = project.log()[-1]
            assert project.workspace.store.verify() == []
        assert (state, head.id) in {("accepted", changed.id), ("reverted", before)}, last
        seen.add(state)
        shutil.rmtree(copy)
        if not os.WIFSIGNALED(status):
            break
    assert last > 10, "it was killed nowhere"
    assert seen == {"accepted", "reverted"}


def test_commits_are_synced(tmp_path: Path) -> None:
    with Store.create(tmp_path) as store, store._pool.read() as connection:
        full = 2
        assert connection.execute("PRAGMA synchronous").fetchone() == (full,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
