"""Model card: one screen that says what the model is, then the evidence behind each line.

References
----------
Mitchell et al., "Model cards for model reporting", FAT* 2019.
"""

from __future__ import annotations

from collections.abc import Sequence

from tilth.release.book import WORDS, Book
from tilth.release.claims import Claim, interval_claim
from tilth.release.gates import Gate, Gates, State
from tilth.release.measured import Part
from tilth.release.prose import Block, Code, Inline, List, Page, Paragraph, Prose, Quote, Section, Table, said
from tilth.release.replies import annotators, joined, listed
from tilth.stats import Interval

__all__ = ["card"]

NOT_STATED = "not stated"
SCORES = (
    "accuracy", "balanced accuracy", "log loss", "calibration error", "share answered",
    "precision of answers",
    "rows unlike what was learned", "rows outside the known classes", "share of those not answered",
)  # fmt: skip
WEAK = 5
"""Classes that the limits name, the weakest first."""


def card(book: Book, gates: Gates) -> Page:
    """The card of a release."""
    sections = [
        Section("In short", [Table(["", ""], _summary(book, gates))]),
        Section("Gates", _gates(gates)),
        Section("Use", _use(book)),
        Section("Scores", _scores(book)),
        Section("Classes", _parts(book, "class")),
        Section("Slices", _parts(book, "slice")),
        Section("Limits", _limits(book)),
        Section("Data", _data(book)),
        Section("Accepted patches", _patches(book)),
        Section("People", _people(book)),
        Section("Labels believed wrong", _errors(book)),
        Section("How to check this card", _check(book)),
    ]
    return Page(["Model card: ", Code(book.facts.name)], sections)


def _summary(book: Book, gates: Gates) -> list[tuple[Prose, Prose]]:
    facts, claims = book.facts, book.scores
    rows: list[tuple[Prose, Prose]] = [
        (
            ["what it does"],
            ["reads ", Code(facts.text), " and names ", Code(facts.label), ", one of ",
             book.rows("classes", len(facts.classes)), " classes, or abstains and says why"],
        ),
        (["intended use"], said(book.text("intended_use"), NOT_STATED)),
        (["not for"], said(book.text("out_of_scope"), NOT_STATED)),
    ]  # fmt: skip
    if facts.measured is None:
        rows.append((["score"], ["not measured: there are no evaluation rows that report"]))
    else:
        name = facts.metric.replace("_", " ")
        rows += [
            ([name], [claims[name], " on ", claims["rows scored"], " evaluation rows"]),
            (["answers"], _answers(book)),
            (["calibration error"], [claims["calibration error"]]),
        ]
        if strange := claims.get("share of those not answered"):
            what: Prose = [
                strange,
                " of ",
                claims["rows outside the known classes"],
                " rows are not answered",
            ]
            rows.append((["rows outside the known classes"], what))
    rows += [
        (
            ["trained on"],
            [book.rows("rows of train", facts.train_rows), " rows, version ", Code(facts.train)],
        ),
        (["labels believed wrong"], [book.errors]),
    ]
    for state, word in (("pass", "passed"), ("fail", "failed"), ("not checked", "not checked")):
        if found := [g.name for g in gates.gates if g.state == state]:
            rows.append(([f"gates {word}"], listed(found)))
    if facts.forced:
        rows.append((["released against failed gates"], [Quote(facts.forced)]))
    owner: Prose = [
        *said(book.text("owner"), NOT_STATED),
        ", ",
        *said(book.text("contact"), "no contact stated"),
    ]
    return [*rows, (["responsible"], owner)]


def _contact(book: Book) -> Prose:
    """An address, to be copied as it is."""
    return [Code(book.text("contact"))] if book.text("contact") else ["no contact stated"]


def _answers(book: Book) -> Prose:
    """How much is answered, and how right that is."""
    claims, facts = book.scores, book.facts
    words: list[Inline] = [claims["share answered"], " of the rows"]
    if right := claims.get("precision of answers"):
        words += [", of which ", right, " are right"]
    if facts.wanted:
        words += [" (wanted: ", _setting(book, "wanted precision", facts.wanted), ")"]
    if facts.bound is None:
        words += ["; no threshold could be proven to keep what is wanted"]
    return words


def _setting(book: Book, name: str, value: float, unit: str = "share") -> Claim:
    facts = book.facts
    return Claim(name, value, None, None, facts.command, facts.evaluation or facts.train, facts.seed, unit)


def _gates(gates: Gates) -> list[Block]:
    marks: dict[State, str] = {"pass": "passed", "fail": "FAILED", "not checked": "not checked"}
    rows: list[Sequence[Prose]] = [[[Code(g.name)], [marks[g.state]], g.why, _todo(g)] for g in gates.gates]
    return [
        Paragraph(["What was not checked is not passed."]),
        Table(["gate", "result", "reason", "what to do"], rows),
    ]


def _todo(gate: Gate) -> Prose:
    return gate.todo if gate.state != "pass" else []


def _use(book: Book) -> list[Block]:
    people = said(book.text("people"), NOT_STATED)
    return [
        List(
            [
                ["intended use: ", *said(book.text("intended_use"), NOT_STATED)],
                ["not for: ", *said(book.text("out_of_scope"), NOT_STATED)],
                ["do the rows relate to people: ", *people],
                ["answers for it: ", *said(book.text("owner"), NOT_STATED)],
                ["contact: ", *_contact(book)],
            ]
        )
    ]


def _scores(book: Book) -> list[Block]:
    """Scores on the rows that report, then what was chosen before on others."""
    facts, measured = book.facts, book.facts.measured
    rows: list[Sequence[Prose]] = [[[name], [book.scores[name]]] for name in SCORES if name in book.scores]
    rows += [[[words], [claim]] for words, claim in _settings(book)]
    if facts.threshold > 1:
        rows.append([["threshold"], ["none could be proven to keep what is wanted: it answers nothing"]])
    table = Table(["", "value"], rows)
    if measured is None:
        return [Paragraph(["No score was measured: there are no evaluation rows that report."]), table]
    level = _setting(book, "level of the intervals", measured.level)
    return [
        Paragraph([
            "On ", book.scores["rows scored"], " rows of evaluation version ", Code(facts.evaluation),
            ", none of which decided anything. Intervals (level ", level, ") are from the choice of these "
            "rows: they say how far this very model may be from its score on more rows like them. With few "
            "rows a calibration error is too large on average.",
        ]),
        table,
    ]  # fmt: skip


def _settings(book: Book) -> list[tuple[str, Claim]]:
    """What was chosen before anything was reported."""
    facts, out = book.facts, []
    if facts.threshold <= 1:
        threshold = _setting(book, "threshold", facts.threshold, "number")
        out.append(("threshold: least probability of an answer", threshold))
    if facts.wanted:
        out.append(("precision that was asked for", _setting(book, "wanted precision", facts.wanted)))
    if facts.bound is not None and facts.risk is not None:
        bound, risk = (_setting(book, n, x) for n, x in (("bound", facts.bound), ("risk", facts.risk)))
        out.append(("precision that the rows which chose the threshold prove", bound))
        out.append(("chance that this proof does not hold", risk))
    if facts.megabytes is not None:
        at = (facts.command, facts.train, facts.seed, "megabytes")
        out.append(("size of the model", Claim("size of the model", facts.megabytes, None, None, *at)))
    return out


def _parts(book: Book, kind: str) -> list[Block]:
    """Classes or slices, each number a claim."""
    measured = book.facts.measured
    parts = [p for p in measured.parts if p.kind == kind] if measured else []
    if not parts:
        return [
            Paragraph(["None was measured." if kind == "class" else "No slice is named in ", *_file(kind)])
        ]
    rows = []
    for part in parts:
        where = f"{kind} {part.name}"
        cells: list[Prose] = [[Code(part.name)]]
        if kind == "class":
            cells.append([book.rows(f"rows of train: {part.name}", part.trained or 0)])
        cells.append([book.scores[f"{where}: rows scored"]])
        for words in ("score", "share answered", "precision of answers"):
            claim = book.scores.get(f"{where}: {words}")
            cells.append([claim] if claim is not None else ["too few rows"])
        rows.append(cells)
    head = [
        kind,
        *(["rows of train"] if kind == "class" else []),
        "rows scored",
        "score",
        "answered",
        "answers right",
    ]
    note = (
        "Score: of the rows of the class. Answers right: of the answers that say it."
        if kind == "class"
        else "Score and answers are of the rows of the slice."
    )
    return [Paragraph([note]), Table(head, rows)]


def _file(kind: str) -> Prose:
    return [] if kind == "class" else [Code("tilth.toml"), "."]


def _limits(book: Book) -> list[Block]:
    """What is known to be weak, from the measurements, and what a person adds."""
    facts = book.facts
    points: list[Prose] = []
    if text := book.text("limits"):
        points.append([Quote(text)])
    points.append([
        "it knows ", book.rows("classes", len(facts.classes)), " classes; a row outside them has no right "
        "answer, and "
        "abstention does not catch all of them",
    ])  # fmt: skip
    measured = facts.measured
    if measured is not None:
        few = [p.name for p in measured.parts if p.score is None]
        if few:
            points.append(["too few evaluation rows to score: ", *listed(few)])
        points += _weakest(book, [p for p in measured.parts if p.kind == "class"])
        if facts.missed:
            points.append(["classes whose answers are less often right than wanted, by more than chance: ",
                           *listed(facts.missed)])  # fmt: skip
    points += _promise(book)
    starved = book.found("TIL401")
    if starved is not None and starved.value:
        points.append(["classes with too few rows to be learned well: ", starved])
    if failed := sorted(book.audit.failed):
        points.append(["checks of the data that could not be carried out: ", *listed(failed)])
    if silent := sorted(book.audit.not_applicable):
        points.append(["checks that say nothing about such data: ", *listed(silent)])
    return [List(points)]


def _promise(book: Book) -> list[Prose]:
    """What the proof of the precision does not cover."""
    if book.facts.bound is None:
        return []
    points: list[Prose] = [["the precision is proven for rows like those that chose the threshold, for all "
                            "answers together and not for each class"]]  # fmt: skip
    if book.facts.held_out:
        points.append([
            "there were too few evaluation rows, so held-out rows of train chose the threshold: models that "
            "were fitted without them answered, and labels that were changed on a model's advice agree with "
            "models more than those of new rows"
        ])  # fmt: skip
    elif book.accepted:
        points.append([
            "the rows that chose the threshold had also judged the accepted patches, which flatters the "
            "proof a little; the scores above are of other rows"
        ])  # fmt: skip
    return points


def _weakest(book: Book, parts: Sequence[Part]) -> list[Prose]:
    """The classes with the lowest scores."""
    loss = book.facts.metric == "log_loss"
    scored = [(p.score.value, p) for p in parts if p.score is not None]
    scored.sort(key=lambda x: (-x[0] if loss else x[0], x[1].name))
    if not scored:
        return []
    worst: list[Prose] = [
        [Code(p.name), " ", book.scores[f"class {p.name}: score"]] for _, p in scored[:WEAK]
    ]
    return [["weakest classes: ", *joined(worst), " (the lowest of several are lower by chance, too)"]]


def _data(book: Book) -> list[Block]:
    facts = book.facts
    rows: list[Sequence[Prose]] = []
    for s in book.sources:
        terms = s.terms
        rows.append([
            [Code(s.shown)],
            [book.rows(f"rows of train from {s.shown}", s.train)],
            [book.rows(f"rows of evaluation from {s.shown}", s.evaluation, version=facts.evaluation)],
            [Code(terms.licence)] if terms and terms.licence else [NOT_STATED],
            [Code(terms.consent)] if terms and terms.consent else [NOT_STATED],
        ])  # fmt: skip
    words: Prose = [
        "Fitted by the recipe ", Code(facts.recipe), " on version ", Code(facts.train), ". All of it is in ",
        Code("datasheet.md"), ".",
    ]  # fmt: skip
    return [
        Paragraph(words),
        Table(["source", "rows of train", "rows of evaluation", "licence", "consent"], rows),
    ]


def _patches(book: Book) -> list[Block]:
    if not book.accepted:
        return [Paragraph(["No patch was accepted after the files were taken in."])]
    unit = "number" if book.facts.metric == "log_loss" else "points"
    rows: list[Sequence[Prose]] = []
    for a in book.accepted:
        line, id = a.line, a.info.id
        predicted: Prose = ["none"]
        gain: Prose = ["not measured"]
        if line is not None:
            command, version = f"tilth trial {id}", line.judge.split(":")[-1] or a.info.base
            gain = [
                interval_claim(
                    f"patch {id}: measured gain",
                    Interval(line.realised, line.low, line.high),
                    command,
                    version,
                    0,
                    unit,
                )
            ]
            if line.predicted is not None:
                predicted = [
                    Claim(
                        f"patch {id}: predicted gain",
                        line.predicted,
                        None,
                        None,
                        "tilth ledger",
                        a.info.base,
                        0,
                        unit,
                    )
                ]
        forced = str(a.info.meta.get("forced") or "")
        note: Prose = (
            [a.info.state] if not forced else [f"{a.info.state}, against the evidence: ", Quote(forced)]
        )
        rows.append([[Code(id)], [Quote(a.info.title)], predicted, gain, note])
    return [
        Paragraph([
            "Each gain was measured on rows that decide, by training with and without the patch. Gains of "
            "single "
            "patches do not add up exactly. All of it is in ", Code("patches.jsonl"), ".",
        ]),
        Table(["patch", "what it does", "predicted", "measured gain", "state"], rows),
    ]  # fmt: skip


def _people(book: Book) -> list[Block]:
    points = annotators(book) or [["annotators: no judgements are on record"]]
    counts = book.verdict_counts()
    if not counts:
        return [List([*points, ["reviewers: no verdict is on record"]])]
    rows: list[Sequence[Prose]] = [
        [
            [Code(name)],
            *([book.rows(f"verdicts of {name}: {kind}", found[kind], version=book.heard)] for kind in WORDS),
        ]
        for name, found in counts.items()
    ]
    return [List(points), Table(["reviewer", *WORDS.values()], rows)]


def _errors(book: Book) -> list[Block]:
    basis = (
        "It rests on verdicts of people."
        if book.calibrated
        else "No verdict was given yet: it rests on what was seen on other data sets alone."
    )
    return [Paragraph([book.errors, f" of the labels of train. {basis}"])]


def _check(book: Book) -> list[Block]:
    facts = book.facts
    return [
        Paragraph([
            "Every number here is a claim of ", Code("card.json"), ", with the command, data version and "
            "seed that give it "
            "again.",
        ]),
        List([
            ["the bundle is whole and agrees with itself: ", Code("tilth verify BUNDLE")],
            ["its scores, from its model and the rows: ", Code("tilth verify BUNDLE --project DIR"), " or ",
             Code("--eval FILE")],
            ["to make it again: ", Code(facts.command)],
        ]),
    ]  # fmt: skip
