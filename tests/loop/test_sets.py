"""One decision for a whole set: seen before, taken once, undone as one, and silent about P(wrong)."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loop_kit import js, lines, tilth, write

from tilth.errors import InputError, NotFound, Refused
from tilth.project import Project
from tilth.sets import Where, ask, decide, facts_of, positions, unpack_mask
from tilth.verdicts import Said

DOUBT = "p_wrong > 0.5"


@pytest.fixture
def project(work: Path) -> Project:
    return Project(work / "p")


def stands(project: Project) -> dict[str, tuple[str, str | None, str]]:
    """What stands on each row: verdict, label, reviewer."""
    found = project.workspace.store.verdicts("train")
    return {v.row.id: (v.said.decision, v.said.label, v.reviewer) for v in found if v.said.decision != "skip"}


def test_a_decision_is_seen_taken_once_and_undone_as_one(project: Project) -> None:
    look = project.look_at_set(Where(DOUBT))
    assert 10 < look.count < 200
    assert sum(look.given.values()) == sum(look.suggested.values()) == look.count
    assert look.errors == pytest.approx(sum(s["p_wrong"] for s in look.sample) / 8 * look.count, rel=0.5)
    first, second = (s["id"] for s in look.sample[:2])
    project.verdict([Said(first, "keep"), Said(second, "drop")], reviewer="ana")
    before, label = stands(project), next(iter(look.given))
    look = project.look_at_set(Where(DOUBT), decision="relabel", label=label)
    assert (look.verdicts["drop"], look.count - look.takes) == (1, sum(look.verdicts.values()))
    assert 0 < look.changes < look.takes
    assert look.mistaken is not None
    done = project.decide_set(
        Where(DOUBT), "relabel", label=label, reviewer="bob", key="k", expected=look.digest
    )
    assert (done.count, done.left) == (look.takes, look.count - look.takes)
    now = stands(project)
    assert len(now) == len(before) + done.count
    assert now[first] == before[first]  # a row that was looked at keeps its verdict
    assert {now[i] for i in now.keys() - before.keys()} == {("relabel", label, "bob"), ("keep", None, "bob")}
    assert project.decide_set(Where(DOUBT), "drop", key="k") == done  # sent again: nothing happens
    assert stands(project) == now
    made = project.relabel().patch
    assert made is not None
    assert made.counts["relabel"] == look.changes
    undone = project.undo_set("k", reviewer="bob")
    assert (undone.back, bool(undone.undone)) == (done.count, True)
    assert stands(project) == before
    assert project.undo_set("k") == undone


def test_a_verdict_of_the_last_moment_is_not_overruled(project: Project) -> None:
    ws = project.workspace
    facts = facts_of(ws)
    asked = Where(DOUBT)
    at = positions(facts, asked, lambda ref: None)
    row = facts.rows.ids[int(at[0])]
    project.verdict([Said(row, "drop")], reviewer="ana")  # after the set was looked up, before it is written
    options = {"decision": "keep", "reviewer": "bob"}
    with pytest.raises(Refused, match="1 of the rows were decided on meanwhile"):
        decide(ws, facts, asked, at, key="k", **options)
    assert stands(project) == {row: ("drop", None, "ana")}
    assert project.decide_set(asked, key="k", **options).left >= 1
    assert stands(project)[row] == ("drop", None, "ana")
    with pytest.raises(Refused):  # nor unseen, by whoever says that they overrule
        decide(ws, facts, asked, at, key="again", again=True, **options)
    project.decide_set(Where(ids=(row,)), key="again", again=True, **options)
    assert stands(project)[row][0] == "keep"


def test_undo_leaves_what_was_decided_since_and_brings_back_what_stood_before(project: Project) -> None:
    row, other, third = project.look_at_set(Where(DOUBT)).sample[:3]
    ids = tuple(r["id"] for r in (row, other, third))
    project.verdict([Said(ids[0], "ambiguous", None, "hm")], reviewer="ana")
    project.decide_set(Where(ids=ids), "drop", reviewer="bob", again=True, key="one")
    project.verdict([Said(ids[1], "keep")], reviewer="cy")
    project.decide_set(Where(ids=ids), "keep", reviewer="dan", again=True, key="two")
    assert {v[2] for v in stands(project).values()} == {"dan"}
    assert project.undo_set("one").back == 3  # nobody sees it: what dan said counts
    assert project.undo_set("two").back == 3
    assert stands(project) == {ids[0]: ("ambiguous", None, "ana"), ids[1]: ("keep", None, "cy")}


def test_verdicts_on_sets_settle_rows_and_teach_nothing(project: Project) -> None:
    before = project.verdict().trust
    done = project.decide_set(Where(DOUBT), "keep")
    after = project.verdict().trust
    assert after["judged"] == before["judged"] + done.count
    assert (after["verdicts"], after["meaning"]) == (before["verdicts"], before["meaning"])
    assert after["errors"]["value"] < before["errors"]["value"]


def test_filters(tmp_path: Path) -> None:
    some = lines(300, seed=1)
    copies = [
        (f"copy{i}", text.upper(), given, true) for i, (_, text, given, true) in enumerate(some[:4] * 2)
    ]
    write(tmp_path / "train.csv", [*some, *copies])
    write(tmp_path / "eval.csv", lines(100, seed=2))
    project = Project(tmp_path / "p")
    project.ingest(tmp_path / "train.csv", eval=tmp_path / "eval.csv")
    facts = facts_of(project.workspace)
    rows = facts.rows

    def found(expression: str) -> set[str]:
        at = positions(facts, Where(expression), lambda ref: pytest.fail(ref))
        assert list(facts.p_wrong[at]) == sorted(facts.p_wrong[at], reverse=True)
        return {rows.ids[i] for i in at.tolist()}

    label = rows.labels[0]
    assert found(f'given == "{label}"') == {
        i for i, x in zip(rows.ids, rows.labels, strict=True) if x == label
    }
    assert len(found("p_wrong <= 0.5")) + len(found(DOUBT)) == len(rows)
    assert found(f'suggested == "{label}" and given == "{label}"') == set()
    codes = {f.code: f for f in project.workspace.audit().findings}
    assert found('finding has "TIL101"') >= set(codes["TIL101"].rows)
    group = next(g for g in facts.view.copies.groups() if (g.rows < len(rows)).sum() > 1)
    ids = {rows.ids[i] for i in group.rows.tolist() if i < len(rows)}
    assert len(ids) == 3
    assert found(f'copies == "{min(ids, key=rows.index.__getitem__)}"') == ids
    for row in ids:  # asked for by any of them
        assert found(ask(facts, {}, copies=row)) == ids
    asked = ask(
        facts,
        {"short": "words < 9"},
        slice="short",
        given=label,
        least=0.1,
        most=0.9,
        text='a"',
        undecided=True,
    )
    assert asked == (
        f'(words < 9) and given == "{label}" and p_wrong >= 0.1 and p_wrong <= 0.9 and '
        'text contains "a\\"" and verdict is missing'
    )
    assert found(asked) == set()
    with pytest.raises(InputError, match="no column 'p_wrongg'; did you mean 'p_wrong'"):
        found("p_wrongg > 1")
    with pytest.raises(InputError, match="closing quote"):
        found('given == "x')


def test_sets_are_kept(project: Project, work: Path) -> None:
    rows = project.look_at_set(Where(DOUBT)).sample
    ids = [r["id"] for r in rows]
    first, again = project.keep_set(ids), project.keep_set(ids[::-1], name="mine")
    assert (first.id, again.name) == (again.id, "mine")
    assert project.look_at_set(Where(kept="mine")).count == len(ids)
    assert project.look_at_set(Where("p_wrong > 2", kept=first.id[:6])).count == 0
    with pytest.raises(NotFound, match="no set is called 'yours'"):
        project.look_at_set(Where(kept="yours"))
    with pytest.raises(InputError, match="no rows of train, first 'nobody'"):
        project.keep_set(["nobody"])
    with pytest.raises(InputError, match="stands for set"):
        project.keep_set(ids[:2], name="mine")
    (work / "ids.txt").write_text("\n".join(ids[:3]))
    listed = js("sets", "--ids", "ids.txt", "--name", "three", "--project", "p", cwd=work)["sets"]
    assert [(s["name"], s["rows"]) for s in listed] == [("mine", len(ids)), ("three", 3)]


def test_rows_by_bits(project: Project) -> None:
    ws = project.workspace
    head = ws.head("train")
    rows, bits = ws.snapshot(head).ids, np.zeros(head.rows, dtype=bool)
    bits[[0, 9, head.rows - 1]] = True
    mask = base64.b64encode(np.packbits(bits, bitorder="little").tobytes()).decode()
    assert unpack_mask(ws, mask, head.id) == [rows[0], rows[9], rows[-1]]
    with pytest.raises(Refused):
        unpack_mask(ws, mask, "another")
    with pytest.raises(InputError):
        unpack_mask(ws, "AAAA", head.id)


def test_what_cannot_be_decided(project: Project) -> None:
    look = project.look_at_set(Where(DOUBT))
    errors: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (InputError, "unknown decision", {"decision": "skip"}),
        (InputError, "right label goes with relabel", {"decision": "keep", "label": "cards"}),
        (InputError, "no row of train is labelled", {"decision": "relabel", "label": "nothing"}),
        (Refused, "has changed since", {"decision": "drop", "expected": look.digest + "0"}),
    ]
    for kind, words, options in errors:
        with pytest.raises(kind, match=words):
            project.decide_set(Where(DOUBT), **options)
    with pytest.raises(InputError, match="the set is empty"):
        project.decide_set(Where("p_wrong > 2"), "drop")
    with pytest.raises(NotFound):
        project.undo_set("none")
    assert stands(project) == {}


def test_the_command_line_shows_before_it_decides(work: Path) -> None:
    asked = ("verdict", "--where", DOUBT, "--decide", "drop", "--project", "p")
    shown = tilth(*asked, cwd=work)
    assert "rows would get the verdict" in shown.out
    assert js("verdict", "--project", "p", cwd=work)["standing"] == {}
    done = tilth(*asked, "--yes", cwd=work)
    assert "as one decision" in done.out
    key = done.out.partition("--undo ")[2].split()[0]
    assert js("verdict", "--project", "p", cwd=work)["standing"]["drop"] > 10
    assert "are as before" in tilth("verdict", "--undo", key, "--project", "p", cwd=work).out
    assert js("verdict", "--project", "p", cwd=work)["standing"].keys() == {"skip"}
    wrong = tilth("verdict", "--decide", "drop", "--project", "p", cwd=work)
    assert (wrong.code, "names the set" in wrong.err) == (1, True)
