"""A card or datasheet as one HTML page that needs nothing else; the same blocks as its Markdown."""

from __future__ import annotations

from tilth.release.claims import Claim
from tilth.release.prose import Block, Code, List, Page, Paragraph, Prose, Quote, Table, figure, line
from tilth.report.markup import Column, Html, data, join, num, page, table, tag

__all__ = ["html"]

LONGEST = 4000


def html(written: Page) -> str:
    """The page in the look of the report; a number shows its command, version and seed when pointed at."""
    parts: list[Html] = []
    for section in written.sections:
        found = join([tag("h2" if section.level == 2 else "h3", section.title), *map(_block, section.blocks)])
        parts.append(tag("section", found) if section.level == 2 else tag("div", found, class_="part"))
    top = tag(
        "header", tag("p", "Tilth release", class_="over"), tag("h1", _inline(written.title)), class_="top"
    )
    whole = tag("body", top, tag("main", join(parts), id="main"))
    return page(line(written.title), whole, "report.css", "release.css")


def _inline(words: Prose) -> Html:
    return join(_part(part) for part in words)


def _part(part: str | Code | Quote | Claim) -> Html | str:
    if isinstance(part, str):
        return part
    if isinstance(part, Claim):
        proof = f"{part.name}: {part.command}, version {part.version}, seed {part.seed}"
        return tag("span", num(figure(part)), title=proof)
    shown = data(part.text, LONGEST)
    return tag("code", shown) if isinstance(part, Code) else shown


def _block(block: Block) -> Html:
    if isinstance(block, Paragraph):
        return tag("p", _inline(block.words))
    if isinstance(block, List):
        return tag("ul", *(tag("li", _inline(point)) for point in block.points))
    return _table(block)


def _table(block: Table) -> Html:
    """The first column heads the rows; numbers keep to the right."""
    kinds = ["num" if _numbers(block, i) else "text" for i in range(len(block.head))]
    columns = [Column(head, kind) for head, kind in zip(block.head, kinds, strict=True)]
    return table("", columns, ([_inline(cell) for cell in row] for row in block.rows))


def _numbers(block: Table, column: int) -> bool:
    """Whether a column holds numbers: cells that are one claim, but for words where one is missing."""
    cells = [row[column] for row in block.rows if column and len(row[column]) == 1]
    return len(cells) == len(block.rows) and any(isinstance(c[0], Claim) for c in cells)
