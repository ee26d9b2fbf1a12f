"""Files of a bundle: the fitted model as plain arrays, and the folder written all at once or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from tilth.errors import InputError, Refused
from tilth.recipes.base import FeatureMap
from tilth.recipes.logistic import Head
from tilth.recipes.text import NgramMap
from tilth.release.bundle import MANIFEST
from tilth.release.forward import BLOCKS, pack

__all__ = ["manifest_bytes", "model_files", "write"]

TRIES = 20


def model_files(learned: FeatureMap, head: Head, rows: int) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files of a model, and its settings for the manifest.

    Weights are rounded to float16: half the size, the same labels (docs/decisions/0022-release.md).

    Parameters
    ----------
    rows : number of rows that the feature map was learned from.

    Raises
    ------
    Refused : the recipe is not one that can be released.
    """
    if not isinstance(learned, NgramMap):
        raise Refused(
            f"a model with features of {type(learned).__name__} cannot be released: a bundle runs "
            "text-linear.v1 and text-embed.v1"
        )
    files = {"model/bias.npy": pack(head.weights[-1].astype(np.float32))}
    for block, columns, idf in zip(BLOCKS, learned.columns, learned.idf, strict=True):
        files[f"model/{block}_columns.npy"] = pack(columns.astype(np.int32))
        files[f"model/{block}_idf.npy"] = pack(idf.astype(np.float32))
    files["model/weights.npy"] = pack(head.weights[:-1].astype(np.float16))
    return files, {"kind": "ngrams", "unseen": float(np.float32(np.log((1 + rows) / 2) + 1))}


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


def _swap(draft: Path, target: Path) -> None:
    """Put the draft in the place of the target; an older bundle there goes.

    A folder cannot be replaced in one step; another process that does the same at the same moment is waited
    for by trying again.
    """
    old = draft.with_name(draft.name + ".old")
    for attempt in range(TRIES):
        with suppress(FileNotFoundError):
            target.rename(old)
        try:
            draft.rename(target)
            break
        except OSError:
            if attempt == TRIES - 1:
                raise
        finally:
            shutil.rmtree(old, ignore_errors=True)
