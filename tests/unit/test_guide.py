"""The label guide as a file: nothing is lost, and a mistake has a line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilth.errors import InputError
from tilth.guide import Clause, Entry, Example, Guide, difference, parse, render

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30) | st.sampled_from(
    [
        "a / b",
        "x (draft)",
        "→",
        " → y",
        "[r1]",
        "end [x]",
        '"quoted"',
        "# head",
        "a\nb",
        "\\# x",
        "`c`",
        "- d",
    ]
)
WORDS = st.one_of(
    st.just(""),
    st.lists(TEXT.filter(lambda t: t.strip("\n\r")), min_size=1, max_size=3).map(
        lambda x: "\n".join(x).replace("\r", "").strip("\n")
    ),
)
NAME = TEXT
EXAMPLE = st.builds(Example, TEXT.filter(str.strip), st.just("") | TEXT, st.just("") | NAME)
EXAMPLES = st.lists(EXAMPLE, max_size=3).map(tuple)


@st.composite
def guides(draw: st.DrawFn) -> Guide:
    names = draw(st.lists(NAME, max_size=4, unique=True))
    entries = tuple(Entry(n, draw(WORDS), draw(EXAMPLES), draw(EXAMPLES)) for n in names)
    pairs = draw(st.lists(st.tuples(NAME, NAME).filter(lambda p: p[0] < p[1]), max_size=3, unique=True))
    clauses = tuple(Clause(a, b, draw(WORDS), draw(EXAMPLES), draw(st.booleans())) for a, b in pairs)
    return Guide(draw(WORDS), entries, clauses)


@given(guides())
@settings(max_examples=300, deadline=None)
def test_nothing_is_lost(guide: Guide) -> None:
    text = render(guide)
    assert parse(text) == guide
    assert render(parse(text)) == text


GUIDE = """# Label guide

Read this first.

## refund

Money goes back.
Also vouchers.

### Examples

- I want my money back [t0112]
- "two\\nlines"

### Counter-examples

- Where is my refund? → order_status [t9]

## refund / order_status (draft)

A promised refund is order_status.

### Contested

- Still no refund [t0040]
"""


def test_a_file_by_hand() -> None:
    guide = parse(GUIDE)
    assert guide.preface == "Read this first."
    assert guide.classes == (
        Entry(
            "refund",
            "Money goes back.\nAlso vouchers.",
            (Example("I want my money back", "t0112"), Example("two\nlines")),
            (Example("Where is my refund?", "t9", "order_status"),),
        ),
    )
    clause = guide.clauses[0]
    assert (clause.a, clause.b, clause.draft) == ("order_status", "refund", True)
    assert guide.clause("refund", "order_status") is None, "a draft is not cited"
    accepted = parse(GUIDE.replace(" (draft)", ""))
    assert accepted.clause("refund", "order_status") == accepted.clauses[0]
    assert parse(GUIDE.replace("\n", "\r\n")) == guide, "as Windows writes it"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("# Label guide\n\n## a\n\n## a\n", 5, "line 3 already"),
        ("## a / b\n\n## b / a\n", 3, "line 1 already"),
        ("## a / a\n", 1, "two different"),
        ("## a / b / c\n", 1, "3 classes"),
        ("## \n", 1, "0 classes"),
        ("## a\n\n### Exmples\n", 3, "did you mean '### Examples'"),
        ("## a\n\n### Contested\n", 1, "pair of classes"),
        ("## a / b\n\n### Examples\n- x\n", 1, "one class"),
        ("## a\n### Examples\nno dash\n", 3, "begins with '- '"),
        ("## a\n### Examples\n- \n", 3, "cannot read"),
        ('## a\n### Examples\n- "open\n', 3, "not closed"),
        ("## a\n### Examples\n### Examples\n", 3, "twice"),
        ("# Something\n", 1, "a class begins with"),
        ("## a (draft)\n", 1, "draft"),
        ('## "a" b\n', 1, "behind the name"),
    ],
)
def test_a_mistake_has_a_line(text: str, line: int, words: str) -> None:
    with pytest.raises(InputError, match="guide") as error:
        parse(text)
    assert f"guide.md:{line}:" in str(error.value)
    assert words in str(error.value)


def test_drafts_never_replace_a_clause() -> None:
    guide = parse(GUIDE.replace(" (draft)", ""))
    more = guide.with_drafts(
        [Clause("order_status", "refund", draft=True), Clause("a", "b", draft=True)], "ab"
    )
    assert more.clauses == (*guide.clauses, Clause("a", "b", draft=True))
    assert [e.name for e in more.classes] == ["refund", "a", "b"]


def test_difference() -> None:
    guide = parse(GUIDE)
    other = parse(GUIDE.replace("Also vouchers.", "Not vouchers.").replace(" (draft)", "") + "\n## new\n")
    found = [(how, title) for how, title, _ in difference(guide, other)]
    assert found == [("changed", "refund"), ("changed", "order_status / refund"), ("added", "new")]
    lines = next(difference(guide, other))[2].split("\n")
    assert "-Also vouchers." in lines
    assert "+Not vouchers." in lines
    assert list(difference(guide, guide)) == []
