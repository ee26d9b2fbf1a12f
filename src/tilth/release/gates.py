"""Gates: what a release has to show before it leaves, each passed, failed or not checked, with its reason.

What was not checked is shown as such and never counts as passed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tilth.audit.leakage import leaks
from tilth.config import SourceTerms, words
from tilth.duplicates import copies_of
from tilth.release import answers
from tilth.release.claims import Claim, Facts, interval_claim
from tilth.release.measured import LEAST_ROWS, Part
from tilth.release.prose import Code, Inline, Prose, line
from tilth.release.sources import Source, sources
from tilth.stats import Interval
from tilth.workspace import TRAIN, Workspace

__all__ = ["ASKED", "Gate", "Gates", "State", "check"]

State = Literal["pass", "fail", "not checked"]
ASKED = ("intended_use", "out_of_scope", "owner", "contact", "people")
"""Questions that a release asks a person; see tilth.release.questions."""
SHOWN = 5
WHOLE = {"all": "all rows", "class": "each class"}


@dataclass(frozen=True)
class Gate:
    """One gate.

    Attributes
    ----------
    name : the gate, and what of it: "floors: billing".
    kind : one of tilth.config.GATES; what [gates] require names.
    state : pass, fail or not checked.
    why : the reason.
    todo : what to do about it; empty where it passes.
    """

    name: str
    kind: str
    state: State
    why: Prose
    todo: Prose = ()

    def to_json(self) -> dict[str, Any]:
        """The gate as a JSON object of texts."""
        return {"name": self.name, "state": self.state, "why": line(self.why), "todo": line(self.todo)}


@dataclass(frozen=True)
class Gates:
    """All gates of a release.

    Attributes
    ----------
    gates : in the order of tilth.config.GATES.
    """

    gates: Sequence[Gate]

    def of(self, state: State) -> list[Gate]:
        """Gates in a state."""
        return [g for g in self.gates if g.state == state]

    @property
    def failed(self) -> list[Gate]:
        """Gates that refuse the release."""
        return self.of("fail")

    def refusal(self) -> str:
        """Why the release is refused and what to do, for a message; "" when nothing failed."""
        lines = [f"  {g.name}: {line(g.why)}. {line(g.todo)}".rstrip() for g in self.failed]
        return "\n".join(lines)

    def states(self) -> dict[str, str]:
        """Each gate with its state."""
        return {g.name: g.state for g in self.gates}

    def to_json(self) -> list[dict[str, Any]]:
        """The gates as JSON objects."""
        return [g.to_json() for g in self.gates]


def check(ws: Workspace, facts: Facts) -> Gates:
    """Check every gate of tilth.toml for a release.

    The goal and the floors are compared with the measured score; with `proof = "bound"` in [gates] with the
    worse end of its interval. A gate that [gates] `require` names fails where it could not be checked.
    """
    found = [
        _goal(ws, facts),
        *_floors(ws, facts),
        _leakage(ws, facts),
        *_terms(ws, facts),
        _ceiling(facts, "size", facts.megabytes, ws.config.goal.megabytes),
        _ceiling(facts, "latency", facts.milliseconds, ws.config.goal.milliseconds),
        _questions(ws),
    ]
    required = words(ws.config.gates.require)
    return Gates(tuple(_required(g) if g.kind in required else g for g in found))


def _required(gate: Gate) -> Gate:
    if gate.state != "not checked":
        return gate
    why = [*gate.why, "; ", Code("[gates] require"), " asks for it"]
    return Gate(gate.name, gate.kind, "fail", why, gate.todo)


def _claim(facts: Facts, name: str, found: Interval, unit: str = "share") -> Claim:
    return interval_claim(name, found, facts.command, facts.evaluation, facts.seed, unit)


def _exact(facts: Facts, name: str, value: float, unit: str) -> Claim:
    return Claim(name, value, None, None, facts.command, facts.evaluation or facts.train, facts.seed, unit)


def _unit(facts: Facts) -> str:
    return "number" if facts.metric == "log_loss" else "share"


def _against(facts: Facts, found: Interval, wanted: float, proof: str) -> tuple[bool, bool]:
    """Whether a score reaches what is wanted by the measured value, and by the worse end of its interval."""
    if facts.metric == "log_loss":
        return found.value <= wanted + 1e-9, found.high <= wanted + 1e-9
    return found.value >= wanted - 1e-9, found.low >= wanted - 1e-9


def _compared(
    ws: Workspace, facts: Facts, name: str, kind: str, found: Interval, claim: Claim, wanted: float
) -> Gate:
    """A score against what is wanted of it."""
    by_point, by_bound = _against(facts, found, wanted, ws.config.gates.proof)
    proof = ws.config.gates.proof
    passed = by_bound if proof == "bound" else by_point
    why: list[Inline] = [
        claim, " is measured, ", _exact(facts, f"{name}: wanted", wanted, _unit(facts)), " is wanted",
    ]  # fmt: skip
    if passed and not by_bound:
        why.append("; the measured score reaches it, the worse end of its interval does not")
    if by_point and not passed:
        why.append("; the measured score reaches it, but ")
        why += [Code('proof = "bound"'), " asks for the worse end of its interval"]
    todo: Prose = () if passed else ["see what would bring most: ", Code("tilth plan")]
    return Gate(name, kind, "pass" if passed else "fail", why, todo)


def _goal(ws: Workspace, facts: Facts) -> Gate:
    if not ws.config.goal.target:
        how: Prose = ["give ", Code("target"), " in ", Code("[goal]")]
        return Gate("goal", "goal", "not checked", ["no target is set"], how)
    if facts.measured is None:
        return Gate("goal", "goal", "not checked", ["there are no evaluation rows that report"], _more_rows())
    score = facts.measured.score
    claim = _claim(facts, facts.metric.replace("_", " "), score, _unit(facts))
    return _compared(ws, facts, "goal", "goal", score, claim, ws.config.goal.target)


def _more_rows() -> Prose:
    return ["take evaluation rows in: ", Code("tilth ingest FILE --eval FILE")]


def _floors(ws: Workspace, facts: Facts) -> list[Gate]:
    """One gate for each floor; "class" is one for all classes."""
    out = []
    for name, floor in ws.config.floors.items():
        title = f"floors: {WHOLE.get(name, f'slice {name}')}"
        if facts.measured is None:
            why = ["there are no evaluation rows that report"]
            out.append(Gate(title, "floors", "not checked", why, _more_rows()))
        elif name == "all":
            claim = _claim(facts, facts.metric.replace("_", " "), facts.measured.score, _unit(facts))
            out.append(_compared(ws, facts, title, "floors", facts.measured.score, claim, floor))
        elif name == "class":
            parts = [p for p in facts.measured.parts if p.kind == "class"]
            out.append(_each_class(ws, facts, title, parts, floor))
        else:
            part = facts.measured.part(name, "slice")
            out.append(_one_slice(ws, facts, title, part, floor))
    return out


def _few(facts: Facts, title: str) -> list[Inline]:
    least = _exact(facts, f"{title}: least rows", LEAST_ROWS, "rows")
    return ["fewer than ", least, " evaluation rows report"]


def _one_slice(ws: Workspace, facts: Facts, title: str, part: Part | None, floor: float) -> Gate:
    if part is None or part.score is None:
        return Gate(title, "floors", "not checked", _few(facts, title), _more_rows())
    claim = _claim(facts, f"slice {part.name}: score", part.score, _unit(facts))
    return _compared(ws, facts, title, "floors", part.score, claim, floor)


def _each_class(ws: Workspace, facts: Facts, title: str, parts: Sequence[Part], floor: float) -> Gate:
    """All classes against one floor: failed where one is below, not checked where one cannot be."""
    bound = ws.config.gates.proof == "bound"
    scored = [p for p in parts if p.score is not None]
    held = {p.name: _against(facts, p.score, floor, "")[bound] for p in scored if p.score is not None}
    below = [p for p in scored if not held[p.name]]
    few = [p.name for p in parts if p.score is None]
    wanted = _exact(facts, f"{title}: wanted", floor, _unit(facts))
    if below:
        why: list[Inline] = ["below ", wanted, ": "]
        for p in below[:SHOWN]:
            if p.score is not None:
                score = _claim(facts, f"class {p.name}: score", p.score, _unit(facts))
                why += [Code(p.name), " ", score, ", "]
        why[-1] = " and more" if len(below) > SHOWN else ""
        return Gate(title, "floors", "fail", why, ["see: ", Code("tilth slices")])
    if few:
        why = [*_few(facts, title), " for ", *_names(few)]
        return Gate(title, "floors", "not checked", why, _more_rows())
    return Gate(title, "floors", "pass", ["every class reaches ", wanted])


def _names(names: Sequence[str]) -> list[Inline]:
    """The first few names."""
    out: list[Inline] = []
    for name in names[:SHOWN]:
        out += [Code(name), ", "]
    out[-1:] = [" and more"] if len(names) > SHOWN else []
    return out


def _leakage(ws: Workspace, facts: Facts) -> Gate:
    """No row that was scored has a copy in train: what leaks is left out of every score."""
    if not facts.scored:
        return Gate("leakage", "leakage", "not checked", ["no evaluation row was scored"], _more_rows())
    train, evaluation = ws.snapshot(ws.head(TRAIN)), ws.evaluation()
    mask = leaks(copies_of(ws, ws.config.copies.threshold), len(train))[1]
    inside = int(np.count_nonzero(mask[[evaluation.index[i] for i in facts.scored]]))
    left_out = _exact(facts, "evaluation rows with a copy in train", int(mask.sum()), "rows")
    if inside:
        count = _exact(facts, "scored rows with a copy in train", inside, "rows")
        return Gate(
            "leakage", "leakage", "fail", [count, " scored rows have a copy in train: the score flatters"],
            ["take them out of train: ", Code("tilth duplicates"), ", then release again"],
        )  # fmt: skip
    why: Prose = [
        "no scored row has a copy or near copy in train; ",
        left_out,
        " evaluation rows have one and were left out",
    ]
    return Gate("leakage", "leakage", "pass", why)


def _terms(ws: Workspace, facts: Facts) -> list[Gate]:
    """Licence and consent of every source, as a person stated them."""
    found = sources(ws, facts.train, facts.evaluation)
    today = ws.clock()[:10]
    allowed = [name.lower() for name in words(ws.config.gates.licences)]
    commercial = ws.config.gates.use == "commercial"

    def licence(terms: SourceTerms) -> list[Inline] | None:
        """What is wrong with the licence; None where nothing is."""
        if terms.expires and terms.expires < today:
            return [" may be used until ", Code(terms.expires), " only"]
        if commercial and _forbids_trade(terms.licence):
            return [" is ", Code(terms.licence), ", which forbids commercial use"]
        if allowed and terms.licence.lower() not in allowed:
            return [" is ", Code(terms.licence), ", which ", Code("[gates] licences"), " does not name"]
        return None

    def consent(terms: SourceTerms) -> list[Inline] | None:
        return [": the people in it refused"] if terms.consent == "refused" else None

    return [
        _stated(found, "licences", "licence", licence),
        _stated(found, "consent", "consent", consent),
    ]


def _forbids_trade(licence: str) -> bool:
    """Whether the name of a licence says that it is not for commercial use."""
    flat = licence.lower().replace("_", "-").replace(" ", "-")
    return "nc" in flat.split("-") or "non-commercial" in flat or "noncommercial" in flat


def _stated(
    found: Sequence[Source], kind: str, key: str, wrong: Callable[[SourceTerms], list[Inline] | None]
) -> Gate:
    """A gate about what was said of each source."""
    bad, open_ = [], []
    for source in found:
        said = source.terms
        if said is not None and (fault := wrong(said)):
            bad.append((source, fault))
        elif said is None or not getattr(said, key):
            open_.append(source)
    if bad:
        why: list[Inline] = []
        for source, fault in bad[:SHOWN]:
            why += [Code(source.shown), *fault, "; "]
        todo: Prose = ["take its rows out, or settle it and say so in ", Code("tilth.toml")]
        return Gate(kind, kind, "fail", why[:-1], todo)
    if open_:
        why = [f"nobody stated the {key} of ", *_names([s.shown for s in open_])]
        first = f'[sources."{open_[0].name}"] {key} = "..."'
        return Gate(
            kind, kind, "not checked", why, ["say it once in ", Code("tilth.toml"), ": ", Code(first)]
        )
    if not found:
        return Gate(kind, kind, "not checked", ["there are no rows"])
    return Gate(
        kind, kind, "pass", [f"the {key} of every source is stated: ", *_names([s.shown for s in found])]
    )


def _ceiling(facts: Facts, name: str, found: float | None, most: float) -> Gate:
    """What serving may take. The time of an answer is measured anew each time and stays out of the card."""
    key, unit = ("megabytes", "megabytes") if name == "size" else ("milliseconds", "number")
    if not most:
        how: Prose = ["give ", Code(key), " in ", Code("[goal]")]
        return Gate(name, name, "not checked", ["no ceiling is set"], how)
    ceiling = _exact(facts, f"{name}: ceiling", most, unit)
    per = " milliseconds for one row" if name == "latency" else ""
    if found is None:
        return Gate(name, name, "not checked", ["it was not measured"], ["release again"])
    if found > most:
        why: Prose = ["it is more than the ceiling of ", ceiling, per]
        return Gate(
            name,
            name,
            "fail",
            why,
            ["raise ", Code(key), " in ", Code("[goal]"), ", or use a smaller recipe"],
        )
    return Gate(name, name, "pass", ["it stays below the ceiling of ", ceiling, per])


def _questions(ws: Workspace) -> Gate:
    """What only a person can say, and a card must."""
    said = answers.known(ws)
    missing = [key for key in ASKED if key not in said]
    if missing:
        how: Prose = ["say it once: ", Code(f"tilth datasheet --set {missing[0]}=TEXT")]
        return Gate("questions", "questions", "not checked", ["nobody answered ", *_names(missing)], how)
    return Gate("questions", "questions", "pass", ["a person answered ", *_names(ASKED)])
