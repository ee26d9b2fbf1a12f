"""Tilth: pull requests for training data.

Find what is wrong with the data, change it by patches, and measure what each change did.

>>> import tilth
>>> tilth.__version__
'0.1.0'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tilth.arrays import audit_arrays
    from tilth.audit.base import Finding
    from tilth.audit.run import Audit
    from tilth.data import Row, Version
    from tilth.errors import TilthError
    from tilth.improvement import Improvement
    from tilth.patch import Op, Patch
    from tilth.project import Project
    from tilth.project import open_project as open
    from tilth.trial.record import Trial

__version__ = "0.1.0"
__all__ = [
    "Audit",
    "Finding",
    "Improvement",
    "Op",
    "Patch",
    "Project",
    "Row",
    "TilthError",
    "Trial",
    "Version",
    "audit_arrays",
    "open",
]


def __getattr__(name: str) -> Any:
    """Load on first use: `import tilth` stays under 50 ms."""
    from importlib import import_module

    homes = {
        "Audit": "audit.run", "audit_arrays": "arrays",
        "Finding": "audit.base", "Improvement": "improvement", "Op": "patch", "Patch": "patch",
        "Project": "project", "Row": "data", "TilthError": "errors", "Trial": "trial.record",
        "Version": "data", "open": "project",
    }  # fmt: skip
    if name not in homes:
        raise AttributeError(f"module 'tilth' has no attribute {name!r}")
    return getattr(import_module(f"tilth.{homes[name]}"), "open_project" if name == "open" else name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
