"""What the ledger replies about motivation and composition."""

from __future__ import annotations

from collections.abc import Mapping

from tilth.release.book import Book
from tilth.release.profile import Profile
from tilth.release.prose import Code, Inline, List, Prose, Table
from tilth.release.replies import Builder, Reply, listed, say

__all__ = ["REPLIES"]

MOST = 40
"""Classes that a table lists."""


def _of(profile: Profile, book: Book) -> str:
    """How claims call a data set."""
    return "train" if profile.version == book.facts.train else "evaluation"


def _purpose(book: Book) -> Reply:
    goal, facts = book.ws.config.goal, book.facts
    words: list[Inline] = [
        "To train a model that reads ", Code(facts.text), " and names ", Code(facts.label), ": one of ",
        book.rows("classes", len(facts.classes)), " classes. Its quality is judged by ",
        facts.metric.replace("_", " "),
    ]  # fmt: skip
    if goal.target:
        unit = "number" if facts.metric == "log_loss" else "share"
        words += [", with the target ", book.count("target", goal.target, "tilth status", unit=unit)]
    return say(*words, ". The project is ", Code(book.ws.config.name), ".")


def _creators(book: Book) -> Reply:
    people = book.decided_by()
    words: Prose = ["On record as having labelled, reviewed or decided: ", *listed(people), "."]
    if not people:
        words = ["Nobody is on record beside whoever made the files that were taken in."]
    return say(*words, origin="partly")


def _instances(book: Book) -> Reply:
    low, middle, high = book.train.lengths
    return say(
        "Each instance is one text (column ", Code(book.facts.text), ") with one label (",
        Code(book.facts.label), "); there is one type of instance. A text has between ",
        book.rows("shortest text, characters", low), " and ", book.rows("longest text, characters", high),
        " characters, half of the texts up to ", book.rows("middle text, characters", middle), ".",
    )  # fmt: skip


def _counts(book: Book) -> Reply:
    train, other = book.train, book.evaluation
    words: list[Inline] = [book.rows("rows of train", train.rows), " rows in the data set that was fitted"]
    if other is not None:
        words += [
            " and ",
            book.rows("rows of evaluation", other.rows, version=other.version),
            " in the evaluation set",
        ]
    rows = []
    for name, count in sorted(list(train.classes.items())[:MOST]):
        cells: list[Prose] = [[Code(name)], [book.rows(f"rows of train: {name}", count)]]
        if other is not None:
            there = other.classes.get(name, 0)
            cells.append([book.rows(f"rows of evaluation: {name}", there, version=other.version)])
        rows.append(cells)
    head = ["class", "rows of train", *(["rows of evaluation"] if other is not None else [])]
    more = (
        []
        if len(train.classes) <= MOST
        else [List([["the other classes have fewer rows: ", Code("tilth status")]])]
    )
    return say(*words, ".", more=[Table(head, rows), *more])


def _sample(book: Book) -> Reply:
    words: list[Inline] = ["All rows of these sources were taken in; nothing was sampled here: "]
    for source in book.sources:
        other = book.rows(
            f"rows of evaluation from {source.shown}", source.evaluation, version=book.facts.evaluation
        )
        words += [", "] if source is not book.sources[0] else []
        words += [Code(source.shown), " (", book.rows(f"rows of train from {source.shown}", source.train)]
        words += [" rows of train, ", other, " of evaluation)"]
    said = [(s, s.terms.sample) for s in book.sources if s.terms is not None and s.terms.sample]
    if book.sources and len(said) == len(book.sources):
        points: list[Prose] = [[Code(s.shown), ": ", Code(sample)] for s, sample in said]
        return say(*words, ". Stated of the sources:", origin="stated", more=[List(points)])
    return say(*words, ". Whether these are a sample of something larger is not on record.", origin="partly")


def _fields(book: Book) -> Reply:
    rows: list[list[Prose]] = []
    roles = {book.facts.text: "the text", book.ws.config.columns.id: "id"}
    for c in book.train.columns:
        filled = book.rows(f"rows with {c.name}", c.filled)
        rows.append([[Code(c.name)], [c.kind], [filled], [roles.get(c.name, "")]])
    rows.append([
        [Code(book.facts.label)], ["text"],
        [book.rows("rows with a label", book.train.rows - book.train.unlabelled)],
        ["the label"],
    ])  # fmt: skip
    table = Table(["column", "kind", "rows with a value", "role"], rows)
    return say("Raw text and these columns; the model sees the text alone.", more=[table])


def _labels(book: Book) -> Reply:
    ops = book.ops
    words: list[Inline] = [
        "Yes: ", Code(book.facts.label), ". ", book.rows("rows without a label", book.train.unlabelled),
        " rows have none. Labels came with the files; ",
        book.rows("labels changed by patches", ops["relabel"]),
        " were changed since by accepted patches",
    ]  # fmt: skip
    if book.guides:
        words += [
            ". What each class means is written in the label guide (version ",
            Code(str(book.guides)),
            ")",
        ]
    return say(*words, ".")


def _missing(book: Book) -> Reply:
    train = book.train
    gaps: list[Prose] = [
        [
            Code(c.name),
            ": ",
            book.rows(f"rows without {c.name}", train.rows - c.filled),
            " rows without a value",
        ]
        for c in train.columns
        if c.filled < train.rows
    ]
    points: list[Prose] = [
        *gaps,
        ["empty texts: ", book.rows("empty texts", train.empty)],
        ["rows without a label: ", book.rows("rows without a label", train.unlabelled)],
    ]
    none = "No column has gaps." if not gaps else "These columns have gaps; why is not on record."
    return say(none, more=[List(points)], origin="partly" if gaps else "ledger")


def _relationships(book: Book) -> Reply:
    points: list[Prose] = []
    for code, what in (
        ("TIL201", "groups of exact copies"),
        ("TIL202", "groups of near copies"),
        ("TIL203", "rows of train with a copy in the evaluation set"),
        ("TIL204", "groups of rows that say the same in other words"),
    ):
        claim = book.found(code)
        points.append([f"{what}: ", claim] if claim is not None else [f"{what}: not checked"])
    return say(
        "The rows name no relationships among each other. These were found (", Code("tilth duplicates"), "):",
        more=[List(points)],
    )  # fmt: skip


def _splits(book: Book) -> Reply:
    if book.evaluation is None:
        return say("No: there is no evaluation set.")
    origin = book.ws.config.evaluation
    how: list[Inline] = ["It came as a file of its own"]
    if origin.origin == "split":
        share = book.count("share set apart", origin.share, unit="share")
        how = ["It is ", share, " of the rows, set apart by a digest of each text, copies together"]
    return say(
        "Yes: train (version ", Code(book.facts.train), ") to fit, and an evaluation set (version ",
        Code(book.facts.evaluation), ") that is versioned apart, so that scores stay comparable. ", *how,
        ". One half of it decides about changes, and the other half reports, so that what decides does not "
        "flatter.",
    )  # fmt: skip


def _errors(book: Book) -> Reply:
    basis = (
        "by verdicts of people"
        if book.calibrated
        else "by what was seen on other data sets, before any verdict"
    )
    points: list[Prose] = [["labels believed wrong: ", book.errors, ", calibrated ", basis]]
    for code, what in (
        ("TIL101", "rows whose label is probably wrong"),
        ("TIL102", "groups of copies with conflicting labels"),
        ("TIL103", "rows to which two labels fit"),
        ("TIL105", "evaluation rows whose label is probably wrong"),
        ("TIL201", "groups of exact copies"),
        ("TIL202", "groups of near copies"),
        ("TIL301", "rows unlike all others"),
        ("TIL501", "broken rows"),
    ):
        claim = book.found(code)
        points.append([f"{what}: ", claim] if claim is not None else [f"{what}: not checked"])
    return say("Yes. The audit of this version found:", more=[List(points)])


def _self_contained(book: Book) -> Reply:
    linked = book.rows("rows with a web address", book.train.patterns["web address"])
    return say(
        "It is self-contained: every row is kept in the project, and nothing is fetched. ", linked,
        " rows mention a web address, which is text to the model; what lies there is not part of the data.",
    )  # fmt: skip


def _patterns(book: Book, *names: str) -> List:
    found: Mapping[str, int] = book.train.patterns
    points: list[Prose] = [[f"{name}: ", book.rows(f"rows with {name}", found[name])] for name in names]
    return List(points)


def _confidential(book: Book) -> Reply:
    return say(
        "Rows were searched for what is written like a secret or a contact. Found in so many rows:",
        origin="partly",
        more=[_patterns(book, "card number", "account number (IBAN)", "network address")],
    )


def _identifiable(book: Book) -> Reply:
    return say(
        "Rows were searched for what reaches a person; names are not searched for. Found in so many rows:",
        origin="partly",
        more=[_patterns(book, "e-mail address", "telephone number", "network address")],
    )


def _subpopulations(book: Book) -> Reply:
    groups = [c for c in book.train.columns if len(c.values) >= 2 and c.name != book.facts.text]
    if not groups and not book.ws.config.slices:
        return say("No column splits the rows into a few groups, and no slice is named.")
    rows: list[list[Prose]] = []
    for c in groups:
        for value, count in c.values.items():
            rows.append([[Code(c.name)], [Code(value)], [book.rows(f"rows with {c.name} = {value}", count)]])
    masks = book.ws.named_slices(book.ws.snapshot(book.version))
    for name, mask in masks.items():
        rows.append([["slice"], [Code(name)], [book.rows(f"rows in slice {name}", int(mask.sum()))]])
    return say(
        "These columns and slices split the rows into groups. Whether a group stands for people of one kind "
        "is for "
        "the reader to know.",
        more=[Table(["column", "value", "rows of train"], rows)],
    )


def _sensitive(book: Book) -> Reply:
    return say(
        "Nothing is known of what the rows mean to a person. Written like an account or card number are so "
        "many:",
        origin="partly",
        more=[_patterns(book, "card number", "account number (IBAN)")],
    )


REPLIES: Mapping[str, Builder] = {
    "purpose": _purpose,
    "creators": _creators,
    "instances": _instances,
    "counts": _counts,
    "sample": _sample,
    "fields": _fields,
    "labels": _labels,
    "missing": _missing,
    "relationships": _relationships,
    "splits": _splits,
    "errors": _errors,
    "self_contained": _self_contained,
    "confidential": _confidential,
    "subpopulations": _subpopulations,
    "identifiable": _identifiable,
    "sensitive": _sensitive,
}
