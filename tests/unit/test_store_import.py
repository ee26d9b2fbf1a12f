"""Import: a three-way merge of file then, file now and head."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_kit import NOW, adds, arriving, few_bodies, id_of, labels, many, names, relabel, take_in

from tilth.data import Incoming, Row, Snapshot, content_id
from tilth.errors import (
    InputError,
)
from tilth.patch import Op, Patch, from_rows
from tilth.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "project") as made:
        yield made


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Store]:
    """A maker of stores, for tests that hypothesis runs many times."""
    return lambda: Store.create(tmp_path_factory.mktemp("store"))


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
