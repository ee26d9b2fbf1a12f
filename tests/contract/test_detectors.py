"""Every detector: pure, deterministic, calm with next to nothing, honest in its findings, documented."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from tilth.audit.base import Detector, Finding, Suggestion, View
from tilth.audit.run import detectors, look, run
from tilth.data import Row, Snapshot
from tilth.recipes.text import TextLinear

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "findings"
TOPICS = {
    "card": ["card", "visa", "chip", "pin", "atm", "plastic", "contactless"],
    "loan": ["loan", "credit", "rate", "term", "mortgage", "interest", "borrow"],
    "app": ["app", "screen", "crash", "update", "button", "phone", "login"],
}
COMMON = [
    "please",
    "my",
    "the",
    "when",
    "is",
    "it",
    "for",
    "help",
    "with",
    "today",
    "not",
    "again",
    "can",
    "you",
]


def texts_of(n: int, seed: int) -> list[tuple[str, str]]:
    """n pairs of text and label."""
    rng = np.random.default_rng(seed)
    names = list(TOPICS)
    out = []
    for i in range(n):
        label = names[i % 3]
        words = [*rng.choice(TOPICS[label], 4), *rng.choice(COMMON, 6)]
        out.append((" ".join(rng.permutation(words)), label))
    return out


def rows_of(n: int, seed: int = 0, prefix: str = "r") -> list[Row]:
    return [Row(f"{prefix}{i:04}", {"text": t}, y) for i, (t, y) in enumerate(texts_of(n, seed))]


def faulty() -> tuple[list[Row], list[Row]]:
    """Train and evaluation rows with every fault in them."""
    rows, evaluation = rows_of(240), rows_of(40, 1, "e")
    names = list(TOPICS)
    rows = [
        Row(r.id, r.fields, names[(names.index(r.label or "") + 1) % 3] if i % 9 == 0 else r.label)
        for i, r in enumerate(rows)
    ]
    text = "{} and one more thing that nobody has said before about this".format
    rows += [Row(f"x{i}", {"text": str(rows[i].fields["text"]).upper()}, names[i % 3]) for i in range(9)]
    rows += [Row(f"y{i}", {"text": text(rows[5].fields["text"]) + " yes" * i}, "app") for i in range(3)]
    rows += [Row(f"z{i}", {"text": evaluation[i].fields["text"]}, evaluation[i].label) for i in range(4)]
    rows += [Row("odd", {"text": "mitochondria produce adenosine triphosphate"}, "card")]
    rows += [Row("few", {"text": "somebody wants the rarest of answers"}, "rare")]
    rows += [
        Row("empty", {"text": ""}, "card"),
        Row("none", {}, "card"),
        Row("sur", {"text": "\ud800"}, "app"),
    ]
    rows += [Row(f"u{i}", r.fields, None) for i, r in enumerate(rows_of(20, 2))]
    return rows, evaluation


def unlabelled(rows: list[Row]) -> list[Row]:
    return [Row(r.id, r.fields) for r in rows]


WORLDS: dict[str, Callable[[], tuple[list[Row], list[Row]]]] = {
    "faulty": faulty,
    "clean": lambda: (rows_of(120), rows_of(30, 1, "e")),
    "no rows": lambda: ([], []),
    "no rows but evaluation rows": lambda: ([], rows_of(5, 1, "e")),
    "one row": lambda: (rows_of(1), []),
    "one row that leaks": lambda: (rows_of(1), rows_of(1, 0, "e")),
    "one row without label": lambda: (unlabelled(rows_of(1)), []),
    "two rows": lambda: (rows_of(2), rows_of(1, 1, "e")),
    "one class": lambda: ([Row(r.id, r.fields, "card") for r in rows_of(60)], rows_of(6, 1, "e")),
    "all unlabelled": lambda: (unlabelled(rows_of(60)), rows_of(6, 1, "e")),
    "one labelled": lambda: ([*unlabelled(rows_of(60)), Row("a", {"text": "visa card"}, "card")], []),
    "half unlabelled": lambda: (rows_of(60)[:30] + unlabelled(rows_of(60))[30:], rows_of(6, 1, "e")),
    "unlabelled evaluation": lambda: (rows_of(60), unlabelled(rows_of(6, 0, "e"))),
    "classes of one row": lambda: ([Row(r.id, r.fields, r.id) for r in rows_of(30)], []),
    "empty texts": lambda: ([Row(f"{i}", {"text": " " * i}, "ab"[i % 2]) for i in range(30)], []),
    "all equal": lambda: ([Row(f"{i}", {"text": "the same"}, "ab"[i % 2]) for i in range(30)], []),
    "no such column": lambda: ([Row(f"{i}", {"body": f"{i}"}, "ab"[i % 2]) for i in range(30)], []),
}


@cache
def world(name: str) -> View:
    train, evaluation = WORLDS[name]()
    return look(TextLinear(), Snapshot.of(train), Snapshot.of(evaluation), "text")


def fingerprint(view: View) -> str:
    """A digest of everything that a detector could touch."""
    seen = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, np.ndarray):
            seen.update(f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
        elif sp.issparse(value):
            for part in (value.data, value.indices, value.indptr):
                add(part)
        elif hasattr(value, "__dataclass_fields__"):
            for name in value.__dataclass_fields__:
                add(getattr(value, name))
        else:
            seen.update(repr(value).encode())

    add(view)
    return seen.hexdigest()


pytestmark = pytest.mark.filterwarnings("error")  # nothing is said on stderr, whatever the data
EVERY = pytest.mark.parametrize("number", range(len(detectors())), ids=[d.code for d in detectors()])
EVERYWHERE = pytest.mark.parametrize("name", list(WORLDS))


def detector(number: int) -> Detector:
    return detectors()[number]


def found(number: int, view: View) -> list[dict[str, Any]]:
    return [f.to_json() for f in detector(number).find(view)]


@EVERY
@EVERYWHERE
def test_pure_and_deterministic(number: int, name: str) -> None:
    view = world(name)
    before = fingerprint(view)
    check = detector(number)
    state = copy.deepcopy(vars(check))
    once, again = ([f.to_json() for f in check.find(view)] for _ in range(2))
    assert once == again == found(number, view), "same view, same findings in the same order"
    assert fingerprint(view) == before, "a detector changed what it looked at"
    assert vars(check) == state, "a detector keeps nothing between runs"


@EVERY
@EVERYWHERE
def test_findings_hold_together(number: int, name: str) -> None:
    view = world(name)
    check = detector(number)
    findings = check.find(view)
    ids = set(view.train.ids)
    for f in findings:
        assert f.code == check.code
        assert f.rows
        assert len(set(f.rows)) == len(f.rows)
        assert set(f.rows) <= ids, "findings are about train rows"
        assert isinstance(f.score, float)
        assert np.isfinite(f.score)
        assert f.probability is None or 0.0 <= f.probability <= 1.0
        assert f.message
        assert len(f.message.splitlines()) == 1
        for s in f.suggestions:
            assert s.row_id in f.rows
            assert s.op in ("relabel", "drop")
            assert (s.op == "relabel") == (s.to is not None)
            assert s.to is None or s.to in view.signals.classes
            assert s.to is None or s.to != view.train.labels[view.train.index[s.row_id]], "changes nothing"
    if check.code.startswith("TIL"):
        scores = [f.score for f in findings]
        assert scores == sorted(scores, reverse=True), "worst first"


@EVERY
@EVERYWHERE
def test_findings_survive_json(number: int, name: str) -> None:
    for f in detector(number).find(world(name)):
        body = json.loads(json.dumps(f.to_json(), allow_nan=False))
        again = Finding.from_json(body)
        assert again.to_json() == body == f.to_json()
        assert (again.code, again.rows, again.message) == (f.code, f.rows, f.message)
        assert again.suggestions == f.suggestions
        assert again.score == pytest.approx(f.score, abs=1e-6)


@EVERYWHERE
def test_looking_twice_is_seeing_the_same(name: str) -> None:
    view = world(name)
    train, evaluation = WORLDS[name]()
    again = look(TextLinear(), Snapshot.of(reversed(train)), Snapshot.of(evaluation), "text")
    assert fingerprint(again) == fingerprint(view), "the order of the rows in a file does not matter"
    findings, failed = run(view)
    assert failed == {}
    assert [f.to_json() for f in run(again)[0]] == [f.to_json() for f in findings]


@EVERY
def test_every_detector_finds_its_fault(number: int) -> None:
    assert detector(number).find(world("faulty")), "the battery has no case for this detector"


@EVERY
@pytest.mark.parametrize("name", ["no rows", "no rows but evaluation rows"])
def test_nothing_is_found_in_nothing(number: int, name: str) -> None:
    assert detector(number).find(world(name)) == []


@EVERY
def test_evaluation_labels_change_no_finding_but_what_is_quoted(number: int) -> None:
    train, evaluation = faulty()
    other = [Row(r.id, r.fields, "app") for r in evaluation]
    changed = look(TextLinear(), Snapshot.of(train), Snapshot.of(other), "text")

    def plain(view: View) -> list[dict[str, Any]]:
        return [
            {**f, "evidence": {k: v for k, v in f["evidence"].items() if k != "eval_label"}}
            for f in found(number, view)
        ]

    assert plain(changed) == plain(world("faulty"))


def test_codes_are_stable_and_unique() -> None:
    codes = [d.code for d in detectors()]
    assert len(set(codes)) == len(codes)
    own = [c for c in codes if c.startswith("TIL")]
    # a code that is gone or renamed breaks stored findings, reports and everybody's filters
    assert own == ["TIL101", "TIL102", "TIL201", "TIL202", "TIL203", "TIL301", "TIL401", "TIL501"]
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
