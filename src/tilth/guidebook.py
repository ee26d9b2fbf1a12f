"""The label guide of a project: guide.md, which people edit, and its versions in the store.

The file is what people write; a version is what they agreed on. Findings cite the newest version, never
an edit that nobody saved, and never a draft.
"""

from __future__ import annotations

import difflib
import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from tilth.agreement import disagreements
from tilth.audit.contested import consensus_of
from tilth.errors import HeadMoved, InputError, NotFound, Refused
from tilth.files import write_text
from tilth.guide import Clause, Entry, Example, Guide, difference, parse, render
from tilth.signals import Progress
from tilth.workspace import GUIDE, TRAIN, Workspace

__all__ = ["compare", "draft", "history", "save", "show", "try_text"]

FILE = "guide.md"
EXAMPLES, AMBIGUOUS, WORDS, LEAST = 5, 3, 6, 3
PREFACE = """What each class means. Edit this file, then keep it with: tilth guide --save

A heading with two classes is a clause for this pair; take "(draft)" away to accept it."""


def _versions(ws: Workspace) -> list[dict[str, Any]]:
    return ws.store.records(GUIDE)


def _file(ws: Workspace) -> str | None:
    """Text of guide.md; None where there is none."""
    path = ws.folder / FILE
    try:
        return path.read_text("utf-8-sig")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check its permissions") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def _present(ws: Workspace) -> tuple[Guide, str]:
    """The guide as it is in the file, and how it stands: "none", "saved", "changed" or "lost"."""
    text, known = _file(ws), _versions(ws)
    if text is None:
        return (parse(known[-1]["text"]), "lost") if known else (Guide(), "none")
    guide = parse(text, name=FILE)
    return guide, "saved" if known and parse(known[-1]["text"]) == guide else "changed"


def _classes(ws: Workspace) -> list[str]:
    """Classes of train, ascending."""
    version = ws.store.head(TRAIN)
    known = {} if version is None else ws.store.counts_by_label(version)
    return sorted(name for name in known if name is not None)


def show(ws: Workspace) -> dict[str, Any]:
    """The guide as it stands in the file, as a JSON object.

    Raises
    ------
    InputError : the file cannot be read, with its line.
    """
    guide, state = _present(ws)
    versions = _versions(ws)
    return {
        "file": str(ws.folder / FILE),
        "version": len(versions),
        "state": state,
        "base": _base(ws),
        **_contents(ws, guide),
        "text": _text(ws),
    }


def _contents(ws: Workspace, guide: Guide) -> dict[str, Any]:
    """What a guide says, and what it leaves out."""
    names = _classes(ws)
    written = [*(e.name for e in guide.classes), *(n for c in guide.clauses for n in (c.a, c.b))]
    odd = sorted(set(written) - set(names))
    return {
        "classes": [_entry_json(e) for e in guide.classes],
        "clauses": [_clause_json(c) for c in guide.clauses],
        "undefined": [n for n in names if not (e := guide.entry(n)) or not e.definition],
        "unknown": [{"name": n, "near": (difflib.get_close_matches(n, names, 1) or [""])[0]} for n in odd],
    }


def _text(ws: Workspace) -> str:
    """What there is to edit: the file, else the newest version, else what a guide begins with."""
    text, known = _file(ws), _versions(ws)
    if text is not None or known:
        return str(known[-1]["text"]) if text is None else text
    return render(Guide(PREFACE, tuple(Entry(n) for n in _classes(ws))))


def _base(ws: Workspace) -> str:
    """Changes when the file or the newest version does: whoever edits says from which base."""
    text = f"{len(_versions(ws))}\n{_file(ws) or ''}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def try_text(ws: Workspace, text: str) -> dict[str, Any]:
    """What a text would be as the guide, and what it would change; nothing is kept.

    Raises
    ------
    InputError : it cannot be read, with its line.
    """
    guide = parse(text, name=FILE)
    changed = difference(_present(ws)[0], guide)
    found = [{"change": how, "title": title, "diff": lines} for how, title, lines in changed]
    return {**_contents(ws, guide), "diff": found}


def _entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "definition": entry.definition,
        "examples": [_example_json(x) for x in entry.examples],
        "counter_examples": [_example_json(x) for x in entry.counters],
    }


def _clause_json(clause: Clause) -> dict[str, Any]:
    return {
        "a": clause.a,
        "b": clause.b,
        "rule": clause.rule,
        "draft": clause.draft,
        "contested": [_example_json(x) for x in clause.contested],
    }


def _example_json(example: Example) -> dict[str, str]:
    return {"text": example.text, "row": example.row, "label": example.label}


def save(
    ws: Workspace, *, author: str, note: str, text: str | None = None, base: str = ""
) -> dict[str, Any] | None:
    """Keep the guide as a new version; None when nothing changed.

    Parameters
    ----------
    text : what the guide shall be, which is also written to the file; None: what is in the file.
    base : of `show`: refuse where somebody changed the guide since; "" does not ask.

    Raises
    ------
    InputError : the guide cannot be read, with its line.
    NotFound : there is no file.
    HeadMoved : somebody changed the guide since; nothing was written.
    """
    if base and base != _base(ws):
        raise HeadMoved(_moved(ws))
    known = _versions(ws)
    if text is None:
        guide, state = _present(ws)
        if state in ("none", "lost"):
            raise NotFound(f"there is no {ws.folder / FILE}; write one, or begin with: tilth guide --draft")
    else:
        guide = parse(text, name=FILE)
    if known and parse(known[-1]["text"]) == guide:
        if text is not None:
            write_text(ws.folder / FILE, text)
        return None
    number = len(known) + 1
    body = {
        "version": number,
        "author": author,
        "note": note,
        "created": ws.clock(),
        "text": render(guide),
    }
    # the number is the lock: of two who save at once one gets it
    if not ws.store.put_new(GUIDE, f"{number:06}", body, now=ws.clock()):
        raise HeadMoved(_moved(ws))
    if text is not None:
        write_text(ws.folder / FILE, text)
    return body


def _moved(ws: Workspace) -> str:
    known = _versions(ws)
    last = f"its newest version is {len(known)}, by {known[-1]['author']}" if known else "it has no version"
    return (
        f"the guide was changed since you read it ({last}). Nothing was written: read it again with "
        "tilth guide --diff, bring the two together and save once more"
    )


def history(ws: Workspace) -> list[dict[str, Any]]:
    """Version, author, time and note of each version, oldest first."""
    return [{k: v[k] for k in ("version", "author", "created", "note")} for v in _versions(ws)]


def compare(ws: Workspace, first: int | None, second: int | None) -> list[dict[str, str]]:
    """What changed between two versions; None stands for the newest and for the file.

    Raises
    ------
    NotFound : no such version.
    """
    known = _versions(ws)

    def version(number: int) -> Guide:
        if not 1 <= number <= len(known):
            there = f"there are 1 to {len(known)}" if known else "none was saved yet; see: tilth guide --save"
            raise NotFound(f"the guide has no version {number}; {there}")
        return parse(known[number - 1]["text"])

    before = Guide() if first is None and not known else version(len(known) if first is None else first)
    after = _present(ws)[0] if second is None else version(second)
    return [{"change": how, "title": title, "diff": lines} for how, title, lines in difference(before, after)]


def draft(
    ws: Workspace, most: int, progress: Progress | None = None, *, between: tuple[str, str] | None = None
) -> list[Clause]:
    """Write drafts of clauses for the most confused pairs into the file; returns those that are new.

    The pairs are those between which annotators disagree most, and without annotators those between
    which the labels and a model do (TIL101, TIL602); then those with ambiguous rows (TIL103), which are
    examples of every pair that has them. A pair that has a clause, if only a draft, is left alone.

    Parameters
    ----------
    between : two classes; a draft for them alone, however little they are confused.

    Raises
    ------
    Refused : nobody disagrees with anybody.
    NotFound : no such class.
    """
    guide, _ = _present(ws)
    found = _with_ambiguous(ws, _from_votes(ws, progress) or _from_findings(ws, progress), progress)
    if between is not None:
        found = [_of_pair(ws, between, found)]
    if not found:
        raise Refused(
            "there is nothing to draft from: no two classes are confused. Take judgements in with: tilth "
            "annotators FILE"
        )
    known = {(c.a, c.b) for c in guide.clauses}
    telling = _Telling(ws)
    drafts: list[Clause] = []
    for a, b, why, contested in found:
        if len(drafts) < most and (a, b) not in known:
            rule = "\n".join(
                [
                    f"{why} {telling.between(a, b)}".strip(),
                    "",
                    f"Write here when a text is {a}, and when {b}.",
                ]
            )
            drafts.append(Clause(a, b, rule, tuple(contested), draft=True))
    if drafts:
        fresh = guide.with_drafts(drafts, _classes(ws))
        if not (ws.folder / FILE).is_file() and fresh.preface == "":
            fresh = Guide(PREFACE, fresh.classes, fresh.clauses)
        write_text(ws.folder / FILE, render(fresh))
    return drafts


Confused = tuple[str, str, str, list[Example]]


def _of_pair(ws: Workspace, between: tuple[str, str], found: Sequence[Confused]) -> Confused:
    """What is known about one pair of classes."""
    names = _classes(ws)
    for name in between:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names[:5])} ..."
            raise NotFound(f"no class {name!r} in train; {hint}")
    a, b = _pair(*between)
    if a == b:
        raise InputError(f"a clause needs two different classes, not {a!r} twice")
    return next((x for x in found if (x[0], x[1]) == (a, b)), (a, b, "", []))


def _from_votes(ws: Workspace, progress: Progress | None) -> list[Confused]:
    """Pairs that annotators confuse, with the items on which they are divided most evenly."""
    judged = ws.judged()
    if judged is None:
        return []
    votes = judged.votes
    consensus = consensus_of(judged, ws.view(progress).signals if (judged.train >= 0).any() else None)
    counts, out = votes.counts.tocsc(), []
    rows, column = ws.snapshot(ws.head(TRAIN)), ws.config.columns.text
    texts = rows.texts(column)
    for p in disagreements(votes):
        a, b = votes.labels[p.a], votes.labels[p.b]
        both = counts[:, [p.a, p.b]].toarray()
        divided = np.flatnonzero((both > 0).all(axis=1))
        even = both[divided].min(axis=1) / both[divided].sum(axis=1) + consensus.p_wrong[divided]
        contested: list[Example] = []
        for i in divided[np.argsort(-even, kind="stable")].tolist():
            at = int(judged.train[i])
            text = texts[at] if at >= 0 else judged.texts[i]
            if text.strip() and len(contested) < EXAMPLES:
                contested.append(Example(text, rows.ids[at] if at >= 0 else votes.items[i]))
        why = f"Annotators disagree on {p.items} rows ({p.share:.0%} of the pairs of votes that say either)."
        out.append((*sorted((a, b)), why, contested))
    return out  # type: ignore[return-value]


def _from_findings(ws: Workspace, progress: Progress | None) -> list[Confused]:
    """Pairs between which the labels and a model disagree, the most rows first."""
    audit = ws.audit(progress)
    pairs: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for f in audit.of("TIL101"):
        if f.evidence.get("verdict", {}).get("decision") != "drop":
            pairs[_pair(f.evidence["given"], f.evidence["suggested"])].append(f)
    confused = {_pair(*f.evidence["classes"]): f.evidence for f in audit.of("TIL602")}
    rows = ws.snapshot(ws.head(TRAIN))
    texts = rows.texts(ws.config.columns.text)

    def weight(pair: tuple[str, str]) -> int:
        return max(len(pairs.get(pair, ())), int(confused[pair]["confused"]) if pair in confused else 0)

    out: list[Confused] = []
    for a, b in sorted({*pairs, *confused}, key=lambda x: (-weight(x), x)):
        doubted, mixed, why = pairs.get((a, b), []), confused.get((a, b)), []
        if len(doubted) >= LEAST:
            why.append(
                f"A model that did not see them doubts the labels of {len(doubted)} rows between the two."
            )
        if mixed:
            why.append(f"It takes {mixed['confused']} of {sum(mixed['rows'])} rows of the two for the other.")
        if why:
            ids = [f.rows[0] for f in doubted] + [e["id"] for e in (mixed["examples"] if mixed else ())]
            contested = [Example(texts[rows.index[i]], i) for i in dict.fromkeys(ids)]
            out.append((a, b, " ".join(why), contested[:EXAMPLES]))
    return out


def _pair(a: object, b: object) -> tuple[str, str]:
    """Two classes, ascending."""
    first, second = sorted((str(a), str(b)))
    return first, second


def _with_ambiguous(ws: Workspace, found: Sequence[Confused], progress: Progress | None) -> list[Confused]:
    """The pairs with up to three ambiguous rows first in their examples; then pairs with such rows alone."""
    head = ws.store.head(TRAIN)
    if head is None or all(x is None for x in ws.snapshot(head).labels):
        return list(found)
    rows = ws.snapshot(head)
    texts = rows.texts(ws.config.columns.text)
    both: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for f in ws.audit(progress).of("TIL103"):  # those by verdict come first
        both[_pair(f.evidence["given"], f.evidence["other"])].append(f)
    examples = {
        pair: [Example(texts[rows.index[f.rows[0]]], f.rows[0]) for f in some[:AMBIGUOUS]]
        for pair, some in both.items()
    }
    out: list[Confused] = []
    for a, b, why, contested in found:
        first = examples.get((a, b), [])
        ids = {x.row for x in first}
        out.append((a, b, why, [*first, *(x for x in contested if x.row not in ids)][:EXAMPLES]))
    known = {(a, b) for a, b, _, _ in found}
    for (a, b), some in sorted(both.items(), key=lambda x: (-len(x[1]), x[0])):
        judged = sum("verdict" in f.evidence for f in some)
        if (a, b) not in known and (judged or len(some) >= LEAST):
            who = f", {judged} of them by verdict" if judged else ""
            out.append((a, b, f"{len(some)} rows belong to both{who}.", examples[a, b]))
    return out


class _Telling:
    """Which words tell two classes apart in the training rows."""

    def __init__(self, ws: Workspace) -> None:
        rows = ws.snapshot(ws.head(TRAIN))
        self.labels: Sequence[str | None] = rows.labels
        self.texts = rows.texts(ws.config.columns.text)
        self._known: dict[str, tuple[Counter[str], int]] = {}

    def between(self, a: str, b: str) -> str:
        """A sentence with the words of each; empty where no word tells."""
        parts = [(name, self._words(name, other)) for name, other in ((a, b), (b, a))]
        told = [f"{name}: {', '.join(words)}" for name, words in parts if words]
        return f"Words that are more frequent in one of the two: {'; '.join(told)}." if told else ""

    def _count(self, name: str) -> tuple[Counter[str], int]:
        if name not in self._known:
            texts = [t for t, x in zip(self.texts, self.labels, strict=True) if x == name]
            words = Counter(w for t in texts for w in set(re.findall(r"[^\W\d_]{3,}", t.lower())))
            self._known[name] = (words, len(texts))
        return self._known[name]

    def _words(self, name: str, other: str) -> list[str]:
        (mine, n), (theirs, m) = self._count(name), self._count(other)

        def z(word: str) -> float:
            """Log odds ratio in units of its standard error (Woolf, with 0.5 added to each cell)."""
            a, b = mine[word] + 0.5, n - mine[word] + 0.5
            c, d = theirs[word] + 0.5, m - theirs[word] + 0.5
            return math.log(a * d / (b * c)) / math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)

        scored = sorted(((z(w), w) for w, k in mine.items() if k >= LEAST), key=lambda x: (-x[0], x[1]))
        return [w for value, w in scored[:WORDS] if value > 2.5]
