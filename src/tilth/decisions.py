"""What becomes of a patch: put on record, made again on the present head, accepted, rejected, undone."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilth import patch as patches
from tilth.data import Version, has_halves
from tilth.errors import HeadMoved, InputError, NotFound, PatchError, Refused
from tilth.patch import Patch
from tilth.signals import Progress
from tilth.workspace import EVAL, TRAIN, Workspace

if TYPE_CHECKING:
    from tilth.store import PatchInfo, PatchState
    from tilth.trial.record import Trial

__all__ = [
    "accept", "line", "measure", "on_record", "part", "put_on_record", "read", "rebase", "reject", "revert",
    "standing", "trial_of",
]  # fmt: skip


def standing(ws: Workspace, state: PatchState | None = None) -> list[PatchInfo]:
    """Patches with the state that they are in now, oldest first.

    "stale" is not stored but follows from the head: so it is right after every change of the head, also
    one that was killed half-way, and a patch is proposed again when a revert brings its base back.
    """
    heads = {name: ws.head(name).id for name in ws.store.datasets()}
    found = []
    for info in ws.store.patches():
        moved = info.state == "proposed" and info.base != heads.get(info.dataset, "")
        info = replace(info, state="stale") if moved else info
        found += [info] if state in (None, info.state) else []
    return found


def line(info: PatchInfo) -> dict[str, Any]:
    """A patch as a JSON object, without its ops."""
    return {
        "id": info.id,
        "title": info.title,
        "ops": dict(info.counts),
        "predicted": info.meta.get("predicted"),
        "minutes": info.meta.get("minutes"),
        "state": info.state,
        "reason": info.reason,
        "base": info.base,
    }


def put_on_record(ws: Workspace, patch: Patch) -> PatchInfo:
    """Keep a patch as proposed; one that is known stays as it is.

    Raises
    ------
    NotFound : its base is no version of this project.
    StaleOp : a row of the base is not as an op says.
    """
    with suppress(NotFound):
        return ws.store.patch_info(patch.id)
    for op in patch.ops:
        if op.after is not None and op.after.label == "":
            raise PatchError(f"row {op.row_id!r}: a label must not be empty; use null for none")
        texts = [] if op.after is None else [op.after.id, op.after.label, *op.after.fields.values()]
        if any(map(has_halves, [*texts, *(op.after.fields if op.after else ())])):
            raise PatchError(
                f"row {op.row_id!a}: two halves of one character stand as two characters, which no file "
                "can spell; join them: text.encode('utf-16', 'surrogatepass').decode('utf-16')"
            )
    versions = {v.id: v for v in ws.store.versions(patch.dataset)}
    if patch.base or versions:
        if patch.base not in versions:
            raise NotFound(
                f"the patch was made on version {patch.base[:12] or 'none'!r} of {patch.dataset!r}, which is "
                "not in this project. It belongs to another project, or to data that were not taken in "
                "here: go to its project, or take the same file in with: tilth ingest FILE"
            )
        patches.apply(ws.snapshot(versions[patch.base]), patch)
    meta = {"minutes": ws.config.minutes.of(patch.counts())}
    return ws.store.save_patch(patch, meta=meta, now=ws.clock())


def on_record(ws: Workspace, ref: str | Patch) -> Patch:
    """The patch with this id, or this patch, which is put on record."""
    if isinstance(ref, str):
        return ws.store.patch(ref)
    put_on_record(ws, ref)
    return ref


def trial_of(ws: Workspace, patch_id: str) -> Trial | None:
    """The newest trial of a patch that still counts: recipe, metric, gates and judge are those of now."""
    from tilth.trial.record import Trial

    for body in reversed(ws.store.records("trial", patch_id)):
        judged = body["judge"] == f"eval:{ws.eval_id()}" or body["judge"].startswith("held-out:")
        same = (body["recipe"], body["metric"]) == (ws.recipe.name, ws.config.goal.metric)
        if judged and same and body.get("gates", "") == ws.gates():
            return Trial.from_json(body)
    return None


def read(path: Path) -> Patch:
    """Read a patch file.

    Raises
    ------
    PatchError : with file and line.
    """
    try:
        return patches.parse(path.read_text("utf-8-sig"), name=path.name)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise PatchError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def measure(ws: Workspace, ref: str | Patch, progress: Progress | None = None) -> Trial:
    """The trial of a patch on the deciding half of the evaluation rows; kept, so never made twice."""
    from tilth.trials import measure_patch

    patch = on_record(ws, ref)
    known = trial_of(ws, patch.id)
    if known is not None and known.judge == f"eval:{ws.eval_id()}":
        return known
    predicted = ws.store.patch_info(patch.id).meta.get("predicted")
    if predicted is None and patch.dataset == TRAIN and patch.base == ws.head(TRAIN).id:
        predicted = _foreseen(ws, patch, progress)
    trial = replace(measure_patch(ws, patch, progress=progress), predicted=predicted)
    body = trial.to_json()
    ws.store.put_record("trial", f"{patch.id}:{trial.judge}", body, subject=patch.id, now=ws.clock())
    return trial


def _foreseen(ws: Workspace, patch: Patch, progress: Progress | None) -> float | None:
    """What the closed form says of a person's patch, before it is measured; None where it sees nothing."""
    from tilth.trial.gains import forecast

    if not any(op.before is not None and op.kind in ("relabel", "drop") for op in patch.ops):
        return None
    view = ws.view(progress)
    return forecast(ws.response(progress), view, patch.ops).value


def rebase(ws: Workspace, ref: str) -> PatchInfo:
    """The same ops on the present head; see `Project.rebase`."""
    old, info = ws.store.patch(ref), ws.store.patch_info(ref)
    head = ws.head(old.dataset)
    if old.base == head.id:
        return info
    new = put_on_record(ws, replace(old, base=head.id, revises=old.id, created=ws.clock()))
    if info.state == "proposed":
        reason = f"by patch {new.id}"
        ws.store.set_patch_state(old.id, "superseded", reason=reason, author="", now=ws.clock())
    return new


def part(ws: Workspace, ref: str, rows: Collection[str], *, without: bool, author: str) -> PatchInfo:
    """A part of a patch as a patch of its own; see `Project.part_of`."""
    whole, asked = ws.store.patch(ref), set(rows)
    known = {op.row_id for op in whole.ops}
    if unknown := sorted(asked - known):
        raise NotFound(f"patch {whole.id} changes no row {unknown[0]!r}; see: tilth patch {whole.id}")
    kept = known - asked if without else asked
    if not kept or kept == known:
        many = "all" if kept else "none"
        raise InputError(f"that keeps {many} of the {len(known):,} changes of patch {whole.id}; keep a part")
    return put_on_record(ws, replace(patches.keep(whole, kept), author=author, created=ws.clock()))


def accept(ws: Workspace, ref: str | Patch, *, force: str, author: str, reason: str = "") -> Version:
    """Make a patch part of its data set; see `Project.accept`."""
    patch = on_record(ws, ref)
    info = ws.store.patch_info(patch.id)
    if info.state == "accepted":
        raise Refused(f"patch {info.id} is accepted already; undo it with: tilth revert {info.id}")
    head = ws.head(patch.dataset) if patch.base else None
    if head is not None and patch.base != head.id:
        raise HeadMoved(
            f"patch {patch.id} was made on version {patch.base[:12]}, the head of {patch.dataset} is "
            f"{head.id[:12]} now. Make it again with: tilth rebase {patch.id}"
        )
    trial = trial_of(ws, patch.id)
    if patch.dataset == TRAIN and not force:
        _refuse_unproven(patch, trial)
    if patch.dataset == EVAL and patch.base and not (reason or force):
        raise Refused(
            f"patch {patch.id} changes the evaluation set, which no trial can judge: a person answers for "
            f"it. Say why with: tilth accept {patch.id} --reason WHY"
        )
    # noted before the commit: whatever happens, an accepted patch tells what it was judged on
    meta = {**info.meta, "judge": trial.judge if trial else "", "forced": force, "why": reason}
    ws.store.save_patch(patch, meta=meta, now=ws.clock())
    version = ws.store.commit(patch, note=patch.title or f"patch {patch.id}", now=ws.clock())
    noted = f"forced: {force}" if force else reason or (trial.verdict if trial else "")
    ws.store.set_patch_state(patch.id, "accepted", reason=noted, author=author, now=ws.clock())
    return version


def _refuse_unproven(patch: Patch, trial: Trial | None) -> None:
    """Refuse what was not measured, is worse, makes a slice worse, or breaks a floor."""
    by_force = "give a reason with --force REASON"
    if trial is None:
        raise Refused(f"patch {patch.id} was not measured. Run: tilth trial {patch.id} (or {by_force})")
    if trial.verdict == "worse":
        raise Refused(f"patch {patch.id} makes the model worse; {by_force}")
    if trial.regressions:
        names = ", ".join(s.name for s in trial.regressions)
        raise Refused(f"patch {patch.id} makes a slice worse: {names}; {by_force}")
    if trial.broken:
        names = ", ".join(
            f"{f.name} ({f.before:.3f} to {f.after:.3f}, floor {f.floor:g})" for f in trial.broken
        )
        raise Refused(f"patch {patch.id} breaks a floor that was held: {names}; {by_force}")


def reject(ws: Workspace, ref: str, *, reason: str, author: str) -> PatchInfo:
    """Put a patch aside with a reason."""
    info = ws.store.patch_info(ref)
    if info.state == "accepted":
        raise Refused(f"patch {info.id} is accepted already; undo it with: tilth revert {info.id}")
    return ws.store.set_patch_state(info.id, "rejected", reason=reason, author=author, now=ws.clock())


def revert(ws: Workspace, ref: str, *, author: str) -> Version:
    """Undo an accepted patch by its inverse; see `Project.revert`."""
    info = ws.store.patch_info(ref)
    if info.state != "accepted":
        raise Refused(f"patch {info.id} is {info.state}, not accepted; there is nothing to undo")
    inverse = patches.invert(ws.store.patch(info.id), ws.head(info.dataset).id)
    inverse = replace(inverse, author=author, created=ws.clock())
    return ws.store.commit(inverse, note=inverse.title, now=ws.clock(), undoes=info.id)
