"""Read the bodies of requests: every fault has words that say where it is and what to do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tilth.serve.arms import Asked
from tilth.serve.state import Said

__all__ = ["Bad", "Question", "deployment_of", "feedback_of", "question_of"]

KINDS = ("right", "wrong", "label", "comment")
NAME, COMMENT = 200, 4_000
"""Characters of a key, a client or a label, and of a comment."""
TOGETHER = 1_000
"""Pieces of feedback in one request."""


class Bad(Exception):
    """A body that cannot be used; `status` 400 (no JSON), 413 (too much) or 422 (another shape)."""

    def __init__(self, words: str, status: int = 422) -> None:
        super().__init__(words)
        self.status = status


@dataclass(frozen=True, slots=True)
class Question:
    """What POST /predict asks.

    Attributes
    ----------
    texts : of the rows.
    single : whether one answer is expected in the place of a list.
    key : what the arm is chosen by, "" for none.
    client : what the caller calls itself, "" for nothing.
    sets : share of misses of the sets that are asked for, None for no sets.
    """

    texts: Sequence[str]
    single: bool
    key: str
    client: str
    sets: float | None


def question_of(body: bytes, column: str, *, rows: int, characters: int) -> Question:
    """The body of POST /predict.

    Parameters
    ----------
    column : name of the text column of the release.
    rows, characters : most rows, and most characters of one text.

    Raises
    ------
    Bad : it cannot be used.
    """
    value = _object(body, ("text", "row", "rows", "key", "client", "sets"))
    given = [name for name in ("text", "row", "rows") if name in value]
    if len(given) != 1:
        raise Bad('give one of "text" (a string), "row" (an object) and "rows" (a list of either)')
    single = given[0] != "rows"
    found = [value[given[0]]] if single else value["rows"]
    if not isinstance(found, list) or (given[0] == "text" and not isinstance(found[0], str)):
        raise Bad(f'"{given[0]}" must be {"a string" if single else "a list"}')
    if len(found) > rows:
        raise Bad(f"a request has at most {rows:,} rows, this one has {len(found):,}; send several", 413)
    texts = [_text(row, column, n) for n, row in enumerate(found)]
    for n, text in enumerate(texts):
        if len(text) > characters:
            raise Bad(f"row {n} has {len(text):,} characters; a row has at most {characters:,}", 413)
    sets = value.get("sets")
    if sets is not None and (isinstance(sets, bool) or not isinstance(sets, float) or not 0 < sets < 1):
        raise Bad('"sets" must be a share of misses between 0 and 1, such as 0.05')
    return Question(texts, single, _name(value, "key"), _name(value, "client"), sets)


def feedback_of(body: bytes, *, client: str, header: str, at: str) -> tuple[list[Said], bool]:
    """The body of POST /feedback: one piece, or a list under "feedback"; whether it was one.

    Parameters
    ----------
    client : name of the token of the caller, "" without one.
    header : the Idempotency-Key header, "" without one.
    at : time stamp of now.

    Raises
    ------
    Bad : it cannot be used; nothing of it is taken in.
    """
    value = _object(
        body, ("answer", "kind", "label", "comment", "key", "client", "explicit", "text", "feedback")
    )
    if "feedback" not in value:
        return [_said(value, client, header, at, "")], True
    items = value["feedback"]
    if len(value) > 1 or not isinstance(items, list) or not 0 < len(items) <= TOGETHER or header:
        raise Bad(f'"feedback" must be a list of 1 to {TOGETHER} objects and stand alone; keys go into these')
    found = []
    for n, item in enumerate(items):
        if not isinstance(item, dict):
            raise Bad(f"feedback {n} must be an object")
        found.append(_said(item, client, "", at, f"feedback {n}: "))
    return found, False


def deployment_of(body: bytes) -> list[Asked]:
    """The body of POST /admin/releases.

    Raises
    ------
    Bad : it cannot be used.
    """
    items = _object(body, ("releases",)).get("releases")
    if not isinstance(items, list) or not items:
        raise Bad('give "releases": a list of objects with "path" and, if wanted, "share" and "shadow"')
    found = []
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get("path"), str) or not item["path"]:
            raise Bad('each of "releases" needs a "path": folder or .zip of a bundle on the server\'s disk')
        share, shadow = item.get("share", 1.0), item.get("shadow", False)
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not isinstance(shadow, bool):
            raise Bad('"share" must be a number, "shadow" true or false')
        found.append(Asked(item["path"], float(share), shadow))
    return found


def _object(body: bytes, known: Sequence[str]) -> dict[str, Any]:
    """A JSON object with known names alone."""
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise Bad(f"the body is not JSON: {error}", 400) from None
    if not isinstance(value, dict):
        raise Bad(f"the body must be a JSON object with some of {', '.join(known)}")
    if unknown := [name for name in value if name not in known]:
        raise Bad(f"the field {unknown[0]!r:.60} is not known; there are {', '.join(known)}")
    # half of a surrogate pair is JSON, but no text: it can be stored and sent nowhere
    if b"\\u" in body and _has_half(body):
        raise Bad(r"the body has half of a surrogate pair (\ud800 to \udfff alone), which is no text")
    return value


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _has_half(body: bytes) -> bool:
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _text(row: Any, column: str, n: int) -> str:
    if isinstance(row, str):
        return row
    if not isinstance(row, Mapping):
        raise Bad(f"row {n} must be a string or an object")
    if column not in row:
        names = ", ".join(map(repr, list(row)[:8])) or "none"
        raise Bad(f"row {n} has no {column!r}, the column that the release reads; it has {names}")
    value = row[column]
    if value is None:
        return ""
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)
    raise Bad(f"row {n}: {column!r} must be a string, found {type(value).__name__}")


def _name(value: Mapping[str, Any], field: str, where: str = "", *, longest: int = NAME) -> str:
    found = value.get(field, "")
    if found is None:
        return ""
    if not isinstance(found, str) or len(found) > longest:
        raise Bad(f'{where}"{field}" must be a string of at most {longest:,} characters')
    return found


def _said(item: Mapping[str, Any], client: str, header: str, at: str, where: str) -> Said:
    answer, kind = _name(item, "answer", where), item.get("kind")
    if not answer:
        raise Bad(f'{where}"answer" must be the id of an answer')
    if kind not in KINDS:
        raise Bad(f'{where}"kind" must be one of {", ".join(KINDS)}, found {kind!r:.60}')
    label = _name(item, "label", where).strip() or None
    if (kind == "label") != (label is not None):
        raise Bad(f'{where}"label" goes with the kind "label", and only with it')
    comment = _name(item, "comment", where, longest=COMMENT)
    if kind == "comment" and not comment:
        raise Bad(f'{where}the kind "comment" needs a "comment"')
    explicit = item.get("explicit", True)
    if not isinstance(explicit, bool):
        raise Bad(f'{where}"explicit" must be true or false')
    text = _name(item, "text", where, longest=50_000) if item.get("text") is not None else None
    user = _name(item, "client", where)
    who = f"{client}/{user}" if client and user else client or user
    key = header or _name(item, "key", where)
    if len(key) > NAME:
        raise Bad(f"{where}a key has at most {NAME} characters")
    if not key:  # the same said twice is one thing said
        parts = json.dumps([who, answer, kind, label, comment, explicit, text])
        key = "auto-" + hashlib.sha256(parts.encode()).hexdigest()[:32]
    else:  # one client's keys mean nothing to another
        key = f"{client}:{key}" if client else key
    return Said(key, answer, kind, label, comment, who, explicit, at, text)
