"""What the tests of the store share: odd values, small data sets, short ways to change them."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tilth.data import Incoming, MultisetHash, Row, Snapshot, Value
from tilth.patch import Op, Patch, from_rows
from tilth.store import Store

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
