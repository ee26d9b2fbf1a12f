"""CSV and TSV: the standard library's parser, strict, with the place of every fault.

The parser is strict because the lenient one silently changes data: `"He said "hi" there"` would be
taken in as `He said hi" there"`.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from tilth.errors import BadRow, InputError
from tilth.ingest import lines
from tilth.ingest.base import ROW, Record, check_names, file_digest, file_size

__all__ = ["CsvSource", "open_csv"]

DELIMITERS = ",\t;|"
SNIFFED = 50
"""Records that a delimiter is judged by."""
QUOTE_ADVICE = 'close the quote, or write a quote inside a quoted cell twice (""); reading went on at line {}'


class _Endless(Exception):
    """A record is longer than the limit; raised inside the parser's input, caught around it."""


class _Feed:
    """A `csv.reader` that knows where the current record began and can go back to a line."""

    def __init__(self, text: lines.TextFile, delimiter: str) -> None:
        self._text = text
        self._delimiter = delimiter
        self._marks: deque[tuple[int, int]] = deque([(1, text.start)])
        self._kept: lines.Block | None = None
        self.consumed = 0
        self.faults: dict[int, lines.Fault] = {}
        self.rewind(1)

    def rewind(self, line: int) -> None:
        """Start again at a line not before the current record."""
        while len(self._marks) > 1 and self._marks[1][0] <= line:
            self._marks.popleft()
        blocks = self._from(*self._marks[0], line)
        self._marks.clear()
        self.faults.clear()
        self.done = self.before = line - 1
        rows = chain.from_iterable(self._lines(blocks, line))
        self.reader = csv.reader(rows, delimiter=self._delimiter, strict=True)

    @property
    def last(self) -> int:
        """Number of the last line that the parser took."""
        return self.before + self.reader.line_num

    def _from(self, first: int, offset: int, line: int) -> Iterator[lines.Block]:
        """Blocks from the one with a line on; that in memory is not read again."""
        kept = self._kept
        if kept is None or kept.line > line:
            yield from self._text.blocks(offset, first)
            return
        yield kept
        yield from self._text.blocks(kept.end, kept.line + len(kept.lines))

    def _lines(self, blocks: Iterator[lines.Block], line: int) -> Iterator[list[str]]:
        for block in blocks:
            self._kept = block
            marks = self._marks
            marks.append((block.line, block.offset))
            while len(marks) > 1 and marks[1][0] <= self.done + 1:
                marks.popleft()
            # The block that the record begins in may hold a long line of the record before.
            if len(marks) > 1 and block.end - marks[1][1] > lines.LIMIT:
                raise _Endless
            self.consumed = max(self.consumed, block.end)
            self.faults.update((n, f) for n, f in block.faults.items() if n >= line)
            yield block.lines[max(0, line - block.line) :]

    def text_of(self, first: int, last: int) -> str:
        """The lines from one number to another, both included, read again from the file."""
        kept = self._kept
        if kept is not None and kept.line <= first:
            return "".join(kept.lines[first - kept.line : last - kept.line + 1])
        line, offset = self._marks[0]
        found = chain.from_iterable(b.lines for b in self._text.blocks(offset, line))
        return "".join(islice(found, first - line, last - line + 1))

    def fault(self, last: int) -> lines.Fault | None:
        """The first fault in the lines of the current record, the last of which is `last`."""
        # Line numbers ascend in the dict, so a file full of bad bytes is not searched at every row.
        found: lines.Fault | None = None
        while self.faults and (number := next(iter(self.faults))) <= last:
            fault = self.faults.pop(number)
            found = found or fault
        return found


@dataclass(frozen=True, slots=True)
class CsvSource:
    """A CSV or TSV file with a header.

    Attributes
    ----------
    text : the file and its encoding.
    delimiter : the character between cells.
    columns : what the first record says, without outer blanks.
    """

    text: lines.TextFile
    delimiter: str
    columns: list[str]

    @property
    def name(self) -> str:
        """File name."""
        return self.text.path.name

    @property
    def size_hint(self) -> int | None:
        """Bytes of the file."""
        return file_size(self.text.path)

    def digest(self) -> str:
        """SHA-256 of the bytes of the file."""
        return file_digest([self.text.path])

    def records(self) -> Iterator[Record | BadRow]:
        """Records after the header; blank lines are passed over."""
        _raise_field_limit()
        feed = _Feed(self.text, self.delimiter)
        _header(feed)
        names, width = self.columns, len(self.columns)
        while True:
            reader, before = feed.reader, feed.before
            try:
                for row in reader:
                    line = feed.done + 1
                    last = before + reader.line_num
                    bad = None
                    if feed.faults or len(row) != width:
                        bad = self._refused(feed, row, line, last)
                    feed.done = last
                    if bad is not None:
                        yield bad
                    elif len(row) == width:
                        yield Record(line, dict(zip(names, row, strict=False)), feed.consumed)
                return
            except (csv.Error, _Endless) as error:
                bad = self._broken(feed, error)
            yield bad

    def _refused(self, feed: _Feed, row: list[str], line: int, last: int) -> BadRow | None:
        """What is wrong with a row that was parsed; None when it is sound, or a blank line."""
        fault = feed.fault(last)
        if fault is not None:
            at = next((i for i, cell in enumerate(row) if fault.mark and fault.mark in cell), None)
            known = at is not None and at < len(self.columns)
            column = self.columns[at] if known and at is not None else ROW
            value = row[at] if at is not None else self.delimiter.join(row)
            return BadRow(self.name, line, column, value[:1000], fault.problem, fault.advice)
        width = len(self.columns)
        if len(row) == width or not row or (len(row) == 1 and not row[0].strip()):
            return None
        advice = (
            "add the missing cells; a line break inside a cell needs quotes around the cell"
            if len(row) < width
            else f'a cell that holds {self.delimiter!r} needs quotes around it ("...")'
        )
        problem = f"expected {width} cell{'s' * (width != 1)}, found {len(row)}"
        return BadRow(self.name, line, ROW, self.delimiter.join(row)[:1000], problem, advice)

    def _broken(self, feed: _Feed, error: Exception) -> BadRow:
        """The fault that stopped the parser; the feed is set behind the line it is in."""
        line, last = feed.done + 1, max(feed.last, feed.done + 1)
        text = feed.text_of(line, last)
        cell, begin = _broken_cell(text, self.delimiter)
        opened = line + _line_ends(text, begin)
        resume = opened + 1
        if isinstance(error, _Endless):
            problem = f"a quote opens here and the record is longer than {lines.LIMIT:,} bytes"
        elif "end of data" in str(error):
            problem = "a quote opens here and is not closed before the end of the file"
        elif "field limit" in str(error):
            problem = f"a cell of more than {csv.field_size_limit():,} characters"
        else:
            where = "" if opened == last else f" in line {last}"
            problem = f"text after the closing quote of a cell{where}"
        column = self.columns[cell] if cell < len(self.columns) else ROW
        feed.fault(opened)  # a bad byte in a line that is given up anyway
        if resume <= last or isinstance(error, _Endless):
            feed.rewind(resume)
        feed.done = opened
        advice = QUOTE_ADVICE.format(resume)
        return BadRow(self.name, opened, column, text[begin : begin + 1000], problem, advice)


def _line_ends(text: str, end: int) -> int:
    return sum(1 for _ in re.finditer(r"\r\n|\r|\n", text[:end]))


def _broken_cell(text: str, delimiter: str) -> tuple[int, int]:
    """Index and start of the first cell in a record whose quotes are wrong."""
    d = re.escape(delimiter)
    sound = re.compile(rf'(?:"[^"]*+(?:""[^"]*+)*+"(?={d}|[\r\n]|\Z)|(?!")[^{d}\r\n]*+)')
    cell = at = 0
    while found := sound.match(text, at):
        if text[found.end() : found.end() + 1] != delimiter:
            break
        at = found.end() + 1
        cell += 1
    return cell, at


def _raise_field_limit() -> None:
    # The limit belongs to the process and is read at every character, so it cannot be set back
    # while a reader is alive. It is only ever raised; a record is bounded by lines.LIMIT.
    if csv.field_size_limit() < 2 * lines.LIMIT:
        csv.field_size_limit(2 * lines.LIMIT)


def _header(feed: _Feed) -> list[str]:
    """The first record that is not blank; the feed stands behind it."""
    for row in feed.reader:
        feed.done = feed.last
        if len(row) > 1 or (row and row[0].strip()):
            return row
    return []


def open_csv(path: Path, *, encoding: str | None = None, delimiter: str | None = None) -> CsvSource:
    """Settle encoding, delimiter and header of a CSV or TSV file.

    Parameters
    ----------
    path : an existing file.
    encoding : see `open_text`.
    delimiter : one character; by default a tab for .tsv and .tab, else judged by the first records.

    Raises
    ------
    InputError
        when the file has no usable header or is not text.
    """
    text = lines.open_text(path, encoding)
    if delimiter is not None:
        delimiter = _checked(delimiter)
    elif path.suffix.lower() in (".tsv", ".tab"):
        delimiter = "\t"
    else:
        delimiter = _sniff(text)
    _raise_field_limit()
    feed = _Feed(text, delimiter)
    try:
        cells = [cell.strip() for cell in _header(feed)]
    except (csv.Error, _Endless) as error:
        raise InputError(
            f"{path}:{feed.done + 1}: the header cannot be read: a quote is not closed or has text "
            "after it; mend the first line"
        ) from error
    fault = feed.fault(feed.done)
    if fault is not None:
        raise InputError(f"{path}:{feed.done}: in the header: {fault.problem}; {fault.advice}")
    if not any(cells):
        raise InputError(f"{path} has no header: the first line must name the columns")
    # pandas writes its index as a first column without a name.
    names = [cell or f"column_{i}" for i, cell in enumerate(cells, 1)]
    check_names(names, f"{path}:{feed.done}")
    return CsvSource(text, delimiter, names)


def _checked(delimiter: str) -> str:
    given = {"\\t": "\t", "tab": "\t"}.get(delimiter, delimiter)
    if len(given) != 1 or given in '"\r\n\0':
        raise InputError(
            f"delimiter {delimiter!r} cannot be used; give one character such as ',' ';' '|', or 'tab'"
        )
    return given


def _sniff(text: lines.TextFile) -> str:
    """The delimiter under which the first records agree best with the header in their width."""
    block = next(text.blocks())

    def score(delimiter: str) -> tuple[float, int]:
        reader = csv.reader(block.lines, delimiter=delimiter, strict=True)
        widths: list[int] = []
        while len(widths) < SNIFFED:
            try:
                row = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                # The sample may end inside a record.
                if widths and "end of data" in str(error):
                    break
                widths.append(0)
                continue
            if row:
                widths.append(len(row))
        if not widths or widths[0] < 2:
            return 0.0, 0
        return widths.count(widths[0]) / len(widths), widths[0]

    _raise_field_limit()
    return max(DELIMITERS, key=score)
