"""Bundles of text-embed.v1: the encoder travels with the model."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_encoder import WORDS, make_folder, needs_runtime

from tilth import config
from tilth.errors import InputError
from tilth.project import Project
from tilth.release import load
from tilth.release.export import rounded
from tilth.release.fitted import fit

pytestmark = needs_runtime
CARD, LOST = ["my card", "card", "my card is", "where is my card"], ["lost", "is lost", "my lost", "lost is"]


def project(folder: Path, *, ngrams: bool, pools: bool = True, cls: bool = False) -> Path:
    """A project of two classes with a tiny encoder."""
    settings = {"1_Pooling/config.json": {"pooling_mode": "cls"}} if cls else None
    encoder = make_folder(folder / "tiny", pools=pools, settings=settings)
    lines = ["text,label"]
    for i in range(120):
        words = (CARD, LOST)[i % 2][i % 4]
        lines.append(f"{words} {'abcdefgh'[i % 8]}{i},{('card', 'lost')[i % 2]}")
    (folder / "rows.csv").write_text("\n".join(lines) + "\n", "utf-8")
    with Project(folder / "p") as made:
        made.ingest(
            folder / "rows.csv", text="text", label="label", recipe="text-embed.v1", encoder=str(encoder)
        )
    if not ngrams:
        path = folder / "p" / "tilth.toml"
        found = config.load(path)
        config.save(replace(found, recipe=replace(found.recipe, ngrams=False)), path)
    return folder / "p"


@pytest.mark.parametrize(
    ("ngrams", "pools", "cls"), [(True, True, False), (False, True, False), (True, False, True)]
)
def test_answers_are_those_of_the_training_side(tmp_path: Path, ngrams: bool, pools: bool, cls: bool) -> None:
    folder = project(tmp_path, ngrams=ngrams, pools=pools, cls=cls)
    with Project(folder) as made:
        where = made.release(precision=0.6).path
        fitted = fit(made.workspace)
    shutil.rmtree(tmp_path / "tiny")  # the bundle needs nothing but itself
    release = load(where)
    texts = [*CARD, *LOST, "", "zebra", " ".join(WORDS)]
    whole, scales = rounded(fitted.head.weights[:-1])
    weights = whole * scales[:, None].astype(np.float64)
    wanted = fitted.learned.transform(texts).astype(np.float64) @ weights + fitted.head.weights[-1]
    np.testing.assert_allclose(release.logits(texts), np.asarray(wanted), atol=1e-5)
    for answer in release.predict(["zzz qqq"]):
        assert answer.abstained
        assert all(set(row) == {"id", "text", "label", "similarity"} for row in answer.nearest)


def test_a_zip_with_an_encoder_says_to_unpack_it(tmp_path: Path) -> None:
    with Project(project(tmp_path, ngrams=True)) as made:
        where = made.release(precision=0.6).path
    packed = shutil.make_archive(str(tmp_path / "b"), "zip", where)
    with pytest.raises(InputError, match="unpack it first"):
        load(packed)


def test_the_same_head_gives_the_same_bundle(tmp_path: Path) -> None:
    with Project(project(tmp_path, ngrams=True)) as made:
        assert made.release(precision=0.6).id == made.release(tmp_path / "again", precision=0.6).id
