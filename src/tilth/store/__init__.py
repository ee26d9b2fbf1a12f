"""The project folder: versions, patches, records; one SQLite file, atomic and durable."""

from tilth.store.results import (
    Decision,
    ImportResult,
    PatchInfo,
    PatchState,
)
from tilth.store.store import Store

__all__ = [
    "Decision",
    "ImportResult",
    "PatchInfo",
    "PatchState",
    "Store",
]
