"""Project: the whole of Tilth in one object; each method is a verb of the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilth import decisions
from tilth import patch as patches
from tilth.config import FILE
from tilth.data import Version
from tilth.errors import InputError, NotFound
from tilth.files import read_text, write_text
from tilth.patch import Op, Patch
from tilth.signals import Progress
from tilth.workspace import TRAIN, Workspace, utc_now

if TYPE_CHECKING:
    from tilth.annotators import Annotators
    from tilth.audit.run import Audit
    from tilth.duplicates import Duplicates
    from tilth.guide import Clause
    from tilth.improvement import Improvement
    from tilth.intake import Intake
    from tilth.learning import LearningCurves
    from tilth.ledger import Ledger
    from tilth.plan import Plan
    from tilth.reviews import Batch, Relabelling, Verdicts
    from tilth.slice_table import Confusions, Kept, SliceTable
    from tilth.store import PatchInfo, PatchState
    from tilth.trial.record import Trial
    from tilth.verdicts import Said

__all__ = ["Project", "open_project"]


def open_project(folder: str | Path) -> Project:
    """The project in a folder; it may not exist yet, `ingest` then makes it."""
    return Project(folder)


class Project:
    """A folder with tilth.toml and data/; every method reads the newest state and writes atomically.

    Parameters
    ----------
    folder : the project folder.
    clock : gives the present time as ISO 8601 text.
    progress : called as progress(step, done, total) during long work.
    """

    def __init__(
        self, folder: str | Path, *, clock: Callable[[], str] = utc_now, progress: Progress | None = None
    ) -> None:
        self.folder, self.clock, self.progress = Path(folder), clock, progress
        self._workspace: Workspace | None = None

    @property
    def workspace(self) -> Workspace:
        """The open workspace.

        Raises
        ------
        ProjectError : there is no project in the folder.
        """
        if self._workspace is None:
            self._workspace = Workspace.open(self.folder, self.clock)
        return self._workspace

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the store; the next call opens it again."""
        if self._workspace is not None:
            self._workspace.close()
            self._workspace = None

    def ingest(
        self,
        data: object,
        *,
        text: str | None = None,
        label: str | None = None,
        id: str | None = None,
        eval: object | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        skip_bad: bool = False,
        allow_unlabelled: bool = False,
        recipe: str | None = None,
        encoder: str | None = None,
    ) -> Intake:
        """Take a file, DataFrame or data set in; the first time this makes the project.

        Parameters
        ----------
        data : path, pandas DataFrame or datasets.Dataset.
        text, label, id : column names; guessed when not given.
        eval : evaluation rows of their own; else a share of the data is set apart.
        encoding, delimiter : of a text file; by default judged by what it holds.
        skip_bad, allow_unlabelled : set bad rows aside; take rows without a label in.
        recipe, encoder : recipe of a new project, default text-linear.v1.

        Raises
        ------
        BadRows : rows that cannot be read; nothing was taken in.
        InputError : the file or a column cannot be used.
        """
        from tilth import setup
        from tilth.intake import choose_columns, take_in

        reading = {"encoding": encoding, "delimiter": delimiter}
        known = self.workspace if (self.folder / FILE).is_file() else None
        if fresh := known is None or not known.store.datasets():
            setup.refuse_early(self.folder, recipe, encoder)
            columns, reasons = choose_columns(data, text=text, label=label, id=id, **reading)
        else:
            setup.same_settings(self.workspace.config, text, label, id, recipe, encoder)
            columns, reasons = self.workspace.config.columns, {}

        def workspace() -> Workspace:
            if fresh:
                self._workspace = setup.make(
                    self.folder, known, columns, eval is not None, recipe, encoder, self.clock
                )
            return self.workspace

        return take_in(
            workspace, columns, data, evaluation=eval,
            skip_bad=skip_bad, allow_unlabelled=allow_unlabelled, first=fresh, reasons=reasons,
            progress=self.progress, **reading,
        )  # fmt: skip

    def audit(self, *, self_test: bool = True) -> Audit:
        """Findings on the head of train; kept, so that the same audit never runs twice.

        Parameters
        ----------
        self_test : also plant faults in a copy of the rows and say what is found of them.
        """
        return self.workspace.audit(self.progress, self_test=self_test)

    def sample(self, n: int = 60, *, out: str | Path | None = None, seed: int | None = None) -> Batch:
        """Draw rows for review with known inclusion probabilities, partly by suspicion.

        Parameters
        ----------
        n : how many rows; those that have a verdict are not drawn again.
        out : a .csv or .jsonl file to fill in and to give to `verdict`.
        seed : of the draw; by default each draw has its own.

        Raises
        ------
        Refused : every row has a verdict.
        """
        from tilth.reviews import draw

        return draw(self.workspace, n, seed=seed, out=None if out is None else Path(out))

    def verdict(self, verdicts: str | Path | Sequence[Said] = (), *, reviewer: str = "person") -> Verdicts:
        """Take verdicts in and say what is believed by now; all of them or none.

        Parameters
        ----------
        verdicts : a file (CSV or JSON Lines), or the verdicts; none: only say where the review stands.
        reviewer : who decided; recorded.

        Raises
        ------
        InputError : a line that cannot be read, or an unknown label.
        NotFound : a row that is not in train.
        """
        from tilth.reviews import take_in
        from tilth.verdicts import parse

        if isinstance(verdicts, str | Path):
            verdicts = parse(read_text(Path(verdicts)), name=Path(verdicts).name)
        return take_in(self.workspace, verdicts, reviewer)

    def relabel(self, *, fdr: float | None = None, revises: str = "") -> Relabelling:
        """Propose a patch of what reviewers decided, and of more rows at a false-discovery rate.

        Parameters
        ----------
        fdr : take the largest set of rows of whose relabels at most this share is wrong; None: only
            what was decided.
        revises : a proposed patch; only its rows are looked at.
        """
        from tilth.reviews import relabel

        return relabel(self.workspace, rate=fdr, revises=revises)

    def slices(self) -> SliceTable:
        """Where the model is weak: named and discovered slices, classes, and whether floors are held."""
        from tilth.slice_table import slices

        return slices(self.workspace, self.progress)

    def keep_slice(self, name: str, *, floor: float | None = None) -> Kept:
        """Write a discovered slice, and its floor, into tilth.toml: a gate of every later trial."""
        from tilth.slice_table import keep

        return keep(self.workspace, name, floor, self.progress)

    def confusions(self) -> Confusions:
        """Pairs of classes that are taken for each other more than others."""
        from tilth.slice_table import confusions

        return confusions(self.workspace, self.progress)

    def annotators(
        self,
        data: object | None = None,
        *,
        item: str | None = None,
        annotator: str | None = None,
        label: str | None = None,
        text: str | None = None,
        out: str | Path | None = None,
        **reading: Any,
    ) -> Annotators:
        """Take judgements of several annotators in, where given; how far they agree and how good they are.

        Parameters
        ----------
        data : file, DataFrame or data set with one row for each judgement; None: those that are there.
        item, annotator, label, text : column names; guessed when not given.
        out : a .csv or .jsonl file for the consensus on every judged item.
        reading : encoding, delimiter and skip_bad, as for `ingest`.

        Raises
        ------
        BadRows : rows that cannot be used; nothing was taken in.
        NotFound : there are no judgements.
        """
        from tilth.annotators import examine, take_judgements

        names: dict[str, Any] = {"item": item, "annotator": annotator, "label": label, "text": text}
        intake = None if data is None else take_judgements(self.workspace, data, **names, **reading)
        return examine(self.workspace, intake, self.progress, out=None if out is None else Path(out))

    def propose_judged(self) -> PatchInfo | None:
        """Propose judged items that are in no data set as new rows; None where there are none."""
        from tilth.annotators import propose_rows

        patch = propose_rows(self.workspace, self.progress)
        return None if patch is None else self.workspace.store.patch_info(patch.id)

    def guide(self) -> dict[str, Any]:
        """The label guide as it stands in guide.md, and whether that is the newest version."""
        from tilth.guidebook import show

        return show(self.workspace)

    def draft_guide(self, most: int = 5) -> list[Clause]:
        """Write drafts of clauses for the most confused pairs of classes into guide.md."""
        from tilth.guidebook import draft

        return draft(self.workspace, most, self.progress)

    def save_guide(self, *, author: str = "person", note: str = "") -> dict[str, Any] | None:
        """Keep guide.md as a new version, which findings cite; None when nothing changed."""
        from tilth.guidebook import save

        return save(self.workspace, author=author, note=note)

    def guide_history(self) -> list[dict[str, Any]]:
        """Versions of the guide, oldest first."""
        from tilth.guidebook import history

        return history(self.workspace)

    def guide_diff(self, first: int | None = None, second: int | None = None) -> list[dict[str, str]]:
        """What changed between two versions of the guide; None: the newest version, and the file."""
        from tilth.guidebook import compare

        return compare(self.workspace, first, second)

    def curve(self, *, worth: float | None = None) -> LearningCurves:
        """What more rows would bring; kept, never measured twice. `worth`: least gain worth collecting for.

        Raises
        ------
        TrialError : too few labelled rows, or one class only.
        """
        from tilth.learning import learning_curves

        return learning_curves(self.workspace, worth=worth, progress=self.progress)

    def duplicates(self, threshold: float | None = None) -> Duplicates:
        """Groups of copies in train and the evaluation set; another threshold needs no new search."""
        from tilth.duplicates import duplicates

        return duplicates(self.workspace, threshold, self.progress)

    def propose(self) -> list[PatchInfo]:
        """Make a handful of patches out of the findings, the largest predicted gain first."""
        from tilth.evaluation import propose_repair
        from tilth.improve import propose

        made = propose(self.workspace, self.progress)
        found = [self.workspace.store.patch_info(patch.id) for _, patch, _ in made]
        repair = propose_repair(self.workspace)
        return found + ([repair] if repair else [])

    def patch(self, ref: str) -> Patch:
        """A patch by the first characters of its id."""
        return self.workspace.store.patch(ref)

    def patches(self, state: PatchState | None = None) -> list[PatchInfo]:
        """All patches, or those in a state, oldest first.

        A proposed patch whose base is not the head of its data set any more is "stale": it can be made
        again with `rebase`. It is proposed again when the head comes back to its base.
        """
        return decisions.standing(self.workspace, state)

    def add_patch(self, patch: Patch) -> PatchInfo:
        """Put a patch (for example one read from a file) on record as proposed.

        Raises
        ------
        NotFound : its base is no version of this project.
        StaleOp : a row of the base is not as an op says.
        """
        return decisions.put_on_record(self.workspace, patch)

    def read_patch(self, path: str | Path) -> Patch:
        """Read a patch file; a PatchError names the line that cannot be read."""
        return decisions.read(Path(path))

    def write_patch(self, ref: str, path: str | Path) -> Path:
        """Write a patch as a JSON Lines file that can be edited and put in a git pull request."""
        return write_text(Path(path), patches.render(self.patch(ref)))

    def rebase(self, ref: str) -> PatchInfo:
        """The same ops on the present head, where they still fit; the old patch is superseded.

        Raises
        ------
        StaleOp : a row changed since.
        """
        return decisions.rebase(self.workspace, ref)

    def trial(self, ref: str | Patch) -> Trial:
        """Measure a patch with and without, on the evaluation rows that decide; kept for `accept`.

        Parameters
        ----------
        ref : the first characters of the id of a patch on record, or a patch, which is put on record.
        """
        return decisions.measure(self.workspace, ref, self.progress)

    def accept(
        self, ref: str | Patch, *, force: str = "", author: str = "person", reason: str = ""
    ) -> Version:
        """Make a patch part of its data set.

        Parameters
        ----------
        ref : as for `trial`.
        force : a reason, recorded, to accept what was not measured or is worse.
        reason : why, recorded; a patch of the evaluation set is not accepted without one.

        Raises
        ------
        HeadMoved : the data set changed since the patch was made.
        Refused : not measured, worse, or a slice got worse, and no reason was given.
        """
        why = {"force": force.strip(), "reason": reason.strip()}
        return decisions.accept(self.workspace, ref, author=author, **why)

    def reject(self, ref: str, *, reason: str, author: str = "person") -> PatchInfo:
        """Put a patch aside with a reason."""
        return decisions.reject(self.workspace, ref, reason=reason, author=author)

    def revert(self, ref: str, *, author: str = "person") -> Version:
        """Undo an accepted patch by its inverse, as a new version.

        Raises
        ------
        Refused : the patch is not accepted.
        StaleOp : a later patch changed the same rows.
        """
        return decisions.revert(self.workspace, ref, author=author)

    def log(self, dataset: str = TRAIN) -> list[Version]:
        """Versions of a data set, oldest first."""
        versions = self.workspace.store.versions(dataset)
        if not versions:
            names = ", ".join(self.workspace.store.datasets()) or "none yet"
            raise NotFound(f"data set {dataset!r} has no versions; there are {names}")
        return versions

    def diff(self, a: str, b: str) -> Iterator[Op]:
        """Ops that turn version a into version b (of one data set)."""
        store = self.workspace.store
        first = store.version(a)
        return store.diff(first, store.version(b, first.dataset))

    def diff_counts(self, a: str, b: str) -> dict[str, int]:
        """How many rows differ between two versions, by kind of op."""
        store = self.workspace.store
        first = store.version(a)
        return store.diff_counts(first, store.version(b, first.dataset))

    def checkout(self, ref: str, out: str | Path) -> Path:
        """Write the rows of a version to a CSV, TSV, JSON Lines or Parquet file, atomically."""
        from tilth.export import write_rows

        store, columns = self.workspace.store, self.workspace.config.columns
        version = store.version(ref)
        return write_rows(lambda: store.rows(version), Path(out), columns)

    def status(self) -> dict[str, Any]:
        """Where the project stands, as a JSON object."""
        from tilth.status import status

        return status(self.workspace)

    def plan(self, *, out: str | Path | None = None) -> Plan:
        """The next actions of all kinds, best expected gain a minute first, and what is in the way.

        Parameters
        ----------
        out : a .csv or .jsonl file for the rows to review next, in order, to fill in for `verdict`.
        """
        from tilth.plan import plan

        return plan(self.workspace, self.progress, out=None if out is None else Path(out))

    def review(self, *, port: int = 0, browser: bool = True, started: Callable[[str], None]) -> None:
        """Serve the review page on this machine alone until it is interrupted.

        `started` is called with the address; port 0 is the project's own, or a free one where that is taken.

        Raises
        ------
        MissingExtra : the packages of the extra `review` are not installed.
        """
        from tilth.review import serve

        serve(self, port=port, browser=browser, started=started)

    def ledger(self) -> Ledger:
        """Predicted against realised gains; minutes and money in, measured gain out."""
        from tilth.ledger import ledger

        return ledger(self.workspace)

    def last_result(self) -> dict[str, Any] | None:
        """The newest result of `improve`; None before the first."""
        from tilth.status import last_result

        return last_result(self.workspace)

    def improve(self, data: object | None = None, **options: Any) -> Improvement:
        """Ingest (when data are given), audit, propose, try and accept what is better.

        Parameters
        ----------
        data : as for `ingest`; None works on what is in the project.
        options : as for `ingest`.
        """
        from tilth.improve import improve
        from tilth.improvement import Improvement

        if data is not None:
            self.ingest(data, **options)
        elif options:
            raise InputError(f"{', '.join(options)}: these say how data are taken in, but no data were given")
        result = Improvement(improve(self.workspace, self.progress))
        self._write_report(result.body)
        return result

    def report(self, out: str | Path | None = None) -> Path:
        """Write the HTML report of the last run; returns its path.

        Raises
        ------
        NotFound : `improve` was not run yet.
        """
        result = self.last_result()
        if result is None:
            raise NotFound("there is nothing to report yet; run: tilth improve")
        return self._write_report(result, out)

    def _write_report(self, result: dict[str, Any], out: str | Path | None = None) -> Path:
        from tilth.report.html import render

        return write_text(Path(out or self.folder / "report.html"), render(result))
