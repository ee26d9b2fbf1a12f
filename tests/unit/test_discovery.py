"""Discovery of weak slices: planted ones are found and described, none are found where there are none."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pytest

from tilth.data import Row, Snapshot
from tilth.discovery.candidates import Support, of_columns
from tilth.discovery.search import Discovery, _Counts, discover, excess, rates
from tilth.discovery.wording import Wording
from tilth.recipes.text import TextLinear
from tilth.slices import Slice, Table

CLASSES = 6
KINDS = ("value", "pair", "range", "word", "cluster")


@cache
def world(n: int, seed: int = 0) -> tuple[Snapshot, list[str], np.ndarray, Any]:
    """Rows of six classes and 24 topics; four columns of values, one of numbers, one of dates."""
    rng = np.random.default_rng(seed)
    topic = rng.integers(0, 24, n)
    # a topic belongs to a class for the most part, as it does in life
    y = np.where(rng.random(n) < 0.8, topic % CLASSES, rng.integers(0, CLASSES, n))
    rows, texts = [], []
    for i in range(n):
        own = [f"t{topic[i]}w{w}" for w in rng.integers(0, 12, 4)]
        common = [f"c{w}" for w in np.minimum(rng.zipf(1.6, int(rng.integers(2, 14))), 60)]
        texts.append(" ".join(rng.permutation([*own, *common])))
        fields = {
            "text": texts[i],
            "channel": ("mail", "chat", "web", "fax", "app")[min(int(rng.exponential(1.3)), 4)],
            "tier": ("free", "gold", "team")[int(rng.integers(3))],
            "region": f"r{int(rng.integers(12))}",
            "agent": f"a{min(int(rng.exponential(8)), 30)}",
            "age": int(rng.integers(18, 90)),
            "at": str(np.datetime64("2026-01-01") + int(rng.integers(0, 200))),
        }
        rows.append(Row(f"{i:06}", fields, f"k{y[i]}"))
    return Snapshot.of(rows), texts, y, TextLinear().learn(texts)[1]


def planted(kind: str, size: float, rows: Snapshot, texts: list[str], rng: Any) -> np.ndarray:
    """Rows of a slice of a kind, as near to the size as there is one among some."""
    n = len(rows)
    column = {name: np.array(values) for name, values in rows.columns.items()}
    options = []
    if kind == "value":
        options = [column[c] == v for c in ("channel", "region", "agent") for v in np.unique(column[c])]
    elif kind == "pair":
        options = [
            (column[a] == v) & (column[b] == w)
            for a, b in (("channel", "tier"), ("tier", "region"), ("channel", "agent"))
            for v in np.unique(column[a])
            for w in np.unique(column[b])
        ]
    elif kind == "range":
        values = column["age"] if rng.random() < 0.5 else np.array([len(t) for t in texts])
        order = np.sort(values)
        for start in rng.integers(0, int(n * (1 - size)), 12):
            low, high = order[start], order[min(start + int(size * n), n - 1)]
            options.append((values >= low) & (values <= high))
    elif kind == "word":
        words = [f"t{rng.integers(24)}w{rng.integers(12)}" for _ in range(20)]
        words += [f"c{w}" for w in range(3, 30)]
        options = [np.array([w in t.split() for t in texts]) for w in words]
    else:
        # a topic: what most words of a text are about, which nobody wrote down
        topics = [max(found := re.findall(r"t(\d+)w", t), key=found.count) for t in texts]
        options = [np.array(topics) == t for t in sorted(set(topics))]
    fits = [o for o in options if 0.02 * n <= o.sum() <= 0.11 * n] or options
    return fits[int(np.argmin([abs(o.mean() - size) + 1e-4 * rng.random() for o in fits]))]


def f1(found: Discovery, truth: np.ndarray) -> list[float]:
    out = []
    for s in found.slices:
        inside = np.zeros(len(truth), dtype=bool)
        inside[s.rows] = True
        out.append(2 * (inside & truth).sum() / (inside.sum() + truth.sum()))
    return out


@pytest.mark.slow
def test_the_planted_slice_is_among_the_first_three() -> None:
    """Fifty settings: all kinds, 2-10 % of 6,000 rows, 10-30 points worse than their classes."""
    rows, texts, y, x = world(6_000)
    hits = []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        kind, size, drop = KINDS[seed % 5], rng.uniform(0.02, 0.1), rng.uniform(0.1, 0.3)
        truth = planted(kind, size, rows, texts, rng)
        wrong = rng.random(len(y)) < rng.uniform(0.04, 0.2, CLASSES)[y] + drop * truth
        found = discover(rows, texts, wrong, y, features=x, seed=seed)
        best = max(f1(found, truth)[:3], default=0.0)
        hits.append(best >= 0.6)
    assert np.mean(hits) >= 0.9, [KINDS[i % 5] for i, hit in enumerate(hits) if not hit]


@pytest.mark.slow
def test_no_slice_no_alarm() -> None:
    """Hard and easy classes but nothing else: at most 5 % of searches report something (100 runs)."""
    rows, texts, y, x = world(1_500, 1)
    alarms = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        wrong = rng.random(len(y)) < rng.uniform(0.02, 0.5, CLASSES)[y]
        alarms += bool(discover(rows, texts, wrong, y, features=x, seed=seed).slices)
    # of 100 runs at a true 5 %, more than 9 happen in 3 % of cases
    assert alarms <= 9, alarms


def search(column: str, value: str, drop: float, n: int = 3_000) -> tuple[Discovery, np.ndarray, Snapshot]:
    rows, texts, y, x = world(n)
    rng = np.random.default_rng(3)
    truth = np.array([v == value for v in rows.columns[column]])
    wrong = rng.random(n) < 0.1 + drop * truth
    return discover(rows, texts, wrong, y, features=x), truth, rows


def test_a_found_slice_says_what_it_is() -> None:
    found, truth, rows = search("channel", "fax", 0.3)
    first = found.slices[0]
    assert first.expression == 'channel == "fax"'
    assert (first.kind, first.p, first.fit) == ("value", 1 / 201, 1.0)
    assert first.rows.tolist() == np.flatnonzero(truth).tolist()
    assert Slice.parse("s", first.expression).mask(Table(rows)).tolist() == truth.tolist()
    assert first.inside.high < first.outside.low
    assert first.inside.value < first.expected < first.outside.value + 0.05
    assert sum(found.tried.values()) > 500
    assert found.rows == 3_000


def test_what_a_better_slice_explains_is_folded_into_it() -> None:
    found, _, _ = search("channel", "fax", 0.4)
    assert len(found.slices) == 1, [s.expression for s in found.slices]
    assert found.slices[0].also
    assert all("channel" in a for a in found.slices[0].also)


def test_two_slices_are_two() -> None:
    rows, texts, y, x = world(3_000)
    rng = np.random.default_rng(0)
    one = np.array([v == "fax" for v in rows.columns["channel"]])
    two = np.array([v == "r3" for v in rows.columns["region"]])
    wrong = rng.random(3_000) < 0.08 + 0.3 * (one | two)
    found = discover(rows, texts, wrong, y, features=x)
    assert {s.expression for s in found.slices[:2]} == {'channel == "fax"', 'region == "r3"'}


def test_a_hard_class_is_no_slice() -> None:
    rows, texts, y, x = world(3_000)
    rng = np.random.default_rng(0)
    wrong = rng.random(3_000) < np.where(y == 2, 0.6, 0.05)
    assert discover(rows, texts, wrong, y, features=x).slices == ()
    # but for the strata it would be found, many times over
    assert len(discover(rows, texts, wrong, np.zeros_like(y), features=x).slices) >= 2


def test_expressions_of_all_candidates_hold_their_rows() -> None:
    rows, texts, _, _ = world(1_500, 1)
    support = Support(20, 750)
    lengths = np.array([len(t) for t in texts], dtype=float)
    blocks = [*of_columns(rows, lengths, support, skip=("text",), label="label")]
    blocks.append(Wording.of(texts, support).block())
    table, rng = Table(rows), np.random.default_rng(0)
    assert {b.kind for b in blocks} == {"value", "pair", "range", "word"}
    for block in blocks:
        for number in rng.choice(len(block), 12):
            expression = block.describe(int(number))
            found = Slice.parse("s", expression).mask(table)
            assert found.tolist() == block.rows(int(number)).tolist(), expression


def test_shares_of_classes_are_shrunk_as_far_as_chance_explains_them() -> None:
    size = np.full(40, 25.0)
    rng = np.random.default_rng(0)
    same = rates(rng.binomial(25, 0.1, 40), size)
    assert same.std() < 0.02, "no class is worse than others"
    differ = rates(rng.binomial(25, np.repeat([0.02, 0.6], 20)), size)
    assert abs(differ[:20].mean() - 0.02) < 0.04
    assert abs(differ[20:].mean() - 0.6) < 0.1
    assert rates(np.array([3.0]), np.array([12.0])).tolist() == [0.25]


def test_mean_and_variance_are_those_of_redrawn_rows() -> None:
    rows, texts, y, _ = world(1_500, 1)
    rng = np.random.default_rng(0)
    wrong = rng.random(1_500) < 0.1 + 0.1 * y / CLASSES
    blocks = of_columns(
        rows, np.array([len(t) for t in texts], float), Support(20, 750), skip=("text",), label="label"
    )
    counts = _Counts(blocks, wrong, y)
    off = counts.redrawn(2_000, rng) - counts.mean[:, None]
    assert np.abs(off.mean(axis=1)).max() < 6 * np.sqrt(counts.variance.max() / 2_000)
    assert np.allclose(off.var(axis=1) / counts.variance, 1.0, atol=0.25)


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "width"), [(77, 384), (10, 50)])
def test_random_flips_are_no_slice(classes: int, width: int) -> None:
    """Rows around class centres, 10 % of the labels random: clusters are classes, and none is weak."""
    alarms = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        true = rng.integers(0, classes, 2_000)
        x = rng.normal(size=(classes, width)).astype(np.float32)[true]
        x += 2.5 * rng.normal(size=x.shape).astype(np.float32)
        flip = rng.random(2_000) < 0.1
        given = np.where(flip, (true + rng.integers(1, classes, 2_000)) % classes, true)
        rows = Snapshot([str(i) for i in range(2_000)], [str(c) for c in given], {})
        alarms += bool(discover(rows, [""] * 2_000, flip, given, features=x).slices)
    # of 40 runs at a true 5 %, more than 5 happen in 1.4 % of cases; 13 to 21 before the null was mended
    assert alarms <= 5, alarms


def test_excess_is_a_p_value() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 4_000)
    base = np.array([0.05, 0.2, 0.5])[y]
    masks = [rng.random(4_000) < 0.1 for _ in range(400)]
    p = np.array(excess(masks, rng.random(4_000) < base, y))
    assert (p <= 0.05).mean() < 0.09
    mask = masks[0]
    worse = rng.random(4_000) < base + 0.2 * mask
    assert excess([mask], worse, y)[0] < 1e-4
    assert excess([y == 2], worse, y)[0] > 0.4, "a class explains itself"
    assert excess([], worse, y) == []


@pytest.mark.parametrize("n", [0, 1, 30])
def test_too_few_rows_find_nothing(n: int) -> None:
    rows, texts, y, x = world(1_500, 1)
    part = rows.take(range(n))
    found = discover(part, texts[:n], np.arange(n) % 2 == 0, y[:n], features=x[:n])
    assert (found.slices, found.suspects) == ((), ())


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_all_right_or_all_wrong_is_nothing(share: float) -> None:
    rows, texts, y, x = world(1_500, 1)
    assert discover(rows, texts, np.full(1_500, bool(share)), y, features=x).slices == ()


def test_many_rows_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tilth.discovery.search.MOST_ROWS", 2_000)
    found, truth, _ = search("channel", "fax", 0.4)
    assert found.rows == 2_000
    assert found.slices[0].expression == 'channel == "fax"'
    assert truth[found.slices[0].rows].all()
