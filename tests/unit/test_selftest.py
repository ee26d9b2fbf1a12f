"""The self-test of an audit: what is planted, what counts, and that its figures are those of real errors."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from core_kit import RECIPE, clean, view_of, with_errors

from tilth.audit import selftest
from tilth.audit.run import run
from tilth.audit.selftest import SelfTest, self_test
from tilth.data import Row


def outcome(rows: list[Row], evaluation: list[Row] | None = None, **options: int) -> SelfTest:
    view = view_of(rows, evaluation or [])
    return self_test(RECIPE, view, run(view)[0], "text", **options)


def test_every_kind_is_planted_and_copies_are_all_found() -> None:
    rows, _ = with_errors(clean(500, seed=1), 0.1, 2)
    found = outcome(rows, clean(80, seed=3, prefix="e"))
    scores = {s.code: s for s in found.scores}
    assert set(scores) == set(selftest.PLANTED)
    for code in ("TIL102", "TIL201", "TIL203", "TIL501"):
        assert scores[code].recall.value == 1.0, code
    assert (found.rows, found.of, found.failed) == (500, 500, "")
    assert found.to_json()["scores"][0]["code"] == "TIL101"


def test_it_is_the_same_every_time_and_changes_nothing() -> None:
    rows, _ = with_errors(clean(200, seed=1), 0.1, 2)
    view = view_of(rows)
    before = copy.deepcopy((view.train.labels, view.texts, view.signals.posterior))
    findings = run(view)[0]
    first = self_test(RECIPE, view, findings, "text")
    assert first == self_test(RECIPE, view, findings, "text")
    assert first != self_test(RECIPE, view, findings, "text", seed=1)
    assert list(before[0]) == list(view.train.labels)
    assert np.array_equal(before[2], view.signals.posterior)


def test_too_little_to_say_is_said() -> None:
    assert "40 labelled rows" in outcome(clean(20, seed=1)).failed
    one = [Row(r.id, r.fields, "same") for r in clean(60, seed=1)]
    assert outcome(one).failed
    assert outcome(one).to_json()["scores"] == []


def test_without_evaluation_rows_no_leak_is_claimed() -> None:
    assert "TIL203" not in {s.code for s in outcome(clean(200, seed=1)).scores}


def test_large_data_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = clean(300, seed=1)
    monkeypatch.setattr(selftest, "ROWS", 120)
    found = outcome(rows)
    assert (found.rows, found.of) == (120, 300)


def test_its_figures_for_label_errors_are_those_of_real_errors() -> None:
    """Recall and precision by self-test against those on errors whose truth is known, over data sets."""
    gaps = []
    for seed in range(6):
        rows, wrong = with_errors(clean(500, seed=seed), 0.1, seed + 50)
        view = view_of(rows)
        findings = run(view)[0]
        flagged = {f.rows[0] for f in findings if f.code == "TIL101"}
        score = next(s for s in self_test(RECIPE, view, findings, "text").scores if s.code == "TIL101")
        recall = len(flagged & wrong) / len(wrong)
        precision = len(flagged & wrong) / max(len(flagged), 1)
        gaps.append((score.recall.value - recall, score.precision.value - precision))
    assert np.abs(np.mean(gaps, axis=0)).max() < 0.12, gaps
