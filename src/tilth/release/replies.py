"""A reply of the ledger to a question of the datasheet, and whether that is all of the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from tilth.release.book import Book
from tilth.release.prose import Block, Code, Inline, Paragraph, Prose

__all__ = ["Builder", "Origin", "Reply", "annotators", "joined", "listed", "say"]

Origin = Literal["ledger", "partly", "stated", "person", "not applicable", "open"]
"""Who answered: the ledger in full or in part, what a person stated of a source in tilth.toml, a person to
this question, nobody because the rows are not about people, nobody yet."""


@dataclass(frozen=True)
class Reply:
    """What the records say.

    Attributes
    ----------
    blocks : the answer.
    origin : "ledger" (in full), "partly" (a person has to add something), or "stated".
    """

    blocks: Sequence[Block]
    origin: Origin = "ledger"


Builder = Callable[[Book], Reply | None]
"""Makes the reply to one question; None where the records say nothing."""


def say(*words: Inline, origin: Origin = "ledger", more: Sequence[Block] = ()) -> Reply:
    """A reply of one paragraph, and what stands below it."""
    return Reply([Paragraph(words), *more], origin)


def listed(names: Sequence[str], most: int = 20) -> list[Inline]:
    """Names with commas; the first ones of many."""
    out: list[Inline] = []
    for name in names[:most]:
        out += [", ", Code(name)] if out else [Code(name)]
    return out + ([" and more"] if len(names) > most else [])


def joined(parts: Sequence[Prose], between: str = ", ") -> list[Inline]:
    """Parts one after the other."""
    out: list[Inline] = []
    for part in parts:
        out += [between, *part] if out else [*part]
    return out


def annotators(book: Book) -> list[Prose]:
    """One point about who judged rows, and how many judgements there are; none without any."""
    names, votes = book.judgements
    if not names:
        return []
    return [["annotators: ", *listed(names), ", with ", book.rows("judgements", votes), " judgements"]]
