"""Kept sets: a list of rows or a filter under an id (and a name), so that an address can stand for it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tilth.errors import InputError, NotFound, Refused
from tilth.workspace import TRAIN, Workspace

__all__ = ["KeptSet", "find", "keep", "kept_sets", "unpack_mask"]

KIND = "set"
"""Kind of the records."""


@dataclass(frozen=True)
class KeptSet:
    """A list of rows, or a filter.

    Attributes
    ----------
    id : digest of what it holds: the same rows kept twice are one set.
    name : given by a person, or "".
    where : expression that rows have to fit, or "".
    ids : the rows; None: all that fit `where`, whenever they are looked up.
    version : head of train when it was kept.
    author, created : who, and when (ISO 8601).
    """

    id: str
    name: str
    where: str
    ids: tuple[str, ...] | None
    version: str
    author: str
    created: str

    def to_json(self) -> dict[str, Any]:
        """As a JSON object, rows counted; `rows` is null for a filter."""
        return asdict(self) | {"ids": None, "rows": None if self.ids is None else len(self.ids)}


def unpack_mask(ws: Workspace, mask: str, version: str) -> list[str]:
    """Ids of rows that were named by bits, one a row of train in the order of ids.

    Parameters
    ----------
    mask : base64 of the bits, the first row in the lowest bit of the first byte.
    version : the version of train that was counted through.

    Raises
    ------
    Refused : train has changed since.
    InputError : not base64, or not as many bits as rows.
    """
    head = ws.head(TRAIN)
    if version != head.id:
        raise Refused(f"the rows were marked in version {version!r}, but train is at {head.id}; mark again")
    try:
        raw = np.frombuffer(base64.b64decode(mask, validate=True), dtype=np.uint8)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"a mask is base64 of one bit a row ({error})") from error
    rows = ws.snapshot(head)
    if len(raw) != (len(rows) + 7) // 8:
        raise InputError(f"a mask for {len(rows):,} rows has {(len(rows) + 7) // 8} bytes, not {len(raw)}")
    bits = np.unpackbits(raw, bitorder="little")[: len(rows)]
    return [rows.ids[i] for i in np.flatnonzero(bits).tolist()]


def keep(
    ws: Workspace, ids: Sequence[str] | None, *, where: str = "", name: str = "", author: str = "person"
) -> KeptSet:
    """Keep a set; the same one again is the one that is there, under the new name if it has one.

    Raises
    ------
    InputError : it holds nothing, an id is no row of train, or the name stands for another set.
    """
    head, rows = ws.head(TRAIN), None
    if ids is not None:
        index = ws.snapshot(head).index
        unknown = [x for x in ids if x not in index]
        if unknown:
            raise InputError(f"{len(unknown)} of {len(ids)} ids are no rows of train, first {unknown[0]!r}")
        rows = tuple(sorted(set(ids)))
    if not rows and not where.strip():
        raise InputError("a set holds rows or a filter; none was given")
    body = json.dumps([rows, where.strip()], ensure_ascii=True)
    key = hashlib.sha256(body.encode()).hexdigest()[:12]
    other = next((s for s in kept_sets(ws) if name and s.name == name and s.id != key), None)
    if other is not None:
        raise InputError(f"the name {name!r} stands for set {other.id}; choose another")
    known = ws.store.record(KIND, key)
    found = KeptSet(
        key, name or (known["name"] if known else ""), where.strip(), rows, head.id, author, ws.clock()
    )
    ws.store.put_record(KIND, key, asdict(found), subject=TRAIN, now=found.created)
    return found


def _read(body: dict[str, Any]) -> KeptSet:
    return KeptSet(**(body | {"ids": None if body["ids"] is None else tuple(body["ids"])}))


def kept_sets(ws: Workspace) -> list[KeptSet]:
    """All kept sets, oldest first."""
    return [_read(body) for body in ws.store.records(KIND, TRAIN)]


def find(ws: Workspace, ref: str) -> KeptSet:
    """A kept set by its id, the first characters of it, or its name.

    Raises
    ------
    NotFound : there is none, or several.
    """
    body = ws.store.record(KIND, ref)
    if body is not None:
        return _read(body)
    found = [s for s in kept_sets(ws) if ref and (s.name == ref or (len(ref) > 3 and s.id.startswith(ref)))]
    if len(found) != 1:
        raise NotFound(f"{'several sets are' if found else 'no set is'} called {ref!r}; see: tilth sets")
    return found[0]
