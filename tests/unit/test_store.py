"""The store: what goes in comes out, versions never change, nobody's change is lost."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_kit import (
    NOW,
    adds,
    bodies,
    digests,
    few_bodies,
    id_of,
    labels,
    many,
    names,
    relabel,
    rows_of,
    texts,
    values,
)

from tilth.data import Row, Snapshot, Version
from tilth.errors import (
    HeadMoved,
    InputError,
    NotFound,
    PatchError,
    StaleOp,
)
from tilth.patch import Op, Patch, apply, from_rows, invert
from tilth.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "project") as made:
        yield made


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Store]:
    """A maker of stores, for tests that hypothesis runs many times."""
    return lambda: Store.create(tmp_path_factory.mktemp("store"))


@many
@given(st.lists(st.tuples(texts.filter(bool), bodies, st.none() | texts, texts), max_size=6))
def test_any_row_comes_back_as_it_went_in(fresh: Callable[[], Store], cells: list[Any]) -> None:
    rows = list({c[0]: Row(*c) for c in cells}.values())
    with fresh() as store:
        if not rows:
            return
        patch = adds(rows)
        version = store.commit(patch, note="\ud83d\ude00\0", now=NOW)
        wanted = Snapshot.of(rows)
        found = store.snapshot(version)
        assert list(found.ids) == list(wanted.ids)
        assert digests(found) == digests(wanted)
        assert list(found.sources) == list(wanted.sources)
        assert [r.digest() for r in store.rows(version)] == digests(wanted)
        assert version.id == id_of(wanted)
        assert store.version("train") == version
        assert store.patch(patch.id).id == patch.id
        assert store.verify() == []


@many
@given(texts, texts, st.recursive(values, lambda v: st.lists(v) | st.dictionaries(texts, v), max_leaves=5))
def test_any_record_comes_back(fresh: Callable[[], Store], kind: str, name: str, value: Any) -> None:
    with fresh() as store:
        store.put_record(kind, name, {name: value}, subject=kind, now=NOW)
        for found in (store.record(kind, name), *store.records(kind), *store.records(kind, kind)):
            # by spelling: NaN is not equal to itself
            assert json.dumps(found) == json.dumps({name: value})
            assert list(found or {}) == [name]


@many
@given(
    st.lists(
        st.dictionaries(names, st.none() | st.tuples(few_bodies, labels), min_size=1, max_size=5),
        min_size=1,
        max_size=6,
    )
)
def test_every_version_stays_as_patch_apply_made_it(
    fresh: Callable[[], Store], steps: list[dict[str, Any]]
) -> None:
    """The model: snapshots in memory, changed by tilth.patch.apply."""
    line: list[tuple[Version, Snapshot]] = []
    with fresh() as store:
        now = Snapshot.of([])
        for step in steps:
            rows = {row.id: row for row in now.rows()}
            for name, new in step.items():
                rows.pop(name, None)
                if new is not None:
                    rows[name] = Row(name, *new)
            base = line[-1][0].id if line else ""
            patch = from_rows(now, rows.values(), dataset="train", base_id=base)
            if not patch.ops:
                continue
            now = apply(now, patch)
            version = store.commit(patch, note="", now=NOW)
            assert version.id == id_of(now)
            line.append((version, now))
        assert store.versions("train") == [version for version, _ in line]
        assert store.verify() == []
        for a, before in line:
            assert digests(store.snapshot(a)) == digests(before)
            assert [r.digest() for r in store.rows(a)] == digests(before)
            assert store.counts_by_label(a) == Counter(before.labels)
            for b, after in line:
                patch = Patch("train", a.id, tuple(store.diff(a, b)))
                assert digests(apply(before, patch)) == digests(after)
                assert [op.row_id for op in patch.ops] == sorted(op.row_id for op in patch.ops)
                assert store.diff_counts(a, b) == patch.counts()


def test_commit_is_compare_and_swap(store: Store) -> None:
    first = store.commit(adds(rows_of(3)), note="start", now=NOW)
    assert (first.seq, first.rows, first.created, first.note) == (1, 3, NOW, "start")
    mine, theirs = relabel(store, ["r000000"], "mine"), relabel(store, ["r000001"], "theirs")
    second = store.commit(theirs, note="", now=NOW)
    with pytest.raises(HeadMoved, match=rf"{first.id}.*{second.id} \(train@2"):
        store.commit(mine, note="", now=NOW)
    with pytest.raises(HeadMoved, match="none"):
        store.commit(adds(rows_of(1)), note="", now=NOW)
    with pytest.raises(HeadMoved, match="it is empty"):
        store.commit(Patch("eval", first.id, mine.ops), note="", now=NOW)
    assert store.datasets() == ["train"]
    assert store.head("train") == second


def test_a_stale_op_changes_nothing(store: Store) -> None:
    head = store.commit(adds(rows_of(3)), note="", now=NOW)
    good = relabel(store, ["r000000"], "x").ops[0]
    for before, after in (
        (Row("r000001", {"text": "else"}, "l1"), None),
        (Row("new", {}), None),
        (None, Row("r000002", {})),
    ):
        with pytest.raises(StaleOp):
            store.commit(Patch("train", head.id, (good, Op(before, after))), note="", now=NOW)
    assert store.head("train") == head
    assert store.row("train", "r000000") == rows_of(1)[0]
    with pytest.raises(PatchError, match="no ops"):
        store.commit(Patch("train", head.id, ()), note="", now=NOW)


@pytest.mark.parametrize("name", ["", "a@b", "a~1", " a", "a\n", "\ud800"])
def test_names_that_refs_could_not_name_are_refused(store: Store, name: str) -> None:
    with pytest.raises(InputError, match="name of a data set"):
        store.commit(adds(rows_of(1), name), note="", now=NOW)


def test_revert_and_accept_again(store: Store) -> None:
    first = store.commit(adds(rows_of(4)), note="", now=NOW)
    patch = relabel(store, ["r000001", "r000002"], "z")
    second = store.commit(patch, note="", now=NOW)
    third = store.commit(invert(patch, second.id), note="undo", now=NOW)
    assert third.id == first.id
    assert store.version(first.id[:6]) == third
    assert list(store.diff(first, third)) == []
    assert store.diff_counts(first, second) == {"relabel": 2}
    # the same patch fits again, and is one patch with two decisions
    fourth = store.commit(patch, note="again", now=NOW)
    assert fourth.id == second.id
    assert [d.reason for d in store.decisions(patch.id)] == ["", "again"]
    assert [p.id for p in store.patches()].count(patch.id) == 1
    assert store.verify() == []


def test_a_row_keeps_its_source_unless_the_patch_names_one(store: Store) -> None:
    head = store.commit(adds([Row("a", {}, "x", "file"), Row("b", {}, "x", "file")]), note="", now=NOW)
    ops = (Op(Row("a", {}, "x"), Row("a", {}, "y")), Op(Row("b", {}, "x"), Row("b", {}, "y", "ann")))
    store.commit(Patch("train", head.id, ops), note="", now=NOW)
    assert [r.source for r in store.rows(store.version("train"))] == ["file", "ann"]


def _commit_25(folder: Path, who: int) -> None:
    with Store.open(folder) as store:
        done = 0
        while done < 25:
            # both touch row 0: that one cannot land without the other's change being seen
            patch = relabel(store, ["r000000", f"r0000{10 * who + done % 10:02}"], f"{who}.{done}")
            try:
                store.commit(patch, note=f"{who}.{done}", now=NOW)
            except HeadMoved:
                continue
            done += 1


def test_two_processes_commit_at_once_and_none_is_lost(tmp_path: Path) -> None:
    with Store.create(tmp_path) as store:
        store.commit(adds(rows_of(40)), note="", now=NOW)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_commit_25, args=(tmp_path, who)) for who in (1, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    with Store.open(tmp_path) as store:
        line = store.versions("train")
        assert sorted(v.note for v in line[1:]) == sorted(f"{w}.{i}" for w in (1, 2) for i in range(25))
        for older, newer in pairwise(line):
            assert store.diff_counts(older, newer) == {"relabel": 2}
        assert store.verify() == []


def test_threads_share_a_store_and_leave_no_connections_behind(store: Store) -> None:
    store.commit(adds(rows_of(40)), note="", now=NOW)
    failed: list[BaseException] = []

    def work(who: int) -> None:
        try:
            _commit_25_in(store, who)
        except BaseException as error:
            failed.append(error)

    def _commit_25_in(store: Store, who: int) -> None:
        done = 0
        while done < 10:
            try:
                store.commit(relabel(store, [f"r00000{who}"], f"{done}"), note="", now=NOW)
                done += 1
            except HeadMoved:
                continue

    threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(store.versions("train")) == 41
    assert len(store._pool._idle) <= 4


def test_a_fork_does_not_use_the_parents_connection(store: Store) -> None:
    store.commit(adds(rows_of(3)), note="", now=NOW)
    before = list(store._pool._idle)
    child = os.fork()
    if child == 0:
        ok = store.commit(relabel(store, ["r000001"], "child"), note="", now=NOW).seq == 2
        ok = ok and not set(map(id, store._pool._idle)) & set(map(id, before))
        store.close()
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert len(store.versions("train")) == 2
    assert store.verify() == []


def test_version_refs(store: Store) -> None:
    line = [store.commit(adds(rows_of(3)), note="", now=NOW)]
    line.append(store.commit(relabel(store, ["r000000"], "x"), note="", now=NOW))
    for ref, seq in (("train", 2), ("train@1", 1), ("train~0", 2), ("train~1", 1)):
        assert store.version(ref) == line[seq - 1]
    assert store.version(line[0].id[:4]) == line[0]
    assert store.version("@1", "train") == store.version("~1", "train") == line[0]
    for ref in ("train@3", "train@0", "train~2", "train@x", "train@-1", "train@²", "nope", "nope@1"):
        with pytest.raises(NotFound, match="train"):
            store.version(ref)
    for ref in ("", "abc", "'; --", "0" * 20, "\ud800@1"):
        with pytest.raises(NotFound):
            store.version(ref)
    # equal rows in two data sets: the id alone does not say which
    store.commit(adds(rows_of(3), "eval"), note="", now=NOW)
    with pytest.raises(NotFound, match=r"train@1\).*eval@1\)"):
        store.version(line[0].id)
    assert store.version(line[0].id, "eval").dataset == "eval"
    assert store.datasets() == ["eval", "train"]


def test_what_is_not_there(store: Store) -> None:
    assert store.head("train") is None
    assert store.versions("train") == []
    assert store.row("train", "a") is None
    assert store.record("trial", "t") is None
    with pytest.raises(NotFound):
        store.patch("abcdef")
    version = Version("0" * 20, "train", 1, 0, NOW, "", "")
    with pytest.raises(NotFound, match="not in this project"):
        store.snapshot(version)
    with pytest.raises(NotFound):
        list(store.rows(version))


def test_diff_is_within_one_data_set(store: Store) -> None:
    a = store.commit(adds(rows_of(2)), note="", now=NOW)
    b = store.commit(adds(rows_of(2), "eval"), note="", now=NOW)
    with pytest.raises(InputError, match=r"train@1 with eval@1"):
        list(store.diff(a, b))
