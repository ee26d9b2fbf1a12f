"""docs/reference/json.md is the schema of what --json prints: nothing is missing, nothing made up."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loop_kit import CLASSES, js, lines, tilth, write

from tilth.cli import parser

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "json.md"
TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "list": (list,),
    "null": (type(None),),
    "any": (object,),
}
Schema = dict[str, str]


def schemas() -> dict[str, Schema]:
    """Path to type for each verb."""
    found = {}
    for part in PAGE.read_text("utf-8").split("\n## ")[1:]:
        rows = dict(re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", part, re.M))
        for verb in part.splitlines()[0].split(", "):
            found[verb] = rows
    return found


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every path in a JSON value, with what is there."""
    if path:
        yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from walk(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner, f"{path}[]")


def of_type(value: Any, words: str) -> bool:
    kinds = {k for word in words.removesuffix(", optional").split(" or ") for k in TYPES[word]}
    # in Python True is an int; in JSON it is not
    return bool({type(value), object} & kinds)


def compare(schema: Schema, value: Any) -> None:
    """Each path is documented with its type; each documented key of an object that is there, is there."""
    seen = set()
    for path, inner in walk(value):
        known = next((p for p in (path, re.sub(r"\.[^.\[\]]+$", ".*", path)) if p in schema), None)
        inside_any = any(path.startswith(p) and path != p for p, t in schema.items() if t.startswith("any"))
        if known is None and (inside_any or (path == "[]" and isinstance(inner, dict))):
            continue
        if known is None and path.endswith("[]") and isinstance(inner, dict):
            continue
        assert known is not None, f"{path} is not documented ({inner!r})"
        assert of_type(inner, schema[known]), f"{path}: {inner!r} is not {schema[known]}"
        seen.add(known)
    for path, words in schema.items():
        parent = path.rpartition(".")[0]
        at = parent.removesuffix("[]")
        there = not parent or (at in seen and any(p == parent and v for p, v in walk(value)))
        if there and not path.endswith((".*", "[]")) and "optional" not in words:
            assert path in seen, f"{path} is documented, but not there"


def outputs(work: Path) -> Iterator[tuple[str, Any]]:
    """What the verbs print on the way through a project."""
    p = ("--project", "p")
    yield "ingest", js("ingest", "train.csv", "--eval", "eval.csv", "--project", "new", cwd=work)
    yield "ingest", js("ingest", "train.csv", *p, cwd=work)
    yield "status", js("status", *p, cwd=work)
    yield "audit", js("audit", *p, cwd=work)
    yield "sample", js("sample", "--n", "9", *p, cwd=work)
    batch = js("sample", "--n", "40", "--out", "r.csv", *p, cwd=work)
    yield "sample", batch
    said = [
        {"id": r["id"], "verdict": "relabel", "label": r["suggested" if r["p_wrong"] > 0.5 else "given"]}
        for r in batch["rows"]
    ]
    (work / "said.jsonl").write_text("".join(json.dumps(s) + "\n" for s in said))
    yield "verdict", js("verdict", *p, cwd=work)
    yield "verdict", js("verdict", "said.jsonl", *p, cwd=work)
    some = ("--where", "p_wrong > 0.5 and verdict is missing")
    yield "verdict", js("verdict", *some, "--decide", "drop", *p, cwd=work)
    done = js("verdict", *some, "--decide", "drop", "--yes", *p, cwd=work)
    yield "verdict", done
    yield "verdict", js("verdict", "--undo", done["decided"]["key"], *p, cwd=work)
    yield "reviewers", js("reviewers", "--lease", "3", "--reviewer", "ana", "--out", "m.csv", *p, cwd=work)
    for who, verdict in (("ana", "drop"), ("ben", "keep")):
        one = {"id": batch["rows"][0]["id"], "verdict": verdict}
        (work / "one.jsonl").write_text(json.dumps(one) + "\n")
        js("verdict", "one.jsonl", "--reviewer", who, *p, cwd=work)
    yield "reviewers", js("reviewers", *p, cwd=work)
    yield "reviewers", js("reviewers", "--disagreements", "--out", "d.csv", *p, cwd=work)
    yield "reviewers", js("reviewers", "--give-back", "--reviewer", "ana", *p, cwd=work)
    yield "sets", js("sets", *some, "--name", "doubtful", *p, cwd=work)
    yield "relabel", js("relabel", *p, cwd=work)
    yield "relabel", js("relabel", "--fdr", "0.9", *p, cwd=work)
    yield "annotators", js("annotators", judged(work), "--propose", *p, cwd=work)
    yield "guide", js("guide", *p, cwd=work)
    yield "guide", js("guide", "--draft", "2", *p, cwd=work)
    yield "guide", js("guide", "--draft", "1", "--between", "login", "shipping", *p, cwd=work)
    yield "guide", js("guide", "--save", "--author", "ana", *p, cwd=work)
    (work / "mine.md").write_text("# Label guide\n\n## login\n\nAnything about signing in.\n", "utf-8")
    yield "guide", js("guide", "--from", "mine.md", *p, cwd=work)
    file = work / "p" / "guide.md"
    more = "## bilings\n\n### Examples\n- x\n\n### Counter-examples\n- y → cards\n"
    file.write_text(file.read_text("utf-8") + more, "utf-8")
    yield "guide", js("guide", "--diff", *p, cwd=work)
    yield "guide", js("guide", "--history", *p, cwd=work)
    yield "plan", js("plan", *p, cwd=work)
    yield "ledger", js("ledger", *p, cwd=work)
    yield "curve", js("curve", *p, cwd=work)
    yield "curve", js("curve", "--class", "cards", "--add", "40", "--out", "c.html", *p, cwd=work)
    yield "slices", js("slices", *p, cwd=work)
    (work / "ids.txt").write_text("r001\nr002\nr003\n", "utf-8")
    js("sets", "--ids", "ids.txt", "--name", "some", *p, cwd=work)
    yield "slices", js("slices", "--like", "some", *p, cwd=work)
    yield "slices", js("slices", "--keep", "short", "--where", "length < 20", *p, cwd=work)
    yield "map", js("map", "--out", "m.svg", *p, cwd=work)
    yield "confusions", js("confusions", *p, cwd=work)
    yield "duplicates", js("duplicates", *p, cwd=work)
    yield "duplicates", js("duplicates", "--threshold", "0.55", *p, cwd=work)
    fresh = [(i, t + (" solar roof" if n > 60 else ""), x, y) for n, (i, t, x, y) in enumerate(lines(160, 5))]
    write(work / "fresh.csv", fresh, header=("id", "text"))
    yield "fleet", js("fleet", ".", cwd=work)
    yield "drift", js("drift", "fresh.csv", "--out", "l.csv", *p, cwd=work)
    proposals = js("propose", *p, cwd=work)
    yield "propose", proposals
    yield "patches", js("patches", *p, cwd=work)
    first = proposals[0]["id"]
    yield "rebase", js("rebase", first, *p, cwd=work)
    yield "comment", js("comment", first, "looks right", "--author", "ana", *p, cwd=work)
    yield "patch", js("patch", first, *p, cwd=work)
    yield "patch", js("patch", first, "--out", "f.jsonl", *p, cwd=work)
    yield "trial", tilth("trial", first, "--json", *p, cwd=work).json
    yield "reject", js("reject", proposals[-2]["id"], "--reason", "no", *p, cwd=work)
    yield "improve", js("improve", *p, cwd=work)
    yield "status", js("status", *p, cwd=work)
    yield "plan", js("plan", *p, cwd=work)
    yield "ledger", js("ledger", *p, cwd=work)
    log = js("log", *p, cwd=work)
    yield "log", log
    yield "log", js("log", "--scores", *p, cwd=work)
    yield "restore", js("restore", "train@1", "--preview", *p, cwd=work)
    yield "revert", js("revert", log["versions"][-1]["patch"], *p, cwd=work)
    yield "accept", js("accept", first, "--force", "to see", *p, cwd=work)
    yield "diff", js("diff", "train~1", "train", *p, cwd=work)
    yield "checkout", js("checkout", "train", "--out", "x.csv", *p, cwd=work)
    yield "report", js("report", *p, cwd=work)
    yield "release", js("release", "--precision", "0.5", *p, cwd=work)
    yield "predict", js("predict", "p/releases/taken", "eval.csv", "--out", "a.csv", cwd=work)
    yield "datasheet", js("datasheet", "--set", "owner=us", *p, cwd=work)
    yield "verify", tilth("verify", "p/releases/taken", "--json", cwd=work).json
    yield "plugins", js("plugins", cwd=work)
    yield "example", js("example", "demo", cwd=work)
    yield "error", tilth("patch", "0000", "--json", *p, cwd=work).json


def judged(work: Path) -> Path:
    """Two or three judgements on some rows, and on one that is no row yet."""
    rows = [(i, t, a, y) for i, t, _, y in lines(30, seed=1) for a in ("ann", "bob")]
    rows += [(i, t, "cy", CLASSES[n % 5]) for n, (i, t, _, _) in enumerate(lines(10, seed=1))]
    rows += [("new", "a text of its own", "ann", CLASSES[0])]
    return write(work / "judged.csv", rows, header=("id", "text", "annotator", "label"))


def test_every_output_is_as_documented(work: Path) -> None:
    known, seen = schemas(), set()
    for verb, body in outputs(work):
        compare(known[verb], body)
        seen.add(verb)
    # they serve, or need a server: test_page.py, test_serve.py, test_feedback.py, test_service.py
    assert seen == set(known) - {"review", "serve", "swap", "feedback", "monitor", "escalations"}


def test_every_verb_has_a_schema() -> None:
    verbs = next(a.choices for a in parser()._actions if a.dest == "verb")
    assert verbs is not None
    assert set(verbs) | {"error"} == set(schemas())


@pytest.mark.parametrize(
    "body", [{"error": 3, "message": ""}, {"error": ""}, {"error": "", "message": "", "more": 1}]
)
def test_the_comparison_finds_differences(body: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        compare(schemas()["error"], body)
