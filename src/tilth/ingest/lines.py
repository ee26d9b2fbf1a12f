"""A text file as blocks of numbered lines, in bounded memory; bad bytes are located, not raised.

A line ends at LF, CR LF or CR and nowhere else: `str.splitlines` would also cut at U+2028, U+0085
and form feeds, which are ordinary characters inside a cell.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from tilth.errors import InputError
from tilth.ingest.base import read_error

__all__ = ["Block", "Fault", "TextFile", "open_text"]

BLOCK = 1 << 16
LIMIT = 10_000_000
"""Bytes that one record may have; more means an unclosed quote or a file that is no table."""

BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
MAGIC = (
    (b"PAR1", "a Parquet file", "name it .parquet"),
    (b"ARROW1", "an Arrow file", "name it .arrow"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "unpack it, or save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word document", "save the sheet as CSV"),
    (b"\x1f\x8b", "a gzip file", "unpack it first: gunzip FILE"),
    (b"BZh", "a bzip2 file", "unpack it first: bunzip2 FILE"),
    (b"\xfd7zXZ", "an xz file", "unpack it first: unxz FILE"),
    (b"\x28\xb5\x2f\xfd", "a zstd file", "unpack it first: unzstd FILE"),
    (b"SQLite format 3", "an SQLite database", "export the table as CSV"),
    (b"%PDF", "a PDF document", "export the table as CSV"),
)
UNTEXT = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"})


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one line.

    Attributes
    ----------
    problem, advice : as in `BadRow`.
    mark : a character that stands at the place of the fault in the decoded line.
    """

    problem: str
    advice: str
    mark: str


@dataclass(frozen=True, slots=True)
class Block:
    """Some consecutive lines with their ends.

    Attributes
    ----------
    offset, end : bytes of the file before the first line, and after the last.
    line : number of the first line, from 1.
    lines : the text of the lines.
    faults : line number to what is wrong with that line.
    """

    offset: int
    end: int
    line: int
    lines: list[str]
    faults: dict[int, Fault]


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file of text whose encoding is settled.

    Attributes
    ----------
    path : the file.
    codec : its encoding.
    start : bytes of the byte order mark.
    """

    path: Path
    codec: str
    start: int

    def blocks(self, offset: int | None = None, line: int = 1) -> Iterator[Block]:
        """All blocks, or those from a place where an earlier block began."""
        at = self.start if offset is None else offset
        try:
            with self.path.open("rb") as handle:
                handle.seek(at)
                for data, size in self._pieces(handle):
                    block = self._block(data, at, line) if data else self._oversize(at, size, line)
                    yield block
                    at += size
                    line += len(block.lines)
        except OSError as error:
            raise read_error(self.path, error) from error

    def head(self) -> str:
        """The first 65,536 bytes as text; a character that is bad or cut comes as U+FFFD."""
        try:
            with self.path.open("rb") as handle:
                handle.seek(self.start)
                return handle.read(BLOCK).decode(self.codec, "replace")
        except OSError as error:
            raise read_error(self.path, error) from error

    def whole(self) -> Block:
        """The file as one block, however long its lines are."""
        try:
            with self.path.open("rb") as handle:
                handle.seek(self.start)
                return self._block(handle.read(), self.start, 1)
        except OSError as error:
            raise read_error(self.path, error) from error

    def _pieces(self, handle: BinaryIO) -> Iterator[tuple[bytes, int]]:
        """Runs of whole lines and their sizes; a line beyond the limit comes as nothing."""
        rest = b""
        while chunk := handle.read(BLOCK):
            rest += chunk
            cut = self._cut(rest)
            if cut:
                yield rest[:cut], cut
                rest = rest[cut:]
            elif len(rest) > LIMIT:
                size, rest = self._skip_line(handle, rest)
                yield b"", size
        if rest:
            yield rest, len(rest)

    def _skip_line(self, handle: BinaryIO, rest: bytes) -> tuple[int, bytes]:
        """Read on to the end of a line that is too long: its size, and what was read after it."""
        unit = len(self._ends()[0])
        size = 0
        while True:
            end = next(self._line_ends(rest), 0)
            # A CR as the last unit may be half of CR LF: the next chunk will tell.
            if 0 < end < len(rest):
                return size + end, rest[end:]
            keep = (len(rest) - 1) // unit * unit
            chunk = handle.read(BLOCK)
            if not chunk:
                return size + len(rest), b""
            size, rest = size + keep, rest[keep:] + chunk

    def _ends(self) -> tuple[bytes, bytes]:
        return "\n".encode(self.codec), "\r".encode(self.codec)

    def _line_ends(self, data: bytes) -> Iterator[int]:
        """Where each line of some data ends; the data begin at the start of a character."""
        lf, cr = self._ends()
        unit = len(lf)
        # Without consuming: halves of two neighbours may look like a line end and hide a real one.
        for found in re.finditer(b"(?=%b|%b)" % (re.escape(lf), re.escape(cr)), data):
            at = found.start()
            end = at + unit
            if at % unit == 0 and (data[at:end] == lf or data[end : end + unit] != lf):
                yield end

    def _cut(self, data: bytes) -> int:
        """Bytes up to the end of the last whole line; 0 when there is none."""
        lf, cr = self._ends()
        unit = len(lf)
        usable = len(data) - len(data) % unit
        best = 0
        # A CR at the very end may be half of CR LF, so it does not count.
        for mark, stop in ((lf, usable), (cr, usable - unit)):
            at = data.rfind(mark, 0, stop)
            while at % unit and at > 0:  # the two halves of two neighbours look like a line end
                at = data.rfind(mark, 0, at + unit - 1)
            if at >= 0:
                best = max(best, at + unit)
        return best

    def _block(self, data: bytes, offset: int, line: int) -> Block:
        try:
            text = data.decode(self.codec)
        except UnicodeDecodeError:
            return self._salvage(data, offset, line)
        lines = list(io.StringIO(text, newline=""))
        faults: dict[int, Fault] = {}
        if "\0" in text:
            for number, one in enumerate(lines, line):
                if "\0" in one:
                    faults[number] = _nul_fault()
        return Block(offset, offset + len(data), line, lines, faults)

    def _salvage(self, data: bytes, offset: int, line: int) -> Block:
        """Decode line by line, so that one bad byte costs one line."""
        lines: list[str] = []
        bad: dict[int, tuple[int, bytes, str]] = {}
        begin = 0
        for end in chain(self._line_ends(data), [len(data)]):
            raw, before, begin = data[begin:end], begin, end
            if not raw:
                continue
            try:
                text = raw.decode(self.codec)
                if "\0" in text:
                    bad[line + len(lines)] = (0, b"", "\0")
            except UnicodeDecodeError as error:
                at = offset + before + error.start
                bad[line + len(lines)] = (at, raw[error.start : error.end], "\ufffd")
                text = raw.decode(self.codec, "replace")
            lines.append(text)
        mostly = any(not t.isascii() for n, t in enumerate(lines, line) if n not in bad)
        faults = {
            n: _nul_fault() if mark == "\0" else self._byte_fault(at, raw, mostly)
            for n, (at, raw, mark) in bad.items()
        }
        return Block(offset, offset + len(data), line, lines, faults)

    def _byte_fault(self, at: int, raw: bytes, mostly: bool) -> Fault:
        shown = raw[:4].hex(" ")
        problem = f"byte 0x{shown} at offset {at} is not valid {self.codec.upper()}"
        if self.codec != "utf-8":
            advice = "mend this byte, or pass the encoding the file was written in with --encoding"
        elif mostly:
            advice = (
                "lines around it are valid UTF-8, so mend this byte; only if the whole file looks "
                "like cp1252/latin-1: pass --encoding cp1252"
            )
        else:
            advice = "the file looks like cp1252/latin-1: pass --encoding cp1252"
        return Fault(problem, advice, "\ufffd")

    def _oversize(self, offset: int, size: int, line: int) -> Block:
        fault = Fault(
            f"a line of {size:,} bytes; a record may have {LIMIT:,}",
            "check that the file has line ends and is a table",
            "",
        )
        return Block(offset, offset + size, line, ["\n"], {line: fault})


def _nul_fault() -> Fault:
    return Fault(
        "a NUL byte (0x00) in the text",
        "the file is damaged, or UTF-16 without a byte order mark: take the byte out, or pass "
        "--encoding utf-16-le",
        "\0",
    )


def open_text(path: Path, encoding: str | None = None) -> TextFile:
    """Settle the encoding of a file: the one that is given, else by its byte order mark, else UTF-8.

    Raises
    ------
    InputError
        for an empty file, a file that is not text, and an unknown encoding.
    """
    try:
        with path.open("rb") as handle:
            head = handle.read(BLOCK)
    except OSError as error:
        raise read_error(path, error) from error
    if not head:
        raise InputError(f"{path} is empty; a data set needs at least a header or one record")
    marked = next(((bom, codec) for bom, codec in BOMS if head.startswith(bom)), None)
    if encoding is None:
        bom, codec = marked or (b"", "utf-8")
        if marked is None:
            _refuse_binary(path, head, codec)
    else:
        codec = _known_codec(encoding)
        wide = codec.removesuffix("-le").removesuffix("-be")
        bom = b""
        if marked and marked[1].startswith(wide):
            bom, codec = marked
        elif codec in ("utf-16", "utf-32"):
            codec += "-le"
        if len("\n".encode(codec)) == 1:
            _refuse_binary(path, head, codec)
    if len(head) == len(bom):
        raise InputError(f"{path} is empty but for a byte order mark; write the data again")
    return TextFile(path, codec, len(bom))


def _known_codec(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        if name.replace("-", "_") in UNTEXT:
            raise LookupError(name)
        "a,\n".encode(name).decode(name)
    except (LookupError, UnicodeError, ValueError) as error:
        raise InputError(
            f"unknown encoding {encoding!r}; use one that Python knows, such as utf-8, utf-16, "
            "cp1252, latin-1, cp1250, shift_jis or gb18030"
        ) from error
    return "utf-8" if name == "utf-8-sig" else name


def _refuse_binary(path: Path, head: bytes, codec: str) -> None:
    for magic, kind, advice in MAGIC:
        if head.startswith(magic):
            raise InputError(f"{path} is {kind}, not text; {advice}")
    nuls = head.count(0)
    for first, codec in ((1, "utf-16-le"), (0, "utf-16-be")):
        if nuls >= 4 and nuls == head[first::2].count(0) and nuls * 3 > len(head):
            raise InputError(f"{path} looks like UTF-16 without a byte order mark; pass --encoding {codec}")
    control = len(re.findall(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", head))
    # Text may be full of control characters and still be text; junk does not decode, or has NULs.
    if control >= 16 and control * 20 > len(head) and (nuls or not _decodes(head, codec)):
        raise InputError(
            f"{path} is binary data, not text ({control:,} control bytes in the first "
            f"{len(head):,}); give a CSV, TSV, JSON Lines, Parquet or Arrow file"
        )


def _decodes(head: bytes, codec: str) -> bool:
    """True for the beginning of a valid text; the last character may be cut."""
    try:
        codecs.getincrementaldecoder(codec)().decode(head, final=False)
    except UnicodeError:
        return False
    return True
