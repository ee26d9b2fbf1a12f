"""Markup that cannot be broken by data: strings are escaped unless they are Html already."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources

from tilth.report.format import NONE, clip, count, visible

__all__ = [
    "Cell", "Column", "Html", "data", "details", "join", "mono", "num", "page", "sections", "table", "tag",
]  # fmt: skip

VOID = ("meta", "br", "line", "circle", "rect", "path")


class Html(str):
    """Markup that was made by this module and is safe to put into a page."""

    __slots__ = ()

    def __html__(self) -> str:
        """The markup itself: template engines ask for it instead of escaping once more."""
        return str(self)


Child = Html | str | None


def join(parts: Iterable[Child], between: str = "") -> Html:
    """The parts one after the other; plain strings among them are escaped."""
    return Html(escape(between).join(_safe(p) for p in parts if p is not None))


def _safe(part: Html | str) -> str:
    return part if isinstance(part, Html) else escape(visible(part), quote=False)


def tag(name: str, /, *children: Child, **attrs: str | bool | None) -> Html:
    """An element. `class_` is class, `aria_label` is aria-label; None and False leave an attribute out.

    Raises
    ------
    ValueError : for an attribute that could run or fetch something.
    """
    out = [f"<{name}"]
    for key, value in attrs.items():
        label = key.rstrip("_").replace("_", "-")
        if label.startswith("on") or label in ("style", "src"):
            raise ValueError(f"no {label} in a report")
        if label == "href" and not str(value).startswith("#"):
            raise ValueError("a report links to itself only")
        if value is True:
            out.append(f" {label}")
        elif value is not None and value is not False:
            out.append(f' {label}="{escape(visible(value))}"')
    body = join(children)
    if name in VOID:
        return Html("".join(out) + ">") if name in ("meta", "br") else Html("".join(out) + "/>")
    return Html("".join(out) + f">{body}</{name}>")


def data(value: object, limit: int = 200) -> Html:
    """Text from data: cut, escaped and set apart from the direction of the text around it."""
    head, left = clip(value, limit)
    if not head:
        return tag("span", NONE, class_="muted")
    more = tag("span", f"… {count(left)} more characters", class_="muted") if left else None
    return join([tag("bdi", head), more])


def num(text: str) -> Html:
    """A number that was written by format.py, with a real minus sign and no break inside."""
    return tag("span", text.replace("-", "−"), class_="n")


def mono(value: object, limit: int = 64) -> Html:
    """An id, a version or a command from data."""
    return tag("code", data(value, limit))


def details(summary: Html | str, body: Html, *, open_: bool = False) -> Html:
    """A part that a reader opens."""
    return tag("details", tag("summary", summary), body, open_=open_)


@dataclass(frozen=True)
class Column:
    """One column: its heading, its kind ("text", "num" or "plot") and its name in the narrow layout.

    Without `short` the name is the heading; with "" its cells stand without a name.
    """

    head: Html | str
    kind: str = "text"
    short: str | None = None


@dataclass(frozen=True)
class Cell:
    """One cell: what it shows, and a class of its own."""

    body: Html | str
    class_: str = ""


def table(caption: str, columns: Sequence[Column], rows: Iterable[Sequence[Cell | Html | str]]) -> Html:
    """A table whose first column heads its rows.

    Roles are spelled out because the narrow layout shows rows as blocks, which takes a browser's
    own table roles away.
    """
    head = tag("tr", *(_heading(c) for c in columns), role="row")
    lines = [
        tag(
            "tr",
            *(_cell(c, col, i == 0) for i, (c, col) in enumerate(zip(row, columns, strict=True))),
            role="row",
        )
        for row in rows
    ]
    return tag(
        "table",
        tag("caption", caption, class_="hidden"),
        tag("thead", head, role="rowgroup"),
        tag("tbody", *lines, role="rowgroup"),
        role="table",
    )


def _heading(column: Column) -> Html:
    return tag("th", column.head, class_=column.kind, scope="col", role="columnheader")


def _cell(cell: Cell | Html | str, column: Column, first: bool) -> Html:
    found = cell if isinstance(cell, Cell) else Cell(cell)
    classes = f"{column.kind} {found.class_}".strip()
    head = "" if isinstance(column.head, Html) else column.head
    label = head if column.short is None else column.short
    if first:
        return tag("th", found.body, class_=classes, scope="row", role="rowheader")
    return tag("td", found.body, class_=classes, role="cell", data_th=label or None)


def page(title: str, body: Html, *styles: str) -> str:
    """One HTML file without script or address, in the reader's colour scheme.

    Parameters
    ----------
    styles : names of files of this package, one after the other the style of the page.
    """
    folder = resources.files("tilth.report")
    style = "\n".join(folder.joinpath(name).read_text("utf-8") for name in styles)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Html(style)),
    )
    return "<!DOCTYPE html>\n" + tag("html", head, body, lang="en") + "\n"


def sections(shown: Iterable[tuple[str, str, Html]]) -> list[Html]:
    """Sections of a page, each from its key, its heading and what it holds."""
    return [
        tag("section", tag("h2", title, id=f"h-{key}"), part, id=key, aria_labelledby=f"h-{key}")
        for key, title, part in shown
    ]
