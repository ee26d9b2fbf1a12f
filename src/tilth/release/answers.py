"""What only a person can say about data and model: asked once, kept in the project, edited as a file."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tilth.errors import InputError
from tilth.files import read_text
from tilth.workspace import Workspace

__all__ = ["KIND", "Said", "form", "known", "read", "remember"]

KIND = "said"
"""Kind of the records that hold answers."""


@dataclass(frozen=True, slots=True)
class Said:
    """An answer.

    Attributes
    ----------
    key : of the question.
    text : the answer, not empty.
    author, created : who said it and when.
    """

    key: str
    text: str
    author: str
    created: str


def known(ws: Workspace) -> dict[str, Said]:
    """Every question that has an answer."""
    found = (Said(**body) for body in ws.store.records(KIND))
    return {s.key: s for s in found if s.text}


def remember(ws: Workspace, answers: Mapping[str, str], keys: Sequence[str], author: str) -> list[str]:
    """Keep answers; an empty one takes an earlier one back. Returns the keys that changed.

    Parameters
    ----------
    keys : of the questions that there are.

    Raises
    ------
    InputError : there is no such question.
    """
    import difflib

    for key in answers:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, 1)
            hint = f"did you mean {near[0]!r}?" if near else "see: tilth datasheet"
            raise InputError(f"there is no question {key!r}; {hint}")
    before = known(ws)
    changed = {
        k: v
        for k, text in answers.items()
        if (v := " ".join(text.split())) != (before[k].text if k in before else "")
    }
    now = ws.clock()
    bodies = [(k, {"key": k, "text": text, "author": author, "created": now}) for k, text in changed.items()]
    ws.store.put_records(KIND, bodies, now=now)
    return list(changed)


def read(path: Path) -> dict[str, str]:
    """The answers in a file that `form` made and a person filled in.

    Raises
    ------
    InputError : it is not TOML, or an answer is no text.
    """
    try:
        body: dict[str, Any] = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f'{path}: {error}; each line is: key = "answer"') from error
    for key, value in body.items():
        if not isinstance(value, str):
            raise InputError(f"{path}: {key} is {value!r}; an answer is a text in quotes")
    return body


def form(questions: Sequence[tuple[str, str, str]], answers: Mapping[str, str]) -> str:
    """A TOML file to fill in: key, question and hint of each, with the answers that there are."""
    lines = [
        "# Answers are remembered with: tilth datasheet --answer FILE   (leave open what you cannot say)"
    ]
    for key, question, hint in questions:
        lines += ["", *(f"# {part}" for part in (question, hint) if part)]
        text = json.dumps(answers.get(key, ""), ensure_ascii=False).replace("\x7f", "\\u007f")
        lines.append(f"{key} = {text}")
    return "\n".join(lines) + "\n"
