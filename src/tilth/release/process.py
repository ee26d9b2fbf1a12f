"""What the ledger replies about collection, preparation, uses, distribution and maintenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tilth import __version__
from tilth.release.book import WORDS, Book
from tilth.release.prose import Code, Inline, List, Prose
from tilth.release.replies import Builder, Reply, annotators, joined, say

__all__ = ["REPLIES"]

KINDS = {"add": "added", "drop": "dropped", "relabel": "relabelled", "edit": "edited"}


def _stated(book: Book, key: str) -> list[Prose] | None:
    """What is stated of every source under a key of tilth.toml; None where one is missing."""
    found = [
        (s, getattr(s.terms, key)) for s in book.sources if s.terms is not None and getattr(s.terms, key)
    ]
    if not found or len(found) < len(book.sources):
        return None
    return [[Code(s.shown), ": ", Code(value)] for s, value in found]


def _files(book: Book) -> list[Inline]:
    """The files that were taken in, with their day."""
    return joined(
        [[Code(i.origin.removeprefix("ingest:")), " on ", Code(i.created[:10])] for i in book.imports]
    )


def _acquired(book: Book) -> Reply:
    words: list[Inline] = ["Rows were taken in from files: ", *_files(book), ". "]
    words += [
        book.rows("rows with a verdict", len(book.verdicts), "tilth verdict", book.heard),
        " labels were checked by a reviewer since.",
    ]
    if points := _stated(book, "collected"):
        return say(*words, " Stated of how they came to be:", origin="stated", more=[List(points)])
    return say(*words, " How the files came to be is not on record.", origin="partly")


def _mechanisms(book: Book) -> Reply:
    words: list[Inline] = [
        "Files were read by ", Code(f"tilth ingest {__version__}"), ", which refuses or sets aside rows that "
        "cannot be read, "
        "gives each row an id that stays, and takes a file in again by what changed in it.",
    ]  # fmt: skip
    if points := _stated(book, "collected"):
        return say(*words, " Stated of how the files were made:", origin="stated", more=[List(points)])
    return say(*words, " How the files were made is not on record.", origin="partly")


def _sampling(book: Book) -> Reply:
    words: list[Inline] = [
        "Within the project nothing was sampled but the evaluation set and rows for review. "
    ]
    if book.ws.config.evaluation.origin == "split" and book.evaluation is not None:
        words.append("The evaluation set was drawn by a digest of each text, copies together. ")
    words.append(
        "Rows for review are drawn with known probabilities, which every estimate takes into account."
    )
    if points := _stated(book, "sample"):
        return say(*words, " Stated of the sources:", origin="stated", more=[List(points)])
    return say(*words, " How the sources were sampled is not on record.", origin="partly")


def _collectors(book: Book) -> Reply:
    points = annotators(book)
    if counts := book.verdict_counts():
        for name, found in counts.items():
            each: list[Prose] = [
                [f"{words}: ", book.rows(f"verdicts of {name}: {kind}", found[kind], version=book.heard)]
                for kind, words in WORDS.items()
            ]
            points.append(["reviewer ", Code(name), ", rows: ", *joined(each)])
    price = book.ws.config.money.minute
    if price:
        points.append(["a minute of work costs ", book.count("price of a minute", price, unit="money")])
    if not points:
        return say("No annotator or reviewer is on record.", origin="partly")
    return say("On record:", origin="partly", more=[List(points)])


def _timeframe(book: Book) -> Reply:
    words: list[Inline] = ["Files were taken in: ", *_files(book), "."]
    dated = [c for c in book.train.columns if c.first]
    for c in dated:
        words += [" Dates in ", Code(c.name), " run from ", Code(c.first), " to ", Code(c.last), "."]
    if not dated:
        return say(*words, " No column holds a date.", origin="partly")
    return say(*words)


def _consented(book: Book) -> Reply | None:
    points = _stated(book, "consent")
    if points is None:
        return None
    return say("Stated of each source:", origin="stated", more=[List(points)])


def _revoke(book: Book) -> Reply:
    return say(
        "A row is withdrawn by a patch that drops it (", Code("tilth accept"), "); no later version or "
        "release holds it "
        "then. Whether the people were told how to ask for it is not on record.",
        origin="partly",
    )  # fmt: skip


def _preprocessing(book: Book) -> Reply:
    ops = book.ops
    words: list[Inline] = [
        "Yes: ", book.rows("accepted patches", len(book.accepted)),
        " patches were accepted after the files were taken in, each on record with its reason and, where it "
        "was "
        "measured, its gain.",
    ]  # fmt: skip
    points: list[Prose] = [
        [f"rows {done}: ", book.rows(f"rows {done}", ops[kind])] for kind, done in KINDS.items() if ops[kind]
    ]
    recipe: Prose = [
        "The model is fitted by the recipe ",
        Code(book.facts.recipe),
        ", which reads the text as it is.",
    ]
    return say(*words, more=[List([*points, recipe])])


def _raw(book: Book) -> Reply:
    first = book.versions[0]
    return say(
        "Yes: the rows as they were first taken in are version ", Code(first.id), " (",
        book.rows("rows of the first version", first.rows, "tilth log", first.id), " rows): ",
        Code("tilth checkout train@1 --out FILE"), ".",
    )  # fmt: skip


def _software(book: Book) -> Reply:
    return say(
        "Yes: ", Code(f"tilth {__version__}"), ", free software under ", Code("Apache-2.0"),
        ", with the recipe ",
        Code(book.facts.recipe), ".",
    )  # fmt: skip


def _used(book: Book) -> Reply:
    return say(
        "Yes: this release (", Code(book.facts.name), ") was trained on it, and ",
        book.rows("trials", book.trials), " changes of the data were measured by training.",
    )  # fmt: skip


def _repository(book: Book) -> Reply:
    return say(
        "No list of papers or systems that use the data is kept. The project ", Code(book.ws.config.name),
        " keeps every version, patch and trial of the data.",
    )  # fmt: skip


def _future(book: Book) -> Reply:
    points: list[Prose] = [["labels believed wrong: ", book.errors]]
    for code, what in (
        ("TIL401", "classes with too few rows to be learned well"),
        ("TIL601", "slices in which a model is weaker"),
        ("TIL602", "pairs of classes that are taken for each other"),
        ("TIL603", "signs of a shortcut: something beside the meaning gives the label away"),
    ):
        claim = book.found(code)
        points.append([f"{what}: ", claim] if claim is not None else [f"{what}: not checked"])
    sizes = list(book.train.classes.values())
    if sizes:
        points.append([
            "rows of the largest class: ", book.rows("rows of the largest class", sizes[0]),
            "; of the smallest: ",
            book.rows("rows of the smallest class", sizes[-1]),
        ])  # fmt: skip
    return say("What the audit measured that a user should know:", more=[List(points)])


def _not_for(book: Book) -> Reply:
    classes = book.rows("classes", len(book.facts.classes))
    return say(
        "A model of these rows knows ",
        classes,
        " classes and nothing else; rows outside them have no right answer.",
        origin="partly",
    )


def _third_parties(book: Book) -> Reply:
    carried = book.facts.carried
    if not carried:
        return say(
            "A release carries none of these rows: whoever gets it gets none of them.", origin="partly"
        )
    count = book.rows("rows carried as evidence", carried, book.facts.command)
    return say(
        "Whoever gets a release of this version gets ",
        count,
        " rows of train with it, as evidence beside "
        "answers that are not given. Whether all rows are given away is not on record.",
        origin="partly",
    )


def _how(book: Book) -> Reply:
    return say(
        "This release describes the rows and, but for those that it carries as evidence, holds none of them. "
        "They are written out by ", Code("tilth checkout"), "; ", Code("croissant.json"),
        " describes that file and names its digest. The data set is identified by its version, ",
        Code(book.facts.train), ", a digest of its rows; no DOI is on record.",
    )  # fmt: skip


def _when(book: Book) -> Reply:
    return say(
        "This release was made of the version of ", Code(book.facts.created[:10]),
        ". When the rows are given away, if ever, "
        "is not on record.",
        origin="partly",
    )  # fmt: skip


def _licence(book: Book) -> Reply | None:
    points = _stated(book, "licence")
    if points is None:
        return None
    return say("The licences of the sources, as stated:", origin="stated", more=[List(points)])


def _restrictions(book: Book) -> Reply | None:
    points = _stated(book, "licence")
    if points is None:
        return None
    until: Sequence[Prose] = [
        [Code(s.shown), " may be used until ", Code(s.terms.expires)]
        for s in book.sources
        if s.terms is not None and s.terms.expires
    ]
    return say("The terms of the sources, as stated:", origin="stated", more=[List([*points, *until])])


def _erratum(book: Book) -> Reply:
    ops = book.ops
    return say(
        "Every correction is an accepted patch: ", book.rows("labels changed by patches", ops["relabel"]),
        " labels changed and ", book.rows("rows dropped by patches", ops["drop"]), " rows dropped so far (",
        Code("tilth patches --state accepted"), "; here: ", Code("patches.jsonl"), ").",
    )  # fmt: skip


def _updates(book: Book) -> Reply:
    return say(
        "It changes by accepted patches, each of which makes a version (",
        book.rows("versions of train", len(book.versions), "tilth log"), " so far), the newest on ",
        Code(book.version.created[:10]),
        ". ", Code("tilth diff"), " shows what differs between two.",
    )  # fmt: skip


def _older(book: Book) -> Reply:
    return say(
        "Yes: every version (", book.rows("versions of train", len(book.versions), "tilth log"),
        " so far) is kept in the project and can be written out with ", Code("tilth checkout"), ".",
    )  # fmt: skip


def _contribute(book: Book) -> Reply:
    return say(
        "Yes: a patch file names the rows and what becomes of them. It is measured with ",
        Code("tilth trial --patch FILE"),
        " and becomes part of the data by ", Code("tilth accept"), ", or not, with a reason on record.",
    )  # fmt: skip


REPLIES: Mapping[str, Builder] = {
    "acquired": _acquired,
    "mechanisms": _mechanisms,
    "sampling": _sampling,
    "collectors": _collectors,
    "timeframe": _timeframe,
    "consented": _consented,
    "revoke": _revoke,
    "preprocessing": _preprocessing,
    "raw": _raw,
    "software": _software,
    "used": _used,
    "repository": _repository,
    "future": _future,
    "not_for": _not_for,
    "third_parties": _third_parties,
    "how": _how,
    "when": _when,
    "licence": _licence,
    "restrictions": _restrictions,
    "erratum": _erratum,
    "updates": _updates,
    "older": _older,
    "contribute": _contribute,
}
