"""The example tickets as a project with a history: verdicts, an accepted patch, stated terms, answers."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loop_kit import good, js

TERMS = """
[sources."tickets.csv"]
licence = "CC0-1.0"
consent = "not needed"
collected = "written for this project, most of them by a language model"
sample = "all"

[sources."tickets_eval.csv"]
licence = "CC0-1.0"
consent = "not needed"
collected = "written for this project, most of them by a language model"
sample = "all"
"""
ANSWERS = {
    "owner": "Lumen & Oak | data team",
    "contact": "data@example.org",
    "intended_use": "Route tickets to the *team* that can end the customer's problem.",
    "out_of_scope": "Anything but tickets of this shop, which does not exist.",
    "people": "no, every ticket is invented",
}
P = ("--project", "p")


def example(work: Path) -> Path:
    """A project `p` with sixty verdicts and one accepted patch; nothing is released yet."""
    good("example", "ex", cwd=work)
    good("ingest", "ex/tickets.csv", "--eval", "ex/tickets_eval.csv", "--label", "queue", *P, cwd=work)
    with (work / "ex" / "truth.csv").open(encoding="utf-8", newline="") as file:
        truth = {row["ticket"]: row["queue"] for row in csv.DictReader(file)}
    ids = {row["id"]: row for row in js("sample", "--n", "60", "--seed", "1", *P, cwd=work)["rows"]}
    by_text = _tickets(work)
    said = []
    for row_id, row in ids.items():
        right = truth[by_text[row_id]]
        kind = "drop" if not right else "keep" if right == row["given"] else "relabel"
        said.append({"id": row_id, "verdict": kind, "label": right if kind == "relabel" else None})
    (work / "said.jsonl").write_text("".join(json.dumps(s) + "\n" for s in said), "utf-8")
    good("verdict", "said.jsonl", "--reviewer", "Ana", *P, cwd=work)
    patch = js("relabel", *P, cwd=work)["id"]
    from loop_kit import tilth

    tilth("trial", patch, *P, cwd=work)
    good("accept", patch, "--force", "checked by | Ana", "--author", "Ana", *P, cwd=work)
    return work / "p"


def _tickets(work: Path) -> dict[str, str]:
    """Ticket of each row id."""
    good("checkout", "train", "--out", "rows.csv", *P, cwd=work)
    with (work / "rows.csv").open(encoding="utf-8", newline="") as file:
        return {row["tilth_id"]: row["ticket"] for row in csv.DictReader(file)}


def settle(work: Path) -> None:
    """State the terms of the sources and answer what a release asks."""
    toml = work / "p" / "tilth.toml"
    toml.write_text(toml.read_text("utf-8") + TERMS, "utf-8")
    sets = [arg for key, text in ANSWERS.items() for arg in ("--set", f"{key}={text}")]
    good("datasheet", *sets, "--author", "Ana", *P, cwd=work)


def seal(bundle: Path) -> None:
    """Make the digests of the manifest those of the files, as somebody who tampers would."""
    path = bundle / "manifest.json"
    body = json.loads(path.read_text("utf-8"))
    for name in body["files"]:
        body["files"][name] = hashlib.sha256((bundle / name).read_bytes()).hexdigest()
    path.write_text(json.dumps(body, indent=1, sort_keys=True) + "\n", "utf-8")


def edit(path: Path, change: Callable[[Any], object]) -> None:
    """Change a JSON file."""
    body = json.loads(path.read_text("utf-8"))
    change(body)
    path.write_text(json.dumps(body, ensure_ascii=True, indent=1) + "\n", "utf-8")


def masked(text: str) -> str:
    """A page without its numbers and ids: what is left is the same wherever it is computed."""
    text = re.sub(r"\b(?=[0-9a-f]*\d)[0-9a-f]{12,64}\b", "ID", text)
    text = re.sub(r"\d{4}-\d\d-\d\d", "DAY", text)
    text = re.sub(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?", "0", text)
    # the order of classes by a score, and which are named, hang on the numbers
    text = re.sub(r"weakest classes: .*", "weakest classes: ...", text)
    return re.sub(r"checks of the data that could not .*", "", text)
