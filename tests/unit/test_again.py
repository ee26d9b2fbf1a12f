"""A release made again on another machine: rounding is told from tampering."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tilth.release.again import differences
from tilth.release.forward import pack

WEIGHTS = np.array([[20_000, -3], [7, 32_767]], dtype=np.int16)
MANIFEST = {"abstention": {"familiar": 0.5421, "known": 0.2}, "name": "n", "tilth": "1"}


def files(weights: np.ndarray = WEIGHTS, score: float = 0.7, rows: int = 9) -> dict[str, bytes]:
    return {
        "model/weights.npy": pack(weights),
        "model/scales.npy": pack(np.ones(2, dtype=np.float32)),
        "model/words_columns.npy": pack(np.array([1, 4], dtype=np.int32)),
        "evaluation.json": json.dumps({"score": score, "rows": rows}).encode(),
        "card.md": b"words",
    }


def judged(held: dict[str, bytes], manifest: Any = MANIFEST) -> tuple[list[str], bool]:
    made = files() | {"manifest.json": json.dumps({**MANIFEST, "files": {}}).encode()}
    return differences(made, held, {**manifest, "files": {"card.md": "0"}})


def test_the_same_release_has_no_differences() -> None:
    assert judged(files()) == ([], True)


def test_last_digits_are_rounding() -> None:
    held = files(WEIGHTS + np.int16(-31), score=0.70001)
    manifest = {**MANIFEST, "abstention": {"familiar": 0.5419, "known": 0.2}}
    assert judged(held, manifest) == (["evaluation.json", "model/weights.npy", "manifest.json"], True)


@pytest.mark.parametrize(
    "held",
    [
        files(WEIGHTS[:, ::-1]),
        files(score=0.72),
        files(rows=10),
        {**files(), "card.md": b"word"},
        {**files(), "model/words_columns.npy": pack(np.array([1, 5], dtype=np.int32))},
        {k: v for k, v in files().items() if k != "card.md"},
    ],
)
def test_anything_else_is_not(held: dict[str, bytes]) -> None:
    odd, near = judged(held)
    assert odd
    assert not near


def test_a_setting_of_the_manifest_counts() -> None:
    """What decides between two reasons to abstain moves no score: only the manifest tells."""
    odd, near = judged(files(), {**MANIFEST, "abstention": {"familiar": 0.5421, "known": 0.9}})
    assert (odd, near) == (["manifest.json"], False)


def test_one_weight_alone_is_no_rounding() -> None:
    many = np.repeat(WEIGHTS, 10, axis=1)
    odd = many.copy()
    odd[0, 0] += 3
    made = files(many) | {"manifest.json": json.dumps(MANIFEST).encode()}
    assert differences(made, files(odd), MANIFEST) == (["model/weights.npy"], False)
