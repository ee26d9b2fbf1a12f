"""Wrong labels in the evaluation set: which, how many, and how sure one can be."""

from __future__ import annotations

import numpy as np
import pytest
from core_kit import clean, relabelled, view_of, with_errors

from tilth.audit.eval_labels import EvaluationLabels, usable_rows, wrong_share


def test_planted_errors_are_found_and_counted() -> None:
    rows, _ = with_errors(clean(600), 0.1)
    evaluation, wrong = with_errors(clean(300, 5, prefix="e"), 0.1, 3)
    view = view_of(rows, evaluation)
    found = EvaluationLabels().find(view)
    ids = {f.rows[0] for f in found}
    assert len(ids & wrong) / len(ids) > 0.7
    assert len(ids & wrong) / len(wrong) > 0.6
    assert view.eval_signals is not None
    share = wrong_share(view.eval_signals.p_wrong()[usable_rows(view)])
    assert share.low < 0.1 < share.high
    assert share.value == pytest.approx(0.1, abs=0.05)


def test_training_signals_do_not_see_evaluation_labels() -> None:
    rows, _ = with_errors(clean(200), 0.1)
    evaluation = clean(60, 5, prefix="e")
    a = view_of(rows, evaluation)
    b = view_of(rows, [relabelled(r, "login") for r in evaluation])
    assert (a.signals.posterior == b.signals.posterior).all()


def test_rows_that_cannot_be_judged_are_left_out() -> None:
    rows = clean(200)
    evaluation = [*clean(30, 5, prefix="e"), relabelled(clean(1, 6, prefix="n")[0], "never seen")]
    evaluation += [relabelled(clean(1, 6, prefix="o")[0], None)]
    view = view_of(rows, evaluation)
    usable = usable_rows(view)
    assert usable.sum() == 30
    assert not EvaluationLabels().find(view_of(rows)), "no evaluation rows, no findings"


def test_share_of_nothing_is_anything() -> None:
    share = wrong_share(np.zeros(0))
    assert (share.low, share.high) == (0.0, 1.0)
    certain = wrong_share(np.zeros(1_000))
    assert certain.value == 0.0
    assert 0 < certain.high < 0.03


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_threshold_is_a_probability(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        EvaluationLabels(threshold)
