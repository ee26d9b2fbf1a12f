"""The store: what goes in comes out, versions never change, nobody's change is lost."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tilth import migrations
from tilth.data import MultisetHash, Row, Snapshot, Value, Version, content_id
from tilth.errors import (
    HeadMoved,
    InputError,
    NotFound,
    PatchError,
    ProjectBusy,
    ProjectError,
    StaleOp,
)
from tilth.patch import Op, Patch, apply, from_rows, invert
from tilth.store import Incoming, Store, connection, lines

NOW = "2025-01-02T03:04:05Z"

# what breaks encoders: a lone surrogate, two that look like a pair, NUL, line separators, direction
ODD = ["\ud800", "\ud83d\ude00", "😀", "\0", "\u2028", "\x85", "\u202e", "é", "e\u0301", "\n", '"', "~2"]
texts = st.text(st.characters(exclude_categories=()), max_size=6) | (
    st.lists(st.sampled_from(ODD), max_size=3).map("".join)
)
values = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | texts
    | st.sampled_from([0, 0.0, -0.0, False, 1, 1.0, True])
)
bodies = st.dictionaries(texts, values, max_size=3)
few_bodies = st.sampled_from(
    [{"t": "a"}, {"t": "b"}, {"t": 1}, {"t": True}, {"t": None}, {"u": "\ud83d\ude00"}]
)
names = st.sampled_from(["a", "b", "c", "d\ud800", "é", "z~2"])
labels = st.none() | st.sampled_from(["x", "y", "\udfff"])

many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "project") as made:
        yield made


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Store]:
    """A maker of stores, for tests that hypothesis runs many times."""
    return lambda: Store.create(tmp_path_factory.mktemp("store"))


def rows_of(count: int, *, labels: int = 5) -> list[Row]:
    return [Row(f"r{i:06}", {"text": f"row number {i}"}, f"l{i % labels}", "f") for i in range(count)]


def adds(rows: list[Row], dataset: str = "train") -> Patch:
    return from_rows(Snapshot.of([]), rows, dataset=dataset)


def relabel(store: Store, ids: list[str], label: str, dataset: str = "train") -> Patch:
    head = store.head(dataset)
    assert head is not None
    found = [store.row(dataset, i) for i in ids]
    ops = tuple(Op(r, Row(r.id, r.fields, label, r.source)) for r in found if r)
    return Patch(dataset, head.id, ops, title=f"to {label}", author="ann")


def digests(snapshot: Snapshot) -> list[bytes]:
    return [row.digest() for row in snapshot.rows()]


def id_of(rows: Snapshot) -> str:
    total = MultisetHash()
    total.add(digests(rows))
    return total.version_id()


def arriving(rows: list[tuple[str | None, dict[str, Value], str | None]]) -> list[Incoming]:
    return [Incoming(*row) for row in rows]


def take_in(store: Store, rows: list[Any], digest: str = "", source: str = "f.csv") -> Any:
    return store.import_rows("train", source, rows, file_digest=digest, note="n", now=NOW)


# ---- what goes in comes out


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


# ---- import


class Merge:
    """The three-way merge in the plainest form: dictionaries in memory."""

    def __init__(self) -> None:
        self.head: dict[str, tuple[str, str | None]] = {}
        self.then: dict[str, dict[str, tuple[str, str | None]]] = {}

    def __call__(self, source: str, rows: list[Incoming]) -> tuple[Counter[str], int]:
        file = {r.id: (spelled(r.fields), r.label) for r in rows if r.id}
        then = self.then.get(source, {})
        kinds: Counter[str] = Counter()
        conflicts = 0
        for name in file.keys() | then.keys():
            was, now, here = then.get(name), file.get(name), self.head.get(name)
            if was == now or now == here:
                continue
            conflicts += was is not None and here != was
            if now is None:
                kinds["drop"] += 1
                del self.head[name]
                continue
            kinds["add" if here is None else "relabel" if here[0] == now[0] else "edit"] += 1
            self.head[name] = now
        self.then[source] = file
        return kinds, conflicts


def spelled(fields: Any) -> str:
    return json.dumps({k: v for k, v in sorted(fields.items()) if v is not None})


files = st.dictionaries(names, st.tuples(few_bodies, labels), max_size=5)
imports = st.tuples(st.sampled_from(["f", "g"]), files)
edits = st.tuples(
    st.just("tilth"), st.dictionaries(names, st.none() | st.tuples(few_bodies, labels), max_size=3)
)


@settings(many, max_examples=90)
@given(st.lists(imports | edits, max_size=7))
def test_import_merges_file_then_file_now_and_head(
    fresh: Callable[[], Store], steps: list[tuple[str, dict[str, Any]]]
) -> None:
    model = Merge()
    with fresh() as store:
        for source, cells in steps:
            before = store.versions("train")
            if source == "tilth":
                base = store.snapshot(before[-1]) if before else Snapshot.of([])
                rows = {r.id: r for r in base.rows()}
                for name, new in cells.items():
                    rows.pop(name, None)
                    model.head.pop(name, None)
                    if new is not None:
                        rows[name] = Row(name, *new)
                        model.head[name] = (spelled(new[0]), new[1])
                base_id = before[-1].id if before else ""
                patch = from_rows(base, rows.values(), dataset="train", base_id=base_id)
                if patch.ops:
                    store.commit(patch, note="", now=NOW)
            else:
                arrived = [Incoming(name, *cell) for name, cell in cells.items()]
                kinds, conflicts = model(source, arrived)
                result = take_in(store, arrived, source=source)
                found = (result.added, result.relabelled, result.edited, result.dropped)
                assert found == tuple(kinds[k] for k in ("add", "relabel", "edit", "drop"))
                assert result.conflicts == conflicts
                assert result.unchanged == len(arrived) - sum(found[:3])
                assert result.changed == bool(kinds) == (store.versions("train") != before)
                assert result.version == store.head("train")
                assert take_in(store, arrived, source=source).changed is False
            head = store.head("train")
            now = {r.id: (spelled(r.fields), r.label) for r in store.rows(head)} if head else {}
            assert now == model.head
        assert store.verify() == []
        for older, version in pairwise([None, *store.versions("train")]):
            patch = store.patch(version.patch)
            assert patch.id == version.patch
            assert patch.base == (older.id if older else "")
            assert store.patch_info(version.patch).counts == patch.counts()


@many
@given(st.lists(st.tuples(st.none() | names, few_bodies, labels), max_size=8), st.randoms())
def test_first_import_equals_from_rows_and_a_shuffled_file_is_the_same(
    fresh: Callable[[], Store], cells: list[Any], rng: random.Random
) -> None:
    cells = [c for i, c in enumerate(cells) if c[0] is None or c[0] not in [d[0] for d in cells[:i]]]
    copies: Counter[str] = Counter()
    rows = []
    for row_id, fields, label in sorted(cells, key=lambda c: (c[2] is not None, c[2] or "")):
        made = content_id(fields)
        copies[made] += row_id is None
        rows.append(Row(row_id or content_id(fields, copies[made]), fields, label))
    patch = adds(rows)
    with fresh() as a, fresh() as b:
        result = take_in(a, arriving(cells), digest="1")
        if not rows:
            assert result.version is None
            assert not result.changed
            return
        wanted = b.commit(patch, note="", now=NOW)
        assert result.version.id == wanted.id
        assert result.version.patch == patch.id
        assert result.added == len(rows)
        assert a.patch(patch.id).id == patch.id
        rng.shuffle(cells)
        shuffled = [(i, dict(reversed(f.items())), label) for i, f, label in cells]
        assert take_in(a, arriving(shuffled), digest="2").changed is False


def test_the_same_file_is_not_even_read(store: Store) -> None:
    rows = arriving([("a", {"t": 1}, "x"), ("b", {"t": 2}, "x")])
    first = take_in(store, rows, digest="d1")
    store.commit(relabel(store, ["a"], "y"), note="", now=NOW)

    def unread() -> Iterator[Incoming]:
        raise AssertionError("the file was read")
        yield

    again = store.import_rows("train", "f.csv", unread(), file_digest="d1", note="", now=NOW)
    assert (again.changed, again.unchanged) == (False, 2)
    assert again.version == store.head("train") != first.version
    # the same bytes under another name are another source
    assert take_in(store, rows, digest="d1", source="g.csv").relabelled == 1


def test_reimport_leaves_what_tilth_changed_and_brings_what_the_person_changed(store: Store) -> None:
    take_in(store, arriving([(i, {"t": i}, "x") for i in "abcd"]), digest="1")
    store.commit(relabel(store, ["a"], "tilth"), note="", now=NOW)
    head, gone = store.head("train"), store.row("train", "b")
    assert head is not None
    store.commit(Patch("train", head.id, (Op(gone, None),)), note="", now=NOW)
    # c relabelled, d removed, e new; a and b as they were in the file
    file = [("a", {"t": "a"}, "x"), ("b", {"t": "b"}, "x"), ("c", {"t": "c"}, "p"), ("e", {}, None)]
    result = take_in(store, arriving(file), digest="2")
    assert (result.added, result.relabelled, result.dropped, result.conflicts) == (1, 1, 1, 0)
    assert result.unchanged == 2
    assert {r.id: r.label for r in store.rows(result.version)} == {"a": "tilth", "c": "p", "e": None}
    # now the file changes a as well: the person's edit wins
    file[0] = ("a", {"t": "a"}, "person")
    result = take_in(store, arriving(file), digest="3")
    assert (result.relabelled, result.conflicts) == (1, 1)


def test_a_change_that_file_and_head_agreed_on_is_not_undone_later(store: Store) -> None:
    """No state is made by the second import, yet the third must know what it said."""
    take_in(store, arriving([("a", {}, "A"), ("b", {}, "A")]))
    store.commit(relabel(store, ["a"], "B"), note="", now=NOW)
    assert take_in(store, arriving([("a", {}, "B"), ("b", {}, "A")])).changed is False
    store.commit(relabel(store, ["a"], "C"), note="", now=NOW)
    result = take_in(store, arriving([("a", {}, "B"), ("b", {}, "Z")]))
    assert (result.relabelled, result.conflicts) == (1, 0)
    assert store.row("train", "a") == Row("a", {}, "C", "f.csv")


def test_a_repeated_id_is_named_with_its_places(store: Store) -> None:
    rows = [("a", {}, None), ("é", {"t": 1}, "x"), ("b", {}, None), ("é", {"t": 2}, "x")]
    with pytest.raises(InputError, match=r"'é' occurs more than once \(rows 2 and 4"):
        take_in(store, arriving(rows))
    assert store.datasets() == []
    # an id that looks like one made for another row
    made = content_id({"t": "q"})
    with pytest.raises(InputError, match=made):
        take_in(store, arriving([(made, {}, None), (None, {"t": "q"}, None)]))


@pytest.mark.parametrize(
    "row",
    [Incoming("a", {"t": b"x"}), Incoming("", {}), Incoming("a", {}, 3), Incoming(7, {})],
)
def test_a_row_that_cannot_be_stored_is_an_input_error(store: Store, row: Incoming) -> None:
    with pytest.raises(InputError, match="row 2"):
        take_in(store, [Incoming("ok", {}), row])
    assert store.head("train") is None


def test_an_error_of_the_reader_passes_and_nothing_is_taken_in(store: Store) -> None:
    def broken() -> Iterator[Incoming]:
        yield Incoming("a", {})
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        take_in(store, broken())
    assert store.head("train") is None
    assert take_in(store, [Incoming("a", {})]).added == 1


def test_progress_counts_rows_and_readers_may_bring_more_attributes(store: Store) -> None:
    seen: list[int] = []
    rows = (SimpleNamespace(id=f"{i}", fields={"t": i}, label=None, line=i) for i in range(10_500))
    result = store.import_rows("train", "f", rows, file_digest="", note="", now=NOW, progress=seen.append)
    assert seen == [10_000, 10_500]
    # more than one batch: digest and patch id are still those of the whole
    assert result.version is not None
    assert id_of(store.snapshot(result.version)) == result.version.id
    assert store.patch(result.version.patch).id == result.version.patch


def test_copies_of_a_row_get_ids_of_their_own(store: Store) -> None:
    result = take_in(store, arriving([(None, {"t": "a"}, label) for label in ("y", None, "x")]))
    made = content_id({"t": "a"})
    found = {r.id: r.label for r in store.rows(result.version)}
    assert found == {made: None, f"{made}~2": "x", f"{made}~3": "y"}


# ---- commits


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


# ---- naming versions


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


# ---- cost


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


# ---- patches, decisions, records


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
    assert store.delete_records("finding", "v1") == 2
    assert store.records("finding") == [{"n": 3}]
    with pytest.raises(InputError, match="finding 'x' holds a value that is not JSON"):
        store.put_records("finding", [("y", {}), ("x", {"n": {1, 2}})], now=NOW)
    assert store.record("finding", "y") is None


# ---- the file


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
    for door in (Store.open, Store.create):
        with pytest.raises(ProjectError, match=r"newer Tilth \(schema 2; this one knows schema 1"):
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
