"""CSV and TSV: every fault is found at its place, and everything else is read as it stands."""

from __future__ import annotations

import codecs
import csv
import io
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tilth.errors import BadRow, InputError
from tilth.ingest import Record, Source, open_source

cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
odd = st.sampled_from(["\u2028", "\x85", "\x0b", "\x0c", "\x1c", "\ufeff", '"', '""', "\r", "\n", ""])


def write(folder: Path, body: bytes | str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(body.encode() if isinstance(body, str) else body)
    return path


def read(source: Source) -> tuple[list[Record], list[BadRow]]:
    found = list(source.records())
    return (
        [r for r in found if isinstance(r, Record)],
        [r for r in found if isinstance(r, BadRow)],
    )


def texts(records: list[Record]) -> list[list[object]]:
    return [list(r.values.values()) for r in records]


def test_plain_file(tmp_path: Path) -> None:
    path = write(tmp_path, "text,label\nhello,a\nworld,b\n")
    source = open_source(path)
    assert (source.name, source.columns, source.size_hint) == ("t.csv", ["text", "label"], 27)
    good, bad = read(source)
    assert not bad
    assert [(r.line, r.values) for r in good] == [
        (2, {"text": "hello", "label": "a"}),
        (3, {"text": "world", "label": "b"}),
    ]
    assert good[-1].progress == 27
    assert read(source) == (good, bad), "records() starts again"


@pytest.mark.parametrize(
    ("encoding", "bom", "given"),
    [
        ("utf-8", b"", None),
        ("utf-8", codecs.BOM_UTF8, None),
        ("utf-8", codecs.BOM_UTF8, "utf-8"),
        ("utf-8", codecs.BOM_UTF8, "utf-8-sig"),
        ("utf-16-le", codecs.BOM_UTF16_LE, None),
        ("utf-16-be", codecs.BOM_UTF16_BE, None),
        ("utf-16-le", codecs.BOM_UTF16_LE, "utf-16"),
        ("utf-16-be", codecs.BOM_UTF16_BE, "UTF-16"),
        ("utf-16-le", b"", "utf-16"),
        ("utf-16-be", b"", "utf-16-be"),
        ("utf-32-le", codecs.BOM_UTF32_LE, None),
        ("utf-32-be", codecs.BOM_UTF32_BE, None),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings(tmp_path: Path, encoding: str, bom: bytes, given: str | None, end: str) -> None:
    # U+0A0D and U+0D0A hold the bytes of line ends, U+2028 is none in a CSV file
    rows = ["text;label", "\u0a0d\u0d0a日本\u2028€;a", '"x\ny";b']
    path = write(tmp_path, bom + (end.join(rows) + end).encode(encoding))
    good, bad = read(open_source(path, encoding=given))
    assert not bad
    assert texts(good) == [["\u0a0d\u0d0a日本\u2028€", "a"], ["x\ny", "b"]]
    assert [r.line for r in good] == [2, 3]


def test_given_encoding(tmp_path: Path) -> None:
    path = write(tmp_path, "text,label\ncafé €,a\n".encode("cp1252"))
    assert texts(read(open_source(path, encoding="cp1252"))[0]) == [["café €", "a"]]
    path = write(tmp_path, "text,label\n表示,a\n".encode("shift_jis"))
    assert texts(read(open_source(path, encoding="shift_jis"))[0]) == [["表示", "a"]]


@pytest.mark.parametrize("name", ["utf-9", "base64", "idna", "unicode_escape", "", "a\0b"])
def test_unknown_encoding(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, "text,label\nx,a\n")
    with pytest.raises(InputError, match=r"unknown encoding .*use one that Python knows"):
        open_source(path, encoding=name)


def test_bad_byte(tmp_path: Path) -> None:
    path = write(tmp_path, b"text,label\nfine,a\ncaf\xe9 closed,b\nalso fine,c\n")
    good, bad = read(open_source(path))
    assert texts(good) == [["fine", "a"], ["also fine", "c"]]
    assert [str(b) for b in bad] == [
        "t.csv:3: column 'text': byte 0xe9 at offset 21 is not valid UTF-8 "
        "(found 'caf\ufffd closed'); the file looks like cp1252/latin-1: pass --encoding cp1252"
    ]
    assert path.read_bytes()[21] == 0xE9


def test_bad_byte_among_good_utf8(tmp_path: Path) -> None:
    path = write(tmp_path, "text,label\ncafé,a\n".encode() + b'x,"\xff\n"\n' + b"y,b\n")
    good, (bad,) = read(open_source(path))
    assert texts(good) == [["café", "a"], ["y", "b"]]
    assert (bad.line, bad.column) == (3, "label")
    assert bad.problem == "byte 0xff at offset 22 is not valid UTF-8"
    assert bad.advice == (
        "lines around it are valid UTF-8, so mend this byte; only if the whole file looks "
        "like cp1252/latin-1: pass --encoding cp1252"
    )


def test_bad_byte_in_a_record_of_several_lines(tmp_path: Path) -> None:
    path = write(tmp_path, b'text,label\n"one\ntw\xf6\nthree",b\nnext,c\n')
    good, (bad,) = read(open_source(path))
    assert texts(good) == [["next", "c"]]
    assert (bad.line, bad.column, "offset 18" in bad.problem) == (2, "text", True)


def test_bad_byte_in_utf16(tmp_path: Path) -> None:
    body = "text,label\nx\ud800y,b\nz,c\n".encode("utf-16-le", "surrogatepass")
    good, (bad,) = read(open_source(write(tmp_path, codecs.BOM_UTF16_LE + body)))
    assert texts(good) == [["z", "c"]]
    assert (bad.line, bad.column) == (2, "text")
    assert bad.problem == "byte 0x00 d8 at offset 26 is not valid UTF-16-LE"
    good, (bad,) = read(
        open_source(write(tmp_path, codecs.BOM_UTF16_LE + "a,b\nc,d".encode("utf-16-le") + b"\0"))
    )
    assert (bad.line, good) == (2, [])


def test_bad_byte_in_another_encoding(tmp_path: Path) -> None:
    path = write(tmp_path, b"text,label\nx\x81,b\nz,c\n")
    good, (bad,) = read(open_source(path, encoding="cp1252"))
    assert texts(good) == [["z", "c"]]
    assert bad.problem == "byte 0x81 at offset 12 is not valid CP1252"
    assert "--encoding" in bad.advice


def test_bad_byte_in_header(tmp_path: Path) -> None:
    path = write(tmp_path, b"t\xe9xt,label\nx,a\n")
    with pytest.raises(
        InputError, match=r"t\.csv:1: in the header: byte 0xe9 at offset 1 .*--encoding cp1252"
    ):
        open_source(path)


def test_many_bad_bytes_are_not_slow(tmp_path: Path) -> None:
    path = write(tmp_path, b"text,label\n" + b"caf\xe9,a\n" * 50_000)
    good, bad = read(open_source(path))
    assert (len(good), len(bad), bad[-1].line) == (0, 50_000, 50_001)
    assert bad[-1].problem == f"byte 0xe9 at offset {11 + 49_999 * 7 + 3} is not valid UTF-8"


def test_nul(tmp_path: Path) -> None:
    path = write(tmp_path, b"text,label\na\0b,x\nfine,y\n")
    good, (bad,) = read(open_source(path))
    assert texts(good) == [["fine", "y"]]
    assert str(bad).startswith("t.csv:2: column 'text': a NUL byte (0x00) in the text (found 'a\\x00b')")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    rows = [["id", "text", "label"], ["1", "hi, there; you | all\tof", "a"], ["2", "", "b"]]
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter).writerows(rows)
    source = open_source(write(tmp_path, buffer.getvalue()))
    assert source.columns == rows[0]
    assert texts(read(source)[0]) == rows[1:]


def test_delimiter_by_ending_and_by_hand(tmp_path: Path) -> None:
    body = "a,b\tc\n1,2\t3\n"
    assert open_source(write(tmp_path, body, "t.tsv")).columns == ["a,b", "c"]
    assert open_source(write(tmp_path, body, "t.tab")).columns == ["a,b", "c"]
    for tab in ("\t", "\\t", "tab"):
        assert open_source(write(tmp_path, body), delimiter=tab).columns == ["a,b", "c"]
    assert open_source(write(tmp_path, body, "t.tsv"), delimiter=",").columns == ["a", "b\tc"]
    assert open_source(write(tmp_path, "a^b\n1^2\n"), delimiter="^").columns == ["a", "b"]


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n", "\r", "\0"])
def test_delimiter_that_cannot_be(tmp_path: Path, delimiter: str) -> None:
    with pytest.raises(InputError, match=r"delimiter .* cannot be used; give one character"):
        open_source(write(tmp_path, "a,b\n"), delimiter=delimiter)


def test_quotes_line_ends_and_blank_lines(tmp_path: Path) -> None:
    body = 'text,label\r\n\r\n"say ""hi"", now",a\r"two\r\nlines\rthree\n",b\n\n   \nlast,"c"'
    good, bad = read(open_source(write(tmp_path, body)))
    assert not bad
    assert [(r.line, *r.values.values()) for r in good] == [
        (3, 'say "hi", now', "a"),
        (4, "two\r\nlines\rthree\n", "b"),
        (10, "last", "c"),
    ]


def test_ragged_rows(tmp_path: Path) -> None:
    path = write(tmp_path, "id,text,label\n1,fine,a\n2,short\n3,too,long,b\n4,fine,c\n")
    good, bad = read(open_source(path))
    assert texts(good) == [["1", "fine", "a"], ["4", "fine", "c"]]
    assert [str(b) for b in bad] == [
        "t.csv:3: column '(row)': expected 3 cells, found 2 (found '2,short'); add the missing "
        "cells; a line break inside a cell needs quotes around the cell",
        "t.csv:4: column '(row)': expected 3 cells, found 4 (found '3,too,long,b'); a cell that "
        "holds ',' needs quotes around it (\"...\")",
    ]


def test_unclosed_quote_at_the_end(tmp_path: Path) -> None:
    path = write(tmp_path, 'id,text,label\n1,fine,a\n2,"open,b\n3,next,c\n4,"good, quoted",d\n')
    good, (bad,) = read(open_source(path))
    assert texts(good) == [["1", "fine", "a"], ["3", "next", "c"], ["4", "good, quoted", "d"]]
    assert (bad.line, bad.column, bad.value) == (3, "text", '"open,b\n3,next,c\n4,"good, quoted",d\n')
    assert bad.problem == "text after the closing quote of a cell in line 5"
    path = write(tmp_path, 'id,text,label\n1,fine,a\n2,"open,b\n3,next,c\n4,more,d')
    good, (bad,) = read(open_source(path))
    assert texts(good) == [["1", "fine", "a"], ["3", "next", "c"], ["4", "more", "d"]]
    assert str(bad).startswith(
        "t.csv:3: column 'text': a quote opens here and is not closed before the end of the file "
        "(found '\"open,b"
    )
    assert bad.advice.endswith('("")' + "; reading went on at line 4")


def test_unclosed_quote_after_a_cell_of_several_lines(tmp_path: Path) -> None:
    path = write(tmp_path, 'a,b,c\n"x\ny","open,z\n1,2,3\n')
    good, (bad,) = read(open_source(path))
    assert texts(good) == [["1", "2", "3"]]
    assert (bad.line, bad.column) == (3, "b")


def test_quote_that_is_not_doubled(tmp_path: Path) -> None:
    path = write(tmp_path, 'text,label\n"He said "hi" there",a\nx,b\n"one" ,c\ny,d\n')
    good, bad = read(open_source(path))
    assert texts(good) == [["x", "b"], ["y", "d"]]
    assert [(b.line, b.column, b.problem) for b in bad] == [
        (2, "text", "text after the closing quote of a cell"),
        (4, "text", "text after the closing quote of a cell"),
    ]
    assert bad[0].value.startswith('"He said "hi"')


def test_unclosed_quote_on_the_last_line(tmp_path: Path) -> None:
    for body in ('text,label\nx,b\ny,"', 'text,label\nx,b\ny,"open\n'):
        good, (bad,) = read(open_source(write(tmp_path, body)))
        assert texts(good) == [["x", "b"]]
        assert (bad.line, bad.column) == (3, "label")


def test_a_record_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with path.open("wb") as handle:
        handle.write(b'text,label\nfirst,a\n"open,b\n')
        handle.writelines(b"row %d is here to fill the file,c\n" % i for i in range(400_000))
    size = path.stat().st_size
    assert size > 12_000_000
    good, (bad,) = read(open_source(path))
    assert len(good) == 400_001
    assert (bad.line, bad.column) == (3, "text")
    assert bad.problem == "a quote opens here and the record is longer than 10,000,000 bytes"
    assert (good[1].line, good[-1].line, good[-1].progress) == (4, 400_003, size)
    assert all(a.progress <= b.progress for a, b in pairwise(good))


def test_a_line_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"text,label\nfirst,a\n" + b"x" * 25_000_000 + b",b\r\nlast,c\r\n")
    good, (bad,) = read(open_source(path))
    assert [(r.line, *r.values.values()) for r in good] == [(2, "first", "a"), (4, "last", "c")]
    assert str(bad).startswith(
        "t.csv:3: column '(row)': a line of 25,000,004 bytes; a record may have 10,000,000"
    )


def test_huge_cells_are_fine(tmp_path: Path) -> None:
    long = "word " * 1_000_000
    lines = "line\n" * 300_000
    path = tmp_path / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([["text", "label"], [long, "a"], [lines, "b"], ["x\ny", "c"]])
    good, bad = read(open_source(path))
    assert not bad
    assert texts(good) == [[long, "a"], [lines, "b"], ["x\ny", "c"]]
    assert [r.line for r in good] == [2, 3, 300_004]


def test_header_alone(tmp_path: Path) -> None:
    source = open_source(write(tmp_path, "text,label\n"))
    assert (source.columns, list(source.records())) == (["text", "label"], [])


def test_header_names(tmp_path: Path) -> None:
    # blank lines before it, blanks around names, and the nameless index that pandas writes
    source = open_source(write(tmp_path, '\n\n, text ,"label "\n0,x,a\n'))
    assert source.columns == ["column_1", "text", "label"]
    assert [r.line for r in read(source)[0]] == [4]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", r"t\.csv is empty"),
        (codecs.BOM_UTF8, "empty but for a byte order mark"),
        ("\n\n\n", r"t\.csv has no header: the first line must name the columns"),
        (",,\n1,2,3\n", "has no header"),
        ("a, b,b\n1,2,3\n", r"t\.csv:1: column name 'b' occurs 2 times in the header; rename"),
        ('"a,b\n1,2\n', "the header cannot be read: a quote is not closed"),
        (bytes(range(256)) * 20, r"is binary data, not text \(.* control bytes"),
        (b"PK\x03\x04rest", "is a zip archive or an Excel workbook, not text; unpack it"),
        (b"\x1f\x8b\x08rest", "is a gzip file, not text; unpack it first: gunzip FILE"),
        (b"PAR1rest", r"is a Parquet file, not text; name it \.parquet"),
        (
            "text,label\nx,a\n".encode("utf-16-le"),
            "UTF-16 without a byte order mark; pass --encoding utf-16-le",
        ),
        ("text,label\nx,a\n".encode("utf-16-be"), "pass --encoding utf-16-be"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, body: bytes | str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_source(write(tmp_path, body))


def test_control_characters_are_text(tmp_path: Path) -> None:
    controls = "\x01\x1f\x7f\x0b" * 20
    good, bad = read(open_source(write(tmp_path, f"text,label\n{controls},é\n")))
    assert (texts(good), bad) == ([[controls, "é"]], [])


def test_one_column(tmp_path: Path) -> None:
    good, bad = read(open_source(write(tmp_path, 'text\nhello\n\n""\nyou\n')))
    assert (texts(good), bad) == ([["hello"], [""], ["you"]], [])


def test_a_file_that_vanishes(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b\n1,2\n")
    source = open_source(path)
    path.unlink()
    for act in (lambda: list(source.records()), source.digest, lambda: source.size_hint):
        with pytest.raises(InputError, match=r"cannot read .*t\.csv: No such file"):
            act()


def test_somebody_elses_field_limit(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b\n" + "x" * 200_000 + ",2\n")
    before = csv.field_size_limit(131_072)
    try:
        assert len(read(open_source(path))[0]) == 1
        assert csv.field_size_limit() > 10_000_000
        csv.field_size_limit(10**9)
        assert len(read(open_source(path))[0]) == 1
        assert csv.field_size_limit() == 10**9, "never lowered"
    finally:
        csv.field_size_limit(before)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(
        st.lists(cells | st.lists(odd, max_size=4).map("".join), min_size=3, max_size=3), max_size=12
    ),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030"]),
)
@example(rows=[["\r", "\n", "\r\n"], [" ", "", " "]], delimiter=",", quoting=0, encoding="utf-16")
def test_what_csv_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str]],
    delimiter: str,
    quoting: int,
    encoding: str,
) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    with path.open("w", newline="", encoding=encoding) as handle:
        writer = csv.writer(handle, delimiter=delimiter, quoting=quoting)
        writer.writerows([["a", "b", "c"], *rows])
    given = encoding if encoding == "gb18030" else None
    good, bad = read(open_source(path, encoding=given, delimiter=delimiter))
    assert (bad, texts(good)) == ([], rows)


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=60) | st.text('ab,"\n\r\0\ufeffé', max_size=60).map(str.encode))
def test_any_bytes_end_in_rows_or_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, body: bytes
) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(b"a,b\n" + body)
    try:
        good, bad = read(open_source(path))
    except InputError:
        return
    places = [r.line for r in good] + [b.line for b in bad]
    assert len(set(places)) == len(places)
    assert all(2 <= n <= 2 + body.count(b"\n") + body.count(b"\r") for n in places)
    assert all(list(r.values) == ["a", "b"] for r in good)


@settings(max_examples=100, deadline=None)
@given(
    texts=st.lists(st.text('a, \n\r"é\u2028\u0a0d', max_size=30), min_size=1, max_size=40),
    size=st.integers(4, 64).map(lambda n: 4 * n),
    encoding=st.sampled_from(["utf-8", "utf-16", "utf-32"]),
)
def test_blocks_do_not_show(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], size: int, encoding: str
) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    with path.open("w", newline="", encoding=encoding) as handle:
        csv.writer(handle).writerows([["text", "label"], *([t, "x"] for t in texts)])
    with pytest.MonkeyPatch.context() as patch:
        whole = list(open_source(path).records())
        patch.setattr("tilth.ingest.lines.BLOCK", size)
        cut = list(open_source(path, delimiter=",", encoding=encoding).records())
    assert [(r.line, r.values) for r in whole if isinstance(r, Record)] == [
        (r.line, r.values) for r in cut if isinstance(r, Record)
    ]
    assert [r.values["text"] for r in whole if isinstance(r, Record)] == texts


MEASURE = """
import resource, sys
from tilth.ingest import guess_columns, open_source, prepare
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
source = open_source(sys.argv[1])
before = peak()
columns = guess_columns(source)
count = sum(1 for _ in prepare(source, columns))
print(count, (peak() - before) / 1024)
"""


@pytest.mark.slow
def test_a_million_rows_stream(tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    with path.open("wb") as handle:
        handle.write(b"id,text,label\n")
        handle.writelines(b'%d,"where is my card, number %d",l%d\n' % (i, i, i % 7) for i in range(1_000_000))
    found = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True
    )
    count, extra = found.stdout.split()
    assert count == "1000000"
    assert float(extra) < 100, f"{extra} MB"
