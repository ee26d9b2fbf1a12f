"""Op and Patch: the only way a data set changes. Pure functions, no input or output.

A patch is a list of ops against one base version. Applying it twice is refused (StaleOp), every patch
has an inverse, and patches on disjoint rows commute.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from tilth.data import Row, Snapshot, canonical, has_halves, json_lines
from tilth.errors import PatchError, StaleOp

__all__ = ["Op", "Patch", "apply", "conflicts", "from_rows", "invert", "keep", "parse", "render"]

Kind = Literal["relabel", "drop", "add", "edit"]
KINDS: tuple[Kind, ...] = ("relabel", "drop", "add", "edit")
FILE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Op:
    """One change of one row: the row as it was and as it will be.

    Attributes
    ----------
    before : the row before, None for an add.
    after : the row after, None for a drop.
    why : one line of reason, for the reader of the patch; not part of its identity.
    """

    before: Row | None
    after: Row | None
    why: str = ""

    def __post_init__(self) -> None:
        if self.before is None and self.after is None:
            raise ValueError("an op needs a row before or a row after")
        if self.before and self.after:
            if self.before.id != self.after.id:
                raise ValueError("an op keeps the id of its row")
            if self.before.digest() == self.after.digest():
                raise ValueError(f"the op on row {self.before.id!r} changes nothing")

    @property
    def row_id(self) -> str:
        """The row that the op changes."""
        row = self.before or self.after
        assert row is not None
        return row.id

    @property
    def kind(self) -> Kind:
        """relabel: only the label differs; edit: fields differ (the label may, too)."""
        if self.before is None:
            return "add"
        if self.after is None:
            return "drop"
        if self.before.label == self.after.label:
            return "edit"
        # by spelling, not by ==: 1 equals True, and a NaN that was read twice differs from itself
        before, after = canonical(dict(self.before.fields)), canonical(dict(self.after.fields))
        return "relabel" if before == after else "edit"

    def inverse(self) -> Op:
        """The op that undoes this one."""
        return Op(self.after, self.before, self.why)


@dataclass(frozen=True)
class Patch:
    """Ops against one base version, at most one for each row.

    Attributes
    ----------
    dataset, base : what it applies to: data set name and version id ("" for an empty data set).
    ops : the changes; their order does not matter and is kept for the reader.
    title, reason, author : for people.
    origin : what made it: "propose:exact-copies", "person", "revert:<id>", "ingest:<file>" ...
    created : ISO 8601, UTC.
    revises : id of the patch that this one is an edited form of, or "".
    """

    dataset: str
    base: str
    ops: tuple[Op, ...]
    title: str = ""
    reason: str = ""
    author: str = ""
    origin: str = "person"
    created: str = ""
    revises: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ops", tuple(self.ops))
        doubled = [i for i, c in Counter(op.row_id for op in self.ops).items() if c > 1]
        if doubled:
            raise PatchError(
                f"the patch has {len(doubled)} row(s) with more than one op, e.g. {doubled[0]!r}; "
                "keep one op for each row"
            )

    @cached_property
    def id(self) -> str:
        """12 hex digits of data set, base and ops: the same change has the same id."""
        body = sorted(
            (op.row_id, op.before and op.before.digest().hex(), op.after and op.after.digest().hex())
            for op in self.ops
        )
        return hashlib.sha256(canonical([self.dataset, self.base, body])).hexdigest()[:12]

    def counts(self) -> dict[str, int]:
        """Number of ops of each kind that occurs."""
        found = Counter(op.kind for op in self.ops)
        return {kind: found[kind] for kind in KINDS if found[kind]}


def apply(base: Snapshot, patch: Patch) -> Snapshot:
    """The rows after the patch. `base` is left as it is.

    Raises
    ------
    StaleOp : a row is not as the op expects it (the patch was applied before, or the row changed).
    """
    rows: dict[str, Row] = {}
    for op in patch.ops:
        at = base.index.get(op.row_id)
        found = None if at is None else base.row(at)
        check(op, found)
        if op.after is not None:
            rows[op.row_id] = op.after
    touched = {op.row_id for op in patch.ops}
    kept = base.take(i for i, row_id in enumerate(base.ids) if row_id not in touched)
    if not rows:
        return kept
    return _merge(kept, Snapshot.of(rows.values()))


def check(op: Op, found: Row | None) -> None:
    """Raise StaleOp unless the row found is the one that the op expects."""
    if op.before is None:
        if found is not None:
            raise StaleOp(
                f"cannot add row {op.row_id!r}: there is a row with this id already. "
                "Was the patch applied before?"
            )
        return
    if found is None:
        raise StaleOp(
            f"cannot {op.kind} row {op.row_id!r}: there is no such row any more. "
            "Was the patch applied before? Make the patch again on the present version."
        )
    if found.digest() != op.before.digest():
        was, now = op.before.label, found.label
        what = f"label {was!r}, found {now!r}" if was != now else "other fields than those found"
        raise StaleOp(
            f"cannot {op.kind} row {op.row_id!r}: the patch expects {what}. "
            "Make the patch again on the present version."
        )


def _merge(a: Snapshot, b: Snapshot) -> Snapshot:
    """Two snapshots without common ids as one, sorted by id."""
    ids = [*a.ids, *b.ids]
    order = sorted(range(len(ids)), key=ids.__getitem__)
    names = {**dict.fromkeys(a.columns), **dict.fromkeys(b.columns)}

    def column(part: Snapshot, name: str) -> list[Any]:
        return list(part.columns.get(name, [None] * len(part)))

    labels = [*a.labels, *b.labels]
    sources = [*(a.sources or [""] * len(a)), *(b.sources or [""] * len(b))]
    columns = {n: column(a, n) + column(b, n) for n in names}
    return Snapshot(
        [ids[i] for i in order],
        [labels[i] for i in order],
        {n: [c[i] for i in order] for n, c in columns.items()},
        [sources[i] for i in order],
    )


def invert(patch: Patch, base: str) -> Patch:
    """The patch that undoes `patch`; `base` is the version it will be applied to."""
    return Patch(
        dataset=patch.dataset,
        base=base,
        ops=tuple(op.inverse() for op in patch.ops),
        title=f"Revert: {patch.title}",
        reason=f"undo patch {patch.id}",
        origin=f"revert:{patch.id}",
    )


def keep(patch: Patch, row_ids: Iterable[str]) -> Patch:
    """The part of a patch that a person kept; it `revises` the original."""
    wanted = set(row_ids)
    ops = tuple(op for op in patch.ops if op.row_id in wanted)
    return replace(patch, ops=ops, revises=patch.id)


def conflicts(a: Patch, b: Patch) -> list[str]:
    """Ids of the rows that both patches change, ascending; empty when they commute."""
    return sorted({op.row_id for op in a.ops} & {op.row_id for op in b.ops})


def from_rows(base: Snapshot, rows: Iterable[Row], *, dataset: str, base_id: str = "") -> Patch:
    """The patch that makes `base` equal to `rows`: adds, relabels, edits and drops.

    A row of `rows` whose id is known and whose content is equal gives no op.
    """
    ops: list[Op] = []
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise PatchError(f"row id {row.id!r} occurs twice; ids must be unique")
        seen.add(row.id)
        at = base.index.get(row.id)
        old = None if at is None else base.row(at)
        if old is None or old.digest() != row.digest():
            ops.append(Op(old, row))
    ops += [Op(base.row(i), None) for i, row_id in enumerate(base.ids) if row_id not in seen]
    return Patch(dataset=dataset, base=base_id, ops=tuple(ops))


def _row_json(row: Row) -> dict[str, Any]:
    body: dict[str, Any] = {"id": row.id, "fields": dict(row.fields), "label": row.label}
    return body | ({"source": row.source} if row.source else {})


def op_json(op: Op) -> dict[str, Any]:
    """An op as a JSON object, with what a reader wants first."""
    out: dict[str, Any] = {"op": op.kind, "id": op.row_id}
    if op.kind == "relabel" and op.before and op.after:
        out |= {"from": op.before.label, "to": op.after.label}
        out["fields"] = dict(op.before.fields)
        source = op.before.source
        out |= {"source": source} if source else {}
    else:
        out |= {"before": _row_json(op.before)} if op.before else {}
        out |= {"after": _row_json(op.after)} if op.after else {}
    return out | ({"why": op.why} if op.why else {})


def _row_of(body: Mapping[str, Any], where: str) -> Row:
    try:
        label = body["label"]
        if label is not None and not isinstance(label, str):
            raise PatchError(f"{where}: a label is a text or null, not {label!r}")
        return Row(body["id"], body["fields"], label, body.get("source", ""))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PatchError(f"{where}: a row needs 'id', 'fields' and 'label' ({error})") from error


def op_of(body: Mapping[str, Any], where: str) -> Op:
    """The op in a JSON object; `where` goes into the message when it cannot be read."""
    kind = body.get("op")
    if kind not in KINDS:
        raise PatchError(f"{where}: unknown op {kind!r}; it is one of {', '.join(KINDS)}")
    why = str(body.get("why", ""))
    if kind == "relabel":
        missing = [k for k in ("id", "from", "to", "fields") if k not in body]
        if missing:
            raise PatchError(f"{where}: a relabel needs {missing[0]!r}")
        plain = {"id": body["id"], "fields": body["fields"], "source": body.get("source", "")}
        before: Row | None = _row_of({**plain, "label": body["from"]}, where)
        after: Row | None = _row_of({**plain, "label": body["to"]}, where)
    else:
        before = _row_of(body["before"], where) if body.get("before") else None
        after = _row_of(body["after"], where) if body.get("after") else None
    try:
        op = Op(before, after, why)
    except ValueError as error:
        raise PatchError(f"{where}: {error}") from error
    if op.kind != kind:
        raise PatchError(f"{where}: it says {kind!r} but its rows make it {op.kind!r}")
    return op


HEADER = ("dataset", "base", "title", "reason", "author", "origin", "created", "revises")


def render(patch: Patch) -> str:
    """The patch as a JSON Lines file: one header line, one line for each op.

    Raises
    ------
    PatchError : a text that JSON cannot spell: the halves of one character as two characters.
    """
    head = {"tilth_patch": FILE_VERSION, "id": patch.id} | {k: getattr(patch, k) for k in HEADER}
    return "".join(_line(body) + "\n" for body in (head, *(op_json(op) for op in patch.ops)))


def _line(body: Mapping[str, Any]) -> str:
    """One line of a patch file."""
    text = json.dumps(body, ensure_ascii=False)
    if has_halves(text):
        raise PatchError(
            f"row {body.get('id')!a}: two halves of one character stand as two characters, and JSON "
            "would read them as that character; join them in the row: "
            "text.encode('utf-16', 'surrogatepass').decode('utf-16')"
        )
    # escapes keep lone surrogates and U+2028 from breaking lines or encodings of other tools
    return text if _plain(text) else json.dumps(body)


def _plain(text: str) -> bool:
    return (text.isascii() and "\x7f" not in text) or not any(
        "\ud800" <= c <= "\udfff"
        or c in "\u2028\u2029\x85\x7f"
        or "\u202a" <= c <= "\u202e"
        or "\u2066" <= c <= "\u2069"
        for c in text
    )


def parse(text: str, *, name: str = "patch") -> Patch:
    """Read a patch file, also one that a person edited (ops removed, labels changed).

    Raises
    ------
    PatchError : with file name and line number.
    """
    header: dict[str, Any] | None = None
    ops: list[Op] = []
    first: dict[str, int] = {}
    for number, where, body in json_lines(text, name, PatchError):
        if header is None:
            if body.get("tilth_patch") != FILE_VERSION:
                raise PatchError(
                    f'{where}: the first line of a patch file has "tilth_patch": {FILE_VERSION}, '
                    f"found {body.get('tilth_patch')!r}"
                )
            header = body
            continue
        op = op_of(body, where)
        if first.setdefault(op.row_id, number) != number:
            raise PatchError(
                f"{where}: row {op.row_id!r} has an op in line {first[op.row_id]} already; "
                "keep one op for each row"
            )
        ops.append(op)
    if header is None:
        raise PatchError(f"{name}: the file is empty")
    for key in ("dataset", "base"):
        if not isinstance(header.get(key), str):
            raise PatchError(f"{name}:1: the header needs {key!r}")
    known = {k: str(header.get(k, "")) for k in HEADER}
    patch = Patch(ops=tuple(ops), **known)
    edited = header.get("id") not in (None, "", patch.id)
    return replace(patch, revises=str(header["id"])) if edited else patch
