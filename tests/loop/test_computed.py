"""What was computed of a version is found again on disk, is the same, and is never needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loop_kit import tilth

from tilth import computed
from tilth.project import Project
from tilth.verdicts import Said
from tilth.worklist import worklist


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computed, "FROM_ROWS", 10)


def known(folder: Path) -> tuple[Any, Any, list[str]]:
    """The worklist, some cards and what was computed on the way."""
    steps: list[str] = []
    with Project(folder) as project:
        found = worklist(project.workspace, lambda step, done, total: steps.append(step))
        body = found.to_json()
        return body, found.cards(body["rows"][:5]), steps


def test_a_second_start_computes_nothing_and_says_the_same(work: Path) -> None:
    first, cards, steps = known(work / "p")
    assert "out-of-sample" in steps
    assert known(work / "p") == (first, cards, [])
    with Project(work / "p") as project:
        project.verdict([Said(first["rows"][0], "drop"), Said(first["rows"][1], "keep")])
    after, _, steps = known(work / "p")
    assert (after["judged"], steps) == (2, [])
    (work / "p" / "data" / "cache").rename(work / "cache")  # as if nothing had ever been kept
    assert known(work / "p")[0] == after


@pytest.mark.parametrize("harm", ["cut", "gone", "facts", "other", "swapped"])
def test_what_is_damaged_is_computed_again(work: Path, harm: str) -> None:
    first, cards, _ = known(work / "p")
    for place in (work / "p" / "data" / "cache").iterdir():
        arrays = sorted(place.glob("*.npy"))
        facts = place / computed.FACTS
        if harm == "cut":
            arrays[0].write_bytes(arrays[0].read_bytes()[:-9])
        elif harm == "gone":
            arrays[-1].unlink()
        elif harm == "facts":
            facts.write_text("{")
        elif harm == "other":
            facts.write_text(json.dumps({"arrays": []}))
        else:
            for path in arrays:
                np.save(path, np.zeros(3))
    found, again, steps = known(work / "p")
    assert (found, again) == (first, cards)
    assert "out-of-sample" in steps
    assert known(work / "p") == (first, cards, [])  # and is whole from then on


def test_another_version_is_another_computation_and_old_ones_go(work: Path) -> None:
    known(work / "p")
    for n in range(5):
        with Project(work / "p") as project:
            row = known(work / "p")[0]["rows"][0]
            project.verdict([Said(row, "drop")])
            made = project.relabel().patch
            assert made is not None
            project.accept(made.id, force=f"version {n}")
        assert known(work / "p")[0]["of"] == 399 - n
    kept = [p.name.split("-")[0] for p in (work / "p" / "data" / "cache").iterdir()]
    assert sorted(kept) == ["response"] * computed.KEPT + ["view"] * computed.KEPT


def test_a_disk_that_cannot_be_written_is_no_reason_to_fail(work: Path) -> None:
    first, _, _ = known(work / "p")
    cache = work / "p" / "data" / "cache"
    cache.rename(work / "cache")
    cache.write_text("in the way")
    assert known(work / "p")[0] == first
    assert tilth("plan", "--project", "p", cwd=work).code == 0
