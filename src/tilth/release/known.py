"""`tilth datasheet`: what is known about the data by now, without a release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilth.files import write_text
from tilth.release import answers
from tilth.release.book import Book
from tilth.release.claims import Facts
from tilth.release.datasheet import Datasheet, datasheet
from tilth.release.gates import ASKED
from tilth.release.prose import Block, List, Paragraph, Table, line, markdown
from tilth.release.questions import CARD, COMMENTS, Question
from tilth.workspace import TRAIN, Workspace

if TYPE_CHECKING:
    import pandas

__all__ = ["Known", "known", "write_form"]


@dataclass(frozen=True)
class Known:
    """A datasheet of the head of train.

    Attributes
    ----------
    version : of train.
    counts : questions by who answered them.
    from_records, in_full : share of the questions that the records answer, in full or in part; in full and
        alone.
    complete : share that needs nothing more, whoever answered.
    questions : key, section, question, who answered, and the answer in plain words.
    card : the questions of a model card: key, question, answer, and whether a release asks for it.
    claims : every number of the datasheet with its command, version and seed.
    markdown : the datasheet.
    """

    version: str
    counts: Mapping[str, int]
    from_records: float
    in_full: float
    complete: float
    questions: Sequence[Mapping[str, Any]]
    card: Sequence[Mapping[str, Any]]
    claims: Sequence[Mapping[str, Any]]
    markdown: str

    def to_json(self) -> dict[str, Any]:
        """All but the Markdown as a JSON object."""
        kept = {k: getattr(self, k) for k in self.__dataclass_fields__ if k != "markdown"}
        lists = {k: [dict(x) for x in kept[k]] for k in ("questions", "card", "claims")}
        return kept | lists | {"counts": dict(self.counts)}

    def to_pandas(self) -> pandas.DataFrame:
        """One line a question."""
        from tilth.frames import frame

        return frame([dict(q) for q in self.questions])

    def _repr_html_(self) -> str:
        from tilth.frames import html_table

        title = (
            f"datasheet of {self.version}: {self.in_full:.0%} from the records in full, "
            f"{self.from_records:.0%} with those in part"
        )
        return html_table(title, [dict(q) for q in self.questions])


def _facts(ws: Workspace) -> Facts:
    """What a release of the present heads would know before anything is fitted."""
    version = ws.head(TRAIN)
    outside = ws.config.release.outside
    counted = ws.store.counts_by_label(version)
    labelled = {x: n for x, n in counted.items() if x is not None and x != outside}
    columns = ws.config.columns
    return Facts(
        name=ws.config.name, created=version.created, recipe=ws.recipe.name, metric=ws.config.goal.metric,
        text=columns.text, label=columns.label, classes=sorted(labelled), train=version.id,
        train_rows=version.rows,
        evaluation=ws.eval_id(), judged_on="", measured=None, scored=(), threshold=0.0, wanted=0.0,
        bound=None,
        megabytes=None, milliseconds=None, command="tilth datasheet", seed=0,
        carried=min(ws.config.release.evidence, sum(labelled.values())),
    )  # fmt: skip


def known(ws: Workspace) -> Known:
    """The datasheet of the head of train."""
    book = Book(ws, _facts(ws))
    sheet = datasheet(book)
    page, counted = sheet.page(book), sheet.to_json()
    return Known(
        version=book.facts.train,
        counts=counted["counts"],
        from_records=counted["from_records"],
        in_full=counted["in_full"],
        complete=counted["complete"],
        questions=_questions(sheet),
        card=[_card_question(q, book) for q in CARD],
        claims=[c.to_json() for c in page.claims()],
        markdown=markdown(page),
    )


def _questions(sheet: Datasheet) -> list[dict[str, Any]]:
    return [
        {
            "key": a.question.key,
            "section": a.question.section,
            "question": a.question.text,
            "by": a.origin,
            "answer": " ".join(words for block in a.blocks for words in _plain(block)),
        }
        for a in sheet.answers
    ]


def _card_question(question: Question, book: Book) -> dict[str, Any]:
    said = book.said.get(question.key)
    return {
        "key": question.key,
        "question": question.text,
        "answer": said.text if said else "",
        "author": said.author if said else "",
        "asked": question.key in ASKED,
    }


def _plain(block: Block) -> list[str]:
    """A block in plain words; a table is left to the page."""
    if isinstance(block, Paragraph):
        return [line(block.words)]
    if isinstance(block, List):
        return [f"{line(point)};" for point in block.points]
    assert isinstance(block, Table)
    return []


def write_form(ws: Workspace, path: Path) -> Path:
    """Write what only a person can say, as a file to fill in: what a release asks for first."""
    sheet = datasheet(Book(ws, _facts(ws)))
    waiting = [
        a.question for a in sheet.answers if a.origin in ("partly", "open", "person", "not applicable")
    ]
    said = answers.known(ws)
    asked = [*CARD, *waiting, *COMMENTS]
    lines = [(q.key, f"{q.section}: {q.text}", q.hint) for q in asked]
    return write_text(path, answers.form(lines, {key: s.text for key, s in said.items()}))
