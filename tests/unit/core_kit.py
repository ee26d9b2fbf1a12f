"""A small world of texts for the tests of audit and trial: made from word lists, with a fixed seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tilth.audit.base import View
from tilth.audit.run import look
from tilth.copies import find_copies
from tilth.data import Row, Snapshot
from tilth.recipes.text import TextLinear
from tilth.trial.decide import Bench

RECIPE = TextLinear()
TOPICS = {
    "billing": """invoice charge receipt payment card tax amount statement fee balance debit euros bank
        deducted""",
    "delivery": """parcel courier tracking shipped driver package address arrived doorstep delayed post depot
        carrier lost""",
    "login": """password reset username account locked signin code verification email link expired browser
        session authenticator""",
    "returns": """return broken exchange warranty label damaged faulty replacement cracked defect send back
        repair scratched""",
    "subscription": """pods monthly plan cancel pause subscription renewal coffee upgrade skip membership
        trial tier box""",
}
CLASSES = tuple(sorted(TOPICS))
COMMON = """please my the a i can you help with about for today again still need want question order thanks
    since week it is not was when why how have been this that would like could someone tell me""".split()  # noqa: SIM905
WORDS = {name: words.split() for name, words in TOPICS.items()}


def sentence(rng: np.random.Generator, topic: str) -> str:
    """8 to 14 words, a third of them of the topic, now and then one of another topic."""
    out = []
    for _ in range(int(rng.integers(8, 15))):
        luck = rng.uniform()
        if luck < 0.33:
            out.append(str(rng.choice(WORDS[topic])))
        elif luck < 0.38:
            out.append(str(rng.choice(WORDS[CLASSES[int(rng.integers(len(CLASSES)))]])))
        else:
            out.append(str(rng.choice(COMMON)))
    return " ".join(out)


def clean(n: int, seed: int = 0, *, prefix: str = "r", classes: Sequence[str] = CLASSES) -> list[Row]:
    """n rows, the classes in turn, every label right."""
    rng = np.random.default_rng(seed)
    return [
        Row(
            f"{prefix}{i:05}",
            {"text": sentence(rng, classes[i % len(classes)]), "channel": ("mail", "chat", "web")[i % 3]},
            classes[i % len(classes)],
            "kit",
        )
        for i in range(n)
    ]


def relabelled(row: Row, label: str | None) -> Row:
    return Row(row.id, row.fields, label, row.source)


def retold(row: Row, text: str, *, row_id: str = "") -> Row:
    return Row(row_id or row.id, {**row.fields, "text": text}, row.label, row.source)


def with_errors(
    rows: Sequence[Row], share: float, seed: int = 1, *, habit: bool = False
) -> tuple[list[Row], set[str]]:
    """Some labels made wrong, and the ids of those rows.

    `habit`: each class is always mistaken for the next one; otherwise for any other.
    """
    rng = np.random.default_rng(seed)
    wrong = set(rng.permutation(len(rows))[: int(share * len(rows))].tolist())
    out = []
    for i, row in enumerate(rows):
        step = 1 if habit else int(rng.integers(1, len(CLASSES)))
        number = CLASSES.index(row.label or "")
        out.append(relabelled(row, CLASSES[(number + step) % len(CLASSES)]) if i in wrong else row)
    return out, {rows[i].id for i in wrong}


def view_of(rows: Sequence[Row], evaluation: Sequence[Row] = ()) -> View:
    return look(RECIPE, Snapshot.of(rows), Snapshot.of(evaluation), "text")


def bench_of(start: Snapshot, evaluation: Sequence[Row] = ()) -> Bench:
    texts = start.texts("text")
    _, features = RECIPE.learn(texts)
    clusters = find_copies(texts).clusters()
    return Bench(RECIPE, start, Snapshot.of(evaluation), "text", features=features, clusters=clusters)
