"""Which column is the text, which the label, which the id: a guess that says why.

The guess looks at names and at the first 2,000 records. It prefers to say "none" over being wrong: a
column taken for the label by mistake would be hidden from every model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from tilth.data import Value
from tilth.errors import InputError
from tilth.ingest.base import Record, Source, did_you_mean, listed
from tilth.ingest.values import is_empty

__all__ = ["LABEL_NAMES", "Columns", "guess_columns", "likeness"]

LOOKED_AT = 2000

# Each list with the most telling name first.
TEXT_NAMES = (
    "text utterance message body question sentence content query comment review prompt document "
    "description input email tweet post transcript instruction request title subject"
)
LABEL_NAMES = (
    "label_text label_name class_name label labels category intent class target queue topic "
    "sentiment tag department gold y type"
)
ID_NAMES = (
    "id uuid guid key row_id rowid example_id sample_id record_id doc_id document_id message_id "
    "ticket_id question_id"
)


@dataclass(frozen=True)
class Columns:
    """The columns with a meaning.

    Attributes
    ----------
    text : column with the text that a model reads.
    label : column with the class; None when the source has no labels.
    id : column with the id of a row; None when ids are to be made from the content.
    reasons : "text", "label" and "id" to one sentence each: why this column, or why none.
    """

    text: str
    label: str | None
    id: str | None
    reasons: dict[str, str]


@dataclass(slots=True)
class _Profile:
    """What the first records show about one column; long values are looked at in part."""

    name: str
    filled: int = 0
    texts: int = 0
    wide: int = 0
    nested: int = 0
    words: int = 0
    length: int = 0
    fractions: int = 0
    distinct: set[Value] = field(default_factory=set)
    twice: Value = None

    def see(self, value: Value) -> None:
        if is_empty(value) or (isinstance(value, str) and not value.strip()):
            return
        self.filled += 1
        seen = f"{value[:200]}{len(value)}" if isinstance(value, str) else value
        if isinstance(value, str):
            head = value[:2000]
            # A list or an object that a reader wrote as JSON is neither a text nor a label.
            self.nested += (value[0] + value[-1]) in ("[]", "{}")
            self.texts += any(map(str.isalpha, head))
            self.wide += not head.isascii()
            # A CSV file has no numbers, only texts that look like some.
            self.fractions += re.fullmatch(r"\s*[+-]?\d*\.\d*[1-9]\d*\s*", head) is not None
            self.words += len(head.split())
            self.length += len(head)
        elif isinstance(value, float) and not value.is_integer():
            self.fractions += 1
        if seen in self.distinct and self.twice is None:
            self.twice = value[:60] if isinstance(value, str) else value
        self.distinct.add(seen)

    @property
    def mean_words(self) -> float:
        return self.words / self.filled if self.filled else 0.0

    @property
    def wordy(self) -> bool:
        """Of several words; Chinese and Japanese write no blanks between words."""
        unspaced = self.wide * 2 > self.filled and self.mean_length >= 6
        return self.mean_words >= 2 or unspaced

    @property
    def mean_length(self) -> float:
        return self.length / self.filled if self.filled else 0.0

    def __str__(self) -> str:
        if not self.filled:
            return f"{self.name[:60]!r}: no values"
        kind = "text" if self.texts * 2 > self.filled else "numbers or codes"
        return (
            f"{self.name[:60]!r}: {kind}, {self.filled:,} values, {len(self.distinct):,} different, "
            f"{self.mean_words:.1f} words each"
        )


def _tokens(name: str) -> list[str]:
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return [t for t in re.split(r"[\W_]+", split.casefold()) if t]


def likeness(name: str, known: str) -> float:
    """How much a name is like one of some names: 0, 1 to 2 for a part of it, 2 to 3 for all."""
    tokens = _tokens(name)
    order = known.split()
    whole = "_".join(tokens)
    if whole in order:
        return 3 - order.index(whole) / len(order)
    part = [order.index(t) for t in tokens if t in order]
    return 2 - min(part) / len(order) if part else 0.0


def guess_columns(
    source: Source, *, text: str | None = None, label: str | None = None, id: str | None = None
) -> Columns:
    """Find the columns with a meaning by their names and by the first 2,000 records.

    Parameters
    ----------
    source : what `open_source` found.
    text, label, id : names that are known; they are checked and not guessed.

    Raises
    ------
    InputError
        when a given column does not exist, when no column can be the text, and when one column
        is given two meanings.
    """
    given = {"text": text, "label": label, "id": id}
    for role, name in given.items():
        if name is not None and name not in source.columns:
            raise InputError(
                f"{source.name} has no column {name!r} (--{role}); "
                f"{did_you_mean(name, source.columns)}its columns are "
                f"{listed(source.columns)}"
            )
    _refuse_double(source.name, given)
    profiles = {name: _Profile(name) for name in source.columns}
    looked = 0
    for record in islice(source.records(), LOOKED_AT):
        if isinstance(record, Record):
            looked += 1
            for name, value in record.values.items():
                if name in profiles:
                    profiles[name].see(value)
    taken = [name for name in given.values() if name is not None]
    reasons = {role: f"{name!r} was given" for role, name in given.items() if name is not None}
    if text is None:
        text, reasons["text"] = _text(source.name, profiles, taken, looked)
        taken.append(text)
    if label is None:
        label, reasons["label"] = _label(profiles, taken)
        taken += [label] if label else []
    if id is None:
        id, reasons["id"] = _id(profiles, taken, looked)
    return Columns(text, label, id, {role: reasons[role] for role in given})


def _refuse_double(source: str, given: Mapping[str, str | None]) -> None:
    roles: dict[str, str] = {}
    for role, name in given.items():
        if name is None:
            continue
        if name in roles:
            raise InputError(
                f"{source}: column {name!r} is given as {roles[name]} and as {role}; "
                f"give two different columns with --{roles[name]} and --{role}"
            )
        roles[name] = role


def _text(source: str, profiles: Mapping[str, _Profile], taken: list[str], rows: int) -> tuple[str, str]:
    best: tuple[float, str] | None = None
    for name, seen in profiles.items():
        named = likeness(name, TEXT_NAMES)
        # A label column with names of several words is not varied; an id is varied, not words.
        varied = len(seen.distinct) / seen.filled if seen.filled else 1.0
        readable = seen.texts * 2 > seen.filled or (not rows and named >= 2)
        filled = seen.filled * 2 >= rows and not seen.nested
        plausible = named or (seen.wordy and varied >= 0.2)
        if name in taken or not (readable and filled and plausible):
            continue
        if not named and (likeness(name, LABEL_NAMES) >= 2 or likeness(name, ID_NAMES) >= 2):
            continue
        score = named + min(math.log2(1 + seen.mean_words), 3) + varied
        if best is None or score > best[0]:
            best = (score, name)
    if best is None:
        found = "\n".join(
            f"  {seen}{', given another meaning' if name in taken else ''}" for name, seen in profiles.items()
        )
        raise InputError(
            f"{source}: no column looks like a text (long, varied, of several words); found:\n"
            f"{found or '  no columns'}\nname it with: pass --text COLUMN"
        )
    seen = profiles[best[1]]
    like = "is named like a text and " if likeness(best[1], TEXT_NAMES) else ""
    return best[1], (
        f"{best[1]!r} {like}has {seen.mean_words:.1f} words a row, {len(seen.distinct):,} of "
        f"{seen.filled:,} values different"
    )


def _label(profiles: Mapping[str, _Profile], taken: list[str]) -> tuple[str | None, str]:
    named: list[tuple[float, str]] = []
    unnamed: list[str] = []
    for name, seen in profiles.items():
        count = len(seen.distinct)
        if name in taken or seen.fractions or seen.nested or seen.mean_length > 60:
            continue
        like = likeness(name, LABEL_NAMES)
        repeated = count * 2 <= seen.filled
        # In a small file every class may stand once; then the name has to be trusted.
        if like and (repeated or seen.filled < 50):
            named.append((like, name))
        elif repeated and 2 <= count <= 500 and not likeness(name, ID_NAMES):
            unnamed.append(name)
    if named:
        best = max(named, key=lambda pair: pair[0])[1]
        seen = profiles[best]
        return best, (
            f"{best!r} is named like a label and has {len(seen.distinct):,} different values in "
            f"{seen.filled:,} rows"
        )
    if len(unnamed) == 1:
        seen = profiles[unnamed[0]]
        return unnamed[0], (
            f"{unnamed[0]!r} is the only column with few values that repeat "
            f"({len(seen.distinct):,} in {seen.filled:,} rows)"
        )
    if unnamed:
        names = ", ".join(map(repr, unnamed))
        return None, f"several columns could be the label ({names}): pass --label COLUMN"
    return None, "no column is named like a label or has few values that repeat"


def _id(profiles: Mapping[str, _Profile], taken: list[str], rows: int) -> tuple[str | None, str]:
    refused = ""
    found: list[tuple[float, str]] = []
    for name, seen in profiles.items():
        like = likeness(name, ID_NAMES)
        if name in taken or not like or (like < 2 and _tokens(name)[-1] not in ("id", "uuid")):
            continue
        if seen.twice is not None:
            refused = refused or f"{name!r} is named like an id, but {seen.twice!r} occurs twice"
        elif seen.filled < rows:
            refused = refused or f"{name!r} is named like an id, but is empty in some rows"
        else:
            found.append((like, name))
    if found:
        best = max(found, key=lambda pair: pair[0])[1]
        return best, f"{best!r} is named like an id and differs in all of {rows:,} rows"
    why = refused or "no column is named like an id"
    return None, f"{why}; ids are made from the content"
