"""Everything that cards tell about a release, gathered once from the store; each number as a claim."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tilth.config import render
from tilth.export import write_rows
from tilth.ledger import Line, ledger
from tilth.release import answers
from tilth.release.answers import Said
from tilth.release.claims import Claim, Facts, claims_of
from tilth.release.profile import Profile, profile
from tilth.release.sources import Source, sources
from tilth.workspace import EVAL, GUIDE, TRAIN, Workspace

if TYPE_CHECKING:
    from tilth.audit.run import Audit
    from tilth.data import Version
    from tilth.store import PatchInfo
    from tilth.verdicts import Verdict

__all__ = ["Accepted", "Book"]

WORDS = {
    "keep": "label is right", "relabel": "other label", "ambiguous": "two labels fit",
    "drop": "no label fits",
}  # fmt: skip


@dataclass(frozen=True)
class Accepted:
    """A patch on the line of train that led to the released version, other than the taking in of a file.

    Attributes
    ----------
    info : the patch.
    line : what was predicted and measured of it; None where it was not measured.
    version : id of the version that it made.
    """

    info: PatchInfo
    line: Line | None
    version: str

    def to_json(self) -> dict[str, Any]:
        """One line of patches.jsonl."""
        line, meta = self.line, self.info.meta
        gain = None if line is None else {"value": line.realised, "low": line.low, "high": line.high}
        return {
            "id": self.info.id,
            "title": self.info.title,
            "origin": self.info.origin,
            "author": self.info.author,
            "created": self.info.created,
            "state": self.info.state,
            "base": self.info.base,
            "version": self.version,
            "ops": dict(self.info.counts),
            "reason": self.info.reason,
            "predicted": None if line is None else line.predicted,
            "gain": gain,
            "judge": "" if line is None else line.judge,
            "forced": str(meta.get("forced") or ""),
            "why": str(meta.get("why") or ""),
            "minutes": meta.get("minutes"),
        }


class Book:
    """What is known about the released versions; computed where it is asked for, and once.

    Parameters
    ----------
    ws : the project.
    facts : of the release.
    """

    def __init__(self, ws: Workspace, facts: Facts) -> None:
        self.ws, self.facts = ws, facts
        self._exports: dict[str, tuple[str, int]] = {}

    # numbers

    def rows(self, name: str, value: float, command: str = "tilth datasheet", version: str = "") -> Claim:
        """A number of rows or of other things that were counted."""
        return Claim(name, value, None, None, command, version or self.facts.train, 0, "rows")

    def count(self, name: str, value: float, command: str = "tilth datasheet", *, unit: str) -> Claim:
        """A number without an interval, in any unit."""
        return Claim(name, value, None, None, command, self.facts.train, 0, unit)

    @cached_property
    def scores(self) -> Mapping[str, Claim]:
        """The claims of the evaluation by their names; empty without one."""
        facts = self.facts
        if facts.measured is None:
            return {}
        at = (facts.command, facts.evaluation, facts.seed)
        found = claims_of(facts.measured, *at, refused=facts.refused, outside=facts.outside)
        return {claim.name: claim for claim in found}

    @property
    def heard(self) -> str:
        """What the audit rests on: the version, the verdicts so far, and whether it tested itself."""
        mark = self.ws.store.verdict_mark(TRAIN)
        said = [f"verdicts:{mark}"] if mark else []
        return " ".join([self.facts.train, *said, *(["self-test"] if self.audit.self_test else [])])

    def export(self, version: Version) -> tuple[str, int]:
        """SHA-256 and bytes of what `tilth checkout VERSION --out FILE.csv` writes; written once."""
        if version.id not in self._exports:
            self._exports[version.id] = _exported(self.ws, version)
        return self._exports[version.id]

    # what there is

    @cached_property
    def version(self) -> Version:
        """The released version of train."""
        return self.ws.store.version(self.facts.train, TRAIN)

    @cached_property
    def evaluation_version(self) -> Version | None:
        """The version of the evaluation set that was reported on; None without one."""
        return self.ws.store.version(self.facts.evaluation, EVAL) if self.facts.evaluation else None

    @cached_property
    def train(self) -> Profile:
        """The rows of train."""
        return profile(self.ws.snapshot(self.version), self.version.id, self.facts.text)

    @cached_property
    def evaluation(self) -> Profile | None:
        """The rows of the evaluation set."""
        version = self.evaluation_version
        if version is None:
            return None
        return profile(self.ws.snapshot(version), version.id, self.facts.text)

    @cached_property
    def sources(self) -> list[Source]:
        """Where rows came from."""
        return sources(self.ws, self.facts.train, self.facts.evaluation)

    @cached_property
    def versions(self) -> list[Version]:
        """Versions of train up to the released one, oldest first."""
        return [v for v in self.ws.store.versions(TRAIN) if v.seq <= self.version.seq]

    @cached_property
    def _line(self) -> list[tuple[PatchInfo, Version]]:
        known = {info.id: info for info in self.ws.store.patches()}
        return [(known[v.patch], v) for v in self.versions if v.patch in known]

    @property
    def imports(self) -> list[PatchInfo]:
        """Files that were taken in, oldest first."""
        return [info for info, _ in self._line if info.origin.startswith("ingest:")]

    @cached_property
    def accepted(self) -> list[Accepted]:
        """Patches that led to the released version, oldest first."""
        lines = {line.patch: line for line in ledger(self.ws).lines}
        return [
            Accepted(info, lines.get(info.id), version.id)
            for info, version in self._line
            if not info.origin.startswith("ingest:")
        ]

    @property
    def ops(self) -> Counter[str]:
        """Ops of all accepted patches, by kind."""
        total: Counter[str] = Counter()
        for a in self.accepted:
            total.update(a.info.counts)
        return total

    @cached_property
    def audit(self) -> Audit:
        """The audit of the released version."""
        return self.ws.audit()

    def found(self, code: str) -> Claim | None:
        """Findings of a check; None where it did not run."""
        counts = self.audit.counts()
        name = f"findings {code}"
        return self.rows(name, counts[code], "tilth audit", self.heard) if code in counts else None

    @cached_property
    def errors(self) -> Claim:
        """Labels of train that are believed wrong."""
        found, total = self.audit.trust["errors"], max(self.train.rows - self.train.unlabelled, 1)
        value, low, high = (min(1.0, found[key] / total) for key in ("value", "low", "high"))
        return Claim("labels believed wrong", value, low, high, "tilth audit", self.heard, 0, "share")

    @property
    def calibrated(self) -> bool:
        """Whether what is believed about labels rests on verdicts, or on other data sets alone."""
        return bool(self.audit.trust["basis"] == "verdicts")

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """The newest verdict on each row; a skipped row has none."""
        return [v for v in self.ws.store.verdicts(TRAIN) if v.said.decision in WORDS]

    def verdict_counts(self) -> dict[str, Counter[str]]:
        """Verdicts of each kind by reviewer, names ascending."""
        out: dict[str, Counter[str]] = {}
        for v in self.verdicts:
            out.setdefault(v.reviewer, Counter())[v.said.decision] += 1
        return dict(sorted(out.items()))

    @cached_property
    def judgements(self) -> tuple[list[str], int]:
        """Names of annotators, ascending, and number of their judgements."""
        sheets = [found for _, found in self.ws.store.judgements()]
        return sorted({name for s in sheets for name in s.annotators}), sum(map(len, sheets))

    @property
    def guides(self) -> int:
        """Versions of the label guide."""
        return len(self.ws.store.records(GUIDE))

    @property
    def trials(self) -> int:
        """Trials that were measured."""
        return len(self.ws.store.records("trial"))

    @cached_property
    def said(self) -> Mapping[str, Said]:
        """What people answered."""
        return answers.known(self.ws)

    def text(self, key: str) -> str:
        """An answer of a person, "" where there is none."""
        return self.said[key].text if key in self.said else ""

    @property
    def records(self) -> str:
        """Digest of what cards rest on beside the rows: settings, verdicts, patches, trials, answers ..."""
        store = self.ws.store
        state = (
            render(self.ws.config),
            self.heard,
            store.judgements_digest(),
            self.guides,
            self.trials,
            sorted((s.key, s.text) for s in self.said.values()),
            [(p.id, p.state, sorted(p.meta.items(), key=str)) for p in store.patches()],
        )
        return hashlib.sha256(repr(state).encode("utf-8", "backslashreplace")).hexdigest()[:16]

    def decided_by(self) -> Sequence[str]:
        """People and programs who made or accepted patches, reviewed or judged, by name."""
        names = {a.info.author for a in self.accepted}
        for a in self.accepted:
            names |= {d.author for d in self.ws.store.decisions(a.info.id)}
        return sorted({*names, *self.verdict_counts(), *self.judgements[0]} - {"", "person"})


def _exported(ws: Workspace, version: Version) -> tuple[str, int]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        write_rows(lambda: ws.store.rows(version), path, ws.config.columns)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size
