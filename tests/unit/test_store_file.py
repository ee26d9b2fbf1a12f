"""The file of the store: its size, damage, copies, schema, full disks; patches and records."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from store_kit import NOW, adds, arriving, relabel, rows_of, take_in

from tilth import migrations
from tilth.data import Incoming
from tilth.errors import (
    InputError,
    NotFound,
    PatchError,
    ProjectBusy,
    ProjectError,
)
from tilth.patch import Patch
from tilth.store import Store, connection, lines


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "project") as made:
        yield made


def test_streams_can_be_left_early_and_the_store_goes_on(store: Store) -> None:
    first = store.commit(adds(rows_of(100)), note="", now=NOW)
    stream = store.rows(first)
    assert next(stream).id == "r000000"
    second = store.commit(relabel(store, ["r000001"], "x"), note="", now=NOW)
    # the stream goes on reading the version it was asked for
    assert next(stream).label == "l1"
    stream.close()
    assert next(store.diff(first, second)).row_id == "r000001"
    store.close()
    with pytest.raises(ProjectError, match="closed"):
        store.head("train")


@pytest.mark.parametrize(("width", "count"), [(6, 10_000), (14, 50_000)])
def test_a_hundred_relabels_cost_what_they_are(tmp_path: Path, width: int, count: int) -> None:
    """Whatever the length of the ids: with 14 characters the pages are filled to the last byte."""
    ids = [f"r{i:0{width}}" for i in range(count)]
    with Store.create(tmp_path) as store:
        rows = (Incoming(i, {"text": f"row number {i}"}, f"l{n % 5}") for n, i in enumerate(ids))
        store.import_rows("train", "f", rows, file_digest="", note="", now=NOW)
    sizes = [_size(tmp_path)]
    for step in range(2):
        with Store.open(tmp_path) as store:
            store.commit(relabel(store, ids[step :: count // 100], "new"), note="", now=NOW)
        sizes.append(_size(tmp_path))
    assert max(b - a for a, b in pairwise(sizes)) < 25_000


def _size(folder: Path) -> int:
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


@pytest.mark.parametrize(
    ("query", "index"),
    [(lines.ROWS, "state_alive"), (lines.LATER, "state_born"), (lines.LATER, "state_died")],
)
def test_queries_walk_indexes_and_do_not_sort_a_million_rows(store: Store, query: str, index: str) -> None:
    with store._pool.read() as inside:
        at = {"dataset": 1, "seq": 1, "low": 1, "high": 2}
        plan = [line[3] for line in inside.execute("EXPLAIN QUERY PLAN " + query, at)]
    assert any(f"INDEX {index} (dataset=?" in line for line in plan), plan
    if query is lines.ROWS:
        # the first arm, the rows alive, comes in order; only the second is sorted
        left = plan[plan.index("LEFT") : plan.index("RIGHT")]
        assert not any("B-TREE" in line for line in left), plan
    assert not any(line.startswith("SCAN") for line in plan), plan


def test_a_patch_from_proposal_to_acceptance(store: Store) -> None:
    store.commit(adds(rows_of(5)), note="", now=NOW)
    patch = relabel(store, ["r000003"], "\ud83d\ude00")
    patch = Patch("train", patch.base, patch.ops, "t\ud800", "why", "ann", "propose:x", "", "rev")
    info = store.save_patch(patch, meta={"gain": 1.5}, now=NOW)
    assert (info.state, info.created, info.counts, info.meta) == (
        "proposed",
        NOW,
        {"relabel": 1},
        {"gain": 1.5},
    )
    assert (info.title, info.reason, info.author, info.origin) == ("t\ud800", "why", "ann", "propose:x")
    loaded = store.patch(patch.id[:5])
    assert (loaded.id, loaded.title, loaded.revises) == (patch.id, "t\ud800", "rev")
    assert loaded.ops == patch.ops
    store.set_patch_state(patch.id, "rejected", reason="no", author="bob", now=NOW)
    # known: stays rejected; its meta is renewed
    assert store.save_patch(patch, now=NOW).meta == {"gain": 1.5}
    again = store.save_patch(patch, meta={"gain": 2}, now=NOW)
    assert (again.state, again.meta) == ("rejected", {"gain": 2})
    store.commit(patch, note="yes", now=NOW)
    assert store.patch_info(patch.id).state == "accepted"
    assert [(d.state, d.reason, d.author) for d in store.decisions(patch.id)] == [
        ("rejected", "no", "bob"),
        ("accepted", "yes", "ann"),
    ]
    assert [p.id for p in store.patches("accepted")][-1] == patch.id
    assert [p.state for p in store.patches()] == ["accepted", "accepted"]
    assert store.patches("proposed") == []


def test_patch_refs_and_states_are_checked(store: Store) -> None:
    store.commit(adds(rows_of(3)), note="", now=NOW)
    patch = relabel(store, ["r000000"], "x")
    store.save_patch(patch, now=NOW)
    for ref in ("abc", "zzzz", "0" * 12, patch.id + "0"):
        with pytest.raises(NotFound):
            store.patch(ref)
    bad: Any = "maybe"
    with pytest.raises(InputError, match=r"'maybe'.*proposed, accepted"):
        store.set_patch_state(patch.id, bad, reason="", author="", now=NOW)
    with pytest.raises(InputError, match="maybe"):
        store.patches(bad)
    with pytest.raises(InputError, match="maybe"):
        store.save_patch(relabel(store, ["r000001"], "x"), state=bad, now=NOW)
    with pytest.raises(PatchError, match="no ops"):
        store.save_patch(Patch("train", patch.base, ()), now=NOW)


def test_records_keep_their_place(store: Store) -> None:
    store.put_records("finding", [("a", {"n": 1}), ("b", {"n": 2})], subject="v1", now=NOW)
    store.put_record("finding", "c", {"n": 3}, subject="v2", now=NOW)
    store.put_record("trial", "a", {"n": 4}, now=NOW)
    store.put_record("finding", "a", {"n": 5}, subject="v1", now=NOW)
    assert store.record("finding", "a") == {"n": 5}
    assert [r["n"] for r in store.records("finding")] == [5, 2, 3]
    assert [r["n"] for r in store.records("finding", "v1")] == [5, 2]
    assert store.records("finding", "v2") == [{"n": 3}]
    with pytest.raises(InputError, match="finding 'x' holds a value that is not JSON"):
        store.put_records("finding", [("y", {}), ("x", {"n": {1, 2}})], now=NOW)
    assert store.record("finding", "y") is None


def test_create_and_open_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="no Tilth project"):
        Store.open(tmp_path)
    Store.create(tmp_path).close()
    with pytest.raises(ProjectError, match="already"):
        Store.create(tmp_path)
    file = tmp_path / "plain"
    file.write_text("")
    with pytest.raises(ProjectError, match="cannot make a project"):
        Store.create(file)


def test_a_create_that_was_killed_early_can_be_opened(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tilth.db").touch()
    with Store.open(tmp_path) as store:
        assert store.datasets() == []


def test_foreign_and_damaged_files(tmp_path: Path) -> None:
    file = tmp_path / "data" / "tilth.db"
    file.parent.mkdir()
    file.write_bytes(b"no database at all" * 300)
    for door in (Store.open, Store.create):
        with pytest.raises(ProjectError, match="damaged"):
            door(tmp_path)
    file.unlink()
    other = sqlite3.connect(file)
    other.execute("CREATE TABLE cookies (x)")
    other.close()
    for door in (Store.open, Store.create):
        with pytest.raises(ProjectError, match="another program"):
            door(tmp_path)


def test_verify_finds_damage(tmp_path: Path) -> None:
    with Store.create(tmp_path) as store:
        take_in(store, arriving([(None, {"text": "findme" * 30}, "x"), ("b", {}, "y")]))
        store.commit(relabel(store, ["b"], "z"), note="", now=NOW)
        assert store.verify() == []
        with store._pool.write() as inside:
            inside.execute("UPDATE state SET label = 1 WHERE born = 2 AND id = ?", (b"b",))
        assert any("train@2" in line for line in store.verify())
        with store._pool.write() as inside:
            inside.execute("DELETE FROM patch")
            inside.execute("UPDATE dataset SET hash = zeroblob(2048)")
            inside.execute("UPDATE version SET seq = 7 WHERE seq = 1")
        found = " ".join(store.verify())
        assert "not numbered" in found
        assert "running digest" in found
        assert "not in the store" in found
    file = tmp_path / "data" / "tilth.db"
    raw = bytearray(file.read_bytes())
    raw[4096:12288] = os.urandom(8192)
    file.write_bytes(raw)
    with Store.open(tmp_path) as store:
        assert store.verify()


def test_a_copied_folder_opens(tmp_path: Path) -> None:
    with Store.create(tmp_path / "a") as store:
        head = store.commit(adds(rows_of(3)), note="", now=NOW)
        # while it is open: the log is copied with the file
        shutil.copytree(tmp_path / "a", tmp_path / "b")
    shutil.copytree(tmp_path / "a", tmp_path / "c # ? é")
    for name in ("b", "c # ? é"):
        with Store.open(tmp_path / name) as copy:
            assert copy.head("train") == head
            assert copy.verify() == []
            copy.commit(relabel(copy, ["r000001"], "copy"), note="", now=NOW)
    with Store.open(tmp_path / "a") as store:
        assert store.head("train") == head


def test_a_newer_store_is_refused_and_an_older_one_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.create(tmp_path) as store:
        head = store.commit(adds(rows_of(3)), note="", now=NOW)

    def up(inside: sqlite3.Connection) -> None:
        inside.execute("ALTER TABLE version ADD COLUMN mood TEXT")
        inside.execute("UPDATE version SET mood = 'fine'")
        if broken:
            raise sqlite3.OperationalError("halfway")

    with monkeypatch.context() as patched:
        step = SimpleNamespace(NUMBER=len(migrations.STEPS) + 1, up=up)
        patched.setattr(migrations, "STEPS", (*migrations.STEPS, step))
        broken = True
        with pytest.raises(ProjectError, match="halfway"):
            Store.open(tmp_path)
        broken = False
        with Store.open(tmp_path) as store:
            assert store.head("train") == head
            assert store.verify() == []
        with Store.open(tmp_path) as store, store._pool.read() as inside:
            assert inside.execute("SELECT mood FROM version").fetchall() == [("fine",)]
    newest = len(migrations.STEPS)
    for door in (Store.open, Store.create):
        words = rf"newer Tilth \(schema {newest + 1}; this one knows schema {newest}\)"
        with pytest.raises(ProjectError, match=words):
            door(tmp_path)


def test_migrations_are_numbered_without_gaps() -> None:
    assert [step.NUMBER for step in migrations.STEPS] == list(range(1, len(migrations.STEPS) + 1))


def test_a_writer_that_does_not_finish_is_project_busy(tmp_path: Path) -> None:
    with Store.create(tmp_path) as first, Store.open(tmp_path, wait=0.05) as second:
        first.commit(adds(rows_of(3)), note="", now=NOW)
        patch = relabel(first, ["r000000"], "x")
        with first._pool.write():
            with pytest.raises(ProjectBusy, match="another process"):
                second.commit(patch, note="", now=NOW)
            # readers are not held up
            assert second.head("train") is not None
        second.commit(patch, note="", now=NOW)


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.create(tmp_path) as store:
        head = store.commit(adds(rows_of(300)), note="", now=NOW)
    limit = (*connection.PRAGMAS, "PRAGMA max_page_count = 60")
    with monkeypatch.context() as patched:
        patched.setattr(connection, "PRAGMAS", limit)
        with Store.open(tmp_path) as store:
            big = [Incoming(f"{i}", {"text": "long " * 40 + str(i)}) for i in range(2000)]
            with pytest.raises(ProjectError, match=r"full.*Free some space"):
                take_in(store, big)
            with pytest.raises(ProjectError, match="Free some space") as caught:  # noqa: PT012
                for n in range(200):
                    patch = relabel(store, ["r000001"], f"{n}")
                    head = store.commit(patch, note="long " * 200, now=NOW)
            assert "Nothing was changed" in str(caught.value)
            assert head.seq > 2
            assert store.head("train") == head
    with Store.open(tmp_path) as store:
        assert store.head("train") == head
        assert store.verify() == []
        assert take_in(store, big).added == 2000


def test_a_file_size_limit_is_a_project_error_too(tmp_path: Path) -> None:
    """Another errno than a full disk (EFBIG), by the real write path: log file and temporary files."""
    with Store.create(tmp_path) as store:
        store.commit(adds(rows_of(300)), note="", now=NOW)
    log = tmp_path / "log"
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = _until_the_limit(tmp_path, log)
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    with Store.open(tmp_path) as store:
        assert store.verify() == []
        known = [f"{v.seq} {v.id}" for v in store.versions("train")]
        acknowledged = log.read_text().splitlines()
        assert len(acknowledged) > 2
        assert set(acknowledged) <= set(known)
        store.commit(relabel(store, ["r000001"], "after"), note="", now=NOW)


def _until_the_limit(folder: Path, log: Path) -> int:
    import resource  # not on Windows

    limit = (folder / "data" / "tilth.db").stat().st_size + 200_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    with Store.open(folder) as store:
        try:
            take_in(store, [Incoming(f"{i}", {"text": "long " * 40 + str(i)}) for i in range(9000)])
            return 2
        except ProjectError as error:
            if "Free some space" not in str(error):
                return 3
        try:
            for n in range(100):
                done = store.commit(relabel(store, ["r000001"], f"{n}"), note="", now=NOW)
                with log.open("a") as out:
                    out.write(f"{done.seq} {done.id}\n")
                if n > 4 and not take_in(store, [Incoming(f"{n}.{i}", {"t": "x" * 900}) for i in range(40)]):
                    return 4
        except ProjectError as error:
            return 0 if "Free some space" in str(error) else 5
    return 6
