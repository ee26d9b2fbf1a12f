"""Pages of a card as data: words, quotes, code and claims; and their Markdown, which is made of nothing else.

The words of a page hold no digit: a number can come into a card only as a `Claim`, with its command, data
version and seed, or as the name of something (`Code`), or in what a person said (`Quote`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from tilth.errors import InputError
from tilth.release.claims import Claim
from tilth.report.format import one_line
from tilth.report.markdown import code as code_span
from tilth.report.markdown import text as plain_words

__all__ = [
    "Code", "Inline", "List", "Page", "Paragraph", "Prose", "Quote", "Section", "Table", "figure", "line",
    "markdown", "said",
]  # fmt: skip

LONGEST = 4000
"""Characters of a quote or name that a page shows."""


@dataclass(frozen=True, slots=True)
class Code:
    """A name, id, date or command: shown as it is, never read as markup."""

    text: str


@dataclass(frozen=True, slots=True)
class Quote:
    """What a person wrote."""

    text: str


Inline = str | Code | Quote | Claim
Prose = Sequence[Inline]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A few sentences."""

    words: Prose


@dataclass(frozen=True, slots=True)
class List:
    """Points, one a line."""

    points: Sequence[Prose]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the cells of each row are as many as the heads."""

    head: Sequence[str]
    rows: Sequence[Sequence[Prose]]

    def __post_init__(self) -> None:
        if not self.head:
            raise ValueError("a table without a column")
        odd = next((row for row in self.rows if len(row) != len(self.head)), None)
        if odd is not None:
            raise ValueError(f"{len(odd)} cells under {len(self.head)} heads: {odd!r}")


Block = Paragraph | List | Table


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands under it; `level` 2 or 3."""

    title: str
    blocks: Sequence[Block]
    level: int = 2


@dataclass(frozen=True)
class Page:
    """A card or datasheet.

    Raises
    ------
    InputError : words with a digit, or two claims with one name.
    """

    title: Prose
    sections: Sequence[Section]

    def claims(self) -> list[Claim]:
        """All claims in the order in which they are read, each once."""
        found: dict[str, Claim] = {}
        for words in _proses(self):
            for part in words:
                if isinstance(part, Claim) and found.setdefault(part.name, part) != part:
                    raise InputError(f"two claims are called {part.name!r} and differ")
        return list(found.values())

    def to_json(self) -> dict[str, Any]:
        """The page as a JSON object: its claims, and the sections, which name them."""
        return {
            "claims": [claim.to_json() for claim in self.claims()],
            "title": _prose_json(self.title),
            "sections": [
                {"title": s.title, "level": s.level, "blocks": [_block_json(b) for b in s.blocks]}
                for s in self.sections
            ],
        }

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> Page:
        """The inverse of to_json.

        Raises
        ------
        InputError : it is no page: a number that is no claim, an unknown claim, a part that is missing.
        """
        try:
            claims = {c["name"]: Claim.from_json(c) for c in body["claims"]}
            sections = [
                Section(s["title"], [_block(b, claims) for b in s["blocks"]], s["level"])
                for s in body["sections"]
            ]
            page = Page(_prose(body["title"], claims), sections)
            markdown(page)  # what cannot be written is no page either
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise InputError(f"this is no card: {type(error).__name__} {error}") from error
        if unused := sorted(set(claims) - {c.name for c in page.claims()}):
            raise InputError(f"the claim {unused[0]!r} stands nowhere on the page")
        return page


def _proses(page: Page) -> Iterable[Prose]:
    """Everything that is written on a page; headings, too."""
    yield page.title
    for section in page.sections:
        yield [section.title]
        for block in section.blocks:
            if isinstance(block, Paragraph):
                yield block.words
            elif isinstance(block, List):
                yield from block.points
            else:
                yield from ([head] for head in block.head)
                yield from (cell for row in block.rows for cell in row)


def _prose_json(words: Prose) -> list[Any]:
    out: list[Any] = []
    for part in words:
        if isinstance(part, str):
            out.append(_words(part))
        elif isinstance(part, Code):
            out.append({"code": _kept(part.text)})
        elif isinstance(part, Quote):
            out.append({"quote": _kept(part.text)})
        else:
            out.append({"claim": part.name})
    return out


def _kept(value: str) -> str:
    """Text that UTF-8 can spell."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def _words(value: str) -> str:
    """Words without a digit.

    Raises
    ------
    InputError : there is one: a number has to be a claim, a name has to be code.
    """
    if any(c.isdigit() for c in value):
        raise InputError(f"a number stands in the words {value!r}; make it a claim with its command")
    return value


def _block_json(block: Block) -> dict[str, Any]:
    if isinstance(block, Paragraph):
        return {"text": _prose_json(block.words)}
    if isinstance(block, List):
        return {"list": [_prose_json(p) for p in block.points]}
    rows = [[_prose_json(cell) for cell in row] for row in block.rows]
    return {"head": [_words(h) for h in block.head], "rows": rows}


def _prose(body: Sequence[Any], claims: Mapping[str, Claim]) -> Prose:
    out: list[Inline] = []
    for part in body:
        if isinstance(part, str):
            out.append(_words(part))
        elif "claim" in part:
            if part["claim"] not in claims:
                raise InputError(f"the page names the claim {part['claim']!r}, which it does not hold")
            out.append(claims[part["claim"]])
        else:
            text = part["code"] if "code" in part else part["quote"]
            if not isinstance(text, str):
                raise TypeError(f"{text!r} is no text")
            out.append(Code(text) if "code" in part else Quote(text))
    return out


def _block(body: Mapping[str, Any], claims: Mapping[str, Claim]) -> Block:
    if "text" in body:
        return Paragraph(_prose(body["text"], claims))
    if "list" in body:
        return List([_prose(p, claims) for p in body["list"]])
    rows = [[_prose(cell, claims) for cell in row] for row in body["rows"]]
    return Table([_words(h) for h in body["head"]], rows)


def figure(claim: Claim) -> str:
    """A claim as people read it: "81.0 % [77.2 %, 84.3 %]", "1,234"."""
    value = _number(claim.value, claim.unit)
    if claim.low is None or claim.high is None:
        return value
    return f"{value} [{_number(claim.low, claim.unit)}, {_number(claim.high, claim.unit)}]"


def _number(value: float, unit: str) -> str:
    """One number in its unit; as it stands in the JSON, so that a page follows from its JSON alone."""
    value = round(value, 6)
    if unit == "share":
        return f"{100 * value:.1f} %"
    if unit == "points":
        return f"{100 * value:+.2f} pp"
    if unit == "rows":
        return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
    if unit in ("megabytes", "minutes"):
        return f"{value:,.1f} {'MB' if unit == 'megabytes' else 'min'}"
    return f"{value:,.2f}" if unit == "money" else f"{value:,.4g}"


def line(words: Prose) -> str:
    """Words on one line without markup: for a terminal or a message."""
    return "".join(
        part if isinstance(part, str) else figure(part) if isinstance(part, Claim) else one_line(part.text)
        for part in words
    )


def said(text: str, else_: str = "not stated") -> Prose:
    """What a person said, or that nothing was."""
    return [Quote(text)] if text.strip() else [else_]


def _inline(words: Prose) -> str:
    """Words as Markdown on one line."""
    out = []
    for part in words:
        if isinstance(part, str):
            # ours; escaped all the same, for a page may come from a file
            out.append(re.sub(r"([\\`*_\[\]|~])", r"\\\1", escape(_words(part), quote=False)))
        elif isinstance(part, Code):
            out.append(code_span(part.text, LONGEST))
        elif isinstance(part, Quote):
            out.append(plain_words(part.text, LONGEST))
        else:
            out.append(figure(part))
    return " ".join("".join(out).split())


def _block_lines(block: Block) -> list[str]:
    if isinstance(block, Paragraph):
        return [_inline(block.words)]
    if isinstance(block, List):
        return [f"- {_inline(point)}" for point in block.points]
    rows = [f"| {' | '.join(_inline(cell) or ' ' for cell in row)} |" for row in block.rows]
    heads = " | ".join(_inline([head]) or " " for head in block.head)
    return [f"| {heads} |", f"|{'---|' * len(block.head)}", *rows]


def markdown(page: Page) -> str:
    """The page as GitHub-flavoured Markdown; text from data makes no links, images, HTML or table cells."""
    lines = [f"# {_inline(page.title)}", ""]
    for section in page.sections:
        lines += [f"{'#' * section.level} {_inline([section.title])}", ""]
        for block in section.blocks:
            lines += [*_block_lines(block), ""]
    return "\n".join(lines)
