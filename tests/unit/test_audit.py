"""Planted faults for every code, with bars that a broken detector would miss; failures that are seen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from core_kit import CLASSES, clean, relabelled, retold, view_of, with_errors

from tilth.audit.base import Finding, View, excerpt
from tilth.audit.broken import BrokenRows, fault
from tilth.audit.duplicates import ConflictingCopies, ExactCopies, NearCopies
from tilth.audit.label_error import LabelError
from tilth.audit.leakage import Leakage, leaked
from tilth.audit.outliers import Outliers
from tilth.audit.run import Audit, detectors, run
from tilth.audit.starved import StarvedClass
from tilth.data import Row
from tilth.errors import CheckFailed


def rows_of(findings: Sequence[Finding]) -> list[str]:
    return [i for f in findings for i in f.rows]


def recall(found: Sequence[str], planted: set[str]) -> float:
    return len(planted & set(found)) / len(planted)


def precision(found: Sequence[str], planted: set[str]) -> float:
    return len(planted & set(found)) / max(len(found), 1)


# --- TIL101 label error ---


@pytest.fixture(scope="module")
def mislabelled() -> tuple[View, set[str]]:
    rows, wrong = with_errors(clean(1000), 0.15)
    return view_of(rows), wrong


def test_label_errors_are_found(mislabelled: tuple[View, set[str]]) -> None:
    view, wrong = mislabelled
    findings = LabelError().find(view)
    found = rows_of(findings)
    assert precision(found, wrong) >= 0.85  # 0.90 when written
    assert recall(found, wrong) >= 0.75  # 0.88
    truth = {r.id: r.label for r in clean(1000)}
    right = [f.suggestions[0].to == truth[f.rows[0]] for f in findings if f.rows[0] in wrong]
    assert np.mean(right) >= 0.85


def test_probability_of_a_label_error_is_a_probability(mislabelled: tuple[View, set[str]]) -> None:
    view, wrong = mislabelled
    is_wrong = np.array([i in wrong for i in view.train.ids])
    p = view.signals.p_wrong()
    assert p.sum() == pytest.approx(len(wrong), rel=0.15)
    for low, high in ((0.0, 0.1), (0.1, 0.5), (0.5, 0.9), (0.9, 1.0)):
        part = (p >= low) & (p <= high)
        assert part.sum() > 20
        assert is_wrong[part].mean() == pytest.approx(p[part].mean(), abs=0.15)


def test_label_errors_come_worst_first_with_their_evidence(mislabelled: tuple[View, set[str]]) -> None:
    view, _ = mislabelled
    findings = LabelError().find(view)
    p = [f.probability or 0.0 for f in findings]
    assert p == sorted(p, reverse=True)
    assert min(p) > 0.5
    at = view.train.index
    for f in findings:
        (row,) = f.rows
        assert f.evidence["given"] == view.train.labels[at[row]]
        assert f.evidence["suggested"] == f.suggestions[0].to != f.evidence["given"]
        assert f.evidence["text"] == view.texts[at[row]]
        assert 1 <= len(f.evidence["nearest"]) <= 6
        assert row not in [n["id"] for n in f.evidence["nearest"]], "a row is no evidence about itself"
        assert {n["label"] for n in f.evidence["nearest"]} <= {f.evidence["given"], f.evidence["suggested"]}
        assert all(0 < n["similarity"] <= 1.001 for n in f.evidence["nearest"])


def test_a_threshold_takes_a_part_of_the_list(mislabelled: tuple[View, set[str]]) -> None:
    view, wrong = mislabelled
    every, sure = LabelError().find(view), LabelError(0.9).find(view)
    assert [f.to_json() for f in sure] == [f.to_json() for f in every][: len(sure)]
    assert 0 < len(sure) < len(every)
    assert precision(rows_of(sure), wrong) >= 0.95


def test_clean_labels_are_left_alone() -> None:
    assert len(LabelError().find(view_of(clean(600)))) <= 6  # one when written


def test_habits_are_ranked_high() -> None:
    # every error of a class goes to the same other class: the model learns part of the habit, so
    # P(wrong) is too low and the default threshold misses many; but the order of the list stays good
    rows, wrong = with_errors(clean(600), 0.15, habit=True)
    view = view_of(rows)
    order = [view.train.ids[i] for i in np.argsort(-view.signals.p_wrong(), kind="stable")]
    assert precision(order[:45], wrong) >= 0.9
    assert precision(order[:90], wrong) >= 0.75
    assert precision(rows_of(LabelError().find(view)), wrong) >= 0.9


# --- TIL102, TIL201, TIL202: copies ---


@pytest.fixture(scope="module")
def copied() -> tuple[View, dict[str, set[str]]]:
    """400 rows; 20 copies under another label, 20 under the same, 20 with one word changed."""
    rows = clean(400)
    planted: dict[str, set[str]] = {"TIL102": set(), "TIL201": set(), "TIL202": set()}
    extra = []
    rng = np.random.default_rng(7)
    for i in range(20):
        other = relabelled(rows[i], CLASSES[(i + 1) % 5])
        extra.append(retold(other, str(other.fields["text"]).upper(), row_id=f"x{i:03}"))
        same = rows[100 + i]
        extra.append(retold(same, f" {same.fields['text']} ", row_id=f"y{i:03}"))
        long = f"{rows[200 + i].fields['text']} {rows[250 + i].fields['text']}"
        rows[200 + i] = retold(rows[200 + i], long)
        words = long.split()
        words[int(rng.integers(2, len(words) - 1))] = "indeed"
        extra.append(retold(rows[200 + i], " ".join(words), row_id=f"z{i:03}"))
        planted["TIL102"] |= {rows[i].id, f"x{i:03}"}
        planted["TIL201"] |= {rows[100 + i].id, f"y{i:03}"}
        planted["TIL202"] |= {rows[200 + i].id, f"z{i:03}"}
    # one text three times under three labels: worse than a plain conflict
    extra += [
        relabelled(retold(rows[300], str(rows[300].fields["text"]), row_id=f"w{i}"), CLASSES[i])
        for i in range(3)
    ]
    planted["TIL102"] |= {rows[300].id, "w0", "w1", "w2"}
    return view_of(rows + extra), planted


@pytest.mark.parametrize("check", [ConflictingCopies(), ExactCopies()])
def test_exact_copies_are_found_all_and_only(copied: tuple[View, dict[str, set[str]]], check: Any) -> None:
    view, planted = copied
    findings = check.find(view)
    assert set(rows_of(findings)) == planted[check.code]
    assert all(len(f.rows) >= 2 for f in findings)
    assert [f.score for f in findings] == sorted((f.score for f in findings), reverse=True)


def test_conflicts_suggest_the_label_that_fits(copied: tuple[View, dict[str, set[str]]]) -> None:
    view, _ = copied
    truth = {r.id: r.label for r in clean(400)}
    right = []
    for f in ConflictingCopies().find(view):
        if f.rows[0] != "r00300":
            original = next(i for i in f.rows if i.startswith("r"))
            right.append(f.evidence["suggested"] == truth[original])
        labels = view.train.labels
        at = view.train.index
        assert {s.row_id for s in f.suggestions} == {
            i for i in f.rows if labels[at[i]] != f.evidence["suggested"]
        }
    assert np.mean(right) >= 0.8
    assert ConflictingCopies().find(view)[0].rows[0] == "r00300", "three labels are worse than two"


def test_a_majority_of_labellers_outvotes_the_model() -> None:
    rows = clean(200)
    billing = next(r for r in rows if r.label == "billing")
    copies = [
        relabelled(retold(billing, str(billing.fields["text"]), row_id=f"c{i}"), "login") for i in range(4)
    ]
    (finding,) = ConflictingCopies().find(view_of([*rows, *copies]))
    assert finding.evidence["suggested"] == "login"
    assert [s.row_id for s in finding.suggestions] == [billing.id]
    assert finding.evidence["labels"] == {"login": 4, "billing": 1}


def test_exact_copies_keep_one_row(copied: tuple[View, dict[str, set[str]]]) -> None:
    for f in ExactCopies().find(copied[0]):
        assert f.evidence["keep"] == f.rows[0]
        assert [s.row_id for s in f.suggestions] == list(f.rows[1:])
        assert {s.op for s in f.suggestions} == {"drop"}


def test_a_copy_without_label_is_no_conflict() -> None:
    rows = clean(60)
    copy = relabelled(retold(rows[0], str(rows[0].fields["text"]), row_id="copy"), None)
    view = view_of([*rows, copy])
    assert ConflictingCopies().find(view) == []
    assert set(rows_of(ExactCopies().find(view))) == {rows[0].id, "copy"}


def test_near_copies_are_found(copied: tuple[View, dict[str, set[str]]]) -> None:
    view, planted = copied
    found = rows_of(NearCopies().find(view))
    assert recall(found, planted["TIL202"]) >= 0.9
    assert precision(found, planted["TIL202"]) >= 0.95
    assert all(not f.suggestions for f in NearCopies().find(view))


def test_near_copies_under_different_labels_come_first() -> None:
    rows = clean(80)
    one, other = (f"{rows[i].fields['text']} {rows[i + 5].fields['text']}" for i in (0, 1))
    near = [retold(rows[0], f"{one} {word}", row_id=word) for word in ("indeed", "really")]
    mixed = [retold(r, f"{other} {r.label}", row_id=f"m{r.label}") for r in rows[1:3]]
    findings = NearCopies().find(view_of([*rows, *near, *mixed]))
    assert [set(f.rows) for f in findings] == [{"mdelivery", "mlogin"}, {"indeed", "really"}]
    assert "different labels" in findings[0].message
    assert "different labels" not in findings[1].message


# --- TIL203 leakage ---


def test_leaks_are_found_with_their_evaluation_row() -> None:
    rows, evaluation = clean(300), clean(100, seed=9, prefix="e")
    leaks = [
        retold(evaluation[i], str(evaluation[i].fields["text"]).title(), row_id=f"leak{i}") for i in range(15)
    ]
    doubled = [retold(e, " ".join([str(e.fields["text"])] * 2)) for e in evaluation[20:25]]
    near = [retold(e, f"{e.fields['text']} indeed", row_id=f"near{i}") for i, e in enumerate(doubled)]
    view = view_of(rows + leaks + near, evaluation[:20] + doubled + evaluation[25:])
    findings = Leakage().find(view)
    partner = {f.rows[0]: f.evidence["eval_id"] for f in findings}
    assert partner == {f"leak{i}": f"e{i:05}" for i in range(15)} | {
        f"near{i}": f"e{20 + i:05}" for i in range(5)
    }
    assert [f.score for f in findings[:15]] == [1.0] * 15
    assert all(0.7 <= f.score < 1 for f in findings[15:])
    in_train, in_evaluation = leaked(view)
    assert {view.train.ids[i] for i in np.flatnonzero(in_train)} == set(partner)
    assert {view.evaluation.ids[i] for i in np.flatnonzero(in_evaluation)} == set(partner.values())
    assert all(f.suggestions[0].op == "drop" for f in findings)


def test_a_copy_within_train_is_no_leak() -> None:
    rows = clean(60)
    view = view_of(
        [*rows, retold(rows[0], str(rows[0].fields["text"]), row_id="copy")], clean(30, 9, prefix="e")
    )
    assert Leakage().find(view) == []
    assert Leakage().find(view_of(rows)) == []


# --- TIL301 outliers ---


def test_outliers_are_found() -> None:
    foreign = [
        "bonjour je voudrais savoir quand arrivera mon colis merci beaucoup",
        "guten tag ich habe mein kennwort vergessen und komme nicht hinein",
        "cheap pills online buy now best casino jackpot winner click",
        "lorem ipsum dolor sit amet consectetur adipiscing elit sed",
        "int main void printf hello world semicolon brace newline",
        "wash hands before dinner then feed hamster and water cactus",
        "quarterly earnings beat analyst expectations amid volatile markets",
        "mitochondria produce adenosine triphosphate inside eukaryotic cells",
    ]
    rows = clean(400)
    odd = [retold(rows[i], text, row_id=f"odd{i}") for i, text in enumerate(foreign)]
    findings = Outliers().find(view_of(rows + odd))
    planted = {r.id for r in odd}
    assert recall(rows_of(findings), planted) >= 0.85
    assert set(rows_of(findings)[:6]) <= planted, "the strangest come first"
    assert precision(rows_of(findings), planted) >= 0.6
    assert [f.score for f in findings] == sorted((f.score for f in findings), reverse=True)


def test_ordinary_rows_are_no_outliers() -> None:
    assert len(Outliers().find(view_of(clean(600)))) <= 9


def test_two_copies_of_an_outlier_do_not_hide_each_other() -> None:
    rows = clean(200)
    text = "mitochondria produce adenosine triphosphate inside eukaryotic cells"
    odd = [retold(rows[0], text, row_id="odd1"), retold(rows[0], text.upper(), row_id="odd2")]
    assert {"odd1", "odd2"} <= set(rows_of(Outliers().find(view_of(rows + odd))))


# --- TIL401 starved classes ---


def test_starved_classes_are_found() -> None:
    rows = [r for r in clean(400) if r.label != "login" or int(r.id[1:]) < 60]
    findings = StarvedClass().find(view_of(rows))
    assert [f.evidence["class"] for f in findings] == ["login"]
    (f,) = findings
    assert f.evidence["rows"] == sum(r.label == "login" for r in rows) == len(f.rows)
    assert f.evidence["recall_low"] <= f.evidence["recall"] <= f.evidence["recall_high"]
    assert StarvedClass().find(view_of(clean(400))) == []


def test_the_smallest_class_comes_first() -> None:
    rows = [r for r in clean(400) if r.label not in ("login", "billing") or int(r.id[1:]) < 40]
    rows = [r for r in rows if r.label != "billing" or int(r.id[1:]) < 20]
    assert [f.evidence["class"] for f in StarvedClass().find(view_of(rows))] == ["billing", "login"]


# --- TIL501 broken rows ---

BROKEN = [
    ("", "empty text"),
    (" \n\t\u2028", "empty text"),
    ("x", "a single character"),
    ("?!... --", "no letter or digit"),
    ("\ufffd\ufffd\ufffd was ist das \ufffd\ufffd", "unreadable characters"),
    ("caf\x01\x02\x03 is open", "unreadable characters"),
    ("half a \ud800 pair", "unreadable characters"),
    ("MÃ¼ller fÃ¤hrt nach KÃ¶ln", "wrongly decoded text (mojibake)"),
    ("donâ€™t wonâ€™t", "wrongly decoded text (mojibake)"),
    ("asdfghjkl", "keyboard noise"),
    ("aaaaaaa", "keyboard noise"),
    ("qwrtzpsdfg xcvbnm", "keyboard noise"),
]
SOUND = [
    "where is my card",
    "水",  # one character is a word in Chinese
    "42",
    "ok",
    "kdy dorazí můj balík? žluťoučký kůň",
    "Où est mon café à Besançon ?",
    "line one\nline two\ttabbed",
    "order A7XKCDFGH-99",
    "rhythm and blues",
    "مرحبا كيف حالك",
    "👍 great, thanks",
    "Ärger mit der Straße in Århus",
    "cost of Ã is unclear",
]


@pytest.mark.parametrize(("text", "reason"), BROKEN, ids=[repr(t[:12]) for t, _ in BROKEN])
def test_broken_texts(text: str, reason: str) -> None:
    assert fault(text) == reason


@pytest.mark.parametrize("text", SOUND)
def test_sound_texts(text: str) -> None:
    assert fault(text) == ""


def test_broken_rows_are_found_all_and_only() -> None:
    rows = clean(300)
    bad = [retold(rows[i], text, row_id=f"bad{i:02}") for i, (text, _) in enumerate(BROKEN)]
    bad.append(retold(rows[0], "please help me with this order " * 200, row_id="long"))
    good = [retold(rows[i], text, row_id=f"good{i}") for i, text in enumerate(SOUND)]
    findings = BrokenRows().find(view_of(rows + bad + good))
    assert set(rows_of(findings)) == {r.id for r in bad}
    reasons = {f.rows[0]: f.message for f in findings}
    assert all(reasons[f"bad{i:02}"] == reason for i, (_, reason) in enumerate(BROKEN))
    assert reasons["long"].startswith("6,200 characters, far more than")


def test_long_rows_among_long_rows_are_fine() -> None:
    rng = np.random.default_rng(11)
    rows = [retold(r, " ".join([str(r.fields["text"])] * int(rng.integers(20, 80)))) for r in clean(60)]
    assert BrokenRows().find(view_of(rows)) == []


# --- the whole run ---


class Broken:
    code = "TIL102"
    name = "always fails"

    def find(self, view: View) -> list[Finding]:
        raise CheckFailed("there is no index")


class Careless:
    code = "XYZ001"
    name = "somebody else's"

    def find(self, view: View) -> list[Finding]:
        return [1 / 0]  # type: ignore[list-item]


class Odd:
    code = "XYZ002"
    name = "finds the first row"

    def find(self, view: View) -> list[Finding]:
        return [Finding(self.code, (view.train.ids[0],), 1.0, "first")]


def audit_of(findings: list[Finding], failed: dict[str, str]) -> Audit:
    return Audit("v1", "e1", "text-linear.v1", 60, findings, failed)


def test_a_check_that_fails_is_failed_and_not_clean() -> None:
    view = view_of(clean(60))
    findings, failed = run(view, [Broken(), ExactCopies(), Careless(), Odd()])
    assert failed == {
        "TIL102": "always fails: CheckFailed: there is no index",
        "XYZ001": "somebody else's: ZeroDivisionError: division by zero",
    }
    assert [f.code for f in findings] == ["XYZ002"], "the others still ran"
    audit = audit_of(findings, failed)
    assert "TIL102" not in audit.counts(), "a failed check must not count zero"
    assert audit.counts()["TIL201"] == 0
    assert audit.counts()["XYZ002"] == 1
    body = json.loads(json.dumps(audit.to_json()))
    assert body["failed"] == failed
    assert "TIL102" not in body["counts"]


def test_a_run_is_in_order_of_code() -> None:
    rows, _ = with_errors(clean(300), 0.2)
    rows += [retold(rows[0], "", row_id="empty"), retold(rows[1], str(rows[1].fields["text"]), row_id="copy")]
    view = view_of(rows, [retold(rows[2], str(rows[2].fields["text"]), row_id="e1")])
    findings, failed = run(view)
    assert failed == {}
    codes = [f.code for f in findings]
    assert codes == sorted(codes)
    assert {"TIL101", "TIL203", "TIL501"} <= set(codes)
    assert [f.to_json() for f in run(view, reversed(detectors()))[0]] == [f.to_json() for f in findings]
    audit = audit_of(findings, failed)
    assert audit.counts() == {d.code: codes.count(d.code) for d in detectors()}
    assert [f.code for f in audit.of("TIL203")] == ["TIL203"]


def test_a_row_without_its_text_column_is_an_empty_text() -> None:
    rows = [*clean(40), Row("none", {"channel": "mail"}, "login")]
    findings, failed = run(view_of(rows))
    assert failed == {}
    assert [f.rows for f in findings if f.code == "TIL501"] == [("none",)]


@pytest.mark.parametrize("bad", [0.0, 1.0, -1.0, float("nan")])
def test_detectors_refuse_bad_parameters(bad: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        LabelError(bad)
    with pytest.raises(ValueError, match="least"):
        StarvedClass(width=bad if bad != 1.0 else 1.1)
    with pytest.raises(ValueError, match="positive"):
        Outliers(bad if bad != 1.0 else 0.0)


def test_excerpt_is_one_short_line() -> None:
    assert excerpt(" a\n\tb  c ") == "a b c"
    assert excerpt("x" * 1_000_000) == "x" * 99 + "…"
    assert excerpt("\u2028") == ""
