"""A number without its command, data version and seed is no claim; scores are computed in one place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tilth import stats
from tilth.errors import InputError
from tilth.release.claims import Claim, claims_of
from tilth.release.measured import Measured, measure, row_digest

WHOLE: dict[str, Any] = {
    "name": "accuracy", "value": 0.9, "low": 0.8, "high": 0.95, "command": "tilth verify b", "version": "abc",
    "seed": 0,
}  # fmt: skip


def test_a_claim_holds_all_of_its_proof() -> None:
    claim = Claim(**WHOLE)
    assert Claim.from_json(claim.to_json()) == claim


@pytest.mark.parametrize("key", list(WHOLE))
def test_a_claim_without_any_part_of_its_proof_is_refused(key: str) -> None:
    body = Claim(**WHOLE).to_json()
    del body[key]
    with pytest.raises(InputError, match=f"has no {key}"):
        Claim.from_json(body)
    with pytest.raises(TypeError):
        Claim(**{k: v for k, v in WHOLE.items() if k != key})


@pytest.mark.parametrize(
    "change",
    [
        {"command": " "}, {"version": ""}, {"name": ""}, {"seed": None}, {"seed": True}, {"seed": 0.5},
        {"value": math.nan}, {"value": None}, {"value": True}, {"low": None}, {"high": math.inf},
        {"low": 0.91}, {"high": 0.8}, {"unit": "furlongs"},
    ],
)  # fmt: skip
def test_what_is_no_proof_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Claim(**(WHOLE | change))


def answers(n: int = 400, k: int = 4, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = stats.softmax(rng.normal(0, 2, (n, k)))
    truth = np.array([rng.choice(k, p=row) for row in p])
    return p, truth, p.max(axis=1) > 0.6


def scored(metric: str = "accuracy", **more: Any) -> Measured:
    p, truth, said = answers(**more)
    masks = {"first": np.arange(len(p)) < 50, "few": np.arange(len(p)) < 5, "none": np.zeros(len(p), bool)}
    return measure(p, truth, said, classes=list("abcd"), metric=metric, slices=masks, trained={"a": 7})


def test_scores_are_those_of_a_plain_computation() -> None:
    p, truth, said = answers()
    found, right = scored(), p.argmax(axis=1) == truth
    assert found.accuracy.value == pytest.approx(right.mean())
    assert found.log_loss.value == pytest.approx(-np.log(p[np.arange(400), truth]).mean())
    recalls = [right[truth == c].mean() for c in range(4)]
    assert found.balanced_accuracy.value == pytest.approx(np.mean(recalls))
    assert found.answered.value == pytest.approx(said.mean())
    assert found.precision is not None
    assert found.precision.value == pytest.approx(right[said].mean())
    a = found.part("a")
    assert a is not None
    assert a.score is not None
    assert a.precision is not None
    assert (a.trained, a.rows) == (7, (truth == 0).sum())
    assert a.score.value == pytest.approx(recalls[0])
    assert a.precision.value == pytest.approx(right[said & (p.argmax(axis=1) == 0)].mean())
    for metric in ("accuracy", "balanced_accuracy", "log_loss"):
        assert scored(metric).score == getattr(found, metric)


def test_parts_with_few_rows_have_no_score() -> None:
    few, none = (scored().part(name, "slice") for name in ("few", "none"))
    assert few is not None
    assert none is not None
    assert few.score is None
    assert (none.rows, none.score, none.answered, none.precision) == (0, None, None, None)


def test_scores_survive_a_file_and_every_number_becomes_a_claim() -> None:
    found = scored("log_loss")
    assert Measured.from_json(found.to_json()) == found
    claims = claims_of(found, "tilth verify b", "abc", 0)
    names = [c.name for c in claims]
    assert len(set(names)) == len(names)
    assert {
        "accuracy",
        "calibration error",
        "share answered",
        "class a: score",
        "slice first: rows scored",
    } <= {*names}


def test_intervals_hold_what_they_promise() -> None:
    """Of a well calibrated model, over draws of evaluation rows."""
    true = {name: getattr(scored(n=60_000, seed=99), name).value for name in ("accuracy", "log_loss")}
    p, truth, said = answers(n=60_000, seed=99)
    true["precision"] = float((p.argmax(axis=1) == truth)[said].mean())
    held = dict.fromkeys(true, 0)
    for seed in range(200):
        found = scored(n=300, seed=seed)
        for name, value in true.items():
            held[name] += getattr(found, name).low <= value <= getattr(found, name).high
    assert all(count >= 182 for count in held.values()), held  # 95 % of 200, less three standard errors


def test_calibration_error_sees_over_confidence() -> None:
    p, truth, said = answers(n=3000)
    sharp = stats.softmax(3 * np.log(p))
    good, bad = (measure(x, truth, said, classes=list("abcd"), metric="accuracy") for x in (p, sharp))
    assert good.calibration.value < 0.03 < bad.calibration.low


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (10, 10), (7, 9), (95, 100)])
def test_clopper_and_pearson_cover(hits: int, n: int) -> None:
    from scipy.stats import binomtest

    found, known = stats.clopper_pearson(hits, n), binomtest(hits, n).proportion_ci(0.95)
    assert (found.low, found.high) == pytest.approx((known.low, known.high))
    assert (stats.clopper_pearson(0, 0).low, stats.clopper_pearson(0, 0).high) == (0, 1)


def test_a_digest_stands_for_text_and_label_alone() -> None:
    assert row_digest("a", "x") == row_digest("a", "x")
    assert len({row_digest(t, x) for t in ("a", "b", "", "\ud800", None) for x in ("x", "y", None)}) == 15
