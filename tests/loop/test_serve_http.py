"""The server by what it answers: over real connections, with a tiny release."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from serve_kit import Client, admin, fake_bundle, load_fake, serving

from tilth.errors import InputError, ProjectBusy, Refused
from tilth.serve.arms import Asked
from tilth.serve.batching import Queue
from tilth.serve.compare import counts
from tilth.serve.experiment import collect, experiments
from tilth.serve.metrics import Metrics
from tilth.serve.protocol import Limits
from tilth.serve.server import Server
from tilth.serve.settings import Settings
from tilth.serve.state import State

pytest.importorskip("httptools", reason="the extra `serve` is not installed")


def matches(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> str:
    """What is wrong with a value by a JSON schema, as far as our document uses them; "" for nothing."""
    if "$ref" in schema:
        return matches(value, root["components"]["schemas"][schema["$ref"].rpartition("/")[2]], root)
    if "oneOf" in schema:
        tries = [matches(value, s, root) for s in schema["oneOf"]]
        return "" if tries.count("") == 1 else f"{value!r}: {tries}"
    if "enum" in schema:
        return "" if value in schema["enum"] else f"{value!r} is not in {schema['enum']}"
    kinds = {"string": str, "number": (int, float), "integer": int, "boolean": bool, "object": dict,
             "array": list, "null": type(None)}  # fmt: skip
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(isinstance(value, kinds[n]) for n in names):
        return f"{value!r} is no {names}"
    if isinstance(value, dict) and "properties" in schema:
        if missing := [n for n in schema["required"] if n not in value]:
            return f"{missing} missing"
        if schema.get("additionalProperties") is False and (more := set(value) - set(schema["properties"])):
            return f"{more} not described"
        found = [matches(v, schema["properties"][n], root) for n, v in value.items()]
        return next((f for f in found if f), "")
    if isinstance(value, list) and "items" in schema:
        return next((f for f in (matches(v, schema["items"], root) for v in value) if f), "")
    return ""


def test_every_answer_is_as_described(tmp_path: Path) -> None:
    two = [fake_bundle(tmp_path, "x"), Asked(fake_bundle(tmp_path, "y"), shadow=True)]
    with serving(tmp_path, two, escalate=True) as (_, address):
        client, boss = Client(address), Client(address, admin(tmp_path))
        described = client.get("/openapi.json")[1]
        seen = set()

        def ask(method: str, path: str, body: Any = None, who: Client = client, route: str = "") -> Any:
            status, headers, found = who.ask(method, path, body)
            operation = described["paths"][route or path][method.lower()]
            assert str(status) in operation["responses"], (method, path, status)
            ((kind, shape),) = operation["responses"][str(status)]["content"].items()
            assert headers["content-type"].startswith(kind)
            assert matches(found, shape["schema"], described) == ""
            if body is not None and status in (200, 201) and "requestBody" in operation:
                sent = operation["requestBody"]["content"]["application/json"]["schema"]
                assert matches(body, sent, described) == ""
            seen.add((method, route or path))
            return found

        one = ask("POST", "/predict", {"text": "hello"})
        assert (one["label"], one["abstained"], one["arm"]) == ("x-yes", False, "a")
        many = ask("POST", "/predict", {"rows": ["hello", {"text": "what?"}], "key": "k", "client": "u"})
        unsure = many["answers"][1]
        assert (unsure["label"], unsure["reason"], unsure["escalated"]) == (None, "unsure", True)
        for wrong in ({}, {"text": 3}, {"rows": ["a"] * 10_001}):
            ask("POST", "/predict", wrong)
        assert ask("POST", "/feedback", {"answer": one["id"], "kind": "right"})["receipt"] == "new"
        assert ask("POST", "/feedback", {"answer": one["id"], "kind": "right"})["receipt"] == "repeated"
        said = {"answer": one["id"], "kind": "label", "label": "x-no", "key": "1"}
        assert ask("POST", "/feedback", said)["receipt"] == "new"
        assert ask("POST", "/feedback", {**said, "label": "other"})["receipt"] == "conflict"
        ask("POST", "/feedback", {"feedback": [said, {"answer": "none", "kind": "wrong"}]})
        ask("POST", "/feedback", {"answer": "x"})
        route = "/answers/{id}"
        assert ask("GET", f"/answers/{unsure['id']}", route=route)["state"] == "open"
        with State.open(tmp_path / "state") as state:
            state.resolve(unsure["id"], label="x-no", person="ann", at="now")
        assert ask("GET", f"/answers/{unsure['id']}", route=route)["person"]["label"] == "x-no"
        ask("GET", "/answers/nothing", route=route)
        ask("GET", "/releases")
        ask("GET", "/ab")
        ask("POST", "/admin/releases", {"releases": [{"path": fake_bundle(tmp_path, "z")}]}, boss)
        ask("POST", "/admin/releases", {"releases": [{"path": "/nothing"}]}, boss)
        ask("POST", "/admin/releases", {}, boss)
        ask("POST", "/admin/releases", {})
        ask("POST", "/admin/rollback", {}, boss)
        for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
            ask("GET", path)
        every = {(m.upper(), path) for path, ops in described["paths"].items() for m in ops}
        assert seen == every


def test_metrics_count_what_happened(tmp_path: Path) -> None:
    with serving(tmp_path, [fake_bundle(tmp_path, "x")]) as (_, address):
        client = Client(address)
        client.post("/predict", {"rows": ["a", "b", "c?"]})
        client.get("/nowhere")
        text = client.get("/metrics")[1]
    assert 'tilth_requests_total{path="/predict",status="200"} 1' in text
    assert 'tilth_requests_total{path="other",status="404"} 1' in text
    assert 'tilth_rows_total{arm="a"} 3' in text
    assert 'tilth_abstained_total{arm="a",reason="unsure"} 1' in text
    assert 'tilth_request_seconds_bucket{path="/predict",le="+Inf"} 1' in text
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(len(line.rpartition(" ")[0].split("{")[0].split()) == 1 for line in lines)
    assert all(float(line.rpartition(" ")[2]) >= 0 for line in lines)


def test_counters_are_whole_numbers_however_large() -> None:
    metrics = Metrics()
    metrics.count("rows_total", ("arm", "a"), by=123_456_789)
    assert 'tilth_rows_total{arm="a"} 123456789\n' in metrics.text({})


def test_rows_of_one_request_are_one_unit_of_a_comparison(tmp_path: Path) -> None:
    two = [fake_bundle(tmp_path, "x"), fake_bundle(tmp_path, "y")]
    with serving(tmp_path, two) as (_, address):
        client = Client(address)
        for _ in range(20):
            client.post("/predict", {"rows": ["a"] * 50})
        single = [client.post("/predict", {"text": "a"})[1]["id"] for _ in range(3)]
    with State.open(tmp_path / "state") as state:
        found = collect(state)
        assert found is not None
        assert len(found.arm) == 20 * 50 + 3
        assert len(set(found.unit)) == 20 + 3
        assert [state.answer(i).key for i in single] == [""] * 3  # type: ignore[union-attr]
        assert all(e.ratio.held for e in experiments(found))


def test_a_release_without_traffic_is_in_no_comparison(tmp_path: Path) -> None:
    two = [Asked(fake_bundle(tmp_path, "x"), 1.0), Asked(fake_bundle(tmp_path, "y"), 0.0)]
    with serving(tmp_path, two) as (_, address):
        client = Client(address)
        for _ in range(300):
            client.post("/predict", {"text": "a"})
        assert client.get("/ab")[1]["tests"] == []


def test_a_comparison_outlives_the_server(tmp_path: Path) -> None:
    two = [Asked(fake_bundle(tmp_path, n), s) for n, s in (("x", 0.7), ("y", 0.2), ("z", 0.1))]
    seen = []
    for _ in range(2):
        with serving(tmp_path, two) as (_, address):
            Client(address).post("/predict", {"text": "a"})
            seen.append(Client(address).get("/ab")[1]["since"])
        time.sleep(0.01)
    with State.open(tmp_path / "state") as state:
        assert len(state.releases(retired=True)) == 3
        found = collect(state)
        assert found is not None
        assert len(found.arm) == 2
    assert seen[0] == seen[1]


def test_answers_are_recorded_without_their_texts_unless_told(tmp_path: Path) -> None:
    for keep in (False, True):
        folder = tmp_path / str(keep)
        folder.mkdir()
        with serving(folder, [fake_bundle(folder, "x")], keep_rows=keep) as (_, address):
            Client(address).post("/predict", {"rows": ["a secret", "really?"], "key": "k"})
        with State.open(folder / "state") as state:
            rows = list(state.answers())
        rows.sort(key=lambda r: r.abstained)  # ids of one moment have no order
        assert [r.text for r in rows] == (["a secret", "really?"] if keep else [None, None])
        assert [(r.key, r.arm, r.abstained) for r in rows] == [("k", "a", False), ("k", "a", True)]


def test_the_access_log_has_no_rows_unless_told(tmp_path: Path) -> None:
    for rows in (False, True):
        lines: list[str] = []
        folder = tmp_path / str(rows)
        folder.mkdir()
        with serving(folder, [fake_bundle(folder, "x")], log=lines.append, log_rows=rows) as (_, address):
            Client(address).post("/predict", {"text": "a secret\n{"})
            Client(address).post("/predict", b"a secret")
        found = [json.loads(line) for line in "".join(lines).splitlines()]
        assert [f["event"] for f in found if "event" in f] == ["started", "stopped"]
        request = next(f for f in found if f.get("status") == 200)
        assert (request["method"], request["path"], request["rows"]) == ("POST", "/predict", 1)
        assert ("a secret" in json.dumps(found)) == rows


def test_a_shadow_is_asked_and_not_shown(tmp_path: Path) -> None:
    two = [fake_bundle(tmp_path, "x"), Asked(fake_bundle(tmp_path, "y"), shadow=True)]
    with serving(tmp_path, two) as (_, address):
        answer = Client(address).post("/predict", {"text": "a"})[1]
        assert answer["label"] == "x-yes"
    with State.open(tmp_path / "state") as state:
        (shadow,) = state.answers(shadow=True)
        assert (shadow.id, shadow.label, shadow.arm) == (answer["id"] + "~b", "y-yes", "b")
        assert [a.id for a in state.answers()] == [answer["id"]]


def test_a_key_meets_one_release_and_swaps_lose_nothing(tmp_path: Path) -> None:
    x, y = fake_bundle(tmp_path, "x", slow=0.001), fake_bundle(tmp_path, "y", slow=0.001)
    with serving(tmp_path, [x, y]) as (_, address):
        client, boss = Client(address), Client(address, admin(tmp_path))
        arms = {k: client.post("/predict", {"text": "a", "key": k})[1]["arm"] for k in map(str, range(40))}
        assert set(arms.values()) == {"a", "b"}
        for k, arm in arms.items():
            assert client.post("/predict", {"text": "a", "key": k})[1]["arm"] == arm
        statuses: list[int] = []
        over = threading.Event()

        def ask() -> None:
            mine = Client(address)
            while not over.is_set():
                statuses.append(mine.post("/predict", {"rows": ["a"] * 3})[0])

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for t in threads:
            t.start()
        for _ in range(10):
            for path in (x, y):
                assert boss.post("/admin/releases", {"releases": [{"path": path}]})[0] == 200
        bad = boss.post("/admin/releases", {"releases": [{"path": str(tmp_path / "nothing")}]})
        assert bad[0] == 422
        assert client.get("/releases")[1]["releases"][0]["name"] == "y"
        assert client.get("/releases")[1]["releases"][0]["path"] == ""
        assert boss.get("/releases")[1]["releases"][0]["path"] == y
        began = time.perf_counter()
        assert boss.post("/admin/rollback", {})[0] == 200
        assert time.perf_counter() - began < 1.0
        assert client.post("/predict", {"text": "a"})[1]["label"] == "x-yes"
        over.set()
        for t in threads:
            t.join()
        assert set(statuses) == {200}


def test_a_swap_outlives_the_server_and_another_command_counts(tmp_path: Path) -> None:
    x, y, z = (fake_bundle(tmp_path, name) for name in "xyz")

    def label(bundles: list[str], **more: Any) -> str:
        with serving(tmp_path, bundles, **more) as (server, address):
            words.append(server.words)  # type: ignore[attr-defined]
            return str(Client(address).get("/releases")[1]["releases"][0]["name"])

    words: list[str] = []
    with serving(tmp_path, [x]) as (_, address):
        Client(address, admin(tmp_path)).post("/admin/releases", {"releases": [{"path": y}]})
    assert label([x]) == "y"
    assert "going on" in words[-1]
    assert label([z]) == "z"
    assert label([x]) == "x"
    with serving(tmp_path, [x]) as (_, address):
        Client(address, admin(tmp_path)).post("/admin/releases", {"releases": [{"path": y}]})
    fake_bundle(tmp_path, "y", id="another")
    assert label([x]) == "x"
    assert "changed on disk" in words[-1]
    with serving(tmp_path, [x]) as (_, address):
        Client(address, admin(tmp_path)).post("/admin/releases", {"releases": [{"path": z}]})
    assert label([x], fresh=True) == "x"


def test_a_full_queue_turns_away_and_health_goes_on(tmp_path: Path) -> None:
    slow = fake_bundle(tmp_path, "x", slow=0.2)
    with serving(tmp_path, [slow], queue=Queue(requests=2, batch=1, slow=0.01)) as (_, address):
        found: list[tuple[int, dict[str, str]]] = []

        def ask() -> None:
            status, headers, _ = Client(address).ask("POST", "/predict", {"text": "a"})
            found.append((status, headers))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for t in threads:
            t.start()
        time.sleep(0.1)
        began = time.perf_counter()
        assert Client(address).get("/healthz")[0] == 200
        assert time.perf_counter() - began < 0.15  # the model runs beside the loop
        for t in threads:
            t.join()
    statuses = [s for s, _ in found]
    assert set(statuses) == {200, 429}
    assert statuses.count(200) >= 3
    assert all(int(h["retry-after"]) >= 1 for s, h in found if s == 429)


def test_a_stop_finishes_what_is_on_its_way(tmp_path: Path) -> None:
    slow = fake_bundle(tmp_path, "x", slow=0.3)
    with serving(tmp_path, [slow], queue=Queue(slow=0.01)) as (server, address):
        found: list[tuple[int, dict[str, str], Any]] = []
        thread = threading.Thread(
            target=lambda: found.append(Client(address).ask("POST", "/predict", {"text": "a"}))
        )
        thread.start()
        time.sleep(0.1)
        server.stop()
        thread.join()
        assert found[0][0] == 200
        assert found[0][1]["connection"] == "close"
    with State.open(tmp_path / "state") as state:
        assert len(list(state.answers())) == 1


def test_an_error_of_the_model_is_no_end(tmp_path: Path) -> None:
    lines: list[str] = []
    with serving(tmp_path, [fake_bundle(tmp_path, "x")], log=lines.append) as (_, address):
        client = Client(address)
        status, body = client.post("/predict", {"text": "break"})
        assert status == 500
        assert "break" not in body["message"]
        assert client.post("/predict", {"text": "a"})[0] == 200
    assert "ValueError" in "".join(lines)


def test_tokens_may_come_by_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("shop shop-token-that-is-long\n",), daemon=True)
    writer.start()
    with serving(tmp_path, [fake_bundle(tmp_path, "x")], tokens=pipe) as (_, address):
        assert Client(address, "shop-token-that-is-long").post("/predict", {"text": "a"})[0] == 200


def test_many_who_compare_cost_one_comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def slow(state: State) -> dict[str, Any]:
        calls.append(1)
        time.sleep(0.5)
        return counts(state)

    monkeypatch.setattr("tilth.serve.app.counts", slow)
    with serving(tmp_path, [fake_bundle(tmp_path, "x")]) as (_, address):
        found: list[int] = []
        ask = [
            threading.Thread(target=lambda: found.append(Client(address).get("/ab")[0])) for _ in range(20)
        ]
        for thread in ask:
            thread.start()
        time.sleep(0.1)
        began = time.perf_counter()
        assert Client(address).get("/answers/none")[0] == 404
        assert time.perf_counter() - began < 0.4
        for thread in ask:
            thread.join()
        assert found == [200] * 20
        assert len(calls) <= 2
        assert Client(address).get("/ab")[0] == 200
        assert len(calls) <= 3


def test_two_clients_do_not_see_each_other(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("shop shop-token-that-is-long\nbank bank-token-that-is-long\n")
    with serving(tmp_path, [fake_bundle(tmp_path, "x")], tokens=tokens) as (_, address):
        shop, bank = Client(address, "shop-token-that-is-long"), Client(address, "bank-token-that-is-long")
        answer = shop.post("/predict", {"text": "a", "client": "user-1"})[1]["id"]
        assert shop.get(f"/answers/{answer}")[0] == 200
        assert bank.get(f"/answers/{answer}")[0] == 404
        assert Client(address).get(f"/answers/{answer}")[0] == 401
        said = {"answer": answer, "kind": "right", "key": "1"}
        assert shop.post("/feedback", said)[1]["receipt"] == "new"
        assert bank.post("/feedback", said)[1]["receipt"] == "new"
    with State.open(tmp_path / "state") as state:
        assert [a.client for a in state.answers()] == ["shop/user-1"]
        assert [f.client for f in state.feedback()] == ["shop", "bank"]


def raw(address: str, *parts: bytes, wait: float = 0.0) -> bytes:
    """Bytes that come back for bytes."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as door:
        for part in parts:
            door.sendall(part)
            time.sleep(wait)
        found = b""
        while part := door.recv(65_536):
            found += part
        return found


HEAD = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


def test_odd_connections(tmp_path: Path) -> None:
    limits = Limits(head=2_000, body=1_000, read=1.0, idle=1.0, connections=3)
    with serving(tmp_path, [fake_bundle(tmp_path, "x")], limits=limits) as (_, address):
        one = HEAD + b'Content-Length: 13\r\n\r\n{"text": "a"}'
        last = one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        assert raw(address, one * 20 + last).count(b"HTTP/1.1 200 OK") == 21, "pipelined"
        assert raw(address, *(bytes([b]) for b in last)).startswith(b"HTTP/1.1 200"), "byte for byte"
        chunks = (
            b'Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n4\r\n{"te\r\n9\r\nxt": "a"}\r\n0\r\n\r\n'
        )
        assert raw(address, HEAD + chunks).startswith(b"HTTP/1.1 200"), "chunked"
        expect = last.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
        assert raw(address, expect).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"), "expect"
        upgrade = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        assert raw(address, upgrade).startswith(b"HTTP/1.1 200"), "an upgrade is not taken up"
        old = b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n"
        assert b"connection: close" in raw(address, old), "HTTP/1.0"
        head = raw(address, b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert head.endswith(b"\r\n\r\n")
        for request, status in (
            (b"nonsense\r\n\r\n", b"400"),
            (HEAD + b"Host: localhost\r\nContent-Length: 2\r\n\r\n{}", b"400"),
            (HEAD + b"Content-Length: 13\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
            (HEAD + b"Content-Length: 1001\r\n\r\n", b"413"),
            (HEAD + b"Transfer-Encoding: chunked\r\n\r\nfff\r\n" + b" " * 4096, b"413"),
            (HEAD + b"X: " + b"a" * 3_000 + b"\r\n\r\n", b"431"),
            (b"GET /" + b"a" * 3_000 + b" HTTP/1.1\r\n\r\n", b"431"),
            (HEAD + b"Content-Length: 13\r\n\r\n{", b"408"),
            (b"POST /pre", b"408"),
        ):
            assert raw(address, request).startswith(b"HTTP/1.1 " + status), (request[:80], status)
        assert raw(address) == b"", "an idle connection is closed"
        doors = [
            socket.create_connection(tuple(address.removeprefix("http://").split(":"))) for _ in range(3)
        ]
        time.sleep(0.1)
        assert raw(address).startswith(b"HTTP/1.1 503"), "too many connections"
        for door in doors:
            door.close()
        time.sleep(0.1)
        assert Client(address).get("/healthz")[0] == 200


def test_a_wish_for_another_protocol_does_not_lose_the_body(tmp_path: Path) -> None:
    wish = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"
    body = b'{"text": "a"}'
    whole = HEAD + wish + b"Content-Length: 13\r\n\r\n" + body
    last = HEAD + b"Connection: close\r\nContent-Length: 13\r\n\r\n" + body
    chunked = HEAD + wish + b"Transfer-Encoding: chunked\r\n\r\nd\r\n" + body + b"\r\n0\r\n\r\n"
    waits = HEAD + wish + b"Expect: 100-continue\r\nContent-Length: 13\r\n\r\n" + body
    with serving(tmp_path, [fake_bundle(tmp_path, "x")], limits=Limits(read=2.0)) as (_, address):
        assert raw(address, whole * 3 + chunked + last).count(b"HTTP/1.1 200 OK") == 5
        assert raw(address, *(bytes([b]) for b in whole + last)).count(b"HTTP/1.1 200 OK") == 2
        answer = raw(address, waits + last)
        assert (answer.count(b"100 Continue"), answer.count(b"HTTP/1.1 200 OK")) == (1, 2)
        both = wish.replace(b"Upgrade,", b"close, Upgrade,")
        assert raw(address, HEAD + both + b"Content-Length: 13\r\n\r\n" + body).startswith(b"HTTP/1.1 200")
        large = HEAD + wish + b"Content-Length: 9000000\r\n\r\n"
        assert raw(address, large).startswith(b"HTTP/1.1 413")
        assert b"404" in raw(address, b"CONNECT a:80 HTTP/1.1\r\nHost: localhost\r\n\r\n")


def test_who_sends_too_much_hears_why(tmp_path: Path) -> None:
    with serving(tmp_path, [fake_bundle(tmp_path, "x")]) as (server, address):
        for size in (9_000_000, 30_000_000):
            assert raw(address, HEAD + b"Content-Length: %d\r\n\r\n" % size + b" " * size).startswith(
                b"HTTP/1.1 413"
            )
        assert raw(address, b"nonsense\r\n\r\n" + b" " * 9_000_000).startswith(b"HTTP/1.1 400")
        assert server.room.bytes == 0
        # and whoever does not stop sending is sent away
        host, _, port = address.removeprefix("http://").rpartition(":")
        with socket.create_connection((host, int(port))) as door:
            door.sendall(b"nonsense\r\n\r\n")
            time.sleep(0.2)
            assert len(server.room.members) == 1
            server.stop()
            door.settimeout(5)
            while door.recv(1000):
                pass


def test_chunks_of_one_byte_take_no_more_memory_than_their_bytes(tmp_path: Path) -> None:
    body = b'{"text": "' + b"a" * 40_000 + b'"}'
    chunks = b"".join(b"1\r\n%c\r\n" % b for b in body) + b"0\r\n\r\n"
    with serving(tmp_path, [fake_bundle(tmp_path, "x")]) as (server, address):
        host, _, port = address.removeprefix("http://").rpartition(":")
        with socket.create_connection((host, int(port))) as door:
            door.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks[:120_000])
            time.sleep(0.3)
            (one,) = server.room.members
            assert 0 < sys.getsizeof(one._body) < 60_000
            assert one.room.bytes == len(one._body) == 20_000
            door.sendall(chunks[120_000:])
            assert door.recv(15) == b"HTTP/1.1 200 OK"


def test_a_body_is_not_read_for_whoever_may_not_ask(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("shop shop-token-that-is-long\n")
    with serving(tmp_path, [fake_bundle(tmp_path, "x")], tokens=tokens) as (_, address):
        assert raw(address, HEAD + b"Content-Length: 5000000\r\n\r\n").startswith(b"HTTP/1.1 401")


def test_bodies_on_their_way_are_bounded_together(tmp_path: Path) -> None:
    limits = Limits(memory=150_000, read=2.0)
    with serving(tmp_path, [fake_bundle(tmp_path, "x")], limits=limits) as (server, address):
        host, _, port = address.removeprefix("http://").rpartition(":")
        with socket.create_connection((host, int(port))) as door:
            door.sendall(HEAD + b"Content-Length: 120000\r\n\r\n" + b" " * 100_000)
            time.sleep(0.2)
            more = HEAD + b"Content-Length: 100000\r\nConnection: close\r\n\r\n" + b" " * 100_000
            assert raw(address, more).startswith(b"HTTP/1.1 503")
            assert Client(address).post("/predict", {"text": "a"})[0] == 200
        time.sleep(0.2)
        assert server.room.bytes == 0
        assert raw(address, more).startswith(b"HTTP/1.1 400"), "now there is room to see that it is no JSON"
        assert server.room.bytes == 0


def test_a_server_that_should_not_start_does_not(tmp_path: Path) -> None:
    x = fake_bundle(tmp_path, "x")
    with pytest.raises(Refused, match="tokens"), serving(tmp_path, [x], host="0.0.0.0"):
        pass
    assert not (tmp_path / "state").exists()
    with pytest.raises(InputError, match="no bundle"), serving(tmp_path, [str(tmp_path / "nothing")]):
        pass
    with (
        serving(tmp_path, [x]),
        pytest.raises(ProjectBusy, match="another server"),
        serving(tmp_path, [x]),
    ):
        pass
    with serving(tmp_path, [x], load=load_fake) as (_, address):
        port = int(address.rpartition(":")[2])
        other = tmp_path / "other"
        other.mkdir()
        server = Server([Asked(x)], Settings(state=other, port=port), load=load_fake)
        with pytest.raises(InputError, match="cannot listen"):
            asyncio.run(server.run(lambda *_: None))
