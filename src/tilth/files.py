"""Files are written aside and renamed: a reader sees the old file or the new one, never half of one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tilth.errors import InputError

__all__ = ["exchange", "read_text", "replacing", "write_text"]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A draft beside a path, which takes its place when the block ends and goes when the block fails.

    Raises
    ------
    InputError : the file cannot be written; the old one is as it was.
    """
    # the process number: two commands that write the same report do not share a draft
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield draft
        draft.replace(path)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; check that the folder exists, that you may "
            "write to it and that there is space on the disk"
        ) from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Write a UTF-8 text with line feeds as they are; returns the path.

    Raises
    ------
    InputError : the file cannot be written.
    """
    with replacing(path) as draft:
        draft.write_text(text, "utf-8", newline="\n")
    return path


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, without a byte order mark.

    Raises
    ------
    InputError : it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def exchange(one: Path, other: Path) -> bool:
    """Let two folders change places; False where there is no other.

    In one step where the system can (Linux: renameat2), so that there is never none. Elsewhere the other is
    moved aside first, and back when that fails.

    Raises
    ------
    OSError : they cannot be renamed.
    """
    if not other.exists():
        return False
    if _exchange_at_once(one, other):
        return True
    aside = one.with_name(f"{one.name}.aside")
    other.rename(aside)
    try:
        one.rename(other)
    except BaseException:
        aside.rename(other)
        raise
    aside.rename(one)
    return True


def _exchange_at_once(one: Path, other: Path) -> bool:
    """Whether the system could do it."""
    import ctypes

    here, swap = -100, 2
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    if rename is None:
        return False
    return int(rename(here, os.fsencode(one.absolute()), here, os.fsencode(other.absolute()), swap)) == 0
