"""Passwords of a team: one line a person, `name:scrypt$log2(n)$r$p$salt$hash`.

References
----------
Percival and Josefsson, "The scrypt password-based key derivation function", RFC 7914, 2016.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from tilth.errors import InputError
from tilth.files import read_text, write_text

__all__ = ["LEAST", "People", "add", "fit_name"]

LEAST = 10
"""Characters of a password."""
LOG_N, R, P = 15, 8, 1
"""Cost: 32 MiB and about a tenth of a second for each guess."""
NOBODY = f"scrypt${LOG_N}${R}${P}$AAAAAAAAAAAAAAAAAAAAAA==${'A' * 43}="
"""Checked for a name that there is not, so that it takes as long as one that there is."""


def fit_name(name: str) -> bool:
    """Whether a name can stand beside a verdict and in the file."""
    return 0 < len(name) <= 100 and name.isprintable() and name == name.strip() and ":" not in name


def _hash(password: str, log_n: int, r: int, p: int, salt: bytes) -> bytes:
    data = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(data, salt=salt, n=2**log_n, r=r, p=p, maxmem=2**28, dklen=32)


def _parsed(line: str) -> tuple[int, int, int, bytes, bytes]:
    kind, log_n, r, p, salt, found = line.split("$")
    cost = int(log_n), int(r), int(p)
    if kind != "scrypt" or not (10 <= cost[0] <= 20 and 1 <= cost[1] <= 32 and 1 <= cost[2] <= 16):
        raise ValueError("cost")
    return *cost, base64.b64decode(salt, validate=True), base64.b64decode(found, validate=True)


class People:
    """The people in a password file; it is read again when it changes.

    Parameters
    ----------
    path : the file.

    Raises
    ------
    InputError : it cannot be read, names nobody, or a line is not of this form.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state: tuple[int, int, int] | None = None
        self._lines: dict[str, str] = {}
        self.lines()

    def lines(self) -> dict[str, str]:
        """What the file says after each name."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise InputError(f"cannot read {self.path}: {error.strerror}; check the path") from error
        state = (found.st_mtime_ns, found.st_size, found.st_ino)
        if state != self._state:
            self._lines, self._state = _read(self.path), state
        return self._lines

    def check(self, name: str, password: str) -> bool:
        """Whether this is the password; as slow for a name that there is not."""
        line = self.lines().get(name)
        log_n, r, p, salt, found = _parsed(line or NOBODY)
        return hmac.compare_digest(_hash(password, log_n, r, p, salt), found) and line is not None

    def open_to_others(self) -> bool:
        """Whether other users of this machine may read the file."""
        return os.name == "posix" and bool(self.path.stat().st_mode & 0o077)


def _read(path: Path) -> dict[str, str]:
    out = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        try:
            _parsed(rest)
        except ValueError:
            rest = ""
        if not fit_name(name) or not rest:
            raise InputError(
                f"{path}:{number}: not a line of a password file; write it with: "
                f"tilth review --password-file {path} --add-person NAME"
            )
        out[name] = rest.strip()
    if not out:
        raise InputError(
            f"{path} names nobody; write a line with: tilth review --password-file {path} --add-person NAME"
        )
    return out


def add(path: Path, name: str, password: str) -> None:
    """Write a person's line, in the place of an earlier one; the file is for its owner alone.

    Raises
    ------
    InputError : the name cannot be used, or the password is too short.
    """
    if not fit_name(name):
        raise InputError(f"{name!r} cannot be used: 1 to 100 characters that can be seen, no colon")
    if len(password) < LEAST:
        raise InputError(f"a password of {len(password)} characters; use at least {LEAST}")
    old = read_text(path).splitlines() if path.exists() else []
    salt = secrets.token_bytes(16)
    parts = (salt, _hash(password, LOG_N, R, P, salt))
    line = f"{name}:scrypt${LOG_N}${R}${P}$" + "$".join(base64.b64encode(x).decode() for x in parts)
    kept = [x for x in old if x.partition(":")[0] != name]
    if not path.exists():
        path.touch(mode=0o600)
    write_text(path, "\n".join([*kept, line]) + "\n")
    path.chmod(0o600)
