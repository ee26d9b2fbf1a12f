"""A model in service: what was answered, questions to a person, tests of releases, drift of the traffic."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from loop_kit import good, js, lines, tilth, write
from test_json import compare, schemas

from tilth.release import load
from tilth.serve.experiment import collect, experiments, over_time
from tilth.serve.state import Answered, Said, Served, State, new_id, stamp

P = ("--project", "p")
DAY, START = 86_400.0, 1_789_948_800.0


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a release, and the state of a server that answered 300 rows in three days."""
    folder = tmp_path_factory.mktemp("service")
    write(folder / "train.csv", lines(400, 1, wrong=0.0))
    write(folder / "eval.csv", lines(300, 2, wrong=0.0))
    good("ingest", "train.csv", "--eval", "eval.csv", *P, cwd=folder)
    good("release", *P, cwd=folder)
    bundle = next((folder / "p" / "releases").iterdir())
    release = load(bundle)
    served, said, ask = [], [], []
    rows = lines(300, 3, wrong=0.0)
    for number, (row, a) in enumerate(zip(rows, release.predict([r[1] for r in rows]), strict=True)):
        now = START + number / 100 * DAY
        name = new_id(now)
        abstained = a.abstained or number % 20 == 0
        served.append(
            Answered(name, stamp(now), release.id, "a", "shop", f"user{number % 90}", a.best, a.probability,
                     abstained, "unsure" if abstained else None, row[1])
        )  # fmt: skip
        if abstained:
            ask.append(name)
        elif number % 3 == 0:
            kind = "right" if a.best == row[3] else "label"
            label = None if kind == "right" else row[3]
            said.append(Said(f"f{number}", name, kind, label, "", "shop", True, stamp(now + 60)))
    with State.open(folder / "p" / "releases" / "serve-state", create=True) as state:
        state.deploy([Served(release.id, str(bundle), stamp(START - 1), "live", 1.0, "a")], stamp(START - 1))
        state.write(served, said, ask)
    return folder


def test_what_happened(work: Path) -> None:
    body = js("monitor", *P, cwd=work)
    compare(schemas()["monitor"], body)
    assert body["answers"] == 300
    assert len(body["days"]) == 3
    assert sum(d["abstained"] for d in body["days"]) == body["abstained"] == body["questions"]["open"]
    assert body["tests"] == []
    shown = good("monitor", *P, cwd=work).out
    assert "300 answers" in shown
    nothing = tilth("monitor", "--state", "nowhere", *P, cwd=work)
    assert nothing.code == 1
    assert "nothing was served from nowhere" in nothing.err.replace("\n", " ")


def test_a_question_is_answered_returned_and_becomes_a_row(work: Path) -> None:
    body = js("escalations", *P, cwd=work)
    compare(schemas()["escalations"], body)
    first, second = body["questions"][:2]
    assert first["text"]
    assert first["likely"][0]["label"] in body["classes"]
    assert first["words"]
    assert "likely" in good("escalations", *P, cwd=work).out
    after = js("escalations", "--answer", first["id"], "--label", "cards", "--person", "ana", *P, cwd=work)
    compare(schemas()["escalations"], after)
    assert (after["open"], after["answered"]) == (body["open"] - 1, 1)
    with State.open(work / "p" / "releases" / "serve-state") as state:
        told = state.escalation(first["id"])
        assert (told.state, told.label, told.person) == ("answered", "cards", "ana")
    state_of = work / "p" / "releases" / "serve-state"
    made = js("feedback", state_of, *P, cwd=work)
    assert made["escalated"] == 1
    ops = [op for p in made["patches"] for op in js("patch", p["id"], *P, cwd=work)["ops"]]
    assert any(
        op["after"]["label"] == "cards" and op["after"]["fields"]["text"] == first["text"] for op in ops
    )
    js("escalations", "--answer", second["id"], "--label", "refund", *P, cwd=work)
    unknown = tilth("escalations", "--answer", "x", "--label", "cards", *P, cwd=work)
    assert unknown.code == 1
    assert tilth("escalations", "--answer", "x", *P, cwd=work).code == 2


def test_drift_of_the_traffic(work: Path, tmp_path: Path) -> None:
    state = work / "p" / "releases" / "serve-state"
    body = js("drift", state, "--out", tmp_path / "l.csv", *P, cwd=work)
    assert body["drifted"] is False
    assert body["new"] == 300
    served = js("monitor", *P, cwd=work)
    assert served["drift"][-1]["source"] == str(state)
    rng = random.Random(1)
    with State.open(tmp_path / "s", create=True) as other:
        other.deploy([Served("r", "nowhere", stamp(START), "live", 1.0, "a")], stamp(START))
        rows = [
            Answered(new_id(START + i), stamp(START + i), "r", "a", "", "", "cards" if i < 2_000 else "login",
                     rng.random() ** (0.3 if i < 2_000 else 2.0), False)
            for i in range(2_500)
        ]  # fmt: skip
        other.write(rows)
    blind = js("drift", tmp_path / "s", *P, cwd=work)
    assert blind["against"].startswith("the first 1,000 answers")
    assert blind["drifted"]
    assert blind["auc"] is None
    assert blind["fall"]["began"] == pytest.approx(1_000, abs=60)
    assert any(s["expression"] == 'label == "login"' for s in blind["surges"])
    assert tilth("drift", tmp_path / "s", "--out", "l.csv", *P, cwd=work).code == 1


def side_by_side(folder: Path, lift: float, n: int = 6_000) -> State:
    """Two releases, 20 days, one of them right more often."""
    rng = random.Random(3)
    state = State.open(folder, create=True)
    both = [
        Served("old", "o", stamp(START), "live", 0.5, "a"),
        Served("new", "n", stamp(START), "candidate", 0.5, "b"),
    ]
    state.deploy(both, stamp(START))
    answers, said = [], []
    for i in range(n):
        now = START + 1 + i * 20 * DAY / n
        key = f"k{rng.randrange(n // 2)}"
        arm = "ab"[hash_of(key) % 2]
        name = new_id(now)
        answers.append(
            Answered(
                name, stamp(now), "new" if arm == "b" else "old", arm, "", key, "x", 0.9, rng.random() < 0.1
            )
        )
        if rng.random() < 0.6:
            right = rng.random() < 0.8 + (lift if arm == "b" else 0.0)
            said.append(Said(f"s{i}", name, "right" if right else "wrong", None, "", "", True, stamp(now)))
    state.write(answers, said)
    return state


def hash_of(key: str) -> int:
    return random.Random(key).randrange(2)


def test_the_better_release_is_promoted_and_its_course_shown(tmp_path: Path, work: Path) -> None:
    with side_by_side(tmp_path / "s", 0.08) as state:
        found = collect(state)
        result = experiments(found)[0]
        course = over_time(found)
    assert (result.control, result.candidate, result.advice) == ("a", "b", "promote")
    assert result.ratio.held
    assert 0.04 < result.goal.difference.value < 0.12
    assert [c.role for c in result.comparisons] == ["goal", "guard", "guard"]
    assert len(course) == 20 + 1 or len(course) == 20
    assert course[0]["advice"] == "keep going"
    body = js("monitor", "--state", tmp_path / "s", *P, cwd=work)
    compare(schemas()["monitor"], body)
    assert body["tests"][0]["advice"] == "promote"
    assert "promote" in good("monitor", "--state", tmp_path / "s", *P, cwd=work).out


def test_one_release_is_no_test(work: Path) -> None:
    with State.open(work / "p" / "releases" / "serve-state") as state:
        assert collect(state) is None


@pytest.fixture
def page(work: Path) -> Any:
    pytest.importorskip("fastapi", reason="the extra `review` is not installed")
    pytest.importorskip("httpx", reason="httpx, which drives the server in tests, is not installed")
    from fastapi.testclient import TestClient

    from tilth.project import Project
    from tilth.review.server import application

    with Project(work / "p") as project:
        app, desk = application(project, token="s3cret", port=8765)
        client = TestClient(app, base_url="http://127.0.0.1:8765")
        client.get("/", params={"token": "s3cret"})
        yield client
        while desk._planner is not None and desk._planner.is_alive():
            desk._planner.join(0.1)
        desk.close()


def test_the_pages_say_what_the_command_line_says(page: Any, work: Path, tmp_path: Path) -> None:
    assert page.get("/api/monitor").json() == js("monitor", *P, cwd=work)
    asked = page.get("/api/questions").json()
    assert asked == js("escalations", *P, cwd=work)
    shown = page.get("/monitor").text
    assert "Traffic" in shown
    assert "<svg" in shown
    assert page.get("/questions").status_code == 200
    given = {"id": asked["questions"][0]["id"], "label": "login", "person": "ben"}
    ours = {"origin": "http://127.0.0.1:8765"}
    after = page.post("/api/questions/answer", json=given, headers=ours).json()
    assert after["open"] == asked["open"] - 1
    assert page.post("/api/questions/answer", json={**given, "person": " "}, headers=ours).status_code == 422
    assert page.post("/api/questions/answer", json={**given, "id": "x"}, headers=ours).status_code == 404
    made = page.post("/api/feedback", json={}, headers=ours).json()
    assert page.get(f"/patches/{made['patches'][0]['id']}").status_code == 200
    described = json.dumps(page.get("/api/openapi.json").json())
    assert "/api/questions/answer" in described
    with side_by_side(tmp_path / "s", -0.1):
        pass
    path = work / "p" / "tilth.toml"
    old = path.read_text("utf-8")
    path.write_text(old.replace('[serve]\nstate = ""', f'[serve]\nstate = "{tmp_path / "s"}"'), "utf-8")
    try:
        from tilth.project import Project

        with Project(work / "p") as project:
            assert project.monitor().tests[0]["advice"] == "stop"
    finally:
        path.write_text(old, "utf-8")
