"""From findings to ops."""

from __future__ import annotations

from collections import Counter

from core_kit import CLASSES, clean, relabelled, retold, view_of, with_errors

from tilth.audit.base import Finding, Suggestion
from tilth.audit.run import detectors, run
from tilth.data import Row, Snapshot
from tilth.patch import Patch, apply
from tilth.trial.propose import ALTERNATIVES, PROCEDURES, Procedure

ROWS = Snapshot.of([Row(i, {"t": i}, "x", "f.csv") for i in "abcd"] + [Row("u", {"t": "u"})])
RELABEL = Procedure("relabel", "Relabel {n}", ("C1",), "because")
DROP = Procedure("drop", "Drop {n}", ("C1",), "because", drop=True)


def finding(*suggestions: Suggestion, code: str = "C1", p: float | None = None) -> Finding:
    return Finding(code, tuple(s.row_id for s in suggestions), 1.0, f"about {code}", p, {}, suggestions)


def by_name(name: str) -> Procedure:
    return next(p for p in PROCEDURES if p.name == name)


# --- ops ---


def test_a_suggestion_becomes_an_op() -> None:
    ops = RELABEL.ops([finding(Suggestion("relabel", "a", "y"), Suggestion("drop", "b"))], ROWS)
    assert [(op.kind, op.row_id, op.why) for op in ops] == [
        ("relabel", "a", "about C1"),
        ("drop", "b", "about C1"),
    ]
    after = ops[0].after
    assert after is not None
    assert (after.label, after.fields["t"], after.source) == ("y", "a", "f.csv")
    changed = apply(ROWS, Patch("train", "", ops))
    assert dict(zip(changed.ids, changed.labels, strict=True)) == {"a": "y", "c": "x", "d": "x", "u": None}


def test_the_first_suggestion_for_a_row_wins() -> None:
    findings = [
        finding(Suggestion("relabel", "a", "y")),
        finding(Suggestion("relabel", "a", "z"), Suggestion("drop", "a")),
    ]
    (op,) = RELABEL.ops(findings, ROWS)
    assert op.after is not None
    assert op.after.label == "y"


def test_what_cannot_or_need_not_be_done_is_left_out() -> None:
    findings = [
        finding(Suggestion("relabel", "gone", "y")),
        finding(Suggestion("relabel", "a", "x")),  # has this label already
        finding(Suggestion("relabel", "b")),  # says no label
        finding(Suggestion("relabel", "c", "y"), code="C2"),  # not this procedure's business
        finding(),
    ]
    assert RELABEL.ops(findings, ROWS) == ()
    assert RELABEL.ops([], ROWS) == ()


def test_a_row_without_label_can_be_given_one() -> None:
    (op,) = RELABEL.ops([finding(Suggestion("relabel", "u", "y"))], ROWS)
    assert (op.kind, op.before and op.before.label) == ("relabel", None)


def test_drop_makes_no_claim_about_the_label() -> None:
    ops = DROP.ops([finding(Suggestion("relabel", "a", "y")), finding(Suggestion("drop", "b"))], ROWS)
    assert [op.kind for op in ops] == ["drop", "drop"]


SURE = [
    finding(Suggestion("relabel", row, "y"), code="TIL101", p=p)
    for row, p in zip("abcd", (0.99, 0.8, 0.79, None), strict=True)
]


def test_confident_takes_the_sure_ones() -> None:
    names = {row.label for row in ROWS.rows()} - {None}
    more = [Row(f"{name}{i}", {"text": "t"}, name) for name in names for i in range(20)]
    rows = Snapshot.of([*ROWS.rows(), *more])
    assert [op.row_id for op in by_name("relabel-confident").ops(SURE, rows)] == ["a", "b"]
    assert [op.row_id for op in by_name("relabel-likely").ops(SURE, rows)] == ["a", "b", "c", "d"]
    assert [op.kind for op in by_name("drop-suspects").ops(SURE, rows)] == ["drop"] * 4


def test_rows_of_a_starved_class_are_left_to_a_person() -> None:
    assert max(Counter(ROWS.labels).values()) < 20
    for name in ALTERNATIVES:
        assert by_name(name).ops(SURE, ROWS) == ()


def test_procedures_are_named_and_read_codes_that_exist() -> None:
    names = [p.name for p in PROCEDURES]
    assert len(set(names)) == len(names)
    assert set(ALTERNATIVES) <= set(names)
    known = {d.code for d in detectors()}
    for p in PROCEDURES:
        assert set(p.codes) <= known
        assert p.title.format(n=3) != p.title
        assert p.why


def test_alternatives_read_the_same_findings() -> None:
    # once one of them is accepted the others are left out: that is only right if they share their base
    assert {by_name(name).codes for name in ALTERNATIVES} == {("TIL101",)}
    assert not [p for p in PROCEDURES if p.name not in ALTERNATIVES and set(p.codes) & {"TIL101"}]


def test_every_procedure_makes_a_patch_of_its_fault() -> None:
    rows, wrong = with_errors(clean(300), 0.15)
    evaluation = clean(20, 9, prefix="e")
    rows += [retold(rows[i], str(rows[i].fields["text"]), row_id=f"same{i}") for i in range(5)]
    rows += [
        relabelled(
            retold(r, str(r.fields["text"]), row_id=f"other{r.id}"),
            CLASSES[(CLASSES.index(r.label or "") + 1) % 5],
        )
        for r in rows[10:15]
    ]
    rows += [retold(evaluation[i], str(evaluation[i].fields["text"]), row_id=f"leak{i}") for i in range(5)]
    rows += [retold(rows[0], text, row_id=f"bad{i}") for i, text in enumerate(["", "asdfghjkl", "?"])]
    view = view_of(rows, evaluation)
    findings, failed = run(view)
    assert failed == {}
    done = {p.name: p.ops(findings, view.train) for p in PROCEDURES}
    assert all(done.values()), {name: len(ops) for name, ops in done.items()}
    assert {op.row_id for op in done["drop-exact-copies"]} == {f"same{i}" for i in range(5)}
    assert {op.row_id for op in done["drop-leaks"]} == {f"leak{i}" for i in range(5)}
    assert {op.row_id for op in done["drop-broken"]} >= {f"bad{i}" for i in range(3)}
    likely, sure = ({op.row_id for op in done[name]} for name in ("relabel-likely", "relabel-confident"))
    assert sure < likely
    assert len(likely & wrong) / len(likely) > 0.7
    for ops in done.values():
        apply(view.train, Patch("train", "", ops))
