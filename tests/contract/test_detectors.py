"""Every detector of ours passes the public battery, is documented, and finds its fault."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tilth.agreement import Judged, Votes
from tilth.audit.base import Detector, Finding, Suggestion, View
from tilth.audit.run import detectors, run
from tilth.data import Row, Snapshot
from tilth.testing import check_detector, fingerprint, view, worlds

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "findings"


@dataclass(frozen=True)
class TinyEmbed:
    """A recipe with embeddings: the mean of random vectors of words; synonyms share one."""

    name: str = "tiny-embed"
    penalty: float = 0.07
    dense: int = 16

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        out = np.zeros((len(texts), self.dense), dtype=np.float32)
        for line, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                seed = zlib.crc32(SYNONYMS.get(word, word).encode())
                out[line] += np.random.default_rng(seed).normal(size=self.dense)
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)

    def learn(self, texts: Sequence[str], progress: Any = None) -> tuple[Any, np.ndarray]:
        return None, self.embed(texts)


SYNONYMS = dict(
    zip(["payment", "vanished", "yesterday", "cannot"], ["transfer", "lost", "today", "unable"], strict=True)
)
JUDGED = ("faulty", "one row", "one class", "all unlabelled", "classes of one row")


@cache
def world(name: str) -> View:
    return seen(name, *worlds()[name])


@cache
def dense_world(name: str) -> View:
    """The same with embeddings; where every fault is, also the same said in other words."""
    train, evaluation = worlds()[name]
    if name == "faulty":
        said = (
            "my payment vanished yesterday and I cannot find it",
            "my transfer lost today and I unable find it",
        )
        train = train + [Row(f"m{i}", {"text": t}, "ab"[i]) for i, t in enumerate(said)]
        evaluation = [
            *evaluation,
            Row("em", {"text": "My transfer vanished today and I cannot find it"}, "a"),
        ]
    return view(train, evaluation, recipe=TinyEmbed())


def seen(name: str, train: Iterable[Row], evaluation: Iterable[Row]) -> View:
    found = view(train, evaluation)
    return replace(found, judged=votes_on(found.train)) if name in JUDGED else found


def votes_on(rows: Snapshot) -> Judged:
    """Three annotators on every other row, and one on something that is no row."""
    names = ("app", "card", "loan")
    said = [
        (i, f"a{a}", names[(n + (a == n % 7)) % 3]) for n, i in enumerate(rows.ids[::2]) for a in range(3)
    ]
    items, people, labels = zip(*said, ("elsewhere", "a0", "a class of its own"), strict=True)
    votes = Votes.of(items, people, labels)
    at = np.array([rows.index.get(i, -1) for i in votes.items])
    return Judged(votes, at, np.full(len(at), -1), [""] * len(at))


pytestmark = pytest.mark.filterwarnings("error")  # nothing is said on stderr, whatever the data
EVERY = pytest.mark.parametrize("number", range(len(detectors())), ids=[d.code for d in detectors()])
EVERYWHERE = pytest.mark.parametrize("name", list(worlds()))


def detector(number: int) -> Detector:
    return detectors()[number]


def found(number: int, seen: View) -> list[dict[str, Any]]:
    return [f.to_json() for f in detector(number).find(seen)]


@EVERY
def test_the_battery(number: int) -> None:
    check_detector(detector(number), views={name: world(name) for name in worlds()})


@EVERY
def test_the_battery_with_embeddings(number: int) -> None:
    check_detector(detector(number), views={name: dense_world(name) for name in worlds()})


@EVERYWHERE
def test_looking_twice_is_seeing_the_same(name: str) -> None:
    train, evaluation = worlds()[name]
    again = seen(name, reversed(train), evaluation)
    assert fingerprint(again) == fingerprint(world(name)), "the order of the rows in a file does not matter"
    findings, failed = run(world(name))
    assert failed == {}
    assert [f.to_json() for f in run(again)[0]] == [f.to_json() for f in findings]


@EVERY
def test_every_detector_finds_its_fault(number: int) -> None:
    views = (world("faulty"), dense_world("faulty"))
    assert any(detector(number).find(v) for v in views), "the battery has no case for this detector"


@EVERY
def test_evaluation_labels_change_no_finding_but_what_is_quoted(number: int) -> None:
    if detector(number).code == "TIL105":
        pytest.skip("this one is about evaluation labels; nothing that changes train reads it")
    train, evaluation = worlds()["faulty"]
    other = [Row(r.id, r.fields, "app") for r in evaluation]
    changed = seen("faulty", train, other)

    def plain(seen: View) -> list[dict[str, Any]]:
        return [
            {**f, "evidence": {k: v for k, v in f["evidence"].items() if k != "eval_label"}}
            for f in found(number, seen)
        ]

    assert plain(changed) == plain(world("faulty"))


def test_codes_are_stable_and_unique() -> None:
    codes = [d.code for d in detectors()]
    assert len(set(codes)) == len(codes)
    own = [c for c in codes if c.startswith("TIL")]
    # a code that is gone or renamed breaks stored findings, reports and everybody's filters
    assert own == [
        "TIL101", "TIL102", "TIL103", "TIL104", "TIL105", "TIL201", "TIL202", "TIL203", "TIL204", "TIL205",
        "TIL301", "TIL401", "TIL501", "TIL601", "TIL602", "TIL603",
    ]  # fmt: skip
    assert all(d.name and d.name == d.name.strip() for d in detectors())


@pytest.mark.parametrize("check", [d for d in detectors() if d.code.startswith("TIL")], ids=lambda d: d.code)
def test_every_code_has_a_page(check: Detector) -> None:
    page = (DOCS / f"{check.code}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {check.code}: {check.name}\n")
    headings = [h.lower() for h in re.findall(r"^## (.+)$", page, re.MULTILINE)]
    for wanted in ("what", "why it hurts", "how it is found", "how to fix", "false alarms"):
        assert any(h.startswith(wanted) for h in headings), f"no section {wanted!r}"
    assert f"({check.code}.md)" in (DOCS / "README.md").read_text(encoding="utf-8")


def test_every_page_has_a_code() -> None:
    assert {p.stem for p in DOCS.glob("TIL*.md")} == {d.code for d in detectors() if d.code.startswith("TIL")}


def test_a_finding_with_all_its_parts_survives_json() -> None:
    f = Finding(
        "ACME7", ("a\u2028", "b\ud800"), 0.1234567, "m", 0.98765,
        {"x": [1, None, "é"]}, (Suggestion("relabel", "a\u2028", "y"), Suggestion("drop", "b\ud800")),
    )  # fmt: skip
    again = Finding.from_json(json.loads(json.dumps(f.to_json())))
    assert (again.score, again.probability) == (0.123457, 0.9877)
    assert (again.rows, again.evidence, again.suggestions) == (f.rows, f.evidence, f.suggestions)
