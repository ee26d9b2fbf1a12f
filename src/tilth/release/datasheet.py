"""Datasheet: every question answered by the records, by a person once, or shown as open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tilth.release import composition, process
from tilth.release.book import Book
from tilth.release.prose import Block, Code, Page, Paragraph, Prose, Quote, Section, Table
from tilth.release.questions import COMMENTS, PEOPLE, QUESTIONS, SECTIONS, Question
from tilth.release.replies import Builder, Origin, Reply

__all__ = ["Answered", "Datasheet", "datasheet"]

REPLIES: Mapping[str, Builder] = {**composition.REPLIES, **process.REPLIES}
SAME = {"maintainer": "owner", "reach": "contact", "not_for": "out_of_scope"}
"""Questions that a model card asks, too: said once."""
BY: Mapping[Origin, str] = {
    "ledger": "from the records",
    "partly": "from the records, in part; a person can add what is missing",
    "stated": "from the records and what is stated of the sources",
    "person": "answered by a person",
    "not applicable": "does not apply",
    "open": "open",
}


@dataclass(frozen=True)
class Answered:
    """A question with its answer.

    Attributes
    ----------
    question : which.
    origin : who answered.
    blocks : the answer; empty where it is open.
    records : whether the records say something to it, also where a person completed it.
    """

    question: Question
    origin: Origin
    blocks: Sequence[Block]
    records: bool


@dataclass(frozen=True)
class Datasheet:
    """All questions of Gebru et al. and their answers.

    Attributes
    ----------
    answers : one for each question, in order.
    comments : what people added, by section.
    """

    answers: Sequence[Answered]
    comments: Mapping[str, str]

    def share(self, *origins: Origin) -> float:
        """Share of the questions that were answered by one of these."""
        return sum(a.origin in origins for a in self.answers) / len(self.answers)

    @property
    def counts(self) -> dict[str, int]:
        """Questions by who answered them."""
        found = Counter(a.origin for a in self.answers)
        return {origin: found[origin] for origin in BY}

    def of(self, key: str) -> Answered:
        """A question by its key."""
        return next(a for a in self.answers if a.question.key == key)

    def page(self, book: Book) -> Page:
        """The datasheet as a page."""
        sections = [Section("In short", [*_summary(self, book)])]
        for name in SECTIONS:
            sections.append(Section(name, []))
            for a in (a for a in self.answers if a.question.section == name):
                by = Paragraph([f"({BY[a.origin]})"])
                ask: Block = Paragraph(
                    ["To answer it: ", Code(f"tilth datasheet --set {a.question.key}=TEXT")]
                )
                open_ = [ask] if a.origin in ("open", "partly") else []
                sections.append(Section(a.question.text, [*a.blocks, by, *open_], level=3))
            if name in self.comments:
                words = [Quote(self.comments[name])]
                sections.append(Section("Any other comments?", [Paragraph(words)], level=3))
        return Page(["Datasheet: ", Code(book.facts.name)], sections)

    def to_json(self) -> dict[str, Any]:
        """Who answered what, without the answers."""
        return {
            "counts": self.counts,
            "from_records": sum(a.records for a in self.answers) / len(self.answers),
            "in_full": self.share("ledger"),
            "complete": self.share("ledger", "stated", "person", "not applicable"),
            "questions": {a.question.key: a.origin for a in self.answers},
        }


def datasheet(book: Book) -> Datasheet:
    """Answer every question of a datasheet as far as the records and people do."""
    comments = {q.section: text for q in COMMENTS if (text := book.text(q.key))}
    return Datasheet([_answer(q, book) for q in QUESTIONS], comments)


def _answer(question: Question, book: Book) -> Answered:
    build = REPLIES.get(question.key)
    reply: Reply | None = build(book) if build else None
    own = book.text(question.key) or book.text(SAME.get(question.key, ""))
    if question.key == "creators":
        own = own or book.text("owner")
    blocks = list(reply.blocks) if reply else []
    if own:
        origin: Origin = reply.origin if reply and reply.origin in ("ledger", "stated") else "person"
        return Answered(question, origin, [*blocks, Paragraph([Quote(own)])], reply is not None)
    if reply is not None and reply.origin != "partly":
        return Answered(question, reply.origin, blocks, True)
    if question.key in PEOPLE and _no(book.text("people")):
        words: Prose = ["The rows do not relate to people, as a person stated: ", Quote(book.text("people"))]
        return Answered(question, "not applicable", [*blocks, Paragraph(words)], reply is not None)
    return Answered(question, "partly" if reply else "open", blocks, reply is not None)


def _no(text: str) -> bool:
    """Whether an answer begins with no."""
    return text.strip().lower().split(",")[0].split(" ")[0].strip(".:;!") in ("no", "none", "nobody")


def _summary(sheet: Datasheet, book: Book) -> list[Block]:
    """One screen: what it is, how much, and who answered what."""
    facts, train = book.facts, book.train
    rows: list[tuple[Prose, Prose]] = [
        (["data set"], [Code(book.ws.config.name), ", version ", Code(facts.train)]),
        (
            ["rows"],
            [
                book.rows("rows of train", train.rows),
                " in ",
                book.rows("classes", len(facts.classes)),
                " classes",
            ],
        ),
        (["labels believed wrong"], [book.errors]),
        (["sources"], [word for s in book.sources for word in (Code(s.shown), " ")]),
    ]
    for origin, count in sheet.counts.items():
        if count:
            rows.append(([f"questions {BY[origin]}"], [book.rows(f"questions: {origin}", count)]))  # type: ignore[index]
    return [Table(["", ""], rows)]
