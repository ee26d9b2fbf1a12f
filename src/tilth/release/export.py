"""Files of a bundle: the fitted model as plain arrays, and the folder written all at once or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from tilth.errors import InputError, Refused
from tilth.files import exchange
from tilth.recipes.base import FeatureMap
from tilth.recipes.encoder import Encoder
from tilth.recipes.logistic import Head
from tilth.recipes.model_folder import ModelFolder, find_onnx
from tilth.recipes.text import NgramMap, TextLinear
from tilth.release.bundle import ENCODER, MANIFEST
from tilth.release.forward import BLOCKS, pack

__all__ = ["encoder_files", "manifest_bytes", "model_files", "rounded", "write"]

TRIES, STALE = 20, 86_400.0
LARGE = 40_000_000
"""Bytes of weights; with what else is in it a bundle of text-linear.v1 stays below 50 MB."""


def model_files(
    learned: FeatureMap, head: Head, texts: Sequence[str]
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files of a model, and its settings for the manifest.

    Weights are rounded to whole numbers of 16 bits with one scale a feature: half the size, the same labels
    (docs/decisions/0022-release.md); to 8 bits where they would be too large for a bundle.

    Parameters
    ----------
    texts : those that the feature map was learned from.

    Raises
    ------
    Refused : the recipe is not one that can be released.
    """
    from tilth.recipes.embed import EmbedMap

    files: dict[str, bytes] = {}
    settings: dict[str, Any] = {"kind": "ngrams"}
    ngrams = learned
    if isinstance(learned, EmbedMap):
        alone = learned.ngrams is None
        # an embedding alone does not tell what it has never seen; the n-grams of the rows do
        ngrams = TextLinear().learn_ngrams(texts)[0] if learned.ngrams is None else learned.ngrams
        settings["kind"] = "embedding" if alone else "ngrams+embedding"
        settings["encoder"] = learned.recipe.encoder.digest
        files |= encoder_files(learned.recipe.encoder)
    if not isinstance(ngrams, NgramMap):
        raise Refused(
            f"a model with features of {type(learned).__name__} cannot be released: a bundle runs "
            "text-linear.v1 and text-embed.v1"
        )
    files["model/bias.npy"] = pack(head.weights[-1].astype(np.float32))
    for block, columns, idf in zip(BLOCKS, ngrams.columns, ngrams.idf, strict=True):
        files[f"model/{block}_columns.npy"] = pack(columns.astype(np.int32))
        files[f"model/{block}_idf.npy"] = pack(idf.astype(np.float32))
    weights, scales = rounded(head.weights[:-1])
    files["model/weights.npy"], files["model/scales.npy"] = pack(weights), pack(scales)
    # what the inverse document frequency of an n-gram of no text would be
    settings["unseen"] = float(np.float32(np.log((1 + len(texts)) / 2) + 1))
    return files, settings


def rounded(weights: np.ndarray, large: int = LARGE) -> tuple[np.ndarray, np.ndarray]:
    """(d, k) int16 and (d,) float32 whose product is nearly the weights; int8 where int16 would be too large.

    Parameters
    ----------
    large : bytes from which they are too large.
    """
    kind: type[np.signedinteger[Any]] = np.int16 if 2 * weights.size <= large else np.int8
    most = np.iinfo(kind).max
    scales = (np.abs(weights).max(axis=1, initial=0.0) / most).astype(np.float32)
    scales[scales == 0] = 1.0
    whole = np.rint(weights / scales[:, None])
    return np.clip(whole, -most, most).astype(kind), scales


def encoder_files(encoder: Encoder) -> dict[str, bytes]:
    """The encoder as `Encoder.open` reads it again: the graph, the tokenizer and how texts are cut."""
    settings = ModelFolder.read(encoder.folder)
    model = find_onnx(encoder.folder)
    if model is None:
        raise Refused(f"{encoder.folder} has no model.onnx any more; open the encoder again")
    files = {f"{ENCODER}/{p.name}": p.read_bytes() for p in sorted(model.parent.glob("model.onnx*"))}
    files[f"{ENCODER}/tokenizer.json"] = (encoder.folder / "tokenizer.json").read_bytes()
    lengths = {"max_seq_length": settings.max_length, "do_lower_case": settings.lower}
    files[f"{ENCODER}/sentence_bert_config.json"] = json.dumps(lengths, sort_keys=True).encode()
    pooling = {"pooling_mode": settings.pooling}
    files[f"{ENCODER}/1_Pooling/config.json"] = json.dumps(pooling, sort_keys=True).encode()
    return files


def manifest_bytes(body: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """The manifest with the digest of every file."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    return (json.dumps({**body, "files": digests}, indent=1, sort_keys=True) + "\n").encode()


def write(target: Path, files: Mapping[str, bytes]) -> Path:
    """Write a bundle: a reader sees the whole new one or what was there before.

    Raises
    ------
    Refused : there is something at the place that is no bundle.
    InputError : it cannot be written.
    """
    if target.exists() and not (target / MANIFEST).is_file() and not _empty(target):
        raise Refused(f"{target} exists and is no release; choose another folder with --out")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            for name, content in files.items():
                place = draft / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
            draft.chmod(0o755)  # a temporary folder is its maker's alone; a release is for others
            _clear(draft, target)
            _swap(draft, target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise InputError(
            f"cannot write {target}: {error.strerror or error}; check that you may write there and that "
            "there is space on the disk"
        ) from error
    return target


def _empty(target: Path) -> bool:
    return target.is_dir() and not any(target.iterdir())


def _clear(draft: Path, target: Path) -> None:
    """Take away what processes that were killed left behind, a day later."""
    now = draft.stat().st_mtime
    for left in target.parent.glob(f".{target.name}-*"):
        with suppress(OSError):
            if left != draft and now - left.stat().st_mtime > STALE:
                shutil.rmtree(left, ignore_errors=True)


def _swap(draft: Path, target: Path) -> None:
    """Put the draft in the place of the target; an older bundle there goes where the draft was.

    Other processes that do the same at the same moment are waited for by trying again.
    """
    for attempt in range(TRIES):
        try:
            if not exchange(draft, target):
                draft.rename(target)
            return
        except OSError:  # another was quicker: what it wrote is replaced
            if attempt == TRIES - 1:
                raise
