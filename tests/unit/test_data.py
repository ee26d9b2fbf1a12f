"""Row, Snapshot and the digests: identity is content, and content has one spelling."""

from __future__ import annotations

import pickle
import random
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilth.data import MultisetHash, Row, Snapshot, Value, canonical, content_id

ODD = ["\ud800", "\udfff", "\0", "\u2028", "\x85", "\u202e", "\u200f", "é", "e\u0301", "\n", '"', "😀"]
texts = st.text(st.characters(exclude_categories=()), max_size=6) | st.sampled_from(ODD)
values: st.SearchStrategy[Value] = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | texts
)
bodies = st.dictionaries(texts, values, max_size=3)
rows = st.builds(Row, texts.filter(bool), bodies, st.none() | texts, texts)
unique_rows = st.lists(rows, max_size=8, unique_by=lambda r: r.id)


def version_of(some: list[Row]) -> str:
    total = MultisetHash()
    total.add([r.digest() for r in some])
    return total.version_id()


# --- canonical spelling and content ids ---


def test_canonical_is_one_spelling() -> None:
    assert canonical({"b": 1, "a": [True, None, "é"]}) == '{"a":[true,null,"é"],"b":1}'.encode()


@given(bodies)
def test_content_id_ignores_the_order_of_columns(body: dict[str, Value]) -> None:
    assert content_id(body) == content_id(dict(reversed(list(body.items()))))


def test_content_id_is_stable_across_releases() -> None:
    # ids are written into projects: a change of this value orphans every row that was ever ingested
    assert content_id({"text": "where is my card?", "channel": "mail"}) == "d725c6e2bb00a302"
    assert content_id({"text": "where is my card?", "channel": "mail"}, 3) == "d725c6e2bb00a302~3"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"t": 1}, {"t": True}),
        ({"t": 1}, {"t": "1"}),
        ({"t": 1}, {"t": 1.0}),
        ({"t": 0.0}, {"t": -0.0}),
        ({"t": ""}, {"t": None}),
        ({"t": "é"}, {"t": "e\u0301"}),
        ({"t": "\ud800"}, {"t": "\\ud800"}),
        ({"t": "\ud83d\ude00"}, {"t": "😀"}),
        ({"t": "a", "u": "b"}, {"t": "ab"}),
        ({"t": "a"}, {"u": "a"}),
    ],
)
def test_what_differs_has_another_id(one: dict[str, Value], other: dict[str, Value]) -> None:
    assert content_id(one) != content_id(other)
    assert Row("r", one).digest() != Row("r", other).digest()


def test_a_field_that_is_none_counts_as_absent() -> None:
    assert content_id({"t": "a", "u": None}) == content_id({"t": "a"})
    assert Row("r", {"t": "a", "u": None}).digest() == Row("r", {"t": "a"}).digest()
    assert dict(Row("r", {"t": "a", "u": None}).fields) == {"t": "a"}


# --- rows ---


@pytest.mark.parametrize("bad", ["", None, 7])
def test_a_row_needs_an_id(bad: object) -> None:
    with pytest.raises(ValueError, match="row id is a non-empty string"):
        Row(bad, {})  # type: ignore[arg-type]


def test_a_row_cannot_be_changed_and_does_not_share_its_fields() -> None:
    fields: dict[str, Value] = {"t": "a"}
    row = Row("r", fields, "x")
    fields["t"] = "b"
    assert row.fields["t"] == "a"
    with pytest.raises(TypeError):
        row.fields["t"] = "c"  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        row.label = "y"  # type: ignore[misc]


def test_digest_covers_what_a_model_sees_and_not_the_source() -> None:
    row = Row("r", {"t": "a"}, "x", "one.csv")
    assert row.digest() == Row("r", {"t": "a"}, "x", "two.csv").digest()
    others = [Row("s", {"t": "a"}, "x"), Row("r", {"t": "b"}, "x"), Row("r", {"t": "a"}, "y")]
    others += [Row("r", {"t": "a"}), Row("r", {"t": "a"}, "")]
    assert len({r.digest() for r in [row, *others]}) == 6


@given(rows)
def test_a_row_survives_pickling(row: Row) -> None:
    again = pickle.loads(pickle.dumps(row))  # how rows reach worker processes
    assert again.digest() == row.digest()
    assert (again.id, again.label, again.source) == (row.id, row.label, row.source)


# --- the digest of a version ---


@given(unique_rows, st.randoms(use_true_random=False))
def test_version_id_does_not_depend_on_order(some: list[Row], luck: random.Random) -> None:
    mixed = list(some)
    luck.shuffle(mixed)
    assert version_of(mixed) == version_of(some)


@given(unique_rows.filter(len), st.data())
def test_hash_is_updated_row_by_row(some: list[Row], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(some)))
    digests = [r.digest() for r in some]
    total = MultisetHash()
    total.add(digests)
    total.remove(digests[cut:])
    again = MultisetHash(total.state(), total.count)  # as read back from a project
    assert again.version_id() == version_of(some[:cut])
    again.add(digests[cut:])
    assert again.version_id() == version_of(some)
    assert (again.version_id() == version_of(some[:cut])) == (cut == len(some))


def test_hash_counts_copies() -> None:
    one, two = MultisetHash(), MultisetHash()
    one.add([b"a" * 32])
    two.add([b"a" * 32] * 2)
    assert len({MultisetHash().version_id(), one.version_id(), two.version_id()}) == 3


def test_hash_is_not_fooled_by_a_full_turn_of_its_16_bit_sums() -> None:
    total = MultisetHash()
    total.add([b"a" * 32] * 2**16)  # every sum is back at zero
    assert total.state() == MultisetHash().state()
    assert total.version_id() != MultisetHash().version_id()


def test_hash_does_not_depend_on_how_the_work_is_cut() -> None:
    digests = [i.to_bytes(32, "big") for i in range(4096 + 5)]
    whole, parts = MultisetHash(), MultisetHash()
    whole.add(digests)
    for start in range(0, len(digests), 1000):
        parts.add(digests[start : start + 1000])
    assert whole.version_id() == parts.version_id()
    assert len(whole.state()) == 2048
    whole.remove(digests)
    assert whole.version_id() == MultisetHash().version_id()


# --- snapshots ---


@settings(deadline=None)
@given(unique_rows)
def test_snapshot_keeps_every_row(some: list[Row]) -> None:
    snapshot = Snapshot.of(some)
    assert list(snapshot.ids) == sorted(r.id for r in some)
    assert len(snapshot) == len(some)
    expected = {r.id: r for r in some}
    for position, row in enumerate(snapshot.rows()):
        assert snapshot.index[row.id] == position
        assert row.digest() == expected[row.id].digest()
        assert row.source == expected[row.id].source


@given(unique_rows, st.data())
def test_take_is_the_rows_at_those_positions(some: list[Row], data: st.DataObject) -> None:
    snapshot = Snapshot.of(some)
    wanted = [i for i in range(len(some)) if data.draw(st.booleans())]
    part = snapshot.take(wanted)
    assert [r.digest() for r in part.rows()] == [snapshot.row(i).digest() for i in wanted]
    assert set(part.columns) == set(snapshot.columns)


def test_snapshot_refuses_a_repeated_id() -> None:
    with pytest.raises(ValueError, match="not unique"):
        Snapshot.of([Row("a", {"t": "1"}), Row("a", {"t": "2"})])


def test_snapshot_without_sources_has_rows_without_sources() -> None:
    snapshot = Snapshot(["a"], ["x"], {"t": ["1"]})
    assert snapshot.row(0).source == ""
    assert snapshot.take([0]).row(0).source == ""


def test_texts_of_a_column() -> None:
    snapshot = Snapshot.of([Row("a", {"t": "one"}), Row("b", {"t": 2, "u": 0.5}), Row("c", {})])
    assert snapshot.texts("t") == ["one", "2", ""]
    assert snapshot.texts("u") == ["", "0.5", ""]
    assert snapshot.texts("no such column") == ["", "", ""]
    assert Snapshot.of([]).texts("t") == []
