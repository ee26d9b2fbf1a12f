"""Bundles that nobody should trust: each is refused with a message, none takes memory, hangs or answers."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from tilth.errors import InputError
from tilth.release import load
from tilth.release.abstain import UNLIKE, UNSURE, Abstention
from tilth.release.forward import array, pack

ARRAYS = {
    "words_columns": np.array([1, 5], dtype=np.int32),
    "chars_columns": np.array([2], dtype=np.int32),
    "words_idf": np.ones(2, dtype=np.float32),
    "chars_idf": np.ones(1, dtype=np.float32),
    "weights": np.ones((3, 2), dtype=np.int16),
    "scales": np.ones(3, dtype=np.float32),
    "bias": np.zeros(2, dtype=np.float32),
    "conformal": np.array([0.5], dtype=np.float32),
}


def bundle(folder: Path, *, familiar: float = 0.0, **changed: bytes) -> Path:
    """A small sound bundle, but for the files that are changed; digests fit."""
    files = {f"model/{name}.npy": pack(value) for name, value in ARRAYS.items()}
    files["evidence/rows.jsonl"] = b'{"id": "a", "text": "hello", "label": "x"}\n'
    files |= {(f"model/{k}.npy" if k in ARRAYS else k): v for k, v in changed.items()}
    for name, body in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    manifest = {
        "format": "tilth-release", "format_version": 1, "name": "n", "text": "text", "classes": ["x", "y"],
        "calibration": {"temperature": 1.0}, "model": {"kind": "ngrams", "unseen": 2.0},
        "abstention": {"probability": 0.5, "familiar": familiar, "known": 0.0, "precision": 0.9},
        "files": {name: hashlib.sha256(body).hexdigest() for name, body in files.items()},
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def header(shape: tuple[int, ...], kind: str = "<i2") -> bytes:
    """The beginning of an array that is not there."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": kind, "fortran_order": False, "shape": shape})
    return out.getvalue() + b"x" * 64


def test_the_bundle_of_these_tests_is_sound(tmp_path: Path) -> None:
    assert load(bundle(tmp_path)).classes == ("x", "y")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"weights": header((10**9, 1000))}, "promises"),
        ({"weights": header((10**18, 1000))}, "promises"),
        ({"conformal": header((10**9,), "|V0")}, "not numbers"),
        ({"weights": b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16}, "no array"),
        ({"words_idf": pack(np.array([np.nan, 1.0], dtype=np.float32))}, "no numbers"),
        ({"words_columns": pack(np.array([5, 5], dtype=np.int32))}, "twice"),
        ({"evidence/rows.jsonl": b"[" * 200_000}, "cannot be read"),
    ],
)
def test_files_with_digests_that_fit_are_refused(
    tmp_path: Path, changed: dict[str, bytes], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        load(bundle(tmp_path, **changed))


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [os.mkfifo, device])
def test_what_does_not_end_is_not_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    place = bundle(tmp_path)
    (place / "model/bias.npy").unlink()
    make(place / "model/bias.npy")
    with pytest.raises(InputError, match="no plain file"):
        load(place)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a\\b", "C:x", "a\0b", ""])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    place = bundle(tmp_path)
    manifest = json.loads((place / "manifest.json").read_text())
    manifest["files"][name] = "0"
    (place / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="outside the bundle"):
        load(place)


def test_a_zip_that_unpacks_to_more_than_a_release_is_refused(tmp_path: Path) -> None:
    place = bundle(tmp_path / "b", **{"model/large.npy": bytes(1 << 25)})
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in place.rglob("*.*"):
            archive.write(path, path.relative_to(place))
    with pytest.raises(InputError, match="more bytes than a release has"):
        load(tmp_path / "b.zip")


def test_a_damaged_zip_is_an_error_with_words(tmp_path: Path) -> None:
    place = bundle(tmp_path / "b", **{"model/noise.npy": np.random.default_rng(0).bytes(4000)})
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in place.rglob("*.*"):
            archive.write(path, path.relative_to(place))
    whole = (tmp_path / "b.zip").read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(60):
        broken = bytearray(whole)
        at = int(rng.integers(0, len(broken) - 8))
        broken[at : at + 8] = rng.bytes(8)
        (tmp_path / "c.zip").write_bytes(broken)
        with suppress(InputError):
            load(tmp_path / "c.zip")


def test_a_folder_that_is_no_release_names_one_that_is(tmp_path: Path) -> None:
    bundle(tmp_path / "p" / "releases" / "mine")
    with pytest.raises(InputError, match=r"is no release: .*did you mean .*releases/mine"):
        load(tmp_path / "p")


def test_arrays_are_read_as_they_were_packed() -> None:
    for value in (np.arange(6, dtype=np.int16).reshape(2, 3), np.zeros((0, 4), dtype=np.float32)):
        found = array({"a": pack(value)}, "a")
        assert found.dtype == value.dtype
        np.testing.assert_array_equal(found, value)


def test_what_is_no_number_is_no_answer() -> None:
    nan, one = np.array([np.nan]), np.ones(1)
    limits = Abstention(0.5, 0.5, 0.1)
    assert limits.reasons(nan, one, one)[0] == UNSURE
    assert limits.reasons(one, nan, np.zeros(1))[0] == UNLIKE


def test_no_probability_is_shown_as_all_or_nothing(tmp_path: Path) -> None:
    weights = pack(np.zeros((3, 2), dtype=np.int16))
    bias = pack(np.array([9.0, 0.0], dtype=np.float32))
    (sure,) = load(bundle(tmp_path, weights=weights, bias=bias)).predict([""])
    assert sure.words == "x (more than 99%)"


def test_a_text_without_words_is_said_to_be_one(tmp_path: Path) -> None:
    (empty,) = load(bundle(tmp_path, familiar=0.1)).predict([""])
    assert empty.words == "nothing in this text is known to the release"
