"""Files are written aside and renamed: a reader sees the old file or the new one, never half of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tilth.errors import InputError

__all__ = ["read_text", "replacing", "write_text"]


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
