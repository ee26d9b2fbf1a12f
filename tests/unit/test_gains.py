"""The closed form: what a change of labels would do, against refits and brute force."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from core_kit import CLASSES, RECIPE, clean, relabelled, retold, view_of, with_errors

from tilth import stats
from tilth.audit.base import View
from tilth.data import Row
from tilth.patch import Op
from tilth.recipes import logistic
from tilth.trial import gains
from tilth.trial.gains import Response, forecast, queue, respond
from tilth.trial.measure import expected, expected_slope

TRUTH = {r.id: r.label for r in clean(500)}


@pytest.fixture(scope="module")
def noisy() -> tuple[View, Response, set[str]]:
    rows, wrong = with_errors(clean(500), 0.25)
    rows += [relabelled(r, None) for r in clean(20, 5, prefix="u")]
    rows += [retold(r, str(r.fields["text"]), row_id=f"copy{r.id}") for r in rows[:8]]
    view = view_of(rows)
    return view, respond(view, RECIPE.penalty), wrong


def repairs(view: View, wrong: set[str]) -> tuple[Op, ...]:
    rows = [view.train.row(view.train.index[i]) for i in sorted(wrong)]
    return tuple(Op(r, relabelled(r, TRUTH[r.id])) for r in rows)


def test_repairs_are_foreseen_to_help_and_damage_to_hurt(noisy: tuple[View, Response, set[str]]) -> None:
    view, response, wrong = noisy
    right = [r for r in view.train.rows() if r.label is not None and r.id in TRUTH and r.id not in wrong]
    spoil = tuple(Op(r, relabelled(r, CLASSES[(CLASSES.index(r.label or "") + 1) % 5])) for r in right[:100])
    good = forecast(response, view, repairs(view, wrong))
    half = forecast(response, view, repairs(view, set(sorted(wrong)[::2])))
    assert good.value > 0.015
    assert good.value > half.value > 0
    assert forecast(response, view, spoil).value < -0.015
    assert 0 < good.se < good.value
    drops = tuple(Op(view.train.row(view.train.index[i]), None) for i in sorted(wrong))
    assert forecast(response, view, drops).value > 0.005


def test_the_forecast_is_near_what_refits_show(noisy: tuple[View, Response, set[str]]) -> None:
    """The recipe is refitted with and without the repair; predictions of other rows are scored by truth."""
    view, response, wrong = noisy
    s = view.signals
    labels = s.labels.copy()
    repaired = np.array([view.train.index[i] for i in sorted(wrong)[::2]])
    labels[repaired] = [s.classes.index(TRUTH[view.train.ids[i]] or "") for i in repaired]
    tests = clean(400, 77, prefix="t")
    learned, x = RECIPE.learn(view.texts)
    known = np.flatnonzero(s.labels >= 0)
    d = logistic.design(x[known], RECIPE.penalty)
    scored = learned.transform([str(r.fields["text"]) for r in tests])
    truth = np.array([s.classes.index(r.label or "") for r in tests])
    before, after = (
        (logistic.fit(d, y[known], 5).scores(scored).argmax(axis=1) == truth).mean()
        for y in (s.labels, labels)
    )
    said = forecast(response, view, repairs(view, set(sorted(wrong)[::2]))).value
    assert after - before > 0.01
    assert 1 / 3 < said / (after - before) < 2


def test_a_verdict_moves_logits_as_the_closed_form_says(noisy: tuple[View, Response, set[str]]) -> None:
    """Rank-one by brute force: kappa z_i' A^-1 z_j delta, and nothing for the row's own cluster."""
    _, r, _ = noisy
    j = int(np.flatnonzero(np.bincount(r.clusters)[r.clusters] > 1)[0])
    delta = np.zeros((1, 5), dtype=np.float32)
    delta[0, :2] = 1.0, -1.0
    a = (r.z * (r.weights * (r.labels >= 0))[:, None]).T.astype(np.float64) @ r.z
    a[np.diag_indices(len(a))] += RECIPE.penalty / gains.CURVATURE
    h = r.z @ np.linalg.solve(a, r.z[j].astype(np.float64))
    want = r.scale * h[:, None] * delta
    found = r.moved(np.array([j]), delta) - r.logits
    others = r.clusters != r.clusters[j]
    assert np.abs(want[others]).max() > 0.01
    np.testing.assert_allclose(found[others], want[others], atol=2e-3)
    assert np.abs(found[~others]).max() < 0.05 * np.abs(want[~others]).max() + 1e-3


@pytest.mark.parametrize("metric", ["accuracy", "log_loss", "balanced_accuracy"])
def test_gains_of_single_rows_are_the_slope_of_their_forecast(
    noisy: tuple[View, Response, set[str]], metric: str
) -> None:
    _, r, _ = noisy
    r = replace(r, metric=metric)
    each = r.each()
    at = np.flatnonzero((r.labels >= 0) & (np.bincount(r.clusters)[r.clusters] == 1))[:40]
    for i in at:
        delta = r.target[[i]].copy()
        delta[0, r.labels[i]] -= 1.0
        step = 1e-2  # a small part of the change: the exact gain is curved
        assert each[i] == pytest.approx(r.gain(np.array([i]), step * delta).value / step, rel=0.1, abs=2e-5)


def test_slope_is_the_derivative() -> None:
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(6, 4)), stats.softmax(rng.normal(size=(6, 4)))
    for metric in ("accuracy", "log_loss"):
        slope = expected_slope(logits, target, metric, 2.0)
        for c in range(4):
            up, down = logits.copy(), logits.copy()
            up[:, c] += 1e-5
            down[:, c] -= 1e-5
            change = expected(up, target, metric, 2.0) - expected(down, target, metric, 2.0)
            np.testing.assert_allclose(slope[:, c], change / 2e-5, atol=1e-6)


def test_the_queue_finds_errors_and_learns_from_verdicts(noisy: tuple[View, Response, set[str]]) -> None:
    view, r, wrong = noisy
    q = queue(r, view.signals.noise, groups=view.copies.exact)
    order = q.order
    assert len(set(view.copies.exact[order])) == len(order), "one verdict for all copies of a text"
    ids = [view.train.ids[i].removeprefix("copy") for i in order[:50]]
    assert np.mean([i in wrong for i in ids]) > 0.8
    first = int(order[0])
    label = view.signals.classes.index(TRUTH[view.train.ids[first].removeprefix("copy")] or "")
    after = q.after_verdict(first, label)
    same = view.copies.exact == view.copies.exact[first]
    assert not after.open[same].any()
    assert set(after.response.labels[same].tolist()) == {label}
    assert first not in after.order
    assert len(after.order) == len(order) - 1
    assert not np.allclose(after.gain, q.gain), "other rows are seen in the new light"
    assert q.open[first], "a queue is left as it was"
    again = queue(r, view.signals.noise, groups=view.copies.exact).after_verdict(first, label)
    assert (again.order == after.order).all()
    with pytest.raises(ValueError, match="not in the queue"):
        q.after_verdict(10_000, 0)


def test_a_verdict_that_no_class_is_right_takes_the_row_out(noisy: tuple[View, Response, set[str]]) -> None:
    view, r, _ = noisy
    q = queue(r, view.signals.noise)
    after = q.after_verdict(int(q.order[0]), -1)
    assert after.response.labels[int(q.order[0])] == -1
    assert np.isfinite(after.gain).all()


def test_nothing_to_foresee_is_zero(noisy: tuple[View, Response, set[str]]) -> None:
    view, r, _ = noisy
    assert forecast(r, view, ()).value == 0.0
    assert forecast(r, view, (Op(None, Row("new", {"text": "a"}, "login")),)).value == 0.0
    one = view_of([relabelled(row, "x") for row in clean(40)])
    response = respond(one, RECIPE.penalty)
    assert forecast(response, one, (Op(one.train.row(0), None),)).value == 0.0
    assert queue(response, one.signals.noise).gain.sum() < 1e-9


@pytest.mark.parametrize("n", [0, 1, 5])
def test_next_to_nothing(n: int) -> None:
    view = view_of(clean(n))
    response = respond(view, RECIPE.penalty)
    assert forecast(response, view, tuple(Op(r, None) for r in view.train.rows())).value == 0.0
    assert len(queue(response, view.signals.noise).order) == n


def test_many_rows_are_stood_for_by_some() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(50_000)
    rows, weights = gains._standing(p, 0)
    assert len(rows) == gains.MOST
    assert (np.diff(rows) > 0).all()
    assert weights.sum() == pytest.approx(50_000, rel=1e-3)
    assert set(np.argsort(-p)[:1_000]) <= set(rows)


@pytest.mark.slow
def test_ten_thousand_rows_are_reordered_in_a_blink() -> None:
    rng = np.random.default_rng(0)
    n, k, w = 10_000, 77, 513
    z = rng.normal(size=(n, w)).astype(np.float32) / np.float32(np.sqrt(w))
    gram = z.T @ z + np.eye(w, dtype=np.float32)
    logits = rng.normal(size=(n, k)).astype(np.float32)
    labels = rng.integers(0, k, n)
    r = Response(
        np.arange(n), np.ones(n, np.float32), z, np.linalg.cholesky(gram).astype(np.float32),
        np.full(n, 0.05, np.float32), np.arange(n), logits, stats.softmax(2 * logits), labels, 1.0,
        "accuracy",
    )  # fmt: skip
    q = queue(r, np.full((k, k), 1 / k))
    best = 9.0
    for _ in range(3):
        began = time.process_time()
        q = q.after_verdict(int(q.order[0]), 3)
        best = min(best, time.process_time() - began)
    assert best < 0.5
