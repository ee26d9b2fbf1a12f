"""Which release answers a key; what may be served."""

from __future__ import annotations

import math
import sys
from collections import Counter
from pathlib import Path

import pytest

from tilth.errors import InputError
from tilth.serve.arms import Asked, deployment

sys.path.insert(0, str(Path(__file__).parents[2] / "loop"))
from serve_kit import FakeRelease, fake_bundle, load_fake

KEYS = [f"user-{i}" for i in range(20_000)]


def deployed(tmp_path, shares):
    asked = [Asked(fake_bundle(tmp_path, name), share) for name, share in shares.items()]
    return deployment(asked, load_fake)


def test_shares_are_kept_and_a_key_stays(tmp_path):
    found = deployed(tmp_path, {"x": 8, "y": 1, "z": 1})
    arms = {key: found.arm(key).letter for key in KEYS}
    counts = Counter(arms.values())
    for letter, share in (("a", 0.8), ("b", 0.1), ("c", 0.1)):
        # 4 standard errors
        assert abs(counts[letter] / len(KEYS) - share) < 4 * math.sqrt(share * (1 - share) / len(KEYS))
    again = deployed(tmp_path, {"x": 8, "y": 1, "z": 1})
    assert {key: again.arm(key).letter for key in KEYS} == arms


def test_a_larger_share_moves_only_the_keys_it_needs(tmp_path):
    small, large = deployed(tmp_path, {"x": 0.9, "y": 0.1}), deployed(tmp_path, {"x": 0.6, "y": 0.4})
    moved = [(small.arm(k).letter, large.arm(k).letter) for k in KEYS]
    assert ("b", "a") not in moved
    assert 0.28 < moved.count(("a", "b")) / len(KEYS) < 0.32


def test_another_comparison_spreads_the_keys_anew(tmp_path):
    one, two = deployed(tmp_path, {"x": 1, "y": 1}), deployed(tmp_path, {"x": 1, "z": 1})
    same = sum(one.arm(k).letter == two.arm(k).letter for k in KEYS) / len(KEYS)
    assert 0.48 < same < 0.52


def test_a_share_of_nothing_answers_nothing(tmp_path):
    found = deployed(tmp_path, {"x": 1, "y": 0})
    assert {found.arm(k).letter for k in KEYS[:2000]} == {"a"}


def test_a_shadow_answers_nobody(tmp_path):
    asked = [Asked(fake_bundle(tmp_path, "x")), Asked(fake_bundle(tmp_path, "y"), shadow=True)]
    found = deployment(asked, load_fake)
    assert {found.arm(k).letter for k in KEYS[:100]} == {"a"}
    assert [a.letter for a in found.shadows] == ["b"]
    assert [s.state for s in found.served("now")] == ["live", "shadow"]


def test_what_cannot_be_served_together_is_refused(tmp_path):
    x, y = Asked(fake_bundle(tmp_path, "x")), Asked(fake_bundle(tmp_path, "y"))
    for asked, words in (
        ([], "1 to 26"),
        ([Asked(x.path, shadow=True)], "1 to 26"),
        ([x, x], "same release"),
        ([Asked(x.path, -1.0), y], "shares"),
        ([Asked(x.path, 0.0)], "shares"),
        ([Asked(x.path, math.nan), y], "shares"),
        ([x, Asked(str(tmp_path / "nothing"))], "no bundle"),
    ):
        with pytest.raises(InputError, match=words):
            deployment(asked, load_fake)


def test_a_release_is_warm_before_it_serves(tmp_path):
    found = deployment([Asked(fake_bundle(tmp_path, name)) for name in "xy"], load_fake)
    assert [a.release.warmed for a in found.arms] == [1, 1]


def test_a_release_that_answers_nonsense_is_refused(tmp_path):
    class Broken(FakeRelease):
        def predict(self, rows, *, sets=None):
            raise IndexError("out of bounds")

    class Short(FakeRelease):
        def predict(self, rows, *, sets=None):
            return super().predict(rows)[:-1]

    class Odd(FakeRelease):
        def predict(self, rows, *, sets=None):
            answers = super().predict(rows)
            return [type(a)(a.label, a.best, math.nan, a.abstained, a.reason) for a in answers]

    class Columns(FakeRelease):
        text = "body"

    path = Path(fake_bundle(tmp_path, "x"))
    for kind, words in ((Broken, "cannot answer: IndexError"), (Short, "no label"), (Odd, "no probability")):
        with pytest.raises(InputError, match=words):
            deployment([Asked(str(path))], lambda p, kind=kind: kind(Path(p)))
    y = fake_bundle(tmp_path, "y")
    with pytest.raises(InputError, match="different columns"):
        deployment([Asked(str(path)), Asked(y)], lambda p: (Columns if p == y else FakeRelease)(Path(p)))
