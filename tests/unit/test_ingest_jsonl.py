"""JSON Lines and JSON arrays: a bad line costs one row, a broken array the file."""

from __future__ import annotations

import codecs
import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilth.errors import BadRow, InputError
from tilth.ingest import Record, Source, open_source

ADVICE = 'write one JSON object a line, such as {"text": "...", "label": "..."}'


def write(folder: Path, body: bytes | str, name: str = "t.jsonl") -> Path:
    path = folder / name
    path.write_bytes(body.encode() if isinstance(body, str) else body)
    return path


def read(source: Source) -> tuple[list[Record], list[BadRow]]:
    found = list(source.records())
    return (
        [r for r in found if isinstance(r, Record)],
        [r for r in found if isinstance(r, BadRow)],
    )


def test_plain_file(tmp_path: Path) -> None:
    body = '{"text": "a", "n": 1}\r\n\n  \n{"text": "b", "x": null, "y": true, "z": 1.5}'
    source = open_source(write(tmp_path, body))
    good, bad = read(source)
    assert (source.columns, source.size_hint) == (["text", "n", "x", "y", "z"], len(body))
    assert not bad
    assert [(r.line, r.values) for r in good] == [
        (1, {"text": "a", "n": 1}),
        (4, {"text": "b", "x": None, "y": True, "z": 1.5}),
    ]
    assert good[-1].progress == len(body)


@pytest.mark.parametrize("name", ["t.jsonl", "t.ndjson", "t.json", "t.txt", "t"])
@pytest.mark.parametrize(
    "body",
    [
        '{"text": "é\u2028\x85"}\n{"text": "b"}\n',
        '[{"text": "é\u2028\x85"},\n {"text": "b"}]\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_names_encodings_and_line_separators(tmp_path: Path, name: str, body: str, encoding: str) -> None:
    good, bad = read(open_source(write(tmp_path, body.encode(encoding), name)))
    assert not bad
    assert [(r.line, r.values["text"]) for r in good] == [(1, "é\u2028\x85"), (2, "b")]


def test_bad_lines(tmp_path: Path) -> None:
    lines = [
        '{"text": "fine"}',
        '{"text": "cut',
        '["a", "list"]',
        "7",
        "true",
        "null",
        '"a text"',
        '{"text": "a", "text": "b"}',
        '{"a": ' + "[" * 100_000,
        '{"a": ' + "1" * 5000 + "}",
        '{"text": "last"}',
    ]
    good, bad = read(open_source(write(tmp_path, "\n".join(lines))))
    assert [(r.line, r.values["text"]) for r in good] == [(1, "fine"), (11, "last")]
    assert str(bad[0]) == (
        "t.jsonl:2: column '(row)': not valid JSON: Unterminated string at character 10 "
        f'(found \'{{"text": "cut\'); {ADVICE}'
    )
    assert [(b.line, b.problem) for b in bad[1:]] == [
        (3, "a list, not a JSON object"),
        (4, "a number, not a JSON object"),
        (5, "true or false, not a JSON object"),
        (6, "null, not a JSON object"),
        (7, "a text, not a JSON object"),
        (8, "the key 'text' occurs twice"),
        (9, "values nested too deeply"),
        (10, "a number with too many digits"),
    ]
    assert all(b.column == "(row)" and len(b.value) <= 1000 for b in bad)


def test_nested_values_are_canonical_json(tmp_path: Path) -> None:
    body = '{"text": {"b": [1, {"é": NaN}],  "a": null}, "tags": [], "s": "\\ud800"}\n'
    good, _ = read(open_source(write(tmp_path, body)))
    assert good[0].values == {"text": '{"a":null,"b":[1,{"é":NaN}]}', "tags": "[]", "s": "\ud800"}


def test_numbers_that_are_none(tmp_path: Path) -> None:
    good, bad = read(open_source(write(tmp_path, '{"a": NaN, "b": Infinity, "c": -Infinity}\n')))
    assert not bad
    values = good[0].values
    assert isinstance(values["a"], float)
    assert math.isnan(values["a"])
    assert (values["b"], values["c"]) == (math.inf, -math.inf)


def test_later_keys_are_carried(tmp_path: Path) -> None:
    body = '{"a": 1}\n' * 999 + '{"b": 1}\n{"c": 1}\n'
    source = open_source(write(tmp_path, body))
    assert source.columns == ["a", "b"]
    assert read(source)[0][-1].values == {"c": 1}


def test_bad_byte(tmp_path: Path) -> None:
    body = b'{"text": "fine", "label": "x"}\n{"text": "caf\xe9", "label": "y"}\n{"text": "\xff\n{"text": "z"}'
    good, bad = read(open_source(write(tmp_path, body)))
    assert [r.values["text"] for r in good] == ["fine", "z"]
    assert [str(b) for b in bad] == [
        "t.jsonl:2: column 'text': byte 0xe9 at offset 44 is not valid UTF-8 (found 'caf\ufffd'); "
        "the file looks like cp1252/latin-1: pass --encoding cp1252",
        "t.jsonl:3: column '(row)': byte 0xff at offset 72 is not valid UTF-8 (found "
        '\'{"text": "\ufffd\'); the file looks like cp1252/latin-1: pass --encoding cp1252',
    ]
    assert (body[44], body[72]) == (0xE9, 0xFF)


def test_given_encoding(tmp_path: Path) -> None:
    path = write(tmp_path, '{"text": "café"}\n'.encode("cp1252"))
    assert read(open_source(path, encoding="cp1252"))[0][0].values == {"text": "café"}


def test_nul(tmp_path: Path) -> None:
    good, (bad,) = read(open_source(write(tmp_path, b'{"text": "a\0b"}\n{"text": "c"}\n')))
    assert [r.values["text"] for r in good] == ["c"]
    assert (bad.line, bad.column, bad.problem) == (1, "text", "a NUL byte (0x00) in the text")


def test_a_line_is_bounded(tmp_path: Path) -> None:
    body = '{"text": "a"}\n{"text": "' + "x" * 11_000_000 + '"}\n{"text": "b"}\n'
    good, (bad,) = read(open_source(write(tmp_path, body)))
    assert [(r.line, r.values["text"]) for r in good] == [(1, "a"), (3, "b")]
    assert (bad.line, bad.problem) == (2, "a line of 11,000,013 bytes; a record may have 10,000,000")


def test_array(tmp_path: Path) -> None:
    body = ' [\n{"text": "a",\n "b": {"c": 1}}, 7,\n{"x": 1, "x": 2},\n\n{"text": "]"}\n]\n'
    source = open_source(write(tmp_path, body, "t.json"))
    good, bad = read(source)
    assert source.columns == ["text", "b"]
    assert [(r.line, r.values) for r in good] == [
        (2, {"text": "a", "b": '{"c":1}'}),
        (6, {"text": "]"}),
    ]
    assert [(b.line, b.problem) for b in bad] == [
        (3, "a number, not a JSON object"),
        (4, "the key 'x' occurs twice"),
    ]
    assert [r.progress for r in good] == sorted(r.progress for r in good)
    assert good[-1].progress <= source.size_hint


def test_array_on_one_long_line(tmp_path: Path) -> None:
    rows = [{"text": "x" * 1000, "n": i} for i in range(11_000)]
    good, bad = read(open_source(write(tmp_path, json.dumps(rows), "t.json")))
    assert (len(good), bad) == (11_000, [])


def test_array_of_nothing(tmp_path: Path) -> None:
    source = open_source(write(tmp_path, "[ ]", "t.json"))
    assert (source.columns, list(source.records())) == ([], [])


def test_array_with_a_bad_byte(tmp_path: Path) -> None:
    body = b'[{"text": "caf\xe9"},\n{"text": "b"}]'
    good, (bad,) = read(open_source(write(tmp_path, body, "t.json")))
    assert [r.values["text"] for r in good] == ["b"]
    assert (bad.line, bad.column, "offset 14" in bad.problem) == (1, "text", True)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('[{"text": "a"}\n{"text": "b"}]', r"t\.json:2: the JSON array is broken: expected ',' or '\]'"),
        ('[{"text": "a"},\n{"text" "b"}]', r"t\.json:2: the JSON array is broken: not valid JSON: Exp"),
        ('[{"text": "a"},\n', r"t\.json:1: the JSON array is broken: .*mend the file, or write JSON L"),
        ('[{"text": "a"}]\n[]', r"t\.json:2: the JSON array is broken: text after the end"),
        ("[" * 100_000, r"t\.json:1: the JSON array is broken: values nested too deeply"),
        ("\n\n  \n", "begins with nothing but blank lines"),
        ("", r"t\.json is empty"),
        ('{\n  "text": "a"\n}\n', "one JSON object spread over lines, not JSON Lines"),
        ('{"version": 1,\n  "data": []}', "one JSON object spread over lines"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(open_source(write(tmp_path, body, "t.json")).records())


def test_an_array_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tilth.ingest.jsonl.ARRAY_LIMIT", 10)
    with pytest.raises(InputError, match=r"of 15 bytes .*held in memory.*write it as JSON Lines"):
        open_source(write(tmp_path, '[{"text": "a"}]', "t.json"))


def test_delimiter_has_no_meaning(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no delimiter; leave out --delimiter ','"):
        open_source(write(tmp_path, '{"a": 1}'), delimiter=",")


def test_a_bad_first_line_is_one_bad_row(tmp_path: Path) -> None:
    good, (bad,) = read(open_source(write(tmp_path, '{"text": "a\n{"text": "b"}\n')))
    assert (bad.line, [r.line for r in good]) == (1, [2])


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
objects = st.dictionaries(st.text(max_size=5), leaves, max_size=4)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(objects, min_size=1, max_size=8),
    ascii_only=st.booleans(),
    array=st.booleans(),
    indent=st.none() | st.just(1),
)
def test_what_json_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, object]],
    ascii_only: bool,
    array: bool,
    indent: int | None,
) -> None:
    if array:
        body = json.dumps(rows, ensure_ascii=ascii_only, indent=indent)
    else:
        body = "".join(json.dumps(r, ensure_ascii=ascii_only) + "\n" for r in rows)
    path = tmp_path_factory.mktemp("json") / "t.json"
    try:
        path.write_text(body, encoding="utf-8", newline="")
    except UnicodeEncodeError:  # a lone surrogate can only be written as an escape
        return
    good, bad = read(open_source(path))
    assert (bad, [r.values for r in good]) == ([], rows)


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=50) | st.text('{}[]":, a1\n\r\0\ufeff', max_size=50).map(str.encode))
def test_any_bytes_end_in_rows_or_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, body: bytes
) -> None:
    for name, start in (("t.jsonl", b'{"a": 1}\n'), ("t.json", b'[{"a": 1}, '), ("u.json", b"")):
        path = tmp_path_factory.mktemp("json") / name
        path.write_bytes(start + body)
        try:
            list(open_source(path).records())
        except InputError:
            continue


def test_utf16_bom_alone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="empty but for a byte order mark"):
        open_source(write(tmp_path, codecs.BOM_UTF16_LE))
