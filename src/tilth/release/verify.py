"""`tilth verify`: compute again what a bundle claims, and say exactly what could not be computed again.

Three things are asked. Is each file the one that was released? Do card, datasheet, evaluation, patches and
manifest agree with each other, word for word? And, with the rows at hand: does the model of the bundle
still reach its scores, and does the project still give this very release?
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tilth import __version__, stats
from tilth.errors import InputError, TilthError
from tilth.release.bundle import MANIFEST, Release, load, opened, read_manifest
from tilth.release.claims import Claim, claims_of
from tilth.release.documents import NAMES
from tilth.release.evidence import ROWS
from tilth.release.measured import Measured, measure
from tilth.release.prose import Code, Page, Quote, Table, markdown
from tilth.release.scored import Rows, evaluated, rows_of_file, rows_of_project, sound
from tilth.release.view import html
from tilth.stats import Interval

if TYPE_CHECKING:
    import pandas

__all__ = ["Check", "State", "Verification", "verify"]

State = Literal["recomputed", "differs", "not recomputed"]
CLOSE = 1e-6
"""Difference that is no difference: numbers are written with six digits behind the point."""
OUTSIDE = ("rows outside the known classes", "share of those not answered")
"""Claims about rows that a model of these classes has no digest of."""
NEEDS_ROWS = "needs the evaluation rows: --project DIR or --eval FILE"
MOVED = "verdicts, answers, patches, trials or settings of the project have changed since"
ROUNDED = (
    "only by what another processor or numpy rounds otherwise; byte for byte it is made again where both are "
    "those it was made with"
)
NEEDS_PROJECT = "needs the project: --project DIR"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes
    ----------
    kind : "file", "agreement" or "claim".
    name : the file, what has to agree, or the claim, with its document in front.
    state : recomputed and equal, different, or not recomputed.
    why : what differs, or why it could not be recomputed.
    """

    kind: Literal["file", "agreement", "claim"]
    name: str
    state: State
    why: str = ""


@dataclass(frozen=True)
class Verification:
    """What is left of the claims of a bundle.

    Attributes
    ----------
    bundle, id, name : which bundle; `id` is the digest of its manifest, to be compared with the one that was
        published: whoever changes a manifest and all it names changes the id.
    rows : where evaluation rows came from, "" without any.
    checks : all of them.
    """

    bundle: str
    id: str
    name: str
    rows: str
    checks: Sequence[Check]

    def of(self, state: State) -> list[Check]:
        """Checks in a state."""
        return [c for c in self.checks if c.state == state]

    @property
    def outcome(self) -> State:
        """differs where anything does; else not recomputed where anything is not; else recomputed."""
        if self.of("differs"):
            return "differs"
        return "not recomputed" if self.of("not recomputed") else "recomputed"

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object."""
        counts = {s: len(self.of(s)) for s in ("recomputed", "differs", "not recomputed")}
        return {
            "bundle": self.bundle,
            "id": self.id,
            "name": self.name,
            "rows": self.rows,
            "outcome": self.outcome,
            "counts": counts,
            "checks": [asdict(c) for c in self.checks],
        }

    def to_pandas(self) -> pandas.DataFrame:
        """One line a check."""
        from tilth.frames import frame

        return frame([asdict(c) for c in self.checks])

    def _repr_html_(self) -> str:
        from tilth.frames import html_table

        return html_table(f"release {self.name}: {self.outcome}", [asdict(c) for c in self.checks])


def verify(
    bundle: str | Path, *, project: Path | None = None, evaluation: Path | None = None, id: str = ""
) -> Verification:
    """Compute again what a bundle claims.

    Parameters
    ----------
    bundle : folder or .zip.
    project : the project that it was made of: its rows, and everything made again from it.
    evaluation : a file with the evaluation rows, where there is no project.
    id : the id that was published; compared with that of the bundle.

    Raises
    ------
    InputError : it is no bundle, or the rows cannot be read.
    """
    place = Path(bundle)
    with opened(place) as files:
        raw = files.read(MANIFEST)
        manifest = read_manifest(raw, place)
        sound(manifest)
        held = {name: files.read(name) for name in manifest["files"] if name in files.names()}
        foreign = sorted(files.names() - {MANIFEST, *manifest["files"]})
    found = hashlib.sha256(raw).hexdigest()[:16]
    checks = [*_files(manifest, held, foreign), *_identity(id, found)]
    whole = all(c.state == "recomputed" for c in checks)
    said = _Said.read(held, checks)
    checks += said.agreements(manifest)
    release = load(place) if whole else None
    rows: Rows | None = None
    if evaluation is not None:
        rows = rows_of_file(evaluation, manifest, said.evaluation.get("scored", ()))
    elif project is not None:
        rows = rows_of_project(project, said.evaluation)
    recomputed = _scores(release, rows, said) if rows and release else {}
    again = _again(project, said, manifest, held, checks) if project is not None and whole else None
    checks += _claims(said, recomputed | _counted(manifest, held, said), again, rows, project is not None)
    return Verification(str(place), found, str(manifest["name"]), rows.origin if rows else "", tuple(checks))


def _files(manifest: Mapping[str, Any], held: Mapping[str, bytes], foreign: Sequence[str]) -> list[Check]:
    """Each file against its digest; also those that are missing and those that do not belong here."""
    out = []
    for name, digest in sorted(manifest["files"].items()):
        if name not in held:
            out.append(Check("file", name, "differs", "it is missing"))
        elif hashlib.sha256(held[name]).hexdigest() != digest:
            out.append(Check("file", name, "differs", "it is not the file that was released"))
        else:
            out.append(Check("file", name, "recomputed"))
    out += [
        Check("file", name, "differs", "the manifest does not name it: the release was made without it")
        for name in (*NAMES, "evaluation.json")
        if name not in manifest["files"] and not name.endswith(".html")
    ]
    return out + [Check("file", name, "differs", "it is not part of the release") for name in foreign]


def _identity(wanted: str, found: str) -> list[Check]:
    if not wanted:
        return []
    same = found.startswith(wanted.lower()) and len(wanted) >= 8
    why = "" if same else f"this bundle is {found}, not {wanted}"
    return [Check("agreement", "the id that was published", "recomputed" if same else "differs", why)]


@dataclass(frozen=True)
class _Said:
    """What the documents of a bundle say."""

    card: Page | None
    datasheet: Page | None
    facts: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    measured: Measured | None
    patches: Sequence[Mapping[str, Any]]
    texts: Mapping[str, str]

    @staticmethod
    def read(held: Mapping[str, bytes], checks: list[Check]) -> _Said:
        """Read them; what cannot be read is a difference."""
        bodies: dict[str, Any] = {}
        for name in ("card.json", "datasheet.json", "evaluation.json"):
            try:
                bodies[name] = json.loads(held[name].decode("utf-8"))
            except KeyError:
                bodies[name] = {}
            except (ValueError, RecursionError) as error:
                bodies[name] = {}
                checks.append(Check("agreement", f"{name} can be read", "differs", str(error)))
        pages = {name: _page(bodies[name], name, checks) for name in ("card.json", "datasheet.json")}
        evaluation: dict[str, Any] = {}
        measured, patches = None, []
        try:
            evaluation, measured = evaluated(bodies["evaluation.json"])
        except InputError as error:
            checks.append(Check("agreement", "evaluation.json can be read", "differs", str(error)))
        try:
            lines = held.get("patches.jsonl", b"").decode("utf-8").splitlines()
            patches = [dict(json.loads(line)) for line in lines]
        except (TypeError, ValueError) as error:
            checks.append(Check("agreement", "patches.jsonl can be read", "differs", str(error)))
        card = bodies["card.json"]
        found = card.get("facts") if isinstance(card, dict) else None
        facts = found if isinstance(found, dict) else {}
        shown = [f"{name}.{kind}" for name in ("card", "datasheet") for kind in ("md", "html")]
        texts = {n: held[n].decode("utf-8", "replace") for n in shown if n in held}
        return _Said(pages["card.json"], pages["datasheet.json"], facts, evaluation, measured, patches, texts)

    def agreements(self, manifest: Mapping[str, Any]) -> list[Check]:
        """Whether the documents say the same."""
        out = []
        for name, page in (("card", self.card), ("datasheet", self.datasheet)):
            if page is not None:
                for kind, text in (("md", markdown(page)), ("html", html(page))):
                    there = self.texts.get(f"{name}.{kind}", "")
                    if kind == "html" and not there:
                        continue  # a view for people that a bundle may lack
                    what = f"{name}.{kind} says what {name}.json says"
                    if text != there and (other := _other_tilth(manifest)):
                        out.append(Check("agreement", what, "not recomputed", other))
                    else:
                        out.append(_agree(what, text == there, _first_difference(text, there)))
        out.append(self._facts(manifest))
        out.append(self._scores())
        out.append(self._patches())
        return out

    def _facts(self, manifest: Mapping[str, Any]) -> Check:
        """What the card is about is what the manifest says."""
        data = manifest.get("data", {})
        told = {
            "name": manifest.get("name"), "recipe": manifest.get("recipe"), "text": manifest.get("text"),
            "label": manifest.get("label"), "created": manifest.get("created"), "train": data.get("train"),
            "train_rows": data.get("rows"), "classes": manifest.get("classes"),
            "evaluation": data.get("evaluation"),
        }  # fmt: skip
        odd = [k for k, v in told.items() if self.facts.get(k) != v]
        settings = manifest.get("abstention", {})
        if not _same(settings.get("probability"), self.facts.get("threshold")):
            odd.append("threshold")
        return _agree(
            "card.json and manifest.json speak of one model", not odd, f"they differ in {', '.join(odd)}"
        )

    def _scores(self) -> Check:
        """Every score of the card stands in evaluation.json, and every score of that in the card."""
        there = {c.name: c for c in self.scores()}
        here = {c.name: c for c in self.card.claims()} if self.card else {}
        needed = {n for n in there if not n.startswith("slice ") or n in here}
        odd = [n for n in sorted(needed) if n not in here or not _close(here[n], there[n])]
        why = f"they differ in {', '.join(map(repr, odd[:5]))}"
        return _agree("the scores of card.json are those of evaluation.json", not odd, why)

    def scores(self) -> list[Claim]:
        """The scores of evaluation.json as claims."""
        if self.measured is None:
            return []
        e = self.evaluation
        refused, outside = e.get("refused"), e.get("outside")
        return claims_of(
            self.measured,
            e["command"],
            e["evaluation"],
            e["seed"],
            refused=Interval(**refused) if refused else None,
            outside=(outside["rows"], Interval(**outside["refused"])) if outside else None,
        )

    def _patches(self) -> Check:
        """The patches of the card are those of patches.jsonl, with the same gains and in the same order."""
        claims = {c.name: c for c in self.card.claims()} if self.card else {}
        odd: list[str] = []
        for p in self.patches:
            for what, told in (("predicted gain", p.get("predicted")), ("measured gain", p.get("gain"))):
                found = claims.pop(f"patch {p.get('id')}: {what}", None)
                value = told["value"] if isinstance(told, dict) else told
                here = None if found is None else found.value
                if not _same(here, value):
                    odd.append(f"the {what} of {p.get('id')}")
        odd += [name for name in claims if name.startswith("patch ")]
        listed = [(p.get("id"), p.get("title")) for p in self.patches]
        if _listed_patches(self.card) != listed:
            odd.append("which patches there are")
        return _agree(
            "the patches of card.json are those of patches.jsonl",
            not odd,
            f"they differ in {', '.join(odd[:5])}",
        )


def _page(body: Any, name: str, checks: list[Check]) -> Page | None:
    """A page whose claims are all whole."""
    if not body:
        return None
    try:
        return Page.from_json(body)
    except InputError as error:
        checks.append(Check("agreement", f"{name} holds nothing but claims", "differs", str(error)))
        return None


def _listed_patches(card: Page | None) -> list[tuple[str, str]]:
    """Id and title of each patch in the table of the card."""
    out = []
    for section in card.sections if card else ():
        for block in section.blocks:
            if section.title == "Accepted patches" and isinstance(block, Table):
                for row in block.rows:
                    (id,), (title,) = row[0], row[1]
                    if isinstance(id, Code) and isinstance(title, Quote):
                        out.append((id.text, title.text))
    return out


def _other_tilth(manifest: Mapping[str, Any]) -> str:
    """Why files need not be equal letter by letter: another version wrote them; "" where this one did."""
    wrote = manifest.get("tilth")
    return (
        "" if wrote == __version__ else f"Tilth {wrote} wrote it, this is {__version__}: wording may differ"
    )


def _agree(name: str, same: bool, why: str) -> Check:
    return Check("agreement", name, "recomputed" if same else "differs", "" if same else why)


def _first_difference(a: str, b: str) -> str:
    for i, (x, y) in enumerate(zip(a.splitlines(), b.splitlines(), strict=False), start=1):
        if x != y:
            return f"line {i} should be {x[:120]!r} and is {y[:120]!r}"
    return "one is longer than the other"


def _close(a: Claim, b: Claim) -> bool:
    """Whether two claims give the same number, with the same proof."""
    same = (a.command, a.version, a.seed, a.unit) == (b.command, b.version, b.seed, b.unit)
    return same and _values_close(a, b)


def _values_close(a: Claim, b: Claim) -> bool:
    return _same(a.value, b.value) and _same(a.low, b.low) and _same(a.high, b.high)


def _same(a: object, b: object) -> bool:
    """Whether two numbers are equal as far as they are written, or both are missing."""
    if not isinstance(a, int | float) or not isinstance(b, int | float):
        return a is b
    return abs(a - b) <= CLOSE * max(1.0, abs(a), abs(b))


def _scores(release: Release, rows: Rows, said: _Said) -> dict[str, Claim]:
    """Scores of the bundle's own answers on the rows; empty where rows are missing."""
    number = {name: i for i, name in enumerate(release.classes)}
    if rows.missing or said.measured is None or not number.keys() >= set(rows.labels):
        return {}
    truth = np.array([number[x] for x in rows.labels])
    answers = release.scores(list(rows.texts))
    masks = {}
    for name, at in said.evaluation.get("slices", {}).items():
        masks[name] = np.isin(np.arange(len(truth)), np.asarray(at, dtype=np.int64))
    measured = measure(
        answers.probabilities,
        truth,
        answers.reason == 0,
        classes=release.classes,
        metric=said.measured.metric,
        slices=masks,
        trained={p.name: p.trained or 0 for p in said.measured.parts if p.kind == "class"},
        level=said.measured.level,
    )
    strange = int((answers.familiar < release.familiar).sum())
    refused = stats.clopper_pearson(strange, len(truth)) if said.evaluation.get("refused") else None
    e = said.evaluation
    found = claims_of(measured, e["command"], e["evaluation"], e["seed"], refused=refused)
    return {c.name: c for c in found}


def _counted(manifest: Mapping[str, Any], held: Mapping[str, bytes], said: _Said) -> dict[str, Claim]:
    """Claims that can be counted in the bundle itself."""
    apart, settings = {*NAMES, MANIFEST}, manifest.get("abstention", {})
    values = {
        "classes": len(manifest["classes"]),
        "rows scored": len(said.evaluation.get("scored", ())),
        "threshold": settings.get("probability"),
        "wanted precision": settings.get("precision"),
        "size of the model": sum(len(body) for name, body in held.items() if name not in apart) / 1e6,
        "rows carried as evidence": held.get(ROWS, b"").count(b"\n"),
    }
    pages = [page for page in (said.card, said.datasheet) if page is not None]
    known = {c.name: c for page in pages for c in page.claims()}
    return {
        name: replace(known[name], value=float(value), low=None, high=None)
        for name, value in values.items()
        if name in known and value is not None
    }


def _again(
    project: Path, said: _Said, manifest: Mapping[str, Any], held: Mapping[str, bytes], checks: list[Check]
) -> _Again | None:
    """The claims of the same release, made again from the project; a release that differs is a difference."""
    from tilth.release.again import differences, made_again

    try:
        files, reason = made_again(project, said.facts)
    except TilthError as error:
        files, reason = {}, str(error)
    if reason:
        checks.append(Check("agreement", "the release made again from the project", "not recomputed", reason))
        return None
    odd, near = differences(files, held, manifest)
    why = f"made again, these files differ: {', '.join(odd[:8])}" if odd else ""
    card = json.loads(files["card.json"])
    moved = card["facts"]["records"] != said.facts.get("records")
    what, other = "the release made again from the project, byte for byte", _other_tilth(manifest)
    if odd and (moved or other or near):
        reason = MOVED if moved else other or ROUNDED
        checks.append(Check("agreement", what, "not recomputed", f"{why}; {reason}"))
    else:
        checks.append(_agree(what, not odd, why))
    bodies = {"card.json": card, "datasheet.json": json.loads(files["datasheet.json"])}
    claims = {name: {c.name: c for c in Page.from_json(body).claims()} for name, body in bodies.items()}
    return _Again(claims, moved)


@dataclass(frozen=True)
class _Again:
    """Claims of the release made again, by document; whether the records that they rest on have changed."""

    claims: Mapping[str, Mapping[str, Claim]]
    moved: bool


def _judged(title: str, claim: Claim, anew: Claim, moved: bool) -> Check:
    """A claim against what was computed again; `moved`: from records that have changed since."""
    if _values_close(claim, anew):
        return Check("claim", title, "recomputed")
    why = f"it says {claim.value:.6g}, computed again it is {anew.value:.6g}"
    return Check(
        "claim", title, "not recomputed" if moved else "differs", f"{why}; {MOVED}" if moved else why
    )


def _claims(
    said: _Said,
    scores: Mapping[str, Claim],
    again: _Again | None,
    rows: Rows | None,
    project: bool,
) -> list[Check]:
    """Every claim of card and datasheet: recomputed, different, or why not."""
    out = []
    measured = {c.name for c in said.scores()}
    for name, page in (("card.json", said.card), ("datasheet.json", said.datasheet)):
        for claim in page.claims() if page else ():
            title = f"{name.removesuffix('.json')}: {claim.name}"
            # the bundle's own answers decide, where there are any; else the release made again
            anew, moved = scores.get(claim.name), False
            if anew is None and again is not None:
                anew, moved = again.claims[name].get(claim.name), again.moved
            if anew is not None:
                out.append(_judged(title, claim, anew, moved))
                continue
            reason = NEEDS_ROWS if claim.name in measured else NEEDS_PROJECT
            if claim.name in OUTSIDE:
                reason = NEEDS_PROJECT
            elif claim.name in measured and rows is not None:
                reason = rows.missing or "the bundle is damaged, so its model was not run"
            elif project:
                reason = "the project does not give this release again"
            out.append(Check("claim", title, "not recomputed", reason))
    return out
