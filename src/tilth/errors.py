"""The tree of errors. Every message says what was asked, what was found, and what to do.

TilthError
├── InputError          a file, column, row or value that cannot be used
│   └── BadRows         rows that cannot be read; nothing was taken in
├── ConfigError         tilth.toml is wrong
├── ProjectError        the project folder is missing, damaged or newer than this Tilth
│   └── ProjectBusy     another process holds the project
├── NotFound            no such version, patch, dataset or row
├── PatchError          a patch file that cannot be read
│   ├── StaleOp         an op does not fit the rows it is applied to
│   └── HeadMoved       somebody changed the data set since the patch was made
├── Refused             an action that would do harm and was not forced
├── CheckFailed         an audit check could not be carried out
├── ContractError       a plug-in breaks the contract of its kind (an AssertionError as well)
├── TrialError          a trial that cannot be measured
└── MissingExtra        an optional dependency is not installed
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "BadRow",
    "BadRows",
    "CheckFailed",
    "ConfigError",
    "ContractError",
    "HeadMoved",
    "InputError",
    "MissingExtra",
    "NotFound",
    "PatchError",
    "ProjectBusy",
    "ProjectError",
    "Refused",
    "StaleOp",
    "TilthError",
    "TrialError",
]


class TilthError(Exception):
    """Base of every error that Tilth raises on purpose."""


class InputError(TilthError):
    """A file, column, row or value that cannot be used."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """One row that could not be read: where it is, what is wrong and what to do."""

    file: str
    line: int
    column: str
    value: str
    problem: str
    advice: str

    def __str__(self) -> str:
        shown = self.value if len(self.value) <= 60 else self.value[:57] + "..."
        return (
            f"{self.file}:{self.line}: column {self.column!r}: {self.problem} "
            f"(found {shown!r}); {self.advice}"
        )


class BadRows(InputError):
    """Rows that cannot be read; nothing was taken in.

    Attributes
    ----------
    rows : the first bad rows (at most 100).
    count : how many there are in all.
    """

    def __init__(self, rows: list[BadRow], count: int) -> None:
        self.rows = rows[:100]
        self.count = count
        shown = "\n".join(f"  {row}" for row in self.rows[:10])
        more = f"\n  ... and {count - 10} more" if count > 10 else ""
        super().__init__(
            f"{count} row(s) cannot be read, so nothing was taken in:\n{shown}{more}\n"
            "Mend the file, or repeat with --skip-bad to set these rows aside and take the rest."
        )


class ConfigError(TilthError):
    """tilth.toml is wrong."""


class ProjectError(TilthError):
    """The project folder is missing, damaged or newer than this Tilth."""


class ProjectBusy(ProjectError):
    """Another process holds the project for writing."""


class NotFound(TilthError):
    """No such version, patch, data set or row."""


class PatchError(TilthError):
    """A patch file that cannot be read."""


class StaleOp(PatchError):
    """An op does not fit the rows it is applied to (applied twice, or the row changed)."""


class HeadMoved(PatchError):
    """Somebody changed the data set since the patch was made."""


class Refused(TilthError):
    """An action that would do harm and was not forced."""


class CheckFailed(TilthError):
    """An audit check could not be carried out; its silence must not be read as 'clean'."""


class ContractError(TilthError, AssertionError):
    """A plug-in breaks the contract of its kind.

    Attributes
    ----------
    broken : the clauses, each as it should be, with what was found and where.
    """

    def __init__(self, subject: str, broken: list[str]) -> None:
        self.broken = tuple(broken)
        lines = "\n".join(f"  - {clause}" for clause in broken)
        super().__init__(f"{subject} breaks {len(broken)} clause(s) of its contract:\n{lines}")


class TrialError(TilthError):
    """A trial that cannot be measured."""


class MissingExtra(TilthError):
    """An optional dependency is not installed."""

    def __init__(self, feature: str, package: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs the package {package!r}, which is not installed. "
            f"Install it with: pip install 'tilth[{extra}]'"
        )
