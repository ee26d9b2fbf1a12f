"""Reading a bundle that somebody else wrote, and what its answers look like."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core_kit import RECIPE, clean

from tilth.errors import InputError
from tilth.recipes import logistic
from tilth.recipes.text import TextLinear
from tilth.release import Release, load
from tilth.release.evidence import ROWS, chosen, evidence_files
from tilth.release.export import manifest_bytes, model_files, write
from tilth.release.forward import array, pack
from tilth.signals import encode_labels

DATA = clean(300)
TEXTS = [str(r.fields["text"]) for r in DATA]
LABELS = [str(r.label) for r in DATA]
Change = Callable[[dict[str, Any], dict[str, bytes]], None]


def bundle(folder: Path, change: Change | None = None) -> Path:
    """A small bundle, perhaps changed before its digests are taken."""
    learned, x = TextLinear().learn(TEXTS)
    classes, labels = encode_labels(LABELS)
    head = logistic.fit(logistic.design(x, RECIPE.penalty), labels, len(classes))
    files, settings = model_files(learned, head, TEXTS)
    files["model/conformal.npy"] = pack(np.linspace(0.2, 1, 99, dtype=np.float32))
    files |= evidence_files([r.id for r in DATA], TEXTS, LABELS)
    body: dict[str, Any] = {
        "format": "tilth-release", "format_version": 1, "name": "small", "text": "text",
        "classes": list(classes), "calibration": {"temperature": 2.0, "noise": 0.0},
        "abstention": {"probability": 0.5, "familiar": 2.0, "known": 0.2, "precision": 0.9},
        "model": settings,
    }  # fmt: skip
    if change:
        change(body, files)
    files["manifest.json"] = manifest_bytes(body, files)
    return write(folder / "bundle", files)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return load(bundle(tmp_path_factory.mktemp("bundle")))


def test_an_answer_is_the_same_by_text_by_row_and_by_array(release: Release) -> None:
    texts = [*TEXTS[:5], "", "zzz qqq"]
    answers = release.predict(texts)
    assert answers == release.predict([{"text": t, "more": 1} for t in texts])
    scores = release.scores(texts)
    assert [a.probability for a in answers] == pytest.approx(scores.confidence.tolist())
    assert [a.abstained for a in answers] == (scores.reason != 0).tolist()
    assert scores.probabilities.sum(axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-5)
    assert release.predict([]) == []
    assert len(release.scores([])) == 0
    json.dumps([a.to_json() for a in answers])


def test_an_abstention_says_why_and_shows_known_rows(release: Release) -> None:
    word = TEXTS[0].split()[0]
    (answer,) = release.predict([f"{word} blorgfx wuzzle frimbol xyqq dwerp jklop zzyzx"])
    assert answer.label is None
    assert answer.reason in ("unlike", "outside", "unsure")
    assert word in answer.nearest[0]["text"]
    assert 0 < answer.nearest[0]["similarity"] < 1
    assert {"id", "text", "label", "similarity"} == set(answer.nearest[0])
    (empty,) = release.predict([""])
    assert empty.reason == "unlike"
    assert empty.nearest == ()


def test_similarity_is_the_cosine_of_the_features(release: Release) -> None:
    learned, x = TextLinear().learn(TEXTS)
    query = f"{TEXTS[3]} qqqq"
    wanted = np.sort(np.asarray((learned.transform([query]) @ x.T).todense()).ravel())[::-1][:3]
    seen = release._model.run([query])
    found = [row["similarity"] for row in release._evidence.nearest(seen, 0)]
    assert found == pytest.approx(wanted.tolist(), abs=1e-4)


def test_evidence_is_bounded_even_and_the_same_each_time() -> None:
    labels = np.array([0] * 50 + [1] * 5 + [2] * 200)
    ids = [f"r{i}" for i in range(len(labels))]
    some = chosen(ids, labels, 30)
    assert np.bincount(labels[some]).tolist() == [12, 5, 13]
    assert np.array_equal(some, chosen(ids, labels, 30))
    assert len(chosen(ids, labels, 0)) == 0
    assert len(chosen(ids, labels, 10_000)) == len(labels)


def test_without_evidence_there_is_nothing_to_show(tmp_path: Path) -> None:
    found = load(bundle(tmp_path, lambda body, files: files.pop(ROWS) and None))
    assert found.predict(["zzz qqq"])[0].nearest == ()


def test_sets_hold_the_right_class_as_often_as_asked(release: Release) -> None:
    rng = np.random.default_rng(0)
    release._held = np.sort(rng.random(999))  # as if these were the probabilities of right classes
    scores = release.scores(TEXTS)
    for level in (0.05, 0.2):
        cut = release._held[int(level * 1000) - 1]
        for p, names in zip(scores.probabilities, release.sets(scores, level), strict=True):
            assert names == [c for c, q in zip(release.classes, p, strict=True) if q >= cut]
    with pytest.raises(InputError, match="share of misses"):
        release.predict(TEXTS[:1], sets=1.5)


@pytest.mark.parametrize("rows", ["one text", [3], [None], [{"body": "x"}], [["a"]]])
def test_what_is_no_row_is_refused(release: Release, rows: Any) -> None:
    with pytest.raises(InputError):
        release.scores(rows) if isinstance(rows, str) else release.predict(rows)


def nan_weights(body: dict[str, Any], files: dict[str, bytes]) -> None:
    scales = array(files, "model/scales.npy").copy()
    scales[0] = np.nan
    files["model/scales.npy"] = pack(scales)


def float_weights(body: dict[str, Any], files: dict[str, bytes]) -> None:
    files["model/weights.npy"] = pack(array(files, "model/weights.npy").astype(np.float64))


def foreign_columns(body: dict[str, Any], files: dict[str, bytes]) -> None:
    columns = array(files, "model/words_columns.npy").copy()
    columns[-1] = 1 << 25
    files["model/words_columns.npy"] = pack(columns)


def pickled(body: dict[str, Any], files: dict[str, bytes]) -> None:
    from io import BytesIO

    out = BytesIO()
    np.save(out, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    files["model/bias.npy"] = out.getvalue()


def one_class_more(body: dict[str, Any], files: dict[str, bytes]) -> None:
    body["classes"].append("another")


def no_number(body: dict[str, Any], files: dict[str, bytes]) -> None:
    body["abstention"]["probability"] = float("nan")


def unknown_kind(body: dict[str, Any], files: dict[str, bytes]) -> None:
    body["model"] = {"kind": "pickle"}


def from_tomorrow(body: dict[str, Any], files: dict[str, bytes]) -> None:
    body["format_version"] = 9


def no_text(body: dict[str, Any], files: dict[str, bytes]) -> None:
    body["text"] = ["a"]


@pytest.mark.parametrize(
    "change",
    [
        nan_weights,
        float_weights,
        foreign_columns,
        pickled,
        one_class_more,
        no_number,
        unknown_kind,
        from_tomorrow,
        no_text,
    ],
)
def test_a_bundle_that_makes_no_sense_is_refused(tmp_path: Path, change: Change) -> None:
    with pytest.raises(InputError):
        load(bundle(tmp_path, change))


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"format": "x"}', b"\xff", b"[" * 100_000, b'{"format": "tilth-release"}']
)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    place = bundle(tmp_path)
    (place / "manifest.json").write_bytes(content)
    with pytest.raises(InputError):
        load(place)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "a\\b"])
def test_a_manifest_does_not_reach_outside(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("s")
    place = bundle(tmp_path)
    body = json.loads((place / "manifest.json").read_text())
    body["files"][name] = hashlib.sha256(b"s").hexdigest()
    (place / "manifest.json").write_text(json.dumps(body))
    with pytest.raises(InputError, match="outside the bundle"):
        load(place)


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = bundle(tmp_path)
    before = load(place).id

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left"):
        write(place, {"manifest.json": b"{}"})
    monkeypatch.undo()
    assert load(place).id == before
    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]


def test_long_texts_take_no_more_memory_than_short_ones(release: Release) -> None:
    long = ["".join(f"word{i % 997} " for i in range(4_000))] * 200
    tracemalloc.start()
    found = release.scores(long)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 200
    assert most < 300_000_000
