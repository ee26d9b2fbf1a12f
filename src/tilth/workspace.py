"""Workspace: an open project folder; loads versions, the recipe and the view that detectors need."""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tilth import config as configuration
from tilth.agreement import Judged
from tilth.config import Config
from tilth.data import Snapshot, Version
from tilth.errors import ConfigError, NotFound, ProjectError, Refused
from tilth.signals import Progress
from tilth.slices import Slice, Table
from tilth.store import Store

if TYPE_CHECKING:
    from tilth.audit.base import Finding, View
    from tilth.audit.run import Audit
    from tilth.audit.trust import Trust
    from tilth.computed import Computed
    from tilth.recipes import Recipe
    from tilth.stats import Interval
    from tilth.trial.gains import Response

__all__ = ["EVAL", "GUIDE", "TRAIN", "Workspace", "refuse_foreign", "utc_now"]

TRAIN, EVAL = "train", "eval"
GUIDE = "guide"
"""Kind of the records that hold the versions of the label guide."""
ABOUT_EVALUATION = "TIL105"
"""Code whose findings name rows of the evaluation set."""
EMPTY = Snapshot([], [], {})


def utc_now() -> str:
    """Seconds-precise ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def refuse_foreign(folder: Path) -> None:
    """Refuse a folder in which a project cannot be made.

    Raises
    ------
    ProjectError : it is a file, or holds what is not a project's.
    """
    try:
        foreign = sorted(p.name for p in folder.iterdir() if p.name not in ("data", "report.html"))
    except FileNotFoundError:
        return
    except OSError as error:
        raise ProjectError(
            f"cannot make a project in {folder}: {error.strerror}; choose another folder with --project"
        ) from error
    if foreign:
        raise ProjectError(
            f"{folder} exists, is no Tilth project and is not empty (it holds {foreign[0]}); choose another "
            "folder with --project"
        )


class Workspace:
    """An open project.

    Parameters
    ----------
    folder : the project folder, with tilth.toml and data/.
    config, store : its settings and its store.
    clock : gives the present time as ISO 8601.
    """

    def __init__(
        self, folder: Path, config: Config, store: Store, clock: Callable[[], str] = utc_now
    ) -> None:
        self.folder, self.config, self.store, self.clock = folder, config, store, clock
        self._snapshots: dict[str, Snapshot] = {}
        self._views: dict[tuple[str, str], View] = {}
        self._trust: tuple[tuple[str, str, int], Trust] | None = None
        self._response: tuple[str, Response] | None = None
        self._words: tuple[str, dict[int, Counter[str]]] = ("", {})
        self._told: tuple[str, dict[str, list[dict[str, str]]]] = ("", {})
        self._quality: tuple[str, list[Interval]] = ("", [])
        self._recipe: Recipe | None = None

    @staticmethod
    def open(folder: Path, clock: Callable[[], str] = utc_now) -> Workspace:
        """Open an existing project.

        Raises
        ------
        ProjectError : there is none in this folder.
        """
        path = folder / configuration.FILE
        if not path.is_file():
            raise ProjectError(
                f"no Tilth project in {folder} (no {configuration.FILE}); "
                "make one with: tilth ingest FILE --project FOLDER"
            )
        config = configuration.load(path)
        for name, expression in config.slices.items():
            try:
                Slice.parse(name, expression)
            except ConfigError as error:
                raise ConfigError(f"{path} [slices]: {error}") from None
        return Workspace(folder, config, Store.open(folder), clock)

    @staticmethod
    def create(folder: Path, config: Config, clock: Callable[[], str] = utc_now) -> Workspace:
        """Make a project; the folder may exist but must hold nothing that is not a project's.

        The store comes first and tilth.toml last: a folder without tilth.toml is an interrupted start.
        """
        refuse_foreign(folder)
        started = (folder / "data" / "tilth.db").is_file()
        store = Store.open(folder) if started else Store.create(folder)
        configuration.save(config, folder / configuration.FILE)
        return Workspace(folder, config, store, clock)

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def head(self, dataset: str) -> Version:
        """The newest version of a data set.

        Raises
        ------
        NotFound : it has no rows yet.
        """
        version = self.store.head(dataset)
        if version is None:
            raise NotFound(f"data set {dataset!r} has no rows yet; take some in with: tilth ingest FILE")
        return version

    def snapshot(self, version: Version) -> Snapshot:
        """The rows of a version; the last few are kept in memory."""
        if version.id not in self._snapshots:
            while len(self._snapshots) > 3:
                self._snapshots.pop(next(iter(self._snapshots)))
            self._snapshots[version.id] = self.store.snapshot(version)
        return self._snapshots[version.id]

    def evaluation(self) -> Snapshot:
        """Rows of the evaluation set; empty when there is none."""
        version = self.store.head(EVAL)
        return EMPTY if version is None else self.snapshot(version)

    def table(self, rows: Snapshot) -> Table:
        """Rows as slices see them; columns of train and of the evaluation set can be named in either."""
        head = self.store.head(TRAIN)
        train = EMPTY if head is None else self.snapshot(head)
        also = [*train.columns, *self.evaluation().columns]
        return Table(rows, text=self.config.columns.text, label=self.config.columns.label, also=also)

    def named_slices(self, rows: Snapshot) -> dict[str, np.ndarray]:
        """Name to mask of the slices in tilth.toml.

        Raises
        ------
        ConfigError : an expression names a column that there is not.
        """
        table = self.table(rows)
        return {n: Slice.parse(n, e).mask(table) for n, e in self.config.slices.items()}

    def gates(self) -> str:
        """Digest of the slices and floors that a trial has to pass, "" where there are none."""
        both = self.config.slices, self.config.floors
        return hashlib.sha256(repr(both).encode()).hexdigest()[:12] if any(both) else ""

    def eval_id(self) -> str:
        """Id of the pinned evaluation version, "" when there is none."""
        version = self.store.head(EVAL)
        return "" if version is None else version.id

    @property
    def recipe(self) -> Recipe:
        """The project's recipe."""
        if self._recipe is None:
            from tilth.recipes import by_name

            choice = self.config.recipe
            self._recipe = by_name(
                choice.name,
                encoder=choice.encoder,
                cache=self.folder / "data" / "embeddings.db",
                ngrams=choice.ngrams,
            )
        return self._recipe

    def key(self, *parts: object) -> str:
        """Name of a computation: digest of what it depends on, besides recipe and settings."""
        text = repr((self.recipe.name, self.config.columns, self.config.goal.metric, *parts))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def view(self, progress: Progress | None = None) -> View:
        """What detectors see of the head of train, P(wrong) recalibrated by the verdicts there are."""
        from dataclasses import replace

        found = self.claims(progress)
        signals = self.trust(progress).signals
        return found if signals is found.signals else replace(found, signals=signals)

    @property
    def computed(self) -> Computed:
        """What was computed of versions and is kept on disk."""
        from tilth.computed import Computed

        return Computed(self.folder / "data" / "cache")

    def response(self, progress: Progress | None = None) -> Response:
        """How predictions on the head of train answer to changes of labels, by all verdicts so far.

        What no verdict changes is computed once for a version.
        """
        from dataclasses import replace

        import tilth
        from tilth.computed import FROM_ROWS, read_response, write_response
        from tilth.trial.gains import respond

        claims, target = self.claims(progress), self.trust(progress).signals.posterior
        parts = ("response", self.head(TRAIN).id, self.eval_id(), self.config.copies.threshold)
        name = self.key(*parts, self.config.recipe, tilth.__version__)
        if self._response is None or self._response[0] != name:
            found = read_response(self.computed, name, target)
            if found is None:
                found = respond(claims, self.recipe.penalty, self.config.goal.metric)
                if len(claims.train) >= FROM_ROWS:
                    write_response(self.computed, name, found)
            self._response = (name, found)
        found = self._response[1]
        return replace(found, target=target[found.rows])

    def told(self) -> dict[str, list[dict[str, str]]]:
        """Row to the findings of the newest audit of the head, code and message; empty before an audit."""
        version = self.head(TRAIN).id
        if self._told[0] != version and (known := self.store.last_record("audit", version)):
            found: dict[str, list[dict[str, str]]] = {}
            for f in known["findings"]:
                if f["code"] != ABOUT_EVALUATION:
                    for row in f["rows"]:
                        found.setdefault(row, []).append({"code": f["code"], "message": f["message"]})
            self._told = (version, found)
        return self._told[1] if self._told[0] == version else {}

    def quality(self) -> list[Interval]:
        """Quality of each annotator, in the order of the votes; empty without judgements."""
        from tilth.audit.contested import consensus_of

        view = self.claims()
        key = f"{self.head(TRAIN).id} {self.store.judgements_digest()}"
        if view.judged is not None and self._quality[0] != key:
            self._quality = (key, consensus_of(view.judged, view.signals).quality())
        return self._quality[1] if self._quality[0] == key else []

    def words(self) -> dict[int, Counter[str]]:
        """Class number to the number of rows of the head with each word, as far as it was counted."""
        version = self.head(TRAIN).id
        if self._words[0] != version:
            self._words = (version, {})
        return self._words[1]

    def trust(self, progress: Progress | None = None) -> Trust:
        """How far P(wrong) of the head of train can be trusted, by prior or verdicts."""
        from tilth.audit.trust import trust

        found = self.claims(progress)
        key = (self.head(TRAIN).id, self.eval_id(), self.store.verdict_mark(TRAIN))
        if self._trust is None or self._trust[0] != key:
            counting, disputed = self.store.standing_verdicts(TRAIN)
            self._trust = (key, trust(found.signals, found.train, counting, disputed=disputed))
        return self._trust[1]

    def heard(self) -> tuple[int, ...]:
        """What stands for the verdicts so far in the name of a computation; empty before the first."""
        mark = self.store.verdict_mark(TRAIN)
        return (mark,) if mark else ()

    def audit_key(self, version: str) -> str:
        """Name of the audit of a version; verdicts and plug-ins make another audit."""
        from tilth.audit.run import offered

        others = [(p.name, p.package, p.digest, p.problem) for p in offered()]
        if self.config.copies.threshold != 0.7:
            others.append(("copies", "", str(self.config.copies.threshold), ""))
        return self.key("audit", version, self.eval_id(), *self.heard(), *self._said(), *others)

    def claims(self, progress: Progress | None = None) -> View:
        """The view before any verdict is heard; computed once in a process."""
        import tilth
        from tilth.audit.run import look
        from tilth.computed import FROM_ROWS, read_view, write_view

        version = self.head(TRAIN)
        key = (version.id, f"{self.eval_id()} {self.store.judgements_digest()}")
        if key not in self._views:
            text = self.config.columns.text
            rows, evaluation = self.snapshot(version), self.evaluation()
            self._refuse_unreadable(rows)
            parts = ("view", version.id, self.eval_id(), self.config.copies.threshold)
            name, kept = self.key(*parts, self.config.recipe, tilth.__version__), self.computed
            found = read_view(kept, name, rows, evaluation, text, self.recipe)
            if found is None:
                found = look(
                    self.recipe, rows, evaluation, text, progress=progress,
                    threshold=self.config.copies.threshold,
                )  # fmt: skip
                if len(rows) >= FROM_ROWS:
                    write_view(kept, name, found)
            self._views = {key: replace(found, judged=self.judged())}
        return self._views[key]

    def judged(self) -> Judged | None:
        """Votes of several annotators and the rows they are about; None before any were taken in."""
        from tilth.votes import join

        sheets = [found for _, found in self.store.judgements()]
        if not sheets:
            return None
        version = self.store.head(TRAIN)
        train = EMPTY if version is None else self.snapshot(version)
        return join(sheets, train, self.evaluation(), self.config.columns.text)

    def _cited(self, findings: Sequence[Finding]) -> list[Finding]:
        """The findings with the clause of the label guide that they fall under."""
        from tilth.audit.cited import cite
        from tilth.guide import parse

        versions = self.store.records(GUIDE)
        if not versions:
            return list(findings)
        newest = versions[-1]
        return cite(findings, parse(newest["text"]), newest["version"])

    def _said(self) -> list[str]:
        """What people said about the data that an audit depends on; empty when nobody said anything."""
        guides = len(self.store.records(GUIDE))
        return [x for x in (self.store.judgements_digest(), f"guide {guides}" if guides else "") if x]

    def _refuse_unreadable(self, rows: Snapshot) -> None:
        """Nothing can be said about no rows, or about rows without a text."""
        if not any(label is not None for label in rows.labels):
            raise Refused(
                f"none of the {len(rows):,} rows in train has a label, so there is nothing to learn from. "
                "Take rows in with: tilth ingest FILE, or undo the last change; see: tilth log"
            )
        text = self.config.columns.text
        if text not in rows.columns:
            near = difflib.get_close_matches(text, rows.columns, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"they have {', '.join(map(repr, rows.columns))}"
            raise ConfigError(f"{configuration.FILE} [columns] text: no row has a column {text!r}; {hint}")

    def audit(self, progress: Progress | None = None, *, self_test: bool = False) -> Audit:
        """Audit the head of train; the result is kept, so the same audit never runs twice.

        Parameters
        ----------
        self_test : also say what is found of faults planted in a copy of the rows.
        """
        from tilth.audit.base import Finding
        from tilth.audit.run import Audit

        version = self.head(TRAIN)
        key = self.audit_key(version.id)
        known = self.store.record("audit", key)
        if known is not None and not known["failed"]:
            known["findings"] = [Finding.from_json(f) for f in known["findings"]]
            result, new = Audit(**known), False
        else:
            result, new = self._audit(version, progress), True
        if self_test and not result.self_test:
            result, new = self._self_test(result, progress), True
        if new:
            body: dict[str, Any] = {
                **{k: getattr(result, k) for k in result.__dataclass_fields__},
                "findings": [f.to_json() for f in result.findings],
            }
            self.store.put_record("audit", key, body, subject=version.id, now=self.clock())
        return result

    def _audit(self, version: Version, progress: Progress | None) -> Audit:
        """Run all detectors."""
        import time
        from dataclasses import replace

        from tilth.audit.run import audit
        from tilth.audit.settled import settle

        began = time.process_time()
        view = self.view(progress)
        eval_id, recipe = self.eval_id(), self.recipe.name
        found = audit(
            view,
            version=version.id,
            eval_version=eval_id,
            recipe=recipe,
            began=began,
            clock=time.process_time,
        )
        cited = self._cited(settle(found.findings, view, self.store.verdicts(TRAIN)))
        return replace(found, findings=cited, trust=self.trust(progress).to_json())

    def _self_test(self, audit: Audit, progress: Progress | None) -> Audit:
        """The audit with what it finds of planted faults; also a self-test that fails says so."""
        import time
        from dataclasses import replace

        from tilth.audit.selftest import SelfTest, self_test
        from tilth.audit.trust import trust

        began, view = time.process_time(), self.view(progress)
        if progress:
            progress("self-test", 0, 1)
        try:
            found = self_test(self.recipe, view, audit.findings, self.config.columns.text)
        except Exception as error:  # as for a detector: to be seen, not to take the audit down
            found = SelfTest(0, audit.rows, failed=f"{type(error).__name__}: {error}")
        believed = audit.trust
        if found.curve and not self.heard():
            claims = self.claims(progress)
            believed = trust(claims.signals, claims.train, (), found.curve).to_json()
        seconds = audit.seconds + time.process_time() - began
        return replace(audit, self_test=found.to_json(), trust=believed, seconds=seconds)
