"""The patch algebra: inverse, once only, commuting; and the file that a person reads and edits."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilth.data import MultisetHash, Row, Snapshot, Value, has_halves
from tilth.errors import PatchError, StaleOp
from tilth.patch import (
    KINDS,
    Op,
    Patch,
    apply,
    check,
    conflicts,
    from_rows,
    invert,
    keep,
    parse,
    render,
)

# what breaks lines, encodings and readers: line separators, marks and overrides of direction, NUL, a byte
# order mark, combining marks, lone surrogates
ODD = (
    '\n\r\x0b\x0c\x1c\x1e\x85\u2028\u2029\u200e\u200f\u061c\u202a\u202e\u2066\u2069\0\x7f\ufeffe\u0301é😀"\\/'
)


def unpaired(text: str) -> bool:
    """No high surrogate right before a low one: such a text is refused, see below."""
    return not has_halves(text)


texts = (
    st.text(st.sampled_from(ODD + "\ud800\udfffab"), max_size=5)
    | st.text(st.characters(exclude_categories=()), max_size=5)
).filter(unpaired)
values: st.SearchStrategy[Value] = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | texts
)
bodies = st.dictionaries(texts, values, max_size=3)
labels = st.none() | st.sampled_from(["x", "y", "", "\u202e"]) | texts
ids = st.sampled_from(["a", "b", "c", "d", "e\u2028", "f\ud800", "g~2"]) | texts.filter(bool)
rows = st.builds(Row, ids, bodies, labels, texts)
bases = st.lists(rows, max_size=6, unique_by=lambda r: r.id).map(Snapshot.of)


@st.composite
def changes(draw: st.DrawFn) -> tuple[Snapshot, Patch]:
    """A snapshot and a patch that fits it, with ops of every kind."""
    base = draw(bases)
    ops = []
    for row in base.rows():
        kind = draw(st.sampled_from([None, *KINDS]))
        after: Row | None = row
        if kind == "relabel":
            after = Row(row.id, row.fields, draw(labels), row.source)
        elif kind == "edit":
            after = Row(row.id, draw(bodies), draw(labels), row.source)
        elif kind == "drop":
            after = None
        if after is None or after.digest() != row.digest():
            ops.append(Op(row, after, draw(texts)))
    for row in draw(st.lists(rows, max_size=3, unique_by=lambda r: r.id)):
        if row.id not in base.index:
            ops.append(Op(None, row, draw(texts)))
    head = {k: draw(texts) for k in ("base", "title", "reason", "author", "origin", "created", "revises")}
    return base, Patch(dataset="train", ops=tuple(draw(st.permutations(ops))), **head)


def contents(snapshot: Snapshot) -> list[tuple[str, bytes, str]]:
    return [(r.id, r.digest(), r.source) for r in snapshot.rows()]


def version_of(snapshot: Snapshot) -> str:
    total = MultisetHash()
    total.add([r.digest() for r in snapshot.rows()])
    return total.version_id()


def part_of(patch: Patch, ops: list[Op]) -> Patch:
    return replace(patch, ops=tuple(ops))


# --- the algebra ---


@settings(deadline=None, max_examples=200)
@given(changes())
def test_apply_then_invert_is_the_identity(change: tuple[Snapshot, Patch]) -> None:
    base, patch = change
    before = contents(base)
    after = apply(base, patch)
    back = apply(after, invert(patch, version_of(after)))
    assert contents(back) == before
    assert list(back.ids) == list(base.ids)
    assert version_of(back) == version_of(base)
    assert contents(base) == before, "apply changed its input"
    assert invert(invert(patch, ""), "").ops == patch.ops


@settings(deadline=None)
@given(changes().filter(lambda c: bool(c[1].ops)))
def test_twice_is_refused(change: tuple[Snapshot, Patch]) -> None:
    base, patch = change
    after = apply(base, patch)
    with pytest.raises(StaleOp):
        apply(after, patch)
    for op in patch.ops:  # each op on its own, not only the first that fails
        with pytest.raises(StaleOp, match=r"Was the patch applied before|on the present version"):
            check(op, after.row(after.index[op.row_id]) if op.row_id in after.index else None)


@settings(deadline=None, max_examples=200)
@given(changes(), st.data())
def test_disjoint_patches_commute(change: tuple[Snapshot, Patch], data: st.DataObject) -> None:
    base, patch = change
    first = [op for op in patch.ops if data.draw(st.booleans())]
    second = [op for op in patch.ops if op not in first]
    p, q = part_of(patch, first), part_of(patch, second)
    assert conflicts(p, q) == []
    one, other = apply(apply(base, p), q), apply(apply(base, q), p)
    assert contents(one) == contents(other) == contents(apply(base, patch))


def test_conflicts_names_the_rows_that_both_change() -> None:
    a, b, c = (Row(i, {"t": i}, "x") for i in "abc")
    p = Patch("train", "", (Op(c, None), Op(a, None), Op(b, None)))
    q = Patch("train", "", (Op(a, Row("a", {"t": "a"}, "y")), Op(c, Row("c", {"t": "c"}, "y"))))
    assert conflicts(p, q) == conflicts(q, p) == ["a", "c"]
    base = apply(Snapshot.of([a, b, c]), q)
    with pytest.raises(StaleOp):
        apply(base, p)


@settings(deadline=None)
@given(bases, st.lists(rows, max_size=6, unique_by=lambda r: r.id))
def test_from_rows_makes_the_base_equal_to_the_rows(base: Snapshot, some: list[Row]) -> None:
    patch = from_rows(base, some, dataset="train", base_id="v1")
    wanted = Snapshot.of(some)
    after = apply(base, patch)
    assert [(i, d) for i, d, _ in contents(after)] == [(i, d) for i, d, _ in contents(wanted)]
    assert (patch.dataset, patch.base) == ("train", "v1")
    assert not from_rows(after, some, dataset="train").ops


def test_from_rows_names_each_kind_and_leaves_equal_rows_alone() -> None:
    base = Snapshot.of([Row(i, {"t": i}, "x", "old.csv") for i in ("drop", "edit", "label", "same")])
    new = [
        Row("same", {"t": "same"}, "x", "new.csv"),
        Row("label", {"t": "label"}, "y"),
        Row("edit", {"t": "changed"}, "x"),
        Row("add", {"t": "add"}, "x"),
    ]
    patch = from_rows(base, new, dataset="train")
    assert {op.row_id: op.kind for op in patch.ops} == {
        "label": "relabel", "edit": "edit", "add": "add", "drop": "drop",
    }  # fmt: skip
    assert patch.counts() == {"relabel": 1, "drop": 1, "add": 1, "edit": 1}


def test_from_rows_refuses_a_repeated_id() -> None:
    with pytest.raises(PatchError, match="'a' occurs twice"):
        from_rows(Snapshot.of([]), [Row("a", {}), Row("a", {"t": 1})], dataset="train")


# --- ops and patches ---


def test_kinds_go_by_spelling() -> None:
    one = Row("a", {"n": 1}, "x")
    assert Op(one, Row("a", {"n": True}, "y")).kind == "edit"  # 1 == True, but they are spelled differently
    nan = Row("a", {"n": float("nan")}, "x")
    assert Op(nan, Row("a", {"n": float("nan")}, "y")).kind == "relabel"
    assert Op(one, Row("a", {"n": 2}, "y")).kind == "edit"
    assert Op(one, Row("a", {"n": 1}, None)).kind == "relabel"
    assert [Op(None, one).kind, Op(one, None).kind] == ["add", "drop"]
    assert Op(None, one).inverse().kind == "drop"


def test_an_op_must_change_one_row() -> None:
    row = Row("a", {"t": "1"}, "x")
    for before, after, what in [
        (None, None, "row before or a row after"),
        (row, Row("b", {"t": "1"}, "x"), "keeps the id"),
        (row, Row("a", {"t": "1"}, "x", "elsewhere"), "changes nothing"),
    ]:
        with pytest.raises(ValueError, match=what):
            Op(before, after)


def test_a_patch_has_one_op_for_each_row() -> None:
    row = Row("a", {"t": "1"}, "x")
    with pytest.raises(PatchError, match=r"more than one op, e\.g\. 'a'"):
        Patch("train", "", (Op(row, None), Op(None, row)))


def test_id_is_the_change_and_nothing_else() -> None:
    a, b = Row("a", {"t": "1"}, "x", "f"), Row("b", {"t": "2"}, "x")
    patch = Patch("train", "v1", (Op(a, None, "spam"), Op(b, None)), title="one", author="me", origin="x")
    same = Patch("train", "v1", (Op(b, None), Op(Row("a", {"t": "1"}, "x", "g"), None)), title="other")
    assert patch.id == same.id
    assert len(patch.id) == 12
    others = [
        replace(patch, dataset="eval"),
        replace(patch, base="v2"),
        keep(patch, ["a"]),
        invert(patch, "v1"),
    ]
    assert len({p.id for p in [patch, *others]}) == 5


def test_keep_is_what_a_person_kept() -> None:
    a, b, c = (Row(i, {"t": i}, "x") for i in "abc")
    patch = Patch("train", "v1", (Op(c, None), Op(a, None), Op(b, None)), title="t", origin="propose:x")
    kept = keep(patch, ["b", "c", "not in the patch"])
    assert [op.row_id for op in kept.ops] == ["c", "b"]
    assert kept.revises == patch.id != kept.id
    assert (kept.title, kept.origin, kept.base) == ("t", "propose:x", "v1")
    assert keep(patch, []).ops == ()
    assert keep(patch, "abc").id == patch.id


def test_invert_says_what_it_undoes() -> None:
    patch = Patch("train", "v1", (Op(None, Row("a", {})),), title="Add a row")
    undo = invert(patch, "v2")
    assert (undo.title, undo.origin, undo.base) == ("Revert: Add a row", f"revert:{patch.id}", "v2")


@pytest.mark.parametrize(
    ("op", "found", "message"),
    [
        (Op(None, Row("a", {})), Row("a", {}), "cannot add row 'a': there is a row with this id"),
        (Op(Row("a", {}, "x"), None), None, "cannot drop row 'a': there is no such row"),
        (Op(Row("a", {}, "x"), Row("a", {}, "y")), Row("a", {}, "z"), "expects label 'x', found 'z'"),
        (Op(Row("a", {}, "x"), Row("a", {}, "y")), Row("a", {"t": 1}, "x"), "expects other fields"),
    ],
)
def test_a_stale_op_says_what_it_found(op: Op, found: Row | None, message: str) -> None:
    with pytest.raises(StaleOp, match=message):
        check(op, found)


# --- the file ---


@settings(deadline=None, max_examples=300)
@given(changes())
def test_every_op_round_trips_through_its_file(change: tuple[Snapshot, Patch]) -> None:
    base, patch = change
    text = render(patch)
    # one line an op for every tool, whatever it takes for the end of a line, and plain UTF-8
    assert len(text.splitlines()) == text.count("\n") == 1 + len(patch.ops)
    text.encode("utf-8")
    again = parse(text)
    for key in ("id", "dataset", "base", "title", "reason", "author", "origin", "created", "revises"):
        assert getattr(again, key) == getattr(patch, key), key
    for one, other in zip(patch.ops, again.ops, strict=True):
        assert (one.kind, one.row_id, one.why) == (other.kind, other.row_id, other.why)
        for mine, read in ((one.before, other.before), (one.after, other.after)):
            assert (mine is None) == (read is None)
            if mine is not None and read is not None:
                assert mine.digest() == read.digest()
        if one.kind != "relabel":  # a relabel has one source, that of the row before
            assert [r and r.source for r in (one.before, one.after)] == [
                r and r.source for r in (other.before, other.after)
            ]
    assert contents(apply(base, again)) == contents(apply(base, patch))
    assert render(again) == text


@pytest.mark.parametrize("odd", [*ODD, "\ud800", "z\udfff", "\u2067", "\u2068", "a\u0300\u200fb"])
@pytest.mark.parametrize("kind", KINDS)
def test_odd_characters_in_every_place_of_every_op(odd: str, kind: str) -> None:
    row = Row(f"id{odd}", {f"name{odd}": f"value{odd}"}, f"label{odd}", f"source{odd}")
    other = Row(row.id, row.fields if kind == "relabel" else {"t": odd}, f"{odd}new", row.source)
    op = {"add": Op(None, row, odd), "drop": Op(row, None, odd)}.get(kind, Op(row, other, odd))
    patch = Patch(f"train{odd}", odd, (op,), odd, odd, odd, odd, odd, odd)
    assert op.kind == kind
    text = render(patch)
    assert len(text.splitlines()) == 2
    again = parse(text.encode("utf-8").decode("utf-8"))
    assert again == patch
    assert again.id == patch.id


def test_text_that_turns_a_line_around_is_escaped() -> None:
    # "Trojan source": what the reviewer of a pull request sees is what is there
    for mark in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069":
        assert mark not in render(Patch("train", "", (Op(None, Row("a", {"t": f"x{mark}y"})),)))
    assert "žluťoučký" in render(Patch("train", "", (Op(None, Row("a", {"t": "žluťoučký"})),)))


def lines_of(patch: Patch) -> list[dict[str, Any]]:
    return [json.loads(line) for line in render(patch).splitlines()]


def text_of(lines: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


PROPOSED = Patch(
    "train",
    "v1",
    (
        Op(Row("a", {"t": "1"}, "x"), Row("a", {"t": "1"}, "y")),
        Op(Row("b", {"t": "2"}, "x"), None),
        Op(None, Row("c", {"t": "3"}, "x")),
    ),
    title="Proposed",
    revises="earlier",
)


def removed(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return lines[:-1]


def other_label(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line | {"to": "z"} if line.get("op") == "relabel" else line for line in lines]


@pytest.mark.parametrize("edit", [removed, other_label])
def test_an_edited_file_revises_the_patch_it_was(
    edit: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
) -> None:
    again = parse(text_of(edit(lines_of(PROPOSED))))
    assert again.id != PROPOSED.id
    assert again.revises == PROPOSED.id


def test_a_file_that_was_not_changed_revises_nothing_new() -> None:
    lines = lines_of(PROPOSED)
    mixed = [lines[0], *reversed(lines[1:])]
    notes = [line | {"why": "seen"} if "op" in line else line | {"title": "Better words"} for line in lines]
    for same in (lines, mixed, notes, [{k: v for k, v in lines[0].items() if k != "id"}, *lines[1:]]):
        again = parse(text_of(same))
        assert again.id == PROPOSED.id
        assert again.revises == "earlier"


def test_blank_lines_and_windows_line_ends_are_fine() -> None:
    text = render(PROPOSED).replace("\n", "\r\n\r\n")
    assert parse("\n" + text + "\n \n") == PROPOSED


HEAD = {"tilth_patch": 1, "dataset": "train", "base": "v1"}
ROW = {"id": "a", "fields": {"t": "1"}, "label": "x"}
RELABEL = {"op": "relabel", "id": "a", "from": "x", "to": "y", "fields": {"t": "1"}}
DROP = {"op": "drop", "id": "a", "before": ROW}
BAD_LINES: list[tuple[object, str]] = [
    ("{", "not JSON"),
    ("9" * 5000, "JSON"),
    ("[" * 200_000, "JSON"),
    ([1], "a line is a JSON object, not list"),
    ("7", "a line is a JSON object, not int"),
    ({"op": "replace"}, "unknown op 'replace'; it is one of relabel, drop, add, edit"),
    ({"op": ["add"]}, r"unknown op \['add'\]"),
    ({}, "unknown op None"),
    ({k: v for k, v in RELABEL.items() if k != "to"}, "a relabel needs 'to'"),
    ({k: v for k, v in RELABEL.items() if k != "fields"}, "a relabel needs 'fields'"),
    (RELABEL | {"to": "x"}, "changes nothing"),
    (RELABEL | {"to": 5}, "a label is a text or null, not 5"),
    (RELABEL | {"fields": ["t"]}, "a row needs 'id', 'fields' and 'label'"),
    (RELABEL | {"id": ""}, "non-empty string"),
    ({"op": "drop", "before": {"id": "a"}}, "a row needs 'id', 'fields' and 'label'"),
    ({"op": "drop", "before": "a"}, "a row needs 'id', 'fields' and 'label'"),
    ({"op": "drop", "before": ROW | {"id": 7}}, "non-empty string, not 7"),
    ({"op": "drop"}, "needs a row before or a row after"),
    (
        {"op": "drop", "before": ROW, "after": ROW | {"label": "y"}},
        "says 'drop' but its rows make it 'relabel'",
    ),
    ({"op": "edit", "before": ROW, "after": ROW | {"id": "b"}}, "keeps the id"),
    (DROP, "'a'.* one op for each row"),
]


@pytest.mark.parametrize(("line", "message"), BAD_LINES, ids=[m for _, m in BAD_LINES])
def test_a_line_that_cannot_be_read_is_named(line: object, message: str) -> None:
    shown = line if isinstance(line, str) else json.dumps(line)
    text = "\n".join([json.dumps(HEAD), "", json.dumps(DROP), shown, ""])
    with pytest.raises(PatchError, match=message) as error:
        parse(text, name="fix.jsonl")
    assert str(error.value).startswith("fix.jsonl:4: ")


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("", "fix.jsonl: ", "empty"),
        ("\n\n", "fix.jsonl: ", "empty"),
        (json.dumps(DROP), "fix.jsonl:1: ", 'has "tilth_patch": 1, found None'),
        (json.dumps(HEAD | {"tilth_patch": 2}), "fix.jsonl:1: ", "found 2"),
        (json.dumps({"tilth_patch": 1, "dataset": "train"}), "fix.jsonl:1: ", "the header needs 'base'"),
        (json.dumps(HEAD | {"dataset": None}), "fix.jsonl:1: ", "the header needs 'dataset'"),
    ],
)
def test_a_header_that_cannot_be_read_is_named(text: str, where: str, message: str) -> None:
    with pytest.raises(PatchError, match=message) as error:
        parse(text, name="fix.jsonl")
    assert str(error.value).startswith(where)


halved = st.builds(
    "{}{}{}{}".format,
    st.text(max_size=3),
    st.characters(min_codepoint=0xD800, max_codepoint=0xDBFF),
    st.characters(min_codepoint=0xDC00, max_codepoint=0xDFFF),
    st.text(max_size=3),
)


@given(halved, st.sampled_from(["id", "name", "value", "label", "why", "title"]))
def test_halves_of_a_character_are_refused_and_not_joined(text: str, place: str) -> None:
    assert has_halves(text)
    assert json.loads(json.dumps(text)) != text, "why it is refused"
    fields = {text if place == "name" else "t": text if place == "value" else "a"}
    row = Row(text if place == "id" else "a", fields, text if place == "label" else "x")
    patch = Patch(
        "train", "", (Op(None, row, text if place == "why" else ""),), text if place == "title" else ""
    )
    with pytest.raises(PatchError, match="two halves of one character"):
        render(patch)


@given(st.text(st.characters(exclude_categories=()), max_size=9))
def test_all_other_texts_have_a_spelling(text: str) -> None:
    patch = Patch("train", "", (Op(None, Row("a", {"t": text}, None)),), "")
    if has_halves(text):
        with pytest.raises(PatchError):
            render(patch)
    else:
        assert parse(render(patch)).ops == patch.ops
