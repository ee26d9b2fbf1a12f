"""The server: latency, throughput against peers with the same model, overload, memory, cold start, swaps.

    python benchmarks/serve.py [SECONDS]

One release (text-linear.v1, BANKING77, 77 classes) is served by `tilth serve` and, where they are installed, by MLflow's
scoring server, BentoML and LitServe, which call the same bundle through `tilth.release.load`, each with its own batching
switched on. Peers may live in other environments: TILTH_MLFLOW, TILTH_BENTOML and TILTH_LITSERVE name their Python.
`load.py` sends requests from a process of its own: open loop for latencies (a time runs from when a request was due),
closed loop over 32 connections for throughput, in turns so that every server meets the same machine. Requests have one
row each unless said otherwise; texts are those of the test set.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from common import HERE, Missing, banking77, save

SRC = HERE.parent / "src"
ENV = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(SRC)}
CONNECTIONS = 32
ROUNDS = 3

PEER_MODEL = """
import os
from tilth.release import load
release = load(os.environ["TILTH_BUNDLE"])
def answers(texts):
    return [{"label": a.label, "probability": a.probability, "reason": a.reason} for a in release.predict(texts)]
"""
LITSERVE = """
import litserve as ls
class Api(ls.LitAPI):
    def setup(self, device):
        from model import answers
        self.answers = answers
    def decode_request(self, request): return request["text"]
    def predict(self, texts): return self.answers(texts)
    def encode_response(self, output): return output
if __name__ == "__main__":
    api = Api(max_batch_size=64, batch_timeout=0.002)
    ls.LitServer(api, accelerator="cpu", workers_per_device=1, timeout=60).run(
        host="127.0.0.1", port=PORT, generate_client_file=False, log_level="error", access_log=False)
"""
BENTOML = """
import bentoml
from typing import Any
@bentoml.service(workers=1, traffic={"timeout": 60}, logging={"access": {"enabled": False}}, metrics={"enabled": False})
class Intents:
    def __init__(self):
        from model import answers
        self.answers = answers
    @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=1000)
    def predict(self, texts: list[str]) -> list[dict[str, Any]]:
        return self.answers(texts)
"""
MLFLOW = """
import mlflow
class Model(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        from model import answers
        self.answers = answers
    def predict(self, context, model_input, params=None):
        return self.answers([str(x) for x in model_input])
mlflow.models.set_model(Model())
"""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


def make(folder: Path) -> list[str]:
    """Two bundles of BANKING77 in the folder; the test texts."""
    import csv

    texts, labels, test, truth = banking77()
    for name, rows in (
        ("train.csv", zip(texts, labels, strict=True)),
        ("eval.csv", zip(test, truth, strict=True)),
    ):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("text", "label"))
            writer.writerows(rows)
    p = ("--project", "p")
    for argv in (
        ("ingest", "train.csv", "--eval", "eval.csv", "--label", "label", *p),
        ("release", "--out", "one", "--name", "one", *p),
        ("release", "--out", "two", "--name", "two", "--precision", "0.9", *p),
    ):
        subprocess.run(
            [sys.executable, "-m", "tilth.cli", *argv], cwd=folder, check=True, capture_output=True, env=ENV
        )
    return test


@contextmanager
def running(command: list[str], cwd: Path, ready: str, **more: str) -> Any:
    """A process group until it answers at an address, and how many seconds that took."""
    began = time.monotonic()
    log = (cwd / "server.log").open("w")
    process = subprocess.Popen(
        command, cwd=cwd, env={**ENV, **more}, stdout=log, stderr=log, start_new_session=True
    )
    try:
        while True:
            try:
                urllib.request.urlopen(ready, timeout=1)
                break
            except OSError as error:
                if isinstance(error, urllib.request.HTTPError):
                    break
                if process.poll() is not None or time.monotonic() - began > 120:
                    raise RuntimeError((cwd / "server.log").read_text()[-2000:]) from None
                time.sleep(0.005)
        yield process, time.monotonic() - began
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def tilth(folder: Path, *argv: str) -> Any:
    """`tilth serve` on a state of its own: its port, process, and seconds until it was ready."""
    port = free_port()
    state = tempfile.mkdtemp(dir=folder)
    command = [
        sys.executable,
        "-m",
        "tilth.cli",
        "serve",
        *argv,
        "--port",
        str(port),
        "--state",
        state,
        "--no-log",
    ]
    with running(command, folder, f"http://127.0.0.1:{port}/readyz") as (process, seconds):
        yield port, process, seconds, Path(state)


def load(port: int, bodies: Path, **options: Any) -> dict[str, Any]:
    """One run of load.py, in numbers."""
    return finish(begin(port, bodies, **options))


def begin(port: int, bodies: Path, **options: Any) -> subprocess.Popen[str]:
    """Start load.py."""
    argv = [x for k, v in options.items() for x in (f"--{k}", str(v))]
    command = [sys.executable, str(HERE / "load.py"), str(port), str(bodies), *argv]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENV)


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What load.py found."""
    out, _ = process.communicate()
    found = json.loads(out)
    body: dict[str, Any] = {
        "statuses": found["statuses"], "errors": found["errors"], "unanswered": found["unanswered"],
        "per_second": round(sum(found["statuses"].values()) / found["seconds"]), "seconds": round(found["seconds"], 1),
    }  # fmt: skip
    for status, times in found["times"].items():
        body[f"ms_{status}"] = {
            name: times[min(int(len(times) * q), len(times) - 1)]
            for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
        }
    return body


def metrics(port: int) -> dict[str, float]:
    """Counters of a server of ours."""
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
    return {k: float(v) for k, v in re.findall(r"^(\S+) (\S+)$", text, re.M) if not k.startswith("#")}


def peers(folder: Path) -> dict[str, tuple[Any, str, Any]]:
    """Name to (a context that serves, path, body of a text); those that are not installed are left out."""
    bundle = {
        "TILTH_BUNDLE": str(folder / "one"),
        "PYTHONPATH": f"{SRC}:{folder / 'peers'}",
        "MLFLOW_TRACKING_URI": "",
    }
    place = folder / "peers"
    place.mkdir()
    for name, text in (("model", PEER_MODEL), ("lit", LITSERVE), ("bento", BENTOML), ("ml", MLFLOW)):
        (place / f"{name}.py").write_text(text)
    found: dict[str, tuple[Any, str, Any]] = {}

    def python(name: str) -> str | None:
        path = os.environ.get(f"TILTH_{name.upper()}", sys.executable)
        done = subprocess.run(
            [path, "-c", f"import {name}; print({name}.__version__)"], capture_output=True, text=True
        )
        if done.returncode:
            print(f"{name} is not installed")
            return None
        versions[name] = done.stdout.split()[-1]
        return path

    versions: dict[str, str] = {}
    if path := python("litserve"):
        port = free_port()
        (place / "lit.py").write_text(LITSERVE.replace("PORT", str(port)))
        run = running([path, "lit.py"], place, f"http://127.0.0.1:{port}/health", **bundle)
        found[f"litserve {versions['litserve']}"] = (run, f"{port} /predict", lambda t: {"text": t})
    if path := python("bentoml"):
        port = free_port()
        command = [path, "-m", "bentoml", "serve", "bento:Intents", "--port", str(port)]
        run = running(
            command, place, f"http://127.0.0.1:{port}/readyz", BENTOML_DO_NOT_TRACK="True", **bundle
        )
        found[f"bentoml {versions['bentoml']}"] = (run, f"{port} /predict", lambda t: {"texts": [t]})
    if path := python("mlflow"):
        port = free_port()
        script = "import mlflow; mlflow.pyfunc.save_model('saved', python_model='ml.py', pip_requirements=[])"
        subprocess.run(
            [path, "-c", script], cwd=place, env={**ENV, **bundle}, check=True, capture_output=True
        )
        command = [
            path,
            "-m",
            "mlflow",
            "models",
            "serve",
            "-m",
            "saved",
            "-p",
            str(port),
            "--env-manager",
            "local",
        ]
        search = f"{Path(path).parent}:{os.environ['PATH']}"  # it starts uvicorn by name
        run = running(command, place, f"http://127.0.0.1:{port}/ping", PATH=search, **bundle)
        found[f"mlflow {versions['mlflow']}"] = (run, f"{port} /invocations", lambda t: {"inputs": [t]})
    return found


def bodies(folder: Path, name: str, values: list[Any]) -> Path:
    """A file with one body a line."""
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(v) + "\n" for v in values), "utf-8")
    return path


def cpu(root: int) -> float:
    """CPU seconds of a process and all below it so far, with those that have ended."""
    ticks, parent = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parts = stat.read_text().rpartition(")")[2].split()
            parent[int(stat.parent.name)] = int(parts[1])
            ticks[int(stat.parent.name)] = sum(map(int, parts[11:15]))
    found, more = {root}, {root}
    while more := {p for p, q in parent.items() if q in more} - found:
        found |= more
    return sum(ticks.get(p, 0) for p in found) / os.sysconf("SC_CLK_TCK")


def throughput(folder: Path, texts: list[str], count: int) -> dict[str, Any]:
    """Requests a second and CPU of each server, in turns; medians, and what ours does for each of theirs."""
    runs: dict[str, list[Any]] = {}
    with ExitStack() as stack:
        port, process, _, _ = stack.enter_context(tilth(folder, "one"))
        servers = {
            "tilth": (process, port, "/predict", bodies(folder, "one_row", [{"text": t} for t in texts]), 4)
        }
        for name, (run, where, body) in peers(folder).items():
            try:
                process, _ = stack.enter_context(run)
            except RuntimeError as error:
                print(name, "does not start:", str(error)[-300:])
                continue
            file = bodies(folder, name.split()[0], [body(t) for t in texts])
            servers[name] = (process, int(where.split()[0]), where.split()[1], file, 1)
        for turn in range(-1, ROUNDS):  # the first one warms up
            for name, (process, port, path, file, more) in servers.items():
                before, n = cpu(process.pid), count * more if turn >= 0 else count // 4
                found = load(port, file, path=path, requests=n, connections=CONNECTIONS, seconds=60)
                found["cpu_ms"] = 1e3 * (cpu(process.pid) - before) / max(found["statuses"].get("200", 0), 1)
                if turn >= 0:
                    runs.setdefault(name, []).append(found)
    median = statistics.median
    out = {
        name: {
            "per_second": round(median(r["per_second"] for r in found)),
            "turns": [r["per_second"] for r in found],
            "cpu_ms_per_request": round(median(r["cpu_ms"] for r in found), 3),
            "p99_ms": median(r.get("ms_200", {}).get("p99", -1.0) for r in found),
            "statuses": found[-1]["statuses"],
        }
        for name, found in runs.items()
    }
    ours = out["tilth"]
    for row in out.values():
        row["ours_over_this"] = round(ours["per_second"] / max(row["per_second"], 1), 1)
        row["cpu_of_this_over_ours"] = round(row["cpu_ms_per_request"] / ours["cpu_ms_per_request"], 1)
    return out


def latency(folder: Path, texts: list[str], seconds: int) -> dict[str, Any]:
    """100 requests a second, plainly and with two releases, escalation and feedback on top; in turns."""
    plain = bodies(folder, "plain", [{"text": t} for t in texts])
    keyed = bodies(folder, "keyed", [{"text": t, "key": f"user-{i}"} for i, t in enumerate(texts)])
    said = bodies(
        folder, "said", [{"answer": f"{i:032x}", "kind": "right", "key": f"k{i}"} for i in range(100_000)]
    )  # fmt: skip
    at = {"requests": 100 * seconds // 2, "rate": 100, "connections": 8}
    out: dict[str, Any] = {"plain": [], "all": [], "escalated_only": [], "feedback": []}
    strange = bodies(folder, "strange", [{"text": f"zq {i} vx"} for i in range(3000)])
    for _ in range(2):
        with tilth(folder, "one") as (port, _, _, _):
            load(port, plain, requests=500, connections=4)
            out["plain"].append(load(port, plain, **at))
        with tilth(folder, "one", "two", "--escalate", "--keep-rows") as (port, _, _, _):
            load(port, keyed, requests=500, connections=4)
            feedback = begin(
                port, said, path="/feedback", requests=at["requests"] // 4, rate=25, connections=4
            )
            out["all"].append(load(port, keyed, **at))
            out["feedback"].append(finish(feedback))
            out["escalated_only"].append(load(port, strange, **at))
    mean = {k: [round(sum(r[next(iter(r_ for r_ in r if r_.startswith("ms_")))][q] for r in v) / len(v), 2)
                for q in ("p50", "p99")] for k, v in out.items()}  # fmt: skip
    return {"p50_p99_ms": mean, "added_p50_ms": round(mean["all"][0] - mean["plain"][0], 2), "runs": out}


def endurance(folder: Path, texts: list[str], count: int) -> dict[str, Any]:
    """Many requests: failures and memory."""
    one = bodies(folder, "one_row", [{"text": t} for t in texts])
    memory = "process_resident_memory_bytes"
    with tilth(folder, "one", "--keep-rows") as (port, _, _, _):
        load(port, one, requests=5000, connections=CONNECTIONS)
        before = metrics(port)[memory]
        found = load(port, one, requests=count, connections=CONNECTIONS)
        time.sleep(1)
        after = metrics(port)
    return found | {
        "mib_before": round(before / 2**20), "mib_after": round(after[memory] / 2**20),
        "not_recorded": after['tilth_not_recorded_total{what="answers"}'],
    }  # fmt: skip


def overload(folder: Path, texts: list[str], seconds: int) -> dict[str, Any]:
    """Ten times what the server can do (requests of 64 rows), with feedback beside it that must not be lost."""
    many = bodies(folder, "many", [{"rows": texts[i : i + 64]} for i in range(0, 2560, 64)])
    said = bodies(folder, "said2", [{"answer": "0", "kind": "right", "key": f"o{i}"} for i in range(100_000)])
    with tilth(folder, "one") as (port, _, _, state):
        capacity = load(port, many, requests=1000, connections=8)["per_second"]
        feedback = begin(port, said, path="/feedback", requests=50 * seconds, rate=50, connections=8)
        found = load(port, many, requests=capacity * 10 * seconds, rate=capacity * 10, connections=400)
        told = finish(feedback)
        healthy = metrics(port)
        from tilth.serve.state import State

        with State.open(state) as opened:
            kept = sum(1 for _ in opened.feedback())
    return {
        "capacity_per_second": capacity, "offered": found, "feedback": told, "feedback_kept": kept,
        "mib": round(healthy["process_resident_memory_bytes"] / 2**20),
    }  # fmt: skip


def swaps(folder: Path, texts: list[str]) -> dict[str, Any]:
    """Milliseconds of a swap and of the way back, and failures, under load."""
    one = bodies(folder, "one_row", [{"text": t} for t in texts])
    with tilth(folder, "one") as (port, _, _, state):
        token = (state / "admin.token").read_text().strip()

        def post(path: str, body: Any) -> float:
            request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode())
            request.add_header("Content-Type", "application/json")
            request.add_header("Authorization", f"Bearer {token}")
            began = time.perf_counter()
            urllib.request.urlopen(request, timeout=60).read()
            return round((time.perf_counter() - began) * 1e3, 1)

        traffic = begin(port, one, requests=3000, rate=300, connections=8)
        time.sleep(1)
        there, back = [], []
        for _ in range(5):
            there.append(post("/admin/releases", {"releases": [{"path": str(folder / "two")}]}))
            back.append(post("/admin/rollback", {}))
        found = finish(traffic)
    return {"swap_ms": there, "back_ms": back, "traffic": found}


def main() -> None:
    """Measure, print, keep."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    out: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
    }
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        try:
            texts = make(folder)
        except Missing as why:
            sys.exit(str(why))
        starts = []
        for _ in range(3):
            with tilth(folder, "one") as (_, _, ready, _):  # ready: it can answer at once
                starts.append(round(ready, 2))
        out["cold_start_s"] = starts
        for name, work in (
            ("throughput", lambda: throughput(folder, texts, 100 * seconds)),
            ("latency", lambda: latency(folder, texts, seconds)),
            ("endurance", lambda: endurance(folder, texts, 5000 * seconds)),
            ("overload", lambda: overload(folder, texts, max(seconds // 2, 2))),
            ("swaps", lambda: swaps(folder, texts)),
        ):
            out[name] = work()
            print(name, json.dumps(out[name]), flush=True)
    save("serve", out)


if __name__ == "__main__":
    main()
