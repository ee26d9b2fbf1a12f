"""Numbers and texts as people read them: one spelling for the page, the terminal and Markdown.

Shares are shown in percent and their differences in percentage points (pp). A number that is missing
is a dash, never a zero. Text from data is cut, and what it hides (control characters, direction
overrides, halves of surrogate pairs) is made visible here, so that no view has to think of it again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

__all__ = [
    "Measure",
    "Tone",
    "clip",
    "code_name",
    "count",
    "failures",
    "interval",
    "items",
    "mapping",
    "measure_of",
    "minutes",
    "number",
    "one_line",
    "ops_text",
    "points",
    "seconds",
    "sentence",
    "share",
    "stamp",
    "sum_minutes",
    "tone",
    "verdict_sign",
    "verdict_words",
    "visible",
]

NONE = "–"
Tone = Literal["better", "worse", "none"]

CODE_NAMES = {
    "TIL101": "label error",
    "TIL102": "conflicting labels on copies",
    "TIL103": "ambiguous label",
    "TIL104": "contested label",
    "TIL105": "label error in the evaluation set",
    "TIL201": "exact duplicate",
    "TIL202": "near-duplicate",
    "TIL203": "leakage into evaluation",
    "TIL204": "same meaning",
    "TIL205": "leakage by meaning",
    "TIL301": "outlier",
    "TIL401": "starved class",
    "TIL501": "broken row",
    "TIL601": "weak slice",
    "TIL602": "confused classes",
    "TIL603": "shortcut",
}

# what a reader cannot see and a renderer obeys: shown by name instead
_OVERRIDES = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_VISIBLE: dict[int, str] = (
    {c: chr(0x2400 + c) for c in range(0x20) if c not in (0x09, 0x0A)}
    | {0x7F: "\u2421", 0x2028: "\n", 0x2029: "\n"}
    | dict.fromkeys(range(0x80, 0xA0), "\ufffd")
    | {c: f"⟦U+{c:04X}⟧" for c in _OVERRIDES}
)


def number(value: object) -> float | None:
    """A finite float, or None for everything else (None, text, NaN, infinity, True)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def finite(value: Any) -> Any:
    """A value that JSON can spell: not-a-number and infinity become null, tuples become lists."""
    if isinstance(value, Mapping):
        return {key: finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def items(value: object) -> list[Mapping[str, Any]]:
    """The objects in a list; an empty list for everything else."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return []
    return [v for v in value if isinstance(v, Mapping)]


def _signed(x: float, digits: int) -> str:
    return f"{x:+.{digits}f}" if x else f"{0:.{digits}f}"


def count(value: object) -> str:
    """A whole number with separators: "1,234"."""
    found = number(value)
    return NONE if found is None else f"{round(found):,}"


def share(value: object, digits: int = 1) -> str:
    """A share of 0..1 in percent: "81.0 %"."""
    found = number(value)
    return NONE if found is None else f"{100 * found:.{digits}f} %"


def points(value: object, digits: int = 1) -> str:
    """A difference of shares in percentage points, always with its sign: "+1.9".

    The sign is that of the number itself: "-0.0" is a little less than nothing, "0.0" is nothing.
    """
    found = number(value)
    return NONE if found is None else _signed(100 * found, digits)


def interval(low: object, high: object, digits: int = 1) -> str:
    """An interval of differences of shares in percentage points: "[+1.2, +2.6]"; "" without one."""
    if number(low) is None or number(high) is None:
        return ""
    return f"[{points(low, digits)}, {points(high, digits)}]"


@dataclass(frozen=True)
class Measure:
    """How values and changes of one metric are written.

    Attributes
    ----------
    metric : its name; every metric but log_loss is a share. A change is a gain: + is better, so for
        log loss it is the amount by which it fell.
    """

    metric: str = "accuracy"

    @property
    def is_share(self) -> bool:
        """Whether the metric runs from 0 to 1 and is shown in percent."""
        return self.metric != "log_loss"

    @property
    def name(self) -> str:
        """The metric in plain words, with a capital."""
        return (self.metric.replace("_", " ") or "score").capitalize()

    @property
    def factor(self) -> float:
        """What a number is multiplied by before it is shown."""
        return 100.0 if self.is_share else 1.0

    @property
    def unit(self) -> str:
        """Unit of a change in tables, with a leading blank."""
        return " pp" if self.is_share else ""

    @property
    def words(self) -> str:
        """Unit of a change in sentences, with a leading blank."""
        return " points" if self.is_share else ""

    def value(self, x: object) -> str:
        """A value: "81.0 %", or "0.412" for log loss."""
        found = number(x)
        return share(x) if self.is_share or found is None else f"{found:.3f}"

    def change(self, x: object) -> str:
        """A change with its sign and no unit."""
        found = number(x)
        return points(x) if self.is_share or found is None else _signed(found, 3)

    def span(self, low: object, high: object) -> str:
        """The interval of a change, or "" without one."""
        if self.is_share or number(low) is None or number(high) is None:
            return interval(low, high)
        return f"[{self.change(low)}, {self.change(high)}]"

    def size(self, x: object) -> str:
        """A size without a sign, with its unit: "3.1 points"."""
        found = number(x)
        if found is None:
            return NONE
        return f"{self.change(abs(found)).lstrip('+')}{self.words}"


def tone(verdict: object, low: object, high: object) -> Tone:
    """The colour that a change may have: none unless the verdict and the whole interval agree."""
    a, b = number(low), number(high)
    if verdict == "better" and a is not None and a > 0:
        return "better"
    if verdict == "worse" and b is not None and b < 0:
        return "worse"
    return "none"


def verdict_sign(verdict: object, *, ascii_only: bool = False) -> str:
    """The sign of a verdict: ▲ better, ▼ worse, ○ everything else (in ASCII: ^ v o)."""
    signs = {"better": "▲^", "worse": "▼v"}.get(str(verdict), "○o")
    return signs[1] if ascii_only else signs[0]


def verdict_words(verdict: object) -> str:
    """The verdict in words; whatever is not better or worse is "no evidence"."""
    return str(verdict) if verdict in ("better", "worse") else "no evidence"


def visible(value: object) -> str:
    """The text with control characters and direction overrides shown instead of obeyed."""
    text = "" if value is None else str(value)
    text = text.replace("\r\n", "\n").translate(_VISIBLE)
    return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)


def clip(value: object, limit: int) -> tuple[str, int]:
    """At most `limit` characters, and how many characters were left off."""
    text = "" if value is None else str(value)
    if len(text) <= limit:
        return visible(text), 0
    return visible(text[:limit].rstrip()), len(text) - limit


def one_line(value: object, limit: int = 200) -> str:
    """The text on one line, cut with an ellipsis; a dash when there is none."""
    head, left = clip(value, limit)
    text = " ".join(head.split())
    return (text or NONE) if not left else f"{text}…"


def minutes(value: object) -> str:
    """A time of work: "45 s", "3 min", "1 h 20 min"."""
    found = number(value)
    if found is None:
        return NONE
    if 0 < found < 1:
        return f"{round(60 * found)} s"
    whole = round(found)
    return f"{whole} min" if whole < 60 else f"{whole // 60:,} h {whole % 60} min"


def seconds(value: object) -> str:
    """A time of computing: "3.1 s", "1 min 12 s"."""
    found = number(value)
    if found is None:
        return NONE
    if found < 59.95:
        return f"{found:.1f} s"
    return f"{round(found) // 60:,} min {round(found) % 60} s"


def stamp(value: object) -> str:
    """A time in ISO 8601 as "2026-11-21 09:06", in the zone it was written in."""
    text = str(value or "")
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return one_line(text, 40)
    zone = " UTC" if at.utcoffset() is not None and not at.utcoffset() else ""
    return f"{at:%Y-%m-%d %H:%M}{zone}"


def sum_minutes(work: Iterable[Mapping[str, Any]]) -> float:
    """The minutes of all pieces of work together."""
    return sum(number(w.get("minutes")) or 0.0 for w in work)


def ops_text(ops: object) -> str:
    """The ops of a patch in words: "relabel 71, drop 9"."""
    found = [f"{one_line(kind, 20)} {count(n)}" for kind, n in mapping(ops).items()]
    return ", ".join(found) or "no rows"


def code_name(code: object, plugins: object = None) -> str:
    """The name of a finding code in plain words, "" for an unknown one.

    Parameters
    ----------
    plugins : `plugins` of an audit: code to name of the checks of other packages.
    """
    other = mapping(mapping(plugins).get(str(code))).get("name")
    return CODE_NAMES.get(str(code)) or ("" if other is None else one_line(other, 60))


def failures(value: object) -> list[tuple[str, str]]:
    """Checks that failed, as (code, message); takes an object or a list."""
    if isinstance(value, Mapping):
        return [(str(code), "" if why is None else str(why)) for code, why in value.items()]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [(str(v), "") for v in value]
    return [(str(value), "")] if value else []


def measure_of(result: Mapping[str, Any]) -> Measure:
    """The measure that a result or a trial is written in."""
    metric = result.get("metric") or mapping(result.get("before")).get("metric") or "accuracy"
    return Measure(one_line(metric, 40))


def sentence(result: Mapping[str, Any]) -> str:
    """The verdict in one sentence of plain words.

    "Accuracy on 288 evaluation rows that decided nothing: 81.0 % → 84.0 %, +3.0 points [+0.8, +5.2]: better."
    """
    measure = measure_of(result)
    before, after, gain = (mapping(result.get(k)) for k in ("before", "after", "gain"))
    scored = mapping(result.get("rows")).get("eval_scored")
    where = f"{measure.name} on {count(scored)} evaluation rows that decided nothing"
    if number(before.get("value")) is None:
        return f"{where}: not measured."
    if number(gain.get("value")) is None or number(after.get("value")) is None:
        return f"{where}: {measure.value(before['value'])}; nothing was changed."
    scores = f"{measure.value(before['value'])} → {measure.value(after['value'])}"
    span = measure.span(gain.get("low"), gain.get("high"))
    change = f"{measure.change(gain['value'])}{measure.words} {span}".rstrip()
    if gain.get("verdict") in ("better", "worse"):
        return f"{where}: {scores}, {change}: {gain['verdict']}."
    seen = number(gain.get("detectable"))
    limit = "" if seen is None else f" These rows can show a change of {measure.size(seen)} or more."
    return f"{where}: {scores}, {change}: no evidence of a change.{limit}"
