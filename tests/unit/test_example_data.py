"""The example data: built from its sources, as the datasheet says, faults where truth.csv says."""

from __future__ import annotations

import csv
import importlib.util
import re
import sys
import unicodedata
from collections import Counter
from datetime import datetime
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "src" / "tilth" / "examples"
SOURCES = ROOT / "examples" / "tickets"
COPIES = {"exact_copy", "conflict_copy", "near_copy"}
LEAKS = {"leak_exact", "leak_near"}


def load(name: str) -> list[dict[str, str]]:
    with (EXAMPLES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def words(text: str) -> list[str]:
    return re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())


def jaccard(a: str, b: str) -> float:
    """Of the sets of three-word sequences."""
    x, y = ({tuple(w[i : i + 3]) for i in range(max(1, len(w) - 2))} for w in (words(a), words(b)))
    return len(x & y) / len(x | y)


def five_characters(a: str, b: str) -> float:
    """Jaccard of the sets of five-character sequences, capitals and spacing aside."""
    low = (" ".join(re.findall(r"\w+|[^\w\s]+", t.casefold())) for t in (a, b))
    x, y = ({t[i : i + 5] for i in range(len(t) - 4)} for t in low)
    return len(x & y) / len(x | y)


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_build", SOURCES / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def train() -> dict[str, dict[str, str]]:
    return {row["ticket"]: row for row in load("tickets.csv")}


@pytest.fixture(scope="module")
def evaluation() -> dict[str, dict[str, str]]:
    return {row["ticket"]: row for row in load("tickets_eval.csv")}


@pytest.fixture(scope="module")
def truth() -> dict[str, dict[str, str]]:
    return {row["ticket"]: row for row in load("truth.csv")}


@pytest.fixture(scope="module")
def sheet() -> str:
    return (EXAMPLES / "DATASHEET.md").read_text(encoding="utf-8")


def cells(sheet: str, header: str) -> list[list[str]]:
    """The body of the Markdown table with this header."""
    lines = sheet.split(f"| {header} |\n", 1)[1].split("\n\n", 1)[0].splitlines()
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_build_reproduces_the_committed_files(build: ModuleType) -> None:
    for name, content in build.build().items():
        assert (EXAMPLES / name).read_bytes() == content.encode(), name


def test_no_id_occurs_twice(train: dict, evaluation: dict, truth: dict) -> None:
    everything = load("tickets.csv") + load("tickets_eval.csv")
    assert len({row["ticket"] for row in everything}) == len(everything)
    assert [row["ticket"] for row in load("truth.csv")] == list(train)
    assert not train.keys() & evaluation.keys()


def test_columns_and_values(train: dict, evaluation: dict) -> None:
    for row in [*train.values(), *evaluation.values()]:
        assert list(row) == ["ticket", "received", "channel", "text", "queue"]
        assert re.fullmatch(r"T-\d{4}", row["ticket"])
        assert datetime.fromisoformat(row["received"]).year == 2025
        assert row["channel"] in {"mail", "chat", "web"}
        assert row["text"]
    assert len({row["queue"] for row in train.values()}) == 10
    assert {row["queue"] for row in train.values()} == {row["queue"] for row in evaluation.values()}


def test_class_sizes_match_the_datasheet(train: dict, evaluation: dict, truth: dict, sheet: str) -> None:
    *rows, none, total = cells(sheet, "queue | train, true | train, as given | evaluation, as given")
    true = Counter(row["queue"] for row in truth.values())
    given = Counter(row["queue"] for row in train.values())
    measured = Counter(row["queue"] for row in evaluation.values())
    assert {q: (int(a), int(b), int(c)) for q, a, b, c in rows} == {
        q: (true[q], given[q], measured[q]) for q in given
    }
    assert int(none[1]) == true[""]
    assert [int(n) for n in total[1:]] == [len(train), len(train), len(evaluation)]
    assert true["privacy"] == 15
    assert given["privacy"] < 20


def test_faults_match_the_datasheet(train: dict, truth: dict, sheet: str) -> None:
    listed = {kind: tickets.split() for kind, _, tickets in cells(sheet, "fault | rows | tickets")}
    counts = {kind: int(n) for kind, n, _ in cells(sheet, "fault | rows | tickets")}
    made = {t: row["fault"] for t, row in truth.items() if row["fault"]}
    assert {t: kind for kind, tickets in listed.items() for t in tickets} == made
    assert counts == Counter(made.values())
    moves = cells(sheet, "true queue | given queue | rows")
    assert {(a, b): int(n) for a, b, n in moves} == Counter(
        (truth[t]["queue"], train[t]["queue"]) for t in listed["wrong_confused"]
    )


def test_one_label_in_seven_is_wrong_and_two_thirds_of_them_are_habits(train: dict, truth: dict) -> None:
    kinds = Counter(row["fault"] for row in truth.values())
    wrong = kinds["wrong_confused"] + kinds["wrong_misclick"]
    assert 0.13 <= wrong / len(train) <= 0.15
    assert 0.6 <= kinds["wrong_confused"] / wrong <= 0.7


def test_the_sources_are_as_many_as_the_datasheet_says(build: ModuleType, sheet: str) -> None:
    rows = build.read_tsv(SOURCES / "source.tsv")
    everyday = sum(key.startswith("E-") for key, _, _ in rows)
    assert len({key for key, _, _ in rows}) == len(rows)
    assert f"Of the {len(rows):,} in\n`source.tsv`, {everyday} (ids `E-`)" in sheet
    assert f"The other {len(rows) - everyday} (ids `S-`)" in sheet


def test_a_label_is_wrong_exactly_where_the_fault_says_so(train: dict, truth: dict) -> None:
    for ticket, row in truth.items():
        wrong = row["queue"] != train[ticket]["queue"]
        if row["fault"] in {"wrong_confused", "wrong_misclick", "conflict_copy", "off_topic"}:
            assert wrong, ticket
        elif row["fault"] != "broken":
            assert not wrong, ticket


def test_copies_are_copies(train: dict, evaluation: dict, truth: dict) -> None:
    for ticket, row in truth.items():
        if row["fault"] not in COPIES | LEAKS:
            assert not row["copy_of"]
            continue
        original = (evaluation if row["fault"] in LEAKS else train)[row["copy_of"]]
        same = words(train[ticket]["text"]) == words(original["text"])
        assert same == (row["fault"] in {"exact_copy", "conflict_copy", "leak_exact"}), ticket
        assert row["queue"] == original["queue"], "a row that was copied has its true queue"


def test_every_leak_is_in_the_evaluation_file(train: dict, evaluation: dict, truth: dict) -> None:
    leaks = [t for t, row in truth.items() if row["fault"] in LEAKS]
    assert len(leaks) == 12
    for ticket in leaks:
        original = evaluation[truth[ticket]["copy_of"]]
        assert jaccard(train[ticket]["text"], original["text"]) >= 0.7


def test_nothing_else_leaks_or_repeats(train: dict, evaluation: dict, truth: dict) -> None:
    known = {frozenset((t, row["copy_of"])) for t, row in truth.items() if row["copy_of"]}
    seen: dict[tuple[str, ...], list[str]] = {}
    for row in [*train.values(), *evaluation.values()]:
        w = words(row["text"])
        for i in range(len(w) - 4):
            seen.setdefault(tuple(w[i : i + 5]), []).append(row["ticket"])
    both = train | evaluation
    pairs = {frozenset((a, b)) for group in seen.values() for a in group for b in group if a != b}
    for a, b in (sorted(pair) for pair in pairs - known):
        assert jaccard(both[a]["text"], both[b]["text"]) < 0.4, (a, b)


def test_near_copies_are_as_near_as_the_datasheet_says(train: dict, evaluation: dict, truth: dict) -> None:
    near = sorted(
        round(jaccard(train[t]["text"], train[row["copy_of"]]["text"]), 2)
        for t, row in truth.items()
        if row["fault"] == "near_copy"
    )
    assert len(near) == 15
    assert near[0] == 0.62
    assert near[1] >= 0.7
    text = {t: row["text"] for t, row in (train | evaluation).items()}
    for ticket, row in truth.items():
        if row["fault"] in {"near_copy", "leak_near"}:
            assert five_characters(text[ticket], text[row["copy_of"]]) >= 0.75, ticket


def test_wrong_evaluation_rows_are_listed(build: ModuleType, evaluation: dict, sheet: str) -> None:
    listed = {t: (given, true) for t, given, true in cells(sheet, "ticket | given | true")}
    built = {t.ticket: (t.given, t.true) for t in build.table()[1] if t.given != t.true}
    assert listed == built
    assert all(evaluation[t]["queue"] == given for t, (given, _) in listed.items())


def test_no_address_number_or_path_of_a_person(train: dict, evaluation: dict) -> None:
    personal = re.compile(r"\w@\w|https?:|www\.|\+?\d[\d ]{9,}|/home/")
    for row in [*train.values(), *evaluation.values()]:
        assert not personal.search(row["text"]), row["ticket"]
