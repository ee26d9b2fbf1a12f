"""Patches and what was decided about them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast, get_args

from tilth.errors import InputError, NotFound, PatchError
from tilth.patch import Op, Patch
from tilth.store import lines
from tilth.store.codec import from_json, pack, pack_ops, to_json, unpack, unpack_ops
from tilth.store.results import Decision, PatchInfo, PatchState

__all__ = ["decisions", "info", "listed", "load", "record_of", "save", "set_state"]

TEXTS = ("dataset", "title", "origin", "author", "reason", "created", "revises")
"""Columns that hold free text."""
COLUMNS = f"id, base, state, counts, meta, {', '.join(TEXTS)}"


def record_of(patch: Patch, state: PatchState, meta: Mapping[str, Any] | None, now: str) -> PatchInfo:
    """What is to be noted about a patch."""
    if not patch.ops:
        raise PatchError("the patch has no ops, so there is nothing to keep or accept")
    return PatchInfo(
        patch.id,
        patch.dataset,
        patch.base,
        patch.title,
        patch.origin,
        patch.author,
        patch.reason,
        patch.created or now,
        patch.revises,
        state,
        patch.counts(),
        dict(meta or {}),
    )


def save(connection: sqlite3.Connection, info: PatchInfo, ops: Iterable[Op] | None) -> None:
    """Note a patch; of a known one only the meta is renewed. `ops` is None for an import."""
    _check_state(info.state)
    found = connection.execute("SELECT meta FROM patch WHERE id = ?", (info.id,)).fetchone()
    meta = to_json(dict(info.meta), f"the meta of patch {info.id}")
    if found is not None:
        if info.meta and found[0] != meta:
            connection.execute("UPDATE patch SET meta = ? WHERE id = ?", (meta, info.id))
        return
    blob = None if ops is None else pack_ops(ops)
    texts = [pack(getattr(info, name)) for name in TEXTS]
    places = ", ".join("?" * (6 + len(TEXTS)))
    connection.execute(
        f"INSERT INTO patch ({COLUMNS}, ops) VALUES ({places})",
        (info.id, info.base, info.state, json.dumps(dict(info.counts)), meta, *texts, blob),
    )


def _info(found: tuple[Any, ...]) -> PatchInfo:
    patch_id, base, state, counts, meta, *texts = found
    named = {name: unpack(text) for name, text in zip(TEXTS, texts, strict=True)}
    return PatchInfo(
        id=patch_id,
        base=base,
        state=state,
        counts=json.loads(counts),
        meta=from_json(meta),
        **named,
    )


def info(connection: sqlite3.Connection, ref: str) -> PatchInfo:
    """The patch whose id starts with `ref`."""
    if len(ref) < lines.SHORTEST:
        raise NotFound(f"no patch {ref!r}: give {lines.SHORTEST} or more characters of its id")
    hexadecimal = set(ref) <= set("0123456789abcdef")
    found = connection.execute(
        f"SELECT {COLUMNS} FROM patch WHERE id >= ? AND id < ? ORDER BY key LIMIT 10",
        (ref, ref + "g") if hexadecimal else ("", ""),
    ).fetchall()
    if not found:
        raise NotFound(f"no patch whose id starts with {ref!r}; see `tilth patches`")
    if len(found) > 1:
        listed = ", ".join(f"{row[0]} ({unpack(row[6])})" for row in found)
        raise NotFound(f"{ref!r} can mean more than one patch: {listed}. Give more of it.")
    return _info(found[0])


def listed(connection: sqlite3.Connection, state: str | None) -> list[PatchInfo]:
    """All patches, or those in one state, newest last."""
    where = "" if state is None else "WHERE state = ?"
    parameters = () if state is None else (_check_state(state),)
    found = connection.execute(f"SELECT {COLUMNS} FROM patch {where} ORDER BY key", parameters)
    return [_info(row) for row in found]


def load(connection: sqlite3.Connection, ref: str) -> Patch:
    """A patch with its ops; those of an import are the diff of its version and the one before."""
    known = info(connection, ref)
    (blob,) = connection.execute("SELECT ops FROM patch WHERE id = ?", (known.id,)).fetchone()
    ops = _import_ops(connection, known.id) if blob is None else unpack_ops(blob, known.id)
    texts = {name: getattr(known, name) for name in TEXTS}
    return Patch(base=known.base, ops=ops, **texts)


def _import_ops(connection: sqlite3.Connection, patch_id: str) -> tuple[Op, ...]:
    version = lines.made_by(connection, patch_id)
    if version is None:
        raise NotFound(f"patch {patch_id} is an import whose version is not in this project")
    between = {
        "dataset": lines.pinned(connection, version)["dataset"],
        "low": version.seq - 1,
        "high": version.seq,
    }
    query = lines.LATER if version.seq > 1 else lines.FROM_NOTHING
    return tuple(lines.diff_between(connection, between, query))


def _check_state(state: str) -> PatchState:
    if state not in get_args(PatchState):
        raise InputError(
            f"a patch cannot be {state!r}; its state is one of {', '.join(get_args(PatchState))}"
        )
    return cast(PatchState, state)


def set_state(
    connection: sqlite3.Connection, ref: str, state: str, *, reason: str, author: str, now: str
) -> PatchInfo:
    """Change the state of a patch and note who did it, when and why."""
    known = replace(info(connection, ref), state=_check_state(state))
    connection.execute("UPDATE patch SET state = ? WHERE id = ?", (known.state, known.id))
    connection.execute(
        "INSERT INTO decision (patch, state, reason, author, created) VALUES (?, ?, ?, ?, ?)",
        (known.id, known.state, pack(reason), pack(author), pack(now)),
    )
    return known


def decisions(connection: sqlite3.Connection, ref: str) -> list[Decision]:
    """What was decided about a patch, oldest first."""
    known = info(connection, ref)
    found = connection.execute(
        "SELECT state, reason, author, created FROM decision WHERE patch = ? ORDER BY key",
        (known.id,),
    )
    return [
        Decision(known.id, state, unpack(reason), unpack(author), unpack(created))
        for state, reason, author, created in found
    ]
