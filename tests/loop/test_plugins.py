"""Other packages' detectors and recipes: found, refused, and harmless when they are broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from loop_kit import good, js, start, tilth, write
from plugin_kit import checks_on, from_page, offer, site

__all__ = ["site"]

LOUD = """
from tilth.audit.base import Finding, Suggestion, needs_texts

class Loud:
    applies = staticmethod(needs_texts)
    code = "{code}"
    name = "shouting {{n}}"
    page = "https://acme.example/{code}"

    def find(self, view):
        {body}

    def one(self, view, i, **more):
        row = view.train.ids[i]
        drop = (Suggestion("drop", row),)
        return Finding(self.code, (row,), 1.0, "all [bold]capitals[/]", suggestions=drop, **more)
"""
FINDS = "return [self.one(view, i) for i, t in enumerate(view.texts) if t and t == t.upper()]"


def loud(
    site: Path, package: str, module: str, *, code: str = "ACME7", body: str = FINDS, name: str = ""
) -> None:
    source = LOUD.format(code=code, body=body)
    offer(site, package, "detectors", {name or code: f"{module}:Loud"}, **{module: source})


@pytest.fixture
def shouted(work: Path) -> Path:
    """A project with four rows in capitals."""
    write(work / "more.csv", [(f"s{i}", f"WHERE IS MY MONEY {i}", "refund") for i in range(4)])
    rows = (work / "more.csv").read_text("utf-8").splitlines(keepends=True)[1:]
    with (work / "train.csv").open("a", encoding="utf-8") as file:
        file.writelines(rows)
    good("ingest", "train.csv", "--project", "p", cwd=work)
    return work


def audit(work: Path, *more: str) -> Any:
    return js("audit", "--project", "p", *more, cwd=work)


def test_findings_of_another_package_flow_through(shouted: Path, site: Path) -> None:
    before = audit(shouted)
    assert before["plugins"] == {}
    loud(site, "acme-tilth", "acme_flow")
    body = audit(shouted)
    found = [f for f in body["findings"] if f["code"] == "ACME7"]
    assert sorted(f["rows"][0] for f in found) == ["s0", "s1", "s2", "s3"]
    assert body["counts"]["ACME7"] == 4
    about = {"name": "shouting {n}", "package": "acme-tilth 1.0", "page": "https://acme.example/ACME7"}
    assert body["plugins"] == {"ACME7": about}
    assert body["failed"] == {}
    ours = [f for f in body["findings"] if f["code"].startswith("TIL")]
    assert ours == before["findings"] == body["findings"][: len(ours)], "ours first, and as before"
    assert audit(shouted, "--code", "acme7")["findings"] == found

    shown = good("audit", "--project", "p", "--code", "ACME7", cwd=shouted).out
    assert "shouting {n}" in shown
    assert "all [bold]capitals[/]" in shown

    proposed = next(p for p in js("propose", "--project", "p", cwd=shouted) if "ACME7" in p["title"])
    assert proposed["title"] == "Do what ACME7 (shouting {n}) suggests about 4 rows"
    assert proposed["ops"] == {"drop": 4}

    good("improve", "--project", "p", cwd=shouted)
    page = (shouted / "p" / "report.html").read_text("utf-8")
    assert "shouting {n}" in page
    assert "acme-tilth 1.0" in page
    assert "https://acme.example/ACME7" in page
    head = js("checkout", "train", "--out", "x.jsonl", "--project", "p", cwd=shouted)
    assert "WHERE IS MY MONEY 0" in (shouted / head["file"]).read_text("utf-8"), "a person decides on it"


REFUSES = "class Loud:\n    def __init__(self): raise ValueError('no licence')"


def acme7(body: str) -> str:
    return LOUD.format(code="ACME7", body=body)


NO_KEY = "    def applies(self, view): raise KeyError('x')"
BROKEN = {
    "no module": ("", "ModuleNotFoundError", "gone:Loud"),
    "fails to import": ("import nonsense_that_is_not_there", "ModuleNotFoundError", ""),
    "syntax": ("class Loud(:", "SyntaxError", ""),
    "leaves on import": ("raise SystemExit('bye')", "SystemExit: bye", ""),
    "no such object": ("x = 1", "AttributeError", ""),
    "constructor raises": (REFUSES, "no licence", ""),
    "no method": ("class Loud:\n    code = 'ACME7'\n    name = 'x'", "without find", ""),
    "another code": (LOUD.format(code="ACME8", body=FINDS), "its code 'ACME8'", ""),
    "applies raises": (acme7("return []") + NO_KEY, "KeyError", ""),
    "applies says yes": (acme7("return []") + "    def applies(self, view): return True", "not True", ""),
    "raises": (acme7("raise KeyError('x')"), "KeyError", ""),
    "leaves": (acme7("raise SystemExit(1)"), "SystemExit", ""),
    "no list": (acme7("return None"), "not NoneType", ""),
    "row that is not there": (acme7("return [Finding('ACME7', ('?',), 1.0, 'm')]"), "'?' is not", ""),
    "no JSON": (acme7("return [self.one(view, 0, evidence={'x': view})]"), "as JSON", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plug_in_is_a_failed_check_and_nothing_else(shouted: Path, site: Path, case: str) -> None:
    source, words, target = BROKEN[case]
    module = "acme_" + "".join(c for c in case if c.isalpha())
    before = audit(shouted)
    offer(site, "acme-tilth", "detectors", {"ACME7": target or f"{module}:Loud"}, **{module: source})
    body = audit(shouted)
    assert list(body["failed"]) == ["ACME7"]
    assert "acme-tilth 1.0" in body["failed"]["ACME7"]
    assert words in body["failed"]["ACME7"]
    assert body["findings"] == before["findings"]
    assert body["counts"] == before["counts"]
    shown = good("audit", "--project", "p", cwd=shouted).out
    assert "NOT CLEAN" in shown
    assert "acme-tilth 1.0" in shown


def test_two_packages_with_one_code_are_both_refused(shouted: Path, site: Path) -> None:
    loud(site, "acme-tilth", "acme_one")
    loud(site, "other-tilth", "acme_two")
    body = audit(shouted)
    assert "ACME7" not in body["counts"]
    assert len(body["failed"]) == 2
    for why in body["failed"].values():
        assert "acme-tilth 1.0" in why
        assert "other-tilth 1.0" in why
    run = tilth("plugins", "--json", cwd=shouted)
    assert run.code == 5
    assert [e["state"] for e in run.json["plugins"] if e["name"] == "ACME7"] == ["refused", "refused"]


def test_a_code_of_ours_cannot_be_taken(shouted: Path, site: Path) -> None:
    loud(site, "acme-tilth", "acme_three", code="TIL101")
    loud(site, "bold-tilth", "acme_four", code="TIL999")
    before = audit(shouted)["counts"]
    body = audit(shouted)
    assert body["counts"]["TIL101"] == before["TIL101"] > 0, "ours is in use"
    assert set(body["failed"]) == {"TIL101 (acme-tilth 1.0)", "TIL999"}
    assert "Tilth's own code" in body["failed"]["TIL101 (acme-tilth 1.0)"]
    assert "TIL is Tilth's own" in body["failed"]["TIL999"]


def test_an_edited_plug_in_is_another_one(work: Path, tmp_path: Path) -> None:
    """Each run is a process of its own: a module is imported once in a process."""
    folder = tmp_path / "edited"
    loud(folder, "acme-tilth", "acme_five", body="return []")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]),
    }

    def count() -> int:
        process = start("audit", "--project", "p", "--json", cwd=work, env=environment)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        return int(json.loads(out)["counts"]["ACME7"])

    assert count() == 0
    (folder / "acme_five.py").write_text(acme7("return [self.one(view, 0)]"), "utf-8")
    assert count() == 1


def test_the_list_of_plug_ins(site: Path, tmp_path: Path) -> None:
    loud(site, "acme-tilth", "acme_six")
    loud(site, "hasty-tilth", "acme_seven", code="HASTY1", body="return [self.one(view, 0)]")
    offer(site, "gone-tilth", "recipes", {"gone.v1": "gone:Gone"})
    walks = "return [self.one(view, i) for _, i in {(t, i) for i, t in enumerate(view.texts)}]"
    loud(site, "walks-tilth", "acme_walks", code="WALKS1", body=walks)
    run = tilth("plugins", "--check", "--json", cwd=tmp_path)
    assert run.code == 5
    entries = {e["name"]: e for e in run.json["plugins"]}
    assert entries["TIL101"]["state"] == entries["text-linear.v1"]["state"] == "passes"
    assert entries["ACME7"] | {"problems": []} == {
        "kind": "detector", "name": "ACME7", "title": "shouting {n}", "package": "acme-tilth 1.0",
        "page": "https://acme.example/ACME7", "state": "passes", "problems": [],
    }  # fmt: skip
    assert entries["HASTY1"]["state"] == "breaks"
    assert "IndexError" in entries["HASTY1"]["problems"][0]
    assert entries["gone.v1"]["state"] == "refused"
    assert entries["WALKS1"]["state"] == "breaks"
    assert "in every process" in entries["WALKS1"]["problems"][0], "in one process it is sound"
    shown = tilth("plugins", cwd=tmp_path)
    assert shown.code == 5
    assert "No module named 'gone'" in shown.out
    assert tilth("plugins", "--json", cwd=tmp_path).json["checked"] is False


def test_recipes_of_other_packages_have_names_of_their_own(work: Path, site: Path) -> None:
    half = "class Half:\n    name = 'half.v1'\n"
    offer(site, "half-tilth", "recipes", {"half.v1": "half:Half"}, half=half)
    offer(site, "linear-tilth", "recipes", {"text-linear.v1": "half:Half"})
    run = tilth("ingest", "train.csv", "--recipe", "half.v1", "--project", "n", cwd=work)
    assert run.code == 1
    assert "half-tilth 1.0" in run.err
    assert "without penalty, learn" in run.err
    run = tilth("ingest", "train.csv", "--recipe", "half.v2", "--project", "n", cwd=work)
    assert "did you mean 'half.v1'?" in run.err
    js("ingest", "train.csv", "--recipe", "text-linear.v1", "--project", "n", cwd=work)
    refused = [e for e in tilth("plugins", "--json", cwd=work).json["plugins"] if e["state"] == "refused"]
    assert any("Tilth's own name" in p for e in refused for p in e["problems"])


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}


def test_the_detector_of_the_how_to(work: Path, tmp_path: Path) -> None:
    package = from_page("detector.md", tmp_path / "package", "acme_tilth")
    lines = sum(len(p.read_text("utf-8").splitlines()) for p in package.glob("*.py")) + 8
    assert lines <= 40, "the page says 40 lines"
    test = tmp_path / "test_contract.py"
    test.write_text(checks_on("detector.md") + "\n\ntest_contract()\n", "utf-8")
    subprocess.run([sys.executable, str(test)], env=environment(package), check=True, timeout=120)
    rows = [
        ("m1", "write to jo@acme.example or al@acme.example", "login"),
        ("m2", "mail jo@acme.example", "login"),
    ]
    write(work / "mails.csv", [*rows, *((f"n{i}", f"call me {i} times", "cards") for i in range(60))])
    env = environment(package)
    for command in (
        ("ingest", "mails.csv", "--label", "label", "--project", "q"),
        ("audit", "--code", "ACME1", "--json", "--project", "q"),
        ("plugins", "--check", "--json"),
    ):
        process = start(*command, cwd=work, env=env)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        if command[0] == "audit":
            found = json.loads(out)["findings"]
            assert {f["rows"][0] for f in found} <= {"m1", "m2"}, "those in train"
            assert found
    state = {e["name"]: e["state"] for e in json.loads(out)["plugins"]}
    assert state["ACME1"] == "passes"


def test_the_recipe_of_the_how_to(work: Path, tmp_path: Path) -> None:
    package = from_page("recipe.md", tmp_path / "package", "acme_words")
    test = tmp_path / "check.py"
    test.write_text(checks_on("recipe.md"), "utf-8")
    env = environment(package)
    subprocess.run([sys.executable, str(test)], env=env, check=True, timeout=120)
    command = ("improve", "train.csv", "--eval", "eval.csv", "--recipe", "acme-words.v1", "--project", "w")
    process = start(*command, "--json", cwd=work, env=env)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    body = json.loads(out)
    assert body["recipe"] == "acme-words.v1"
    assert body["after"]["value"] > 0.5
