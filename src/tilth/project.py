"""Project: the whole of Tilth in one object; each method is a verb of the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tilth import patch as patches
from tilth.config import ColumnNames, Config, Evaluation, RecipeChoice
from tilth.data import Version
from tilth.errors import HeadMoved, InputError, NotFound, PatchError, Refused
from tilth.patch import Op, Patch
from tilth.signals import Progress
from tilth.workspace import TRAIN, Workspace, utc_now

if TYPE_CHECKING:
    import pandas

    from tilth.audit.run import Audit
    from tilth.intake import Intake
    from tilth.store import PatchInfo, PatchState
    from tilth.trial.record import Trial

__all__ = ["Improvement", "Project", "open_project"]


@dataclass(frozen=True)
class Improvement:
    """What `improve` did; `body` is the JSON object that the report shows."""

    body: dict[str, Any]

    @property
    def gain(self) -> float | None:
        """Change of the metric on evaluation rows that decided nothing; None without such rows."""
        gain = self.body["gain"]
        return None if gain is None else float(gain["value"])

    @property
    def accepted(self) -> list[dict[str, Any]]:
        """The patches that were accepted."""
        return [p for p in self.body["patches"] if p["state"] == "accepted"]

    def to_json(self) -> dict[str, Any]:
        """The JSON object."""
        return self.body

    def to_pandas(self) -> pandas.DataFrame:
        """One line a patch that was tried."""
        from tilth.frames import frame

        keep = ("id", "title", "state", "verdict", "gain", "low", "high", "predicted", "minutes")
        return frame([{k: p[k] for k in keep} for p in self.body["patches"]])

    def _repr_html_(self) -> str:
        import html

        from tilth.report.html import render

        page = html.escape(render(self.body), quote=True)
        return f'<iframe sandbox srcdoc="{page}" width="100%" height="600"></iframe>'


def open_project(folder: str | Path) -> Project:
    """The project in a folder; it may not exist yet, `ingest` then makes it."""
    return Project(Path(folder))


class Project:
    """A folder with tilth.toml and data/; every method reads the newest state and writes atomically.

    Parameters
    ----------
    folder : the project folder.
    clock : gives the present time as ISO 8601 text.
    progress : called as progress(step, done, total) during long work.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], str] = utc_now,
        progress: Progress | None = None,
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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
        skip_bad : set rows that cannot be read aside instead of refusing the file.
        recipe, encoder : recipe of a new project, default text-linear.v1.

        Raises
        ------
        BadRows : rows that cannot be read; nothing was taken in.
        InputError : the file or a column cannot be used.
        """
        from tilth.intake import choose_columns, take_in

        reasons: dict[str, str] = {}
        if not (self.folder / "tilth.toml").is_file():
            columns, reasons = choose_columns(data, text=text, label=label, id=id, encoding=encoding)
            self._create(columns, eval, recipe, encoder)
        else:
            self._same_columns(text, label, id)
        before = self.workspace.config
        result = take_in(
            self.workspace,
            data,
            evaluation=eval,
            encoding=encoding,
            skip_bad=skip_bad,
            allow_unlabelled=allow_unlabelled,
            reasons=reasons,
            progress=self.progress,
        )
        if self.workspace.config != before:
            from tilth.config import save

            save(self.workspace.config, self.folder / "tilth.toml")
        return result

    def _create(
        self, columns: ColumnNames, eval: object | None, recipe: str | None, encoder: str | None
    ) -> None:
        from tilth.recipes import by_name

        name = recipe or "text-linear.v1"
        by_name(name, encoder=encoder or "")  # refuse an unknown or missing recipe before anything is made
        config = Config(
            name=self.folder.resolve().name,
            columns=columns,
            recipe=RecipeChoice(name, encoder or ""),
            evaluation=Evaluation() if eval is None else Evaluation("file", 0.0),
        )
        self._workspace = Workspace.create(self.folder, config, self.clock)

    def _same_columns(self, text: str | None, label: str | None, id: str | None) -> None:
        known = self.workspace.config.columns
        for option, given, has in (
            ("text", text, known.text),
            ("label", label, known.label),
            ("id", id, known.id),
        ):
            if given is not None and given != has:
                raise InputError(
                    f"this project reads the {option} from column {has!r}, not {given!r}; "
                    "change tilth.toml, or use another --project"
                )

    def audit(self) -> Audit:
        """Findings on the head of train; kept, so that the same audit never runs twice."""
        return self.workspace.audit(self.progress)

    def propose(self) -> list[PatchInfo]:
        """Make a handful of patches out of the findings, the largest predicted gain first."""
        from tilth.improve import propose

        made = propose(self.workspace, self.progress)
        return [self.workspace.store.patch_info(patch.id) for _, patch, _ in made]

    def patch(self, ref: str) -> Patch:
        """A patch by the first characters of its id."""
        return self.workspace.store.patch(ref)

    def patches(self, state: PatchState | None = None) -> list[PatchInfo]:
        """All patches, or those in a state, oldest first."""
        return self.workspace.store.patches(state)

    def add_patch(self, patch: Patch) -> PatchInfo:
        """Put a patch (for example one read from a file) on record as proposed."""
        for op in patch.ops:
            if op.after is not None and op.after.label == "":
                raise PatchError(f"row {op.row_id!r}: a label must not be empty; use null for none")
        meta = {"minutes": self.workspace.config.minutes.of(patch.counts())}
        self.workspace.store.save_patch(patch, meta=meta, now=self.clock())
        return self.workspace.store.patch_info(patch.id)

    def read_patch(self, path: str | Path) -> Patch:
        """Read a patch file.

        Raises
        ------
        PatchError : with file and line.
        """
        path = Path(path)
        try:
            return patches.parse(path.read_text("utf-8"), name=path.name)
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise PatchError(f"{path}: not UTF-8 text (byte {error.start})") from error

    def write_patch(self, ref: str, path: str | Path) -> Path:
        """Write a patch as a JSON Lines file that can be edited and put in a git pull request."""
        path = Path(path)
        draft = path.with_name(path.name + ".part")
        draft.write_text(patches.render(self.patch(ref)), "utf-8")
        draft.replace(path)
        return path

    def rebase(self, ref: str) -> PatchInfo:
        """The same ops on the present head, where they still fit.

        Raises
        ------
        StaleOp : a row changed since.
        """
        old = self.patch(ref)
        head = self.workspace.head(old.dataset)
        patches.apply(self.workspace.snapshot(head), old)
        return self.add_patch(replace(old, base=head.id, revises=old.id, created=self.clock()))

    def trial(self, ref: str | Patch) -> Trial:
        """Measure a patch with and without, on the evaluation rows that decide; kept for `accept`."""
        from tilth.trials import measure_patch

        store = self.workspace.store
        patch = ref if isinstance(ref, Patch) else self.patch(ref)
        self.add_patch(patch)
        known = self._trial_of(patch.id)
        if known is not None and known.judge == f"eval:{self.workspace.eval_id()}":
            return known
        trial = measure_patch(self.workspace, patch, progress=self.progress)
        info = store.patch_info(patch.id)
        trial = replace(trial, predicted=info.meta.get("predicted"))
        body = trial.to_json()
        store.put_record("trial", f"{patch.id}:{trial.judge}", body, subject=patch.id, now=self.clock())
        return trial

    def _trial_of(self, patch_id: str) -> Trial | None:
        """The newest trial of a patch that still counts: its judge has not changed."""
        from tilth.trial.record import Trial

        for body in reversed(self.workspace.store.records("trial", patch_id)):
            if body["judge"] in (f"eval:{self.workspace.eval_id()}",) or body["judge"].startswith("held"):
                return Trial.from_json(body)
        return None

    def accept(self, ref: str, *, force: str = "", author: str = "person") -> Version:
        """Make a patch part of its data set.

        Parameters
        ----------
        force : a reason, recorded, to accept what was not measured or is worse.

        Raises
        ------
        HeadMoved : the data set changed since the patch was made.
        Refused : not measured, worse, or a slice got worse, and no reason was given.
        """
        store = self.workspace.store
        patch = self.patch(ref)
        head = self.workspace.head(patch.dataset) if patch.base else None
        if head is not None and patch.base != head.id:
            raise HeadMoved(
                f"patch {patch.id} was made on version {patch.base[:12]}, the head of {patch.dataset} is "
                f"{head.id[:12]} now. Make it again with: tilth rebase {patch.id}"
            )
        trial = self._trial_of(patch.id)
        if patch.dataset == TRAIN and not force:
            if trial is None:
                raise Refused(
                    f"patch {patch.id} was not measured. Run: tilth trial {patch.id} "
                    "(or give a reason with --force REASON)"
                )
            if trial.verdict == "worse":
                raise Refused(f"patch {patch.id} makes the model worse; give a reason with --force REASON")
            if trial.regressions:
                names = ", ".join(s.name for s in trial.regressions)
                raise Refused(
                    f"patch {patch.id} makes a slice worse: {names}; give a reason with --force REASON"
                )
        info = store.patch_info(patch.id)
        meta = {**info.meta, "judge": trial.judge if trial else "", "forced": force}
        store.save_patch(patch, meta=meta, now=self.clock())
        version = store.commit(patch, note=patch.title or f"patch {patch.id}", now=self.clock())
        reason = f"forced: {force}" if force else (trial.verdict if trial else "")
        store.set_patch_state(patch.id, "accepted", reason=reason, author=author, now=self.clock())
        return version

    def reject(self, ref: str, *, reason: str, author: str = "person") -> PatchInfo:
        """Put a patch aside with a reason."""
        store = self.workspace.store
        info = store.patch_info(ref)
        if info.state == "accepted":
            raise Refused(f"patch {info.id} is accepted already; undo it with: tilth revert {info.id}")
        store.set_patch_state(info.id, "rejected", reason=reason, author=author, now=self.clock())
        return store.patch_info(info.id)

    def revert(self, ref: str, *, author: str = "person") -> Version:
        """Undo an accepted patch by its inverse, as a new version.

        Raises
        ------
        Refused : the patch is not accepted.
        StaleOp : a later patch changed the same rows.
        """
        store = self.workspace.store
        info = store.patch_info(ref)
        if info.state != "accepted":
            raise Refused(f"patch {info.id} is {info.state}, not accepted; there is nothing to undo")
        inverse = patches.invert(store.patch(info.id), self.workspace.head(info.dataset).id)
        inverse = replace(inverse, author=author, created=self.clock())
        version = store.commit(inverse, note=inverse.title, now=self.clock())
        store.set_patch_state(
            info.id, "reverted", reason=f"by patch {inverse.id}", author=author, now=self.clock()
        )
        return version

    def log(self, dataset: str = TRAIN) -> list[Version]:
        """Versions of a data set, oldest first."""
        versions = self.workspace.store.versions(dataset)
        if not versions:
            raise NotFound(f"data set {dataset!r} has no versions; there are {self._names()}")
        return versions

    def _names(self) -> str:
        return ", ".join(self.workspace.store.datasets()) or "none yet"

    def diff(self, a: str, b: str) -> Iterator[Op]:
        """Ops that turn version a into version b (of one data set)."""
        store = self.workspace.store
        first = store.version(a)
        second = store.version(b, first.dataset)
        return store.diff(first, second)

    def diff_counts(self, a: str, b: str) -> dict[str, int]:
        """How many rows differ between two versions, by kind of op."""
        store = self.workspace.store
        first = store.version(a)
        return store.diff_counts(first, store.version(b, first.dataset))

    def checkout(self, ref: str, out: str | Path) -> Path:
        """Write the rows of a version to a CSV, TSV, JSON Lines or Parquet file, atomically."""
        from tilth.export import write_rows

        store, columns = self.workspace.store, self.workspace.config.columns
        return write_rows(store.rows(store.version(ref)), Path(out), columns)

    def status(self) -> dict[str, Any]:
        """Where the project stands, as a JSON object."""
        ws = self.workspace
        sets = []
        for name in ws.store.datasets():
            version = ws.head(name)
            labels = ws.store.counts_by_label(version)
            sets.append(
                {
                    "name": name,
                    "rows": version.rows,
                    "version": version.id,
                    "classes": sum(x is not None for x in labels),
                    "unlabelled": labels.get(None, 0),
                }
            )
        counts: dict[str, int] = {}
        for info in ws.store.patches():
            counts[info.state] = counts.get(info.state, 0) + 1
        last = self.last_result()
        columns = ws.config.columns
        return {
            "project": ws.config.name,
            "folder": str(self.folder),
            "columns": {"text": columns.text, "label": columns.label, "id": columns.id},
            "recipe": ws.config.recipe.name,
            "metric": ws.config.goal.metric,
            "datasets": sets,
            "patches": counts,
            "last_run": last and {k: last[k] for k in ("before", "after", "gain", "created")},
            "next": "tilth report" if last else ("tilth improve" if sets else "tilth ingest FILE"),
        }

    def last_result(self) -> dict[str, Any] | None:
        """The newest result of `improve`; None before the first."""
        results = self.workspace.store.records("result")
        return results[-1] if results else None

    def improve(self, data: object | None = None, **options: Any) -> Improvement:
        """Ingest (when data are given), audit, propose, try and accept what is better.

        Parameters
        ----------
        data : as for `ingest`; None works on what is in the project.
        options : as for `ingest`.
        """
        from tilth.improve import improve

        if data is not None:
            self.ingest(data, **options)
        result = improve(self.workspace, self.progress)
        self.report()
        return Improvement(result)

    def report(self, out: str | Path | None = None) -> Path:
        """Write the HTML report of the last run.

        Raises
        ------
        NotFound : `improve` was not run yet.
        """
        from tilth.report.html import render

        result = self.last_result()
        if result is None:
            raise NotFound("there is nothing to report yet; run: tilth improve")
        path = Path(out) if out is not None else self.folder / "report.html"
        draft = path.with_name(path.name + ".part")
        draft.write_text(render(result), "utf-8")
        draft.replace(path)
        return path
