"""Does `tilth improve` win back what label errors cost, and leave clean data alone?

    python benchmarks/improve.py [banking|clinc|clean] [seed ...]

Errors are planted in the training rows of BANKING77 (or CLINC150); the clean test set is the evaluation
file, which decides nothing. `recovered` = (after - before) / (clean - before), all by the same recipe.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from common import RESULTS, banking77, clinc150, clock, confusions, peak_mib, plant, save

from tilth.project import Project
from tilth.recipes import logistic
from tilth.recipes.text import TextLinear
from tilth.signals import encode_labels


def write(path: Path, texts: list[str], labels: list[str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(zip(texts, labels, strict=True))
    return path


def score(train: tuple[list[str], list[str]], test: tuple[list[str], list[str]]) -> float:
    """Plain accuracy of one fit of text-linear.v1."""
    recipe = TextLinear()
    classes, y = encode_labels(train[1])
    learned, x = recipe.learn(train[0])
    head = logistic.fit(logistic.design(x, recipe.penalty), y, len(classes))
    predicted = head.scores(learned.transform(test[0])).argmax(axis=1)
    return float((predicted == encode_labels(test[1], classes)[1]).mean())


def one(
    texts: list[str], labels: list[str], test: tuple[list[str], list[str]], clean: float
) -> dict[str, Any]:
    """Run `improve` and compare plain fits before and after on the clean test set."""
    with tempfile.TemporaryDirectory() as folder, clock() as used:
        here = Path(folder)
        data, judge = write(here / "train.csv", texts, labels), write(here / "test.csv", *test)
        with Project(here / "project") as project:
            result = project.improve(data, eval=judge, text="text", label="label").to_json()
            out = project.checkout("train", here / "after.csv")
        with out.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        after = score(([r["text"] for r in rows], [r["label"] for r in rows]), test)
    before = score((texts, labels), test)
    accepted = [p for p in result["patches"] if p["state"] == "accepted"]
    return {
        "before": before,
        "after": after,
        "clean": clean,
        "recovered": (after - before) / (clean - before) if clean > before else None,
        "reported": {k: result[k] for k in ("before", "after", "gain")},
        "accepted": [{k: p[k] for k in ("title", "predicted", "gain", "low", "high")} for p in accepted],
        "tried": len(result["patches"]),
        **used,
        "peak_mib": peak_mib(),
    }


def main() -> None:
    which = sys.argv[1] if len(sys.argv) > 1 else "banking"
    seeds = [int(s) for s in sys.argv[2:]] or [1, 2, 3]
    if which == "clean":
        for name, load in (("banking77", banking77), ("clinc150", clinc150)):
            texts, labels, *test = load()
            clean = score((texts, labels), (test[0], test[1]))
            body = one(texts, labels, (test[0], test[1]), clean)
            print(name, json.dumps(body), flush=True)
            save(f"improve-clean-{name}", body)
        return
    load = banking77 if which == "banking" else clinc150
    texts, labels, *test = load()
    clean = score((texts, labels), (test[0], test[1]))
    confused = confusions(texts, labels)
    path = RESULTS / f"improve-{which}.json"
    runs = json.loads(path.read_text("utf-8"))["runs"] if path.is_file() else []
    for seed in seeds:
        for kind in ("symmetric", "confusable"):
            for rate in (0.1, 0.2):
                if any((r["kind"], r["rate"], r["seed"]) == (kind, rate, seed) for r in runs):
                    continue
                noisy = plant(labels, rate, kind, seed, confused)
                body = {"kind": kind, "rate": rate, "seed": seed} | one(
                    texts, noisy, (test[0], test[1]), clean
                )
                runs.append(body)
                print(json.dumps(body), flush=True)
                save(f"improve-{which}", {"clean": clean, "runs": runs})


if __name__ == "__main__":
    main()
