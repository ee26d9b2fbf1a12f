"""Several people at once: through the page's API and the command line, with a server that is killed."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from loop_kit import finish, js, lines, start, write

pytest.importorskip("fastapi", reason="the extra `review` is not installed")
pytest.importorskip("httpx", reason="httpx, which drives the server in tests, is not installed")

from client_kit import client_of
from reviewer_kit import judge, review

from tilth.project import Project


def cli(work: Path, *argv: str) -> Any:
    return js(*argv, "--project", "p", cwd=work)


def test_people_share_the_rows_and_settle_what_they_differ_on(work: Path) -> None:
    with client_of(work / "p") as page:

        def lease(who: str, **more: Any) -> Any:
            return page.post("/api/lease", json={"reviewer": who, "n": 5, **more}).json()

        def verdict(who: str, row: str, what: str, **more: Any) -> None:
            items = [{"key": f"{who} {row} {what}", "id": row, "verdict": what, **more}]
            assert page.post("/api/verdicts", json={"reviewer": who, "items": items}).json()["new"] == 1

        order = page.get("/api/queue?limit=12").json()
        assert order["count"] > len(order["rows"]) == 12
        assert page.get("/api/queue?offset=5&limit=7").json()["rows"] == order["rows"][5:]
        assert page.get("/api/queue?limit=99999").status_code == 422
        ana = lease("Ana")
        assert ana["rows"] == order["rows"][:5]
        assert lease("Ben")["rows"] == order["rows"][5:10]
        held = cli(work, "reviewers", "--lease", "4", "--reviewer", "cy", "--out", "cy.csv")["lease"]["rows"]
        assert not {r["id"] for r in held} & set(
            order["rows"][:10]
        )  # a terminal is a place at the table, too
        row = ana["rows"][0]
        (before,) = page.get("/api/rows", params={"id": row}).json()
        verdict("Ana", row, "drop", role="ask")
        page.get("/api/queue")  # the order knows the verdict now
        (after,) = page.get("/api/rows", params={"id": row}).json()
        assert after["p_wrong"] == pytest.approx(before["p_wrong"], abs=1e-4)  # a second opinion is blind
        assert after["likely"] == before["likely"]
        assert page.get("/api/reviewers").json()["waiting"] == 1
        assert row not in lease("Ana", n=200)["rows"]
        page.post("/api/lease/release", json={"reviewer": "Ana"})
        assert row in lease("Ben", n=200)["rows"]
        verdict("Ben", row, "keep", note="see the guide")
        found = page.get("/api/disagreements").json()["rows"]
        assert [x["id"] for x in found] == [row]
        told = cli(work, "reviewers", "--disagreements", "--out", "d.jsonl")["disagreements"]
        assert [{k: x[k] for k in ("id", "verdicts")} for x in told] == found
        differ = lease("Cy", queue="disagreements")
        assert (differ["rows"], differ["voices"]) == ([row], {row: found[0]["verdicts"]})
        assert "drop" not in cli(work, "verdict")["standing"]  # nobody's verdict counts
        body = json.loads((work / "d.jsonl").read_text())
        assert body["said"] == "Ana: drop; Ben: keep (see the guide)"
        (work / "d.jsonl").write_text(json.dumps(body | {"verdict": "drop"}) + "\n")
        assert cli(work, "verdict", "d.jsonl", "--reviewer", "Cy")["standing"] == {"drop": 1}
        assert page.get("/api/disagreements").json() == {"rows": []}
        assert page.get("/api/reviewers").json() == cli(work, "reviewers")
        assert [(p["reviewer"], p["verdicts"]) for p in cli(work, "reviewers")["people"]][:1] == [("Ben", 1)]
        assert page.post("/api/lease", json={"reviewer": " "}).status_code == 422


def test_pages_and_command_line_at_once_lose_nothing(work: Path) -> None:
    """Three pages and a terminal write at the same time, some of it about the same rows."""
    with client_of(work / "p") as page:
        rows = page.get("/api/queue").json()["rows"][:30]
        (work / "mine.jsonl").write_text(
            "".join(json.dumps({"id": r, "verdict": "drop"}) + "\n" for r in rows)
        )
        terminal = start(
            "verdict", "mine.jsonl", "--reviewer", "terminal", "--json", "--project", "p", cwd=work
        )
        faults: list[str] = []

        def decide(who: str) -> None:
            for r in rows:
                items = [{"key": f"{who} {r}", "id": r, "verdict": "keep"}]
                for _ in range(2):  # sent twice, as after a lost answer
                    found = page.post("/api/verdicts", json={"reviewer": who, "items": items})
                    if found.status_code != 200 or found.json()["saved"] != [f"{who} {r}"]:
                        faults.append(found.text)

        people = [threading.Thread(target=decide, args=(f"person {i}",)) for i in range(3)]
        for one in people:
            one.start()
        for one in people:
            one.join()
        assert finish(terminal).code == 0
        assert faults == []
    with Project(work / "p") as project:
        said = [(v.reviewer, v.row.id) for v in project.workspace.store.verdicts("train", every=True)]
        assert len(said) == len(set(said)) == 120  # two people on one row: both are kept
        assert {v.said.decision for v in project.workspace.store.verdicts("train")} == {
            "keep"
        }  # three of four


@pytest.mark.slow
def test_reviewers_at_once_while_the_server_is_killed(tmp_path: Path) -> None:
    """None lost, none doubled, nobody does another's work but for the second opinions that were drawn."""
    write(tmp_path / "train.csv", lines(600, seed=1))
    write(tmp_path / "eval.csv", lines(100, seed=2))
    js("ingest", "train.csv", "--eval", "eval.csv", "--project", "p", cwd=tmp_path)
    settings = tmp_path / "p" / "tilth.toml"
    settings.write_text(settings.read_text().replace("second_opinion = 0.0", "second_opinion = 0.2"))
    work, _ = review(tmp_path, reviewers=4, wanted=200, kills=2)
    assert work.faults == []
    found = judge(tmp_path, work)
    assert found["decisions"] == found["stored"] == len(work.saved)
    assert found["decisions"] >= 190
    assert (found["lost"], found["doubled"], found["same_person_twice"], found["double_work"]) == (0, 0, 0, 0)
    assert found["second_opinions"] > 10
    assert found["disagreements"] > 0
