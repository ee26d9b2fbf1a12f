"""Terms of sources in tilth.toml, and what a licence's name says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tilth import config
from tilth.errors import ConfigError
from tilth.release.gates import _forbids_trade


def load(tmp_path: Path, text: str) -> config.Config:
    path = tmp_path / "tilth.toml"
    path.write_text(text, "utf-8")
    return config.load(path)


def test_terms_survive_the_file(tmp_path: Path) -> None:
    found = load(tmp_path, '[sources."a file.csv"]\nlicence = "CC-BY-4.0"\nexpires = "2030-01-31"\n')
    assert found.sources["a file.csv"].licence == "CC-BY-4.0"
    config.save(found, tmp_path / "tilth.toml")
    assert config.load(tmp_path / "tilth.toml") == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[sources."a.csv"]\nlicense = "MIT"\n', "did you mean 'licence'"),
        ('[sources."a.csv"]\nconsent = "yes"\n', "it is one of"),
        ('[sources."a.csv"]\nexpires = "next year"\n', "give a day"),
        ('[sources."a.csv"]\nlicence = 3\n', "expected a text"),
        ('sources = "x"\n', "must hold tables"),
        ('[sources]\na = "x"\n', "must be a table"),
        ('[gates]\nproof = "hope"\n', "it is one of point, bound"),
        ('[gates]\nrequire = "goal, luck"\n', "require is 'luck'"),
        ('[gates]\nuse = "any"\n', "it is one of"),
    ],
)
def test_terms_that_cannot_be_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace("[", r"\[")):
        load(tmp_path, text)


@pytest.mark.parametrize(
    "name", ["CC-BY-NC-4.0", "cc by-nc-sa 3.0", "Non-Commercial Government Licence", "CC_BY_NC"]
)
def test_licences_that_forbid_trade(name: str) -> None:
    assert _forbids_trade(name)


@pytest.mark.parametrize("name", ["MIT", "CC-BY-4.0", "NCSA", "Apache-2.0", "CC0-1.0", "proprietary, ours"])
def test_licences_that_do_not(name: str) -> None:
    assert not _forbids_trade(name)
