"""What a release says of itself, through the real command line: cards, gates, datasheet, verify."""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cards_kit import P, edit, example, masked, seal, settle
from loop_kit import good, js, tilth

from tilth.release.claims import Claim
from tilth.release.prose import figure

GOLDEN = Path(__file__).parents[1] / "golden"
BUNDLE = "p/releases/p"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Example project `p`, with terms and answers, and its release."""
    work = tmp_path_factory.mktemp("cards")
    example(work)
    shutil.copytree(work / "p", work / "plain")
    settle(work)
    good("release", "--precision", "0.8", *P, cwd=work)
    return work


@pytest.fixture
def work(made: Path, tmp_path: Path) -> Path:
    """A copy that may be harmed."""
    shutil.copytree(made, tmp_path / "w")
    return tmp_path / "w"


@pytest.fixture(scope="module")
def again(made: Path) -> dict[str, Any]:
    """What was made again from the project of `made`, by the facts that were asked for."""
    return {}


@pytest.fixture
def made_once(again: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the bundle is harmed and never the project, so that the same release is made again once."""
    from tilth.release import again as module

    real = module.made_again

    def kept(project: Path, facts: Any) -> Any:
        key = json.dumps(facts, sort_keys=True)
        if key not in again:
            again[key] = real(project, facts)
        return again[key]

    monkeypatch.setattr(module, "made_again", kept)


def bundle(work: Path) -> Path:
    return work / BUNDLE


def page(work: Path, name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((bundle(work) / name).read_text("utf-8"))
    return body


@pytest.mark.parametrize("name", ["card.md", "datasheet.md"])
def test_pages_of_the_example_are_as_they_were(made: Path, name: str) -> None:
    """Numbers apart; write anew with: UPDATE_GOLDEN=1 make test (and look at what changed)."""
    import os

    text = masked((bundle(made) / name).read_text("utf-8"))
    if os.environ.get("UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(text, "utf-8")
    assert text == (GOLDEN / name).read_text("utf-8")


@pytest.mark.parametrize("name", ["card", "datasheet"])
def test_no_number_stands_in_a_page_but_a_claim(made: Path, name: str) -> None:
    text = (bundle(made) / f"{name}.md").read_text("utf-8")
    claims = [Claim.from_json(c) for c in page(made, f"{name}.json")["claims"]]
    text = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", text)  # names, dates, commands
    for quoted in ("Apply 35 verdicts",):
        text = text.replace(quoted, "")
    for shown in sorted({figure(c) for c in claims}, key=len, reverse=True):
        text = re.sub(rf"(?<![\d.,]){re.escape(shown)}(?![\d])", "", text)
    titles = [
        json.loads(x)["title"] for x in (bundle(made) / "patches.jsonl").read_text("utf-8").splitlines()
    ]
    for title in titles:
        text = text.replace(title, "")
    assert re.findall(r".*\d.*", text) == []


def test_the_card_says_what_was_accepted_and_by_whom(made: Path) -> None:
    card = (bundle(made) / "card.md").read_text("utf-8")
    (line,) = map(json.loads, (bundle(made) / "patches.jsonl").read_text("utf-8").splitlines())
    assert line["forced"] == "checked by | Ana"
    assert line["gain"]["low"] <= line["gain"]["value"] <= line["gain"]["high"]
    assert f"| `{line['id']}` |" in card
    assert "against the evidence: checked by \\| Ana" in card
    assert "`Ana`" in card.split("## People")[1]
    assert "Lumen &amp; Oak \\| data team" in card


def test_the_ledger_answers_seventy_in_a_hundred(made: Path) -> None:
    """Nothing was typed: of the fifty questions the records answer at least 70 %, in full or in part."""
    plain = js("datasheet", "--project", "plain", cwd=made)
    assert plain["from_records"] >= 0.7
    assert sum(plain["counts"].values()) == 50
    assert plain["counts"]["person"] == plain["counts"]["stated"] == 0
    assert plain["counts"]["ledger"] >= 23
    # five answers and the terms of two files later, 70 % need nothing more
    told = js("datasheet", *P, cwd=made)
    assert told["complete"] >= 0.7
    assert told["from_records"] >= plain["from_records"]


def test_each_number_of_the_datasheet_has_its_proof(made: Path) -> None:
    for claim in js("datasheet", *P, cwd=made)["claims"]:
        assert claim["command"].startswith("tilth ")
        assert claim["version"]
        assert isinstance(claim["seed"], int)
        verb = claim["command"].split()[1]
        assert tilth(verb, "--help", cwd=made).code == 0, claim


def test_commands_give_the_numbers_of_the_card(made: Path) -> None:
    """Each claim whose command prints claims or counts by name: the same number comes out again."""
    claims = {
        n: [Claim.from_json(c) for c in page(made, f"{n}.json")["claims"]] for n in ("card", "datasheet")
    }
    told = {c["name"]: c for c in js("datasheet", *P, cwd=made)["claims"]}
    audit = js("audit", "--no-self-test", *P, cwd=made)
    lines = {x["patch"]: x for x in js("ledger", *P, cwd=made)["lines"]}
    seen = set()
    for claim in [*claims["card"], *claims["datasheet"]]:
        verb = claim.command.split()[1]
        if verb == "datasheet" and not claim.name.startswith("questions: "):
            assert told[claim.name]["value"] == pytest.approx(claim.value, abs=1e-6), claim
        elif claim.name.startswith("findings "):
            assert audit["counts"][claim.name.split()[1]] == claim.value
        elif claim.name == "labels believed wrong":
            rows = next(c.value for c in claims["datasheet"] if c.name == "rows with a label")
            assert audit["trust"]["errors"]["value"] / rows == pytest.approx(claim.value, abs=1e-4)
        elif claim.name.startswith("patch "):
            line = lines[claim.name.split()[1].removesuffix(":")]
            value = line["predicted"] if "predicted" in claim.name else line["realised"]
            assert value == pytest.approx(claim.value, abs=1e-6)
        else:
            continue
        seen.add(verb)
    assert seen == {"datasheet", "audit", "ledger", "trial"}


def test_answers_are_remembered_and_edited_as_a_file(work: Path) -> None:
    assert js("datasheet", *P, cwd=work)["card"][0]["author"] == "Ana"
    good("datasheet", "--form", "f.toml", *P, cwd=work)
    form = (work / "f.toml").read_text("utf-8")
    assert 'owner = "Lumen & Oak | data team"' in form
    assert '\nfunding = ""' in form
    assert "\nraw = " not in form  # the records answer it
    odd = r"no \"grant\"\n| and \u001b[31m"
    (work / "f.toml").write_text(form.replace('\nfunding = ""', f'\nfunding = "{odd}"'), "utf-8")
    good("datasheet", "--answer", "f.toml", "--author", "Bob", *P, cwd=work)
    found = {q["key"]: q for q in js("datasheet", *P, cwd=work)["questions"]}
    assert found["funding"]["by"] == "person"
    good("datasheet", "--set", "funding=", *P, cwd=work)
    found = {q["key"]: q for q in js("datasheet", *P, cwd=work)["questions"]}
    assert found["funding"]["by"] == "open"
    wrong = tilth("datasheet", "--set", "fundng=x", *P, cwd=work)
    assert wrong.code == 1
    assert "did you mean 'funding'" in wrong.err


def test_everything_is_computed_again_with_the_project(made: Path) -> None:
    found = js("verify", BUNDLE, *P, cwd=made)
    assert found["outcome"] == "recomputed"
    assert found["counts"]["differs"] == found["counts"]["not recomputed"] == 0
    assert sum(c["kind"] == "claim" for c in found["checks"]) > 100


def test_without_the_project_it_says_what_was_not_computed_again(made: Path) -> None:
    alone = tilth("verify", BUNDLE, "--json", cwd=made)
    rows = tilth("verify", BUNDLE, "--eval", "ex/tickets_eval.csv", "--json", cwd=made)
    assert (alone.code, rows.code) == (3, 3)
    states = {c["name"]: c for c in rows.json["checks"]}
    assert states["card: accuracy"]["state"] == "recomputed"
    assert states["card: labels believed wrong"]["state"] == "not recomputed"
    assert "--project" in states["card: labels believed wrong"]["why"]
    before = {c["name"]: c for c in alone.json["checks"]}
    assert "--eval" in before["card: accuracy"]["why"]
    shown = tilth("verify", BUNDLE, cwd=made)
    assert "not computed again: needs the project: --project DIR" in " ".join(shown.out.split())


def test_rows_that_are_not_those_are_refused_as_proof(work: Path) -> None:
    text = (work / "ex" / "tickets_eval.csv").read_text("utf-8").splitlines()
    (work / "some.csv").write_text("\n".join(text[:200]) + "\n", "utf-8")
    run = tilth("verify", BUNDLE, "--eval", "some.csv", "--json", cwd=work)
    assert run.code == 3
    why = {c["why"] for c in run.json["checks"] if c["name"] == "card: accuracy"}
    assert "scored rows are not in some.csv" in why.pop()


def test_a_zip_and_the_published_id(work: Path) -> None:
    shutil.make_archive(str(work / "b"), "zip", bundle(work))
    id = js("release", "--precision", "0.8", "--out", "again", *P, cwd=work)["id"]
    assert tilth("verify", "b.zip", "--id", id, cwd=work).code == 3
    assert tilth("verify", "b.zip", "--id", id[:-1] + ("0" if id[-1] != "0" else "1"), cwd=work).code == 4
    assert tilth("verify", "b.zip", "--id", id[:4], cwd=work).code == 4


def test_a_project_that_moved_on_still_gives_the_scores(work: Path) -> None:
    good("revert", js("patches", "--state", "accepted", *P, cwd=work)[-1]["id"], *P, cwd=work)
    run = tilth("verify", BUNDLE, *P, "--json", cwd=work)
    assert run.code == 3
    states = {c["name"]: c for c in run.json["checks"]}
    assert states["card: accuracy"]["state"] == "recomputed"
    assert "moved on" in states["the release made again from the project"]["why"]


def test_verdicts_that_came_later_are_no_tampering(work: Path) -> None:
    batch = js("sample", "--n", "9", *P, cwd=work)["rows"]
    said = [{"id": r["id"], "verdict": "keep"} for r in batch]
    (work / "more.jsonl").write_text("".join(json.dumps(s) + "\n" for s in said), "utf-8")
    good("verdict", "more.jsonl", "--reviewer", "Ana", *P, cwd=work)
    run = tilth("verify", BUNDLE, *P, "--json", cwd=work)
    assert run.code == 3, [c for c in run.json["checks"] if c["state"] == "differs"]
    states = {c["name"]: c for c in run.json["checks"]}
    assert states["card: accuracy"]["state"] == states["datasheet: rows of train"]["state"] == "recomputed"
    kept = states["card: verdicts of Ana: keep"]
    assert kept["state"] == "not recomputed"
    assert "have changed since" in kept["why"]
    # and a number that was changed is seen all the same
    _number_in_both(bundle(work))
    seal(bundle(work))
    assert tilth("verify", BUNDLE, *P, cwd=work).code == 4


def test_a_bundle_of_another_version_is_judged_by_its_numbers(work: Path) -> None:
    edit(bundle(work) / "manifest.json", lambda body: body.update(tilth="0.0.9"))
    path = bundle(work) / "card.md"
    path.write_text(path.read_text("utf-8").replace("# Model card", "# Card of the model"), "utf-8")
    seal(bundle(work))
    run = tilth("verify", BUNDLE, *P, "--json", cwd=work)
    assert run.code == 3
    states = {c["name"]: c for c in run.json["checks"]}
    assert "Tilth 0.0.9 wrote it" in states["card.md says what card.json says"]["why"]
    assert all(c["state"] == "recomputed" for c in run.json["checks"] if c["kind"] == "claim")


def _weights(b: Path) -> None:
    path = b / "model" / "weights.npy"
    weights = np.load(path)
    weights[:, 0] *= -1
    np.save(path, weights)


def _byte(b: Path) -> None:
    path = b / "model" / "weights.npy"
    body = bytearray(path.read_bytes())
    body[-5] ^= 1
    path.write_bytes(bytes(body))


def _number_in_card(b: Path) -> None:
    claims = {
        c["name"]: Claim.from_json(c) for c in json.loads((b / "card.json").read_text("utf-8"))["claims"]
    }
    text, shown = (b / "card.md").read_text("utf-8"), figure(claims["accuracy"])
    assert shown in text
    (b / "card.md").write_text(text.replace(shown, "99.0 % [98.0 %, 99.5 %]"), "utf-8")


def _view(b: Path) -> None:
    text = (b / "card.html").read_text("utf-8")
    (b / "card.html").write_text(text.replace("not stated", "stated").replace("passed", "PASSED"), "utf-8")


def _raise(name: str) -> Callable[[Any], None]:
    def change(body: Any) -> None:
        claim = next(c for c in body["claims"] if c["name"] == name)
        claim["value"] += 0.05
        claim["high"] = max(claim["high"] or 0, claim["value"])

    return change


def _number_in_card_json(b: Path) -> None:
    edit(b / "card.json", _raise("accuracy"))


def _number_in_both(b: Path) -> None:
    from tilth.release.prose import Page, markdown

    for name, claim in (("card", "accuracy"),):
        edit(b / f"{name}.json", _raise(claim))
        body = json.loads((b / f"{name}.json").read_text("utf-8"))
        (b / f"{name}.md").write_text(markdown(Page.from_json(body)), "utf-8")


def _evaluation(b: Path) -> None:
    def change(body: Any) -> None:
        body["measured"]["accuracy"]["value"] = body["measured"]["accuracy"]["high"]

    edit(b / "evaluation.json", change)


def _patches(b: Path) -> None:
    line = json.loads((b / "patches.jsonl").read_text("utf-8"))
    other = {**line, "title": "Something else"}
    (b / "patches.jsonl").write_text(json.dumps(other) + "\n", "utf-8")


def _no_patches(b: Path) -> None:
    (b / "patches.jsonl").write_text("", "utf-8")


def _datasheet(b: Path) -> None:
    edit(b / "datasheet.json", lambda body: body["claims"][0].update(value=body["claims"][0]["value"] + 1))


def _bare_number(b: Path) -> None:
    edit(b / "card.json", lambda body: body["sections"][0]["blocks"][0]["rows"][0][1].append("99 % right"))


def _proof(b: Path) -> None:
    edit(b / "card.json", lambda body: body["claims"][0].pop("command"))


def _other_model(b: Path) -> None:
    edit(b / "card.json", lambda body: body["facts"].update(train="0" * 20))


def _threshold(b: Path) -> None:
    edit(b / "manifest.json", lambda body: body["abstention"].update(probability=0.01))


HARM = [
    _view,
    _weights, _byte, _number_in_card, _number_in_card_json, _number_in_both, _evaluation, _patches,
    _no_patches,
    _datasheet, _bare_number, _proof, _other_model, _threshold,
]  # fmt: skip
DEEP = {_weights, _byte}
"""Harm that agrees with itself once it is sealed: to see it takes the rows, the project, or the id."""


@pytest.mark.parametrize("harm", HARM, ids=lambda h: h.__name__.strip("_"))
@pytest.mark.usefixtures("made_once")
def test_tampering_is_seen(work: Path, harm: Callable[[Path], None]) -> None:
    id = hashlib.sha256((bundle(work) / "manifest.json").read_bytes()).hexdigest()[:16]
    harm(bundle(work))
    if harm is not _threshold:  # the manifest has no digest but the id
        assert tilth("verify", BUNDLE, cwd=work).code == 4
    seal(bundle(work))
    assert tilth("verify", BUNDLE, "--id", id, cwd=work).code == 4
    assert tilth("verify", BUNDLE, cwd=work).code == (3 if harm in DEEP else 4)
    with_project = tilth("verify", BUNDLE, *P, "--json", cwd=work)
    assert with_project.code == 4, with_project
    if harm is _weights:
        rows = tilth("verify", BUNDLE, "--eval", "ex/tickets_eval.csv", "--json", cwd=work)
        assert "card: accuracy" in {c["name"] for c in rows.json["checks"] if c["state"] == "differs"}


@pytest.mark.parametrize("name", ["card.md", "evaluation.json", "model/weights.npy", "patches.jsonl"])
def test_a_missing_or_foreign_file_is_seen(work: Path, name: str) -> None:
    (bundle(work) / name).unlink()
    (bundle(work) / "more.txt").write_text("x", "utf-8")
    run = tilth("verify", BUNDLE, "--json", cwd=work)
    assert run.code == 4
    assert {(c["name"], c["state"]) for c in run.json["checks"]} >= {
        (name, "differs"),
        ("more.txt", "differs"),
    }
    edit(bundle(work) / "manifest.json", lambda body: body["files"].pop(name))
    (bundle(work) / "more.txt").unlink()
    # a release without its card or model is none, whatever its manifest says
    assert tilth("verify", BUNDLE, cwd=work).code in (1, 4)


def test_what_is_no_bundle_is_an_error(work: Path) -> None:
    run = tilth("verify", "ex", cwd=work)
    assert run.code == 1
    assert "manifest.json" in run.err


def test_croissant_names_the_file_that_checkout_writes(made: Path, tmp_path: Path) -> None:
    body = page(made, "croissant.json")
    for file in body["distribution"]:
        version = file["description"].split()[4]
        good("checkout", version, "--out", tmp_path / file["name"], *P, cwd=made)
        assert hashlib.sha256((tmp_path / file["name"]).read_bytes()).hexdigest() == file["sha256"]


def test_croissant_is_valid_and_its_records_can_be_read(made: Path, tmp_path: Path) -> None:
    croissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed; see the extra `dev`")
    body = page(made, "croissant.json")
    for file in body["distribution"]:
        version = file["description"].split()[4]
        good("checkout", version, "--out", tmp_path / file["name"], *P, cwd=made)
    (tmp_path / "croissant.json").write_text(json.dumps(body), "utf-8")
    data = croissant.Dataset(jsonld=tmp_path / "croissant.json")
    issues = data.metadata.ctx.issues
    assert not issues.errors
    rows = list(data.records("train"))
    assert len(rows) == page(made, "card.json")["facts"]["train_rows"]
    assert {"train/text", "train/queue", "train/tilth_id"} <= set(rows[0])


def test_spdx_has_what_its_profiles_ask_for(made: Path) -> None:
    body = page(made, "spdx.json")
    graph = body["@graph"]
    known = {e.get("spdxId") or e["@id"]: e for e in graph}
    assert body["@context"] == "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
    kinds = {e["type"]: e for e in graph}
    needed = {
        "dataset_DatasetPackage": {
            "dataset_datasetType", "builtTime", "originatedBy", "releaseTime", "software_downloadLocation",
            "software_primaryPurpose", "name", "creationInfo",
        },
        "ai_AIPackage": {"suppliedBy", "releaseTime", "software_packageVersion", "software_primaryPurpose"},
        "SpdxDocument": {"rootElement", "element", "profileConformance"},
        "CreationInfo": {"specVersion", "created", "createdBy"},
    }  # fmt: skip
    for kind, keys in needed.items():
        assert keys <= set(kinds[kind]), kind
    for e in graph:
        for key in ("from", "suppliedBy"):
            assert e.get(key) is None or e[key] in known
        for key in ("to", "createdBy", "originatedBy", "element", "rootElement"):
            assert all(ref in known for ref in e.get(key, ()))
    assert {(e["relationshipType"], len(e["to"])) for e in graph if e["type"] == "Relationship"} == {
        ("trainedOn", 1), ("testedOn", 1), ("hasDeclaredLicense", 1),
    }  # fmt: skip


def test_spdx_is_read_by_the_model_of_the_specification(made: Path) -> None:
    reason = "spdx-python-model is not installed: pip install spdx-python-model"
    model = pytest.importorskip("spdx_python_model", reason=reason).v3_0_1
    found = model.SHACLObjectSet()
    with (bundle(made) / "spdx.json").open(encoding="utf-8") as file:
        model.JSONLDDeserializer().read(file, found)
    kinds = {type(o).__name__ for o in found.foreach()}
    assert {
        "ai_AIPackage",
        "dataset_DatasetPackage",
        "SpdxDocument",
        "simplelicensing_LicenseExpression",
    } <= kinds
    assert not found.missing_ids


def toml(work: Path, **changes: str) -> None:
    path = work / "p" / "tilth.toml"
    text = path.read_text("utf-8")
    for key, value in changes.items():
        text, n = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
        assert n, key
    path.write_text(text, "utf-8")


REFUSED: list[tuple[dict[str, str], dict[str, str]]] = [
    (
        {"target": "0.99", "licence": '"CC-BY-NC-4.0"', "consent": '"refused"', "megabytes": "0.001",
         "milliseconds": "0.000001"},
        {"goal": "see what would bring most", "licences": "forbids commercial use", "consent": "refused",
         "size": "more than the ceiling", "latency": "more than the ceiling"},
    ),
    ({"expires": '"2020-01-01"'}, {"licences": "may be used until 2020-01-01 only"}),
    ({"licences": '"MIT"', "require": '"size"'}, {"licences": "does not name", "size": "asks for it"}),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "refused"), REFUSED, ids=lambda x: ",".join(x))
def test_a_failed_gate_refuses_and_writes_nothing(
    work: Path, changes: dict[str, str], refused: dict[str, str]
) -> None:
    if "expires" in changes:
        path = work / "p" / "tilth.toml"
        path.write_text(
            path.read_text("utf-8").replace('sample = "all"', 'sample = "all"\nexpires = ""'), "utf-8"
        )
    toml(work, **changes)
    before = (bundle(work) / "manifest.json").read_bytes()
    run = tilth("release", "--precision", "0.8", *P, cwd=work)
    assert run.code == 1
    told = " ".join(run.err.split())
    for gate, why in refused.items():
        assert f"{gate}:" in told
        assert why in told.split(f"{gate}:")[1]
    assert (bundle(work) / "manifest.json").read_bytes() == before


def test_a_person_may_release_all_the_same_and_the_card_says_why(work: Path) -> None:
    toml(work, consent='"refused"', megabytes="0.001")
    body = js("release", "--precision", "0.8", "--force", "a pilot", *P, cwd=work)
    card = (bundle(work) / "card.md").read_text("utf-8")
    assert "| released against failed gates | a pilot |" in card
    for gate in ("consent", "size"):
        assert {g["name"]: g["state"] for g in body["gates"]}[gate] == "fail"
        assert f"| `{gate}` | FAILED |" in card
    assert tilth("verify", BUNDLE, *P, cwd=work).code == 0


def test_floors_are_gates_of_their_own(work: Path) -> None:
    path = work / "p" / "tilth.toml"
    path.write_text(
        path.read_text("utf-8") + '\n[slices]\nmail = \'channel == "mail"\'\nrare = "length > 3000"\n'
        "\n[floors]\nall = 0.2\nclass = 0.99\nmail = 0.2\nrare = 0.5\n",
        "utf-8",
    )
    run = tilth("release", "--precision", "0.8", *P, "--json", cwd=work)
    assert run.code == 1
    assert "floors: each class" in run.json["message"]
    body = js("release", "--precision", "0.8", "--force", "x", *P, cwd=work)
    states = {g["name"]: g["state"] for g in body["gates"]}
    assert states["floors: all rows"] == states["floors: slice mail"] == "pass"
    assert (states["floors: each class"], states["floors: slice rare"]) == ("fail", "not checked")
    assert "| `mail` |" in (bundle(work) / "card.md").read_text("utf-8").split("## Slices")[1]
    assert tilth("verify", BUNDLE, "--eval", "ex/tickets_eval.csv", cwd=work).code == 3


def test_a_bound_asks_for_more_than_a_point(work: Path) -> None:
    score = page(work, "evaluation.json")["measured"]["score"]
    target = (score["low"] + score["value"]) / 2
    toml(work, target=f"{target:.4f}")
    body = js("release", "--precision", "0.8", *P, cwd=work)
    assert "the worse end of its interval does not" in body["gates"][0]["why"]
    toml(work, proof='"bound"')
    assert tilth("release", "--precision", "0.8", *P, cwd=work).code == 1


def test_answers_stand_in_each_release(made: Path) -> None:
    card, gates = (bundle(made) / "card.md").read_text("utf-8"), page(made, "card.json")["gates"]
    assert {gates[k] for k in ("licences", "consent", "questions", "leakage")} == {"pass"}
    assert gates["goal"] == "not checked"
    assert "Route tickets to the \\*team\\*" in card


HOSTILE = (
    "a|b", "<script>alert(1)</script>", "`x`", "a: score", "0.99", "[x](javascript:y)", "two\nlines",
    "\u202eoff",
)  # fmt: skip


def test_a_hostile_project_has_an_honest_card(tmp_path: Path) -> None:
    """Names from data make no markup, no number and no other claim, and all is computed again."""
    import csv

    rng = random.Random(3)
    words = {name: [f"w{i}x{j}" for j in range(6)] for i, name in enumerate(HOSTILE)}
    for file, count in (("t|r`a<b>in.csv", 30), ("eval.csv", 40)):
        with (tmp_path / file).open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["te|xt", "la`bel", "<i>kind</i>"])
            for i in range(count * len(HOSTILE)):
                name = HOSTILE[i % len(HOSTILE)]
                text = " ".join([*rng.sample(words[name], 3), f"{file[:4]}{i}"])
                writer.writerow([text, name, rng.choice(["one|", "`two`"])])
    good(
        "ingest",
        "t|r`a<b>in.csv",
        "--eval",
        "eval.csv",
        "--text",
        "te|xt",
        "--label",
        "la`bel",
        *P,
        cwd=tmp_path,
    )
    for key in ("owner", "limits", "intended_use", "comments_motivation", "funding"):
        good("datasheet", "--set", f"{key}=| <img src=x> # [a](b) 99 % \\| `", *P, cwd=tmp_path)
    good("release", "--precision", "0.5", "--name", "b` [x](y)", "--out", "b", *P, cwd=tmp_path)
    assert tilth("verify", "b", *P, cwd=tmp_path).code == 0
    for name in ("card", "datasheet"):
        text = (tmp_path / "b" / f"{name}.md").read_text("utf-8")
        outside = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", text)
        assert not re.search(r"<[a-zA-Z]", outside)
        assert "](" not in outside.replace("\\](", "").replace("\\]\\(", "")
        for table in re.findall(r"(?:^\|.*\|\n)+", text, re.M):
            cells = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
            assert len(cells) == 1, table
        page = (tmp_path / "b" / f"{name}.html").read_text("utf-8")
        assert "<script" not in page
        assert "<img" not in page
    for name in ("croissant.json", "spdx.json", "card.json", "datasheet.json"):
        json.loads((tmp_path / "b" / name).read_text("utf-8"))


def _places(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a JSON value; the first three of a list."""
    if path:
        yield path
    inner = body.items() if isinstance(body, dict) else enumerate(body[:3]) if isinstance(body, list) else ()
    for key, value in inner:
        yield from _places(value, (*path, key))


def test_a_bundle_of_rubbish_is_refused_without_a_crash(work: Path) -> None:
    """Any part of any document taken away or changed: a difference or an error, never a traceback."""
    rng = random.Random(5)
    for name in ("card.json", "datasheet.json", "evaluation.json", "manifest.json"):
        whole = (bundle(work) / name).read_text("utf-8")
        manifest = (bundle(work) / "manifest.json").read_text("utf-8")
        body = json.loads(whole)
        for path in rng.sample(list(_places(body)), 12):
            again = json.loads(whole)
            at = again
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = rng.choice([None, "x", -1, [], {}])
            (bundle(work) / name).write_text(json.dumps(again), "utf-8")
            if name != "manifest.json":
                seal(bundle(work))
            run = tilth("verify", BUNDLE, "--eval", "ex/tickets_eval.csv", cwd=work)
            assert run.code in (1, 3, 4), (name, path, at[path[-1]])
            (bundle(work) / "manifest.json").write_text(manifest, "utf-8")
        (bundle(work) / name).write_text(whole, "utf-8")
