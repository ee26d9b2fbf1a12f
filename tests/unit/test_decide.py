"""Decisions on held-out training rows: what helps, what harms, and that nobody saw the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from core_kit import CLASSES, RECIPE, bench_of, clean, relabelled, retold, with_errors

from tilth.audit.base import Finding
from tilth.copies import find_copies
from tilth.data import Row, Snapshot
from tilth.patch import Op
from tilth.signals import group_folds
from tilth.trial.decide import Bench, Fold
from tilth.trial.measure import METRICS, Outcome
from tilth.trial.propose import PROCEDURES, Procedure

BY_NAME = {p.name: p for p in PROCEDURES}
LEVEL = 1 - 0.05 / len(PROCEDURES)


@dataclass
class Scripted:
    """A procedure that does what a function says; it notes what it was shown and what it did."""

    rule: Callable[[Snapshot], Sequence[Op]]
    codes: tuple[str, ...] = ()
    shown: list[Snapshot] = field(default_factory=list)
    done: list[tuple[Op, ...]] = field(default_factory=list)

    def ops(self, findings: Sequence[Finding], rows: Snapshot) -> tuple[Op, ...]:
        self.shown.append(rows)
        self.done.append(tuple(self.rule(rows)))
        return self.done[-1]


@dataclass
class Watched:
    """A real procedure under watch."""

    real: Procedure
    findings: list[list[dict[str, object]]] = field(default_factory=list)
    done: list[tuple[Op, ...]] = field(default_factory=list)

    @property
    def codes(self) -> tuple[str, ...]:
        return self.real.codes

    def ops(self, findings: Sequence[Finding], rows: Snapshot) -> tuple[Op, ...]:
        self.findings.append([f.to_json() for f in findings])
        self.done.append(self.real.ops(findings, rows))
        return self.done[-1]


def other(label: str | None, step: int) -> str:
    return CLASSES[(CLASSES.index(label or "") + step) % len(CLASSES)]


def at_random(rows: Snapshot) -> list[Op]:
    """Harm: a quarter of the labels made wrong."""
    rng = np.random.default_rng(5)
    chosen = rng.permutation(len(rows))[: len(rows) // 4]
    return [
        Op(rows.row(i), relabelled(rows.row(i), other(rows.labels[i], int(rng.integers(1, 5)))))
        for i in chosen
    ]


def by_truth(truth: Sequence[Row]) -> Callable[[Snapshot], list[Op]]:
    right = {r.id: r.label for r in truth}
    return lambda rows: [
        Op(row, relabelled(row, right[row.id])) for row in rows.rows() if row.label != right[row.id]
    ]


def same(one: Outcome, another: Outcome) -> bool:
    names = ("before", "after", "deleted_before", "deleted_after", "weights", "truth")
    return all((getattr(one, n) == getattr(another, n)).all() for n in names)


# --- verdicts ---


@pytest.fixture(scope="module")
def noisy() -> Bench:
    return bench_of(Snapshot.of(with_errors(clean(450), 0.25)[0]))


@pytest.mark.parametrize("name", ["relabel-likely", "drop-suspects"])
def test_a_helpful_procedure_is_better(noisy: Bench, name: str) -> None:
    effect = noisy.judge(BY_NAME[name], metric="accuracy", level=LEVEL).effect(level=LEVEL)
    assert effect.verdict == "better"
    assert 0.01 < effect.value < 0.25
    assert effect.rows == noisy.judges == 450


def test_perfect_repairs_are_better(noisy: Bench) -> None:
    outcome = noisy.judge(Scripted(by_truth(clean(450))), metric="accuracy", level=LEVEL)
    assert outcome.effect(level=LEVEL).verdict == "better"


def test_noisy_judges_measure_too_little_and_never_too_much(noisy: Bench) -> None:
    # a quarter of the judging labels is wrong, too: a repair looks smaller than it is
    outcome = noisy.judge(Scripted(by_truth(clean(450))), metric="accuracy")
    right = {r.id: r.label for r in clean(450)}
    held = noisy.held()
    sound = np.array([label == right[i] for i, label in zip(held.ids, held.labels, strict=True)])
    assert sound.mean() == pytest.approx(0.75, abs=0.01)
    assert 0 < outcome.effect().value < outcome.effect(sound).value


def test_relabelling_at_random_is_worse() -> None:
    bench = bench_of(Snapshot.of(clean(450)))
    for metric in METRICS:
        assert bench.judge(Scripted(at_random), metric=metric).effect().verdict == "worse"


@pytest.mark.slow
def test_relabelling_at_random_is_never_better() -> None:
    for seed in range(3):
        bench = bench_of(Snapshot.of(clean(100, seed)))
        assert bench.judge(Scripted(at_random), metric="accuracy").effect().verdict != "better"


@pytest.mark.parametrize("seed", range(3))
def test_training_on_its_own_answers_is_not_better_on_clean_data(seed: int) -> None:
    # the classic trap: relabel what the model disagrees with, and its agreement with itself goes up

    bench = bench_of(Snapshot.of(clean(300, seed)))

    def own_answers(rows: Snapshot) -> list[Op]:
        view = bench._view(next(f for f in bench.folds if f.rows is rows))
        best = view.signals.probabilities.argmax(axis=1)
        return [
            Op(row, relabelled(row, CLASSES[b]))
            for row, b in zip(rows.rows(), best, strict=True)
            if row.label != CLASSES[b]
        ]

    procedure = Scripted(own_answers)
    effect = bench.judge(procedure, metric="accuracy").effect()
    assert sum(len(ops) for ops in procedure.done) > 20, "it had something to do"
    assert effect.verdict != "better"
    for name in ("relabel-likely", "relabel-confident", "drop-suspects"):
        assert bench.judge(BY_NAME[name], metric="accuracy").effect().verdict != "better"


def test_a_procedure_that_does_nothing_has_no_effect(noisy: Bench) -> None:
    outcome = noisy.judge(Scripted(lambda rows: []), metric="accuracy")
    effect = outcome.effect()
    assert (effect.value, effect.low, effect.high, effect.verdict) == (0.0, 0.0, 0.0, "no evidence")


# --- nobody saw the answers ---


def with_held_labels(bench: Bench, number: int, change: Callable[[str | None], str | None]) -> Bench:
    """The same bench, the same folds, but other labels on the rows that judge in one fold.

    Folds are stratified by label, so a new bench would deal the rows out anew; here they stay.
    """
    old = bench.folds[number]
    held = set(old.held.tolist())
    start = Snapshot.of(
        relabelled(row, change(row.label)) if i in held else row for i, row in enumerate(bench.start.rows())
    )
    new = Bench(
        bench.recipe, start, bench.evaluation, bench.text, features=bench.features, clusters=bench.clusters
    )
    assert new.classes == bench.classes
    kept = [start.index[i] for i in old.rows.ids]
    new.folds = [Fold(old.held, start.take(kept))]
    return new


@pytest.fixture(scope="module")
def faulty() -> Bench:
    """A bench whose rows have every fault that a procedure reads."""
    rows, _ = with_errors(clean(250), 0.2)
    evaluation = clean(20, 9, prefix="e")
    texts = [str(r.fields["text"]) for r in rows]
    rows += [retold(r, text, row_id=f"same{r.id}") for r, text in zip(rows[:20], texts, strict=False)]
    rows += [
        relabelled(retold(r, text, row_id=f"other{r.id}"), other(r.label, 1))
        for r, text in zip(rows[30:50], texts[30:50], strict=True)
    ]
    rows += [retold(e, str(e.fields["text"]), row_id=f"leak{e.id}") for e in evaluation]
    broken = ["", "asdfghjkl", "?", "\ufffd\ufffd"] * 4
    rows += [retold(rows[i], text, row_id=f"bad{i}") for i, text in enumerate(broken)]
    return bench_of(Snapshot.of(rows), evaluation)


@pytest.mark.parametrize("procedure", PROCEDURES, ids=lambda p: p.name)
def test_held_labels_are_seen_by_neither_audit_nor_arms(faulty: Bench, procedure: Procedure) -> None:
    watches, outcomes = [], []
    for change in (lambda label: label, lambda label: other(label, 2)):
        watch = Watched(procedure)
        outcomes.append(with_held_labels(faulty, 0, change).judge(watch, metric="log_loss"))
        watches.append(watch)
    assert watches[0].done[0], "nothing was done, so nothing was proved"
    assert watches[0].findings == watches[1].findings
    assert watches[0].done == watches[1].done
    assert (outcomes[0].truth != outcomes[1].truth).all(), "the labels did change"
    # and the judges, asked about the old labels, say what they said: the fitted arms are the same
    changed = with_held_labels(faulty, 0, lambda label: other(label, 2))
    changed.labels = faulty.labels
    assert same(changed.judge(Watched(procedure), metric="log_loss"), outcomes[0])


def test_labels_of_the_evaluation_set_are_never_looked_at() -> None:
    rows, _ = with_errors(clean(150), 0.2)
    evaluation = clean(20, 9, prefix="e")
    rows += [retold(e, str(e.fields["text"]), row_id=f"leak{e.id}") for e in evaluation[:10]]
    others = [relabelled(r, other(r.label, 1)) for r in evaluation]
    one, another = (bench_of(Snapshot.of(rows), e) for e in (evaluation, others))
    for name in ("relabel-likely", "drop-leaks"):
        assert same(*(bench.judge(BY_NAME[name], metric="accuracy") for bench in (one, another)))
    assert one._view(one.folds[0]).evaluation.labels != another._view(another.folds[0]).evaluation.labels


def test_the_procedure_is_shown_the_rest_and_only_the_rest() -> None:
    rows, _ = with_errors(clean(250), 0.2)
    rows += [retold(r, str(r.fields["text"]).upper(), row_id=f"copy{r.id}") for r in rows[:40]]
    start = Snapshot.of(rows)
    bench = bench_of(start)
    procedure = Scripted(at_random)
    bench.judge(procedure, metric="accuracy")
    assert len(procedure.shown) == len(bench.folds) == 5
    judged: list[str] = []
    clusters = find_copies(start.texts("text")).clusters()
    for fold, shown in zip(bench.folds, procedure.shown, strict=True):
        held = [start.ids[i] for i in fold.held]
        judged += held
        assert not set(held) & set(shown.ids)
        assert len(held) + len(shown) == len(start)
        trained = np.array([start.index[i] for i in shown.ids])
        assert not set(clusters[fold.held]) & set(clusters[trained]), "a copy of a judge was trained on"
    assert sorted(judged) == list(start.ids), "every row judges once"
    assert list(bench.held().ids) == judged
    assert list(bench.held().labels) == [start.labels[start.index[i]] for i in judged]


# --- the order of things ---


def test_what_was_accepted_is_the_base_of_the_next() -> None:
    rows, _ = with_errors(clean(250), 0.25)
    bench = bench_of(Snapshot.of(rows))
    repair = Scripted(by_truth(clean(250)))
    first = bench.judge(repair, metric="accuracy")
    bench.accept(repair)
    again = bench.judge(repair, metric="accuracy")
    assert all(not ops for ops in repair.done[-5:]), "there is nothing left to repair"
    assert again.effect().value == 0.0
    assert again.before.mean() == pytest.approx(first.after.mean(), abs=0.01)
    assert (again.truth == first.truth).all(), "the judges keep their labels"
    dropped = Scripted(lambda rows: [Op(rows.row(i), None) for i in range(0, len(rows), 3)])
    bench.accept(dropped)
    sizes = [len(f.rows) for f in bench.folds]
    assert sizes == [
        len(ops_shown) - len(ops) for ops_shown, ops in zip(dropped.shown, dropped.done, strict=True)
    ]
    assert bench.judge(Scripted(at_random), metric="accuracy").effect().value < 0


@pytest.mark.slow
def test_judging_leaves_no_trace(noisy: Bench) -> None:
    one = noisy.judge(BY_NAME["relabel-confident"], metric="accuracy")
    noisy.judge(BY_NAME["drop-suspects"], metric="accuracy")
    assert same(one, noisy.judge(BY_NAME["relabel-confident"], metric="accuracy"))
    start = Snapshot.of(with_errors(clean(450), 0.25)[0])
    assert list(noisy.start.labels) == list(start.labels), "the start is as it was"
    assert same(one, bench_of(start).judge(BY_NAME["relabel-confident"], metric="accuracy"))


def test_another_metric_is_another_measurement() -> None:
    rows, _ = with_errors(clean(100), 0.2)
    bench = bench_of(Snapshot.of(rows))
    bench.judge(BY_NAME["relabel-likely"], metric="accuracy")
    after = bench.judge(BY_NAME["relabel-likely"], metric="log_loss")
    fresh = bench_of(Snapshot.of(rows)).judge(BY_NAME["relabel-likely"], metric="log_loss")
    assert same(after, fresh)


def test_rows_without_label_train_nothing_and_judge_nothing() -> None:
    rows, _ = with_errors(clean(200), 0.2)
    free = [relabelled(r, None) for r in clean(40, 5, prefix="u")]
    bench = bench_of(Snapshot.of(rows + free))
    assert bench.judges == 200
    assert None not in bench.held().labels
    outcome = bench.judge(BY_NAME["relabel-likely"], metric="accuracy")
    assert len(outcome.truth) == 200
    assert outcome.truth.min() >= 0


def test_many_rows_need_few_folds() -> None:
    labels = ["a", "b"] * 8_000
    ids = [f"{i:05}" for i in range(16_000)]
    start = Snapshot(ids, labels, {"text": ids})
    bench = Bench(
        RECIPE,
        start,
        Snapshot.of([]),
        "text",
        features=np.zeros((16_000, 1), np.float32),
        clusters=np.arange(16_000),
    )
    assert len(bench.folds) == 1
    assert bench.judges == 3_200
    fold = group_folds(bench.labels, np.arange(16_000), 5, 1)
    assert (bench.folds[0].held == np.flatnonzero(fold == 0)).all()


@pytest.mark.parametrize(
    "rows", [[], clean(1), [relabelled(r, None) for r in clean(30)]], ids=["none", "one", "unlabelled"]
)
def test_too_little_to_judge_on(rows: list[Row]) -> None:
    bench = bench_of(Snapshot.of(rows))
    assert bench.judges == 0
    assert len(bench.held()) == 0
