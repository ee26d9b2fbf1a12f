"""A thin layer over a rich Console: data as text, tables that do not cut numbers, ASCII fall-back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tilth.report.format import Tone, one_line, verdict_sign, verdict_words

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["Col", "Screen"]

STYLES = {"better": "#2497a8", "worse": "#d9662b", "none": ""}
ASCII = {"→": "->", "–": "-", "…": "...", "·": "-", "≈": "~", "’": "'"}
PICTURE_FROM = 100
PICTURE = 25


@dataclass(frozen=True)
class Col:
    """One column of a table: its heading and kind: "num" (right) and "id" (left) are never wrapped."""

    head: str
    kind: Literal["text", "id", "num"] = "text"


@dataclass(frozen=True)
class Screen:
    """Where a verb prints its result."""

    console: Console

    @property
    def ascii_only(self) -> bool:
        """Whether the signs have to be spelled in ASCII."""
        return not self.console.encoding.lower().replace("-", "").startswith("utf")

    @property
    def wide(self) -> bool:
        """Whether there is room for pictures of intervals."""
        return self.console.width >= PICTURE_FROM

    def text(self, words: str, style: str = "") -> Text:
        """Our own words or a number; no markup is read in it."""
        from rich.text import Text

        if self.ascii_only:
            for sign, plain in ASCII.items():
                words = words.replace(sign, plain)
            coding = self.console.encoding
            words = words.encode(coding, "backslashreplace").decode(coding)
        return Text(words, style=style)

    def data(self, value: object, limit: int = 200, style: str = "") -> Text:
        """Text from data, on one line and cut."""
        return self.text(one_line(value, limit), style)

    def verdict(self, verdict: object, shade: Tone) -> Text:
        """Sign and word, coloured only when the interval is clear of zero."""
        sign = verdict_sign(verdict, ascii_only=self.ascii_only)
        return self.text(f"{sign} {verdict_words(verdict)}", STYLES[shade])

    def change(self, words: str, shade: Tone) -> Text:
        """A change that was written by format.py."""
        return self.text(words, STYLES[shade])

    def line(self, *parts: str | Text, style: str = "") -> None:
        """One paragraph; words wrap, nothing is cut."""
        from rich.text import Text

        out = Text(style=style)
        for part in parts:
            out.append_text(self.text(part) if isinstance(part, str) else part)
        self.console.print(out, overflow="fold", highlight=False)

    def next(self, command: object) -> None:
        """The last line: what to type now, on one line so that it can be copied."""
        self.line()
        words = self.text(f"next: {one_line(command, 300)}", "bold")
        self.console.print(words, soft_wrap=True, highlight=False)

    def table(self, columns: Sequence[Col], rows: Iterable[Sequence[str | Text]]) -> None:
        """A table; number columns keep the width of their widest cell whatever the terminal."""
        from rich import box
        from rich.table import Table

        cells = [[self.text(c) if isinstance(c, str) else c for c in row] for row in rows]
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", show_edge=False)
        for i, column in enumerate(columns):
            least = max((row[i].cell_len for row in cells), default=0)
            table.add_column(
                self.text(column.head),
                justify="right" if column.kind == "num" else "left",
                no_wrap=column.kind != "text",
                min_width=max(least, len(column.head)) if column.kind != "text" else min(least, 10),
                overflow="fold",
            )
        for row in cells:
            table.add_row(*row)
        # on a very narrow terminal the table is wider than the screen: wrapped by it is better than cut
        self.console.print(table, highlight=False, crop=False, soft_wrap=False)

    def picture(self, span: tuple[float | None, ...], reach: float, shade: Tone) -> Text:
        """value, low and high on a line from -reach to +reach, with zero in the middle."""
        value, low, high = span
        dash, zero, left, right = "-|||" if self.ascii_only else "─┊├┤"
        cells = [" "] * PICTURE
        cells[PICTURE // 2] = zero

        def place(x: float) -> int:
            return (
                round((min(max(x / reach, -1.0), 1.0) + 1) / 2 * (PICTURE - 1)) if reach > 0 else PICTURE // 2
            )

        if low is not None and high is not None:
            start, end = place(low), place(high)
            cells[start : end + 1] = dash * (end + 1 - start)
            cells[start], cells[end] = left, right
        if value is not None:
            cells[place(value)] = verdict_sign(shade, ascii_only=self.ascii_only)
        return self.text("".join(cells), STYLES[shade])
