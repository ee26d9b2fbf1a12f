"""The guess of columns: right on ordinary files, "none" rather than wrong, and always with a reason."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from tilth.errors import InputError
from tilth.ingest import Columns, Source, guess_columns, open_source

WORDS = "where is my new card and why did the transfer not arrive in my account yet"
QUEUES = ["cards", "transfers", "fees"]


def sentence(n: int) -> str:
    words = WORDS.split()
    return " ".join(words[(n * k) % len(words)] for k in (1, 3, 7, 11, 13)) + f" {n}"


def source(folder: Path, columns: dict[str, list[Any]]) -> Source:
    path = folder / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return open_source(path)


def picked(found: Columns) -> tuple[str, str | None, str | None]:
    return found.text, found.label, found.id


N = 60
TEXTS = [sentence(i) for i in range(N)]
LABELS = [QUEUES[i % 3] for i in range(N)]
IDS = [f"r{i}" for i in range(N)]


@pytest.mark.parametrize("text", ["text", "Utterance", "customer_message", "Body", "questionText", "a"])
@pytest.mark.parametrize("label", ["label", "Category", "INTENT", "ticket_class", "queue", "b"])
@pytest.mark.parametrize("id", ["id", "UUID", "row_id", "rowId", "key"])
def test_names(tmp_path: Path, text: str, label: str, id: str) -> None:
    columns = {"n": [f"{i}.5" for i in range(N)], label: LABELS, id: IDS, text: TEXTS}
    assert picked(guess_columns(source(tmp_path, columns))) == (text, label, id)


def test_reasons(tmp_path: Path) -> None:
    found = guess_columns(source(tmp_path, {"id": IDS, "text": TEXTS, "label": LABELS}))
    assert found.reasons == {
        "text": "'text' is named like a text and has 6.0 words a row, 60 of 60 values different",
        "label": "'label' is named like a label and has 3 different values in 60 rows",
        "id": "'id' is named like an id and differs in all of 60 rows",
    }
    found = guess_columns(source(tmp_path, {"a": TEXTS, "b": LABELS}), text="a")
    assert found.reasons == {
        "text": "'a' was given",
        "label": "'b' is the only column with few values that repeat (3 in 60 rows)",
        "id": "no column is named like an id; ids are made from the content",
    }


def test_an_id_must_be_unique_and_filled(tmp_path: Path) -> None:
    twice = [*IDS[:-1], "r0"]
    found = guess_columns(source(tmp_path, {"id": twice, "text": TEXTS}))
    assert found.id is None
    assert found.reasons["id"].startswith("'id' is named like an id, but 'r0' occurs twice")
    found = guess_columns(source(tmp_path, {"id": ["", *IDS[1:]], "text": TEXTS}))
    assert found.id is None
    assert found.reasons["id"].startswith("'id' is named like an id, but is empty in some rows")
    found = guess_columns(source(tmp_path, {"user_id": twice, "ticket_id": IDS, "text": TEXTS}))
    assert found.id == "ticket_id"
    assert guess_columns(source(tmp_path, {"name": IDS, "text": TEXTS})).id is None


def test_a_label_must_repeat(tmp_path: Path) -> None:
    found = guess_columns(source(tmp_path, {"text": TEXTS, "target": [f"x{i}" for i in range(N)]}))
    assert (found.label, found.reasons["label"]) == (
        None,
        "no column is named like a label or has few values that repeat",
    )
    prices = [i % 4 + 0.5 for i in range(N)]
    assert guess_columns(source(tmp_path, {"text": TEXTS, "target": prices})).label is None


def test_several_labels_are_no_guess(tmp_path: Path) -> None:
    columns = {"text": TEXTS, "country": LABELS, "channel": LABELS[::-1]}
    found = guess_columns(source(tmp_path, columns))
    assert (found.label, found.reasons["label"]) == (
        None,
        "several columns could be the label ('country', 'channel'): pass --label COLUMN",
    )
    assert guess_columns(source(tmp_path, columns), label="country").label == "country"
    both = guess_columns(source(tmp_path, {"text": TEXTS, "country": LABELS, "topic": LABELS}))
    assert both.label == "topic"


def test_the_name_of_a_class_before_its_number(tmp_path: Path) -> None:
    columns = {"text": TEXTS, "label": [i % 3 for i in range(N)], "label_text": LABELS}
    assert guess_columns(source(tmp_path, columns)).label == "label_text"


def test_small_files_are_judged_by_names(tmp_path: Path) -> None:
    columns = {"id": ["1", "2"], "text": ["lost card", "late transfer"], "label": ["a", "b"]}
    assert picked(guess_columns(source(tmp_path, columns))) == ("text", "label", "id")
    empty: dict[str, list[Any]] = {"id": [], "text": [], "label": []}
    found = guess_columns(source(tmp_path, empty))
    assert picked(found) == ("text", "label", "id")


def test_text_that_is_filled_is_preferred(tmp_path: Path) -> None:
    columns = {
        "instruction": TEXTS,
        "category": LABELS,
        "input": [t if i % 3 == 0 else "" for i, t in enumerate(TEXTS)],
    }
    assert picked(guess_columns(source(tmp_path, columns))) == ("instruction", "category", None)


def test_text_without_blanks_between_words(tmp_path: Path) -> None:
    columns = {"a": [f"新しいカードが届きません{i}" for i in range(N)], "b": LABELS}
    assert picked(guess_columns(source(tmp_path, columns))) == ("a", "b", None)


def test_codes_addresses_and_nested_values_are_no_text(tmp_path: Path) -> None:
    columns = {
        "sku": [f"AB-{i:030d}" for i in range(N)],
        "url": [f"https://example.org/a/long/path/to/page/{i}" for i in range(N)],
        "spans": [f'[{{"start": {i}, "end": {i + 4}}}]' for i in range(N)],
        "b": LABELS,
    }
    with pytest.raises(InputError) as caught:
        guess_columns(source(tmp_path, columns))
    assert str(caught.value) == (
        "t.csv: no column looks like a text (long, varied, of several words); found:\n"
        "  'sku': text, 60 values, 60 different, 1.0 words each\n"
        "  'url': text, 60 values, 60 different, 1.0 words each\n"
        "  'spans': text, 60 values, 60 different, 4.0 words each\n"
        "  'b': text, 60 values, 3 different, 1.0 words each\n"
        "name it with: pass --text COLUMN"
    )
    assert guess_columns(source(tmp_path, columns), text="sku").text == "sku"


def test_columns_without_values(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)'a': no values.*'b': numbers or codes, 2 values"):
        guess_columns(source(tmp_path, {"a": ["", ""], "b": [1, 2]}))
    (tmp_path / "t.json").write_text("[]")
    with pytest.raises(InputError, match="no columns"):
        guess_columns(open_source(tmp_path / "t.json"))


@pytest.mark.parametrize("role", ["text", "label", "id"])
def test_a_given_column_must_exist(tmp_path: Path, role: str) -> None:
    opened = source(tmp_path, {"id": IDS, "text": TEXTS, "label": LABELS})
    given = {role: "Lable"}
    with pytest.raises(InputError) as caught:
        guess_columns(opened, **given)
    assert str(caught.value) == (
        f"t.csv has no column 'Lable' (--{role}); did you mean 'label'? its columns are 'id', 'text', 'label'"
    )
    with pytest.raises(InputError, match="did you mean 'text'"):
        guess_columns(opened, **{role: "TEXT"})


def test_one_column_has_one_meaning(tmp_path: Path) -> None:
    opened = source(tmp_path, {"id": IDS, "text": TEXTS, "label": LABELS})
    with pytest.raises(InputError, match=r"column 'text' is given as text and as label; give two differ"):
        guess_columns(opened, text="text", label="text")
    with pytest.raises(InputError, match="column 'id' is given as label and as id"):
        guess_columns(opened, label="id", id="id")
    with pytest.raises(InputError, match=r"'text': text, .* words each, given another meaning"):
        guess_columns(opened, label="text")


def test_given_columns_are_not_guessed_again(tmp_path: Path) -> None:
    columns = {"text": TEXTS, "body": TEXTS[::-1], "label": LABELS, "id": IDS}
    assert picked(guess_columns(source(tmp_path, columns), text="body")) == ("body", "label", "id")
    assert picked(guess_columns(source(tmp_path, columns), label="text"))[0] == "body"


def test_bad_rows_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"text,label\n" + b"caf\xe9 is closed,x\nlost my card,a\n" * 5)
    assert picked(guess_columns(open_source(path))) == ("text", "label", None)
