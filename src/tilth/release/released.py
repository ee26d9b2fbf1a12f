"""What `tilth release` says it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilth import stats
from tilth.release.gates import Gates
from tilth.release.measured import Measured
from tilth.release.thresholds import Choice

if TYPE_CHECKING:
    import pandas

__all__ = ["Outside", "Released"]


@dataclass(frozen=True)
class Outside:
    """Rows outside the known classes, none of which the model has seen.

    Attributes
    ----------
    rows : how many there are.
    refused : share of them that is not answered.
    """

    rows: int
    refused: stats.Interval


@dataclass(frozen=True)
class Released:
    """A release that was written.

    Attributes
    ----------
    path, id, name, created : where it is, digest of its manifest, its name, and its time.
    recipe, version, eval_version : what was fitted on which data.
    rows, classes : of train.
    decided_on, reported_on : which rows chose the thresholds, and which ones report, in words.
    choice : the threshold of probability and what it promises.
    measured : scores on the reporting rows; None without any.
    refused : share of the reporting rows of known classes that is unlike what was learned.
    outside : rows outside the known classes; None where there are none.
    missed : classes whose answers are less often right than wanted, for all that chance can do.
    megabytes, files : size of the bundle, number of files.
    notes : what a person should know.
    gates : what the release had to show; None before they are checked.
    """

    path: Path
    id: str
    name: str
    created: str
    recipe: str
    version: str
    eval_version: str
    rows: int
    classes: int
    decided_on: str
    reported_on: str
    choice: Choice
    measured: Measured | None
    refused: stats.Interval | None
    outside: Outside | None
    missed: Sequence[str]
    megabytes: float
    files: int
    notes: Sequence[str]
    gates: Gates | None = None

    def to_json(self) -> dict[str, Any]:
        """The release as a JSON object."""
        plain = {k: getattr(self, k) for k in self.__dataclass_fields__}
        return {
            **plain,
            "path": str(self.path),
            "choice": self.choice.to_json(),
            "measured": self.measured and self.measured.to_json(),
            "refused": self.refused and asdict(self.refused),
            "outside": self.outside and asdict(self.outside),
            "missed": list(self.missed),
            "notes": list(self.notes),
            "gates": self.gates.to_json() if self.gates else [],
        }

    def to_pandas(self) -> pandas.DataFrame:
        """One line a class or slice that was scored."""
        from tilth.frames import frame

        parts = self.measured.to_json()["parts"] if self.measured else []
        return frame(parts)

    def _repr_html_(self) -> str:
        from tilth.frames import html_table

        parts = self.measured.to_json()["parts"] if self.measured else []
        return html_table(f"release {self.name} ({self.id})", parts)
