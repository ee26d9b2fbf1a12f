"""The reference names what there is: verbs, keys, findings, public names."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import tilth
from tilth import config
from tilth.audit.run import detectors
from tilth.cli import parser
from tilth.project import Project

ROOT = Path(__file__).parents[2]
NOT_METHODS = {"fleet", "example", "plugins", "predict", "serve", "swap"}
"""Verbs that concern no project."""


def verbs() -> dict[str, argparse.ArgumentParser]:
    found = next(a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(found.choices)


def test_each_verb_is_a_method_and_a_section() -> None:
    page = (ROOT / "docs/reference/cli.md").read_text("utf-8")
    assert re.findall(r"^## (\w+)$", page, re.M) == list(verbs())
    for verb in set(verbs()) - NOT_METHODS:
        assert callable(getattr(Project, verb)), verb


def test_each_option_is_in_the_section_of_its_verb() -> None:
    page = (ROOT / "docs/reference/cli.md").read_text("utf-8")
    for verb, options in verbs().items():
        section = page.split(f"\n## {verb}\n")[1].split("\n## ")[0]
        for action in options._actions:
            for option in action.option_strings:
                if option not in ("-h", "--help", "--json", "--project"):
                    assert f"`{option}" in section, (verb, option)


def test_each_key_of_the_settings_is_documented() -> None:
    page = (ROOT / "docs/reference/config.md").read_text("utf-8")
    for section in fields(config.Config):
        if section.name == "name":
            continue
        assert f"`[{section.name}" in page
        if section.name == "sources":
            assert all(f"`{key.name}`" in page for key in fields(config.SourceTerms))
            continue
        if section.name in ("slices", "floors"):
            continue  # their keys are the person's own
        for key in fields(getattr(config.Config(), section.name)):
            assert f"`{key.name}`" in page


def test_each_finding_has_a_page() -> None:
    for detector in detectors():
        page = (ROOT / f"docs/reference/findings/{detector.code}.md").read_text("utf-8")
        for heading in ("What", "Why it hurts", "How it is found", "How to fix", "False alarms"):
            assert f"## {heading}" in page, (detector.code, heading)


def test_each_page_is_in_an_index() -> None:
    docs = ROOT / "docs"
    for index in (docs / "README.md", docs / "reference" / "findings" / "README.md"):
        linked = {(index.parent / t).resolve() for t in re.findall(r"\]\(([^)#]+)", index.read_text("utf-8"))}
        beside = index.parent.glob("*.md") if "findings" in str(index) else docs.rglob("*.md")
        pages = {p.resolve() for p in beside if p != index}
        if "findings" not in str(index):
            pages = {p for p in pages if p.name == "README.md" or p.parent.name != "findings"}
        assert sorted(p.name for p in pages - linked) == [], f"not in {index}"


def test_files_that_decisions_name_are_there() -> None:
    here = [f"/{p.relative_to(ROOT)}" for p in ROOT.rglob("*.py") if ".venv" not in p.parts]
    for page in (ROOT / "docs" / "decisions").glob("*.md"):
        for name in re.findall(r"`([\w/]+\.py)`", page.read_text("utf-8")):
            assert any(path.endswith(f"/{name}") for path in here), (page.name, name)


def test_public_names_exist_and_say_what_they_are() -> None:
    for name in tilth.__all__:
        assert getattr(tilth, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute"):
        tilth.nothing  # noqa: B018


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!http|#)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), (page.name, target)


@pytest.mark.parametrize(
    ("code", "most"), [("import tilth", 0.05), ("from tilth.cli import parser; parser().format_help()", 0.3)]
)
def test_start_is_quick(code: str, most: float) -> None:
    script = f"import time; t = time.process_time(); {code}; print(time.process_time() - t)"
    best = min(
        float(
            subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        )
        for _ in range(5)
    )
    assert best <= most


def test_help_loads_no_heavy_package() -> None:
    script = (
        "import sys; from tilth.cli import parser; parser(); "
        "print([m for m in ('numpy', 'scipy', 'rich', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
