"""Pages of cards: no number but a claim, no markup from data, and the same page from its own JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilth.errors import InputError
from tilth.release.claims import Claim
from tilth.release.prose import Code, List, Page, Paragraph, Quote, Section, Table, figure, line, markdown

ACCURACY = Claim("accuracy", 0.81, 0.772, 0.843, "tilth verify b", "abc", 0, "share")
HOSTILE = st.text(max_size=40) | st.sampled_from(
    [
        "| a | b |", "</td><script>alert(1)</script>", "[x](javascript:alert(1))", "![x](http://e.x/y.png)",
        "`",
        "``` \n# heading", "\n\n---\n", "@everyone #1", "https://example.org", "\ud800", "\u202eabc", "\x00",
        "{{ x }}", "*b* _i_ ~s~", "<!-- -->", "\\|", "a\u2028b", "0.99",
    ]
)  # fmt: skip


def page(name: str, quote: str) -> Page:
    claim = replace(ACCURACY, name=f"class {name or 'x'}: score")
    return Page(
        ["Model card: ", Code(name)],
        [
            Section("In short", [Table(["what", ""], [[["accuracy"], [ACCURACY]], [[Code(name)], [claim]]])]),
            Section("Use", [Paragraph(["for ", Quote(quote)]), List([[Quote(quote)], [Code(name), " it"]])]),
        ],
    )


@given(name=HOSTILE, quote=HOSTILE)
@settings(max_examples=150, deadline=None)
def test_hostile_text_makes_no_markup(name: str, quote: str) -> None:
    text, plain = markdown(page(name, quote)), markdown(page("name", "quote"))
    assert len(text.splitlines()) == len(plain.splitlines())
    for ours, theirs in zip(text.splitlines(), plain.splitlines(), strict=True):
        # the same kind of line, with as many cells
        assert re.match(r"#* ?", ours).group() == re.match(r"#* ?", theirs).group()  # type: ignore[union-attr]
        assert len(re.findall(r"(?<!\\)\|", ours)) == len(re.findall(r"(?<!\\)\|", theirs)), ours
        outside = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", ours)
        assert not re.search(r"<[a-zA-Z/!]", outside), ours
        assert not re.search(r"(?<!\\)\]\(", outside), ours


@given(name=HOSTILE, quote=HOSTILE)
@settings(max_examples=150, deadline=None)
def test_a_page_follows_from_its_json(name: str, quote: str) -> None:
    written = page(name, quote)
    body = json.loads(json.dumps(written.to_json()))
    again = Page.from_json(body)
    assert markdown(again) == markdown(Page.from_json(again.to_json()))
    assert again.to_json() == body


def test_a_claim_is_read_as_people_write_numbers() -> None:
    assert figure(ACCURACY) == "81.0 % [77.2 %, 84.3 %]"
    at = ("tilth log", "abc", 0)
    assert figure(Claim("n", 12345, None, None, *at, "rows")) == "12,345"
    assert figure(Claim("g", 0.0192, 0.012, 0.026, *at, "points")) == "+1.92 pp [+1.20 pp, +2.60 pp]"
    assert figure(Claim("m", 3.2, None, None, *at, "megabytes")) == "3.2 MB"
    assert line(["reaches ", ACCURACY, " on ", Code("a\nb")]) == "reaches 81.0 % [77.2 %, 84.3 %] on a b"


@pytest.mark.parametrize("words", ["reaches 99 %", "٣", "²"])
def test_a_number_in_words_is_refused(words: str) -> None:
    written = Page(["x"], [Section("x", [Paragraph([words])])])
    with pytest.raises(InputError, match="make it a claim"):
        written.to_json()
    with pytest.raises(InputError, match="make it a claim"):
        markdown(written)


def test_two_claims_with_one_name_are_refused() -> None:
    both = Page(["x"], [Section("x", [Paragraph([ACCURACY, replace(ACCURACY, value=0.8)])])])
    with pytest.raises(InputError, match="two claims"):
        both.claims()


@pytest.mark.parametrize(
    "harm",
    [
        lambda b: b["claims"].clear(),
        lambda b: b["claims"][0].pop("seed"),
        lambda b: b["claims"][0].update(command=""),
        lambda b: b["claims"].append({**b["claims"][0], "name": "more"}),
        lambda b: b["sections"][1]["blocks"][0]["text"].append("99 %"),
        lambda b: b["sections"][1]["blocks"][0]["text"].append(3),
        lambda b: b["sections"][0]["blocks"][0]["rows"][0].pop(),
        lambda b: b.pop("sections"),
        lambda b: b.update(title=[{"claim": "nothing"}]),
    ],
)
def test_what_is_no_page_is_refused(harm: object) -> None:
    body = page("a", "b").to_json()
    harm(body)  # type: ignore[operator]
    with pytest.raises(InputError):
        Page.from_json(body)
