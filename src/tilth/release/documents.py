"""The documents of a bundle: card, datasheet, metadata and the accepted patches; all from one book."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tilth.files import write_text
from tilth.release.book import Book
from tilth.release.card import card
from tilth.release.claims import Facts
from tilth.release.croissant import croissant
from tilth.release.datasheet import datasheet
from tilth.release.gates import Gates, check
from tilth.release.prose import Page, markdown
from tilth.release.spdx import spdx
from tilth.release.view import html
from tilth.workspace import Workspace

__all__ = ["FORMAT", "NAMES", "contents", "write"]

FORMAT = 1
NAMES = (
    "card.md", "card.html", "card.json", "datasheet.md", "datasheet.html", "datasheet.json",
    "croissant.json", "spdx.json", "patches.jsonl",
)  # fmt: skip
"""Files that `write` makes."""


def write(ws: Workspace, facts: Facts, folder: Path, gates: Gates | None = None) -> list[str]:
    """Write the documents of a release into its folder; returns their names.

    Parameters
    ----------
    gates : as `gates.check` found them; default: checked here.
    """
    found = contents(ws, facts, gates or check(ws, facts))
    for name, text in found.items():
        write_text(folder / name, text)
    return list(found)


def contents(ws: Workspace, facts: Facts, gates: Gates) -> dict[str, str]:
    """Name to text of each document; the same inputs give the same texts."""
    book = Book(ws, facts)
    sheet = datasheet(book)
    model, data = card(book, gates), sheet.page(book)
    known = {"format": FORMAT, "facts": {**facts.to_json(), "records": book.records}, "gates": gates.states()}
    lines = [json.dumps(a.to_json(), ensure_ascii=True, sort_keys=True) + "\n" for a in book.accepted]
    model_json, data_json = model.to_json(), data.to_json()
    return {
        # of what is written, not of what is in memory: a reader has only that
        "card.md": markdown(Page.from_json(model_json)),
        "card.html": html(Page.from_json(model_json)),
        "card.json": _json(known | model_json),
        "datasheet.md": markdown(Page.from_json(data_json)),
        "datasheet.html": html(Page.from_json(data_json)),
        "datasheet.json": _json({"format": FORMAT, "answered": sheet.to_json()} | data_json),
        "croissant.json": _json(croissant(book)),
        "spdx.json": _json(spdx(book)),
        "patches.jsonl": "".join(lines),
    }


def _json(body: Mapping[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=True, allow_nan=False, indent=1) + "\n"
