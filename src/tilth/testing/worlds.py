"""Small data sets that a plug-in meets sooner or later: every fault, and next to nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from tilth.audit.base import View
from tilth.audit.run import look
from tilth.data import Row, Snapshot
from tilth.recipes.base import Recipe
from tilth.recipes.text import TextLinear

__all__ = ["fingerprint", "view", "worlds"]

TOPICS = {
    "card": ("card", "visa", "chip", "pin", "atm", "plastic", "contactless"),
    "loan": ("loan", "credit", "rate", "term", "mortgage", "interest", "borrow"),
    "app": ("app", "screen", "crash", "update", "button", "phone", "login"),
}
COMMON = (
    "please", "my", "the", "when", "is", "it", "for",
    "help", "with", "today", "not", "again", "can", "you",
)  # fmt: skip
Rows = list[Row]


def texts_of(count: int, seed: int) -> list[tuple[str, str]]:
    """Pairs of text and label; four words of the label's topic among ten."""
    rng = np.random.default_rng(seed)
    names = list(TOPICS)
    out = []
    for i in range(count):
        label = names[i % 3]
        words = [*rng.choice(TOPICS[label], 4), *rng.choice(COMMON, 6)]
        out.append((" ".join(rng.permutation(words)), label))
    return out


def _rows(count: int, seed: int = 0, prefix: str = "r") -> Rows:
    return [Row(f"{prefix}{i:04}", {"text": t}, y) for i, (t, y) in enumerate(texts_of(count, seed))]


def _unlabelled(rows: Rows) -> Rows:
    return [Row(r.id, r.fields) for r in rows]


def _faulty() -> tuple[Rows, Rows]:
    """Train and evaluation rows with every fault that Tilth knows in them."""
    rows, evaluation = _rows(240), _rows(40, 1, "e")
    names = list(TOPICS)
    rows = [
        Row(r.id, r.fields, names[(names.index(r.label or "") + 1) % 3] if i % 9 == 0 else r.label)
        for i, r in enumerate(rows)
    ]
    text = "{} and one more thing that nobody has said before about this".format
    rows += [Row(f"x{i}", {"text": str(rows[i].fields["text"]).upper()}, names[i % 3]) for i in range(9)]
    rows += [Row(f"y{i}", {"text": text(rows[5].fields["text"]) + " yes" * i}, "app") for i in range(3)]
    rows += [Row(f"z{i}", {"text": evaluation[i].fields["text"]}, evaluation[i].label) for i in range(4)]
    evaluation = [
        Row(r.id, r.fields, names[(names.index(r.label or "") + 2) % 3] if 10 < i < 16 else r.label)
        for i, r in enumerate(evaluation)
    ]
    rows += [Row("odd", {"text": "mitochondria produce adenosine triphosphate"}, "card")]
    rows += [Row("few", {"text": "somebody wants the rarest of answers"}, "rare")]
    rows += [
        Row("empty", {"text": ""}, "card"),
        Row("none", {}, "card"),
        Row("sur", {"text": "\ud800"}, "app"),
    ]
    rows += [Row(f"u{i}", r.fields, None) for i, r in enumerate(_rows(20, 2))]
    # cards and loans are taken for each other where they came by fax; the folder has the label in it
    swapped = {"card": "loan", "loan": "card"}
    for i, r in enumerate(_rows(360, 3)):
        if r.label in swapped:
            fax = Row(f"k{i:03}", {**r.fields, "channel": "fax"}, swapped[r.label])
            rows.append(fax if i % 2 else Row(f"k{i:03}", r.fields, r.label))
    rows = [Row(r.id, {"channel": "mail", "folder": f"in/{r.label}", **r.fields}, r.label) for r in rows]
    return rows, evaluation


def worlds() -> dict[str, tuple[Rows, Rows]]:
    """Name to train rows and evaluation rows; the input is in the field "text"."""
    some, few = _rows(60), _rows(6, 1, "e")
    return {
        "faulty": _faulty(),
        "clean": (_rows(120), _rows(30, 1, "e")),
        "no rows": ([], []),
        "no rows but evaluation rows": ([], _rows(5, 1, "e")),
        "one row": (_rows(1), []),
        "one row that leaks": (_rows(1), _rows(1, 0, "e")),
        "one row without label": (_unlabelled(_rows(1)), []),
        "two rows": (_rows(2), _rows(1, 1, "e")),
        "one class": ([Row(r.id, r.fields, "card") for r in some], few),
        "all unlabelled": (_unlabelled(some), few),
        "one labelled": ([*_unlabelled(some), Row("a", {"text": "visa card"}, "card")], []),
        "half unlabelled": (some[:30] + _unlabelled(some)[30:], few),
        "unlabelled evaluation": (some, _unlabelled(_rows(6, 0, "e"))),
        "classes of one row": ([Row(r.id, r.fields, r.id) for r in _rows(30)], []),
        "empty texts": ([Row(f"{i}", {"text": " " * i}, "ab"[i % 2]) for i in range(30)], []),
        "all equal": ([Row(f"{i}", {"text": "the same"}, "ab"[i % 2]) for i in range(30)], []),
        "no such column": ([Row(f"{i}", {"body": f"{i}"}, "ab"[i % 2]) for i in range(30)], []),
    }


def view(
    train: Iterable[Row], evaluation: Iterable[Row] = (), *, text: str = "text", recipe: Recipe | None = None
) -> View:
    """What a detector sees of these rows.

    Parameters
    ----------
    text : the field that holds the input.
    recipe : default text-linear.v1.
    """
    return look(recipe or TextLinear(), Snapshot.of(train), Snapshot.of(evaluation), text)


def state_of(thing: object) -> dict[str, Any]:
    """The attributes of an object."""
    names = [*getattr(thing, "__dict__", {}), *getattr(thing, "__dataclass_fields__", {})]
    return {name: getattr(thing, name) for name in names}


def fingerprint(value: Any) -> str:
    """SHA-256 of everything that a plug-in could touch in a value: its arrays, fields and texts."""
    seen = hashlib.sha256()

    def add(part: Any) -> None:
        if isinstance(part, np.ndarray):
            seen.update(f"{part.dtype}{part.shape}".encode() + np.ascontiguousarray(part).tobytes())
        elif sp.issparse(part):
            for inner in (part.data, part.indices, part.indptr):
                add(inner)
        elif hasattr(part, "__dataclass_fields__"):
            for name in part.__dataclass_fields__:
                add(getattr(part, name))
        elif isinstance(part, Mapping):
            for key in part:
                add(key)
                add(part[key])
        elif isinstance(part, list | tuple):
            seen.update(f"{type(part).__name__}{len(part)}".encode())
            for item in part:
                add(item)
        else:
            seen.update(repr(part).encode())

    add(value)
    return seen.hexdigest()
