"""The map through the server: columns of bytes, classes, slices as bits, rows by position, sets by bits."""

from __future__ import annotations

import base64
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loop_kit import js

pytest.importorskip("fastapi", reason="the extra `review` is not installed")
pytest.importorskip("httpx", reason="httpx, which drives the server in tests, is not installed")

from fastapi.testclient import TestClient

from tilth import maps
from tilth.project import Project
from tilth.review.server import application

TOKEN, PORT = "s3cret-of-this-start", 8766


@pytest.fixture
def page(work: Path) -> Iterator[TestClient]:
    """A client, and the project that it looks at."""
    toml = work / "p" / "tilth.toml"
    toml.write_text(toml.read_text("utf-8") + "\n[slices]\nearly = 'text matches \"^[b-g]\"'\n", "utf-8")
    with Project(work / "p") as project:
        app, desk = application(project, token=TOKEN, port=PORT)
        client = TestClient(
            app, base_url=f"http://127.0.0.1:{PORT}", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        client.project = project  # type: ignore[attr-defined]
        yield client
        desk.close()


def ready(page: TestClient) -> dict[str, Any]:
    """The map when all of it is there."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = page.get("/api/map").json()
        assert found["state"] != "failed", found["error"]
        if found["state"] == "ready" and found["faithfulness"]:
            return dict(found)
        time.sleep(0.05)
    raise AssertionError("the map is never ready")


def columns(raw: bytes) -> dict[str, np.ndarray]:
    """The columns as docs/howto/map.md describes them."""
    assert raw[:4] == b"TMAP"
    form, n, _ = struct.unpack("<III", raw[4:16])
    assert form == 1
    out, at = {}, 16
    kinds = {"x": "<f4", "y": "<f4", "given": "<u2", "predicted": "<u2", "wrong": "u1", "flags": "u1"}
    for name, kind in kinds.items():
        size = n * np.dtype(kind).itemsize
        out[name] = np.frombuffer(raw[at : at + size], dtype=kind)
        at += size
    assert at == len(raw)
    return out


def test_bytes_say_what_the_project_says(page: TestClient) -> None:
    assert page.get("/api/map").json()["state"] in ("reading", "unfolding", "ready")
    about = ready(page)
    assert about["rows"] == 400
    assert about["faithfulness"]["rows"] == 400
    assert sum(c["rows"] for c in about["classes"]) == 400
    assert len({c["tone"] for c in about["classes"]}) == len(about["classes"]) == 5
    got = columns(page.get("/api/map/points").content)
    project: Project = page.project  # type: ignore[attr-defined]
    view = project.workspace.view()
    assert (got["given"] == view.signals.labels).all()
    assert (got["predicted"] == view.signals.probabilities.argmax(axis=1)).all()
    assert np.abs(got["wrong"] / 255 - view.signals.p_wrong()).max() < 0.003
    assert ((got["flags"] & 1 > 0) == (got["given"] != got["predicted"])).all()
    xy = maps.positions(project.workspace, view)
    assert (got["x"] == xy[:, 0]).all()
    assert np.abs(xy).max() == 1.0


def test_slices_are_bits_and_a_choice_of_bits_is_a_set(page: TestClient) -> None:
    about = ready(page)
    assert about["slices"] == [{"name": "early", "expression": 'text matches "^[b-g]"'}]
    raw = page.get("/api/map/slice", params={"name": "early"}).content
    rows = page.project.workspace.view().train  # type: ignore[attr-defined]
    early = np.array([t[0] in "bcdefg" for t in rows.texts("text")])
    assert (np.unpackbits(np.frombuffer(raw, np.uint8), count=400, bitorder="little") == early).all()
    assert page.get("/api/map/slice", params={"name": "none"}).status_code == 404
    body = {"mask": base64.b64encode(raw).decode(), "version": about["version"], "name": "early ones"}
    made = page.post("/api/sets", json=body).json()
    assert 0 < early.sum() < 400, made
    assert made["rows"] == early.sum()
    again = page.get("/api/map/slice", params={"set": made["id"]}).content
    assert again == raw
    assert page.get("/api/map/slice", params={"where": 'text matches "^[b-g]"'}).content == raw
    assert page.get("/api/map/slice", params={"where": "no such thing"}).status_code == 422
    kept = page.get("/api/sets/rows", params={"set": made["id"], "count": 2_000}).json()["rows"]
    assert set(kept) == {rows.ids[i] for i in np.flatnonzero(early)}


def test_rows_by_position(page: TestClient) -> None:
    about = ready(page)
    ask = {"version": about["version"], "at": [0, 399]}
    first, last = page.get("/api/map/rows", params=ask).json()
    view = page.project.workspace.view()  # type: ignore[attr-defined]
    assert (first["id"], last["id"]) == (view.train.ids[0], view.train.ids[399])
    assert first["text"] == view.texts[0]
    assert first["given"] == view.train.labels[0]
    for wrong in ([400], [-1], list(range(61))):
        assert page.get("/api/map/rows", params={**ask, "at": wrong}).status_code == 422
    assert page.get("/api/map/rows", params={**ask, "version": "old"}).status_code == 409


def test_verdicts_and_relabels_move_no_row(page: TestClient) -> None:
    about = ready(page)
    before = columns(page.get("/api/map/points").content)
    row = page.get("/api/map/rows", params={"version": about["version"], "at": [7]}).json()[0]
    wanted = next(c["name"] for c in about["classes"] if c["name"] != row["given"])
    item = {"key": "k1", "id": row["id"], "verdict": "relabel", "label": wanted}
    assert page.post("/api/verdicts", json={"reviewer": "ada", "items": [item]}).json()["new"] == 1
    page.get("/api/queue")
    judged = columns(page.get("/api/map/points").content)
    assert judged["flags"][7] & 2
    made = page.post("/api/relabel").json()
    ref = (
        made["patch"]["id"]
        if isinstance(made.get("patch"), dict)
        else page.get("/api/patches").json()[-1]["id"]
    )
    page.post(f"/api/patches/{ref}/accept", json={"author": "ada", "reason": "", "force": "a test"})
    again = ready(page)
    assert again["version"] != about["version"]
    after = columns(page.get("/api/map/points").content)
    assert (after["x"] == before["x"]).all()
    assert after["given"][7] != before["given"][7]
    folder = page.project.folder / "data" / "maps"  # type: ignore[attr-defined]
    assert len(list(folder.iterdir())) == 1


def test_a_spoilt_file_is_made_again(work: Path) -> None:
    with Project(work / "p") as project:
        view = project.workspace.view()
        first = maps.positions(project.workspace, view)
        (file,) = (work / "p" / "data" / "maps").iterdir()
        for spoilt in (b"", b"no array", file.read_bytes()[:-9]):
            file.write_bytes(spoilt)
            assert (maps.positions(project.workspace, view) == first).all()
    js("status", "--project", "p", cwd=work)  # the folder of maps is no foreign one


def test_what_goes_wrong_is_said_and_not_tried_again_at_once(
    page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def broken(*args: object, **more: object) -> None:
        calls.append(args)
        raise ValueError("no room for a map")

    monkeypatch.setattr(maps, "positions", broken)
    end = time.monotonic() + 60
    while (found := page.get("/api/map").json())["state"] != "failed" and time.monotonic() < end:
        time.sleep(0.05)
    assert found["error"] == "no room for a map"
    assert page.get("/api/map").json()["state"] == "failed"
    assert len(calls) == 1
    assert page.get("/api/map/points").status_code == 404
