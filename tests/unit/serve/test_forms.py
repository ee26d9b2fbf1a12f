"""Bodies of requests: what is taken, and words for what is not."""

from __future__ import annotations

import json

import pytest

from tilth.serve.forms import Bad, deployment_of, feedback_of, question_of


def ask(value, **more):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return question_of(body, "text", **{"rows": 10, "characters": 100, **more})


def say(value, client="", header=""):
    return feedback_of(
        json.dumps(value).encode(), client=client, header=header, at="2026-01-01T00:00:00.000Z"
    )


def test_a_question_has_one_of_three_shapes():
    assert ask({"text": "a"}).texts == ["a"]
    assert ask({"row": {"text": None, "id": 7}}).texts == [""]
    found = ask({"rows": ["a", {"text": 3}], "key": "k", "client": "c", "sets": 0.1})
    assert (found.texts, found.single, found.key, found.client, found.sets) == (
        ["a", "3"],
        False,
        "k",
        "c",
        0.1,
    )
    assert ask({"rows": []}).texts == []


@pytest.mark.parametrize(
    ("value", "status", "words"),
    [
        (b"{", 400, "not JSON"),
        (b'{"text": NaN}', 400, "NaN"),
        (b'{"text": "\xff"}', 400, "not JSON"),
        (b"[" * 100_000, 400, "not JSON"),
        (b'{"text": "\\ud800"}', 422, "surrogate"),
        ([1], 422, "JSON object"),
        ({}, 422, "give one of"),
        ({"text": "a", "rows": []}, 422, "give one of"),
        ({"texts": "a"}, 422, "'texts' is not known"),
        ({"text": 3}, 422, "must be a string"),
        ({"rows": "a"}, 422, "must be a list"),
        ({"rows": [["a"]]}, 422, "row 0 must be"),
        ({"rows": [{"body": "a"}]}, 422, "has no 'text'.* it has 'body'"),
        ({"rows": ["a"] * 11}, 413, "at most 10 rows"),
        ({"rows": ["a", "b" * 101]}, 413, "row 1 has 101 characters"),
        ({"text": "a", "sets": 1}, 422, "share of misses"),
        ({"text": "a", "key": 7}, 422, '"key" must be a string'),
    ],
)
def test_what_is_no_question_is_said(value, status, words):
    with pytest.raises(Bad, match=words) as found:
        ask(value)
    assert found.value.status == status


def test_a_pair_of_surrogates_is_a_character():
    assert ask(b'{"text": "\\ud83d\\ude42"}').texts == ["\U0001f642"]


def test_feedback_without_a_key_is_known_by_what_it_says():
    (a,), single = say({"answer": "x", "kind": "right"})
    (b,), _ = say({"answer": "x", "kind": "right"})
    (c,), _ = say({"answer": "x", "kind": "wrong"})
    assert single
    assert a.explicit
    assert a.key == b.key != c.key


def test_keys_of_two_clients_are_apart():
    item = {"answer": "x", "kind": "right", "key": "1", "client": "user-7"}
    (a,), _ = say(item, client="shop")
    (b,), _ = say(item, client="bank")
    assert a.key != b.key
    assert (a.client, b.client) == ("shop/user-7", "bank/user-7")
    (c,), _ = say({"answer": "x", "kind": "right"}, header="h1")
    assert c.key == "h1"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"kind": "right"}, '"answer"'),
        ({"answer": "x", "kind": "good"}, "one of right"),
        ({"answer": "x", "kind": "label"}, '"label" goes with'),
        ({"answer": "x", "kind": "label", "label": "  "}, '"label" goes with'),
        ({"answer": "x", "kind": "right", "label": "a"}, '"label" goes with'),
        ({"answer": "x", "kind": "comment"}, 'needs a "comment"'),
        ({"answer": "x", "kind": "right", "explicit": 1}, "true or false"),
        ({"answer": "x", "kind": "comment", "comment": "a" * 4_001}, "4,000 characters"),
        ({"feedback": []}, "1 to 1000"),
        ({"feedback": [{"answer": "x", "kind": "right"}, {"answer": "x"}]}, "feedback 1: "),
    ],
)
def test_what_is_no_feedback_is_said(value, words):
    with pytest.raises(Bad, match=words):
        say(value)


def test_a_deployment_needs_paths():
    (found,) = deployment_of(b'{"releases": [{"path": "/b", "share": 2}]}')
    assert (found.path, found.share, found.shadow) == ("/b", 2.0, False)
    for body in (
        b"{}",
        b'{"releases": []}',
        b'{"releases": [{}]}',
        b'{"releases": [{"path": "/b", "share": "1"}]}',
    ):
        with pytest.raises(Bad):
            deployment_of(body)
