"""Many projects in one folder: listed in order, worked on at night, one broken one stops no other."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from loop_kit import good, js, lines, tilth, write
from test_json import compare, schemas

from tilth.fleet import fleet, nightly
from tilth.release import load
from tilth.serve.state import Answered, Served, State, new_id, stamp


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """calm, drifted (its traffic), waiting (a question), broken twice; one of them two folders down."""
    folder = tmp_path_factory.mktemp("fleet")
    write(folder / "train.csv", lines(300, 1, wrong=0.0))
    write(folder / "eval.csv", lines(250, 2, wrong=0.0))
    good("ingest", "train.csv", "--eval", "eval.csv", "--project", "calm", cwd=folder)
    good("release", "--project", "calm", cwd=folder)
    for name in ("shop/drifted", "waiting", "torn", "foreign"):
        shutil.copytree(folder / "calm", folder / name)
    (folder / "torn" / "tilth.toml").write_text("[goal\n", "utf-8")
    (folder / "foreign" / "data" / "tilth.db").write_bytes(b"not a database at all" * 100)
    rows = lines(400, 3, wrong=0.0)
    for name, texts in (
        ("shop/drifted", [t + " solar roof" if n > 200 else t for n, (_, t, *_) in enumerate(rows)]),
        ("waiting", [t for _, t, *_ in rows[:60]]),
    ):
        project = folder / name
        bundle = next((project / "releases").iterdir())
        release = load(bundle)
        with State.open(project / "releases" / "serve-state", create=True) as state:
            state.deploy([Served(release.id, str(bundle), stamp(0), "live", 1.0, "a")], stamp(0))
            given = [
                Answered(new_id(i), stamp(i), release.id, "a", "", "", a.best, a.probability, False, None, t)
                for i, (t, a) in enumerate(zip(texts, release.predict(texts), strict=True), start=1)
            ]
            state.write(given, escalate=[given[0].id] if name == "waiting" else [])
    return folder


def test_the_list_and_the_pass(work: Path) -> None:
    body = js("fleet", ".", cwd=work)
    compare(schemas()["fleet"], body)
    states = {p["folder"]: p["state"] for p in body["projects"]}
    assert states == {
        "torn": "broken", "foreign": "broken", "waiting": "waiting", "calm": "calm", "shop/drifted": "calm",
    }  # fmt: skip
    assert [p["state"] for p in body["projects"]][:2] == ["broken", "broken"]
    assert all(p["error"] for p in body["projects"][:2])

    run = tilth("fleet", ".", "--pass", "--json", cwd=work)
    assert run.code == 1, "two are broken, and a scheduler should know"
    compare(schemas()["fleet"], run.json)
    after = {p["folder"]: p for p in run.json["projects"]}
    assert after["shop/drifted"]["state"] == "drifted"
    assert "solar" in after["shop/drifted"]["drift"]
    assert after["waiting"]["questions"] == 1
    assert after["calm"]["findings"] is not None
    assert any("drift" in did for did in after["shop/drifted"]["did"])
    again = tilth("fleet", ".", "--pass", "--json", cwd=work).json
    calm = next(p for p in again["projects"] if p["folder"] == "calm")
    assert calm["did"] == [], "nothing changed, nothing is done"
    shown = good("fleet", ".", cwd=work).out
    assert "5 projects: 2 broken, 1 drifted, 1 waiting, 1 calm" in shown
    assert "tilth status --project ./" in shown.replace("\n", "")


def test_staleness_and_a_release_that_is_behind(work: Path) -> None:
    late = fleet(work, clock=lambda: "2099-01-01T00:00:00+00:00")
    assert {m.folder: m.state for m in late.members}["calm"] == "stale"
    assert not any(m.behind for m in late.members)
    write(work / "more.csv", [("x1", "a new row", "cards")])
    good("ingest", "more.csv", "--project", "calm", cwd=work)
    assert next(m for m in fleet(work).members if m.folder == "calm").behind


def test_a_project_behind_two_links_is_one(work: Path, tmp_path: Path) -> None:
    shutil.copytree(work / "calm", tmp_path / "apart" / "calm")
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("again", "calm"):
        (folder / name).symlink_to(tmp_path / "apart" / "calm")
    (folder / "up").symlink_to(folder)
    assert [m.folder for m in fleet(folder).members] == ["again"]


def test_a_folder_without_projects(tmp_path: Path) -> None:
    assert "no project" in tilth("fleet", tmp_path, cwd=tmp_path).err
    assert "is no folder" in tilth("fleet", tmp_path / "x", cwd=tmp_path).err


def test_the_work_is_linear(work: Path, tmp_path: Path) -> None:
    """Twice the projects take about twice the time: nothing looks at one project because of another."""
    seconds = []
    for count in (6, 12):
        folder = tmp_path / str(count)
        for number in range(count):
            shutil.copytree(work / "waiting", folder / f"p{number}")
        began = time.process_time()
        nightly(folder)
        seconds.append(time.process_time() - began)
    assert seconds[1] < 3 * seconds[0]
