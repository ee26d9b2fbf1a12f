"""Store: one door to everything that a project keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any

from tilth import migrations
from tilth.data import Incoming, Row, Snapshot, Version
from tilth.errors import ProjectError, TilthError
from tilth.patch import Op, Patch
from tilth.store import check, commit, imports, lines, patches, records
from tilth.store.connection import Pool
from tilth.store.people import Heard, PeopleStore
from tilth.store.results import Decision, ImportResult, PatchInfo, PatchState

__all__ = ["Store"]

FILE = Path("data") / "tilth.db"
"""The store inside the project folder."""

APPLICATION = 0x546C7468
"""The mark of a Tilth store among SQLite files."""


class Store(PeopleStore):
    """Versions of data sets, patches and records of one project, in `data/tilth.db`.

    Safe to use from several threads and several processes at once; a process that was forked opens
    connections of its own. Every method that writes is one transaction: when it returns, the change
    is on disk; when it raises, nothing was changed.

    Times (`now`) are ISO 8601 texts that the caller gives.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> with Store.create(Path(folder.name)) as store:
    ...     op = Op(None, Row("a", {"text": "hello"}, "greeting"))
    ...     version = store.commit(Patch("train", "", (op,)), note="first", now="2025-01-01")
    ...     version.rows, store.version("train@1") == version
    (1, True)
    >>> folder.cleanup()
    """

    def __init__(self, folder: Path, *, wait: float = 30.0) -> None:
        self.folder = folder
        self._pool = Pool(folder / FILE, wait=wait)
        self._heard = Heard()

    @classmethod
    def create(cls, folder: Path, *, wait: float = 30.0) -> Store:
        """Make the store of a new project; the folder is made when it is missing.

        Raises
        ------
        ProjectError : there is a store already, or the folder cannot be written.
        """
        path = folder / FILE
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        except OSError as error:
            raise ProjectError(
                f"cannot make a project in {folder}: {error.strerror}; choose a folder that you may write to"
            ) from error
        store = cls(folder, wait=wait)
        try:
            if store._upgrade() > 0:
                raise ProjectError(f"there is a project in {folder} already; open it instead")
        except TilthError:
            store.close()
            raise
        return store

    @classmethod
    def open(cls, folder: Path, *, wait: float = 30.0) -> Store:
        """Open the store of a project; one that an older Tilth made is brought up to date.

        Parameters
        ----------
        folder : the project folder.
        wait : seconds to wait for another writer before ProjectBusy; default 30.

        Raises
        ------
        ProjectError : there is none, it is damaged, or a newer Tilth made it.
        """
        if not (folder / FILE).is_file():
            raise ProjectError(
                f"no Tilth project in {folder} (no file {FILE}). Go to the project folder, get the file "
                "from where it is kept, or make a project with: tilth ingest FILE --project FOLDER"
            )
        store = cls(folder, wait=wait)
        try:
            store._upgrade()
        except TilthError:
            store.close()
            raise
        return store

    def _upgrade(self) -> int:
        """Bring the schema up to date; the number it had (0: the file was empty)."""
        newest = migrations.STEPS[-1].NUMBER
        with self._pool.read() as connection:
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            (mark,) = connection.execute("PRAGMA application_id").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if tables and mark != APPLICATION:
                raise ProjectError(
                    f"{self._pool.path} is a database of another program; choose another project folder"
                )
            if found > newest:
                raise ProjectError(
                    f"{self._pool.path} was made by a newer Tilth (schema {found}; this one knows "
                    f"schema {newest}). Upgrade with: pip install --upgrade tilth"
                )
            # kept in the file; asked for each time because a killed `create` may not have got so far
            connection.execute("PRAGMA journal_mode = WAL")
        if found == newest:
            return int(found)
        with self._pool.write() as connection:
            # again, inside the transaction: somebody else may have been faster
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            migrations.upgrade(connection, migrations.STEPS)
        return int(found)

    def close(self) -> None:
        """Close the connections; the store cannot be used any more."""
        self._pool.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # versions and rows

    def datasets(self) -> list[str]:
        """Names of the data sets that have a version, ascending."""
        with self._pool.read() as connection:
            return lines.datasets(connection)

    def head(self, dataset: str) -> Version | None:
        """The newest version of a data set; None when there is none."""
        with self._pool.read() as connection:
            return lines.head(connection, dataset)

    def versions(self, dataset: str) -> list[Version]:
        """All versions of a data set, oldest first; empty when there is none."""
        with self._pool.read() as connection:
            return lines.versions(connection, dataset)

    def version(self, ref: str, dataset: str | None = None) -> Version:
        """The version that a person named.

        Parameters
        ----------
        ref : "train" (the head), "train@3" (by seq), "train~1" (one before the head), or the first
            4 or more characters of an id. Of several versions with one id (after a revert) it is
            the newest.
        dataset : look for an id in this data set only; also what "@3" and "~1" refer to.

        Raises
        ------
        NotFound : no such version, or several; the message lists them.
        """
        with self._pool.read() as connection:
            return lines.resolve(connection, ref, dataset)

    def snapshot(self, version: Version) -> Snapshot:
        """The rows of a version in memory, by column."""
        with self._pool.read() as connection:
            return lines.snapshot(connection, version)

    def rows(self, version: Version) -> Iterator[Row]:
        """The rows of a version by id, one at a time; memory does not grow with their number."""
        with self._pool.read() as connection, closing(lines.rows(connection, version)) as found:
            yield from found

    def row(self, dataset: str, row_id: str) -> Row | None:
        """A row of the head of a data set; None when it has no such row."""
        with self._pool.read() as connection:
            key = lines.dataset_key(connection, dataset)
            found = None if key is None else lines.alive(connection, key, row_id)
            return None if found is None else found.row

    def counts_by_label(self, version: Version) -> dict[str | None, int]:
        """Number of rows of each label, most frequent first; None stands for rows without one."""
        with self._pool.read() as connection:
            return lines.counts_by_label(connection, version)

    def diff(self, a: Version, b: Version) -> Iterator[Op]:
        """The ops that turn `a` into `b`, by row id, one at a time; `b` may be the older one.

        The two must be versions of one data set (InputError). Costs what changed in between, not
        what there is.
        """
        with self._pool.read() as connection, closing(lines.diff(connection, a, b)) as found:
            yield from found

    def diff_counts(self, a: Version, b: Version) -> dict[str, int]:
        """Number of ops of each kind that `diff` gives."""
        with self._pool.read() as connection:
            return lines.diff_counts(connection, a, b)

    # changes

    def commit(self, patch: Patch, *, note: str, now: str, undoes: str = "") -> Version:
        """Apply a patch to the head of its data set; the patch is then accepted.

        Nothing is merged: the base of the patch must be the head.

        Parameters
        ----------
        undoes : id of the patch whose inverse this is: it becomes reverted in the same transaction.

        Raises
        ------
        HeadMoved : the base is not the head's id ("" when the data set has no version).
        StaleOp : a row is not as an op expects it.
        PatchError : the patch is empty.
        """
        with self._pool.write() as connection:
            return commit.commit(connection, patch, note, now, undoes)

    def import_rows(
        self,
        dataset: str,
        source: str,
        rows: Iterable[Incoming],
        *,
        file_digest: str,
        note: str,
        now: str,
        progress: Callable[[int], None] | None = None,
    ) -> ImportResult:
        """Take in a file of any size: apply to the head what changed in the file since last time.

        A row that did not change in the file is left as the head has it, relabelled or dropped
        though it may be. A row that changed in the file and, differently, in the head becomes what
        the file says and is counted as a conflict. A row that is gone from the file is dropped.
        Nothing to change: no version.

        Parameters
        ----------
        dataset : where the rows go.
        source : name of the file; imports with the same source follow one another.
        rows : read once. A row without an id gets `tilth.data.content_id`; rows with equal fields
            are told apart in the order of their labels, so their order in the file does not matter.
        file_digest : digest of the bytes of the file; the same as last time: nothing is read. ""
            means unknown.
        note, now : for the version.
        progress : called with the number of rows read so far, every 10,000 rows and at the end.

        Raises
        ------
        InputError : an id occurs twice, or a row holds something that cannot be stored.
        """
        origin = imports.Origin(dataset, source, file_digest, note, now)
        with self._pool.scratch() as connection:
            again = imports.repeated(connection, origin)
            if again is not None:
                return again
            imports.stage(connection, rows, progress)
            with self._pool.transaction(connection):
                return imports.merge(connection, origin)

    # patches

    def save_patch(
        self,
        patch: Patch,
        *,
        state: PatchState = "proposed",
        meta: Mapping[str, Any] | None = None,
        now: str,
    ) -> PatchInfo:
        """Keep a patch. One that is known stays in its state; its meta is renewed when given.

        Parameters
        ----------
        patch : has one op at least (PatchError).
        state : where a new patch stands.
        meta : what its maker wants to note, as JSON.
        now : stands for `patch.created` where that is empty.
        """
        with self._pool.write() as connection:
            info = patches.record_of(patch, state, meta, now)
            patches.save(connection, info, patch.ops)
            return patches.info(connection, patch.id)

    def patch(self, ref: str) -> Patch:
        """The patch whose id starts with `ref` (4 characters at least), with all its ops.

        Raises
        ------
        NotFound : no such patch, or several; the message lists them.
        """
        with self._pool.read() as connection:
            return patches.load(connection, ref)

    def patch_info(self, ref: str) -> PatchInfo:
        """What is known about a patch, without its ops; `ref` as in `patch`."""
        with self._pool.read() as connection:
            return patches.info(connection, ref)

    def patches(self, state: str | None = None) -> list[PatchInfo]:
        """All patches, or those in one state, newest last."""
        with self._pool.read() as connection:
            return patches.listed(connection, state)

    def set_patch_state(
        self, ref: str, state: PatchState, *, reason: str, author: str, now: str
    ) -> PatchInfo:
        """Move a patch to another state; the decision is kept beside it."""
        with self._pool.write() as connection:
            return patches.set_state(connection, ref, state, reason=reason, author=author, now=now)

    def decisions(self, ref: str) -> list[Decision]:
        """Every change of the state of a patch, oldest first."""
        with self._pool.read() as connection:
            return patches.decisions(connection, ref)

    # records

    def put_record(self, kind: str, id: str, body: Mapping[str, Any], *, subject: str = "", now: str) -> None:
        """Keep a JSON body under a kind and an id; a known one is replaced in its place."""
        self.put_records(kind, [(id, body)], subject=subject, now=now)

    def put_new(self, kind: str, id: str, body: Mapping[str, Any], *, subject: str = "", now: str) -> bool:
        """Keep a JSON body unless the id is known; False where it is, and nothing changes."""
        with self._pool.write() as connection:
            if records.get(connection, kind, id) is not None:
                return False
            records.put(connection, kind, [(id, body)], subject=subject, now=now)
        return True

    def put_records(
        self,
        kind: str,
        bodies: Iterable[tuple[str, Mapping[str, Any]]],
        *,
        subject: str = "",
        now: str,
    ) -> None:
        """Keep many (id, body) of one kind and subject in one transaction."""
        with self._pool.write() as connection:
            records.put(connection, kind, bodies, subject=subject, now=now)

    def record(self, kind: str, id: str) -> dict[str, Any] | None:
        """The body of a record; None when there is none."""
        with self._pool.read() as connection:
            return records.get(connection, kind, id)

    def last_record(self, kind: str, subject: str) -> dict[str, Any] | None:
        """The newest body of a kind and a subject; None when there is none."""
        with self._pool.read() as connection:
            return records.last(connection, kind, subject)

    def records(self, kind: str, subject: str | None = None) -> list[dict[str, Any]]:
        """The bodies of a kind, or of a kind and a subject, oldest first."""
        with self._pool.read() as connection:
            return records.listed(connection, kind, subject)

    def verify(self) -> list[str]:
        """Compute again what can be: the file's own checks, and each head from its rows.

        Returns
        -------
        What is wrong, in words; an empty list when the store is sound.
        """
        try:
            with self._pool.read() as connection:
                # one transaction, so that a commit in between does not look like a fault
                connection.execute("BEGIN")
                found = check.faults(connection)
                connection.execute("COMMIT")
                return found
        except ProjectError as error:
            return [str(error)]
