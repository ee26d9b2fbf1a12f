"""What a server of this project's releases did: traffic, tests, feedback, questions to a person.

Reads the folder of state that `tilth serve` writes, while it is written.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tilth.errors import InputError, NotFound, TilthError
from tilth.monitoring import looks
from tilth.serve.experiment import collect, experiments, over_time
from tilth.serve.state import State
from tilth.workspace import TRAIN, Workspace

__all__ = ["Monitor", "Queue", "answer", "folder_of", "monitor", "queue"]

DAYS, MOST = 90, 200


def folder_of(ws: Workspace, state: str | Path | None = None) -> Path:
    """Where the server of this project keeps its state.

    Raises
    ------
    NotFound : nothing was served from where it is looked for.
    """
    if state is not None or ws.config.serve.state:
        path = Path(state) if state is not None else ws.folder / ws.config.serve.state
        tried = [path]
    else:
        tried = [ws.folder / "releases" / "serve-state", ws.folder / "serve-state"]
    for path in tried:
        if (path / "serve.db").is_file():
            return path.resolve()
    raise NotFound(
        f"nothing was served from {' or '.join(map(str, tried))}: start with tilth serve BUNDLE, or say "
        "where its state is: --state DIR, or [serve] state in tilth.toml"
    )


@dataclass(frozen=True)
class Monitor:
    """What happened in service.

    Attributes
    ----------
    state : the folder.
    releases : what is served.
    days : one line a day: answers, abstentions by reason, mean probability, feedback.
    answers, abstained : in all days shown.
    feedback : number of each kind; implicit signals apart.
    questions : open and answered.
    tests : each candidate against the live release; and how its interval went.
    drift : newest looks at new rows.
    next : the command to go on with.
    """

    state: str
    releases: Sequence[dict[str, Any]]
    days: Sequence[dict[str, Any]]
    answers: int
    abstained: int
    feedback: dict[str, int]
    questions: dict[str, int]
    tests: Sequence[dict[str, Any]]
    course: Sequence[dict[str, Any]]
    drift: Sequence[dict[str, Any]]
    next: str

    def to_json(self) -> dict[str, Any]:
        """The object that `tilth monitor --json` prints."""
        return asdict(self)

    def to_pandas(self) -> Any:
        """One line a day."""
        from tilth.frames import frame

        return frame([dict(d) for d in self.days])

    def _repr_html_(self) -> str:
        from tilth.frames import html_table

        return html_table(f"{self.answers} answers, {self.abstained} abstained", [dict(d) for d in self.days])


def monitor(ws: Workspace, state: str | Path | None = None) -> Monitor:
    """Traffic, abstention, feedback, tests, questions and drift."""
    folder = folder_of(ws, state)
    with State.open(folder) as served:
        rows = served.days()
        said = served.columns("feedback", ["at", "kind", "explicit"])
        open_, all_ = len(served.escalations("open")), len(served.escalations())
        tests = collect(served)
        releases = [asdict(r) for r in served.releases()]
        newest = max((at for *_, at in rows), default="")
    days = _days(rows, said)[-DAYS:]
    kinds = Counter(
        str(k) if e else f"implicit {k}" for k, e in zip(said["kind"], said["explicit"], strict=True)
    )
    found = [e.to_json() for e in experiments(tests)] if tests else []
    drifted = [_look(b) for b in looks(ws)[-10:]]
    return Monitor(
        state=str(folder),
        releases=releases,
        days=days,
        answers=sum(d["answers"] for d in days),
        abstained=sum(d["abstained"] for d in days),
        feedback=dict(sorted(kinds.items())),
        questions={"open": open_, "answered": all_ - open_},
        tests=found,
        course=over_time(tests) if tests else [],
        drift=drifted,
        next=_next(open_, found, drifted, folder, newest),
    )


def _days(
    rows: Sequence[tuple[str, str | None, int, float, str]], said: dict[str, list[Any]]
) -> list[dict[str, Any]]:
    """One line for each day with an answer or feedback."""
    out: dict[str, dict[str, Any]] = defaultdict(
        lambda: {
            "answers": 0,
            "abstained": 0,
            "probability": 0.0,
            "reasons": Counter(),
            "right": 0,
            "wrong": 0,
        }
    )
    for name, reason, n, p, _ in rows:
        day = out[name]
        day["answers"] += n
        day["probability"] += p
        if reason is not None:
            day["abstained"] += n
            day["reasons"][reason] += n
    for at, kind, explicit in zip(*said.values(), strict=True):
        if explicit and kind != "comment":
            out[str(at)[:10]]["right" if kind == "right" else "wrong"] += 1
    return [
        {
            "day": name,
            **day,
            "reasons": dict(day["reasons"]),
            "probability": day["probability"] / day["answers"] if day["answers"] else None,
        }
        for name, day in sorted(out.items())
    ]


def _look(body: dict[str, Any]) -> dict[str, Any]:
    estimate = body["estimate"] or {}
    return {
        "created": body["created"],
        "source": body["source"],
        "new": body["new"],
        "drifted": body["drifted"],
        "words": body["words"],
        "accuracy": estimate.get("accuracy") if estimate.get("valid") else None,
        "low": estimate.get("low"),
        "high": estimate.get("high"),
        "curve": body["fall"]["curve"],
        "bar": body["fall"]["bar"],
    }


def _next(
    waiting: int,
    tests: Sequence[dict[str, Any]],
    drifted: Sequence[dict[str, Any]],
    folder: Path,
    newest: str,
) -> str:
    """What to type now, the most urgent first."""
    if any(t["advice"] == "stop" for t in tests):
        return "tilth swap --help   # take the candidate out"
    if waiting:
        return "tilth review   # page Questions"
    if any(t["advice"] == "promote" for t in tests):
        return "tilth swap --help   # make the candidate the live release"
    if newest and (not drifted or str(drifted[-1]["created"])[:10] < newest[:10]):
        return f"tilth drift {folder}"
    return f"tilth feedback {folder}" if not drifted or not drifted[-1]["drifted"] else "tilth plan"


@dataclass(frozen=True)
class Queue:
    """Answers that a person is asked for.

    Attributes
    ----------
    state : the folder.
    open, answered : how many there are.
    classes : what can be answered.
    questions : open ones, oldest first, at most 200: id, at, text, best, probability, reason, words, likely
        classes, nearest known rows.
    """

    state: str
    open: int
    answered: int
    classes: Sequence[str]
    questions: Sequence[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """The object that `tilth escalations --json` prints."""
        return asdict(self)

    def to_pandas(self) -> Any:
        """One line a question."""
        from tilth.frames import frame

        keep = ("id", "at", "text", "best", "probability", "reason")
        return frame([{k: q[k] for k in keep} for q in self.questions])

    def _repr_html_(self) -> str:
        from tilth.frames import html_table

        keep = ("at", "text", "best", "reason")
        return html_table(f"{self.open} open questions", [{k: q[k] for k in keep} for q in self.questions])


def queue(ws: Workspace, state: str | Path | None = None, most: int = MOST) -> Queue:
    """The open questions, oldest first, with what the release thinks of each."""
    folder = folder_of(ws, state)
    with State.open(folder) as served:
        waiting = served.escalations("open")
        total = len(served.escalations())
        asked = [a for q in waiting[:most] if (a := served.answer(q.answer)) is not None]
        paths = {r.id: r.path for r in served.releases(retired=True)}
    evidence, classes = _evidence([(a.id, a.release, a.text or "") for a in asked], paths)
    labels = ws.store.counts_by_label(ws.head(TRAIN)) if most else {}
    names = sorted({*classes, *(x for x in labels if x is not None)})
    out = []
    for a in asked:
        best = [{"label": a.label, "probability": a.probability}]
        out.append(
            {
                "id": a.id, "at": a.at, "text": a.text or "", "best": a.label, "probability": a.probability,
                "reason": a.reason, "client": a.client, "words": "", "likely": best, "nearest": [],
            } | evidence.get(a.id, {})
        )  # fmt: skip
    return Queue(str(folder), len(waiting), total - len(waiting), names, out)


def _evidence(
    asked: Sequence[tuple[str, str, str]], paths: dict[str, str]
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Words, likely classes and nearest rows by the release that abstained, where it is still there."""
    from tilth.release import load

    found: dict[str, dict[str, Any]] = {}
    classes: list[str] = []
    for release in sorted({r for _, r, _ in asked}):
        mine = [(name, text) for name, r, text in asked if r == release]
        try:
            model = load(paths[release])
        except (KeyError, OSError, TilthError):
            continue  # the bundle was moved or replaced: the question stands without it
        if model.id != release:
            continue
        classes += model.classes
        for (name, _), a in zip(mine, model.predict([text for _, text in mine]), strict=True):
            body = a.to_json()
            found[name] = {k: body[k] for k in ("words", "likely", "nearest")}
    return found, classes


def answer(ws: Workspace, id: str, *, label: str, person: str, state: str | Path | None = None) -> Queue:
    """Answer a question; whoever asked the server finds it there.

    Raises
    ------
    InputError : no label, or no person.
    NotFound : no such question.
    """
    if not label.strip() or not person.strip():
        raise InputError("an answer has a label and the name of the person who gives it")
    with State.open(folder_of(ws, state)) as served:
        served.resolve(id, label=label.strip(), person=person.strip(), at=ws.clock())
    return queue(ws, state, most=0)
