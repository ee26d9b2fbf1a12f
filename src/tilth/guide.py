"""The label guide: what each class means, and what to do between two of them. Pure; the file is Markdown.

    # Label guide

    ## refund

    The customer wants money back.

    ### Examples

    - I want my money back [t0112]

    ### Counter-examples

    - Where is my refund? → order_status

    ## order_status / refund (draft)

    A question about a refund that was promised is order_status.

    ### Contested

    - Still no refund, what is going on? [t0040]

A heading with two classes is a clause for this pair. A clause marked (draft) is a proposal: nothing cites
it until a person takes the mark away. `parse` and `render` are inverse to each other.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tilth.errors import InputError

__all__ = ["Clause", "Entry", "Example", "Guide", "difference", "parse", "render"]

TITLE = "# Label guide"
DRAFT = " (draft)"
BETWEEN, LEADS = " / ", " → "
ROW = r"\s\[[^\[\]]*\]$|\s\[\""
PARTS = {"### Examples": "examples", "### Counter-examples": "counters", "### Contested": "contested"}


@dataclass(frozen=True, slots=True)
class Example:
    """A text that shows what is meant.

    Attributes
    ----------
    text : as it stands in the row.
    row : id of the row; empty when it is made up.
    label : of a counter-example: the class that it belongs to; else empty.
    """

    text: str
    row: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One class: definition, examples and counter-examples."""

    name: str
    definition: str = ""
    examples: tuple[Example, ...] = ()
    counters: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Clause:
    """What to do between two classes.

    Attributes
    ----------
    a, b : the classes, a < b.
    rule : in words.
    contested : rows on which people, or a model and the labels, disagree.
    draft : a proposal that nobody has accepted.
    """

    a: str
    b: str
    rule: str = ""
    contested: tuple[Example, ...] = ()
    draft: bool = False

    @property
    def title(self) -> str:
        """The two classes as they stand in the heading."""
        return f"{_name(self.a)}{BETWEEN}{_name(self.b)}"


@dataclass(frozen=True)
class Guide:
    """Everything that people agreed on; classes and clauses in the order of the file."""

    preface: str = ""
    classes: tuple[Entry, ...] = ()
    clauses: tuple[Clause, ...] = ()

    def clause(self, a: str, b: str) -> Clause | None:
        """The accepted clause for a pair of classes, in whatever order; None where there is none."""
        pair = tuple(sorted((a, b)))
        return next((c for c in self.clauses if (c.a, c.b) == pair and not c.draft), None)

    def entry(self, name: str) -> Entry | None:
        """What is said about a class; None where nothing is."""
        return next((e for e in self.classes if e.name == name), None)

    def with_drafts(self, drafts: Sequence[Clause], names: Sequence[str]) -> Guide:
        """With these drafts where a pair has no clause yet, and an entry for each class."""
        known = {(c.a, c.b) for c in self.clauses}
        fresh = [c for c in drafts if (c.a, c.b) not in known]
        missing = [Entry(n) for n in names if self.entry(n) is None]
        return replace(self, classes=(*self.classes, *missing), clauses=(*self.clauses, *fresh))


def _bare(text: str, stops: str) -> bool:
    """Whether a text can stand as it is: no quotes, no signs that mean something, nothing invisible."""
    return (
        bool(text)
        and text == text.strip()
        and text.isprintable()
        and text[0] not in '"`'
        and not any(stop in text for stop in stops.split())
    )


def _name(name: str) -> str:
    """A class in a heading: quoted where it could be misread."""
    plain = _bare(name, "/ → [") and not name.endswith(DRAFT.strip())
    return name if plain else json.dumps(name)


def _line(example: Example) -> str:
    out = example.text if _bare(example.text, "→ [") else json.dumps(example.text)
    out += f"{LEADS}{_name(example.label)}" if example.label else ""
    # a class that ends in a bracket would swallow the row
    row = example.row if _bare(example.row, "[ ]") else json.dumps(example.row)
    return f"- {out}" + (f" [{row}]" if example.row else "")


def _words(text: str) -> list[str]:
    """Free text; a line that would be read as a heading is escaped."""
    return [re.sub(r"^(\\*)#", r"\1\\#", line) for line in text.split("\n")] if text else []


def render(guide: Guide) -> str:
    """The guide as a Markdown file."""
    lines = [TITLE, ""]
    if guide.preface:
        lines += [*_words(guide.preface), ""]
    for entry in guide.classes:
        lines += [f"## {_name(entry.name)}", ""]
        lines += [*_words(entry.definition), ""] if entry.definition else []
        lines += _list("### Examples", entry.examples) + _list("### Counter-examples", entry.counters)
    for clause in guide.clauses:
        lines += [f"## {clause.title}{DRAFT if clause.draft else ''}", ""]
        lines += [*_words(clause.rule), ""] if clause.rule else []
        lines += _list("### Contested", clause.contested)
    return "\n".join(lines)


def _list(heading: str, examples: Sequence[Example]) -> list[str]:
    return [heading, "", *map(_line, examples), ""] if examples else []


@dataclass
class _Section:
    """What stands under one heading of the second level."""

    line: int
    heading: str
    words: list[str]
    parts: dict[str, list[Example]]


def parse(text: str, *, name: str = "guide.md") -> Guide:
    """Read a guide, also one that a person edited.

    Raises
    ------
    InputError : with file name and line number.
    """
    preface, sections = _sections(text.replace("\r\n", "\n").removeprefix("\ufeff"), name)
    classes: dict[str, Entry] = {}
    clauses: dict[tuple[str, str], Clause] = {}
    first: dict[object, int] = {}
    for s in sections:
        where = f"{name}:{s.line}"
        names, draft = _heading(s.heading, where)
        key = tuple(sorted(names))
        if key in first:
            raise InputError(f"{where}: {s.heading!r} stands in line {first[key]} already; keep one of them")
        first[key] = s.line
        wrong = {"contested"} if len(names) == 1 else {"examples", "counters"}
        for part in wrong & s.parts.keys():
            heading = next(h for h, p in PARTS.items() if p == part)
            belongs = "a pair of classes" if part == "contested" else "one class"
            raise InputError(f"{where}: {heading!r} belongs under {belongs}, not under {s.heading!r}")
        words = "\n".join(s.words).strip("\n")
        lists = {part: tuple(found) for part, found in s.parts.items()}
        if len(names) == 1:
            if draft:
                raise InputError(f"{where}: only a clause for two classes can be a draft; remove '(draft)'")
            classes[names[0]] = Entry(names[0], words, lists.get("examples", ()), lists.get("counters", ()))
            continue
        if names[0] == names[1]:
            raise InputError(f"{where}: a clause needs two different classes, not {names[0]!r} twice")
        clauses[key[0], key[1]] = Clause(key[0], key[1], words, lists.get("contested", ()), draft)
    return Guide(preface, tuple(classes.values()), tuple(clauses.values()))


def _sections(text: str, name: str) -> tuple[str, list[_Section]]:
    """Text before the first class, and the sections."""
    preface: list[str] = []
    sections: list[_Section] = []
    titled, inside = False, ""
    for number, line in enumerate(text.split("\n"), start=1):
        where = f"{name}:{number}"
        if line.startswith("## "):
            sections.append(_Section(number, line[3:].strip(), [], {}))
            inside = ""
        elif line.startswith("### "):
            inside = PARTS.get(line.strip(), "")
            if not inside or not sections:
                raise InputError(f"{where}: {line.strip()!r} is no part of a class; {_parts(line.strip())}")
            if inside in sections[-1].parts:
                raise InputError(f"{where}: {line.strip()!r} stands twice under {sections[-1].heading!r}")
            sections[-1].parts[inside] = []
        elif line.startswith("#"):
            if titled or sections or line.strip() != TITLE:
                raise InputError(
                    f"{where}: a class begins with '## NAME', found {line[:60]!r}; write \\# where a line "
                    "of text begins with #"
                )
            titled = True
        elif inside and line.strip():
            sections[-1].parts[inside].append(_example(line, where))
        elif not inside:
            words = sections[-1].words if sections else preface
            words.append(re.sub(r"^(\\*)\\#", r"\1#", line))
    return "\n".join(preface).strip("\n"), sections


def _parts(found: str) -> str:
    near = difflib.get_close_matches(found, PARTS, 1)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(map(repr, PARTS))}"


def _quoted(text: str, where: str) -> tuple[str, str]:
    """A JSON text at the beginning, and what follows."""
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except ValueError as error:
        raise InputError(f"{where}: the quoted text is not closed or not JSON: {text[:60]!r}") from error
    return str(value), text[end:]


def _piece(text: str, end: str, where: str) -> tuple[str, str]:
    """A quoted text, or what stands before `end` (an expression) or the end of the line; what follows."""
    if text.startswith('"'):
        return _quoted(text, where)
    found = re.search(rf"{end}|$", text)
    at = found.start() if found else len(text)
    return text[:at], text[at:]


def _heading(heading: str, where: str) -> tuple[list[str], bool]:
    """The one or two classes of a heading, and whether it is a draft."""
    names: list[str] = []
    rest = heading
    draft = rest.endswith(DRAFT)
    rest = rest.removesuffix(DRAFT)
    while True:
        if rest.startswith('"'):
            name, rest = _quoted(rest, where)
        else:
            name, _, after = rest.partition(BETWEEN)
            rest = BETWEEN + after if _ else ""
        names.append(name)
        if not rest:
            break
        if not rest.startswith(BETWEEN):
            raise InputError(f"{where}: found {rest[:40]!r} behind the name of a class; write A{BETWEEN}B")
        rest = rest[len(BETWEEN) :]
    if not all(names) or len(names) > 2:
        raise InputError(
            f"{where}: {heading!r} names {len([n for n in names if n])} classes; a heading is one class, or "
            f'two with {BETWEEN.strip()!r} between them (a name that holds it stands in quotes: "a / b")'
        )
    return names, draft


def _example(line: str, where: str) -> Example:
    """One line of a list."""
    if not line.startswith(("- ", "* ")):
        raise InputError(f"{where}: an example is one line that begins with '- ', found {line[:60]!r}")
    rest, row, label = line[2:].strip(), "", ""
    text, rest = _piece(rest, rf"\s→\s|{ROW}", where)
    if rest.startswith(LEADS):
        label, rest = _piece(rest[len(LEADS) :], ROW, where)
    if rest.startswith(" ["):
        rest = rest[2:]
        if rest.startswith('"'):
            row, rest = _quoted(rest, where)
            rest = rest.removeprefix("]")
        else:
            row, _, rest = rest.partition("]")
    if rest.strip() or not text.strip():
        raise InputError(
            f"{where}: cannot read the example {line[:60]!r}; write: - TEXT{LEADS}CLASS [ROW], the last two "
            "as needed, and the text in quotes where it holds such signs"
        )
    return Example(text, row, label)


def difference(a: Guide, b: Guide) -> Iterator[tuple[str, str, str]]:
    """What changed from one guide to another: (added, removed or changed; what; a diff of the text)."""
    before, after = _named(a), _named(b)
    for title in [*before, *(t for t in after if t not in before)]:
        old, new = before.get(title), after.get(title)
        if old == new:
            continue
        how = "added" if old is None else "removed" if new is None else "changed"
        lines = difflib.unified_diff((old or "").split("\n"), (new or "").split("\n"), lineterm="", n=1)
        yield how, title, "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def _named(guide: Guide) -> dict[str, str]:
    """Title to text of each part."""
    out = {"preface": guide.preface} if guide.preface else {}
    for entry in guide.classes:
        out[_name(entry.name)] = _body(Guide("", (entry,)))
    for clause in guide.clauses:
        out[clause.title] = ("draft\n" if clause.draft else "") + _body(Guide("", (), (clause,)))
    return out


def _body(guide: Guide) -> str:
    """What stands under the only heading."""
    return render(guide).partition("\n## ")[2].partition("\n")[2].strip("\n")
