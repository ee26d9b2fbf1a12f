"""Drift: levels under no change, what is found under change, and an estimate that knows when to be silent."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as sp_stats

from tilth.drift import Sample, examine
from tilth.drift.clumps import clumps
from tilth.drift.columns import benjamini_hochberg, category_test, column_tests, number_test
from tilth.drift.domain import tell_apart
from tilth.drift.stream import conformal_ranks, fall
from tilth.drift.surges import surges

TOPICS, EACH, COMMON = 8, 12, 60


def texts(n: int, rng: np.random.Generator, topics: np.ndarray | None = None) -> tuple[list[str], np.ndarray]:
    """Texts of three words of a topic and three of all; topic numbers from TOPICS on are new classes."""
    y = rng.integers(0, TOPICS, n) if topics is None else topics
    own, every = rng.integers(0, EACH, (n, 3)), rng.integers(0, COMMON, (n, 3))
    words = [
        " ".join([*(f"t{t}w{w}" for w in a), *(f"c{w}" for w in b)])
        for t, a, b in zip(y.tolist(), own.tolist(), every.tolist(), strict=True)
    ]
    return words, y


def answers(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Calibrated probabilities: the truth gets a Dirichlet's share."""
    p = rng.dirichlet(np.full(TOPICS, 0.3), len(y)) * 0.5
    drawn = rng.beta(4, 1, len(y))
    at = np.arange(len(y))
    known = y < TOPICS
    p *= ((1 - drawn) / p.sum(axis=1))[:, None]
    p[at[known], y[known]] += drawn[known]
    return p / p.sum(axis=1, keepdims=True)


def sample(n: int, seed: int, *, topics: np.ndarray | None = None, known: bool = False) -> Sample:
    rng = np.random.default_rng(seed)
    words, y = texts(n, rng, topics)
    p = answers(y, rng)
    truth = np.array([rng.choice(TOPICS, p=row) for row in p]) if known else np.full(n, -1)
    names = tuple(f"class{i}" for i in range(TOPICS))
    channel = rng.choice(["web", "mail", "chat"], n, p=[0.5, 0.3, 0.2]).tolist()
    return Sample([f"r{i}" for i in range(n)], words, {"channel": channel}, p, np.arange(n), truth, names)


def with_new_class(n: int, seed: int, at: int, share: float) -> Sample:
    rng = np.random.default_rng(seed)
    topics = rng.integers(0, TOPICS, n)
    new = (np.arange(n) >= at) & (rng.random(n) < share)
    topics[new] = TOPICS
    return sample(n, seed, topics=topics)


def test_tests_agree_with_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, 400), rng.normal(0.15, 1, 300)
    ours = number_test("x", a, b)
    theirs = sp_stats.ks_2samp(a, b, method="asymp")
    assert ours.distance == pytest.approx(theirs.statistic)
    assert ours.p == pytest.approx(theirs.pvalue, rel=0.35)
    x, y = rng.choice(list("abc"), 500).tolist(), rng.choice(list("aabc"), 400).tolist()
    table = [[v.count(c) for c in "abc"] for v in (x, y)]
    assert category_test("x", x, y).p == pytest.approx(sp_stats.chi2_contingency(table).pvalue)
    p = rng.uniform(0, 0.2, 40)
    assert (benjamini_hochberg(p, 0.1) == (sp_stats.false_discovery_control(p) <= 0.1)).all()
    assert benjamini_hochberg(np.array([]), 0.1).tolist() == []


def test_ranks_of_a_stream_without_change_are_uniform_and_independent():
    rng = np.random.default_rng(1)
    p = conformal_ranks(rng.integers(0, 5, 30).astype(float), rng.integers(0, 5, 4_000).astype(float), seed=2)
    assert sp_stats.kstest(p, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(p[1:], p[:-1])[0, 1]) < 0.05


def test_the_confidence_of_a_stable_stream_raises_no_alarm_and_a_fall_does():
    rng = np.random.default_rng(3)
    alarms = sum(
        fall(rng.normal(size=100), rng.normal(size=10_000), level=0.05, seed=s).alarm is not None
        for s in range(40)
    )
    assert alarms <= 4
    new = rng.normal(size=3_000)
    new[1_500:] -= 1.0
    found = fall(rng.normal(size=500), new, level=0.05)
    assert found.alarm is not None
    assert 1_500 < found.alarm < 1_600
    assert abs(found.began - 1_500) < 60
    assert fall(new[:0], new, level=0.05).alarm is None


def test_few_false_alarms_in_stable_streams():
    known, alarms = sample(800, 10, known=True), 0
    for seed in range(40):
        alarms += examine(known, sample(2_000, 100 + seed), seed=seed).drifted
    assert alarms <= 5  # 5 % of 40, and the luck of 40


def test_a_new_class_is_found_named_and_offered_for_labelling():
    known = sample(1_500, 20, known=True)
    late = []
    for seed in range(8):
        new = with_new_class(1_600, 200 + seed, at=1_000, share=0.1)
        found = examine(known, new, seed=seed)
        alarm = min(s["alarm"] for s in found.surges)
        late.append(alarm - 1_000)
        is_new = {i for i, t in zip(new.ids, new.texts, strict=True) if f"t{TOPICS}w" in t}
        assert f'"t{TOPICS}w' in found.slice
        assert np.mean([r in is_new for r in found.rows]) > 0.7
        assert len(found.label) == 40
        assert sum(r in is_new for r in found.label) >= 20
        assert found.words
        assert found.clumps
        assert any("near each other" in w for w in found.estimate.warnings)
    assert sum(x <= 300 for x in late) >= 7
    assert np.median(late) <= 200


def test_a_repeated_text_is_no_surge():
    known, new = sample(500, 30), sample(600, 31)
    said = [*new.texts]
    said[300:340] = ["the very same text of one caller"] * 40
    again = Sample(new.ids, said)
    assert surges(Sample(known.ids, known.texts), again, level=0.05) == []


def test_columns_that_moved_are_named_and_others_are_not():
    known, new = sample(1_500, 40), sample(1_500, 41)
    moved = Sample(
        new.ids, new.texts,
        {
            "channel": ["web" if i % 3 else "fax" for i in range(1_500)],
            "age": list(range(1_500)), "at": ["2026-01-01"] * 1_500,
        },
        new.probabilities, new.scored, new.labels, new.classes,
    )  # fmt: skip
    base = Sample(
        known.ids, known.texts,
        {**known.columns, "age": list(range(1_500)), "at": ["2025-01-01"] * 1_500},
        known.probabilities, known.scored, known.labels, known.classes,
    )  # fmt: skip
    tests = {t.name: t for t in examine(base, moved).columns}
    assert tests["channel"].drifted
    assert tests["channel"].moved[0][0] in ("web", "fax", "mail")
    assert not tests["age"].drifted
    assert "at" not in tests, "a later time is no drift"
    gone = Sample(known.ids, (), {"channel": [None if i % 4 else "web" for i in range(1_500)]})
    assert any(t.kind == "missing" and t.p < 1e-6 for t in column_tests(base, gone))


def test_the_classifier_is_at_chance_under_no_change_and_copies_do_not_fool_it():
    p = []
    for seed in range(30):
        rng = np.random.default_rng(500 + seed)
        words, _ = texts(300, rng)
        words += words[:100]  # copies on both sides
        order = rng.permutation(len(words))
        a, b = [words[i] for i in order[:200]], [words[i] for i in order[200:]]
        found = tell_apart(a, b, first=np.zeros(0, dtype=np.int64), seed=seed)
        p.append(found.p)
        assert len(found.drifted) == 0
    assert np.mean(np.array(p) < 0.1) <= 0.2
    assert tell_apart(["a"] * 10, ["b"] * 100, first=np.zeros(0, dtype=np.int64)) is None


def test_accuracy_without_labels_is_near_the_truth_where_texts_shift():
    known = sample(2_500, 50, known=True)
    rng = np.random.default_rng(51)
    for tilt in (0.0, 2.0, -2.0):
        pool = sample(6_000, 52, known=True)
        weight = np.exp(tilt * pool.probabilities.max(axis=1))
        pick = rng.choice(6_000, 2_000, replace=False, p=weight / weight.sum())
        truth = (pool.best == pool.labels)[pick].mean()
        new = Sample(
            [pool.ids[i] for i in pick], [pool.texts[i] for i in pick], {}, pool.probabilities[pick],
            np.arange(2_000), np.full(2_000, -1), pool.classes,
        )  # fmt: skip
        found = examine(known, new).estimate
        assert abs(found.accuracy - truth) < 0.03
        assert found.low <= found.accuracy <= found.high


def test_a_new_class_and_too_few_labels_silence_the_estimate():
    known = sample(1_500, 60, known=True)
    found = examine(known, with_new_class(1_500, 61, at=0, share=0.3)).estimate
    assert not found.valid
    assert any("unlike any known" in w for w in found.warnings)
    assert examine(sample(150, 62, known=True), sample(300, 63)).estimate is None


def test_odd_input_is_calm_and_the_same_twice():
    known, new = sample(300, 70, known=True), sample(300, 71)
    assert examine(known, new).to_json() == examine(known, new).to_json()
    only = Sample([f"{i}" for i in range(300)], said=[("a", 0.9), ("b", 0.6)] * 150)
    found = examine(only, only)
    assert not found.drifted
    assert found.auc is None
    assert found.estimate is None
    nothing = Sample([])
    assert not examine(nothing, nothing).drifted
    same = Sample([f"{i}" for i in range(100)], ["x"] * 100)
    assert not examine(same, same).drifted


def clouds(n: int, seed: int, at: int | None = None, share: float = 0.1) -> tuple[Sample, np.ndarray]:
    """Rows whose vectors lie about twelve centres; from `at` on a share of them about a thirteenth.

    Each text is one word of its own, so that no word comes in a rush.
    """
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(13, 8))
    y = rng.integers(0, 12, n)
    new = np.zeros(n, dtype=bool) if at is None else (np.arange(n) >= at) & (rng.random(n) < share)
    y[new] = 12
    z = centres[y] + rng.normal(0, 0.7, (n, 8))
    names = [f"{x:x}" for x in rng.integers(2**40, 2**44, n).tolist()]
    return Sample(names, names, vectors=(z / np.linalg.norm(z, axis=1, keepdims=True)).astype("f4")), new


def test_rows_near_each_other_are_found_where_no_word_tells_them():
    known, _ = clouds(1_500, 80)
    late = []
    for seed in range(6):
        new, is_new = clouds(1_500, 300 + seed, at=1_000)
        found = examine(known, new, seed=seed)
        assert not found.surges
        first = found.clumps[0]
        late.append(first["alarm"] - 999)
        ids = {i for i, x in zip(new.ids, is_new.tolist(), strict=True) if x}
        assert np.mean([r in ids for r in found.rows]) > 0.7
        assert sum(r in ids for r in found.label) >= 15
        assert first["examples"][0] in ids
        assert first["late"] > 3 * first["hope"]
        assert any("near each other" in w for w in found.words)
    assert min(late) > 0
    assert sum(x <= 300 for x in late) >= 5


def test_clumps_of_a_stable_stream_are_chance():
    """The smallest corrected p value of a stream is no smaller than uniform."""
    known, _ = clouds(1_000, 81)
    p = []
    for seed in range(30):
        new, _ = clouds(1_000, 400 + seed)
        found = clumps(known, new, level=10.0, horizon=1_000)
        p.append(min((c.p for c in found), default=10.0))
    assert sum(x <= 0.2 for x in p) <= 12  # 6 are expected; 12 or more by a chance of 1 %
    assert sum(x <= 0.01 for x in p) <= 2


def test_a_repeated_text_is_no_clump():
    known, _ = clouds(1_000, 82)
    new, is_new = clouds(1_500, 83, at=1_000)
    texts = ["the same" if x else t for t, x in zip(new.texts, is_new.tolist(), strict=True)]
    again = Sample(new.ids, texts, vectors=new.vectors)
    assert clumps(known, new, level=0.0125)
    assert clumps(known, again, level=0.0125) == []
    assert clumps(known, Sample([]), level=0.0125) == []
